"""Curves as PNG files, in the style of the package's other pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..plot import BLUE, GREY, ORANGE, draw_figure

__all__ = ["draw_curves"]


def draw_curves(
    path: str | Path,
    x: Sequence[float],
    curves: Mapping[str, Sequence[float]],
    *,
    title: str,
    xlabel: str,
    ylabel: str,
    log: str = "",
) -> Path:
    """Draw up to three curves over the same points. Needs matplotlib (extra ``demo``).

    Parameters
    ----------
    path : str or Path
        PNG file to write.
    x : sequence of float
    curves : mapping of str to sequence of float
        By name, as long as x each.
    title, xlabel, ylabel : str
    log : {"", "x", "y", "xy"}
        The axes with a logarithmic scale.

    Returns
    -------
    Path
        The file written.

    Raises
    ------
    MissingPackageError
        If matplotlib is not installed.
    """

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        for (name, values), color in zip(curves.items(), (BLUE, ORANGE, GREY), strict=False):
            axes.plot(x, values, color=color, marker="o", markersize=2.5, linewidth=1.2, label=name)
        axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
        for letter in log:
            axes.set(**{f"{letter}scale": "log"})
        axes.grid(True)
        axes.set_axisbelow(True)
        axes.legend()

    return draw_figure(path, (7.2, 4.2), draw)
