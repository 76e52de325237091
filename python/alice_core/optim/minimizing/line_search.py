"""Step lengths that satisfy the strong Wolfe conditions.

Source: Nocedal, Wright, "Numerical optimization", 2nd edition, 2006, algorithms 3.5 and 3.6; Hager, Zhang, "A new
conjugate gradient method with guaranteed descent and an efficient line search", 2005, for the conditions that can still
be met where the function changes by no more than its rounding errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Point", "dot", "wolfe"]

Vector = npt.NDArray[np.float64]


class Point(NamedTuple):
    """Where the function was evaluated, its value and its gradient."""

    x: Vector
    f: float
    g: Vector


def dot(a: Vector, b: Vector) -> float:
    """Their inner product, ±∞ if it is too large, which all who ask look out for."""
    with np.errstate(over="ignore"):
        return float(a @ b)


class _Trial(NamedTuple):
    step: float
    f: float
    slope: float
    point: Point | None


def wolfe(
    evaluate: Callable[[Vector], Point],
    start: Point,
    direction: Vector,
    step: float,
    noise: float,
    decrease: float = 1e-4,
    curvature: float = 0.9,
) -> tuple[Point | None, bool]:
    """A point along a direction of descent: ``step`` is tried first.

    ``noise`` is how far the function's values are off, relative to them. None if no point is lower than the start; and
    whether the function falls on and on.
    """
    slope = dot(start.g, direction)
    low, high = _Trial(0.0, start.f, slope, None), None
    for _ in range(30):
        point = evaluate(start.x + step * direction)
        new = _Trial(step, point.f, dot(point.g, direction), point)
        if not (math.isfinite(new.f) and math.isfinite(new.slope)):
            high = new._replace(f=math.inf)
        elif new.f <= start.f + noise * abs(start.f) and curvature * slope <= new.slope <= (2 * decrease - 1) * slope:
            return point, False
        elif new.f > start.f + decrease * step * slope or (low.point is not None and new.f >= low.f):
            high = new
        elif abs(new.slope) <= -curvature * slope:
            return point, False
        else:
            towards = 1.0 if high is None else high.step - low.step
            if new.slope * towards >= 0:
                high = low
            low = new
        if high is None:
            step *= 4.0
        elif abs(high.step - low.step) <= 1e-15 * max(abs(high.step), abs(low.step)):
            break
        else:
            step = _between(low, high)
    return (low.point if low.f < start.f else None), high is None


def _between(low: _Trial, high: _Trial) -> float:
    """Where the cubic through both ends is least, away from the ends."""
    width = high.step - low.step
    if not math.isfinite(high.f):
        return low.step + 0.1 * width
    mean = low.slope + high.slope - 3 * (high.f - low.f) / width
    root = mean * mean - low.slope * high.slope
    part = 0.5
    if root >= 0 and math.isfinite(root):
        root = math.copysign(math.sqrt(root), width)
        bottom = high.slope - low.slope + 2 * root
        if bottom != 0:
            part = 1 - (high.slope + root - mean) / bottom
    return low.step + min(max(part, 0.1), 0.9) * width if math.isfinite(part) else low.step + 0.5 * width
