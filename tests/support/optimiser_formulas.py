"""Optimisers as their papers write them, in NumPy's float64: what ``ac.optim`` is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FORMULAS", "walk"]

Array = npt.NDArray[Any]
#: ``formula(p, numbers)`` is sent gradients, and yields the parameter after each step.
Formula = Callable[..., Iterator[Array]]


def walk(name: str, p: Array, grads: list[Array], **numbers: Any) -> list[Array]:
    """The parameter after each step."""
    steps: Any = FORMULAS[name](p.astype(np.float64), **numbers)
    next(steps)
    return [steps.send(g.astype(np.float64)) for g in grads]


def adam(
    p: Any, lr: float, betas: Any, eps: float, weight_decay: float = 0.0, amsgrad: bool = False, decoupled: bool = False
) -> Any:
    """Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2; Reddi et al. 2018, algorithm 2."""
    beta1, beta2 = betas
    m = v = largest = np.zeros_like(p)
    t = 0
    while True:
        g = yield p
        t += 1
        if not decoupled:
            g = g + weight_decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        largest = np.maximum(largest, v)
        mean, square = m / (1 - beta1**t), (largest if amsgrad else v) / (1 - beta2**t)
        step = lr * mean / (np.sqrt(square) + eps)
        p = p - step - (lr * weight_decay * p if decoupled else 0)


def nadam(p: Any, lr: float, betas: Any, eps: float, momentum_decay: float, weight_decay: float = 0.0) -> Any:
    """Dozat 2016, algorithm 2, with its schedule of the momentum."""
    beta1, beta2 = betas
    m = v = np.zeros_like(p)
    t, product = 0, 1.0
    while True:
        g = yield p
        t += 1
        g = g + weight_decay * p
        mu, after = (beta1 * (1 - 0.5 * 0.96 ** (s * momentum_decay)) for s in (t, t + 1))
        product *= mu
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        mean = after * m / (1 - product * after) + (1 - mu) * g / (1 - product)
        p = p - lr * mean / (np.sqrt(v / (1 - beta2**t)) + eps)


def adagrad(
    p: Any, lr: float, eps: float, lr_decay: float = 0.0, weight_decay: float = 0.0, initial: float = 0.0
) -> Any:
    """Duchi et al. 2011, figure 1."""
    total, t = np.full_like(p, initial), 0
    while True:
        g = yield p
        g = g + weight_decay * p
        total = total + g**2
        p = p - lr / (1 + t * lr_decay) * g / (np.sqrt(total) + eps)
        t += 1


def rmsprop(
    p: Any,
    lr: float,
    alpha: float,
    eps: float,
    momentum: float = 0.0,
    centered: bool = False,
    weight_decay: float = 0.0,
) -> Any:
    """Tieleman and Hinton 2012; Graves 2013, equations 38 to 41."""
    mean = square = velocity = np.zeros_like(p)
    while True:
        g = yield p
        g = g + weight_decay * p
        square = alpha * square + (1 - alpha) * g**2
        mean = alpha * mean + (1 - alpha) * g
        spread = np.maximum(square - mean**2, 0) if centered else square
        velocity = momentum * velocity + g / (np.sqrt(spread) + eps)
        p = p - lr * velocity


def lion(p: Any, lr: float, betas: Any, weight_decay: float = 0.0) -> Any:
    """Chen et al. 2023, algorithm 2."""
    beta1, beta2 = betas
    m = np.zeros_like(p)
    while True:
        g = yield p
        c = beta1 * m + (1 - beta1) * g
        p = p - lr * (np.sign(c) + weight_decay * p)
        m = beta2 * m + (1 - beta2) * g


FORMULAS: dict[str, Any] = {
    "Adam": adam,
    "AdamW": lambda p, **numbers: adam(p, decoupled=True, **numbers),
    "NAdam": nadam,
    "Adagrad": adagrad,
    "RMSProp": rmsprop,
    "Lion": lion,
}
