"""Renew the code that docs/engine.md quotes: ``python tools/quotes.py``.

A line ``<!-- quote: FILE from `BEGIN` to `END` -->`` stands before each fenced block: the block holds the lines of FILE
from the first that begins with BEGIN, spaces aside, to the next that is END, in its own column.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "engine.md"
QUOTE = re.compile(r"^(<!-- quote: (\S+) from `([^`\n]+)` to `([^`\n]+)` -->\n)```.*?^```\n", re.DOTALL | re.MULTILINE)
LANGUAGES = {".py": "py", ".h": "cpp", ".cpp": "cpp"}  # "py": what "python" marks is run by the tests


def quoted(file: str, begin: str, end: str) -> str:
    """The lines of a file from one to another, without their common indentation."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    found = [i for i, line in enumerate(lines) if line.lstrip().startswith(begin)]
    if not found:
        raise SystemExit(f"quotes: expected a line of {file} that begins with {begin!r}; got none; change the marker")
    first = found[0]
    last = next((i for i in range(first, len(lines)) if lines[i].rstrip() == end), None)
    if last is None:
        raise SystemExit(f"quotes: expected the line {end!r} behind line {first + 1} of {file}; got none")
    return textwrap.dedent("\n".join(lines[first : last + 1])) + "\n"


def with_quotes(text: str) -> str:
    """``text`` with every quoted block as the source has it now."""

    def block(m: re.Match[str]) -> str:
        return f"{m[1]}```{LANGUAGES[Path(m[2]).suffix]}\n{quoted(m[2], m[3], m[4])}```\n"

    return QUOTE.sub(block, text)


if __name__ == "__main__":
    GUIDE.write_text(with_quotes(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
