"""Functions to checkpoint, and ways to do it, for the tests of checkpoints."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import tree

Function = Callable[..., Any]


def data(*shape: int, seed: int = 0) -> ac.Tensor:
    return ac.tensor(np.random.default_rng(seed).standard_normal(shape))


def bits(result: Any) -> list[Any]:
    return [(y.shape, y.dtype, y.numpy().tobytes()) for y in tree.leaves(result)]


def plain(f: Function) -> Function:
    return f


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


class Counter:
    """A block that counts its evaluations."""

    def __init__(self, f: Function) -> None:
        self.f, self.runs = f, 0

    def __call__(self, x: ac.Tensor) -> ac.Tensor:
        self.runs += 1
        return self.f(x)


def chain(layer: Function, n: int, x: ac.Tensor) -> ac.Tensor:
    for _ in range(n):
        x = layer(x)
    return x


# What one equal layer keeps for the gradient: a sine its operand, a linear layer with tanh the operands of both ops.
KEPT = {"sin": 1, "tanh": 1, "linear": 2}


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
