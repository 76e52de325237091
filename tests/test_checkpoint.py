"""Checkpointed calls: the same bits, with the function run again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import _core
from checkpoint_functions import (
    Function,
    W,
    X,
    bits,
    blocks,
    chain,
    data,
    dense,
    inside_out,
    plain,
    scores,
    shapes,
    twice,
    views,
)

# -- bits -------------------------------------------------------------------------------------------------------------


@blocks
@shapes
def test_first_order(loss: Function, block: Function) -> None:
    assert bits(ac.value_and_grad(loss(ac.checkpoint, block))(X)) == bits(ac.value_and_grad(loss(plain, block))(X))


@blocks
@shapes
def test_higher_orders(loss: Function, block: Function) -> None:
    def second(wrap: Function) -> Function:
        return lambda x: ac.sum(ac.grad(loss(wrap, block))(x) ** 2)

    def third(wrap: Function) -> Function:
        return lambda x: ac.sum(ac.grad(second(wrap))(x) * x)

    assert bits(ac.grad(second(ac.checkpoint))(X)) == bits(ac.grad(second(plain))(X))
    if block is views:
        assert bits(ac.grad(third(ac.checkpoint))(X)) == bits(ac.grad(third(plain))(X))


def check_parameter(loss: Function, block: Function, go_back: Callable[[Function], None]) -> None:
    """``go_back`` finds the gradient of a parameter of the closure: plain and checkpointed the same bits."""
    w = data(5, 7, seed=3).requires_grad_()
    gradients = []
    for wrap in (plain, ac.checkpoint):
        w.grad = None
        go_back(loss(wrap, lambda x: block(x) * w))
        gradients.append(bits(w.grad))
    assert gradients[0] == gradients[1]


@blocks
@shapes
def test_parameters_of_the_closure(loss: Function, block: Function) -> None:
    def twice(f: Function) -> None:
        value = f(X)
        value.backward(retain_graph=True)
        value.backward()

    check_parameter(loss, block, twice)


@blocks
@shapes
def test_backward_through_a_gradient(loss: Function, block: Function) -> None:
    check_parameter(loss, block, lambda f: ac.sum(ac.grad(f)(X) ** 2).backward())


@blocks
@shapes
def test_forward_mode(loss: Function, block: Function) -> None:
    """Tangents of the second run are those of the first, even if their context has ended before it."""

    def along(wrap: Function) -> Any:
        return ac.linearize(loss(wrap, block), X)[1](X[::-1])

    def over_reverse(wrap: Function) -> Any:
        return ac.jvp(ac.grad(loss(wrap, block)), [X], [X[::-1]])

    def under_reverse(wrap: Function) -> Any:
        return ac.grad(lambda x: ac.sum(ac.jvp(loss(wrap, block), [x], [X[::-1]])[1]))(X)

    for transformed in (along, over_reverse, under_reverse):
        assert bits(transformed(ac.checkpoint)) == bits(transformed(plain))


def test_forward_mode_between_two_reverse_ones() -> None:
    """Here sums may be taken in another order."""

    def mixed(wrap: Function) -> ac.Tensor:
        return ac.grad(lambda x: ac.sum(ac.jvp(ac.grad(twice(wrap, dense)), [x], [x])[1]))(X)

    np.testing.assert_allclose(mixed(ac.checkpoint).numpy(), mixed(plain).numpy(), rtol=1e-12)


@ac.custom_vjp
def clipped(x: ac.Tensor) -> ac.Tensor:
    return ac.sin(x) * x


clipped.defvjp(lambda x: (ac.sin(x) * x, ac.cos(x)), lambda c, g: (ac.clip(g, -0.5, 0.5) * c,))


@ac.custom_jvp
def doubled(x: ac.Tensor) -> ac.Tensor:
    return ac.exp(x)


doubled.defjvp(lambda primals, tangents: (doubled(*primals), 2.0 * tangents[0] * ac.tanh(primals[0])))


@shapes
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("custom", [clipped, doubled])
def test_rules_of_ones_own(loss: Function, compiled: bool, custom: Function) -> None:
    def block(x: ac.Tensor) -> ac.Tensor:
        return ac.tanh(custom(ac.tanh(x)) * x)

    first, want = ac.value_and_grad(loss(ac.checkpoint, block)), ac.value_and_grad(loss(plain, block))
    assert bits((ac.compile(first) if compiled else first)(X)) == bits(want(X))

    def second(wrap: Function) -> Function:
        return ac.grad(lambda x: ac.sum(ac.grad(loss(wrap, block))(x) ** 2))

    assert bits((ac.compile(second(ac.checkpoint)) if compiled else second(ac.checkpoint))(X)) == bits(second(plain)(X))
    assert bits(ac.checkpoint_sequential([block] * 4, memory_budget=10_000)(X)) == bits(chain(block, 4, X))


@ac.custom_vjp
def pair(x: ac.Tensor) -> tuple[ac.Tensor, ac.Tensor]:
    return ac.sin(x), ac.exp(x)


pair.defvjp(lambda x: ((ac.sin(x), ac.exp(x)), x), lambda x, g: (g[0] * ac.cos(x) + g[1] * ac.exp(x),))


@pytest.mark.parametrize("compiled", [False, True])
def test_an_argument_that_is_one_of_several_results(compiled: bool) -> None:
    results = []
    for wrap in (plain, ac.checkpoint):
        f = ac.grad(lambda x, wrap=wrap: ac.sum(wrap(dense)(wrap(pair)(x)[1])))
        results.append(bits((ac.compile(f) if compiled else f)(X)))
    assert results[0] == results[1]


def test_trace_shows_the_second_run() -> None:
    t = ac.trace(ac.grad(lambda x: ac.sum(ac.checkpoint(lambda x: ac.sin(ac.exp(x)))(x))))(X)
    names = [eq.primitive.name for eq in t.equations]
    assert names.count("exp") == 2
    assert names.count("sin") == 2


def test_nested_arguments_and_results() -> None:
    def f(p: dict[str, Any], x: ac.Tensor, *, scale: float, names: str) -> Any:
        assert names == "kept"
        h = ac.tanh(x @ p["w"]) * scale
        return {"h": h, "rest": [(h + p["b"][0], 3), x], "labels": ac.argmax(h, axis=-1)}

    params = {"w": W, "b": [data(7, seed=4)]}
    calls = []
    for wrap in (plain, ac.checkpoint):

        def loss(p: dict[str, Any], x: ac.Tensor, wrap: Function = wrap) -> ac.Tensor:
            y = wrap(f)(p, x, scale=2.0, names="kept")
            assert y["rest"][0][1] == 3
            return ac.sum(y["h"] * y["rest"][0][0] * y["rest"][1]) + ac.sum(y["labels"])

        calls.append(bits(ac.grad(loss, argnums=(0, 1))(params, X)))
    assert calls[0] == calls[1]


def test_the_caller_may_change_a_list_afterwards() -> None:
    def f(xs: list[ac.Tensor]) -> ac.Tensor:
        return ac.sin(xs[0]) * xs[1]

    def loss(x: ac.Tensor) -> ac.Tensor:
        xs = [x, ac.cos(x)]
        y = ac.checkpoint(f)(xs)
        xs.reverse()
        return ac.sum(y)

    assert bits(ac.grad(loss)(X)) == bits(ac.grad(lambda x: ac.sum(f([x, ac.cos(x)])))(X))


def test_pullback_can_be_called_again_and_by_several_threads() -> None:
    """Each call runs the function again; the bits do not depend on who else does."""
    y, pullback = ac.vjp(ac.checkpoint(lambda x: dense(dense(scores(x)))), X)
    _, want = ac.vjp(lambda x: dense(dense(scores(x))), X)
    results: list[Any] = []
    workers = [threading.Thread(target=lambda: results.append(bits(pullback(X)))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [bits(want(X))] * 4
    assert bits(pullback(y)) == bits(want(y))


def test_number_of_threads_changes_no_bit() -> None:
    x = data(400, 300)
    w = data(300, 300, seed=2)
    before = ac.get_num_threads()
    results = []
    try:
        for n in (1, 2, 4):
            ac.set_num_threads(n)
            results.append(bits(ac.grad(lambda x: ac.sum(ac.checkpoint(lambda x: ac.tanh(x @ w))(x)))(x)))
    finally:
        ac.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def test_without_anybody_who_differentiates_the_function_just_runs() -> None:
    with ac.no_grad():
        assert bits(ac.checkpoint(dense)(X)) == bits(dense(X))
        assert bits(ac.checkpoint_sequential([dense, dense], segments=1)(X)) == bits(dense(dense(X)))
    assert ac.checkpoint(dense).__name__ == "dense"


@shapes
def test_vectorised(loss: Function) -> None:
    """Inside of vmap the second run is a part of what runs for the batch."""
    x = data(4, 5, 7)
    inside = [ac.vmap(ac.grad(loss(wrap, dense)))(x) for wrap in (ac.checkpoint, plain)]
    outside = [
        ac.grad(lambda x, wrap=wrap: ac.sum(ac.vmap(loss(wrap, dense))(x)))(x) for wrap in (ac.checkpoint, plain)
    ]
    assert bits(inside[0]) == bits(inside[1])
    assert bits(outside[0]) == bits(outside[1])


@pytest.mark.parametrize("loss", [twice, inside_out])
def test_jacobians(loss: Function) -> None:
    """Pull-backs that run for a batch of cotangents, and gradients through them."""

    def small(x: ac.Tensor) -> ac.Tensor:
        return ac.tanh(x) * ac.sin(x)

    for f in (ac.hessian, ac.jacrev, lambda f: ac.grad(lambda x: ac.sum(ac.hessian(f)(x) ** 2))):
        first, want = f(loss(ac.checkpoint, small))(X[:2, :3]), f(loss(plain, small))(X[:2, :3])
        np.testing.assert_allclose(first.numpy(), want.numpy(), rtol=1e-12)


# -- random draws and other changes in place --------------------------------------------------------------------------


def draws(loss: Function, wrap: Function, compiled: bool) -> Any:
    generator = ac.random.Generator(3)
    drop = ac.nn.Dropout(0.4, generator)

    def block(x: ac.Tensor) -> ac.Tensor:
        return drop(dense(drop(x))) + generator.normal(x.shape, dtype=ac.float64) * x

    step = ac.value_and_grad(loss(wrap, block))
    step = ac.compile(step) if compiled else step
    return [bits(step(X)) for _ in range(3)], generator.state


@pytest.mark.notes("M241")
@pytest.mark.parametrize("compiled", [False, True])
@shapes
def test_draws_are_those_of_the_first_run(loss: Function, compiled: bool) -> None:
    """The second run sees the same numbers, and the generator stands where it stood without checkpoints."""
    assert draws(loss, ac.checkpoint, compiled) == draws(loss, plain, False)


def test_the_common_generator() -> None:
    def run(wrap: Function) -> Any:
        ac.random.seed(8)
        g = ac.grad(twice(wrap, lambda x: dense(x) * ac.random.uniform(x.shape, dtype=ac.float64)))(X)
        return bits(g), ac.random.default_generator.state

    assert run(ac.checkpoint) == run(plain)


def test_a_generator_of_its_own() -> None:
    def block(x: ac.Tensor) -> ac.Tensor:
        g = ac.random.Generator(5)
        y = x * g.uniform(x.shape, dtype=ac.float64)
        assert g.state == (5, 1)
        return ac.sin(y * g.uniform((), dtype=ac.float64))

    assert bits(ac.grad(twice(ac.checkpoint, block))(X)) == bits(ac.grad(twice(plain, block))(X))


@pytest.mark.parametrize("compiled", [False, True])
def test_running_statistics_change_once(compiled: bool) -> None:
    def run(wrap: Function) -> Any:
        mean = ac.zeros(7, dtype=ac.float64)

        def normalised(x: ac.Tensor) -> ac.Tensor:
            mean.assign_(0.9 * mean + 0.1 * ac.stop_gradient(ac.mean(x, axis=0)))
            return ac.sin(x - mean) * ac.exp(mean)

        step = ac.grad(twice(wrap, normalised))
        step = ac.compile(step) if compiled and wrap is not plain else step
        return [bits(step(X)) for _ in range(3)], bits(mean)

    assert run(ac.checkpoint) == run(plain)


def test_a_parameter_that_is_overwritten() -> None:
    results = []
    for wrap in (plain, ac.checkpoint):
        w = data(5, 7, seed=2).requires_grad_()

        def block(x: ac.Tensor, w: ac.Tensor = w) -> ac.Tensor:
            y = ac.sin(x + w)
            w.assign_(x)
            return y * ac.exp(x * w)

        ac.sum(wrap(block)(X)).backward()
        results.append((bits(w), bits(w.grad)))
    assert results[0] == results[1]


# -- errors -----------------------------------------------------------------------------------------------------------


def changing(*ops: Function) -> Function:
    """A function that does something else at each call."""
    calls = iter(ops)
    return lambda x: next(calls)(x)


@pytest.mark.parametrize(("first", "second", "message"), [
    (ac.sin, ac.exp, r"op 1 was sin in the first run, and is exp now"),
    (lambda x: ac.sin(ac.exp(x)), ac.exp, r"op 2 was sin in the first run, and is missing now"),
    (ac.sin, lambda x: ac.exp(ac.sin(x)), r"op 2 was the end in the first run, and is exp now"),
    (lambda x: ac.sin(x * W[:5]), lambda x: ac.sin(x * x), r"op 1, multiply, gives other numbers"),
    (lambda x: ac.exp(ac.sin(x)) * x, lambda x: (ac.sin(x), ac.exp(x) * x)[1], r"op 2, exp, gives other numbers"),
    (lambda x: ac.sin(ac.sum(x, axis=0)), lambda x: ac.sin(ac.sum(x, axis=1)), r"op 1, sum, gives other numbers"),
    (lambda x: ac.logsumexp(x, axis=0), lambda x: ac.logsumexp(x, axis=1), r"op 1, logsumexp, gives other numbers"),
])  # fmt: skip
def test_a_function_that_does_something_else(first: Function, second: Function, message: str) -> None:
    with pytest.raises(ac.GradientError, match=message):
        ac.vjp(ac.checkpoint(changing(first, second)), X)[1](first(X))


def test_what_the_function_reads_may_not_change() -> None:
    """Variables of loops that are bound late, arrays, attributes; a default binds them."""

    def late(x: ac.Tensor) -> ac.Tensor:
        for k in range(3):
            x = ac.checkpoint(lambda x: ac.sin(x) * (k + 1))(x)  # noqa: B023
        return ac.sum(x)

    def bound(x: ac.Tensor, wrap: Function = ac.checkpoint) -> ac.Tensor:
        for k in range(3):
            x = wrap(lambda x, k=k: ac.sin(x) * (k + 1))(x)
        return ac.sum(x)

    scale = np.ones((5, 7))

    def array(x: ac.Tensor) -> ac.Tensor:
        y = ac.checkpoint(lambda x: ac.sin(x + scale))(x)
        scale[:] += 1.0
        return ac.sum(y)

    for f in (late, array):
        for gradient in (ac.grad(f), ac.value_and_grad(f)):
            with pytest.raises(ac.GradientError, match="gives other numbers now than in the first run"):
                gradient(X)
    with pytest.raises(ac.GradientError, match="gives other numbers now than in the first run"):
        ac.compile(ac.grad(late))(X)
    want = bits(ac.grad(lambda x: bound(x, plain))(X))
    assert bits(ac.grad(bound)(X)) == bits(ac.compile(ac.grad(bound))(X)) == want


def test_another_parameter_the_second_time() -> None:
    a, b = data(5, 7, seed=1).requires_grad_(), data(5, 7, seed=2).requires_grad_()
    y = ac.sum(ac.checkpoint(changing(lambda x: x * a, lambda x: x * b))(X))
    with pytest.raises(ac.GradientError, match="op 1, multiply, gives other numbers now than in the first run"):
        y.backward()


@pytest.mark.parametrize("read", [
    lambda x, w: ac.sin(x * w),
    lambda x, w: ac.exp(x + w),
    lambda x, w: ac.where(w > 0, ac.sin(x), x * x),
])  # fmt: skip
@pytest.mark.parametrize("parameter", [False, True])
def test_what_was_changed_in_between(read: Function, parameter: bool) -> None:
    w = data(5, 7, seed=2).requires_grad_(parameter)
    _, pullback = ac.vjp(ac.checkpoint(lambda x: read(x, w)), X)
    pullback(X)
    w.assign_(w * 2.0)
    with pytest.raises(
        ac.GradientError, match=r"a Tensor that the function reads, shape \(5, 7\), float64, was changed"
    ):
        pullback(X)


def test_changed_in_between_in_a_compiled_step() -> None:
    w = data(5, 7, seed=2).requires_grad_()

    @ac.compile
    def step(x: ac.Tensor) -> ac.Tensor:
        y = ac.sum(ac.checkpoint(lambda x: ac.sin(x * w))(x))
        w.assign_(ac.stop_gradient(w) * 2.0)
        y.backward()
        return y

    with pytest.raises(ac.GradientError, match="was changed in place"):
        step(X)


def test_what_cannot_be_done_twice() -> None:
    w = data(5, 7, seed=2).requires_grad_()
    opt = ac.optim.SGD([w], lr=0.1)
    w.grad = ac.ones_like(w)

    def learns(x: ac.Tensor) -> ac.Tensor:
        opt.step()
        return x * w

    def forgets(x: ac.Tensor) -> ac.Tensor:
        opt.zero_grad()
        return x * w

    def updates(x: ac.Tensor) -> ac.Tensor:
        _core.update("sgd", [w, x], (0.1,), [w])
        return x

    def goes_back(x: ac.Tensor) -> ac.Tensor:
        ac.sum(x * w).backward()
        return x

    mean = ac.zeros((5, 7), dtype=ac.float64)

    def reads_a_part(x: ac.Tensor) -> ac.Tensor:
        y = x * mean.detach()[0]
        mean.assign_(mean + 1.0)
        return y * ac.reshape(mean.detach(), (35,))[:7]

    def reads_a_view(x: ac.Tensor) -> ac.Tensor:
        y = ac.sin(x * part)
        mean.assign_(mean + 1.0)
        return y

    for f, message in (
        (learns, "can neither read nor change .grad"),
        (forgets, "can neither read nor change .grad"),
        (updates, r"step of an optimiser \(sgd\)"),
        (goes_back, "called inside a checkpointed function"),
    ):
        with pytest.raises(ac.GradientError, match=message):
            ac.checkpoint(f)(X)
    assert w.grad.tolist() == np.ones((5, 7)).tolist()
    assert bits(ac.vjp(ac.checkpoint(reads_a_part), X)[1](X)) == bits(X * 0.0)
    part = mean[0]
    with pytest.raises(ac.GradientError, match="reads a part of a Tensor that it changes in place"):
        ac.vjp(ac.checkpoint(reads_a_view), X)[1](X)


def test_an_exception_inside_leaves_everything_usable() -> None:
    def broken(x: ac.Tensor) -> ac.Tensor:
        ac.sin(x)
        raise KeyError("mine")

    with pytest.raises(KeyError):
        ac.grad(ac.checkpoint(broken))(1.0)
    with pytest.raises(KeyError):
        ac.vjp(ac.checkpoint(changing(ac.sin, broken)), X)[1](X)
    kept = []

    def half(x: ac.Tensor) -> ac.Tensor:
        kept.append(ac.sin(x))
        raise KeyError("mine")

    def caught(x: ac.Tensor) -> ac.Tensor:
        with pytest.raises(KeyError):
            ac.checkpoint(half)(x)
        return ac.sum(kept.pop() ** 2)

    assert bits(ac.grad(caught)(X)) == bits(ac.grad(lambda x: ac.sum(ac.sin(x) ** 2))(X))
    assert bits(ac.grad(twice(ac.checkpoint, dense))(X)) == bits(ac.grad(twice(plain, dense))(X))


def test_a_graph_that_was_freed() -> None:
    w = data(5, 7, seed=2).requires_grad_()
    y = ac.sum(ac.checkpoint(lambda x: ac.sin(x * w))(X))
    y.backward()
    with pytest.raises(ac.GradientError, match="freed it; call backward"):
        y.backward()


@pytest.mark.parametrize(("how", "error", "message"), [
    ({}, TypeError, "exactly one of segments, every and memory_budget"),
    ({"every": 2, "segments": 2}, TypeError, "exactly one of segments, every and memory_budget"),
    ({"every": 0}, ValueError, "every must be at least 1; got 0"),
    ({"segments": 0}, ValueError, "segments must be from 1 to 3, the number of layers; got 0"),
    ({"segments": 4}, ValueError, "segments must be from 1 to 3, the number of layers; got 4"),
    ({"segments": (1, 1)}, ValueError, r"their sum 3, the number of layers; got \[1, 1\]"),
    ({"segments": (3, 0)}, ValueError, "must be positive"),
])  # fmt: skip
def test_arguments(how: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"checkpoint_sequential: .*{message}"):
        ac.checkpoint_sequential([ac.sin] * 3, **how)


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match="checkpoint: expected a function; got Tensor"):
        ac.checkpoint(X)
    with pytest.raises(TypeError, match="layers must be modules or functions; got int as layer 1"):
        ac.checkpoint_sequential([ac.sin, 3], every=1)
    with pytest.raises(ac.TraceError, match="abstract"):
        ac.checkpoint_sequential([lambda x: x if x[0] > 0 else -x], memory_budget=100)(data(3))
