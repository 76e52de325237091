"""particle: the control w that lets a charged particle pass through the origin, by nested derivatives.

Two charges stand at (10, 10 - w) and (10, 0). A particle of mass and charge 1 starts from (0, 8) with the velocity
(3/4, 0); the force on it is minus the gradient, by a derivative inside, of the potential, the sum of 1/distance.
Euler's method in steps of 1/10 goes on while the next place is above the x axis; from the last place a straight line
leads to the axis. The square of where it arrives is minimised over w, from 0, by gradient descent (solver.py): a
derivative outside, through a loop that ends by value. The answer is known, w = 0.2071918746486.

Source: GradBench, evals/particle; its variants ff and rr: outer and inner derivative forward, or reverse.
"""

from __future__ import annotations

import cmath
from typing import Any

import numpy as np

from gradbench.libraries import Library
from gradbench.solver import NEAR, argmin, forward

SIZES = {"forward over forward": (0,), "reverse over reverse": (1,)}
TINY = ((0,), (1,))
PEERS = ("jax.jit",)
STEP, LONGEST = 0.1, 1000


def inputs(reverse: int) -> tuple[Any, ...]:
    return (np.array(0.0),)


def derivative(lib: Library, reverse: int) -> Any:
    xp = lib.xp
    outer = lib.value_and_grad if reverse else forward(lib)
    inner = lib.inner_grad if reverse else lib.jacfwd

    def missed(w: Any) -> Any:
        charges = xp.stack([xp.ones_like(w), xp.zeros_like(w)]) * (10.0 - w)
        charges = xp.stack([xp.full_like(charges, 10.0), charges], axis=1)

        def potential(x: Any) -> Any:
            away = x - charges
            return xp.sum(1.0 / xp.sqrt(xp.sum(away * away, axis=1)))

        def step(state: Any) -> Any:
            x, v = state
            return x + STEP * v, v - STEP * inner(potential)(x)

        def above(state: Any) -> Any:
            x, v = state
            return x[1] + STEP * v[1] > 0.0

        start = xp.asarray(np.array([0.0, 8.0])), xp.asarray(np.array([0.75, 0.0]))
        x, v = lib.while_loop(above, step, start, max_steps=LONGEST if reverse else None)
        x = x - x[1] / v[1] * v
        return x[0] * x[0]

    return lambda w: argmin(lib, outer(missed), w)


def reference(reverse: int) -> Any:
    """The same descent by Python's numbers, with the force by hand and the complex step outside."""

    def missed(w: complex) -> complex:
        x, y, u, v = 0j, 8 + 0j, 0.75 + 0j, 0j
        while (y + STEP * v).real > 0:
            a = b = 0j
            for p, q in ((10, 10 - w), (10, 0)):
                r = cmath.sqrt((x - p) ** 2 + (y - q) ** 2)
                a, b = a + (x - p) / r**3, b + (y - q) / r**3
            x, y, u, v = x + STEP * u, y + STEP * v, u + STEP * a, v + STEP * b
        return (x - y / v * u) ** 2

    def both(w: float) -> tuple[float, float]:
        z = missed(w + 1e-30j)
        return z.real, z.imag / 1e-30

    w, eta, taken = 0.0, 1e-5, 0
    value, gradient = both(w)
    while abs(gradient) > NEAR:
        if taken == 10:
            eta, taken = 2 * eta, 0
        if abs(eta * gradient) <= NEAR:
            break
        new = w - eta * gradient
        new_value, new_gradient = both(new)
        if new_value < value:
            w, value, gradient, taken = new, new_value, new_gradient, taken + 1
        else:
            eta, taken = eta / 2, 0
    return w
