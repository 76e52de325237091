"""lse: the logarithm of a sum of exponentials, a + log sum_i exp(x_i - a) with a = max x, made of its parts, and its
gradient, which is the softmax of x.

Source: GradBench, evals/lse; n from 2,500 to 1,280,000.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradbench.libraries import Library

SIZES = {"n=10,000": (10_000,), "n=1,280,000": (1_280_000,)}
TINY = ((1,), (7,), (1000,))
PEERS = ("jax.jit", "PyTorch", "autograd")


def inputs(n: int) -> tuple[Any, ...]:
    return (np.random.default_rng(0).uniform(0.0, 1.0, n),)


def derivative(lib: Library, n: int) -> Any:
    xp = lib.xp

    def objective(x: Any) -> Any:
        top = xp.max(x)
        return top + xp.log(xp.sum(xp.exp(x - top)))

    return lib.grad(objective)


def reference(n: int) -> Any:
    (x,) = inputs(n)
    shares = np.exp(x - x.max())
    return shares / shares.sum()
