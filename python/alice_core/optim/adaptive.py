"""Optimisers that scale or sign what they step along: Adagrad, RMSProp and Lion.

Source: Duchi, Hazan, Singer, "Adaptive subgradient methods for online learning and stochastic optimization", 2011;
Tieleman, Hinton, "Lecture 6.5 - RMSProp", 2012, and Graves, "Generating sequences with recurrent neural networks",
2013, for the centred variant; Chen et al., "Symbolic discovery of optimization algorithms", 2023, for Lion.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import alice_core as ac

from ..checks import checked_number
from .native import NativeOptimizer
from .optimizer import Flag, Number, Schedule, _pair

__all__ = ["Adagrad", "Lion", "RMSProp"]


class Adagrad(NativeOptimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

    With the gradient ``g``, ``d = g + weight_decay * p``, at step t of a parameter: ``s = s + d**2`` and
    ``p = p - lr / (1 + (t - 1) * lr_decay) * d / (sqrt(s) + eps)``.

    Parameters
    ----------
    params, lr, eps, weight_decay
        As those of :class:`Adam`.
    lr_decay : float
        How fast the learning rate falls, ≥ 0.
    initial_accumulator_value : float
        What the sum of squares begins with, ≥ 0.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.nn.Parameter([1.0, -3.0])
    >>> opt = ac.optim.Adagrad([x], lr=0.5)
    >>> for _ in range(2):
    ...     opt.zero_grad()
    ...     ac.sum(x * x).backward()
    ...     opt.step()
    >>> x
    Tensor([ 0.2763932, -2.1799083], dtype=float32, requires_grad=True)
    """

    _kernel = "adagrad"
    _numbers = ("lr", "lr_decay", "eps", "weight_decay")
    _progress = (0.0,)
    _remembers = ("sum_of_squares",)

    lr_decay = Number("How fast the learning rate falls.")
    eps = Number("What is added to the root.")
    weight_decay = Number("Pull towards zero.")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Schedule = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        who, name = type(self).__name__, "initial_accumulator_value"
        self._initial = checked_number(who, name, initial_accumulator_value, "a number ≥ 0")
        if not 0 <= self._initial < float("inf"):
            raise ValueError(f"{who}: {name} must be a number ≥ 0; got {initial_accumulator_value!r}")
        super().__init__(params, lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay)

    def _memory_of(self, p: ac.Tensor) -> ac.Tensor:
        return super()._memory_of(p) + self._initial


class RMSProp(NativeOptimizer):
    """Steps divided by the root of a running mean of the squared gradients.

    With the gradient ``g``, ``d = g + weight_decay * p``, and from zero on:

    * ``v = alpha * v + (1 - alpha) * d**2``; centred, also ``m = m + (1 - alpha) * (d - m)``;
    * ``w = d / (sqrt(v) + eps)``, centred ``d / (sqrt(max(v - m**2, 0)) + eps)``;
    * ``p = p - lr * w``, or with momentum ``u = momentum * u + w`` and ``p = p - lr * u``.

    Parameters
    ----------
    params, lr, eps, weight_decay
        As those of :class:`Adam`.
    alpha : float
        Part of the means that is kept at each step, from 0 to below 1.
    momentum : float
        Part of the velocity that is kept at each step, ≥ 0. Cannot be switched on or off later.
    centered : bool
        Whether the variance takes the place of the mean of squares. Cannot be switched on or off later.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.nn.Parameter([1.0, -3.0])
    >>> opt = ac.optim.RMSProp([x], lr=0.0625, alpha=0.75)
    >>> ac.sum(x * x).backward()
    >>> opt.step()
    >>> x.tolist()
    [0.875, -2.875]
    """

    _kernel = "rmsprop"
    _numbers = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered")
    _flags = frozenset({"centered"})
    _fractions = frozenset({"alpha"})
    _kept = frozenset({"momentum", "centered"})
    _remembers = ("second_moment",)
    _options = {"first_moment": "centered", "velocity": "momentum"}  # noqa: RUF012 - nobody changes it

    alpha = Number("Part of the means that is kept at each step.")
    eps = Number("What is added to the root.")
    weight_decay = Number("Pull towards zero.")
    momentum = Number("Part of the velocity that is kept at each step.")
    centered = Flag("Whether the variance takes the place of the mean of squares.")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Schedule = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered
        )


class Lion(NativeOptimizer):
    """Steps of one size in every direction: the signs of a running mean of the gradients.

    With the gradient ``g``, and from zero on: ``c = m + (1 - beta1) * (g - m)``,
    ``p = (1 - lr * weight_decay) * p - lr * sign(c)``, then ``m = m + (1 - beta2) * (g - m)``.

    Parameters
    ----------
    params, lr, weight_decay
        As those of :class:`AdamW`. The authors advise a learning rate three to ten times smaller than that of AdamW,
        and a weight decay as many times larger.
    betas : pair of float
        What the mean counts in the step, and what of it is kept, from 0 to below 1; later ``beta1`` and ``beta2``.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.nn.Parameter([1.0, -3.0, 0.0])
    >>> opt = ac.optim.Lion([x], lr=0.25)
    >>> ac.sum(x * x).backward()
    >>> opt.step()
    >>> x.tolist()
    [0.75, -2.75, 0.0]
    """

    _kernel = "lion"
    _numbers = ("lr", "beta1", "beta2", "weight_decay")
    _fractions = frozenset({"beta1", "beta2"})
    _remembers = ("first_moment",)

    beta1 = Number("What the mean counts in the step.")
    beta2 = Number("Part of the mean that is kept at each step.")
    weight_decay = Number("Pull towards zero.")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Schedule = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        beta1, beta2 = _pair(type(self).__name__, betas)
        super().__init__(params, lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay)
