"""Arguments of ops that name axes and extents, checked and brought into one form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .. import _core
from ..checks import checked_int, shown
from ..errors import DTypeError, ShapeError, TraceError
from ..tensors import asarray

if TYPE_CHECKING:
    from ..tensors import Tensor


_INT = frozenset((int,))


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
    if type(value) is tuple and _INT.issuperset(map(type, value)):
        return value
    entries: Any = value
    if isinstance(value, np.ndarray) and value.dtype.kind in "iu":
        entries = value.tolist()
    if not isinstance(entries, (tuple, list)):
        entries = (entries,)
    try:
        return tuple(checked_int(op, name, n) for n in entries)
    except DTypeError:
        got = repr(value) if isinstance(value, (tuple, list)) else shown(value)
        raise DTypeError(f"{op}: {name} must be an int or a tuple of ints; got {got}") from None


_KINDS = "biuf"


def _is_array(value: object) -> bool:
    """Whether something has a dtype of its own: no number, no list, no number of a call that is being traced."""
    return isinstance(value, np.ndarray) or (isinstance(value, _core.TensorBase) and not cast("Tensor", value)._weak)


def _is_later(kind: str, than: str) -> bool:
    """Whether numbers of one kind do not fit among those of another."""
    return _KINDS.index(kind) > _KINDS.index(than) and {kind, than} != {"i", "u"}


def _beside(value: Any, x: Tensor) -> Tensor:
    """The value as a Tensor; what has no dtype of its own takes that of x, unless it is of a later kind."""
    if type(value) is float and x.dtype.kind == "f":
        return asarray(value, x.dtype)
    tensor = asarray(value)
    return tensor if _is_array(value) or _is_later(tensor.dtype.kind, x.dtype.kind) else asarray(value, x.dtype)


def _known(op: str, name: str, value: Tensor) -> Any:
    """The values of a Tensor that a shape depends on."""
    if not value._readable:
        raise TraceError(
            f"{op}: {name} must be known, since the shape depends on it; got a Tensor whose values are not; use "
            f"ac.where to choose by value, or compute it outside of the traced function"
        )
    return value.numpy()


def _check_no_array(op: str, axis: object, meant: str) -> None:
    """An array where the axis goes: another function, or a list, was meant."""
    if hasattr(axis, "shape"):
        raise DTypeError(f"{op}: axis must be an int; got {shown(axis)}; {meant}") from None
