"""Spaces of equal eigenvalues or singular values, as second derivatives of functions of the values meet them.

The gradient of a symmetric function of the values is the same in any basis of such a space, and changes by the second
derivatives of the function: known to forward mode in the basis along which the direction splits the space, and to
reverse mode, which meets the gradient as numbers, nowhere.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..ops.arithmetic import add, divide, multiply, strong_mul, subtract
from ..ops.comparison import equal, greater, less_equal, logical_and, logical_not, logical_or
from ..ops.creation import zeros, zeros_like
from ..ops.extremes import any
from ..ops.identity import constant
from ..ops.selection import abs, where
from ..primitive import Primitive
from ..tensors import asarray
from ..transforms.custom import custom_primitive
from ._matrices import batched_in_front
from ._nearly_equal import _SLACK, _unit, is_small, largest

if TYPE_CHECKING:
    from ..tensors import Tensor

__all__ = ["asked", "close_pairs", "lost", "split", "swept", "unknown", "vanishing"]

_block_eigh = Primitive("block_eigh", saves=(), differentiable=False)
batched_in_front(_block_eigh)


#: Of how many roundings close values are made: a difference quotient over fewer is a rounding itself.
_CLOSE = 128


def vanishing(differences: Tensor, values: Tensor) -> Tensor:
    """Where what is made of the values, with an axis more, is 0 but for roundings."""
    return is_small(differences, largest(values, -1)[..., None], _CLOSE * values.shape[-1])


def close_pairs(values: Tensor, differences: Tensor) -> Tensor:
    """Where two values are so close that only their space can be told, not their vectors, nor a slope between them."""
    return logical_and(vanishing(differences, values), asarray(~np.eye(values.shape[-1], dtype=np.bool_)))


def unknown(x: Tensor, places: Tensor) -> Tensor:
    """0, whose derivative by x is NaN at these places, and 0 where nothing arrives there."""
    return strong_mul(subtract(x, constant(x)), where(places, math.nan, zeros((), x.dtype)))


def _marked(x: Tensor, places: Tensor) -> Tensor:
    """x, whose derivative is NaN at these places."""
    return add(x, unknown(x, places))


def _no_derivative(_: object, ans: Tensor, x: Tensor, places: Tensor) -> Tensor:
    return where(places, math.nan, zeros_like(x))


#: 0, whose derivative by x is NaN at these places, whether anything arrives there or not: there, what was computed of x
#: beside this chose other vectors, and a 0 for one of these is none for the others.
lost = custom_primitive(
    lambda x, places: zeros_like(x),
    vjp=lambda g, ans, x, places: (_no_derivative(g, ans, x, places), None),
    jvp=lambda ts, ans, x, places: _no_derivative(ts, ans, x, places),
    name="without_derivative",
)


def asked(m: Tensor, places: Tensor, scale: Tensor) -> Tensor:
    """For each matrix, whether it is more at one of these places than a rounding beside ``scale``."""
    return any(_asking(m, places, scale), axis=(-2, -1), keepdims=True)


def _asking(m: Tensor, places: Tensor, scale: Tensor) -> Tensor:
    return logical_and(places, greater(abs(m), multiply(scale, 16 * m.shape[-1] * _unit(m))))


def split(m: Tensor, close: Tensor) -> tuple[Tensor, Tensor]:
    """Q, within each space of close values the eigenvectors of the symmetric M, else 1; and whether it is not 1."""
    asks = _asking(m, close, largest(m, -2, -1))
    diagonal = logical_and(asarray(np.eye(m.shape[-1], dtype=np.bool_)), equal(subtract(m, m), 0.0))
    turned = any(asks, axis=(-2, -1), keepdims=True)
    return _block_eigh(where(logical_or(asks, diagonal), m, 0.0)), turned


def swept(
    m: Tensor, change: Tensor, differences: Tensor, g: Tensor, close: Tensor, missing: Tensor | None, scale: Tensor
) -> Tensor:
    """M times the difference quotient of g, which is a function of the values: change / differences.

    Where the values are ``close`` it is 0 if g is equal there, and NaN if M asks for a change of it, by more than a
    rounding beside ``scale``; or for anything at all where it is ``missing`` how g depends on the values.
    """
    size = largest(g, -1)[..., None]
    share = divide(change, where(equal(size, 0.0), 1.0, size))
    if missing is not None:
        m, share = _marked(m, missing), where(missing, 1.0, share)
    x = multiply(m, change)
    none = logical_or(close, equal(differences, 0.0))
    quotient = divide(where(none, subtract(x, x), x), where(none, 1.0, differences))  # NaN stays NaN
    rounding = multiply(scale, _SLACK * g.shape[-1] * _unit(m))
    return where(logical_and(close, logical_not(less_equal(abs(multiply(m, share)), rounding))), math.nan, quotient)
