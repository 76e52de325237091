"""Reliability, temperature, costs, and sets that cover."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core.calibration import (
    ConformalClassifier,
    TemperatureScaling,
    cost_sensitive_decision,
    expected_calibration_error,
    reliability_curve,
)
from alice_core.estimators import ConvergenceWarning, NotFittedError

COSTS = [[0, 10], [1, 0]]  # rows: predicted, columns: true


def drawn(n: int, sharpness: float = 1.0, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits times ``sharpness``, and labels drawn from the softmax of the logits themselves."""
    rng = np.random.default_rng(seed)
    z = 1.5 * rng.normal(size=(n, classes))
    labels = np.argmax(z + rng.gumbel(size=z.shape), axis=1)
    return sharpness * z, labels


def softmax(z: np.ndarray) -> np.ndarray:
    return ac.softmax(ac.asarray(z), axis=1).numpy()


@pytest.mark.notes("M158")
def test_numbers_on_edges() -> None:
    """A bin is closed above; 0 falls into the first, 1 into the last."""
    for b in (5, 10, 15):
        edges = np.arange(b + 1) / b
        np.testing.assert_array_equal(
            reliability_curve(edges, np.ones(b + 1), b).counts, [2, *([1] * (b - 1))], err_msg=str(b)
        )
    curve = reliability_curve([0.2, 0.4, 1.0], [1, 0, 1], 5)
    np.testing.assert_array_equal(curve.counts, [1, 1, 0, 0, 1])
    np.testing.assert_array_equal(reliability_curve([np.nextafter(0.2, 1)], [1], 5).counts, [0, 1, 0, 0, 0])


@pytest.mark.notes("M159")
def test_means_of_each_bin_and_the_diagram(tmp_path: Path) -> None:
    curve = reliability_curve([0.9, 0.8, 0.2, 1.0], [True, False, False, True], 4)
    np.testing.assert_allclose(curve.confidence, [0.2, np.nan, np.nan, 0.9])
    np.testing.assert_allclose(curve.accuracy, [0.0, np.nan, np.nan, 2 / 3])
    assert curve.largest_error == pytest.approx(0.9 - 2 / 3)
    pytest.importorskip("matplotlib")
    picture = curve.draw(tmp_path / "reliability.png", "Test")
    assert picture.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.notes("M153", "M160", "M161")
def test_expected_calibration_error() -> None:
    found = expected_calibration_error([0.95, 0.85, 0.75, 0.65, 0.55], [1, 1, 0, 1, 0], 5)
    assert found == pytest.approx(0.23, abs=1e-14)
    assert expected_calibration_error(np.full(10, 0.8), np.ones(10)) == pytest.approx(0.2, abs=1e-14)
    uniform = np.arange(100) % 4 == 0  # four balanced classes, always the first
    assert expected_calibration_error(np.full(100, 0.25), uniform) == pytest.approx(0.0, abs=1e-14)


@pytest.mark.notes("M162", "M163", "E-24")
def test_the_temperature_of_a_classifier_that_is_too_sure() -> None:
    z, y = drawn(20_000, sharpness=3.0)
    scaling = TemperatureScaling().fit(z, y)
    assert scaling.converged_
    assert abs(scaling.temperature_ - 3.0) <= 0.15
    assert scaling.nll_ < scaling.nll_before_
    before, after = softmax(z), scaling.predict_proba(z)
    np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
    errors = [expected_calibration_error(p.max(axis=1), p.argmax(axis=1) == y) for p in (before, after)]
    assert errors[1] < 0.02 < 0.1 < errors[0]
    # A calibrated one is left as it is.
    assert abs(TemperatureScaling().fit(*drawn(20_000)).temperature_ - 1.0) <= 0.05


@pytest.mark.notes("M163")
def test_the_slope_vanishes_at_the_temperature() -> None:
    z, y = drawn(500, 0.3, seed=3)
    scaling = TemperatureScaling().fit(z, y)
    f = lambda t: ac.losses.cross_entropy(ac.asarray(z) / t, ac.asarray(y))  # noqa: E731
    t = ac.tensor(scaling.temperature_, dtype="float64")
    assert abs(ac.grad(f)(t).item()) <= 1e-8
    assert f(t).item() == pytest.approx(scaling.nll_, rel=1e-12)
    np.testing.assert_allclose(scaling.transform(z).numpy(), z / scaling.temperature_, rtol=1e-15)


@pytest.mark.notes("M163")
@pytest.mark.parametrize(("labels", "low"), [([0, 1], True), ([1, 0], False)])
def test_no_temperature_is_best(labels: list[int], low: bool) -> None:
    """Where all answers are right (or wrong) the surest (or least sure) is; that is said."""
    with pytest.warns(ConvergenceWarning, match="no temperature is best"):
        scaling = TemperatureScaling().fit([[3.0, 0.0], [0.0, 3.0]], labels)
    assert not scaling.converged_
    assert (scaling.temperature_ < 0.5) == low


@pytest.mark.notes("M154", "M155", "M156", "M157", "E-23")
def test_costs_have_answers_as_rows() -> None:
    """The threshold for 1 is 1/11; the other orientation would make it 10/11."""
    p = np.array([1 / 11 - 1e-9, 1 / 11 + 1e-9, 0.5, 10 / 11 + 1e-9])
    pairs = np.column_stack([1 - p, p])
    np.testing.assert_array_equal(cost_sensitive_decision(pairs, COSTS), [0, 1, 1, 1])
    np.testing.assert_array_equal(cost_sensitive_decision(pairs, np.transpose(COSTS)), [0, 0, 0, 1])
    assert cost_sensitive_decision([0.85, 0.15], COSTS) == [1]
    np.testing.assert_allclose(np.array(COSTS) @ [0.85, 0.15], [1.5, 0.85])
    rows = np.random.default_rng(0).dirichlet(np.ones(4), 100)
    np.testing.assert_array_equal(cost_sensitive_decision(rows, 1 - np.eye(4)), rows.argmax(axis=1))
    # An answer more: not to decide.
    assert cost_sensitive_decision([0.5, 0.5], [[0, 10], [1, 0], [0.1, 0.1]]) == [2]


@pytest.mark.notes("M165", "M166", "E-25")
def test_sets_cover_as_promised() -> None:
    z, y = drawn(12_000, sharpness=2.0, classes=10, seed=1)
    p = softmax(z)
    conformal = ConformalClassifier(alpha=0.1).fit(p[:2000], y[:2000])
    sets = conformal.predict_set(p[2000:])
    coverage = sets[np.arange(10_000), y[2000:]].mean()
    assert 0.88 <= coverage <= 0.92
    naive = (p[2000:] > 0.9)[np.arange(10_000), y[2000:]].mean()  # the threshold that the notes print, 1 - alpha
    assert naive < 0.5
    assert conformal.threshold_ < 0.2


@pytest.mark.notes("M166", "E-25")
def test_coverage_over_many_draws_is_exact() -> None:
    """On average over held-out rows, ``⌈(n + 1)(1 - alpha)⌉ / (n + 1)``, for any score; here 18/20."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(2000):
        p = rng.dirichlet(np.ones(3), 40)
        y = rng.integers(0, 3, 40)  # scores that say nothing
        sets = ConformalClassifier(0.1).fit(p[:19], y[:19]).predict_set(p[19:])
        covered.append(sets[np.arange(21), y[19:]].mean())
    assert abs(np.mean(covered) - 0.9) <= 0.006


@pytest.mark.notes("M165")
def test_few_rows_promise_nothing() -> None:
    conformal = ConformalClassifier(0.1).fit([[0.5, 0.5]] * 8, [0] * 8)
    assert conformal.threshold_ == -math.inf
    assert conformal.predict_set([[1.0, 0.0]]).all()
    assert ConformalClassifier(0.1).fit([[0.5, 0.5]] * 9, [0] * 9).threshold_ == 0.5


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: reliability_curve([0.5, 1.5], [1, 0]), ValueError, "confidence must be between 0 and 1; got 1.5"),
        (lambda: reliability_curve([0.5], [2]), ValueError, "correct must be true or false; got 2"),
        (lambda: reliability_curve([0.5], [1, 0]), ac.ShapeError, "one length"),
        (lambda: reliability_curve([[0.5]], [1]), ac.ShapeError, r"confidence must have shape \(n,\)"),
        (lambda: reliability_curve([0.5], [1], 0), ValueError, "n_bins must be at least 1"),
        (lambda: cost_sensitive_decision([[0.5, 0.4]], COSTS), ValueError, "sum to 1 in each row"),
        (lambda: cost_sensitive_decision([[0.5, 0.5]], np.eye(3)), ac.ShapeError, "one column per class, 2"),
        (lambda: TemperatureScaling().fit([[1.0, 2.0]], [2]), ValueError, "labels must be classes from 0 to 1; got 2"),
        (lambda: TemperatureScaling().fit([[1.0, 2.0]], [0.5]), ac.DTypeError, "labels must be a vector of integers"),
        (lambda: TemperatureScaling().fit([[np.nan, 2.0]], [0]), ValueError, "logits must be finite"),
        (lambda: TemperatureScaling().fit([[1.0, 2.0]], [0, 1]), ac.ShapeError, "one length"),
        (lambda: TemperatureScaling().transform([[1.0]]), NotFittedError, "not fitted yet"),
        (lambda: ConformalClassifier(1.0).fit([[1.0, 0.0]], [0]), ValueError, "alpha must be between 0 and 1"),
        (lambda: ConformalClassifier().predict_set([[1.0, 0.0]]), NotFittedError, "not fitted yet"),
        (lambda: ConformalClassifier().fit([[1.0, 0.0]], [0, 1]), ac.ShapeError, "one length"),
    ],
)
def test_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_conformal_sets_are_of_the_classes_that_fit_saw() -> None:
    model = ConformalClassifier(0.4).fit([[0.7, 0.3], [0.4, 0.6], [0.9, 0.1]], [0, 1, 0])
    with pytest.raises(ac.ShapeError, match=r"must have the 2 classes that fit saw; got \(1, 3\)"):
        model.predict_set([[0.2, 0.3, 0.5]])
