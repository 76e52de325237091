"""llsq: half the sum of squares of s_i - (x_0 + x_1 t_i + x_2 t_i^2 + ...), and its gradient by x.

t are n points from -1 to 1 and s their signs. They are arguments here, so that no compiler computes the powers once and
for all; the rows of the powers are made by doubling: t^0 ... t^(k-1) times t^k are the next k.

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
        powers, next_power = xp.ones_like(t)[None], t
        while powers.shape[0] < m:
            powers = xp.concat([powers, powers * next_power])[:m]
            next_power = next_power * next_power
        rest = s - x @ powers
        return 0.5 * xp.sum(rest * rest)

    return lib.grad(objective)


def reference(n: int, m: int) -> Any:
    x, t, s = inputs(n, m)
    powers = np.vander(t, len(x), increasing=True)
    return -powers.T @ (s - powers @ x)
