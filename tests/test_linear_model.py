"""Least squares by every route, ridge, logistic regression: against formulas, NIST's problems and scikit-learn."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core.estimators import ConvergenceWarning
from alice_core.linear_model import LinearRegression, LogisticRegression, Ridge
from alice_core.linear_model.least_squares import gradient_descent
from support.nist import SETS, certified, fewest_digits

SOLVERS = ("lstsq", "qr", "normal", "refined", "gd")


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3)) + np.array([0.0, 5.0, -1.0])
    return X, X @ [1.0, -2.0, 0.5] + 3.0 + 0.1 * rng.normal(size=40)


# -- least squares -----------------------------------------------------------------------------------------------------


@pytest.mark.notes("M021", "M096", "M104", "M105")
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("solver", SOLVERS)
def test_all_routes_lead_to_the_minimum(problem: Any, solver: str, intercept: bool) -> None:
    X, y = problem
    model = LinearRegression(solver, fit_intercept=intercept).fit(X, y)
    A = np.column_stack([X, np.ones(40)]) if intercept else X
    want = np.linalg.lstsq(A, y, rcond=None)[0]
    rtol = 1e-6 if solver == "gd" else 1e-12
    np.testing.assert_allclose(model.coef_, want[:3], rtol=rtol)
    np.testing.assert_allclose(model.intercept_, want[3] if intercept else 0.0, rtol=rtol)
    if solver != "gd":
        assert np.abs(A.T @ (y - model.predict(X))).max() <= 1e-10
    assert model.score(X, y) == pytest.approx(1 - ((y - A @ want) ** 2).sum() / ((y - y.mean()) ** 2).sum(), rel=1e-9)


@pytest.mark.notes("M125")
@pytest.mark.parametrize("solver", SOLVERS)
def test_several_outputs_are_as_many_models(problem: Any, solver: str) -> None:
    X, y = problem
    Y = np.column_stack([y, -2 * y + X[:, 0]])
    both = LinearRegression(solver, tol=1e-24).fit(X, Y)
    assert both.coef_.shape == (2, 3)
    assert both.predict(X).shape == (40, 2)
    for k in range(2):
        alone = LinearRegression(solver, tol=1e-24).fit(X, Y[:, k])
        np.testing.assert_allclose(both.coef_[k], alone.coef_, rtol=1e-8)
        np.testing.assert_allclose(both.noise_variance_[k], alone.noise_variance_, rtol=1e-6)


@pytest.mark.notes("M106")
def test_the_shortest_of_many_solutions() -> None:
    x = np.array([1.0, 2.0, 4.0])
    X = np.column_stack([x, 2 * x])
    model = LinearRegression(fit_intercept=False).fit(X, x)
    np.testing.assert_allclose(model.coef_, [0.2, 0.4], rtol=1e-12)
    assert model.rank_ == 1
    assert model.cond_ == math.inf
    for solver in ("normal", "qr"):
        with pytest.raises(ac.LinAlgError, match=rf"{solver} needs independent columns; got rank 1 of 2.*lstsq"):
            LinearRegression(solver, fit_intercept=False).fit(X, x)


@pytest.mark.notes("M097")
def test_the_bias_is_a_column_of_ones(problem: Any) -> None:
    X, y = problem
    a = LinearRegression().fit(X, y)
    b = LinearRegression(fit_intercept=False).fit(np.column_stack([X, np.ones(40)]), y)
    np.testing.assert_allclose([*a.coef_, a.intercept_], b.coef_, rtol=1e-12)


@pytest.mark.notes("M111")
def test_noise_variance_maximises_the_likelihood(problem: Any) -> None:
    X, y = problem
    model = LinearRegression().fit(X, y)
    prediction, target = ac.asarray(model.predict(X)), ac.asarray(y)
    assert model.noise_variance_ == pytest.approx(np.mean((y - prediction.numpy()) ** 2), rel=1e-12)
    slope = ac.grad(lambda s: ac.losses.gaussian_nll(prediction, target, sigma=s))
    assert abs(slope(ac.tensor(math.sqrt(model.noise_variance_), dtype="float64")).item()) <= 1e-12


@pytest.mark.notes("M101", "E-16")
def test_rows_in_another_order_are_predictions_in_another_order(problem: Any) -> None:
    X, y = problem
    order = np.random.default_rng(1).permutation(40)
    model = LinearRegression().fit(X, y)
    np.testing.assert_array_equal(model.predict(X[order]), model.predict(X)[order])  # equivariance
    np.testing.assert_allclose(LinearRegression().fit(X[order], y[order]).coef_, model.coef_, rtol=1e-12)  # invariance


# -- gradient descent --------------------------------------------------------------------------------------------------


@pytest.fixture
def small() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 3)), rng.normal(size=(10, 1))
    return X, y, np.linalg.lstsq(X, y, rcond=None)[0]


@pytest.mark.notes("M109", "M110")
def test_fifteen_thousand_steps(small: Any) -> None:
    X, y, want = small
    smallest = np.linalg.svd(X)[1][-1] ** 2
    w, steps = gradient_descent(X, y, 1e-3, 15_000, 0.0)
    assert steps == 15_000
    assert np.abs(w - want).max() <= max(1e-12, 2 * (1 - 1e-3 * smallest) ** 15_000)
    by_hand = np.zeros((3, 1))
    for _ in range(60):
        by_hand = by_hand + 1e-3 * (X.T @ (y - X @ by_hand))
    np.testing.assert_allclose(gradient_descent(X, y, 1e-3, 60, 0.0)[0], by_hand, rtol=1e-13)


@pytest.mark.notes("M107")
def test_it_stops_at_the_first_short_step(small: Any) -> None:
    X, y, want = small
    tol, w = 1e-20, np.zeros((3, 1))
    for count in range(1, 15_001):  # noqa: B007 - where it ends
        step = 1e-2 * (X.T @ (y - X @ w))
        w = w + step
        if (step**2).sum() < tol:
            break
    found, steps = gradient_descent(X, y, 1e-2, 15_000, tol)
    assert abs(steps - count) <= 1
    assert steps < 15_000
    smallest = np.linalg.svd(X)[1][-1] ** 2
    assert np.abs(found - want).max() <= 2e-10 / (1e-2 * smallest)  # not 1e-10: steps shrink before the way does


@pytest.mark.notes("M031", "M109")
def test_steps_that_are_too_long_diverge(small: Any) -> None:
    X, y, _ = small
    largest = np.linalg.svd(X)[1][0] ** 2
    w, _ = gradient_descent(X, y, 2.2 / largest, 60, 0.0)
    assert np.abs(w).max() > 100
    with pytest.raises(ValueError, match=r"diverges with lr .* it must be below 2 over the largest eigenvalue"):
        LinearRegression("gd", False, lr=2.2 / largest, max_iter=60).fit(X, y)
    with pytest.warns(ConvergenceWarning, match="did not converge within max_iter=3"):
        LinearRegression("gd", max_iter=3).fit(X, y)


@pytest.mark.notes("M103", "E-17")
def test_the_gradient_of_the_mean_has_a_factor(small: Any) -> None:
    X, y, _ = (ac.asarray(a) for a in small)
    n = X.shape[0]
    w, b = ac.tensor([[0.3], [-1.0], [2.0]], dtype="float64"), ac.tensor(0.7, dtype="float64")
    by_w, by_b = ac.grad(lambda w, b: ac.losses.mse_loss(X @ w + b, y), argnums=(0, 1))(w, b)
    residual = X @ w + b - y
    np.testing.assert_allclose(by_w.numpy(), (2 / n * (X.T @ residual)).numpy(), rtol=1e-12)
    np.testing.assert_allclose(by_b.item(), (2 / n * ac.sum(residual)).item(), rtol=1e-12)


@pytest.mark.notes("M108", "E-18")
def test_targets_and_weights_of_other_shapes_are_refused() -> None:
    """y of (n,) against predictions of (n, 1) would make (n, n), and weights of (features, n), without any error."""
    X, y = ac.ones((5, 3)), ac.ones(5)
    assert (X.T @ (y - X @ ac.zeros((3, 1)))).shape == (3, 5)
    with pytest.raises(ac.ShapeError, match=r"\(5, 1\) and \(5,\)"):
        ac.losses.mse_loss(X @ ac.zeros((3, 1)), y)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(5, 2)), rng.normal(size=5)
    assert LinearRegression("gd").fit(X, y).coef_.shape == (2,)
    assert LinearRegression("gd").fit(X, y[:, None]).coef_.shape == (1, 2)
    with pytest.raises(ac.ShapeError, match=r"y must have shape \(n,\)"):
        LinearRegression().fit(X, y[:, None, None])


# -- NIST's problems ---------------------------------------------------------------------------------------------------


@pytest.mark.notes("M105", "M112")
@pytest.mark.parametrize("solver", ["lstsq", "qr"])
@pytest.mark.parametrize("name", SETS)
def test_digits_kept_of_reference_problems(name: str, solver: str) -> None:
    digits = SETS[name][1]
    problem = certified(name)
    intercept = not name.startswith("NoInt")
    model = LinearRegression(solver, fit_intercept=intercept).fit(problem.X, problem.y)
    found = [model.intercept_, *model.coef_] if intercept else model.coef_
    assert fewest_digits(found, problem.coefficients) >= digits
    n, free = len(problem.y), len(problem.coefficients)
    if problem.deviation:  # Wampler1 and Wampler2 lie on their polynomials
        deviation = math.sqrt(model.noise_variance_ * n / (n - free))
        assert fewest_digits(deviation, problem.deviation) >= min(digits, 8)


@pytest.mark.parametrize("name", SETS)
def test_refinement_keeps_nearly_all_digits(name: str) -> None:
    problem = certified(name)
    model = LinearRegression("refined", fit_intercept=not name.startswith("NoInt")).fit(problem.X, problem.y)
    found = model.coef_ if name.startswith("NoInt") else [model.intercept_, *model.coef_]
    assert fewest_digits(found, problem.coefficients) >= (7.5 if name == "Filip" else 13)


@pytest.mark.parametrize("name", ["Filip", "Wampler5", "Longley"])
def test_refinement_solves_the_problem_that_it_is_given(name: str) -> None:
    """Exactly solved in fractions: of Filip the powers of x are rounded, and those are the data."""
    problem = certified(name)
    rows = [
        [Fraction(1), *map(Fraction, row), Fraction(y)] for row, y in zip(problem.X.tolist(), problem.y, strict=True)
    ]
    n = len(rows[0]) - 1
    normal = [[sum(r[i] * r[j] for r in rows) for j in range(n + 1)] for i in range(n)]
    for i in range(n):  # Gauss and Jordan
        normal[i] = [v / normal[i][i] for v in normal[i]]
        for j in set(range(n)) - {i}:
            normal[j] = [a - normal[j][i] * b for a, b in zip(normal[j], normal[i], strict=True)]
    exact = np.array([float(row[-1]) for row in normal])
    model = LinearRegression("refined").fit(problem.X, problem.y)
    np.testing.assert_allclose([model.intercept_, *model.coef_], exact, rtol=1e-13)


@pytest.mark.parametrize("solver", ["lstsq", "qr", "normal", "refined"])
@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_features_whose_squares_are_no_floats(size: float, solver: str) -> None:
    """Columns had length inf or 0, and looked as if they depended on each other."""
    X, y = size * np.array([[1.0, 1.0], [2.0, 1.0], [4.0, 3.0]]), np.array([1.0, 2.0, 4.0])
    model = LinearRegression(solver, fit_intercept=False).fit(X, y)
    assert model.rank_ == 2
    np.testing.assert_allclose(model.coef_ * size, [1.0, 0.0], atol=1e-12)


@pytest.mark.notes("M112")
def test_normal_equations_square_the_condition() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4)) * [1.0, 10.0, 100.0, 1000.0]
    conditions = [ac.linalg.cond(ac.asarray(a)).item() for a in (X, X.T @ X)]
    assert conditions[1] == pytest.approx(conditions[0] ** 2, rel=1e-6)
    assert LinearRegression(fit_intercept=False).fit(X, X[:, 0]).cond_ == pytest.approx(conditions[0], rel=1e-9)
    filip = certified("Filip")
    with pytest.raises(ac.LinAlgError, match=r'singular in float64, the condition number of X being .*solver="lstsq"'):
        LinearRegression("normal").fit(filip.X, filip.y)
    wampler = certified("Wampler4")
    kept = {
        s: fewest_digits(LinearRegression(s).fit(wampler.X, wampler.y).coef_, wampler.coefficients[1:])
        for s in ("qr", "normal")
    }
    assert kept["normal"] <= kept["qr"] - 1


# -- ridge -------------------------------------------------------------------------------------------------------------


@pytest.mark.notes("M116")
def test_ridge_is_its_closed_form(problem: Any) -> None:
    X, y = problem
    for alpha in (0.0, 0.3, 100.0):
        w = Ridge(alpha, fit_intercept=False).fit(X, y).coef_
        np.testing.assert_allclose(w, np.linalg.solve(X.T @ X + alpha * np.eye(3), X.T @ y), rtol=1e-10)
    twice = np.column_stack([X[:, 0], X[:, 0]])
    w = Ridge(1e-10, fit_intercept=False).fit(twice, y).coef_
    np.testing.assert_allclose(w, np.linalg.pinv(twice) @ y, atol=1e-6)
    shortest = Ridge(0.0, fit_intercept=False).fit(twice, y)
    np.testing.assert_allclose(shortest.coef_, np.linalg.pinv(twice) @ y, rtol=1e-12)
    assert shortest.cond_ == math.inf


@pytest.mark.notes("M117", "E-19")
def test_which_objective_ridge_minimises() -> None:
    """The sum of squares halved; the notes' mean of squares doubled has another minimum, that of n λ / 4."""
    rng = np.random.default_rng(0)
    n, lam = 20, 0.5
    X, y = rng.normal(size=(n, 3)), rng.normal(size=n)
    Xt, yt = ac.asarray(X), ac.asarray(y)

    def least(scale: float) -> np.ndarray:
        objective = lambda w: scale * ac.sum(ac.square(yt - Xt @ w)) + lam / 2 * ac.sum(ac.square(w))  # noqa: E731
        return ac.optim.minimize(objective, np.zeros(3), gtol=1e-12, ftol=0.0).x.numpy()

    closed = Ridge(lam, fit_intercept=False).fit(X, y).coef_
    np.testing.assert_allclose(least(0.5), closed, atol=1e-9)
    np.testing.assert_allclose(least(2 / n), Ridge(n * lam / 4, fit_intercept=False).fit(X, y).coef_, atol=1e-9)
    assert np.abs(least(2 / n) - closed).max() > 1e-3


@pytest.mark.notes("M042")
def test_ridge_has_one_minimum() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=20), rng.normal(size=20)
    X = ac.asarray(np.column_stack([x, x]))

    def least(lam: float, start: np.ndarray) -> tuple[np.ndarray, float]:
        objective = lambda w: ac.sum(ac.square(ac.asarray(y) - X @ w)) + lam * ac.sum(ac.square(w))  # noqa: E731
        r = ac.optim.minimize(objective, start, gtol=1e-13, ftol=0.0)
        return r.x.numpy(), r.fun

    starts = rng.normal(size=(10, 2))
    ridge, plain = [least(0.5, s) for s in starts], [least(0.0, s) for s in starts]
    assert np.ptp([w for w, _ in ridge], axis=0).max() <= 1e-9
    assert np.ptp([w for w, _ in plain], axis=0).max() > 0.1
    assert np.ptp([f for _, f in plain]) <= 1e-10


# -- logistic regression -----------------------------------------------------------------------------------------------


@pytest.mark.notes("M139")
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("name", ["iris", "breast_cancer", "wine", "digits"])
def test_weights_are_those_of_scikit_learn(name: str, intercept: bool) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = pytest.importorskip("sklearn.linear_model")
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1.0)
    ours = LogisticRegression(fit_intercept=intercept, tol=1e-10, max_iter=10_000).fit(X, y)
    peer = theirs.LogisticRegression(fit_intercept=intercept, tol=1e-10, max_iter=10_000).fit(X, y)
    assert ours.converged_
    np.testing.assert_allclose(ours.coef_, peer.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, peer.intercept_, atol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(X), peer.predict_proba(X), atol=1e-4)
    assert ours.score(X, y) == peer.score(X, y)


@pytest.mark.notes("M139", "M143", "M146")
def test_the_gradient_vanishes_at_the_weights(problem: Any) -> None:
    X, y = problem
    labels = (y > np.median(y)).astype(int)
    for C in (0.1, 10.0):
        model = LogisticRegression(C=C, tol=1e-12).fit(X, labels)
        p = model.predict_proba(X)[:, 1]
        np.testing.assert_allclose(C * X.T @ (p - labels) + model.coef_[0], 0.0, atol=1e-8)
        np.testing.assert_allclose((p - labels).sum(), 0.0, atol=1e-8)
        scores = X @ model.coef_[0] + model.intercept_
        np.testing.assert_allclose(model.decision_function(X), scores, rtol=1e-14)
        np.testing.assert_allclose(np.log(p / (1 - p)), scores, atol=1e-9)  # M148: the logit


@pytest.mark.notes("M145")
def test_two_softmaxes_are_one_sigmoid() -> None:
    """With w = w1 - w0, equal losses and equal steps for a hundred steps."""
    rng = np.random.default_rng(0)
    X, y = ac.asarray(rng.normal(size=(30, 4))), ac.asarray(rng.integers(0, 2, 30))
    pair, one = ac.asarray(rng.normal(size=(4, 2))), None
    one = pair[:, 1] - pair[:, 0]
    of_pair = ac.value_and_grad(lambda W: ac.losses.cross_entropy(X @ W, y))
    of_one = ac.value_and_grad(lambda w: ac.losses.binary_cross_entropy_with_logits(X @ w, y))
    for _ in range(100):
        (a, by_pair), (b, by_one) = of_pair(pair), of_one(one)
        assert abs(a.item() - b.item()) <= 1e-14
        np.testing.assert_allclose(by_pair[:, 1].numpy(), by_one.numpy(), rtol=0, atol=1e-14)
        np.testing.assert_allclose(by_pair[:, 0].numpy(), -by_one.numpy(), rtol=0, atol=1e-14)
        pair, one = pair - 0.5 * by_pair, one - 1.0 * by_one


@pytest.mark.notes("M119", "M118")
def test_classes_have_no_order() -> None:
    """Numbering them otherwise changes regression on the numbers, and nothing for the softmax."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(40, 2)) * 0.4 + c for c in ([0, 0], [2, 0], [4, 0])])
    y = np.repeat([0, 1, 2], 40)
    names = np.array([1, 2, 0])[y]
    rounded = lambda t: np.mean(np.clip(np.round(LinearRegression().fit(X, t).predict(X)), 0, 2) == t)  # noqa: E731
    assert rounded(y) > 0.95 > 0.75 > rounded(names)
    assert LogisticRegression().fit(X, y).score(X, y) == LogisticRegression().fit(X, names).score(X, names) > 0.95


@pytest.mark.notes("M121")
def test_regression_on_one_hot_vectors() -> None:
    X, y = pytest.importorskip("sklearn.datasets").load_iris(return_X_y=True)
    model = LinearRegression().fit(X, np.eye(3)[y])
    assert np.mean(model.predict(X).argmax(axis=1) == y) > 0.8


@pytest.mark.notes("M168", "E-27")
def test_what_linear_models_cannot_do() -> None:
    """Features that are correlated are no trouble; effects that do not add up are, though XOR's are independent."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=50)
    X = np.column_stack([x, x + 0.01 * rng.normal(size=50)])
    np.testing.assert_allclose(LinearRegression().fit(X, X @ [1.0, 2.0]).coef_, [1.0, 2.0], rtol=1e-8)
    X, y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0.0, 1.0, 1.0, 0.0])
    model = LinearRegression().fit(X, y)
    np.testing.assert_allclose([*model.coef_, model.intercept_], [0.0, 0.0, 0.5], atol=1e-15)
    assert model.noise_variance_ == pytest.approx(0.25, rel=1e-12)


def test_no_pull_and_labels_of_any_kind(problem: Any) -> None:
    X, _ = problem
    labels = np.where(np.random.default_rng(3).random(40) < 1 / (1 + np.exp(-(X[:, 0]))), "yes", "no")
    model = LogisticRegression(C=math.inf, tol=1e-10).fit(X, labels)
    np.testing.assert_allclose(X.T @ (model.predict_proba(X)[:, 1] - (labels == "yes")), 0.0, atol=1e-7)
    assert list(model.classes_) == ["no", "yes"]
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        LogisticRegression(max_iter=1, tol=1e-12).fit(X, labels)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LogisticRegression(C=0.0), "C, tol and max_iter must be positive"),
        (Ridge(-1.0), "alpha must be finite and at least 0"),
        (LinearRegression("svd"), 'solver must be "lstsq", "normal", "qr", "refined" or "gd"'),
        (LinearRegression("gd", lr=-1.0), "lr, max_iter and tol must be positive"),
    ],
    ids=repr,
)
def test_arguments_out_of_range(model: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.fit([[0.0], [1.0], [2.0]], [0, 1, 1])


def test_far_from_zero_it_takes_as_few_steps() -> None:
    """Weights and intercepts were felt to depend on each other: 20 times as many evaluations."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 5)), rng.integers(0, 3, 200)
    near, far = (LogisticRegression(tol=1e-8).fit(X + offset, y) for offset in (0.0, 1000.0))
    assert far.converged_
    assert far.n_iter_[0] <= near.n_iter_[0] + 2
    np.testing.assert_allclose(far.coef_, near.coef_, atol=1e-6)
    np.testing.assert_allclose(far.predict_proba(X + 1000.0), near.predict_proba(X), atol=1e-6)


# -- weights -----------------------------------------------------------------------------------------------------------

MODELS = [*map(LinearRegression, SOLVERS), LinearRegression(fit_intercept=False), Ridge(0.5), LogisticRegression(C=0.5)]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_a_weight_is_how_many_times_a_row_counts(problem: Any, model: Any) -> None:
    X, y = problem
    y = np.searchsorted(np.quantile(y, [0.3, 0.6]), y) if isinstance(model, LogisticRegression) else y
    model = type(model)(**model.get_params()).set_params(tol=1e-12) if hasattr(model, "tol") else model
    counts = np.random.default_rng(3).integers(0, 4, 40)
    again = X.repeat(counts, axis=0), y.repeat(counts)
    a = model.fit(X, y, sample_weight=counts)
    coef, intercept, score = a.coef_, a.intercept_, a.score(X, y, counts)
    spread = getattr(a, "noise_variance_", 0.0)
    b = model.fit(*again)
    np.testing.assert_allclose(coef, b.coef_, rtol=1e-5)
    np.testing.assert_allclose(intercept, b.intercept_, rtol=1e-5)
    assert score == pytest.approx(b.score(*again), rel=1e-6)
    assert spread == pytest.approx(getattr(b, "noise_variance_", 0.0), rel=1e-6)


@pytest.mark.parametrize("name", ["LinearRegression", "Ridge", "LogisticRegression"])
def test_weighted_as_scikit_learn(name: str) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    theirs = getattr(pytest.importorskip("sklearn.linear_model"), name)
    ours = {"LinearRegression": LinearRegression, "Ridge": Ridge, "LogisticRegression": LogisticRegression}[name]
    X, y = (datasets.load_wine if name == "LogisticRegression" else datasets.load_diabetes)(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    weights = np.random.default_rng(0).uniform(0.1, 3.0, len(X))
    options = {"tol": 1e-10, "max_iter": 10_000} if name == "LogisticRegression" else {}
    a, b = (kind(**options).fit(X, y, sample_weight=weights) for kind in (ours, theirs))
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(a.intercept_, b.intercept_, rtol=1e-4, atol=1e-5)
    assert a.score(X, y, weights) == pytest.approx(b.score(X, y, weights), rel=1e-6)


@pytest.mark.parametrize("names", [[0, 1, 2], ["a", "b", "c"]], ids=repr)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("balanced", [False, True])
def test_class_weights_as_scikit_learn(balanced: bool, weighted: bool, names: list[Any]) -> None:
    theirs = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 3)), np.array(names)[np.minimum(rng.integers(0, 6, 90), 2)]
    weights = rng.uniform(0.5, 2.0, 90) if weighted else None
    options = {"class_weight": "balanced" if balanced else {names[0]: 3.0, names[1]: 0.5, names[2]: 1.0}, "tol": 1e-9}
    a, b = (k.LogisticRegression(**options).fit(X, y, sample_weight=weights) for k in (ac.linear_model, theirs))
    np.testing.assert_allclose(a.coef_, b.coef_, atol=1e-5)
    np.testing.assert_allclose(a.intercept_, b.intercept_, atol=1e-5)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1.0], ac.ShapeError, r"sample_weight must have shape \(3,\), one number per row of X; got \(1,\)"),
        ([[1.0]] * 3, ac.ShapeError, r"got \(3, 1\)"),
        ([1.0, -1.0, 1.0], ValueError, "sample_weight must not be negative, and not all zero; got -1"),
        ([0.0, 0.0, 0.0], ValueError, "got all zero"),
        ([1.0, np.nan, 1.0], ValueError, "sample_weight contains NaN"),
        ([0.0, 1.0, 1.0], ValueError, "needs at least two classes; got one class, 1"),
        (["a", "b", "c"], ValueError, "sample_weight must be numbers"),
    ],
    ids=str,
)
def test_weights_that_are_refused(weights: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"LogisticRegression: .*{message}|LogisticRegression: {message}"):
        LogisticRegression().fit([[0.0], [1.0], [2.0]], [0, 1, 1], sample_weight=weights)


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ("equal", """must be None, "balanced" or a dict of numbers by label; got 'equal'"""),
        ({2: 1.0}, r"must name labels that there are, \[0, 1\]; got 2"),
        ({0: 0.0}, "must be positive and finite"),
        ({0: "a"}, r"class_weight\[0\] must be a number"),
    ],
    ids=str,
)
def test_class_weights_that_are_refused(class_weight: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        LogisticRegression(class_weight=class_weight).fit([[0.0], [1.0], [2.0]], [0, 1, 1])
