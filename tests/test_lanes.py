"""Tiny programs of many examples run as tapes whose lanes are the examples, with the bits of the function."""

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
from tiny_programs import OTHERS, PRODUCTS, REDUCTIONS, SPECIAL, function_of, operations, same, square

#: What moves elements of an example, by views and by kernels, and what changes dtypes on the way.
SHAPED: list[Callable[..., Any]] = [
    lambda x: ac.concat([x, x[1:]])[: x.shape[0]],
    lambda x: ac.flip(x),
    lambda x: ac.stack([x, x * 1.0])[1],
    lambda x: ac.stack([x, x * x], axis=-1)[:, 1],
    lambda x: ac.stack([x[2], x[0], 0.5 * x[1]]),
    lambda x: ac.roll(x, 1),
    lambda x: ac.broadcast_to(x[0], x.shape),
    lambda x: ac.reshape(ac.stack([x, x]), (3, 2))[:, 0],
    lambda x: x.at[0].set(x[-1]),
    lambda x: ac.where(x > 0, x, 1.0),
    lambda x: ac.where(ac.isnan(x), 0.0, x),
    lambda x: x * ac.tensor([1.0, 2.0, -0.5], dtype=x.dtype),
    lambda x: ac.clip(x, -1.0, 2.0),
    lambda x: (x > 0).astype(x.dtype) * x,
    lambda x: x.astype(ac.float32).astype(x.dtype),
    lambda x: x.astype(ac.float16).astype(x.dtype),
    lambda x: x.astype(ac.int32).astype(x.dtype),
    *PRODUCTS,
    *REDUCTIONS,
]


def rows(points: int, seed: int, dtype: Any) -> tuple[ac.Tensor, ac.Tensor]:
    """Numbers at random and rare ones among them."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(2, points, 3))
    rare = rng.uniform(size=drawn.shape) < 0.1
    drawn[rare] = rng.choice(SPECIAL, size=int(rare.sum()))
    with np.errstate(all="ignore"):
        x, y = (ac.tensor(a.astype(dtype)) for a in drawn)
    return x, y


def lanes(compiled: Any, *args: Any) -> int:
    tape = compiled.program(*args).tape
    return 0 if tape is None else int(tape.lanes)


@st.composite
def programs(draw: Any) -> Any:
    points = st.sampled_from([0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 40, 100, 257, 300])
    return draw(operations(len(SHAPED + OTHERS))), draw(points), draw(st.integers(0, 1000)), draw(st.booleans())


@settings(max_examples=300, deadline=None)
@given(programs())
def test_bits_are_those_of_the_function(program: Any) -> None:
    ops, points, seed, double = program
    f = function_of(ops, SHAPED + OTHERS, ac.float64 if double else ac.float32)
    x, y = rows(points, seed, np.float64 if double else np.float32)
    many = ac.vmap(f)
    same(ac.compile(many)(x, y), many(x, y))
    slopes = ac.vmap(ac.grad(lambda x, y: ac.sum(f(x, y)), argnums=(0, 1)))
    for ours, theirs in zip(ac.compile(slopes)(x, y), slopes(x, y), strict=True):
        same(ours, theirs)


def swing(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
    """Some steps of a pendulum, each with slices and a stack."""
    for _ in range(6):
        a, b, c = x[0], x[1], x[2]
        x = ac.stack([a + 0.1 * b, b - 0.1 * ac.sin(a) / (1.0 + c * c), c * y[0] - a * b])
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("points", [2, 3, 8, 15, 16, 17, 40, 64, 100, 1000])
def test_examples_lie_side_by_side(points: int, dtype: str) -> None:
    x, y = rows(points, 0, dtype)
    jacobian = ac.vmap(ac.jacrev(swing))
    for f in (ac.vmap(swing), jacobian):
        compiled = ac.compile(f)
        if points > 3:  # for so few, one by one may be as good
            assert lanes(compiled, x, y) > 1
        same(compiled(x, y), f(x, y))
    assert "examples side by side" in str(ac.compile(jacobian).program(*rows(40, 0, dtype)))


@pytest.mark.parametrize("number", range(len(SHAPED)))
def test_elements_may_move_within_an_example(number: int) -> None:
    def f(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        for _ in range(4):
            x = swing(SHAPED[number](x) - y, y) * 0.5
        return x

    compiled = ac.compile(ac.vmap(f))
    x, y = rows(40, 1, np.float64)
    assert lanes(compiled, x, y) > 1
    same(compiled(x, y), ac.vmap(f)(x, y))


CROSSING: list[Callable[..., Any]] = [
    lambda x: ac.flip(x, axis=0),
    lambda x: ac.roll(x, 1, axis=0),
    lambda x: ac.concat([x[1:], x[:1]]),
    lambda x: x - x[0],
    lambda x: x.T[:, : x.shape[1]] if x.shape[0] == x.shape[1] else x - x[::-1],
    lambda x: x - ac.sum(x, axis=0),
    lambda x: ac.stack([x[0]] * x.shape[0]) * x,
    lambda x: ac.cumsum(x, axis=0),
    lambda x: (x.T @ x @ x.T).T,
    lambda x: ac.tensor(np.tri(x.shape[0]), dtype=x.dtype) @ x,
]


@pytest.mark.parametrize("points", [3, 8, 40])
@pytest.mark.parametrize("number", range(len(CROSSING)))
def test_what_crosses_from_one_example_to_another_has_no_lanes(number: int, points: int) -> None:
    def f(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        return ac.vmap(swing)(CROSSING[number](ac.vmap(swing)(x, y)), y)

    x, y = rows(points, 2, np.float64)
    compiled = ac.compile(f)
    assert lanes(compiled, x, y) <= 1
    same(compiled(x, y), f(x, y))


def test_examples_share_what_has_no_batch_and_have_constants_of_their_own() -> None:
    shift = ac.tensor(np.random.default_rng(0).normal(size=(40, 3)))
    w = ac.tensor([0.5, 2.0, -1.0]).astype(ac.float64).requires_grad_()

    def f(x: ac.Tensor, y: ac.Tensor, z: ac.Tensor) -> Any:
        return ac.vmap(lambda x, y, s: swing(x * w + s, y * z[0]))(x, y, shift), z * z

    (x, y), z = rows(40, 3, np.float64), ac.tensor([0.3, 0.4], dtype=ac.float64)
    compiled = ac.compile(f)
    assert lanes(compiled, x, y, z) > 1
    for _ in range(2):
        for ours, theirs in zip(compiled(x, y, z), f(x, y, z), strict=True):
            same(ac.stop_gradient(ours), ac.stop_gradient(theirs))
        w.assign_(w * 0.5 + 1.0)


def test_products_of_tiny_matrices_have_lanes() -> None:
    def arm(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        for _ in range(4):
            x = square(x) @ x + y @ square(x)
        return ac.exp(-x @ x) * x

    x, y = rows(40, 7, np.float64)
    for f in (ac.vmap(arm), ac.vmap(ac.jacrev(arm)), ac.vmap(ac.hessian(lambda x, y: arm(x, y)[0]))):
        compiled = ac.compile(f)
        assert lanes(compiled, x, y) > 1
        same(compiled(x, y), f(x, y))
    shared = ac.vmap(arm, in_axes=(0, None))
    compiled = ac.compile(shared)
    assert lanes(compiled, x, y[0]) > 1
    same(compiled(x, y[0]), shared(x, y[0]))


def test_a_matrix_and_a_vector_for_each_example() -> None:
    rng = np.random.default_rng(9)
    a, x = ac.tensor(rng.normal(size=(40, 3, 3))), ac.tensor(rng.normal(size=(40, 3)))

    def f(a: ac.Tensor, x: ac.Tensor) -> ac.Tensor:
        return a @ (a @ (a @ (a @ x)))

    compiled = ac.compile(ac.vmap(f))
    assert lanes(compiled, a, x) > 1
    same(compiled(a, x), ac.vmap(f)(a, x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reductions_of_few_items_have_lanes(dtype: str) -> None:
    def cost(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        x = swing(x, y)
        return ac.sum(x * (square(y) @ x)) + ac.exp(-ac.sum(x * x, axis=0)) * ac.mean(x)

    x, y = rows(40, 8, dtype)
    for f in (ac.vmap(lambda x, y: cost(x, y) - ac.max(x)), ac.vmap(ac.grad(cost))):
        compiled = ac.compile(f)
        assert lanes(compiled, x, y) > 1
        same(compiled(x, y), f(x, y))


def test_adjoints_of_items_some_of_which_all_examples_share() -> None:
    """A Runge-Kutta step: of what depends on no state the cotangents are the same everywhere."""

    def field(s: Any) -> Any:
        return ac.stack([s[2], s[3], ac.sin(s[1]) * s[3], ac.cos(s[1]) * s[3]])

    def step(s: Any) -> Any:
        a = field(s)
        b = field(s + 0.1 * a)
        return s + 0.1 * (a + 2.0 * b + field(s + 0.1 * b))

    f = ac.vmap(ac.jacrev(step))
    s = ac.tensor(np.random.default_rng(0).normal(size=(40, 4)))
    compiled = ac.compile(f)
    assert lanes(compiled, s) == 40
    same(compiled(s), f(s))


def test_as_many_examples_as_elements() -> None:
    x, y = rows(3, 4, np.float64)
    f = ac.vmap(ac.jacrev(swing))
    same(ac.compile(f)(x, y), f(x, y))


def test_bodies_of_loops_have_lanes_too() -> None:
    def f(x: ac.Tensor, y: ac.Tensor) -> Any:
        return ac.scan(lambda c, _: (swing(c, y), c[0]), x, None, length=20)

    x, y = rows(24, 5, np.float64)
    many = ac.vmap(f)
    for ours, theirs in zip(ac.compile(many)(x, y), many(x, y), strict=True):
        same(ours, theirs)


def test_many_examples_on_every_number_of_threads() -> None:
    x, y = rows(4001, 6, np.float64)
    compiled = ac.compile(ac.vmap(swing))
    before = ac.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            ac.set_num_threads(threads)
            found.append(compiled(x, y))
    finally:
        ac.set_num_threads(before)
    assert lanes(compiled, x, y) > 1
    for got in found:
        same(got, ac.vmap(swing)(x, y))


@pytest.mark.parametrize("level", ["baseline", "avx2"])
def test_on_every_instruction_set(level: str) -> None:
    chosen = "side_by_side or elements_may_move or products or reductions or bits_are"
    run_on_level(level, Path(__file__).name, chosen=chosen)


def test_examples_of_nothing_run_beside_each_other():
    def f(x, y):
        return ac.sum(ac.vmap(lambda x, y: x @ y)(x, y))

    x, y = ac.ones((17, 0, 4)), ac.ones((17, 4))
    for got, right in zip(ac.compile(ac.grad(f, argnums=(0, 1)))(x, y), ac.grad(f, argnums=(0, 1))(x, y), strict=True):
        same(got, right)
    same(ac.compile(lambda y: ac.ones((17, 0, 1)) @ y[:, None, :])(y), ac.ones((17, 0, 1)) @ y[:, None, :])
