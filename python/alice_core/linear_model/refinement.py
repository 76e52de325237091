"""Iterative refinement: least squares to the digits that the data allow, on the way of factors that are there already.

The residual r is an unknown of its own: ``r + X w + t b = y`` and ``Xᵀ r = 0``, ``tᵀ r = 0``, where t is the column of
the intercept. How far these are from being met is computed with products and sums of twice the digits; the factors only
have to turn that into a correction with a few right ones.

Source: Björck, "Iterative refinement of linear least squares solutions I", 1967; Dekker, "A floating-point technique
for extending the available precision", 1971; Ogita, Rump, Oishi, "Accurate sum and dot product", 2005.
"""

from __future__ import annotations

import numpy as np

import alice_core as ac

from ..estimators import Array

__all__ = ["column_lengths", "refined"]

_SPLIT = 2.0**27 + 1.0  # of a float64 in two halves
_STEPS = 20


def column_lengths(a: Array) -> Array:
    """Euclidean lengths of columns, whose squares may be too large or too small for a float64."""
    largest = np.abs(a).max(axis=0)
    parts = a / np.where(largest > 0, largest, 1.0)
    lengths: Array = largest * np.sqrt((parts * parts).sum(axis=0))
    return lengths


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """a b as a float64 and what rounding took off, exactly."""
    high = a * b
    (a1, a2), (b1, b2) = ((c - (c - x), x - (c - (c - x))) for x, c in ((a, _SPLIT * a), (b, _SPLIT * b)))
    return high, a2 * b2 - (((high - a1 * b1) - a2 * b1) - a1 * b2)


def _sum(high: Array, low: Array) -> Array:
    """Sums along axis 0 in twice the digits, rounded at the end."""
    while len(high) > 1:
        if len(high) % 2:
            high, low = (np.concatenate([x, np.zeros_like(x[:1])]) for x in (high, low))
        a, b = high[0::2], high[1::2]
        total = a + b
        part = total - a
        high, low = total, low[0::2] + low[1::2] + ((a - (total - part)) + (b - part))
    rounded: Array = high[0] + low[0]
    return rounded


def _dot(a: Array, b: Array) -> Array:
    """``Σ_i a[i] b[i]`` along axis 0."""
    return _sum(*_product(a, b))


@np.errstate(over="ignore", invalid="ignore")  # such corrections are not made
def refined(x: Array, y: Array, t: Array, centred: Array, mean: Array, w: Array, b: Array) -> tuple[Array, Array]:
    """Weights (features, k) and intercepts (k,) that solve the problem to nearly all digits, from those that are near.

    ``centred`` has the columns ``x - t mean``, which are orthogonal to t, the column of the intercept, zeros for none.
    """
    lengths = column_lengths(centred)
    factors = ac.linalg.qr(ac.asarray(centred / lengths))
    q, triangle = factors[0].numpy(), factors[1]
    square = max(float(t @ t), 1e-300)

    def solved(right: Array, transposed: bool) -> Array:
        by = triangle.T if transposed else triangle
        found: Array = ac.linalg.solve_triangular(by, ac.asarray(right), lower=transposed).numpy()
        return found

    w, b = w.copy(), b.copy()
    for k in range(y.shape[1]):
        residual, before = y[:, k] - x @ w[:, k] - t * b[k], np.inf
        for _ in range(_STEPS):
            parts = [_product(x.T, w[:, k, None]), _product(t[None], np.full((1, 1), b[k]))]
            exact = np.stack([y[:, k], -residual])
            high, low = (np.concatenate([-p for p in ps]) for ps in zip(*parts, strict=True))
            off = _sum(np.concatenate([exact, high]), np.concatenate([np.zeros_like(exact), low]))
            slopes, slope = -_dot(x, residual[:, None]), -float(_dot(t, residual))
            along = q.T @ off - solved((slopes - mean * slope) / lengths, True)
            by_w, by_t = solved(along, False) / lengths, (float(t @ off) - slope) / square
            size = float(np.max(np.abs(by_w) * lengths, initial=0.0))
            if not size < 0.5 * before:  # no more digits come, or what is not finite
                break
            before = size
            w[:, k] += by_w
            b[k] += (by_t - float(mean @ by_w)) if t.any() else 0.0
            residual = residual + (off - q @ along - t * by_t)
    return w, b
