"""What the rows of op_cases cannot say about elementwise ops: large and twisted layouts, infinities, kinks, casts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import alice_core as ac

INF, NAN = np.inf, np.nan


def value_and_slopes(f: Callable[..., Any], xs: tuple[float, ...], dtype: str, g: float = 1.0) -> tuple[float, ...]:
    y, pullback = ac.vjp(f, *(ac.tensor(np.array(x, dtype)) for x in xs))
    return y.item(), *(s.item() for s in pullback(ac.tensor(np.array(g, dtype))))


#: name → function, point, value and slopes; in both dtypes.
HARD: dict[str, tuple[Callable[..., Any], tuple[float, ...], tuple[float, ...]]] = {
    "log of 0": (ac.log, (0.0,), (-INF, INF)),
    "sqrt of 0": (ac.sqrt, (0.0,), (0.0, INF)),
    "sqrt of -0": (ac.sqrt, (-0.0,), (0.0, INF)),
    "1/0": (lambda x: 1.0 / x, (0.0,), (INF, -INF)),
    "0/0": (ac.divide, (0.0, 0.0), (NAN, INF, NAN)),
    "where over log": (lambda x: ac.where(x > 0, ac.log(x), 0.0), (0.0,), (0.0, 0.0)),
    "where over sqrt": (lambda x: ac.where(x < 1, x, ac.sqrt(x)), (0.0,), (0.0, 1.0)),
    "plain product": (lambda x: ac.where(x > 0, 0.0, x * INF), (1.0,), (0.0, NAN)),
    "x log x": (lambda x: x * ac.log(x), (0.0,), (NAN, -INF)),
    "xlogy at 0, 0": (ac.xlogy, (0.0, 0.0), (0.0, -INF, 0.0)),
    "silu, far left": (ac.silu, (-INF,), (0.0, 0.0)),
    "gelu, far left": (ac.gelu, (-INF,), (0.0, 0.0)),
    "gelu_tanh, far left": (lambda x: ac.gelu(x, approximate="tanh"), (-INF,), (0.0, 0.0)),
    "silu, far right": (ac.silu, (INF,), (INF, 1.0)),
    "gelu, far right": (ac.gelu, (INF,), (INF, 1.0)),
    "gelu_tanh, far right": (lambda x: ac.gelu(x, approximate="tanh"), (INF,), (INF, 1.0)),
    "softplus 1000": (ac.softplus, (1000.0,), (1000.0, 1.0)),
    "sigmoid 1000": (ac.sigmoid, (1000.0,), (1.0, 0.0)),
    "sigmoid -1000": (ac.sigmoid, (-1000.0,), (0.0, 0.0)),
    "logaddexp of -inf": (ac.logaddexp, (-INF, -INF), (-INF, 0.0, 0.0)),
    "logaddexp of -inf and 1": (ac.logaddexp, (-INF, 1.0), (1.0, 0.0, 1.0)),
    "logaddexp of inf and 1": (ac.logaddexp, (INF, 1.0), (INF, 1.0, 0.0)),
    "logaddexp of inf": (ac.logaddexp, (INF, INF), (INF, 0.5, 0.5)),
    "atan2 at the origin": (ac.atan2, (0.0, 0.0), (0.0, 0.0, 0.0)),
    "relu of NaN": (ac.relu, (NAN,), (NAN, 1.0)),
    "relu at 0": (ac.relu, (0.0,), (0.0, 0.0)),
    "relu6 at 0": (ac.relu6, (0.0,), (0.0, 0.0)),
    "relu6 at 6": (ac.relu6, (6.0,), (6.0, 0.0)),
    "abs at 0": (ac.abs, (0.0,), (0.0, 0.0)),
    "clip at its lower bound": (lambda x: ac.clip(x, 0.0, 1.0), (0.0,), (0.0, 0.0)),
    "clip at its upper bound": (lambda x: ac.clip(x, 0.0, 1.0), (1.0,), (1.0, 0.0)),
    "leaky_relu at 0": (lambda x: ac.leaky_relu(x, negative_slope=0.25), (0.0,), (0.0, 0.25)),
    "steep leaky_relu at 0": (lambda x: ac.leaky_relu(x, negative_slope=2.0), (0.0,), (0.0, 1.0)),
    "elu at 0": (ac.elu, (0.0,), (0.0, 1.0)),
    "tie of maximum": (ac.maximum, (1.0, 1.0), (1.0, 0.5, 0.5)),
    "tie of minimum": (ac.minimum, (1.0, 1.0), (1.0, 0.5, 0.5)),
    "0^0": (ac.pow, (0.0, 0.0), (1.0, 0.0, 0.0)),
    "0^2": (ac.pow, (0.0, 2.0), (0.0, 0.0, 0.0)),
    "0^½": (ac.pow, (0.0, 0.5), (0.0, INF, 0.0)),
    "NaN^0": (lambda x: x**0, (NAN,), (1.0, 0.0)),
    "(-2)^2": (lambda x: x**2, (-2.0,), (4.0, -4.0)),
    "(-2)^2 by both": (ac.pow, (-2.0, 2.0), (4.0, -4.0, NAN)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", HARD)
def test_hard_case(name: str, dtype: str) -> None:
    f, point, want = HARD[name]
    np.testing.assert_array_equal(value_and_slopes(f, point, dtype), want, err_msg=name)


@pytest.mark.parametrize(
    ("f", "x", "value", "slope", "dtype"),
    [
        (ac.softplus, -100.0, 3.783505853677006e-44, 3.783505853677006e-44, "float32"),
        (ac.softplus, 21.0, 21.000000000758256, 0.999999999241744, "float64"),
        (ac.sigmoid, -88.0, 6.054601485195952e-39, 6.054601485195952e-39, "float32"),
        (ac.log_sigmoid, 100.0, -3.783505853677006e-44, 3.783505853677006e-44, "float32"),
        (ac.tanh, 20.0, 1.0, 1.6993417021166355e-17, "float64"),
        (ac.elu, -1e-8, -9.99999995e-9, 0.99999999, "float64"),
        (ac.selu, -1e-8, -1.7580993320568802e-8, 1.7580993232663835, "float64"),
        (ac.log1p, 1e-10, 9.9999999995e-11, 0.9999999999, "float64"),
        (ac.expm1, 1e-20, 1e-20, 1.0, "float64"),
    ],
)
def test_tail(f: Callable[..., Any], x: float, value: float, slope: float, dtype: str) -> None:
    np.testing.assert_allclose(
        value_and_slopes(f, (x,), dtype), (value, slope), rtol=4e-16 if dtype == "float64" else 0
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("f", "x"),
    [
        (ac.log, 0.0), (ac.log1p, -1.0), (ac.log2, 0.0), (ac.log10, 0.0), (ac.sqrt, 0.0), (ac.rsqrt, 0.0),
        (ac.reciprocal, 0.0), (ac.asin, 1.0), (ac.acos, -1.0), (ac.acosh, 1.0), (ac.atanh, 1.0), (ac.exp, 1e4),
        (ac.expm1, 1e4), (ac.exp2, 1e5), (ac.sinh, 1e4), (ac.cosh, 1e4), (ac.tan, INF), (ac.sin, INF),
        (lambda x: x**-1, 0.0), (lambda x: 1.0 / x, 0.0), (ac.square, INF),
    ],
)  # fmt: skip
def test_zero_cotangent_stays_zero(f: Callable[..., Any], x: float, dtype: str) -> None:
    assert value_and_slopes(f, (x,), dtype, g=0.0)[1] == 0.0


@pytest.mark.parametrize("x", [1023.9, 1024.3, 1024.5, 1024.6, 1e4, math.inf, -1074.5, -1e4, -math.inf])
def test_the_slope_of_exp2_overflows_later_than_exp2(x: float) -> None:
    with mpmath.workprec(100):
        want = float(mpmath.log(2) * mpmath.mpf(2) ** x) if math.isfinite(x) else max(x, 0.0)
    assert ac.grad(ac.exp2)(ac.tensor(x, dtype=ac.float64)).item() == pytest.approx(want, rel=4e-16, abs=5e-324)


def test_second_derivatives_of_powers_at_zero() -> None:
    for dtype in ("float32", "float64"):
        zero, two = ac.tensor(np.array(0.0, dtype)), ac.tensor(np.array(2.0, dtype))
        assert ac.grad(ac.grad(lambda x: x**2))(zero).item() == 2.0
        assert ac.grad(ac.grad(lambda b, zero=zero: ac.pow(zero, b)))(two).item() == 0.0


def test_second_derivative_of_softplus_keeps_its_digits() -> None:
    got = ac.grad(ac.grad(ac.softplus))(ac.tensor(np.float64(25.0))).item()
    np.testing.assert_allclose(got, 1.388794386457827e-11, rtol=1e-15)


def test_casts_saturate_and_wrap() -> None:
    x = ac.tensor([1e30, -1e30, NAN, INF, -INF, 2.9, -2.9, 300.0])
    limits = np.iinfo(np.int32)
    assert ac.astype(x, ac.int32).tolist() == [limits.max, limits.min, 0, limits.max, limits.min, 2, -2, 300]
    limits = np.iinfo(np.int64)
    assert ac.astype(x, ac.int64).tolist() == [limits.max, limits.min, 0, limits.max, limits.min, 2, -2, 300]
    assert ac.astype(x, ac.uint8).tolist() == [255, 0, 0, 255, 0, 2, 0, 255]
    assert ac.astype(x, ac.bool).tolist() == [True] * 8
    assert ac.astype(ac.tensor([300, -1, 256]), ac.uint8).tolist() == [44, 255, 0]


@pytest.mark.parametrize("f", [np.add, np.subtract, np.multiply])
def test_integers_wrap_around(f: np.ufunc) -> None:
    for dtype in (np.uint8, np.int32, np.int64):
        limits = np.iinfo(dtype)
        a = np.array([limits.max, limits.min, limits.max, 3], dtype)
        b = np.array([1, limits.max, limits.max, 5], dtype)
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(getattr(ac, f.__name__)(ac.tensor(a), ac.tensor(b)).numpy(), f(a, b))


def test_layouts_of_every_kind() -> None:
    """Random broadcasts, transposes, reversals and gaps, large enough for several chunks and short rows."""
    rng = np.random.default_rng(3)
    shapes = [
        (70000,),
        (3, 30011),
        (400, 3, 61),
        (513, 130),
        (2, 1, 7, 1, 5),
        (1, 1),
        (),
        (65, 64),
        (40000, 2),
        (5, 0, 3),
    ]
    for shape in shapes:
        for _ in range(8):
            operands = []
            for _ in range(3):
                own = tuple(1 if rng.random() < 0.25 else n for n in shape)
                own = own[rng.integers(0, len(own) + 1) :] if rng.random() < 0.25 else own
                step = tuple(int(rng.choice([1, 1, 2])) for _ in own)
                order = rng.permutation(len(own))
                base = rng.standard_normal(tuple(own[i] * step[i] for i in order)).astype(np.float32)
                a = base.transpose(np.argsort(order))[tuple(slice(None, None, s) for s in step)]
                a = a[tuple(slice(None, None, int(rng.choice([1, -1]))) for _ in own)]
                operands.append(a)
            tensors = [ac.asarray(a) for a in operands]
            a, b, c = operands
            np.testing.assert_array_equal(ac.add(*tensors[:2]).numpy(), a + b)
            np.testing.assert_array_equal(ac.where(tensors[0] > 0, *tensors[1:]).numpy(), np.where(a > 0, b, c))
            np.testing.assert_array_equal(ac.astype(tensors[0], ac.float64).numpy(), a.astype(np.float64))


def test_a_broadcast_too_large_to_address_is_an_error() -> None:
    one = ac.tensor(np.zeros((1,), np.float32))
    tall = ac.broadcast_to(one, (1 << 40, 1))
    wide = ac.broadcast_to(one, (1, 1 << 40))
    with pytest.raises(ac.errors.ShapeError, match="too many elements"):
        ac.add(tall, wide)
