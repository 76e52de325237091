"""What a second thread brings, and what it costs when another process keeps one core busy."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import alice_core as ac
from harness import Contender
from peers import HAS_COMPILE, NOTICES, THREADS
from rows import Row, Target
from steps import ours, problem

ONE, TWO = "1 thread", "2 threads"
BUSY = ", busy neighbour"


class Neighbour:
    """A process that keeps one CPU busy, or sleeps."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, {max(os.sched_getaffinity(0))})
        self.work(False)
        atexit.register(self.process.kill)

    def work(self, wanted: bool) -> None:
        self.process.send_signal(signal.SIGCONT if wanted else signal.SIGSTOP)


def large_step() -> dict[str, Any]:
    sizes = [784, 2048, 2048, 10]
    parameters, x, y = problem(sizes, 512)
    step = ours(sizes, parameters, x, y, compiled=HAS_COMPILE)
    neighbour = Neighbour()

    def contender(threads: int, busy: bool) -> Contender:
        def before() -> None:
            neighbour.work(busy)
            ac.set_num_threads(threads)

        return Contender(step, before=before)

    return {
        name + (BUSY if busy else ""): contender(threads, busy)
        for name, threads in ((ONE, 1), (TWO, 2))
        for busy in (False, True)
    }


def rows(quick: bool) -> Iterator[Row]:
    if THREADS < 2:
        NOTICES.append("the rows of two threads are left out: this process may use one CPU")
        return
    targets = (Target(1 / 1.7, ONE, of=TWO, inverse=True), Target(1.1, ONE, of=TWO + BUSY))
    yield Row("step 784-2048-2048-10, batch 512", large_step, targets, rounds=15, seconds=0.2)
