"""Rows of the lecture notes that no other test shows: linear algebra, learning without labels, linear models."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import losses

f64 = "float64"


def tensor(x: Any) -> ac.Tensor:
    return ac.tensor(x, dtype=f64)


# -- 2.1 and 2.2 -------------------------------------------------------------------------------------------------------


@pytest.mark.notes("M001")
def test_tensors() -> None:
    for shape in ((), (2,), (2, 3), (2, 0, 3), (1, 2, 1, 2, 1, 2)):
        x = ac.zeros(shape)
        assert (x.shape, x.ndim, x.size, x.dtype) == (shape, len(shape), math.prod(shape), "float32")
    with pytest.raises(ValueError, match=r"ragged|one length|inhomogeneous|shape"):
        ac.tensor([[1.0], [1.0, 2.0]])
    assert ac.tensor([1, 2.5]).dtype == "float32"


@pytest.mark.notes("M002")
def test_the_most_similar_unit_vector_is_the_vector_itself() -> None:
    rng = np.random.default_rng(0)
    w = rng.normal(size=(100_000, 8))
    w /= np.linalg.norm(w, axis=1, keepdims=True)
    x = w[0]
    assert (w @ x <= 1 + 1e-15).all()
    assert np.flatnonzero(w @ x >= 1 - 1e-12).tolist() == [0]
    at, target = tensor(w[1]), tensor(x)
    for _ in range(200):
        at = at + 0.5 * ac.grad(lambda w: w @ target)(at)
        at = at / ac.linalg.vector_norm(at)
    np.testing.assert_allclose(at.numpy(), x, atol=1e-6)


@pytest.mark.notes("M003", "M004", "M009")
def test_products() -> None:
    a, b = tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([[5.0, 6.0], [7.0, 8.0]])
    assert (a @ b).tolist() == [[19.0, 22.0], [43.0, 50.0]]
    assert (a * b).tolist() == [[5.0, 12.0], [21.0, 32.0]]
    assert ((a @ b[0]).tolist(), (b[0] @ a).tolist(), (a[0] @ b[0]).item()) == ([17.0, 39.0], [23.0, 34.0], 17.0)
    g = tensor([[1.0, -1.0], [0.5, 2.0]])
    by_a, by_b = ac.vjp(ac.matmul, a, b)[1](g)
    np.testing.assert_array_equal(by_a.numpy(), (g @ b.T).numpy())
    np.testing.assert_array_equal(by_b.numpy(), (a.T @ g).numpy())
    rng = np.random.default_rng(0)
    x, y = tensor(rng.normal(size=(4, 2, 3))), tensor(rng.normal(size=(4, 3, 5)))
    np.testing.assert_array_equal((x @ y).numpy(), np.stack([(x[i] @ y[i]).numpy() for i in range(4)]))
    assert (x[:1] @ y).shape == (4, 2, 5)
    for left, right in ((a, x[0].T), (x[:3], y)):
        with pytest.raises(ac.ShapeError, match="matmul"):
            left @ right


@pytest.mark.notes("M005", "M006", "E-1")
def test_a_mask_is_linear() -> None:
    rng = np.random.default_rng(0)
    m, x, y = tensor([0.0, 1.0, 1.0, 0.0]), tensor(rng.normal(size=4)), tensor(rng.normal(size=4))
    np.testing.assert_allclose((m * (2 * x + 3 * y)).numpy(), (2 * (m * x) + 3 * (m * y)).numpy(), rtol=3e-16)
    g = ac.grad(lambda x: ac.sum(m * x * x))(x).numpy()
    np.testing.assert_array_equal(g, np.where(m.numpy() == 0, 0.0, 2 * x.numpy()))
    assert (m * x).numpy()[1:3].tobytes() == x.numpy()[1:3].tobytes()


@pytest.mark.notes("M007", "M008")
def test_elementwise_whole_and_batched() -> None:
    x = tensor([[0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_allclose(ac.exp(x).numpy(), [[1.0, math.e], [1.0, 1.0]])
    np.testing.assert_allclose(ac.linalg.expm(x).numpy(), [[1.0, 1.0], [0.0, 1.0]])
    rng = np.random.default_rng(0)
    a, b = tensor(rng.normal(size=(3, 2, 4))), tensor(rng.normal(size=(3, 4, 2)))
    traces = ac.sum(a * ac.matrix_transpose(b), axis=(1, 2))
    np.testing.assert_allclose(traces.numpy(), [ac.linalg.trace(a[i] @ b[i]).item() for i in range(3)], rtol=1e-13)


@pytest.mark.notes("M016", "M018", "M019")
def test_taylor() -> None:
    """The listing of the notes, and a remainder that falls by four as the step halves."""
    f = lambda x: x**2 - 1.5 * x  # noqa: E731
    for dtype in ("float32", f64):
        x0 = ac.tensor(0.5, dtype=dtype)
        slope = ac.grad(f)(x0)
        assert slope.shape == ()
        assert slope.item() == -0.5
        assert f"{(f(x0) + slope * 0.01).item():.4f} {f(x0 + 0.01).item():.4f}" == "-0.5050 -0.5049"
    remainder = f(x0 + 0.01) - (f(x0) + slope * 0.01)
    assert remainder.item() == pytest.approx(1e-4, rel=1e-10)
    x, v = tensor([0.3, -0.7]), tensor([1.0, 0.5])
    for g in (lambda x: ac.sum(ac.tanh(x)), lambda x: ac.sum(ac.softplus(x)), ac.logsumexp):
        y, slope = ac.jvp(g, [x], [v])
        left = [(g(x + h * v) - y - h * slope).item() for h in (1e-3, 5e-4)]
        assert left[0] / left[1] == pytest.approx(4.0, abs=0.05)


@pytest.mark.notes("M014", "E-2")
def test_rows_are_gradients_of_outputs_and_columns_answers_to_inputs() -> None:
    f = lambda x: ac.stack([x[0] * x[1], ac.sin(x[0]), x[1] ** 2])  # noqa: E731
    x = tensor([1.0, 2.0])
    J = ac.jacobian(f)(x).numpy()
    for i in range(3):
        np.testing.assert_array_equal(J[i], ac.grad(lambda x, i=i: f(x)[i])(x).numpy())
    for j in range(2):
        np.testing.assert_array_equal(J[:, j], ac.jvp(f, [x], [tensor(np.eye(2)[j])])[1].numpy())


# -- 3.1: what is learned without labels -------------------------------------------------------------------------------


@pytest.mark.notes("M052")
def test_clusters_by_newton() -> None:
    """k-means: squared distances to the nearest centre have a diagonal Hessian, and Newton's step is the mean."""
    rng = np.random.default_rng(0)
    X = tensor(np.concatenate([rng.normal(size=(30, 2)) * 0.2 + c for c in ([0, 0], [3, 0], [0, 3])]))

    def cost(c: ac.Tensor) -> ac.Tensor:
        return ac.sum(ac.min(ac.sum(ac.square(ac.expand_dims(X, 1) - c), axis=2), axis=1))

    c = tensor([[0.5, 0.5], [2.0, 0.5], [0.5, 2.0]])
    for _ in range(10):
        slope, curvature = ac.jvp(ac.grad(cost), [c], [ac.ones_like(c)])
        c = c - slope / curvature
    nearest = np.argmin(((X.numpy()[:, None] - c.numpy()) ** 2).sum(axis=2), axis=1)
    np.testing.assert_array_equal(nearest, np.repeat([0, 1, 2], 30))
    np.testing.assert_allclose(c.numpy(), [X.numpy()[nearest == k].mean(axis=0) for k in range(3)], rtol=1e-12)


@pytest.mark.notes("M053")
def test_retrieval() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 8))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    values, indices = ac.topk(tensor(X) @ tensor(X[17]), 5)
    np.testing.assert_array_equal(indices.numpy(), np.argsort(-(X @ X[17]))[:5])
    assert (int(indices[0]), values[0].item()) == (17, pytest.approx(1.0))


def digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y


def train(model: Any, params: Any, loss: Any, batches: Any, epochs: int, lr: float = 3e-3) -> None:
    opt = ac.optim.Adam(params, lr=lr)

    @ac.compile
    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        value = loss(model(x), y)
        opt.zero_grad()
        value.backward()
        opt.step()
        return value

    for _ in range(epochs):
        for x, y in batches:
            step(x, y)


@pytest.mark.notes("M054", "M057")
def test_a_frozen_trunk_and_a_new_head() -> None:
    X, y = digits()
    old, new = y < 5, y >= 5
    trunk, head = ac.nn.Linear(64, 128, seed=0), ac.nn.Linear(128, 5, seed=1)
    model = ac.nn.Sequential(trunk, ac.nn.ReLU(), head)
    train(model, model.parameters(), losses.cross_entropy, ac.data.minibatches(X[old], y[old], 64), 15)
    frozen = list(trunk.parameters())
    before = [p.numpy().tobytes() for p in frozen]
    for p in frozen:
        p.grad = None
        p.requires_grad_(False)
    second = ac.nn.Linear(128, 5, seed=2)
    tuned = ac.nn.Sequential(trunk, ac.nn.ReLU(), second)
    batches = ac.data.minibatches(X[new][:700], y[new][:700] - 5, 64)
    train(tuned, second.parameters(), losses.cross_entropy, batches, 40, 1e-2)
    assert [p.numpy().tobytes() for p in frozen] == before
    assert all(p.grad is None for p in frozen)
    answers = tuned(ac.asarray(X[new][700:])).numpy().argmax(axis=1)
    assert np.mean(answers == y[new][700:] - 5) > 0.9


@pytest.mark.notes("M055")
def test_masked_pixels_are_told_from_the_others() -> None:
    X, _ = digits()
    hidden = np.zeros(64, np.float32)
    hidden[[27, 28, 35, 36]] = 1  # the middle
    model = ac.nn.MLP([64, 64, 4], activation="relu", seed=0)
    targets = X[:, hidden == 1]
    train(
        model, model.parameters(), losses.mse_loss, ac.data.minibatches(X[:1400] * (1 - hidden), targets[:1400], 64), 20
    )
    error = losses.mse_loss(model(ac.asarray(X[1400:] * (1 - hidden))), targets[1400:]).item()
    assert error < 0.5 * np.mean((targets[1400:] - targets[:1400].mean(axis=0)) ** 2)


# -- 4: linear models --------------------------------------------------------------------------------------------------


@pytest.mark.notes("M072", "M120", "E-9")
def test_one_hot() -> None:
    y = ac.data.one_hot(ac.tensor([2, 0]), 3)
    assert y.tolist() == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    assert ac.linalg.vector_norm(y[0] - y[1]).item() == pytest.approx(math.sqrt(2), rel=1e-7)


@pytest.mark.notes("M087", "E-12")
def test_the_gradient_of_the_squared_loss_is_linear_in_the_output() -> None:
    rng = np.random.default_rng(0)
    y, u, v = (tensor(rng.normal(size=5)) for _ in range(3))
    g = ac.grad(lambda p: losses.mse_loss(p, y))
    zero = g(tensor(np.zeros(5))).numpy()
    mixed = (g(2 * u + 3 * v)).numpy() - zero
    np.testing.assert_allclose(mixed, 2 * (g(u).numpy() - zero) + 3 * (g(v).numpy() - zero), rtol=1e-13, atol=1e-15)


@pytest.mark.notes("M090", "E-13")
def test_the_negative_log_likelihood_is_what_is_minimised() -> None:
    y = tensor([1.0, 3.0])
    f = lambda c: losses.gaussian_nll(ac.broadcast_to(c, (2,)), y)  # noqa: E731
    assert ac.optim.minimize(f, np.array(0.0)).x.item() == pytest.approx(2.0, abs=1e-6)
    away = tensor(0.0) + 0.5 * ac.grad(f)(tensor(0.0))  # up the slope: less probable
    assert f(away).item() > f(tensor(0.0)).item()


def linear_model(w: ac.Tensor, b: float, X: ac.Tensor) -> ac.Tensor:
    return X @ w + b


@pytest.mark.notes("M096", "M098", "M099", "M100", "M102", "E-15", "X16")
def test_the_listing_of_the_linear_model() -> None:
    rng = np.random.default_rng(0)
    X, w, b = tensor(rng.normal(size=(10_000, 3))), tensor([1.0, -2.0, 0.5]), 0.25
    y = linear_model(w, b, X)
    assert y.shape == (10_000,)
    loop = [sum(X.numpy()[i, j] * w.numpy()[j] for j in range(3)) + b for i in range(10_000)]
    assert str(ac.trace(linear_model)(w, b, X)).count("=") == str(ac.trace(linear_model)(w, b, X[:2])).count("=")
    np.testing.assert_allclose(y.numpy(), loop, rtol=1e-12, atol=1e-13)
    t = tensor(rng.normal(size=10_000))
    total = sum((t.numpy()[i] - loop[i]) ** 2 for i in range(10_000)) / 10_000
    assert losses.mse_loss(y, t).item() == pytest.approx(total, rel=1e-12)
    ac.testing.check_grads(linear_model, [w.numpy(), np.array(b), X.numpy()[:4]], order=2)


#: Section 4.1.4 as it is printed, in one piece, the target with the column that it lacks (erratum E-18).
GRADIENT_DESCENT = """
import torch
from torch import Tensor

def least_squares_gd(X: Float[Tensor, "n c"],
                    y: Float[Tensor, "n 1"],
                    learning_rate=1e-3) \\
    -> Float[Tensor, "c 1"]:
    w = torch.randn((X.shape[1], 1))
    for i in range(15000):
        # Note the sign: the derivative has a minus!
        w = w + learning_rate * X.T @ (y - X @ w)
    return w
"""

#: Section 4.1.1, with the comma, the X and the backslash that it lacks (erratum E-15).
LINEAR_MODEL = """
from torch import Tensor

def linear_model (w: Float[Tensor, "c"],
                  b: float,
                  X: Float[Tensor, "n c"]) \\
    -> Float[Tensor, "n"]:
    return X @ w + b
"""


def run_listing(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"Float": {}.setdefault}  # an annotation, which nobody evaluates
    text = text.replace("import torch\n", "import alice_core as torch\n").replace("from torch ", "from alice_core ")
    exec("from __future__ import annotations\n" + text, names)
    return names


@pytest.mark.notes("M099", "M108", "E-15", "E-18", "X16")
def test_the_listings_run_with_the_imports_changed_alone() -> None:
    rng = np.random.default_rng(0)
    X, y = tensor(rng.normal(size=(10, 3))), tensor(rng.normal(size=(10, 1)))
    w = run_listing(GRADIENT_DESCENT)["least_squares_gd"](X, y, 1e-2)
    np.testing.assert_allclose(w.numpy(), np.linalg.lstsq(X.numpy(), y.numpy(), rcond=None)[0], rtol=1e-6)
    linear_model = run_listing(LINEAR_MODEL)["linear_model"]
    np.testing.assert_array_equal(linear_model(w[:, 0], 0.25, X).numpy(), (X @ w[:, 0] + 0.25).numpy())


@pytest.mark.notes("M113", "M114")
def test_multiplications_of_the_two_orders_of_products() -> None:
    """Xᵀ(X w) takes 2nc multiply-adds, (XᵀX) w nc² + c²: linear in n and c against quadratic in c."""

    def count(f: Any, n: int, c: int) -> int:
        cost = ac.trace(f)(ac.zeros((n, c)), ac.zeros((c,))).cost()
        return cost.flops

    first = lambda X, w: X.T @ (X @ w)  # noqa: E731
    second = lambda X, w: (X.T @ X) @ w  # noqa: E731
    assert count(first, 100, 40) == pytest.approx(2 * count(first, 100, 20), rel=0.05)
    assert count(first, 200, 20) == pytest.approx(2 * count(first, 100, 20), rel=0.05)
    assert count(second, 1000, 40) == pytest.approx(4 * count(second, 1000, 20), rel=0.05)


@pytest.mark.notes("M123", "M127", "M138")
def test_softmax_step_by_step() -> None:
    x = tensor([1.0, 2.0, 3.0])
    h = ac.exp(x)
    y = h / ac.sum(h)
    np.testing.assert_allclose(ac.softmax(x).numpy(), y.numpy(), rtol=1e-15)
    J = ac.jacobian(ac.softmax)(x).numpy()
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(J[off], -np.outer(y.numpy(), y.numpy())[off], rtol=1e-13)
    assert (J[off] < 0).all()
    assert int(ac.argmax(tensor([0.2, 0.4, 0.4]))) == 1


@pytest.mark.notes("M140", "M141", "M142", "M148")
def test_sigmoid_and_logit() -> None:
    assert (ac.sigmoid(tensor(0.0)).item(), ac.sigmoid(tensor(2.0)).item()) == (0.5, pytest.approx(0.8807970779778823))
    assert ac.round(tensor(0.5)).item() == 0.0
    with np.errstate(over="raise"):
        assert ac.sigmoid(tensor(-1e4)).item() == 0.0
    s = tensor(np.linspace(-10, 10, 41))
    np.testing.assert_allclose(ac.special.logit(ac.sigmoid(s)).numpy(), s.numpy(), atol=1e-10)
    slope = ac.grad(lambda s: ac.sum(ac.sigmoid(s)))(s).numpy()
    np.testing.assert_allclose(slope, (ac.sigmoid(s) * (1 - ac.sigmoid(s))).numpy(), rtol=1e-12)
    for dtype, at in (("float32", 18.0), (f64, 38.0)):
        assert ac.sigmoid(ac.tensor(at, dtype=dtype)).item() == 1.0
        assert ac.sigmoid(ac.tensor(at - 3, dtype=dtype)).item() < 1.0


@pytest.mark.notes("M146", "M147")
def test_gradients_of_both_linear_models_are_alike() -> None:
    rng = np.random.default_rng(0)
    X, y, w = tensor(rng.normal(size=(9, 3))), tensor(rng.integers(0, 2, 9)), tensor(rng.normal(size=3))
    by_logits = lambda w: losses.binary_cross_entropy_with_logits(X @ w, y, reduction="sum")  # noqa: E731
    pairs = [(by_logits, ac.sigmoid), (lambda w: losses.mse_loss(X @ w, y, reduction="sum") / 2, lambda z: z)]
    for loss, output in pairs:
        np.testing.assert_allclose(ac.grad(loss)(w).numpy(), (X.T @ (output(X @ w) - y)).numpy(), rtol=1e-12)


@pytest.mark.notes("M149", "M150", "M151")
def test_cross_entropy_of_large_logits() -> None:
    z = tensor([1000.0, 0.0, -1000.0])
    with np.errstate(all="ignore"):
        naive = -np.log(np.exp(z.numpy()) / np.exp(z.numpy()).sum())
    assert not np.isfinite(naive).all()
    value, g = ac.value_and_grad(lambda z: losses.cross_entropy(z, ac.tensor(1)))(z)
    assert value.item() == 1000.0
    np.testing.assert_array_equal(g.numpy(), [1.0, -1.0, 0.0])
    assert ac.logsumexp(tensor([-math.inf, -math.inf])).item() == -math.inf
