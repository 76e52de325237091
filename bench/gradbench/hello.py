"""hello: the square of a number, and twice that number. What is measured is one call, however little it does.

Source: GradBench, evals/hello.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradbench.libraries import Library

SIZES: dict[str, tuple[int, ...]] = {"a number": ()}
TINY: tuple[tuple[int, ...], ...] = ((),)
PEERS = ("jax.jit", "PyTorch", "autograd")


def inputs() -> tuple[Any, ...]:
    return (np.array(3.0),)


def derivative(lib: Library) -> Any:
    return lib.grad(lambda x: x * x)


def reference() -> Any:
    return 2.0 * inputs()[0]
