"""Layers whose windows move over images: convolutions, their transposes, and pooling.

Names, shapes and starting values of the parameters are PyTorch's, so that weights can be exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import alice_core as ac

from ..checks import checked_flag, checked_int
from . import init
from .module import Module, Parameter, widened

if TYPE_CHECKING:
    from ..tensors import DTypeLike

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]

_Function = Callable[..., ac.Tensor]
_CONVOLVED: dict[int, _Function] = {1: ac.conv1d, 2: ac.conv2d, 3: ac.conv3d}
_TRANSPOSED: dict[int, _Function] = {1: ac.conv_transpose1d, 2: ac.conv_transpose2d, 3: ac.conv_transpose3d}
_MAX: dict[int, _Function] = {1: ac.max_pool1d, 2: ac.max_pool2d, 3: ac.max_pool3d}
_AVG: dict[int, _Function] = {1: ac.avg_pool1d, 2: ac.avg_pool2d, 3: ac.avg_pool3d}
_MEANS: dict[int, _Function] = {1: ac.adaptive_avg_pool1d, 2: ac.adaptive_avg_pool2d, 3: ac.adaptive_avg_pool3d}
_LARGEST: dict[int, _Function] = {1: ac.adaptive_max_pool1d, 2: ac.adaptive_max_pool2d, 3: ac.adaptive_max_pool3d}


def _extents(who: str, name: str, value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    entries = tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank
    numbers = tuple(checked_int(who, name, n) for n in entries)
    if len(numbers) != rank or min(numbers) < 1:
        raise ac.ShapeError(f"{who}: {name} must be one number of at least 1, or {rank} of them; got {value!r}")
    return numbers


class _Convolution(Module):
    """What convolutions and their transposes share: the parameters, and how they are applied."""

    rank: ClassVar[int]
    transposed: ClassVar[bool] = False

    def _make(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        groups: int,
        bias: bool,
        dtype: DTypeLike | None,
        seed: init.Seed,
    ) -> None:
        who = type(self).__name__
        inputs = checked_int(who, "in_channels", in_channels)
        outputs = checked_int(who, "out_channels", out_channels)
        self.groups = checked_int(who, "groups", groups)
        self.kernel_size = _extents(who, "kernel_size", kernel_size, self.rank)
        if inputs < 1 or outputs < 1 or self.groups < 1 or inputs % self.groups or outputs % self.groups:
            raise ac.ShapeError(
                f"{who}: channels must be at least 1, and groups divide both; got in {inputs}, out {outputs}, groups "
                f"{self.groups}"
            )
        rows, columns = (inputs, outputs) if self.transposed else (outputs, inputs)
        shape = (rows, columns // self.groups, *self.kernel_size)
        bound = 1.0 / math.sqrt(math.prod(shape[1:]))
        generator = init.rng(seed)
        self.weight = Parameter(init.uniform(shape, bound, dtype, generator))
        with_bias = checked_flag(who, "bias", bias)
        self.bias = Parameter(init.uniform((outputs,), bound, dtype, generator)) if with_bias else None

    def _applied(self, x: ac.Tensor, **options: Any) -> ac.Tensor:
        apply = (_TRANSPOSED if self.transposed else _CONVOLVED)[self.rank]
        y = apply(x, self.weight, self.bias, groups=self.groups, **options)
        if y.dtype is not self.weight.dtype:
            raise widened(type(self).__name__, x, self.weight)
        return y

    def _channels(self) -> str:
        rows, columns = self.weight.shape[0], self.weight.shape[1] * self.groups
        inputs, outputs = (rows, columns) if self.transposed else (columns, rows)
        return f"{inputs}, {outputs}, kernel_size={self.kernel_size}"

    def _others(self, **options: tuple[Any, Any]) -> str:
        """Those options that are not what they are by default."""
        options = {**options, "groups": (self.groups, 1), "bias": (self.bias is not None, True)}
        return "".join(f", {name}={value}" for name, (value, default) in options.items() if value != default)


class _Conv(_Convolution):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: DTypeLike | None = None,
        seed: init.Seed = None,
    ) -> None:
        self._make(in_channels, out_channels, kernel_size, groups, bias, dtype, seed)
        self.stride, self.padding, self.dilation = stride, padding, dilation

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return self._applied(x, stride=self.stride, padding=self.padding, dilation=self.dilation)

    def extra_repr(self) -> str:
        return self._channels() + self._others(
            stride=(self.stride, 1), padding=(self.padding, 0), dilation=(self.dilation, 1)
        )


class Conv2d(_Conv):
    """A two-dimensional convolution with a bias: :func:`alice_core.conv2d`.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size : int or sequence of int
        Extents of the window.
    stride, padding, dilation, groups
        As of :func:`alice_core.conv2d`.
    bias : bool
        False leaves the bias out.
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.
    seed : int, numpy Generator or ac.random.Generator, optional
        Of the starting values; None: the common generator, which :func:`alice_core.random.seed` starts.

    Attributes
    ----------
    weight : Tensor, shape (out_channels, in_channels / groups, *kernel_size)
    bias : Tensor, shape (out_channels,), or None
        Both start uniform from -1/sqrt(n) to 1/sqrt(n), n the number of items that a result is a sum of.

    Raises
    ------
    ShapeError
        If groups do not divide the channels; in the call, if the images have others.
    DTypeError
        In the call, if the result would have another dtype than the layer.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.Conv2d(3, 16, 3, padding=1)(ac.zeros((8, 3, 32, 32))).shape
    (8, 16, 32, 32)
    """

    rank = 2


class Conv1d(_Conv):
    """A one-dimensional convolution with a bias: as :class:`Conv2d`, along one axis.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.Conv1d(3, 16, 5)(ac.zeros((8, 3, 32))).shape
    (8, 16, 28)
    """

    rank = 1


class Conv3d(_Conv):
    """A three-dimensional convolution with a bias: as :class:`Conv2d`, along three axes.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.Conv3d(3, 4, 3)(ac.zeros((2, 3, 8, 8, 8))).shape
    (2, 4, 6, 6, 6)
    """

    rank = 3


class _ConvTranspose(_Convolution):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        dtype: DTypeLike | None = None,
        seed: init.Seed = None,
    ) -> None:
        self._make(in_channels, out_channels, kernel_size, groups, bias, dtype, seed)
        self.stride, self.padding, self.output_padding, self.dilation = stride, padding, output_padding, dilation

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return self._applied(
            x,
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
        )

    def extra_repr(self) -> str:
        return self._channels() + self._others(
            stride=(self.stride, 1),
            padding=(self.padding, 0),
            output_padding=(self.output_padding, 0),
            dilation=(self.dilation, 1),
        )


class ConvTranspose2d(_ConvTranspose):
    """The transpose of a two-dimensional convolution, with a bias: :func:`alice_core.conv_transpose2d`.

    Parameters are those of :class:`Conv2d`, and ``output_padding`` of the function.

    Attributes
    ----------
    weight : Tensor, shape (in_channels, out_channels / groups, *kernel_size)
    bias : Tensor, shape (out_channels,), or None
        Both start uniform from -1/sqrt(n) to 1/sqrt(n), n the product of all extents of the weight but the first.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.ConvTranspose2d(16, 3, 2, stride=2)(ac.zeros((8, 16, 16, 16))).shape
    (8, 3, 32, 32)
    """

    rank = 2


class ConvTranspose1d(_ConvTranspose):
    """The transpose of a one-dimensional convolution: as :class:`ConvTranspose2d`, along one axis.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.ConvTranspose1d(16, 3, 2, stride=2)(ac.zeros((8, 16, 16))).shape
    (8, 3, 32)
    """

    rank = 1


class ConvTranspose3d(_ConvTranspose):
    """The transpose of a three-dimensional convolution: as :class:`ConvTranspose2d`, along three axes.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.ConvTranspose3d(4, 3, 2, stride=2)(ac.zeros((2, 4, 3, 3, 3))).shape
    (2, 3, 6, 6, 6)
    """

    rank = 3


# -- pooling ----------------------------------------------------------------------------------------------------------


class _MaxPool(Module):
    rank: ClassVar[int]

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
    ) -> None:
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return _MAX[self.rank](x, self.kernel_size, self.stride, self.padding, self.dilation)

    def extra_repr(self) -> str:
        return f"{self.kernel_size}" + ("" if self.stride is None else f", stride={self.stride}")


class MaxPool1d(_MaxPool):
    """See :func:`alice_core.max_pool1d`."""

    rank = 1


class MaxPool2d(_MaxPool):
    """See :func:`alice_core.max_pool2d`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.MaxPool2d(2)(ac.zeros((8, 3, 32, 32))).shape
    (8, 3, 16, 16)
    """

    rank = 2


class MaxPool3d(_MaxPool):
    """See :func:`alice_core.max_pool3d`."""

    rank = 3


class _AvgPool(Module):
    rank: ClassVar[int]

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] | str = 0,
        count_include_pad: bool = True,
    ) -> None:
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.count_include_pad = count_include_pad

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return _AVG[self.rank](x, self.kernel_size, self.stride, self.padding, self.count_include_pad)

    def extra_repr(self) -> str:
        return f"{self.kernel_size}" + ("" if self.stride is None else f", stride={self.stride}")


class AvgPool1d(_AvgPool):
    """See :func:`alice_core.avg_pool1d`."""

    rank = 1


class AvgPool2d(_AvgPool):
    """See :func:`alice_core.avg_pool2d`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.AvgPool2d(2)(ac.zeros((8, 3, 32, 32))).shape
    (8, 3, 16, 16)
    """

    rank = 2


class AvgPool3d(_AvgPool):
    """See :func:`alice_core.avg_pool3d`."""

    rank = 3


class _Adaptive(Module):
    rank: ClassVar[int]
    largest: ClassVar[bool] = False

    def __init__(self, output_size: int | Sequence[int]) -> None:
        self.output_size = output_size

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return (_LARGEST if self.largest else _MEANS)[self.rank](x, self.output_size)

    def extra_repr(self) -> str:
        return str(self.output_size)


class AdaptiveAvgPool1d(_Adaptive):
    """See :func:`alice_core.adaptive_avg_pool1d`."""

    rank = 1


class AdaptiveAvgPool2d(_Adaptive):
    """See :func:`alice_core.adaptive_avg_pool2d`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.AdaptiveAvgPool2d(1)(ac.zeros((8, 64, 7, 7))).shape
    (8, 64, 1, 1)
    """

    rank = 2


class AdaptiveAvgPool3d(_Adaptive):
    """See :func:`alice_core.adaptive_avg_pool3d`."""

    rank = 3


class AdaptiveMaxPool1d(_Adaptive):
    """See :func:`alice_core.adaptive_max_pool1d`."""

    rank = 1
    largest = True


class AdaptiveMaxPool2d(_Adaptive):
    """See :func:`alice_core.adaptive_max_pool2d`."""

    rank = 2
    largest = True


class AdaptiveMaxPool3d(_Adaptive):
    """See :func:`alice_core.adaptive_max_pool3d`."""

    rank = 3
    largest = True
