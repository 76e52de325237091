"""Stochastic gradient descent, with momentum.

Source: notes, sections 2.3 and 5.3, with errata E-5; Sutskever, Martens, Dahl, Hinton, "On the importance of
initialization and momentum in deep learning", 2013, for Nesterov's variant.
"""

from __future__ import annotations

from collections.abc import Iterable

import alice_core as ac

from .. import _core
from .optimizer import Optimizer

__all__ = ["SGD"]


class SGD(Optimizer):
    """Gradient descent on minibatches.

    With the gradient ``g``, ``d = g + weight_decay * p``, and from zero on ``v = momentum * v + d``:

    * without momentum ``p = p - lr * d``;
    * with momentum ``p = p - lr * v``, or with Nesterov's look ahead ``p = p - lr * (d + momentum * v)``.

    The learning rate stays outside of v, so that changing it acts at once.

    Parameters
    ----------
    params : iterable of Tensor
        Leaves that require a gradient, float32 or float64.
    lr : float
        Learning rate, ≥ 0. ``opt.lr`` may be set at any time.
    momentum : float
        Part of the velocity that is kept at each step, ≥ 0.
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
        If there are no parameters or one comes twice, a number is negative or not finite, or Nesterov has no momentum.
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
    """

    def __init__(
        self,
        params: Iterable[ac.Tensor],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self._check("momentum", momentum)
        self._check("weight_decay", weight_decay)
        if nesterov and momentum == 0:
            raise ValueError("SGD: nesterov needs momentum > 0; got momentum=0")
        super().__init__(params, lr, momentum, float(nesterov), weight_decay)
        if momentum:
            self._memory["velocity"] = [ac.zeros_like(p) for p in self.params]

    @property
    def momentum(self) -> float:
        """Part of the velocity that is kept at each step."""
        return self._get(1)

    @property
    def nesterov(self) -> bool:
        """Whether the step looks ahead along the velocity."""
        return self._get(2) != 0

    @property
    def weight_decay(self) -> float:
        """Pull towards zero."""
        return self._get(3)

    def step(self) -> None:
        """Change every parameter that has a gradient; those whose ``.grad`` is None stay as they are."""
        velocities = self._memory.get("velocity", [])
        grads = [g for p in self.params if (g := p.grad) is not None]
        params = self.params
        if len(grads) != len(params):
            chosen = [i for i, p in enumerate(params) if p.grad is not None]
            if not chosen:
                return
            params = [params[i] for i in chosen]
            velocities = [velocities[i] for i in chosen] if velocities else []
        inputs = [self._hyper, *params, *grads, *velocities]
        _core.update("sgd", inputs, (len(params), bool(velocities)), [*params, *velocities])
