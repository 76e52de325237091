"""Logistic regression on scikit-learn's digits, fitted to the end: L-BFGS of ours and of scikit-learn's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import alice_core as ac
from alice_core.linear_model import LogisticRegression
from rows import OURS, Row, Target

try:
    import sklearn.datasets
    import sklearn.linear_model
except ImportError:
    sklearn = None

C = 1.0
SKLEARN = "scikit-learn"


def mean_loss(model: Any, x: Any, y: Any) -> float:
    """What scikit-learn minimises, divided by the number of rows."""
    scores = x @ model.coef_.T + model.intercept_
    pull = (0.5 / (C * len(y))) * float((model.coef_**2).sum())
    return ac.losses.cross_entropy(ac.tensor(scores), ac.tensor(y)).item() + pull


def contenders() -> dict[str, Any]:
    x, y = sklearn.datasets.load_digits(return_X_y=True)
    x = x / 16.0

    def ours() -> Any:
        model = LogisticRegression(C=C, tol=5e-5)  # theirs ends lower at the same one
        return model.fit(x, y)

    def theirs() -> Any:
        return sklearn.linear_model.LogisticRegression(C=C, max_iter=1000, tol=1e-4).fit(x, y)

    losses = [mean_loss(fit(), x, y) for fit in (ours, theirs)]
    if not losses[0] <= losses[1] * (1 + 1e-5):
        raise RuntimeError(f"the losses are {losses}")
    return {OURS: ours, SKLEARN: theirs}


def rows(quick: bool) -> Iterator[Row]:
    if sklearn is not None:
        yield Row("fit of the digits, logistic regression", contenders, (Target(0.3, SKLEARN),), seconds=0.2)
