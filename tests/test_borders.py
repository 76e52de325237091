"""Random programs across the borders of the engine agree with NumPy, see ``border_programs.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
import border_programs


@pytest.mark.parametrize("start", range(0, 1000, 100))
def test_random_programs(start: int) -> None:
    for seed in range(start, start + 100):
        border_programs.check(seed)


X = ac.tensor([1.0, 2.0])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: ac.sum(ac.vmap(ac.sin)(x)),
        lambda x: ac.sum(ac.vmap(lambda y: ac.grad(ac.sin)(y) * y)(x)),
        lambda x: ac.sum(ac.vmap(ac.custom_jvp(ac.exp).__wrapped__)(x)),
    ],
)
@pytest.mark.parametrize("derive", [ac.grad, ac.jacrev, ac.jacfwd, lambda f: lambda x: ac.vjp(f, x)[1](1.0)[0]])
def test_derivatives_of_vmap_inside_of_no_grad(f: Callable[..., Any], derive: Callable[..., Any]) -> None:
    want = derive(f)(X)
    with ac.no_grad():
        np.testing.assert_array_equal(derive(f)(X).numpy(), want.numpy())
        with ac.no_grad():
            np.testing.assert_array_equal(derive(f)(X).numpy(), want.numpy())


def test_a_no_grad_inside_of_vmap_still_mutes() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        with ac.no_grad():
            y = ac.sin(x)
        return y * x

    for outer in (lambda g: g(), ac.no_grad()(lambda g: g())):
        g = outer(lambda: ac.grad(lambda x: ac.sum(ac.vmap(f)(x)))(X))
        np.testing.assert_array_equal(g.numpy(), ac.sin(X).numpy())


@pytest.mark.parametrize(
    "f",
    [
        lambda x: ac.sum(ac.sin(ac.stop_gradient(x)) * x),
        lambda x: ac.sum(ac.where(x > 1.5, x, x * 2.0) * x),
        lambda x: ac.sum(ac.argmax(x) * x),
    ],
)
def test_columns_of_checkpointed_functions_with_constants(f: Callable[..., Any]) -> None:
    for derive in (ac.jacfwd, ac.jacrev, ac.hessian):
        np.testing.assert_allclose(derive(ac.checkpoint(f))(X).numpy(), derive(f)(X).numpy(), rtol=1e-6)


def test_modules_that_a_compiled_function_makes_and_returns() -> None:
    model = ac.nn.Linear(2, 1, seed=0)
    g, same = ac.compile(lambda m, x: (ac.grad(lambda m: ac.sum(m(x)))(m), m))(model, ac.ones((3, 2)))
    assert same is model
    assert g.weight.tolist() == [[3.0], [3.0]]
