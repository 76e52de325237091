"""Forward mode runs one loop, which carries values and tangents, not one for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac

X = np.array([0.3, 0.7])


def scanned(x: Any) -> Any:
    def step(carry: Any, item: Any) -> Any:
        y, count = carry
        return (ac.sin(y) * item + y, count + 1), (y * y, count)

    (last, count), (squares, counts) = ac.scan(step, (x, ac.asarray(0)), x * ac.ones((5, 1), x.dtype))
    return last * count.astype(x.dtype) + ac.sum(squares, axis=0) + ac.sum(counts).astype(x.dtype)


def whiled(x: Any) -> Any:
    """The condition reads the carry, and a bound that depends on x."""
    bound = ac.sum(x) + 2.0
    return ac.while_loop(lambda s: ac.sum(s[0]) < bound, lambda s: (s[0] + x * ac.cos(s[0]), s[1] + 1), (x, 0))[0]


def counted(x: Any) -> Any:
    return ac.fori_loop(0, 4, lambda i, y: y * x + ac.exp(-y), x)


LOOPS = [(scanned, "scan("), (whiled, "while_loop("), (counted, "scan(")]


def numerically(f: Callable[[Any], Any], x: Any, v: Any) -> Any:
    h = 1e-6
    return (np.asarray(f(ac.tensor(x + h * v))) - np.asarray(f(ac.tensor(x - h * v)))) / (2 * h)


@pytest.mark.parametrize(("f", "loop"), LOOPS)
def test_values_and_tangents_come_from_one_loop(f: Any, loop: str) -> None:
    x, v = ac.tensor(X), ac.tensor(np.array([1.0, -0.5]))
    both = ac.compile(lambda x, v: ac.jvp(f, [x], [v]))
    value, tangent = both(x, v)
    assert str(both.program(x, v)).count(loop) == 1
    np.testing.assert_array_equal(value, f(x))
    np.testing.assert_array_equal(np.asarray(tangent), np.asarray(ac.jvp(f, [x], [v])[1]))
    np.testing.assert_allclose(np.asarray(tangent), numerically(f, X, np.asarray(v)), rtol=1e-8)


@pytest.mark.parametrize(("f", "loop"), LOOPS)
def test_tangents_of_tangents_too(f: Any, loop: str) -> None:
    x, v = ac.tensor(X), ac.tensor(np.array([1.0, -0.5]))
    slope = lambda x: ac.jvp(f, [x], [v])[1]  # noqa: E731
    twice = ac.compile(lambda x, v: ac.jvp(slope, [x], [v])[1])
    assert str((twice(x, v), twice.program(x, v))[1]).count(loop) == 1
    np.testing.assert_allclose(np.asarray(twice(x, v)), numerically(slope, X, np.asarray(v)), rtol=1e-7)


@pytest.mark.parametrize("f", [scanned, counted])
def test_nested_with_reverse_mode_both_ways(f: Any) -> None:
    """A value that reverse mode follows keeps its tangent: the derivative of a gradient is not 0."""
    x, v = ac.tensor(X), ac.tensor(np.array([1.0, -0.5]))
    gradient = ac.grad(lambda x: ac.sum(f(x)))
    expected = numerically(gradient, X, np.asarray(v))
    np.testing.assert_allclose(np.asarray(ac.jvp(gradient, [x], [v])[1]), expected, rtol=1e-7)
    over = ac.grad(lambda x: ac.sum(ac.jvp(f, [x], [v])[1]))
    np.testing.assert_allclose(np.asarray(over(x)), expected, rtol=1e-7)
    inside = ac.grad(lambda a: ac.sum(ac.jvp(lambda x: f(x) * a, [x], [v])[1]))
    np.testing.assert_allclose(
        np.asarray(inside(ac.tensor(np.ones(2)))), np.asarray(ac.jvp(f, [x], [v])[1]), rtol=1e-12
    )
