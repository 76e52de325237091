"""Section 2.3 of the notes: directions, steps, momentum, stationary points, convexity."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import losses, teaching
from alice_core.linear_model import LinearRegression


def parabola(x: ac.Tensor) -> ac.Tensor:
    return x**2 - 1.5 * x


def bowl(x: ac.Tensor) -> ac.Tensor:
    return x[0] ** 2 + 10 * x[1] ** 2


def saddle(x: ac.Tensor) -> ac.Tensor:
    return x[0] ** 2 - x[1] ** 2


# -- directions --------------------------------------------------------------------------------------------------------


@pytest.mark.notes("M012", "M027", "M028", "M029")
def test_directions_of_descent() -> None:
    """D_p f = |grad f| |p| cos(angle); its sign tells whether a small step goes down; -grad goes down most."""
    rng = np.random.default_rng(0)
    x = ac.tensor([0.3, -1.2, 0.8], dtype="float64")
    f = lambda x: ac.sum(ac.sin(x)) + x[0] * x[1] ** 2  # noqa: E731
    g = ac.grad(f)(x).numpy()
    p = rng.normal(size=(1000, 3))
    slopes = np.array([ac.jvp(f, [x], [ac.tensor(v)])[1].item() for v in p])
    cosines = p @ g / np.linalg.norm(p, axis=1) / np.linalg.norm(g)
    np.testing.assert_allclose(slopes, np.linalg.norm(g) * np.linalg.norm(p, axis=1) * cosines, rtol=1e-11, atol=1e-13)
    moved = ac.vmap(f)(ac.asarray(x.numpy() + 1e-6 * p)).numpy() - f(x).item()
    clear = np.abs(cosines) > 1e-4
    np.testing.assert_array_equal(np.sign(moved[clear]), np.sign(cosines[clear]))
    unit = p / np.linalg.norm(p, axis=1, keepdims=True)
    assert (unit @ g >= -np.linalg.norm(g)).all()
    steepest = ac.jvp(f, [x], [ac.tensor(-g / np.linalg.norm(g))])[1].item()
    assert steepest == pytest.approx(-np.linalg.norm(g), rel=1e-14)


@pytest.mark.notes("M025", "M026")
def test_a_slope_of_zero_is_no_descent() -> None:
    f = lambda x: x**2  # noqa: E731
    zero = ac.tensor(0.0, dtype="float64")
    for p in (-1.0, 1.0):
        assert ac.jvp(f, [zero], [ac.tensor(p, dtype="float64")])[1].item() == 0.0
        assert f(zero + 0.1 * p).item() > 0.0


@pytest.mark.notes("M037", "E-4")
def test_the_gradient_does_not_point_to_the_minimum() -> None:
    x = ac.tensor([1.0, 1.0], dtype="float64")

    def angle(f: Any) -> float:
        down = -ac.grad(f)(x).numpy()
        return math.degrees(math.acos(down @ [-1.0, -1.0] / np.linalg.norm(down) / math.sqrt(2)))

    assert angle(bowl) == pytest.approx(39.2894, abs=1e-4)
    assert angle(lambda x: x[0] ** 2 + x[1] ** 2) == pytest.approx(0.0, abs=1e-5)


# -- steps -------------------------------------------------------------------------------------------------------------


@pytest.mark.notes("M022", "M023", "E-3")
def test_normalised_steps_have_the_length_of_the_rate() -> None:
    path = teaching.descend(bowl, [1.0, 1.0], lr=0.05, steps=20, normalised=True)
    np.testing.assert_allclose(np.linalg.norm(np.diff(path.points, axis=0), axis=1), 0.05, rtol=1e-13)
    raw = teaching.descend(bowl, [1.0, 1.0], lr=0.05, steps=20)
    np.testing.assert_allclose(np.diff(raw.points, axis=0), -0.05 * raw.gradients[:-1], rtol=0, atol=1e-15)
    assert teaching.descend(bowl, [0.0, 0.0], normalised=True, steps=3).x.tolist() == [0.0, 0.0]


@pytest.mark.notes("M020", "M030")
def test_gradient_descent_on_a_parabola() -> None:
    path = teaching.descend(parabola, 0.0, lr=0.1, steps=10)
    np.testing.assert_allclose(path.points, 0.75 * (1 - 0.8 ** np.arange(11)), rtol=1e-12)
    assert path.x == pytest.approx(0.6694693632, abs=1e-10)
    assert len(path) == 10
    assert ac.optim.minimize(bowl, np.array([1.0, 1.0])).x.numpy() == pytest.approx([0.0, 0.0], abs=1e-5)


@pytest.mark.notes("M024")
def test_rates_of_a_schedule() -> None:
    schedule = ac.optim.schedules.exponential(0.4, 0.5)
    path = teaching.descend(parabola, 0.0, lr=schedule, steps=4)
    np.testing.assert_allclose(path.rates, [0.4, 0.2, 0.1, 0.05])
    x = 0.0
    for rate, point in zip([0.4, 0.2, 0.1, 0.05], path.points[1:], strict=True):
        x -= rate * (2 * x - 1.5)
        assert point == pytest.approx(x, rel=1e-14)


@pytest.mark.notes("M025", "M031")
@pytest.mark.parametrize(("lr", "verdict"), [(0.99, "falls"), (1.0, "stays"), (1.01, "grows")])
def test_steps_below_two_over_the_curvature(lr: float, verdict: str) -> None:
    """x² has curvature 2."""
    path = teaching.descend(lambda x: x**2, 1.0, lr=lr, steps=100)
    change = np.diff(np.abs(path.points))
    assert {"falls": (change < 0).all(), "stays": (change == 0).all(), "grows": (change > 0).all()}[verdict]
    assert path.descends == (verdict != "grows")


@pytest.mark.notes("M045", "M046", "E-5")
def test_momentum_in_two_forms() -> None:
    f = lambda x: x**2 / 2  # noqa: E731
    for form in ("notes", "common"):
        path = teaching.descend(f, 1.0, 0.1, 3, momentum=0.9, form=form)
        np.testing.assert_allclose(path.points, [1.0, 0.9, 0.72, 0.486], rtol=1e-14)
        plain = teaching.descend(f, 1.0, 0.1, 3, form=form)
        np.testing.assert_array_equal(plain.points, teaching.descend(f, 1.0, 0.1, 3).points)
    rates = lambda t: [0.1, 0.05][int(t)]  # noqa: E731
    found = {form: teaching.descend(f, 1.0, rates, 2, momentum=0.9, form=form).x for form in ("notes", "common")}
    # -η_2 f'(x_1) - λ η_1 f'(x_0): the second term carries the rate of its own step, .1, not .05.
    assert found["notes"] == pytest.approx(0.9 - 0.05 * 0.9 - 0.9 * 0.1 * 1.0) == pytest.approx(0.765)
    assert found["common"] == pytest.approx(0.81)
    p = ac.nn.Parameter(ac.tensor(1.0, dtype="float64"))
    opt = ac.optim.SGD([p], lr=0.1, momentum=0.9)
    for rate in (0.1, 0.05):
        opt.lr = rate
        opt.zero_grad()
        f(p).backward()
        opt.step()
    assert p.item() == pytest.approx(0.81)


@pytest.mark.notes("M044", "M047")
def test_momentum_is_quicker_across_a_valley() -> None:
    f = lambda x: (x[0] ** 2 + 100 * x[1] ** 2) / 2  # noqa: E731
    near = lambda before, x, gradient: bool(np.linalg.norm(x) < 1e-6)  # noqa: E731
    steps = [
        len(teaching.descend(f, [1.0, 1.0], lr, 3000, momentum=keep, stop=near))
        for lr, keep in ((2 / 101, 0.0), (4 / 121, (9 / 11) ** 2), (0.01, 0.0), (0.01, 0.9))
    ]
    assert steps == [709, 95, 1375, 264]
    zigzag = teaching.descend(f, [1.0, 1.0], 2 / 101, 20).points[:, 1]
    assert (np.diff(np.sign(zigzag)) != 0).all()


@pytest.mark.notes("M048")
def test_first_step_of_adam_has_the_length_of_the_rate() -> None:
    for scale in (1e-3, 1.0, 1e3):
        p = ac.nn.Parameter(ac.tensor([1.0, 1.0], dtype="float64"))
        opt = ac.optim.Adam([p], lr=0.1)
        (scale * bowl(p)).backward()
        opt.step()
        np.testing.assert_allclose(p.numpy(), [0.9, 0.9], atol=1e-5)


@pytest.mark.notes("M107")
def test_stopping_rules() -> None:
    for rule, holds in (
        (teaching.small_step(1e-8), lambda p: ((p.points[-1] - p.points[-2]) ** 2).sum() < 1e-8),
        (teaching.small_gradient(1e-3), lambda p: np.linalg.norm(p.gradients[-1]) < 1e-3),
        (teaching.small_change(bowl, 1e-6), lambda p: abs(p.values[-1] - p.values[-2]) < 1e-6),
    ):
        path = teaching.descend(bowl, [1.0, 1.0], 0.04, 1000, stop=rule)
        assert path.stopped
        assert len(path) < 1000
        assert holds(path)
    assert not teaching.descend(bowl, [1.0, 1.0], 0.04, 5, stop=teaching.small_step(1e-8)).stopped


def test_a_path_over_contours(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = teaching.descend(bowl, [1.0, 1.0], 0.08, 30).draw(tmp_path / "path.png", "Bowl")
    assert picture.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ac.ShapeError, match=r"contours need points of shape \(2,\); got \(\)"):
        teaching.descend(parabola, 0.0).draw(tmp_path / "no.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, "steps and momentum must not be negative"),
        ({"momentum": -0.1}, "steps and momentum must not be negative"),
        ({"form": "nesterov"}, 'form must be "notes" or "common"'),
    ],
)
def test_arguments_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"descend: {message}"):
        teaching.descend(parabola, 0.0, **options)
    with pytest.raises(ValueError, match="eps must be positive"):
        teaching.small_step(0.0)


# -- stationary points -------------------------------------------------------------------------------------------------


@pytest.mark.notes("M034", "X09")
def test_kinds_of_stationary_points() -> None:
    f = {
        "minimum": lambda x: x[0] ** 2 + x[1] ** 2,
        "maximum": lambda x: -(x[0] ** 2) - x[1] ** 2,
        "saddle": saddle,
        "undecided": lambda x: x[0] ** 2 + x[1] ** 4,
        "not stationary": lambda x: x[0] + x[1] ** 2,
    }
    for kind, function in f.items():
        assert teaching.classify_stationary(function, [0.0, 0.0]).kind == kind
    np.testing.assert_allclose(teaching.classify_stationary(saddle, [0.0, 0.0]).eigenvalues, [-2.0, 2.0])
    assert teaching.classify_stationary(parabola, 0.75).kind == "minimum"


@pytest.mark.notes("M032", "M033")
def test_local_minima() -> None:
    assert teaching.is_lowest_nearby(parabola, 0.75)
    assert not teaching.is_lowest_nearby(parabola, 0.5)
    assert not teaching.is_lowest_nearby(saddle, [0.0, 0.0])
    found = ac.optim.minimize(bowl, np.array([1.0, 1.0]), gtol=1e-10)
    assert np.abs(found.jac.numpy()).max() < 1e-8
    ring = np.array([[math.cos(a), math.sin(a)] for a in np.linspace(0, 2 * math.pi, 40)])
    outwards = ac.vmap(ac.grad(bowl))(ac.asarray(ring)).numpy()
    assert ((outwards * ring).sum(axis=1) > 0).all()


@pytest.mark.notes("M035")
def test_descent_ends_at_a_saddle_and_escapes_from_beside_it() -> None:
    at = teaching.descend(saddle, [1.0, 0.0], 0.1, 200)
    assert (at.points[:, 1] == 0.0).all()
    assert teaching.classify_stationary(saddle, at.x).kind == "saddle"
    assert abs(teaching.descend(saddle, [1.0, 1e-8], 0.1, 200).x[1]) > 1.0


@pytest.mark.notes("M036", "M040", "M043")
def test_starts_decide_where_descent_ends() -> None:
    """x sin(2x) has many minima; only a grid tells which one is the lowest."""
    f = lambda x: x * ac.sin(2 * x)  # noqa: E731
    ends = [float(teaching.descend(f, start, 0.02, 500).x) for start in (0.5, 2.0, 5.0)]
    assert np.diff(ends).min() > 1.0
    for x in ends:
        assert teaching.classify_stationary(f, x, tol=1e-6).kind == "minimum"
    grid = np.linspace(-1, 6, 7001)
    lowest = grid[ac.vmap(f)(ac.asarray(grid)).numpy().argmin()]
    assert min(abs(x - lowest) for x in ends) < 1e-3 < max(abs(x - lowest) for x in ends)


# -- convexity ---------------------------------------------------------------------------------------------------------


@pytest.mark.notes("M038", "M039", "M065", "M093")
def test_convex_functions_lie_below_their_chords() -> None:
    one = ac.tensor(1.0, dtype="float64")
    scalars = {
        "square": lambda x: x**2,
        "absolute": ac.abs,
        "hinge": lambda x: losses.hinge_loss(x, one),
        "Huber": lambda x: losses.huber_loss(x, 0.0 * one),
        "softplus": ac.softplus,
    }
    for name, f in scalars.items():
        assert teaching.chord_excess(f, samples=100_000) <= 1e-14, name
    for name, f in {"logsumexp": ac.logsumexp, "CE": lambda z: losses.cross_entropy(z, ac.tensor(1))}.items():
        assert teaching.chord_excess(f, (3,), samples=100_000) <= 1e-14, name
    assert teaching.chord_excess(ac.sin) > 0.5


@pytest.mark.notes("M041")
def test_every_start_ends_at_the_same_loss_of_least_squares() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(30, 3)), rng.normal(size=30)
    f = lambda w: losses.mse_loss(ac.asarray(X) @ w, ac.asarray(y))  # noqa: E731
    ends = [ac.optim.minimize(f, rng.normal(size=3), gtol=1e-12, ftol=0.0).fun for _ in range(10)]
    least = np.mean((y - LinearRegression(fit_intercept=False).fit(X, y).predict(X)) ** 2)
    np.testing.assert_allclose(ends, least, rtol=0, atol=1e-12)
