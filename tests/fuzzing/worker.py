"""Runs calls one after the other in a process of its own, and looks after each batch whether all is as it was."""

from __future__ import annotations

import faulthandler
import gc
import json
import mmap
import pickle
import re
import resource
import struct
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import alice_core as ac
from alice_core import _core
from fuzzing import calls, names, scenarios
from fuzzing import hostile as hostile_module
from fuzzing.corpus import Corpus
from fuzzing.draw import Draw
from fuzzing.hostile import Boom

__all__ = ["again", "main", "run", "text_of"]

MEMORY = 3 << 29  # what a process may map beyond what it begins with
WRITERS = (
    *(calls.kernel_call,) * 9,
    calls.update_call,
    *("member_call",) * 3,
    *("function_call",) * 2,
    *("public_call",) * 2,
    *("scenario",) * 3,
)


def text_of(seed: int, index: int, corpus: Corpus) -> str:
    """The call of that number, as Python text over ``fuzzing.names``."""
    draw = Draw(seed, index)
    writer = draw.pick(WRITERS)
    if not isinstance(writer, str):
        return writer(draw, corpus)
    return scenarios.scenario(draw) if writer == "scenario" else getattr(calls, writer)(draw)


class Finding(Exception):
    """Something is not as it should be, though the process lives."""


def namespace() -> dict[str, Any]:
    space = {k: v for k, v in vars(names).items() if not k.startswith("__")}
    space.update(W=ac.tensor([1.0, -2.0, 0.5]).requires_grad_(), V=ac.tensor([3.0, 0.0, 1.0]).requires_grad_(), BIG=BIG)
    return space


BIG = ac.ones((300_000,))


def run(text: str) -> None:
    """Any exception is an answer, but for what says that the C side broke its contract with Python."""
    try:
        exec(compile(text, "<call>", "exec"), namespace())
    except SystemError as error:
        raise Finding(f"SystemError: {error}") from None
    except (Exception, GeneratorExit):
        pass
    finally:
        _core._fail_allocation_after(-1)  # the call may have been just that


def state() -> tuple[Any, ...]:
    """The state of this thread, which no call may leave changed."""
    recorder, checker = _core.set_recorder(None), _core.modes_entered() or None
    _core.end_context(_core.begin_context())
    return _core.get_active(), recorder, checker, _core.is_isolated(), _core.repeating(), ac.zeros(2).is_abstract


CLEAN = ({0}, None, None, False, False, False)


def check_state() -> None:
    found = state()
    if found != CLEAN:
        raise Finding(f"the thread's state is {found}; expected {CLEAN}")


class Baseline:
    """What is alive, before and after."""

    def __init__(self) -> None:
        self.live, self.references = self.now()

    @staticmethod
    def now() -> tuple[int, list[int]]:
        hostile_module.alive.clear()
        for _ in range(3):
            gc.collect()
        dtypes = (ac.float32, ac.float64, ac.int32, ac.int64, ac.bool, ac.uint8)
        return ac.memory_stats()["live_bytes"], [sys.getrefcount(d) for d in dtypes]

    def grows(self) -> str | None:
        """What there is more of than before; from now on that is expected."""
        live, references = self.now()
        for _ in range(20):  # what a thread is about to let go of is no leak, and a busy machine lets it wait
            if live <= self.live:
                break
            time.sleep(0.05)
            live, references = self.now()
        more, drift = live - self.live, [n - m for n, m in zip(references, self.references, strict=True)]
        self.live, self.references = live, references
        if more > 0:
            return f"{more} bytes are alive that were not before"
        return f"references of the dtypes drift: {drift}" if any(abs(n) > 50 for n in drift) else None


def check_numbers() -> None:
    if wrong := names.known_numbers():
        raise Finding(wrong)


def again(text: str, times: int = 3) -> None:
    """Runs a call that was once found, and looks whether all is as it was."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    names.known_numbers()
    run(textwrap.dedent(text))
    base = Baseline()
    for _ in range(times):
        run(textwrap.dedent(text))
        check_state()
    check_numbers()
    if more := base.grows():
        raise Finding(more)


def main(seed: int, start: int, stop: int, status: str, corpus_file: str, skip: str, batch: int) -> None:
    """Runs the calls from ``start`` to ``stop``; the number of the present one is in the file ``status``.

    A finding is printed as a line of JSON and ends the process.
    """
    faulthandler.enable()
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(400)
    sys.unraisablehook = lambda _: None
    threading.excepthook = lambda _: None
    corpus = pickle.loads(Path(corpus_file).read_bytes())
    with open(status, "r+b") as f:
        place = mmap.mmap(f.fileno(), 8)
    names.known_numbers()
    _core.set_num_threads(2)
    ac.sum(BIG)  # starts the threads
    used = int(Path("/proc/self/statm").read_text().split()[0]) * mmap.PAGESIZE
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if "san.so" not in Path("/proc/self/maps").read_text():  # sanitizers reserve terabytes
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    for text in {t for made in calls.INSTANCES.values() for t in made}:
        run(text)  # whatever is kept from its first use on
    gc.collect()
    gc.freeze()  # and looked through no more
    base = Baseline()
    index = start

    def calls_of_batch(begin: int) -> None:
        nonlocal index
        for index in range(begin, min(begin + batch, stop)):
            place[:8] = struct.pack("q", index)
            text = text_of(seed, index, corpus)
            if not skip or not re.search(skip, text):
                run(text)
                check_state()
        check_numbers()

    try:
        for begin in range(start, stop, batch):
            calls_of_batch(begin)
            if base.grows():  # what the first use of something keeps is no leak: the second shows
                calls_of_batch(begin)
                if more := base.grows():
                    raise Finding(more)
    except Finding as finding:
        print(json.dumps({"index": index, "finding": str(finding)}), flush=True)
        sys.exit(3)
    except Boom as error:
        print(json.dumps({"index": index, "finding": f"an exception came out late: {error!r}"}), flush=True)
        sys.exit(3)
    place[:8] = struct.pack("q", stop)
