"""The rows of ``hard_cases.py``, and the contracts that are no row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from hard_cases import CASES, HardCase


def same(got: ac.Tensor, want: object, case: HardCase) -> None:
    want = np.asarray(want, dtype=np.float64)
    assert got.dtype == case.dtype
    assert got.shape == want.shape
    np.testing.assert_allclose(got.numpy().astype(np.float64), want, rtol=case.rtol, atol=0)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_hard_case(case: HardCase) -> None:
    args = [ac.tensor(np.array(a, dtype=np.float64), dtype=case.dtype) for a in case.args]
    value, pullback = ac.vjp(case.f, *args)
    same(value, case.value, case)
    if case.gradient is not None:
        for got, want in zip(pullback(ac.ones_like(value)), case.gradient, strict=True):
            same(got, want, case)


def test_sum_of_ten_million() -> None:
    """59: the error is that of the result's rounding, not of ten million additions."""
    assert ac.sum(ac.full((10_000_000,), 0.1)).item() == 1000000.0


def test_mean_over_the_long_axis_and_long_cumsum() -> None:
    """60"""
    assert ac.mean(ac.ones((20_000_000, 2)), axis=0).tolist() == [1.0, 1.0]
    assert ac.cumsum(ac.ones((1 << 25,)), axis=0)[-1].item() == float(1 << 25)


def test_labels_are_checked_before_anything_is_read() -> None:
    """27"""
    for label in (3, -1):
        for reduction in ("mean", "sum", "none"):
            with pytest.raises(IndexError, match="cross_entropy"):
                ac.losses.cross_entropy(ac.zeros((2, 3)), ac.tensor([0, label]), reduction=reduction)


@pytest.mark.notes("E-18")
def test_mse_does_not_broadcast() -> None:
    """33"""
    with pytest.raises(ac.ShapeError, match=r"mse_loss.*\(3,\).*\(3, 1\)"):
        ac.losses.mse_loss(ac.zeros((3,)), ac.zeros((3, 1)))


def test_max_of_nothing() -> None:
    """63"""
    with pytest.raises(ValueError, match="max"):
        ac.max(ac.zeros((0,)))


def test_read_only_input_is_never_changed() -> None:
    """81"""
    a = np.ones(4, dtype=np.float32)
    a.flags.writeable = False
    x = ac.asarray(a)
    y = x + 1.0
    y = y * 2.0
    with pytest.raises(ValueError, match="read-only"):
        x.assign_(0.0)
    np.testing.assert_array_equal(a, 1.0)


def test_a_result_never_changes_under_the_callers_feet() -> None:
    """69"""

    def f(v: float) -> ac.Tensor:
        return ac.full((50,), v) * 2.0

    y1 = f(1.0)
    y2 = f(2.0)
    assert y1.tolist() == [2.0] * 50
    assert y2.tolist() == [4.0] * 50


extents = st.integers(-3, 6) | st.sampled_from([1 << 31, 1 << 62, -(1 << 62)])
axes = st.integers(-5, 5) | st.sampled_from([1 << 40, -(1 << 62)])
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_absurd_arguments_raise_and_never_crash(data: st.DataObject) -> None:
    """90: exceptions, never signals."""
    x = ac.asarray(np.zeros(data.draw(shapes), dtype=np.float32))
    shape = data.draw(st.lists(extents, max_size=4).map(tuple))
    axis = data.draw(axes)
    y = ac.asarray(np.zeros(data.draw(shapes), dtype=np.float32))
    index = ac.asarray(np.array(data.draw(st.lists(axes, max_size=3)), dtype=np.int64))
    attempts = [
        lambda: ac.reshape(x, shape),
        lambda: ac.broadcast_to(x, shape) if np.prod([float(abs(n)) for n in shape] or [1.0]) < 1e6 else None,
        lambda: ac.permute_dims(x, shape),
        lambda: ac.expand_dims(x, axis=axis),
        lambda: ac.squeeze(x, axis=axis),
        lambda: ac.sum(x, axis=axis),
        lambda: ac.max(x, axis=(axis, 0)),
        lambda: ac.cumsum(x, axis=axis),
        lambda: ac.softmax(x, axis=axis),
        lambda: ac.matmul(x, y),
        lambda: x + y,
        lambda: x[axis],
        lambda: x[axis :: axis or 1],
        lambda: x[index],
        lambda: ac.take(x, index, axis=axis),
        lambda: ac.concat([x, y], axis=axis),
        lambda: ac.stack([x, y], axis=axis),
        lambda: ac.flip(x, axis=axis),
        lambda: ac.tril(x, k=axis),
        lambda: ac.zeros(shape) if all(n < 1000 for n in shape) else ac.abstract(shape),
    ]
    for attempt in attempts:
        try:
            result = attempt()
        except (ValueError, IndexError, TypeError, OverflowError):
            continue
        if isinstance(result, ac.Tensor) and not result.is_abstract:
            result.numpy().sum()
