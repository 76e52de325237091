"""SciPy's solvers, given functions and derivatives of ours: they pass float64 arrays and do as they please with what
comes back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac

pytest.importorskip("scipy")
from scipy import integrate, optimize, special

START = np.array([1.3, 0.7, 0.8, 1.9, 1.2])


def rosenbrock(x: Any) -> ac.Tensor:
    x = ac.asarray(x)
    return ac.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def residuals(x: Any) -> ac.Tensor:
    x = ac.asarray(x)
    return ac.concat([10.0 * (x[1:] - x[:-1] ** 2), 1.0 - x[:-1]])


def hessian_product(x: Any, v: Any) -> ac.Tensor:
    return ac.hvp(rosenbrock, [x], [v])[0]


FIRST = {"jac": ac.grad(rosenbrock)}
SECOND = FIRST | {"hess": ac.hessian(rosenbrock)}
PRODUCT = FIRST | {"hessp": hessian_product}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(
    ("method", "derivatives"),
    [(m, FIRST) for m in ("CG", "BFGS", "Newton-CG", "L-BFGS-B", "TNC", "SLSQP", "trust-constr")]
    + [(m, SECOND) for m in ("Newton-CG", "trust-constr", "dogleg", "trust-ncg", "trust-krylov", "trust-exact")]
    + [(m, PRODUCT) for m in ("Newton-CG", "trust-constr", "trust-ncg", "trust-krylov")],
)
def test_minimize(method: str, derivatives: dict[str, Callable[..., Any]], compiled: bool) -> None:
    start = 1.0 + 0.01 * START if method == "dogleg" else START  # it wants a convex neighbourhood
    given = {k: ac.compile(f) if compiled else f for k, f in derivatives.items()}
    found = optimize.minimize(ac.compile(rosenbrock) if compiled else rosenbrock, start, method=method, **given)
    scipys = {"jac": optimize.rosen_der, "hess": optimize.rosen_hess, "hessp": optimize.rosen_hess_prod}
    wanted = optimize.minimize(optimize.rosen, start, method=method, **{k: scipys[k] for k in derivatives})
    assert found.success
    np.testing.assert_allclose(found.x, np.ones(5), rtol=1e-3)
    np.testing.assert_allclose(found.x, wanted.x, rtol=1e-4)


@pytest.mark.parametrize("method", ["CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP"])
def test_value_and_gradient_of_one_call(method: str) -> None:
    both = ac.compile(ac.value_and_grad(rosenbrock))
    found = optimize.minimize(both, START, jac=True, method=method)
    np.testing.assert_allclose(found.x, np.ones(5), rtol=1e-3)


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr"])
def test_bounds_and_constraints(method: str) -> None:
    def line(x: Any) -> ac.Tensor:
        return ac.sum(ac.asarray(x) * np.array([1.0, 2.0]))

    def circle(x: Any) -> ac.Tensor:
        return ac.sum(ac.asarray(x) ** 2) - 1.0

    constraint: Any = {"type": "eq", "fun": circle, "jac": ac.grad(circle)}
    second = {}
    if method == "trust-constr":
        hess = ac.hessian(circle)
        constraint = optimize.NonlinearConstraint(
            circle, 0.0, 0.0, jac=ac.grad(circle), hess=lambda x, v: hess(x) * v[0]
        )
        second = {"hess": ac.hessian(line)}
    found = optimize.minimize(
        line, [0.5, -0.5], jac=ac.grad(line), method=method, constraints=[constraint], bounds=[(-2, 2)] * 2, **second
    )
    np.testing.assert_allclose(found.x, -np.array([1.0, 2.0]) / np.sqrt(5.0), atol=1e-4)


@pytest.mark.parametrize("jacobian", [ac.jacrev, ac.jacfwd])
@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
@pytest.mark.parametrize("loss", ["linear", "soft_l1"])
def test_least_squares(method: str, loss: str, jacobian: Callable[..., Any]) -> None:
    if method == "lm" and loss != "linear":
        pytest.skip("SciPy has it for the plain sum only")
    found = optimize.least_squares(residuals, START, jac=jacobian(residuals), method=method, loss=loss)
    np.testing.assert_allclose(found.x, np.ones(5), rtol=1e-4)


@pytest.mark.parametrize("jacobian", [ac.jacrev, ac.jacfwd])
@pytest.mark.parametrize("method", ["hybr", "lm"])
def test_root(method: str, jacobian: Callable[..., Any]) -> None:
    def f(x: Any) -> ac.Tensor:
        x = ac.asarray(x)
        return ac.stack([x[0] + 0.5 * (x[0] - x[1]) ** 3 - 1.0, 0.5 * (x[1] - x[0]) ** 3 + x[1]])

    found = optimize.root(f, [0.0, 0.0], jac=jacobian(f), method=method)
    np.testing.assert_allclose(found.x, [0.8411639, 0.1588361], rtol=1e-6)


@pytest.mark.parametrize("method", ["newton", "halley"])
def test_root_of_one_number(method: str) -> None:
    def f(x: Any) -> ac.Tensor:
        return ac.cos(x) - x

    second = {"fprime2": ac.grad(ac.grad(f))} if method == "halley" else {}
    np.testing.assert_allclose(optimize.newton(f, 0.5, fprime=ac.grad(f), **second), 0.7390851332151607)
    found = optimize.root_scalar(f, x0=0.5, fprime=ac.grad(f), method=method, **second)
    np.testing.assert_allclose(found.root, 0.7390851332151607)


@pytest.mark.parametrize("method", ["lm", "trf", "dogbox"])
def test_curve_fit(method: str) -> None:
    t = np.linspace(0.0, 4.0, 50)

    def model(t: Any, a: Any, b: Any, c: Any) -> ac.Tensor:
        return a * ac.exp(-b * ac.asarray(t)) + c

    def jacobian(t: Any, *p: Any) -> ac.Tensor:
        return ac.stack(ac.jacfwd(lambda *q: model(t, *q), argnums=(0, 1, 2))(*p), axis=1)

    found, covariance = optimize.curve_fit(
        model, t, 2.5 * np.exp(-1.3 * t) + 0.5, p0=[1.0, 1.0, 1.0], jac=jacobian, method=method
    )
    np.testing.assert_allclose(found, [2.5, 1.3, 0.5], rtol=1e-6)
    assert np.all(np.isfinite(covariance))


@pytest.mark.parametrize("method", ["RK45", "DOP853", "Radau", "BDF", "LSODA"])
def test_solve_ivp(method: str) -> None:
    def f(t: Any, y: Any) -> ac.Tensor:
        y = ac.asarray(y)
        return ac.stack([y[1], -4.0 * y[0]])

    def crossing(t: Any, y: Any) -> ac.Tensor:
        return ac.asarray(y)[0]

    implicit = {"jac": ac.jacfwd(f, argnums=1)} if method in ("Radau", "BDF", "LSODA") else {}
    start = ac.tensor([1.0, 0.0], ac.float64)
    found = integrate.solve_ivp(f, (0.0, 2.0), start, method, events=crossing, rtol=1e-7, atol=1e-9, **implicit)
    np.testing.assert_allclose(found.y[:, -1], [np.cos(4.0), -2.0 * np.sin(4.0)], atol=1e-4)
    np.testing.assert_allclose(found.t_events[0], [np.pi / 4], atol=1e-5)


def test_differences_and_quadrature() -> None:
    assert optimize.check_grad(rosenbrock, ac.grad(rosenbrock), START) < 1e-4
    np.testing.assert_allclose(
        optimize.approx_fprime(START, rosenbrock), ac.grad(rosenbrock)(START).numpy(), rtol=1e-5, atol=1e-4
    )
    np.testing.assert_allclose(integrate.quad(lambda x: ac.exp(-(x**2)), 0.0, 1.0)[0], 0.746824132812427)
    np.testing.assert_allclose(optimize.brentq(lambda x: ac.cos(x) - x, 0.0, 1.0), 0.7390851332151607)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        *[
            (name, 1)
            for name in ("erf", "erfc", "expit", "log_expit", "expm1", "log1p", "exp2", "gamma", "gammaln", "psi")
        ],
        *[(name, 1) for name in ("entr", "erfinv", "i0e", "i1e", "log_ndtr", "logit", "ndtri")],
        *[(name, 2) for name in ("betaln", "rel_entr", "xlog1py", "xlogy")],
    ],
)
def test_ufuncs_that_are_ops_of_ours(name: str, count: int) -> None:
    first = np.array([0.3, 0.6, 0.9]) if name in ("erfinv", "logit", "ndtri") else np.array([0.3, 1.7, 2.5])
    f, args = getattr(special, name), [first, np.array([0.5, 2.0, 0.1])][:count]
    found = f(*map(ac.tensor, args))
    assert isinstance(found, ac.Tensor)
    np.testing.assert_allclose(found.numpy(), f(*args), rtol=1e-14)
    ac.testing.check_grads(lambda *xs: ac.sum(f(*xs)), args)


def test_other_ufuncs() -> None:
    a = np.array([0.3, 1.7, 2.5])
    found = special.rgamma(ac.tensor(a))
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, special.rgamma(a))
    for transformed in (
        ac.grad,
        ac.compile,
        ac.vmap,
        lambda f: ac.vmap(ac.grad(f)),
        lambda f: lambda x: ac.jvp(f, [x], [x]),
    ):
        with pytest.raises(TypeError, match=r"scipy\.special\.rgamma: alice_core has no such function"):
            transformed(lambda x: ac.sum(special.rgamma(x)))(ac.tensor(a))
