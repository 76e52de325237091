"""docs/coverage.md is current, and every row of the lecture notes has a test or a reason."""

from __future__ import annotations

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_row_and_erratum_is_accounted_for() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "coverage.py"))
    rows, errata = tool["listed"]()
    assert [len(rows), len(errata)] == [264 + 16, 49]
    assert not tool["problems"]()


def test_the_page_is_current() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "coverage.py"))
    text = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert tool["page"]() == text, "docs/coverage.md is out of date; run: python tools/coverage.py"


def test_ranges_of_errata_are_written_out() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "coverage.py"))
    assert tool["named"]("with errata E-3 to E-5 and E-9.") == {"E-3", "E-4", "E-5", "E-9"}
