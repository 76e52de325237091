"""Losses with weights, losses of probabilities, and a reward that must not be minimised."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import losses

f64 = "float64"
inf = math.inf


def tensor(x: Any) -> ac.Tensor:
    return ac.tensor(x, dtype=f64)


# -- weights of classes ------------------------------------------------------------------------------------------------


@pytest.fixture
def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(9, 4)), rng.integers(0, 4, 9), np.array([0.5, 2.0, 0.0, 3.0])


@pytest.mark.notes("M135", "M139")
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("ignored", [None, 1])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_weights_of_classes(problem: Any, reduction: str, ignored: int | None, smoothing: float) -> None:
    x, y, w = problem
    log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    q = (1 - smoothing) * np.eye(4)[y] + smoothing / 4
    kept = np.ones(9, bool) if ignored is None else y != ignored
    rows = np.where(kept, -(w * q * log_p).sum(axis=1), 0.0)
    want = {"none": rows, "sum": rows.sum(), "mean": rows.sum() / w[y][kept].sum()}[reduction]
    options = {"reduction": reduction, "ignore_index": ignored, "label_smoothing": smoothing}

    def f(x: ac.Tensor, w: ac.Tensor) -> ac.Tensor:
        return losses.cross_entropy(x, ac.tensor(y), weight=w, **options)

    np.testing.assert_allclose(f(tensor(x), tensor(w)).numpy(), want, rtol=1e-14)
    np.testing.assert_array_equal(ac.compile(f)(tensor(x), tensor(w)).numpy(), f(tensor(x), tensor(w)).numpy())
    ac.testing.check_grads(f, [x, w + 0.1], order=2, modes=("rev", "fwd"))


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_weights_of_classes_with_probabilities(problem: Any, smoothing: float) -> None:
    x, _, w = problem
    q = np.random.default_rng(1).dirichlet(np.ones(4), 9)
    mixed = (1 - smoothing) * q + smoothing / 4
    rows = -(w * mixed * (x - np.log(np.exp(x).sum(axis=1, keepdims=True)))).sum(axis=1)
    for reduction, want in (("none", rows), ("sum", rows.sum()), ("mean", rows.mean())):
        found = losses.cross_entropy(
            tensor(x), tensor(q), weight=tensor(w), reduction=reduction, label_smoothing=smoothing
        )
        np.testing.assert_allclose(found.numpy(), want, rtol=1e-14)


def test_a_class_that_weighs_nothing_costs_nothing() -> None:
    x = tensor([[-inf, 0.0], [0.0, 1.0]])
    value, g = ac.value_and_grad(lambda x: losses.cross_entropy(x, ac.tensor([0, 1]), weight=[0.0, 1.0]))(x)
    np.testing.assert_allclose(value.item(), np.log1p(np.exp(-1)), rtol=1e-14)
    np.testing.assert_array_equal(g.numpy()[0], 0.0)
    assert losses.cross_entropy(x, ac.tensor([0, 0]), weight=[0.0, 1.0]).item() == 0.0


def test_equal_weights_change_nothing(problem: Any) -> None:
    x, y, _ = problem
    plain = losses.cross_entropy(tensor(x), ac.tensor(y))
    even = losses.cross_entropy(tensor(x), ac.tensor(y), weight=[3.0] * 4)
    np.testing.assert_allclose(even.item(), plain.item(), rtol=1e-15)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"weight": [1.0, 2.0]},
            ac.ShapeError,
            r"cross_entropy: weight must have one number per class.*\(3,\).*\(2,\)",
        ),
        ({"weight": [1.0, -2.0, 1.0]}, ValueError, "cross_entropy: weight must be finite and not negative"),
        ({"weight": [1.0, 1.0, inf]}, ValueError, "cross_entropy: weight must be finite and not negative"),
        ({"weight": [1.0] * 3, "label_smoothing": 1.0}, ValueError, r"label_smoothing must be in \[0, 1\); got 1"),
        ({"weight": [1.0] * 3, "reduction": "avg"}, ValueError, "reduction must be .*'avg'"),
    ],
)
def test_weights_that_are_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        losses.cross_entropy(ac.zeros((2, 3)), ac.tensor([0, 1]), **options)


def test_a_label_is_refused_with_weights_too() -> None:
    with pytest.raises(IndexError, match="got 3 in row 1"):
        losses.cross_entropy(ac.zeros((2, 3)), ac.tensor([0, 3]), weight=[1.0] * 3)


@pytest.mark.notes("M144")
def test_positives_that_are_rare_weigh_more() -> None:
    x, y = np.array([[0.3, -2.0], [1.5, 0.2]]), np.array([[1.0, 0.0], [0.25, 1.0]])
    for w in (3.0, [3.0, 0.5], [[1.0, 2.0], [3.0, 4.0]]):
        want = np.asarray(w) * y * np.log1p(np.exp(-x)) + (1 - y) * np.log1p(np.exp(x))
        f = lambda x, w=w: losses.binary_cross_entropy_with_logits(  # noqa: E731
            x, tensor(y), reduction="none", pos_weight=w if isinstance(w, float) else tensor(w)
        )
        np.testing.assert_allclose(f(tensor(x)).numpy(), want, rtol=1e-14)
        ac.testing.check_grads(lambda x, f=f: ac.sum(f(x)), [x], order=2)
    with pytest.raises(
        ac.ShapeError, match=r"pos_weight must be one number or of shape \(2,\) or \(2, 2\); got \(3,\)"
    ):
        losses.binary_cross_entropy_with_logits(tensor(x), tensor(y), pos_weight=[1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="pos_weight must be positive"):
        losses.binary_cross_entropy_with_logits(tensor(x), tensor(y), pos_weight=0.0)


# -- the margin --------------------------------------------------------------------------------------------------------


@pytest.mark.notes("M064", "E-7")
def test_the_margin_is_a_reward() -> None:
    """Its slope is the label; who minimises it learns the opposite, ever more; minus the margin has no lower bound."""
    half = np.random.default_rng(0).normal(size=(25, 2))
    x = np.concatenate([half, half * [1.0, -1.0]])
    y = tensor(np.sign(x[:, 0]))
    margin = lambda w: -losses.margin_loss(tensor(x) @ w, y)  # noqa: E731
    g = ac.grad(lambda p: -losses.margin_loss(p, y, reduction="sum"))(tensor(np.zeros(50)))
    np.testing.assert_array_equal(g.numpy(), y.numpy())
    for sign, accuracy in ((-1.0, 0.0), (1.0, 1.0)):
        w = tensor([0.0, 0.0])
        for _ in range(200):
            before, w = w, w + sign * ac.grad(margin)(w)
        assert np.mean(np.sign(x @ w.numpy()) == y.numpy()) == accuracy
        np.testing.assert_allclose(np.abs(w.numpy() / 200), np.abs((w - before).numpy()), rtol=1e-12)  # without end


# -- probabilities -----------------------------------------------------------------------------------------------------


@pytest.mark.notes("M144")
@pytest.mark.parametrize(
    ("p", "y", "value", "slope"),
    [(1.0, 1.0, 0.0, -1.0), (0.0, 0.0, 0.0, 1.0), (0.5, 1.0, math.log(2), -2.0), (0.0, 1.0, inf, None)],
)
def test_binary_cross_entropy_of_probabilities(p: float, y: float, value: float, slope: float | None) -> None:
    found, g = ac.value_and_grad(lambda p: losses.binary_cross_entropy(p, tensor(y)))(tensor(p))
    np.testing.assert_allclose(found.item(), value, rtol=1e-15)
    if slope is not None:
        np.testing.assert_allclose(g.item(), slope, rtol=1e-15)


@pytest.mark.notes("M144")
def test_both_forms_of_the_binary_cross_entropy_agree() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=40), rng.random(40)
    from_logits = losses.binary_cross_entropy_with_logits(tensor(x), tensor(y), reduction="none").numpy()
    p = ac.sigmoid(tensor(x))
    np.testing.assert_allclose(losses.binary_cross_entropy(p, tensor(y), "none").numpy(), from_logits, rtol=1e-13)
    ac.testing.check_grads(lambda p: losses.binary_cross_entropy(p, tensor(y)), [p.numpy()], order=2)


@pytest.mark.notes("M073", "M134", "M135", "M137")
def test_categorical_cross_entropy() -> None:
    f = [0.2, 0.5, 0.3]
    index = losses.categorical_cross_entropy(tensor(f), ac.tensor(1)).item()
    one_hot = losses.categorical_cross_entropy(tensor(f), tensor([0.0, 1.0, 0.0])).item()
    assert index == one_hot == 0.6931471805599453
    assert math.exp(-index) == pytest.approx(0.5, rel=1e-15)
    # What cannot happen and did not costs nothing, with a finite slope.
    value, g = ac.value_and_grad(lambda p: losses.categorical_cross_entropy(p, tensor([0.0, 1.0])))(tensor([0.0, 1.0]))
    assert value.item() == 0.0
    np.testing.assert_array_equal(g.numpy(), [0.0, -1.0])
    assert losses.categorical_cross_entropy(tensor([[0.0, 1.0]]), ac.tensor([0])).item() == inf


@pytest.mark.notes("M122", "M124", "E-20")
def test_what_is_no_distribution_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"categorical_cross_entropy: probabilities must sum to 1 .* got a sum of 0\.9"
    ):
        losses.categorical_cross_entropy([0.2, 0.3, 0.4], 2)
    assert losses.categorical_cross_entropy([0.2, 0.05, 0.75], 2).item() == pytest.approx(-math.log(0.75))
    with pytest.raises(
        ValueError, match=r"probabilities must lie between 0 and 1; got -1\.0; logits go to cross_entropy"
    ):
        losses.categorical_cross_entropy([-1.0, 2.0], 0)
    with pytest.raises(
        ValueError, match=r"must lie between 0 and 1; got 3\.0; logits go to binary_cross_entropy_with_log"
    ):
        losses.binary_cross_entropy([3.0], [1.0])
    with pytest.raises(ValueError, match="kl_divergence: q must sum to 1"):
        losses.kl_divergence([0.5, 0.5], [0.5, 0.6])


def test_shapes_that_are_refused() -> None:
    p = ac.full((2, 3), 1 / 3)
    with pytest.raises(ac.ShapeError, match=r"class indices must be integers of shape \(2,\); got \(3,\)"):
        losses.categorical_cross_entropy(p, ac.tensor([0, 1, 2]))
    with pytest.raises(ac.ShapeError, match=r"target probabilities must have the shape .* \(2, 3\) and \(3,\)"):
        losses.categorical_cross_entropy(p, [0.2, 0.5, 0.3])
    with pytest.raises(IndexError, match="categorical_cross_entropy: targets must be from 0 to 2; got 3 in row 1"):
        losses.categorical_cross_entropy(p, ac.tensor([0, 3]))
    with pytest.raises(ac.ShapeError, match="classes last"):
        losses.categorical_cross_entropy(1.0, 0)
    with pytest.raises(ac.ShapeError, match="classes last"):
        losses.kl_divergence(1.0, 1.0)
    with pytest.raises(ac.ShapeError, match=r"kl_divergence: .*one shape"):
        losses.kl_divergence([1.0], [[1.0]])


@pytest.mark.notes("M136")
def test_kl_divergence() -> None:
    """The cross-entropy less the entropy: never negative, 0 where both agree."""
    rng = np.random.default_rng(3)
    p, q = rng.dirichlet(np.ones(5), 100), rng.dirichlet(np.ones(5), 100)
    found = losses.kl_divergence(tensor(p), tensor(q), reduction="none").numpy()
    cross = losses.categorical_cross_entropy(tensor(q), tensor(p), reduction="none").numpy()
    np.testing.assert_allclose(found, cross + (p * np.log(p)).sum(axis=1), rtol=1e-12, atol=1e-14)
    assert found.min() > 0
    np.testing.assert_allclose(losses.kl_divergence(tensor(p), tensor(p), "none").numpy(), 0.0, atol=1e-15)
    assert losses.kl_divergence([0.0, 1.0], [0.5, 0.5]).item() == pytest.approx(math.log(2))
    assert losses.kl_divergence([0.5, 0.5], [0.0, 1.0]).item() == inf
    logits = lambda a, b: losses.kl_divergence(ac.softmax(a), ac.softmax(b))  # noqa: E731
    ac.testing.check_grads(logits, [np.log(p[:3]), np.log(q[:3])], order=2)


@pytest.mark.notes("M164")
def test_focal_loss() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(12, 3)), rng.integers(0, 3, 12)
    p = np.exp(x[np.arange(12), y]) / np.exp(x).sum(axis=1)
    for gamma in (0.0, 0.5, 2.0):
        found = losses.focal_loss(tensor(x), ac.tensor(y), gamma=gamma, reduction="none").numpy()
        np.testing.assert_allclose(found, -((1 - p) ** gamma) * np.log(p), rtol=1e-13)
        ac.testing.check_grads(lambda x, g=gamma: losses.focal_loss(x, ac.tensor(y), gamma=g), [x], order=2)
    w = np.array([1.0, 0.25, 2.0])
    found = losses.focal_loss(tensor(x), ac.tensor(y), reduction="none", weight=w).numpy()
    np.testing.assert_allclose(found, -w[y] * (1 - p) ** 2 * np.log(p), rtol=1e-13)
    # Certain and right: no cost, no slope, whatever the power.
    for gamma in (0.5, 1.0, 2.0):
        value, g = ac.value_and_grad(lambda x, k=gamma: losses.focal_loss(x, ac.tensor([0]), gamma=k))(
            tensor([[inf, 0.0]])
        )
        assert value.item() == 0.0
        np.testing.assert_array_equal(g.numpy(), 0.0)
    with pytest.raises(ValueError, match="gamma must be at least 0"):
        losses.focal_loss(x, y, gamma=-1.0)
    with pytest.raises(ac.DTypeError, match="class indices"):
        losses.focal_loss(x, np.full((12, 3), 1 / 3))


@pytest.mark.parametrize(
    "loss",
    [losses.binary_cross_entropy, losses.kl_divergence, losses.categorical_cross_entropy],
    ids=lambda f: f.__name__,
)
def test_reductions(loss: Callable[..., ac.Tensor]) -> None:
    rng = np.random.default_rng(5)
    p, q = (tensor(rng.dirichlet(np.ones(3), 4)) for _ in range(2))
    rows = loss(p, q, reduction="none")
    np.testing.assert_allclose(loss(p, q).item(), rows.numpy().mean(), rtol=1e-14)
    np.testing.assert_allclose(loss(p, q, reduction="sum").item(), rows.numpy().sum(), rtol=1e-14)
    np.testing.assert_array_equal(ac.compile(loss)(p, q).numpy(), loss(p, q).numpy())
    with pytest.raises(ValueError, match=rf"{loss.__name__}: reduction must be .*'avg'"):
        loss(p, q, reduction="avg")


@pytest.mark.notes("M059", "M060")
def test_an_unknown_loss_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'square_loss'"):
        losses.square_loss  # noqa: B018
    assert set(losses.__all__) <= {*dir(losses), *losses._LATER}


def test_a_weighted_loss_refuses_a_smoothing_that_is_no_number() -> None:
    x, y, w = tensor([[1.0, 0.0]]), ac.tensor([0]), tensor([1.0, 2.0])
    with pytest.raises(ac.DTypeError, match="cross_entropy: label_smoothing must be a number; got 'a'"):
        losses.cross_entropy(x, y, label_smoothing="a", weight=w)  # type: ignore[arg-type]
