"""kmeans: the direction of Newton's method for k-means clustering, the gradient over the diagonal of the Hessian.

The cost is sum_i min_j |c_j - p_i|^2 over points p and centroids c. The slope of a minimum is that of the least: which
centroid is nearest has none. The Hessian has nothing off its diagonal, so that one product with it, H 1, is the
diagonal: forward mode over reverse mode.

Source: GradBench, evals/kmeans; Bottou and Bengio, Convergence Properties of the K-Means Algorithms, NIPS 1994. k from
10 to 1,000, n from 1,000 to 100,000, d 8 and 16; the last points are the centroids, so that no cluster is empty.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradbench.libraries import Library

SIZES = {"k=10, n=1,000, d=8": (10, 1000, 8), "k=100, n=10,000, d=16": (100, 10_000, 16)}
TINY = ((3, 20, 2), (1, 4, 3), (5, 50, 8))
PEERS = ("jax.jit", "PyTorch")


def inputs(k: int, n: int, d: int) -> tuple[Any, ...]:
    points = np.random.default_rng(0).uniform(0.0, 1.0, (n, d))
    return points, points[-k:]


def derivative(lib: Library, k: int, n: int, d: int) -> Any:
    xp = lib.xp

    def direction(points: Any, centroids: Any) -> Any:
        squares = xp.sum(centroids * centroids, axis=1) - 2.0 * (points @ centroids.T)
        nearest = xp.argmin(squares, axis=1)  # up to what all distances of a point have in common

        def cost(c: Any) -> Any:
            away = c[nearest] - points
            return xp.sum(away * away)

        gradient, diagonal = lib.jvp(lib.inner_grad(cost), [centroids], [xp.ones_like(centroids)])
        return gradient / diagonal

    return direction


def reference(k: int, n: int, d: int) -> Any:
    points, centroids = inputs(k, n, d)
    nearest = np.array([np.argmin(((centroids - p) ** 2).sum(1)) for p in points])
    means = [points[nearest == j].mean(0) for j in range(len(centroids))]
    return centroids - np.array(means)  # 2 sum (c - p) over 2 count
