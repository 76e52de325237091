"""No rank waits for ever: a thread of each looks whether the others still come, and ends the run if not.

A rank that waits longer than the timeout asks all others where they are. Who does not answer is dead or stopped; who
has come less far hangs, or has gone another way. The run then ends with an error that names it, on every rank. A rank
that raises tells the others before it goes.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .. import _core
from ..checks import checked_positive

if TYPE_CHECKING:
    from .world import World

__all__ = ["abort", "set_timeout", "waiting", "watch"]

_ASK, _ANSWER, _END = 1, 2, 3  # tags of messages
_TICK = 0.1  # seconds between two looks
_FAREWELL = 1.0  # seconds that others have to say why the run ends


class _Watcher:
    def __init__(self, here: World) -> None:
        self.here, self.comm = here, here.comm.Dup()
        self.process = os.getpid()  # its forks are none of MPI's
        self.count = 0  # of what Python has waited for, beside the native exchanges
        self.since: float | None = None
        self.what = ""
        self.previous = sys.excepthook
        self.over = self.leaving = False
        self.asked: float | None = None
        self.answers: dict[int, tuple[int, bool, str]] = {}
        self.sent: list[Any] = []  # requests own the messages that are on their way
        self.thread = threading.Thread(target=self.run, name="alice_core.distributed", daemon=True)
        self.thread.start()

    def begun(self) -> int:
        """How many exchanges this rank has come to."""
        native: int = _core.exchange_progress()[0]
        return native + self.count

    def waited(self) -> float:
        """Seconds since this rank began to wait."""
        native: float = _core.exchange_progress()[2]
        since = self.since
        return native if since is None else time.monotonic() - since

    def place(self) -> str:
        """What this rank waits for, if it does."""
        if self.since is not None:
            return self.what
        return "an exchange of arrays" if self.waited() > 0.0 else ""

    def run(self) -> None:
        while not self.over:
            time.sleep(_TICK)
            try:
                self.hear()
                self.look()
            except Exception:
                if not self.over:
                    raise

    def send(self, message: Any, to: int, tag: int) -> None:
        self.sent = [r for r in self.sent if not r.Test()]
        self.sent.append(self.comm.isend(message, to, tag))

    def hear(self) -> None:
        mpi, status = self.here.mpi, self.here.mpi.Status()
        while self.comm.iprobe(source=mpi.ANY_SOURCE, tag=mpi.ANY_TAG, status=status):
            source, tag = status.Get_source(), status.Get_tag()
            message = self.comm.recv(source=source, tag=tag)
            if tag == _ASK:
                self.send((self.begun(), self.leaving, self.place()), source, _ANSWER)
            elif tag == _ANSWER:
                self.answers[source] = message
            else:
                self.end(message, tell=False)

    def look(self) -> None:
        if self.waited() < _timeout:
            self.asked = None
            return
        if self.asked is None:
            self.asked, self.answers = time.monotonic(), {}
            for other in self.others():
                self.send(None, other, _ASK)
            return
        if len(self.answers) < self.here.size - 1 and time.monotonic() - self.asked < max(2.0, _timeout / 4):
            return
        begun, what = self.begun(), self.place()
        silent = [r for r in self.others() if r not in self.answers]
        gone = [r for r, (_, leaving, _) in self.answers.items() if leaving and not self.leaving]
        behind = [r for r, (there, _, _) in self.answers.items() if there < begun and r not in gone]
        apart: list[str] = []
        if not (silent or behind or gone):
            self.asked = None  # all are there: it takes long, or somebody has just come
            waits = {r: other for r, (_, _, other) in self.answers.items() if other not in ("", what)}
            apart = [] if self.leaving else [f"rank {r} waits for {other}" for r, other in waits.items()]
            if not apart and all(n == begun for n, _, _ in self.answers.values()) and self.waited() < 4 * _timeout:
                return
        parts = [
            f"no answer from {_ranks(silent)}: dead, stopped, or cut off" if silent else "",
            f"the program has ended on {_ranks(gone)}" if gone else "",
            f"it was not reached by {_ranks(behind)}: hanging, slower than that, or on another way" if behind else "",
            *apart,
        ]
        reason = "; ".join(p for p in parts if p) or "all ranks have come to it, and it does not end"
        self.end(f"rank {self.here.rank} waits for {what} (number {begun}), longer than {_timeout:g} s: {reason}")

    def others(self) -> list[int]:
        return [r for r in range(self.here.size) if r != self.here.rank]

    def end(self, reason: str, tell: bool = True) -> None:
        """Ends the whole run; each rank says why."""
        if self.over or os.getpid() != self.process:
            return
        self.over = True
        print(f"alice_core.distributed: rank {self.here.rank} ends: {reason}", file=sys.stderr, flush=True)
        last = threading.Timer(4 * _FAREWELL, os._exit, (1,))  # if MPI itself hangs
        last.daemon = True
        last.start()
        if tell:
            for other in self.others():
                self.send(reason, other, _END)
        time.sleep(_FAREWELL if tell else 2 * _FAREWELL)
        self.comm.Abort(1)

    def raised(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """In place of ``sys.excepthook``: the others would wait for this rank."""
        self.previous(kind, error, trace)
        self.end(f"rank {self.here.rank} has raised {kind.__name__}: {error}")

    def leave(self) -> None:
        """MPI ends when all ranks do; those that wait for an exchange meanwhile must hear that it will not come."""
        if os.getpid() != self.process:
            return
        self.leaving = True
        request = self.comm.Ibarrier()
        with waiting("the end of the program"):
            while not request.Test():
                time.sleep(_TICK / 10)
        self.over = True
        self.thread.join()


def _ranks(numbers: list[int]) -> str:
    return ("rank " if len(numbers) == 1 else "ranks ") + ", ".join(map(str, numbers))


_watcher: _Watcher | None = None
_timeout = float(os.environ.get("ALICE_DISTRIBUTED_TIMEOUT", "300"))


def watch(here: World) -> None:
    """From now on a thread of this process watches over the run."""
    global _watcher
    _watcher = _Watcher(here)
    sys.excepthook = _watcher.raised
    atexit.register(_watcher.leave)
    # What MPICH's mpiexec sends to those that are left when a rank has died, if it was told not to end them.
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """In this block the rank waits for the others, by way of Python."""
    if _watcher is None:
        yield
        return
    _watcher.what, _watcher.since = what, time.monotonic()
    _watcher.count += 1
    try:
        yield
    finally:
        _watcher.since = None


def abort(reason: str) -> None:
    """End the run on every rank, each with an error that gives the reason; a process alone goes on.

    What is raised and caught by nobody does that by itself.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.distributed.abort("the data are damaged")  # alone
    """
    if _watcher is not None:
        _watcher.end(f"rank {_watcher.here.rank}: {reason}")


def set_timeout(seconds: float) -> None:
    """How long a rank may wait for another one before the run ends: 300 seconds, or what the environment variable
    ``ALICE_DISTRIBUTED_TIMEOUT`` says, at the start.

    Whoever waits longer than that asks the others where they are, and ends the run with an error that names the ranks
    which have not come: within the timeout, a quarter of it (2 seconds at least) and 2 seconds more. It must be longer
    than any rank computes between two exchanges, compiling included.

    Raises
    ------
    DTypeError, ValueError
        If it is no number above 0.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.distributed.set_timeout(300)
    """
    global _timeout
    _timeout = float(checked_positive("set_timeout", "seconds", seconds))
