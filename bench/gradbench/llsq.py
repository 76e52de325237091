"""llsq: half the sum of squares of s_i - (x_0 + x_1 t_i + x_2 t_i^2 + ...), and its gradient by x.

t are n points from -1 to 1 and s their signs. They are arguments here, so that no compiler computes the powers once and
for all. The polynomial is computed by Horner's rule.

Source: GradBench, evals/llsq, after cmpad's llsq_obj; 128 coefficients, n from 16 to 16,392.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradbench.libraries import Library

SIZES = {"n=1,024": (1024, 128), "n=16,392": (16_392, 128)}
TINY = ((16, 1), (9, 6), (5, 8))
PEERS = ("jax.jit", "PyTorch", "autograd")


def inputs(n: int, m: int) -> tuple[Any, ...]:
    t = -1.0 + np.arange(n) * 2.0 / (n - 1)
    return np.random.default_rng(0).uniform(0.0, 1.0, m), t, np.sign(t)


def derivative(lib: Library, n: int, m: int) -> Any:
    xp = lib.xp

    def objective(x: Any, t: Any, s: Any) -> Any:
        polynomial = lib.scan(lambda p, c: (p * t + c, None), xp.zeros_like(t), xp.flip(x, axis=0))[0]
        rest = s - polynomial
        return 0.5 * xp.sum(rest * rest)

    return lib.grad(objective)


def reference(n: int, m: int) -> Any:
    x, t, s = inputs(n, m)
    powers = np.vander(t, len(x), increasing=True)
    return -powers.T @ (s - powers @ x)
