"""Inputs that the elementwise rows share: 0-d, empty, broadcast and several ranks, away from kinks."""

from __future__ import annotations

import math

import numpy as np

erf = np.vectorize(math.erf, otypes=[float])
erfc = np.vectorize(math.erfc, otypes=[float])

_rng = np.random.default_rng(0)

#: Infinities, NaN, zeros of both signs, huge and subnormal numbers (normal in float32 where they are not).
SPECIAL = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0, -1.0, 1e30, -1e30, 1e-30, -1e-30, 1e-42, -1e-42])


def between(low: float, high: float, *shape: int) -> np.ndarray:
    """Numbers in (low, high), none of them within 2 % of the ends, none within 0.01 of an integer."""
    x = low + (high - low) * _rng.uniform(0.02, 0.98, shape)
    near = np.abs(x - np.round(x)) < 0.01
    return np.where(near, x + 0.02, x)


def unary(low: float, high: float) -> list[tuple[np.ndarray]]:
    return [
        (between(low, high),),
        (between(low, high, 0),),
        (between(low, high, 3, 0, 2),),
        (between(low, high, 37),),
        (between(low, high, 2, 3, 4),),
    ]


def binary(
    low: float, high: float, low2: float | None = None, high2: float | None = None
) -> list[tuple[np.ndarray, ...]]:
    second = (low if low2 is None else low2, high if high2 is None else high2)
    return [
        (between(low, high), between(*second)),
        (between(low, high, 5), between(*second)),
        (between(low, high), between(*second, 2, 3)),
        (between(low, high, 4, 1), between(*second, 3)),
        (between(low, high, 2, 1, 5), between(*second, 3, 1)),
        (between(low, high, 0, 3), between(*second, 3)),
        (between(low, high, 3, 67), between(*second, 67)),
    ]


def pairs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every value against every other."""
    a, b = np.meshgrid(values, values)
    return a.ravel(), b.ravel()
