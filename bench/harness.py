"""Timing of contenders side by side.

Contenders take turns within each round, in an order that is shuffled anew, so that a slow minute of the machine
hits all of them. The figure of merit is the ratio of the medians; the spread is the middle half of the samples.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds per call."""

    median: float
    low: float
    high: float


def _sample(f: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        f()
    return (time.perf_counter() - start) / calls


def _calls_for(f: Callable[[], object], seconds: float) -> int:
    f()  # warm caches, pools and just-in-time compilers
    calls = 1
    while True:
        spent = _sample(f, calls) * calls
        if spent >= seconds / 4:
            return max(1, round(calls * seconds / spent))
        calls *= 4


def compare(
    contenders: dict[str, Callable[[], object]], rounds: int = 15, seconds: float = 0.02, seed: int = 0
) -> dict[str, Timing]:
    """Median seconds per call of each contender over ``rounds`` rounds of about ``seconds`` each."""
    calls = {name: _calls_for(f, seconds) for name, f in contenders.items()}
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    order = list(contenders)
    shuffle = random.Random(seed).shuffle
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            shuffle(order)
            for name in order:
                samples[name].append(_sample(contenders[name], calls[name]))
    finally:
        gc.enable()
    return {name: _timing(values) for name, values in samples.items()}


def _timing(values: list[float]) -> Timing:
    low, median, high = statistics.quantiles(values, n=4)
    return Timing(median, low, high)
