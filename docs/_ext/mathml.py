"""Formulas as MathML, made at the build: browsers draw it themselves; pages need neither scripts nor network."""

from __future__ import annotations

from html import escape
from typing import Any

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

CONVERTER = LatexToMathML()


def converted(text: str, display: bool) -> str:
    """LaTeX as a ``<math>`` element; what the converter does not know ends the build."""
    try:
        return CONVERTER.convert_with_local_state(text, displaystyle=display)
    except LatexError as error:
        raise ExtensionError(f"mathml: expected a formula that math-core can read; got {text!r}: {error}") from error


def visit_inline(self: Any, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{converted(node.astext(), False)}</span>')
    raise nodes.SkipNode


def visit_block(self: Any, node: nodes.math_block) -> None:
    name = f' id="{escape(node["ids"][0])}"' if node["ids"] else ""
    self.body.append(f'<div class="math"{name}>{converted(node.astext(), True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
