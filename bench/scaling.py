"""What a second thread brings to one program and to two unrelated ones, and what a busy neighbour costs."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import alice_core as ac
from harness import Contender
from peers import HAS_COMPILE, NOTICES, THREADS
from rows import Row, Target
from steps import ours, problem

ONE, TWO = "1 thread", "2 threads"
BUSY = ", busy neighbour"
ALONE, THREADS_OF_TWO, PROCESSES = "one program", "two programs, two threads", "two programs, two processes"


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


def training(sizes: list[int], batch: int) -> Callable[[int], None]:
    """Trains a program of its own, with parameters of its own, so many steps."""
    step = ours(sizes, *problem(sizes, batch), compiled=True)

    def train(steps: int) -> None:
        for _ in range(steps):
            step()

    train(3)
    return train


class Process:
    """The same in a process of its own."""

    def __init__(self, sizes: list[int], batch: int) -> None:
        command = [sys.executable, __file__, *map(str, (batch, *sizes))]
        pipe, environment = subprocess.PIPE, os.environ | {"BENCH_ONLY": ""}
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        atexit.register(self.process.kill)
        self.wait()  # until it is there

    def start(self, steps: int) -> None:
        assert self.process.stdin is not None
        print(steps, file=self.process.stdin, flush=True)

    def wait(self) -> None:
        assert self.process.stdout is not None
        self.process.stdout.readline()


def two_programs(sizes: list[int], batch: int) -> dict[str, Any]:
    """What two processes take is what the machine allows: two CPUs may share a core."""
    one, other = training(sizes, batch), training(sizes, batch)
    executor = ThreadPoolExecutor(1)
    processes = [Process(sizes, batch), Process(sizes, batch)]

    def threads(steps: int) -> None:
        beside = executor.submit(other, steps)
        one(steps)
        beside.result()

    def apart(steps: int) -> None:
        for process in processes:
            process.start(steps)
        for process in processes:
            process.wait()

    def contender(repeat: Callable[[int], None]) -> Contender:
        return Contender(lambda: repeat(1), repeat, before=lambda: ac.set_num_threads(1))

    return {ALONE: contender(one), THREADS_OF_TWO: contender(threads), PROCESSES: contender(apart)}


def rows(quick: bool) -> Iterator[Row]:
    if THREADS < 2:
        NOTICES.append("the rows of two threads are left out: this process may use one CPU")
        return
    large = (Target(1 / 1.7, ONE, of=TWO, inverse=True), Target(1.1, ONE, of=TWO + BUSY))
    yield Row("step 784-2048-2048-10, batch 512", large_step, large, rounds=15, seconds=0.2)
    if HAS_COMPILE:
        # A step of microseconds keeps Python's lock, whose handover to another thread takes longer: no target there.
        full_speed = Target(1.1, PROCESSES, of=THREADS_OF_TWO)
        for sizes, batch, targets in (([64, 128, 10], 32, ()), ([784, 256, 128, 10], 128, (full_speed,))):
            name = f"a step of {'-'.join(map(str, sizes))}, batch {batch}, in each of two programs"
            yield Row(name, partial(two_programs, sizes, batch), targets, seconds=0.2)


if __name__ == "__main__":
    ac.set_num_threads(1)
    batch_here, *sizes_here = map(int, sys.argv[1:])
    train_here = training(sizes_here, batch_here)
    print("ready", flush=True)
    for line in sys.stdin:
        train_here(int(line))
        print("done", flush=True)
