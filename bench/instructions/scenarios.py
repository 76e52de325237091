"""What callgrind counts: ``python bench/instructions/scenarios.py`` calls ``getppid`` between the parts.

count.py lets callgrind write down and reset its counters at each of those calls. Each scenario runs n times, then 2n
times; the difference is n calls without what surrounds them.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable

import numpy as np

import alice_core as ac


def _step(sizes: list[int], compiled: bool) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    x = ac.tensor(rng.standard_normal((32, sizes[0])).astype(np.float32))
    y = ac.tensor(rng.integers(0, sizes[-1], 32))
    model = ac.nn.MLP(sizes, seed=0)
    opt = ac.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    call = ac.compile(step) if compiled else step
    return lambda: call(x, y)


def recorded_multiply() -> Callable[[], object]:
    x, y = ac.tensor(np.ones(16, np.float32)).requires_grad_(), ac.tensor(np.ones(16, np.float32))
    return lambda: ac.multiply(x, y)


def compiling() -> Callable[[], object]:
    """A new compiled function each time: trace, plan, first replay."""

    def run() -> None:
        _step([64, 128, 10], compiled=True)()

    return run


def compiling_a_chain() -> Callable[[], object]:
    """The gradient of 200 ops, one after the other: what grows with their number."""
    x = ac.tensor(np.ones(10, np.float32))

    def chain(x: ac.Tensor) -> ac.Tensor:
        for _ in range(100):
            x = ac.sin(x) + 0.1
        return ac.sum(x)

    return lambda: ac.compile(ac.grad(chain))(x)


#: Name -> what makes the call, calls in the shorter part.
SCENARIOS: dict[str, tuple[Callable[[], Callable[[], object]], int]] = {
    "recorded multiply": (recorded_multiply, 200),
    "eager step 2-16-2": (lambda: _step([2, 16, 2], compiled=False), 20),
    "eager step 64-128-10": (lambda: _step([64, 128, 10], compiled=False), 20),
    "compiled step 2-16-2": (lambda: _step([2, 16, 2], compiled=True), 100),
    "compiled step 64-128-10": (lambda: _step([64, 128, 10], compiled=True), 50),
    "compile step 64-128-10": (compiling, 3),
    "compile the gradient of 200 ops": (compiling_a_chain, 2),
}


def available() -> list[str]:
    return [name for name in SCENARIOS if hasattr(ac, "compile") or not name.startswith("compile")]


def main() -> None:
    ac.set_num_threads(1)
    mark = os.getppid
    for name in available():
        make, n = SCENARIOS[name]
        call = make()
        gc.collect()
        gc.disable()
        for _ in range(5):  # caches of the allocator and of the interpreter
            call()
        mark()
        for _ in range(n):
            call()
        mark()
        for _ in range(2 * n):
            call()
        mark()
        gc.enable()
    sys.stdout.write(ac.build_config()["isa"] + "\n")


if __name__ == "__main__":
    main()
