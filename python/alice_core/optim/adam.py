"""Adam and what came of it: steps along a running mean of the gradients, scaled by a running mean of their squares.

Source: Kingma, Ba, "Adam: a method for stochastic optimization", 2015; Loshchilov, Hutter, "Decoupled weight decay
regularization", 2019; Dozat, "Incorporating Nesterov momentum into Adam", 2016; Reddi, Kale, Kumar, "On the convergence
of Adam and beyond", 2018, for amsgrad.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .native import NativeOptimizer
from .optimizer import Flag, Number, Schedule, _pair

__all__ = ["Adam", "AdamW", "NAdam"]


class Adam(NativeOptimizer):
    """Steps along a running mean of the gradients, divided by the root of a running mean of their squares.

    With the gradient ``g``, ``d = g + weight_decay * p``, and from zero on, at step t of a parameter:

    * ``m = m + (1 - beta1) * (d - m)`` and ``v = beta2 * v + (1 - beta2) * d**2``;
    * ``p = p - lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)``.

    Decoupled weight decay leaves the gradient as it is, and begins with ``p = (1 - lr * weight_decay) * p``; amsgrad
    divides by the root of the largest v so far.

    Parameters
    ----------
    params : iterable of Tensor
        Leaves that require a gradient. May be nested in lists, tuples and dicts, with None where a parameter is left
        out; or a list of groups, dicts with ``"params"`` and those of the numbers below that differ from the others.
        What is remembered has the dtype of the parameter, float32 for float16 and bfloat16.
    lr : float or schedule
        Learning rate, ≥ 0, or what tells it from the number of steps taken, one of ``ac.optim.schedules``. Like the
        other numbers it may be set at any time: ``opt.lr = 0.01`` for all parameters,
        ``opt.param_groups[0]["beta1"] = 0.8`` for a group.
    betas : pair of float
        Part of the means that is kept at each step, from 0 to below 1; later ``beta1`` and ``beta2``.
    eps : float
        Added to the root, ≥ 0.
    weight_decay : float
        Pull towards zero, ≥ 0.
    amsgrad : bool
        Cannot be switched on or off later.
    decoupled_weight_decay : bool
        Whether the pull leaves the means alone, as that of :class:`AdamW`.

    Accuracy
    --------
    In the dtype of each parameter, every product, sum, quotient and root rounded once; the same bits on every
    processor. A mean below the smallest normal number becomes 0, since computing with subnormal numbers is very slow.

    Raises
    ------
    ValueError
        If there are no parameters or one comes twice, a number is out of range, or a group has an unknown name.
    DTypeError
        If what should be a number is none.
    GradientError
        If a parameter does not require a gradient.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.nn.Parameter([1.0, -3.0])
    >>> opt = ac.optim.Adam([x], lr=0.5)
    >>> for _ in range(3):
    ...     opt.zero_grad()
    ...     ac.sum(x * x).backward()
    ...     opt.step()
    >>> x
    Tensor([-0.33590457, -1.5177081 ], dtype=float32, requires_grad=True)
    """

    _kernel = "adam"
    _numbers = ("lr", "beta1", "beta2", "eps", "weight_decay", "decoupled_weight_decay", "amsgrad")
    _flags = frozenset({"decoupled_weight_decay", "amsgrad"})
    _fractions = frozenset({"beta1", "beta2"})
    _kept = frozenset({"amsgrad"})
    _progress = (0.0,)
    _remembers = ("first_moment", "second_moment")
    _options = {"largest_second_moment": "amsgrad"}  # noqa: RUF012 - nobody changes it

    beta1 = Number("Part of the mean of the gradients that is kept at each step.")
    beta2 = Number("Part of the mean of their squares that is kept at each step.")
    eps = Number("What is added to the root.")
    weight_decay = Number("Pull towards zero.")
    decoupled_weight_decay = Flag("Whether the pull leaves the means alone.")
    amsgrad = Flag("Whether the largest second moment counts.")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        beta1, beta2 = _pair(type(self).__name__, betas)
        super().__init__(
            params,
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            decoupled_weight_decay=decoupled_weight_decay,
        )


class AdamW(Adam):
    """:class:`Adam` with decoupled weight decay: ``p = (1 - lr * weight_decay) * p`` before the step.

    Parameters
    ----------
    params, lr, betas, eps, amsgrad
        As those of :class:`Adam`.
    weight_decay : float
        Pull towards zero, ≥ 0.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.nn.Parameter([1.0, -3.0])
    >>> opt = ac.optim.AdamW([x], lr=0.5, weight_decay=0.5)
    >>> x.grad = ac.zeros(2)
    >>> opt.step()
    >>> x.tolist()
    [0.75, -2.25]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, True)


class NAdam(NativeOptimizer):
    """:class:`Adam` with Nesterov's look ahead.

    The means are Adam's. With ``mu(t) = beta1 * (1 - 0.96**(t * momentum_decay) / 2)`` and the product ``P(t)`` of the
    mu up to step t, ``p = p - lr * ((1 - mu(t)) / (1 - P(t)) * d + mu(t+1) / (1 - P(t+1)) * m) / s``, where
    ``s = sqrt(v / (1 - beta2**t)) + eps``.

    Parameters
    ----------
    params, lr, betas, eps, weight_decay, decoupled_weight_decay
        As those of :class:`Adam`.
    momentum_decay : float
        How fast mu comes up to beta1, ≥ 0.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.nn.Parameter([1.0, -3.0])
    >>> opt = ac.optim.NAdam([x], lr=0.5)
    >>> for _ in range(3):
    ...     opt.zero_grad()
    ...     ac.sum(x * x).backward()
    ...     opt.step()
    >>> x
    Tensor([ 0.06535493, -1.8024423 ], dtype=float32, requires_grad=True)
    """

    _kernel = "nadam"
    _numbers = ("lr", "beta1", "beta2", "eps", "weight_decay", "decoupled_weight_decay", "momentum_decay")
    _flags = frozenset({"decoupled_weight_decay"})
    _fractions = frozenset({"beta1", "beta2"})
    _progress = (0.0, 1.0)  # steps, and the product of the momenta
    _remembers = ("first_moment", "second_moment")

    beta1 = Number("Part of the mean of the gradients that is kept at each step.")
    beta2 = Number("Part of the mean of their squares that is kept at each step.")
    eps = Number("What is added to the root.")
    weight_decay = Number("Pull towards zero.")
    decoupled_weight_decay = Flag("Whether the pull leaves the means alone.")
    momentum_decay = Number("How fast the momentum comes up to beta1.")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Schedule = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
    ) -> None:
        beta1, beta2 = _pair(type(self).__name__, betas)
        super().__init__(
            params,
            lr=lr,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
        )
