"""saddle: min over x of max over y of |x|^2 - |y|^2, two numbers each, by gradient descent inside of gradient descent.

The function of x that is minimised is itself the result of a loop, which is differentiated. Then y is found for that x.
All descents start from (1, 1) (solver.py); the answers are known, 8.246324826e-06 four times.

Source: GradBench, evals/saddle; its variants ff and rr: outer and inner derivative forward, or reverse.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradbench.libraries import Library
from gradbench.solver import NEAR, argmin, forward

SIZES = {"forward over forward": (0,), "reverse over reverse": (1,)}
TINY = ((0,), (1,))
PEERS = ("jax.jit",)
LONGEST = 300


def inputs(reverse: int) -> tuple[Any, ...]:
    return (np.array([1.0, 1.0]),)


def derivative(lib: Library, reverse: int) -> Any:
    xp = lib.xp
    value_and_grad = lib.value_and_grad if reverse else forward(lib)

    def f(x: Any, y: Any) -> Any:
        return xp.sum(x * x) - xp.sum(y * y)

    def saddle(start: Any) -> Any:
        def highest(x: Any) -> Any:
            return argmin(lib, value_and_grad(lambda y: -f(x, y)), start, max_steps=LONGEST if reverse else None)

        x = argmin(lib, value_and_grad(lambda x: f(x, highest(x))), start)
        return xp.concat([x, highest(x)])

    return saddle


def reference(reverse: int) -> Any:
    """One descent suffices: f parts into one function of x and one of y, which differ by their sign."""
    x, eta, taken = np.array([1.0, 1.0]), 1e-5, 0
    while np.linalg.norm(2 * x) > NEAR:
        if taken == 10:
            eta, taken = 2 * eta, 0
        if np.linalg.norm(eta * 2 * x) <= NEAR:
            break
        new = x - eta * 2 * x
        if new @ new < x @ x:
            x, taken = new, taken + 1
        else:
            eta, taken = eta / 2, 0
    return np.concatenate([x, x])
