"""The gradient of max and min: the same bits as the definition, for all shapes, axes and layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import alice_core as ac
from alice_core.errors import DTypeError, ShapeError

Array = npt.NDArray[Any]

extreme_vjp = ac.primitives()["extreme_vjp"]


def shares(g: Array, y: Array, x: Array, axes: tuple[int, ...]) -> Array:
    """g and y with the reduced axes kept."""
    best = x == y
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(best, g / best.sum(axis=axes, keepdims=True).astype(x.dtype), x.dtype.type(0))


@st.composite
def problems(draw: st.DrawFn) -> tuple[Array, tuple[int, ...], bool]:
    shape = draw(hnp.array_shapes(max_dims=4, max_side=18))
    axes = draw(st.lists(st.integers(0, len(shape) - 1), unique=True).map(tuple))
    return np.random.default_rng(draw(st.integers(0, 9))).integers(-3, 4, shape), axes, draw(st.booleans())


@pytest.mark.notes("M264")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(problem=problems(), transposed=st.booleans())
def test_ties_share_evenly(dtype: str, problem: Any, transposed: bool) -> None:
    numbers, axes, keepdims = problem
    x = numbers.astype(dtype)
    y = x.max(axis=axes, keepdims=True)
    g = np.random.default_rng(0).standard_normal(y.shape).astype(dtype)
    want = shares(g, y, x, axes)
    shape = y.shape if keepdims else x.max(axis=axes).shape
    operand = ac.tensor(x.T.copy()).T if transposed else ac.tensor(x)
    got = extreme_vjp(ac.tensor(g.reshape(shape)), ac.tensor(y.reshape(shape)), operand, axes, keepdims)
    np.testing.assert_array_equal(got.numpy(), want)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("shape", "axes"), [((200_000,), (0,)), ((3, 70_000), (1,)), ((400, 700), (0,)), ((9, 50, 90), (1,))]
)
def test_large(shape: tuple[int, ...], axes: tuple[int, ...], threads: int) -> None:
    x = np.random.default_rng(0).integers(0, 1000, shape).astype("float32")
    y = x.max(axis=axes, keepdims=True)
    g = np.random.default_rng(1).standard_normal(y.shape).astype("float32")
    before = ac.get_num_threads()
    ac.set_num_threads(threads)
    try:
        got = extreme_vjp(ac.tensor(g), ac.tensor(y), ac.tensor(x), axes, True).numpy()
    finally:
        ac.set_num_threads(before)
    np.testing.assert_array_equal(got, shares(g, y, x, axes))


def test_nothing_equals_nan() -> None:
    x = ac.tensor([[1.0, np.nan, 3.0], [1.0, 2.0, 2.0]])
    gradient = ac.grad(lambda x: ac.sum(ac.max(x, axis=1)))(x)
    np.testing.assert_array_equal(gradient.numpy(), [[0, 0, 0], [0, 0.5, 0.5]])


def test_the_error_names_the_shapes() -> None:
    x, g = ac.ones((2, 3)), ac.ones(2)
    with pytest.raises(
        ShapeError, match=r"extreme_vjp: g and y must have the shape of x without .* \(3,\); got g \(2,\)"
    ):
        extreme_vjp(g, g, x, (0,), False)
    with pytest.raises(DTypeError, match="extreme_vjp: axis must be an int"):
        extreme_vjp(g, g, x, 1.5, False)
