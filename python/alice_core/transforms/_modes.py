"""Modes of a thread, as context managers and as decorators."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TypeVar

__all__ = ["Mode"]

F = TypeVar("F", bound=Callable[..., Any])

# inspect, which has names for these, takes long to import.
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200


class Mode:
    """``with mode:`` for a block, ``@mode`` for every call of a function, and every step of a generator function."""

    def __init__(self, name: str, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._name, self._make = name, make
        self._entered: list[AbstractContextManager[Any]] = []

    def __enter__(self) -> None:
        inner = self._make()
        inner.__enter__()
        self._entered.append(inner)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._entered.pop().__exit__(kind, error, trace)

    def __call__(self, f: F) -> F:
        flags = getattr(getattr(f, "__code__", None), "co_flags", 0)
        if flags & (_COROUTINE | _ASYNC_GENERATOR):
            raise TypeError(
                f"{self._name}: expected a function or a generator function; got the coroutine function "
                f"{f.__name__}, which other tasks interrupt; write `with ac.{self._name}():` around what does not await"
            )
        make, around = self._make, _steps if flags & _GENERATOR else _call

        @functools.wraps(f)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return around(make, f, args, kwargs)

        return wrapped  # type: ignore[return-value]


def _call(make: Callable[[], AbstractContextManager[Any]], f: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    with make():
        return f(*args, **kwargs)


def _steps(
    make: Callable[[], AbstractContextManager[Any]], f: Callable[..., Any], args: Any, kwargs: Any
) -> Generator[Any, Any, Any]:
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
