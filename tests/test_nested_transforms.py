"""Transforms around transforms: every nest of three, against the same one without checkpoints, the other mode, and the
compiled function."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac

Function = Callable[[Any], Any]


def constant(*values: float) -> ac.Tensor:
    return ac.tensor(np.array(values))


X, D, W = constant(0.3, -0.2, 0.6), constant(0.5, 1.0, 2.0), constant(0.2, 0.7, -0.3)

#: From a vector of 3 to another.
BODIES: dict[str, Function] = {
    "cubic": lambda x: x * x * x,
    "exp": ac.exp,
    "several results": lambda x: ac.sin(x) * ac.cos(x) * x,
    "makes a constant": lambda x: x * x * ac.tensor(np.array([1.0, 2.0, 3.0])),
    "reads from outside": lambda x: x * x * W,
    "solve": lambda x: ac.linalg.solve(ac.eye(3, dtype=ac.float64) * 3.0 + ac.outer(x, ac.cos(x)) * 0.2, x),
    "integers": lambda x: ac.segment_sum(x * x, ac.tensor(np.array([0, 2, 0])), 3),
}


def custom_jvp(f: Function) -> Function:
    made = ac.custom_jvp(lambda x: f(x))
    made.defjvp(lambda p, t: (f(p[0]), ac.jvp(f, p, t)[1]))
    return made


def custom_vjp(f: Function) -> Function:
    made = ac.custom_vjp(lambda x: f(x))
    made.defvjp(lambda x: (f(x), x), lambda x, g: ac.vjp(f, x)[1](g))
    return made


TRANSFORMS: dict[str, Callable[[Function], Function]] = {
    "checkpoint": ac.checkpoint,
    "grad": lambda f: ac.grad(lambda x: ac.sum(f(x) * W)),
    "jvp": lambda f: lambda x: ac.jvp(f, (x,), (x * W,))[1],
    "linearize": lambda f: lambda x: ac.linearize(f, x)[1](x),
    "jacrev": lambda f: lambda x: ac.jacrev(f)(x) @ W,
    "jacfwd": lambda f: lambda x: W @ ac.jacfwd(f)(x),
    "vmap": lambda f: lambda x: ac.sum(ac.vmap(f)(ac.stack([x, x * W, W])), axis=0),
    "vmap of grad": lambda f: lambda x: ac.sum(ac.vmap(ac.grad(lambda y, x: ac.sum(f(y) * x * W)), (0, None))(
        ac.stack([W, x * W]), x), axis=0),
    "compile": ac.compile,
    "of another": lambda f: lambda x: f(ac.sin(x)),
    "closure": lambda f: lambda x: ac.grad(lambda y, z=x * 2.0: ac.sum(f(y * z) * W))(W),
    "map": lambda f: lambda x: ac.sum(ac.map(f, ac.stack([x, W * x])), axis=0),
    "fori_loop": lambda f: lambda x: ac.fori_loop(0, 2, lambda i, c: f(c) * 0.4 + x * 0.2, x),
    "cond": lambda f: lambda x: ac.cond(ac.sum(x) > -9.0, f, ac.cos, x),
    "custom_jvp": custom_jvp,
    "custom_vjp": custom_vjp,
}  # fmt: skip


def nested(body: str, names: tuple[str, ...], checkpoints: bool = True) -> Function:
    f = BODIES[body]
    for name in names:
        if checkpoints or name != "checkpoint":
            f = TRANSFORMS[name](f)
    return f


def captures(names: tuple[str, ...]) -> bool:
    """Rules of one's own may not capture what is differentiated, nor, where a program runs them, anything."""
    custom = [i for i, name in enumerate(names) if name.startswith("custom")]
    return any(name in ("closure", "vmap of grad", "fori_loop") for i in custom for name in names[:i]) or (
        bool(custom) and any(name in ("map", "fori_loop", "cond", "compile", "closure") for name in names)
    )


@pytest.mark.parametrize("body", BODIES)
def test_checkpoints_change_no_number(body: str) -> None:
    """The order in which cotangents are added up may be another one, see ac.checkpoint."""
    for names in itertools.product(TRANSFORMS, repeat=3):
        if "checkpoint" not in names or names.count("compile") > 1:
            continue
        if body == "reads from outside" and captures(names):
            continue
        want = nested(body, names, checkpoints=False)(X).numpy()
        found = nested(body, names)(X).numpy()
        np.testing.assert_allclose(found, want, rtol=1e-10, atol=1e-12, err_msg=f"{body}: {names}")


def test_both_modes_agree_and_compiled_functions_have_the_bits() -> None:
    """But for gradients of what chooses or is compiled itself: sums of cotangents are in another order."""
    body = "cubic"
    for names in itertools.product(TRANSFORMS, repeat=2):
        f = nested(body, names)
        backward = ac.sum(ac.grad(lambda x, f=f: ac.sum(f(x) * D))(X) * X).numpy()
        forward = ac.sum(ac.jvp(f, (X,), (X,))[1] * D).numpy()
        np.testing.assert_allclose(backward, forward, rtol=1e-10, atol=1e-12, err_msg=f"{body}: {names}")
        assert np.array_equal(ac.compile(f)(X).numpy(), f(X).numpy()), names
        if "checkpoint" not in names:
            continue
        rows = ac.jvp(ac.jacrev(f), (X,), (D,))[1].numpy()
        columns = ac.jvp(ac.jacfwd(f), (X,), (D,))[1].numpy()
        np.testing.assert_allclose(rows, columns, rtol=1e-9, atol=1e-11, err_msg=f"{body}: {names}")


def test_a_choice_by_value_in_a_checkpointed_function_is_made_again_for_a_jacobian() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.sin(x * x) if ac.sum(x) > 0 else ac.exp(x)

    for transform in (ac.jacrev, ac.jacfwd):
        want = transform(f)(X).numpy()
        assert np.array_equal(transform(ac.checkpoint(f))(X).numpy(), want)


# -- many groups of elementwise ops, which wait for each other --------------------------------------------------------


def program(seed: int, n: int, near: float) -> Function:
    """Vectors of three lengths, each of some of those before; sums of others are added."""

    def f(x: ac.Tensor) -> ac.Tensor:
        rng = random.Random(seed)
        made = {k: [x[:k] * 1.0] for k in (2, 3, 5)}

        def one(k: int) -> ac.Tensor:
            return made[k][max(0, len(made[k]) - 1 - int(rng.expovariate(1 / near)))]

        for _ in range(n):
            k = rng.choice((2, 3, 5))
            a = one(k)
            b = ac.sum(one(rng.choice((2, 3, 5)))) if rng.random() < 0.4 else one(k)
            y = rng.choice((ac.add, ac.subtract, ac.maximum))(a, b)
            made[k].append(ac.tanh(y) if rng.random() < 0.1 else y)
        return ac.concat([ac.sum(ac.stack(all_of_them), axis=0) for all_of_them in made.values()])

    return f


@pytest.mark.parametrize("seed", [0, 3, 6, 7, 8])
def test_programs_of_many_groups(seed: int) -> None:
    x = constant(0.1, 0.2, -0.3, 0.4, 0.5)
    for near in (10.0, 40.0):
        f = program(seed, 1000, near)
        assert np.array_equal(ac.compile(f)(x).numpy(), f(x).numpy(), equal_nan=True)
