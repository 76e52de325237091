"""Logistic regression: linear scores, a sigmoid or a softmax, and the cross-entropy, minimised to the end."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import alice_core as ac

from ..checks import checked_int, checked_number
from ..estimators import Array, Classifier, ConvergenceWarning

__all__ = ["LogisticRegression"]


def _objective(loss: Callable[..., ac.Tensor]) -> Callable[..., ac.Tensor]:
    def objective(p: dict[str, ac.Tensor], x: ac.Tensor, y: ac.Tensor, pull: ac.Tensor) -> ac.Tensor:
        scores = x @ p["w"]
        return loss(scores + p["b"] if "b" in p else scores, y) + pull * ac.sum(ac.square(p["w"]))

    return objective


class LogisticRegression(Classifier):
    """Classes from linear scores: minimises ``C Σ cross-entropy + ½ |W|²``, the intercepts left free.

    Two classes have one score, more have one each (multinomial). Minimised by L-BFGS, on one compiled program.

    Parameters
    ----------
    C : float
        Positive: how much the data count against the pull towards zero; ``math.inf`` for no pull.
    fit_intercept : bool
        False leaves the intercepts out.
    tol : float
        Converged when no element of the gradient of the mean loss is larger.
    max_iter : int

    Attributes
    ----------
    coef_ : numpy.ndarray, shape (1, features) for two classes, else (classes, features)
    intercept_ : numpy.ndarray, shape (1,) or (classes,)
    classes_ : numpy.ndarray
        Labels, sorted.
    loss_ : float
        The mean cross-entropy at the end, with the pull divided by ``C n``.
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

    def __init__(self, C: float = 1.0, fit_intercept: bool = True, tol: float = 1e-4, max_iter: int = 1000) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any) -> LogisticRegression:
        """Learn from X of shape (n, features) and labels y of shape (n,)."""
        name = "LogisticRegression"
        C, tol = checked_number(name, "C", self.C), checked_number(name, "tol", self.tol)
        max_iter = checked_int(name, "max_iter", self.max_iter)
        if not (C > 0 and tol >= 0 and max_iter >= 1):
            raise ValueError(f"{name}: C, tol and max_iter must be positive; got {C}, {tol}, {max_iter}")
        x, labels = self.checked_data(X, y)
        index = self.encoded(labels)
        n, c, m = len(x), x.shape[1], len(self.classes_)
        two = m == 2
        start = {"w": np.zeros(c if two else (c, m))}
        if self.fit_intercept:
            start["b"] = np.zeros(() if two else m)
        objective = _objective(ac.losses.binary_cross_entropy_with_logits if two else ac.losses.cross_entropy)
        target = ac.asarray(index.astype(np.float64) if two else index)
        # The mean, as scikit-learn has it, so that tolerances mean the same.
        pull = 0.0 if math.isinf(C) else 0.5 / (C * n)
        result = ac.optim.minimize(
            objective,
            start,
            (ac.asarray(x), target, ac.tensor(pull, ac.float64)),
            gtol=tol,
            ftol=0.0,
            max_iter=max_iter,
        )
        w, b = result.x["w"].numpy(), result.x["b"].numpy() if self.fit_intercept else np.zeros(1 if two else m)
        self.coef_ = np.array(w.reshape(1, c) if two else w.T)
        self.intercept_ = np.array(b).reshape(-1)
        self.loss_, self.n_iter_ = result.fun, np.array([result.nit])
        self.converged_ = result.status in (0, 2)
        if not self.converged_:
            warnings.warn(
                f"{name}: did not converge ({result.message}); standardise the features, or raise max_iter",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

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
