"""What ``make bench`` has measured, as pictures and tables: ``docs/bench/results.json`` is where the numbers are.

Those of ``bench/distributed.py`` are beside it.
"""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from pictures import BLUE, GREY, ORANGE

FOLDER = Path(os.environ["ALICE_BOOK"], "docs", "bench")
RESULTS: dict[str, Any] = json.loads((FOLDER / "results.json").read_text(encoding="utf-8"))
DISTRIBUTED: dict[str, Any] = json.loads((FOLDER / "distributed.json").read_text(encoding="utf-8"))
OURS = ("alice_core compiled", "alice_core")


def section(key: str) -> dict[str, Any]:
    return next(s for s in RESULTS["sections"] if s["key"] == key)


def shown(value: float, unit: str) -> str:
    """Three digits, with a unit that leaves few zeros."""
    if unit == "B":
        return f"{value / 2**20:.3g} MiB" if value >= 2**20 else f"{value / 2**10:.3g} KiB"
    if unit != "s":
        return f"{value:.3g}{' ' + unit if unit else ''}"
    for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= scale:
            return f"{value / scale:.3g} {name}"
    return f"{value / 1e-9:.3g} ns"


class Table:
    """A section as a table: one row per work, one column per contender."""

    def __init__(self, key: str) -> None:
        self.section = section(key)

    def _repr_html_(self) -> str:
        rows = self.section["rows"]
        names = list(dict.fromkeys(name for row in rows for name in row["values"]))
        lines = [row_of("th", ["work", *names])]
        for row in rows:
            values = [row["values"].get(name) for name in names]
            lines.append(
                row_of("td", [row["work"], *("" if v is None else shown(v["median"], row["unit"]) for v in values)])
            )
        return f'<div class="table-wrapper"><table class="docutils measured">{"".join(lines)}</table></div>'


def row_of(tag: str, cells: list[str]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"


def draw_steps() -> None:
    """Training steps beside the peers."""
    rows = [row for row in section("steps")["rows"] if "torch" in row["values"]]
    _, axes = plt.subplots(2, 3, figsize=(8.4, 4.6))
    for ax in axes.flat[len(rows) :]:
        ax.set_axis_off()
    for ax, row in zip(axes.flat, rows, strict=False):
        medians = {name: v["median"] for name, v in row["values"].items() if name != "C++ -ffast-math"}
        names = sorted(medians, key=medians.__getitem__, reverse=True)
        colors = [BLUE if name in OURS else ORANGE if name == "C++" else GREY for name in names]
        ax.barh([n.removeprefix("alice_core ") for n in names], [medians[n] for n in names], color=colors)
        for i, name in enumerate(names):
            ax.text(medians[name], i, " " + shown(medians[name], "s"), va="center", fontsize=8)
        ax.set(xscale="log", xlim=(min(medians.values()) / 2, max(medians.values()) * 12), xticks=[])
        ax.set_title(row["work"].replace(", batch", "\nbatch").replace("float64, ", ""), fontsize=9)
        ax.tick_params(labelsize=8, length=0)
        ax.minorticks_off()
        ax.spines[["bottom"]].set_visible(False)
    plt.show()
