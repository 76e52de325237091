"""A linear layer and its cross-entropy for many classes, value and gradients: all logits at once, or some at a time.

    python bench/linear_cross_entropy.py [--rows 2048 --features 512 --classes 32000 --repeats 5]

Both take three products of rows x features x classes: the gradient is made while a part of the logits is there, and in
their place. What parts cost beside that: W is packed again for each.

Alternating runs after a warm-up; medians. "extra" is the most memory that is in use beyond the inputs and the gradients
themselves, which both forms need.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import alice_core as ac


def dense(h: ac.Tensor, W: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
    return ac.losses.cross_entropy(h @ W, y)


def measured(step: Callable[[], Any]) -> tuple[float, int]:
    """Seconds, and bytes beyond the results."""
    before = ac.memory_stats()["live_bytes"]
    ac.reset_peak_memory()
    begin = time.perf_counter()
    _, gradients = step()
    seconds = time.perf_counter() - begin
    return seconds, ac.memory_stats()["peak_bytes"] - before - sum(g.nbytes for g in gradients)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 2048), ("features", 512), ("classes", 32000), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, default=ac.get_num_threads())
    options = parser.parse_args()
    ac.set_num_threads(options.threads)
    rng = np.random.default_rng(0)
    h = ac.tensor(rng.standard_normal((options.rows, options.features), np.float32))
    W = ac.tensor(rng.standard_normal((options.features, options.classes), np.float32) / 16)
    y = ac.tensor(rng.integers(0, options.classes, options.rows))
    forms = {"dense": dense, "linear_cross_entropy": ac.losses.linear_cross_entropy}
    steps = {
        name: lambda f=f: ac.value_and_grad(lambda h, W: f(h, W, y), argnums=(0, 1))(h, W)  # type: ignore[misc]
        for name, f in forms.items()
    }
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in steps}
    for _ in range(options.repeats + 1):
        for name, step in steps.items():
            found[name].append(measured(step))
    seconds = {name: statistics.median(s for s, _ in runs[1:]) for name, runs in found.items()}
    extra = {}
    for name, step in steps.items():
        ac.trim_memory()  # a block that is used again counts as a whole, whatever it was for
        extra[name] = measured(step)[1]
    for name in steps:
        time_ratio, memory_ratio = seconds[name] / seconds["dense"], extra[name] / extra["dense"]
        print(f"{name:22} {seconds[name]:6.2f} s ({time_ratio:.2f}x)", end="   ")
        print(f"extra {extra[name] / 1e6:.0f} MB ({memory_ratio:.0%})")
    (_, a), (_, b) = (step() for step in steps.values())
    largest = max(
        float(np.abs(x.numpy() - z.numpy()).max() / np.abs(x.numpy()).max()) for x, z in zip(a, b, strict=True)
    )
    print(f"largest difference of gradients: {largest:.1e} of the largest gradient")


if __name__ == "__main__":
    main()
