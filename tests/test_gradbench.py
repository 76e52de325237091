"""The evals of GradBench in ``bench/gradbench`` against their references: values, both sizes, eager and compiled."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alice_core as ac

BENCH = Path(__file__).parents[1] / "bench"
EVALS = ("hello", "lse", "llsq", "kmeans", "gmm", "det", "ode", "lstm", "ba", "ht", "particle", "saddle")

pytestmark = pytest.mark.skipif(not BENCH.is_dir(), reason="the benchmarks are not here")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCH))
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("gradbench", "harness"):
            del sys.modules[name]


def module(name: str) -> Any:
    return importlib.import_module(f"gradbench.{name}")


def cases() -> list[Any]:
    counts = dict.fromkeys(EVALS, 3) | dict.fromkeys(("ba", "ht", "particle", "saddle"), 2) | {"hello": 1}
    return [pytest.param(name, i, id=f"{name}-{i}") for name in EVALS for i in range(counts[name])]


def leaves(result: Any) -> list[Any]:
    parts = result if isinstance(result, (tuple, list)) else [result]
    return [np.asarray(part) for part in parts]


def check(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        assert a.shape == b.shape
        assert np.abs(a - b).max(initial=0.0) <= tolerance * np.abs(b).max(initial=1e-300)


@pytest.mark.parametrize(("name", "case"), cases())
def test_derivatives_are_those_of_the_reference(name: str, case: int) -> None:
    eval_ = module(name)
    assert len(eval_.TINY) == sum(p.values[0] == name for p in cases())
    size = eval_.TINY[case]
    f = eval_.derivative(module("libraries").alice("ours"), *size)
    arrays = [ac.tensor(a) for a in eval_.inputs(*size)]
    found = ac.compile(f)(*arrays)
    check(found, eval_.reference(*size))
    if name not in ("particle", "saddle"):  # thousands of steps, which eagerly take seconds
        for a, b in zip(leaves(found), leaves(f(*arrays)), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("reverse", [0, 1])
def test_descents_end_where_the_suite_says(reverse: int) -> None:
    """The answers that GradBench expects of particle and saddle."""
    lib = module("libraries").alice("ours")
    for name, answer in (("particle", 0.2071918746486116), ("saddle", [8.246324826140356e-06] * 4)):
        eval_ = module(name)
        found = ac.compile(eval_.derivative(lib, reverse))(*(ac.tensor(a) for a in eval_.inputs(reverse)))
        np.testing.assert_allclose(np.asarray(found), answer, rtol=1e-12)


def test_the_mixture_s_objective_is_the_log_of_its_densities() -> None:
    gmm = module("gmm")
    for size in gmm.TINY:
        arrays = gmm.inputs(*size)
        found = gmm.objective(ac, *size)(*(ac.tensor(a) for a in arrays))
        np.testing.assert_allclose(np.asarray(found), gmm.naive(*arrays), rtol=1e-12)


@pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")
def test_the_derivatives_by_hand_are_those_of_the_reference(tmp_path: Path) -> None:
    by_hand = module("by_hand")
    native = by_hand.load(tmp_path / "libbyhand.so", ("-O0", "-std=c++20", "-fPIC", "-shared"))
    for name in EVALS:
        eval_ = module(name)
        for size in eval_.TINY:
            expected = eval_.reference(*size)
            hand = by_hand.contender(name, eval_.inputs(*size), size, expected, native)
            check(hand.run(), expected)
            hand.repeat(2)
            check(hand.run(), expected)  # a call leaves nothing behind
