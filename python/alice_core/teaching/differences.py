"""Numerical differentiation: easy, approximate, and one run of the function for every number asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import alice_core as ac

from .pictures import draw_curves
from .run import table

__all__ = ["DifferenceErrors", "difference_errors", "jacobian_from_differences"]


def jacobian_from_differences(
    f: Callable[[ac.Tensor], ac.Tensor], x: ac.Tensor, step: float = 1e-6, *, kind: str = "central"
) -> ac.Tensor:
    """Jacobian of ``f`` by differences, in float64.

    Parameters
    ----------
    f : callable
        From one Tensor to one Tensor.
    x : Tensor with at least one element
        The point.
    step : float
        Distance h from the point along each input.
    kind : {"central", "forward"}
        ``(f(x + h) - f(x - h)) / 2h``, 2 d runs of f for d inputs, error about h^2 + 1e-16 / h; or
        ``(f(x + h) - f(x)) / h``, d + 1 runs, error about h + 1e-16 / h.

    Returns
    -------
    Tensor of shape ``f(x).shape + x.shape``

    Source
    ------
    Notes, section 6.1 (numerical differentiation), with erratum E-37: it rests on the definition of the derivative.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> J = teaching.jacobian_from_differences(lambda x: ac.stack([x[0] * x[1], x[0]]), ac.tensor([2.0, 3.0]))
    >>> print(np.round(J.numpy(), 6))
    [[3. 2.]
     [1. 0.]]
    """
    if kind not in ("central", "forward"):
        raise ValueError(f"jacobian_from_differences: kind must be 'central' or 'forward'; got {kind!r}")
    point = x.astype(ac.float64)
    moves = [step * e.reshape(x.shape) for e in ac.eye(x.size, dtype=ac.float64)]
    if kind == "central":
        columns = [(f(point + move) - f(point - move)) / (2.0 * step) for move in moves]
    else:
        here = f(point)
        columns = [(f(point + move) - here) / step for move in moves]
    return ac.stack(columns, axis=-1).reshape(columns[0].shape + x.shape)


@dataclass(frozen=True)
class DifferenceErrors:
    """Errors of numerical derivatives against the step; ``print`` shows a table.

    Attributes
    ----------
    exact : float
        The derivative by automatic differentiation.
    steps, forward, central : tuple of float
        Every step h with the absolute errors of ``(f(x + h) - f(x)) / h`` and ``(f(x + h) - f(x - h)) / 2h``.
    calls : int
        How often the differences called f.
    """

    exact: float
    steps: tuple[float, ...]
    forward: tuple[float, ...]
    central: tuple[float, ...]
    calls: int

    @property
    def best_forward(self) -> float:
        """The step with the smallest forward error; in theory about 1e-8, the root of the rounding error 1e-16."""
        return self.steps[int(np.argmin(self.forward))]

    @property
    def best_central(self) -> float:
        """The step with the smallest central error; in theory about 1e-5, the cube root of the rounding error."""
        return self.steps[int(np.argmin(self.central))]

    def __str__(self) -> str:
        rows = [
            tuple(f"{number:.1e}" for number in row) for row in zip(self.steps, self.forward, self.central, strict=True)
        ]
        best = f"best step: forward {self.best_forward:.1e}, central {self.best_central:.1e}"
        return f"{table(('step', 'forward', 'central'), rows)}\n{best}"

    def draw(self, path: str | Path) -> Path:
        """Write the picture of both errors against the step to a PNG file; needs matplotlib (extra ``demo``)."""
        return draw_curves(
            path,
            self.steps,
            {"forward differences": self.forward, "central differences": self.central},
            title="Numerical differentiation: too long a step, too short a step",
            xlabel="step h",
            ylabel="absolute error",
            log="xy",
        )


def difference_errors(
    f: Callable[[ac.Tensor], ac.Tensor], x: float, steps: Sequence[float] | None = None
) -> DifferenceErrors:
    """Compare forward and central differences of ``f`` with its exact derivative, in float64.

    A long step sees the curvature of f, a short one subtracts nearly equal numbers: in between lies the best.

    Parameters
    ----------
    f : callable
        From a 0-d Tensor to a 0-d Tensor.
    x : float
        The point.
    steps : sequence of float, optional
        Steps h to try; default four in each power of ten, from 0.1 to 1e-15.

    Returns
    -------
    DifferenceErrors

    Source
    ------
    Notes, section 6.1 (numerical differentiation), with erratum E-37.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> print(teaching.difference_errors(ac.sin, 1.0, [1e-4, 1e-6, 1e-8, 1e-10]))
    step     forward  central
    -------  -------  -------
    1.0e-04  4.2e-05  9.0e-10
    1.0e-06  4.2e-07  2.8e-11
    1.0e-08  3.0e-09  2.6e-09
    1.0e-10  5.8e-08  5.8e-08
    best step: forward 1.0e-08, central 1.0e-06
    """
    tried = tuple(10.0 ** (-k / 4) for k in range(4, 61)) if steps is None else tuple(map(float, steps))
    calls = 0

    def value(at: float) -> float:
        nonlocal calls
        calls += 1
        return float(f(ac.tensor(at, dtype=ac.float64)))

    exact = float(ac.grad(f)(ac.tensor(x, dtype=ac.float64)))
    here = value(x)
    above = [value(x + h) for h in tried]
    below = [value(x - h) for h in tried]
    forward = tuple(abs((a - here) / h - exact) for a, h in zip(above, tried, strict=True))
    central = tuple(abs((a - b) / (2.0 * h) - exact) for a, b, h in zip(above, below, tried, strict=True))
    return DifferenceErrors(exact, tried, forward, central, calls)
