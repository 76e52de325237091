"""Checkpointed random programs keep their bits."""

from __future__ import annotations

import random
from typing import Any

import pytest

import alice_core as ac
from alice_core import tree
from checkpoint_functions import Function, plain
from program_maker import random_program
from random_programs import _run, compare

# Programs with these inside cannot be checkpointed, and say so. What changed in place is seen in what reads it.
REFUSED = (
    "called inside a checkpointed function|can neither read nor change .grad|was changed in place after it ran|"
    "gives other numbers now than in the first run"
)


def _differentiated(f: Function, how: str) -> Function:
    def run(*args: Any, **kwargs: Any) -> Any:
        leaves = list(tree.leaves((args, kwargs)))
        places = [i for i, x in enumerate(leaves) if isinstance(x, ac.Tensor) and x.dtype.kind == "f"]

        def of(xs: list[ac.Tensor], leaves: list[Any] = leaves) -> list[ac.Tensor]:
            given = list(leaves)
            for i, x in zip(places, xs, strict=True):
                given[i] = x
            a, k = tree.structure((args, kwargs)).unflatten(given)
            results = [y for y in tree.leaves(f(*a, **k)) if isinstance(y, ac.Tensor) and not y._weak]
            return [y * 1.0 for y in results if y.dtype.kind == "f"]

        def pulled_back(leaves: list[Any]) -> Any:
            ys, pullback = ac.vjp(lambda xs: of(xs, leaves), [leaves[i] for i in places])
            return ys, pullback([ac.ones_like(y) for y in ys])

        if how == "vjp":
            return pulled_back(leaves)
        if how == "compiled":
            return ac.compile(pulled_back)(leaves)
        copies = [ac.tensor(leaves[i]).requires_grad_() for i in places]
        ys = of(copies)
        for y in ys:
            if y.is_tracked:
                y.backward(ac.ones_like(y), retain_graph=True)
        return [ac.stop_gradient(y) for y in ys], [x.grad for x in copies]

    return run


def test_random_programs_keep_their_bits() -> None:
    compared = 0
    for seed in range(900):
        how = ("vjp", "compiled", "backward")[seed % 3]
        build, calls = random_program(random.Random(seed).randrange).functions()

        def history(wrap: Function, how: str = how, build: Any = build, calls: Any = calls) -> Any:
            return _run(lambda _: build(wrap), calls, lambda f: _differentiated(wrap(f), how))[0]

        for i, (want, got) in enumerate(zip(history(plain), history(ac.checkpoint), strict=False)):
            if isinstance(want, Exception):
                break
            if isinstance(got, Exception):
                with pytest.raises(ac.GradientError, match=REFUSED):
                    raise got
                break
            compare(want, got, f"program {seed}, call {i}")
            compared += 1
    assert compared > 1200
