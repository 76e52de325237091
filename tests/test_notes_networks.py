"""Rows of the lecture notes that no other test shows: fully-connected models, mini-batches, activation functions."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import losses
from alice_core.linear_model import LogisticRegression

f64 = "float64"


def tensor(x: Any) -> ac.Tensor:
    return ac.tensor(x, dtype=f64)


# -- 5: fully-connected models -----------------------------------------------------------------------------------------


@pytest.mark.notes("M167", "E-26")
def test_doubling_a_feature() -> None:
    w, x = tensor([1.5, -2.0, 0.25]), tensor([1.0, 3.0, -4.0])
    for j in range(3):
        doubled = x.at[j].multiply(2.0)
        assert (w @ doubled).item() == (w @ x + w[j] * x[j]).item()


@pytest.mark.notes("M170", "M171", "M172", "E-28")
def test_two_linear_maps_are_one_and_with_an_activation_they_are_not() -> None:
    rng = np.random.default_rng(0)
    W1, b1, w2, b2 = (tensor(rng.normal(size=s)) for s in ((4, 3), (4,), (4,), ()))
    f1, f2 = (lambda x: W1 @ x + b1), (lambda h: w2 @ h + b2)
    x, v = tensor(rng.normal(size=3)), tensor(rng.normal(size=3))
    assert f2(f1(x)).item() == pytest.approx(((w2 @ W1) @ x + w2 @ b1 + b2).item(), rel=1e-12)
    additive = lambda f: (f(x + v) - f(x) - f(v) + f(0 * x)).item()  # noqa: E731
    assert abs(additive(lambda x: f2(f1(x)))) < 1e-13
    assert abs(additive(lambda x: f2(ac.tanh(f1(x))))) > 1e-3


@pytest.mark.notes("M173", "M174")
def test_square_roots_below_zero_and_relus() -> None:
    assert math.isnan(ac.sqrt(tensor(-1.0)).item())
    assert ac.grad(ac.sqrt)(tensor(0.0)).item() == math.inf
    x = tensor([-1.0, 0.0, 2.0])
    assert ac.relu(x).tolist() == [0.0, 0.0, 2.0]
    assert ac.grad(lambda x: ac.sum(ac.relu(x)))(x).tolist() == [0.0, 0.0, 1.0]


@pytest.mark.notes("M175", "M178", "M179", "E-29")
def test_shapes_and_numbers_of_layers() -> None:
    layer = ac.nn.Linear(3, 5)
    assert layer.weight.shape == (3, 5)
    assert sum(p.size for p in layer.parameters()) == (3 + 1) * 5 == 20
    with pytest.raises(ac.ShapeError, match=r"expected inputs of shape \(…, 3\)"):
        layer(ac.ones((2, 5)))
    rng = np.random.default_rng(0)
    g = tensor(rng.normal(size=(3, 3)))  # as many rows as columns: only the numbers tell the axes apart
    by_b = ac.vjp(lambda b: tensor(np.ones((3, 3))) + b, tensor(np.zeros(3)))[1](g)[0]
    np.testing.assert_allclose(by_b.numpy(), g.numpy().sum(axis=0), rtol=1e-15)
    sizes = [3, 4, 5, 6, 5, 4, 1]
    weights = [rng.normal(size=s) / 2 for s in itertools.pairwise(sizes)]

    def deep(x: ac.Tensor, *weights: ac.Tensor) -> ac.Tensor:
        for W in weights[:-1]:
            x = ac.tanh(x @ W + 0.1)
        return ac.sum(x @ weights[-1])

    ac.testing.check_grads(deep, [rng.normal(size=(2, 3)), *weights], order=1)


@pytest.mark.notes("M183")
def test_hidden_units_may_change_places() -> None:
    model = ac.nn.MLP([3, 6, 2], activation="tanh", seed=0)
    W1, b1, W2, b2 = (p.numpy() for p in model.parameters())
    order = np.random.default_rng(0).permutation(6)
    x = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    moved = np.tanh(x @ W1[:, order] + b1[order]) @ W2[order] + b2
    np.testing.assert_allclose(moved, model(ac.asarray(x)).numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.notes("M184")
def test_a_linear_model_has_one_minimum() -> None:
    rng = np.random.default_rng(0)
    X, y = tensor(rng.normal(size=(20, 3))), tensor(rng.normal(size=20))
    loss = lambda w: losses.mse_loss(X @ w, y)  # noqa: E731
    ends = [ac.optim.minimize(loss, rng.normal(size=3), gtol=1e-12, ftol=0.0).x.numpy() for _ in range(5)]
    assert np.ptp(ends, axis=0).max() <= 1e-9


@pytest.mark.notes("M185", "E-30")
def test_a_wide_layer_comes_near_any_continuous_function() -> None:
    """On a compact set: sin on [-π, π] by one hidden layer of sigmoids, the output layer by least squares."""
    x = np.linspace(-math.pi, math.pi, 2001)
    errors = []
    for units in (5, 10, 40):
        rng = np.random.default_rng(0)
        w, centre = rng.uniform(1, 3, units), rng.uniform(-math.pi, math.pi, units)
        H = ac.concat([ac.sigmoid(tensor(w * (x[:, None] - centre))), ac.ones((2001, 1), f64)], axis=1)
        out = ac.linalg.lstsq(H, tensor(np.sin(x))[:, None]).x
        errors.append(float(np.abs((H @ out).numpy()[:, 0] - np.sin(x)).max()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-5


@pytest.mark.notes("M186", "M191")
def test_the_work_of_a_gradient_grows_with_the_rows() -> None:
    step = lambda X, y, w: ac.grad(lambda w: losses.mse_loss(X @ w, y))(w)  # noqa: E731
    counts = [ac.trace(step)(ac.zeros((n, 20)), ac.zeros((n,)), ac.zeros((20,))).cost().flops for n in (100, 1000)]
    assert counts[1] / counts[0] == pytest.approx(10, rel=0.1)


@pytest.mark.notes("M189", "M190", "M193")
def test_losses_of_batches() -> None:
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(1000, 3)), rng.normal(size=1000), tensor([0.5, -1.0, 2.0])
    loss = lambda x, y: losses.mse_loss(x @ w, y).item()  # noqa: E731
    batches = ac.data.minibatches(X, y, 20)
    assert len(batches) == 1000 // 20
    assert np.mean([loss(*b) for b in batches]) == pytest.approx(loss(tensor(X), tensor(y)), rel=1e-12)
    rows = losses.mse_loss(tensor(X) @ w, tensor(y), reduction="none").numpy()
    for r in (1, 10, 100):
        means = [rng.permutation(rows)[: r * (1000 // r)].reshape(-1, r).mean(axis=1) for _ in range(300)]
        want = rows.var(ddof=1) / r * (1 - r / 1000)
        assert np.concatenate(means).var() == pytest.approx(want, rel=0.1)


# -- 5.4: activation functions -----------------------------------------------------------------------------------------


@pytest.mark.notes("M196", "E-32")
def test_powers() -> None:
    f = lambda s: s**8.0  # noqa: E731
    assert f(tensor(10.0)).item() == 1e8
    for s in (-2.0, 0.0, 3.0):
        assert ac.grad(lambda s: s**3)(tensor(s)).item() == 3 * s**2
        assert ac.grad(lambda s: s**2)(tensor(s)).item() == 2 * s
    assert (tensor(1.0) + 1.0).item() ** 2 != 1.0**2 + 1.0**2  # powers do not add up: they are not linear
    assert f(f(ac.tensor(10.0))).item() == math.inf
    assert f(f(tensor(10.0))).item() == pytest.approx(1e64)
    assert f(f(f(tensor(10.0)))).item() == math.inf


@pytest.mark.notes("M197", "M198", "M063")
def test_threshold_neurons() -> None:
    X, fires = tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), lambda s: ac.astype(s >= 0, f64)
    for b, want in ((1.5, [0, 0, 0, 1]), (0.5, [0, 1, 1, 1])):
        assert fires(X @ tensor([1.0, 1.0]) - b).tolist() == want
    grid = np.stack(np.meshgrid(*[np.linspace(-2, 2, 21)] * 3), axis=-1).reshape(-1, 3)
    answers = X.numpy() @ grid[:, :2].T - grid[:, 2] >= 0
    assert not (answers == np.array([False, True, True, False])[:, None]).all(axis=0).any()  # XOR
    w = tensor([0.3, -0.2])
    g = ac.grad(lambda w: ac.sum(fires(X @ w) * X[:, 0]) + 0.0 * ac.sum(w))(w)
    np.testing.assert_array_equal(g.numpy(), 0.0)


@pytest.mark.notes("M199", "E-33")
def test_steep_sigmoids() -> None:
    for s, want in ((0.1, 1.0), (-0.1, 0.0)):
        assert ac.sigmoid(tensor(1e3 * s)).item() == pytest.approx(want, abs=1e-40)
    for a in (1.0, 1e3, 1e300):
        assert ac.sigmoid(tensor(a * 0.0)).item() == 0.5


@pytest.mark.notes("M200", "E-34")
def test_a_dead_unit_has_slope_zero() -> None:
    rng = np.random.default_rng(0)
    X, y = tensor(rng.normal(size=(50, 2))), tensor(rng.normal(size=50))
    w, b = tensor([0.5, -0.5]), tensor(-10.0)
    for _ in range(100):
        by_w, by_b = ac.grad(lambda w, b: losses.mse_loss(ac.relu(X @ w + b), y), argnums=(0, 1))(w, b)
        assert not by_w.numpy().any()
        assert by_b.item() == 0.0
        w, b = w - 0.1 * by_w, b - 0.1 * by_b


@pytest.mark.notes("M201", "M202")
def test_leaky_and_parametric_relus() -> None:
    s = tensor([-2.0, 3.0])
    np.testing.assert_allclose(ac.leaky_relu(s, 0.01).numpy(), [-0.02, 3.0], rtol=1e-15)
    np.testing.assert_allclose(ac.grad(lambda s: ac.sum(ac.leaky_relu(s, 0.01)))(s).numpy(), [0.01, 1.0])
    x = tensor([[-1.0, 2.0], [-3.0, -4.0]])
    by_a = ac.grad(lambda a: ac.sum(ac.prelu(x, a)))(tensor([0.25, 0.5])).numpy()
    np.testing.assert_array_equal(by_a, [-4.0, -4.0])
    np.testing.assert_array_equal(ac.prelu(x, tensor([0.0, 0.0])).numpy(), ac.relu(x).numpy())


@pytest.mark.notes("M203", "M204")
def test_softplus_and_elu() -> None:
    assert ac.softplus(tensor(0.0)).item() == pytest.approx(0.6931471805599453, rel=3e-16)
    assert ac.softplus(tensor(1000.0)).item() == 1000.0
    assert ac.softplus(ac.tensor(-104.0)).item() == 0.0
    x = tensor(np.linspace(-3, 3, 7))
    np.testing.assert_allclose(ac.grad(lambda x: ac.sum(ac.softplus(x)))(x).numpy(), ac.sigmoid(x).numpy(), rtol=1e-15)
    assert ac.elu(tensor(-1.0)).item() == pytest.approx(-0.6321205588, abs=1e-10)
    assert ac.elu(tensor(-1e-20)).item() == -1e-20  # expm1: no digits lost
    assert ac.elu(tensor(-1e3)).item() == -1.0
    for s in (-1e-12, 1e-12):
        assert ac.grad(ac.elu)(tensor(s)).item() == pytest.approx(1.0, abs=1e-11)
    second = ac.grad(ac.grad(ac.elu))
    assert (second(tensor(1e-12)).item(), second(tensor(-1e-12)).item()) == (0.0, pytest.approx(1.0))


@pytest.mark.notes("M264")
def test_choices_at_kinks() -> None:
    zero = tensor(0.0)
    assert ac.grad(ac.abs)(zero).item() == 0.0
    assert ac.grad(lambda x: ac.clip(x, 0.0, 1.0))(zero).item() == 0.0
    assert ac.grad(ac.sqrt)(zero).item() == math.inf
    assert not ac.grad(ac.linalg.vector_norm)(tensor([0.0, 0.0])).numpy().any()
    np.testing.assert_array_equal(ac.grad(ac.max)(tensor([1.0, 1.0])).numpy(), [0.5, 0.5])
    assert ac.grad(lambda x: x**0.0)(zero).item() == 0.0


@pytest.mark.notes("M119", "M133", "M143")
def test_logits_have_one_column_per_class() -> None:
    X, y = np.eye(3), [0, 1, 2]
    model = LogisticRegression().fit(X, y)
    assert model.decision_function(X).shape == model.predict_proba(X).shape == (3, 3)
    assert LogisticRegression().fit(X, [0, 1, 1]).decision_function(X).shape == (3,)
