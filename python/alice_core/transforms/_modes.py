"""Modes, as context managers and as decorators."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, TypeVar

from .. import _core

__all__ = ["Mode"]

F = TypeVar("F", bound=Callable[..., Any])

# inspect, which has names for these, takes long to import.
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


class Mode:
    """``with mode:`` for a block, ``@mode`` for every call of a function or coroutine function, and every step of a
    generator function. A context variable: tasks of asyncio have their own."""

    def __init__(self, name: str, mutes: bool, checker: Callable[..., None] | None = None) -> None:
        self._name, self._does = name, (mutes, checker)
        self._entered: list[tuple[int, Any]] = []

    def __enter__(self) -> None:
        self._entered.append(_core.enter_mode(*self._does))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Other threads and tasks may have entered it as well: what is left is what this one has entered last.
        here = [mode for mode in _core.modes_entered() if any(mode is mine for mine in self._entered)]
        if not here:
            raise RuntimeError(
                f"{self._name}: left without having been entered here; use it in a with statement, and let every "
                f"thread and task have its own"
            )
        self._entered = [mine for mine in self._entered if mine is not here[-1]]
        _core.exit_mode(here[-1])

    def __call__(self, f: F) -> F:
        flags = getattr(getattr(f, "__code__", None), "co_flags", 0)
        if flags & _ASYNC_GENERATOR:
            raise TypeError(
                f"{self._name}: expected a function, generator function or coroutine function; got the asynchronous "
                f"generator function {f.__name__}; write `with ac.{self._name}():` around what does not yield"
            )
        around = _steps if flags & _GENERATOR else _await if flags & _COROUTINE else _call

        @functools.wraps(f, updated=())
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return around(self._again, f, args, kwargs)

        return wrapped  # type: ignore[return-value]

    def _again(self) -> Mode:
        """One that may be entered while this one is."""
        return Mode(self._name, *self._does)


def _call(make: Callable[[], Mode], f: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    with make():
        return f(*args, **kwargs)


async def _await(make: Callable[[], Mode], f: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    with make():
        return await f(*args, **kwargs)


def _steps(make: Callable[[], Mode], f: Callable[..., Any], args: Any, kwargs: Any) -> Generator[Any, Any, Any]:
    """What the generator does lies inside, what is done with it between its steps outside."""
    generator = f(*args, **kwargs)
    step = functools.partial(next, generator)
    while True:
        try:
            with make():
                value = step()
        except StopIteration as stop:
            return stop.value
        try:
            sent = yield value
        except GeneratorExit:
            with make():
                generator.close()
            raise
        except BaseException as error:
            step = functools.partial(generator.throw, error)
        else:
            step = functools.partial(generator.send, sent)
