"""The protocol of scikit-learn's estimators: its own checks, pipelines and searches, without importing it."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core.estimators import NotFittedError
from alice_core.linear_model import LinearRegression, LogisticRegression, Ridge
from alice_core.neural_network import MLPClassifier, MLPRegressor

ESTIMATORS = [
    LinearRegression(),
    LinearRegression("qr"),
    LinearRegression("normal"),
    LinearRegression("gd"),
    Ridge(),
    LogisticRegression(),
    MLPClassifier(learning_rate_init=0.01, max_iter=150),
    MLPRegressor(learning_rate_init=0.01, max_iter=150),
]

#: Checks of scikit-learn that do not fit, and why.
DEPENDENT = {"check_sample_weight_equivalence_on_dense_data": "has more columns than rows, which these solvers refuse"}
BY_CHANCE = {"check_sample_weight_equivalence_on_dense_data": "cuts repeated rows into other minibatches"}
EXCEPTIONS: dict[str, dict[str, str]] = {
    "LinearRegression(solver='qr')": DEPENDENT,
    "LinearRegression(solver='normal')": DEPENDENT,
    "MLPClassifier(learning_rate_init=0.01, max_iter=150)": BY_CHANCE,
    "MLPRegressor(learning_rate_init=0.01, max_iter=150)": BY_CHANCE,
}


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_checks_of_scikit_learn(estimator: Any) -> None:
    checks = pytest.importorskip("sklearn.utils.estimator_checks")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = checks.check_estimator(estimator, on_fail=None, on_skip=None)
    excused = EXCEPTIONS.get(repr(estimator), {})
    failed = [r for r in done if r["status"] not in ("passed", "skipped") and r["check_name"] not in excused]
    assert not failed, [(r["check_name"], r["exception"]) for r in failed]
    assert len(done) > 40


def test_scikit_learn_is_not_imported() -> None:
    code = (
        "import sys, numpy as np\n"
        "from alice_core.linear_model import *\n"
        "from alice_core.neural_network import *\n"
        "X, y = np.arange(12.0).reshape(6, 2) ** 2, np.array([0, 1, 0, 1, 1, 0])\n"
        "for model in (LinearRegression(), Ridge(), LogisticRegression(), MLPClassifier(max_iter=3, tol=1e9,\n"
        "              n_iter_no_change=1), MLPRegressor(max_iter=3, tol=1e9, n_iter_no_change=1)):\n"
        "    model.fit(X / 100, y).predict(X)\n"
        "print([m for m in ('sklearn', 'scipy', 'tqdm', 'pandas') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split("\n")[-2] == "[]"


def test_pipeline_and_search() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = datasets.load_wine(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    assert cross_val_score(pipeline, X, y, cv=5).mean() > 0.95
    search = GridSearchCV(pipeline, {"logisticregression__C": [1e-4, 1e-2, 1.0]}, cv=5).fit(X, y)
    assert search.best_score_ > 0.95
    assert search.best_params_["logisticregression__C"] in (1e-2, 1.0)
    network = make_pipeline(StandardScaler(), MLPClassifier(learning_rate_init=0.01, tol=1e-2, random_state=0))
    search = GridSearchCV(network, {"mlpclassifier__hidden_layer_sizes": [(4,), (16, 16)]}, cv=3).fit(X, y)
    assert search.best_score_ > 0.93
    X, y = datasets.load_diabetes(return_X_y=True)
    search = GridSearchCV(Ridge(), {"alpha": [1e-3, 1e-2, 1e3]}, cv=5).fit(X, y)
    assert search.best_params_["alpha"] < 1e3


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_copies_predict_and_learn_on_as_the_original(estimator: Any) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 4)), rng.integers(0, 3, 30)
    model = type(estimator)(**estimator.get_params())
    if hasattr(model, "partial_fit"):
        model.set_params(random_state=0)
        for _ in range(3):
            model.partial_fit(X, y, *([[0, 1, 2]] if isinstance(model, MLPClassifier) else []))
    else:
        model.fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(X), model.predict(X))
    if hasattr(model, "partial_fit"):
        model.partial_fit(X, y)
        copy.partial_fit(X, y)
        np.testing.assert_array_equal(copy.coefs_[0], model.coefs_[0])
        assert copy.loss_curve_ == model.loss_curve_
        assert copy.n_iter_ == 4


def test_parameters() -> None:
    model = Ridge(alpha=2.0)
    assert repr(model) == "Ridge(alpha=2.0)"
    assert model.set_params(alpha=3.0) is model
    assert model.get_params() == {"alpha": 3.0, "fit_intercept": True}
    with pytest.raises(ValueError, match="Ridge: set_params takes alpha, fit_intercept; got 'beta'"):
        model.set_params(beta=1.0)


def test_tensors_go_in() -> None:
    X, y = ac.tensor([[0.0], [1.0], [2.0]]), ac.tensor([1.0, 3.0, 5.0])
    model = LinearRegression().fit(X, y)
    assert model.score(X, y) == pytest.approx(1.0)
    assert LogisticRegression().fit(X, ac.tensor([0, 0, 1])).predict(ac.tensor([[5.0]])) == [1]


class Frame:
    """What looks like a table with named columns."""

    def __init__(self, columns: list[str], data: Any) -> None:
        self.columns, self._data = columns, np.asarray(data)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self._data.astype(dtype) if dtype else self._data


def test_columns_keep_their_names() -> None:
    model = LinearRegression().fit(Frame(["a", "b"], [[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]]), [0.0, 1.0, 2.0])
    assert list(model.feature_names_in_) == ["a", "b"]
    with pytest.raises(ValueError, match=r"feature names should match.* expected a, b, got b, a"):
        model.predict(Frame(["b", "a"], [[0.0, 1.0]]))
    model.fit([[0.0], [1.0]], [0.0, 1.0])
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        ([1.0, 2.0], [0, 1], ac.ShapeError, r"X must have shape \(n, features\).* Reshape your data"),
        ([[1.0], [np.nan]], [0, 1], ValueError, "Input X contains NaN"),
        ([[1.0], [np.inf]], [0, 1], ValueError, "Input X contains infinity"),
        ([[1.0], [2.0]], [0, 1, 1], ac.ShapeError, "same number of rows"),
        ([["a"], ["b"]], [0, 1], ValueError, "X must be numbers"),
        ([[1j], [2.0]], [0, 1], ValueError, "Complex data not supported"),
        ([[1.0], [2.0]], [1, 1], ValueError, "at least two classes"),
        ([[1.0], [2.0]], [0.5, 1.0], ValueError, "Unknown label type"),
        ([[1.0], [2.0]], [[0, 1], [1, 0]], ac.ShapeError, r"y must have shape \(n,\)"),
        ([[1.0], [2.0]], None, ValueError, "target y is None"),
    ],
    ids=lambda x: str(x)[:20],
)
def test_data_that_are_refused(X: Any, y: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"LogisticRegression: .*{message}|LogisticRegression: {message}"):
        LogisticRegression().fit(X, y)


def test_asked_too_early_or_with_other_features() -> None:
    with pytest.raises(NotFittedError, match=r"Ridge: not fitted yet; call fit"):
        Ridge().predict([[0.0]])
    model = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
    with pytest.raises(ac.ShapeError, match="X has 2 features, but Ridge is expecting 1 features"):
        model.predict([[0.0, 1.0]])


@pytest.mark.parametrize("kind", [LinearRegression, Ridge, LogisticRegression])
@pytest.mark.parametrize("size", [1e200, 1e6, 1e-6, 1e-200])
def test_units_of_the_features_do_not_matter(kind: Any, size: float) -> None:
    """Ridge answered with the mean where squares overflowed, LogisticRegression with its start."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = X @ [1.0, 2.0, 3.0]
    options = {LinearRegression: {}, Ridge: {"alpha": 1e-9}, LogisticRegression: {"C": np.inf, "max_iter": 200}}[kind]
    y = (y + rng.normal(size=40) > 0) if kind is LogisticRegression else y
    if size < 1 and kind is Ridge:
        options = {"alpha": 0.0}
    want = kind(**options).fit(X, y)
    found = kind(**options).fit(X * size, y)
    np.testing.assert_allclose(found.coef_ * size, want.coef_, rtol=1e-2 if kind is LogisticRegression else 1e-6)
    np.testing.assert_array_equal(found.predict(X * size) > 0.5, want.predict(X) > 0.5)


@pytest.mark.parametrize("estimator", [Ridge(), LogisticRegression(), MLPRegressor(), MLPClassifier()], ids=repr)
@pytest.mark.parametrize(
    ("X", "y", "error", "message"),
    [
        (np.ma.masked_greater(np.arange(4.0)[:, None], 2), [0, 1, 0, 1], ValueError, "X must have all of its items"),
        (np.arange(2)[:, None].astype("M8[s]"), [0, 1], ValueError, r"X must be numbers; got dtype datetime64\[s\]"),
        (np.array([["a"], ["b"]], object), [0, 1], ValueError, "X must be numbers; could not convert string"),
        (np.array([[{}], [1]], object), [0, 1], TypeError, "X must be numbers; .* encode texts"),
        ([[1.0], [1.0, 2.0]], [0, 1], ValueError, "X must be an array of numbers; got list"),
        ([[0.0], [1.0]], np.ma.masked_array([0, 1], [True, False]), ValueError, "y must have all of its"),
        (
            [[0.0], [1.0]],
            np.array([1, None], object),
            (TypeError, ValueError),
            "y must be labels of one kind|y contains",
        ),
    ],
    ids=lambda x: str(x)[:20],
)
def test_what_is_no_number_is_told_apart(estimator: Any, X: Any, y: Any, error: Any, message: str) -> None:
    """What a mask covers was learned from; dates became seconds."""
    with pytest.raises(error, match=f"{type(estimator).__name__}: .*({message})|{type(estimator).__name__}: {message}"):
        type(estimator)().fit(X, y)


@pytest.mark.parametrize("estimator", ESTIMATORS[:6], ids=repr)
def test_flags_are_flags(estimator: Any) -> None:
    """What is written out as "no" was true."""
    model = type(estimator)(**{**estimator.get_params(), "fit_intercept": "no"})
    with pytest.raises(ac.DTypeError, match=f"{type(model).__name__}: fit_intercept must be"):
        model.fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("estimator", [Ridge(), LogisticRegression(), MLPClassifier(), MLPRegressor()], ids=repr)
def test_weights_have_a_finite_sum(estimator: Any) -> None:
    """Divided by an infinite sum all were 0."""
    with pytest.raises(ValueError, match=r"sample_weight must have a finite sum; got weights up to 1e\+308"):
        estimator.fit([[0.0], [1.0]], [0, 1], sample_weight=[1e308, 1e308])


@pytest.mark.parametrize("kind", [LinearRegression, Ridge, MLPRegressor])
def test_no_outputs_are_refused(kind: Any) -> None:
    with pytest.raises(ac.ShapeError, match=rf"{kind.__name__}: y must have shape \(n,\).* got \(2, 0\)"):
        kind().fit([[0.0], [1.0]], np.zeros((2, 0)))
