"""Checkpointing: the same bits from less memory, with the function run again."""

from __future__ import annotations

import gc
import importlib
import math
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from alice_core import _core, tree
from program_maker import random_program
from random_programs import _run, compare

Function = Callable[..., Any]


def data(*shape: int, seed: int = 0) -> ac.Tensor:
    return ac.tensor(np.random.default_rng(seed).standard_normal(shape))


def bits(result: Any) -> list[Any]:
    return [(y.shape, y.dtype, y.numpy().tobytes()) for y in tree.leaves(result)]


def plain(f: Function) -> Function:
    return f


module = importlib.import_module("alice_core.transforms.checkpoint")

W = data(7, 7, seed=1)
X = data(5, 7)


def dense(x: ac.Tensor) -> ac.Tensor:
    return ac.tanh(x @ W) * x


def scores(x: ac.Tensor) -> ac.Tensor:
    y = ac.softmax(x @ x.T, axis=-1) @ ac.gelu(x)
    return y + ac.where(x > 0, ac.log1p(ac.abs(x)), ac.exp(x) * 2.0)


def views(x: ac.Tensor) -> ac.Tensor:
    y = ac.reshape(x.T, (5, 7)) * x[::-1]
    return ac.concat([y[:2], ac.sin(y)[2:]], axis=0)


def inner_gradient(x: ac.Tensor) -> ac.Tensor:
    """Differentiates inside: with respect to what it gets, and to what it makes."""
    g = ac.grad(lambda z: ac.sum(ac.tanh(z * x) ** 3))(x)
    return g * ac.grad(lambda z: ac.sum(ac.sin(z)))(ac.ones_like(x)) + ac.vjp(dense, ac.cos(x))[1](x)[0]


def linear(x: ac.Tensor) -> ac.Tensor:
    return x + 1.0


BLOCKS = [dense, scores, views, inner_gradient, linear]
blocks = pytest.mark.parametrize("block", BLOCKS, ids=lambda f: f.__name__)


def twice(wrap: Function, block: Function) -> Function:
    return lambda x: ac.sum(wrap(block)(wrap(block)(x)) ** 2)


def inside_out(wrap: Function, block: Function) -> Function:
    """Checkpointed calls within one another, side by side and in depth."""

    def middle(x: ac.Tensor) -> ac.Tensor:
        return ac.tanh(wrap(block)(ac.sin(wrap(block)(x))))

    return lambda x: ac.sum(wrap(lambda x: wrap(middle)(x) * wrap(block)(x))(ac.cos(x)) ** 2)


def in_segments(wrap: Function, block: Function) -> Function:
    layers = [ac.sin, block, ac.tanh, block, dense]
    if wrap is plain:
        return lambda x: ac.sum(layers[4](layers[3](layers[2](layers[1](layers[0](x))))) ** 2)
    return lambda x: ac.sum(ac.checkpoint_sequential(layers, every=3)(x) ** 2)


shapes = pytest.mark.parametrize("loss", [twice, inside_out, in_segments], ids=lambda f: f.__name__)


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


@blocks
@shapes
def test_parameters_of_the_closure(loss: Function, block: Function) -> None:
    w = data(5, 7, seed=3).requires_grad_()
    gradients = []
    for wrap in (plain, ac.checkpoint):
        w.grad = None
        value = loss(wrap, lambda x: block(x) * w)(X)
        value.backward(retain_graph=True)
        value.backward()
        gradients.append(bits(w.grad))
    assert gradients[0] == gradients[1]


@blocks
@shapes
def test_backward_through_a_gradient(loss: Function, block: Function) -> None:
    w = data(5, 7, seed=3).requires_grad_()
    gradients = []
    for wrap in (plain, ac.checkpoint):
        w.grad = None
        f = loss(wrap, lambda x: block(x) * w)
        ac.sum(ac.grad(f)(X) ** 2).backward()
        gradients.append(bits(w.grad))
    assert gradients[0] == gradients[1]


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
    assert bits(ac.checkpoint_sequential([block] * 4, memory_budget=10_000)(X)) == bits(_chain(block, 4, X))


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


# Programs with these inside cannot be checkpointed, and say so.
REFUSED = "called inside a checkpointed function|can neither read nor change .grad|was changed in place after it ran"


def _differentiated(f: Function, how: str) -> Function:
    def run(*args: Any, **kwargs: Any) -> Any:
        leaves = list(tree.leaves((args, kwargs)))
        places = [i for i, x in enumerate(leaves) if isinstance(x, ac.Tensor) and x.dtype.kind == "f"]

        def of(xs: list[ac.Tensor], leaves: list[Any] = leaves) -> list[ac.Tensor]:
            given = list(leaves)
            for i, x in zip(places, xs, strict=True):
                given[i] = x
            a, k = tree.rebuild((args, kwargs), iter(given))
            results = [y for y in tree.leaves(f(*a, **k)) if isinstance(y, ac.Tensor) and not y._weak]
            return [y * 1.0 for y in results if y.dtype.kind == "f"]

        def pulled_back(leaves: list[Any]) -> Any:
            ys, pullback = ac.vjp(lambda xs: of(xs, leaves), [leaves[i] for i in places])
            return ys, pullback([ac.ones_like(y) for y in ys])

        if how == "vjp":
            return pulled_back(leaves)
        if how == "compiled":
            return ac.compile(pulled_back)(leaves)
        copies = [ac.tensor(leaves[i]).requires_grad_() for i in places]
        ys = of(copies)
        for y in ys:
            if y.is_tracked:
                y.backward(ac.ones_like(y), retain_graph=True)
        return [ac.stop_gradient(y) for y in ys], [x.grad for x in copies]

    return run


def test_random_programs_keep_their_bits() -> None:
    compared = 0
    for seed in range(900):
        how = ("vjp", "compiled", "backward")[seed % 3]
        build, calls = random_program(random.Random(seed).randrange).functions()

        def history(wrap: Function, how: str = how, build: Any = build, calls: Any = calls) -> Any:
            return _run(lambda _: build(wrap), calls, lambda f: _differentiated(wrap(f), how))[0]

        for i, (want, got) in enumerate(zip(history(plain), history(ac.checkpoint), strict=False)):
            if isinstance(want, Exception):
                break
            if isinstance(got, Exception):
                with pytest.raises(ac.GradientError, match=REFUSED):
                    raise got
                break
            compare(want, got, f"program {seed}, call {i}")
            compared += 1
    assert compared > 1200


# -- random draws and other changes in place --------------------------------------------------------------------------


def draws(loss: Function, wrap: Function, compiled: bool) -> Any:
    generator = ac.random.Generator(3)
    drop = ac.nn.Dropout(0.4, generator)

    def block(x: ac.Tensor) -> ac.Tensor:
        return drop(dense(drop(x))) + generator.normal(x.shape, dtype=ac.float64) * x

    step = ac.value_and_grad(loss(wrap, block))
    step = ac.compile(step) if compiled else step
    return [bits(step(X)) for _ in range(3)], generator.state


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


# -- the figure of the notes, and counts ------------------------------------------------------------------------------


class Counter:
    """A block that counts its evaluations."""

    def __init__(self, f: Function) -> None:
        self.f, self.runs = f, 0

    def __call__(self, x: ac.Tensor) -> ac.Tensor:
        self.runs += 1
        return self.f(x)


@pytest.mark.parametrize("op", [ac.sin, ac.tanh, dense])
def test_figure_of_the_notes(op: Function) -> None:
    """Row M242: blocks 1, 2 and 4 are stored; 5 evaluations in place of 4; events (a) to (d) in this order."""
    layers = [Counter(op) for _ in range(4)]
    events: list[tuple[str, int]] = []
    f = ac.checkpoint_sequential(layers, segments=(1, 1, 2), on_event=events.append)
    y, pullback = ac.vjp(f, X)
    assert events == [("run", 0), ("store", 0), ("run", 1), ("store", 1), ("run", 2), ("run", 3), ("store", 3)]
    pullback(y)
    assert events[7:] == [("recompute", 2)]
    assert [layer.runs for layer in layers] == [1, 1, 2, 1]
    assert sum(layer.runs for layer in layers) / len(layers) == 1.25


@pytest.mark.parametrize(("n", "every", "again"), [(16, 4, 12), (64, 8, 56), (100, 10, 90)])
@pytest.mark.parametrize("op", [ac.sin, ac.tanh])
def test_evaluations_and_memory(op: Function, n: int, every: int, again: int) -> None:
    """Row M243: L layers stored every k take L + (L - L / k) evaluations, and L / k + k values in memory."""
    layer = Counter(op)
    f = ac.checkpoint_sequential([layer] * n, every=every)
    x = data(100, 100)
    held, peak, _gradient = measured(lambda: ac.grad(lambda x: ac.sum(f(x)))(x))
    assert layer.runs == n + again
    assert peak <= n // every + every + 2
    assert peak <= 2.5 * math.sqrt(n)
    assert held == 1  # the gradient


def measured(run: Callable[[], Any]) -> tuple[int, float, Any]:
    """Live memory after and, at most, during a run, in arrays of 100 x 100 float64."""
    gc.collect()
    before = ac.memory_stats()["live_bytes"]
    ac.reset_peak_memory()
    result = run()
    stats = ac.memory_stats()
    array = allocated(80_000)
    return round((stats["live_bytes"] - before) / array), (stats["peak_bytes"] - before) / array, result


def allocated(n: int) -> int:
    before = ac.memory_stats()["live_bytes"]
    kept = ac.zeros(n // 8, dtype=ac.float64)
    after = ac.memory_stats()["live_bytes"]
    del kept
    return after - before


# What one equal layer keeps for the gradient: a sine its operand, a linear layer with tanh the operands of both ops.
KEPT = {"sin": 1, "tanh": 1, "linear": 2}


@pytest.mark.parametrize("n", [16, 25, 100, 400])
@pytest.mark.parametrize("by_backward", [False, True])
@pytest.mark.parametrize("op", KEPT)
def test_memory_is_at_most_two_and_a_half_square_roots(n: int, by_backward: bool, op: str) -> None:
    x, w = data(100, 100), data(100, 100, seed=2)
    layer = {"sin": ac.sin, "tanh": ac.tanh, "linear": lambda x: ac.tanh(x @ w)}[op]

    def run(f: Function) -> Any:
        if not by_backward:
            return ac.grad(lambda x: ac.sum(f(x)))(x)
        p = ac.tensor(x).requires_grad_()
        ac.sum(f(p)).backward()
        return p.grad

    _, whole, want = measured(lambda: run(lambda x: _chain(layer, n, x)))
    held, peak, result = measured(lambda: run(ac.checkpoint_sequential([layer] * n, segments=math.isqrt(n))))
    copies = 1 if by_backward else 0  # p
    assert whole - copies >= (n - 1) * KEPT[op]
    assert peak - copies <= 2.5 * math.sqrt(n) * KEPT[op]
    assert held == 1
    assert bits(result) == bits(want)


def _chain(layer: Function, n: int, x: ac.Tensor) -> ac.Tensor:
    for _ in range(n):
        x = layer(x)
    return x


def test_nothing_inside_is_kept() -> None:
    x = data(100, 100)
    held, _, kept = measured(lambda: ac.vjp(ac.checkpoint(lambda x: _chain(ac.sin, 50, x)), x))
    assert held == 1  # the result
    del kept


def test_nested_checkpoints_need_less() -> None:
    def halves(n: int, x: ac.Tensor) -> ac.Tensor:
        if n == 1:
            return ac.sin(x)
        return ac.checkpoint(lambda x: halves(n // 2, x))(ac.checkpoint(lambda x: halves(n - n // 2, x))(x))

    x = data(100, 100)
    _, peak, g = measured(lambda: ac.grad(lambda x: ac.sum(halves(256, x)))(x))
    assert peak <= 2 * math.log2(256) + 4
    assert bits(g) == bits(ac.grad(lambda x: ac.sum(_chain(ac.sin, 256, x)))(x))


def test_linear_functions_do_not_run_again() -> None:
    f = Counter(lambda x: ac.reshape(x + 1.0, (7, 5)).T)
    ac.grad(lambda x: ac.sum(ac.checkpoint(f)(x)))(X)
    assert f.runs == 1


def test_the_graph_of_a_finished_gradient_is_freed_without_the_collector() -> None:
    gc.collect()
    gc.disable()
    try:
        before = ac.memory_stats()["live_bytes"]
        for loss in (twice, inside_out, in_segments):
            ac.grad(lambda x, loss=loss: ac.sum(ac.grad(loss(ac.checkpoint, dense))(x)))(X)
            y = loss(ac.checkpoint, dense)(ac.tensor(X).requires_grad_())
            y.backward()
            del y
        assert ac.memory_stats()["live_bytes"] == before
    finally:
        gc.enable()


def test_ten_thousand_layers() -> None:
    x = data(10)
    want = bits(ac.grad(lambda x: ac.sum(_chain(ac.sin, 10_000, x)))(x))
    for f in (
        lambda x: _chain(ac.checkpoint(ac.sin), 10_000, x),
        ac.checkpoint(lambda x: _chain(ac.sin, 10_000, x)),
        ac.checkpoint_sequential([ac.sin] * 10_000, segments=100),
        ac.checkpoint_sequential([ac.checkpoint(ac.sin)] * 10_000, every=100),
    ):
        assert bits(ac.grad(lambda x, f=f: ac.sum(f(x)))(x)) == want


# -- segments ---------------------------------------------------------------------------------------------------------


def stored(f: Function, x: Any = X) -> list[int]:
    events: list[tuple[str, int]] = []
    f(events.append)(x)
    return [i for what, i in events if what == "store"]


@pytest.mark.parametrize(("how", "want"), [
    ({"segments": 1}, [4]),
    ({"segments": 2}, [2, 4]),
    ({"segments": 3}, [1, 3, 4]),
    ({"segments": 5}, [0, 1, 2, 3, 4]),
    ({"segments": [2, 3]}, [1, 4]),
    ({"every": 2}, [1, 3, 4]),
    ({"every": 9}, [4]),
])  # fmt: skip
def test_where_segments_end(how: dict[str, Any], want: list[int]) -> None:
    assert stored(lambda log: ac.checkpoint_sequential([dense] * 5, on_event=log, **how)) == want


def test_a_sequential_and_its_parameters() -> None:
    model = ac.nn.MLP([7, 16, 16, 16, 3], activation="tanh", dtype=ac.float64, seed=0)
    gradients = []
    for f in (model, ac.checkpoint_sequential(model, segments=2)):
        for p in model.parameters():
            p.grad = None
        ac.losses.cross_entropy(f(X), ac.tensor([0, 2, 1, 1, 0])).backward()
        gradients.append([bits(p.grad) for p in model.parameters()])
    assert gradients[0] == gradients[1]


def test_layers_that_pass_structures_on() -> None:
    def step(state: dict[str, Any]) -> dict[str, Any]:
        return {"h": ac.tanh(state["h"] @ W) * state["x"][0], "x": (ac.sin(state["x"][0]), 1)}

    def loss(f: Function) -> Function:
        return lambda x: ac.sum(f({"h": x, "x": (ac.cos(x), 1)})["h"])

    want = ac.grad(loss(lambda s: step(step(step(step(s))))))(X)
    for how in ({"every": 2}, {"segments": 1}, {"memory_budget": 4_000}):
        assert bits(ac.grad(loss(ac.checkpoint_sequential([step] * 4, **how)))(X)) == bits(want)


def test_no_layers() -> None:
    assert ac.checkpoint_sequential([], every=1)(X) is X


# -- a budget ---------------------------------------------------------------------------------------------------------


class Costs(NamedTuple):
    stored: list[int]
    kept: list[int]


def all_segmentations(n: int) -> Iterator[list[int]]:
    for mask in range(1 << (n - 1)):
        yield [i + 1 for i in range(n - 1) if mask >> i & 1] + [n]


def peak_of(ends: Sequence[int], costs: Costs) -> int:
    held, most = 0, 0
    for start, end in pairwise([0, *ends]):
        held += costs.stored[end - 1]
        most = max(most, held + sum(costs.kept[start : end - 1]))
    return most


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=9), st.data())
def test_the_plan_is_the_best_there_is(sizes: list[tuple[int, int]], draw: st.DataObject) -> None:
    costs = Costs([a for a, _ in sizes], [b for _, b in sizes])
    peaks = {tuple(ends): peak_of(ends, costs) for ends in all_segmentations(len(sizes))}
    budget = draw.draw(st.integers(0, max(peaks.values()) + 2))
    arrays = np.array(costs.stored), np.array(costs.kept)
    fitting = [ends for ends, peak in peaks.items() if peak <= budget]
    found = module._fewest_evaluations(*arrays, budget)
    assert module._least_budget(*arrays) == min(peaks.values())
    if not fitting:
        assert found is None
    else:
        assert found is not None
        assert peaks[tuple(found)] <= budget
        assert len(found) == max(map(len, fitting))


LAYERS: dict[str, Function] = {
    "sin": ac.sin,
    "tanh": ac.tanh,
    "twice": lambda x: ac.sin(ac.exp(-x * x)),
    "linear": lambda x: ac.tanh(x @ ac.stop_gradient(x[:1].T @ x[:1])),
    "relu": lambda x: ac.relu(x + 1.0),
    "turned": lambda x: ac.sin(ac.reshape(x.T, x.shape)),
    "half": lambda x: ac.cos(x[: max(1, x.shape[0] // 2)]),
    "double": lambda x: ac.concat([x, ac.sin(x)], axis=0) if x.shape[0] < 800 else ac.tanh(x),
}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=30), st.integers(0, 100))
def test_a_budget_is_respected(names: list[str], percent: int) -> None:
    """What is kept is measured; cotangents, and what one layer needs while it or its rules run, come on top."""
    layers = [LAYERS[name] for name in names]
    x = data(64, 64)
    everything = sum(module._activations(layers, x)[0])
    least = module._least_budget(*module._activations(layers, x))
    budget = int(least + (everything - least) * percent / 100)
    f = ac.checkpoint_sequential(layers, memory_budget=budget)

    largest = max(_sizes(layers, x))
    gc.collect()
    before = ac.memory_stats()["live_bytes"]
    ac.reset_peak_memory()
    g = ac.grad(lambda x: ac.sum(f(x)))(x)
    assert ac.memory_stats()["peak_bytes"] - before <= (budget + 7 * largest) * 1.13 + 1000 * len(layers)
    y, kept = ac.vjp(f, x)
    assert ac.memory_stats()["live_bytes"] - before <= (budget + largest) * 1.13 + 1000 * len(layers)
    del kept

    def whole(x: ac.Tensor) -> ac.Tensor:
        for layer in layers:
            x = layer(x)
        return x

    assert bits(g) == bits(ac.grad(lambda x: ac.sum(whole(x)))(x))
    assert bits(y) == bits(whole(x))


def _sizes(layers: Sequence[Function], x: ac.Tensor) -> Iterator[int]:
    for layer in layers:
        yield x.nbytes
        x = layer(x)
    yield x.nbytes


def test_more_budget_means_fewer_evaluations() -> None:
    x = data(100, 100)
    counts = []
    for arrays in (11, 13, 16, 24, 32, 33, 48, 64):
        events: list[tuple[str, int]] = []
        f = ac.checkpoint_sequential([ac.sin] * 64, memory_budget=arrays * x.nbytes, on_event=events.append)
        _, peak, _ = measured(lambda f=f: ac.grad(lambda x: ac.sum(f(x)))(x))
        assert peak <= arrays + 2.1
        counts.append(sum(what != "store" for what, _ in events))
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 64  # nothing runs again
    assert counts[0] <= 128


def test_a_budget_that_cannot_be_kept() -> None:
    x = data(100, 100)
    with pytest.raises(ValueError, match=r"memory_budget must be at least (\d+) bytes") as caught:
        ac.checkpoint_sequential([ac.sin] * 64, memory_budget=x.nbytes)(x)
    least = int(str(caught.value).split("at least ")[1].split()[0])
    assert least % x.nbytes == 0
    ac.checkpoint_sequential([ac.sin] * 64, memory_budget=least)(x)
    with pytest.raises(ValueError, match=f"at least {least} bytes"):
        ac.checkpoint_sequential([ac.sin] * 64, memory_budget=least - 1)(x)


def test_the_sizes_leave_no_trace() -> None:
    """The abstract run draws no numbers, and changes nothing."""
    generator = ac.random.Generator(1)
    drop = ac.nn.Dropout(0.5, generator)
    f = ac.checkpoint_sequential([drop, dense, drop, dense], memory_budget=4_000)
    f(X)
    assert generator.state == (1, 2)
    loss = ac.checkpoint(lambda x: ac.checkpoint_sequential([dense] * 4, memory_budget=2_600)(x))
    assert bits(ac.vjp(loss, X)[1](X)) == bits(ac.vjp(lambda x: _chain(dense, 4, x), X)[1](X))


# -- compiled ---------------------------------------------------------------------------------------------------------


@blocks
@shapes
def test_compiled_has_the_bits(loss: Function, block: Function) -> None:
    want = ac.value_and_grad(loss(plain, block))(X)
    assert bits(ac.compile(ac.value_and_grad(loss(ac.checkpoint, block)))(X)) == bits(want)


@blocks
@shapes
def test_compiled_second_order_has_the_bits(loss: Function, block: Function) -> None:
    def second(wrap: Function) -> Function:
        return ac.grad(lambda x: ac.sum(ac.grad(loss(wrap, block))(x) ** 2))

    assert bits(ac.compile(second(ac.checkpoint))(X)) == bits(second(plain)(X))


@pytest.mark.parametrize("op", ["sin", "tanh", "linear"])
def test_compiled_step_takes_less_memory(op: str) -> None:
    x, w = data(64, 64), data(64, 64, seed=2)
    layer = {"sin": ac.sin, "tanh": ac.tanh, "linear": lambda x: ac.tanh(x @ w)}[op]

    def arena(f: Function) -> float:
        step = ac.compile(ac.grad(lambda x: ac.sum(f(x))))
        assert bits(step(x)) == bits(ac.grad(lambda x: ac.sum(_chain(layer, 64, x)))(x))
        return step.program(x).arena_bytes / x.nbytes

    assert arena(lambda x: _chain(layer, 64, x)) >= 62
    assert arena(ac.checkpoint_sequential([layer] * 64, segments=8)) <= 2.5 * 8 * KEPT[op]
    assert arena(lambda x: _chain(ac.checkpoint(lambda x: _chain(layer, 8, x)), 8, x)) <= 2.5 * 8 * KEPT[op]


def test_compiled_training_step() -> None:
    def trained(checkpointed: bool, compiled: bool) -> Any:
        model = ac.nn.MLP([32] * 17, activation="tanh", seed=0)
        opt = ac.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        f = ac.checkpoint_sequential(model, segments=4) if checkpointed else model
        x, y = ac.tensor(data(256, 32), dtype=ac.float32), ac.tensor(np.arange(256) % 32)

        def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
            loss = ac.losses.cross_entropy(f(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        run = ac.compile(step) if compiled else step
        losses = [bits(run(x, y)) for _ in range(3)]
        arena = run.program(x, y).arena_bytes if compiled else 0
        return losses, [bits(p) for p in model.parameters()], arena

    *want, _ = trained(False, False)
    assert trained(True, False)[:2] == tuple(want)
    *whole, large = trained(False, True)
    *parts, small = trained(True, True)
    assert whole == parts == want
    assert small < 0.6 * large


def test_a_compiled_function_inside() -> None:
    inner = ac.compile(lambda x: ac.tanh(x) * x)
    generator = ac.random.Generator(2)
    noisy = ac.compile(lambda x: x * generator.uniform(x.shape, dtype=ac.float64))
    for f in (inner, noisy):
        results = []
        for wrap in (plain, ac.checkpoint):
            generator.seed(2)
            results.append((bits(ac.grad(twice(wrap, f))(X)), generator.state))
        assert results[0] == results[1]


def test_the_second_run_reads_the_same_memory_as_another_value() -> None:
    """The op behind compiled checkpoints is the identity, but its results are equal to nothing."""
    remat = ac.primitives()["remat"]
    assert remat(X)._shares_memory(X)
    assert bits(ac.grad(lambda x: ac.sum(remat(x) ** 2))(X)) == bits(2 * X)
    assert bits(ac.jvp(remat, [X], [X[::-1]])) == bits((X, X[::-1]))
    assert bits(ac.vmap(remat)(X)) == bits(X)
    program = ac.compile(lambda x: (ac.sin(x), ac.sin(remat(x)), ac.sin(remat(x)))).program(X)
    assert sum(call.count("sin(") for i in program.instructions for call in i.calls) == 3


# -- errors -----------------------------------------------------------------------------------------------------------


def changing(*ops: Function) -> Function:
    """A function that does something else at each call."""
    calls = iter(ops)
    return lambda x: next(calls)(x)


@pytest.mark.parametrize(("first", "second", "message"), [
    (ac.sin, ac.exp, r"op 1 was sin in the first run, and is exp now"),
    (lambda x: ac.sin(ac.exp(x)), ac.exp, r"op 2 was sin in the first run, and is missing now"),
    (ac.sin, lambda x: ac.exp(ac.sin(x)), r"op 2 was the end in the first run, and is exp now"),
    (lambda x: ac.sin(x * W[:5]), lambda x: ac.sin(x * x), r"multiply, op 1, has other operands"),
    (lambda x: ac.exp(ac.sin(x)) * x, lambda x: (ac.sin(x), ac.exp(x) * x)[1], r"exp, op 2, has other operands"),
    (lambda x: ac.sin(ac.sum(x, axis=0)), lambda x: ac.sin(ac.sum(x, axis=1)), r"sin, op 2, has other operands"),
    (lambda x: ac.logsumexp(x, axis=0), lambda x: ac.logsumexp(x, axis=1), r"has other"),
])  # fmt: skip
def test_a_function_that_does_something_else(first: Function, second: Function, message: str) -> None:
    with pytest.raises(ac.GradientError, match=message):
        ac.vjp(ac.checkpoint(changing(first, second)), X)[1](first(X))


def test_another_parameter_the_second_time() -> None:
    a, b = data(5, 7, seed=1).requires_grad_(), data(5, 7, seed=2).requires_grad_()
    y = ac.sum(ac.checkpoint(changing(lambda x: x * a, lambda x: x * b))(X))
    with pytest.raises(ac.GradientError, match="multiply, op 1, has other operands now than in the first run"):
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

    part = mean[0]

    def reads_a_view(x: ac.Tensor) -> ac.Tensor:
        mean.assign_(mean + 1.0)
        return ac.sin(x * part)

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
