"""Methods of NumPy's arrays on Tensors: each is the function of its name, and means what NumPy's means."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac

A = np.array([[1.5, -2.25, 3.0], [0.5, 4.0, -1.75]])
CUBE = np.arange(24.0).reshape(2, 3, 4)

CALLS: dict[str, Callable[[Any], Any]] = {
    "transpose": lambda x: x.transpose(),
    "transpose by ints": lambda x: x.reshape(1, 2, 3).transpose(2, 0, 1),
    "transpose by tuple": lambda x: x.transpose((1, 0)),
    "transpose by None": lambda x: x.transpose(None),
    "ravel": lambda x: x.T.ravel(),
    "swapaxes": lambda x: x.swapaxes(0, -1),
    "diagonal": lambda x: x.diagonal(1),
    "copy": lambda x: x.copy(),
    "clip": lambda x: x.clip(-1.0, 2.0),
    "clip above": lambda x: x.clip(max=2.0),
    "round": lambda x: x.round(),
    "round decimals": lambda x: x.round(1),
    "take": lambda x: x.take(np.array([1, 0]), 1),
    "take of all": lambda x: x.take(np.array([4, 0])),
    "repeat": lambda x: x.repeat(2, axis=1),
    "nonzero": lambda x: x.nonzero()[1],
    "dot": lambda x: x.dot(x.T),
    "conj": lambda x: x.conj(),
    "cumsum": lambda x: x.cumsum(axis=1),
    "cumsum of all": lambda x: x.cumsum(),
    "std": lambda x: x.std(axis=0, ddof=1),
    "var": lambda x: x.var(ddof=1),
    "sum": lambda x: x.sum(where=np.array([True, False, True]), initial=2.0),
}


@pytest.mark.parametrize("name", CALLS)
def test_as_numpys(name: str) -> None:
    f = CALLS[name]
    got, want = f(ac.tensor(A)), f(A)
    assert isinstance(got, ac.Tensor)
    assert got.shape == want.shape
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-15)
    compiled = ac.compile(f)(ac.tensor(A)) if name != "nonzero" else got
    assert compiled.numpy().tobytes() == got.numpy().tobytes()


def test_bytes() -> None:
    x = ac.tensor(A).T
    assert (x.itemsize, x.nbytes) == (A.T.itemsize, A.T.nbytes)
    assert x.tobytes() == A.T.tobytes()


def test_a_tensor_without_axes() -> None:
    x = ac.tensor(2.5)
    assert x.transpose().shape == ()
    assert x.ravel().shape == (1,)
    assert x.round().item() == 2.0


def test_both_orders() -> None:
    for x in (A, np.float64(2.0), np.zeros((0, 3)), np.arange(24.0).reshape(2, 3, 4)[:, ::-1]):
        for order in ("C", "F"):
            for got in (ac.tensor(x).flatten(order), ac.tensor(x).ravel(order=order), ac.ravel(x, order)):
                np.testing.assert_array_equal(got.numpy(), np.ravel(x, order))
            whole = (1, *np.shape(x)[::-1])
            for got in (ac.reshape(x, whole, order), ac.tensor(x).reshape(whole, order=order)):
                np.testing.assert_array_equal(got.numpy(), np.reshape(x, whole, order))
            if np.size(x):
                assert ac.reshape(x, (1, -1, 2 if np.size(x) > 1 else 1), order=order).tolist() == (
                    np.reshape(x, (1, -1, 2 if np.size(x) > 1 else 1), order).tolist()
                )


@pytest.mark.parametrize("array", [A, A[:1], np.zeros((0, 3)), np.array(1.5), np.array([np.nan, 2.0])])
@pytest.mark.parametrize(
    "value", [1.5, 2, True, A[0], A[0].tolist(), A[:, :1], [[]], "a", None, np.nan, object(), np.arange(7.0)]
)
def test_whether_a_value_is_in_it_is_numpys(array: np.ndarray, value: Any) -> None:
    try:
        want: Any = value in array
    except ValueError:
        want = None
    if want is None:
        with pytest.raises(ac.ShapeError, match="equal: shapes must broadcast"):
            assert value in ac.tensor(array)
    else:
        assert (value in ac.tensor(array)) is want
        assert (ac.tensor(value) in ac.tensor(array) if isinstance(value, np.ndarray) else want) is want


def test_rows_without_items_are_not_looked_at() -> None:
    assert 1.0 not in ac.zeros((2**33, 0, 2))


@pytest.mark.parametrize("transform", [ac.compile, ac.vmap])
def test_whether_an_unknown_value_is_in_it_cannot_be_asked(transform: Any) -> None:
    with pytest.raises(ac.TraceError, match="bool: this Tensor is abstract"):
        transform(lambda x: x if 1.0 in x else -x)(ac.ones((2, 2)))


def test_constants() -> None:
    assert (ac.pi, ac.e, ac.inf) == (math.pi, math.e, math.inf)
    assert math.isnan(ac.nan)
    assert ac.tensor([1, 2])[:, ac.newaxis].shape == (2, 1)


@given(
    x=st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.5, 2.5, 1e17, 1e300, math.inf, math.nan]), max_size=8),
    decimals=st.integers(-8, 8),
)
def test_decimals_of_floats(x: list[float], decimals: int) -> None:
    a = np.array(x)
    with np.errstate(all="ignore"):
        want = np.round(a, decimals)
    kept = np.isfinite(want) | ~np.isfinite(a)  # beyond, NumPy's overflows
    got = ac.round(ac.tensor(a), decimals).numpy()
    np.testing.assert_allclose(got[kept], want[kept], rtol=1e-15)
    assert np.array_equal(got[~kept], a[~kept])
    short = a[~(np.abs(a) > 1e30)].astype(np.float32)
    narrow = ac.round(ac.tensor(short), decimals)
    np.testing.assert_allclose(narrow.numpy(), np.round(short.astype(np.float64), decimals), rtol=1.2e-7)


@given(st.lists(st.integers(-(2**62), 2**62), max_size=8), st.integers(-25, 3), st.sampled_from([ac.int64, ac.int32]))
def test_decimals_of_integers_are_exact(x: list[int], decimals: int, dtype: Any) -> None:
    x = [v % 2**30 - 2**29 for v in x] if dtype == ac.int32 else x
    want = [round(v, decimals) if decimals < 0 else v for v in x]
    want = [v for v in want if abs(v) <= np.iinfo(dtype).max]
    got = ac.round(ac.tensor(x, dtype), decimals).tolist()
    assert [v for v in got if abs(v) <= np.iinfo(dtype).max][: len(want)] == want or len(want) != len(x)


def test_rounding_has_no_slope() -> None:
    for decimals in (0, 1, -1, 200):
        assert ac.grad(lambda x, d=decimals: ac.sum(ac.round(x, d)))(ac.tensor(A)).tolist() == np.zeros((2, 3)).tolist()
    with pytest.raises(ValueError, match="round: decimals must be from -300 to 300; got 400"):
        ac.round(1.0, 400)
