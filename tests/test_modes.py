"""Modes as blocks and as decorators, of generator functions too."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac


def in_no_grad() -> bool:
    return not ac.grad_enabled()


def in_debug_nans() -> bool:
    try:
        ac.log(ac.tensor(-1.0))
    except ac.NonFiniteError:
        return True
    return False


MODES: dict[str, tuple[Callable[[], Any], Callable[[], bool]]] = {
    "no_grad": (ac.no_grad, in_no_grad),
    "debug_nans": (ac.debug_nans, in_debug_nans),
}


@pytest.mark.parametrize("name", MODES)
def test_blocks_and_functions(name: str) -> None:
    mode, inside = MODES[name]
    with mode():
        assert inside()
        with mode():
            assert inside()
        assert inside()
    assert not inside()

    @mode()
    def f(n: int) -> list[bool]:
        return [inside(), *(f(n - 1) if n else [])]

    assert f(3) == [True] * 4
    assert not inside()
    with pytest.raises(KeyError), mode():
        raise KeyError
    assert not inside()


@pytest.mark.parametrize("name", MODES)
def test_generator_functions_step_by_step(name: str) -> None:
    mode, inside = MODES[name]
    seen: list[Any] = []

    @mode()
    def numbers(n: int) -> Generator[int, str, str]:
        try:
            for k in range(n):
                assert inside()
                try:
                    seen.append((yield k))
                except KeyError as error:
                    assert inside()
                    seen.append(error)
            return "done"
        finally:
            seen.append(inside())

    def between(generator: Generator[int, str, str]) -> Generator[int, str, str]:
        assert not inside()
        result = yield from generator
        assert not inside()
        return result

    outer = between(numbers(3))
    assert next(outer) == 0
    assert not inside()
    assert outer.send("a") == 1
    assert outer.throw(error := KeyError()) == 2
    with pytest.raises(StopIteration) as stop:
        outer.send("b")
    assert stop.value.value == "done"
    assert seen == ["a", error, "b", True]

    seen.clear()
    first, second = numbers(5), numbers(5)
    assert [next(first), next(second), next(first)] == [0, 0, 1]
    assert not inside()
    first.close()
    assert seen == [None, True]
    assert not inside()


@pytest.mark.parametrize("name", MODES)
def test_asynchronous_generators_are_refused(name: str) -> None:
    async def yields() -> Any:
        yield 1

    with pytest.raises(TypeError, match=rf"^{name}: .*got the asynchronous generator function .*with ac\.{name}\(\)"):
        MODES[name][0]()(yields)


# -- any order ---------------------------------------------------------------------------------------------------------

STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["enter", "leave", "grad"])), max_size=25)


@given(STEPS, st.sampled_from(list(MODES)))
def test_modes_may_be_left_in_any_order(steps: list[tuple[int, str]], name: str) -> None:
    make, inside = MODES[name]
    entered: dict[int, Any] = {}
    try:
        for who, what in steps:
            if what == "enter" and who not in entered:
                entered[who] = make()
                entered[who].__enter__()
            elif what == "leave" and who in entered:
                entered.pop(who).__exit__(None, None, None)
            elif what == "grad":
                assert ac.grad(lambda x: x * x)(3.0).item() == 6.0
                w = ac.tensor(3.0).requires_grad_()
                assert (w * w).is_tracked == ac.grad_enabled()
            assert inside() == bool(entered)
    finally:
        for mode in entered.values():
            mode.__exit__(None, None, None)
    assert not inside()


@pytest.mark.parametrize("name", MODES)
def test_interleaved_generators_with_blocks(name: str) -> None:
    make, inside = MODES[name]

    def steps(n: int) -> Generator[bool, None, None]:
        with make():
            for _ in range(n):
                yield inside()

    first, second = steps(3), steps(3)
    assert [next(first), next(second), next(first)] == [True] * 3
    first.close()
    assert next(second)
    assert inside()
    second.close()
    assert not inside()


@given(st.lists(st.tuples(st.sampled_from(["no_grad", "debug_nans", ""]), st.integers(0, 3)), min_size=2, max_size=6))
def test_tasks_have_modes_of_their_own(tasks: list[tuple[str, int]]) -> None:
    async def block(name: str, waits: int) -> None:
        if not name:
            for _ in range(waits + 2):
                assert not in_no_grad()
                assert not in_debug_nans()
                w = ac.tensor(3.0).requires_grad_()
                await asyncio.sleep(0)
                (w * w).backward()
                assert w.grad.item() == 6.0
            return
        make, inside = MODES[name]
        with make():
            for _ in range(waits):
                assert inside()
                await asyncio.sleep(0)
            assert inside()
            with make():
                await asyncio.sleep(0)
                assert inside()
            assert inside()
        assert not inside()

    @ac.no_grad()
    async def decorated(waits: int) -> None:
        for _ in range(waits):
            assert in_no_grad()
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        await asyncio.gather(*(block(*task) for task in tasks), *(decorated(n) for _, n in tasks))

    asyncio.run(all_of_them())
    assert not in_no_grad()
    assert not in_debug_nans()


@pytest.mark.parametrize("name", MODES)
def test_one_mode_for_many(name: str) -> None:
    """An instance may be entered by threads and tasks at the same time."""
    make, inside = MODES[name]
    mode = make()
    barrier = threading.Barrier(2, timeout=60)

    def work(wait: float) -> list[bool]:
        with mode:
            barrier.wait()
            time.sleep(wait)
            found = inside()
        return [found, inside()]

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(work, (0.0, 0.05))) == [[True, False]] * 2

    async def task(waits: int) -> list[bool]:
        with mode:
            for _ in range(waits):
                await asyncio.sleep(0)
            found = inside()
        return [found, inside()]

    async def tasks() -> Any:
        return await asyncio.gather(task(3), task(1), task(2))

    assert asyncio.run(tasks()) == [[True, False]] * 3
    assert not inside()
    with pytest.raises(RuntimeError, match=f"{name}: left without having been entered here"):
        mode.__exit__(None, None, None)


def test_threads_and_copied_contexts() -> None:
    with ac.no_grad():
        context = contextvars.copy_context()
    inside = context.run(in_no_grad)
    assert inside
    assert not in_no_grad()
    with ac.no_grad(), ThreadPoolExecutor(1) as pool:
        assert not pool.submit(in_no_grad).result()
        assert pool.submit(contextvars.copy_context().run, in_no_grad).result()
        assert in_no_grad()
    assert not in_no_grad()


def test_compiled_functions_see_the_mode_of_the_task() -> None:
    w = ac.tensor(3.0).requires_grad_()
    f = ac.compile(lambda x: x * w)

    async def run(muted: bool) -> None:
        with ac.no_grad() if muted else contextlib.nullcontext():
            for _ in range(4):
                assert f(ac.ones(2)).is_tracked != muted
                await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(run(True), run(False), run(True))

    asyncio.run(both())


def test_a_gradient_inside_of_a_mode_that_ends_in_it() -> None:
    mode = ac.no_grad()
    mode.__enter__()

    def f(x: ac.Tensor) -> ac.Tensor:
        mode.__exit__(None, None, None)
        return x * x

    assert ac.grad(f)(3.0).item() == 6.0
    assert ac.grad_enabled()
