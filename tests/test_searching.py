"""Searching and counting: lengths that depend on values, derivatives, and dtypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac

BY_VALUE: dict[str, Callable[[Any], Any]] = {
    "argwhere": ac.argwhere,
    "bincount": lambda x: ac.bincount(x.astype(ac.int64)),
    "unique": ac.unique,
    "unique_all": ac.unique_all,
    "unique_counts": ac.unique_counts,
    "unique_inverse": ac.unique_inverse,
    "unique_values": ac.unique_values,
}


@pytest.mark.parametrize("name", BY_VALUE)
def test_lengths_that_depend_on_values_are_refused_where_these_are_not_known(name: str) -> None:
    f = BY_VALUE[name]
    x = ac.tensor([[0.0, 2.0], [1.0, 1.0]])
    message = f"{name}: the length of the result depends on values.* not known here.*(call it outside|give length=)"
    with pytest.raises(ac.TraceError, match=message):
        ac.compile(f)(x[0])
    with pytest.raises(ac.TraceError, match=message):
        ac.vmap(lambda x: ac.unique_values(f(x)[0]) if name != "bincount" else f(x))(x)


def test_nonzero_names_the_remedy() -> None:
    for run in (lambda f: ac.compile(f)(ac.ones(2)), lambda f: ac.vmap(f)(ac.ones((2, 2)))):
        with pytest.raises(ac.TraceError, match=r"nonzero: the length of the result depends on values"):
            run(ac.nonzero)


def test_unique_values_have_the_derivative_of_their_first_items() -> None:
    x = ac.tensor([3.0, 1.0, 3.0, 2.0])
    values, pullback = ac.vjp(ac.unique, x)
    assert values.tolist() == [1.0, 2.0, 3.0]
    assert pullback(ac.tensor([10.0, 20.0, 30.0]))[0].tolist() == [30.0, 10.0, 0.0, 20.0]
    assert ac.unique(ac.tensor([1.0, 1.0]).astype(ac.bfloat16)).dtype == ac.bfloat16


def test_each_nan_is_a_value_of_its_own_but_for_unique() -> None:
    x = ac.tensor([float("nan"), 1.0, float("nan")])
    assert ac.unique(x).shape == (2,)
    assert ac.unique_values(x).shape == (3,)
    assert ac.unique_counts(x).counts.tolist() == [1, 1, 1]


@settings(deadline=None)
@given(
    dtype=st.sampled_from(["uint8", "int32", "int64", "float32", "float64"]),
    n=st.integers(0, 20),
    right=st.booleans(),
    seed=st.integers(0, 99),
)
def test_searchsorted_of_any_dtype(dtype: str, n: int, right: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, v = np.sort(rng.integers(0, 9, n)).astype(dtype), rng.integers(0, 10, (3, 4)).astype(dtype)
    side = "right" if right else "left"
    want = np.searchsorted(a, v, side)
    np.testing.assert_array_equal(ac.searchsorted(a, v, side).numpy(), want)
    np.testing.assert_array_equal(ac.compile(lambda a, v: ac.searchsorted(a, v, side))(a, v).numpy(), want)
    np.testing.assert_array_equal(ac.vmap(lambda v: ac.searchsorted(a, v, side))(ac.tensor(v)).numpy(), want)


def test_a_sorter_orders_what_is_searched() -> None:
    a, v = np.array([3.0, 1.0, 2.0]), np.array([2.5, 1.0])
    got = ac.searchsorted(a, v, sorter=ac.argsort(a))
    np.testing.assert_array_equal(got.numpy(), np.searchsorted(a, v, sorter=np.argsort(a)))


def test_counts_with_a_length_leave_out_what_is_beyond() -> None:
    f = ac.compile(lambda x, w: ac.bincount(x, w, length=3))
    x, w = ac.tensor([0, 2, 5, 2, -1]), ac.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    assert f(x, w).tolist() == [1.0, 0.0, 10.0]
    assert ac.vmap(lambda x: ac.bincount(x, length=2))(ac.tensor([[0, 1], [1, 1]])).tolist() == [[1, 1], [0, 2]]


def test_histograms_are_numpys() -> None:
    rng = np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        x = rng.standard_normal(1000).astype(dtype)
        for options in ({"bins": 17}, {"bins": 5, "range": (-1.0, 1.5)}, {"bins": [-1.0, 0.0, 0.5, 2.0]}):
            for density in (False, True):
                want = np.histogram(x, **options, density=density)  # type: ignore[call-overload]
                got = ac.histogram(x, **options, density=density)  # type: ignore[arg-type]
                np.testing.assert_allclose(got.counts.numpy(), want[0], rtol=1e-6)
                np.testing.assert_allclose(got.edges.numpy(), want[1], rtol=1e-6)
                compiled = ac.compile(lambda x, o=options, d=density: ac.histogram(x, **o, density=d))(x)
                assert compiled.counts.numpy().tobytes() == got.counts.numpy().tobytes()
    w = rng.uniform(0.5, 1.0, 50)
    x = rng.standard_normal(50)
    ac.testing.check_grads(lambda w: ac.histogram(x, 4, weights=w).counts, [w], modes=("rev", "fwd"))


def test_numpys_functions() -> None:
    x = ac.tensor(np.array([3.0, 1.0, 3.0]))
    for f in (
        lambda x: np.unique(x, return_counts=True),
        lambda x: np.isin(x, [1.0]),
        lambda x: np.searchsorted([1.0, 2.0], x),
        np.count_nonzero,
        np.argwhere,
        lambda x: np.histogram(x, 2),
    ):
        got, want = f(x), f(x.numpy())
        got, want = (y if isinstance(y, tuple) else (y,) for y in (got, want))
        for a, b in zip(got, want, strict=True):
            assert isinstance(a, ac.Tensor)
            np.testing.assert_allclose(a.numpy(), b)


@pytest.mark.parametrize("n", [1, 2, 5, 100, 1000])
@pytest.mark.parametrize("m", [1, 15, 40, 3000])
def test_places_are_numpys(n: int, m: int) -> None:
    """One value, several side by side, NaN among them; and one among items that are in no order."""
    rng = np.random.default_rng(n + m)
    a, v = rng.integers(-20, 20, n) / 4.0, rng.integers(-24, 24, m) / 4.0
    for items in (np.sort(a), np.sort(np.where(a > 3.0, np.nan, a)), a if m == 1 else np.sort(a)):
        for values in (v, np.where(v > 4.0, np.nan, v)):
            for side in ("left", "right"):
                want = np.searchsorted(items, values, side)
                np.testing.assert_array_equal(ac.searchsorted(items, values, side=side).numpy(), want)
