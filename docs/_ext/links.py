"""After the build: every link inside of the book leads somewhere, and no page loads anything from elsewhere.

:func:`broken` knows nothing of Sphinx: tests use it as well.
"""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The names in a page, where its links lead, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = {"", "top"}
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = {key: value or "" for key, value in attrs}
        self.names.update(given[key] for key in ("id", "name") if key in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and given.get("rel") in ("stylesheet", "icon", "preload"):
            self.loads.append(given["href"])
        elif "src" in given:
            self.loads.append(given["src"])


def broken(root: Path) -> list[str]:
    """What is wrong in the pages below ``root``."""
    pages = {p.resolve(): Page(p.read_text(encoding="utf-8")) for p in root.rglob("*.html") if "_static" not in p.parts}
    wrong = []
    for path, page in pages.items():
        here = path.relative_to(root.resolve())
        wrong += [
            f"{here}: loads {to}" for to in page.loads if urlsplit(to).scheme in ("http", "https") or to[:2] == "//"
        ]
        for to in (*page.links, *page.loads):
            parts = urlsplit(to)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                wrong.append(f"{here}: no file {to}")
            elif target in pages and unquote(parts.fragment) not in pages[target].names:
                wrong.append(f"{here}: no anchor {to}")
    return wrong


def report(app: Any, error: Exception | None) -> None:
    from sphinx.util import logging

    if error is None and app.builder.format == "html":
        for line in broken(Path(app.outdir)):
            logging.getLogger(__name__).warning("links: %s", line)


def setup(app: Any) -> dict[str, Any]:
    app.connect("build-finished", report)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
