"""Timing of contenders side by side.

Contenders take turns within each round, in an order that is shuffled anew, so that a slow minute of the machine
hits all of them. The figure of merit is the ratio of the medians; the spread is the middle half of the samples.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Seconds per call."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Contender:
    """One way to do the work of a row.

    ``run`` does it once. ``repeat(n)`` does it n times in a loop of its own, where the loop is not in Python.
    ``before`` sets the stage ahead of each sample (threads, neighbours) and is not timed.
    """

    run: Callable[[], object]
    repeat: Callable[[int], object] | None = None
    before: Callable[[], object] | None = None


Contenders = Mapping[str, "Contender | Callable[[], object]"]


def check_results(contenders: Contenders, tolerance: float = 1e-4) -> None:
    """Raise unless all return the same arrays as the first one, in the same order, up to a share of their largest."""
    results = {
        name: [np.asarray(leaf) for leaf in _leaves(c.run() if isinstance(c, Contender) else c())]
        for name, c in contenders.items()
    }
    first = next(iter(results))
    for name, found in results.items():
        expected = results[first]
        if [a.shape for a in found] != [a.shape for a in expected]:
            raise RuntimeError(f"{name} returns other shapes than {first}: {[a.shape for a in found]}")
        for a, b in zip(found, expected, strict=True):
            apart = float(np.abs(a - b).max())
            if not apart <= tolerance * float(np.abs(b).max()):
                raise RuntimeError(f"{name} and {first} are {apart} apart")


def _leaves(result: Any) -> Iterator[Any]:
    if isinstance(result, (list, tuple)):
        for part in result:
            yield from _leaves(part)
    else:
        yield result.detach() if hasattr(result, "detach") else result


def _sample(c: Contender, calls: int) -> float:
    if c.before is not None:
        c.before()
    if c.repeat is not None:
        start = time.perf_counter()
        c.repeat(calls)
        return (time.perf_counter() - start) / calls
    f = c.run
    start = time.perf_counter()
    for _ in range(calls):
        f()
    return (time.perf_counter() - start) / calls


def _calls_for(c: Contender, seconds: float) -> tuple[int, bool]:
    """Calls for a sample of about that many seconds, and whether one call takes more than a second."""
    _sample(c, 1)  # warm caches, pools and just-in-time compilers
    calls = 1
    while True:
        spent = _sample(c, calls) * calls
        if spent >= seconds / 4:
            return max(1, round(calls * seconds / spent)), spent > calls
        calls *= 4


def compare(
    contenders: Contenders, rounds: int = 15, seconds: float = 0.02, pause: float = 0.0, seed: int = 0
) -> dict[str, Timing]:
    """Median seconds per call of each contender over ``rounds`` rounds of about ``seconds`` each.

    ``pause`` seconds before each sample let the thread pools of the one before fall asleep. Whoever needs more than a
    second a call takes part in the first three rounds only.
    """
    field = {name: c if isinstance(c, Contender) else Contender(c) for name, c in contenders.items()}
    calls, left = {}, {}
    for name, c in field.items():
        calls[name], slow = _calls_for(c, seconds)
        left[name] = 3 if slow else rounds
    samples: dict[str, list[float]] = {name: [] for name in field}
    order = list(field)
    shuffle = random.Random(seed).shuffle
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            shuffle(order)
            for name in order:
                if left[name] == 0:
                    continue
                left[name] -= 1
                if pause:
                    time.sleep(pause)
                samples[name].append(_sample(field[name], calls[name]))
    finally:
        gc.enable()
    return {name: timing(values) for name, values in samples.items()}


def timing(values: list[float]) -> Timing:
    """Median and middle half."""
    if len(values) < 2:
        return Timing(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4)
    return Timing(median, low, high)
