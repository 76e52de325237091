"""The fixture that all tests have sees what a test leaves behind, and puts it back."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import alice_core as ac
from alice_core import _core
from leaks import State

EVENT = threading.Event()
OPEN: list[Any] = []


def enter(block: Any) -> None:
    OPEN.append(block)  # or its end would close it
    block.__enter__()


def start_thread() -> None:
    EVENT.clear()
    threading.Thread(target=EVENT.wait, name="mine", daemon=True).start()


# What a test may do, what is said of it, and what else it takes to put it back.
LEAKS: dict[str, tuple[Callable[[], Any], Callable[[], Any] | None]] = {
    r"ac\.no_grad\(\)": (lambda: enter(ac.no_grad()), None),
    r"debug_nans": (lambda: enter(ac.debug_nans()), None),
    r"the default dtype float64": (lambda: ac.set_default_dtype(ac.float64), None),
    r"2 differentiation contexts": (_core.begin_context, None),
    r"2 forward contexts": (lambda: (_core.push_forward(), _core.push_forward()), None),
    r"a recorder": (lambda: _core.set_recorder([]), None),
    r"a session": (lambda: enter(_core.Session()), lambda: OPEN.pop().__exit__(None, None, None)),
    r"the number of threads: 3 instead of": (lambda: ac.set_num_threads(3), None),
    r"threads: \['mine'\]": (start_thread, EVENT.set),
    r"files in the working folder: \['left\.txt'\]": (
        lambda: Path("left.txt").write_text(""), lambda: Path("left.txt").unlink()
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", LEAKS)
def test_what_is_left_behind_is_found(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("leaks._PATIENCE", 0.01)
    leak, put_back = LEAKS[text]
    before = State.now()
    assert before.left_behind() == []
    leak()
    found = before.left_behind()
    if put_back is not None:
        put_back()
    assert len(found) == 1
    assert re.search(text, found[0]), found
    assert before.left_behind() == []


def test_another_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()
    before = State.now()
    monkeypatch.chdir("inner")
    assert before.left_behind() == ["another working folder"]
    assert before.left_behind() == []
