"""Estimators beside scikit-learn's, and the notes' gradient descent beside NumPy's.

Networks are fitted for a fixed number of epochs of the same batches, to the accuracies in the notes. The data are
float64, as loaders of both packages and a division by 255 leave them: scikit-learn computes in that, ours in float32.
With float32 data, in rows of their own, both do.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import alice_core as ac
import floor
from alice_core.linear_model import LinearRegression
from alice_core.neural_network import MLPClassifier
from peers import HAS_FLOOR, NOTICES
from rows import OURS, Row, Target

try:
    import sklearn.datasets
    import sklearn.neural_network
except ImportError:
    sklearn = None

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
SKLEARN = "scikit-learn"
STEPS, LR = 15_000, 1e-3
HIDDEN, BATCH = 100, 200  # scikit-learn's defaults, and ours


# -- the notes' listing, section 4.1.4 ---------------------------------------------------------------------------------


def descents() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 3)), rng.normal(size=(10, 1))

    def by_numpy() -> Any:
        w = np.zeros((3, 1))
        for _ in range(STEPS):
            w = w + LR * x.T @ (y - x @ w)
        return w

    @ac.compile
    def steps(w: ac.Tensor, x: ac.Tensor, y: ac.Tensor) -> Any:
        return ac.fori_loop(0, STEPS, lambda _, w: w + LR * x.T @ (y - x @ w), w)

    ax, ay = ac.tensor(x), ac.tensor(y)
    model = LinearRegression("gd", fit_intercept=False, lr=LR, max_iter=STEPS, tol=0.0)
    return {
        OURS: lambda: steps(ac.zeros((3, 1), ac.float64), ax, ay),
        "LinearRegression, compiled anew": lambda: model.fit(x, y).coef_.T,
        "NumPy": by_numpy,
    }


# -- multilayer perceptrons --------------------------------------------------------------------------------------------


def fits(name: str, data: Any, epochs: int, dtype: Any, notes: list[str]) -> dict[str, Any]:
    x, y, x_test, y_test = data()
    x, x_test = x.astype(dtype), x_test.astype(dtype)
    kinds = {OURS: MLPClassifier, SKLEARN: sklearn.neural_network.MLPClassifier}

    def fit(kind: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # neither is to converge
            return kind((HIDDEN,), batch_size=BATCH, max_iter=epochs, random_state=0).fit(x, y)

    found = {label: fit(kind).score(x_test, y_test) for label, kind in kinds.items()}
    said = ", ".join(f"{label} {100 * accuracy:.2f} %" for label, accuracy in found.items())
    notes.append(f"{name}: test accuracy after {epochs} epochs: {said}.")
    return {label: (lambda kind=kind: fit(kind)) for label, kind in kinds.items()}


def digits() -> Any:
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    return x[:1400] / 16, y[:1400], x[1400:] / 16, y[1400:]


def fashion() -> Any:
    data = ac.data.load_idx(FASHION)
    return data.x_train, data.y_train, data.x_test, data.y_test


def products(rows: int, features: int, epochs: int) -> float:
    """The time of the matrix products alone: forward, and the gradients of both layers and of what lies between."""
    return 2 * rows * HIDDEN * (2 * features + 3 * 10) * epochs / floor.peak("float32")


def _row(name: str, data: Any, shape: tuple[int, int], epochs: int, dtype: Any, targets: Any, rounds: int) -> Row:
    notes: list[str] = []
    return Row(
        name,
        lambda: fits(name, data, epochs, dtype, notes),
        targets,
        limit=(lambda: products(*shape, epochs)) if HAS_FLOOR else None,
        rounds=rounds,
        seconds=0.01,
        notes=notes,
    )


def rows(quick: bool) -> Iterator[Row]:
    yield Row("least squares by 15,000 gradient steps, 10 x 3", descents, (Target(0.1, "NumPy"),), seconds=0.05)
    if sklearn is None:
        return
    target = (Target(0.25, SKLEARN),)
    yield _row("MLPClassifier, digits, 100 epochs", digits, (1400, 64), 100, np.float64, target, 7)
    yield _row("MLPClassifier, digits in float32, 100 epochs", digits, (1400, 64), 100, np.float32, (), 7)
    if quick:
        return
    if not FASHION.is_dir():
        NOTICES.append(f"MLPClassifier on Fashion-MNIST is left out: {FASHION} is not there (dataset-fashion-mnist)")
        return
    shape = (60_000, 784)
    yield _row("MLPClassifier, Fashion-MNIST, 2 epochs", fashion, shape, 2, np.float64, target, 5)
    yield _row("MLPClassifier, Fashion-MNIST in float32, 2 epochs", fashion, shape, 2, np.float32, (), 5)
