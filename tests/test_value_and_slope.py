"""Compiled programs leave a function's slope beside its value, in one loop, where both are wanted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from levels import run_on_level

FUNCTIONS: dict[str, Callable[[ac.Tensor], ac.Tensor]] = {
    "sigmoid": ac.sigmoid,
    "softplus": ac.softplus,
    "silu": ac.silu,
    "gelu": ac.gelu,
    "gelu_tanh": lambda x: ac.gelu(x, approximate="tanh"),
}
#: Those without a loop for both in one of the dtypes, or in any, mixed in.
OTHERS: dict[str, Callable[[ac.Tensor], ac.Tensor]] = {"tanh": ac.tanh, "selu": ac.selu, "relu": ac.relu}

with_own_arithmetic = pytest.mark.skipif(
    ac.build_config()["isa"] == "baseline", reason="without fma, function and slope share no loop"
)


def numbers(rng: np.random.Generator, *shape: int, dtype: str = "float32") -> ac.Tensor:
    return ac.asarray(rng.standard_normal(shape).astype(dtype))


def bits(results: Any) -> list[bytes]:
    return [leaf.numpy().tobytes() for leaf in ac.tree.leaves(results)]


def network(f: Callable[[ac.Tensor], ac.Tensor]) -> Callable[..., tuple[ac.Tensor, tuple[ac.Tensor, ...]]]:
    def loss(v: ac.Tensor, w: ac.Tensor, x: ac.Tensor) -> ac.Tensor:
        return ac.mean(ac.square(f(x @ v) @ w))

    return ac.value_and_grad(loss, (0, 1))


@with_own_arithmetic
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_forward_pass_leaves_the_slope(name: str) -> None:
    """And the backward pass a product: no function is computed there."""
    rng = np.random.default_rng(0)
    arrays = numbers(rng, 5, 24), numbers(rng, 24, 3), numbers(rng, 40, 5)
    step = network(FUNCTIONS[name])
    compiled = ac.compile(step)
    assert bits(compiled(*arrays)) == bits(step(*arrays))
    calls = [[line.split("= ")[1].split("(")[0] for line in i.calls] for i in compiled.program(*arrays).instructions]
    (forward,) = [names for names in calls if name in names]
    assert forward[forward.index(name) + 1] == f"{name}_vjp"
    assert sum(names.count(f"{name}_vjp") for names in calls) == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_slope_takes_the_place_of_the_operand(name: str) -> None:
    """Which nobody needs any more: a deep network needs no more memory than one of functions that keep it."""
    rng = np.random.default_rng(0)
    weights, x = [numbers(rng, 16, 16) for _ in range(4)], numbers(rng, 64, 16)

    def arena(f: Callable[[ac.Tensor], ac.Tensor]) -> int:
        def loss(weights: list[ac.Tensor], x: ac.Tensor) -> ac.Tensor:
            for w in weights:
                x = f(x @ w)
            return ac.mean(x)

        return ac.compile(ac.grad(loss)).program(weights, x).arena_bytes

    assert arena(FUNCTIONS[name]) <= arena(ac.tanh)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.sampled_from([*FUNCTIONS, *OTHERS]), min_size=1, max_size=3),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["float32", "float32", "float64"]),
    st.sampled_from(["gradient", "second", "vmap", "forward", "value twice", "of an argument"]),
    st.integers(0, 1 << 30),
)
def test_compiled_is_eager(names: list[str], rows: int, columns: int, dtype: str, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    v, x, d = (3 * numbers(rng, *shape, dtype=dtype) for shape in ((6, columns), (rows, 6), (6, columns)))

    def layers(v: ac.Tensor, x: ac.Tensor) -> ac.Tensor:
        y = v + 0.0 if kind == "of an argument" else x @ v
        for name in names:
            y = (FUNCTIONS | OTHERS)[name](v if kind == "of an argument" else y) * 1.5 + y
        return y

    def loss(v: ac.Tensor, x: ac.Tensor) -> ac.Tensor:
        return ac.mean(ac.square(layers(v, x)))

    def everything(v: ac.Tensor, x: ac.Tensor, d: ac.Tensor) -> Any:
        if kind == "second":
            return ac.hvp(lambda v: loss(v, x), (v,), (d,))
        if kind == "vmap":
            return ac.vmap(ac.value_and_grad(loss, (0, 1)), in_axes=(None, 0))(v, ac.reshape(x, (rows, 1, 6)))
        if kind == "forward":
            return ac.jvp(lambda v: layers(v, x), (v,), (d,)), ac.grad(loss)(v, x)
        if kind == "value twice":
            return layers(v, x), ac.grad(loss)(v, x), layers(v, x)
        return ac.value_and_grad(loss, (0, 1))(v, x)

    assert bits(ac.compile(everything)(v, x, d)) == bits(everything(v, x, d))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_length_and_far_numbers(name: str, dtype: str) -> None:
    """Ends of loops, tails, infinities, NaN, zeros; slopes that lie where the operand did."""
    rng = np.random.default_rng(0)
    far = np.array([-np.inf, -800, -110, -30, -1.2784, -0.752, -0.0, 0, 1e-30, 1, 15, 90, 110, 800, np.inf, np.nan])
    f = FUNCTIONS[name]

    def both(x: ac.Tensor) -> tuple[ac.Tensor, ac.Tensor]:
        y, pullback = ac.vjp(f, x + 0.0)
        return y, pullback(ac.full_like(x, 1.5))[0]

    compiled = ac.compile(both)
    for n in [256, 257, 300, 511, 513, 1000, 1039]:
        x = 20 * rng.standard_normal(n)
        x[rng.choice(n, far.size, replace=False)] = far
        t = ac.asarray(x.astype(dtype))
        for found, wanted in zip(compiled(t), both(t), strict=True):
            np.testing.assert_array_equal(found.numpy(), wanted.numpy())
            assert (np.signbit(found.numpy()) == np.signbit(wanted.numpy()))[~np.isnan(x)].all()


def test_what_an_update_changes_between_the_two_has_the_slope_at_its_new_value() -> None:
    p = ac.asarray(np.linspace(-2, 2, 300, dtype=np.float32)).requires_grad_()

    def step() -> tuple[ac.Tensor, ac.Tensor]:
        before = ac.silu(p)
        with ac.no_grad():
            p.assign_(p + 1.0)
        return before, ac.grad(lambda v: ac.sum(ac.silu(v)))(p)

    start = p.numpy().copy()
    found = bits(ac.compile(step)())
    np.testing.assert_array_equal(p.numpy(), start + 1)
    p.assign_(ac.asarray(start))
    assert found == bits(step())


#: Functions that are 0 at 0 and rise there, in ac or ac.special; the three above do too.
RISING = [
    "asin", "asinh", "atan", "atanh", "elu", "erf", "erfinv", "expm1", "leaky_relu", "log1p", "relu", "selu", "sin",
    "sinh", "sqrt", "tan", "tanh",
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", ["silu", "gelu", "gelu_tanh", *RISING])
def test_zero_keeps_its_sign(name: str, dtype: str) -> None:
    """Alone, beside the slope, fused, and on tapes of scalars and of lanes."""
    f = FUNCTIONS.get(name) or getattr(ac if hasattr(ac, name) else ac.special, name)

    def both(x: ac.Tensor) -> tuple[ac.Tensor, ac.Tensor]:
        y, pullback = ac.vjp(f, x * 2.0)
        return y, pullback(ac.full_like(x, 1.5))[0]

    compiled, lanes = ac.compile(both), ac.compile(ac.vmap(both))
    forms: dict[str, Callable[[ac.Tensor], ac.Tensor]] = {
        "eager": f,
        "beside the slope": lambda x: both(x)[0],
        "compiled": ac.compile(f),
        "compiled beside the slope": lambda x: compiled(x)[0],
        "fused": ac.compile(lambda x: f(x * 2.0) * 3.0),
        "lanes": lambda x: ac.reshape(lanes(ac.reshape(x, (-1, 1)))[0], (-1,)),
    }
    for n in (1, 3, 16, 40, 300):
        zeros = np.where(np.arange(n) % 3 == 0, -0.0, 0.0)
        x = ac.asarray(zeros).astype(getattr(ac, dtype))
        for form, of in forms.items():
            found = of(x).astype(ac.float64).numpy()
            np.testing.assert_array_equal(found, zeros, err_msg=form)
            np.testing.assert_array_equal(np.signbit(found), np.signbit(zeros), err_msg=form)


@pytest.mark.parametrize("level", ["baseline", "avx2", "avx512"])
def test_on_every_instruction_set(level: str) -> None:
    """A level that this processor has not falls back to the best that it has."""
    if level == ac.build_config()["isa"]:
        pytest.skip("it is what the tests themselves run on here")
    chosen = "test_every_length or test_the_forward_pass or test_zero_keeps"
    run_on_level(level, Path(__file__).name, chosen=chosen)
