"""What estimators have in common: parameters that can be read and set, data that is checked, scores.

An estimator keeps what it was given under the names of its arguments, learns in ``fit``, and ends the names of what it
learned with an underscore. That is the protocol of scikit-learn, so that pipelines and searches take estimators of this
package; scikit-learn itself is not needed, and imported by nobody here unless it asks.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

import alice_core as ac

from .checks import shown
from .extras import require

__all__ = ["Classifier", "ConvergenceWarning", "Estimator", "NotFittedError", "Regressor", "checked_classes"]

Array = npt.NDArray[Any]


class NotFittedError(ac.AliceError, ValueError, AttributeError):
    """An estimator was asked before it had learned."""


class ConvergenceWarning(UserWarning):
    """A fit ended before it converged."""


def _with_scikit_learn(own: type[Any], module: str, name: str) -> type[Any]:
    """Our class, or where scikit-learn is loaded one that its code takes for its own as well."""
    theirs = getattr(sys.modules.get(module), name, None)
    if theirs is None or issubclass(theirs, own):
        return theirs or own
    return type(own.__name__, (own, theirs), {"__module__": own.__module__})


class Estimator:
    """Base of all estimators: parameters, and the checks of what comes in.

    Subclasses store the arguments of ``__init__`` unchanged under their own names, and look at them in ``fit``.

    Examples
    --------
    >>> from alice_core.linear_model import Ridge
    >>> Ridge(alpha=2.0)
    Ridge(alpha=2.0)
    >>> Ridge().set_params(alpha=3.0).get_params()
    {'alpha': 3.0, 'fit_intercept': True}
    """

    @classmethod
    def _parameters(cls) -> list[inspect.Parameter]:
        return [p for p in inspect.signature(cls.__init__).parameters.values() if p.name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments of ``__init__`` by name."""
        return {p.name: getattr(self, p.name) for p in sorted(self._parameters(), key=lambda p: p.name)}

    def set_params(self, **params: Any) -> Any:
        """Set arguments of ``__init__`` by name; returns the estimator."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise ValueError(
                    f"{type(self).__name__}: set_params takes {', '.join(known)}; got {name!r}, an invalid parameter"
                )
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        given = (p for p in self._parameters() if repr(getattr(self, p.name)) != repr(p.default))
        return f"{type(self).__name__}({', '.join(f'{p.name}={getattr(self, p.name)!r}' for p in given)})"

    def __sklearn_tags__(self) -> Any:
        tags = require("sklearn.utils", "scikit-learn", type(self).__name__)
        return tags.Tags(estimator_type=None, target_tags=tags.TargetTags(required=True))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")

    # -- what comes in ------------------------------------------------------------------------------------------------

    def checked_features(self, X: Any, first: bool, dtype: Any = np.float64) -> Array:
        """X as an array of finite numbers, one row per example, of as many features as ``fit`` saw."""
        name = type(self).__name__
        if not first and not self.__sklearn_is_fitted__():
            error = _with_scikit_learn(NotFittedError, "sklearn.exceptions", "NotFittedError")
            raise error(f"{name}: not fitted yet; call fit(X, y) first")
        x = _numbers(name, "X", X, dtype)
        if x.ndim != 2:
            raise ac.ShapeError(
                f"{name}: X must have shape (n, features), 2-d; got {x.shape}. Reshape your data: X.reshape(-1, 1) for "
                f"one feature, X.reshape(1, -1) for one example"
            )
        if x.shape[0] == 0:
            raise ac.ShapeError(
                f"{name}: Found array with 0 sample(s) (shape={x.shape}) while a minimum of 1 is required."
            )
        if x.shape[1] == 0:
            raise ac.ShapeError(
                f"{name}: Found array with 0 feature(s) (shape={x.shape}) while a minimum of 1 is required."
            )
        self._check_names(X, first)
        if first:
            self.n_features_in_ = x.shape[1]
        elif x.shape[1] != self.n_features_in_:
            raise ac.ShapeError(
                f"{name}: X has {x.shape[1]} features, but {name} is expecting {self.n_features_in_} features as input"
            )
        return x

    def _check_names(self, X: Any, first: bool) -> None:
        """Columns that have names must have those that ``fit`` saw, in their order."""
        columns = getattr(X, "columns", None)
        named = columns is not None and len(columns) > 0 and all(isinstance(c, str) for c in columns)
        names = np.asarray(columns, dtype=object) if named else None
        seen = getattr(self, "feature_names_in_", None)
        if first:
            if names is not None:
                self.feature_names_in_ = names
            elif seen is not None:
                del self.feature_names_in_
        elif names is not None and seen is not None and list(names) != list(seen):
            raise ValueError(
                f"{type(self).__name__}: The feature names should match those that were passed during fit; expected "
                f"{', '.join(seen)}, got {', '.join(names)}"
            )

    def checked_weights(self, sample_weight: Any, n: int) -> Array | None:
        """What each of n rows counts, None where all count alike."""
        if sample_weight is None:
            return None
        name = type(self).__name__
        weights = _numbers(name, "sample_weight", sample_weight, np.float64)
        if weights.shape != (n,):
            raise ac.ShapeError(
                f"{name}: sample_weight must have shape ({n},), one number per row of X; got {weights.shape}"
            )
        if (weights < 0).any() or not weights.any():
            wrong = f"{weights.min():g}" if weights.any() else "all zero"
            raise ValueError(f"{name}: sample_weight must not be negative, and not all zero; got {wrong}")
        with np.errstate(over="ignore"):
            if not np.isfinite(weights.sum()):
                raise ValueError(f"{name}: sample_weight must have a finite sum; got weights up to {weights.max():g}")
        return weights

    def without_weightless(self, x: Array, y: Array, sample_weight: Any) -> tuple[Array, Array, Array | None]:
        """Data without the rows of weight 0, which are as if they were not there, and the weights of the others."""
        weights = self.checked_weights(sample_weight, len(x))
        if weights is None:
            return x, y, None
        counts = weights > 0
        return x[counts], y[counts], weights[counts]

    def checked_length(self, x: Array, y: Array) -> None:
        if len(x) != len(y):
            raise ac.ShapeError(
                f"{type(self).__name__}: X and y must have the same number of rows; got X {x.shape}, y {y.shape}"
            )


def _numbers(who: str, name: str, x: Any, dtype: Any) -> Array:
    if hasattr(x, "toarray") and "sparse" in type(x).__module__:
        raise TypeError(f"{who}: {name} must be dense; got a sparse matrix; write {name}.toarray()")
    if np.ma.is_masked(x):
        raise ValueError(f"{who}: {name} must have all of its items; got a masked array; remove or impute such rows")
    try:
        raw = x.numpy() if isinstance(x, ac.Tensor) else np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{who}: {name} must be an array of numbers; got {shown(x)}: {error}") from None
    if raw.dtype.kind == "c":
        raise ValueError(f"{who}: Complex data not supported; got {name} of dtype {raw.dtype}")
    if raw.dtype.kind in "USO" and raw.dtype.kind != "O":
        raise ValueError(f"{who}: {name} must be numbers; got dtype {raw.dtype}; encode texts first")
    if raw.dtype.kind in "mM":
        raise ValueError(f"{who}: {name} must be numbers; got dtype {raw.dtype}; say in which unit and from when on")
    try:
        if raw.dtype != dtype and raw.dtype in (np.float32, np.float64):  # into memory that we have, if we have some
            array = ac.asarray(raw, copy=False).astype(dtype).numpy()
        else:
            array = np.asarray(raw, dtype=dtype)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{who}: {name} must be numbers; {error}; encode texts and categories first") from None
    with np.errstate(over="ignore", invalid="ignore"):
        total = array.sum()  # takes no memory, and is finite if all are, but for overflows
    if not np.isfinite(total) and not np.isfinite(array).all():
        wrong = "NaN" if np.isnan(array).any() else "infinity"
        raise ValueError(f"{who}: Input {name} contains {wrong}; remove or impute such rows")
    return array


class Regressor(Estimator):
    """Base of estimators of numbers; ``score`` is the coefficient of determination."""

    _estimator_type = "regressor"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "regressor"
        tags.regressor_tags = require("sklearn.utils", "scikit-learn", type(self).__name__).RegressorTags()
        tags.target_tags.multi_output = True
        return tags

    def checked_data(self, X: Any, y: Any, dtype: Any = np.float64) -> tuple[Array, Array]:
        if y is None:
            raise ValueError(f"{type(self).__name__}: requires y to be passed, but the target y is None")
        x = self.checked_features(X, True, dtype)
        targets = _numbers(type(self).__name__, "y", y, dtype)
        if targets.ndim not in (1, 2) or targets.shape[1:] == (0,):
            raise ac.ShapeError(
                f"{type(self).__name__}: y must have shape (n,), or (n, k) for k outputs; got {targets.shape}"
            )
        self.checked_length(x, targets)
        return x, targets

    def predict(self, X: Any) -> Array:
        """The predicted numbers, of shape (n,) or (n, k)."""
        raise NotImplementedError

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Coefficient of determination: 1 less the share of the variance that is left; the mean over outputs."""
        true, found = _numbers(type(self).__name__, "y", y, np.float64), self.predict(X)
        if true.shape != found.shape:
            raise ac.ShapeError(
                f"{type(self).__name__}: y must have the shape of the predictions, {found.shape}; got {true.shape}"
            )
        weights = self.checked_weights(sample_weight, len(true))
        weights = np.ones(len(true)) if weights is None else weights
        left = weights @ (true - found) ** 2
        total = weights @ (true - np.average(true, axis=0, weights=weights)) ** 2
        shares = np.where(total > 0, left / np.where(total > 0, total, 1.0), np.where(left > 0, 1.0, 0.0))
        return float(np.mean(1.0 - shares))


class Classifier(Estimator):
    """Base of estimators of classes; ``score`` is the share of right answers."""

    _estimator_type = "classifier"

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        tags.classifier_tags = require("sklearn.utils", "scikit-learn", type(self).__name__).ClassifierTags()
        return tags

    def checked_data(self, X: Any, y: Any, dtype: Any = np.float64) -> tuple[Array, Array]:
        """X, and labels as they are, one per row."""
        if y is None:
            raise ValueError(f"{type(self).__name__}: requires y to be passed, but the target y is None")
        x, labels = self.checked_features(X, True, dtype), self.checked_labels(y)
        self.checked_length(x, labels)
        return x, labels

    def checked_labels(self, y: Any) -> Array:
        """Labels as they are, a vector."""
        name = type(self).__name__
        if np.ma.is_masked(y):
            raise ValueError(f"{name}: y must have all of its labels; got a masked array; remove such rows")
        labels = y.numpy() if isinstance(y, ac.Tensor) else np.asarray(y)
        if labels.ndim == 2 and labels.shape[1] == 1:
            category = _with_scikit_learn(UserWarning, "sklearn.exceptions", "DataConversionWarning")
            warnings.warn(
                f"A column-vector y was passed when a 1d array was expected by {name}; got {labels.shape}; write "
                f"y.ravel()",
                category,
                stacklevel=3,
            )
            labels = labels[:, 0]
        if labels.ndim != 1:
            raise ac.ShapeError(f"{name}: y must have shape (n,), one class per row; got {labels.shape}")
        if labels.dtype.kind == "f":
            if not np.isfinite(labels).all():
                raise ValueError(f"{name}: Input y contains NaN or infinity")
            if (labels != np.floor(labels)).any():
                raise ValueError(f"{name}: Unknown label type: continuous; y must be classes, not real numbers")
        elif labels.dtype.kind == "c":
            raise ValueError(f"{name}: Complex data not supported; got y of dtype {labels.dtype}")
        return labels

    def encoded(self, labels: Array) -> Array:
        """Indices into ``classes_``, which this sets."""
        try:
            self.classes_, index = np.unique(labels, return_inverse=True)
        except TypeError as error:
            raise TypeError(
                f"{type(self).__name__}: y must be labels of one kind, which have an order; {error}"
            ) from None
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__}: needs at least two classes; got one class, {self.classes_.tolist()[0]!r}"
            )
        return index.reshape(-1)

    def predict_proba(self, X: Any) -> Array:
        """Probabilities of shape (n, classes), in the order of ``classes_``."""
        raise NotImplementedError

    def predict(self, X: Any) -> Array:
        """The most probable class of each row; the first of equals."""
        best = np.argmax(self.predict_proba(X), axis=1)
        labels: Array = self.classes_[best]
        return labels

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of rows whose most probable class is the right one."""
        labels, found = y.numpy() if isinstance(y, ac.Tensor) else np.asarray(y), self.predict(X)
        if labels.shape not in (found.shape, (len(found), 1)):
            raise ac.ShapeError(f"{type(self).__name__}: y must have shape {found.shape}; got {labels.shape}")
        weights = self.checked_weights(sample_weight, len(found))
        return float(np.average(found == labels.reshape(-1), weights=weights))


def checked_classes(who: str, labels: Any, n_classes: int) -> Array:
    """Labels as indices from 0 to ``n_classes - 1``, else an error; ``who`` is who complains.

    Examples
    --------
    >>> from alice_core.estimators import checked_classes
    >>> checked_classes("calibrate", [0, 2, 1], 2)
    Traceback (most recent call last):
    ...
    ValueError: calibrate: labels must be classes from 0 to 1; got 2
    """
    y = labels.numpy() if isinstance(labels, ac.Tensor) else np.asarray(labels)
    if y.ndim != 1 or y.dtype.kind not in "iub":
        raise ac.DTypeError(f"{who}: labels must be a vector of integers; got {shown(y)}, dtype {y.dtype}")
    wrong = (y < 0) | (y >= n_classes)
    if wrong.any():
        raise ValueError(f"{who}: labels must be classes from 0 to {n_classes - 1}; got {y[wrong][0]}")
    return y.astype(np.int64)
