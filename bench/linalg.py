"""Linear algebra: batches of small matrices, a Gaussian process, a Kalman filter.

All contenders of a row must return the same numbers, or the row is not measured.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
from harness import check_results
from peers import jax, jnp
from rows import OURS, Measured, Row, Target

NUMPY = "NumPy"
JAX = "jax.jit"
BATCH = 10_000
DTYPES = ("float64", "float32")


def _jitted(f: Callable[..., Any], *args: Any) -> dict[str, Any]:
    if jax is None:
        return {}
    call = jax.jit(f)
    arrays = [jnp.array(a) for a in args]
    return {JAX: lambda: jax.block_until_ready(call(*arrays))}


# --- 10^4 matrices of 4 rows ------------------------------------------------------------------------------------------


def small(name: str, dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    m = rng.standard_normal((BATCH, 4, 4))
    a = (m @ m.swapaxes(-1, -2) + np.eye(4)).astype(dtype)
    args = [a, rng.standard_normal((BATCH, 4, 1)).astype(dtype)] if name == "solve" else [a]
    ours, theirs = getattr(ac.linalg, name), getattr(np.linalg, name)
    tensors = [ac.tensor(x) for x in args]
    contenders = {OURS: lambda: ours(*tensors), NUMPY: lambda: theirs(*args)}
    check_results(contenders, 1e-2 if dtype == "float32" else 1e-4)
    return contenders


# --- the marginal likelihood of a Gaussian process --------------------------------------------------------------------


def likelihood_with(lib: Any, solve: Callable[[Any, Any], Any], eye: Any) -> Callable[..., Any]:
    """Minus the logarithm of it, of n values y at places x, for the logarithms of three parameters."""

    def likelihood(log_parameters: Any, x: Any, y: Any) -> Any:
        scale, length, noise = (lib.exp(log_parameters[i]) for i in range(3))
        squares = lib.sum(x * x, axis=1)
        distances = squares[:, None] + squares[None, :] - 2.0 * (x @ x.T)
        k = scale * scale * lib.exp(-0.5 * distances / (length * length)) + noise * noise * eye
        factor = lib.linalg.cholesky(k)
        z = solve(factor, y)
        return 0.5 * lib.sum(z * z) + lib.sum(lib.log(lib.diagonal(factor))) + 0.5 * len(y) * math.log(2 * math.pi)

    return likelihood


def gaussian_process(n: int, dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 3)).astype(dtype)
    y = np.sin(x.sum(1)).astype(dtype)
    at = np.array([0.1, 0.2, -1.0], dtype)
    eye = np.eye(n, dtype=dtype)
    f = likelihood_with(ac, partial(ac.linalg.solve_triangular, lower=True), ac.tensor(eye))
    compiled, args = ac.compile(ac.value_and_grad(f)), [ac.tensor(a) for a in (at, x, y)]
    contenders: dict[str, Any] = {OURS: lambda: compiled(*args)}
    if jax is not None:
        solve = partial(jax.scipy.linalg.solve_triangular, lower=True)
        contenders |= _jitted(jax.value_and_grad(likelihood_with(jnp, solve, jnp.array(eye))), at, x, y)
    check_results(contenders, 1e-2 if dtype == "float32" else 1e-4)
    return contenders


# --- a Kalman filter --------------------------------------------------------------------------------------------------


def filter_with(lib: Any) -> Callable[..., Any]:
    """Minus the log likelihood of observations (steps, 2) of 4 states, for the logarithms of two noises."""
    transition = np.eye(4) + 0.1 * np.eye(4, k=2)
    observed = np.eye(2, 4)

    def log_likelihood(log_noise: Any, observations: Any) -> Any:
        def constant(a: Any) -> Any:
            return lib.asarray(np.asarray(a, log_noise.dtype))

        a, h, eye4, eye2 = (constant(m) for m in (transition, observed, np.eye(4), np.eye(2)))
        q, r = lib.exp(log_noise[0]) * eye4, lib.exp(log_noise[1]) * eye2
        mean, covariance, total = constant(np.zeros(4)), eye4, 0.0
        for t in range(observations.shape[0]):
            mean, covariance = a @ mean, a @ covariance @ a.T + q
            innovation = observations[t] - h @ mean
            s = h @ covariance @ h.T + r
            gain = lib.linalg.solve(s, h @ covariance).T
            total = total + lib.linalg.slogdet(s)[1] + innovation @ lib.linalg.solve(s, innovation)
            mean, covariance = mean + gain @ innovation, covariance - gain @ (h @ covariance)
        return 0.5 * total

    return log_likelihood


def kalman(dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    observations = rng.standard_normal((100, 2)).cumsum(0).astype(dtype)
    at = np.array([-1.0, 0.5], dtype)
    compiled, args = ac.compile(ac.value_and_grad(filter_with(ac))), [ac.tensor(at), ac.tensor(observations)]
    contenders: dict[str, Any] = {OURS: lambda: compiled(*args)}
    if jax is not None:
        contenders |= _jitted(jax.value_and_grad(filter_with(jnp)), at, observations)
    check_results(contenders, 1e-2 if dtype == "float32" else 1e-4)
    return contenders


def rows(quick: bool) -> Iterator[Row | Measured]:
    for dtype in DTYPES[: 1 if quick else 2]:
        for name in ("solve", "cholesky", "inv"):
            yield Row(
                f"{name} of 10^4 matrices 4x4, {dtype}",
                partial(small, name, dtype),
                targets=(Target(0.2, NUMPY),),
            )
        for n, most in ((50, 0.5), (500, 0.9), *(() if quick else ((2000, 1.0),))):
            yield Row(
                f"Gaussian process, likelihood and gradient, n={n}, {dtype}",
                partial(gaussian_process, n, dtype),
                targets=(Target(most, JAX),),
            )
        yield Row(f"Kalman filter, value and gradient, {dtype}", partial(kalman, dtype), targets=(Target(0.3, JAX),))
