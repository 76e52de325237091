"""docs/engine.md: its code is that of the sources, and what it asks to be read does not grow."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "engine.md"

# Lines of the files that the guide lists: all that one must read for the five things.
AT_MOST = {"C++": 900, "Python": 500}

# What is built on the engine: interpreters, and what they remember.
BUILT_ON_IT = {"extension", "features", "forward", "joint", "origin", "record", "recorder", "repeats", "segment"}
BUILT_ON_IT |= {"captured", "checkpoint", "session", "watcher"}


def listed(pattern: str) -> dict[str, int]:
    """The lines of the files of the reading list that match, by language."""
    text = GUIDE.read_text(encoding="utf-8")
    (reading,) = re.findall(r"<!-- reading: begin -->\n(.*?)<!-- reading: end -->", text, re.DOTALL)
    lines = {"C++": 0, "Python": 0}
    for file in re.findall(pattern, reading):
        lines["Python" if file.endswith(".py") else "C++"] += len((ROOT / file).read_text("utf-8").splitlines())
    return lines


def test_the_code_in_the_guide_is_that_of_the_sources() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "quotes.py"))
    text = GUIDE.read_text(encoding="utf-8")
    assert len(re.findall("<!-- quote: ", text)) == len(tool["QUOTE"].findall(text)) >= 10
    assert tool["with_quotes"](text) == text, "docs/engine.md quotes code that has changed; run: python tools/quotes.py"


def test_the_guide_is_read_in_one_sitting() -> None:
    assert len(GUIDE.read_text(encoding="utf-8").splitlines()) <= 420
    lines = listed(r"`([^`]+)`")
    assert all(0 < lines[language] <= most for language, most in AT_MOST.items()), lines


def test_the_engine_knows_interpreters_by_their_interface_alone() -> None:
    """Reverse mode itself asks for what a checkpoint dropped, and says whose rules run."""
    files = re.findall(r"`(csrc/bindings/[^`]+)`", GUIDE.read_text("utf-8").partition("<!-- reading: begin -->")[2])
    assert "csrc/bindings/bind.cpp" in files
    for file in set(files) - {"csrc/bindings/reverse.cpp"}:
        included = set(re.findall(r'^#include "(\w+)\.h"', (ROOT / file).read_text("utf-8"), re.MULTILINE))
        assert not included & BUILT_ON_IT, file


def test_the_guide_lists_whatever_it_quotes_of_the_engine() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    quoted = set(re.findall(r"<!-- quote: (csrc/bindings/\S+)", text))
    assert quoted <= set(re.findall(r"`([^`]+)`", text[text.index("<!-- reading: begin -->") :]))
