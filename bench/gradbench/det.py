"""det: a determinant by expansion by minors, and its gradient.

The determinant is the sum of (-1)^j a_0j M_j over the first row, where M_j is the determinant without that row and
column j, expanded likewise: about e l! products, and no minor is used twice. Here all minors of a size are computed at
once, from the last row up; those of m rows are l!/m!, one for each way to strike out l - m columns in order.

Source: GradBench, evals/det, after cmpad's det_by_minor; l from 5 to 11.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gradbench.libraries import Library

SIZES = {"l=6": (6,), "l=8": (8,)}
TINY = ((1,), (2,), (5,))
PEERS = ("jax.jit", "PyTorch", "autograd")


def inputs(n: int) -> tuple[Any, ...]:
    return (np.random.default_rng(0).uniform(0.0, 1.0, (n, n)),)


@cache
def columns(n: int) -> tuple[Any, ...]:
    """For each row, the columns (minors, m) of the minors that begin there. Minor j of minor i is number i m + j."""
    found = [np.arange(n)[None]]
    for m in range(n, 1, -1):
        rest = np.array([np.delete(np.arange(m), j) for j in range(m)])
        found.append(found[-1][:, rest].reshape(-1, m - 1))
    return tuple(found)


def derivative(lib: Library, n: int) -> Any:
    xp = lib.xp

    def determinant(a: Any) -> Any:
        minors = a[-1][xp.asarray(columns(n)[-1][:, 0])]
        for row in reversed(range(n - 1)):
            first = a[row] if row == 0 else a[row][xp.asarray(columns(n)[row])]
            signs = xp.asarray((-1.0) ** np.arange(n - row))
            minors = xp.sum(signs * first * xp.reshape(minors, (-1, n - row)), axis=-1)
        return xp.reshape(minors, ())

    return lib.grad(determinant)


def reference(n: int) -> Any:
    (a,) = inputs(n)
    return np.linalg.det(a) * np.linalg.inv(a).T
