"""Derivatives beyond one gradient: Hessians, Jacobians, gradients of each example, products with a Hessian.

All contenders of a row must return the same numbers, or the row is not measured.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
from harness import check_results
from peers import jax, jnp, torch
from rows import EAGER, OURS, Measured, Row, Target
from steps import problem

#: What a row may be held against: the gradient of the mean loss of the same batch.
GRADIENT = "alice_core compiled, gradient"
CHAINS = (10_000, 100_000, 1_000_000)
AT_LEAST = 100_000  # nodes in a sample


def _both(f: Callable[..., Any], *args: Any) -> dict[str, Any]:
    compiled = ac.compile(f)
    return {OURS: lambda: compiled(*args), EAGER: lambda: f(*args)}


def _torch(f: Callable[..., Any], *args: Any) -> dict[str, Any]:
    return {"torch.func": lambda: f(*args)}


def _jax(f: Callable[..., Any], *args: Any) -> dict[str, Any]:
    call = jax.jit(f)
    return {"jax.jit": lambda: jax.block_until_ready(call(*args))}


def hessian() -> dict[str, Any]:
    """Second derivatives of the mean logistic loss of 64 examples by its 10 weights."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in (10, (64, 10))]
    arrays.append(rng.integers(0, 2, 64).astype(np.float32))

    def loss_with(softplus: Any) -> Callable[[Any, Any, Any], Any]:
        return lambda w, x, y: (softplus(x @ w) - y * (x @ w)).mean()

    contenders = _both(ac.hessian(loss_with(ac.softplus)), *map(ac.tensor, arrays))
    if torch is not None:
        loss = loss_with(torch.nn.functional.softplus)
        contenders |= _torch(torch.func.hessian(loss), *map(torch.tensor, arrays))
    if jax is not None:
        contenders |= _jax(jax.hessian(loss_with(jax.nn.softplus)), *map(jnp.array, arrays))
    check_results(contenders)
    return contenders


def jacobian() -> dict[str, Any]:
    """Jacobian of x -> tanh(W2 tanh(W1 x)), 256 wide, by x."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(256).astype(np.float32)]
    arrays += [(rng.standard_normal((256, 256)) / 16).astype(np.float32) for _ in range(2)]

    def layers_with(tanh: Any) -> Callable[[Any, Any, Any], Any]:
        return lambda x, w1, w2: tanh(w2 @ tanh(w1 @ x))

    contenders = _both(ac.jacrev(layers_with(ac.tanh)), *map(ac.tensor, arrays))
    if torch is not None:
        contenders |= _torch(torch.func.jacrev(layers_with(torch.tanh)), *map(torch.tensor, arrays))
    if jax is not None:
        contenders |= _jax(jax.jacrev(layers_with(jnp.tanh)), *map(jnp.array, arrays))
    check_results(contenders)
    return contenders


# --- the network 64-128-10 on a batch of 32 ---------------------------------------------------------------------------


def network(values: Any, x: Any, relu: Any) -> Any:
    w1, b1, w2, b2 = values
    return relu(x @ w1 + b1) @ w2 + b2


def our_loss(values: Any, x: Any, y: Any) -> Any:
    return ac.losses.cross_entropy(network(values, x, ac.relu), y)


def torch_loss(values: Any, x: Any, y: Any) -> Any:
    return torch.nn.functional.cross_entropy(network(values, x, torch.relu), y)


def jax_loss(values: Any, x: Any, y: Any) -> Any:
    scores = jax.nn.log_softmax(network(values, x, lambda z: jnp.maximum(z, 0)))
    return -jnp.take_along_axis(scores, y[..., None], axis=-1).mean()


def per_example() -> dict[str, Any]:
    """The gradient of every example's loss by every parameter."""
    parameters, x, y = problem([64, 128, 10], 32)
    args = [ac.tensor(p) for p in parameters], ac.tensor(x), ac.tensor(y)
    axes = (None, 0, 0)
    contenders = _both(ac.vmap(ac.grad(our_loss), in_axes=axes), *args)
    if torch is not None:
        of_each = torch.func.vmap(torch.func.grad(torch_loss), in_dims=axes)
        contenders |= _torch(of_each, [torch.tensor(p) for p in parameters], torch.tensor(x), torch.tensor(y))
    if jax is not None:
        of_each = jax.vmap(jax.grad(jax_loss), in_axes=axes)
        contenders |= _jax(of_each, [jnp.array(p) for p in parameters], jnp.array(x), jnp.array(y))
    check_results(contenders)
    return contenders | _gradient(*args)


def hessian_vector() -> dict[str, Any]:
    """The product of the loss's Hessian with a direction in the space of all parameters."""
    parameters, x, y = problem([64, 128, 10], 32)
    rng = np.random.default_rng(1)
    direction = [rng.standard_normal(p.shape).astype(np.float32) for p in parameters]

    def ours(values: Any, direction: Any, x: Any, y: Any) -> Any:
        return ac.hvp(lambda values: our_loss(values, x, y), [values], [direction])[0]

    args = [ac.tensor(p) for p in parameters], ac.tensor(x), ac.tensor(y)
    contenders = _both(ours, args[0], [ac.tensor(v) for v in direction], *args[1:])

    def theirs(package: Any, loss: Any) -> Any:
        """Forward over reverse in torch.func and jax, which call it the same."""

        def product(values: Any, direction: Any, x: Any, y: Any) -> Any:
            return package.jvp(package.grad(lambda values: loss(values, x, y)), (values,), (direction,))[1]

        return product

    arrays = (parameters, direction, x, y)
    if torch is not None:
        contenders |= _torch(theirs(torch.func, torch_loss), *(_leaves(torch.tensor, a) for a in arrays))
    if jax is not None:
        contenders |= _jax(theirs(jax, jax_loss), *(_leaves(jnp.array, a) for a in arrays))
    check_results(contenders)
    return contenders | _gradient(*args)


def _leaves(make: Any, arrays: Any) -> Any:
    return [make(a) for a in arrays] if isinstance(arrays, list) else make(arrays)


def _gradient(*args: Any) -> dict[str, Any]:
    call = ac.compile(ac.grad(our_loss))
    return {GRADIENT: lambda: call(*args)}


def rolled(step: Callable[[Any, Any], Any], n: int, values: Any, x: Any) -> Any:
    """A step of dynamics, called in a Python loop; the sum of what it ends in."""
    for _ in range(n):
        x = step(values, x)
    return (x * x).sum()


def through_compiled() -> dict[str, Any]:
    """The gradient through 20 calls of a compiled step, by the parameters of the step."""
    parameters, x, _ = problem([64, 128, 64], 32)

    def step_with(tanh: Any) -> Callable[[Any, Any], Any]:
        return lambda values, x: x + 0.1 * network(values, x, tanh)

    step = step_with(ac.tanh)
    args = [ac.tensor(p) for p in parameters], ac.tensor(x)
    contenders: dict[str, Any] = {
        name: partial(ac.grad(partial(rolled, f, 20)), *args) for name, f in ((OURS, ac.compile(step)), (EAGER, step))
    }
    if torch is not None:
        theirs = torch.func.grad(partial(rolled, step_with(torch.tanh), 20))
        contenders |= _torch(theirs, [torch.tensor(p) for p in parameters], torch.tensor(x))
    if jax is not None:
        jitted = jax.grad(partial(rolled, jax.jit(step_with(jnp.tanh)), 20))
        given = [jnp.array(p) for p in parameters], jnp.array(x)
        contenders["JAX, jitted step"] = lambda: jax.block_until_ready(jitted(*given))
    check_results(contenders)
    return contenders


# --- long chains ------------------------------------------------------------------------------------------------------


def sines(n: int, x: Any) -> Any:
    for _ in range(n):
        x = ac.sin(x)
    return x


def gradient_of_chain(n: int) -> object:
    """Build the graph, run backwards through it, free it."""
    return ac.grad(partial(sines, n))(1.0)


def jvp_of_chain(n: int) -> object:
    return ac.jvp(partial(sines, n), [1.0], [1.0])


def nodes(n: int) -> str:
    return f"{n:,} nodes"


def per_node(run: Callable[[int], object], sizes: tuple[int, ...], rounds: int) -> dict[str, list[float]]:
    """Seconds per node of chains of each length, which take turns; short ones are repeated within a sample.

    Returning a long chain's memory is partly put off until the next one is built. So an untimed run of the same length
    goes ahead of each sample, which then bears what its own length leaves behind.
    """
    samples: dict[str, list[float]] = {nodes(n): [] for n in sizes}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for n in sizes:
                run(n)
                times = max(1, AT_LEAST // n)
                start = time.perf_counter()
                for _ in range(times):
                    run(n)
                samples[nodes(n)].append((time.perf_counter() - start) / (times * n))
    finally:
        gc.enable()
    return samples


def rows(quick: bool) -> Iterator[Row | Measured]:
    yield Row("Hessian of a logistic loss, 10 parameters, batch 64", hessian, (Target(0.5, "jax.jit"),))
    yield Row("Jacobian 256 x 256 of two tanh layers, reverse", jacobian, (Target(1.0, "jax.jit"),))
    yield Row("gradients of each example, 64-128-10, batch 32", per_example, (Target(3.0, GRADIENT),))
    yield Row("Hessian-vector product, 64-128-10, batch 32", hessian_vector, (Target(4.0, GRADIENT),))
    yield Row("gradient through 20 calls of a compiled step, 64-128-64, batch 32", through_compiled)
    sizes = CHAINS[:2] if quick else CHAINS
    linear = tuple(Target(1.3, nodes(sizes[0]), of=nodes(n)) for n in sizes[1:])
    for name, run in (("gradient", gradient_of_chain), ("jvp", jvp_of_chain)):
        yield Measured(f"{name} of a chain, each node", partial(per_node, run, sizes, 3), "s", linear)
