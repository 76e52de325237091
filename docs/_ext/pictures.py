"""How the pictures of the book look; pages begin with ``import pictures``."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import matplotlib as mpl

BLUE, ORANGE, GREY, GREEN = "#1f5fa8", "#d9720f", "#6b6f76", "#2a8a57"

mpl.rcParams.update({
    "figure.figsize": (6.6, 3.6),
    "figure.constrained_layout.use": True,
    "figure.facecolor": "white",
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.prop_cycle": mpl.cycler(color=[BLUE, ORANGE, GREEN, GREY, "#8a3ffc"]),
    "grid.color": "#e3e5e8",
    "legend.frameon": False,
    "svg.hashsalt": "alice_core",
})  # fmt: skip


@dataclass
class Page:
    """A page inside of the page, as ``ac.trace(f)(x).to_html()`` makes them."""

    html: str
    title: str

    def _repr_html_(self) -> str:
        return f'<iframe class="page" title="{escape(self.title)}" srcdoc="{escape(self.html)}"></iframe>'
