"""docs/coverage.md is current, and every row of the lecture notes has a test or a reason."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_every_row_and_erratum_is_accounted_for() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "coverage.py"))
    rows, errata = tool["listed"]()
    assert [len(rows), len(errata)] == [264 + 16, 49]
    assert not tool["problems"]()


def test_every_erratum_stands_in_one_chapter_of_the_book() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "coverage.py"))
    pages = tool["on_pages"]()
    for erratum in tool["listed"]()[1]:
        assert len([page for page in pages[erratum] if page.startswith("docs/notes/")]) == 1, erratum


def test_pages_that_name_what_is_not_there_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "coverage.py"))
    (tmp_path / "docs").mkdir()
    text = ":::{rows} M001 to M003, M999\n:::\n:::{erratum} E-77\n:::\n"
    (tmp_path / "docs" / "page.md").write_text(text, encoding="utf-8")
    monkeypatch.setitem(tool["on_pages"].__globals__, "ROOT", tmp_path)
    pages = tool["on_pages"]()
    assert sorted(pages) == ["E-77", "M001", "M002", "M003", "M999"]
    monkeypatch.setitem(tool["problems"].__globals__, "on_pages", lambda: pages)
    monkeypatch.setitem(tool["problems"].__globals__, "ROOT", ROOT)
    told = tool["problems"]()
    assert "M999: no such row, in docs/page.md" in told
    assert "E-77: no such row, in docs/page.md" in told
    assert "E-1: beside no formula of the book's chapters" in told


def test_the_page_is_current() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "coverage.py"))
    text = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert tool["page"]() == text, "docs/coverage.md is out of date; run: python tools/coverage.py"


def test_ranges_of_errata_are_written_out() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "coverage.py"))
    assert tool["named"]("with errata E-3 to E-5 and E-9.") == {"E-3", "E-4", "E-5", "E-9"}
