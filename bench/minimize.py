"""Logistic regression on scikit-learn's digits, fitted to the end: L-BFGS of ours and of scikit-learn's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import alice_core as ac
from rows import OURS, Row, Target

try:
    import sklearn.datasets
    import sklearn.linear_model
except ImportError:
    sklearn = None

C = 1.0
SKLEARN = "scikit-learn"


def mean_loss(w: Any, b: Any, x: Any, y: Any) -> Any:
    """What scikit-learn minimises, divided by the number of rows."""
    return ac.losses.cross_entropy(x @ w + b, y) + (0.5 / (C * len(y))) * ac.sum(w * w)


def contenders() -> dict[str, Any]:
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    x = x / 16.0
    ax, ay = ac.tensor(x), ac.tensor(y)
    start = {"w": np.zeros((64, 10)), "b": np.zeros(10)}

    def ours() -> Any:
        def loss(p: Any, x: Any, y: Any) -> Any:
            return mean_loss(p["w"], p["b"], x, y)

        found = ac.optim.minimize(loss, start, args=(ax, ay), gtol=5e-5)  # theirs ends lower at the same one
        return found.x["w"].numpy(), found.x["b"].numpy()

    def theirs() -> Any:
        model = sklearn.linear_model.LogisticRegression(C=C, max_iter=1000, tol=1e-4).fit(x, y)
        return model.coef_.T, model.intercept_

    losses = [mean_loss(ac.tensor(w), ac.tensor(b), ax, ay).item() for w, b in (ours(), theirs())]
    if not losses[0] <= losses[1] * (1 + 1e-5):
        raise RuntimeError(f"the losses are {losses}")
    return {OURS: ours, SKLEARN: theirs}


def rows(quick: bool) -> Iterator[Row]:
    if sklearn is not None:
        yield Row("fit of the digits, logistic regression", contenders, (Target(0.3, SKLEARN),), seconds=0.2)
