"""Writes docs/coverage.md: for each row of the lecture notes its tests and pages, or why it has none; where each
erratum is met.

    python tools/coverage.py [--check]

Rows are in ``tools/notes_rows.txt``. A test names those that it shows in its marker, ``@pytest.mark.notes("M030")``; an
page of the book in ``{rows} M030``. An erratum is met where the docstring of something public, or a page, names it; in
the book it stands beside the formula that it corrects, ``:::{erratum} E-17``.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"
DIRECTIVE = re.compile(r"^(?:`{3,}|:{3,})\{(?:rows|erratum)\} (.*)$", re.MULTILINE)
ROW = re.compile(r"[MX]\d+")
ROW_RANGE = re.compile(r"([MX])(\d+) to [MX](\d+)")
RANGE = re.compile(r"E-(\d+)(?: to E-(\d+))?")


def listed() -> tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]]]:
    """Rows with their titles and reasons, errata with their rows and corrections."""
    rows, errata = {}, {}
    for line in (ROOT / "tools" / "notes_rows.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, *rest = (part.strip() for part in line.split(" | "))
            if name.startswith("E-"):
                errata[name] = (rest[0], rest[1])
            else:
                rows[name] = (rest[0], rest[1] if len(rest) > 1 else "")
    return rows, errata


def marked() -> dict[str, list[str]]:
    """Rows and errata, and the tests that name them."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.parse(text).body if "pytest.mark.notes" in text else ():
            for mark in getattr(node, "decorator_list", ()):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.notes":
                    for row in mark.args:
                        found[ast.literal_eval(row)].append(f"{path.name}::{node.name}")
    return found


def named(text: str) -> set[str]:
    """The errata that a text names, ranges written out."""
    pairs = ((int(a), int(b or a)) for a, b in RANGE.findall(text))
    return {f"E-{i}" for first, last in pairs for i in range(first, last + 1)}


def on_pages() -> dict[str, list[str]]:
    """Rows and errata, and the pages of the book whose directives name them."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "docs").rglob("*.md")):
        page = str(path.relative_to(ROOT))
        for text in DIRECTIVE.findall(path.read_text(encoding="utf-8")):
            names = set(ROW.findall(text)) | named(text)
            for letter, first, last in ROW_RANGE.findall(text):
                names |= {f"{letter}{i:0{len(first)}}" for i in range(int(first), int(last) + 1)}
            for name in sorted(names):
                if page not in found[name]:
                    found[name].append(page)
    return found


def met() -> dict[str, list[str]]:
    """Errata, and the docstrings and pages that name them."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "python" / "alice_core").rglob("*.py")):
        parts = path.relative_to(ROOT / "python").with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in [tree, *ast.walk(tree)]:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) or (node is tree and isinstance(node, ast.Module)):
                name = module if isinstance(node, ast.Module) else f"{module}.{node.name}"
                for erratum in named(ast.get_docstring(node) or ""):
                    if name not in found[erratum]:
                        found[erratum].append(name)
    for page in ("README.md", "docs/engine.md"):
        for erratum in named((ROOT / page).read_text(encoding="utf-8")):
            found[erratum].append(page)
    for name, pages in on_pages().items():
        if name.startswith("E-"):
            found[name][:0] = pages
    return found


def problems() -> list[str]:
    """What is unaccounted for."""
    rows, errata = listed()
    tests, pages, places = marked(), on_pages(), met()
    wrong = [f"{name}: no such row, in {where[0]}" for name, where in pages.items() if name not in rows | errata]
    wrong += [f"{row}: no such row, in {tests[row][0]}" for row in tests if row not in rows and row not in errata]
    wrong += [f"{row}: neither a test nor a reason" for row, (_, why) in rows.items() if row not in tests and not why]
    wrong += [f"{row}: a reason beside a test" for row, (_, why) in rows.items() if row in tests and why]
    wrong += [f"{erratum}: no reader meets it" for erratum in errata if erratum not in places]
    noted = {name for name, where in pages.items() if any(page.startswith("docs/notes/") for page in where)}
    wrong += [f"{erratum}: beside no formula of the book's chapters" for erratum in errata if erratum not in noted]
    return wrong


def page() -> str:
    """The whole page."""
    rows, errata = listed()
    tests, pages, places = marked(), on_pages(), met()
    shown, read = (sum(row in found for row in rows) for found in (tests, pages))
    lines = [
        "# What of the lecture notes is here",
        "",
        "Made by `python tools/coverage.py` from the markers of tests and pages; do not edit. A row is a definition,",
        "formula, algorithm, claim, figure or listing of the notes; `X` rows are what an engine needs that does the",
        "others. An erratum is a place where the notes print something wrong; the corrected form is what is built.",
        "",
        f"{len(rows)} rows: {shown} have tests, {len(rows) - shown} a reason to have none; {read} are on pages of",
        f"the book. {len(errata)} errata.",
        "",
        "## Rows",
        "",
        "| Row | What | Page | Tests, or why there is none |",
        "|---|---|---|---|",
    ]
    for row, (title, why) in rows.items():
        shown_by = ", ".join(f"`{test}`" for test in tests.get(row, ()))
        on = ", ".join(f"`{name}`" for name in pages.get(row, ()))
        lines.append(f"| {row} | {escaped(title)} | {on} | {shown_by or escaped(why)} |")
    lines += ["", "## Errata", ""]
    lines += ["| Erratum | Row | What is right | Where a reader meets it | Tests |", "|---|---|---|---|---|"]
    for erratum, (row, right) in errata.items():
        where = ", ".join(f"`{place}`" for place in places.get(erratum, ()))
        by = ", ".join(f"`{test}`" for test in tests.get(erratum, ()))
        lines.append(f"| {erratum} | {row} | {escaped(right)} | {where} | {by} |")
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """As a cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is not as it should be")
    check = parser.parse_args().check
    found = problems()
    print(*found, sep="\n", end="\n" if found else "")
    if check:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        return int(bool(found) or not current)
    PAGE.write_text(page(), encoding="utf-8")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
