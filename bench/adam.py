"""A training step with Adam beside one with SGD, and beside what the peers have."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
import floor
import steps
from peers import HAS_COMPILE, HAS_FLOOR, THREADS, jax, jnp, torch
from rows import EAGER, OURS, SGD, Row, Target, over_floor

LR, BETA1, BETA2, EPS = 0.01, 0.9, 0.999, 1e-8


def ours(sizes: list[int], parameters: list[Any], x: Any, y: Any, compiled: bool) -> Any:
    model, _ = steps.our_model(sizes, parameters)
    opt = ac.optim.Adam(model.parameters(), lr=LR)
    ax, ay = ac.tensor(x), ac.tensor(y)

    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    call = ac.compile(step) if compiled else step
    return lambda: call(ax, ay)


def numpy_step(parameters: list[Any], x: Any, y: Any) -> Any:
    parameters = [p.copy() for p in parameters]
    means, squares = ([np.zeros_like(p) for p in parameters] for _ in range(2))
    rows, n, t = np.arange(len(y)), len(parameters), 0

    def step() -> object:
        nonlocal t
        t += 1
        values = [x]
        for layer in range(0, n, 2):
            z = values[-1] @ parameters[layer] + parameters[layer + 1]
            values.append(np.maximum(z, 0) if layer + 2 < n else z)
        z = values.pop()
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        sums = p.sum(axis=1, keepdims=True)
        loss = (np.log(sums[:, 0]) - z[rows, y]).mean()
        p /= sums
        p[rows, y] -= 1
        adjoint = p / np.float32(len(y))
        gradients: list[Any] = [None] * n
        for layer in range(n - 2, -2, -2):
            gradients[layer : layer + 2] = values[layer // 2].T @ adjoint, adjoint.sum(axis=0)
            adjoint = adjoint @ parameters[layer].T * (values[layer // 2] > 0)
        rate, correction = np.float32(LR / (1 - BETA1**t)), np.float32((1 - BETA2**t) ** -0.5)
        for p, m, v, g in zip(parameters, means, squares, gradients, strict=True):
            m *= np.float32(BETA1)
            m += np.float32(1 - BETA1) * g
            v *= np.float32(BETA2)
            v += np.float32(1 - BETA2) * g * g
            p -= rate * m / (np.sqrt(v) * correction + np.float32(EPS))
        return loss

    return step


def torch_eager(sizes: list[int], parameters: list[Any], x: Any, y: Any) -> Any:
    model, _ = steps.torch_model(sizes, parameters)
    opt = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    tx, ty = torch.tensor(x), torch.tensor(y)

    def step() -> object:
        loss = torch.nn.functional.cross_entropy(model(tx), ty)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss.detach()

    return step


def jax_compiled(parameters: list[Any], x: Any, y: Any) -> Any:
    def step(values: Any, means: Any, squares: Any, t: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(steps.jax_loss)(values, x, y)
        t = t + 1
        means = [BETA1 * m + (1 - BETA1) * g for m, g in zip(means, gradients, strict=True)]
        squares = [BETA2 * v + (1 - BETA2) * g * g for v, g in zip(squares, gradients, strict=True)]
        rate, correction = LR / (1 - BETA1**t), (1 - BETA2**t) ** -0.5
        values = [
            p - rate * m / (jnp.sqrt(v) * correction + EPS) for p, m, v in zip(values, means, squares, strict=True)
        ]
        return values, means, squares, t, loss

    call = jax.jit(step, donate_argnums=(0, 1, 2, 3))
    zeros: list[Any] = [[jnp.zeros_like(p) for p in parameters] for _ in range(2)]
    state: list[Any] = [[jnp.array(p) for p in parameters], *zeros, jnp.zeros((), jnp.float32)]
    jx, jy = jnp.array(x), jnp.array(y, jnp.int32)

    def run() -> object:
        *state[:], loss = call(*state, jx, jy)
        return loss.block_until_ready()

    return run


def contenders(sizes: list[int], batch: int) -> dict[str, Any]:
    parameters, x, y = steps.problem(sizes, batch)
    found: dict[str, Any] = {}
    if HAS_COMPILE:
        found[OURS] = ours(sizes, parameters, x, y, compiled=True)
    found[EAGER] = ours(sizes, parameters, x, y, compiled=False)
    if HAS_FLOOR:
        for build in floor.BUILDS:
            found[build] = floor.mlp(build, parameters, x, y, LR, None)
    found["NumPy"] = numpy_step(parameters, x, y)
    if torch is not None:
        found["torch"] = torch_eager(sizes, parameters, x, y)
    if jax is not None:
        found["jax.jit"] = jax_compiled(parameters, x, y)
    steps.check_losses(found)
    if HAS_COMPILE:
        found[SGD] = steps.ours(sizes, parameters, x, y, compiled=True)
    return found


def row(sizes: list[int], batch: int) -> Row:
    targets = (over_floor(1.0), Target(1.15, SGD)) if THREADS == 1 else ()
    return Row(f"step {'-'.join(map(str, sizes))}, batch {batch}, Adam", partial(contenders, sizes, batch), targets)
