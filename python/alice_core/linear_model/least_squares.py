"""Least squares: the closed forms, by way of factors that keep what the normal equations lose, and gradient descent.

Where there is an intercept, features and targets are centred first: the minimiser for the rest is the same, and columns
that lie far from 0 no longer look alike. Columns are then scaled to length 1, which changes no solution that is unique.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

import alice_core as ac

from ..checks import checked_choice, checked_flag, checked_int, checked_number
from ..estimators import Array, ConvergenceWarning, Regressor
from .refinement import column_lengths, refined

__all__ = ["LinearRegression", "Ridge"]

SOLVERS = ("lstsq", "normal", "qr", "refined", "gd")


class _LeastSquares(Regressor):
    """Prediction, and what is reported of a fit."""

    coef_: Array
    intercept_: Any

    def predict(self, X: Any) -> Array:
        """``X @ coef_ + intercept_``."""
        x = self.checked_features(X, False)
        y: Array = x @ self.coef_.T + self.intercept_
        return y

    def _keep(self, x: Array, y: Array, weights: Array | None, w: Array, b: Array) -> None:
        """w of shape (features, outputs)."""
        flat = y.ndim == 1
        self.coef_ = w[:, 0] if flat else w.T
        self.intercept_ = float(b[0]) if flat else b
        residual = y.reshape(len(y), -1) - x @ w - b
        variance = np.average(residual**2, axis=0, weights=weights)
        self.noise_variance_ = float(variance[0]) if flat else variance


def _centred(x: Array, y: Array, weights: Array | None, intercept: bool) -> tuple[Array, Array, Array, Array]:
    """Features, targets of shape (n, k), and their means, or zeros. Rows are multiplied by the roots of their weights.

    Then the sum of squares is the weighted one.
    """
    y = y.reshape(len(y), -1)
    x_mean, y_mean = np.zeros(x.shape[1]), np.zeros(y.shape[1])
    if intercept:
        x_mean, y_mean = (np.average(v, axis=0, weights=weights) for v in (x, y))
        x, y = x - x_mean, y - y_mean
    if weights is not None:
        roots = np.sqrt(weights)[:, None]
        x, y = x * roots, y * roots
    return x, y, x_mean, y_mean


class LinearRegression(_LeastSquares):
    """Least squares: the weights that minimise ``|y - X w - b|²``.

    Parameters
    ----------
    solver : {"lstsq", "normal", "qr", "refined", "gd"}
        * "lstsq": singular values. Always has an answer; where many weights are best, the shortest.
        * "qr": orthogonal and triangular factors. Half the work; needs columns that are independent.
        * "normal": the normal equations ``XᵀX w = Xᵀy``. Least work, and half of the digits: the condition number of
          XᵀX is the square of that of X.
        * "refined": "qr", then corrections whose right sides are computed with twice the digits, until no more come:
          all digits that the data allow, for some times the work.
        * "gd": gradient descent, ``w + lr Xᵀ(y - X w)``.
    fit_intercept : bool
        False leaves b out.
    lr : float, optional
        Of gradient descent, below 2 over the largest eigenvalue of XᵀX. None: 1 over that eigenvalue.
    max_iter : int
        Of gradient descent.
    tol : float
        Gradient descent stops when a step has ``|w' - w|² < tol``.

    Attributes
    ----------
    coef_ : numpy.ndarray, shape (features,), or (k, features) for k outputs
    intercept_ : float, or numpy.ndarray of shape (k,)
    noise_variance_ : float, or numpy.ndarray of shape (k,)
        Mean squared residual, the maximum-likelihood estimate of σ². It is biased: n / (n - rank) times it is not.
    rank_ : int
        How many columns are independent, after centring.
    singular_ : numpy.ndarray
        Singular values of the centred features, the largest first.
    cond_ : float
        Their condition number, the largest singular value over the smallest: how many times larger a relative error in
        the result may be than in the data. Infinite where columns depend on each other.
    n_iter_ : int
        Steps of gradient descent; 1 for the others.
    n_features_in_ : int

    Accuracy
    --------
    NIST's reference problems, as ``bench/nist.py`` prints them: 11 digits and more where columns are well apart, 7 for
    a polynomial of degree 10 ("Filip") by "lstsq" and "qr"; "normal" refuses that one. 5 where the noise is 10,000
    times as large as the rest ("Wampler5"). "refined" gives 13 to 15 for all but Filip, whose powers of x are rounded
    before they come.

    Raises
    ------
    LinAlgError
        From "normal" and "qr", if columns depend on each other.
    ValueError
        If an argument is out of range, gradient descent diverges, or data are not finite.
    ShapeError
        If X is not 2-d, or y does not fit.

    Source
    ------
    Notes, section 4.1, with errata E-15 (the model is a function of w, b and X), E-16 (predictions change places with
    rows, they do not stay: equivariance), E-17 (the factor 2/n belongs to the gradient of the mean) and E-18 (targets
    of shape (n,) and weights of shape (features, 1) do not go together); section 5.1, with errata E-26 (of one feature
    doubled) and E-27 (effects must add up, features may be correlated);
    Golub, van Loan, "Matrix computations", 4th edition,
    2013, section 5.3.

    Examples
    --------
    >>> from alice_core.linear_model import LinearRegression
    >>> X, y = [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]
    >>> model = LinearRegression().fit(X, y)
    >>> model.coef_.round(6), round(model.intercept_, 6), model.rank_
    (array([2.]), 1.0, 1)
    >>> model.predict([[3.0]]).round(6)
    array([7.])
    """

    def __init__(
        self,
        solver: str = "lstsq",
        fit_intercept: bool = True,
        lr: float | None = None,
        max_iter: int = 15_000,
        tol: float = 1e-20,
    ) -> None:
        self.solver = solver
        self.fit_intercept = fit_intercept
        self.lr = lr
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LinearRegression:
        """Learn from X of shape (n, features) and y of shape (n,) or (n, k); see :class:`Ridge` for weights."""
        solver = checked_choice("LinearRegression", "solver", self.solver, SOLVERS)
        fit_intercept = checked_flag("LinearRegression", "fit_intercept", self.fit_intercept)
        x, targets, weights = self.without_weightless(*self.checked_data(X, y), sample_weight)
        a, b, x_mean, y_mean = _centred(x, targets, weights, fit_intercept)
        lengths = column_lengths(a)
        scaled = a / np.where(lengths > 0, lengths, 1.0)
        self.singular_ = ac.linalg.svdvals(ac.asarray(a)).numpy()
        self.rank_ = int(ac.linalg.matrix_rank(ac.asarray(scaled)))
        full = self.rank_ == a.shape[1]
        self.cond_ = float(self.singular_[0] / self.singular_[-1]) if full else math.inf
        self.n_iter_ = 1
        if solver == "gd":
            w = self._descend(a, b)
        elif solver == "lstsq":
            w = self._by_singular_values(a, b, scaled, lengths, full)
        else:
            w = self._by_factors(solver, b, scaled, lengths, full)
        intercepts = y_mean - x_mean @ w
        if solver == "refined":
            roots = np.ones(len(x)) if weights is None else np.sqrt(weights)
            column = roots if fit_intercept else np.zeros(len(x))
            rows = x * roots[:, None], targets.reshape(len(x), -1) * roots[:, None]
            w, intercepts = refined(*rows, column, a, x_mean, w, intercepts)
        self._keep(x, targets, weights, w, intercepts)
        return self

    def _by_singular_values(self, a: Array, b: Array, scaled: Array, lengths: Array, full: bool) -> Array:
        if full:
            u, s, vh = ac.linalg.svd(ac.asarray(scaled), full_matrices=False)
            return _numpy(vh.T @ ((u.T @ ac.asarray(b)) / ac.expand_dims(s, -1))) / lengths[:, None]
        # Scaling would decide which of the solutions is the shortest.
        rtol = float(np.finfo(np.float64).eps) * max(a.shape)
        return _numpy(ac.linalg.lstsq(ac.asarray(a), ac.asarray(b), rtol=rtol).x)

    def _by_factors(self, solver: str, b: Array, scaled: Array, lengths: Array, full: bool) -> Array:
        if not full:
            n, c = scaled.shape
            raise ac.LinAlgError(
                f"LinearRegression: {solver} needs independent columns; got rank {self.rank_} of {c} columns, "
                f'n_samples = {n}; use solver="lstsq", or Ridge'
            )
        x, y = ac.asarray(scaled), ac.asarray(b)
        if solver in ("qr", "refined"):
            q, r = ac.linalg.qr(x)
            return _numpy(ac.linalg.solve_triangular(r, q.T @ y, lower=False)) / lengths[:, None]
        try:
            factor = ac.linalg.cholesky(x.T @ x)
        except ac.LinAlgError:
            raise ac.LinAlgError(
                f"LinearRegression: XᵀX is singular in float64, the condition number of X being {self.cond_:.1e}; use "
                f'solver="lstsq" or "qr"'
            ) from None
        return _numpy(ac.linalg.cho_solve(factor, x.T @ y)) / lengths[:, None]

    def _descend(self, a: Array, b: Array) -> Array:
        name = "LinearRegression"
        largest = float(self.singular_[0]) * float(self.singular_[0])
        lr = (1.0 / largest if largest > 0 else 1.0) if self.lr is None else checked_number(name, "lr", self.lr)
        max_iter, tol = checked_int(name, "max_iter", self.max_iter), checked_number(name, "tol", self.tol)
        if not (lr > 0 and max_iter >= 1 and tol >= 0):
            raise ValueError(f"{name}: lr, max_iter and tol must be positive; got {lr}, {max_iter}, {tol}")
        w, self.n_iter_ = gradient_descent(a, b, lr, max_iter, tol)
        if not np.isfinite(w).all() or lr * largest > 2 + 1e-9:
            raise ValueError(
                f"{name}: gradient descent diverges with lr {lr:g}; it must be below 2 over the largest eigenvalue of "
                f"XᵀX, {2 / largest:.3g}; lr=None takes half of that"
            )
        if self.n_iter_ == max_iter and tol > 0:
            warnings.warn(
                f"{name}: gradient descent did not converge within max_iter={max_iter} steps; standardise the features",
                ConvergenceWarning,
                stacklevel=3,
            )
        return w


def gradient_descent(x: Array, y: Array, lr: float, max_iter: int, tol: float) -> tuple[Array, int]:
    """Weights (features, k) from zeros on, by ``w + lr xᵀ(y - x w)`` until ``|w' - w|² < tol``; and how many steps.

    All steps are one program, a loop.
    """

    def step(w: ac.Tensor, x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        return ac.multiply(x.T @ (y - x @ w), lr)

    @ac.compile
    def steps(w: ac.Tensor, x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        found: ac.Tensor = ac.fori_loop(0, max_iter, lambda _, w: w + step(w, x, y), w)
        return found

    @ac.compile
    def steps_until(w: ac.Tensor, x: ac.Tensor, y: ac.Tensor) -> tuple[ac.Tensor, ac.Tensor, ac.Tensor]:
        def goes_on(state: Any) -> ac.Tensor:
            done, _, moved = state
            return ac.logical_and(ac.less(done, max_iter), ac.greater_equal(moved, tol))  # NaN ends it too

        def once(state: Any) -> Any:
            done, w, _ = state
            moved = step(w, x, y)
            return done + 1, w + moved, ac.sum(ac.square(moved))

        end: tuple[ac.Tensor, ac.Tensor, ac.Tensor] = ac.while_loop(
            goes_on, once, (ac.tensor(0, ac.int64), w, ac.tensor(math.inf, ac.float64))
        )
        return end

    start = ac.zeros((x.shape[1], y.shape[1]), ac.float64), ac.asarray(x), ac.asarray(y)
    if tol == 0:
        return _numpy(steps(*start)), max_iter
    done, w, _ = steps_until(*start)
    return _numpy(w), int(done.item())


class Ridge(_LeastSquares):
    """Least squares with a pull towards zero: minimises ``½ |y - X w - b|² + ½ alpha |w|²``.

    That is ``w = (XᵀX + alpha I)⁻¹ Xᵀy``, b left free, by way of the singular values of X. It has one minimum for every
    alpha > 0, whatever X; 0 stands for the limit, the shortest weights of least squares.

    Parameters
    ----------
    alpha : float
        At least 0; as the most probable weights under a normal prior of variance τ² it is σ²/τ². A mean over n rows
        instead of the sum, ``(2/n) |y - X w|² + ½ λ |w|²``, needs alpha = n λ / 4.
    fit_intercept : bool
        False leaves b out.

    Attributes
    ----------
    coef_, intercept_, noise_variance_, n_features_in_
        As those of :class:`LinearRegression`.
    cond_ : float
        Condition number of ``[X; sqrt(alpha) I]``, X centred.

    Raises
    ------
    ValueError
        If alpha is negative, or data are not finite.
    ShapeError
        If X is not 2-d, or y does not fit.
    Source
    ------
    Notes, section 4.1.5, with erratum E-19; Hoerl, Kennard, "Ridge regression", 1970.

    Examples
    --------
    >>> from alice_core.linear_model import Ridge
    >>> Ridge(alpha=1.0, fit_intercept=False).fit([[1.0], [2.0]], [1.0, 2.0]).coef_.round(6)
    array([0.833333])
    """

    def __init__(self, alpha: float = 1.0, fit_intercept: bool = True) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Ridge:
        """Learn from X of shape (n, features) and y of shape (n,) or (n, k).

        ``sample_weight``, of shape (n,), is how many times each row counts: the sum of ``weight * loss`` is minimised.
        """
        alpha = checked_number("Ridge", "alpha", self.alpha)
        if not (alpha >= 0 and math.isfinite(alpha)):
            raise ValueError(f"Ridge: alpha must be finite and at least 0; got {alpha}")
        fit_intercept = checked_flag("Ridge", "fit_intercept", self.fit_intercept)
        x, targets, weights = self.without_weightless(*self.checked_data(X, y), sample_weight)
        a, b, x_mean, y_mean = _centred(x, targets, weights, fit_intercept)
        u, singular, vh = ac.linalg.svd(ac.asarray(a), full_matrices=False)
        s = singular.numpy()
        # What rounding errors make of a 0 would otherwise be divided by alpha.
        noise = np.finfo(np.float64).eps * max(a.shape) * s[0]
        kept = np.where(s > noise, s, 1.0)
        shrunk = np.where(s > noise, 1.0 / (kept + alpha / kept), 0.0)  # s / (s² + alpha), whose square may overflow
        least = s[-1] if a.shape[0] >= a.shape[1] and s[-1] > noise else 0.0
        root = math.sqrt(alpha)
        self.cond_ = float(np.hypot(s[0], root) / np.hypot(least, root)) if least + alpha > 0 else math.inf
        w = _numpy(vh.T @ (ac.asarray(shrunk[:, None]) * (u.T @ ac.asarray(b))))
        self._keep(x, targets, weights, w, y_mean - x_mean @ w)
        return self


def _numpy(x: ac.Tensor) -> Array:
    array: Array = np.array(x.numpy())
    return array
