"""Sequential and scalar programs: control, filters, small recurrent networks, loops that end by value."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
from harness import check_results
from peers import NOTICES, VERSIONS, jax, jnp
from rows import EAGER, OURS, Row, Target

try:
    casadi: Any = importlib.import_module("casadi")
    VERSIONS.append(f"CasADi {casadi.__version__}")
except ImportError as error:
    casadi = None
    NOTICES.append(f"CasADi is left out: {error}")

VM = "CasADi"  # its virtual machine, through Function.buffer()
STEP, GRAVITY, CART, POLE, LENGTH = 0.02, 9.8, 1.0, 0.1, 0.5


def _field(state: Any, force: Any, sin: Any, cos: Any, stack: Any) -> Any:
    """The cart-pole: position, angle, and their speeds."""
    _, angle, speed, spin = (state[i] for i in range(4))
    s, c = sin(angle), cos(angle)
    push = (force + POLE * LENGTH * spin * spin * s) / (CART + POLE)
    bend = (GRAVITY * s - c * push) / (LENGTH * (4.0 / 3.0 - POLE * c * c / (CART + POLE)))
    return stack([speed, spin, push - POLE * LENGTH * bend * c / (CART + POLE), bend])


def _runge_kutta(state: Any, force: Any, *ops: Any) -> Any:
    a = _field(state, force, *ops)
    b = _field(state + 0.5 * STEP * a, force, *ops)
    c = _field(state + 0.5 * STEP * b, force, *ops)
    d = _field(state + STEP * c, force, *ops)
    return state + STEP / 6.0 * (a + 2.0 * b + 2.0 * c + d)


def _ours(state: Any, force: Any) -> Any:
    return _runge_kutta(state, force, ac.sin, ac.cos, ac.stack)


def _jax(state: Any, force: Any) -> Any:
    return _runge_kutta(state, force, jnp.sin, jnp.cos, jnp.stack)


def _compiled_by_jax(f: Any, *arrays: Any) -> dict[str, Any]:
    if jax is None:
        return {}
    call, given = jax.jit(f), [jnp.asarray(a) for a in arrays]
    return {"jax.jit": lambda: jax.block_until_ready(call(*given))}


def _by_casadi(
    inputs: list[Any], outputs: list[Any], values: list[Any], wanted: list[Any], dense: bool = True
) -> dict[str, Any]:
    """The call alone: arguments and results lie where it looks for them. The results must be those wanted."""
    f = casadi.Function("f", inputs, [casadi.densify(y) for y in outputs] if dense else outputs)
    buffer, run = f.buffer()
    given = [np.array(v, np.float64).ravel(order="F") for v in values]
    results = [np.zeros(f.nnz_out(i)) for i in range(f.n_out())]
    for i, v in enumerate(given):
        buffer.set_arg(i, memoryview(v))
    for i, v in enumerate(results):
        buffer.set_res(i, memoryview(v))
    run()
    for got, want in zip(results, wanted, strict=True):
        np.testing.assert_allclose(got, np.ravel(want, order="F"), rtol=1e-8, atol=1e-12)
    kept = (buffer, given)  # as long as the function
    return {VM: lambda kept=kept: (run(), results)[1]}


def _casadi_step() -> tuple[Any, Any, Any]:
    state, force = casadi.SX.sym("state", 4), casadi.SX.sym("force")
    moved = _runge_kutta(state, force, casadi.sin, casadi.cos, lambda parts: casadi.vertcat(*parts))
    return state, force, moved


def jacobian(points: int) -> dict[str, Any]:
    """Of a step by state and force; of several points side by side."""
    rng = np.random.default_rng(0)
    states, forces = rng.uniform(-0.3, 0.3, (points, 4)), rng.uniform(-1.0, 1.0, points)

    def of(module: Any, f: Any) -> Any:
        both = lambda s, u: (module.jacrev(f, 0)(s, u), module.jacrev(f, 1)(s, u))  # noqa: E731
        return both if points == 1 else module.vmap(both)

    given = (states[0], forces[0]) if points == 1 else (states, forces)
    call, x = ac.compile(of(ac, _ours)), [ac.tensor(a) for a in given]
    found = {OURS: lambda: call(*x)}
    if jax is not None:
        found |= _compiled_by_jax(of(jax, _jax), *given)
    if casadi is not None:
        s, u, moved = _casadi_step()
        f = casadi.Function("step", [s, u], [casadi.jacobian(moved, s), casadi.jacobian(moved, u)])
        many = f if points == 1 else f.map(points)
        a, b = casadi.MX.sym("a", 4, points), casadi.MX.sym("b", 1, points)
        by_state, by_force = (np.asarray(y).reshape(points, 4, -1) for y in call(*x))
        wanted = [np.concatenate(list(y), axis=1) for y in (by_state, by_force)]
        found |= _by_casadi([a, b], list(many(a, b)), [states[:points].T, forces[None]], wanted)
    return _checked(found)


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    check_results({name: f for name, f in found.items() if name != VM}, 1e-4)
    return found


def rollout(steps: int) -> dict[str, Any]:
    """The gradient of a cost of so many steps by all forces."""
    start, forces = np.array([0.0, 0.1, 0.0, 0.0]), np.sin(0.1 * np.arange(steps))

    def cost(module: Any, scan: Any, f: Any, forces: Any) -> Any:
        def step(state: Any, force: Any) -> Any:
            state = f(state, force)
            return state, module.sum(state * state) + 0.01 * force * force

        first = ac.tensor(start) if module is ac else jnp.asarray(start)
        return module.sum(scan(step, first, forces)[1])

    call, x = ac.compile(ac.grad(partial(cost, ac, ac.scan, _ours))), ac.tensor(forces)
    found = {OURS: lambda: call(x)}
    if jax is not None:
        found |= _compiled_by_jax(jax.grad(partial(cost, jnp, jax.lax.scan, _jax)), forces)
    if casadi is not None:
        s, u, moved = _casadi_step()
        one = casadi.Function("step", [s, u], [moved, casadi.sumsqr(moved) + 0.01 * u * u])
        us = casadi.MX.sym("us", 1, steps)
        state, total = casadi.MX(start), casadi.MX(0.0)
        for i in range(steps):
            state, more = one(state, us[i])
            total = total + more
        found |= _by_casadi([us], [casadi.gradient(total, us)], [forces[None]], [np.asarray(call(x))[None]])
    return _checked(found)


def lstm() -> dict[str, Any]:
    """The gradient of 100 steps of a cell, 64 wide, by all weights, for 16 sequences, float32."""
    steps, batch, width = 100, 16, 64
    rng = np.random.default_rng(0)
    weights = [rng.normal(0, 0.1, (width, 4 * width)).astype(np.float32) for _ in range(2)]
    xs = rng.standard_normal((steps, batch, width)).astype(np.float32)

    def loss(module: Any, scan: Any, sigmoid: Any, w: Any, u: Any, xs: Any) -> Any:
        def step(carry: Any, x: Any) -> Any:
            h, c = carry
            z = x @ w + h @ u
            i, f, g, o = (z[:, k * width : (k + 1) * width] for k in range(4))
            c = sigmoid(f) * c + sigmoid(i) * module.tanh(g)
            h = sigmoid(o) * module.tanh(c)
            return (h, c), None

        zero = module.zeros((batch, width), dtype=module.float32)
        return module.sum(module.square(scan(step, (zero, zero), xs)[0][0]))

    given = [ac.tensor(a) for a in (*weights, xs)]
    call = ac.compile(ac.grad(partial(loss, ac, ac.scan, ac.sigmoid), argnums=(0, 1)))
    found = {OURS: lambda: call(*given)}
    if jax is not None:
        found |= _compiled_by_jax(
            jax.grad(partial(loss, jnp, jax.lax.scan, jax.nn.sigmoid), argnums=(0, 1)), *weights, xs
        )
    return _checked(found)


def roots() -> dict[str, Any]:
    """Newton's iteration for 100 cube roots, each until it is there."""
    a = np.linspace(0.5, 50.0, 100)

    def of(loop: Any) -> Any:
        def root(a: Any) -> Any:
            return loop(lambda x: abs(x * x * x - a) > 1e-9 * a, lambda x: x - (x * x * x - a) / (3.0 * x * x), a)

        return root

    call, x = ac.compile(ac.vmap(of(ac.while_loop))), ac.tensor(a)
    found = {OURS: lambda: call(x)}
    if jax is not None:
        found |= _compiled_by_jax(jax.vmap(of(jax.lax.while_loop)), a)
    return _checked(found)


def residuals(points: int) -> dict[str, Any]:
    """The Jacobian of a pendulum's implicit midpoint steps by all its states at once: a sparse matrix, its entries."""
    z = np.random.default_rng(0).uniform(-1.0, 1.0, 2 * points)

    def of(z: Any, sin: Any, concat: Any) -> Any:
        angle, speed = z[:points], z[points:]
        middle, pace = 0.5 * (angle[1:] + angle[:-1]), 0.5 * (speed[1:] + speed[:-1])
        turned, bent = angle[1:] - angle[:-1] - STEP * pace, speed[1:] - speed[:-1] + STEP * GRAVITY * sin(middle)
        return concat([turned, bent])

    sparse = ac.jacfwd(partial(of, sin=ac.sin, concat=ac.concat), sparse=True)
    call, x = ac.compile(sparse), ac.tensor(z)
    found = {OURS: lambda: call(x).values, EAGER: lambda: sparse(x).values}
    entries = call(x)
    if jax is not None:  # which knows no sparse Jacobians
        dense = jax.jacfwd(partial(of, sin=jnp.sin, concat=jnp.concatenate))
        found |= _compiled_by_jax(lambda z: dense(z)[entries.rows, entries.cols], z)
    if casadi is not None:
        states = casadi.SX.sym("z", 2 * points)
        matrix = casadi.jacobian(of(states, casadi.sin, lambda parts: casadi.vertcat(*parts)), states)
        order = np.lexsort((entries.rows, entries.cols))  # column by column
        found |= _by_casadi([states], [matrix], [z], [np.asarray(entries.values)[order]], dense=False)
    return _checked(found)


def rows(quick: bool) -> Iterator[Row]:
    against_vm = (Target(1.0, VM),) if casadi is not None else ()
    yield Row("Jacobian of a cart-pole step", partial(jacobian, 1), against_vm)
    yield Row("the same at 40 points", partial(jacobian, 40), (Target(0.15, "jax.jit"),))
    yield Row("gradient through 100 steps", partial(rollout, 100), against_vm)
    if not quick:
        yield Row("gradient through 1000 steps", partial(rollout, 1000), against_vm, rounds=9)
        yield Row("LSTM of 100 steps, gradient", lstm, (Target(0.5, "jax.jit"),), rounds=9)
    yield Row("sparse Jacobian of 200 implicit midpoint steps", partial(residuals, 201), against_vm)
    yield Row("100 cube roots by while_loop", roots, (Target(0.7, "jax.jit"),))
