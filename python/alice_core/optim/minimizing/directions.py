"""Directions of descent, and what is learned of the Hessian from the steps.

Source: Nocedal, Wright, "Numerical optimization", 2nd edition, 2006, chapters 6 and 7; Barzilai, Borwein, "Two-point
step size gradient methods", 1988.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

import alice_core as ac

from .line_search import Point, Vector, dot

__all__ = ["BFGS", "LBFGS", "Gradient", "Memory", "NewtonCG", "steepest"]


def _scale(g: Vector, limit: float) -> float:
    """What a gradient is divided by, from the limit on, so that products with it do not overflow."""
    largest = float(np.abs(g).max(initial=0.0))
    return 1.0 if largest < limit else math.ldexp(1.0, math.frexp(largest)[1] - 1)


def steepest(g: Vector) -> Vector:
    """Down the gradient."""
    return g / -_scale(g, 2.0**500)


class Memory:
    """Where to go from a point; ``learn(s, y)`` is told each step and by how much the gradient changed."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.fresh = True

    def learn(self, s: Vector, y: Vector) -> None:
        """Of steps along which the slope did not rise nothing is learned: they would make the matrix indefinite."""
        curvature, square = dot(s, y), dot(s, s) * dot(y, y)
        if not math.isfinite(square):  # the slope there has nothing in common with that around a minimum
            self.forget()
        elif curvature > 1e-14 * math.sqrt(square) and math.isfinite(curvature):
            self._learn(s, y, curvature)
            self.fresh = False

    def _learn(self, s: Vector, y: Vector, curvature: float) -> None:
        raise NotImplementedError

    def direction(self, at: Point, free: Vector | None = None) -> Vector:
        """A direction of descent. ``free``: 1 for the variables that may move, else 0."""
        raise NotImplementedError

    def first_step(self, direction: Vector) -> float:
        """The length to try first."""
        return min(1.0, 1.0 / max(float(np.abs(direction).sum()), 1e-300)) if self.fresh else 1.0


class Gradient(Memory):
    """Down the gradient; the first length to try comes from the last step."""

    def _learn(self, s: Vector, y: Vector, curvature: float) -> None:
        self._length = float(s @ s) / curvature

    def direction(self, at: Point, free: Vector | None = None) -> Vector:
        return steepest(at.g) if free is None else steepest(at.g) * free

    def first_step(self, direction: Vector) -> float:
        return super().first_step(direction) if self.fresh else self._length


class BFGS(Memory):
    """The inverse of the Hessian as a matrix."""

    def _learn(self, s: Vector, y: Vector, curvature: float) -> None:
        if self.fresh:
            self._inverse = np.eye(s.size) * (curvature / float(y @ y))
        z = self._inverse @ y
        factor = (1 + float(y @ z) / curvature) / curvature
        self._inverse += factor * np.outer(s, s) - (np.outer(z, s) + np.outer(s, z)) / curvature

    def direction(self, at: Point, free: Vector | None = None) -> Vector:
        return steepest(at.g) if self.fresh else -(self._inverse @ at.g)


class LBFGS(Memory):
    """The last steps stand for the inverse of the Hessian; the two loops over them are native."""

    def __init__(self, size: int = 10) -> None:
        self._size = size
        super().__init__()

    def forget(self) -> None:
        super().forget()
        self._order: list[int] = []  # rows of the matrices, from the oldest to the newest

    def _learn(self, s: Vector, y: Vector, curvature: float) -> None:
        if self.fresh:
            self._steps, self._changes = (ac.zeros((self._size, s.size), ac.float64) for _ in range(2))
            self._rows = [x.numpy(writable=True) for x in (self._steps, self._changes)]
        row = len(self._order)
        if row == self._size:
            row = self._order.pop(0)
        self._order.append(row)
        self._rows[0][row], self._rows[1][row] = s, y

    def direction(self, at: Point, free: Vector | None = None) -> Vector:
        if self.fresh:
            return steepest(at.g) if free is None else steepest(at.g) * free
        inputs = [ac.asarray(at.g), self._steps, self._changes]
        if free is not None and not free.all():
            inputs = [x * ac.asarray(free) for x in inputs]
        found = ac.zeros(at.g.shape, ac.float64)
        ac.update("lbfgs_direction", [*inputs, ac.asarray(np.array(self._order))], (), [found])
        result: Vector = found.numpy()
        return result


class NewtonCG(Memory):
    """Newton's direction by conjugate gradients, as exactly as it pays."""

    def __init__(self, product: Callable[[Vector, Vector], Vector]) -> None:
        self._product = product  # of the Hessian at a point with a vector
        super().__init__()

    def _learn(self, s: Vector, y: Vector, curvature: float) -> None:
        pass

    def direction(self, at: Point, free: Vector | None = None) -> Vector:
        scale = _scale(at.g, 2.0**100)  # a square of it, and the Hessian, are multiplied
        residual = at.g / scale
        square = dot(residual, residual)
        norm = math.sqrt(square)
        limit = min(0.5, math.sqrt(norm * scale)) * norm
        d, way = np.zeros_like(at.g), -residual
        for _ in range(max(20, 2 * at.g.size)):
            product = self._product(at.x, way)
            curvature = dot(way, product)
            # The parabola is open at its top, or too steep for numbers: as far as we are.
            if not 1e-14 * dot(way, way) < curvature < math.inf:
                return d * scale if d.any() else way
            step = square / curvature
            d += step * way
            residual += step * product
            before, square = square, dot(residual, residual)
            if math.sqrt(square) <= limit:
                break
            way = square / before * way - residual
        return d * scale

    def first_step(self, direction: Vector) -> float:
        return 1.0
