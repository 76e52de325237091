"""Write README.md's table of speeds from docs/bench/results.json: ``python tools/speedtable.py``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "bench")]

import marked  # noqa: E402 - beside this file, wherever it is run from

import report  # noqa: E402
from rows import EAGER, FLOOR, OURS  # noqa: E402

CHOSEN = (  # section, the row's work there, and what the reader is told, if that is not the same
    ("steps", "step 2-16-2, batch 32", None),
    ("steps", "step 64-128-10, batch 32", None),
    ("steps", "logistic regression, float64, 64 features, batch 256", None),
    ("steps", "step 784-256-128-10, batch 128", None),
    ("steps", "step 784-2048-2048-10, batch 512", None),
    ("steps_all", "step 784-2048-2048-10, batch 512", "the same on two threads"),
    ("epochs", "epoch of the digits, 64-128-10, batch 32", None),
    ("epochs", "epoch of Fashion-MNIST, 784-128-10, batch 128", None),
    ("elementwise", "chain, 100,000", "`tanh(x*y+1)*exp(-x*x)+y`, 100,000 numbers"),
    ("elementwise", "chain, 16 million", "the same, 16 million"),
    ("elementwise", "gelu, 100,000", "gelu, 100,000 numbers"),
    ("cross_entropy", "cross-entropy and gradient, 2048 x 8192", None),
    ("derivatives", "Hessian of a logistic loss, 10 parameters, batch 64", None),
    ("derivatives", "Jacobian 256 x 256 of two tanh layers, reverse", None),
    ("derivatives", "gradients of each example, 64-128-10, batch 32", None),
    ("control", "Jacobian of a cart-pole step", None),
    ("control", "gradient through 1000 steps", "gradient through 1,000 steps of it"),
    ("cold", "first compile of the step 64-128-10", "first call of the step 64-128-10"),
    ("cold", "import, beyond NumPy", None),
)


def line(row: dict[str, Any], told: str) -> str:
    """A row of the table: ours both ways, the floor, the best peer, and what it takes over ours."""

    def cell(value: float | None) -> str:
        return "" if value is None else report.readable(value, row["unit"])

    peer = report.best_peer(row)
    mine, theirs = report.median(row, report.ours(row)), report.median(row, peer)
    ratio = None if mine is None or theirs is None else theirs / mine
    times = "" if ratio is None else f"{ratio:#.2g}".rstrip(".") if ratio < 99.5 else f"{ratio:.0f}"
    own = " | ".join(cell(report.median(row, name)) for name in (OURS, EAGER, FLOOR))
    return f"| {told} | {own} | {cell(theirs)}{f' ({peer})' if peer else ''} | {times} |"


def part() -> str:
    results = json.loads((ROOT / "docs" / "bench" / "results.json").read_text(encoding="utf-8"))
    rows = {(section["key"], row["work"]): row for section in results["sections"] for row in section["rows"]}
    lines = [
        f"One run on a shared machine: {results['machine']}.",
        "All rows, with spread and versions, are in [docs/bench/results.md](docs/bench/results.md).",
        "",
        "| work | alice_core compiled | eager | C++ by hand | best peer | peer / ours |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    found = ((rows.get((section, work)), told or work) for section, work, told in CHOSEN)
    lines += [line(row, told) for row, told in found if row is not None]  # some were left out, the results say why
    return "\n".join(lines)


def with_table(text: str) -> str:
    """``text`` with the table between its markers."""
    return marked.with_part(text, "speed", "speedtable.py", part())


if __name__ == "__main__":
    marked.rewrite(with_table)
