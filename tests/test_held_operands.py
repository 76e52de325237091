"""Operands that are one element for a row or for all: loops of their own, with the bits of those that read them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac

OPS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "clip": lambda x, y: ac.clip(x, y, y + 0.5),
    "maximum": ac.maximum,
}

#: Shapes that broadcast: a number, a column, a row, blocks; short rows, long ones, and more than a tile.
SHAPES = [
    ((700,), ()),
    ((700,), (1,)),
    ((30, 30), (30, 1)),
    ((30, 30), (1, 30)),
    ((65, 100), (65, 1)),
    ((3, 1500), (3, 1)),
    ((2, 3, 70), (2, 1, 1)),
    ((4, 5, 6), (4, 1, 6)),
    ((4, 5, 6), (4, 5, 1)),
    ((1, 600), (40, 1)),
    ((3, 17), (3, 1)),
    ((1,), ()),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
@pytest.mark.parametrize("name", OPS)
def test_a_held_operand_gives_the_bits_of_a_whole_one(name: str, shapes: tuple[Any, Any], dtype: str) -> None:
    rng = np.random.default_rng(3)
    x, y = ((rng.standard_normal(shape) * 2).astype(dtype) for shape in shapes)
    if x.size > 9:
        x.flat[:6] = np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40
    together = np.broadcast_shapes(*shapes)
    whole = [ac.asarray(np.ascontiguousarray(np.broadcast_to(a, together))) for a in (x, y)]
    f = OPS[name]
    for a, b, c, d in ((x, y, *whole), (y, x, *whole[::-1])):
        wanted = f(c, d).numpy()
        for g in (f, ac.compile(f)):
            found = g(ac.asarray(a), ac.asarray(b)).numpy()
            np.testing.assert_array_equal(found, wanted)
            numeric = ~np.isnan(wanted)
            assert found[numeric].tobytes() == wanted[numeric].tobytes()


@given(st.integers(0, 70), st.integers(0, 70), st.sampled_from(["float32", "float64"]))
def test_columns_of_any_length_are_subtracted_exactly(rows: int, columns: int, dtype: str) -> None:
    k = np.arange(rows * columns, dtype=dtype).reshape(rows, columns)
    c = np.arange(rows, dtype=dtype)[:, None] * 3
    np.testing.assert_array_equal((ac.asarray(k) - ac.asarray(c)).numpy(), k - c)
    np.testing.assert_array_equal((ac.asarray(c) - ac.asarray(k)).numpy(), c - k)
    np.testing.assert_array_equal((ac.asarray(k).T - ac.asarray(c).T).numpy(), (k - c).T)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 31, 33, 257])
def test_loops_that_write_over_what_they_read(n: int) -> None:
    """A compiled step whose results take their operands' memory, of lengths that are no multiple of a vector's."""
    p = ac.asarray(np.linspace(0.1, 2.0, n)).requires_grad_()

    def step() -> None:
        with ac.no_grad():
            p.assign_(ac.exp(p * 0.5) - p)

    want = p.numpy().copy()
    compiled = ac.compile(step)
    for _ in range(3):
        compiled()
        want = ac.exp(ac.asarray(want) * 0.5).numpy() - want
    assert p.numpy().tobytes() == want.tobytes()
