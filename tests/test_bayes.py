"""Risk, likelihood, posteriors: the rows of chapter 3 of the notes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import bayes, losses
from alice_core.linear_model import LinearRegression, Ridge


def sample(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=n)
    return x, 2 * x + 0.5 * rng.normal(size=n)


@pytest.mark.notes("M067")
def test_expected_risk() -> None:
    value, error = bayes.expected_risk(losses.mse_loss, lambda x: 2 * x, sample)
    assert abs(value - 0.25) <= 3 * error
    assert error == pytest.approx(0.25 * math.sqrt(2 / 1e5), rel=0.03)
    x, y = sample(np.random.default_rng(7), 100_000)
    assert abs(bayes.empirical_risk(losses.mse_loss, lambda x: 2 * x, x, y).item() - 0.25) <= 3 * error


@pytest.mark.notes("M060", "M061")
def test_empirical_risk_is_a_mean_that_descent_lowers() -> None:
    x, y = (ac.asarray(a) for a in sample(np.random.default_rng(0), 50))
    risk = lambda w: bayes.empirical_risk(losses.mse_loss, lambda x: w * x, x, y)  # noqa: E731
    w = ac.tensor(0.0, dtype="float64")
    assert risk(w).item() == pytest.approx(float(losses.mse_loss(w * x, y, reduction="sum")) / 50, rel=1e-14)
    values = []
    for _ in range(50):
        values.append(risk(w).item())
        w = w - 0.05 * ac.grad(risk)(w)
    assert (np.diff(values) < 0).all()


@pytest.mark.notes("M066", "M068")
def test_a_predictor_that_memorises() -> None:
    """No risk on what it saw, that of the mean on everything else: its gap is far above a linear model's."""
    rng = np.random.default_rng(1)
    seen, unseen = sample(rng, 100), sample(rng, 10_000)
    mean, known = seen[1].mean(), dict(zip(*seen, strict=True))
    lookup = lambda x: ac.asarray(np.array([known.get(v, mean) for v in x.numpy()]))  # noqa: E731
    model = LinearRegression().fit(seen[0][:, None], seen[1])
    linear = lambda x: ac.asarray(model.predict(x.numpy()[:, None]))  # noqa: E731
    assert bayes.empirical_risk(losses.mse_loss, lookup, *seen).item() == 0.0
    gaps = [bayes.generalisation_gap(losses.mse_loss, f, seen, unseen) for f in (lookup, linear)]
    assert gaps[0] == pytest.approx(np.mean((unseen[1] - mean) ** 2), rel=1e-12)
    assert gaps[0] > 20 * abs(gaps[1])


@pytest.mark.notes("M070", "M071")
def test_joint_conditional_marginal() -> None:
    joint = np.array([[0.1, 0.2], [0.05, 0.25], [0.3, 0.1]])
    marginal = joint.sum(axis=1)
    conditional = joint / marginal[:, None]
    np.testing.assert_allclose(marginal[:, None] * conditional, joint, rtol=1e-15)
    rows = ac.softmax(ac.asarray(np.log(joint)), axis=1).numpy()  # class probabilities, from logits of any scale
    np.testing.assert_allclose(rows, conditional, rtol=1e-14)
    np.testing.assert_allclose(rows.sum(axis=1), 1.0, rtol=1e-15)


@pytest.mark.notes("M074", "M075", "M076", "E-10")
def test_maximum_likelihood_of_a_coin() -> None:
    y = np.array([1.0, 1.0, 0.0, 1.0])

    def log_likelihood(logit: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        return -losses.binary_cross_entropy_with_logits(ac.broadcast_to(logit, y.shape), y, reduction="none")

    found = bayes.maximum_likelihood(log_likelihood, np.array(0.0), [y])
    p = ac.sigmoid(found.x).item()
    assert abs(p - 0.75) <= 1e-8
    grid = np.linspace(0.01, 0.99, 99)
    likelihood = np.prod(np.where(y[:, None] == 1, grid, 1 - grid), axis=0)  # a product over n
    assert grid[likelihood.argmax()] == grid[np.log(likelihood).argmax()] == pytest.approx(0.75)
    assert math.exp(-found.fun) == pytest.approx(0.75**3 * 0.25, rel=1e-12)


@pytest.mark.notes("M077", "M078")
def test_products_underflow_and_sums_of_logarithms_do_not() -> None:
    for dtype, n in (("float32", 150), ("float64", 1075)):
        assert ac.prod(ac.full((n,), 0.5, dtype=dtype)).item() == 0.0
    total = ac.sum(ac.log(ac.full((1000,), 0.4, dtype="float64"))).item()
    assert total == pytest.approx(-916.290731874155, rel=1e-14)
    a = ac.tensor(1e-200, dtype="float64")
    assert (a * a).item() == 0.0
    assert (ac.log(a) + ac.log(a)).item() == pytest.approx(-921.034, abs=1e-3)


@pytest.mark.notes("M079", "M080")
def test_norm_prior() -> None:
    w = np.array([1.0, -2.0, 0.5])
    g = ac.grad(bayes.norm_log_prior)(ac.tensor(w)).numpy()
    np.testing.assert_allclose(g, -w / (w @ w), rtol=1e-14)
    ac.testing.check_grads(bayes.norm_log_prior, [w], order=2)
    assert bayes.norm_log_prior(ac.zeros(2)).item() == math.inf  # no bound at 0
    tree = {"a": ac.tensor([3.0]), "b": [ac.tensor(4.0)]}
    assert bayes.norm_log_prior(tree).item() == pytest.approx(-math.log(5.0))


@pytest.mark.notes("M081")
def test_bayes_rule() -> None:
    found = bayes.bayes_rule(np.log([0.5, 0.5]), np.log([0.8, 0.2]))
    np.testing.assert_allclose(found.probabilities.numpy(), [0.8, 0.2], rtol=1e-15)
    assert math.exp(found.log_evidence.item()) == pytest.approx(0.5, rel=1e-15)
    tiny = bayes.bayes_rule(np.log([0.5, 0.5]), [-5000.0, -5001.0])  # whose probabilities are all 0
    np.testing.assert_allclose(tiny.probabilities.numpy(), [1 / (1 + math.exp(-1)), 1 / (1 + math.e)], rtol=1e-6)


@pytest.mark.notes("M082", "E-11")
def test_both_averages_over_models() -> None:
    weights, predictions = np.array([0.7, 0.3]), np.array([0.9, 0.2])
    assert bayes.predictive_average(predictions, weights).item() == pytest.approx(0.69, rel=1e-15)
    assert np.mean(predictions * weights) == pytest.approx(0.345)  # as printed: half of it
    drawn = predictions[np.random.default_rng(0).choice(2, 100_000, p=weights)]
    assert bayes.predictive_average(drawn).item() == pytest.approx(0.69, abs=0.004)
    ac.testing.check_grads(lambda p: ac.sum(bayes.predictive_average(p, weights)), [np.ones((2, 3))], order=1)


def gaussian_problem() -> tuple[np.ndarray, np.ndarray, Any]:
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)

    def log_likelihood(w: ac.Tensor, X: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        return -losses.gaussian_nll(X @ w, y, sigma=0.5, reduction="none")

    return X, y, log_likelihood


@pytest.mark.notes("M083", "M116")
def test_the_most_probable_weights_are_those_of_ridge() -> None:
    X, y, log_likelihood = gaussian_problem()
    tau = 0.7
    prior = lambda w: bayes.gaussian_log_prior(w, scale=tau)  # noqa: E731
    found = bayes.maximum_a_posteriori(log_likelihood, prior, np.zeros(3), [X, y])
    closed = Ridge(0.5**2 / tau**2, fit_intercept=False).fit(X, y).coef_
    np.testing.assert_allclose(found.x.numpy(), closed, atol=1e-10)


@pytest.mark.notes("M084", "M088")
def test_a_uniform_prior_leaves_least_squares() -> None:
    X, y, log_likelihood = gaussian_problem()
    found = bayes.maximum_likelihood(log_likelihood, np.zeros(3), [X, y])
    np.testing.assert_allclose(found.x.numpy(), LinearRegression(fit_intercept=False).fit(X, y).coef_, atol=1e-10)


def test_gaussian_prior_is_a_density() -> None:
    x = np.linspace(-20, 20, 4001)
    density = [math.exp(bayes.gaussian_log_prior(ac.tensor(v), scale=2.0).item()) for v in x]
    assert np.sum(density) * 0.01 == pytest.approx(1.0, abs=1e-9)
    ac.testing.check_grads(bayes.gaussian_log_prior, [np.array([1.0, 2.0]), np.array(0.7)], order=2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bayes.bayes_rule([0.0], [0.0, 0.0]), ac.ShapeError, r"shape \(models,\)"),
        (lambda: bayes.bayes_rule([0.5, 0.5], [0.0, 0.0]), ValueError, "the prior must sum to 1; .*logarithm"),
        (lambda: bayes.predictive_average([0.5, 0.5], [0.5, 0.6]), ValueError, "sum to 1"),
        (lambda: bayes.predictive_average([0.5, 0.5], [1.0]), ac.ShapeError, r"weights must have shape \(2,\)"),
        (lambda: bayes.predictive_average(0.5), ac.ShapeError, "k at least 1"),
        (lambda: bayes.gaussian_log_prior(1.0, scale=0.0), ValueError, "scale must be positive"),
        (lambda: bayes.expected_risk(losses.mse_loss, lambda x: x, sample, n=1), ValueError, "n must be at least 2"),
        (lambda: bayes.maximum_likelihood(1.0, 0.0), ac.DTypeError, "expected a function"),
    ],
)
def test_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_predictions_that_are_integers_have_weights_that_are_none() -> None:
    assert bayes.predictive_average([1, 2], [0.25, 0.75]).item() == 1.75
