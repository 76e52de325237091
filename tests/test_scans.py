"""Scans along an axis, and with functions of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alice_core as ac


@pytest.mark.parametrize("zeros", [(), (2,), (1, 3), (0, 1, 2, 3, 4)])
def test_products_with_zeros_have_their_derivatives(zeros: tuple[int, ...]) -> None:
    x = np.array([1.5, -2.0, 0.5, 3.0, -1.25])
    x[list(zeros)] = 0.0
    g = np.array([1.0, 2.0, -1.0, 0.5, 4.0])
    want = np.zeros(5)
    for k in range(5):
        for j in range(k + 1):
            want[j] += g[k] * np.prod(np.delete(x[: k + 1], j))
    got = ac.vjp(lambda x: ac.cumprod(x, 0), ac.tensor(x))[1](ac.tensor(g))[0]
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-14, atol=1e-14)
    ac.testing.check_grads(lambda x: ac.cumprod(x, 0), [x], order=2, modes=("rev", "fwd"))


def test_equal_extremes_share() -> None:
    x = ac.tensor([1.0, 3.0, 3.0, 2.0, 3.0])
    g = ac.grad(lambda x: (ac.cummax(x, 0) * ac.tensor([1.0, 6.0, 6.0, 6.0, 6.0])).sum())(x)
    assert g.tolist() == [1.0, 6.0 + 3.0 + 3.0 + 2.0, 3.0 + 3.0 + 2.0, 0.0, 2.0]
    nan = ac.tensor([1.0, float("nan"), 5.0])
    assert ac.grad(lambda x: ac.cummin(x, 0).sum())(nan).tolist() == [1.0, 0.0, 0.0]


def test_logarithms_of_sums_do_not_overflow() -> None:
    for x in (np.array([1000.0, 1001.0, -1000.0]), np.array([-np.inf, 0.0, 1.0]), np.linspace(-700.0, 700.0, 50)):
        want = np.logaddexp.accumulate(x)
        np.testing.assert_allclose(ac.logcumsumexp(x, 0).numpy(), want, rtol=1e-14)
        g = ac.grad(lambda x: ac.logcumsumexp(x, 0)[-1])(ac.tensor(x)).numpy()
        np.testing.assert_allclose(g, np.exp(x - want[-1]), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_long_and_wide_scans(n: int) -> None:
    rng = np.random.default_rng(n)
    x = np.exp(rng.standard_normal((n, 300)) / 8)
    for axis in (0, 1):
        for dtype, tol in ((np.float32, 1e-5), (np.float64, 1e-11)):
            y = x.astype(dtype)
            np.testing.assert_allclose(ac.cumprod(y, axis).numpy(), np.cumprod(y.astype(np.float64), axis), rtol=tol)
            np.testing.assert_array_equal(ac.cummax(y, axis).numpy(), np.maximum.accumulate(y, axis))
            want = np.logaddexp.accumulate(y.astype(np.longdouble), axis).astype(np.float64)
            np.testing.assert_allclose(ac.logcumsumexp(y, axis).numpy(), want, rtol=tol, atol=tol)


def test_errors_are_as_stated() -> None:
    x = np.random.default_rng(3).standard_normal(20_000)
    for y in (x, np.linspace(0.0, 1e-3, 20_000)):
        wide = np.logaddexp.accumulate(y.astype(np.longdouble))
        bound = (np.arange(len(y)) + 2) * 2.0**-52 + np.spacing(np.abs(wide).astype(np.float64))
        assert np.all(np.abs(ac.logcumsumexp(y, 0).numpy() - wide) <= bound)
        narrow = y.astype(np.float32)
        wide = np.logaddexp.accumulate(narrow.astype(np.longdouble))
        assert np.all(np.abs(ac.logcumsumexp(narrow, 0).numpy() - wide) <= np.spacing(np.abs(wide).astype(np.float32)))
    factors = np.exp(x / 8)
    products, wide = ac.cumprod(factors, 0).numpy(), np.cumprod(factors.astype(np.longdouble))
    assert np.all(np.abs(products - wide) <= np.spacing(products) * (np.arange(len(x)) / 2 + 1))


def test_numpys_functions() -> None:
    x = ac.tensor(np.array([[3.0, 1.0, 2.0], [0.5, 9.0, 4.0]]))
    for f in (
        np.cumprod,
        np.diff,
        lambda x: np.diff(x, axis=0, prepend=0.0),
        np.multiply.accumulate,
        np.maximum.accumulate,
        np.logaddexp.accumulate,
        lambda x: np.trapezoid(x, axis=0),
        lambda x: np.interp(x, [0.0, 5.0], [1.0, 2.0]),
    ):
        got = f(x)
        assert isinstance(got, ac.Tensor)
        np.testing.assert_allclose(got.numpy(), f(x.numpy()), rtol=1e-13)


def test_interpolation_of_odd_points_is_numpys() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        xp = np.sort(rng.integers(0, 6, rng.integers(2, 8))).astype(float)
        fp = rng.choice([0.0, 1.0, -2.5, np.inf, -np.inf, np.nan], len(xp), p=[0.2, 0.2, 0.2, 0.15, 0.15, 0.1])
        x = np.concatenate([xp, rng.uniform(-1, 7, 9), [np.nan]])
        with np.errstate(all="ignore"):
            want = np.interp(x, xp, fp)
        np.testing.assert_allclose(ac.interp(x, xp, fp).numpy(), want, rtol=1e-14, atol=1e-14, err_msg=f"{x} {xp} {fp}")
        if np.isfinite(fp).all() and len(set(xp)) == len(xp):
            slope = ac.grad(lambda x, xp=xp, fp=fp: ac.sum(ac.interp(x, xp, fp)))(x[:-1])
            assert np.isfinite(slope.numpy()).all()


# -- associative_scan -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(18))
@pytest.mark.parametrize("reverse", [False, True])
def test_sums_are_cumsum(n: int, reverse: bool) -> None:
    x = np.arange(3 * n).reshape(n, 3) % 7
    for axis, y in ((0, x), (1, x.T), (-1, x.T)):
        want = np.flip(np.cumsum(np.flip(y, axis), axis), axis) if reverse else np.cumsum(y, axis)
        np.testing.assert_array_equal(ac.associative_scan(ac.add, ac.tensor(y), reverse, axis).numpy(), want)


def test_functions_that_do_not_commute_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    matrices = rng.standard_normal((11, 2, 2))
    got = ac.associative_scan(ac.matmul, ac.tensor(matrices))
    product = np.eye(2)
    for i, m in enumerate(matrices):
        product = product @ m
        np.testing.assert_allclose(got[i].numpy(), product, rtol=1e-12)


def test_linear_recurrences_as_a_scan_of_pairs() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.uniform(-1.0, 1.0, (2, 13))

    def f(a: Any, b: Any) -> Any:
        def after(p: Any, q: Any) -> Any:
            return {"a": q["a"] * p["a"], "b": q["a"] * p["b"] + q["b"]}

        return ac.associative_scan(after, {"a": a, "b": b})["b"]

    y, want = 0.0, []
    for factor, term in zip(a, b, strict=True):
        y = factor * y + term
        want.append(y)
    np.testing.assert_allclose(f(ac.tensor(a), ac.tensor(b)).numpy(), want, rtol=1e-12)
    ac.testing.check_grads(f, [a, b], order=2, modes=("rev", "fwd"))
    got = f(ac.tensor(a), ac.tensor(b))
    assert ac.compile(f)(a, b).numpy().tobytes() == got.numpy().tobytes()
    batch = ac.vmap(f)(ac.tensor(np.stack([a, b])), ac.tensor(np.stack([b, a])))
    assert batch[0].numpy().tobytes() == got.numpy().tobytes()


def test_a_scan_takes_few_calls() -> None:
    calls = []

    def add(a: Any, b: Any) -> Any:
        calls.append(a.shape)
        return a + b

    ac.associative_scan(add, ac.ones(1024))
    assert len(calls) == 19


def test_errors_of_associative_scan() -> None:
    with pytest.raises(ac.DTypeError, match="associative_scan: expected a function"):
        ac.associative_scan(1.0, ac.ones(3))  # type: ignore[arg-type]
    with pytest.raises(
        ac.ShapeError, match=r"associative_scan: all arrays must be equally long along axis 0; got \[3, 2\]"
    ):
        ac.associative_scan(lambda a, b: b, [ac.ones(3), ac.ones(2)])
    with pytest.raises(ac.ShapeError, match="associative_scan: f must return arrays of the shapes that it gets"):
        ac.associative_scan(lambda a, b: (a + b).sum(), ac.ones(3))
    with pytest.raises(ac.ShapeError, match="associative_scan: axis must be from -1 to 0; got 1"):
        ac.associative_scan(ac.add, ac.ones(3), axis=1)
