"""What the rules of reductions share: axes, and the ways between a reduced shape and the whole one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ShapeError
from ..primitive import Primitive
from ..tensors import asarray
from . import broadcasting as _broadcasting
from . import views as _views
from ._arguments import _axes

if TYPE_CHECKING:
    from ..tensors import Axis, Tensor, TensorLike

__all__ = [
    "along_axis",
    "along_last",
    "as_one",
    "broadcast_batch",
    "broadcast_reduced",
    "count",
    "in_rows",
    "over_axes",
]


def _reduced(axis: Axis, ndim: int) -> tuple[int, ...]:
    """The reduced axes in ascending order, counted from the front. They were checked when the op ran."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(sorted(a % ndim for a in (axis if isinstance(axis, (tuple, list)) else (axis,))))


def broadcast_reduced(y: Tensor, shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Tensor:
    """What a reduction made of ``shape``, broadcast back to it."""
    if axis is not None and not keepdims:
        reduced = _reduced(axis, len(shape))
        if reduced != tuple(range(len(reduced))):  # leading axes need no help
            y = _views.reshape(y, tuple(1 if i in reduced else n for i, n in enumerate(shape)))
    return _broadcasting.broadcast_to(y, shape)


def count(shape: tuple[int, ...], axis: Axis) -> int:
    """How many items each result of a reduction over ``axis`` takes in."""
    return math.prod(shape[i] for i in _reduced(axis, len(shape)))


def in_rows(rule: Callable[[Any, Tensor], Tensor], g: Tensor | None, x: Tensor, axis: Axis) -> Tensor:
    """``rule(g, x)`` with the reduced axes as the last one of x, and its result in the shape of x again."""
    reduced = _reduced(axis, x.ndim)
    kept = tuple(i for i in range(x.ndim) if i not in reduced)
    order = kept + reduced
    outer = tuple(x.shape[i] for i in kept)
    rows = _views.reshape(_views.permute_dims(x, order), (*outer, count(x.shape, axis)))
    y = rule(None if g is None else _views.reshape(g, outer), rows)
    result = _views.reshape(y, tuple(x.shape[i] for i in order))
    return _views.permute_dims(result, tuple(order.index(i) for i in range(x.ndim)))


def as_one(p: Primitive, x: TensorLike, axis: Axis) -> Tensor:
    """``p(x, axis)`` for a primitive of one axis; several axes, or (None) all, are taken as if they were one."""
    if axis is not None and not isinstance(axis, (tuple, list)):
        y: Tensor = p(x, axis)
        return y
    x = asarray(x)
    axes = tuple(range(x.ndim)) if axis is None else _axes(p.name, axis, x.ndim)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{p.name}: each axis must be named once; got {axis}")
    return in_rows(lambda _, rows: p(rows, -1), None, x, axes)


# -- batch rules: the axes of one example are one further on ---------------------------------------------------------


def over_axes(*primitives: Primitive) -> None:
    """Set the batch rule of primitives ``(…, x, axis, …)`` that reduce x over an axis, several or (None) all."""
    for p in primitives:
        p.defbatch(partial(_over_axes, p))


def _over_axes(p: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor], axis: Axis, *options: Any) -> Tensor:
    xs = broadcast_batch(batched, inputs)
    result: Tensor = p(*xs, tuple(a + 1 for a in _reduced(axis, xs[-1].ndim - 1)), *options)
    return result


def along_axis(*primitives: Primitive) -> None:
    """Set the batch rule of primitives ``(*xs, axis, …)`` that work along one axis of operands of one shape."""
    for p in primitives:
        p.defbatch(partial(_along_axis, p))


def _along_axis(p: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor], axis: int, *options: Any) -> Tensor:
    xs = broadcast_batch(batched, inputs)
    result: Tensor = p(*xs, axis % (xs[0].ndim - 1) + 1, *options)
    return result


def along_last(*primitives: Primitive) -> None:
    """Set the batch rule of primitives without attributes that work along the last axis."""
    for p in primitives:
        p.defbatch(partial(_along_last, p))


def _along_last(p: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor]) -> Tensor:
    result: Tensor = p(*broadcast_batch(batched, inputs))
    return result


def broadcast_batch(batched: Sequence[bool], inputs: Sequence[Tensor]) -> list[Tensor]:
    """The inputs, each with the batch as axis 0: those without one are repeated, on the same memory."""
    size = next(x.shape[0] for b, x in zip(batched, inputs, strict=True) if b)
    return [x if b else _broadcasting.broadcast_to(x, (size, *x.shape)) for b, x in zip(batched, inputs, strict=True)]
