"""Divided differences: what derivatives of functions of matrices take of a function of one number."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np

from ..ops.arithmetic import add, divide, multiply, subtract
from ..ops.comparison import equal, greater, less_equal, logical_and, logical_or
from ..ops.creation import ones_like
from ..ops.extremes import max, min
from ..ops.linalg import matmul
from ..ops.selection import abs, astype, where
from ..ops.views import reshape
from ..tensors import Tensor, asarray
from ..transforms.batching import vmap
from ..transforms.forward import jvp
from ._nearly_equal import _unit, largest

__all__ = ["Function", "divided_differences"]

#: Of one number, and of whatever else there is.
Function = Callable[..., Tensor]


def divided_differences(f: Function, w: Tensor, k: int) -> Tensor:
    """f[w_i0, …, w_ik] at [i0, …, ik], of ascending w; f itself, if k is 0."""
    found, _ = _differences(f, w, k)
    n = w.shape[-1]
    return reshape(found[..., _places(n, k)[1]], (*w.shape[:-1], *(n,) * (k + 1))) if k else found


@lru_cache(maxsize=32)
def _places(n: int, k: int) -> tuple[Any, Any]:
    """The ascending (k + 1)-tuples of numbers below n; and for every tuple which of them it is when sorted."""
    tuples = np.array(list(combinations_with_replacement(range(n), k + 1)), np.int64).reshape(-1, k + 1)
    strides = n ** np.arange(k, -1, -1)
    every = np.sort(np.indices((n,) * (k + 1)).reshape(k + 1, -1), axis=0)
    return tuples, np.searchsorted(tuples @ strides, strides @ every)


@lru_cache(maxsize=32)
def _simplex(k: int, ends: bool) -> tuple[Any, Any]:
    """A rule over a simplex of k dimensions: steps from each corner to the next, and weights.

    Of six points along each axis: Gauss's; or Lobatto's, which has the ends and sees what happens there.
    """
    nodes, weights = np.polynomial.legendre.leggauss(6)
    if ends:
        inner = np.polynomial.Legendre.basis(5).deriv().roots()
        nodes = np.array([-1.0, *inner, 1.0])
        weights = 1.0 / (15.0 * np.polynomial.Legendre.basis(5)(nodes) ** 2)
    along = np.cumprod(np.array(list(product((nodes + 1.0) / 2.0, repeat=k))), axis=1)
    return along.T, np.prod(list(product(weights / 2.0, repeat=k)), axis=1) * np.prod(along[:, :-1], axis=1)


def _each(f: Function, x: Tensor, order: int) -> Tensor:
    """The derivative of f at every item: f sees one at a time, so none can depend on another."""
    if x.size == 0:
        return x

    def derivative(x: Tensor, order: int) -> Tensor:
        if order == 0:
            return vmap(f)(x)
        return jvp(lambda x: derivative(x, order - 1), [x], [ones_like(x)])[1]

    return astype(reshape(derivative(reshape(x, (-1,)), order), x.shape), x.dtype)


def _differences(f: Function, w: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """f[w_i0, …, w_ik] of all ascending tuples of indices, and bounds of its rounding.

    As a quotient of differences, which loses digits where the values are close; or as the mean of a derivative over
    their simplex, which loses them where they are far apart: then two rules differ by more than the rounding of the
    quotient. So they may at a kink of f between the values, or mean and quotient do. Only a quotient that is no mean of
    slopes is noise of f, unless it is so large that f jumps.
    """
    unit = 4.0 * _unit(w)
    if k == 0:
        y = _each(f, w, 0)
        return y, multiply(abs(y), unit)
    tuples, _ = _places(w.shape[-1], k)
    x = w[..., tuples]
    before, rounding = _differences(f, w, k - 1)
    strides = w.shape[-1] ** np.arange(k - 1, -1, -1)
    known = _places(w.shape[-1], k - 1)[0] @ strides
    first, last = (np.searchsorted(known, part @ strides) for part in (tuples[:, :-1], tuples[:, 1:]))
    spread = subtract(x[..., -1], x[..., 0])
    same = equal(spread, 0.0)
    spread = where(same, 1.0, spread)
    quotient = divide(subtract(before[..., last], before[..., first]), spread)
    bound = divide(add(rounding[..., last], rounding[..., first]), spread)
    (gauss, inner), (lobatto, weights) = _simplex(k, False), _simplex(k, True)
    slopes, with_ends = (
        _each(f, add(x[..., :1], matmul(subtract(x[..., 1:], x[..., :-1]), asarray(along, w.dtype))), k)
        for along in (gauss, lobatto)
    )
    open, closed = matmul(slopes, asarray(inner, w.dtype)), matmul(with_ends, asarray(weights, w.dtype))
    own = multiply(matmul(abs(slopes), asarray(inner, w.dtype)), unit)
    off = abs(subtract(open, quotient))
    smooth = logical_and(
        less_equal(abs(subtract(open, closed)), add(bound, own)), less_equal(off, multiply(bound, 10.0))
    )
    reach = divide(subtract(max(with_ends, axis=-1), min(with_ends, axis=-1)), math.factorial(k))
    noisy = logical_and(
        greater(off, reach), less_equal(off, divide(multiply(largest(before, -1), _unit(w) ** 0.5), spread))
    )
    mean = logical_or(same, logical_or(smooth, noisy))
    return where(mean, open, quotient), where(mean, own, bound)
