"""What the evals need of a library: a namespace with the names of the Array API standard, derivatives, loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import alice_core as ac

Function = Callable[..., Any]


@dataclass(frozen=True)
class Library:
    """``compile(f)`` gives a function that returns when its results are there; the others have the signatures of ours.

    None stands for what a library has not.
    """

    name: str
    xp: Any
    array: Function  # of NumPy's
    compile: Function
    grad: Function
    inner_grad: Function | None = None  # that stands inside of another derivative
    value_and_grad: Function | None = None
    jvp: Function | None = None
    vmap: Function | None = None
    jacfwd: Function | None = None
    jacrev: Function | None = None
    sigmoid: Function | None = None
    scan: Function | None = None
    while_loop: Function | None = None


def alice(name: str) -> Library:
    return Library(
        name,
        ac,
        ac.tensor,
        ac.compile,
        ac.grad,
        ac.grad,
        ac.value_and_grad,
        ac.jvp,
        ac.vmap,
        ac.jacfwd,
        ac.jacrev,
        ac.sigmoid,
        ac.scan,
        ac.while_loop,
    )


def of_jax(jax: Any, jnp: Any) -> Library:
    def compiled(f: Function) -> Function:
        call = jax.jit(f)
        return lambda *xs: jax.block_until_ready(call(*xs))

    def while_loop(test: Function, body: Function, start: Any, *, max_steps: int | None = None) -> Any:
        """Reverse mode goes through no while_loop of JAX's; what one writes is a scan of so many turns."""
        if max_steps is None:
            return jax.lax.while_loop(test, body, start)

        def turn(state: Any, _: Any) -> Any:
            return jax.lax.cond(test(state), body, lambda state: state, state), None

        return jax.lax.scan(turn, start, length=max_steps)[0]

    return Library(
        "jax.jit",
        jnp,
        jnp.asarray,
        compiled,
        jax.grad,
        jax.grad,
        jax.value_and_grad,
        jax.jvp,
        jax.vmap,
        jax.jacfwd,
        jax.jacrev,
        jax.nn.sigmoid,
        jax.lax.scan,
        while_loop,
    )


class _Namespace:
    """A library's namespace; those derived from it say where it differs from the standard's."""

    def __init__(self, of: Any, concat: Function) -> None:
        self.of = of
        self.concat = concat

    def __getattr__(self, name: str) -> Any:
        return getattr(self.of, name)


class _Torch(_Namespace):
    def flip(self, x: Any, axis: int) -> Any:
        return self.of.flip(x, (axis,))

    def max(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return self.of.amax(x, dim=() if axis is None else axis, keepdim=keepdims)

    def min(self, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return self.of.amin(x, dim=() if axis is None else axis, keepdim=keepdims)


def python_scan(stack: Function, step: Function, carry: Any, xs: Any = None, length: int | None = None) -> Any:
    """A scan as a library without one has it: the loop is Python's."""
    kept = []
    for i in range(len(xs) if length is None else length):
        carry, y = step(carry, None if xs is None else xs[i])
        kept.append(y)
    return carry, None if not kept or kept[0] is None else stack(kept)


def of_torch(torch: Any) -> Library:
    """Eager, as it is mostly used; derivatives by ``backward`` where one suffices, else by torch.func."""

    def value_and_grad(f: Function, argnums: Any = 0) -> Function:
        places = (argnums,) if isinstance(argnums, int) else argnums

        def call(*xs: Any) -> Any:
            leaves = [x.detach().requires_grad_() if i in places else x for i, x in enumerate(xs)]
            value = f(*leaves)
            found = torch.autograd.grad(value, [leaves[i] for i in places], materialize_grads=True)
            return value.detach(), found[0] if isinstance(argnums, int) else found

        return call

    def grad(f: Function, argnums: Any = 0) -> Function:
        call = value_and_grad(f, argnums)
        return lambda *xs: call(*xs)[1]

    return Library(
        "PyTorch",
        _Torch(torch, torch.cat),
        torch.tensor,
        lambda f: f,
        grad,
        torch.func.grad,
        value_and_grad,
        lambda f, xs, vs: torch.func.jvp(f, tuple(xs), tuple(vs)),
        torch.func.vmap,
        torch.func.jacfwd,
        torch.func.jacrev,
        torch.sigmoid,
        partial(python_scan, torch.stack),
    )


class _Autograd(_Namespace):
    def flip(self, x: Any, axis: int) -> Any:
        return x[(slice(None),) * axis + (slice(None, None, -1),)]


def of_autograd(autograd: Any) -> Library:
    numpy = _Autograd(autograd.numpy, autograd.numpy.concatenate)

    def grad(f: Function, argnums: Any = 0) -> Function:
        return autograd.grad(f, argnums)  # type: ignore[no-any-return]

    return Library("autograd", numpy, lambda x: x, lambda f: f, grad, scan=partial(python_scan, numpy.stack))
