"""Compiled programs evaluate the slope of a function at one value once, however many cotangents it scales."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import alice_core as ac

FUNCTIONS: dict[str, Callable[[ac.Tensor], ac.Tensor]] = {
    "tanh": ac.tanh,
    "sigmoid": ac.sigmoid,
    "softplus": ac.softplus,
    "silu": ac.silu,
    "gelu": ac.gelu,
    "gelu_tanh": lambda x: ac.gelu(x, approximate="tanh"),
    "selu": ac.selu,
    "erf": ac.erf,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_directions_and_the_gradient_share_one_slope(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    w, x, *directions = (
        ac.asarray(rng.standard_normal(shape).astype(dtype)) for shape in ((5, 7), (40, 5), *[(40, 5)] * 3)
    )
    f = FUNCTIONS[name]

    def everything(w: ac.Tensor) -> tuple[ac.Tensor, ...]:
        def layer(x: ac.Tensor) -> ac.Tensor:
            return f(x @ w)

        value, pullback = ac.vjp(layer, x)
        return value, *pullback(value), *(ac.jvp(layer, (x,), (v,))[1] for v in directions)

    compiled = ac.compile(everything)
    for found, wanted in zip(compiled(w), everything(w), strict=True):
        assert found.numpy().tobytes() == wanted.numpy().tobytes()
    assert str(compiled.program(w)).count(f"= {name}_vjp(") == 1


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_kernel_is_the_cotangent_times_the_slope(name: str, dtype: str) -> None:
    """To the bit, strong zeros, infinities and NaN included; what rounds to fewer bits on the way is left alone."""
    x = ac.asarray(np.array([-np.inf, -800, -90, -3, -0.75, -0.0, 0, 1e-30, 1, 5, 30, 700, np.inf, np.nan])).astype(
        dtype
    )
    cotangents = [ac.full_like(x, g) for g in (0.0, 1.0, -2.5, 1e-3, 1e3, np.inf, np.nan)]
    _, pullback = ac.vjp(FUNCTIONS[name], x)

    def scaled() -> list[ac.Tensor]:
        return [pullback(g)[0] for g in cotangents]

    for found, wanted in zip(ac.compile(scaled)(), scaled(), strict=True):
        np.testing.assert_array_equal(found.astype("float64").numpy(), wanted.astype("float64").numpy())


def test_values_that_an_update_changes_have_slopes_of_their_own() -> None:
    p = ac.tensor([0.5, -0.25]).requires_grad_()

    def step() -> tuple[ac.Tensor, ac.Tensor]:
        before = ac.grad(lambda v: ac.sum(ac.tanh(v)))(p)
        with ac.no_grad():
            p.assign_(p + 1.0)
        return before, ac.grad(lambda v: ac.sum(ac.tanh(v)))(p)

    compiled = ac.compile(step)
    start = p.numpy().copy()
    first = [t.numpy().copy() for t in compiled()]
    np.testing.assert_array_equal(p.numpy(), start + 1)
    for found, at in zip(first, (start, start + 1), strict=True):
        np.testing.assert_allclose(found, 1 / np.cosh(at) ** 2, rtol=1e-6)
