"""Pictures of results.json."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rows import EAGER, FLOOR, OURS

COLORS = {
    OURS: "#c1272d",
    EAGER: "#e78a8d",
    FLOOR: "#222222",
    "C++ -ffast-math": "#777777",
    "NumPy": "#4c72b0",
    "torch": "#ee7733",
    "torch.compile": "#aa4400",
    "jax.jit": "#33a02c",
    "JAX": "#33a02c",
    "mlx.compile": "#8172b3",
    "mlx": "#8172b3",
    "MLX": "#8172b3",
    "autograd": "#b5a642",
}


def draw(results: dict[str, Any], folder: Path) -> list[str]:
    """Write what can be drawn from the measured rows; names of the files."""
    from matplotlib.figure import Figure

    rows = {section["key"]: section["rows"] for section in results["sections"]}
    pictures: dict[str, Callable[[Any], bool]] = {
        "steps.png": lambda axes: _bars(axes, _renamed(rows.get("steps", [])), "seconds per training step, one thread"),
        "matmul.png": lambda axes: _matmul(axes, rows.get("matmul", [])),
        "elementwise.png": lambda axes: _chain(axes, rows.get("elementwise", [])),
        "cold.png": lambda axes: _bars(
            axes, [r for r in rows.get("cold", []) if r["unit"] == "s"], "seconds, fresh process, one thread"
        ),
    }
    written = []
    for name, picture in pictures.items():
        figure = Figure(figsize=(9, 6), layout="constrained")
        axes = figure.add_subplot()
        if picture(axes):
            axes.spines[["top", "right"]].set_visible(False)
            figure.savefig(folder / name, dpi=150)
            written.append(name)
    return written


def _renamed(rows: list[Any]) -> list[Any]:
    return [
        row | {"work": row["work"].replace(", batch", ",\nbatch").replace("regression, ", "regression,\n")}
        for row in rows
    ]


def _bars(axes: Any, rows: list[Any], label: str) -> bool:
    """Groups of horizontal bars on a logarithmic scale, a group for each row."""
    position, ticks = 0.0, []
    for row in rows:
        values = [(name, t["median"]) for name, t in row["values"].items() if t["median"] > 0]
        start = position
        for name, value in values:
            axes.barh(position, value, height=0.9, color=COLORS.get(name, "#999999"))
            axes.text(value, position, f" {_short(value)}", va="center", fontsize=6.5)
            position += 1
        ticks.append(((start + position - 1) / 2, row["work"]))
        position += 1
    if not ticks:
        return False
    axes.set_xscale("log")
    axes.invert_yaxis()
    axes.set_yticks([at for at, _ in ticks], [name for _, name in ticks])
    axes.set_xlabel(label)
    _legend(axes, list(dict.fromkeys(name for row in rows for name in row["values"])))
    return True


def _legend(axes: Any, names: list[str]) -> None:
    from matplotlib.patches import Patch

    axes.legend(
        handles=[Patch(color=COLORS.get(name, "#999999"), label=name) for name in names],
        frameon=False,
        fontsize=8,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=5,
    )


def _short(value: float) -> str:
    scale, unit = next((s, u) for s, u in ((1e-6, "µs"), (1e-3, "ms"), (1, "s")) if value < 999.5 * s or s == 1)
    return f"{value / scale:.3g} {unit}"


def _curves(axes: Any, points: dict[str, list[tuple[float, float]]]) -> bool:
    for name, line in points.items():
        xs, ys = zip(*sorted(line), strict=True)
        axes.plot(xs, ys, marker="o", markersize=3, label=name, color=COLORS.get(name, "#999999"))
    if points:
        axes.legend(frameon=False, fontsize=8)
    return bool(points)


def _matmul(axes: Any, rows: list[Any]) -> bool:
    points: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        found = re.fullmatch(r"matmul (\d+), float32", row["work"])
        if found:
            n = int(found[1])
            for name, t in row["values"].items():
                points.setdefault(name, []).append((n, 2e-9 * n**3 / t["median"]))
    axes.set_xscale("log", base=2)
    axes.set_xlabel("n of a float32 product n x n by n x n")
    axes.set_ylabel("10⁹ operations per second, one thread")
    return _curves(axes, points)


def _chain(axes: Any, rows: list[Any]) -> bool:
    points: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        found = re.fullmatch(r"chain, (.*)", row["work"])
        if found:
            n = float(found[1].replace(",", "").replace(" million", "e6"))
            for name, t in row["values"].items():
                points.setdefault(name, []).append((n, 1e9 * t["median"] / n))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("elements")
    axes.set_ylabel("nanoseconds per element of tanh(x*y+1)*exp(-x*x)+y, one thread")
    return _curves(axes, points)
