"""Linearisation: one run of the function, then its derivative in any number of directions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import tree
from derivative_modes import MODES, normal, scalar, vector
from op_calls import DIFFERENTIABLE as CASES
from op_calls import flat_calls
from op_cases import OpCase
from random_programs import compare


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_linearize_agrees_with_jvp(case: OpCase) -> None:
    rng = np.random.default_rng(4)
    for f, xs in flat_calls(case):
        y, f_jvp = ac.linearize(f, *xs)
        for _ in range(2):
            vs = [normal(rng, x) for x in xs]
            want, tangents = ac.jvp(f, xs, vs)
            compare(want, y)
            for a, b in zip(tree.leaves(f_jvp(*vs)), tree.leaves(tangents), strict=True):
                assert a.dtype == b.dtype
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12, err_msg=case.name)


def test_linearize_runs_the_function_once() -> None:
    calls = 0

    def f(x: ac.Tensor, p: dict[str, ac.Tensor]) -> tuple[ac.Tensor, list[ac.Tensor]]:
        nonlocal calls
        calls += 1
        return ac.sin(x) * p["a"], [x]

    y, f_jvp = ac.linearize(f, scalar(0.5), {"a": scalar(2.0)})
    assert isinstance(y, tuple)
    for v in (1.0, -3.0):
        dy = f_jvp(scalar(v), {"a": scalar(0.0)})
        np.testing.assert_allclose(dy[0].item(), 2 * math.cos(0.5) * v, rtol=1e-15)
        assert dy[1][0].item() == v
    assert calls == 1


def test_a_linear_approximation() -> None:
    """f(x + h) = f(x) + df(x) h + O(h²), and exactly for a linear f."""
    y, f_jvp = ac.linearize(lambda x: ac.sin(x) * x, scalar(1.2))
    for h in (1e-2, 1e-3, 1e-4):
        error = abs(math.sin(1.2 + h) * (1.2 + h) - (y + f_jvp(h)).item())
        assert error <= 2.0 * h * h
    A = vector(1.0, -2.0, 3.0)
    y, f_jvp = ac.linearize(lambda x: A @ x, vector(1.0, 1.0, 1.0))
    assert (y.item(), f_jvp(vector(2.0, 0.0, 1.0)).item()) == (2.0, 5.0)


def test_linearize_refuses_values_that_changed() -> None:
    p = scalar(3.0).requires_grad_()
    _, f_jvp = ac.linearize(lambda x: x * p, scalar(2.0))
    assert f_jvp(1.0).item() == 3.0
    p.assign_(4.0)
    with pytest.raises(ac.GradientError, match="changed in place"):
        f_jvp(1.0)


# -- saved graphs meet other contexts ----------------------------------------------------------------------------------


def pulled(f: Any, x: ac.Tensor) -> Any:
    """The linear map c -> J c of a function of one number, by its pull-back, which is then the same."""
    pullback = ac.vjp(f, x)[1]
    return lambda c: pullback(c)[0]


def pushed(f: Any, x: ac.Tensor) -> Any:
    return ac.linearize(f, x)[1]


@pytest.mark.parametrize("saved", [pulled, pushed])
@pytest.mark.parametrize("mode", MODES)
def test_a_saved_graph_is_a_function_like_any_other(mode: Any, saved: Any) -> None:
    """c -> 12 c is differentiable in c."""
    linear = saved(lambda x: x**3, scalar(2.0))
    assert mode(lambda c: linear(c))(scalar(5.0)).item() == 12.0
    assert mode(lambda c: linear(c**2))(scalar(5.0)).item() == 120.0


@pytest.mark.parametrize("saved", [pulled, pushed])
@pytest.mark.parametrize("mode", MODES)
def test_a_saved_graph_outlives_the_context_it_was_made_in(mode: Any, saved: Any) -> None:
    """Made where y has a tangent, used when that is gone and only x is still being differentiated: 3 x² y, y = 2."""

    def f(x: ac.Tensor) -> ac.Tensor:
        stash = []

        def inner(y: ac.Tensor) -> ac.Tensor:
            stash.append(saved(lambda z: z**3 * y, x))
            return y

        ac.jvp(inner, [scalar(2.0)], [scalar(1.0)])
        ac.grad(inner)(scalar(2.0))
        first, second = stash
        return first(scalar(1.0)) + second(scalar(1.0))

    assert f(scalar(3.0)).item() == 108.0
    assert mode(f)(scalar(3.0)).item() == 72.0
    assert mode(mode(f))(scalar(3.0)).item() == 24.0


@pytest.mark.parametrize("saved", [pulled, pushed])
@pytest.mark.parametrize("mode", MODES)
def test_a_saved_graph_used_in_a_context_beside_its_own(mode: Any, saved: Any) -> None:
    """d/dc [2 x² · c x] in the direction x = 2 x⁴."""

    def f(x: ac.Tensor) -> ac.Tensor:
        linear = saved(lambda z: z**2 * x, x)
        return ac.jvp(lambda c: linear(c * x), [x], [x])[1]

    assert f(scalar(3.0)).item() == 162.0
    assert mode(f)(scalar(3.0)).item() == 216.0
