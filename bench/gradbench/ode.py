"""ode: the gradient of y_(n-1)(2) by x, where y' = (x_0, x_1 y_0, x_2 y_1, ...) from y(0) = 0, by s steps of the
classical method of Runge and Kutta.

y_i is the product of x_0 ... x_i times t^(i+1)/(i+1)!, which the method finds exactly while i < 4; y_i is 0 while
i >= 4 s, and so is its gradient.

Source: GradBench, evals/ode, after cmpad's an_ode; n from 1,000 to 100,000, s from 1 to 100.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradbench.libraries import Library

SIZES = {"n=1,000, s=100": (1000, 100), "n=10,000, s=100": (10_000, 100)}
TINY = ((3, 1), (6, 4), (1, 2))
PEERS = ("jax.jit", "PyTorch", "autograd")


def inputs(n: int, s: int) -> tuple[Any, ...]:
    return (np.random.default_rng(0).uniform(0.0, 1.0, n),)


def derivative(lib: Library, n: int, s: int) -> Any:
    xp, h = lib.xp, 2.0 / s

    def objective(x: Any) -> Any:
        first, rest = x[:1], x[1:]

        def slope(y: Any) -> Any:
            return xp.concat([first, rest * y[:-1]])

        def step(y: Any, _: Any) -> tuple[Any, None]:
            a = slope(y)
            b = slope(y + 0.5 * h * a)
            c = slope(y + 0.5 * h * b)
            d = slope(y + h * c)
            return y + h / 6.0 * (a + 2.0 * b + 2.0 * c + d), None

        return lib.scan(step, xp.zeros_like(x), None, length=s)[0][-1]

    return lib.grad(objective)


def reference(n: int, s: int) -> Any:
    """By the complex step: a derivative is the imaginary part, for a step too small to be seen in the real one."""
    (x,) = inputs(n, s)
    h, gradient = 2.0 / s, np.zeros(n)
    for k in range(n):
        z = x.astype(complex)
        z[k] += 1e-30j
        field = np.diag(z[1:], -1)
        start = np.eye(1, n)[0] * z[0]
        y = np.zeros(n, complex)
        for _ in range(s):
            a = start + field @ y
            b = start + field @ (y + h / 2 * a)
            c = start + field @ (y + h / 2 * b)
            y = y + h / 6 * (a + 2 * b + 2 * c + start + field @ (y + h * c))
        gradient[k] = y[-1].imag / 1e-30
    return gradient
