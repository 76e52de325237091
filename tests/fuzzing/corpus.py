"""A few right calls of every primitive, taken from what the rows of ``tests/cases`` do: random calls vary them."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

import alice_core as ac
from alice_core import _core, tree
from op_calls import calls, op, tensors
from op_cases import all_cases
from rule_checks import differentiable_calls

#: The arrays of a call as (shape, dtype), and the text of its attributes.
Example = tuple[tuple[tuple[tuple[int, ...], str], ...], tuple[str, ...]]
Corpus = dict[str, list[Example]]

EXAMPLES = 24  # of a primitive, those with the shortest text


def text_of(attribute: Any) -> str:
    return f"np.dtype({attribute.name!r})" if isinstance(attribute, np.dtype) else repr(attribute)


def example(equation: Any) -> Example:
    arrays = tuple((x.shape, x.dtype.name) for x in equation.inputs)
    return arrays, tuple(text_of(a) for a in equation.attributes)


def corpus() -> Corpus:
    found: dict[str, set[Example]] = {name: set() for name in ac.primitives()}
    equations: list[Any] = []
    previous = _core.set_recorder(equations)
    try:
        for case in all_cases():
            for args, kwargs in list(calls(case))[:12]:
                op(case)(*tensors(args), **kwargs)
            if case.grad and "float64" in case.dtypes:
                for f, xs in list(differentiable_calls(case))[:4]:
                    y, pullback = ac.vjp(f, *xs)
                    with contextlib.suppress(ac.AliceError):
                        pullback(tree.map(ac.ones_like, y))
            for e in equations:
                with contextlib.suppress(ac.GradientError):  # its arrays were given back
                    if e.primitive.name in found and all(x.size < 5000 for x in e.inputs):
                        found[e.primitive.name].add(example(e))
            equations.clear()
    finally:
        _core.set_recorder(previous)
    for name, rows in found.items():
        if not rows:
            n = max(ac.primitives()[name].n_inputs, 1)
            rows.add(((((3,), "float64"),) * n, ()))
    return {
        name: sorted(rows, key=lambda r: (len(repr(r)), repr(r)))[:EXAMPLES] for name, rows in sorted(found.items())
    }
