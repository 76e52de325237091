"""Learning rates that change: plain functions of the number of steps taken.

A schedule takes a number, a NumPy array (to plot it) or a Tensor of steps, and returns rates of the same kind. Given to
an optimiser as ``lr``, it is evaluated by every step, in compiled functions too: the number of steps is then part of
the optimiser's state. Any function of one's own that takes a 0-d float64 Tensor will do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac

from ..checks import check_attribute, checked_int, checked_number
from .optimizer import Schedule

__all__ = ["constant", "cosine", "exponential", "one_cycle", "step", "warm_up"]


class _Schedule:
    """Of a formula in a namespace, NumPy or ours, and steps in float64.

    Formulas are functions of this module, with the numbers bound to them by ``partial``: so schedules can be pickled.
    """

    def __init__(self, formula: Callable[[Any, Any], Any]) -> None:
        self._formula = formula

    def __setattr__(self, name: str, value: Any) -> None:
        check_attribute(self, name, ())
        object.__setattr__(self, name, value)

    def __call__(self, steps: Any) -> Any:
        if isinstance(steps, ac.Tensor):
            return self._formula(ac, steps if steps.dtype == ac.float64 else steps.astype(ac.float64))
        rate = np.asarray(self._formula(np, np.asarray(steps, np.float64)))
        return float(rate) if rate.ndim == 0 else rate


def _rate(who: str, name: str, value: Any) -> float:
    number = checked_number(who, name, value, "a number ≥ 0")
    if not 0 <= number < math.inf:
        raise ValueError(f"{who}: {name} must be a number ≥ 0; got {value!r}")
    return number


def _count(who: str, name: str, value: Any) -> int:
    count: int = checked_int(who, name, value)
    if count < 1:
        raise ValueError(f"{who}: {name} must be at least 1; got {count}")
    return count


def constant(lr: float) -> Schedule:
    """The same rate always.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.optim.schedules.constant(0.1)(7)
    0.1
    """
    rate = _rate("constant", "lr", lr)
    return _Schedule(partial(_constant, rate))


def _constant(rate: float, xp: Any, t: Any) -> Any:
    return rate + 0.0 * t


def step(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """``lr * factor**floor(t / every)``.

    Parameters
    ----------
    lr, factor : float
        At least 0.
    every : int
        At least 1.

    Examples
    --------
    >>> import alice_core as ac
    >>> rate = ac.optim.schedules.step(1.0, every=10, factor=0.5)
    >>> [rate(t) for t in (0, 9, 10, 25)]
    [1.0, 1.0, 0.5, 0.25]
    """
    rate, base, period = _rate("step", "lr", lr), _rate("step", "factor", factor), _count("step", "every", every)
    return _Schedule(partial(_in_steps, rate, base, period))


def _in_steps(rate: float, base: float, period: int, xp: Any, t: Any) -> Any:
    return rate * base ** xp.floor(t / period)


def exponential(lr: float, factor: float) -> Schedule:
    """``lr * factor**t``.

    Parameters
    ----------
    lr, factor : float
        At least 0.

    Examples
    --------
    >>> import alice_core as ac
    >>> rate = ac.optim.schedules.exponential(1.0, 0.5)
    >>> [rate(t) for t in range(4)]
    [1.0, 0.5, 0.25, 0.125]
    """
    rate, base = _rate("exponential", "lr", lr), _rate("exponential", "factor", factor)
    return _Schedule(partial(_power, rate, base))


def _power(rate: float, base: float, xp: Any, t: Any) -> Any:
    return rate * base**t


def cosine(lr: float, steps: int, end: float = 0.0) -> Schedule:
    """Half a cosine from ``lr`` down to ``end``, which is reached after ``steps`` steps and kept.

    Parameters
    ----------
    lr, end : float
        At least 0.
    steps : int
        At least 1.

    Source
    ------
    Loshchilov, Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.

    Examples
    --------
    >>> import alice_core as ac
    >>> rate = ac.optim.schedules.cosine(1.0, 100)
    >>> [round(rate(t), 3) for t in (0, 25, 50, 100, 200)]
    [1.0, 0.854, 0.5, 0.0, 0.0]

    In a compiled step:

    >>> p = ac.nn.Parameter([1.0])
    >>> opt = ac.optim.SGD([p], lr=rate)
    >>> @ac.compile
    ... def train():
    ...     opt.zero_grad()
    ...     ac.sum(p).backward()
    ...     opt.step()
    >>> for _ in range(26):
    ...     train()
    >>> round(opt.lr, 3)
    0.854
    """
    top, low, n = _rate("cosine", "lr", lr), _rate("cosine", "end", end), _count("cosine", "steps", steps)
    return _Schedule(partial(_falling, top, low, n))


def _falling(top: float, low: float, n: int, xp: Any, t: Any) -> Any:
    return _half_cosine(xp, t / n, top, low)


def _half_cosine(xp: Any, part: Any, start: float, end: float) -> Any:
    """From start at 0 to end at 1, and both beyond."""
    return end + (start - end) * ((1.0 + xp.cos(math.pi * xp.clip(part, 0.0, 1.0))) / 2.0)


def one_cycle(
    lr: float, steps: int, rising: float = 0.3, start_factor: float = 1 / 25, end_factor: float = 1e-4
) -> Schedule:
    """Up and down again along half cosines: from ``lr * start_factor`` to ``lr``, then to
    ``lr * start_factor * end_factor`` at the last of ``steps`` steps.

    Parameters
    ----------
    lr : float
        The highest rate, at least 0.
    steps : int
        At least 1.
    rising : float
        Part of the steps until the highest rate is reached, from 0 to 1.
    start_factor, end_factor : float
        At least 0.

    Source
    ------
    Smith, Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018.

    Examples
    --------
    >>> import alice_core as ac
    >>> rate = ac.optim.schedules.one_cycle(1.0, 100)
    >>> [round(rate(t), 4) for t in (0, 14, 29, 64, 99)]
    [0.04, 0.494, 1.0, 0.5, 0.0]
    """
    who = "one_cycle"
    top, low = _rate(who, "lr", lr), _rate(who, "start_factor", start_factor)
    last, n, part = _rate(who, "end_factor", end_factor), _count(who, "steps", steps), _rate(who, "rising", rising)
    if part > 1:
        raise ValueError(f"{who}: rising must be a number from 0 to 1; got {rising!r}")
    turn = max(part * n - 1, 0.0)
    ends = top * low, top, top * low * last
    return _Schedule(partial(_up_and_down, ends, turn, max(turn, 1e-300), max(n - 1 - turn, 1e-300)))


def _up_and_down(ends: tuple[float, float, float], turn: float, up: float, down: float, xp: Any, t: Any) -> Any:
    start, top, end = ends
    rise = _half_cosine(xp, t / up, start, top)
    fall = _half_cosine(xp, (t - turn) / down, top, end)
    return xp.where(t < turn, rise, fall)


def warm_up(schedule: float | Schedule, steps: int, start: float = 0.0) -> Schedule:
    """Straight from ``start`` to where a schedule begins, within ``steps`` steps; then the schedule.

    Parameters
    ----------
    schedule : schedule or float
    steps : int
        At least 1.
    start : float
        At least 0.

    Source
    ------
    Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.

    Examples
    --------
    >>> import alice_core as ac
    >>> schedules = ac.optim.schedules
    >>> rate = schedules.warm_up(schedules.exponential(1.0, 0.5), 4)
    >>> [rate(t) for t in range(7)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 0.5, 0.25]
    """
    n, low = _count("warm_up", "steps", steps), _rate("warm_up", "start", start)
    then = (
        schedule
        if callable(schedule)
        else constant(checked_number("warm_up", "schedule", schedule, "a schedule or a number"))
    )
    top = _rate("warm_up", "schedule(0)", then(0.0))
    return _Schedule(partial(_warming, n, low, top, then))


def _warming(n: int, low: float, top: float, then: Schedule, xp: Any, t: Any) -> Any:
    return xp.where(t < n, low + (top - low) * (t / n), then(xp.maximum(t - n, 0.0)))
