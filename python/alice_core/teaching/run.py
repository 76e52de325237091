"""The record of one run of an algorithm: every matrix by its symbol, with its shape and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import alice_core as ac

__all__ = ["Entry", "Run", "column", "table"]


@dataclass(frozen=True, eq=False)
class Entry:
    """One matrix that came up in a run.

    Attributes
    ----------
    layer : int
        The layer at which it came up; 0 is the input.
    quantity, symbol : str
        Its name and its symbol in the notes' tables. The hat of tangents is written ``^``, the tilde of adjoints ``~``.
    matrix : Tensor with 2 axes
    multiplications : int
        What the product that gave it took; 0 if it is no product of matrices.
    """

    layer: int
    quantity: str
    symbol: str
    matrix: ac.Tensor
    multiplications: int = 0


@dataclass(eq=False)
class Run:
    """What :func:`forward_mode` and :func:`reverse_mode` did; ``print(run)`` shows it as a table.

    ``run[symbol]`` is the matrix that had the symbol last, for instance ``run["h~_1"]``.

    Attributes
    ----------
    mode : str
    y : Tensor, 0-d
        Value of the program.
    gradients : list of dict of str to Tensor
        Of y, by each weight of each layer, in the shape of the weight.
    kept : int
        The most numbers that were kept at once for the sake of the derivatives: all tangent matrices, or the outputs
        of all layers.
    entries : list of Entry
        Every matrix, in the order of the algorithm.
    """

    mode: str
    y: ac.Tensor
    gradients: list[dict[str, ac.Tensor]]
    kept: int = 0
    entries: list[Entry] = field(default_factory=list)

    @property
    def multiplications(self) -> int:
        """Of numbers, in all products of matrices together; building the Jacobians of single layers is not counted."""
        return sum(entry.multiplications for entry in self.entries)

    def write(self, layer: int, quantity: str, symbol: str, matrix: ac.Tensor) -> ac.Tensor:
        """Note a matrix, and hand it back."""
        self.entries.append(Entry(layer, quantity, symbol, matrix))
        return matrix

    def multiply(self, layer: int, quantity: str, symbol: str, a: ac.Tensor, b: ac.Tensor) -> ac.Tensor:
        """Note the product of two matrices with its multiplications, and hand it back."""
        self.entries.append(Entry(layer, quantity, symbol, a @ b, a.size * b.shape[1]))
        return self.entries[-1].matrix

    def __getitem__(self, symbol: str) -> ac.Tensor:
        for entry in reversed(self.entries):
            if entry.symbol == symbol:
                return entry.matrix
        raise KeyError(f"run: expected one of {', '.join(sorted({e.symbol for e in self.entries}))}; got {symbol!r}")

    def __str__(self) -> str:
        rows = [
            (str(e.layer), e.quantity, e.symbol, " x ".join(map(str, e.matrix.shape)), str(e.multiplications or ""))
            for e in self.entries
        ]
        head = ("layer", "quantity", "symbol", "shape", "multiplications")
        summary = f"{self.mode}: y = {self.y.item():.6g}, {self.multiplications} multiplications, {self.kept} kept"
        return f"{summary}\n{table(head, rows)}"


def column(x: ac.Tensor) -> ac.Tensor:
    """All items of ``x`` as a matrix with one column, as the notes' tables write vectors."""
    return x.reshape(-1, 1)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in aligned columns, the head underlined."""
    widths = [max(map(len, texts)) for texts in zip(head, *rows, strict=True)]
    lines = [head, ["-" * w for w in widths], *rows]
    return "\n".join("  ".join(t.ljust(w) for t, w in zip(line, widths, strict=True)).rstrip() for line in lines)
