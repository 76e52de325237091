"""Arguments of ops that name axes and extents, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_int

import numpy as np

from ..errors import ShapeError


def _axis(op: str, axis: int, ndim: int) -> int:
    """The axis counted from the front."""
    number = as_int(axis)
    if not -ndim <= number < ndim:
        if ndim == 0:
            raise ShapeError(f"{op}: a 0-d tensor has no axes; got axis {number}")
        raise ShapeError(f"{op}: axis must be from {-ndim} to {ndim - 1}; got {number}")
    return number % ndim


def _axes(op: str, axis: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    return tuple(_axis(op, a, ndim) for a in axes)


def _behind_batch(op: str, axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    """Axes of one example of ``ndim`` dimensions where a batch has them: with one axis more in front."""
    return tuple(_axis(op, a, ndim) + 1 for a in axes)


def _ints(op: str, name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    if type(value) is tuple and all(type(n) is int for n in value):
        return value
    try:
        return tuple(as_int(n) for n in value) if isinstance(value, (tuple, list, np.ndarray)) else (as_int(value),)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{op}: {name} must be an int or a tuple of ints; got {value!r}") from None
