"""Stochastic gradient descent, with momentum.

Source: notes, sections 2.3 and 5.3, with errata E-5; Sutskever, Martens, Dahl, Hinton, "On the importance of
initialization and momentum in deep learning", 2013, for Nesterov's variant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import alice_core as ac

from .native import NativeOptimizer
from .optimizer import Flag, Number, Schedule

__all__ = ["SGD"]


class SGD(NativeOptimizer):
    """Gradient descent on minibatches.

    With the gradient ``g``, ``d = g + weight_decay * p``, and from zero on ``v = momentum * v + d``:

    * without momentum ``p = p - lr * d``;
    * with momentum ``p = p - lr * v``, or with Nesterov's look ahead ``p = p - lr * (d + momentum * v)``.

    The learning rate stays outside of v, so that changing it acts at once.

    Parameters
    ----------
    params : iterable of Tensor
        Leaves that require a gradient, float32 or float64. May be nested in lists, tuples and dicts, with None where a
        parameter is left out; or a list of groups, dicts with ``"params"`` and those of the numbers below that differ
        from the others.
    lr : float or schedule
        Learning rate, ≥ 0, or what tells it from the number of steps taken, one of ``ac.optim.schedules``. Like the
        other numbers it may be set at any time: ``opt.lr = 0.01`` for all parameters,
        ``opt.param_groups[0]["lr"] = 0.01`` for a group.
    momentum : float
        Part of the velocity that is kept at each step, ≥ 0. Cannot be switched on or off later.
    nesterov : bool
        Needs momentum.
    weight_decay : float
        Pull towards zero, ≥ 0; the gradient of ``weight_decay / 2 * sum(p**2)``.

    Accuracy
    --------
    In the dtype of each parameter, every product and sum rounded once: the bits of the formulas written in Tensors.
    Only a velocity below the smallest normal number becomes 0, since computing with subnormal numbers is very slow.

    Raises
    ------
    ValueError
        If there are no parameters or one comes twice, a number is negative or not finite, Nesterov has no momentum, or
        a group has an unknown name.
    DTypeError
        If what should be a number is none.
    GradientError
        If a parameter does not require a gradient.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.nn.Parameter(1.0)
    >>> opt = ac.optim.SGD([x], lr=0.1, momentum=0.9)
    >>> for _ in range(3):
    ...     opt.zero_grad()
    ...     (x * x / 2).backward()
    ...     opt.step()
    ...     print(f"{x.item():.3f}")
    0.900
    0.720
    0.486

    Groups, one of which has its own learning rate:

    >>> w, b = ac.nn.Parameter([1.0]), ac.nn.Parameter([1.0])
    >>> opt = ac.optim.SGD([{"params": [w]}, {"params": [b], "lr": 0.5}], lr=0.25)
    >>> ac.sum(w + b).backward()
    >>> opt.step()
    >>> w.item(), b.item()
    (0.75, 0.5)
    """

    _kernel = "sgd"
    _numbers = ("lr", "momentum", "nesterov", "weight_decay")
    _flags = frozenset({"nesterov"})
    _kept = frozenset({"momentum"})
    _options = {"velocity": "momentum"}  # noqa: RUF012 - nobody changes it

    momentum = Number("Part of the velocity that is kept at each step.")
    nesterov = Flag("Whether the step looks ahead along the velocity.")
    weight_decay = Number("Pull towards zero.")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Schedule,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)

    def _memory_of(self, p: ac.Tensor) -> ac.Tensor:
        return ac.zeros_like(p)

    @classmethod
    def _checked(cls, values: Mapping[str, Any], now: Mapping[str, Any] | None = None) -> list[float]:
        numbers = super()._checked(values, now)
        if numbers[2] and numbers[1] == 0:
            raise ValueError("SGD: nesterov needs momentum > 0; got momentum=0")
        return numbers
