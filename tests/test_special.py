"""Special functions and their derivatives against mpmath, in units in the last place (ULP), and at special places."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

import alice_core as ac
from test_accuracy import spacing

Exact = Callable[..., Any]


def log_normal(x: Any) -> Any:
    return mp.log1p(-mp.erfc(x / mp.sqrt(2)) / 2) if x > 0 else mp.log(mp.erfc(-x / mp.sqrt(2)) / 2)


def mills(x: Any) -> Any:
    return mp.npdf(x) / (mp.erfc(-x / mp.sqrt(2)) / 2)


def quantile(p: Any) -> Any:
    """Of small p by Newton's method on the logarithm."""
    z = -mp.sqrt(-2 * mp.log(p)) if p < 0.1 else (p - mpf(1) / 2) * 2
    for _ in range(80):
        step = (log_normal(z) - mp.log(p)) / mills(z)
        z -= step
        if abs(step) < mpf(10) ** -40 * (1 + abs(z)):
            break
    return z


def inverse_erf(x: Any) -> Any:
    return mp.erfinv(x) if abs(x) < 0.9 else -mp.sign(x) * quantile((1 - abs(x)) / 2) / mp.sqrt(2)


def i0e(x: Any) -> Any:
    return mp.besseli(0, x) * mp.exp(-abs(x))


def i1e(x: Any) -> Any:
    return mp.besseli(1, x) * mp.exp(-abs(x))


def sinc(x: Any) -> Any:
    return mp.sinpi(x) / (mp.pi * x) if x else mpf(1)


def sinc_slope(x: Any) -> Any:
    if abs(x) < mpf(10) ** -15:
        return -(mp.pi**2) * x / 3
    return (mp.cospi(x) - sinc(x)) / x


#: name → the op, the function, its slope, the bounds in ULP of both, and where it is compared.
EXACT: dict[str, tuple[Any, Exact, Exact, float, float, list[tuple[float, float]]]] = {
    "gamma": (
        ac.special.gamma,
        mp.gamma,
        lambda x: mp.gamma(x) * mp.digamma(x),
        2,
        6,
        [(1e-150, 1e-3), (1e-3, 4), (4, 170)],
    ),
    "gammaln": (ac.special.gammaln, mp.loggamma, mp.digamma, 2, 2, [(1e-300, 1e-3), (1e-3, 4), (4, 50), (50, 1e300)]),
    "digamma": (
        ac.special.digamma,
        mp.digamma,
        lambda x: mp.polygamma(1, x),
        2,
        4,
        [(1e-150, 1e-3), (1e-3, 4), (4, 50), (50, 1e150)],
    ),
    "erfinv": (
        ac.special.erfinv,
        inverse_erf,
        lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(inverse_erf(x) ** 2),
        2,
        4,
        [(-1, 1), (-0.5, 0.5), (1e-300, 1e-3), (0.999, 1), (1 - 1e-13, 1)],
    ),
    "ndtri": (
        ac.special.ndtri,
        quantile,
        lambda p: mp.sqrt(2 * mp.pi) * mp.exp(quantile(p) ** 2 / 2),
        2,
        4,
        [(0, 1), (0.24, 0.76), (1e-300, 1e-3), (1e-307, 1e-290), (0.999, 1)],
    ),
    "log_ndtr": (ac.special.log_ndtr, log_normal, mills, 2, 3, [(-5, 5), (-70, -5), (-1e6, -50), (5, 37)]),
    "logit": (
        ac.special.logit,
        lambda p: mp.log(p) - mp.log1p(-p),
        lambda p: 1 / (p * (1 - p)),
        3,
        2,
        [(0, 1), (0.24, 0.76), (1e-300, 1e-3), (0.4999, 0.5001), (0.99, 1)],
    ),
    "i0e": (
        ac.special.i0e,
        i0e,
        lambda x: i1e(x) - mp.sign(x) * i0e(x),
        2,
        3,
        [(-9, 9), (8, 200), (200, 1e15), (1e-300, 1e-3)],
    ),
    "i1e": (
        ac.special.i1e,
        i1e,
        lambda x: i0e(x) - i1e(x) / x - mp.sign(x) * i1e(x),
        3,
        4,
        [(-9, 9), (8, 200), (200, 1e12), (1e-300, 1e-3)],
    ),
    "sinc": (ac.sinc, sinc, sinc_slope, 3, 5, [(-1, 1), (1, 50), (1e-300, 1e-3), (2.99, 3.01), (1e5, 1e6)]),
    "entr": (
        ac.special.entr,
        lambda x: -x * mp.log(x),
        lambda x: -mp.log(x) - 1,
        2,
        2,
        [(1e-300, 1e-3), (0, 3), (3, 1e9)],
    ),
}

#: Slopes that cross zero, and what their parts are there: the bound is of these.
PARTS = {"i1e": 0.2, "entr": 1.0, "sinc": 0.1}


def points(low: float, high: float, n: int = 150) -> np.ndarray:
    rng = np.random.default_rng(3)
    even = rng.uniform(low, high, n) if high - low < 1e300 else np.zeros(0)
    if low > 0:
        even = np.concatenate([even, np.exp(rng.uniform(math.log(low), math.log(high), n))])
    near = [c + s * 2.0**-k for c in (0.5, 1.0, 2.0, 3.0, 8.0) for k in (5, 20, 40) for s in (1, -1)]
    x = np.concatenate([even, near])
    return x[(x > low) & (x < high)]


def value_and_slope(f: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, pull = ac.vjp(f, ac.tensor(x))
    return y.numpy(), pull(ac.ones_like(y))[0].numpy()


def worst(got: np.ndarray, exact: Exact, x: np.ndarray, least: float = 0.0) -> tuple[float, float]:
    """The largest error in ULP, of numbers that are at least so large, and where."""
    found = (0.0, 0.0)
    for a, y in zip(x, got, strict=True):
        want = exact(mpf(float(a)))
        error = abs(mpf(float(y)) - want) / mpf(float(spacing(np.array(max(abs(float(want)), least)), np.float64)))
        found = max(found, (float(error), float(a)))
    return found


@pytest.mark.parametrize("name", EXACT)
def test_accuracy(name: str) -> None:
    f, exact, slope, bound, slope_bound, intervals = EXACT[name]
    with mp.workdps(60):
        for low, high in intervals:
            x = points(low, high)
            y, s = value_and_slope(f, x)
            error, at = worst(y, exact, x)
            assert error <= bound, f"{name} between {low} and {high}: {error:.2f} ULP at {at!r}"
            error, at = worst(s, slope, x, PARTS.get(name, 0.0))
            assert error <= slope_bound, f"slope of {name} between {low} and {high}: {error:.2f} ULP at {at!r}"


@pytest.mark.parametrize("name", EXACT)
def test_float32_is_the_rounded_float64(name: str) -> None:
    f, *_, intervals = EXACT[name]
    x = np.concatenate([points(low, high) for low, high in intervals])
    with np.errstate(over="ignore"):
        narrow = x.astype(np.float32)
    narrow = narrow[np.isfinite(narrow)]
    least = (0.0, PARTS.get(name, 0.0))
    wide = value_and_slope(f, narrow.astype(np.float64))
    for got, want, part in zip(value_and_slope(f, narrow), wide, least, strict=True):
        with np.errstate(over="ignore"):
            rounded = want.astype(np.float32)
        finite = np.isfinite(rounded)
        error = np.abs(got[finite].astype(np.float64) - want[finite])
        assert np.all(error <= spacing(np.maximum(np.abs(want[finite]), part), np.float32)), name
        np.testing.assert_array_equal(got[~finite], rounded[~finite])


@pytest.mark.parametrize("n", [1, 2, 3, 5, 10, 40])
def test_polygamma(n: int) -> None:
    x = np.concatenate([points(1e-3, 4, 60), points(4, 60, 60), points(60, 1e4, 20)])
    with mp.workdps(60):
        error, at = worst(ac.special.polygamma(n, ac.tensor(x)).numpy(), lambda x: mp.polygamma(n, x), x)
    assert error <= max(4, n), f"{error:.2f} ULP at {at!r}"


def test_left_of_zero() -> None:
    x = np.random.default_rng(0).uniform(-30, 0, 200)
    with mp.workdps(50):
        for n in range(4):
            for a, y in zip(x, ac.special.polygamma(n, ac.tensor(x)).numpy(), strict=True):
                want = mp.polygamma(n, mpf(float(a)))
                parts = max(
                    abs(want), mp.polygamma(n, 1 - mpf(float(a))) if n % 2 else abs(mp.polygamma(n, 1 - mpf(float(a))))
                )
                scale = max(float(abs(parts)), float(mp.pi ** (n + 1)))
                assert abs(mpf(float(y)) - want) <= 1e-14 * scale, (n, a)
        error, at = worst(ac.special.gamma(ac.tensor(x)).numpy(), mp.gamma, x)
        assert error <= 6, at
        far = -np.random.default_rng(2).uniform(100, 180, 200)  # to where it is subnormal
        error, at = worst(ac.special.gamma(ac.tensor(far)).numpy(), mp.gamma, far)
        assert error <= 6, at
        for a, y in zip(x, ac.special.gammaln(ac.tensor(x)).numpy(), strict=True):
            want = mp.re(mp.loggamma(mpf(float(a))))
            assert abs(mpf(float(y)) - want) <= 4 * 2.0**-53 * (4 + float(mp.loggamma(-mpf(float(a))))), a


def test_betaln() -> None:
    rng = np.random.default_rng(1)
    a, b = np.exp(rng.uniform(-20, 12, (2, 300)))
    b[::3] = rng.uniform(0.1, 30, 100)
    a[::6] = rng.uniform(0.1, 30, 50)
    y, pull = ac.vjp(ac.special.betaln, ac.tensor(a), ac.tensor(b))
    by_a, by_b = (g.numpy() for g in pull(ac.ones_like(y)))
    with mp.workdps(60):
        for i in range(300):
            p, q = mpf(float(a[i])), mpf(float(b[i]))
            want = mp.loggamma(p) + mp.loggamma(q) - mp.loggamma(p + q)
            ulp = float(spacing(np.array(max(1.0, abs(float(want)))), np.float64))
            assert abs(mpf(float(y.numpy()[i])) - want) <= 4 * ulp, (a[i], b[i])
            for got, r in ((by_a[i], p), (by_b[i], q)):
                slope = mp.digamma(r) - mp.digamma(p + q)
                assert abs(mpf(float(got)) - slope) <= 8 * 2.0**-53 * abs(slope), (a[i], b[i], got)


def test_places_where_functions_are_not_finite() -> None:
    inf, nan = math.inf, math.nan

    def of(f: Any, *x: float) -> list[float]:
        return f(ac.tensor(np.array(x))).tolist()

    s = ac.special
    np.testing.assert_array_equal(
        of(s.gammaln, 0.0, -1.0, inf, nan, 1.0, 2.0, 1e308), [inf, inf, inf, nan, 0.0, 0.0, inf]
    )
    np.testing.assert_array_equal(
        of(s.gamma, 0.0, -0.0, -1.0, inf, -inf, nan, 1.0, 5.0, 172.0, -250.5, -251.5, -1e300),
        [inf, -inf, nan, inf, nan, nan, 1.0, 24.0, inf, -0.0, 0.0, nan],
    )
    assert [math.copysign(1.0, y) for y in of(s.gamma, -250.5, -251.5)] == [-1.0, 1.0]
    np.testing.assert_array_equal(of(s.digamma, 0.0, -0.0, -1.0, inf, nan), [-inf, inf, nan, inf, nan])
    np.testing.assert_array_equal(of(lambda x: s.polygamma(1, x), 0.0, -3.0, inf, nan), [inf, inf, 0.0, nan])
    np.testing.assert_array_equal(of(s.log_ndtr, -inf, inf, nan), [-inf, 0.0, nan])
    np.testing.assert_array_equal(of(ac.grad(lambda x: ac.sum(s.log_ndtr(x))), -1e300, inf), [1e300, 0.0])
    np.testing.assert_array_equal(of(s.i0e, 0.0, inf), [1.0, 0.0])
    np.testing.assert_array_equal(of(s.i1e, 0.0, inf), [0.0, 0.0])
    np.testing.assert_array_equal(of(ac.sinc, 0.0, 3.0, -1e17, inf, nan), [1.0, 0.0, 0.0, 0.0, nan])
    np.testing.assert_array_equal(of(s.entr, 0.0, 1.0, -1.0, nan), [0.0, 0.0, -inf, nan])
    assert s.rel_entr(ac.tensor([0.0, 1.0, -1.0, nan]), ac.tensor([0.0, 0.0, 1.0, 1.0])).tolist()[:3] == [0.0, inf, inf]
    assert s.xlog1py(ac.tensor([0.0]), ac.tensor([-1.0])).tolist() == [0.0]


def test_nearly_equal_probabilities() -> None:
    """Where log(x/y) of a rounded quotient has lost its digits."""
    x = np.array([0.3, 0.7, 1e-5])
    y = x * (1 + np.array([1e-9, -1e-12, 1e-7]))
    with mp.workdps(50):
        error, _ = max(
            worst(
                ac.special.rel_entr(x[i : i + 1], y[i : i + 1]).numpy(),
                lambda a, i=i: a * mp.log(a / mpf(float(y[i]))),
                x[i : i + 1],
            )
            for i in range(3)
        )
    assert error <= 3


def second_of_i0e(x: Any) -> Any:
    return 2 * (i0e(x) - i1e(x)) - i1e(x) / x


def second_of_i1e(x: Any) -> Any:
    return 2 * (i1e(x) - i0e(x)) - i0e(x) / x + 2 * i1e(x) / x + 2 * i1e(x) / x**2


def second_of_log_ndtr(x: Any) -> Any:
    slope = mp.npdf(x) / mp.ncdf(x)
    return -slope * (x + slope)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("f", "exact", "low", "high", "bound"),
    [
        (ac.special.i0e, second_of_i0e, 1e-2, 40.0, 150),
        (ac.special.i0e, second_of_i0e, 40.01, 1e9, 8),
        (ac.special.i1e, second_of_i1e, 4.0, 40.0, 300),
        (ac.special.i1e, second_of_i1e, 40.01, 1e9, 8),
        (ac.special.log_ndtr, second_of_log_ndtr, 1e-2, 25.0, 1250),
        (ac.special.log_ndtr, second_of_log_ndtr, 25.01, 1e3, 4),
    ],
)
def test_second_derivatives_far_out(f: Any, exact: Any, low: float, high: float, bound: float, dtype: Any) -> None:
    """They are small differences of large terms, which lost the square of x in units of roundoff, or all digits."""
    x = np.exp(np.random.default_rng(3).uniform(math.log(low), math.log(high), 150)).astype(dtype)
    x = -x if f is ac.special.log_ndtr else x
    got = ac.grad(lambda x: ac.sum(ac.grad(lambda x: ac.sum(f(x)))(x)))(ac.tensor(x)).numpy()
    with mp.workdps(80):
        want = [exact(mpf(float(v))) for v in x]
        for v, a, b in zip(x, got, want, strict=True):
            error = abs(mpf(float(a)) - b) / mpf(float(spacing(np.array(abs(float(b))), dtype)))
            assert error <= bound, f"{float(error):.1f} ULP at {v}"


#: By name: a function, and its second and third derivative.
NEXT_TO_ZERO: dict[str, Any] = {
    "entr": (ac.special.entr, lambda x: -1 / x, lambda x: x**-2),
    "rel_entr by x": (lambda x: ac.special.rel_entr(x, 2.0), lambda x: 1 / x, lambda x: -(x**-2)),
    "rel_entr by y": (lambda y: ac.special.rel_entr(1.0, y), lambda y: y**-2, lambda y: -2 * y**-3),
    "xlogy by x": (lambda x: ac.xlogy(x, 2.0), lambda x: 0 * x, lambda x: 0 * x),
    "xlogy by y": (lambda y: ac.xlogy(1.0, y), lambda y: -(y**-2), lambda y: 2 * y**-3),
    "xlog1py by x": (lambda x: ac.special.xlog1py(x, 2.0), lambda x: 0 * x, lambda x: 0 * x),
    "xlog1py by y": (lambda y: ac.special.xlog1py(1.0, y), lambda y: -((1 + y) ** -2), lambda y: 2 * (1 + y) ** -3),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NEXT_TO_ZERO)
def test_higher_derivatives_of_parts_of_entropies_next_to_zero(name: str, dtype: Any) -> None:
    """They are too large for a number there, or small; that of entr was a difference of infinities."""
    f, *higher = NEXT_TO_ZERO[name]
    least = np.finfo(dtype)
    x = np.array([least.smallest_subnormal, least.tiny / 128, least.tiny, least.tiny * 2.0**60, 2.0**-20, 0.25], dtype)
    derive: Any = ac.grad(lambda x: ac.sum(f(x)))
    for exact in higher:
        derive = ac.grad(lambda x, of=derive: ac.sum(of(x)))
        with mp.workdps(30), np.errstate(over="ignore"):
            want = np.array([float(exact(mpf(float(v)))) for v in x]).astype(dtype)
        np.testing.assert_allclose(derive(ac.tensor(x)).numpy(), want, rtol=1e-5)
    slope = ac.grad(lambda x: ac.sum(f(x)))
    with np.errstate(over="ignore"):
        assert not np.isnan(ac.jvp(slope, (ac.tensor(x),), (ac.ones_like(x),))[1].numpy()).any()


@pytest.mark.parametrize("order", range(1, 7))
def test_derivatives_of_any_order_of_sinc(order: int) -> None:
    f: Any = ac.sinc
    for _ in range(order):
        f = ac.grad(f)
    for x in (0.0, 1e-6, 0.3, -1.0, 2.5, 40.0):
        with mp.workdps(60):
            want = mp.diff(sinc, mpf(x), order, h=mpf(10) ** -5) if x else None
            if want is None:
                want = mpf(0) if order % 2 else (-1) ** (order // 2) * mp.pi**order / (order + 1)
        assert abs(f(ac.tensor(np.array(x))).item() - float(want)) <= 1e-6 * max(1.0, abs(float(want))), (order, x)


@given(st.floats(-40.0, 38.0))
@settings(max_examples=200, deadline=None)
def test_the_second_derivative_of_log_ndtr_is_there_far_left(x: float) -> None:
    second = ac.grad(ac.grad(ac.special.log_ndtr))(ac.tensor(np.array(x))).item()
    with mp.workdps(60):
        m = mills(mpf(x))
        want = float(-m * (m + mpf(x)))
    assert abs(second - want) <= 1e-10 * abs(want) + 1e-300


def test_the_second_derivative_of_log_ndtr_tends_to_one() -> None:
    second = ac.vmap(ac.grad(ac.grad(ac.special.log_ndtr)))(ac.tensor(np.array([-1e3, -1e6, -1e12])))
    np.testing.assert_allclose(second.numpy(), [-(1 - 1e-6), -1.0, -1.0], rtol=1e-9)


def test_names_of_scipys() -> None:
    assert ac.special.expit is ac.sigmoid
    assert ac.special.log_expit is ac.log_sigmoid
    assert {"erf", "erfc", "logsumexp", "softmax", "xlogy"} <= set(ac.special.__all__)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=60, deadline=None)
@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_the_slope_of_rel_entr_between_numbers_far_apart(dtype: str, p: float, q: float) -> None:
    """The quotient x/y is 0, subnormal or infinite where its logarithm is an ordinary number."""
    info = np.finfo(dtype)
    x, y = (np.exp2(np.floor(k * -float(info.minexp))).astype(dtype) for k in (p, q))
    got = ac.grad(lambda x: ac.special.rel_entr(x, ac.tensor(y)))(ac.tensor(x)).item()
    exact = (np.log2(float(x)) - np.log2(float(y))) * math.log(2.0) + 1.0
    assert abs(got - exact) <= 4 * float(info.eps) * max(abs(exact), 1.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["i0e", "i1e"])
def test_second_derivatives_of_bessel_functions_keep_their_digits_near_zero(name: str, dtype: str) -> None:
    """That of i1e was a quotient of a difference: of the wrong size below 1e-8 in float32, 1e-16 in float64."""
    info = np.finfo(dtype)
    x = np.exp2(np.linspace(float(info.minexp), 3.0, 60)).astype(dtype)
    f = getattr(ac.special, name)
    of_second = ac.grad(lambda x: ac.sum(ac.grad(lambda x: ac.sum(f(x)))(x)))
    for sign in (1.0, -1.0):
        got = of_second(ac.tensor(x * np.asarray(sign, dtype))).numpy()
        with mp.workdps(700):
            for at, value in zip(x, got, strict=True):
                at = mpf(float(at))
                i0, i1 = mp.besseli(0, at), mp.besseli(1, at)
                r = i1 / at
                second = 2 * i0 - r - 2 * i1 if name == "i0e" else sign * (2 * (i1 - i0 + r) - (i0 - 2 * r) / at)
                exact = float(mp.exp(-at) * second)
                assert abs(float(value) - exact) <= 16 * float(info.eps) * max(abs(exact), 0.01)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=80, deadline=None)
@given(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4), st.sampled_from([1.0, -1.0]))
def test_second_derivatives_of_hypot_keep_their_digits(dtype: str, p: float, q: float, sign: float) -> None:
    """1/h - x²/h³ is y²/h³, which is lost beside the rounding errors of 1/h where x is much longer than y."""
    info = np.finfo(dtype)
    x, y = (np.asarray(np.exp2(k * float(info.maxexp)), dtype) for k in (p, q))
    got = ac.hessian(lambda z: ac.hypot(z[0], z[1]))(ac.tensor(np.array([x * sign, y], dtype))).numpy()
    a, b = sign * mpf(float(x)), mpf(float(y))
    h = mp.hypot(a, b)
    exact = [[b * b / h**3, -a * b / h**3], [-a * b / h**3, a * a / h**3]]
    for row, right in zip(got, exact, strict=True):
        for value, number in zip(row, right, strict=True):
            small = abs(number) < float(info.tiny) / float(info.eps)  # what comes to it may be subnormal
            assert small or abs(float(value) - number) <= 16 * float(info.eps) * abs(number)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_slopes_of_hypot_at_the_ends_of_the_range(dtype: str) -> None:
    """The length of a subnormal vector has few digits, an infinite one none."""
    least = float(np.finfo(dtype).smallest_subnormal)
    x = ac.tensor(np.array([least, 3 * least, math.inf, 1.0, -math.inf, 0.0], dtype))
    y = ac.tensor(np.array([least, 4 * least, 1.0, math.inf, 2.0, 0.0], dtype))
    by_x, by_y = ac.grad(lambda x, y: ac.sum(ac.hypot(x, y)), (0, 1))(x, y)
    half = math.sqrt(0.5)
    np.testing.assert_allclose(by_x.numpy(), [half, 0.6, 1.0, 0.0, -1.0, 0.0], rtol=3 * float(np.finfo(dtype).eps))
    np.testing.assert_allclose(by_y.numpy(), [half, 0.8, 0.0, 1.0, 0.0, 0.0], rtol=3 * float(np.finfo(dtype).eps))
