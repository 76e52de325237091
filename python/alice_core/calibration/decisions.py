"""What to do about probabilities: the answer that costs least, and sets of answers that hold what they promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import alice_core as ac

from ..checks import checked_number
from ..estimators import NotFittedError, checked_classes
from ._arrays import Array, floats, probabilities

__all__ = ["ConformalClassifier", "cost_sensitive_decision"]


def cost_sensitive_decision(probabilities: Any, costs: Any) -> Array:
    """The answer of least expected cost: ``arg min_i Σ_j costs[i, j] p_j``.

    Parameters
    ----------
    probabilities : array_like, shape (n, classes), or (classes,) for one row
        Calibrated, or the costs are not what is expected.
    costs : array_like, shape (answers, classes)
        ``costs[i, j]``: of answering i where j is true. Rows are answers, columns are truths: with
        ``[[0, 10], [1, 0]]`` a missed 1 costs ten times as much as a false alarm, and 1 is the answer from a
        probability of 1/11 on.

    Returns
    -------
    numpy.ndarray of int, shape (n,)
        Rows of ``costs``; the first of equals.

    Raises
    ------
    ShapeError
        If costs have another number of columns than there are classes.
    ValueError
        If what should be probabilities are none, or costs are not finite.

    Source: notes, section 4.3.3, with erratum E-23.

    Examples
    --------
    >>> from alice_core.calibration import cost_sensitive_decision
    >>> cost_sensitive_decision([[0.85, 0.15], [0.95, 0.05]], costs=[[0, 10], [1, 0]])
    array([1, 0])
    """
    who = "cost_sensitive_decision"
    p = checked_rows(who, probabilities)
    c = floats(who, "costs", costs, 2)
    if c.shape[1] != p.shape[1]:
        raise ac.ShapeError(
            f"{who}: costs must have one column per class, {p.shape[1]}; got {c.shape}; rows are answers, columns are "
            f"truths"
        )
    answers: Array = np.argmin(p @ c.T, axis=1)
    return answers


def checked_rows(who: str, p: Any) -> Array:
    """Rows of probabilities; one alone is a row."""
    raw = np.asarray(p.detach().numpy() if isinstance(p, ac.Tensor) else p, dtype=np.float64)
    return probabilities(who, raw[None] if raw.ndim == 1 else raw)


class ConformalClassifier:
    """Sets of classes that have the true one with a probability of at least ``1 - alpha``, whatever the classifier.

    A set has every class whose score is at least a threshold. Split conformal prediction takes the largest one at which
    ``⌈(n + 1)(1 - alpha)⌉`` of n held-out rows have their true class: then a new row, drawn like those, has it with
    probability at least ``1 - alpha``. Scores need not be calibrated; better ones make smaller sets.

    Parameters
    ----------
    alpha : float
        Share of sets that may miss, between 0 and 1.

    Attributes
    ----------
    threshold_ : float
        Of the score; -inf, for sets of all classes, where there are fewer than ``1/alpha - 1`` held-out rows.

    Source
    ------
    Notes, section 4.3.3, with erratum E-25: the threshold is no level of probability, and not ``1 - alpha``; Vovk,
    Gammerman, Shafer, "Algorithmic learning in a random world", 2005.

    Examples
    --------
    >>> import numpy as np
    >>> from alice_core.calibration import ConformalClassifier
    >>> p = np.array([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1], [0.2, 0.8]])
    >>> conformal = ConformalClassifier(alpha=0.4).fit(p, [0, 0, 0, 1])
    >>> conformal.threshold_
    0.7
    >>> conformal.predict_set([[0.75, 0.25], [0.6, 0.4]])
    array([[ True, False],
           [False, False]])
    """

    threshold_: float

    def __init__(self, alpha: float = 0.1) -> None:
        self.alpha = alpha

    def fit(self, probabilities: Any, labels: Any) -> ConformalClassifier:
        """Find the threshold for held-out probabilities of shape (n, classes) and labels of shape (n,)."""
        who = "ConformalClassifier"
        alpha = checked_number(who, "alpha", self.alpha)
        if not 0 < alpha < 1:
            raise ValueError(f"{who}: alpha must be between 0 and 1; got {alpha}")
        p = checked_rows(who, probabilities)
        y = checked_classes(who, labels, p.shape[1])
        if len(y) != len(p):
            raise ac.ShapeError(f"{who}: probabilities and labels must have one length; got {p.shape} and {y.shape}")
        self._classes = p.shape[1]
        own = np.sort(p[np.arange(len(y)), y])[::-1]
        needed = math.ceil((len(y) + 1) * (1 - alpha) - 1e-9)  # what rounding adds is no row more
        self.threshold_ = float(own[needed - 1]) if needed <= len(y) else -math.inf
        return self

    def predict_set(self, probabilities: Any) -> Array:
        """A mask of shape (n, classes): which classes are in the set of each row."""
        if not hasattr(self, "threshold_"):
            raise NotFittedError("ConformalClassifier: not fitted yet; call fit(probabilities, labels) first")
        p = checked_rows("ConformalClassifier", probabilities)
        if p.shape[1] != self._classes:
            raise ac.ShapeError(
                f"ConformalClassifier: probabilities must have the {self._classes} classes that fit saw; got {p.shape}"
            )
        mask: Array = p >= self.threshold_
        return mask
