"""Layers that normalise: over the features of each item, over groups of channels, over the batch.

Names and shapes of parameters and buffers are those of PyTorch's layers of the same name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import alice_core as ac

from ..checks import checked_flag, checked_int, checked_number
from .module import Module, Parameter, widened

if TYPE_CHECKING:
    from ..tensors import DTypeLike

__all__ = ["BatchNorm1d", "BatchNorm2d", "GroupNorm", "LayerNorm", "RMSNorm"]


def _extents(who: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    extents = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return tuple(_count(who, "normalized_shape", n) for n in extents)


def _count(who: str, name: str, value: object) -> int:
    number = checked_int(who, name, value)
    if number < 1:
        raise ac.ShapeError(f"{who}: {name} must be at least 1; got {number}")
    return number


def _eps(who: str, value: float) -> float:
    number = checked_number(who, "eps", value)
    if not number >= 0:
        raise ValueError(f"{who}: eps must not be negative; got {value}")
    return number


class _Rows(Module):
    """What LayerNorm and RMSNorm share: a shape at the end of the input's, and parameters of that shape."""

    weight: ac.Tensor | None

    def __init__(self, shape: int | Sequence[int], affine: bool, dtype: DTypeLike | None) -> None:
        who = type(self).__name__
        self.normalized_shape = _extents(who, shape)
        if not self.normalized_shape:
            raise ac.ShapeError(f"{who}: normalized_shape must name at least one extent; got ()")
        affine = checked_flag(who, "elementwise_affine", affine)
        self.weight = Parameter(ac.ones(self.normalized_shape, dtype)) if affine else None

    def _axes(self, x: ac.Tensor) -> tuple[int, ...]:
        own = self.normalized_shape
        if tuple(getattr(x, "shape", ()))[-len(own) :] != own:
            raise ac.ShapeError(
                f"{type(self).__name__}: expected inputs of shape (…, {', '.join(map(str, own))}), the normalised axes "
                f"last; got {getattr(x, 'shape', ())}; reshape them, or make the layer with another normalized_shape"
            )
        return tuple(range(-len(own), 0))

    def _checked(self, x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        if self.weight is not None and y.dtype is not self.weight.dtype:
            raise widened(type(self).__name__, x, self.weight)
        return y

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.normalized_shape))


class LayerNorm(_Rows):
    """Layer normalisation over the last axes, see :func:`alice_core.layer_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Extents of the axes that are normalised together.
    eps : float
    elementwise_affine : bool
        Whether there are weight and bias.
    bias : bool
        False leaves the bias out.
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.

    Attributes
    ----------
    weight, bias : Tensor of that shape, or None
        They start at 1 and 0.

    Raises
    ------
    ShapeError
        In the call, if the last axes have other extents.
    DTypeError
        In the call, if the result would have another dtype than the layer.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.LayerNorm(4, eps=0.5)(ac.tensor([[1.0, 2.0, 3.0, 6.0]])).tolist()
    [[-1.0, -0.5, 0.0, 1.5]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(normalized_shape, elementwise_affine, dtype)
        self.eps = _eps("LayerNorm", eps)
        has_bias = checked_flag("LayerNorm", "bias", bias) and self.weight is not None
        self.bias = Parameter(ac.zeros(self.normalized_shape, dtype)) if has_bias else None

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return self._checked(x, ac.layer_norm(x, self.weight, self.bias, axis=self._axes(x), eps=self.eps))


class RMSNorm(_Rows):
    """Normalisation by the root of the mean square over the last axes, see :func:`alice_core.rms_norm`.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Extents of the axes that are normalised together.
    eps : float, optional
        None: the distance from 1 to the next number of the input's dtype.
    elementwise_affine : bool
        Whether there is a weight.
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.

    Attributes
    ----------
    weight : Tensor of that shape, or None
        Starts at 1.

    Raises
    ------
    ShapeError
        In the call, if the last axes have other extents.
    DTypeError
        In the call, if the result would have another dtype than the layer.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.RMSNorm(4, eps=0.0)(ac.tensor([1.0, -1.0, 7.0, 7.0]))
    Tensor([ 0.2, -0.2,  1.4,  1.4], dtype=float32)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        super().__init__(normalized_shape, elementwise_affine, dtype)
        self.eps = None if eps is None else _eps("RMSNorm", eps)

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return self._checked(x, ac.rms_norm(x, self.weight, axis=self._axes(x), eps=self.eps))


class GroupNorm(Module):
    """Normalisation of groups of channels of each item, with weight and bias for each channel.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, mean and variance over the channels of a group and all axes
    behind them.

    Parameters
    ----------
    num_groups, num_channels : int
        The second is a multiple of the first.
    eps : float
    affine : bool
        Whether there are weight and bias.
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.

    Attributes
    ----------
    weight, bias : Tensor, shape (num_channels,), or None
        They start at 1 and 0.

    Raises
    ------
    ShapeError
        In the call, if the input has not shape (N, num_channels, …).
    DTypeError
        In the call, if the result would have another dtype than the layer.

    Source: Wu, He, "Group normalization", 2018.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.GroupNorm(2, 4, eps=0.0)(ac.tensor([[1.0, 3.0, 10.0, 30.0]])).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        self.num_groups = _count("GroupNorm", "num_groups", num_groups)
        self.num_channels = _count("GroupNorm", "num_channels", num_channels)
        if self.num_channels % self.num_groups:
            raise ac.ShapeError(
                f"GroupNorm: num_channels must be a multiple of num_groups; got {num_channels} and {num_groups}"
            )
        self.eps = _eps("GroupNorm", eps)
        affine = checked_flag("GroupNorm", "affine", affine)
        self.weight = Parameter(ac.ones((num_channels,), dtype)) if affine else None
        self.bias = Parameter(ac.zeros((num_channels,), dtype)) if affine else None

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        shape = tuple(getattr(x, "shape", ()))
        if shape[1:2] != (self.num_channels,):
            raise ac.ShapeError(f"GroupNorm: expected inputs of shape (N, {self.num_channels}, …); got {shape}")
        groups = ac.reshape(x, (shape[0], self.num_groups, math.prod(shape[1:]) // self.num_groups))
        y = ac.reshape(ac.layer_norm(groups, eps=self.eps), shape)
        if self.weight is None or self.bias is None:
            return y
        spread = (self.num_channels,) + (1,) * (len(shape) - 2)
        y = y * ac.reshape(self.weight, spread) + ac.reshape(self.bias, spread)
        if y.dtype is not self.weight.dtype:
            raise widened("GroupNorm", x, self.weight)
        return y

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}"


class _BatchNorm(Module):
    """What the layers for inputs of different ranks share."""

    _ranks: tuple[int, ...]
    _shapes: str

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        dtype: DTypeLike | None = None,
    ) -> None:
        who = type(self).__name__
        self.num_features = _count(who, "num_features", num_features)
        self.eps = _eps(who, eps)
        self.momentum = None if momentum is None else checked_number(who, "momentum", momentum)
        affine = checked_flag(who, "affine", affine)
        track = checked_flag(who, "track_running_stats", track_running_stats)
        self.weight = Parameter(ac.ones((num_features,), dtype)) if affine else None
        self.bias = Parameter(ac.zeros((num_features,), dtype)) if affine else None
        self.running_mean = ac.zeros((num_features,), dtype) if track else None
        self.running_var = ac.ones((num_features,), dtype) if track else None
        self.num_batches_tracked = ac.tensor(0) if track else None

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        who, shape = type(self).__name__, tuple(getattr(x, "shape", ()))
        if len(shape) not in self._ranks or shape[1] != self.num_features:
            raise ac.ShapeError(
                f"{who}: expected inputs of shape {self._shapes.format(c=self.num_features)}; got {shape}"
            )
        if self.training or self.running_mean is None:
            others = tuple(a for a in range(len(shape)) if a != 1)
            count = math.prod(shape[a] for a in others)
            if count < 2:
                raise ac.ShapeError(
                    f"{who}: expected more than one number for each channel while learning; got inputs of shape "
                    f"{shape}; use a larger batch, or call eval() first"
                )
            if self.training:
                self._follow(ac.stop_gradient(x), others, count)
            y = ac.batch_norm(x, None, None, self.weight, self.bias, eps=self.eps)
        else:
            y = ac.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        if self.weight is not None and y.dtype is not self.weight.dtype:
            raise widened(who, x, self.weight)
        return y

    def _follow(self, x: ac.Tensor, others: tuple[int, ...], count: int) -> None:
        """Move the running statistics towards those of x: the variance as a sample's."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.assign_(self.num_batches_tracked + 1)
        share: ac.Tensor | float
        if self.momentum is None:  # the mean of all so far
            share = 1.0 / self.num_batches_tracked.astype(self.running_mean.dtype)
        else:
            share = self.momentum
        for running, now in (
            (self.running_mean, ac.mean(x, others)),
            (self.running_var, ac.var(x, others, correction=1.0)),
        ):
            running.assign_(running * (1.0 - share) + now.astype(running.dtype) * share)

    def extra_repr(self) -> str:
        return str(self.num_features)


_DOC = """Normalisation of each channel over a batch, see :func:`alice_core.batch_norm`.

    While learning, mean and variance are those of the batch, and the running ones follow them:
    ``running = (1 - momentum) running + momentum now``, the variance as a sample's (divided by n - 1). After
    :meth:`~Module.eval` the running ones are used. In a compiled function they are captured by reference, and every
    call moves them; which mode the module is in is decided when the function is traced.

    Parameters
    ----------
    num_features : int
        C, the number of channels.
    eps : float
    momentum : float, optional
        None: the running statistics are the mean of all batches so far.
    affine : bool
        Whether there are weight and bias.
    track_running_stats : bool
        False: the statistics of the batch are used after :meth:`~Module.eval` too.
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.

    Attributes
    ----------
    weight, bias : Tensor, shape (C,), or None
        They start at 1 and 0.
    running_mean, running_var : Tensor, shape (C,), or None
        State that is not learned; they start at 0 and 1.
    num_batches_tracked : Tensor of int64, 0-d, or None

    Raises
    ------
    ShapeError
        In the call, if the input has not shape {shapes}, or while learning only one number for each channel.
    DTypeError
        In the call, if the result would have another dtype than the layer.

    Source: Ioffe, Szegedy, "Batch normalization", 2015.

    Examples
    --------
    >>> import alice_core as ac
    >>> norm = ac.nn.{name}(1, momentum=0.5, eps=0.0)
    >>> norm({example}).tolist()
    {result}
    >>> norm.running_mean.tolist()
    [1.0]
    """


class BatchNorm1d(_BatchNorm):
    __doc__ = _DOC.format(
        name="BatchNorm1d", shapes="(N, C) or (N, C, L)", example="ac.tensor([[1.0], [3.0]])", result="[[-1.0], [1.0]]"
    )
    _ranks = (2, 3)
    _shapes = "(N, {c}) or (N, {c}, L)"


class BatchNorm2d(_BatchNorm):
    __doc__ = _DOC.format(
        name="BatchNorm2d",
        shapes="(N, C, H, W)",
        example="ac.tensor([[[[1.0, 3.0]]]])",
        result="[[[[-1.0, 1.0]]]]",
    )
    _ranks = (4,)
    _shapes = "(N, {c}, H, W)"
