"""One number that makes a classifier more or less sure of itself."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

import alice_core as ac

from ..estimators import ConvergenceWarning, NotFittedError, checked_classes
from ._arrays import Array, floats

__all__ = ["TemperatureScaling"]


def _nll(log_t: ac.Tensor, logits: ac.Tensor, labels: ac.Tensor) -> ac.Tensor:
    return ac.losses.cross_entropy(logits / ac.exp(log_t), labels)


class TemperatureScaling:
    """Divide logits by the temperature T that makes held-out labels most probable.

    T is found by L-BFGS on the cross-entropy as a function of log T, so that it stays positive, with the slope of
    automatic differentiation. Answers stay what they were: only how sure they are changes.

    Attributes
    ----------
    temperature_ : float
        Above 1 for a classifier that was too sure.
    nll_before_, nll_ : float
        Mean cross-entropy in nats with T = 1, and with T.
    converged_ : bool
        Whether the slope vanished. It cannot if every answer is right, and T falls to 0, or if chance is as good, and
        it grows without end; then T is held between 1e-4 and 1e4, and fit warns.
    n_iter_ : int

    Source
    ------
    Notes, section 4.3.3; Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from alice_core.calibration import TemperatureScaling
    >>> logits, labels = np.array([[9.0, 0.0]] * 3 + [[0.0, 9.0]]), [0, 0, 1, 1]
    >>> scaling = TemperatureScaling().fit(logits, labels)
    >>> round(scaling.temperature_, 3), scaling.converged_
    (8.192, True)
    >>> scaling.predict_proba(logits).max(axis=1).round(3)
    array([0.75, 0.75, 0.75, 0.75])
    """

    temperature_: float

    def fit(self, logits: Any, labels: Any) -> TemperatureScaling:
        """Find T for logits of shape (n, classes) and labels of shape (n,); neither should have been trained on."""
        who = "TemperatureScaling"
        z = floats(who, "logits", logits, 2)
        y = checked_classes(who, labels, z.shape[1])
        if len(y) != len(z):
            raise ac.ShapeError(f"{who}: logits and labels must have one length; got {z.shape} and {y.shape}")
        given = ac.asarray(z), ac.asarray(y)
        self.nll_before_ = float(_nll(ac.tensor(0.0, ac.float64), *given))
        bound = math.log(1e4)
        result = ac.optim.minimize(
            _nll, ac.tensor(0.0, ac.float64), given, bounds=(-bound, bound), gtol=1e-10, ftol=0.0, max_iter=200
        )
        log_t = float(result.x)
        self.temperature_, self.nll_, self.n_iter_ = math.exp(log_t), result.fun, result.nit
        slope = float(ac.grad(_nll)(result.x, *given))
        self.converged_ = abs(slope) <= 1e-7 and abs(log_t) < 0.999 * bound and self._is_minimum(result.x, given)
        if not self.converged_:
            warnings.warn(
                f"{who}: no temperature is best: T went to {self.temperature_:.3g}; are there wrong answers among the "
                f"labels, and right ones?",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    @staticmethod
    def _is_minimum(log_t: ac.Tensor, given: tuple[ac.Tensor, ac.Tensor]) -> bool:
        """Does the loss curve upwards here, or is it only flat?"""
        return float(ac.grad(ac.grad(_nll))(log_t, *given)) > 1e-6

    def transform(self, logits: Any) -> ac.Tensor:
        """``logits / T``, differentiable by the logits."""
        if not hasattr(self, "temperature_"):
            raise NotFittedError("TemperatureScaling: not fitted yet; call fit(logits, labels) first")
        return ac.asarray(logits) / self.temperature_

    def predict_proba(self, logits: Any) -> Array:
        """Probabilities of shape (n, classes): the softmax of ``logits / T``."""
        z = self.transform(floats("TemperatureScaling", "logits", logits, 2))
        p: Array = np.array(ac.softmax(z, axis=1).numpy())
        return p
