"""Runs many steps and says by how much the process has grown; run by ``test_memory_growth.py``.

    python memory_growth.py USE STEPS

The garbage collector is off, so that nothing here may need it. Prints the growth of resident memory in bytes after the
first tenth of the steps.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import alice_core as ac

X = ac.tensor(np.linspace(-1, 1, 32).reshape(8, 4), dtype=ac.float32)
Y = ac.tensor([0, 1, 2, 0, 1, 2, 0, 1])


def model() -> tuple[Any, Any]:
    net = ac.nn.MLP([4, 8, 3])
    return net, ac.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)


def training() -> Callable[[], Any]:
    net, opt = model()

    def step() -> ac.Tensor:
        loss = ac.losses.cross_entropy(net(X), Y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return step


def compiled() -> Callable[[], Any]:
    return ac.compile(training())


def eager() -> Callable[[], Any]:
    return training()


def retraced() -> Callable[[], Any]:
    """Every call meets a signature that it has not kept."""
    f = ac.compile(lambda x, key: ac.sum(ac.softmax(x @ x.T)) * 2, cache_size=2)
    count = iter(range(1 << 60))
    return lambda: f(X, str(next(count) % 1000))


def recompiled() -> Callable[[], Any]:
    """A function, traced and dropped."""
    net, opt = model()

    def once() -> Any:
        @ac.compile
        def step(x: ac.Tensor) -> ac.Tensor:
            loss = ac.losses.cross_entropy(net(x), Y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        return step(X)

    return once


def errors() -> Callable[[], Any]:
    """Calls that are refused, of every kind."""
    f = ac.compile(lambda x: ac.sum(x @ x))
    calls = (
        lambda: X @ X,
        lambda: f(X),
        lambda: ac.take(X, ac.tensor([99])),
        lambda: ac.grad(lambda x: x * 2)(X),
        lambda: ac.tensor([[1], [2, 3]]),
        lambda: X + "a",
        lambda: ac.sum(X, axis=7),
    )

    def once() -> None:
        for call in calls:
            try:
                call()
            except (ac.AliceError, TypeError, IndexError, ValueError):
                continue
            raise AssertionError(f"call {calls.index(call)} was not refused")

    return once


def transforms() -> Callable[[], Any]:
    f = lambda x: ac.sum(ac.tanh(x) ** 2)  # noqa: E731
    g = ac.checkpoint(f)
    return lambda: (
        ac.grad(g)(X),
        ac.jvp(f, [X], [X]),
        ac.vmap(f)(X),
        ac.hvp(f, [X], [X]),
        ac.vjp(f, X)[1](ac.tensor(1.0)),
    )


USES = {f.__name__: f for f in (compiled, eager, retraced, recompiled, errors, transforms)}


def resident() -> int:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main(use: str, steps: int) -> None:
    step = USES[use]()
    for _ in range(max(steps // 10, 100)):
        step()
    gc.collect()
    gc.disable()
    before = resident()
    for _ in range(steps - steps // 10):
        step()
    print(resident() - before)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
