"""Gradient descent that finds its step size, as particle and saddle have it.

From x, as long as the gradient's norm is above 1e-5: after ten steps in a row the step size eta, at first 1e-5,
doubles. If x - eta gradient is within 1e-5 of x, it is done; if the function is smaller there, that is the next x; else
eta halves.

Source: GradBench, evals/particle and evals/saddle; Pearlmutter and Siskind, Using Programming Language Theory to Make
Automatic Differentiation Sound and Efficient, 2008.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradbench.libraries import Library

NEAR = 1e-5


def argmin(lib: Library, value_and_grad: Any, start: Any, max_steps: int | None = None) -> Any:
    xp = lib.xp

    def square(x: Any) -> Any:
        return xp.sum(x * x)

    def goes_on(state: Any) -> Any:
        _, _, gradient, _, _, done = state
        return xp.logical_and(square(gradient) > NEAR * NEAR, xp.logical_not(done))

    def step(state: Any) -> Any:
        x, value, gradient, eta, taken, _ = state
        ten = taken == 10
        eta, taken = xp.where(ten, 2.0 * eta, eta), xp.where(ten, 0, taken)
        move = eta * gradient
        new = x - move
        done = square(move) <= NEAR * NEAR
        new_value, new_gradient = value_and_grad(new)
        better = xp.logical_and(new_value < value, xp.logical_not(done))
        return (
            xp.where(better, new, x),
            xp.where(better, new_value, value),
            xp.where(better, new_gradient, gradient),
            xp.where(better, eta, 0.5 * eta),
            xp.where(better, taken + 1, 0),
            done,
        )

    zero = xp.asarray(np.array(0, np.int64))
    state = (start, *value_and_grad(start), xp.asarray(np.array(1e-5)), zero, zero > 0)
    return lib.while_loop(goes_on, step, state, max_steps=max_steps)[0]


def forward(lib: Library) -> Any:
    """Value and gradient of a function of a number or of few of them, by forward mode."""
    xp = lib.xp

    def value_and_grad_of(f: Any) -> Any:
        def call(x: Any) -> Any:
            if not x.shape:
                return lib.jvp(f, [x], [xp.ones_like(x)])
            values, tangents = lib.vmap(lambda v: lib.jvp(f, [x], [v]))(xp.asarray(np.eye(x.shape[0])))
            return values[0], tangents

        return call

    return value_and_grad_of
