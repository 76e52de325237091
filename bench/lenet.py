"""A training step of LeNet on scikit-learn's digits (8x8 images): forward, cross-entropy, backward, SGD with momentum.

Every contender starts from the same parameters, and all must have the same loss after some steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
from peers import HAS_COMPILE, THREADS, jax, jnp, torch
from rows import EAGER, OURS, Row, Target

LR, MOMENTUM = 0.01, 0.9


class LeNet(ac.nn.Module):
    """LeNet-5 with windows that fit the images."""

    def __init__(self) -> None:
        self.conv1, self.conv2 = ac.nn.Conv2d(1, 6, 5, padding=2), ac.nn.Conv2d(6, 16, 3, padding=1)
        self.fc1, self.fc2, self.fc3 = ac.nn.Linear(64, 120), ac.nn.Linear(120, 84), ac.nn.Linear(84, 10)

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        x = ac.max_pool2d(ac.relu(self.conv1(x)), 2)
        x = ac.max_pool2d(ac.relu(self.conv2(x)), 2)
        return self.fc3(ac.relu(self.fc2(ac.relu(self.fc1(ac.flatten(x, 1))))))


def problem(batch: int) -> tuple[list[Any], Any, Any]:
    """Parameters in the order of the layers, images and labels. Images are noise: no two items are equal."""
    model = LeNet()
    rng = np.random.default_rng(0)
    parameters = [p.numpy().copy() for p in model.parameters()]
    return parameters, rng.standard_normal((batch, 1, 8, 8)).astype(np.float32), rng.integers(0, 10, batch)


def ours(parameters: list[Any], x: Any, y: Any, compiled: bool) -> Any:
    model = LeNet()
    for p, value in zip(model.parameters(), parameters, strict=True):
        p.assign_(value)
    opt = ac.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)

    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    call, ax, ay = ac.compile(step) if compiled else step, ac.tensor(x), ac.tensor(y)
    return lambda: call(ax, ay)


def torch_loss(values: list[Any], x: Any, y: Any) -> Any:
    f = torch.nn.functional
    x = f.max_pool2d(torch.relu(f.conv2d(x, values[0], values[1], padding=2)), 2)
    x = f.max_pool2d(torch.relu(f.conv2d(x, values[2], values[3], padding=1)), 2).flatten(1)
    x = torch.relu(torch.addmm(values[5], x, values[4]))
    x = torch.relu(torch.addmm(values[7], x, values[6]))
    return f.cross_entropy(torch.addmm(values[9], x, values[8]), y)


def torch_eager(parameters: list[Any], x: Any, y: Any) -> Any:
    values = [torch.tensor(p).requires_grad_() for p in parameters]
    opt = torch.optim.SGD(values, lr=LR, momentum=MOMENTUM)
    tx, ty = torch.tensor(x), torch.tensor(y)

    def step() -> object:
        loss = torch_loss(values, tx, ty)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss.detach()

    return step


def torch_compiled(parameters: list[Any], x: Any, y: Any) -> Any:
    torch._dynamo.reset()
    values = [torch.tensor(p) for p in parameters]
    velocities = [torch.zeros_like(p) for p in values]
    tx, ty = torch.tensor(x), torch.tensor(y)

    def step(values: list[Any], velocities: list[Any], x: Any, y: Any) -> Any:
        gradients, loss = torch.func.grad_and_value(torch_loss)(values, x, y)
        for p, v, g in zip(values, velocities, gradients, strict=True):
            v.mul_(MOMENTUM).add_(g)
            p.sub_(v, alpha=LR)
        return loss

    call = torch.compile(step, dynamic=False)

    def run() -> object:
        with torch.no_grad():
            return call(values, velocities, tx, ty)

    return run


def jax_compiled(parameters: list[Any], x: Any, y: Any) -> Any:
    def pooled(x: Any) -> Any:
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def convolved(x: Any, w: Any, b: Any) -> Any:
        return jnp.maximum(jax.lax.conv(x, w, (1, 1), "SAME") + b[:, None, None], 0)

    def loss_of(values: Any, x: Any, y: Any) -> Any:
        x = pooled(convolved(x, values[0], values[1]))
        x = pooled(convolved(x, values[2], values[3])).reshape(x.shape[0], -1)
        x = jnp.maximum(x @ values[4] + values[5], 0)
        x = jnp.maximum(x @ values[6] + values[7], 0) @ values[8] + values[9]
        return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1).mean()

    def step(values: Any, velocities: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(values, x, y)
        velocities = [MOMENTUM * v + g for v, g in zip(velocities, gradients, strict=True)]
        return [p - LR * v for p, v in zip(values, velocities, strict=True)], velocities, loss

    call = jax.jit(step, donate_argnums=(0, 1))
    state: list[Any] = [[jnp.array(p) for p in parameters], [jnp.zeros_like(p) for p in parameters]]
    jx, jy = jnp.array(x), jnp.array(y, jnp.int32)

    def run() -> object:
        *state[:], loss = call(*state, jx, jy)
        return loss.block_until_ready()

    return run


def contenders(batch: int, quick: bool) -> dict[str, Any]:
    parameters, x, y = problem(batch)
    steps: dict[str, Any] = {}
    if HAS_COMPILE:
        steps[OURS] = ours(parameters, x, y, compiled=True)
    steps[EAGER] = ours(parameters, x, y, compiled=False)
    if torch is not None:
        steps["torch"] = torch_eager(parameters, x, y)
        if not quick:
            steps["torch.compile"] = torch_compiled(parameters, x, y)
    if jax is not None:
        steps["jax.jit"] = jax_compiled(parameters, x, y)
    losses = {name: [float(step()) for _ in range(10)][-1] for name, step in steps.items()}
    if not max(losses.values()) - min(losses.values()) <= 1e-4:
        raise RuntimeError(f"after 10 steps the losses differ: {losses}")
    return steps


def rows(quick: bool) -> Iterator[Row]:
    for batch in (32, 128):
        targets = (Target(0.8, "best peer"),) if THREADS == 1 else ()
        yield Row(f"step LeNet, batch {batch}", partial(contenders, batch, quick), targets)
