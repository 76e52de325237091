"""Divided differences: what derivatives of functions of matrices take of a function of one number."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from itertools import combinations_with_replacement, product
from typing import Any

import numpy as np

from ..ops.arithmetic import add, divide, multiply, subtract
from ..ops.comparison import equal, less_equal, logical_and, logical_or
from ..ops.creation import ones_like
from ..ops.linalg import matmul
from ..ops.selection import abs, astype, where
from ..ops.views import reshape
from ..tensors import Tensor, asarray
from ..transforms.batching import vmap
from ..transforms.forward import jvp
from ._nearly_equal import _unit

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
def _simplex(k: int, count: int) -> tuple[Any, Any]:
    """Gauss's rule over a simplex of k dimensions: steps from each corner to the next, and weights."""
    nodes, weights = (np.array(x) / 2.0 for x in np.polynomial.legendre.leggauss(count))
    along = np.cumprod(np.array(list(product(nodes + 0.5, repeat=k))), axis=1)
    return along.T, np.prod(list(product(weights, repeat=k)), axis=1) * np.prod(along[:, :-1], axis=1)


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
    their simplex, which loses them where they are far apart, or f is not smooth between them: then the two differ.
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
    means = []
    for count in (6, 5):
        along, weights = (asarray(c, w.dtype) for c in _simplex(k, count))
        points = add(x[..., :1], matmul(subtract(x[..., 1:], x[..., :-1]), along))
        slopes = _each(f, points, k)
        means.append(matmul(slopes, weights))
        if count == 6:
            own = multiply(matmul(abs(slopes), weights), unit)
    smooth = less_equal(abs(subtract(means[0], means[1])), add(bound, own))
    like = less_equal(abs(subtract(means[0], quotient)), multiply(bound, 1e3))
    mean = logical_or(same, logical_and(smooth, like))
    return where(mean, means[0], quotient), where(mean, own, bound)
