"""What a page shows: head, programs, lines; with what the values look like."""

from __future__ import annotations

import html
import linecache
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from ... import _core
from ...errors import GradientError
from ...primitive import primitives
from ...tensors import Tensor, abstract
from ..cost import Cost
from ..dual import reverse
from ..listing import Line, Operand, blocks, note, operands_of, quantity, results_of, type_of
from ..summary import histogram_svg, summarise
from .live import as_script, cotangents, live, tangents
from .program import ARITHMETIC, scripts

if TYPE_CHECKING:
    from ..evaluation import Trace

__all__ = ["embedded", "page"]

REPEATS = 5  # of a timed equation; the best counts
ENOUGH = 0.1  # seconds for one equation
MOST_LINES = 200  # of a program; what is left out is said, and in print(trace)
MOST_CHARACTERS = 490_000  # of a page that lives
PLAY = ("values.js", "controls.js", "play.js")

TITLES = {
    "trace": ("Trace", "argument"),
    "tangent": ("Tangent program", "tangent"),
    "dual": ("Dual program", "cotangent"),
}


def page(trace: Trace, profile: bool, is_live: bool) -> str:
    """See :meth:`Trace.to_html`."""
    more, error = _derived(trace, is_live) if trace.primal is None else ([], "")
    sections = [_Section(t, profile) for t in (trace, *more)]
    slowest = max((s for section in sections for s in section.seconds.values()), default=0.0)
    visible = {name for section in sections for name in section.made}
    body = "\n".join(section.html(slowest, visible) for section in sections)
    if error:
        body += f'<section id="dual"><h2>Dual program</h2><p>{_escape(error)}</p></section>'
    still = _PAGE.format(style=scripts(["style.css"]), head="", data="", script=scripts(["marks.js"]), body=body)
    if trace.primal is not None or not is_live:
        return still
    style, script = scripts(["style.css", "play.css"]), scripts([*ARITHMETIC, *PLAY, "marks.js"])
    data = live(trace, more, MOST_LINES, MOST_CHARACTERS - len(still) - len(style) - len(script))
    if "unable" in data:
        head = f'<p class="still">This page shows what Python computed: {_escape(str(data["unable"]))}.</p>'
        return still.replace("<body>\n", f"<body>\n{head}", 1)
    programs = f'<script type="application/json" id="programs">{as_script(data)}</script>\n'
    return _PAGE.format(
        style=style, head='<section id="play" hidden></section>', data=programs, script=script, body=body
    )


def _derived(trace: Trace, is_live: bool) -> tuple[list[Trace], str]:
    """Of a page that lives the tangent and the dual program; else the latter from a cotangent of 1, or an abstract one
    where a result has more than one element. And why there is no dual program."""
    is_live = is_live and not any(x.is_abstract for x in (*trace.inputs, *trace.outputs))
    found = []
    if is_live:
        with suppress(GradientError):  # what reverse mode has to say is shown
            found.append(trace.forward(tangents(trace)))
    abstracts = [abstract(y.shape, y.dtype) for y in trace._results]
    plain = all(y.ndim == 0 for y in trace._results if y.dtype.kind == "f" and y._contexts)
    seeds = cotangents(trace) if is_live else None if plain else abstracts
    try:
        given = seeds[0] if seeds and len(seeds) == 1 else seeds
        return [*found, reverse(trace, given, found[0] if found else None)], ""
    except GradientError as error:
        return found, str(error)


def embedded(trace: Trace) -> str:
    """The page in a frame of its own, for notebooks."""
    height = min(200 + 70 * len(trace.lines), 800)
    return (
        f'<iframe srcdoc="{_escape(page(trace, False, True))}" sandbox="allow-scripts" title="trace" '
        f'style="width: 100%; height: {height}px; border: 0"></iframe>'
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>Trace</title>
<style>
{style}</style>
</head>
<body>
{head}
<main>
{body}
</main>
<p id="status" role="status" hidden>Point at a value to see where it is made and read, and its adjoint; a click keeps
that.</p>
{data}<script>
"use strict";
(() => {{
{script}}})();
</script>
</body>
</html>
"""


def _escape(text: str) -> str:
    return html.escape(text, quote=True)


class _Section:
    """One program: its head, its lines, its end."""

    def __init__(self, trace: Trace, profile: bool) -> None:
        self._trace = trace
        self._kind = trace.kind
        self._lines = trace.lines[:MOST_LINES]
        self._shown: set[str] = set()  # values with an anchor
        self._visible: set[str] = set()  # values that will have one, in this or another section
        self._values: dict[str, Tensor] = {trace.name(x) or "": x for x in trace.inputs}
        for line in self._lines:
            if line.equation is None:
                continue
            operands = [value for _, value in operands_of(line.equation)]
            self._values.update((o.text, v) for o, v in zip(line.operands, operands, strict=False) if o.type)
            results = [value for _, value in results_of(line.equation)]
            if not line.in_place:
                self._values.update((name, v) for (name, _), v in zip(line.results, results, strict=True))
        self._values.update(
            (end.text, y) for end, y in zip(trace.ends, trace.outputs, strict=True) if end.type and end.named
        )
        mentioned = [o.text for line in self._lines for o in line.operands if o.type]
        mentioned += [end.text for end in trace.ends if end.type]
        made = [name for line in self._lines for name, _ in line.results]
        self.made = {*(trace.name(x) or "" for x in trace.inputs), *mentioned, *made}
        self.seconds = {i: s for i, line in enumerate(self._lines) if profile and (s := _seconds(line)) is not None}

    def html(self, slowest: float, visible: set[str]) -> str:
        """The section; `slowest` is the time that fills a bar, and links go to what is `visible`."""
        self._visible = visible
        title, what = TITLES[self._kind]
        lines = [self._given(self._trace.name(x) or "", type_of(x), what) for x in self._trace.inputs]
        for i, line in enumerate(self._lines):
            lines += [self._given(o.text, o.type, "from the enclosing scope") for o in line.operands if o.type]
            lines.append(self._line(i, line, slowest))
        if left := len(self._trace.lines) - len(self._lines):
            lines.append(f'<li class="line">… {quantity(left, "further line")}; print(trace) shows all</li>')
        ends = self._trace.ends
        lines += [self._given(o.text, o.type, "from the enclosing scope") for o in ends if o.type]
        returned = ", ".join(map(self._operand, ends))
        reads = _escape(" ".join(o.text for o in ends if o.named))
        lines.append(f'<li class="line" data-op="return" data-reads="{reads}">')
        lines.append(f'<div class="code"><b class="op">return</b> {returned}</div></li>')
        total = f", {_time(sum(self.seconds.values()))}" if self.seconds else ""
        head = f"<h2>{title}</h2>{_costs(self._trace.cost(), total)}"
        return f'<section id="{self._kind}">{head}<ol>\n' + "\n".join(lines) + "\n</ol></section>"

    def _variable(self, name: str, made: bool = False) -> str:
        """A link to where the value is made; with an anchor where it is."""
        text = _escape(name)
        if name not in self._visible:
            return f'<span class="v" data-v="{text}">{text}</span>'
        anchor = f' id="v-{text}"' if made and name not in self._shown else ""
        self._shown.add(name)
        return f'<a class="v" data-v="{text}" href="#v-{text}"{anchor}>{text}</a>'

    def _operand(self, operand: Operand) -> str:
        return self._variable(operand.text) if operand.named else _escape(operand.text)

    def _given(self, name: str, type: str, what: str) -> str:
        code = f"{self._variable(name, made=True)}{_type(type)}"
        parts = f'<div class="code">{code}</div><div class="note">{what}</div>{self._summary(name)}'
        return f'<li class="line" data-op="{_escape(what)}" data-makes="{_escape(name)}">{parts}</li>'

    def _line(self, i: int, line: Line, slowest: float) -> str:
        left = ", ".join(self._variable(name, made=True) + (_type(type) if type else "") for name, type in line.results)
        right = ", ".join(map(self._operand, line.operands))
        if line.op:
            right = f'<b class="op">{_escape(line.op)}</b>({right})'
        parts = [f'<div class="code">{left} {"←" if line.in_place else "="} {right}</div>']
        if line.equation is not None:
            about = _escape(note(line.equation, self._trace.rules))
            parts.append(f'<div class="note">{about}{_source(line.equation)}</div>')
            if body := "\n".join(blocks(line.equation)):
                parts.append(f'<pre class="block">{_escape(body)}</pre>')
        parts += [self._summary(name) for name, _ in line.results]
        if i in self.seconds:
            share = 70 * self.seconds[i] / slowest if slowest else 0  # the rest is for the number
            parts.append(
                f'<div class="time"><span class="bar" style="width: {share:.1f}%"></span>{_time(self.seconds[i])}</div>'
            )
        makes = _escape(" ".join(name for name, _ in line.results))
        reads = _escape(" ".join(line.reads))
        op = _escape(line.op or "the same value")
        return f'<li class="line" data-op="{op}" data-makes="{makes}" data-reads="{reads}">{"".join(parts)}</li>'

    def _summary(self, name: str) -> str:
        summary = summarise(self._values[name]) if name in self._values else None
        if summary is None:
            return ""
        parts = []
        if math.isfinite(summary.mean):
            if summary.minimum == summary.maximum:
                parts.append(("value" if self._values[name].size == 1 else "all", f"{summary.minimum:.4g}"))
            else:
                parts += [(k, f"{v:.4g}") for k, v in zip(("min", "mean", "max"), summary[:3], strict=True)]
        text = " ".join(f"<span><i>{k}</i> {v}</span>" for k, v in parts)
        bad = [f"{n} {what}" for n, what in ((summary.nans, "NaN"), (summary.infinities, "infinite")) if n]
        warning = f'<span class="bad">{", ".join(bad)}</span>' if bad else "<span><i>NaN</i> 0</span>"
        drawing = histogram_svg(summary.counts) if summary.counts else ""
        return f'<div class="stats" data-of="{_escape(name)}">{drawing}{text} {warning}</div>'


def _type(text: str) -> str:
    return f'<span class="t">: {_escape(text)}</span>'


def _source(eq: _core.Equation) -> str:
    """The text of the calling line, if it can be had."""
    place = eq.record.where
    text = linecache.getline(*place).strip() if place is not None else ""
    return f' <code title="{_escape(f"{place[0]}:{place[1]}")}">{_escape(text)}</code>' if text else ""


def _costs(cost: Cost, total: str) -> str:
    memory = f"{quantity(cost.saved_bytes, 'byte')} saved, at most {quantity(cost.peak_bytes, 'byte')} at once"
    rows = "".join(
        f"<tr><th>{_escape(name)}</th><td>{p.equations}</td><td>{quantity(p.flops, 'FLOP')}</td>"
        f"<td>{quantity(p.bytes, 'byte')}</td></tr>"
        for name, p in cost.primitives.items()
    )
    return (
        f"<details><summary>{quantity(cost.equations, 'equation')}, {quantity(cost.flops, 'FLOP')}, "
        f"{quantity(cost.bytes, 'byte')}{total}</summary><p>{memory}</p><table>{rows}</table></details>"
    )


def _seconds(line: Line) -> float | None:
    """How long the equation takes, run again; None if it cannot be."""
    eq = line.equation
    if eq is None or eq.primitive not in primitives().values():
        return None  # another name, an update in place, or a joint of custom rules
    if any(x.is_abstract for x in eq.record.operands):
        return None
    best, begin = math.inf, time.perf_counter()
    for _ in range(REPEATS):
        start = time.perf_counter()
        eq.primitive(*eq.record.operands, *eq.attributes)
        best = min(best, time.perf_counter() - start)
        if start - begin > ENOUGH:
            break
    return best


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
