"""Arguments of ops that name axes and extents, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_int

import numpy as np

from .._checks import checked_int, shown
from ..errors import DTypeError, ShapeError


def _axis(op: str, axis: int, ndim: int) -> int:
    """The axis counted from the front."""
    number = checked_int(op, "axis", axis)
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
        raise DTypeError(f"{op}: {name} must be an int or a tuple of ints; got {shown(value)}") from None


def _check_no_array(op: str, axis: object, meant: str) -> None:
    """An array where the axis goes: another function, or a list, was meant."""
    if hasattr(axis, "shape"):
        raise DTypeError(f"{op}: axis must be an int; got {shown(axis)}; {meant}") from None
