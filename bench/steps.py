"""Training steps: forward, cross-entropy, backward, SGD with momentum, as a user of each package writes them.

Every contender starts from the same parameters, and all must have the same loss after some steps: they do the same
work, or the row is not measured.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import adam
import alice_core as ac
import floor
import logistic
from harness import Contender
from peers import HAS_COMPILE, HAS_FLOOR, THREADS, autograd, jax, jnp, mx, torch
from rows import EAGER, OURS, Row, Target, over_floor, peer_over_ours

LR, MOMENTUM = 0.01, 0.9


def problem(sizes: list[int], batch: int) -> tuple[list[Any], Any, Any]:
    """Parameters w0, b0, w1, b1, …, images and labels."""
    rng = np.random.default_rng(0)
    parameters = []
    for n, m in itertools.pairwise(sizes):
        bound = n**-0.5
        parameters.append(rng.uniform(-bound, bound, (n, m)).astype(np.float32))
        parameters.append(rng.uniform(-bound, bound, m).astype(np.float32))
    return parameters, rng.standard_normal((batch, sizes[0])).astype(np.float32), rng.integers(0, sizes[-1], batch)


def our_model(sizes: list[int], parameters: list[Any]) -> tuple[Any, Any]:
    model = ac.nn.MLP(sizes)
    for p, value in zip(model.parameters(), parameters, strict=True):
        p.assign_(value)
    return model, ac.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)


def ours(sizes: list[int], parameters: list[Any], x: Any, y: Any, compiled: bool) -> Any:
    model, opt = our_model(sizes, parameters)
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
    velocities = [np.zeros_like(p) for p in parameters]
    rows = np.arange(len(y))
    last = len(parameters) // 2 - 1

    def step() -> object:
        values = [x]
        for layer in range(last + 1):
            z = values[-1] @ parameters[2 * layer]
            z += parameters[2 * layer + 1]
            if layer < last:
                np.maximum(z, 0, out=z)
            values.append(z)
        z = values.pop()
        z -= z.max(axis=1, keepdims=True)
        picked = z[rows, y]
        p = np.exp(z, out=z)
        sums = p.sum(axis=1, keepdims=True)
        loss = (np.log(sums[:, 0]) - picked).mean()
        p /= sums
        p[rows, y] -= 1
        p /= np.float32(len(y))
        adjoint = p
        gradients: list[Any] = [None] * len(parameters)
        for layer in range(last, -1, -1):
            gradients[2 * layer] = values[layer].T @ adjoint
            gradients[2 * layer + 1] = adjoint.sum(axis=0)
            if layer > 0:
                adjoint = adjoint @ parameters[2 * layer].T
                adjoint *= values[layer] > 0
        for p, v, g in zip(parameters, velocities, gradients, strict=True):
            v *= MOMENTUM
            v += g
            g[...] = v
            g *= LR
            p -= g
        return loss

    return step


def torch_model(sizes: list[int], parameters: list[Any]) -> tuple[Any, Any]:
    layers: list[Any] = []
    for i, (n, m) in enumerate(itertools.pairwise(sizes)):
        layers += [torch.nn.ReLU()] * (i > 0) + [torch.nn.Linear(n, m)]
    model = torch.nn.Sequential(*layers)
    with torch.no_grad():
        for p, value in zip(model.parameters(), parameters, strict=True):
            p.copy_(torch.tensor(value).T if value.ndim == 2 else torch.tensor(value))
    return model, torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)


def torch_eager(sizes: list[int], parameters: list[Any], x: Any, y: Any) -> Any:
    model, opt = torch_model(sizes, parameters)
    tx, ty = torch.tensor(x), torch.tensor(y)

    def step() -> object:
        loss = torch.nn.functional.cross_entropy(model(tx), ty)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss.detach()

    return step


def torch_compiled(sizes: list[int], parameters: list[Any], x: Any, y: Any) -> Any:
    """The whole step as one graph: functional gradients, updates in place."""
    torch._dynamo.reset()
    values = [torch.tensor(p) for p in parameters]
    velocities = [torch.zeros_like(p) for p in values]
    tx, ty = torch.tensor(x), torch.tensor(y)

    def loss_of(values: list[Any], x: Any, y: Any) -> Any:
        for layer in range(0, len(values), 2):
            x = torch.addmm(values[layer + 1], x, values[layer])
            if layer + 2 < len(values):
                x = torch.relu(x)
        return torch.nn.functional.cross_entropy(x, y)

    def step(values: list[Any], velocities: list[Any], x: Any, y: Any) -> Any:
        gradients, loss = torch.func.grad_and_value(loss_of)(values, x, y)
        for p, v, g in zip(values, velocities, gradients, strict=True):
            v.mul_(MOMENTUM).add_(g)
            p.sub_(v, alpha=LR)
        return loss

    call = torch.compile(step, dynamic=False)

    def run() -> object:
        with torch.no_grad():
            return call(values, velocities, tx, ty)

    return run


def jax_loss(values: Any, x: Any, y: Any) -> Any:
    for layer in range(0, len(values), 2):
        x = x @ values[layer] + values[layer + 1]
        if layer + 2 < len(values):
            x = jnp.maximum(x, 0)
    return -jnp.take_along_axis(jax.nn.log_softmax(x), y[:, None], axis=1).mean()


def jax_compiled(parameters: list[Any], x: Any, y: Any) -> Any:
    def step(values: Any, velocities: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(jax_loss)(values, x, y)
        velocities = [MOMENTUM * v + g for v, g in zip(velocities, gradients, strict=True)]
        return [p - LR * v for p, v in zip(values, velocities, strict=True)], velocities, loss

    call = jax.jit(step, donate_argnums=(0, 1))
    state: list[Any] = [[jnp.array(p) for p in parameters], [jnp.zeros_like(p) for p in parameters]]
    jx, jy = jnp.array(x), jnp.array(y, jnp.int32)

    def run() -> object:
        *state[:], loss = call(*state, jx, jy)
        return loss.block_until_ready()

    return run


def mlx_compiled(parameters: list[Any], x: Any, y: Any) -> Any:
    values = [mx.array(p) for p in parameters]
    velocities = [mx.zeros_like(p) for p in values]
    mx_x, mx_y = mx.array(x), mx.array(y.astype(np.int32))

    def loss_of(values: Any, x: Any, y: Any) -> Any:
        for layer in range(0, len(values), 2):
            x = mx.addmm(values[layer + 1], x, values[layer])
            if layer + 2 < len(values):
                x = mx.maximum(x, 0)
        return (mx.logsumexp(x, axis=1) - mx.take_along_axis(x, y[:, None], axis=1)[:, 0]).mean()

    def step(values: Any, velocities: Any, x: Any, y: Any) -> Any:
        loss, gradients = mx.value_and_grad(loss_of)(values, x, y)
        velocities = [MOMENTUM * v + g for v, g in zip(velocities, gradients, strict=True)]
        return [p - LR * v for p, v in zip(values, velocities, strict=True)], velocities, loss

    call = mx.compile(step)
    state: list[Any] = [values, velocities]

    def run() -> Any:
        *state[:], loss = call(*state, mx_x, mx_y)
        mx.eval(state, loss)
        return loss

    return run


def autograd_step(parameters: list[Any], x: Any, y: Any) -> Any:
    anp = __import__("autograd.numpy").numpy
    logsumexp = __import__("autograd.scipy.special").scipy.special.logsumexp
    parameters = [p.copy() for p in parameters]
    velocities = [np.zeros_like(p) for p in parameters]
    rows = np.arange(len(y))

    def loss_of(values: Any, x: Any, y: Any) -> Any:
        for layer in range(0, len(values), 2):
            x = anp.dot(x, values[layer]) + values[layer + 1]
            if layer + 2 < len(values):
                x = anp.maximum(x, 0)
        return anp.mean(logsumexp(x, axis=1) - x[rows, y])

    loss_and_gradients = autograd.value_and_grad(loss_of)

    def step() -> object:
        loss, gradients = loss_and_gradients(parameters, x, y)
        for p, v, g in zip(parameters, velocities, gradients, strict=True):
            v *= MOMENTUM
            v += g
            p -= LR * v
        return loss

    return step


def training_step(sizes: list[int], batch: int, quick: bool = False) -> dict[str, Any]:
    parameters, x, y = problem(sizes, batch)
    steps: dict[str, Any] = {}
    if HAS_COMPILE:
        steps[OURS] = ours(sizes, parameters, x, y, compiled=True)
    steps[EAGER] = ours(sizes, parameters, x, y, compiled=False)
    if HAS_FLOOR:
        for build in floor.BUILDS:
            steps[build] = floor.mlp(build, parameters, x, y, LR, MOMENTUM)
    steps["NumPy"] = numpy_step(parameters, x, y)
    if torch is not None:
        steps["torch"] = torch_eager(sizes, parameters, x, y)
        if not quick:
            steps["torch.compile"] = torch_compiled(sizes, parameters, x, y)
    if jax is not None:
        steps["jax.jit"] = jax_compiled(parameters, x, y)
    if mx is not None:
        steps["mlx.compile"] = mlx_compiled(parameters, x, y)
    if autograd is not None:
        steps["autograd"] = autograd_step(parameters, x, y)
    check_losses(steps)
    return steps


def check_losses(steps: dict[str, Any], n: int = 10, tolerance: float = 1e-4) -> None:
    """After n steps everyone must have the loss that NumPy has."""
    losses = {}
    for name, step in steps.items():
        run = step.run if isinstance(step, Contender) else step
        for _ in range(n):
            loss = run()
        losses[name] = float(loss)  # type: ignore[arg-type]
    wrong = {name: loss for name, loss in losses.items() if not abs(loss - losses["NumPy"]) <= tolerance}
    if wrong:
        raise RuntimeError(f"after {n} steps NumPy's loss is {losses['NumPy']}; got {wrong}")


def step_limit(sizes: list[int], batch: int) -> float:
    """Products at peak speed, or every parameter's share of the traffic, whichever takes longer."""
    layers = list(itertools.pairwise(sizes))
    weights = sum(n * m for n, m in layers)
    flops = 2 * batch * (3 * weights - layers[0][0] * layers[0][1])  # no gradient for the images
    values = batch * sum(sizes)
    # Weights: read twice by products, read and written by the update; momentum read and written; gradient ditto.
    moved = 4 * (weights * 8 + values * 4)
    working_set = 4 * (weights * 3 + values * 2)
    return max(flops / floor.peak("float32"), moved / floor.bandwidth(working_set))


def step_row(sizes: list[int], batch: int, targets: tuple[Target, ...], quick: bool, **how: Any) -> Row:
    return Row(
        f"step {'-'.join(map(str, sizes))}, batch {batch}",
        partial(training_step, sizes, batch, quick),
        targets if THREADS == 1 else (),
        partial(step_limit, sizes, batch) if HAS_FLOOR else None,
        **how,
    )


def rows(quick: bool) -> Iterator[Row]:
    # The targets over torch are those of the eager step.
    if THREADS == 1:
        targets = (over_floor(1.5), peer_over_ours(18), Target(0.30, "torch", of=EAGER))
        yield step_row([2, 16, 2], 32, targets, quick)
        targets = (over_floor(1.0), peer_over_ours(4.5), Target(0.35, "torch", of=EAGER))
        yield step_row([64, 128, 10], 32, targets, quick)
        yield adam.row([64, 128, 10], 32)
        yield logistic.row(check_losses)
    if quick:
        return
    yield step_row([784, 256, 128, 10], 128, (over_floor(1.03), peer_over_ours(1.15)), quick, rounds=25)
    large = (over_floor(1.02), peer_over_ours(1.05))
    yield step_row([784, 2048, 2048, 10], 512, large, quick, rounds=11, seconds=0.1)
