"""Sums of adjoints of slices in compiled programs: added where they lie, with the bits of eager sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac


def _recurrence(x: ac.Tensor) -> ac.Tensor:
    h = ac.zeros((40,), dtype=x.dtype)  # longer than what becomes a scalar program
    for t in range(x.shape[0]):
        h = ac.tanh(h * 0.5 + x[t])
    return ac.sum(h)


def _neighbours(x: ac.Tensor) -> ac.Tensor:
    return ac.sum(ac.stack([ac.sum(x[t] * x[t + 1]) for t in range(x.shape[0] - 1)]))


def _gates(x: ac.Tensor) -> ac.Tensor:
    total = ac.zeros((), dtype=x.dtype)
    for t in range(x.shape[0]):
        row = x[t]
        total = total + ac.sum(ac.sigmoid(row[:20]) * ac.tanh(row[20:]))
    return total


def _bytes(f: Callable[[ac.Tensor], ac.Tensor], n: int) -> float:
    return float(ac.compile(ac.grad(f)).program(ac.ones((n, 40))).bytes)


@pytest.mark.parametrize("f", [_recurrence, _neighbours, _gates])
def test_loops_over_items_move_memory_in_proportion_to_their_length(f: Callable[[ac.Tensor], ac.Tensor]) -> None:
    short, long = _bytes(f, 64), _bytes(f, 256)
    assert long <= 4.4 * short


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("f", [_recurrence, _neighbours, _gates])
def test_gradients_keep_their_bits(f: Callable[[ac.Tensor], ac.Tensor], dtype: str) -> None:
    x = ac.tensor(np.random.default_rng(0).standard_normal((9, 40)).astype(dtype))
    assert ac.compile(ac.grad(f))(x).numpy().tobytes() == ac.grad(f)(x).numpy().tobytes()


def test_the_parts_of_an_array_are_written_once() -> None:
    """Neither an array for each part nor a sum of such arrays."""
    grad = ac.grad(lambda x: ac.sum(ac.exp(x[:, :40]) * ac.tanh(x[:, 40:])))
    x = ac.tensor(np.random.default_rng(0).standard_normal((70, 80)))
    program = ac.compile(grad).program(x)
    assert "slice_vjp" not in str(program)
    assert str(program).count("slice_add") == 2
    assert ac.compile(grad)(x).numpy().tobytes() == grad(x).numpy().tobytes()


@st.composite
def _keys(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[slice | int, ...]:
    """A box of an array, an axis of which may be gone, backwards or in steps."""
    key: list[slice | int] = []
    for n in shape:
        a, b = sorted(draw(st.tuples(st.integers(0, n), st.integers(0, n))))
        kind = draw(st.sampled_from(["range", "steps", "backwards", "item", "all"]))
        if kind == "item":
            key.append(min(a, n - 1))
        elif kind == "backwards":
            key.append(slice(b, a, -1))
        else:
            key.append({"range": slice(a, b), "steps": slice(a, b, 2), "all": slice(None)}[kind])
    return tuple(key)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_sums_of_any_slices_have_the_bits_of_eager_ones(data: st.DataObject) -> None:
    """Signs of zeros too: cotangents are 0, -0 and others, slices overlap or lie apart."""
    shape = data.draw(st.sampled_from([(12,), (5, 4), (3, 2, 4)]))
    keys = data.draw(st.lists(_keys(shape), min_size=1, max_size=7))
    tiny = data.draw(st.booleans())  # or beside something that no scalar program holds
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = ac.tensor(rng.standard_normal(shape).astype(dtype))
    weights = [
        ac.tensor(rng.choice([0.0, -0.0, -0.0, 1.5, -2.0], np.zeros(shape)[key].shape).astype(dtype)) for key in keys
    ]
    dense = data.draw(st.sampled_from([None, 0.0, -0.0, 1.0]))
    large = ac.tensor(rng.standard_normal((70, 70)).astype(dtype))

    def f(x: ac.Tensor, *w: ac.Tensor) -> Any:
        total = ac.sum(x) * dense if dense is not None else ac.zeros((), dtype=dtype)
        for key, weight in zip(keys, w, strict=True):
            total = total + ac.sum(x[key] * weight)
        return total if tiny else total + ac.sum(large @ large)

    def both(x: ac.Tensor, *w: ac.Tensor) -> Any:
        first = ac.grad(f)(x, *w)
        return first, ac.grad(f)(x * 2.0, *w), ac.sum(first)

    for eager, compiled in zip(both(x, *weights), ac.compile(both)(x, *weights), strict=True):
        assert eager.numpy().tobytes() == compiled.numpy().tobytes()


def test_a_sum_that_is_read_later_stays_as_it_was() -> None:
    x = ac.tensor(np.arange(80.0).reshape(8, 10))

    def f(x: ac.Tensor) -> list[ac.Tensor]:
        y, pullback = ac.vjp(lambda x: [ac.exp(x[t] * 0.01) for t in range(8)], x)
        ones = [ac.ones_like(v) for v in y]
        partial = [pullback(ones[:k] + [0.0 * v for v in ones[k:]])[0] for k in range(1, 9)]
        return [p * 1.0 for p in partial] + partial

    for eager, compiled in zip(f(x), ac.compile(f)(x), strict=True):
        assert eager.numpy().tobytes() == compiled.numpy().tobytes()
