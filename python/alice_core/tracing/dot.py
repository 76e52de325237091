"""A trace as a drawing, in Graphviz' language."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import GradientError
from ..extras import require
from .listing import note, type_of

if TYPE_CHECKING:
    from .evaluation import Trace

__all__ = ["dot", "render"]


def dot(trace: Trace, reverse: bool) -> str:
    """See :meth:`Trace.to_dot`."""
    drawing = _Drawing()
    if trace.primal is not None and reverse:
        raise GradientError(
            f"to_dot: a {trace.kind} program has none of its own; draw t.to_dot(reverse=True) of its primal"
        )
    drawing.add(trace)
    if reverse:
        drawing.add(trace.reverse())
    return drawing.text()


def render(trace: Trace, path: str | os.PathLike[str], reverse: bool) -> None:
    """See :meth:`Trace.render`."""
    graphviz = require("graphviz", "graphviz", "Trace.render")
    graphviz.Source(dot(trace, reverse)).render(outfile=os.fspath(path), cleanup=True)


class _Drawing:
    def __init__(self) -> None:
        self._clusters: list[str] = []
        self._edges: list[str] = []
        self._maker: dict[str, tuple[str, str]] = {}  # node and label, by name of the value

    def add(self, trace: Trace) -> None:
        """A cluster of equations, and the arrows into them."""
        kind = trace.kind
        nodes = [f"label={_quoted(kind)}"]
        for i, x in enumerate(trace.inputs):
            name = trace.name(x) or ""
            nodes.append(f"{kind}_in{i} [label={_quoted(f'{name}: {type_of(x)}')}, shape=plaintext]")
            self._maker[name] = (f"{kind}_in{i}", name)
        for i, line in enumerate(trace.lines):
            if line.equation is None:  # another name for a value
                for name, _ in line.results:
                    self._maker[name] = (self._maker[line.operands[0].text][0], name)
                continue
            node = f"{kind}_{i}"
            nodes.append(f"{node} [label={_quoted(line.op)}, tooltip={_quoted(note(line.equation, trace.rules))}]")
            for k, operand in enumerate(line.operands):
                if operand.type or (
                    operand.named and operand.text not in self._maker
                ):  # of an enclosing scope or program
                    outside = f"{node}_in{k}"
                    nodes.append(f"{outside} [label={_quoted(str(operand))}, shape=plaintext]")
                    self._maker[operand.text] = (outside, operand.text)
                if operand.named:
                    self._edge(operand.text, node)
            for name, type in line.results:
                self._maker[name] = (node, f"{name}: {type}" if type else name)
        for i, end in enumerate(trace.ends):
            nodes.append(f"{kind}_out{i} [label={_quoted(str(end))}, shape=plaintext]")
            if end.type or (end.named and end.text not in self._maker):  # and read by no equation
                self._maker[end.text] = (f"{kind}_out{i}", end.text)
            elif end.named:
                self._edge(end.text, f"{kind}_out{i}")
        body = "\n".join(f"    {node}" for node in nodes)
        self._clusters.append(f"  subgraph cluster_{kind} {{\n{body}\n  }}")

    def _edge(self, name: str, to: str) -> None:
        node, label = self._maker[name]
        self._edges.append(f"  {node} -> {to} [label={_quoted(label)}]")

    def text(self) -> str:
        head = [
            "digraph trace {",
            "  node [shape=box, style=rounded, fontname=monospace]",
            "  edge [fontname=monospace, fontsize=10]",
        ]
        return "\n".join([*head, *self._clusters, *self._edges, "}"])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
