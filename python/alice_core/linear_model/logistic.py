"""Logistic regression: linear scores, a sigmoid or a softmax, and the cross-entropy, minimised to the end."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import alice_core as ac

from ..checks import checked_flag, checked_int, checked_number, shown
from ..estimators import Array, Classifier, ConvergenceWarning

__all__ = ["LogisticRegression"]


def _objective(loss: Callable[..., ac.Tensor]) -> Callable[..., ac.Tensor]:
    def objective(p: dict[str, ac.Tensor], x: ac.Tensor, y: ac.Tensor, pull: ac.Tensor, *weights: ac.Tensor) -> Any:
        scores = x @ p["w"]
        if "b" in p:
            scores = scores + p["b"]
        mean = ac.sum(ac.multiply(loss(scores, y, "none"), weights[0])) if weights else loss(scores, y)
        return mean + pull * ac.sum(ac.square(p["w"]))

    return objective


def _widest_spread(x: Array, weights: Array | None) -> float:
    """The root mean square along the direction in which it is largest, by some steps of the power method."""
    largest = float(np.abs(x).max())
    if largest == 0:
        return 1.0
    x = x / largest
    shares = np.full(len(x), 1 / len(x)) if weights is None else weights / weights.sum()
    v, length = np.sqrt(shares @ (x * x)), 1.0
    for _ in range(8):
        v = x.T @ (shares * (x @ v))
        length = float(np.linalg.norm(v)) or 1.0  # orthogonal to all rows, by an odd chance
        v = v / length
    return largest * math.sqrt(length)


class LogisticRegression(Classifier):
    """Classes from linear scores: minimises ``C Σ cross-entropy + ½ |W|²``, the intercepts left free.

    Two classes have one score, more have one each (multinomial). Minimised by L-BFGS, on one compiled program, with
    features that are centred: then weights and intercepts hardly depend on each other, and far fewer steps are needed.

    Parameters
    ----------
    C : float
        Positive: how much the data count against the pull towards zero; ``math.inf`` for no pull.
    fit_intercept : bool
        False leaves the intercepts out.
    tol : float
        Converged when no element of the gradient of the mean loss, by the weights of the centred features and by the
        intercepts, is larger.
    max_iter : int
    class_weight : dict or "balanced", optional
        How much the rows of each class count: a number by label, 1 for those that are not named; "balanced" for numbers
        that give all classes the same sum.

    Attributes
    ----------
    coef_ : numpy.ndarray, shape (1, features) for two classes, else (classes, features)
    intercept_ : numpy.ndarray, shape (1,) or (classes,)
    classes_ : numpy.ndarray
        Labels, sorted.
    loss_ : float
        The (weighted) mean cross-entropy at the end, with the pull divided by C and by n, the sum of the weights.
    n_iter_ : numpy.ndarray of int, shape (1,)
    converged_ : bool
        Whether ``tol`` was met, or rounding errors hide any further fall; if not, fit warns.
    n_features_in_ : int

    Raises
    ------
    ValueError
        If an argument is out of range, data are not finite, or there is one class only.
    ShapeError
        If X is not 2-d, or y does not fit.

    Source
    ------
    Notes, sections 4.2 and 4.3; Nocedal, Wright, "Numerical optimization", 2nd edition, 2006, for L-BFGS.

    Examples
    --------
    >>> from alice_core.linear_model import LogisticRegression
    >>> model = LogisticRegression().fit([[-2.0], [-1.0], [1.0], [2.0]], ["no", "no", "yes", "yes"])
    >>> model.predict([[3.0], [-0.5]])
    array(['yes', 'no'], dtype='<U3')
    >>> model.predict_proba([[0.0]]).round(3)
    array([[0.5, 0.5]])
    """

    def __init__(
        self,
        C: float = 1.0,
        fit_intercept: bool = True,
        tol: float = 1e-4,
        max_iter: int = 1000,
        class_weight: Any = None,
    ) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LogisticRegression:
        """Learn from X of shape (n, features) and labels y of shape (n,).

        ``sample_weight``, of shape (n,), is how many times each row counts. Rows of weight 0 are as if they were not
        there, their classes too.
        """
        name = "LogisticRegression"
        C, tol = checked_number(name, "C", self.C), checked_number(name, "tol", self.tol)
        max_iter = checked_int(name, "max_iter", self.max_iter)
        fit_intercept = checked_flag(name, "fit_intercept", self.fit_intercept)
        if not (C > 0 and tol >= 0 and max_iter >= 1):
            raise ValueError(f"{name}: C, tol and max_iter must be positive; got {C}, {tol}, {max_iter}")
        x, labels, weights = self.without_weightless(*self.checked_data(X, y), sample_weight)
        index = self.encoded(labels)
        weights = self._with_class_weights(index, weights)
        n = len(x) if weights is None else float(weights.sum())
        # The mean, as scikit-learn has it, so that tolerances mean the same.
        shares = () if weights is None else (ac.asarray(weights / n),)
        pull = 0.0 if math.isinf(C) else 0.5 / (C * n)
        mean = np.zeros(x.shape[1])
        if fit_intercept:
            mean = np.average(x, axis=0, weights=weights)
            x = x - mean
        # In these units the curvature by the weights is at most that by the intercepts, and neither is lost beside the
        # other.
        scale = _widest_spread(x, weights)
        x = x / scale
        found = ac.optim.minimize(
            _objective(ac.losses.binary_cross_entropy_with_logits if self._two else ac.losses.cross_entropy),
            self._start(x.shape[1]),
            (
                ac.asarray(x),
                ac.asarray(index.astype(float) if self._two else index),
                ac.tensor(pull / scale / scale, ac.float64),
                *shares,
            ),
            gtol=tol / max(1.0, scale),
            ftol=0.0,
            max_iter=max_iter,
        )
        w = found.x["w"].numpy().reshape(x.shape[1], -1) / scale
        b = found.x["b"].numpy() if fit_intercept else np.zeros(w.shape[1])
        self.coef_, self.intercept_ = np.ascontiguousarray(w.T), np.reshape(b - mean @ w, -1)
        self.loss_, self.n_iter_ = found.fun, np.array([found.nit])
        self.converged_ = found.status in (0, 2)
        if not self.converged_:
            warnings.warn(
                f"{name}: did not converge ({found.message}); standardise the features, or raise max_iter",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    @property
    def _two(self) -> bool:
        return len(self.classes_) == 2

    def _start(self, features: int) -> dict[str, Array]:
        start = {"w": np.zeros(features if self._two else (features, len(self.classes_)))}
        if self.fit_intercept:
            start["b"] = np.zeros(() if self._two else len(self.classes_))
        return start

    def _with_class_weights(self, index: Array, weights: Array | None) -> Array | None:
        """Weights of rows times those of their classes."""
        given, m = self.class_weight, len(self.classes_)
        if given is None:
            return weights
        rows = np.ones(len(index)) if weights is None else weights
        if isinstance(given, str) and given == "balanced":
            of_class = rows.sum() / (m * np.bincount(index, rows, m))
        elif isinstance(given, Mapping):
            of_class = self._named_weights(given)
        else:
            raise ValueError(
                f'LogisticRegression: class_weight must be None, "balanced" or a dict of numbers by label; got '
                f"{shown(given)}"
            )
        total: Array = rows * of_class[index]
        return total

    def _named_weights(self, given: Mapping[Any, Any]) -> Array:
        labels = self.classes_.tolist()
        unknown = [label for label in given if label not in labels]
        if unknown:
            raise ValueError(
                f"LogisticRegression: class_weight must name labels that there are, {labels}; got {unknown[0]!r}"
            )
        name = "LogisticRegression"
        found = np.array([checked_number(name, f"class_weight[{c!r}]", given.get(c, 1.0)) for c in labels])
        if not (np.isfinite(found).all() and (found > 0).all()):
            raise ValueError(f"{name}: class_weight must be positive and finite; got {dict(given)}")
        return found

    def decision_function(self, X: Any) -> Array:
        """Scores (logits): of the second class, shape (n,), where there are two; else of all, (n, classes)."""
        scores: Array = self.checked_features(X, False) @ self.coef_.T + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict_proba(self, X: Any) -> Array:
        """Probabilities of shape (n, classes), in the order of ``classes_``."""
        scores = self.decision_function(X)
        pair = np.stack([-scores, scores], axis=1) / 2 if scores.ndim == 1 else scores
        probabilities: Array = ac.softmax(ac.asarray(pair), axis=1).numpy()
        return probabilities
