"""Random numbers of all distributions against ``scipy.stats``; their gradients; compiled draws and batches."""

from __future__ import annotations

import itertools
import math
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.stats

import alice_core as ac

N = 1 << 16

#: A draw, and its distribution.
CONTINUOUS: list[tuple[str, Any, Any]] = [
    ("exponential", {"scale": 2.5}, scipy.stats.expon(scale=2.5)),
    *(
        (
            "truncated_normal",
            {"low": lo, "high": hi, "mean": m, "std": s},
            scipy.stats.truncnorm((lo - m) / s, (hi - m) / s, m, s),
        )
        for lo, hi, m, s in (
            (-1.0, 2.0, 0.0, 1.0),
            (3.0, np.inf, 1.0, 0.5),
            (-np.inf, -20.0, 0.0, 1.0),
            (-9.0, 9.0, 5.0, 3.0),
        )
    ),
    ("gumbel", {"loc": 1.0, "scale": 0.5}, scipy.stats.gumbel_r(1.0, 0.5)),
    *(("gamma", {"alpha": a, "scale": 2.0}, scipy.stats.gamma(a, scale=2.0)) for a in (0.1, 0.7, 1.0, 3.5, 200.0, 1e7)),
    *(("beta", {"a": a, "b": b}, scipy.stats.beta(a, b)) for a, b in ((0.5, 0.5), (2.0, 5.0), (30.0, 0.8))),
]
DISCRETE: list[tuple[str, Any, Any]] = [
    *(("poisson", {"rate": r}, scipy.stats.poisson(r)) for r in (0.0, 0.3, 4.0, 9.99, 10.0, 35.0, 1000.0)),
    ("integers", {"low": -3, "high": 8}, scipy.stats.randint(-3, 8)),
    ("integers", {"low": 7}, scipy.stats.randint(0, 7)),
]


def named(value: Any) -> str:
    """The same in every process, which the address of a law of SciPy is not."""
    return str(value) if isinstance(value, (str, dict)) else "scipy"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "parameters", "law"), CONTINUOUS, ids=named)
def test_continuous_distributions(name: str, parameters: Any, law: Any, dtype: str) -> None:
    x = getattr(ac.random.Generator(1), name)(N, **parameters, dtype=dtype)
    assert x.dtype == dtype
    if not (dtype == "float32" and law.std() < 1e-3 * law.mean()):  # else few numbers are different
        assert scipy.stats.kstest(x.numpy().astype(float), law.cdf).pvalue > 1e-3


@pytest.mark.parametrize(("name", "parameters", "law"), DISCRETE, ids=named)
def test_discrete_distributions(name: str, parameters: Any, law: Any) -> None:
    x = getattr(ac.random.Generator(2), name)(N, **parameters).numpy()
    assert x.dtype == np.int64
    edges = np.unique(law.ppf(np.linspace(0, 1, 40)[1:-1]))
    counts = np.histogram(x, [-np.inf, *(edges + 0.5), np.inf])[0]
    probabilities = np.diff([0.0, *law.cdf(edges), 1.0])
    kept = probabilities * N > 5
    expected = probabilities[kept] * N
    assert counts[~kept].sum() <= 40
    if kept.sum() > 1:
        statistic = ((counts[kept] - expected) ** 2 / expected).sum()
        assert scipy.stats.chi2(kept.sum() - 1).sf(statistic) > 1e-3


def test_integers_over_the_whole_range() -> None:
    g = ac.random.Generator(3)
    for low, high in ((-(2**63), 2**63), (-(2**63), 2**62), (0, 2**63), (5, 6)):
        x = g.integers(5000, low, high).numpy()
        assert low <= x.min() <= x.max() < high
        if high - low > 1:
            scaled = (x.astype(float) - low) / (high - low)
            assert scipy.stats.kstest(scaled, "uniform").pvalue > 1e-3
    assert g.integers((2, 3), 10, dtype="int32").dtype == ac.int32
    assert g.integers((), 5).shape == ()


def test_orders() -> None:
    g = ac.random.Generator(4)
    counts = dict.fromkeys(itertools.permutations(range(4)), 0)
    for _ in range(4800):
        counts[tuple(g.permutation(4).tolist())] += 1
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 1e-3
    assert sorted(g.permutation(1000).tolist()) == list(range(1000))
    assert g.permutation(0).shape == (0,)
    x = np.arange(12.0).reshape(3, 4)
    for axis in (0, 1, -1):
        parts = [tuple(part) for part in np.moveaxis(g.permutation(x, axis).numpy(), axis, 0)]
        assert sorted(parts) == sorted(tuple(part) for part in np.moveaxis(x, axis, 0))
    y = ac.tensor([1.0, 2.0, 3.0]).requires_grad_()
    ac.sum(g.permutation(y) * ac.tensor([1.0, 10.0, 100.0])).backward()
    assert sorted(y.grad.tolist()) == [1, 10, 100]


def test_choices() -> None:
    g = ac.random.Generator(5)
    p = np.array([0.1, 0.0, 0.6, 0.3])
    x = g.choice(4, N, p=p).numpy()
    counts = np.bincount(x, minlength=4)
    assert counts[1] == 0
    assert scipy.stats.chisquare(counts[[0, 2, 3]], N * p[[0, 2, 3]]).pvalue > 1e-3
    assert set(g.choice([10.0, 20.0], 100).tolist()) == {10, 20}
    without = g.choice(np.arange(10.0), (2, 5), replace=False)
    assert without.shape == (2, 5)
    assert sorted(without.numpy().ravel().tolist()) == list(range(10))
    pairs = np.array([g.choice(3, 2, replace=False, p=[0.5, 0.3, 0.2]).tolist() for _ in range(1000)])
    p = np.array([0.5, 0.3, 0.2])
    expected = {(i, j): p[i] * p[j] / (1 - p[i]) for i in range(3) for j in range(3) if i != j}
    counts = [np.all(pairs == pair, axis=1).sum() for pair in expected]
    assert scipy.stats.chisquare(counts, 1000 * np.array([*expected.values()])).pvalue > 1e-3
    assert g.choice(ac.zeros((3, 4)), 5, axis=1).shape == (3, 5)
    assert g.choice(ac.zeros((3, 4)), (5, 2)).shape == (5, 2, 4)
    assert g.choice(3).shape == ()
    assert g.choice(0, 0).shape == (0,)


def test_categories() -> None:
    g = ac.random.Generator(6)
    p = np.array([[0.2, 0.5, 0.3], [0.9, 0.1, 0.0]])
    with np.errstate(divide="ignore"):
        logits = ac.tensor(np.log(p) + 3.0)
    x = g.categorical(logits, shape=(N, 2)).numpy()
    assert x.dtype == np.int64
    for column, q in zip(x.T, p, strict=True):
        counts, some = np.bincount(column, minlength=3), q > 0
        assert counts[~some].sum() == 0
        assert scipy.stats.chisquare(counts[some], N * q[some]).pvalue > 1e-3
    assert g.categorical(logits).shape == (2,)
    assert g.categorical(logits, axis=0).shape == (3,)
    assert g.categorical(logits.astype(ac.bfloat16)).shape == (2,)


@pytest.mark.parametrize("name", ["exponential", "gumbel", "gamma", "beta", "poisson"])
def test_parameters_and_shapes(name: str) -> None:
    g = ac.random.Generator(7)
    draw = getattr(g, name)
    second = {"exponential": "scale", "gumbel": "loc", "gamma": "scale", "beta": "a", "poisson": "rate"}[name]
    assert draw().shape == ()
    assert draw(3).shape == (3,)
    assert draw(**{second: ac.ones((3, 1))}).shape == (3, 1)
    assert draw((4, 3), **{second: np.ones(3)}).shape == (4, 3)
    assert draw((0, 3)).shape == (0, 3)
    if name != "poisson":
        assert len(set(draw(**{second: np.ones(20)}).tolist())) == 20
    with pytest.raises(ac.ShapeError, match=f"{name}: {second} must broadcast to shape"):
        draw(2, **{second: ac.ones(3)})


def test_a_draw_depends_on_key_draw_and_place_alone() -> None:
    before = ac.get_num_threads()
    draws = [
        lambda g, n: g.gamma(n, alpha=0.5),
        lambda g, n: g.poisson(n, rate=20.0),
        lambda g, n: g.integers(n, 0, 3 * 2**61),
        lambda g, n: g.beta(n, 2.0, 3.0, dtype="float64"),
    ]
    try:
        for draw in draws:
            seen = []
            for threads in (1, 3):
                ac.set_num_threads(threads)
                seen.append(draw(ac.random.Generator(8), 10_000).tolist())
            assert seen[0] == seen[1]
            assert draw(ac.random.Generator(8), 777).tolist() == seen[0][:777]
    finally:
        ac.set_num_threads(before)


def test_compiled_draws_are_the_eager_ones() -> None:
    def draw(g: ac.random.Generator, x: ac.Tensor) -> Any:
        return (
            g.gamma(alpha=x),
            g.beta(5, a=x[0], dtype="float64"),
            g.poisson(rate=x),
            g.integers((2, 2), 100),
            g.permutation(5),
            g.choice(x, 4),
            g.categorical(x, shape=3),
            g.exponential(3),
            g.gumbel(3),
        )

    g, h = ac.random.Generator(9), ac.random.Generator(9)
    compiled = ac.compile(lambda x: draw(h, x))
    x, seen = ac.tensor([0.5, 3.0]), set()
    for _ in range(3):
        for want, got in zip(draw(g, x), compiled(x), strict=True):
            np.testing.assert_array_equal(got.numpy(), want.numpy())
        assert g.state == h.state
        seen.add(compiled(x)[3].numpy().tobytes())
        draw(g, x)
    assert len(seen) == 3
    assert compiled.cache_info().misses == 1


@pytest.mark.parametrize(
    "draw",
    [
        lambda g, x: g.gamma(alpha=x),
        lambda g, x: g.gamma(3, alpha=x[0]),
        lambda g, x: g.beta(a=x, b=2.0, dtype=x.dtype),
        lambda g, x: g.poisson(rate=x),
        lambda g, x: g.exponential(scale=x),
        lambda g, x: g.gumbel(loc=x),
    ],
)
def test_examples_of_a_batch_share_the_numbers(draw: Any) -> None:
    """As they do for the draws that have no parameters: one state, one draw."""
    x = ac.tensor([[0.5, 2.0], [3.0, 0.25], [1.0, 9.0]])
    g = ac.random.Generator(3)
    together = ac.vmap(lambda x: draw(g, x), randomness="same")(x)
    for row, got in zip(x, together, strict=True):
        np.testing.assert_array_equal(got.numpy(), draw(ac.random.Generator(3), row).numpy())


@pytest.mark.parametrize("name", ["random_integers", "random_permutation", "random_poisson", "random_log_gamma"])
def test_a_batch_of_states_is_refused(name: str) -> None:
    p = ac.primitives()[name]
    rest = {"random_integers": ((3,), 0, 5), "random_permutation": (3,)}.get(name, (3,))
    extra = [] if name in ("random_integers", "random_permutation") else [ac.ones(3)]
    with pytest.raises(ac.ShapeError, match=f"{name}: expected one state for all examples"):
        ac.vmap(lambda s: p(s, *extra, *rest))(ac.zeros((2, 2), ac.int64))


# ---- the slope of gamma numbers -------------------------------------------------------------------------------------


def quantile_slopes(x: float, alpha: float) -> tuple[float, float, float]:
    """How the logarithm x of a gamma number changes with alpha; by x; by alpha; in 60 digits."""
    with mpmath.workdps(60):

        def slope(x: Any, a: Any) -> Any:
            below = mpmath.diff(lambda a: mpmath.gammainc(a, 0, mpmath.exp(x), regularized=True), a)
            return -below / mpmath.exp(a * x - mpmath.exp(x) - mpmath.loggamma(a))

        x, alpha = mpmath.mpf(x), mpmath.mpf(alpha)
        by_x = mpmath.diff(lambda t: slope(t, alpha), x, h=mpmath.mpf(10) ** -12)
        by_alpha = mpmath.diff(lambda a: slope(x, a), alpha, h=mpmath.mpf(10) ** -12)
        return float(slope(x, alpha)), float(by_x), float(by_alpha)


@pytest.mark.parametrize("alpha", [0.01, 0.3, 1.0, 2.5, 30.0, 400.0])
def test_slopes(alpha: float) -> None:
    law = scipy.stats.gamma(alpha)
    p = ac.primitives()["gamma_slope"]
    for quantile in (1e-6, 0.02, 0.4, 0.7, 0.99, 1 - 1e-9):
        x = float(np.log(max(law.ppf(quantile), 1e-280)))
        wanted = quantile_slopes(x, alpha)
        got = [p(ac.tensor(np.array(x)), ac.tensor(np.array(alpha)), which).item() for which in range(3)]
        assert abs(got[0] - wanted[0]) <= 1e-11 * abs(wanted[0])
        for g, w in zip(got[1:], wanted[1:], strict=True):
            assert abs(g - w) <= 1e-7 * abs(w) + 1e-12 * max(abs(w) for w in wanted), (x, alpha, got, wanted)


def test_slopes_far_up_fit_those_below() -> None:
    p = ac.primitives()["gamma_slope"]
    below, above = 1e6 * (1 - 1e-9), 1e6 * (1 + 1e-9)
    for w in (-4.0, -1.0, 0.0, 2.0, 5.0):
        x = ac.tensor(np.full(2, math.log(1e6 + w * 1e3)))
        a, b = p(x, ac.tensor(np.array([below, above])), 0).tolist()
        assert abs(a - b) <= 1e-7 * abs(a)


@pytest.mark.parametrize("alpha", [0.05, 0.8, 4.0, 60.0])
def test_gradients_of_expectations(alpha: float) -> None:
    """E x = alpha, E log x = psi(alpha), E x^2 = alpha (alpha + 1): their derivatives, first and second."""
    n = 1 << 16

    def mean_of(f: Any) -> Any:
        return lambda a: ac.mean(f(ac.random.Generator(0).gamma(n, alpha=a, dtype="float64")))

    a = ac.tensor(np.array(alpha))
    first = ac.grad(mean_of(lambda x: x))(a).item()
    assert abs(first - 1) < 5 * 4 / math.sqrt(n) * max(1, alpha**-0.5)
    second = ac.grad(ac.grad(mean_of(lambda x: x * x)))(a).item()
    assert abs(second - 2) < 0.3
    forward = ac.jvp(mean_of(lambda x: x), (a,), (ac.ones((), ac.float64),))[1].item()
    assert math.isclose(forward, first, rel_tol=1e-12)
    with pytest.raises(ac.GradientError, match="gamma: expected at most second derivatives with respect to its shape"):
        ac.grad(ac.grad(ac.grad(mean_of(lambda x: x))))(a)


@pytest.mark.parametrize("order", [1, 2])
def test_gradients_of_fixed_quantiles(order: int) -> None:
    """The derivative of a number is that of SciPy's quantile function at the number's quantile."""
    alphas = np.array([0.3, 1.5, 7.0, 40.0])
    x = ac.random.Generator(1).gamma(alpha=alphas, dtype="float64").numpy()
    q, h = scipy.stats.gamma.cdf(x, alphas), 1e-4
    f = lambda a: ac.sum(ac.random.Generator(1).gamma(alpha=a, dtype="float64"))  # noqa: E731
    if order == 1:
        got = ac.grad(f)(ac.tensor(alphas)).numpy()
        want = (scipy.stats.gamma.ppf(q, alphas + h) - scipy.stats.gamma.ppf(q, alphas - h)) / (2 * h)
        np.testing.assert_allclose(got, want, rtol=1e-6)
    else:
        h = 1e-2 * alphas
        got = np.diag(ac.hessian(f)(ac.tensor(alphas)).numpy())
        parts = [scipy.stats.gamma.ppf(q, alphas + k * h) for k in (-1, 0, 1)]
        np.testing.assert_allclose(got, (parts[0] - 2 * parts[1] + parts[2]) / h**2, rtol=2e-3, atol=1e-7)


def test_gradients_of_the_other_parameters() -> None:
    def draws(scale: ac.Tensor) -> Any:
        g = ac.random.Generator(2)
        return [
            g.exponential(5, scale),
            g.gumbel(5, loc=scale, scale=scale),
            g.gamma(5, alpha=3.0, scale=scale),
            g.beta(5, a=scale, b=ac.tensor(2.0)),
        ]

    scale = ac.tensor(1.5)
    slopes = [ac.grad(lambda s, i=i: ac.sum(draws(s)[i]))(scale).item() for i in range(4)]
    for i in range(3):
        assert math.isclose(slopes[i], ac.sum(draws(scale)[i]).item() / 1.5, rel_tol=1e-5)
    assert slopes[3] > 0
    counts = ac.random.Generator(0).poisson(3, rate=scale)  # steps have no slope
    slope = ac.grad(lambda s: ac.sum(ac.random.Generator(0).poisson(3, rate=s).astype(ac.float32) * s))(scale)
    assert slope.item() == ac.sum(counts).item()


def test_normal_vectors() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((3, 3))
    mean, cov = rng.standard_normal(3), a @ a.T + 0.1 * np.eye(3)
    x = ac.random.Generator(4).multivariate_normal(mean, cov, shape=N).numpy()
    assert x.dtype == np.float64
    assert np.abs((x.mean(0) - mean) / np.sqrt(np.diag(cov) / N)).max() < 4
    # Whitened by another factor, each is normal, and none knows of the others.
    z = np.linalg.solve(np.linalg.cholesky(cov), (x - mean).T)
    for row in z:
        assert scipy.stats.kstest(row, "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(z) - np.eye(3)).max() < 4 / math.sqrt(N)
    g = ac.random.Generator(4)
    assert g.multivariate_normal(mean, cov).shape == (3,)
    assert g.multivariate_normal(np.zeros((4, 1, 3)), np.stack([cov, cov])).shape == (4, 2, 3)
    assert g.multivariate_normal(np.zeros((2, 3)), cov, shape=(5, 2), dtype="float32").dtype == ac.float32
    assert g.multivariate_normal(np.zeros(0), np.zeros((0, 0)), shape=2).shape == (2, 0)

    def draws(mean: Any, cov: Any) -> Any:
        return ac.sum(ac.random.Generator(1).multivariate_normal(mean, cov, 4) ** 2)

    ac.testing.check_grads(lambda m, c: draws(m, (c + c.T) / 2), (ac.tensor(mean), ac.tensor(cov)), order=2)
    h = ac.random.Generator(1)
    compiled = ac.compile(lambda m, c: h.multivariate_normal(m, c, 4))
    want = ac.random.Generator(1).multivariate_normal(mean, cov, 4)
    np.testing.assert_array_equal(compiled(ac.tensor(mean), ac.tensor(cov)).numpy(), want.numpy())
    with pytest.raises(ac.AliceError, match="cholesky"):
        g.multivariate_normal(mean, -cov)
    with pytest.raises(ac.ShapeError, match=r"expected mean \(..., N\) and cov \(..., N, N\); got \(2,\) and \(3, 3\)"):
        g.multivariate_normal(np.zeros(2), cov)
    with pytest.raises(ac.ShapeError, match=r"multivariate_normal: mean and cov must broadcast to shape \(3,\)"):
        g.multivariate_normal(np.zeros((2, 3)), cov, shape=3)


def test_truncated_normal_numbers_follow_their_parameters() -> None:
    def draw(low: Any, high: Any, mean: Any, std: Any) -> Any:
        return ac.random.Generator(3).truncated_normal(40, low, high, mean, std, dtype="float64")

    for numbers in ((-1.0, 2.0, 0.5, 1.5), (6.0, 9.0, 1.0, 0.75), (-9.0, -6.0, 1.0, 0.75)):
        xs = [ac.tensor(np.array(x)) for x in numbers]
        x = draw(*xs).numpy()
        assert numbers[0] <= x.min() <= x.max() <= numbers[1]
        ac.testing.check_grads(lambda *xs: ac.sum(draw(*xs) ** 2), tuple(xs), order=2)
    half = ac.grad(lambda m: ac.sum(draw(0.0, math.inf, m, 1.0)))(ac.tensor(np.array(0.5))).item()
    assert 0 < half < 40
    compiled = ac.compile(lambda low: ac.random.truncated_normal(3, low, 1.0))
    assert np.isnan(compiled(ac.tensor(2.0)).numpy()).all()
    assert np.isnan(ac.compile(lambda low: ac.random.truncated_normal(3, low))(ac.tensor(40.0)).numpy()).all()


def test_gamma_at_its_ends() -> None:
    g = ac.random.Generator(3)
    x = g.gamma(1000, alpha=1e-3).numpy()
    assert np.isfinite(x).all()
    assert (x == 0).mean() > 0.5
    b = g.beta(1000, a=1e-3, b=1e-3).numpy()
    assert np.isfinite(b).all()
    assert abs(b.mean() - 0.5) < 0.1
    a = ac.tensor(np.full(1000, 1e-3)).requires_grad_()
    ac.sum(g.gamma(alpha=a)).backward()
    assert np.isfinite(a.grad.numpy()).all()
    assert np.isnan(ac.compile(lambda a: g.gamma(alpha=a))(ac.tensor(-1.0)).item())


@pytest.mark.parametrize(
    ("draw", "exception", "message"),
    [
        (lambda g: g.gamma(3, alpha=0.0), ValueError, "gamma: alpha must be positive; got 0.0"),
        (lambda g: g.gamma(alpha=ac.tensor([1.0, -1.0])), ValueError, "gamma: alpha must be positive; got"),
        (lambda g: g.gamma(alpha=ac.tensor([1.0, np.nan])), ValueError, "gamma: alpha must be positive; got"),
        (lambda g: g.beta(b=-1.0), ValueError, "beta: b must be positive; got -1.0"),
        (lambda g: g.gamma(dtype="int32"), ac.DTypeError, "gamma: dtype must be float32 or float64; got int32"),
        (lambda g: g.truncated_normal(low=2.0, high=1.0), ValueError, "truncated_normal: low must be at most high"),
        (lambda g: g.truncated_normal(low=38.0), ValueError, "within 37 standard deviations; got low 38.0, high inf"),
        (lambda g: g.truncated_normal(low=np.nan), ValueError, "truncated_normal: low must be at most high"),
        (lambda g: g.poisson(rate=-1.0), ValueError, "poisson: rate must be from 0 to 9e18; got -1.0"),
        (lambda g: g.poisson(rate=np.nan), ValueError, "poisson: rate must be from 0 to 9e18; got nan"),
        (lambda g: g.integers(3, 5, 5), ValueError, "integers: low must be below high.*got low 5, high 5"),
        (lambda g: g.integers(3, 2**63 + 1), ValueError, "integers: low must be below high, and both numbers of int64"),
        (lambda g: g.integers(3, 2**31 + 1, dtype="int32"), ValueError, "both numbers of int32"),
        (lambda g: g.integers(3, 1.5), ac.DTypeError, "integers: high must be an int; got 1.5"),
        (lambda g: g.integers(3, 5, dtype="float32"), ac.DTypeError, "dtype must be int32 or int64; got float32"),
        (lambda g: g.permutation(-1), ValueError, "permutation: x must not be negative; got -1"),
        (lambda g: g.permutation(ac.ones(3), 1), ac.ShapeError, r"expected an axis of x, shape \(3,\); got 1"),
        (lambda g: g.permutation("abc"), ac.DTypeError, "permutation: x must be an int; got 'abc'"),
        (lambda g: g.categorical([1, 2]), ac.DTypeError, "categorical: logits must be floating; got dtype int64"),
        (lambda g: g.categorical(1.0), ac.ShapeError, "categorical: expected an axis with items"),
        (lambda g: g.categorical(ac.zeros((2, 0))), ac.ShapeError, "categorical: expected an axis with items"),
        (
            lambda g: g.categorical(ac.zeros((2, 3)), shape=3),
            ac.ShapeError,
            r"shape \(2,\), must broadcast to shape",
        ),
        (lambda g: g.choice(3, 4, replace=False), ValueError, "expected at least 4 parts to choose from; got 3"),
        (lambda g: g.choice(0, 1), ValueError, "expected at least 1 parts to choose from; got 0"),
        (lambda g: g.choice(3, 2, replace=False, p=np.eye(3)[0]), ValueError, "and positive in 2 places at least; got"),
        (lambda g: g.choice(3, 2, p=np.ones(2)), ac.ShapeError, "p must have a floating number for each of 3 parts"),
        (lambda g: g.choice(2, 2, p=np.array([0.6, 0.6])), ValueError, "p must add up to 1; got a sum of 1.2"),
        (lambda g: g.choice(2, 2, p=np.array([np.inf, 1.0])), ValueError, "p must add up to 1; got a sum of inf"),
        (lambda g: g.choice(2, 2, p=np.array([np.nan, 1.0])), ValueError, "p must not be negative"),
        (
            lambda g: g.choice(2, 2, p=np.array([-1.0, 2])),
            ValueError,
            "p must not be negative, and positive in 1 place",
        ),
        (lambda g: setattr(g, "state", (1,)), ac.DTypeError, "state: expected a pair of ints, key and draw; got tuple"),
        (
            lambda g: g.multivariate_normal([0.0, 0.0], [[1.0, 0.0], [0.5, 1.0]]),
            ValueError,
            "symmetric; got numbers 0.5 from",
        ),
        (lambda g: g.categorical([[0.0, 0.0], [-np.inf, -np.inf]]), ValueError, r"got \[-inf -inf\] for a choice"),
        (lambda g: g.categorical([0.0, np.nan]), ValueError, r"got \[ 0. nan\] for a choice"),
        (lambda g: g.categorical([[np.inf], [np.inf]], axis=0), ValueError, r"got \[inf inf\] for a choice"),
        (lambda g: g.choice(ac.ones(3), 2, axis=1), ac.ShapeError, r"expected an axis of a, shape \(3,\); got 1"),
    ],
)
def test_errors(draw: Any, exception: type[Exception], message: str) -> None:
    with pytest.raises(exception, match=message):
        draw(ac.random.Generator(0))


@pytest.mark.parametrize(
    ("kernel", "inputs", "attributes", "message"),
    [
        ("random_integers", ["f"], ((3,), 0, 5), "random_integers: state must be two int64 numbers"),
        ("random_permutation", ["s"], (-1,), "random_permutation: n must not be negative; got -1"),
        ("random_log_gamma", ["s", "f"], (2,), "random_log_gamma: period must divide the number of elements, 3; got 2"),
        ("random_poisson", ["s", "f"], (0,), "random_poisson: period must divide the number of elements, 3; got 0"),
        ("random_log_gamma", ["s", "i"], (3,), "random_log_gamma: expected floating numbers; got dtype int64"),
        ("gamma_slope", ["f", "i"], (0,), "gamma_slope: x and alpha must have one shape and floating dtype; got"),
        ("gamma_slope", ["f", "f"], (3,), "gamma_slope: which must be 0, 1 or 2; got 3"),
    ],
)
def test_native_draws_refuse_what_does_not_fit(kernel: str, inputs: Any, attributes: Any, message: str) -> None:
    kinds = {"s": ac.zeros(2, ac.int64), "f": ac.ones(3), "i": ac.ones(3, ac.int64)}
    with pytest.raises((ValueError, TypeError), match=message):
        ac.primitives()[kernel](*(kinds[k] for k in inputs), *attributes)


@pytest.mark.parametrize(
    ("name", "parameter", "wrong"),
    [
        ("bernoulli", "p", (-0.25, 1.25, np.nan)),
        ("normal", "std", (-1.0, np.nan)),
        ("truncated_normal", "std", (-1.0, np.nan)),
        ("exponential", "scale", (-1.0, np.nan)),
        ("gumbel", "scale", (-1.0, np.nan)),
        ("gamma", "scale", (-1.0, np.nan)),
        ("uniform", "low", (1.5, np.nan, -np.inf)),
        ("uniform", "high", (-0.5, np.nan, np.inf)),
    ],
)
def test_a_parameter_is_refused_in_whatever_it_comes(name: str, parameter: str, wrong: Any) -> None:
    """Probabilities in Tensors were compared unseen, and a negative scale gave numbers of another distribution."""
    g = ac.random.Generator(0)
    for x in wrong:
        for given in (x, [0.5, x], np.array([0.5, x]), ac.tensor([0.5, x]), ac.tensor(x)):
            with pytest.raises(ValueError, match=rf"^{name}: .*(got|low) "):
                getattr(g, name)(**{parameter: given})
    assert g.state == (0, 0)  # nothing was drawn
    for good in (0.5, [0.0, 0.5], ac.tensor([0.5])):
        getattr(g, name)(**{parameter: good})


def test_a_uniform_number_is_finite() -> None:
    """The difference of the bounds was infinite, and so were the numbers."""
    with pytest.raises(ValueError, match="so near each other that float32 has the difference"):
        ac.random.Generator(0).uniform(3, -3e38, 3e38)
    assert np.isfinite(ac.random.Generator(0).uniform(3, -3e38, 3e38, dtype="float64").numpy()).all()


#: Draws by one parameter, and what it must not be.
OUT_OF_RANGE: dict[str, tuple[Any, tuple[float, ...]]] = {
    "uniform, high": (lambda g, x: g.uniform(high=x), (-1.0, np.nan, np.inf)),
    "uniform, low": (lambda g, x: g.uniform(low=x), (2.0, np.nan, -np.inf)),
    "normal": (lambda g, x: g.normal(std=x), (-1.0, np.nan)),
    "truncated_normal, low": (lambda g, x: g.truncated_normal(low=x, high=2.0), (3.0, np.nan)),
    "truncated_normal, std": (lambda g, x: g.truncated_normal(low=-1.0, high=2.0, std=x), (-1.0, np.nan)),
    "exponential": (lambda g, x: g.exponential(scale=x), (-1.0, np.nan)),
    "gumbel": (lambda g, x: g.gumbel(scale=x), (-1.0, np.nan)),
    "gamma, alpha": (lambda g, x: g.gamma(alpha=x), (-1.0, 0.0, np.nan)),
    "gamma, scale": (lambda g, x: g.gamma(scale=x), (-1.0, np.nan)),
    "beta, a": (lambda g, x: g.beta(a=x), (-1.0, 0.0, np.nan)),
    "beta, b": (lambda g, x: g.beta(b=x), (-1.0, 0.0, np.nan)),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_parameters_out_of_range_that_nobody_knew_give_nan(name: str) -> None:
    """A negative scale gave plausible numbers in a compiled function, and an alpha of 0 gave 0."""
    draw, wrong = OUT_OF_RANGE[name]
    for bad in wrong:
        good, x = ac.tensor([0.5, 0.5, 1.0]), ac.tensor([0.5, bad, 1.0])
        wanted = draw(ac.random.Generator(1), good).numpy().copy()
        wanted[1] = np.nan
        g = ac.random.Generator(1)
        compiled = ac.compile(lambda x, g=g: draw(g, x))
        np.testing.assert_array_equal(compiled(x).numpy(), wanted, strict=True)
        inside = ac.vmap(lambda x, g=g: draw(g, x), randomness="same")(x).numpy()
        in_a_loop = ac.scan(lambda c, x, g=g: (c, draw(g, x)), ac.zeros(()), x)[1].numpy()
        for found in (inside, in_a_loop):
            np.testing.assert_array_equal(np.isnan(found), [False, True, False])


def test_choices_by_parameters_that_nobody_knew() -> None:
    none = np.iinfo(np.int64).min
    g = ac.random.Generator(1)
    choose = ac.compile(lambda x: g.categorical(x))
    for bad in ([np.nan, 0.0], [-np.inf, -np.inf], [np.inf, np.inf]):
        assert (choose(ac.tensor([bad, [0.0, np.inf]])).numpy() == [none, 1]).all()
    for replace in (False, True):
        indices = ac.compile(lambda p, r=replace: g.choice(2, 2, replace=r, p=p))
        assert set(indices(ac.tensor([0.5, 0.5])).tolist()) <= {0, 1}
        for bad in ([-0.5, 1.5], [np.nan, 1.0]):
            assert indices(ac.tensor(bad)).tolist() == [none, none]
        with pytest.raises(IndexError):
            ac.compile(lambda p, r=replace: g.choice([1.0, 2.0], 2, replace=r, p=p))(ac.tensor([np.nan, 1.0]))
    vectors = ac.compile(lambda cov: g.multivariate_normal([0.0, 0.0], cov))
    assert np.isfinite(vectors(ac.tensor([[1.0, 0.5], [0.5, 1.0]])).numpy()).all()
    assert np.isnan(vectors(ac.tensor([[1.0, 0.0], [0.5, 1.0]])).numpy()).all()
