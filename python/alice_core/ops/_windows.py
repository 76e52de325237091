"""Arguments of ops whose windows move over the last axes of an array, and batches folded into other axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..checks import checked_choice
from ..errors import ShapeError
from ..primitive import Primitive
from . import broadcasting as _broadcasting
from . import views as _views
from ._arguments import _ints

if TYPE_CHECKING:
    from ..tensors import Tensor

#: Names of layouts by the number of spatial axes: channels first, as kernels have them, and last.
LAYOUTS = {1: ("NCW", "NWC"), 2: ("NCHW", "NHWC"), 3: ("NCDHW", "NDHWC")}

_MOST = 2**31 - 1


def per_axis(op: str, name: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """One number for each spatial axis, or one for all of them."""
    numbers = _ints(op, name, value)
    if len(numbers) == 1:
        numbers *= rank
    if len(numbers) != rank or not all(least <= n <= _MOST for n in numbers):
        raise ShapeError(
            f"{op}: {name} must be one number, or one for each of {rank} spatial axes, from {least} to {_MOST}; "
            f"got {_brief(value)}"
        )
    return numbers


def paddings(
    op: str,
    padding: Any,
    window: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """How much before and behind each axis, one after the other."""
    rank = len(window)
    if isinstance(padding, str):
        if checked_choice(op, "padding", padding, ("valid", "same")) == "valid":
            return (0,) * (2 * rank)
        if any(s != 1 for s in stride):
            raise ShapeError(f'{op}: padding "same" needs stride 1; got stride {stride}; give the numbers instead')
        spans = [d * (n - 1) for n, d in zip(window, dilation, strict=True)]
        return tuple(part for span in spans for part in (span // 2, span - span // 2))
    if isinstance(padding, (tuple, list)) and padding and all(isinstance(p, (tuple, list)) for p in padding):
        pairs = [_ints(op, "padding", p) for p in padding]
        if len(pairs) != rank or not all(len(p) == 2 and min(p) >= 0 and max(p) <= _MOST for p in pairs):
            raise ShapeError(
                f"{op}: padding must have a pair (before, behind) of numbers from 0 to {_MOST} for each of {rank} "
                f"spatial axes; got {_brief(padding)}"
            )
        return tuple(n for pair in pairs for n in pair)
    return tuple(n for n in per_axis(op, "padding", padding, rank, 0) for _ in range(2))


def how_windows(
    op: str, rank: int, window: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The attributes of kernels whose windows have no numbers; of stride None, windows side by side."""
    windows = per_axis(op, "window", window, rank)
    strides = windows if stride is None else per_axis(op, "stride", stride, rank)
    dilations = per_axis(op, "dilation", dilation, rank)
    return windows, strides, paddings(op, padding, windows, strides, dilations), dilations


def check_fit(op: str, extents: Sequence[int], how: Sequence[Sequence[int]]) -> None:
    """Refuse windows (window, stride, padding, dilation) that are larger than the padded axes."""
    windows, _, pads, dilations = how
    for i, n in enumerate(extents):
        span = dilations[i] * (windows[i] - 1) + 1
        if span > n + pads[2 * i] + pads[2 * i + 1]:
            raise ShapeError(
                f"{op}: windows must fit into the padded input; got one over {span} items along a spatial axis of {n}, "
                f"padded by {pads[2 * i]} and {pads[2 * i + 1]}; pad more"
            )


def check_items(op: str, extents: Sequence[int], how: Sequence[Sequence[int]]) -> None:
    """Refuse padding by which a window would lie beside all items: at most a window, on either side less than one."""
    windows, strides, pads, dilations = how
    for i, n in enumerate(extents):
        window, stride, dilation, before, behind = windows[i], strides[i], dilations[i], pads[2 * i], pads[2 * i + 1]
        span = dilation * (window - 1) + 1
        beside = max(before, behind) >= span or before + behind > span
        if not beside and n < dilation:  # some places of a window have no item between them
            starts = range(-before, n + behind - span + 1, stride)
            beside = any(all(not 0 <= s + k * dilation < n for k in range(window)) for s in starts)
        if beside:
            raise ShapeError(
                f"{op}: padding must be at most half a window on both sides, so that each window has an item; got "
                f"{before} and {behind} around a spatial axis of {n}, for windows over {span}; pad less, or with "
                f"ac.pad, which says by what value"
            )


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def channels_first(op: str, x: Tensor, rank: int, layout: str, channels: bool) -> Tensor:
    """x with its spatial axes last, and at least these and, if ``channels`` or they come last, one more."""
    last = checked_choice(op, "layout", layout, LAYOUTS[rank]) == LAYOUTS[rank][1]
    channels = channels or last
    if x.ndim < rank + channels:
        raise ShapeError(
            f"{op}: x must have at least {rank + channels} axes, {'channels and ' if channels else ''}{rank} spatial "
            f"ones; got shape {x.shape}"
        )
    return _views.moveaxis(x, -1, -1 - rank) if last else x


def channels_back(y: Tensor, rank: int, layout: str) -> Tensor:
    """The channels where the layout has them."""
    return _views.moveaxis(y, -1 - rank, -1) if layout == LAYOUTS[rank][1] else y


def images_of(x: Tensor, rank: int) -> tuple[Tensor, tuple[int, ...]]:
    """x as (N, C, …), its leading axes as one, and those axes."""
    front = x.shape[: x.ndim - rank - 1]
    if len(front) != 1:
        x = _views.reshape(x, (math.prod(front), *x.shape[len(front) :]))
    return x, front


# -- batches ----------------------------------------------------------------------------------------------------------


def merged(x: Tensor, axis: int, groups: int = 1) -> Tensor:
    """The batch, axis 0, as part of an axis of the examples: for each group of that axis the batch, then the rest."""
    size, shape = x.shape[0], x.shape[1:]
    if groups > 1:
        x = _views.reshape(x, (size, *shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]))
        x = _views.moveaxis(x, 0, axis + 1)
    else:
        x = _views.moveaxis(x, 0, axis)
    return _views.reshape(x, (*shape[:axis], size * shape[axis], *shape[axis + 1 :]))


def parted(y: Tensor, axis: int, size: int, extent: int, groups: int = 1) -> Tensor:
    """What :func:`merged` did to an axis, undone: so many examples as axis 0, in which the axis has that extent."""
    shape = y.shape
    y = _views.reshape(y, (*shape[:axis], groups, size, extent // groups, *shape[axis + 1 :]))
    y = _views.moveaxis(y, axis + 1, 0)
    return _views.reshape(y, (size, *shape[:axis], extent, *shape[axis + 1 :]))


def repeated(batched: Sequence[bool], inputs: Sequence[Tensor]) -> list[Tensor]:
    """The inputs, those without a batch as one of equal examples."""
    size = next(x.shape[0] for b, x in zip(batched, inputs, strict=True) if b)
    return [
        x if b else _broadcasting.broadcast_to(_views.expand_dims(x, axis=0), (size, *x.shape))
        for b, x in zip(batched, inputs, strict=True)
    ]


def more_planes(p: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor], *how: Any) -> Tensor:
    """The batch rule of kernels with any number of leading axes."""
    return p(*repeated(batched, inputs), *how)
