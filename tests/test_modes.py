"""Modes as blocks and as decorators, of generator functions too."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

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
def test_coroutines_are_refused(name: str) -> None:
    async def waits() -> None: ...

    async def yields() -> Any:
        yield 1

    for f in (waits, yields):
        with pytest.raises(TypeError, match=rf"^{name}: .*got the coroutine function .*with ac\.{name}\(\)"):
            MODES[name][0]()(f)
