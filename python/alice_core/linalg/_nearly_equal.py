"""Quotients by differences of eigenvalues or singular values, some of which are equal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..ops.arithmetic import divide, multiply, subtract
from ..ops.comparison import less_equal, logical_and, logical_not
from ..ops.extremes import max
from ..ops.selection import abs, where
from ..tensors import asarray, float64

if TYPE_CHECKING:
    from ..tensors import Tensor

__all__ = ["apart", "is_small", "largest"]

#: By how much more than single roundings a cotangent may be off that asks for nothing.
_SLACK = 1e4


def _unit(x: Tensor) -> float:
    """The distance from 1 to the next number, in the dtype that x is computed in."""
    return float(np.finfo(np.float64 if x.dtype == float64 else np.float32).eps)


def largest(x: Tensor, *axes: int) -> Tensor:
    """The largest magnitude over some axes, which stay as of size 1."""
    return max(abs(x), axis=axes, keepdims=True)


def is_small(x: Tensor, scale: Tensor, n: int) -> Tensor:
    """Whether items are 0 but for n roundings of numbers as large as ``scale``."""
    return less_equal(abs(x), multiply(scale, n * _unit(x)))


def apart(
    x: Tensor, differences: Tensor, values: Tensor, scale: Tensor | None = None, asked: Tensor | None = None
) -> Tensor:
    """x / differences, but 0 where these are roundings beside the largest of the values, which are equal there.

    Where values are equal, what is ``asked`` of their vectors (x itself, if nothing else is said) has no derivative:
    NaN, unless it is a rounding beside ``scale``, the largest of what it came from. The diagonal asks for nothing, nor
    does anything without a scale.
    """
    if x.size == 0:
        return x
    n = x.shape[-1]
    reach = largest(values, -1)
    equal = is_small(differences, reach if differences.ndim == values.ndim else reach[..., None], n)
    quotient = divide(where(equal, subtract(x, x), x), where(equal, 1.0, differences))  # NaN stays NaN
    if scale is None:
        return quotient
    asked = x if asked is None else asked
    asks = logical_and(equal, logical_not(less_equal(abs(asked), multiply(scale, _SLACK * n * _unit(x)))))
    if x.shape[-2] == n:
        asks = logical_and(asks, asarray(~np.eye(n, dtype=bool)))
    return where(asks, math.nan, quotient)
