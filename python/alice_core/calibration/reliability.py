"""How often answers of each confidence are right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import alice_core as ac

from ..checks import checked_int
from ..plot import BLUE, GREY, ORANGE, draw_figure
from ._arrays import Array, floats

__all__ = ["ReliabilityCurve", "expected_calibration_error", "reliability_curve"]


@dataclass(frozen=True)
class ReliabilityCurve:
    """Answers by confidence; a bin is open below and closed above, but that the first one has 0 too.

    Attributes
    ----------
    edges : numpy.ndarray, shape (bins + 1,)
        From 0 to 1, equally far apart: bin i is ``(edges[i], edges[i + 1]]``.
    counts : numpy.ndarray of int, shape (bins,)
        Answers in each bin.
    confidence, accuracy : numpy.ndarray, shape (bins,)
        Mean confidence, and share of right answers, in each bin; NaN in empty ones.
    """

    edges: Array
    counts: Array
    confidence: Array
    accuracy: Array

    @property
    def expected_error(self) -> float:
        """The expected calibration error, see :func:`expected_calibration_error`."""
        full = self.counts > 0
        gaps = np.abs(self.accuracy[full] - self.confidence[full])
        return float(np.sum(self.counts[full] / self.counts.sum() * gaps))

    @property
    def largest_error(self) -> float:
        """The maximum calibration error: the largest gap of any bin."""
        full = self.counts > 0
        return float(np.abs(self.accuracy[full] - self.confidence[full]).max())

    def draw(self, path: str | Path, title: str = "Reliability") -> Path:
        """Draw the reliability diagram as a PNG file. Needs matplotlib (extra ``demo``)."""
        width = np.diff(self.edges)
        full = self.counts > 0

        def fill(figure: Any) -> None:
            above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
            above.bar(
                self.edges[:-1][full], self.accuracy[full], width[full], align="edge", color=BLUE, edgecolor="white",
                label="accuracy",
            )  # fmt: skip
            above.plot(
                self.confidence[full], self.accuracy[full], "o", color=ORANGE, markersize=4, label="mean confidence"
            )
            above.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="calibrated")
            above.set(title=f"{title}, ECE {self.expected_error:.3f}", ylabel="right answers", xlim=(0, 1), ylim=(0, 1))
            above.legend(loc="upper left")
            below.bar(self.edges[:-1], self.counts, width, align="edge", color=GREY, edgecolor="white")
            below.set(xlabel="confidence", ylabel="answers")

        return draw_figure(path, (5.2, 5.6), fill)


def reliability_curve(confidence: Any, correct: Any, n_bins: int = 15) -> ReliabilityCurve:
    """Sort answers by confidence into bins, and compare confidence with accuracy in each.

    Parameters
    ----------
    confidence : array_like, shape (n,)
        What the classifier gave its answers, between 0 and 1: ``p.max(axis=1)``.
    correct : array_like of bool, shape (n,)
        Whether they were right: ``p.argmax(axis=1) == labels``.
    n_bins : int
        Bins between 0 and 1, all of one width. A number on an edge belongs to the bin below it, 0 to the first.

    Returns
    -------
    ReliabilityCurve

    Raises
    ------
    ShapeError
        If the arguments are not vectors of one length.
    ValueError
        If a confidence is not between 0 and 1, or correct is neither true nor false.

    Source: notes, section 4.3.3; Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", 2017.

    Examples
    --------
    >>> from alice_core.calibration import reliability_curve
    >>> curve = reliability_curve([0.9, 0.8, 0.2], [True, False, False], n_bins=2)
    >>> curve.counts, curve.accuracy, curve.confidence
    (array([1, 2]), array([0. , 0.5]), array([0.2 , 0.85]))
    """
    who = "reliability_curve"
    p = floats(who, "confidence", confidence, 1)
    right = correct.numpy() if isinstance(correct, ac.Tensor) else np.asarray(correct)
    if right.shape != p.shape:
        raise ac.ShapeError(f"{who}: confidence and correct must have one length; got {p.shape} and {right.shape}")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"{who}: confidence must be between 0 and 1; got {p[(p < 0) | (p > 1)][0]}")
    if not np.isin(right, (0, 1)).all():
        raise ValueError(f"{who}: correct must be true or false; got {right[~np.isin(right, (0, 1))][0]}")
    if checked_int(who, "n_bins", n_bins) < 1:
        raise ValueError(f"{who}: n_bins must be at least 1; got {n_bins}")
    edges = np.arange(n_bins + 1) / n_bins
    place = np.searchsorted(edges, p, side="left").clip(1, n_bins) - 1
    counts = np.bincount(place, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(place, weights=x, minlength=n_bins) / counts for x in (p, right.astype(np.float64))]
    return ReliabilityCurve(edges, counts, *means)


def expected_calibration_error(confidence: Any, correct: Any, n_bins: int = 15) -> float:
    """Expected calibration error: ``Σ_i n_i / n |accuracy_i - confidence_i|`` over the bins of the reliability curve.

    Parameters, errors and bins, with their edges, are those of :func:`reliability_curve`. Empty bins count nothing.

    Returns
    -------
    float
        From 0, calibrated, to 1.

    Source: notes, section 4.3.3.

    Examples
    --------
    >>> from alice_core.calibration import expected_calibration_error
    >>> round(expected_calibration_error([0.95, 0.85, 0.75, 0.65, 0.55], [1, 1, 0, 1, 0], n_bins=5), 12)
    0.23
    """
    return reliability_curve(confidence, correct, n_bins).expected_error
