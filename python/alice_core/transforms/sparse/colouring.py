"""Which columns of a sparse matrix can be found together, in one direction.

Sources: Curtis, Powell and Reid, 1974 (groups of columns); Coleman and Moré, 1984, and Gebremedhin, Manne and Pothen,
"What color is your Jacobian?", 2005 (as colourings of graphs; star colouring for symmetric matrices).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["of_columns", "of_symmetric"]

Ints = npt.NDArray[np.int64]


def _lists(rows: Ints, columns: Ints, n: int) -> list[list[int]]:
    """For each column its rows."""
    order = np.argsort(columns, kind="stable")
    ends = np.cumsum(np.bincount(columns, minlength=n))
    return [part.tolist() for part in np.split(rows[order], ends[:-1])] if n else []


def _first_free(taken: int) -> int:
    """The bit of the least colour that is not taken."""
    return ~taken & (taken + 1)


def of_columns(rows: Ints, columns: Ints, shape: tuple[int, int]) -> Ints:
    """Colours such that no row has entries in two columns of one colour.

    The columns from left to right, which is best for bands, or the fullest first, whichever needs fewer.
    """
    m, n = shape
    least = int(np.bincount(rows).max()) if rows.size else 0
    if least == n:  # a row is full
        return np.arange(n, dtype=np.int64)
    found = _lists(rows, columns, n)
    colours = _of_columns(found, range(n), m)
    if int(colours.max(initial=-1)) + 1 > least:
        other = _of_columns(found, sorted(range(n), key=lambda j: -len(found[j])), m)
        colours = min(colours, other, key=lambda c: int(c.max()))
    return colours


def _of_columns(lists: Sequence[list[int]], order: Sequence[int], m: int) -> Ints:
    taken = [0] * m  # for each row the colours that it has, as bits
    colours = [0] * len(lists)
    for j in order:
        all_taken = 0
        for i in lists[j]:
            all_taken |= taken[i]
        bit = _first_free(all_taken)
        colours[j] = bit.bit_length() - 1
        for i in lists[j]:
            taken[i] |= bit
    return np.array(colours, np.int64)


def of_symmetric(rows: Ints, columns: Ints, n: int) -> Ints:
    """A star colouring: neighbours differ, and no path of four has two colours only.

    Then each entry (i, j) stands alone in row i among the columns of j's colour, or in row j among those of i's. The
    fullest come first. When a column gets its colour, those before it keep away from it: a neighbour yet without one
    has no two neighbours of the same colour, and one that has one is not the middle of a path of two colours.
    """
    neighbours = _lists(rows[rows != columns], columns[rows != columns], n)
    colours = [-1] * n
    seen = [0] * n  # the colours of its neighbours, as bits
    blocked = [0] * n  # those colours of its neighbours that have another neighbour of its colour
    first: list[dict[int, int]] = [{} for _ in range(n)]  # of each colour, the first neighbour
    for v in sorted(range(n), key=lambda j: -len(neighbours[j])):
        taken = 0
        for w in neighbours[v]:
            taken |= seen[w] if colours[w] < 0 else (1 << colours[w]) | blocked[w]
        bit = _first_free(taken)
        colours[v] = colour = bit.bit_length() - 1
        for w in neighbours[v]:
            seen[w] |= bit
            other = first[w].setdefault(colour, v)
            if other != v:
                mine = 1 << colours[w]
                blocked[v] |= mine
                blocked[other] |= mine
    return np.array(colours, np.int64)
