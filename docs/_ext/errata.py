"""Errata beside the formulas that they correct, and the rows of the notes that a section shows.

``:::{erratum} E-17`` has the options ``printed`` and ``right``; its text gives the number that decides.
``{rows}`` names rows. ``tools/coverage.py`` finds both in the pages.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

STANDS = re.compile(r"^:::\{erratum\} (E-\d+)\n:printed: (.*)\n:right: (.*)$", re.MULTILINE)
COVERAGE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools" / "coverage.py"))


class Erratum(SphinxDirective):
    """An admonition: what the notes print, what is right, and what shows it."""

    has_content = True
    required_arguments = 1
    option_spec = {"printed": directives.unchanged_required, "right": directives.unchanged_required}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in COVERAGE["listed"]()[1]:
            raise self.error(f"erratum: expected one of tools/notes_rows.txt; got {name}")
        if set(self.options) != {"printed", "right"}:
            raise self.error("erratum: expected the options printed and right")
        label = name.lower()
        box = nodes.admonition(classes=["erratum"], ids=[label], names=[label])
        self.state.document.note_explicit_target(box, box)
        box += nodes.title("", f"Erratum {name}")
        for title, key in (("Printed", "printed"), ("Right", "right")):
            inline, messages = self.state.inline_text(self.options[key], self.lineno)
            box += nodes.paragraph("", "", nodes.strong("", f"{title}: "), *inline, classes=[key])
            box += messages
        self.state.nested_parse(self.content, self.content_offset, box)
        return [box]


class Rows(SphinxDirective):
    """A line that names the rows of the notes which a section shows."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        return [nodes.paragraph("", "Rows of the notes: " + self.arguments[0], classes=["rows"])]


class AllErrata(SphinxDirective):
    """A table of all errata, from the pages where they stand."""

    def run(self) -> list[nodes.Node]:
        found = {}
        for path in sorted(Path(self.env.srcdir, "notes").glob("*.md")):
            for name, printed, right in STANDS.findall(path.read_text(encoding="utf-8")):
                found[name] = (printed, right)
        lines = ["| | Printed | Right |", "|---|---|---|"]
        for name in sorted(found, key=lambda name: int(name.removeprefix("E-"))):
            printed, right = (text.replace("|", "\\|") for text in found[name])
            lines.append(f"| {{ref}}`{name} <{name.lower()}>` | {printed} | {right} |")
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("erratum", Erratum)
    app.add_directive("rows", Rows)
    app.add_directive("all-errata", AllErrata)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
