"""Linear models: least squares by five routes, ridge regression, logistic regression.

They learn with ``fit`` and answer with ``predict``, as scikit-learn's do, and go into its pipelines and searches.
Everything is computed in float64.
"""

from __future__ import annotations

from .least_squares import LinearRegression, Ridge
from .logistic import LogisticRegression

__all__ = ["LinearRegression", "LogisticRegression", "Ridge"]
