"""``ac.optim.minimize`` against SciPy, and on problems whose solution is known."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from alice_core.optim import minimize

METHODS = ["lbfgs", "bfgs", "newton-cg", "gd"]


def rosenbrock(x: Any) -> Any:
    return ac.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def himmelblau(x: Any) -> Any:
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def logistic(data: Any) -> Any:
    """A strictly convex function of a vector."""
    a = ac.tensor(data)
    return lambda x: ac.sum(ac.softplus(a @ x)) + 0.05 * ac.sum(x * x)


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_a_convex_function(method: str, compile: bool) -> None:
    rng = np.random.default_rng(0)
    f = logistic(rng.standard_normal((20, 6)))
    found = minimize(f, rng.standard_normal(6), method=method, gtol=1e-8, ftol=0, compile=compile)
    assert (found.success, found.status, found.message) == (True, 0, "the gradient is within gtol")
    assert np.abs(found.jac.numpy()).max() <= 1e-8
    np.testing.assert_allclose(found.jac.numpy(), ac.grad(f)(found.x).numpy(), atol=1e-14)
    assert found.fun == f(found.x).item()
    assert found.nfev > found.nit > 0
    assert (found.nhev > 0) == (method == "newton-cg")


@pytest.mark.parametrize("method", METHODS[:3])
@pytest.mark.parametrize("n", [2, 10, 50])
def test_rosenbrock(method: str, n: int) -> None:
    found = minimize(rosenbrock, np.full(n, -0.5), method=method, gtol=1e-7)
    assert found.success, found.message
    assert found.fun < rosenbrock(ac.tensor(np.full(n, -0.5))).item()
    if n < 50:  # with more there is a second minimum
        np.testing.assert_allclose(found.x.numpy(), 1, rtol=1e-6)


def test_no_more_evaluations_than_scipy() -> None:
    x0 = np.full(30, 1.5)
    ours = minimize(rosenbrock, x0, gtol=1e-6, ftol=0)
    theirs = scipy.optimize.minimize(
        scipy.optimize.rosen, x0, jac=scipy.optimize.rosen_der, method="L-BFGS-B", options={"ftol": 0, "gtol": 1e-6}
    )
    assert ours.success
    assert ours.nfev <= 1.3 * theirs.nfev
    np.testing.assert_allclose(ours.x.numpy(), theirs.x, atol=1e-4)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.sampled_from(["lbfgs", "gd"]))
def test_bounds_against_scipy(seed: int, n: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    f = logistic(rng.standard_normal((12, n)))
    low = np.where(rng.random(n) < 0.3, -np.inf, rng.uniform(-1, 0.5, n))
    high = np.where(rng.random(n) < 0.3, np.inf, np.maximum(low, -1) + rng.choice([0.0, 0.1, 1.0], n))
    seen = []

    def watched(x: Any) -> Any:
        seen.append(ac.stop_gradient(x).numpy())
        return f(x)

    x0 = rng.standard_normal(n)
    ours = minimize(watched, x0, method=method, bounds=(low, high), gtol=1e-8, ftol=0, compile=False, max_iter=2000)
    assert ours.success, ours.message
    theirs = scipy.optimize.minimize(
        lambda x: f(ac.tensor(x)).item(),
        np.clip(x0, low, high),
        jac=lambda x: ac.grad(f)(ac.tensor(x)).numpy(),
        bounds=scipy.optimize.Bounds(low, high),
        method="L-BFGS-B",
        options={"ftol": 0, "gtol": 1e-9},
    )
    np.testing.assert_allclose(ours.x.numpy(), theirs.x, atol=1e-6)
    assert all(np.all((low <= x) & (x <= high)) for x in seen)


def test_bounds_of_a_function_with_a_valley() -> None:
    bounds = [(None, 0.5)] * 5
    ours = minimize(rosenbrock, np.zeros(5), bounds=bounds, gtol=1e-8, ftol=0)
    theirs = scipy.optimize.minimize(
        scipy.optimize.rosen, np.zeros(5), jac=scipy.optimize.rosen_der, bounds=bounds, options={"ftol": 0}
    )
    assert ours.success
    np.testing.assert_allclose(ours.x.numpy(), theirs.x, atol=1e-5)
    by_pair = minimize(rosenbrock, np.zeros(5), bounds=(None, 0.5), gtol=1e-8, ftol=0)
    assert by_pair.x.tolist() == ours.x.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_trees(method: str) -> None:
    rng = np.random.default_rng(0)
    data, labels = ac.tensor(rng.standard_normal((30, 3))), ac.tensor(rng.integers(0, 2, 30))
    x0 = {"w": np.zeros((3, 2)), "b": [ac.zeros(2, ac.float64), None]}

    def loss(p: Any, weight: Any) -> Any:
        logits = data @ p["w"] + p["b"][0]
        return ac.losses.cross_entropy(logits, labels) + weight * sum(ac.sum(x * x) for x in ac.tree.leaves(p))

    found = minimize(loss, x0, args=(0.1,), method=method, gtol=1e-9, ftol=0)
    assert found.success, found.message
    assert ac.tree.structure(found.x) == ac.tree.structure(found.jac) == ac.tree.structure(x0)
    assert found.x["w"].shape == (3, 2)
    for g in ac.tree.leaves(ac.grad(loss)(found.x, 0.1)):
        assert np.abs(g.numpy()).max() <= 1e-9
    if method in ("lbfgs", "gd"):
        low = {"w": 0.1, "b": [np.array([-1.0, 0.0]), None]}
        within = minimize(loss, x0, args=(0.1,), method=method, bounds=(low, None))
        assert within.x["w"].numpy().min() == 0.1
        assert within.x["b"][0].numpy()[1] >= 0


@pytest.mark.parametrize("dtype", [ac.float32, ac.float16, ac.bfloat16])
@pytest.mark.parametrize("method", METHODS)
def test_narrow_dtypes_end_where_rounding_begins(method: str, dtype: Any) -> None:
    target = ac.tensor([1.0, -2.0, 0.5], dtype)
    found = minimize(
        lambda x: ac.sum((x - target) ** 2 * ac.tensor([1, 4, 0.5], dtype)), ac.zeros(3, dtype), method=method
    )
    assert found.x.dtype == found.jac.dtype == dtype
    np.testing.assert_allclose(
        found.x.astype(ac.float64).numpy(), [1, -2, 0.5], atol=2e-3 if dtype == ac.float32 else 0.2
    )


@pytest.mark.parametrize("x0", [[3.0, -2.0], (3.0, -2.0), [3, -2]])
def test_a_list_of_numbers_is_a_vector(x0: Any) -> None:
    found = ac.optim.minimize(lambda x: ac.sum((x - 1.0) ** 2), x0, bounds=[(None, None), (2.0, 4.0)])
    np.testing.assert_allclose(found.x.numpy(), [1.0, 2.0], rtol=1e-6)
    found = ac.optim.minimize(lambda x: ac.sum((x - 1.0) ** 2), x0, bounds=([-5.0, 2.0], 4.0))
    np.testing.assert_allclose(found.x.numpy(), [1.0, 2.0], rtol=1e-6)
    pair = ac.optim.minimize(lambda x: ac.sum(x[0] ** 2) + x[1] ** 2, [np.ones(2), np.array(2.0)])
    assert [x.shape for x in pair.x] == [(2,), ()]


def test_a_module() -> None:
    x = ac.tensor(np.random.default_rng(0).standard_normal((20, 3)))
    y = x @ ac.tensor([1.0, -2.0, 0.5], ac.float64) + 0.25
    model = ac.nn.Linear(3, 1, dtype=ac.float64, seed=0)
    found = minimize(lambda m: ac.mean((m(x)[:, 0] - y) ** 2), model, gtol=1e-9)
    assert found.success
    np.testing.assert_allclose(found.x.bias.numpy(), [0.25], atol=1e-7)


@pytest.mark.parametrize("method", METHODS)
def test_iterations_and_callbacks(method: str) -> None:
    seen = []
    found = minimize(rosenbrock, np.zeros(3), method=method, max_iter=3, callback=seen.append)
    assert (found.success, found.status, found.nit) == (False, 1, 3)
    assert found.message == "max_iter iterations were made"
    assert [r.nit for r in seen] == [1, 2, 3]
    assert [r.fun for r in seen] == sorted((r.fun for r in seen), reverse=True)

    def stop(result: Any) -> None:
        if result.nit == 2:
            raise StopIteration

    found = minimize(rosenbrock, np.zeros(3), method=method, callback=stop)
    assert (found.status, found.nit, found.success) == (4, 2, False)
    at_once = minimize(rosenbrock, np.ones(3), method=method)
    assert (at_once.nit, at_once.nfev, at_once.success) == (0, 1, True)
    assert minimize(rosenbrock, np.zeros(3), method=method, max_iter=0).x.tolist() == [0, 0, 0]


@pytest.mark.parametrize("bounds", [None, (-5, 5)])
@pytest.mark.parametrize("method", METHODS)
def test_functions_that_are_not_finite(method: str, bounds: Any) -> None:
    if bounds is not None and method not in ("lbfgs", "gd"):
        pytest.skip("takes no bounds")
    at_start = minimize(lambda x: ac.sum(ac.log(x)), np.array([-1.0]), method=method, bounds=bounds)
    assert (at_start.status, at_start.success) == (3, False)
    # A barrier: steps beyond it are taken back.
    found = minimize(
        lambda x: ac.sum(x - 0.01 * ac.log(x)), np.array([1.0, 2.0]), method=method, bounds=bounds, gtol=1e-6
    )
    assert found.success, found.message
    np.testing.assert_allclose(found.x.numpy(), 0.01, rtol=1e-4)
    unbounded = minimize(lambda x: ac.sum(x), np.zeros(2), method="lbfgs", max_iter=2000)
    assert (unbounded.status, unbounded.success) == (5, False)


def test_a_gradient_that_is_not_the_functions() -> None:
    @ac.custom_vjp
    def wrong(x: Any) -> Any:
        return ac.sum(x * x)

    wrong.defvjp(lambda x: (wrong(x), x), lambda x, g: (-2 * g * x,))
    found = minimize(wrong, np.ones(2))
    assert (found.status, found.success) == (2, False)
    assert "no lower point was found" in found.message
    assert found.x.tolist() == [1, 1]


def test_saddle_points_are_left() -> None:
    for method in METHODS:
        found = minimize(himmelblau, np.array([-0.2, -0.9]), method=method, gtol=1e-7)
        assert found.success
        assert found.fun < 1e-10


@pytest.mark.parametrize("method", METHODS)
def test_nothing_to_minimise(method: str) -> None:
    def f(x: Any) -> Any:
        return ac.tensor(2.0, ac.float64) + 0 * sum(ac.sum(y) for y in ac.tree.leaves(x))

    for x0 in (np.zeros(0), {}, np.zeros(())):
        found = minimize(f, x0, method=method)
        assert (found.success, found.nit, found.fun) == (True, 0, 2.0)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 6))
def test_directions_are_those_of_the_updated_matrix(seed: int, n: int, steps: int) -> None:
    """The BFGS formula, written out, from the newest step's multiple of the identity on."""
    rng = np.random.default_rng(seed)
    g, s = rng.standard_normal(n), rng.standard_normal((8, n))
    y = s * rng.uniform(0.5, 2, n)
    order = rng.permutation(8)[:steps]
    if steps:
        y[order[0]] *= -1  # along this one the slope fell: it counts for nothing
    inverse = np.eye(n)
    if steps > 1:
        inverse *= (s[order[-1]] @ y[order[-1]]) / (y[order[-1]] @ y[order[-1]])
    for i in order[1:]:
        rho = 1 / (s[i] @ y[i])
        change = np.eye(n) - rho * np.outer(y[i], s[i])
        inverse = change.T @ inverse @ change + rho * np.outer(s[i], s[i])
    found = ac.zeros(n, ac.float64)
    ac.update("lbfgs_direction", [ac.tensor(x) for x in (g, s, y, order)], (), [found])
    np.testing.assert_allclose(found.numpy(), -inverse @ g, rtol=1e-7, atol=1e-7 * np.linalg.norm(g))


def test_native_directions_refuse_what_does_not_fit() -> None:
    g, rows, order = ac.zeros(3, ac.float64), ac.zeros((2, 3), ac.float64), ac.zeros(1, ac.int64)
    for inputs, message in (
        ([g, rows, rows, ac.tensor([2])], "lbfgs_direction: order must name rows of 2; got 2"),
        ([g, rows, rows, ac.tensor([-1])], "lbfgs_direction: order must name rows of 2; got -1"),
        ([g, rows[:, :2], rows, order], "expected float64 matrices with the columns of the gradient, 3"),
        ([g, rows, rows[:1], order], "expected float64 matrices with the columns of the gradient, 3"),
        ([g, rows.astype(ac.float32), rows, order], "expected float64 matrices with the columns"),
        ([rows, rows, rows, order], "expected a vector as gradient"),
        ([g, rows, rows, g], "expected a vector as gradient and one of int64 numbers as order"),
    ):
        with pytest.raises(ValueError, match=message):
            ac.update("lbfgs_direction", inputs, (), [ac.zeros(3, ac.float64)])


@pytest.mark.parametrize(
    ("call", "exception", "message"),
    [
        (lambda f, x: minimize(3, x), ac.DTypeError, "minimize: expected a function; got 3"),
        (
            lambda f, x: minimize(f, x, method="L"),
            ValueError,
            "minimize: method must be one of lbfgs, newton-cg",
        ),
        (
            lambda f, x: minimize(f, x, method="bfgs", bounds=(0, 1)),
            ValueError,
            "bounds need method lbfgs or gd",
        ),
        (lambda f, x: minimize(f, np.zeros(2, int)), ac.DTypeError, "minimize: x0 must be floating; got"),
        (
            lambda f, x: minimize(lambda x: x, x),
            ac.ShapeError,
            "minimize: f must return a 0-d floating Tensor",
        ),
        (
            lambda f, x: minimize(lambda x: 1.0, x),
            ac.ShapeError,
            "f must return a 0-d floating Tensor; got 1.0",
        ),
        (lambda f, x: minimize(f, x, bounds=3), ac.DTypeError, r"bounds must be a pair \(low, high\); got 3"),
        (
            lambda f, x: minimize(f, x, bounds=(1, 0)),
            ValueError,
            "low must not be above high; got 1.0 and 0.0",
        ),
        (lambda f, x: minimize(f, x, bounds=(np.nan, 0)), ValueError, "low must not be above high; got nan"),
        (
            lambda f, x: minimize(f, x, bounds=[(0, 1)] * 2),
            ac.ShapeError,
            "a pair for each of 3 elements; got 2",
        ),
        (
            lambda f, x: minimize(f, x, bounds=(np.zeros(2), 1)),
            ac.ShapeError,
            r"must broadcast to shape \(3,\)",
        ),
        (
            lambda f, x: minimize(f, x, bounds=({"low": 0.0}, 1)),
            ac.DTypeError,
            "low must be None, a number, or a tr",
        ),
        (lambda f, x: minimize(f, x, gtol=-1), ValueError, "gtol must be a number ≥ 0; got -1"),
        (lambda f, x: minimize(f, x, ftol="1"), ac.DTypeError, "ftol must be a number ≥ 0; got '1'"),
        (lambda f, x: minimize(f, x, max_iter=-1), ValueError, "max_iter must be at least 0; got -1"),
        (lambda f, x: minimize(f, x, history=0), ValueError, "history must be at least 1; got 0"),
        (lambda f, x: minimize(lambda x: f(x) if x[0] > 0 else -f(x), x), ac.TraceError, "compile"),
    ],
)
def test_errors(call: Any, exception: type[Exception], message: str) -> None:
    with pytest.raises(exception, match=message):
        call(rosenbrock, np.zeros(3))


def test_functions_that_ask_for_values() -> None:
    found = minimize(lambda x: rosenbrock(x) if x[0] > 0 else 2 * rosenbrock(x), np.zeros(2), compile=False)
    assert found.success
    assert math.isclose(found.x[0].item(), 1, rel_tol=1e-4)


@pytest.mark.parametrize("x0", [0.5, 1.0, 3.0, 7.0])
@pytest.mark.parametrize("bounds", [None, (-10.0, 10.0), (None, 7.05)])
@pytest.mark.parametrize("method", METHODS)
def test_slopes_whose_squares_overflow(method: str, bounds: Any, x0: float) -> None:
    """There was no direction that fell; and within bounds, what was learned where it is steep made steps so small that
    the function no longer seemed to fall."""
    if bounds is not None and method not in ("lbfgs", "gd"):
        pytest.skip("takes no bounds")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = minimize(
            lambda x: ac.sum(ac.exp(100 * x) - x), np.full(2, x0), method=method, bounds=bounds, max_iter=3000
        )
    assert found.success, found.message
    np.testing.assert_allclose(found.x.numpy(), math.log(0.01) / 100, atol=1e-6)


@pytest.mark.parametrize("method", ["lbfgs", "gd"])
def test_functions_that_fall_on_within_bounds(method: str) -> None:
    found = minimize(lambda x: ac.sum(-x), np.zeros(2), method=method, bounds=(0.0, None))
    assert not found.success
    assert found.message == "the function falls without end along the direction"
