"""The largest item and the mean of each window that moves over the last axes of an array."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .._dtypes import get_default_dtype
from ..checks import checked_flag
from ..errors import ShapeError
from ..primitive import Primitive
from ..tensors import asarray, tensor
from . import extremes as _extremes
from . import indexing as _indexing
from . import linalg as _linalg
from . import selection as _selection
from . import views as _views
from ._moving import linear
from ._windows import channels_back, channels_first, check_fit, check_items, how_windows, more_planes, per_axis

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

# Attributes: window, stride, padding (before and behind each axis), dilation; then those of the mean, or extents.
_max_pool = Primitive("max_pool", saves=(0, "ans"))
_max_pool_vjp = Primitive("max_pool_vjp", saves=(1, 2))
_max_pool_jvp = Primitive("max_pool_jvp", saves=(1, 2))

_max_pool.defvjp(lambda g, ans, x, *how: _max_pool_vjp(g, x, ans, *how))
_max_pool.defjvp(lambda t, ans, x, *how: _max_pool_jvp(t, x, ans, *how))
_max_pool_vjp.defvjp(lambda c, ans, g, x, y, *how: _max_pool_jvp(c, x, y, *how), None, None)
_max_pool_vjp.defjvp(lambda t, ans, g, x, y, *how: _max_pool_vjp(t, x, y, *how), None, None)
_max_pool_jvp.defvjp(lambda c, ans, t, x, y, *how: _max_pool_vjp(c, x, y, *how), None, None)
_max_pool_jvp.defjvp(lambda u, ans, t, x, y, *how: _max_pool_jvp(u, x, y, *how), None, None)

_avg_pool = Primitive("avg_pool", saves=())
_avg_pool_vjp = Primitive("avg_pool_vjp", saves=())
_avg_pool.defvjp(lambda g, ans, x, *how: _avg_pool_vjp(g, *how, x.shape[x.ndim - len(how[0]) :]))
_avg_pool_vjp.defvjp(lambda c, ans, g, *how: _avg_pool(c, *how[:-1]))

linear(_avg_pool, _avg_pool_vjp)


for _p in (_max_pool, _max_pool_vjp, _max_pool_jvp, _avg_pool, _avg_pool_vjp):
    _p.defbatch(partial(more_planes, _p))


def _pooled(p: Primitive, op: str, rank: int, x: TensorLike, how: Any, layout: str, *more: Any) -> Tensor:
    images = channels_first(op, asarray(x), rank, layout, False)
    for check in (check_fit, check_items):
        check(op, images.shape[images.ndim - rank :], how)
    return channels_back(p(images, *how, *more), rank, layout)


def _adaptive(op: str, rank: int, x: TensorLike, output_size: Any, layout: str, largest: bool) -> Tensor:
    images = channels_first(op, asarray(x), rank, layout, False)
    counts = per_axis(op, "output_size", output_size, rank)
    extents = images.shape[images.ndim - rank :]
    if 0 in extents:
        raise ShapeError(f"{op}: spatial axes must have at least 1 item; got shape {images.shape}")
    if all(n % count == 0 for n, count in zip(extents, counts, strict=True)):
        window = tuple(n // count for n, count in zip(extents, counts, strict=True))
        how = (window, window, (0,) * (2 * rank), (1,) * rank)
        y = _max_pool(images, *how) if largest else _avg_pool(images, *how, True)
    else:
        y = (_uneven_max if largest else _uneven_avg)(images, extents, counts)
    return channels_back(y, rank, layout)


def _bounds(n: int, count: int) -> list[tuple[int, int]]:
    """Windows of an axis of n items that are as equal as may be: overlapping where they are not."""
    return [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]


def _uneven_avg(x: Tensor, extents: Sequence[int], counts: Sequence[int]) -> Tensor:
    """Along each axis a product with the matrix of shares."""
    dtype = x.dtype if x.dtype.kind == "f" else get_default_dtype()
    for i, (n, count) in enumerate(zip(extents, counts, strict=True)):
        shares = np.zeros((n, count))
        for j, (begin, end) in enumerate(_bounds(n, count)):
            shares[begin:end, j] = 1 / (end - begin)
        axis = x.ndim - len(counts) + i
        x = _views.moveaxis(_linalg.matmul(_views.moveaxis(x, axis, -1), tensor(shares, dtype)), -1, axis)
    return x


def _uneven_max(x: Tensor, extents: Sequence[int], counts: Sequence[int]) -> Tensor:
    """Over windows as axes of their own: the largest of an axis' windows have one item that others lack."""
    rank, first = len(counts), x.ndim - len(counts)
    belongs = np.ones((1,) * (2 * rank), bool)
    for i, (n, count) in enumerate(zip(extents, counts, strict=True)):
        bounds = _bounds(n, count)
        items = np.array([begin for begin, _ in bounds])[:, None] + np.arange(max(e - b for b, e in bounds))
        here = items < np.array([end for _, end in bounds])[:, None]
        belongs = belongs & here.reshape((1,) * (2 * i) + here.shape + (1,) * (2 * (rank - i - 1)))
        x = _indexing.take(x, np.minimum(items, n - 1), first + 2 * i)
    x = _selection.where(belongs, x, -np.inf)
    return _extremes.max(x, tuple(first + 2 * i + 1 for i in range(rank)))


def max_pool2d(
    x: TensorLike,
    window: int | Sequence[int],
    /,
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    *,
    layout: str = "NCHW",
) -> Tensor:
    """The largest item of each window over the last two axes.

    Parameters
    ----------
    x : Tensor, shape (..., H, W) or, for layout "NHWC", (..., H, W, C), floating
        Integers become float32.
    window : int or sequence of int
    stride : int, sequence of int or None
        Steps from one window to the next; None: windows side by side.
    padding : int, sequence of int, sequence of pairs, "valid" or "same"
        Places at both ends of each axis, or before and behind it, that hold -inf: at most half a window on both sides,
        so that each window has an item.
    dilation : int or sequence of int
        Steps from one item of a window to the next.
    layout : "NCHW" or "NHWC"

    Returns
    -------
    Tensor, shape (..., H', W') or (..., H', W', C)
        ``H' = (H + padding - dilation (window - 1) - 1) // stride + 1``. NaN where a window has one.

    Gradient
        1 for the largest item of a window; equal ones share it evenly (the subgradient of least norm).

    Accuracy
        Exact.

    Raises
    ------
    ShapeError
        If there are too few axes, or the window is larger than the padded input.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.max_pool2d(ac.reshape(ac.arange(16.0), (4, 4)), 2)
    Tensor([[ 5.,  7.],
            [13., 15.]], dtype=float32)
    """
    op = "max_pool2d"
    return _pooled(_max_pool, op, 2, x, how_windows(op, 2, window, stride, padding, dilation), layout)


def max_pool1d(
    x: TensorLike,
    window: int | Sequence[int],
    /,
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    *,
    layout: str = "NCW",
) -> Tensor:
    """The largest item of each window over the last axis: :func:`max_pool2d` along one axis.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.max_pool1d(ac.tensor([1.0, 5.0, 2.0, 3.0]), 2)
    Tensor([5., 3.], dtype=float32)
    """
    op = "max_pool1d"
    return _pooled(_max_pool, op, 1, x, how_windows(op, 1, window, stride, padding, dilation), layout)


def max_pool3d(
    x: TensorLike,
    window: int | Sequence[int],
    /,
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    *,
    layout: str = "NCDHW",
) -> Tensor:
    """The largest item of each window over the last three axes: :func:`max_pool2d` along three axes.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.max_pool3d(ac.ones((2, 8, 8, 8)), 2).shape
    (2, 4, 4, 4)
    """
    op = "max_pool3d"
    return _pooled(_max_pool, op, 3, x, how_windows(op, 3, window, stride, padding, dilation), layout)


def avg_pool2d(
    x: TensorLike,
    window: int | Sequence[int],
    /,
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] | str = 0,
    count_include_pad: bool = True,
    *,
    layout: str = "NCHW",
) -> Tensor:
    """The mean of each window over the last two axes.

    Parameters
    ----------
    x : Tensor, shape (..., H, W) or, for layout "NHWC", (..., H, W, C), floating
        Integers become float32.
    window : int or sequence of int
    stride : int, sequence of int or None
        Steps from one window to the next; None: windows side by side.
    padding : int, sequence of int, sequence of pairs, "valid" or "same"
        Zeros at both ends of each axis, or before and behind it.
    count_include_pad : bool
        Whether padding counts as items.
    layout : "NCHW" or "NHWC"

    Returns
    -------
    Tensor, shape (..., H', W') or (..., H', W', C)
        ``H' = (H + padding - window) // stride + 1``.

    Gradient
        Its share of the cotangent to each item.

    Accuracy
        float32: added up in float64 and rounded once. float64: a sum of as many terms as the window has items.

    Raises
    ------
    ShapeError
        If there are too few axes, or the window is larger than the padded input.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.avg_pool2d(ac.reshape(ac.arange(16.0), (4, 4)), 2)
    Tensor([[ 2.5,  4.5],
            [10.5, 12.5]], dtype=float32)
    """
    op = "avg_pool2d"
    count = checked_flag(op, "count_include_pad", count_include_pad)
    return _pooled(_avg_pool, op, 2, x, how_windows(op, 2, window, stride, padding, 1), layout, count)


def avg_pool1d(
    x: TensorLike,
    window: int | Sequence[int],
    /,
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] | str = 0,
    count_include_pad: bool = True,
    *,
    layout: str = "NCW",
) -> Tensor:
    """The mean of each window over the last axis: :func:`avg_pool2d` along one axis.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.avg_pool1d(ac.tensor([1.0, 5.0, 2.0, 3.0]), 2)
    Tensor([3. , 2.5], dtype=float32)
    """
    op = "avg_pool1d"
    count = checked_flag(op, "count_include_pad", count_include_pad)
    return _pooled(_avg_pool, op, 1, x, how_windows(op, 1, window, stride, padding, 1), layout, count)


def avg_pool3d(
    x: TensorLike,
    window: int | Sequence[int],
    /,
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] | str = 0,
    count_include_pad: bool = True,
    *,
    layout: str = "NCDHW",
) -> Tensor:
    """The mean of each window over the last three axes: :func:`avg_pool2d` along three axes.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.avg_pool3d(ac.ones((2, 8, 8, 8)), 2).shape
    (2, 4, 4, 4)
    """
    op = "avg_pool3d"
    count = checked_flag(op, "count_include_pad", count_include_pad)
    return _pooled(_avg_pool, op, 3, x, how_windows(op, 3, window, stride, padding, 1), layout, count)


def adaptive_avg_pool2d(x: TensorLike, output_size: int | Sequence[int], /, *, layout: str = "NCHW") -> Tensor:
    """Means over as many windows as are wanted: window i of m along n items goes from ``⌊i n/m⌋`` to ``⌈(i+1) n/m⌉``.

    Parameters
    ----------
    x : Tensor, shape (..., H, W) or, for layout "NHWC", (..., H, W, C), floating
    output_size : int or sequence of int
        How many windows along each axis; 1 for the mean of all.
    layout : "NCHW" or "NHWC"

    Returns
    -------
    Tensor, shape (..., *output_size) or (..., *output_size, C)

    Gradient
        Its share of the cotangent to each item.

    Accuracy
        As :func:`avg_pool2d` where windows are equal, else as :func:`alice_core.matmul`.

    Raises
    ------
    ShapeError
        If there are too few axes, or one without items.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.adaptive_avg_pool2d(ac.reshape(ac.arange(6.0), (2, 3)), (1, 2))
    Tensor([[2., 3.]], dtype=float32)
    """
    return _adaptive("adaptive_avg_pool2d", 2, x, output_size, layout, False)


def adaptive_avg_pool1d(x: TensorLike, output_size: int | Sequence[int], /, *, layout: str = "NCW") -> Tensor:
    """Means over as many windows as are wanted: :func:`adaptive_avg_pool2d` along one axis.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.adaptive_avg_pool1d(ac.arange(6.0), 3)
    Tensor([0.5, 2.5, 4.5], dtype=float32)
    """
    return _adaptive("adaptive_avg_pool1d", 1, x, output_size, layout, False)


def adaptive_avg_pool3d(x: TensorLike, output_size: int | Sequence[int], /, *, layout: str = "NCDHW") -> Tensor:
    """Means over as many windows as are wanted: :func:`adaptive_avg_pool2d` along three axes.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.adaptive_avg_pool3d(ac.ones((2, 5, 6, 7)), 2).shape
    (2, 2, 2, 2)
    """
    return _adaptive("adaptive_avg_pool3d", 3, x, output_size, layout, False)


def adaptive_max_pool2d(x: TensorLike, output_size: int | Sequence[int], /, *, layout: str = "NCHW") -> Tensor:
    """The largest items of as many windows as are wanted: those of :func:`adaptive_avg_pool2d`.

    Parameters
    ----------
    x : Tensor, shape (..., H, W) or, for layout "NHWC", (..., H, W, C), floating
    output_size : int or sequence of int
        How many windows along each axis; 1 for the largest of all.
    layout : "NCHW" or "NHWC"

    Returns
    -------
    Tensor, shape (..., *output_size) or (..., *output_size, C)

    Gradient
        As of :func:`max_pool2d`.

    Accuracy
        Exact.

    Raises
    ------
    ShapeError
        If there are too few axes, or one without items.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.adaptive_max_pool2d(ac.reshape(ac.arange(6.0), (2, 3)), (1, 2))
    Tensor([[4., 5.]], dtype=float32)
    """
    return _adaptive("adaptive_max_pool2d", 2, x, output_size, layout, True)


def adaptive_max_pool1d(x: TensorLike, output_size: int | Sequence[int], /, *, layout: str = "NCW") -> Tensor:
    """The largest items of as many windows as are wanted: :func:`adaptive_max_pool2d` along one axis.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.adaptive_max_pool1d(ac.arange(5.0), 2)
    Tensor([2., 4.], dtype=float32)
    """
    return _adaptive("adaptive_max_pool1d", 1, x, output_size, layout, True)


def adaptive_max_pool3d(x: TensorLike, output_size: int | Sequence[int], /, *, layout: str = "NCDHW") -> Tensor:
    """The largest items of as many windows as are wanted: :func:`adaptive_max_pool2d` along three axes.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.adaptive_max_pool3d(ac.ones((2, 5, 6, 7)), 2).shape
    (2, 2, 2, 2)
    """
    return _adaptive("adaptive_max_pool3d", 3, x, output_size, layout, True)
