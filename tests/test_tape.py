"""Programs of tiny values run as tapes of scalars: with the bits of the function as it is, whatever the numbers are."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from tiny_programs import OTHERS, PRODUCTS, REDUCTIONS, SPECIAL, function_of, operations, same, square

SHAPED: list[Callable[..., Any]] = [
    lambda x: ac.concat([x, x[1:]])[: x.shape[0]],
    lambda x: ac.flip(x),
    lambda x: ac.stack([x, x * 1.0])[1],
    lambda x: ac.pad(x[1:], (0, 1)),
    lambda x: ac.roll(x, 1),
    lambda x: ac.broadcast_to(x[0], x.shape),
    lambda x: x.at[0].set(x[-1]),
    lambda x: ac.sum(ac.diag(x), axis=0),
    lambda x: ac.cumsum(x),
    lambda x: ac.where(x > 0, x, 1.0),
    *PRODUCTS,
    *REDUCTIONS,
]


@st.composite
def programs(draw: Any) -> Any:
    numbers = st.lists(st.sampled_from(SPECIAL), min_size=3, max_size=3)
    return draw(operations(len(SHAPED + OTHERS))), draw(numbers), draw(numbers), draw(st.booleans())


@settings(max_examples=400, deadline=None)
@given(programs())
def test_bits_are_those_of_the_function(program: Any) -> None:
    ops, a, b, double = program
    dtype = ac.float64 if double else ac.float32
    f = function_of(ops, SHAPED + OTHERS, dtype)
    with np.errstate(all="ignore"):
        x, y = ac.tensor(np.array(a).astype(dtype)), ac.tensor(np.array(b).astype(dtype))
    same(ac.compile(f)(x, y), f(x, y))
    g = ac.grad(lambda x, y: ac.sum(f(x, y)), argnums=(0, 1))
    for ours, theirs in zip(ac.compile(g)(x, y), g(x, y), strict=True):
        same(ours, theirs)


def test_a_tape_is_taken_where_it_pays() -> None:
    def orbit(s: ac.Tensor) -> ac.Tensor:
        for _ in range(5):
            x, v = s[0], s[1]
            s = ac.stack([x + 0.1 * v, v - 0.1 * ac.sin(x)])
        return s

    small, large = ac.compile(orbit), ac.compile(orbit)
    tape = small.program(ac.ones(2)).tape
    assert tape is not None
    assert tape.loops == 3  # five sines, two of them beside others; slices and stacks are none
    assert tape.calls == 0
    assert tape.operations == 20
    assert "runs as a tape of 20 scalar operations" in str(small.program(ac.ones(2)))
    assert large.program(ac.ones((2, 1000))).tape is None


def test_what_is_known_is_computed_once_and_what_nobody_needs_never() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        y = x * ac.tensor([1.0, 2.0, 3.0]) + ac.tensor([0.5, 0.5, 0.5]) * 2.0
        z = x * ac.tensor([1.0, 2.0, 3.0])
        return (y + z)[1] * 1.0

    tape = ac.compile(f).program(ac.ones(3)).tape
    assert tape is not None
    assert tape.operations == 3  # 2 x, + 1, + 2 x


def test_signs_that_are_turned_again_are_not_turned() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        a, b, c = x[0], x[1], x[2]
        return ac.stack([a + (-b), ac.negative(-a), a - (-b) * c, -(a * 0.5), -b / -c, ac.where(a > 0, -a + b, b)])

    compiled = ac.compile(f)
    tape = compiled.program(ac.ones(3)).tape
    assert tape is not None
    assert tape.operations == 8  # a - b, b c, a + b c, -0.5 a, b / c, b - a, a > 0, where
    for numbers in ([1.0, -2.0, 3.0], [0.0, 0.0, -0.0], [-0.0, 0.0, 1.0], [np.inf, np.inf, 0.0], [0.0, -0.0, 2.0]):
        x = ac.tensor(numbers)
        same(compiled(x), f(x))


@pytest.mark.parametrize("dtype", [ac.float32, ac.float64])
def test_choices_are_operations(dtype: ac.DType) -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        a, b, c = x[0], x[1], x[2]
        both, either = ac.logical_and(a > b, b <= c), ac.logical_or(a != b, ac.logical_not(c >= 0))
        return ac.stack(
            [ac.where(both, a, b), ac.where(either, c, -a), ac.where(b == c, 1.0, a), ac.where(a < 0, b, b)]
        )

    compiled = ac.compile(f)
    tape = compiled.program(ac.ones(3, dtype)).tape
    assert tape is not None
    assert tape.loops == tape.calls == 0
    for numbers in itertools.product([1.0, -2.0, 0.0, -0.0, np.nan, np.inf], repeat=3):
        x = ac.tensor(numbers, dtype)
        same(compiled(x), f(x))


def test_products_of_tiny_matrices_are_operations() -> None:
    def arm(x: ac.Tensor) -> ac.Tensor:
        place = x
        for _ in range(4):
            place = square(x) @ place
        return place

    compiled = ac.compile(arm)
    tape = compiled.program(ac.ones(3)).tape
    assert tape is not None
    assert tape.calls == 0
    slopes = ac.compile(ac.jacrev(arm)).program(ac.ones(3)).tape
    assert slopes is not None
    assert slopes.calls == 0
    larger = ac.compile(lambda a: a @ a @ a).program(ac.ones((8, 8))).tape
    assert larger is None or larger.calls == 2  # 512 operations each


def test_integers_are_operations() -> None:
    def f(n: ac.Tensor, x: ac.Tensor) -> Any:
        a, b, c = n[0], n[1], n[2]
        other = ac.where(a == b, 0, a + 1) - b * c + (-a)
        flags = ac.stack([a < b, b <= c, c > a, a >= c, a != b])
        return ac.where(other > 3, other, c), ac.where(n < 2, x, -x), flags

    compiled = ac.compile(f)
    x = ac.tensor([0.5, -0.0, np.nan])
    tape = compiled.program(ac.zeros(3, ac.int64), x).tape
    assert tape is not None
    assert tape.loops == tape.calls == 0
    for numbers in itertools.product([0, -1, 2, 2**53 + 1, 2**63 - 1, -(2**63)], repeat=3):
        n = ac.tensor(np.array(numbers))
        for ours, theirs in zip(compiled(n, x), f(n, x), strict=True):
            same(ours, theirs)


#: Of five numbers and of ten: along the last axis, along the first, and along two.
SUMS: list[Callable[..., Any]] = [
    ac.sum,
    lambda x: ac.sum(x[:1]),
    lambda x: ac.sum(x[:2]),
    lambda x: ac.sum(x[1:4]) * x[0],
    lambda x: ac.sum(ac.stack([x, ac.flip(x)]), axis=0),
    lambda x: ac.sum(ac.stack([x, ac.flip(x)]), axis=1),
    lambda x: ac.sum(ac.stack([x, ac.flip(x), ac.roll(x, 1), x[::2].sum() * x, ac.roll(x, 2)], axis=0), axis=0),
    lambda x: ac.sum(ac.reshape(ac.concat([x[:4], ac.roll(x, 1)[:4]]), (2, 2, 2)), axis=(0, 2)),
    lambda x: ac.sum(ac.reshape(ac.concat([x[:4], ac.roll(x, 1)[:4]]), (2, 2, 2)), axis=(0, 1)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("f", SUMS)
def test_sums_of_few_numbers_have_the_bits_of_the_kernel(f: Callable[..., Any], dtype: str) -> None:
    compiled = ac.compile(f)
    numbers = np.random.default_rng(0)
    kinds = [0.1, -2.0, 1e16, -1e16, 1e300, -1e308, 1e308, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 0.0, -0.0, 3.0]
    for values in [*numbers.choice(kinds[:5], (200, 5)), *numbers.choice(kinds, (200, 5)), [-0.0] * 5]:
        with np.errstate(over="ignore"):
            x = ac.tensor(np.array(values).astype(dtype))
        same(compiled(x), f(x))


def test_sums_of_few_float64_are_operations() -> None:
    for f in (SUMS[0], SUMS[4], ac.grad(lambda x: ac.sum(x * ac.sum(x * x)))):
        tape = ac.compile(f).program(ac.ones(5, ac.float64)).tape
        assert tape is not None
        assert tape.loops == tape.calls == 0
    squares = ac.compile(lambda x: ac.sum(x * x)).program(ac.ones(2, ac.float64)).tape
    assert squares is not None
    assert squares.operations == 3  # a square is no -0, which else becomes 0


def test_equal_loops_side_by_side_are_one() -> None:
    def f(x: ac.Tensor) -> Any:
        a, b = ac.exp(x[:2]), ac.exp(x[1:])
        return ac.concat([a, ac.sin(b), ac.exp(x + 1.0)]) * x[0], ac.clip(x, -1.0, 1.0) + ac.clip(x, -2.0, 2.0) * x

    compiled = ac.compile(f)
    x = ac.tensor([0.5, -0.25, 7.0])
    tape = compiled.program(x).tape
    assert tape is not None
    assert tape.loops <= 5
    for ours, theirs in zip(compiled(x), f(x), strict=True):
        same(ours, theirs)


def test_reductions_of_few_items_are_loops() -> None:
    def cost(x: ac.Tensor) -> ac.Tensor:
        return ac.sum(x * (square(x) @ x)) + ac.exp(-ac.sum(x * x)) * ac.mean(x)

    for f in (cost, ac.grad(cost)):
        tape = ac.compile(f).program(ac.ones(3)).tape
        assert tape is not None
        assert tape.calls == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("number", range(len(PRODUCTS + REDUCTIONS + OTHERS)))
def test_products_and_reductions_have_the_bits_of_the_kernel(number: int, dtype: str) -> None:
    f = (PRODUCTS + REDUCTIONS + OTHERS)[number]
    compiled = ac.compile(f)
    for numbers in (
        [0.1, -2.0, 3.0],
        [-0.0, 0.0, -0.0],
        [-1.0, 0.0, 1e-300],
        [1e-40, -1e-5, 0.3],
        [np.inf, 1.0, np.nan],
    ):
        x = ac.tensor(numbers, dtype=dtype)
        same(compiled(x), f(x))


def test_captured_tensors_are_read_anew() -> None:
    w = ac.tensor([1.0, 2.0]).requires_grad_()
    f = ac.compile(lambda x: (w * x)[0] + w[1] * x[1] - w[0] / x[1] + w[1] * w[0])
    x = ac.tensor([3.0, 4.0])
    assert f.program(x).tape is not None
    before = f(x).item()
    w.assign_(ac.tensor([5.0, 6.0]))
    assert f(x).item() != before
    assert f(x).item() == ((w * x)[0] + w[1] * x[1] - w[0] / x[1] + w[1] * w[0]).item()


def test_a_call_that_raises_writes_no_result() -> None:
    def f(x: ac.Tensor, i: ac.Tensor) -> Any:
        y = x * 2.0 + x[0] * x[1] - x[1] / x[0] + x[0] * 3.0
        return y, ac.take(y, i)

    c = ac.compile(f)
    x = ac.tensor([1.0, 2.0])
    want = c(x, ac.tensor([1, 0]))
    with pytest.raises(IndexError):
        c(x, ac.tensor([1, 7]))
    for ours, theirs in zip(c(x, ac.tensor([1, 0])), want, strict=True):
        same(ours, theirs)


def test_threads_have_registers_of_their_own() -> None:
    @ac.compile
    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.scan(lambda c, y: (c * 0.9 + ac.sin(y) * x[0] - x[1] / (1.0 + y * y), None), x[1], ac.arange(50.0))[0]

    points = [ac.tensor([float(i), 1.0]) for i in range(8)]
    want = [f(p).item() for p in points]
    wrong: list[int] = []

    def work(i: int) -> None:
        wrong.extend(i for _ in range(300) if f(points[i]).item() != want[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_is_empty_takes_no_memory_however_long_it_is() -> None:
    x = ac.zeros((2**40, 1, 0))
    assert ac.compile(lambda x: ac.log(x) + ac.sum(x))(x).shape == x.shape
