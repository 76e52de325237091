"""What the rules of reductions share: reduced axes, and the ways between a reduced shape and the whole one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import shape as _shape

if TYPE_CHECKING:
    from ..tensor import Axis, Tensor

__all__ = ["count", "in_rows", "spread"]


def _reduced(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The reduced axes in ascending order, counted from the front. They were checked when the op ran."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(sorted(a % ndim for a in (axis if isinstance(axis, (tuple, list)) else (axis,))))


def spread(y: Tensor, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Tensor:
    """What a reduction made of ``shape``, broadcast back to it."""
    if axis is not None and not keepdims:
        reduced = _reduced(axis, len(shape))
        if reduced != tuple(range(len(reduced))):  # leading axes need no help
            y = _shape.reshape(y, tuple(1 if i in reduced else n for i, n in enumerate(shape)))
    return _shape.broadcast_to(y, shape)


def count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many items each result of a reduction over ``axis`` takes in."""
    return math.prod(shape[i] for i in _reduced(axis, len(shape)))


def in_rows(rule: Callable[[Tensor, Tensor], Tensor], g: Tensor, x: Tensor, axis: Axis) -> Tensor:
    """``rule(g, x)`` with the reduced axes as the last one of x, and its result in the shape of x again."""
    reduced = _reduced(axis, x.ndim)
    kept = tuple(i for i in range(x.ndim) if i not in reduced)
    order = kept + reduced
    outer = tuple(x.shape[i] for i in kept)
    rows = _shape.reshape(_shape.permute_dims(x, order), (*outer, count(x.shape, axis)))
    result = _shape.reshape(rule(_shape.reshape(g, outer), rows), tuple(x.shape[i] for i in order))
    return _shape.permute_dims(result, tuple(order.index(i) for i in range(x.ndim)))
