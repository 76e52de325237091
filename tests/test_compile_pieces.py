"""Pieces in compiled programs: what is put together, or between zeros, is computed where it ends, with eager's bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac

N = 70  # longer than what becomes a program of single numbers


def joined(x: Any, y: Any) -> Any:
    return ac.sin(ac.concat([ac.exp(x), ac.cos(y)]))


def padded(x: Any, y: Any) -> Any:
    return ac.sin(ac.pad(ac.exp(x) * y, (3, 5)))


def stacked(x: Any, y: Any) -> Any:
    return ac.sin(ac.stack([ac.exp(x), ac.cos(y)]))


def nested(x: Any, y: Any) -> Any:
    return ac.sin(ac.concat([ac.pad(ac.exp(x), (1, 0)), ac.cos(y)]))


def of_products(x: Any, y: Any) -> Any:
    return ac.sin(ac.concat([ac.outer(x, y)[:, :9] @ ac.outer(y, x)[:9], ac.outer(x, y)]))


@pytest.mark.parametrize("f", [joined, padded, stacked, nested])
def test_what_is_put_together_is_not_moved(f: Any) -> None:
    x, y = ac.tensor(np.linspace(0.0, 1.0, N)), ac.tensor(np.linspace(1.0, 2.0, N))
    program = ac.compile(f).program(x, y)
    n = float(f(x, y).size)
    arguments, zeros = 2 * N, n - 2 * N if f is not padded else 8
    assert program.bytes <= 8 * (arguments + 3 * n + 2 * zeros)  # read; pieces are written; read, written


@pytest.mark.parametrize("f", [joined, padded, stacked, nested, of_products])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_bits_are_those_of_eager_runs(f: Any, dtype: str) -> None:
    x, y = (ac.tensor(np.linspace(a, a + 1, N).astype(dtype)) for a in (0.0, 1.0))
    for g in (f, ac.grad(lambda x, y: ac.sum(f(x, y) ** 2))):
        assert ac.compile(g)(x, y).numpy().tobytes() == g(x, y).numpy().tobytes()


Step = tuple[str, int, int, int]


def run(steps: list[Step], x: Any) -> tuple[Any, Any]:
    """A value for each step, of those before it; the last one and another are the results."""
    values = [x, ac.exp(x)]
    for name, i, j, k in steps:
        a, b = values[i % len(values)], values[j % len(values)]
        cut = 1 + k % (a.shape[0] - 1)
        made = {
            "sin": lambda a=a: ac.sin(a) * 0.5,
            "times": lambda a=a, b=b: a * b if a.shape == b.shape else a * ac.sum(b),
            "concat": lambda a=a, b=b: ac.concat([a, b]),
            "three": lambda a=a, b=b, cut=cut: ac.concat([a[:cut], b * 2.0, a[cut:]]),
            "twice": lambda a=a: ac.concat([a, a]),
            "pad": lambda a=a, k=k: ac.pad(a * 0.5, (k % 3, k % 2)),
            "head": lambda a=a, cut=cut: a[:cut] if cut > 1 else a,
            "shift": lambda a=a: ac.concat([ac.sum(a, keepdims=True), ac.cos(a[:-1])]),
            "stack": lambda a=a: ac.reshape(ac.stack([ac.cos(a), a]), (-1,)),
            "back": lambda a=a: ac.concat([a[::-1], ac.sin(a)]),
        }[name]()
        values.append(made if made.shape[0] <= 1000 else ac.cos(a))
    return values[-1], values[len(values) // 2]


NAMES = ["sin", "times", "concat", "three", "twice", "pad", "head", "shift", "stack", "back"]
STEPS = st.lists(st.tuples(st.sampled_from(NAMES), *[st.integers(0, 200)] * 3), min_size=2, max_size=9)


@given(STEPS)
def test_any_program(steps: list[Step]) -> None:
    x = ac.tensor(np.linspace(0.1, 0.9, N))

    def objective(x: Any) -> Any:
        return sum(ac.sum(y * y) for y in run(steps, x))

    for f in (lambda x: run(steps, x), ac.grad(objective)):
        given, expected = ac.compile(f)(x), f(x)
        for a, b in zip(ac.tree.leaves(given), ac.tree.leaves(expected), strict=True):
            assert a.numpy().tobytes() == b.numpy().tobytes()
