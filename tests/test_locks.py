"""Threads that read and change the same parameters: whole values, and nobody waits for strangers."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import alice_core as ac

LONG = 400_000  # elements: work on them lets other Python threads run


@contextmanager
def running(*work: Callable[[], object]) -> Iterator[None]:
    """Threads that repeat their work until the block ends."""
    done = threading.Event()
    failures: list[BaseException] = []

    def repeat(f: Callable[[], object]) -> None:
        try:
            while not done.is_set():
                f()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=repeat, args=(f,), daemon=True) for f in work]
    for t in threads:
        t.start()
    try:
        yield
    finally:
        done.set()
        for t in threads:
            t.join(60)
    assert not failures, failures[0]
    assert not any(t.is_alive() for t in threads)


def writers(w: ac.Tensor) -> dict[str, Callable[[], object]]:
    opt = ac.optim.SGD([w], 1.0)
    zeros, ones = ac.zeros(w.shape), ac.ones(w.shape)

    def step() -> None:
        w.grad = ones
        opt.step()

    def assign() -> None:
        w.assign_(zeros)
        w.assign_(ones)

    return {
        "eager step": step,
        "compiled step": ac.compile(step),
        "eager assign_": assign,
        "compiled assign_": ac.compile(lambda: w.assign_(1.0 - w.detach())),
    }


def readers(w: ac.Tensor) -> dict[str, Callable[[], np.ndarray[tuple[int, ...], np.dtype[np.float32]]]]:
    captured = ac.compile(lambda: w.detach() * 1.0)
    argument = ac.compile(lambda w: w * 1.0)
    turned = ac.compile(lambda w: w + 0.0)
    return {
        "compiled": lambda: captured().numpy(),
        "compiled, an argument": lambda: argument(w.detach()).numpy(),
        "compiled, a view": lambda: turned(w.detach()[::-1]).numpy(),
        "eager": lambda: (w.detach() * 1.0).numpy(),
    }


@pytest.mark.parametrize("writer", writers(ac.zeros((1,)).requires_grad_()))
@pytest.mark.parametrize("reader", readers(ac.zeros((1,))))
def test_no_torn_reads(writer: str, reader: str) -> None:
    w = ac.zeros((LONG,)).requires_grad_()
    write, read = writers(w)[writer], readers(w)[reader]
    write()
    with running(write):
        torn = sum(bool(np.ptp(patiently(read))) for _ in range(60))
    assert torn == 0


def patiently(read: Callable[[], Any]) -> Any:
    """A view that was taken before a change, and would be read after it, says so."""
    while True:
        try:
            return read()
        except ValueError as error:
            if "was changed in place since" not in str(error):
                raise


#: A tanh without vector instructions takes as long as fifty with them: four are a long step there.
LINKS = 4 if ac.build_config()["isa"] == "baseline" else 40


def long_step(w: ac.Tensor) -> Callable[[], object]:
    def step() -> None:
        x = w.detach()
        for _ in range(LINKS):
            x = ac.tanh(x) + 0.1
        w.assign_(x)

    compiled = ac.compile(step)
    compiled()
    return compiled


@pytest.mark.parametrize("kind", ["reads", "changes", "eager"])
def test_strangers_do_not_wait(kind: str) -> None:
    step = long_step(ac.zeros((LONG,)))
    mine = ac.zeros((8,)).requires_grad_()
    replay = ac.compile(lambda: mine.detach() + 1.0 if kind == "reads" else mine.assign_(mine.detach() + 1.0))
    short = replay if kind != "eager" else lambda: mine.assign_(mine.detach() + 1.0)
    short()
    used = 0.0

    def work() -> None:
        nonlocal used
        start = time.thread_time()
        for _ in range(4):
            step()
        used = time.thread_time() - start

    worker = threading.Thread(target=work)
    start = time.thread_time()
    worker.start()
    while worker.is_alive():
        short()
    # Who waits uses no processor: with a lock for all it would be a fifth of what the steps use, and it is as much.
    assert time.thread_time() - start > 0.6 * used


def test_who_waits_does_not_stop_other_threads() -> None:
    """A busy machine gives a thread no time, so there are some attempts; waiting with the lock fails in all."""
    w = ac.zeros((2 * LONG,))
    step, look = long_step(w), ac.compile(lambda: w[:1] + 0.0)
    look()

    def ticks_meanwhile() -> int:
        ticks = 0
        stop = threading.Event()

        def tick() -> None:
            nonlocal ticks
            while not stop.is_set():
                ticks += 1
                time.sleep(0)

        threads = [threading.Thread(target=f) for f in (step, step, look, look, tick)]
        for t in threads:
            t.start()
        for t in threads[:-1]:
            t.join()
        stop.set()
        threads[-1].join()
        return ticks

    assert any(ticks_meanwhile() > 100 for _ in range(10))


@pytest.mark.parametrize("size", [4, 100_000])
def test_overlapping_sets_of_parameters(size: int) -> None:
    """Every order of every two of five parameters, from four threads: no deadlock, and every change counts."""
    params = [ac.zeros((size,)) for _ in range(5)]
    pairs = list(itertools.permutations(range(5), 2))

    def add(a: int, b: int) -> None:
        params[a].assign_(params[a] + 1.0)
        params[b].assign_(params[b] + 1.0)

    programs = [ac.compile(lambda a=a, b=b: add(a, b)) for a, b in pairs]
    for p in programs:
        p()
    totals = [ac.compile(lambda a=a, b=b: ac.min(params[a] + params[b])) for a, b in pairs]
    rounds = 40

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(rounds):
            for i in rng.permutation(len(pairs)):
                programs[i]()
                totals[i]()
                ac.max(params[pairs[i][0]])

    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(240)
    assert not any(t.is_alive() for t in threads)
    times = 8 * (1 + 4 * rounds)  # every parameter is in eight pairs
    for p in params:
        assert np.ptp(p.numpy()) == 0
        assert p[0].item() == times


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_child_of_a_fork_finds_no_locks() -> None:
    w = ac.zeros((LONG,))
    step, total = long_step(w), ac.compile(lambda: ac.sum(w * 0.0))
    total()
    with running(step, step):
        for _ in range(6):
            child = os.fork()
            if child == 0:
                try:
                    step()
                    w.assign_(w + 1.0)
                    os._exit(0 if total().item() == 0 else 1)
                finally:
                    os._exit(2)
            deadline = time.monotonic() + 60
            while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
                time.sleep(0.002)
            if ended == (0, 0):
                os.kill(child, 9)
                os.waitpid(child, 0)
            assert ended == (child, 0)


def test_a_change_that_fails_marks_nothing_that_it_left_alone() -> None:
    """Labels out of range end the program before its update, so older losses can still be differentiated."""
    w = ac.tensor([[1.0, 2.0, 3.0]]).requires_grad_()

    @ac.compile
    def step(y: ac.Tensor) -> None:
        loss = ac.losses.cross_entropy(w.detach(), y)
        w.assign_(w.detach() * 0.0 + loss)

    step(ac.tensor([1]))
    w.assign_([[1.0, 2.0, 3.0]])
    loss = ac.sum(w * w)
    with pytest.raises(IndexError):
        step(ac.tensor([7]))
    loss.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [[2.0, 4.0, 6.0]]


def test_a_program_that_fails_behind_its_change_has_changed() -> None:
    w = ac.tensor([[1.0, 2.0, 3.0]]).requires_grad_()

    @ac.compile
    def step(y: ac.Tensor) -> ac.Tensor:
        w.assign_(w.detach() * 2.0)
        return ac.losses.cross_entropy(w.detach(), y)

    step(ac.tensor([1]))
    w.assign_([[1.0, 2.0, 3.0]])
    loss = ac.sum(w * w)
    with pytest.raises(IndexError):
        step(ac.tensor([7]))
    assert w.tolist() == [[2.0, 4.0, 6.0]]
    with pytest.raises(ac.GradientError, match="changed in place"):
        loss.backward()
