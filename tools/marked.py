"""Parts of README.md that a tool writes, between two lines that name it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def with_part(text: str, name: str, tool: str, part: str) -> str:
    """``text`` with everything between the two markers of ``name`` replaced by ``part``."""
    begin, end = f"<!-- {name}: made by tools/{tool} -->", f"<!-- {name}: end -->"
    pattern = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)})", re.DOTALL)
    if not pattern.search(text):
        raise SystemExit(f"expected the lines {begin} and {end}; put them around what {tool} shall write")
    return pattern.sub(lambda m: f"{m[1]}{part}\n{m[2]}", text)


def rewrite(changed: Callable[[str], str]) -> None:
    README.write_text(changed(README.read_text(encoding="utf-8")), encoding="utf-8")
