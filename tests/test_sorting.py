"""sort, argsort and what is made of them, for items of every kind and lines of every length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac

DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
LENGTHS = (1, 2, 15, 31, 33, 64, 127, 129, 255, 256, 257, 300, 2100, 5000)


def items(rng: np.random.Generator, shape: Any, dtype: str, few: bool) -> np.ndarray[Any, Any]:
    """Of the whole range of a dtype, or few that come often; with zeros of both signs, infinities and NaN."""
    if dtype == "bool":
        return np.asarray(rng.random(shape) < 0.5)
    if dtype.startswith("f"):
        x = rng.standard_normal(shape) * (1.0 if few else 10.0 ** rng.integers(-30, 30, shape))
        x = np.round(x) if few else x
        special = rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan], shape)
        return np.where(rng.random(shape) < 0.2, special, x).astype(dtype)
    limits = np.iinfo(dtype)
    low, high = (max(limits.min, -3), 4) if few else (limits.min, limits.max)
    return np.asarray(rng.integers(low, high, shape, dtype=dtype, endpoint=True))


def stable(x: np.ndarray[Any, Any], axis: int, descending: bool) -> np.ndarray[Any, Any]:
    if not descending:
        return np.argsort(x, axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", LENGTHS)
def test_order_of_all_lengths(n: int, dtype: str) -> None:
    rng = np.random.default_rng(n)
    for few in (True, False):
        x = items(rng, n, dtype, few)
        for descending in (False, True):
            places = ac.argsort(x, descending=descending).numpy()
            np.testing.assert_array_equal(places, stable(x, 0, descending))
            found = ac.sort(x, descending=descending).numpy()
            np.testing.assert_array_equal(found, x[places])
            # The same items, zeros with their signs.
            np.testing.assert_array_equal(np.signbit(found[found == 0]), np.signbit(x[places][x[places] == 0]))


@settings(deadline=None)
@given(
    shape=st.lists(st.integers(0, 5), min_size=1, max_size=3),
    dtype=st.sampled_from(DTYPES),
    axis=st.integers(-3, 2),
    descending=st.booleans(),
    seed=st.integers(0, 99),
)
def test_any_axis(shape: list[int], dtype: str, axis: int, descending: bool, seed: int) -> None:
    axis = axis % len(shape) - len(shape)
    x = items(np.random.default_rng(seed), shape, dtype, True)
    want = stable(x, axis, descending)
    got = ac.argsort(ac.tensor(x), axis, descending)
    np.testing.assert_array_equal(got.numpy(), want)
    np.testing.assert_array_equal(ac.sort(x, axis, descending).numpy(), np.take_along_axis(x, want, axis))
    compiled = ac.compile(lambda x: ac.sort(x, axis, descending))
    assert compiled(x).numpy().tobytes() == ac.sort(x, axis, descending).numpy().tobytes()
    k = x.shape[axis] // 2
    values, places = ac.topk(x, k, axis, descending)
    np.testing.assert_array_equal(places.numpy(), np.take(want, np.arange(k), axis))
    np.testing.assert_array_equal(values.numpy(), np.take_along_axis(x, places.numpy(), axis))


@pytest.mark.parametrize("k", [0, 1, 10, 100, 1000, 4000, 5000])
def test_the_largest_of_many(k: int) -> None:
    x = items(np.random.default_rng(k), (2, 5000), "float32", True)
    for largest in (True, False):
        np.testing.assert_array_equal(ac.topk(x, k, 1, largest).indices.numpy(), stable(x, 1, largest)[:, :k])


@pytest.mark.parametrize("wide", [False, True])
def test_items_that_differ_in_their_last_bits(wide: bool) -> None:
    """Neighbours among float64 beside numbers of both signs and all sizes: no bit of a key can be left out."""
    rng = np.random.default_rng(0)
    n = 20_000
    x = (np.float64(1.5).view(np.int64) + rng.integers(0, 3000, n)).view(np.float64)
    if wide:
        x[: n // 2] *= -(10.0 ** rng.integers(-300, 300, n // 2))
        rng.shuffle(x)
    for descending in (False, True):
        want = stable(x, 0, descending)
        np.testing.assert_array_equal(ac.argsort(x, descending=descending).numpy(), want)
        for k in (1, 100, 3000, 12_000, 19_999):
            np.testing.assert_array_equal(ac.topk(x, k, largest=descending).indices.numpy(), want[:k])


@pytest.mark.parametrize("dtype", ["int32", "int64", "float64"])
def test_lines_in_order_and_in_waves(dtype: str) -> None:
    n = 30_000
    up = np.arange(n)
    for x in (up, up[::-1], up % 64, np.minimum(up, up[::-1]), up // (n - 1), (up * 7919) % n, 2 ** (up % 31)):
        x = x.astype(dtype)
        np.testing.assert_array_equal(ac.sort(x).numpy(), np.sort(x))
        np.testing.assert_array_equal(ac.argsort(x).numpy(), stable(x, 0, False))
        np.testing.assert_array_equal(ac.topk(x, 20).indices.numpy(), stable(x, 0, True)[:20])


def test_threads_change_nothing() -> None:
    x = items(np.random.default_rng(0), (400, 300), "float64", True)
    before = ac.get_num_threads()
    found = []
    try:
        for n in (1, 2, 4):
            ac.set_num_threads(n)
            found.append(
                [ac.sort(x, axis).numpy().tobytes() + ac.argsort(x, axis).numpy().tobytes() for axis in (0, 1)]
            )
    finally:
        ac.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("dtype", [ac.float16, ac.bfloat16])
def test_half_precision(dtype: Any) -> None:
    x = ac.tensor([3.0, -1.0, 2.0]).astype(dtype)
    assert ac.sort(x).dtype == dtype
    assert ac.sort(x).tolist() == [-1.0, 2.0, 3.0]
    assert ac.argsort(x).tolist() == [1, 2, 0]
    assert ac.median(x).dtype == dtype
    assert ac.topk(x, 1).values.dtype == dtype


def test_derivatives_go_back_to_their_places() -> None:
    x = np.random.default_rng(0).permutation(12).reshape(3, 4) / 2.0
    for f in (
        lambda x: ac.topk(x, 2).values,
        lambda x: ac.topk(x, 3, 0, False).values,
        lambda x: ac.sort(x, 0, descending=True) ** 2,
        lambda x: ac.median(x, 0) * ac.quantile(x, [0.2, 0.8], axis=(0, 1))[:, None],
    ):
        ac.testing.check_grads(f, [x], order=2, modes=("rev", "fwd"))
    g = ac.grad(lambda x: (ac.sort(x) * ac.tensor([1.0, 2.0, 3.0])).sum())(ac.tensor([5.0, 5.0, 1.0]))
    assert g.tolist() == [2.0, 3.0, 1.0]  # equal ones stay in order


def test_quantiles_of_infinities() -> None:
    x = np.array([-np.inf, 1.0, 2.0, np.inf, np.inf])
    assert ac.median(x).item() == 2.0
    assert ac.quantile(x, 0.9).item() == np.inf
    assert ac.quantile(x, 0.0).item() == -np.inf
    assert np.isnan(ac.quantile(np.array([1.0, np.nan]), [0.0, 1.0]).numpy()).all()
    g = ac.grad(lambda x: ac.quantile(x, 0.5))(ac.tensor(x))
    assert g.tolist() == [0.0, 0.0, 1.0, 0.0, 0.0]


def test_shares_must_be_known() -> None:
    with pytest.raises(ac.TraceError, match="quantile: q must be known"):
        ac.compile(lambda x, q: ac.quantile(x, q))(ac.ones(3), ac.tensor(0.5))


def test_numpys_functions() -> None:
    x = ac.tensor(np.array([[3.0, 1.0, 2.0], [0.5, 9.0, 4.0]]))
    for f in (
        np.sort,
        np.argsort,
        np.median,
        lambda x: np.quantile(x, 0.3, axis=1),
        lambda x: np.percentile(x, [10, 90]),
    ):
        got = f(x)
        assert isinstance(got, ac.Tensor)
        np.testing.assert_allclose(got.numpy(), f(x.numpy()))
