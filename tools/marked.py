"""Parts of a document that a tool writes, between two lines that name it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def with_part(text: str, name: str, tool: str, part: str) -> str:
    """``text`` with everything between the two markers of ``name`` replaced by ``part``."""
    begin, end = f"<!-- {name}: made by tools/{tool} -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"expected the lines {begin} and {end}; put them around what {tool} shall write")
    return pattern.sub(lambda m: f"{m[1]}{part}\n{m[2]}", text)


def rewrite(path: Path, name: str, tool: str, part: str) -> None:
    """Replace the part in the file."""
    path.write_text(with_part(path.read_text(encoding="utf-8"), name, tool, part), encoding="utf-8")
