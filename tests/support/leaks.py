"""What a test may not leave behind: modes, contexts, hooks, threads, settings, files in the working folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import alice_core as ac
from alice_core import _core

_ONE = ac.tensor(1.0)
_PATIENCE = 10.0  # seconds for a thread that is ending
#: Names of threads that tools of the tests start and keep.
_TOOLS = ("execnet", "tqdm_monitor", "pytest_timeout")


@dataclass(frozen=True)
class State:
    """What there was before a test."""

    threads: frozenset[threading.Thread]
    num_threads: int
    folder: str
    files: frozenset[str]

    @classmethod
    def now(cls) -> State:
        return cls(frozenset(threading.enumerate()), ac.get_num_threads(), os.getcwd(), _files())

    def left_behind(self) -> list[str]:
        """What is there now and was not; put back where that is possible, so that the next test does not suffer."""
        checks: list[Callable[[], str | None]] = [
            _recorder, _modes, _forward, _active, _default_dtype,
            self._num_threads, self._threads, self._folder, self._files,
        ]  # fmt: skip
        if ac.negative(_ONE).is_abstract:  # nobody but its owner can end it
            return ["a session, as ac.compile and ac.vmap open it"]
        return [found for check in checks if (found := check())]

    def _num_threads(self) -> str | None:
        n = ac.get_num_threads()
        if n == self.num_threads:
            return None
        ac.set_num_threads(self.num_threads)
        return f"the number of threads: {n} instead of {self.num_threads}"

    def _threads(self) -> str | None:
        new = [t for t in threading.enumerate() if t not in self.threads and not t.name.startswith(_TOOLS)]
        for t in new:
            t.join(_PATIENCE)
        alive = [t.name for t in new if t.is_alive()]
        return f"threads: {alive}" if alive else None

    def _folder(self) -> str | None:
        if os.getcwd() == self.folder:
            return None
        os.chdir(self.folder)
        return "another working folder"

    def _files(self) -> str | None:
        new = sorted(_files() - self.files)
        return f"files in the working folder: {new}" if new else None


def _files() -> frozenset[str]:
    """Without hidden ones, in which tools keep what they know."""
    return frozenset(name for name in os.listdir() if not name.startswith(".") and name != "__pycache__")


def _recorder() -> str | None:
    return "a recorder of equations" if _core.set_recorder(None) is not None else None


def _modes() -> str | None:
    modes = _core.modes_entered()
    for mode in modes:
        _core.exit_mode(mode)
    names = [f"ac.{'debug_nans' if checker else 'no_grad'}()" for _, checker in modes]
    return f"modes: {', '.join(names)}" if names else None


def _forward() -> str | None:
    count = 0
    while True:
        try:
            _core.pop_forward()
        except ValueError:
            return f"{count} forward contexts" if count else None
        count += 1


def _active() -> str | None:
    active = _core.get_active()
    if active == {0}:
        return None
    for context in sorted(active - {0}, reverse=True):
        _core.end_context(context)
    _core.set_active({0})
    return f"{len(active)} differentiation contexts"


def _default_dtype() -> str | None:
    dtype: Any = ac.get_default_dtype()
    if dtype == ac.float32:
        return None
    ac.set_default_dtype(ac.float32)
    return f"the default dtype {dtype}"
