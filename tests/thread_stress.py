"""Threads that create, differentiate, compile, replay, update, read, fork and drop the same things at once.

    python thread_stress.py ROUNDS [THREADS]

Prints how often each of them was done. A reader never sees a half written parameter, a step is never lost, and the
process is as it was before. ``make tsan`` runs it under ThreadSanitizer.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import random
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

import alice_core as ac
from alice_core import _core

LARGE = 40_000  # elements that a program works on without the GIL


class World:
    """What the threads share."""

    def __init__(self) -> None:
        self.x = ac.tensor(np.linspace(-1, 1, 64).reshape(8, 8))
        self.big = ac.tensor(np.linspace(-1, 1, LARGE))
        #: All elements are equal, always: what a reader checks.
        self.even = ac.zeros((LARGE,)).requires_grad_()
        self.weight = ac.tensor(np.eye(8)).requires_grad_()
        self.count = ac.zeros((), dtype=ac.int64)
        self.slot: Any = ac.exp(self.x)
        self.items: list[Any] = [self.x, self.x]
        self.tick = ac.compile(lambda: self.count.assign_(self.count + 1))
        self.grow = ac.compile(lambda: self.even.assign_(self.even + 1.0))
        self.read = ac.compile(lambda: self.even * 1.0)
        self.forward = ac.compile(lambda x: ac.softmax(ac.tanh(x @ self.weight)), cache_size=2)
        self.total = ac.compile(lambda x: ac.sum(ac.exp(x) * x))
        self.train = ac.compile(self.step)

    def step(self, x: Any) -> Any:
        loss = ac.mean(ac.tanh(x @ self.weight) ** 2)
        self.weight.grad = None
        loss.backward()
        self.weight.assign_(self.weight - 0.01 * self.weight.grad)
        return loss


def create(w: World) -> None:
    made = [ac.ones((n,)) for n in (1, 100, 10_000)]
    w.slot = ac.concat(made)
    assert ac.sum(made[2]).item() == 10_000


def differentiate(w: World) -> None:
    g = ac.grad(lambda x: ac.sum(ac.tanh(x @ x) ** 2))(w.x)
    assert np.isfinite(g.numpy()).all()
    ac.jvp(lambda x: ac.exp(x) @ x, [w.x], [w.x])


def compile_new(w: World) -> None:
    k = float(random.randrange(5))
    f = ac.compile(lambda x: ac.sum(x * k))
    assert abs(f(w.x).item() - k * w.x.numpy().sum()) < 1e-9


def replay(w: World) -> None:
    y = w.forward(w.x[: random.choice((2, 4, 8))])
    assert np.allclose(y.numpy().sum(axis=1), 1)
    w.total(w.big)


def update(w: World) -> None:
    w.tick()
    w.grow()
    w.even.assign_(w.even)


def update_alone(w: World) -> None:
    w.even.assign_(float(random.randrange(100)))


def read(w: World) -> None:
    for values in (w.read().numpy(), ac.tensor(w.even).numpy()):
        assert values.min() == values.max(), f"torn: from {values.min()} to {values.max()}"


def train(w: World) -> None:
    with contextlib.suppress(ac.GradientError):  # somebody else has changed or taken the gradient between
        w.train(w.x)


def drop(w: World) -> None:
    w.slot = None
    w.forward.cache_clear()
    w.items[:] = [ac.exp(w.x)]
    with contextlib.suppress(IndexError):
        w.items.pop()


def use_items(w: World) -> None:
    w.items.append(w.x)
    with contextlib.suppress(ac.AliceError):
        w.total(w.big[: max(len(w.items), 1)])


def threads(w: World) -> None:
    _core.set_num_threads(random.choice((1, 2, 3)))


def collect(w: World) -> None:
    gc.collect()
    ac.trim_memory()
    ac.memory_stats()


def fork(w: World) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            ok = abs(w.total(w.big).item() - ac.sum(ac.exp(w.big) * w.big).item()) < 1e-6
            ok = ok and ac.grad(lambda x: ac.sum(x * x))(w.x).shape == (8, 8)
            status = 0 if ok else 2
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    assert status == 0, f"a child ended with {status}"


DOINGS: tuple[Callable[[World], None], ...] = (
    create,
    differentiate,
    compile_new,
    replay,
    replay,
    update,
    update_alone,
    read,
    read,
    train,
    drop,
    use_items,
    threads,
    collect,
    fork,
)


def main(rounds: int, n: int = 8) -> None:
    faulthandler.enable()
    faulthandler.dump_traceback_later(1200, exit=True)  # a lock that nobody gives back
    w = World()
    w.grow(), w.tick(), w.read(), w.forward(w.x), w.total(w.big)
    started, failures = int(w.count.item()), []
    done: list[Counter[str]] = [Counter() for _ in range(n)]
    doings = [d for d in DOINGS if d is not fork or "--no-fork" not in sys.argv]

    def work(number: int) -> None:
        order = random.Random(number)
        try:
            for _ in range(rounds):
                doing = order.choice(doings)
                doing(w)
                done[number][doing.__name__] += 1
                if failures:
                    return
        except BaseException:
            failures.append(traceback.format_exc())

    workers = [threading.Thread(target=work, args=(i,)) for i in range(n)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    if failures:
        print(failures[0], file=sys.stderr)
        sys.exit(1)
    total: Counter[str] = sum(done, Counter())
    ticks = int(w.count.item()) - started
    assert ticks == total["update"], f"{ticks} steps of {total['update']} counted"
    print(dict(total))


if __name__ == "__main__":
    numbers = [int(a) for a in sys.argv[1:] if not a.startswith("--")]
    main(*numbers)
