"""Losses: values, gradients, the choices at infinities and kinks, and what the notes say of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import alice_core as ac
from alice_core import losses

inf, nan = np.inf, np.nan
f64 = ac.float64


def value_and_grad(f: Callable[[ac.Tensor], ac.Tensor], x: Any, dtype: Any = f64) -> tuple[Any, npt.NDArray[Any]]:
    y, g = ac.value_and_grad(f)(ac.tensor(x, dtype=dtype))
    return y.item(), g.numpy()


def cross_entropy(label: Any, **options: Any) -> Callable[[ac.Tensor], ac.Tensor]:
    return lambda x: losses.cross_entropy(x, ac.tensor(label), **options)


# -- cross-entropy -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("logits", "label", "smoothing", "value", "gradient"),
    [
        ([1e30, 0, 0], 1, 0.0, 1e30, [1, -1, 0]),
        ([1e30, 0, 0], 0, 0.0, 0, [0, 0, 0]),
        ([1000, 0], 1, 0.0, 1000, [1, -1]),
        ([1000, 0, -1000], 1, 0.0, 1000, [1, -1, 0]),
        ([-inf, 0, 0], 1, 0.0, np.log(2), [0, -0.5, 0.5]),
        ([-inf, 0, 0], 0, 0.0, inf, [-1, 0.5, 0.5]),
        ([-inf, 0, 0], 1, 0.1, inf, [-0.1 / 3, -0.4 - 0.1 / 3, 0.5 - 0.1 / 3]),
        ([2, 0, 0], 0, 0.1, 0.372878099555218, None),
        ([inf, 0], 0, 0.0, 0, [0, 0]),
        ([inf, 0], 1, 0.0, inf, [1, -1]),
        ([5], 0, 0.0, 0, [0]),
    ],
)
def test_cross_entropy_of_one_row(
    logits: list[float], label: int, smoothing: float, value: float, gradient: list[float] | None, dtype: str
) -> None:
    found, slope = value_and_grad(cross_entropy([label], label_smoothing=smoothing), [logits], dtype)
    rtol = 1e-6 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(found, value, rtol=rtol)
    if gradient is not None:
        np.testing.assert_allclose(slope, [gradient], rtol=rtol, atol=0)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_all_rows_ignored(reduction: str) -> None:
    x = [[1.0, nan], [inf, 2.0]]
    value, gradient = value_and_grad(cross_entropy([7, 7], ignore_index=7, reduction=reduction), x)
    assert value == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


def test_mean_divides_by_the_rows_that_count() -> None:
    x = ac.tensor([[1.0, 2.0], [3.0, 5.0], [0.0, 1.0]], dtype=f64)
    y = ac.tensor([0, -100, 1])
    rows = losses.cross_entropy(x, y, reduction="none", ignore_index=-100)
    assert rows[1].item() == 0.0
    mean = losses.cross_entropy(x, y, ignore_index=-100)
    np.testing.assert_allclose(mean.item(), (rows[0].item() + rows[2].item()) / 2, rtol=1e-15)
    gradient = ac.grad(lambda x: losses.cross_entropy(x, y, ignore_index=-100))(x).numpy()
    np.testing.assert_array_equal(gradient[1], 0.0)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_bad_label_is_named_with_its_row(reduction: str) -> None:
    y = np.zeros(100, dtype=np.int64)
    y[[41, 77]] = 10, -1
    with pytest.raises(IndexError, match=r"cross_entropy: .* from 0 to 9 .* got 10 in row 41.*ignore_index"):
        losses.cross_entropy(ac.zeros((100, 10)), ac.tensor(y), reduction=reduction)


@pytest.mark.notes("M137")
def test_labels_and_one_hot_rows_agree() -> None:
    """M137"""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 10)) * 5, rng.integers(0, 10, 50)
    for options in ({}, {"label_smoothing": 0.2}, {"reduction": "none"}):
        f = [lambda x, q=q, o=options: losses.cross_entropy(x, ac.tensor(q), **o) for q in (y, np.eye(10)[y])]
        (a, pull_a), (b, pull_b) = (ac.vjp(one, ac.tensor(x)) for one in f)
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2.3e-16)
        np.testing.assert_allclose(*(p(ac.ones_like(a))[0].numpy() for p in (pull_a, pull_b)), rtol=1e-14, atol=1e-17)


@pytest.mark.notes("M135", "M139")
def test_gradient_is_p_minus_y() -> None:
    """M135, M139"""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 7)), rng.integers(0, 7, 20)
    _, g = value_and_grad(cross_entropy(y), x)
    np.testing.assert_allclose(g, (ac.softmax(ac.tensor(x)).numpy() - np.eye(7)[y]) / 20, rtol=1e-13, atol=1e-17)


@pytest.mark.notes("M135")
def test_probabilities_with_zeros_cost_nothing_for_impossible_classes() -> None:
    """M135: 0 log 0 = 0."""
    value, g = value_and_grad(
        lambda x: losses.cross_entropy(x, ac.tensor([[0.0, 0.25, 0.75]], dtype=f64)), [[-inf, 0.0, 0.0]]
    )
    np.testing.assert_allclose(value, np.log(2), rtol=1e-15)
    np.testing.assert_allclose(g, [[0, 0.25, -0.25]], rtol=1e-15)


@pytest.mark.notes("M136")
def test_cross_entropy_less_entropy_is_a_divergence() -> None:
    """M136: never negative, 0 when the distributions agree."""
    rng = np.random.default_rng(2)
    p = rng.dirichlet(np.ones(5), 100)
    x = rng.normal(size=(100, 5))
    entropy = -np.sum(p * np.log(p), axis=1)
    assert np.all(losses.cross_entropy(ac.tensor(x), ac.tensor(p), reduction="none").numpy() >= entropy - 1e-15)
    same = losses.cross_entropy(ac.tensor(np.log(p)), ac.tensor(p), reduction="none").numpy()
    np.testing.assert_allclose(same, entropy, rtol=1e-14)


@pytest.mark.parametrize("classes", [1, 2, 10, 63, 64, 65, 200])
def test_rows_do_not_depend_on_their_neighbours(classes: int) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(70, classes)).astype(np.float32) * 10
    y = rng.integers(0, classes, 70)
    together, pullback = ac.vjp(lambda x: losses.cross_entropy(x, ac.tensor(y), reduction="none"), ac.tensor(x))
    (gradient,) = pullback(ac.ones_like(together))
    for i in (0, 33, 69):
        alone, pull = ac.vjp(
            lambda x, i=i: losses.cross_entropy(x, ac.tensor(y[i : i + 1]), reduction="none"), ac.tensor(x[i : i + 1])
        )
        assert alone.numpy()[0] == together.numpy()[i]
        np.testing.assert_array_equal(pull(ac.ones_like(alone))[0].numpy()[0], gradient.numpy()[i])


def test_zero_cotangents_stay_zero() -> None:
    """Rows that are masked away afterwards contribute nothing, whatever they hold."""

    def f(x: ac.Tensor) -> ac.Tensor:
        rows = losses.cross_entropy(x, ac.tensor([0, 1]), reduction="none")
        return ac.sum(ac.where(ac.tensor([True, False]), rows, 0.0))

    _, g = value_and_grad(f, [[1.0, 1.0], [nan, inf]])
    np.testing.assert_array_equal(g, [[-0.5, 0.5], [0.0, 0.0]])


def test_third_derivative() -> None:
    """Rules of rules: along a line, d³/dt³ log(1 + e^t) at 0 is 0, and the second is 1/4."""
    f = lambda t: losses.cross_entropy(t * ac.tensor([[0.0, 1.0]], dtype=f64), ac.tensor([0]))  # noqa: E731
    t = ac.tensor(0.0, dtype=f64)
    np.testing.assert_allclose(ac.grad(ac.grad(f))(t).item(), 0.25, rtol=1e-14)
    np.testing.assert_allclose(ac.grad(ac.grad(ac.grad(f)))(t).item(), 0.0, atol=1e-15)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (0, 0)])
def test_no_rows(shape: tuple[int, ...]) -> None:
    value, g = value_and_grad(cross_entropy(np.zeros(shape[:-1], dtype=np.int64)), np.zeros(shape))
    assert value == 0.0
    assert g.shape == shape


# -- softmax and logsumexp in the notes ----------------------------------------------------------------------------


@pytest.mark.notes("M126", "M130")
def test_softmax_figure() -> None:
    """M126, M130: one vector at three temperatures."""
    np.testing.assert_allclose(
        ac.softmax(ac.tensor([1.0, 2.0, 3.0], dtype=f64)).numpy(), [0.09003057, 0.24472847, 0.66524096], atol=5e-9
    )
    x = ac.tensor([-3.0, 2.0, 0.5], dtype=f64)
    for tau, want in ((1, [0.0055, 0.8131, 0.1814]), (10, [0.2458, 0.4053, 0.3489]), (100, [0.3240, 0.3406, 0.3355])):
        np.testing.assert_allclose(ac.softmax(x, temperature=tau).numpy(), want, atol=5e-5)


@pytest.mark.notes("M131", "M132", "E-21", "E-22", "M129")
def test_softmax_limits_of_the_temperature() -> None:
    """M131, M132 (errata E-21, E-22), M129."""
    x = ac.tensor([-3.0, 2.0, 0.5], dtype=f64)
    np.testing.assert_allclose(ac.softmax(x, temperature=1e6).numpy(), 1 / 3, atol=2e-6)
    np.testing.assert_allclose(ac.softmax(x, temperature=0.01).numpy(), [0, 1, 0], atol=1e-60)
    np.testing.assert_array_equal(ac.softmax(ac.tensor([1.0, 1.0, 0.0]), temperature=0.001).numpy(), [0.5, 0.5, 0.0])
    order = np.argsort(x.numpy())
    for tau in np.logspace(-2, 3, 11):
        np.testing.assert_array_equal(np.argsort(ac.softmax(x, temperature=float(tau)).numpy()), order)


@pytest.mark.notes("M128")
def test_softmax_temperature_has_a_gradient() -> None:
    """M128"""
    x = np.array([[0.3, -1.2, 0.7], [2.0, 0.1, -0.4]])
    ac.testing.check_grads(lambda x, t: ac.softmax(x, temperature=t), [x, np.array(1.7)], order=2)
    with pytest.raises(ValueError, match="temperature must be positive"):
        ac.softmax(ac.tensor(x), temperature=ac.tensor([1.0, 0.0, 1.0]))


def test_softmax_mask() -> None:
    """Masked items are 0, rows of nothing else too, and no gradient is NaN."""
    x = ac.tensor([[1.0, 2.0, inf], [nan, 3.0, -inf]], dtype=f64)
    mask = ac.tensor([[True, True, False], [False, False, False]])
    y, pullback = ac.vjp(lambda x: ac.softmax(x, mask=mask), x)
    s = 1 / (1 + np.e)
    np.testing.assert_allclose(y.numpy(), [[s, 1 - s, 0], [0, 0, 0]], rtol=1e-15)
    (g,) = pullback(ac.tensor([[1.0, 0.0, 5.0], [1.0, 2.0, 3.0]], dtype=f64))
    np.testing.assert_allclose(g.numpy(), [[s * (1 - s), -s * (1 - s), 0], [0, 0, 0]], rtol=1e-14)


@pytest.mark.notes("M151")
def test_logsumexp_of_large_numbers() -> None:
    """M151: exact where a naive sum over- or underflows, and its gradient is the softmax."""
    for shift, want in ((1000.0, 1000.6931471805599), (-1000.0, -999.3068528194401)):
        value, g = value_and_grad(ac.logsumexp, [shift, shift])
        assert value == want
        np.testing.assert_array_equal(g, [0.5, 0.5])


# -- regression ----------------------------------------------------------------------------------------------------


@pytest.mark.notes("M086", "M087")
def test_squared_loss() -> None:
    """M086, M087: slope 2 e, linear in the prediction."""
    e = np.array([0.5, -2.0, 0.0])
    value, g = value_and_grad(lambda p: losses.mse_loss(p, ac.zeros((3,), dtype=f64), reduction="sum"), e)
    assert value == 4.25
    np.testing.assert_array_equal(g, 2 * e)


@pytest.mark.notes("M088", "M089", "M090")
def test_gaussian_likelihood() -> None:
    """M088-M090: the density of the notes, and the squared loss up to scale and constant."""
    value = losses.gaussian_nll(ac.tensor(0.0, dtype=f64), ac.tensor(0.3, dtype=f64), sigma=2.0)
    np.testing.assert_allclose(value.item(), 1.623335713764618, rtol=1e-15)
    y = ac.tensor([0.3, 1.0], dtype=f64)
    p = ac.tensor([0.0, 3.0], dtype=f64)
    for sigma in (0.5, 2.0):
        nll = ac.grad(lambda p, s=sigma: losses.gaussian_nll(p, y, sigma=s))(p).numpy()
        mse = ac.grad(lambda p: losses.mse_loss(p, y))(p).numpy()
        np.testing.assert_allclose(nll, mse / (2 * sigma**2), rtol=1e-14)
    ac.testing.check_grads(lambda s: losses.gaussian_nll(p, y, sigma=s), [np.array(0.7)], order=2)
    with pytest.raises(ValueError, match="sigma must be positive"):
        losses.gaussian_nll(p, y, sigma=0.0)
    with pytest.raises(ac.ShapeError, match=r"sigma must be one number or of shape \(2,\); got \(3,\)"):
        losses.gaussian_nll(p, y, sigma=ac.ones((3,)))


@pytest.mark.notes("M091")
def test_best_constants() -> None:
    """M091: outliers drag the squared loss, hardly the others."""
    data = ac.tensor([0.0, 0.0, 0.0, 0.0, 100.0], dtype=f64)

    def slope(loss: Callable[..., ac.Tensor], at: float) -> float:
        c = ac.tensor(at, dtype=f64)
        return ac.grad(lambda c: loss(ac.broadcast_to(c, (5,)), data, reduction="sum"))(c).item()

    assert slope(losses.mse_loss, 20.0) == 0.0
    assert slope(losses.huber_loss, 0.25) == 0.0
    assert slope(losses.absolute_loss, -1e-9) < 0 < slope(losses.absolute_loss, 1e-9)


@pytest.mark.notes("M092")
def test_absolute_loss_at_the_kink() -> None:
    """M092"""
    value, g = value_and_grad(
        lambda p: losses.absolute_loss(p, ac.zeros((3,), dtype=f64), reduction="sum"), [-2.0, 0.0, 3.0]
    )
    assert value == 5.0
    np.testing.assert_array_equal(g, [-1.0, 0.0, 1.0])


@pytest.mark.notes("M095", "E-14")
def test_descent_reaches_a_kink() -> None:
    """M095 (erratum E-14): floats do reach it, so its slope must be defined."""
    x = ac.tensor(1.0, dtype=f64)
    for _ in range(4):
        x = x - 0.25 * ac.grad(lambda x: losses.absolute_loss(x, 0.0))(x)
    assert x.item() == 0.0
    assert ac.grad(lambda x: losses.absolute_loss(x, 0.0))(x).item() == 0.0


@pytest.mark.notes("M093", "M094")
@pytest.mark.parametrize("delta", [1.0, 1.5])
def test_huber_loss(delta: float) -> None:
    """M093, M094: value and slope are continuous at delta."""
    e = np.array([0.5, delta, 3.0, -3.0, 1e300, 0.0])
    p = ac.tensor(e)
    value = losses.huber_loss(p, ac.zeros_like(p), delta=delta, reduction="none").numpy()
    wide = delta * (np.abs(e) - delta / 2)
    np.testing.assert_allclose(value, np.where(np.abs(e) <= delta, 0.5 * np.minimum(e, 9.0) ** 2, wide), rtol=1e-15)
    g = ac.grad(lambda p: losses.huber_loss(p, ac.zeros_like(p), delta=delta, reduction="sum"))(p)
    np.testing.assert_array_equal(g.numpy(), np.clip(e, -delta, delta))
    with pytest.raises(ValueError, match="delta must be positive; got 0"):
        losses.huber_loss(p, p, delta=0.0)


# -- classification of two classes ---------------------------------------------------------------------------------


@pytest.mark.notes("M065", "E-8")
def test_hinge_loss() -> None:
    """M065 (erratum E-8): slope 0 at the kink."""
    p, y = np.array([0.3, 1.0, 2.0, 0.3]), ac.tensor([1.0, 1.0, 1.0, -1.0], dtype=f64)
    value = losses.hinge_loss(ac.tensor(p), y, reduction="none").numpy()
    np.testing.assert_allclose(value, [0.7, 0.0, 0.0, 1.3], rtol=1e-15)
    _, g = value_and_grad(lambda p: losses.hinge_loss(p, y, reduction="sum"), p)
    np.testing.assert_array_equal(g, [-1.0, 0.0, 0.0, 1.0])


@pytest.mark.notes("M062", "M063")
def test_zero_one_loss() -> None:
    """M062, M063: measures, cannot train."""
    p = ac.tensor([0.3, -0.3, 0.0, 0.0])
    y = ac.tensor([1, 1, 1, -1])
    np.testing.assert_array_equal(losses.zero_one_loss(p, y, reduction="none").numpy(), [0, 1, 1, 1])
    assert losses.zero_one_loss(ac.tensor([3, 4]), ac.tensor([3, 5])).item() == 0.5
    np.testing.assert_array_equal(ac.grad(lambda p: losses.zero_one_loss(p, y) * ac.sum(p * 0 + 1))(p).numpy(), 0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("x", "y", "value", "slope"),
    [
        (1000.0, 0.0, 1000.0, 1.0),
        (-1000.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, np.log(2), 0.5),
        (-inf, 0.0, 0.0, 0.0),
        (inf, 1.0, 0.0, 0.0),
        (-inf, 0.9, inf, None),
    ],
)
def test_binary_cross_entropy(x: float, y: float, value: float, slope: float | None, dtype: str) -> None:
    target = ac.tensor(y, dtype=dtype)
    found, g = value_and_grad(lambda x: losses.binary_cross_entropy_with_logits(x, target), x, dtype)
    np.testing.assert_allclose(found, value, rtol=1e-7)
    if slope is not None:
        np.testing.assert_allclose(g, slope, rtol=1e-7)


@pytest.mark.notes("M141", "M145", "M146")
def test_binary_is_the_softmax_of_two() -> None:
    """M141, M145, M146"""
    rng = np.random.default_rng(4)
    s, y = rng.normal(size=30) * 3, rng.integers(0, 2, 30)
    one = losses.binary_cross_entropy_with_logits(ac.tensor(s), ac.tensor(y))
    pair = np.stack([np.zeros(30), s], axis=1)
    np.testing.assert_allclose(one.item(), losses.cross_entropy(ac.tensor(pair), ac.tensor(y)).item(), rtol=1e-14)
    g = ac.grad(lambda s: losses.binary_cross_entropy_with_logits(s, ac.tensor(y), reduction="sum"))(ac.tensor(s))
    np.testing.assert_allclose(g.numpy(), ac.sigmoid(ac.tensor(s)).numpy() - y, rtol=1e-12)
    ac.testing.check_grads(
        lambda s, y: losses.binary_cross_entropy_with_logits(s, y), [s, rng.uniform(0.1, 0.9, 30)], order=2
    )


# -- what all losses have in common --------------------------------------------------------------------------------

PAIRWISE = [
    losses.mse_loss,
    losses.absolute_loss,
    losses.huber_loss,
    losses.hinge_loss,
    losses.binary_cross_entropy_with_logits,
    losses.gaussian_nll,
    losses.zero_one_loss,
]


@pytest.mark.notes("M059", "M060")
@pytest.mark.parametrize("loss", PAIRWISE, ids=lambda f: f.__name__)
def test_reductions_and_errors(loss: Callable[..., ac.Tensor]) -> None:
    rng = np.random.default_rng(5)
    p, y = ac.tensor(rng.normal(size=(4, 3))), ac.tensor(np.sign(rng.normal(size=(4, 3))))
    y = (y + 1) / 2 if loss is losses.binary_cross_entropy_with_logits else y
    rows = loss(p, y, reduction="none")
    assert rows.shape == (4, 3)
    np.testing.assert_allclose(loss(p, y).item(), rows.numpy().mean(), rtol=1e-14)
    np.testing.assert_allclose(loss(p, y, reduction="sum").item(), rows.numpy().sum(), rtol=1e-14)
    with pytest.raises(ac.ShapeError, match=rf"{loss.__name__}: .*\(3,\) and \(3, 1\)"):
        loss(ac.zeros((3,)), ac.zeros((3, 1)))
    with pytest.raises(ValueError, match=rf"{loss.__name__}: reduction must be .*'avg'"):
        loss(p, y, reduction="avg")
    assert loss(p.numpy().astype(np.float32), [[1, 1, 1]] * 4).dtype == "float32"


def test_targets_of_binary_logits_are_probabilities() -> None:
    """Labels -1 and 1 were taken for probabilities: a loss, and the wrong one."""
    x = ac.tensor([0.5, -2.0])
    for wrong in (-1.0, 2.0):
        with pytest.raises(
            ValueError, match=rf"binary_cross_entropy_with_logits: target must lie .* got {wrong}; labels"
        ):
            losses.binary_cross_entropy_with_logits(x, ac.tensor([1.0, wrong]))
    assert np.isnan(losses.binary_cross_entropy_with_logits(x, ac.tensor([1.0, np.nan])).item())


@pytest.mark.parametrize(
    "loss", [losses.hinge_loss, losses.margin_loss, losses.zero_one_loss], ids=lambda f: f.__name__
)
def test_labels_of_margins_are_signs(loss: Callable[..., ac.Tensor]) -> None:
    """Labels 0 and 1 were taken for signs: a loss, and the wrong one."""
    x = ac.tensor([0.5, -2.0])
    for wrong in (0.0, 2.0, np.inf):
        with pytest.raises(ValueError, match=rf"{loss.__name__}: target must be -1 or 1; got {wrong}; labels 0 and 1"):
            loss(x, ac.tensor([1.0, wrong]))
    with pytest.raises(ValueError, match=r"target must be -1 or 1; got 0\.0"):
        loss(x, ac.tensor([1, 0]))
    assert loss(x, ac.tensor([1, -1])).item() == loss(x, ac.tensor([1.0, -1.0])).item()
    assert loss(x, ac.tensor([1.0, nan])).dtype == "float32"  # NaN goes through
    assert losses.zero_one_loss(ac.tensor([0, 1]), ac.tensor([0, 2])).item() == 0.5  # classes are classes


@pytest.mark.parametrize("shape", [(), (3,), (2, 1), (2, 3)])
def test_a_huber_loss_never_broadcasts_its_items(shape: tuple[int, ...]) -> None:
    p, t = ac.tensor(np.arange(6.0).reshape(2, 3)), ac.zeros((2, 3), f64)
    delta = np.linspace(0.5, 2.0, max(1, int(np.prod(shape)))).reshape(shape)
    rows = losses.huber_loss(p, t, delta, "none").numpy()
    e, d = p.numpy(), np.broadcast_to(delta, (2, 3))
    np.testing.assert_allclose(rows, np.where(e <= d, e * e / 2, d * (e - d / 2)))
    for wrong in ((2,), (1, 2, 3), (4, 2, 3)):
        with pytest.raises(ac.ShapeError, match=r"huber_loss: delta must be one number or broadcast to shape \(2, 3\)"):
            losses.huber_loss(p, t, np.ones(wrong))
