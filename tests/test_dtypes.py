"""Which dtype a Tensor gets from what it is made of, and that its dtype holds the numbers."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac

F32, F64 = ac.float32, ac.float64
DOUBLES = {
    "scalar": np.float64(0.1),
    "0-d array": np.array(0.1),
    "0-d Tensor": ac.tensor(0.1, dtype=F64),
}
LISTS: dict[str, Any] = {
    "alone": lambda x: [x],
    "beside a float": lambda x: [0.5, x],
    "behind an int": lambda x: [1, x],
    "a tuple": lambda x: (x, x),
    "nested": lambda x: [[0.5, 1.0], [1, x]],
}


@pytest.mark.notes("X11")
@pytest.mark.parametrize("make", [ac.tensor, ac.asarray])
@pytest.mark.parametrize("inside", DOUBLES)
@pytest.mark.parametrize("around", LISTS)
def test_doubles_in_lists_stay_double(around: str, inside: str, make: Any) -> None:
    x = make(LISTS[around](DOUBLES[inside]))
    assert x.dtype == F64
    assert x.numpy().ravel()[-1] == 0.1


@pytest.mark.notes("X11")
@pytest.mark.parametrize(
    "data", [[0.1], [np.float32(0.1), 0.5], [np.int64(1), 0.5], [ac.tensor(0.1), 2], 0.1, [[1, 0.1]]]
)
def test_other_floats_are_single(data: Any) -> None:
    assert ac.tensor(data).dtype == F32


class Foreign:
    """What other packages' arrays look like."""

    def __init__(self, data: np.ndarray[Any, Any]) -> None:
        self.data = data

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        return self.data if dtype is None else self.data.astype(dtype)


@pytest.mark.parametrize("dtype", [F32, F64, ac.int32, ac.uint8, np.dtype(bool)])
def test_arrays_of_other_packages_keep_their_dtype(dtype: Any) -> None:
    assert ac.tensor(Foreign(np.ones(2, dtype))).dtype == dtype
    assert (ac.ones((2,), dtype=F64) * ac.asarray(Foreign(np.ones(2)))).dtype == F64


INTEGERS = [ac.uint8, ac.int32, ac.int64]
MAKERS: dict[str, Any] = {
    "tensor": lambda x, dtype: ac.tensor(x, dtype=dtype),
    "list": lambda x, dtype: ac.tensor([0, x], dtype=dtype)[1],
    "array": lambda x, dtype: ac.asarray(np.array([x]), dtype=dtype)[0],
    "full": lambda x, dtype: ac.full((2,), x, dtype=dtype)[0],
    "full_like": lambda x, dtype: ac.full_like(ac.ones(2, dtype=dtype), x)[0],
    "arange": lambda x, dtype: ac.arange(x, x + 1, dtype=dtype)[0],
}


@pytest.mark.parametrize("make", MAKERS)
@given(
    x=st.integers(-(2**62), 2**62)
    | st.integers(-300, 300)
    | st.floats(-1e10, 1e10)
    | st.sampled_from([np.nan, np.inf]),
    dtype=st.sampled_from(INTEGERS),
)
def test_integers_fit_or_are_refused(make: str, x: Any, dtype: Any) -> None:
    if make == "arange" and not np.isfinite(x):
        return
    limits = np.iinfo(dtype)
    fits = bool(np.isfinite(x)) and limits.min <= int(x) <= limits.max
    if fits:
        assert int(MAKERS[make](x, dtype)) == int(x)
    else:
        with pytest.raises(ac.DTypeError, match=rf"expected numbers that {dtype.name} holds"):
            MAKERS[make](x, dtype)


def test_no_copy_is_a_promise() -> None:
    with pytest.raises(ValueError, match="copy=False"):
        ac.asarray(ac.ones(2), dtype=F64, copy=False)
    x = ac.ones(2)
    assert ac.asarray(x, dtype=F32, copy=False) is x


def test_what_fills_a_tensor_is_differentiated() -> None:
    w = ac.tensor([1.0, 2.0, 3.0])
    for f in (
        lambda x: ac.sum(ac.full((3,), x) * w),
        lambda x: ac.sum(ac.full_like(w, x) * w),
        lambda x: ac.sum(ac.full((3,), x, dtype=F64) * w).astype(F32),
    ):
        assert ac.grad(f)(2.0).item() == 6.0
        assert ac.jvp(f, [2.0], [1.0])[1].item() == 6.0
        assert ac.compile(ac.grad(f))(ac.tensor(2.0)).item() == 6.0
        assert ac.vmap(ac.grad(f))(ac.tensor([2.0, 3.0])).tolist() == [6.0, 6.0]


COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


@pytest.mark.parametrize("compare", COMPARISONS)
@given(x=st.lists(st.integers(0, 255), min_size=1), y=st.integers(-(2**40), 2**40) | st.integers(-300, 300))
def test_integers_compare_by_value(compare: Any, x: list[int], y: int) -> None:
    for dtype in INTEGERS:
        t = ac.tensor(x, dtype=dtype)
        want = [compare(a, y) for a in x]
        assert compare(t, y).tolist() == want
        assert compare(y, t).tolist() == [compare(y, a) for a in x]
        assert ac.compile(lambda t: compare(t, y))(t).tolist() == want
        assert ac.compile(compare)(t, y).tolist() == want
        assert ac.vmap(lambda a: compare(a, y))(t).tolist() == want


POWERS: dict[str, Any] = {
    "operator": operator.pow,
    "function": ac.pow,
    "function of numbers": lambda x, y: ac.pow(*(v.numpy() if isinstance(v, ac.Tensor) else v for v in (x, y))),
    "NumPy": np.power,
    "compiled": lambda x, y: ac.compile(operator.pow)(x, y),
}


@pytest.mark.parametrize("power", POWERS)
@given(x=st.integers(-5, 5), y=st.integers(-3, 6), dtype=st.sampled_from([ac.int32, ac.int64]))
def test_powers_of_integers_are_integers_or_refused(power: str, x: int, y: int, dtype: Any) -> None:
    base, exponent = ac.tensor([x], dtype=dtype), ac.tensor([2, y], dtype=dtype)
    for a, b in ((base, exponent), (base, y), (x, exponent), (base, np.array([2, y], dtype))):
        if y < 0:
            with pytest.raises(ValueError, match=r"^pow: expected exponents of at least 0 for integers; got -"):
                POWERS[power](a, b)
        else:
            got = POWERS[power](a, b)
            assert got.dtype == dtype
            assert got.tolist()[-1] == x**y
    real = POWERS[power](base.astype(F64), y)
    assert real.tolist() == [float("inf") if x == 0 and y < 0 else float(x) ** y]
    assert ac.vmap(lambda a: a**2)(base).tolist() == [x * x]
