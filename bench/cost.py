"""What a gradient costs, in units of the function it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import alice_core as ac
from ops import chain_of
from peers import HAS_COMPILE, jax, jnp, torch
from rows import EAGER, OURS, Row
from steps import jax_loss, problem

FUNCTION, GRADIENT = ": function", ": gradient"


def mlp() -> dict[str, Any]:
    """The loss of 784-256-128-10 on a batch of 128, alone and with the gradient of every parameter."""
    parameters, x, y = problem([784, 256, 128, 10], 128)
    every = tuple(range(len(parameters)))
    arrays = [ac.tensor(p) for p in parameters]
    ax, ay = ac.tensor(x), ac.tensor(y)

    def ours(*values: Any) -> Any:
        h = ax
        for layer in range(0, len(values), 2):
            h = h @ values[layer] + values[layer + 1]
            if layer + 2 < len(values):
                h = ac.relu(h)
        return ac.losses.cross_entropy(h, ay)

    contenders = _ours(ours, ac.value_and_grad(ours, argnums=every), arrays)
    if torch is not None:
        values = [torch.tensor(p, requires_grad=True) for p in parameters]
        tx, ty = torch.tensor(x), torch.tensor(y)

        def theirs() -> Any:
            h = tx
            for layer in range(0, len(values), 2):
                h = torch.addmm(values[layer + 1], h, values[layer])
                if layer + 2 < len(values):
                    h = torch.relu(h)
            return torch.nn.functional.cross_entropy(h, ty)

        contenders |= _torch(theirs, values)
    if jax is not None:
        jvalues, jx, jy = [jnp.array(p) for p in parameters], jnp.array(x), jnp.array(y, jnp.int32)
        contenders |= _jax(jax_loss, (jvalues, jx, jy), 0)
    return contenders


def chain() -> dict[str, Any]:
    """The sum over tanh(x * y + 1) * exp(-x * x) + y of 100,000 numbers, and its gradient for x and y."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(100_000).astype(np.float32) for _ in range(2))
    f = chain_of(ac.exp, ac.tanh)

    def ours(x: Any, y: Any) -> Any:
        return ac.sum(f(x, y))

    contenders = _ours(ours, ac.value_and_grad(ours, argnums=(0, 1)), [ac.tensor(a), ac.tensor(b)])
    if torch is not None:
        values = [torch.tensor(v, requires_grad=True) for v in (a, b)]
        g = chain_of(torch.exp, torch.tanh)
        contenders |= _torch(lambda: g(*values).sum(), values)
    if jax is not None:
        h = chain_of(jnp.exp, jnp.tanh)
        contenders |= _jax(lambda x, y: h(x, y).sum(), (jnp.array(a), jnp.array(b)), (0, 1))
    return contenders


def _ours(function: Any, gradient: Any, args: list[Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, transform in ((OURS, getattr(ac, "compile", None)), (EAGER, lambda f: f)):
        if name == EAGER or HAS_COMPILE:
            f, g = transform(function), transform(gradient)  # type: ignore[misc]
            made[name + FUNCTION] = lambda f=f: f(*args)
            made[name + GRADIENT] = lambda g=g: g(*args)
    return made


def _torch(function: Any, values: list[Any]) -> dict[str, Any]:
    def alone() -> Any:
        with torch.no_grad():
            return function()

    return {"torch" + FUNCTION: alone, "torch" + GRADIENT: lambda: torch.autograd.grad(function(), values)}


def _jax(function: Any, args: Any, argnums: Any) -> dict[str, Any]:
    f, g = jax.jit(function), jax.jit(jax.value_and_grad(function, argnums))
    return {
        "jax.jit" + FUNCTION: lambda: f(*args).block_until_ready(),
        "jax.jit" + GRADIENT: lambda: jax.block_until_ready(g(*args)),
    }


def rows(quick: bool) -> Iterator[Row]:
    yield Row("loss of 784-256-128-10, batch 128", mlp)
    yield Row("sum of the elementwise chain, 100,000", chain)
