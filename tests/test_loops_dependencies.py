"""What no step makes depend on what is differentiated has neither tangents nor cotangents in a loop, whatever depends
on what: a loop's derivatives are those of its steps one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac

STEPS = 3


def hidden(x: Any) -> Any:
    with ac.no_grad():
        return ac.sin(x)


#: Ways in which a value may depend on another one; by the last three no derivative goes.
WAYS: list[Callable[[Any], Any]] = [
    ac.sin,
    lambda x: x * 0.5,
    hidden,
    lambda x: ac.sin(ac.stop_gradient(x)),
    lambda x: ac.where(x > 0.2, 0.3, 0.4),
]

Web = list[list[tuple[int, int]]]  # of each value that is carried: which it reads, and in which way


@st.composite
def webs(draw: Any) -> tuple[Web, list[bool]]:
    n = draw(st.integers(1, 4))
    reads = st.lists(st.tuples(st.integers(0, n), st.integers(0, len(WAYS) - 1)), max_size=2)
    return [draw(reads) for _ in range(n)], [draw(st.booleans()) for _ in range(n + 1)]


def function(web: Web, moving: list[bool], loop: str) -> Callable[[Any], Any]:
    """Of the numbers from which those that are carried start, and a constant of all steps; those that do not move are
    constants of the function."""
    n = len(web)
    start = [0.1 * (k + 1) for k in range(n + 1)]

    def call(x: Any) -> Any:
        first = [x[k] if moves else ac.asarray(start[k], dtype=ac.float64) for k, moves in enumerate(moving)]

        def step(carry: Any) -> Any:
            read = [*carry, first[n]]
            return tuple(sum((WAYS[way](read[j]) for j, way in one), ac.asarray(0.1, dtype=ac.float64)) for one in web)

        def stacking(carry: Any, _: Any) -> Any:
            return step(carry), ac.cos(carry[0])

        carry, seen = tuple(first[:n]), []
        if loop == "scan":
            carry, stacked = ac.scan(stacking, carry, None, length=STEPS)
        elif loop == "while":
            counting = lambda s: (s[0] + 1, step(s[1]))  # noqa: E731
            carry = ac.while_loop(lambda s: s[0] < STEPS, counting, (0, carry), max_steps=STEPS + 1)[1]
            stacked = x[:1]
        else:
            for _ in range(STEPS):
                carry, one = stacking(carry, None)
                seen.append(one)
            stacked = ac.stack(seen) if loop == "steps" else x[:1]
        return ac.concat([ac.stack(list(carry)) * ac.asarray(np.arange(1.0, n + 1)), stacked])

    return call


@pytest.mark.parametrize(("loop", "plain"), [("scan", "steps"), ("while", "steps alone")])
@given(webs())
def test_any_web_of_dependencies(loop: str, plain: str, case: tuple[Web, list[bool]]) -> None:
    f, expected = (function(*case, which) for which in (loop, plain))
    x = ac.asarray(np.linspace(0.1, 0.6, len(case[1])))
    v = ac.asarray(np.linspace(1.0, 2.0, len(case[1])))

    def slope(f: Any) -> Any:
        return lambda x: ac.jvp(f, [x], [v])[1]

    def gradient(f: Any) -> Any:
        return ac.grad(lambda x: ac.sum(ac.sin(f(x))))

    ways = [slope, gradient, lambda f: slope(gradient(f)), lambda f: gradient(slope(f)), ac.jacfwd, ac.jacrev]
    for way in ways:
        np.testing.assert_allclose(np.asarray(way(f)(x)), np.asarray(way(expected)(x)), rtol=1e-12, atol=1e-14)


def test_what_does_not_move_is_not_carried_twice() -> None:
    """y goes its way alone, the sum depends on x: of three numbers that are carried one has a tangent."""

    def f(x: Any) -> Any:
        def step(state: Any) -> Any:
            y, total, count = state
            return ac.cos(y), total + x * y, count + 1

        y, total, _ = ac.while_loop(lambda s: s[2] < 5, step, (ac.ones_like(x), ac.zeros_like(x), 0), max_steps=9)
        return total + y

    x = ac.tensor(np.array(0.7))
    trace = str(ac.trace(lambda x: ac.jvp(f, [x], [ac.ones_like(x)])[1])(x))
    body = trace.split("body(")[2]
    assert len(body.split("return ")[1].splitlines()[0].split(",")) == 4
    (back,) = (line for line in str(ac.trace(ac.grad(f))(x)).splitlines() if " = scan(" in line)
    assert "{…}, (0, 2)," in back  # it carries the cotangent of the total, and the sum by x
