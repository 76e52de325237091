"""Compiled functions: threads, depth, and the memory that calls take."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from random_programs import compare, data

X = ac.tensor(data(1, (3, 4)))


@pytest.fixture
def threads() -> Iterator[None]:
    before = ac.get_num_threads()
    yield
    ac.set_num_threads(before)


# -- threads -----------------------------------------------------------------------------------------------------------


def test_thread_count_changes_no_bit(threads: None) -> None:
    def f(x: ac.Tensor, w: ac.Tensor) -> Any:
        y = ac.gelu(x @ w + 1.0) * ac.exp(-ac.square(x[:, :1]))
        return ac.softmax(y), ac.sum(y, axis=0), ac.grad(lambda x: ac.mean(ac.tanh(x @ w) ** 2))(x)

    x, w = ac.tensor(data(1, (700, 150))), ac.tensor(data(2, (150, 210)))
    g = ac.compile(f)
    for n in (1, 2, 4):
        ac.set_num_threads(n)
        compare(f(x, w), g(x, w))
    assert g.cache_info().misses == 1


@pytest.mark.parametrize("size", [50, 40_000])
def test_two_threads_replay_one_program(size: int) -> None:
    """Hard case 74."""

    @ac.compile
    def f(x: ac.Tensor, k: float) -> ac.Tensor:
        for _ in range(4):
            x = ac.tanh(x) * k + ac.cumsum(x, axis=0)
        return x

    inputs = [ac.tensor(data(seed, (size,))) for seed in range(4)]
    want = [np.array(f(x, 0.1 * i).numpy()) for i, x in enumerate(inputs)]
    failures: list[Any] = []

    def work(i: int) -> None:
        try:
            for _ in range(60):
                compare(want[i], f(inputs[i], 0.1 * i).numpy())
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not failures, failures[0]
    assert f.cache_info().misses == 1


def test_two_threads_that_train() -> None:
    """Hard case 74: every step counts, and no two mix."""
    count, w = ac.zeros((), dtype=ac.int64), ac.zeros((3000,)).requires_grad_()
    opt = ac.optim.SGD([w], 1.0)

    @ac.compile
    def step(x: ac.Tensor) -> ac.Tensor:
        opt.zero_grad()
        ac.sum(w * x).backward()
        opt.step()
        count.assign_(count + 1)
        return count * 1

    step(-ac.ones((3000,)))
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(100):
                step(-ac.ones((3000,)))
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for t in workers:
        t.start()
    for t in workers:
        t.join()
    assert not failures, failures[0]
    assert count.item() == 301
    assert w.tolist() == [301.0] * 3000


def test_threads_that_compile_at_once() -> None:
    f = ac.compile(lambda x: ac.sum(ac.tanh(x) * ac.grad(lambda y: ac.sum(ac.exp(y)))(x)))
    results: list[float] = []
    workers = [threading.Thread(target=lambda: results.append(f(X).item())) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert len(results) == 4
    assert len(set(results)) == 1


# -- depth -------------------------------------------------------------------------------------------------------------


def test_a_long_chain_compiles() -> None:
    """Hard case 76: no recursion either. What it costs is counted in ``bench/instructions``."""

    def f(x: ac.Tensor) -> ac.Tensor:
        for i in range(1000):
            x = ac.sin(x) if i % 2 else x * 1.01
            x = x + 0.1
        return ac.sum(x)

    x = ac.tensor(data(1, (10,)))
    want = ac.grad(f)(x)
    g = ac.compile(ac.grad(f))
    compare(want, g(x))


def test_a_chain_of_100_000_ops_on_a_small_stack() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:

            def f(x: ac.Tensor) -> ac.Tensor:
                for _ in range(100_000):
                    x = x + 1.0
                return x

            assert ac.compile(f)(ac.tensor(0.0)).item() == 100_000.0
        except BaseException as error:
            failures.append(error)

    before = threading.stack_size(256 * 1024)
    try:
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
    finally:
        threading.stack_size(before)
    assert not failures, failures[0]


# -- memory ------------------------------------------------------------------------------------------------------------


def allocations(f: Callable[[], Any], calls: int = 100) -> int:
    for _ in range(3):
        f()
    before = ac.memory_stats()["allocations"]
    for _ in range(calls):
        f()
    return ac.memory_stats()["allocations"] - before


@pytest.mark.parametrize("outputs", [0, 1, 2, 5])
def test_nothing_is_allocated_but_results(outputs: int) -> None:
    def f(x: ac.Tensor, w: ac.Tensor) -> Any:
        y = ac.softmax(ac.gelu(x @ w + 1.0) @ w.T, axis=-1)
        z = ac.grad(lambda x: ac.mean(ac.tanh(x @ w) ** 2))(x)
        return [ac.sum(y * z) + float(i) for i in range(outputs)]

    g = ac.compile(f)
    w = ac.tensor(data(22, (4, 6)))
    assert allocations(lambda: g(X, w)) == 100 * outputs


def test_training_allocates_its_result_and_gradients_at_most() -> None:
    model = ac.nn.MLP([4, 7, 3], seed=0)
    opt = ac.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    labels = ac.tensor([0, 2, 1])

    def step(keep: str, x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        if keep == "nothing":
            opt.zero_grad()
        return loss

    g = ac.compile(step)
    assert allocations(lambda: g("gradients", X, labels)) <= 100 * (1 + len(list(model.parameters())))
    assert allocations(lambda: g("nothing", X, labels)) == 100


def test_numbers_allocate_nothing() -> None:
    g = ac.compile(lambda x, k: ac.sum(x * k + k))
    assert allocations(lambda: g(X, 0.5)) == 100


# -- memory that is not there ------------------------------------------------------------------------------------------


def large_values(x: ac.Tensor, n: int, count: int) -> ac.Tensor:
    """So many values of n float64 elements that live at the same time."""
    values = [ac.cumsum(ac.broadcast_to(x * float(i), (n,))) for i in range(1, count + 1)]
    shortest = values[0]
    for v in values[1:]:
        shortest = ac.minimum(shortest, ac.cumsum(v))
    return ac.sum(shortest)


@pytest.mark.parametrize(("n", "count"), [(2**58, 1), (2**58, 8), (2**58, 16), (2**56, 4), (2**55, 9)])
def test_sizes_that_cannot_be_added_up(n: int, count: int) -> None:
    """2^64 bytes are not 0 bytes."""
    f = ac.compile(lambda x: large_values(x, n, count))
    with pytest.raises(ac.ShapeError, match="too large to address"):
        f.program(ac.tensor(1.0, dtype=ac.float64))


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and a limit of the address space")
def test_a_program_whose_arena_is_not_to_be_had_runs_when_it_is() -> None:
    import resource

    n = 2**25
    f = ac.compile(lambda x: large_values(x, n, 1))
    x = ac.tensor(1.0, dtype=ac.float64)
    assert f.program(x).arena_bytes >= 8 * n
    before = resource.getrlimit(resource.RLIMIT_AS)
    ac.trim_memory()  # of other tests, which would do
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    try:
        resource.setrlimit(resource.RLIMIT_AS, (used + 4 * n, before[1]))
        with pytest.raises(MemoryError):
            f(x)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert f(x).item() == n * (n + 1) / 2
