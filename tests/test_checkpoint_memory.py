"""Checkpoints: how much is in memory, and how often layers run."""

from __future__ import annotations

import gc
import importlib
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from checkpoint_functions import (
    KEPT,
    Counter,
    Function,
    W,
    X,
    bits,
    chain,
    data,
    dense,
    in_segments,
    inside_out,
    measured,
    twice,
)

module = importlib.import_module("alice_core.transforms.checkpointing")


# -- the figure of the notes, and counts ------------------------------------------------------------------------------


@pytest.mark.notes("M242")
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


@pytest.mark.notes("M243")
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

    _, whole, want = measured(lambda: run(lambda x: chain(layer, n, x)))
    held, peak, result = measured(lambda: run(ac.checkpoint_sequential([layer] * n, segments=math.isqrt(n))))
    copies = 1 if by_backward else 0  # p
    assert whole - copies >= (n - 1) * KEPT[op]
    assert peak - copies <= 2.5 * math.sqrt(n) * KEPT[op]
    assert held == 1
    assert bits(result) == bits(want)


def test_nothing_inside_is_kept() -> None:
    x = data(100, 100)
    held, _, kept = measured(lambda: ac.vjp(ac.checkpoint(lambda x: chain(ac.sin, 50, x)), x))
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
    assert bits(g) == bits(ac.grad(lambda x: ac.sum(chain(ac.sin, 256, x)))(x))


def test_linear_functions_do_not_run_again() -> None:
    f = Counter(lambda x: ac.reshape(x + 1.0, (7, 5)).T)
    ac.grad(lambda x: ac.sum(ac.checkpoint(f)(x)))(X)
    assert f.runs == 1


def test_the_graph_of_a_finished_gradient_is_freed_without_the_collector() -> None:
    def once() -> int:
        for loss in (twice, inside_out, in_segments):
            ac.grad(lambda x, loss=loss: ac.sum(ac.grad(loss(ac.checkpoint, dense))(x)))(X)
            y = loss(ac.checkpoint, dense)(ac.tensor(X).requires_grad_())
            y.backward()
            del y
        return int(ac.memory_stats()["live_bytes"])

    gc.collect()
    gc.disable()
    try:
        before = once()  # with what is kept from its first use on
        assert once() == before
    finally:
        gc.enable()


def test_ten_thousand_layers() -> None:
    x = data(10)
    want = bits(ac.grad(lambda x: ac.sum(chain(ac.sin, 10_000, x)))(x))
    for f in (
        lambda x: chain(ac.checkpoint(ac.sin), 10_000, x),
        ac.checkpoint(lambda x: chain(ac.sin, 10_000, x)),
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
@given(st.lists(st.sampled_from(sorted(LAYERS)), min_size=1, max_size=16), st.integers(0, 100))
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
    assert bits(ac.vjp(loss, X)[1](X)) == bits(ac.vjp(lambda x: chain(dense, 4, x), X)[1](X))
