"""Numbers in the text that the code must give: ``{shown}`0.6695 = path.x` ``.

The page shows the number; the build runs the expression where the cells before it have left off, and fails unless its
value rounds to the number (an integer must be met exactly). ``{shown}`1e-12 > error` `` is for bounds. ``{porting}`` is
a table whose last column is run in the same way. Both are turned into hidden cells before the page is read, by
:func:`with_checks`, which knows nothing of Sphinx: tests use it as well.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

PARTS = r"([^`]+?)\s+([=<>])\s+([^`]+)"
ROLE = re.compile(r"\{shown\}`" + PARTS + "`")
NUMBER = re.compile(r"[-+]?\d+(?:\.(\d+))?(?:e([-+]?\d+))?")
FENCE = re.compile(r"^(`{3,}|:{3,})")
IMPORT = "from shown import check"


def check(text: str, value: Any, expression: str, relation: str = "=") -> None:
    """Raise unless ``value`` rounds to the number ``text``, is printed so, or lies on the side that is said."""
    plain = text.replace(",", "").replace("\N{MINUS SIGN}", "-").replace(" ", "")
    number = NUMBER.fullmatch(plain)
    if number is None:
        same = str(value) == text
    elif relation != "=":
        same = float(plain) > float(value) if relation == ">" else float(plain) < float(value)
    elif number[1] is None and number[2] is None:
        same = float(value) == int(plain)
    else:
        half = 0.5 * 10.0 ** (int(number[2] or 0) - len(number[1] or ""))
        same = abs(float(value) - float(plain)) <= half * (1 + 1e-6)
    if not same:
        raise AssertionError(f"the text says {text} {relation} {expression}, which is {value}; one of them is wrong")


def with_checks(source: str) -> str:
    """A page with a hidden cell of checks before each cell that follows some, and at the end."""
    if not source.startswith("---\nfile_format: mystnb"):
        return source
    out: list[str] = []
    pending: list[str] = []
    fences: list[str] = []
    table = False

    def flush() -> None:
        if pending:
            out.extend(["```{code-cell} python", ":tags: [remove-cell]", IMPORT, *pending, "```", ""])
            pending.clear()

    for line in source.splitlines():
        mark = FENCE.match(line)
        if mark and fences and line.strip() == fences[-1]:
            fences.pop()
            table = False
        elif mark:
            if not fences and line.startswith("```{code-cell}"):
                flush()
            fences.append(mark[1])
            table = "{porting}" in line
        elif table and " => " in line:
            pending.extend(line.rpartition(" => ")[2].split(" ;; "))
        if not any(fence.startswith("`") for fence in fences):
            pending.extend(f"check({text!r}, {code}, {code!r}, {sign!r})" for text, sign, code in ROLE.findall(line))
        out.append(line)
    out.append("")
    flush()
    return "\n".join(out)


def cells(source: str) -> list[str]:
    """The code of a page, checks included, cell by cell."""
    found = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", with_checks(source), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(re.sub(r"\A(?::\w[^\n]*\n)+", "", cell)) for cell in found]


def setup(app: Any) -> dict[str, Any]:
    """Show what :func:`with_checks` has turned into cells."""
    from docutils import nodes
    from sphinx.util.docutils import SphinxDirective

    def role(name: str, raw: str, text: str, line: int, inliner: Any, options: Any = None, content: Any = ()) -> Any:
        shown, sign, expression = re.fullmatch(PARTS, text).groups()
        why = expression if sign == "=" else f"{sign} {expression}"
        node = nodes.abbreviation(raw, shown, classes=["shown"], explanation=why)
        return [node], []

    class Porting(SphinxDirective):
        """Lines of ``theirs => ours``; the argument is the name of the other package."""

        has_content = True
        required_arguments = 1
        final_argument_whitespace = True

        def run(self) -> list[nodes.Node]:
            group = nodes.tgroup("", *(nodes.colspec(colwidth=50) for _ in range(2)), cols=2)
            table = nodes.table("", group, classes=["porting"])
            head = nodes.row("", *(nodes.entry("", nodes.paragraph("", h)) for h in (self.arguments[0], "alice_core")))
            group += nodes.thead("", head)
            body = nodes.tbody()
            group += body
            for line in self.content:
                if not line.strip():
                    continue
                theirs, _, ours = line.rpartition(" => ")
                entries = []
                for text in (theirs, ours):
                    codes = [nodes.literal(code, code) for code in text.strip().split(" ;; ")]
                    entries.append(nodes.entry("", *(nodes.paragraph("", "", code) for code in codes)))
                body += nodes.row("", *entries)
            return [table]

    def read(app: Any, name: str, source: list[str]) -> None:
        source[0] = with_checks(source[0])

    app.add_role("shown", role)
    app.add_directive("porting", Porting)
    app.connect("source-read", read)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
