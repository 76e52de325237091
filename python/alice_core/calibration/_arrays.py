"""What comes in: scores and labels, as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

import alice_core as ac

Array = npt.NDArray[Any]


def floats(who: str, name: str, x: Any, ndim: int) -> Array:
    """x as float64, finite, of so many axes, else an error."""
    array = np.asarray(x.detach().numpy() if isinstance(x, ac.Tensor) else x, dtype=np.float64)
    if array.ndim != ndim or 0 in array.shape:
        expected = "(n,)" if ndim == 1 else "(n, classes)"
        raise ac.ShapeError(f"{who}: {name} must have shape {expected}, n at least 1; got {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{who}: {name} must be finite; got NaN or infinity")
    return array


def probabilities(who: str, x: Any) -> Array:
    """Rows of probabilities (n, classes), else an error."""
    p = floats(who, "probabilities", x, 2)
    sums = p.sum(axis=1)
    wrong = (p < 0).any(axis=1) | (np.abs(sums - 1) > 1e-3)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{who}: probabilities must not be negative, and sum to 1 in each row; got {p[i]} in row {i}; make them of "
            f"logits with ac.softmax"
        )
    return p
