"""What a function looks like around a point, and between points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import alice_core as ac

__all__ = ["StationaryPoint", "chord_excess", "classify_stationary", "is_lowest_nearby"]

Array = npt.NDArray[np.float64]
Function = Callable[[ac.Tensor], ac.Tensor]


@dataclass(frozen=True)
class StationaryPoint:
    """What kind of point it is, and why.

    Attributes
    ----------
    kind : {"minimum", "maximum", "saddle", "undecided", "not stationary"}
        "undecided" where an eigenvalue is 0 and the others do not make it a saddle: second derivatives do not tell.
    gradient_norm : float
    eigenvalues : numpy.ndarray
        Of the Hessian, rising.
    """

    kind: str
    gradient_norm: float
    eigenvalues: Array


def classify_stationary(f: Function, x: Any, tol: float = 1e-8) -> StationaryPoint:
    """Tell minima, maxima and saddles apart by the signs of the Hessian's eigenvalues.

    Parameters
    ----------
    f : callable
        From a Tensor to a 0-d Tensor.
    x : array_like
        The point; the Hessian is computed in float64 by nested differentiation.
    tol : float
        A gradient of at most this length counts as 0, and so does an eigenvalue relative to the largest.

    Returns
    -------
    StationaryPoint

    Source: notes, section 2.3.

    Examples
    --------
    >>> from alice_core import teaching
    >>> teaching.classify_stationary(lambda x: x[0] ** 2 - x[1] ** 2, [0.0, 0.0])
    StationaryPoint(kind='saddle', gradient_norm=0.0, eigenvalues=array([-2.,  2.]))
    """
    point = _point(x)
    norm = float(ac.linalg.vector_norm(ac.grad(f)(point)))
    size = max(point.size, 1)
    hessian = ac.reshape(ac.hessian(f)(point), (size, size))
    eigenvalues = np.array(ac.linalg.eigvalsh(hessian).numpy())
    small = tol * float(np.abs(eigenvalues).max())
    up, down = bool((eigenvalues > small).any()), bool((eigenvalues < -small).any())
    flat = bool((np.abs(eigenvalues) <= small).any())
    if not norm <= tol:
        kind = "not stationary"
    elif up and down:
        kind = "saddle"
    elif flat:
        kind = "undecided"
    else:
        kind = "minimum" if up else "maximum"
    return StationaryPoint(kind, norm, eigenvalues)


def is_lowest_nearby(f: Function, x: Any, eps: float = 1e-3, samples: int = 1000, seed: int = 0) -> bool:
    """Whether no sampled point within ``eps`` of x is lower: what a local minimum is, by trial.

    Parameters
    ----------
    f : callable
        From a Tensor to a 0-d Tensor.
    x : array_like
    eps : float
        Radius of the ball that points are drawn from.
    samples, seed : int

    Returns
    -------
    bool
        False is certain; True is not.

    Source: notes, section 2.3.

    Examples
    --------
    >>> from alice_core import teaching
    >>> f = lambda x: x**2 - 1.5 * x
    >>> teaching.is_lowest_nearby(f, 0.75), teaching.is_lowest_nearby(f, 0.5)
    (True, False)
    """
    point = _point(x)
    rng = np.random.default_rng(seed)
    away = rng.standard_normal((samples, max(point.size, 1)))
    away *= eps * rng.random((samples, 1)) ** (1 / away.shape[1]) / np.sqrt((away**2).sum(axis=1, keepdims=True))
    around = point.numpy() + away.reshape((samples, *point.shape))
    heights = ac.vmap(f)(ac.asarray(around)).numpy()
    return bool((heights >= float(f(point))).all())


def chord_excess(
    f: Function, shape: tuple[int, ...] = (), samples: int = 10_000, scale: float = 3.0, seed: int = 0
) -> float:
    """By how much the graph rises above its chords, at most: ``f(ax + (1-a)y) - (a f(x) + (1-a) f(y))``.

    Convex functions never do (Jensen's inequality): the result is 0 but for rounding errors.

    Parameters
    ----------
    f : callable
        From a Tensor of ``shape`` to a 0-d Tensor.
    shape : tuple of int
    samples : int
        Pairs of points, each with a number a between 0 and 1.
    scale : float
        Standard deviation of the points.
    seed : int

    Returns
    -------
    float
        Relative to the largest of 1, ``|f(x)|`` and ``|f(y)|``.

    Source: notes, section 2.3.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> teaching.chord_excess(ac.abs) <= 1e-15, teaching.chord_excess(ac.sin) > 0.5
    (True, True)
    """
    rng = np.random.default_rng(seed)
    x, y = scale * rng.standard_normal((2, samples, *shape))
    part = rng.random(samples)
    weight = part.reshape((samples,) + (1,) * len(shape))
    at, fx, fy = (ac.vmap(f)(ac.asarray(z)).numpy() for z in (weight * x + (1 - weight) * y, x, y))
    unit = np.maximum(1.0, np.maximum(np.abs(fx), np.abs(fy)))
    largest = float(((at - (part * fx + (1 - part) * fy)) / unit).max())
    return largest if math.isfinite(largest) else math.inf


def _point(x: Any) -> ac.Tensor:
    return ac.tensor(np.array(x.numpy() if isinstance(x, ac.Tensor) else x, dtype=np.float64))
