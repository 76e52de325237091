"""Convolutions and their transposes.

Three primitives are what is left of one sum, ``Σ x[n, c, q s + t] w[o, c, t] g[n, o, q]``, when one of the factors is
left out: ``conv`` leaves out g, ``conv_transpose`` x and ``conv_weight`` w. So the gradients of each are the other two,
to any order.

A batch is more images where the weights have none, and more groups (or channels) where they have.

Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..checks import checked_int
from ..errors import ShapeError
from ..primitive import Primitive
from ..tensors import abstract, asarray
from . import arithmetic as _arithmetic
from . import creation as _creation
from . import views as _views
from ._windows import channels_back, channels_first, check_fit, images_of, merged, paddings, parted, per_axis, repeated

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

# Attributes: stride, padding (before and behind each axis), dilation, groups; of the latter two also the extents of
# what they make.
_conv = Primitive("conv", saves=(0, 1))
_conv_transpose = Primitive("conv_transpose", saves=(0, 1))
_conv_weight = Primitive("conv_weight", saves=(0, 1))

_conv.defvjp(
    lambda g, ans, x, w, *how: _conv_transpose(g, w, *how, x.shape[2:]),
    lambda g, ans, x, w, *how: _conv_weight(x, g, *how, w.shape[2:]),
)
_conv_transpose.defvjp(
    lambda c, ans, g, w, *how: _conv(c, w, *how[:4]),
    lambda c, ans, g, w, *how: _conv_weight(c, g, *how[:4], w.shape[2:]),
)
_conv_weight.defvjp(
    lambda c, ans, x, g, *how: _conv_transpose(g, c, *how[:4], x.shape[2:]),
    lambda c, ans, x, g, *how: _conv(x, c, *how[:4]),
)


def _first_tangent(p: Primitive, t: Tensor, ans: Tensor, a: Tensor, b: Tensor, *how: Any) -> Tensor:
    return p(t, b, *how)


def _second_tangent(p: Primitive, t: Tensor, ans: Tensor, a: Tensor, b: Tensor, *how: Any) -> Tensor:
    return p(a, t, *how)


for _p in (_conv, _conv_transpose, _conv_weight):
    _p.defjvp(partial(_first_tangent, _p), partial(_second_tangent, _p))


def _none(p: Primitive, inputs: Sequence[Tensor], how: Sequence[Any]) -> Tensor:
    """No example: of the shape that one would have."""
    one = p(*(abstract(x.shape[1:], x.dtype) for x in inputs), *how)
    return _creation.zeros((0, *one.shape), one.dtype)


def _by_weights(p: Primitive, rows: int, batched: Sequence[bool], inputs: Sequence[Tensor], *how: Any) -> Tensor:
    """The batch rule of conv and conv_transpose; ``rows`` is the axis of the weights that the result has."""
    x, w = inputs
    stride, padding, dilation, groups, *size = how
    if not batched[1]:
        return parted(p(merged(x, 0), w, *how), 0, *x.shape[:2])
    n = w.shape[0]
    if not batched[0]:
        channels = w.shape[1 + rows] * (groups if rows == 1 else 1)
        y = p(x, merged(w, rows, 1 if rows == 1 else groups), *how)
        return parted(y, 1, n, channels, groups)
    if n == 0:
        return _none(p, inputs, how)
    channels = w.shape[1] if rows == 0 else w.shape[2] * groups
    return parted(p(merged(x, 1), merged(w, 0), stride, padding, dilation, groups * n, *size), 1, n, channels)


_conv.defbatch(partial(_by_weights, _conv, 0))
_conv_transpose.defbatch(partial(_by_weights, _conv_transpose, 1))


def _weight_batch(
    batched: Sequence[bool],
    inputs: Sequence[Tensor],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
    window: Any,
) -> Tensor:
    """Each example is a group of its own: what it adds up, and in which order, stays what it is alone."""
    x, g = repeated(batched, inputs)
    n, rows = x.shape[0], g.shape[2]
    if n == 0:
        return _none(_conv_weight, (x, g), (stride, padding, dilation, groups, window))
    w = _conv_weight(merged(x, 1), merged(g, 1), stride, padding, dilation, groups * n, window)
    return parted(w, 0, n, rows)


_conv_weight.defbatch(_weight_batch)


def _convolve(
    op: str,
    rank: int,
    x: TensorLike,
    w: TensorLike,
    bias: TensorLike | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    layout: str,
) -> Tensor:
    images, front = images_of(channels_first(op, asarray(x), rank, layout, True), rank)
    weight = _checked_weight(op, asarray(w), rank)
    strides, dilations = per_axis(op, "stride", stride, rank), per_axis(op, "dilation", dilation, rank)
    groups = _checked_groups(op, groups)
    rows, channels = weight.shape[:2]
    if images.shape[1] != groups * channels or rows % groups:
        raise ShapeError(
            f"{op}: weight must have shape (O, C / groups, …) for x with C channels, and groups divide O and C; got "
            f"weight {weight.shape}, C = {images.shape[1]}, groups = {groups}"
        )
    pads = paddings(op, padding, weight.shape[2:], strides, dilations)
    check_fit(op, images.shape[2:], (weight.shape[2:], strides, pads, dilations))
    return _finished(op, _conv(images, weight, strides, pads, dilations, groups), bias, front, rank, layout)


def _transpose(
    op: str,
    rank: int,
    x: TensorLike,
    w: TensorLike,
    bias: TensorLike | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    layout: str,
) -> Tensor:
    images, front = images_of(channels_first(op, asarray(x), rank, layout, True), rank)
    weight = _checked_weight(op, asarray(w), rank)
    strides, dilations = per_axis(op, "stride", stride, rank), per_axis(op, "dilation", dilation, rank)
    more = per_axis(op, "output_padding", output_padding, rank, 0)
    groups = _checked_groups(op, groups)
    if any(m >= s for m, s in zip(more, strides, strict=True)):
        raise ShapeError(f"{op}: output_padding must be less than stride; got {more} and stride {strides}")
    if images.shape[1] != weight.shape[0] or weight.shape[0] % groups:
        raise ShapeError(
            f"{op}: weight must have shape (C, O / groups, …) for x with C channels, and groups divide C; got weight "
            f"{weight.shape}, C = {images.shape[1]}, groups = {groups}"
        )
    if isinstance(padding, str):
        raise ShapeError(f"{op}: padding must be numbers; got {padding!r}")
    pads = paddings(op, padding, weight.shape[2:], strides, dilations)
    size = tuple(
        (n - 1) * s + d * (k - 1) + 1 + m - before - behind
        for n, s, d, k, m, before, behind in zip(
            images.shape[2:], strides, dilations, weight.shape[2:], more, pads[::2], pads[1::2], strict=True
        )
    )
    if any(n < 0 for n in size) or 0 in images.shape[2:]:
        raise ShapeError(
            f"{op}: the result must have spatial extents of at least 0, of inputs of at least 1; got {size} for x "
            f"{images.shape}, weight {weight.shape} and padding {pads}; pad less"
        )
    y = _conv_transpose(images, weight, strides, pads, dilations, groups, size)
    return _finished(op, y, bias, front, rank, layout)


def _finished(op: str, y: Tensor, bias: TensorLike | None, front: tuple[int, ...], rank: int, layout: str) -> Tensor:
    if len(front) != 1:
        y = _views.reshape(y, (*front, *y.shape[1:]))
    if bias is not None:
        bias = asarray(bias)
        if bias.shape != (channels := y.shape[-1 - rank],):
            raise ShapeError(f"{op}: bias must have a number for each of {channels} channels; got shape {bias.shape}")
        y = _arithmetic.add(y, _views.reshape(bias, (-1, *(1,) * rank)))
    return channels_back(y, rank, layout)


def _checked_weight(op: str, w: Tensor, rank: int) -> Tensor:
    if w.ndim != rank + 2 or 0 in w.shape[2:]:
        raise ShapeError(
            f"{op}: weight must have {rank + 2} axes, two of channels and {rank} spatial ones of at least 1 item; got "
            f"shape {w.shape}"
        )
    return w


def _checked_groups(op: str, groups: Any) -> int:
    number = checked_int(op, "groups", groups)
    if not 1 <= number < 2**31:
        raise ShapeError(f"{op}: groups must be from 1 to {2**31 - 1}; got {number}")
    return number


def conv2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    /,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    layout: str = "NCHW",
) -> Tensor:
    """Two-dimensional convolution, as neural networks have it (the window is not turned round).

    ``y[n, o, i, j] = Σ_{c, k, l} x[n, c, i s + k d - p, j s + l d - p] weight[o, c, k, l]``, with zeros beyond the
    borders of x.

    Parameters
    ----------
    x : Tensor, shape (..., C, H, W) or, for layout "NHWC", (..., H, W, C), floating
        Any number of leading axes, also none; integers become float32.
    weight : Tensor, shape (O, C / groups, K, L), in either layout
    bias : Tensor, shape (O,), optional
        What is added to each channel of the result.
    stride, dilation : int or sequence of int
        Steps from one window to the next, and from one item of a window to the next.
    padding : int, sequence of int, sequence of pairs, "valid" or "same"
        Zeros at both ends of each axis, or before and behind it. "valid" is none; "same", for stride 1, leaves the
        extents as they are (an odd zero goes behind).
    groups : int
        The channels of x and of the result are divided among so many convolutions: ``groups=C`` is depthwise.
    layout : "NCHW" or "NHWC"
        Where the channels of x and of the result are. "NHWC" copies both.

    Returns
    -------
    Tensor, shape (..., O, H', W') or (..., H', W', O)
        ``H' = (H + padding - d (K - 1) - 1) // s + 1``.

    Gradient
        By x the transposed convolution of the cotangent, by the weight sums of cotangents times items of x.

    Accuracy
        As :func:`alice_core.matmul` for sums of ``C / groups K L`` products, whatever the batch and the threads.

    Raises
    ------
    ShapeError
        If shapes, groups and channels do not fit, or the window is larger than the padded input.

    Source
        Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.reshape(ac.arange(9.0), (1, 3, 3))
    >>> ac.conv2d(x, ac.ones((1, 1, 2, 2)))
    Tensor([[[ 8., 12.],
             [20., 24.]]], dtype=float32)
    >>> ac.conv2d(ac.ones((8, 3, 32, 32)), ac.ones((16, 3, 3, 3)), stride=2, padding=1).shape
    (8, 16, 16, 16)
    """
    return _convolve("conv2d", 2, x, weight, bias, stride, padding, dilation, groups, layout)


def conv1d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    /,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    layout: str = "NCW",
) -> Tensor:
    """One-dimensional convolution: :func:`conv2d` along one axis.

    Parameters
    ----------
    x : Tensor, shape (..., C, W) or, for layout "NWC", (..., W, C), floating
    weight : Tensor, shape (O, C / groups, K)
    bias, stride, padding, dilation, groups
        As of :func:`conv2d`.
    layout : "NCW" or "NWC"

    Returns
    -------
    Tensor, shape (..., O, W') or (..., W', O)

    Gradient, Accuracy, Raises
        As of :func:`conv2d`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.conv1d(ac.tensor([[1.0, 2.0, 4.0, 8.0]]), ac.tensor([[[-1.0, 1.0]]]))
    Tensor([[1., 2., 4.]], dtype=float32)
    """
    return _convolve("conv1d", 1, x, weight, bias, stride, padding, dilation, groups, layout)


def conv3d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    /,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    layout: str = "NCDHW",
) -> Tensor:
    """Three-dimensional convolution: :func:`conv2d` along three axes.

    Parameters
    ----------
    x : Tensor, shape (..., C, D, H, W) or, for layout "NDHWC", (..., D, H, W, C), floating
    weight : Tensor, shape (O, C / groups, J, K, L)
    bias, stride, padding, dilation, groups
        As of :func:`conv2d`.
    layout : "NCDHW" or "NDHWC"

    Returns
    -------
    Tensor, shape (..., O, D', H', W') or (..., D', H', W', O)

    Gradient, Accuracy, Raises
        As of :func:`conv2d`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.conv3d(ac.ones((2, 1, 8, 8, 8)), ac.ones((4, 1, 3, 3, 3)), padding="same").shape
    (2, 4, 8, 8, 8)
    """
    return _convolve("conv3d", 3, x, weight, bias, stride, padding, dilation, groups, layout)


def conv_transpose2d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    /,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
    layout: str = "NCHW",
) -> Tensor:
    """The transpose of a two-dimensional convolution: what :func:`conv2d` reads, this writes, and the other way round.

    ``y[n, o, i s + k d - p, j s + l d - p] += x[n, c, i, j] weight[c, o, k, l]``; what lies beyond is dropped.

    Parameters
    ----------
    x : Tensor, shape (..., C, H, W) or, for layout "NHWC", (..., H, W, C), floating
    weight : Tensor, shape (C, O / groups, K, L)
        That of the convolution whose transpose this is.
    bias : Tensor, shape (O,), optional
        What is added to each channel of the result.
    stride, padding, dilation, groups, layout
        Those of the convolution; padding as numbers.
    output_padding : int or sequence of int
        More places at the end, fewer than the stride: the extents that the convolution would have rounded away.

    Returns
    -------
    Tensor, shape (..., O, H', W') or (..., H', W', O)
        ``H' = (H - 1) s - padding + d (K - 1) + output_padding + 1``.

    Gradient
        By x the convolution of the cotangent, by the weight sums of cotangents times items of x.

    Accuracy
        As :func:`alice_core.matmul`.

    Raises
    ------
    ShapeError
        If shapes, groups and channels do not fit, or the result would have negative extents.

    Source
        Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.conv_transpose2d(ac.tensor([[[1.0, 2.0]]]), ac.ones((1, 1, 2, 2)), stride=2)
    Tensor([[[1., 1., 2., 2.],
             [1., 1., 2., 2.]]], dtype=float32)
    """
    return _transpose("conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, groups, dilation, layout)


def conv_transpose1d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    /,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
    layout: str = "NCW",
) -> Tensor:
    """The transpose of a one-dimensional convolution: :func:`conv_transpose2d` along one axis.

    Parameters
    ----------
    x : Tensor, shape (..., C, W) or, for layout "NWC", (..., W, C), floating
    weight : Tensor, shape (C, O / groups, K)
    bias, stride, padding, output_padding, groups, dilation
        As of :func:`conv_transpose2d`.
    layout : "NCW" or "NWC"

    Returns
    -------
    Tensor, shape (..., O, W') or (..., W', O)

    Gradient, Accuracy, Raises
        As of :func:`conv_transpose2d`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.conv_transpose1d(ac.tensor([[1.0, 2.0]]), ac.tensor([[[1.0, 0.5]]]))
    Tensor([[1. , 2.5, 1. ]], dtype=float32)
    """
    return _transpose("conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, groups, dilation, layout)


def conv_transpose3d(
    x: TensorLike,
    weight: TensorLike,
    bias: TensorLike | None = None,
    /,
    *,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    output_padding: int | Sequence[int] = 0,
    groups: int = 1,
    dilation: int | Sequence[int] = 1,
    layout: str = "NCDHW",
) -> Tensor:
    """The transpose of a three-dimensional convolution: :func:`conv_transpose2d` along three axes.

    Parameters
    ----------
    x : Tensor, shape (..., C, D, H, W) or, for layout "NDHWC", (..., D, H, W, C), floating
    weight : Tensor, shape (C, O / groups, J, K, L)
    bias, stride, padding, output_padding, groups, dilation
        As of :func:`conv_transpose2d`.
    layout : "NCDHW" or "NDHWC"

    Returns
    -------
    Tensor, shape (..., O, D', H', W') or (..., D', H', W', O)

    Gradient, Accuracy, Raises
        As of :func:`conv_transpose2d`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.conv_transpose3d(ac.ones((4, 8, 8, 8)), ac.ones((4, 1, 2, 2, 2)), stride=2).shape
    (1, 16, 16, 16)
    """
    return _transpose("conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, groups, dilation, layout)
