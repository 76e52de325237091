"""Rows: each eval at two sizes beside the peers and the derivative by hand, and what its first call takes."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

from gradbench import by_hand
from gradbench.libraries import Library, alice, of_autograd, of_jax, of_torch
from harness import check_results
from peers import HAS_FLOOR, autograd, jax, jnp, torch
from rows import FLOOR, OURS, Measured, Row, Target

EVALS = ("hello", "lse", "llsq", "kmeans", "gmm", "det", "ode", "lstm", "ba", "ht", "particle", "saddle")
#: What others have no better way for than ours: streams of memory, and plain products.
HARD = ("lse", "det")


def peers() -> dict[str, Library]:
    found = [of_jax(jax, jnp)] if jax is not None else []
    found += [of_torch(torch)] if torch is not None else []
    found += [of_autograd(autograd)] if autograd is not None else []
    return {lib.name: lib for lib in found}


def ready(lib: Library, eval_: ModuleType, size: tuple[int, ...]) -> Callable[[], Any]:
    """A call that computes the derivative; the arguments are there."""
    call, arrays = lib.compile(eval_.derivative(lib, *size)), [lib.array(a) for a in eval_.inputs(*size)]
    return lambda: call(*arrays)


def contenders(eval_: ModuleType, name: str, size: tuple[int, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {OURS: ready(alice(OURS), eval_, size)}
    found |= {who: ready(lib, eval_, size) for who, lib in peers().items() if who in eval_.PEERS}
    if HAS_FLOOR:
        found[FLOOR] = by_hand.contender(name, eval_.inputs(*size), size, found[OURS]())
    check_results(found, 1e-6)
    return found


def first_calls(eval_: ModuleType, size: tuple[int, ...], with_peers: bool) -> dict[str, list[float]]:
    """Seconds to make the function and call it once, everything imported; JAX's once, it is slow."""
    libraries = {OURS: alice(OURS)} | (peers() if with_peers else {})
    found: dict[str, list[float]] = {}
    for who, lib in libraries.items():
        if who == OURS or who == "jax.jit":
            arrays = [lib.array(a) for a in eval_.inputs(*size)]
            found[who] = []
            for _ in range(5 if who == OURS else 1):
                start = time.perf_counter()
                lib.compile(eval_.derivative(lib, *size))(*arrays)
                found[who].append(time.perf_counter() - start)
    return found


def rows(quick: bool) -> Iterator[Row | Measured]:
    for name in EVALS:
        eval_ = importlib.import_module(f"gradbench.{name}")
        targets: tuple[Target, ...] = (Target(0.8 if name in HARD else 0.5, "best peer"),)
        if name != "hello":  # where a multiplication in a loop is beside a call from Python
            targets += (Target(1.0, FLOOR),)
        small = next(iter(eval_.SIZES.values()))  # its first call comes first
        yield Measured(f"{name}, first call", partial(first_calls, eval_, small, not quick), "s", (Target(0.05, ""),))
        for label, size in list(eval_.SIZES.items())[: 1 if quick else 2]:
            yield Row(f"{name}, {label}", partial(contenders, eval_, name, size), targets, rounds=9)
