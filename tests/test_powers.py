"""Powers, quotients and angles beside exact arithmetic: exponents with loops of their own, others, and edges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

import alice_core as ac
from levels import run_on_level
from test_accuracy import spacing

EXPONENTS = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 1.7, 2.0, 2.5, 3.0, 4.0, 1e-30, 7.0)
EDGES = (0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, np.inf, -np.inf, np.nan, 1e-45, 1e38, -1e38, 2.0**51 + 1)


def numbers(dtype: Any, count: int = 1000) -> np.ndarray:
    """Of every binade, among others near 1."""
    rng = np.random.default_rng(0)
    limits = np.finfo(dtype)
    wide = np.ldexp(rng.uniform(1, 2, count), rng.integers(limits.minexp - limits.nmant, limits.maxexp, count))
    return np.concatenate([wide, rng.uniform(0.1, 4, count), 1 + rng.standard_normal(count) * 1e-3]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", EXPONENTS)
def test_an_exponent_for_all_gives_the_bits_of_one_for_each(y: float, dtype: Any) -> None:
    x = numbers(dtype)
    x = ac.asarray(np.concatenate([x, -x, np.array(EDGES, dtype)]))
    each = ac.full_like(x, y)

    def both(y: Any) -> Any:
        value, pullback = ac.vjp(lambda x: x**y, x)
        return value, pullback(ac.ones_like(value))[0]

    for results in (both(y), ac.compile(lambda: both(y))()):
        for found, wanted in zip(results, both(each), strict=True):
            np.testing.assert_array_equal(found.numpy(), wanted.numpy())
            numeric = ~np.isnan(wanted.numpy())
            assert found.numpy()[numeric].tobytes() == wanted.numpy()[numeric].tobytes()


def ulps(found: np.ndarray, exact: list[Any], dtype: Any) -> float:
    limits, worst = np.finfo(dtype), 0.0
    for got, want in zip(found.tolist(), exact, strict=True):
        if abs(want) > mpf(float(limits.max)):
            assert abs(got) == np.inf or abs(got) == float(limits.max)
            continue
        worst = max(worst, float(abs(mpf(got) - want) / mpf(float(spacing(np.array(float(want)), dtype)))))
    return worst


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("y", [*EXPONENTS, "any"])
def test_powers_are_within_their_bounds(y: float | str, dtype: Any) -> None:
    """1 ULP for the power, 2 for its derivative by the base."""
    x = numbers(dtype, 150)
    if y == "any":
        reach = np.log(np.finfo(dtype).max.astype(float)) / np.maximum(np.abs(np.log(x.astype(float))), 1e-12)
        powers = (np.random.default_rng(1).uniform(-1, 1, x.size) * np.minimum(reach, 1e30)).astype(dtype)
    else:
        powers = np.full(x.size, y, dtype)
    value, pullback = ac.vjp(lambda x: x ** ac.asarray(powers), ac.asarray(x))
    slope = pullback(ac.ones_like(value))[0]
    with mp.workdps(60):
        exact = [mpf(float(a)) ** mpf(float(b)) for a, b in zip(x, powers, strict=True)]
        assert ulps(value.numpy(), exact, dtype) <= 1.0
        tiny = float(np.finfo(dtype).tiny)  # where the power before the product is no subnormal
        slopes = [p * mpf(float(b)) / mpf(float(a)) for p, a, b in zip(exact, x, powers, strict=True)]
        near = [i for i, (p, a) in enumerate(zip(exact, x, strict=True)) if tiny < p / mpf(float(a)) < 1 / tiny]
        assert ulps(slope.numpy()[near], [slopes[i] for i in near], dtype) <= 2.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_at_the_edges_are_those_of_ieee(dtype: Any) -> None:
    x, y = np.meshgrid(np.array(EDGES, dtype), np.array((*EDGES, *EXPONENTS), dtype))
    with np.errstate(all="ignore"):
        want = np.power(x.astype(np.float64), y.astype(np.float64)).astype(dtype)
    got = ac.pow(ac.asarray(x), ac.asarray(y)).numpy()
    np.testing.assert_array_equal(np.signbit(got[~np.isnan(want)]), np.signbit(want[~np.isnan(want)]))
    np.testing.assert_allclose(got, want, rtol=np.finfo(dtype).eps, atol=np.finfo(dtype).smallest_subnormal)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quotients_and_remainders_are_exact_over_the_whole_range(dtype: Any) -> None:
    rng = np.random.default_rng(2)
    x = np.concatenate([numbers(dtype), numbers(dtype) * dtype(0.25), np.array(EDGES, dtype)])
    x = x * rng.choice(np.array([-1, 1], dtype), x.size)
    for y in (rng.permutation(x), rng.integers(-9, 9, x.size).astype(dtype), np.full(x.size, np.inf, dtype)):
        with np.errstate(all="ignore"):
            rest = np.fmod(x, y)
            floored = np.where((rest != 0) & ((rest < 0) != (y < 0)), rest + y, rest)
            want = np.where(rest == 0, np.copysign(dtype(0), y), floored)
            quotient = np.floor_divide(x, y)
        np.testing.assert_array_equal(ac.remainder(ac.asarray(x), ac.asarray(y)).numpy(), want)
        near = np.abs(x / dtype(1000)) < np.abs(y)
        np.testing.assert_array_equal(ac.floor_divide(ac.asarray(x), ac.asarray(y)).numpy()[near], quotient[near])


def test_float32_powers_of_every_size_are_within_1_ulp() -> None:
    """Results between the smallest subnormal and the largest number, of x far from 1 and close to it."""
    rng = np.random.default_rng(2)
    n = 100_000
    near, wide = 1 + rng.uniform(-1, 1, n) * 2.0 ** -rng.uniform(0, 22, n), 2.0 ** rng.uniform(-149, 128, n)
    x = np.concatenate([near, wide]).astype(np.float32)
    x = x[(x > 0) & (x != 1)]
    y = (rng.uniform(-149.5, 128.5, x.size) / np.log2(x.astype(np.float64))).astype(np.float32)
    want = (ac.asarray(x.astype(np.float64)) ** ac.asarray(y.astype(np.float64))).numpy()
    got = (ac.asarray(x) ** ac.asarray(y)).numpy()
    far = 2.0**128  # an infinity is as far from the largest number as the next power of two would be
    reach = np.minimum(want, far), np.minimum(got.astype(np.float64), far)
    assert (np.abs(reach[0] - reach[1]) / spacing(np.minimum(want, far / 2), np.float32)).max() <= 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_angles_are_within_2_ulp(dtype: Any) -> None:
    rng = np.random.default_rng(3)
    x = numbers(dtype, 200) * rng.choice(np.array([-1, 1], dtype), 600)
    for y in (rng.permutation(x), x * dtype(0.5), x * (1 + rng.standard_normal(x.size) * 1e-3).astype(dtype)):
        y = np.where(y == 0, x, y)
        found = ac.atan2(ac.asarray(y), ac.asarray(x)).numpy()
        with mp.workdps(60):
            exact = [mp.atan2(mpf(float(b)), mpf(float(a))) for a, b in zip(x, y, strict=True)]
        assert ulps(found, exact, dtype) <= 2.0
    x, y = np.meshgrid(np.array(EDGES, dtype), np.array(EDGES, dtype))
    np.testing.assert_allclose(ac.atan2(ac.asarray(y), ac.asarray(x)).numpy(), np.arctan2(y, x), rtol=3e-7)


@pytest.mark.skipif(ac.build_config()["isa"] == "baseline", reason="it is what the tests themselves run on here")
def test_powers_are_within_their_bounds_without_fma() -> None:
    run_on_level("baseline", Path(__file__).name, chosen="within_their_bounds")
