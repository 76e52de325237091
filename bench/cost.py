"""What a gradient costs, in units of the function it belongs to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import alice_core as ac
from harness import check_results
from ops import chain_of
from peers import HAS_COMPILE, jax, jnp, torch
from rows import EAGER, OURS, Row, Target
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


class Op(NamedTuple):
    """``function(np, nn, *args)``, where ``np`` and ``nn`` are modules of a package with the names that JAX uses.

    ``shapes`` are those of the arguments that it is differentiated by; ``indices`` come behind them.
    """

    name: str
    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    indices: tuple[int, ...] | None = None


LARGE = (256, 1000)
OPS = (
    Op("x @ y, 256", lambda np, nn, x, y: x @ y, ((256, 256), (256, 256))),
    Op("sum", lambda np, nn, x: np.sum(x, axis=1), (LARGE,)),
    Op("mean", lambda np, nn, x: np.mean(x, axis=0), (LARGE,)),
    Op("max", lambda np, nn, x: np.max(x, axis=1), (LARGE,)),
    Op("var", lambda np, nn, x: np.var(x, axis=1), (LARGE,)),
    Op("softmax", lambda np, nn, x: nn.softmax(x, axis=1), (LARGE,)),
    Op("log_softmax", lambda np, nn, x: nn.log_softmax(x, axis=1), (LARGE,)),
    Op("logsumexp", lambda np, nn, x: nn.logsumexp(x, axis=1), (LARGE,)),
    Op("take", lambda np, nn, x, i: np.take(x, i, axis=0), (LARGE,), (256,)),
    Op("x[i]", lambda np, nn, x, i: x[i], (LARGE,), (256,)),
    Op("take_along_axis", lambda np, nn, x, i: np.take_along_axis(x, i, axis=1), (LARGE,), LARGE),
    Op("concat", lambda np, nn, x, y: np.concat([x, y], axis=1), (LARGE, LARGE)),
    Op("pad", lambda np, nn, x: np.pad(x, 1), (LARGE,)),
    Op("transpose", lambda np, nn, x: np.permute_dims(x, (1, 0)), (LARGE,)),
    Op("relu", lambda np, nn, x: nn.relu(x), (LARGE,)),
    Op("sigmoid", lambda np, nn, x: nn.sigmoid(x), (LARGE,)),
    Op("tanh", lambda np, nn, x: np.tanh(x), (LARGE,)),
    Op("silu", lambda np, nn, x: nn.silu(x), (LARGE,)),
    Op("gelu", lambda np, nn, x: nn.gelu(x, approximate="none" if nn is ac else False), (LARGE,)),
    Op("softplus", lambda np, nn, x: nn.softplus(x), (LARGE,)),
)


def op(of: Op) -> dict[str, Any]:
    """The sum of the op's result times fixed weights, and its gradient: the op's cotangent is then an array."""
    rng = np.random.default_rng(0)
    arrays: list[Any] = [rng.standard_normal(shape).astype(np.float32) for shape in of.shapes]
    by = tuple(range(1, 1 + len(arrays)))
    if of.indices is not None:
        arrays.append(rng.integers(0, of.shapes[0][0], of.indices))
    weights = rng.standard_normal(of.function(ac, ac, *map(ac.tensor, arrays)).shape).astype(np.float32)

    def ours(weights: Any, *args: Any) -> Any:
        return ac.sum(of.function(ac, ac, *args) * weights)

    args = [ac.tensor(a) for a in (weights, *arrays)]
    contenders = _ours(ours, ac.value_and_grad(ours, argnums=by), args)
    if jax is not None:

        def theirs(weights: Any, *args: Any) -> Any:
            return (of.function(jnp, jax.nn, *args) * weights).sum()

        contenders |= _jax(theirs, [jnp.array(a) for a in (weights, *arrays)], by)
    return contenders


def cross_entropy() -> dict[str, Any]:
    """The mean cross-entropy of 256 examples and 1000 classes, and its gradient for the logits."""
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal(LARGE).astype(np.float32), rng.integers(0, LARGE[1], LARGE[0])
    loss = ac.losses.cross_entropy
    contenders = _ours(loss, ac.value_and_grad(loss), [ac.tensor(logits), ac.tensor(labels)])
    if torch is not None:
        z, y = torch.tensor(logits, requires_grad=True), torch.tensor(labels)
        contenders |= _torch(lambda: torch.nn.functional.cross_entropy(z, y), [z])
    if jax is not None:
        # jax_loss of no layers is the cross-entropy alone.
        contenders |= _jax(partial(jax_loss, ()), (jnp.array(logits), jnp.array(labels)), 0)
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

    def with_gradient() -> Any:
        value = function()
        return value, torch.autograd.grad(value, values)

    return {"torch" + FUNCTION: alone, "torch" + GRADIENT: with_gradient}


def _jax(function: Any, args: Any, argnums: Any) -> dict[str, Any]:
    f, g = jax.jit(function), jax.jit(jax.value_and_grad(function, argnums))
    return {
        "jax.jit" + FUNCTION: lambda: f(*args).block_until_ready(),
        "jax.jit" + GRADIENT: lambda: jax.block_until_ready(g(*args)),
    }


def row(name: str, contenders: Callable[[], dict[str, Any]], at_most: float) -> Row:
    def agreed() -> dict[str, Any]:
        made = contenders()
        for kind in (FUNCTION, GRADIENT):
            check_results({name: run for name, run in made.items() if name.endswith(kind)})
        return made

    return Row(name, agreed, (Target(at_most, OURS + FUNCTION, of=OURS + GRADIENT),))


def rows(quick: bool) -> Iterator[Row]:
    yield row("loss of 784-256-128-10, batch 128", mlp, 3.0)
    yield row("sum of the elementwise chain, 100,000", chain, 4.0)
    if quick:
        return
    yield row("cross-entropy, 256 x 1000", cross_entropy, 4.0)
    for each in OPS:
        yield row(f"{each.name}, weighted sum", partial(op, each), 4.0)
