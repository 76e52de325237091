"""Elementwise functions and their first derivatives in units in the last place (ULP).

float64 is compared with mpmath at chosen and random points; float32 with our float64 over a sample of all 2^32
numbers, or over every one of them: ``ALICE_EXHAUSTIVE=1 pytest tests/test_accuracy.py -m exhaustive`` (hours).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

import alice_core as ac

BOUND = 2.0
SAMPLE_STRIDE = 32771  # prime
CHUNK = 1 << 22

#: Slopes that cross zero: next to the crossing the bound is absolute, in float64.
CROSSING = {"silu": 2.0**-53, "gelu": 2.0**-53, "gelu_tanh": 2.0**-53}


def _log(x: Any) -> Any:
    return mp.log(x) if x > 0 else mp.ninf if x == 0 else mp.nan


def _phi(x: Any) -> Any:
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x))


def _gate(x: Any) -> Any:
    return 2 * mp.sqrt(2 / mp.pi) * (x + mpf("0.044715") * x**3)


def _gelu_tanh_slope(x: Any) -> Any:
    s, t = _sigmoid(_gate(x)), _sigmoid(-_gate(x))
    return s + x * s * t * 2 * mp.sqrt(2 / mp.pi) * (1 + 3 * mpf("0.044715") * x * x)


_SCALE, _SCALE_ALPHA = mpf("1.0507009873554804934193349852946"), mpf("1.7580993408473768599402175208123")

#: name → function, slope, and the interval where both are finite and compared.
EXACT: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], float, float]] = {
    "exp": (mp.exp, mp.exp, -745, 709.7),
    "expm1": (mp.expm1, mp.exp, -740, 709.7),
    "exp2": (lambda x: mpf(2) ** x, lambda x: mp.log(2) * mpf(2) ** x, -1074, 1023.9),
    "log": (_log, lambda x: 1 / x, 1e-307, np.inf),
    "log1p": (lambda x: mp.log1p(x), lambda x: 1 / (1 + x), -1, np.inf),
    "log2": (lambda x: mp.log(x, 2), lambda x: 1 / (x * mp.log(2)), 1e-307, np.inf),
    "log10": (lambda x: mp.log(x, 10), lambda x: 1 / (x * mp.log(10)), 1e-307, np.inf),
    "sin": (mp.sin, mp.cos, -np.inf, np.inf),
    "cos": (mp.cos, lambda x: -mp.sin(x), -np.inf, np.inf),
    "tan": (mp.tan, lambda x: 1 / mp.cos(x) ** 2, -np.inf, np.inf),
    "asin": (mp.asin, lambda x: 1 / mp.sqrt((1 - x) * (1 + x)), -1, 1),
    "acos": (mp.acos, lambda x: -1 / mp.sqrt((1 - x) * (1 + x)), -1, 1),
    "atan": (mp.atan, lambda x: 1 / (1 + x * x), -np.inf, np.inf),
    "sinh": (mp.sinh, mp.cosh, -710.4, 710.4),
    "cosh": (mp.cosh, mp.sinh, -710.4, 710.4),
    "tanh": (mp.tanh, lambda x: 1 / mp.cosh(x) ** 2, -370, 370),
    "asinh": (mp.asinh, lambda x: 1 / mp.sqrt(1 + x * x), -np.inf, np.inf),
    "acosh": (mp.acosh, lambda x: 1 / mp.sqrt((x - 1) * (x + 1)), 1, np.inf),
    "atanh": (mp.atanh, lambda x: 1 / ((1 - x) * (1 + x)), -1, 1),
    "erf": (mp.erf, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x), -27, 27),
    "erfc": (mp.erfc, lambda x: -2 / mp.sqrt(mp.pi) * mp.exp(-x * x), -27, 27),
    "sqrt": (mp.sqrt, lambda x: 1 / (2 * mp.sqrt(x)), 0, np.inf),
    "rsqrt": (lambda x: 1 / mp.sqrt(x), lambda x: -1 / (2 * x * mp.sqrt(x)), 1e-200, np.inf),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2, 1e-150, np.inf),
    "square": (lambda x: x * x, lambda x: 2 * x, -1e150, 1e150),
    "sigmoid": (_sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x), -740, 740),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), _sigmoid, -740, 1e6),
    "log_sigmoid": (lambda x: -mp.log1p(mp.exp(-x)), lambda x: _sigmoid(-x), -1e6, 740),
    "silu": (lambda x: x * _sigmoid(x), lambda x: _sigmoid(x) * (1 + x * _sigmoid(-x)), -750, 1e6),
    "gelu": (lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2, lambda x: mp.erfc(-x / mp.sqrt(2)) / 2 + x * _phi(x), -38, 38),
    "gelu_tanh": (lambda x: x * _sigmoid(_gate(x)), _gelu_tanh_slope, -20, 20),
    "elu": (lambda x: x if x > 0 else mp.expm1(x), lambda x: mpf(1) if x > 0 else mp.exp(x), -740, 1e6),
    "selu": (
        lambda x: _SCALE * x if x > 0 else _SCALE_ALPHA * mp.expm1(x),
        lambda x: _SCALE if x > 0 else _SCALE_ALPHA * mp.exp(x),
        -740,
        1e6,
    ),
}


def op(name: str) -> Callable[[Any], Any]:
    if name == "gelu_tanh":
        return lambda x: ac.gelu(x, approximate="tanh")
    return getattr(ac, name)


def value_and_slope(name: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y, pullback = ac.vjp(op(name), ac.asarray(x))
    return y.numpy(), pullback(ac.ones_like(y))[0].numpy()


def spacing(want: np.ndarray, dtype: Any) -> np.ndarray:
    """One ULP of the given dtype at the float64 numbers ``want``."""
    limits = np.finfo(dtype)
    exponent = np.maximum(np.frexp(want)[1] - 1, limits.minexp)
    return np.ldexp(1.0, exponent - limits.nmant)


def points(low: float, high: float) -> np.ndarray:
    """Everyday numbers, every binade, the ends, and neighbours of special places."""
    rng = np.random.default_rng(1)
    wide = np.clip([low, high], -1e6, 1e6)
    near = np.clip([low, high], -20, 20)
    binades = np.ldexp(rng.uniform(1, 2, 400), rng.integers(-1074, 1023, 400)) * rng.choice([-1, 1], 400)
    places = np.array(
        [0.0, 1.0, -1.0, 0.5, -0.5, low, high, np.pi / 2, np.pi, -1.2784645427610738, -0.7517915246935645]
    )
    around = (places[:, None] + np.ldexp(rng.uniform(-1, 1, (places.size, 20)), rng.integers(-52, -3, 20))).ravel()
    x = np.concatenate([rng.uniform(*near, 400), rng.uniform(*wide, 100), binades, around])
    return x[(x > low) & (x < high) & np.isfinite(x)]


def ulps_of_exact(got: np.ndarray, exact: Callable[[Any], Any], x: np.ndarray, absolute: float = 0.0) -> np.ndarray:
    errors = np.zeros(x.size)
    for i in range(x.size):
        want = exact(mpf(float(x[i])))
        error = abs(mpf(float(got[i])) - want)
        if error > absolute:
            errors[i] = float(error / mpf(float(spacing(np.array(float(want)), np.float64))))
    return errors


@pytest.mark.parametrize("name", EXACT)
def test_float64(name: str) -> None:
    exact, slope, low, high = EXACT[name]
    x = points(low, high)
    got, got_slope = value_and_slope(name, x)
    with mp.workdps(60), mp.extraprec(1100 if name in ("sin", "cos", "tan") else 400):
        for what, found, wanted, absolute in (
            ("value", got, exact, 0.0),
            ("slope", got_slope, slope, CROSSING.get(name, 0.0)),
        ):
            errors = ulps_of_exact(found, wanted, x, absolute)
            worst = int(np.argmax(errors))
            assert errors.max() <= BOUND, f"{name} {what}: {errors.max():.2f} ULP at {x[worst]!r}, got {found[worst]!r}"


@pytest.mark.parametrize("name", ["silu", "gelu", "gelu_tanh"])
def test_slopes_far_out(name: str) -> None:
    """All the way to where they are nothing in float64 they are as small as they must be; beyond, 0 and 1."""
    for x in (*np.arange(-22.0, -20.0, 0.01), -24.0, -31.4, -38.0, -38.5, -39.5, -100.0, -744.0, -752.0, -760.0, -1e6):
        with mp.workdps(60):
            want = EXACT[name][1](mpf(x))
        slope = value_and_slope(name, np.array([x, -x]))[1]
        assert abs(mpf(slope[0]) - want) <= BOUND * mpf(float(spacing(np.array(float(want)), np.float64))), x
        assert slope[1] == pytest.approx(float(1 - want), rel=1e-15)
    assert value_and_slope(name, np.array([-1e300, -np.inf, 1e300, np.inf]))[1].tolist() == [0.0, 0.0, 1.0, 1.0]


def float32_errors(name: str, bits: np.ndarray) -> tuple[float, float]:
    """The largest errors of value and slope over the float32 numbers of these bit patterns, float64 as truth."""
    x = bits.astype(np.uint32).view(np.float32)
    limit = float(np.finfo(np.float32).max)
    worst = []
    with np.errstate(all="ignore"):
        wide = x.astype(np.float64)
        for got, want in zip(value_and_slope(name, x), value_and_slope(name, wide), strict=True):
            rounded = want.astype(np.float32)
            same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
            # An infinity is as far from the largest number as the next power of two would be.
            reach = np.clip(want, -(2.0**128), 2.0**128), np.clip(got.astype(np.float64), -(2.0**128), 2.0**128)
            error = np.abs(reach[0] - reach[1]) / spacing(np.clip(want, -limit, limit), np.float32)
            error = np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))
            worst.append(float(error.max(initial=0.0)))
    return worst[0], worst[1]


@pytest.mark.parametrize("name", EXACT)
def test_float32_sample(name: str) -> None:
    worst = float32_errors(name, np.arange(0, 1 << 32, SAMPLE_STRIDE, dtype=np.uint64))
    assert max(worst) <= BOUND, f"{name}: value {worst[0]:.2f} ULP, slope {worst[1]:.2f} ULP"


@pytest.mark.exhaustive
@pytest.mark.skipif(not os.environ.get("ALICE_EXHAUSTIVE"), reason="set ALICE_EXHAUSTIVE=1: it takes hours")
@pytest.mark.parametrize("name", EXACT)
def test_float32_all(name: str) -> None:
    chunks = range(0, 1 << 32, CHUNK)
    errors = [float32_errors(name, np.arange(start, start + CHUNK, dtype=np.uint64)) for start in chunks]
    worst = np.max(errors, axis=0)
    assert worst.max() <= BOUND, f"{name}: value {worst[0]:.2f} ULP, slope {worst[1]:.2f} ULP"


def test_an_element_does_not_depend_on_its_place() -> None:
    """The same bits at every position, length and stride: vector bodies and tails compute alike."""
    rng = np.random.default_rng(2)
    for dtype in (np.float32, np.float64):
        x = (rng.standard_normal(777) * 5).astype(dtype)
        x[::97] *= 1e6  # beyond the range of the vectorised sine
        for name in EXACT:
            whole, slope = value_and_slope(name, x)
            for part in (slice(1, 2), slice(3, 20), slice(5, 600), slice(None, None, -1), slice(700, None, -7)):
                y, s = value_and_slope(name, x[part])
                assert y.tobytes() == whole[part].tobytes(), (name, dtype, part)
                assert s.tobytes() == slope[part].tobytes(), (name, dtype, part)
