"""Python's numbers beside Tensors and in compiled functions: as they are, or refused."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from integers import COMPARISONS, INTEGERS, ends, same, values, wrap

by_dtype = pytest.mark.parametrize("dtype", INTEGERS, ids=str)

# ---- beside Tensors ----------------------------------------------------------------------------------------------

SOMEWHERE = st.one_of(
    *(st.integers(center - 2, center + 2) for k in (0, 7, 8, 15, 16, 31, 32, 63, 64, 70) for center in (2**k, -(2**k)))
)


@pytest.mark.parametrize("name", COMPARISONS)
@given(n=SOMEWHERE)
def test_comparisons_with_any_integer(name: str, n: int) -> None:
    for dtype in INTEGERS:
        xs = values(dtype)
        x, want = ac.tensor(xs, dtype), [COMPARISONS[name](m, n) for m in xs]
        assert getattr(ac, name)(x, n).tolist() == want
        assert getattr(ac, name)(n, x).tolist() == [COMPARISONS[name](n, m) for m in xs]


@given(n=SOMEWHERE, dtype=st.sampled_from(INTEGERS))
def test_compiled_comparisons_with_any_integer(n: int, dtype: Any) -> None:
    xs = values(dtype)
    for f in (operator.lt, operator.eq, operator.ge):
        assert COMPARED[f](ac.tensor(xs, dtype), n).tolist() == [f(m, n) for m in xs]


COMPARED = {f: ac.compile(lambda x, n, f=f: f(x, n)) for f in (operator.lt, operator.eq, operator.ge)}
ADDED = ac.compile(operator.add)


@settings(max_examples=40)
@given(n=SOMEWHERE)
def test_integers_beside_are_of_the_dtype_or_refused(n: int) -> None:
    for dtype in INTEGERS:
        xs, (low, high) = values(dtype), ends(dtype)
        x = ac.tensor(xs, dtype)
        if low <= n <= high:
            for got in (x + n, n + x, ADDED(x, n)):
                same(got, [wrap(m + n, dtype) for m in xs], dtype)
            same(ac.full((2,), n, dtype), [n, n], dtype)
            same(ac.pad(x, 1, n), [n, *xs, n], dtype)
            assert ac.tensor(n, dtype).item() == n
            assert ac.tensor([n, 0], dtype).tolist() == [n, 0]
        else:
            for make in (ac.tensor, lambda n, dtype: ac.full(2, n, dtype), lambda n, dtype: ac.tensor([0, n], dtype)):
                with pytest.raises(ac.DTypeError, match=r"expected (numbers|integers that an integer dtype holds)"):
                    make(n, dtype)
            with pytest.raises(ValueError, match=f"pad: the value must be a number of dtype {dtype.name}"):
                ac.pad(x, 1, n)
            for f in (operator.add, ADDED, lambda x, n: ac.where(x == x, n, x), lambda x, n: ac.maximum(n, x)):
                with pytest.raises(ac.DTypeError, match=f"Python number .*does not fit {dtype.name}"):
                    f(x, n)


@by_dtype
def test_integers_that_a_program_computes_fit_or_are_refused(dtype: Any) -> None:
    xs, (low, high) = values(dtype), ends(dtype)
    x = ac.tensor(xs, dtype)
    plus = ac.compile(lambda x, n, m: x + (n + m))
    less = ac.compile(lambda x, n, m: x < (n - m))
    made = ac.compile(lambda n: (ac.tensor(n, dtype), ac.full(2, n + 1, dtype)))
    for n, m in ((3, 4), (2**53, 0), (100, 27), (100, 28), (200, 56), (40000, 25536), (2**31, 2**31), (2, -3)):
        if dtype == ac.uint64 and n < m:
            with pytest.raises(ac.DTypeError, match=f"the number {n - m} does not fit uint64"):
                less(x, n, m)
        else:
            assert less(x, n, m).tolist() == [v < n - m for v in xs]
        if low <= n + m <= high:
            same(plus(x, n, m), [wrap(v + n + m, dtype) for v in xs], dtype)
        else:
            with pytest.raises(ac.DTypeError, match=f"the number {n + m} does not fit {dtype.name}"):
                plus(x, n, m)
        if n + 1 <= high:
            assert [t.tolist() for t in made(n)] == [n, [n + 1, n + 1]]
        else:
            with pytest.raises(ac.DTypeError, match=f"does not fit {dtype.name}"):
                made(n)


def test_large_integers_in_lists() -> None:
    for data in (2**64 - 1, [2**64 - 1, 0], [[2**63 + 1], [1]], [np.uint64(2**63 + 1), 3]):
        x = ac.tensor(data)
        assert x.dtype == ac.uint64
        assert x.tolist() == np.asarray(data, object).tolist()
    assert ac.tensor([2.0**63, 1.0]).dtype == ac.float32
    with pytest.raises(ac.DTypeError, match="tensor: expected integers that an integer dtype holds"):
        ac.tensor([2**64, 1])


# ---- of compiled functions ------------------------------------------------------------------------------------------

BORDERS = [s * 2**k + d for k in (0, 1, 2, 5, 31, 32, 53, 62, 63) for s in (1, -1) for d in (-1, 0, 1)]
NUMBERS = st.sampled_from([n for n in BORDERS if -(2**63) <= n < 2**63]) | st.integers(-(2**63), 2**63 - 1)
BINARY = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "//": operator.floordiv, "%": operator.mod,
    "/": operator.truediv, "**": lambda a, b: a ** (b & 63), "<<": lambda a, b: a << (b & 127), ">>": operator.rshift,
    "&": operator.and_, "|": operator.or_, "^": operator.xor, "neg": lambda a, b: -a, "abs": lambda a, b: abs(a),
}  # fmt: skip
X = ac.zeros(2, dtype=ac.float64)


@functools.cache
def programs(first: str, second: str, other: int | None) -> list[tuple[Any, Any]]:
    """Of two numbers: two operators, one after the other, the second with a number that is written in the program."""

    def computed(x: Any, n: Any, m: Any) -> Any:
        a = BINARY[first](n, m)
        return a if second == "" else BINARY[second](a, m if other is None else other)

    fs = [lambda x, n, m: x + computed(x, n, m), lambda x, n, m: ac.where(computed(x, n, m) < n, x, x + 1)]
    return [(f, ac.compile(f)) for f in fs]


def as_eager(eager: Any, compiled: Any, x: Any, *numbers: Any) -> bool:
    """Whether both gave the same; else the compiled function refused what the other one may have computed."""
    try:
        want = eager(x, *numbers).tolist()
    except (ValueError, ZeroDivisionError, OverflowError, TypeError, ac.AliceError) as error:
        want = error
    try:
        got = compiled(x, *numbers).tolist()
    except (ValueError, OverflowError, ac.AliceError):
        return False
    assert got == want, (numbers, got, want)
    return True


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*BINARY]), st.sampled_from(["", "+", "*", "-"]), st.sampled_from([None, 3]), NUMBERS, NUMBERS)
def test_integers_of_programs_are_exact_or_refused(first: str, second: str, other: Any, n: int, m: int) -> None:
    for eager, compiled in programs(first, second, other):
        as_eager(eager, compiled, X, n, m)


@pytest.mark.parametrize("op", BINARY)
def test_integers_at_the_borders_of_int64(op: str) -> None:
    eager, compiled = programs(op, "", None)[0]
    numbers = (-(2**63), -(2**62), -7, -1, 0, 1, 3, 63, 2**31, 2**53 + 1, 2**62, 2**63 - 1)
    for n, m in itertools.product(numbers, repeat=2):
        same = as_eager(eager, compiled, X, n, m)
        try:
            exact = BINARY[op](n, m)
        except (ValueError, ZeroDivisionError):
            continue
        fits = all(abs(k) <= 2**53 for k in (n, m)) if op == "/" else -(2**63) <= exact < 2**63
        assert same or not fits, (n, m)


@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge])
def test_integers_are_compared_with_numbers_by_value(compare: Any) -> None:
    f = lambda x, n, m: ac.where(compare(n, m), x, x + 1)  # noqa: E731
    compiled = ac.compile(f)
    others = (2.0**53, 2.0**63, 4.5, 2**63, 2**64, -(2**70))
    for n, m in itertools.product((2**53, 2**53 + 1, -(2**63), 2**63 - 1, 5), others):
        assert as_eager(f, compiled, X, n, m) or isinstance(m, float)


def test_what_is_refused_is_named() -> None:
    x = ac.tensor([1, 2])
    for f, n, m, message in (
        (lambda x, n, m: x + (n + m), 2**62, 2**62, f"add: .* a result of int64; got {2**62} and {2**62}; compute"),
        (lambda x, n, m: x + -n, -(2**63), 0, f"negative: .* got -{2**63}; .* static_argnames"),
        (lambda x, n, m: x * (n / 3), 2**53 + 1, 0, f"divide: .* float64 holds exactly; got {2**53 + 1}; "),
        (lambda x, n, m: x * (n < m), 2**53 + 1, 2.0**53, f"compare: .* float64 holds exactly; got {2**53 + 1}; "),
        (lambda x, n, m: x * (n - m), 2**63, 1, f"subtract: expected Python numbers that int64 holds; got {2**63}; "),
        (lambda x, n, m: x + 100 // n, 0, 0, "floor_divide: expected a divisor other than 0"),
        (lambda x, n, m: x + 5 % n, 0, 0, "remainder: expected a divisor other than 0"),
        (lambda x, n, m: x + 5 / n, 0, 0, "divide: expected a divisor other than 0"),
        (lambda x, n, m: x + 5.0 / n, 0, 0, "divide: expected a divisor other than 0"),
        (lambda x, n, m: x + 5.0 / n, 0.0, 0, "divide: expected a divisor other than 0"),
        (lambda x, n, m: x + 5.0 % n, 0.0, 0, "divide: expected a divisor other than 0"),
        (lambda x, n, m: x + n**m, -2.0, 0.5, "pow: .* a power of float64; got -2 and 0.5; .* or pass Tensors"),
        (lambda x, n, m: x + math.floor(n), math.inf, 0, "round: .* whose integer int64 holds; got inf; "),
        (lambda x, n, m: x + round(n, 1), 2.5, 0, r"round: expected no ndigits .* got 1, .* ac\.round\(x, 1\)"),
        (lambda x, n, m: x + pow(n, 3, 5), 2, 0, "pow: expected a base and an exponent; got a modulus, int; take"),
        (lambda x, n, m: x + (n + 1j), 2, 0, "add: expected real numbers .* got a complex one"),
        (lambda x, n, m: x + (n >> m), 5, -1, "bitwise_right_shift: expected a shift by at least 0 places; got -1"),
    ):  # fmt: skip
        with pytest.raises(ValueError if "0" in message[-2:] or "shift" in message else ac.DTypeError, match=message):
            ac.compile(f)(x, n, m)


def test_integers_of_one_example_each() -> None:
    def counted(x: Any, n: Any) -> Any:
        return ac.while_loop(lambda s: s[1] < 10.0, lambda s: (s[0] + n, s[1] * 2), (n, x))[0]

    f = lambda x, n: ac.vmap(lambda x: counted(x, n))(x)  # noqa: E731
    x = ac.tensor([1.0, 3.0])
    assert ac.compile(f)(x, 1).tolist() == f(x, 1).tolist() == [5, 3]
    less = lambda a, b: ac.primitives()["checked_arithmetic"](a, b, 1)  # noqa: E731
    a, b = ac.tensor([5, 7, 2]), ac.tensor([1, 2])
    outer = ac.vmap(lambda b: ac.vmap(lambda a: less(a, b))(a))(b)
    assert outer.tolist() == [[4, 6, 1], [3, 5, 0]]
    assert ac.vmap(lambda b: ac.vmap(lambda a: less(b, a))(a))(b).tolist() == [[-4, -6, -1], [-3, -5, 0]]


def test_bools_of_compiled_functions_are_integers_in_arithmetic() -> None:
    x = ac.tensor([1, 2])
    for f in (lambda x, n, m: x + (n + m), lambda x, n, m: x + n * m, lambda x, n, m: x + -n):
        for n, m in itertools.product((False, True), repeat=2):
            assert ac.compile(f)(x, n, m).dtype == f(x, n, m).dtype
            assert as_eager(f, ac.compile(f), x, n, m)


# ---- real numbers, flags, and functions of Python's of them --------------------------------------------------------

REALS = st.sampled_from([0.0, -0.0, 0.5, -2.5, 1.5, 3.0, -7.0, 1e308, 1e-308, 5e-324, 2.0**53, 2.0**63, math.inf])
ANY = REALS | st.floats(allow_nan=False) | st.integers(-5, 5) | NUMBERS | st.booleans()
MIXED: dict[str, Any] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv,
    "%": operator.mod, "&": operator.and_, "|": operator.or_, "^": operator.xor, "<<": lambda a, b: a << (b & 7),
    "divmod": lambda a, b: divmod(a, b)[0] + divmod(a, b)[1], "~": lambda a, b: ~a, "~<": lambda a, b: ~(a < b),
    "&<": lambda a, b: (a < b) & b, "|<": lambda a, b: (a < b) | (b < a), "+<": lambda a, b: a + (b < a),
    "floor": lambda a, b: math.floor(a), "ceil": lambda a, b: math.ceil(a) + b, "trunc": lambda a, b: math.trunc(a),
    "round": lambda a, b: round(a) * b, "abs": lambda a, b: abs(a) - b, "neg": lambda a, b: -a / b,
}  # fmt: skip
COMPILED = {name: ac.compile(f) for name, f in MIXED.items()}


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*MIXED]), ANY, ANY)
def test_numbers_of_programs_are_pythons_or_refused(name: str, n: Any, m: Any) -> None:
    """Bit for bit, the sign of zero too; the errors that Python raises are errors there."""
    try:
        want = MIXED[name](n, m)
    except (ValueError, ArithmeticError, TypeError) as error:
        want = error
    try:
        got = COMPILED[name](n, m)
    except (ValueError, ArithmeticError, TypeError):
        beyond = isinstance(want, int) and not -(2**63) <= want < 2**63
        assert isinstance(want, Exception) or beyond or any(abs(k) > 2**53 for k in (n, m)), (n, m, want)
        return
    assert type(got) is type(want), (n, m, got, want)
    assert got == want or got != got != want, (n, m, got, want)
    assert math.copysign(1, got) == math.copysign(1, want) or want != want, (n, m, got, want)


@settings(max_examples=100, deadline=None)
@given(REALS | st.floats(-100, 100), REALS | st.floats(-100, 100) | st.integers(-5, 5))
def test_powers_of_programs_are_pythons_or_refused(n: float, m: Any) -> None:
    try:
        want = n**m
    except ArithmeticError as error:
        want = error
    try:
        got = POWER(n, m)
    except ac.DTypeError:
        assert isinstance(want, (complex, Exception)), (n, m, want)
        return
    assert abs(got - want) <= 1e-15 * abs(want) or got == want or got != got != want, (n, m, got, want)


POWER = ac.compile(lambda n, m: n**m)


def test_derivatives_go_past_what_is_looked_at() -> None:
    f = lambda n: (1.0 / n) * n**0.5 + 7.0 % n + n // 0.3  # noqa: E731
    for g in (ac.grad(f), ac.grad(ac.grad(f)), lambda n: ac.jvp(f, [n], [1.0])[1]):
        np.testing.assert_allclose(float(ac.compile(g)(2.5)), float(g(2.5)), rtol=1e-5)


CHOICES: dict[str, Any] = {
    "cond": lambda n, m, f: ac.cond(m > 0, f, lambda n: n, n),
    "captured": lambda n, m, f: ac.cond(m > 0, lambda: f(n), lambda: n),
    "switch": lambda n, m, f: ac.switch(ac.where(m > 0, 1, 0), [lambda n: n, f], n),
    "nested": lambda n, m, f: ac.cond(m > 0, lambda n: ac.cond(m > 1, lambda n: n, f, n), lambda n: n, n),
    "in a tree": lambda n, m, f: ac.cond(m > 0, lambda d: f(d["n"]), lambda d: d["n"], {"n": n, "x": X}),
    "written": lambda n, m, f: ac.cond(m > 0, f, lambda n: n + 0, 2**62),
}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("f", [lambda n: n + 2**62, lambda n: n * n, lambda n: n // 3, lambda n: -n, lambda n: n << 1])
def test_numbers_in_branches_are_exact_or_refused(choice: str, f: Any) -> None:
    eager = lambda x, n, m: x + CHOICES[choice](n, m, f)  # noqa: E731
    compiled = ac.compile(eager)
    for n in (3, -7, 2**31, 2**62, -(2**62), -(2**63), 2**63 - 1):
        fits = choice != "written" and -(2**63) <= f(n) < 2**63
        assert as_eager(eager, compiled, X, n, ac.tensor(1)) or not fits
        assert as_eager(eager, compiled, X, n, ac.tensor(0)) or choice == "written"


def test_numbers_that_a_loop_carries_take_the_dtype_of_its_body() -> None:
    x = ac.tensor([1.5, 2.0])
    for f in (
        lambda n, x: ac.fori_loop(0, 3, lambda i, c: c * x[0], n),
        lambda n, x: ac.scan(lambda c, y: (c * y, c), n, x),
        lambda n, x: ac.while_loop(lambda c: c < 9, lambda c: (c + 1) * x[0], n),
    ):
        eager, compiled = f(2, x), ac.compile(f)(2, x)
        for a, b in zip(ac.tree.leaves(eager), ac.tree.leaves(compiled), strict=True):
            assert (a.dtype, a.tolist()) == (b.dtype, b.tolist())


def test_pythons_functions_of_tensors() -> None:
    """One number leaves, as with float(); several are refused."""
    x = ac.tensor(-2.5)
    assert [round(x), math.floor(x), math.ceil(x), math.trunc(x), round(ac.tensor(7))] == [-2, -3, -2, -2, 7]
    assert round(ac.tensor(2.34, ac.float64), 1) == 2.3
    assert [y.tolist() for y in divmod(ac.tensor([7, -7]), 2)] == [[3, -4], [1, 1]]
    assert [y.tolist() for y in divmod(7.5, ac.tensor([2.0, -2.0]))] == [[3.0, -4.0], [1.5, -0.5]]
    for f in (round, math.floor, math.ceil, math.trunc):
        with pytest.raises(ac.ShapeError, match=r"expected a Tensor with one element; got shape \(2,\)"):
            f(ac.tensor([1.0, 2.0]))
        with pytest.raises(ac.GradientError, match="would lose its derivative"):
            ac.grad(lambda x, f=f: x * f(x))(2.5)
    for f in (lambda x: x + 1j, lambda x: 1j * x, lambda x: x == 1j, lambda x: divmod(x, 1j)):
        with pytest.raises(ac.DTypeError, match="expected real numbers"):
            f(x)


REAL_IN_BODIES = {
    "operand of cond": lambda x, n: ac.cond(ac.sum(x) > -1e9, lambda m: x * m, lambda m: x, n),
    "captured by cond": lambda x, n: ac.cond(ac.sum(x) > -1e9, lambda: x * n, lambda: x),
    "fori_loop": lambda x, n: ac.fori_loop(0, 2, lambda i, h: h * n, x),
    "scan": lambda x, n: ac.scan(lambda h, _: (h * n, None), x, None, length=2)[0],
    "while_loop": lambda x, n: ac.while_loop(lambda h: ac.sum(h) < 2.5 * n, lambda h: h + n, x),
}


@pytest.mark.parametrize("dtype", [ac.float32, ac.float64])
@pytest.mark.parametrize("kind", REAL_IN_BODIES)
def test_real_numbers_in_bodies_have_the_bits_of_eager_calls(kind, dtype):
    x, compiled = ac.tensor([0.1, 0.7], dtype), ac.compile(REAL_IN_BODIES[kind])
    for n in (2.0, 0.1, 0.3):
        got, right = compiled(x, n), REAL_IN_BODIES[kind](x, n)
        assert got.dtype == right.dtype == dtype
        np.testing.assert_array_equal(got.numpy(), right.numpy())


def test_the_least_integer_of_int64_comes_of_a_real_number():
    assert ac.compile(lambda x, n: x * round(n))(ac.ones(1), -(2.0**63)).item() == -(2.0**63)
