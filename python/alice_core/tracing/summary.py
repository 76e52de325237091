"""What the numbers of a Tensor look like."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..tensors import Tensor

__all__ = ["Summary", "histogram_svg", "summarise"]

BINS = 24


class Summary(NamedTuple):
    """Statistics of the finite elements, and how many are not."""

    minimum: float
    mean: float
    maximum: float
    nans: int
    infinities: int
    counts: tuple[int, ...]  # in bins of equal width from minimum to maximum


def summarise(x: Tensor) -> Summary | None:
    """None where there is nothing to look at: no elements, or an abstract Tensor."""
    if x.is_abstract or x.size == 0:
        return None
    a = np.asarray(x._exact(), dtype=np.float64).ravel()
    finite = a[np.isfinite(a)]
    nans = int(np.isnan(a).sum())
    infinities = a.size - finite.size - nans
    if finite.size == 0:
        return Summary(np.nan, np.nan, np.nan, nans, infinities, ())
    scale = float(np.abs(finite).max()) or 1.0  # neither the mean nor a bin overflows
    minimum, maximum = float(finite.min()), float(finite.max())
    counts: tuple[int, ...] = ()
    if minimum < maximum:
        low, high = minimum / scale, maximum / scale
        place = (finite / scale - low) / (high - low) * BINS
        bins = np.minimum(place.astype(np.int64), BINS - 1)
        counts = tuple(np.bincount(bins, minlength=BINS).tolist())
    return Summary(minimum, float(np.mean(finite / scale)) * scale, maximum, nans, infinities, counts)


def histogram_svg(counts: tuple[int, ...]) -> str:
    """Bars, the highest 20 units high."""
    most = max(counts)
    bars = "".join(
        f'<rect x="{4 * i}" y="{20 - height:.1f}" width="3" height="{height:.1f}"/>'
        for i, height in enumerate(20 * n / most for n in counts)
        if height
    )
    return f'<svg class="histogram" viewBox="0 0 {4 * len(counts)} 20" role="img" aria-label="histogram">{bars}</svg>'
