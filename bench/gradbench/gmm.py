"""gmm: the gradient of a Gaussian mixture's log posterior by its parameters.

Component k has the weight softmax(alpha)_k, the mean mu_k and the inverse covariance Q_k' Q_k, with Q_k lower
triangular: exp(q_k) on its diagonal and l_k below it, column by column. The prior of Q' Q is Wishart's, with m more
degrees of freedom than it must have, and the precision gamma. Up to constants the log posterior is

    sum_i logsumexp_k (alpha_k + sum q_k - |Q_k (x_i - mu_k)|^2 / 2) - n logsumexp(alpha)
    + sum_k (m sum q_k - gamma^2 (|exp q_k|^2 + |l_k|^2) / 2)

Source: GradBench, evals/gmm, after ADBench (Srajer, Kukelova, Fitzgibbon 2018); d from 2 to 64, k from 5 to 100,
n = 1,000, m = 0, gamma = 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradbench.libraries import Library

SIZES = {"d=10, k=25, n=1,000": (10, 25, 1000), "d=32, k=50, n=1,000": (32, 50, 1000)}
TINY = ((2, 5, 20), (1, 1, 3), (4, 3, 10))
PEERS = ("jax.jit", "PyTorch", "autograd")
GAMMA, M = 1.0, 0


def inputs(d: int, k: int, n: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    x, mu = rng.normal(size=(n, d)), rng.uniform(size=(k, d))
    return rng.normal(size=k), mu, rng.normal(size=(k, d)), rng.normal(size=(k, d * (d - 1) // 2)), x


def places(d: int) -> Any:
    """Where each item of Q, row by row, stands in a row that begins with a zero and goes on with exp(q) and l."""
    found = np.zeros((d, d), np.int64)
    np.fill_diagonal(found, 1 + np.arange(d))
    column, row = np.triu_indices(d, 1)
    found[row, column] = 1 + d + np.arange(len(row))
    return found.ravel()


def constant(d: int, k: int, n: int) -> float:
    """What the log posterior has beside: of the normal densities, and of Wishart's prior."""
    freedom = d + M + 1
    log_gamma = 0.25 * math.log(math.pi) * d * (d - 1) + sum(math.lgamma(0.5 * (freedom - j)) for j in range(d))
    prior = freedom * d * (math.log(GAMMA) - 0.5 * math.log(2.0)) - log_gamma
    return -0.5 * n * d * math.log(2.0 * math.pi) + k * prior


def objective(xp: Any, d: int, k: int, n: int) -> Any:
    index = xp.asarray(places(d))

    def logsumexp(a: Any) -> Any:
        top = xp.max(a, axis=-1, keepdims=True)
        return xp.log(xp.sum(xp.exp(a - top), axis=-1)) + top[..., 0]

    def log_posterior(alpha: Any, mu: Any, q: Any, l: Any, x: Any) -> Any:  # noqa: E741
        diagonal, sums = xp.exp(q), xp.sum(q, axis=1)
        factors = xp.concat([xp.zeros_like(q[:, :1]), diagonal, l], axis=1)[:, index]
        of_points = xp.reshape(x @ xp.reshape(factors, (k * d, d)).T, (n, k, d))  # one product for all components
        z = of_points - xp.sum(xp.reshape(factors, (k, d, d)) * mu[:, None], axis=2)
        terms = alpha + sums - 0.5 * xp.sum(z * z, axis=2)
        squares = xp.sum(diagonal * diagonal) + xp.sum(l * l)
        prior = M * xp.sum(sums) - 0.5 * GAMMA * GAMMA * squares
        return xp.sum(logsumexp(terms)) - n * logsumexp(alpha) + prior + constant(d, k, n)

    return log_posterior


def derivative(lib: Library, d: int, k: int, n: int) -> Any:
    return lib.grad(objective(lib.xp, d, k, n), argnums=(0, 1, 2, 3))


def reference(d: int, k: int, n: int) -> Any:
    """By the responsibilities of the components for the points, one component after the other."""
    alpha, mu, q, l, x = inputs(d, k, n)  # noqa: E741
    column, row = np.triu_indices(d, 1)
    factors = np.zeros((k, d, d))
    factors[:, np.arange(d), np.arange(d)] = np.exp(q)
    factors[:, row, column] = l
    away = x - mu[:, None]
    z = np.einsum("kij,knj->kni", factors, away)
    terms = (alpha + q.sum(1))[:, None] - 0.5 * (z**2).sum(2)
    shares = np.exp(terms - terms.max(0))
    shares /= shares.sum(0)
    by_factor = -np.einsum("kn,kni,knj->kij", shares, z, away) - GAMMA**2 * factors
    weights = np.exp(alpha - alpha.max())
    counts = shares.sum(1)
    by_q = by_factor[:, np.arange(d), np.arange(d)] * np.exp(q) + counts[:, None] + M
    by_mu = np.einsum("kn,kni,kij->kj", shares, z, factors)
    return counts - n * weights / weights.sum(), by_mu, by_q, by_factor[:, row, column]


def naive(alpha: Any, mu: Any, q: Any, l: Any, x: Any) -> float:  # noqa: E741
    """The log posterior from the densities' own formulas, with determinants."""
    d, (column, row) = x.shape[1], np.triu_indices(x.shape[1], 1)
    weights = np.exp(alpha) / np.exp(alpha).sum()
    likelihood, prior, freedom = np.zeros(len(x)), 0.0, d + M + 1
    for weight, m, diagonal, below in zip(weights, mu, q, l, strict=True):
        factor = np.diag(np.exp(diagonal))
        factor[row, column] = below
        precision = factor.T @ factor
        volume = np.linalg.det(precision)
        distances = np.einsum("ni,ij,nj->n", x - m, precision, x - m)
        likelihood += weight * np.sqrt(volume / (2.0 * np.pi) ** d) * np.exp(-0.5 * distances)
        log_gamma = 0.25 * np.log(np.pi) * d * (d - 1) + sum(math.lgamma(0.5 * (freedom - j)) for j in range(d))
        prior += 0.5 * (freedom - d - 1) * np.log(volume) - 0.5 * GAMMA**2 * np.trace(precision)
        prior -= 0.5 * freedom * d * (np.log(2.0) - 2.0 * np.log(GAMMA)) + log_gamma
    return float(np.log(likelihood).sum() + prior)
