"""Logistic regression in float64: a step of gradient descent, as a user of each package writes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
import floor
from peers import HAS_COMPILE, HAS_FLOOR, jax, jnp, mx, torch
from rows import EAGER, OURS, Row


def contenders(features: int, batch: int, check: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """A step of gradient descent in float64, on the mean of log(1 + exp(-z)) and its mirror image."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, features))
    y = (rng.random(batch) < 0.5).astype(np.float64)
    lr = 0.1
    steps: dict[str, Any] = {}

    def our_step(compiled: bool) -> Any:
        w, b = ac.tensor(np.zeros(features)).requires_grad_(), ac.tensor(np.zeros(())).requires_grad_()
        opt = ac.optim.SGD([w, b], lr=lr)
        ax, ay = ac.tensor(x), ac.tensor(y)

        def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
            loss = ac.losses.binary_cross_entropy_with_logits(x @ w + b, y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        call = ac.compile(step) if compiled else step
        return lambda: call(ax, ay)

    if HAS_COMPILE:
        steps[OURS] = our_step(compiled=True)
    steps[EAGER] = our_step(compiled=False)
    if HAS_FLOOR:
        for build in floor.BUILDS:
            steps[build] = floor.logistic(build, x, y, lr)

    nw, nb = np.zeros(features), np.zeros(())

    def numpy_logistic() -> object:
        z = x @ nw
        z += nb
        e = np.exp(-np.abs(z))
        loss = (np.maximum(z, 0) - z * y + np.log1p(e)).mean()
        residual = np.where(z >= 0, 1, e)
        e += 1
        residual /= e
        residual -= y
        residual /= batch
        nw[...] -= lr * (residual @ x)
        nb[...] -= lr * residual.sum()
        return loss

    steps["NumPy"] = numpy_logistic
    if torch is not None:
        tw, tb = (torch.zeros(shape, dtype=torch.float64, requires_grad=True) for shape in ((features,), ()))
        opt = torch.optim.SGD([tw, tb], lr=lr)
        tx, ty = torch.tensor(x), torch.tensor(y)

        def torch_logistic() -> object:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(tx @ tw + tb, ty)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss.detach()

        steps["torch"] = torch_logistic
    if jax is not None:

        def jax_logistic(w: Any, b: Any, x: Any, y: Any) -> Any:
            def loss_of(w: Any, b: Any) -> Any:
                z = x @ w + b
                return (jax.nn.softplus(z) - z * y).mean()

            loss, (dw, db) = jax.value_and_grad(loss_of, argnums=(0, 1))(w, b)
            return w - lr * dw, b - lr * db, loss

        call = jax.jit(jax_logistic, donate_argnums=(0, 1))
        jx, jy = jnp.array(x), jnp.array(y)
        jax_state: list[Any] = [jnp.zeros(features, jnp.float64), jnp.zeros((), jnp.float64)]

        def run_jax() -> object:
            *jax_state[:], loss = call(*jax_state, jx, jy)
            return loss.block_until_ready()

        steps["jax.jit"] = run_jax
    if mx is not None:
        mx_x, mx_y = mx.array(x, mx.float64), mx.array(y, mx.float64)

        def mlx_logistic(w: Any, b: Any, x: Any, y: Any) -> Any:
            def loss_of(w: Any, b: Any) -> Any:
                z = x @ w + b
                return (mx.logaddexp(z, 0) - z * y).mean()

            loss, (dw, db) = mx.value_and_grad(loss_of, argnums=(0, 1))(w, b)
            return w - lr * dw, b - lr * db, loss

        compiled = mx.compile(mlx_logistic)
        mlx_state: list[Any] = [mx.zeros(features, mx.float64), mx.zeros((), mx.float64)]

        def run_mlx() -> Any:
            *mlx_state[:], loss = compiled(*mlx_state, mx_x, mx_y)
            mx.eval(mlx_state, loss)
            return loss

        steps["mlx.compile"] = run_mlx
    check(steps)
    return steps


def limit(features: int, batch: int) -> float:
    moved = 8 * features * batch * 2  # both products read x
    return max(4 * features * batch / floor.peak("float64"), moved / floor.bandwidth(moved // 2))


def row(check: Callable[[dict[str, Any]], None]) -> Row:
    """``check`` sees all steps before they are measured."""
    return Row(
        "logistic regression, float64, 64 features, batch 256",
        partial(contenders, 64, 256, check),
        limit=partial(limit, 64, 256) if HAS_FLOOR else None,
    )
