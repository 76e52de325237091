"""Ctrl-C for commands: one line, wherever it comes."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

__all__ = ["INTERRUPTED", "CtrlC"]

INTERRUPTED = 130  #: the exit status that shells give to what Ctrl-C ended


class CtrlC:
    """In this ``with`` block the first Ctrl-C raises KeyboardInterrupt, so that files can be tidied away.

    Where that exception would be lost (in a destructor, say), and at the second Ctrl-C, the process ends at once. Where
    Ctrl-C is ignored, as under nohup, and in threads, which it does not reach, nothing changes.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self.pressed = False

    def __enter__(self) -> CtrlC:
        main_thread = threading.current_thread() is threading.main_thread()
        self._active = main_thread and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
        if self._active:
            self._hook, sys.unraisablehook = sys.unraisablehook, self._lost
            self._handler = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *error: object) -> None:
        if self._active:
            signal.signal(signal.SIGINT, self._handler)
            sys.unraisablehook = self._hook

    def tell(self, what: str = "") -> int:
        """Print the line; returns the exit status."""
        # Not through sys.stderr: a handler may have interrupted somebody who is writing to it.
        text = f"{self._command}: {what or 'stopped by Ctrl-C'}\n"
        if sys.stderr.isatty():
            text = "\n" + text  # after the progress bar, and what the terminal shows for the key
        os.write(2, text.encode(sys.stderr.encoding or "ascii", "backslashreplace"))
        return INTERRUPTED

    def _press(self, number: int, frame: FrameType | None) -> None:
        if self.pressed:
            self._end()
        self.pressed = True
        raise KeyboardInterrupt

    def _lost(self, found: Any) -> None:
        if issubclass(found.exc_type, KeyboardInterrupt):
            self._end()
        self._hook(found)

    def _end(self) -> NoReturn:
        os._exit(self.tell())
