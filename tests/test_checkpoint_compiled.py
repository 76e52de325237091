"""Checkpoints in compiled functions: the same bits from a smaller arena."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alice_core as ac
from checkpoint_functions import KEPT, Function, X, bits, blocks, chain, data, plain, shapes, twice

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
        assert bits(step(x)) == bits(ac.grad(lambda x: ac.sum(chain(layer, 64, x)))(x))
        return step.program(x).arena_bytes / x.nbytes

    assert arena(lambda x: chain(layer, 64, x)) >= 62
    assert arena(ac.checkpoint_sequential([layer] * 64, segments=8)) <= 2.5 * 8 * KEPT[op]
    assert arena(lambda x: chain(ac.checkpoint(lambda x: chain(layer, 8, x)), 8, x)) <= 2.5 * 8 * KEPT[op]


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
