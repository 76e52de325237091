"""Write README.md's table of ops from the code: ``python tools/optable.py``.

Families and names are the modules of ``alice_core.ops`` with their ``__all__``; which op has a derivative is what its
row in ``tests/cases`` says.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests"), str(ROOT / "tests" / "support")]

import marked  # noqa: E402 - beside this file, wherever it is run from


def table() -> str:
    """The table as Markdown: a row a family; an op that two of them export stands in the first."""
    import alice_core as ac
    import alice_core.ops as ops
    import op_cases

    differentiable = {case.name for case in op_cases.all_cases() if case.grad}
    lines = ["| Family | with derivatives | without |", "|---|---|---|"]
    listed: set[str] = set()
    for family in sorted(ops.__all__):
        names = sorted(name for name in getattr(ops, family).__all__ if hasattr(ac, name) and name not in listed)
        if not names:
            continue
        listed.update(names)
        cells = [
            " ".join(f"`{n}`" for n in names if (n in differentiable) == wanted) or "-" for wanted in (True, False)
        ]
        lines.append(f"| {family} | {cells[0]} | {cells[1]} |")
    own = [f"linalg.{name}" for name in sorted(op_cases.linalg_functions())]
    listed.update(own)
    cells = [" ".join(f"`{n}`" for n in own if (n in differentiable) == wanted) for wanted in (True, False)]
    lines.append(f"| ac.linalg | {cells[0]} | {cells[1]} |")
    return f"{len(listed)} ops:\n\n" + "\n".join(lines)


def with_table(text: str) -> str:
    """``text`` with the table between its markers."""
    return marked.with_part(text, "ops", "optable.py", table())


if __name__ == "__main__":
    marked.rewrite(with_table)
