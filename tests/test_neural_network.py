"""Perceptrons as estimators: what they learn, when they end, and how they go on."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core.estimators import ConvergenceWarning
from alice_core.linear_model import LogisticRegression
from alice_core.neural_network import MLPClassifier, MLPRegressor

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])


@pytest.mark.notes("M168", "M172", "E-27")
def test_xor() -> None:
    model = MLPClassifier((16,), learning_rate_init=0.05, tol=1e-3, max_iter=1000, random_state=0).fit(*XOR)
    assert model.score(*XOR) == 1.0
    assert LogisticRegression().fit(*XOR).score(*XOR) <= 0.75


@pytest.mark.notes("M169")
def test_low_unless_young() -> None:
    """An income is low below 1500, except for who is younger than 30: effects that do not add up."""
    rng = np.random.default_rng(0)
    income, age = rng.uniform(500, 2500, 600), rng.uniform(18, 70, 600)
    y = ((income < 1500) & (age >= 30)).astype(int)
    X = np.column_stack([(income - 1500) / 600, (age - 44) / 15])
    linear = LogisticRegression().fit(X[:400], y[:400]).score(X[400:], y[400:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network = MLPClassifier((32,), learning_rate_init=0.02, random_state=0).fit(X[:400], y[:400])
    assert network.score(X[400:], y[400:]) > 0.95 > linear


@pytest.mark.notes("M183")
def test_seeds_decide_which_minimum_is_found() -> None:
    fits = [
        MLPClassifier((4,), tol=1e-3, learning_rate_init=0.05, max_iter=1000, random_state=s).fit(*XOR)
        for s in (0, 0, 1)
    ]
    assert fits[0].loss_curve_ == fits[1].loss_curve_
    assert fits[0].loss_ != fits[2].loss_


def test_digits_as_well_as_scikit_learn() -> None:
    X, y = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)
    theirs = pytest.importorskip("sklearn.neural_network")
    X = X / 16
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scores = [
            kind((64,), max_iter=60, random_state=0).fit(X[:1300], y[:1300]).score(X[1300:], y[1300:])
            for kind in (MLPClassifier, theirs.MLPClassifier)
        ]
    assert scores[0] >= scores[1] - 0.01
    assert scores[0] > 0.9


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_early_stopping_keeps_the_best_weights(kind: Any) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)
    model = kind(
        (64,), learning_rate_init=0.03, early_stopping=True, validation_fraction=0.3, random_state=1, max_iter=500
    )
    model.fit(X, y)
    assert model.n_iter_ < 500
    scores = model.validation_scores_
    assert len(scores) == model.n_iter_ == len(model.loss_curve_)
    assert model.best_validation_score_ == max(scores)
    best = int(np.argmax(scores))
    assert model.n_iter_ - 1 - best >= 9
    held = np.random.default_rng(1).permutation(200)[:60]
    found = model.score(X[held], y[held])
    assert found == pytest.approx(max(scores), abs=1e-6)


@pytest.mark.notes("M194", "E-31")
def test_epochs_and_steps() -> None:
    """How many epochs is free; the batch size sets the steps in each: 1000 rows by 20 are 50."""
    X, y = np.random.default_rng(0).normal(size=(1000, 2)), np.arange(1000) % 2
    model = MLPClassifier((4,), batch_size=20, random_state=0)
    for _ in range(5):
        model.partial_fit(X, y, classes=[0, 1])
    assert model.n_iter_ == 5
    assert len(model._batches(X.astype(np.float32), y)) * model.n_iter_ == 250


def test_partial_fit_goes_on() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    model = MLPClassifier((8,), random_state=0)
    with pytest.raises(ValueError, match="the first call of partial_fit needs classes"):
        model.partial_fit(X, y)
    model.partial_fit(X[y < 2], y[y < 2], classes=[0, 1, 2])
    assert model.predict_proba(X).shape == (60, 3)
    losses = [model.partial_fit(X, y).loss_ for _ in range(50)]
    assert losses[-1] < losses[0]
    with pytest.raises(ValueError, match=r"y must be of the classes of the first call; got .*5"):
        model.partial_fit(X, np.full(60, 5))
    with pytest.raises(ac.ShapeError, match="expecting 2 features"):
        model.partial_fit(np.ones((3, 4)), [0, 1, 2])
    numbers = MLPRegressor((8,), random_state=0).partial_fit(X, X)
    with pytest.raises(ac.ShapeError, match="as many outputs as in the first call, 2"):
        numbers.partial_fit(X, X[:, 0])


def test_verbose_shows_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    MLPClassifier((4,), verbose=True, max_iter=3, n_iter_no_change=2, tol=1e9, random_state=0).fit(*XOR)
    assert "epochs" in capsys.readouterr().err


def test_what_ends_it_is_said() -> None:
    with pytest.warns(ConvergenceWarning, match="not converged after max_iter=2 epochs"):
        MLPClassifier((4,), max_iter=2, random_state=0).fit(*XOR)
    with pytest.raises(ValueError, match=r"the loss must stay finite; got .* lower learning_rate_init"):
        MLPRegressor((4,), "softplus", "sgd", learning_rate_init=1e3, random_state=0).fit(*XOR)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "swish"}, "activation must be"),
        ({"solver": "lbfgs"}, 'solver must be "adam" or "sgd"'),
        ({"alpha": -1.0}, "alpha must not be negative"),
        ({"batch_size": 0}, 'batch_size must be at least 1, or "auto"'),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must be at least 1"),
        ({"max_iter": 0}, "max_iter must be at least 1"),
        ({"validation_fraction": 1.0}, "validation_fraction must be between 0 and 1"),
        ({"early_stopping": True, "validation_fraction": 0.9}, "early_stopping needs rows to hold back"),
    ],
    ids=str,
)
def test_arguments_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"MLPClassifier: {message}"):
        MLPClassifier(**arguments).fit(*XOR)


@pytest.mark.notes("M192")
def test_one_batch_of_all_rows_is_gradient_descent() -> None:
    """With as many rows as there are: the bits of a loop over all rows."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)).astype(np.float32), rng.integers(0, 2, 20)
    model = MLPClassifier(
        (5,), solver="sgd", momentum=0.0, learning_rate_init=0.25, alpha=0.0, shuffle=False, random_state=3
    )
    for _ in range(4):
        model.partial_fit(X, y, classes=[0, 1])
    twin = ac.nn.MLP([3, 5, 2], activation="relu", seed=3)
    for _ in range(4):
        loss = ac.losses.cross_entropy(twin(ac.asarray(X)), ac.asarray(y))
        for p in twin.parameters():
            p.grad = None
        loss.backward()
        for p in twin.parameters():
            p.assign_(p.detach() - 0.25 * p.grad)
    for a, b in zip(model.model_.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_weight_is_how_many_times_a_row_counts(kind: Any) -> None:
    rng = np.random.default_rng(0)
    X, y, counts = rng.normal(size=(30, 3)), rng.integers(0, 3, 30), rng.integers(0, 4, 30)
    y = y if kind is MLPClassifier else np.column_stack([y, X[:, 0]])
    options = {"solver": "sgd", "learning_rate_init": 0.1, "max_iter": 40, "n_iter_no_change": 99, "random_state": 0}
    weighted, repeated = (kind((8,), "tanh", batch_size=200, alpha=0.0, **options) for _ in range(2))
    with pytest.warns(ConvergenceWarning):
        weighted.fit(X, y, sample_weight=counts)
    with pytest.warns(ConvergenceWarning):
        repeated.fit(X.repeat(counts, axis=0), y.repeat(counts, axis=0))
    np.testing.assert_allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-5)
    np.testing.assert_allclose(weighted.coefs_[0], repeated.coefs_[0], atol=1e-5)
    weighted.partial_fit(X, y, sample_weight=2.0 * counts)
    repeated.partial_fit(X.repeat(counts, axis=0), y.repeat(counts, axis=0))
    assert weighted.loss_ == pytest.approx(repeated.loss_, rel=1e-5)
    with pytest.raises(ac.ShapeError, match=rf"{kind.__name__}: sample_weight must have shape \(30,\)"):
        weighted.fit(X, y, sample_weight=[1.0])


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_weights_count_among_the_rows_held_back(kind: Any) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y, weights = (X[:, 0] > 0).astype(int), np.where(np.arange(200) % 2, 5.0, 1e-6)
    y[::2] = 1 - y[::2]  # wrong, and as good as not there
    model = kind((8,), learning_rate_init=0.02, early_stopping=True, random_state=0).fit(X, y, sample_weight=weights)
    assert model.best_validation_score_ > 0.5
    assert model.score(X, y, sample_weight=weights) > max(0.5, model.score(X, y) + 0.2)


def test_what_partial_fit_is_told_later_counts() -> None:
    """Other classes, another alpha and another rate were passed over."""
    X, y = np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) % 2
    model = MLPClassifier((4,), random_state=0).partial_fit(X, y, classes=[0, 1])
    model.partial_fit(X, y, classes=[1, 0])
    with pytest.raises(ValueError, match=r"classes must be those of the first call, \[0, 1\]; got \[0, 1, 2\]"):
        model.partial_fit(X, y, classes=[0, 1, 2])
    before = [p.tolist() for p in model.model_.parameters()]
    model.set_params(learning_rate_init=0.0).partial_fit(X, y)
    assert [p.tolist() for p in model.model_.parameters()] == before
    losses = [model.set_params(alpha=alpha).partial_fit(X, y).loss_ for alpha in (0.0, 10.0, 0.0)]
    pull = sum(float((W**2).sum()) for W in model.coefs_)
    assert losses[1] - losses[0] == pytest.approx(0.5 * 10.0 / 30 * pull, rel=1e-5)
    assert losses[2] == losses[0]
    numbers = MLPRegressor((4,), random_state=0).partial_fit(X, X[:, 0])
    before = [p.tolist() for p in numbers.model_.parameters()]
    numbers.set_params(learning_rate_init=0.0).partial_fit(X, X[:, 0])
    assert [p.tolist() for p in numbers.model_.parameters()] == before
    with pytest.raises(ac.ShapeError, match=r"y must have shape \(n,\), one class per row; got \(30, 2\)"):
        model.partial_fit(X, np.stack([y, y], axis=1))
    with pytest.warns(UserWarning, match="column-vector y"):
        model.partial_fit(X, y[:, None])
