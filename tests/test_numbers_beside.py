"""Numbers have no dtype of their own: beside arrays of float64 they are not rounded to the default dtype first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac

X = np.array([0.1, 0.3, 0.7])
CALLS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "einsum": (lambda x, k: ac.einsum(",i->i", k, x), lambda x, k: k * x),
    "searchsorted": (lambda x, k: ac.searchsorted(x, k), lambda x, k: np.searchsorted(x, k)),
    "isin": (lambda x, k: ac.isin(x, k), lambda x, k: np.isin(x, k)),
    "diff": (lambda x, k: ac.diff(x, prepend=k), lambda x, k: np.diff(x, prepend=k)),
    "interp": (lambda x, k: ac.interp(k, x, x * x), lambda x, k: np.interp(k, x, x * x)),
    "trapezoid": (lambda x, k: ac.trapezoid(x, dx=k), lambda x, k: np.trapezoid(x, dx=k)),
    "at": (lambda x, k: x.at[1].set(k), lambda x, k: np.where(np.arange(3) == 1, k, x)),
    "at indices": (lambda x, k: x.at[[1, 1]].add(k), lambda x, k: np.where(np.arange(3) == 1, x + k + k, x)),
    "at mask": (lambda x, k: x.at[x > 0.5].multiply(k), lambda x, k: np.where(x > 0.5, x * k, x)),
    "scatter": (lambda x, k: ac.scatter(x, ac.tensor([0]), k), lambda x, k: np.where(np.arange(3) == 0, k, x)),
}


@pytest.mark.parametrize("number", [0.1, np.float32(0.5), np.float64(0.1), 1, True], ids=repr)
@pytest.mark.parametrize("name", CALLS)
def test_numbers_take_the_dtype_beside_them(name: str, number: Any) -> None:
    f, reference = CALLS[name]
    want = reference(X, number)
    x = ac.tensor(X)
    for y in (f(x, number), ac.compile(f)(x, number)):
        assert y.dtype == want.dtype
        np.testing.assert_allclose(y.numpy(), want, rtol=1e-15)


def test_lists_take_the_dtype_beside_them() -> None:
    x = ac.tensor(X)
    np.testing.assert_array_equal(x.at[:2].set([0.1, 0.2]).numpy(), [0.1, 0.2, 0.7])
    np.testing.assert_array_equal(ac.searchsorted(x, [0.1, 0.3]).numpy(), [0, 1])
