"""Windows as an axis of their own, and the sum of such windows: each the transpose of the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import ShapeError
from ..primitive import Primitive
from ..tensors import asarray
from . import views as _views
from ._arguments import _ints
from ._moving import linear
from ._windows import check_fit, how_windows, more_planes, per_axis

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["fold", "unfold"]

_unfold = Primitive("unfold", saves=())
_fold = Primitive("fold", saves=())
_unfold.defvjp(lambda g, ans, x, *how: _fold(g, *how, x.shape[x.ndim - len(how[0]) :]))
_fold.defvjp(lambda c, ans, y, *how: _unfold(c, *how[:-1]))
linear(_unfold, _fold)
_unfold.defbatch(partial(more_planes, _unfold))
_fold.defbatch(partial(more_planes, _fold))


def _rank(op: str, window: Any) -> int:
    """The number of spatial axes: as many as the window has, two for a single number."""
    alone = not isinstance(window, (tuple, list)) and getattr(window, "ndim", 0) == 0
    rank = 2 if alone else len(_ints(op, "window", window))
    if not 1 <= rank <= 3:
        raise ShapeError(f"{op}: window must have one to three entries; got {rank}")
    return rank


def unfold(
    x: TensorLike,
    window: int | Sequence[int],
    /,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """All items of each window, window after window ("im2col").

    Parameters
    ----------
    x : Tensor, shape (..., C, *extents), floating
        One spatial axis for each entry of the window; integers become float32.
    window : int or sequence of int
        One number stands for two spatial axes.
    stride, padding, dilation
        As of :func:`conv2d`.

    Returns
    -------
    Tensor, shape (..., C * items of a window, windows)
        As PyTorch has it: channel by channel, and within a channel in row-major order.

    Gradient
        :func:`fold` of the cotangent.

    Accuracy
        Exact.

    Raises
    ------
    ShapeError
        If there are too few axes, or the window is larger than the padded input.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.unfold(ac.tensor([[1.0, 2.0, 3.0, 4.0]]), (2,))
    Tensor([[1., 2., 3.],
            [2., 3., 4.]], dtype=float32)
    """
    a, rank = asarray(x), _rank("unfold", window)
    how = how_windows("unfold", rank, window, per_axis("unfold", "stride", stride, rank), padding, dilation)
    if a.ndim < rank + 1:
        raise ShapeError(f"unfold: x must have channels and {rank} spatial axes; got shape {a.shape}")
    check_fit("unfold", a.shape[a.ndim - rank :], how)
    y = _unfold(a, *how)
    return _views.reshape(y, (*y.shape[:-3], y.shape[-3] * y.shape[-2], y.shape[-1]))


def fold(
    y: TensorLike,
    output_size: int | Sequence[int],
    window: int | Sequence[int],
    /,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
) -> Tensor:
    """The sum of windows, each added where :func:`unfold` takes it from: its transpose ("col2im").

    Parameters
    ----------
    y : Tensor, shape (..., C * items of a window, windows), floating
    output_size : int or sequence of int
        Extents of the result.
    window, stride, padding, dilation
        As of :func:`unfold`.

    Returns
    -------
    Tensor, shape (..., C, *output_size)

    Gradient
        :func:`unfold` of the cotangent.

    Accuracy
        A sum of as many terms as windows overlap.

    Raises
    ------
    ShapeError
        If the shape of y is not that of windows over such extents.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.fold(ac.tensor([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]]), (4,), (2,))
    Tensor([[1., 4., 6., 4.]], dtype=float32)
    """
    a, rank = asarray(y), _rank("fold", window)
    how = how_windows("fold", rank, window, per_axis("fold", "stride", stride, rank), padding, dilation)
    size = per_axis("fold", "output_size", output_size, rank, 0)
    check_fit("fold", size, how)
    windows, strides, pads, dilations = how
    taps = count = 1
    for i, n in enumerate(windows):
        taps *= n
        count *= (size[i] + pads[2 * i] + pads[2 * i + 1] - dilations[i] * (n - 1) - 1) // strides[i] + 1
    if a.ndim < 2 or a.shape[-2] % taps or a.shape[-1] != count:
        raise ShapeError(
            f"fold: y must have shape (…, C * {taps}, {count}), items of a window and windows over extents {size}; got "
            f"shape {a.shape}"
        )
    a = _views.reshape(a, (*a.shape[:-2], a.shape[-2] // taps, taps, count))
    return _fold(a, *how, size)
