"""Functions of symmetric matrices and polar factors, where eigenvalues are equal, nearly equal and far apart."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations_with_replacement
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from alice_core import linalg
from alice_core.linalg._divided_differences import divided_differences

CLUSTERS = [[1.0, 2.0, 4.0], [1.0, 1.0, 3.0], [2.0, 2.0, 2.0], [1.0, 1.0 + 1e-9, 1.002]]


def turned(values: Any, seed: int = 0) -> Any:
    n = len(values)
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    return q @ np.diag(values) @ q.T


def jacobian(f: Any, a: Any) -> Any:
    """By both modes and compiled: one result."""
    x = ac.tensor(a)
    rev, fwd, compiled = ac.jacrev(f)(x).numpy(), ac.jacfwd(f)(x).numpy(), ac.compile(ac.jacrev(f))(x).numpy()
    np.testing.assert_allclose(rev, fwd, rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(rev, compiled)
    return rev


def identity(n: int) -> Any:
    """The Jacobian of a symmetric matrix by one that is read as its symmetric part."""
    eye = np.eye(n)
    return (np.einsum("ik,jl->ijkl", eye, eye) + np.einsum("il,jk->ijkl", eye, eye)) / 2


# -- divided differences ---------------------------------------------------------------------------------------------

GAPS = [0.0, 1.0, 0.5, 0.3, 0.22, 0.15, 0.1, 0.07, 0.03, *(10.0**-i for i in range(2, 17))]
SCALARS: dict[str, tuple[Callable[[ac.Tensor], ac.Tensor], Callable[[Any], Any]]] = {
    "exp": (ac.exp, mpmath.exp),
    "log": (ac.log, mpmath.log),
    "sqrt": (ac.sqrt, mpmath.sqrt),
    "reciprocal": (lambda w: 1.0 / w, lambda w: 1 / w),
    "sin": (ac.sin, mpmath.sin),
    "cube": (lambda w: w**3, lambda w: w**3),
    "bell": (lambda w: 1.0 / (1.0 + 25.0 * w * w), lambda w: 1 / (1 + 25 * w * w)),
}


def exact(f: Callable[[Any], Any], points: Any) -> Any:
    """In 160 digits, of points that are apart by 1e-30 at least."""
    xs = [mpmath.mpf(float(x)) + mpmath.mpf(10) ** -30 * i for i, x in enumerate(points)]
    row = [f(x) for x in xs]
    for k in range(1, len(xs)):
        row = [(row[i + 1] - row[i]) / (xs[i + k] - xs[i]) for i in range(len(row) - 1)]
    return row[0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SCALARS)
def test_no_gap_costs_digits(name: str, dtype: str) -> None:
    """Of the largest, there, of differences of their order; ``rounding`` is that of the function itself."""
    ours, theirs = SCALARS[name]
    theirs = cache(theirs)  # many differences share their points
    wanted = cache(lambda *points: exact(theirs, points))
    unit = float(np.finfo(dtype).eps)
    with mpmath.workdps(160):
        for base in (1e-6, 0.3, 20.0):
            for gap in GAPS:
                w = (base * np.array([1.0, 1.0 + gap, 1.0 + 1.7 * gap])).astype(dtype)
                for k, units in ((1, 30), (2, 300)):
                    got = divided_differences(ours, ac.tensor(w), k).numpy()
                    for at in combinations_with_replacement(range(3), k + 1):
                        points = w[list(at)]
                        want = wanted(*points)
                        size = max(abs(want), *(abs(wanted(*[x] * (k + 1))) for x in points))
                        assert abs(float(got[at]) - want) <= units * unit * size, (base, gap, at)
                        assert all(got[at] == got[tuple(at[i] for i in order)] for order in ([1, 0, 2][: k + 1],))


@pytest.mark.parametrize("gap", [1e-12, 1e-9, 1e-6, 1e-3, 0.5])
def test_a_kink_between_eigenvalues_is_seen(gap: float) -> None:
    for at in (0.01, 0.2, 0.45, 0.6, 0.99):  # rules see it in several ways, or not
        low, high = -at * gap, (1.0 - at) * gap
        w = ac.tensor([low, high, 2.0], dtype=ac.float64)
        for f, want in (
            (lambda w: ac.maximum(w, 0.0), high / (high - low)),
            (ac.abs, (high + low) / (high - low)),
            (lambda w: ac.where(w > 0.0, 1.0, 0.0) + 0.0 * w, 1.0 / (high - low)),
            (lambda w: ac.abs(w) + w, 2.0 * high / (high - low)),
        ):
            got = divided_differences(f, w, 1)[0, 1].item()
            assert abs(got - want) <= 1e-14 * max(1.0, abs(want)), at
    ac.testing.check_grads(
        lambda a: linalg.funm(a, lambda w: ac.maximum(w, 0.0)), [turned([-1.0, 0.5, 1.0])], modes=("rev", "fwd")
    )


@pytest.mark.parametrize("gap", [1e-15, 1e-12, 1e-9, 1e-6])
def test_noise_of_a_function_is_no_slope(gap: float) -> None:
    w = np.array([1e-4, 1e-4 * (1.0 + gap), 1.0])
    for f, slope in (
        (lambda w: (1.0 - ac.cos(w)) / (w * w), lambda w: (w * np.sin(w) - 2.0 * (1.0 - np.cos(w))) / w**3),
        (lambda w: 1.0 - ac.cos(w), np.sin),
        (lambda w: (w + 1e5) - 1e5, lambda w: 1.0),
    ):
        got = divided_differences(f, ac.tensor(w), 1).numpy()[0, 1]
        rounding = 1e-16 / 1e-4**3 if slope(0.5) < 0.0 else 1e-15  # of the slope, which is given as it is
        assert abs(got - slope(w[0])) <= 10 * rounding + 1e-4 * gap


# -- derivatives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", CLUSTERS)
def test_a_square_root_is_the_inverse_of_a_square(values: list[float]) -> None:
    a = turned(values)
    for root in (linalg.sqrtm, lambda x: linalg.funm(x, ac.sqrt), lambda x: linalg.funm(x, lambda w, p: w**p, 0.5)):
        got = jacobian(lambda x, root=root: root(x) @ root(x), a)
        np.testing.assert_allclose(got, identity(3), rtol=0, atol=1e-13)
        ac.testing.check_grads(root, [a], order=2, modes=("rev", "fwd"))


@pytest.mark.parametrize("values", CLUSTERS)
def test_exponential_and_logarithm_are_inverse_to_all_orders(values: list[float]) -> None:
    a, rng = turned(values), np.random.default_rng(1)
    np.testing.assert_allclose(jacobian(lambda x: linalg.logm(linalg.expm(x)), a), identity(3), rtol=0, atol=1e-13)
    exponential = lambda x: linalg.funm(x, ac.exp)  # noqa: E731
    x, ts = ac.tensor(a), [ac.tensor(s + s.T) for s in rng.standard_normal((3, 3, 3))]
    f, g = exponential, linalg.expm
    for t in ts:
        f, g = (
            (lambda x, f=f, t=t: ac.jvp(f, [x], [t])[1]),
            (lambda x, g=g, t=t: ac.jvp(g, [x], [t])[1]),
        )
        want = g(x).numpy()
        np.testing.assert_allclose(f(x).numpy(), want, rtol=0, atol=1e-12 * np.abs(want).max())
    weight = ac.tensor(rng.standard_normal((3, 3)))
    hessians = [
        ac.hessian(lambda x, f=f: ac.sum(weight * f((x + x.T) / 2.0)))(x).numpy() for f in (exponential, linalg.expm)
    ]
    np.testing.assert_allclose(*hessians, rtol=0, atol=1e-12 * np.abs(hessians[1]).max())


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)])
@pytest.mark.parametrize("values", CLUSTERS)
def test_polar_factors_multiply_to_the_matrix_and_so_do_their_derivatives(
    values: list[float], shape: tuple[int, int], side: str
) -> None:
    m, n = shape
    rng = np.random.default_rng(3)
    u, v = (np.linalg.qr(rng.standard_normal((k, k)))[0] for k in shape)
    a = u[:, :3] @ np.diag(values) @ v[:3]

    def product(x: ac.Tensor) -> ac.Tensor:
        u, p = linalg.polar(x, side=side)
        return u @ p if side == "right" else p @ u

    def gram(x: ac.Tensor) -> ac.Tensor:
        u = linalg.polar(x, side=side).U
        return u @ u.T if m < n else u.T @ u

    np.testing.assert_allclose(product(ac.tensor(a)).numpy(), a, rtol=0, atol=1e-14)
    eye = np.einsum("ik,jl->ijkl", np.eye(m), np.eye(n))
    np.testing.assert_allclose(jacobian(product, a), eye, rtol=0, atol=1e-12)
    np.testing.assert_allclose(jacobian(gram, a), 0.0, rtol=0, atol=1e-13)
    ac.testing.check_grads(lambda x: tuple(linalg.polar(x, side=side)), [a], order=2, modes=("rev", "fwd"))


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.sampled_from([0.5, 1.0, 1.0 + 1e-13, 1.0 + 1e-7, 1.001, 3.0]), min_size=1, max_size=5),
    seed=st.integers(0, 99),
)
def test_cotangents_of_any_cluster_meet_their_tangents(values: list[float], seed: int) -> None:
    rng, n = np.random.default_rng(seed), len(values)
    a, t = ac.tensor(turned(values, seed)), ac.tensor(rng.standard_normal((n, n)))
    for f in (linalg.sqrtm, linalg.logm, lambda x: linalg.funm(x, ac.tanh), lambda x: linalg.polar(x).P):
        y, moved = ac.jvp(f, [a], [t])
        g = ac.tensor(rng.standard_normal((n, n)))
        (pulled,) = ac.vjp(f, a)[1](g)
        assert abs((ac.sum(g * moved) - ac.sum(pulled * t)).item()) <= 1e-12 * n * n
        again = ac.vmap(f)(ac.stack([a, 2.0 * a]))
        np.testing.assert_array_equal(again[0].numpy(), y.numpy())


def test_dtypes_of_functions_are_those_of_what_they_are_given() -> None:
    x, wide = ac.tensor(np.eye(2, dtype=np.float32)), ac.tensor(2.0, dtype=ac.float64)
    step = lambda w: ac.where(w > 0.0, wide, 0.0)  # noqa: E731
    assert linalg.funm(x, step).dtype == ac.grad(lambda x: ac.sum(linalg.funm(x, step)))(x).dtype == ac.float32
    assert linalg.funm(x, lambda w, p: w**p, 2.0).dtype == ac.float32
    assert linalg.funm(x, lambda w, p: w**p, wide).dtype == ac.float64
    assert linalg.funm(np.eye(2), lambda w, p: w**p, 0.1)[0, 0].dtype == ac.float64


def test_arguments_of_a_function_have_derivatives() -> None:
    a = turned([1.0, 1.0, 2.0])
    f = lambda a, p, c: linalg.funm(a, lambda w, p, c: w ** p[0] * c + ac.sin(p[1] * w), p, c)  # noqa: E731
    ac.testing.check_grads(f, [a, np.array([1.5, 0.3]), np.array(0.7)], order=2, modes=("rev", "fwd"))
    power = lambda a, p: ac.sum(linalg.funm(a, lambda w, p: w**p, p))  # noqa: E731
    both = ac.grad(power, argnums=(0, 1))
    batch, ps = ac.tensor(np.stack([a, 2.0 * a])), ac.tensor([1.5, -2.0], dtype=ac.float64)
    for by_a, by_p in (ac.vmap(both)(batch, ps), ac.compile(ac.vmap(both))(batch, ps)):
        for i in range(2):
            want = both(batch[i], ps[i])
            np.testing.assert_allclose(by_a[i].numpy(), want[0].numpy(), rtol=1e-13)
            np.testing.assert_allclose(by_p[i].numpy(), want[1].numpy(), rtol=1e-13)


Captured = Callable[[ac.Tensor], Callable[[ac.Tensor], ac.Tensor]]
#: What f makes of a captured vector, and the matrix that comes of it, for positive eigenvalues.
CAPTURED: dict[str, tuple[Captured, Callable[[ac.Tensor, ac.Tensor], ac.Tensor]]] = {
    "power": (
        lambda z: lambda w: w * w * z[0] ** 2 + ac.sin(z[1]),
        lambda a, z: a @ a * z[0] ** 2 + eye2(ac.sin(z[1])),
    ),
    "item": (lambda z: lambda w: w * z[0], lambda a, z: a * z[0]),
    "sum": (lambda z: lambda w: ac.sum(z), lambda a, z: eye2(ac.sum(z))),
    "negative": (lambda z: lambda w: -z[1], lambda a, z: eye2(-z[1])),
    "where": (lambda z: lambda w: ac.where(w > 0.0, z[0], w), lambda a, z: eye2(z[0])),
    "reshape": (lambda z: lambda w: ac.reshape(z[:1], ()), lambda a, z: eye2(z[0])),
    "itself": (lambda z: (lambda p: lambda w: p)(z[0] * z[1]), lambda a, z: eye2(z[0] * z[1])),
    "grad": (lambda z: lambda w: ac.grad(lambda q: q * q * z[0])(w), lambda a, z: 2.0 * z[0] * a),
    "stopped": (lambda z: lambda w: w * ac.stop_gradient(z[0]) * z[1], lambda a, z: a * ac.stop_gradient(z[0]) * z[1]),
}


def eye2(x: ac.Tensor) -> ac.Tensor:
    return x * ac.eye(2, dtype=ac.float64)


def on_all(call: Callable[[ac.Tensor, ac.Tensor], ac.Tensor], how: str) -> Callable[[ac.Tensor, ac.Tensor], ac.Tensor]:
    """One matrix after the other, by several transforms; where z is not batched it is captured from outside."""
    if how == "loop":
        return lambda xs, z: ac.stack([call(x, z) for x in xs])
    if how == "compile":
        return lambda xs, z: ac.stack([ac.compile(call)(x, z) for x in xs])
    if how == "vmap":
        return lambda xs, z: ac.vmap(lambda x: call(x, z))(xs)
    if how == "vmap of both":
        return lambda xs, z: ac.vmap(call)(xs, ac.stack([z, z]))
    if how == "compiled vmap":
        return ac.compile(lambda xs, z: ac.vmap(lambda x: call(x, z))(xs))
    if how == "scan":
        return lambda xs, z: ac.scan(lambda s, x: (s, call(x, z)), 0.0, xs)[1]
    assert how == "scan of both"
    return lambda xs, z: ac.scan(lambda s, both: (s, call(*both)), 0.0, (xs, ac.stack([z, z])))[1]


@pytest.mark.parametrize("how", ["loop", "compile", "vmap", "vmap of both", "compiled vmap", "scan", "scan of both"])
@pytest.mark.parametrize("name", CAPTURED)
def test_what_a_function_captures_has_its_derivatives(name: str, how: str) -> None:
    captured, matrix = CAPTURED[name]
    a = turned([1.0, 2.0])
    xs, z = ac.tensor(np.stack([a, 2.0 * a])), ac.tensor([0.7, 1.5], dtype=ac.float64)
    weight = ac.tensor(np.random.default_rng(4).standard_normal((2, 2, 2)))
    ours = on_all(lambda x, z: linalg.funm(x, captured(z)), how)
    theirs = on_all(matrix, "loop")
    found, wanted = [], []
    for call, to in ((ours, found), (theirs, wanted)):

        def loss(xs: ac.Tensor, z: ac.Tensor, call: Any = call) -> ac.Tensor:
            y = call(xs, z)
            return ac.sum(weight * (y + ac.matrix_transpose(y)))

        to += [call(xs, z), *ac.grad(loss, argnums=(0, 1))(xs, z), *ac.jvp(loss, [xs, z], [weight[0] * xs, z])]
        to.append(ac.grad(lambda z, loss=loss: ac.sum(z * ac.grad(loss, argnums=1)(xs, z)))(z))
    for got, want in zip(found, wanted, strict=True):
        if got.shape == xs.shape:  # a gradient by a matrix that is read as its symmetric part
            want = (want + ac.matrix_transpose(want)) / 2.0
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12, atol=1e-12)


def test_parameters_integers_and_large_constants_may_be_captured() -> None:
    a = ac.tensor(turned([1.0, 2.0]))
    xs, weight = ac.stack([a, a]), ac.nn.Parameter(2.0)
    ac.sum(linalg.funm(a, lambda w: w * weight)).backward()
    np.testing.assert_allclose(weight.grad.numpy(), ac.sum(a).item(), rtol=1e-6)
    powers = lambda x, n: ac.sum(linalg.funm(x, lambda w: w**n))  # noqa: E731
    for got in (
        ac.vmap(ac.grad(powers))(xs, ac.tensor([1, 2])),
        ac.grad(lambda xs: ac.sum(ac.vmap(powers)(xs, ac.tensor([1, 2]))))(xs),
    ):
        want = [np.ones((2, 2)), ac.grad(lambda a: ac.sum(a @ a))(a).numpy()]
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)
    table = ac.ones((100_000,), dtype=ac.float64)  # a basis of its space would not fit into memory
    constant = lambda x: ac.sum(linalg.funm(x, lambda w: ac.mean(table * w)))  # noqa: E731
    for got in (ac.grad(constant)(a), ac.grad(lambda xs: ac.sum(ac.vmap(constant)(xs)))(xs)[0]):
        np.testing.assert_allclose(got.numpy(), np.ones((2, 2)), rtol=1e-12)


# -- what is refused, and what has no derivative ---------------------------------------------------------------------


def test_functions_that_change_something_or_mute_reverse_mode_are_refused() -> None:
    a, generator = ac.tensor(turned([1.0, 2.0])), ac.random.Generator(0)

    def muted(w: ac.Tensor) -> ac.Tensor:
        with ac.no_grad():
            return w * w

    for f, text in (
        (muted, "funm: f must not compute under no_grad"),
        (lambda w: w * generator.normal(()), "funm: f must not change Tensors in place"),
        (lambda w: w if w > 0.0 else -w, "its value is not known while tracing"),
    ):
        with pytest.raises(ac.TraceError, match=text):
            linalg.funm(a, f)
    for f in (lambda w: 1.0, lambda w: ac.stack([w, w])):
        with pytest.raises(ac.ShapeError, match="funm: f must return one number"):
            linalg.funm(a, f)
    with ac.no_grad():  # around it all is nothing to refuse
        np.testing.assert_allclose(linalg.funm(a, lambda w: w * w).numpy(), (a @ a).numpy(), rtol=1e-12)


@pytest.mark.parametrize("values", [[-1.0, -1.0], [0.0, 0.0], [0.0, 1.0], [-1.0, 1.0]])
def test_a_logarithm_that_is_not_there_has_no_slope(values: list[float]) -> None:
    x, ts = ac.tensor(np.diag(values)), ac.tensor(np.random.default_rng(5).standard_normal((2, 2, 2)))
    total = lambda x: ac.sum(linalg.logm(x))  # noqa: E731
    along = lambda x: ac.jvp(linalg.logm, [x], [ts[0]])[1]  # noqa: E731
    second = ac.jvp(along, [x], [ts[1]])[1], ac.hvp(total, [x], [ts[0]])[0]
    for y in (linalg.logm(x), ac.grad(total)(x), along(x), *second):
        assert np.isnan(y.numpy()).all()


def test_what_has_no_root_or_no_slope_is_nan() -> None:
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    entries = lambda f: lambda x: ac.sum(f(x)[0] * ac.tensor([1.0, 2.0, 3.0], dtype=ac.float64))  # noqa: E731
    indefinite, singular = q @ np.diag([-1.0, 1.0, 2.0]) @ q.T, q @ np.diag([0.0, 1.0, 2.0]) @ q.T
    for f in (linalg.sqrtm, linalg.logm):
        assert np.isnan(f(indefinite).numpy()).all()
        assert np.isnan(ac.grad(entries(f))(indefinite).numpy()).any()
    root = linalg.sqrtm(singular).numpy()  # rounding makes no NaN of 0
    np.testing.assert_allclose(root @ root, singular, rtol=0, atol=1e-14)
    exact = np.diag([0.0, 1.0, 4.0])
    assert np.isnan(ac.grad(entries(linalg.sqrtm))(exact).numpy()).any()
    got = ac.grad(lambda x: linalg.sqrtm(x)[1, 2] + linalg.sqrtm(x)[0, 1])(exact).numpy()
    np.testing.assert_allclose(got, [[0, 0.5, 0], [0.5, 0, 1 / 6], [0, 1 / 6, 0]], rtol=1e-14)
    for i in (0, 1):
        assert np.isnan(ac.grad(entries(lambda x, i=i: linalg.polar(x)[i]))(singular).numpy()).all()
        assert np.isnan(ac.jvp(lambda x, i=i: linalg.polar(x)[i], [exact], [np.ones((3, 3))])[1].numpy()).all()
        masked = ac.grad(lambda x, i=i: ac.sum(linalg.polar(x)[i][0]))(np.stack([np.eye(3) * 2.0, exact])).numpy()
        assert np.isfinite(masked).all()
        assert not masked[1].any()
    with pytest.raises(ac.LinAlgError, match="finite"):
        linalg.sqrtm(np.full((2, 2), np.nan))
