"""From point to point until the gradient vanishes, within bounds or without."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .directions import Memory, steepest
from .line_search import Point, Vector, dot, wolfe

__all__ = ["Limits", "Outcome", "descend", "descend_within"]

CONVERGED, ITERATIONS, PRECISION, NOT_FINITE, STOPPED, ENDLESS = range(6)
MESSAGES = {
    CONVERGED: "the gradient is within gtol",
    ITERATIONS: "max_iter iterations were made",
    PRECISION: "no lower point was found along the direction: rounding errors, or the gradient is not the function's",
    NOT_FINITE: "the function or its gradient is not finite at x0",
    STOPPED: "the callback raised StopIteration",
    ENDLESS: "the function falls without end along the direction",
}


class Limits(NamedTuple):
    """When to end."""

    gtol: float
    ftol: float
    max_iter: int
    noise: float  # how far the function's values are off, relative to them


class Outcome(NamedTuple):
    """Where it ended, after how many iterations, and why."""

    point: Point
    nit: int
    status: int
    message: str


def descend(
    evaluate: Callable[[Vector], Point],
    x: Vector,
    memory: Memory,
    limits: Limits,
    callback: Callable[[Point, int], None],
) -> Outcome:
    """Line searches along the directions of ``memory``."""
    at = evaluate(x)
    if not _finite(at):
        return _outcome(at, 0, NOT_FINITE)
    for nit in range(limits.max_iter + 1):
        if _largest(at.g) <= limits.gtol:
            return _outcome(at, nit, CONVERGED)
        if nit == limits.max_iter:
            break
        direction = memory.direction(at)
        if not dot(direction, at.g) < 0:
            memory.forget()
            direction = steepest(at.g)
        new, endless = wolfe(evaluate, at, direction, memory.first_step(direction), limits.noise)
        if new is None and not memory.fresh:  # what was learned may be of no use any more
            memory.forget()
            direction = steepest(at.g)
            new, endless = wolfe(evaluate, at, direction, memory.first_step(direction), limits.noise)
        if new is None:
            return _outcome(at, nit, PRECISION)
        if endless:
            return _outcome(new, nit + 1, ENDLESS)
        memory.learn(new.x - at.x, new.g - at.g)
        before, at = at, new
        ended = _after(before, at, nit + 1, limits, callback)
        if ended is not None:
            return ended
    return _outcome(at, limits.max_iter, ITERATIONS)


def descend_within(
    evaluate: Callable[[Vector], Point],
    x: Vector,
    low: Vector,
    high: Vector,
    memory: Memory,
    limits: Limits,
    callback: Callable[[Point, int], None],
) -> Outcome:
    """Steps that are cut off at the bounds; variables that push against theirs stay.

    Source: Bertsekas, "Projected Newton methods for optimization problems with simple constraints", 1982.
    """
    at = evaluate(np.clip(x, low, high))
    if not _finite(at):
        return _outcome(at, 0, NOT_FINITE)
    for nit in range(limits.max_iter + 1):
        towards = np.clip(at.x - at.g, low, high) - at.x
        if _largest(towards) <= limits.gtol:
            return _outcome(at, nit, CONVERGED)
        if nit == limits.max_iter:
            break
        near = min(_largest(towards), 1e-8)
        stay = ((at.x <= low + near) & (at.g > 0)) | ((at.x >= high - near) & (at.g < 0))
        free = (~stay).astype(np.float64)
        direction = memory.direction(at, free)
        if not dot(direction, at.g * free) < 0:
            memory.forget()
            direction = steepest(at.g)
        direction = np.where(stay, steepest(at.g), direction)  # onto the bound, where it is not there yet
        new, endless = _cut_off(evaluate, at, direction, memory.first_step(direction), low, high, limits.noise)
        if new is None and not memory.fresh:
            memory.forget()
            direction = steepest(at.g)
            new, endless = _cut_off(evaluate, at, direction, memory.first_step(direction), low, high, limits.noise)
        if new is None:
            return _outcome(at, nit, PRECISION)
        if endless:
            return _outcome(new, nit + 1, ENDLESS)
        memory.learn((new.x - at.x) * free, (new.g - at.g) * free)
        before, at = at, new
        ended = _after(before, at, nit + 1, limits, callback)
        if ended is not None:
            return ended
    return _outcome(at, limits.max_iter, ITERATIONS)


def _cut_off(
    evaluate: Callable[[Vector], Point],
    at: Point,
    direction: Vector,
    step: float,
    low: Vector,
    high: Vector,
    noise: float,
) -> tuple[Point | None, bool]:
    """A point along the bent line that is low enough, and far enough for the slope to be another; and whether the
    function falls on and on."""
    found: Point | None = None
    for _ in range(40):
        x = np.clip(at.x + step * direction, low, high)
        moved = x - at.x
        fall = dot(at.g, moved)
        if not moved.any() or (found is not None and (x == found.x).all()):
            return found, False
        new = evaluate(x)
        if _finite(new) and fall < 0:
            slope = dot(new.g, moved)
            if new.f <= at.f + 1e-4 * fall and (found is None or new.f <= found.f):
                if slope >= 0.9 * fall:
                    return new, False
                found = new
                step *= 4.0
                continue
            if new.f <= at.f + noise * abs(at.f) and slope <= (2e-4 - 1) * fall and found is None:
                return new, False
            part = -fall / (2 * (new.f - at.f - fall)) if new.f - at.f - fall > 0 else 0.5
            step *= min(max(part, 0.1), 0.5)
        else:
            step *= 0.1
        if found is not None:
            return found, False
    return found, found is not None


def _after(
    before: Point, at: Point, nit: int, limits: Limits, callback: Callable[[Point, int], None]
) -> Outcome | None:
    """Is that the end, although the gradient has not vanished?"""
    try:
        callback(at, nit)
    except StopIteration:
        return _outcome(at, nit, STOPPED)
    scale = max(abs(before.f), abs(at.f), 1.0)
    if limits.ftol > 0 and before.f - at.f <= limits.ftol * scale:
        return Outcome(at, nit, CONVERGED, "the function falls by no more than ftol")
    return None


def _outcome(at: Point, nit: int, status: int) -> Outcome:
    return Outcome(at, nit, status, MESSAGES[status])


def _largest(x: Vector) -> float:
    return float(np.abs(x).max()) if x.size else 0.0


def _finite(at: Point) -> bool:
    return math.isfinite(at.f) and bool(np.isfinite(at.g).all())
