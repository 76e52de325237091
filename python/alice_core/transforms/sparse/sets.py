"""Arrays of sets of numbers, which say what each item of a value depends on.

The sets stand in a table, and an array holds which of them each of its items has: what only moves items moves numbers,
and equal sets are not written twice. Set 0 is the empty one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import GradientError

__all__ = ["Sets", "composed", "placed", "running", "stacked", "united"]

Ints = npt.NDArray[np.int64]

_MOST = 1 << 25  # numbers in all sets together: a quarter of a gigabyte


class Sets:
    """Set k of the table is ``items[start[k] : start[k + 1]]``, in ascending order."""

    __slots__ = ("items", "start", "which")

    def __init__(self, which: Ints, start: Ints, items: Ints) -> None:
        self.which, self.start, self.items = which, start, items

    @staticmethod
    def none(shape: tuple[int, ...]) -> Sets:
        return Sets(np.zeros(shape, np.int64), np.zeros(2, np.int64), np.zeros(0, np.int64))

    @staticmethod
    def singles(shape: tuple[int, ...], first: int = 0) -> Sets:
        """Each item with a number of its own."""
        n = math.prod(shape)
        numbers = np.arange(n, dtype=np.int64)
        return Sets((numbers + 1).reshape(shape), np.concatenate([[0], np.arange(n + 1)]), numbers + first)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.which.shape

    @property
    def is_empty(self) -> bool:
        return not self.which.any()

    def at(self, which: Any) -> Sets:
        """Other items with the sets of this table."""
        return Sets(np.asarray(which, dtype=np.int64), self.start, self.items)

    def over(self, axes: Sequence[int]) -> Sets:
        """The union over axes, which stay with size 1."""
        axes = [a % self.which.ndim for a in axes]
        shape = tuple(1 if a in axes else n for a, n in enumerate(self.shape))
        if self.is_empty:
            return Sets.none(shape)
        kept = [a for a in range(self.which.ndim) if a not in axes]
        count = math.prod(shape)
        lines = self.which.transpose([*kept, *axes]).reshape(count, self.which.size // max(count, 1))
        rows = np.repeat(np.arange(count), lines.shape[1])
        return _unions(rows, lines.ravel(), count, self).at(np.arange(1, count + 1).reshape(shape))

    def listed(self) -> tuple[Ints, Ints]:
        """For each item its number, in C order, and what is in its set."""
        which = self.which.ravel()
        sizes = self.start[which + 1] - self.start[which]
        items = self.items[_ranges(self.start[which], sizes)]
        return np.repeat(np.arange(which.size), sizes), items


def _check(count: int) -> None:
    if count > _MOST:
        raise GradientError(
            f"sparsity: a pattern must be sparse; expected at most {_MOST} entries at every step of the function, got "
            f"{count}; leave out sparse=True, or ask for products with the Jacobian (ac.jvp, ac.vjp)"
        )


def _ranges(first: Ints, sizes: Ints) -> Ints:
    """first[k], first[k] + 1, …: sizes[k] numbers for each k."""
    ends = np.cumsum(sizes)
    _check(ends[-1] if ends.size else 0)
    return np.arange(ends[-1] if ends.size else 0) + np.repeat(first - ends + sizes, sizes)


def _unions(rows: Ints, sets: Ints, count: int, table: Sets) -> Sets:
    """A table whose set k + 1 is the union of those of the sets that stand beside a row of number k."""
    n_sets = len(table.start) - 1
    pairs = np.unique(rows[sets > 0] * n_sets + sets[sets > 0])
    rows, sets = pairs // n_sets, pairs % n_sets
    sizes = table.start[sets + 1] - table.start[sets]
    items = table.items[_ranges(table.start[sets], sizes)]
    n = int(items.max()) + 1 if items.size else 1
    keys = np.unique(np.repeat(rows, sizes) * n + items)
    ends = np.cumsum(np.bincount(keys // n, minlength=count))
    return Sets(np.zeros(0, np.int64), np.concatenate([[0, 0], ends]), keys % n)


def _of_one_table(parts: Sequence[Sets]) -> list[Sets]:
    """The same with one table for all."""
    tables = list({id(x.items): x for x in parts}.values())
    if len(tables) == 1:
        return list(parts)
    shifts, starts, n_sets, n_items = {}, [np.zeros(2, np.int64)], 0, 0
    for x in tables:
        shifts[id(x.items)] = n_sets
        starts.append(x.start[2:] + n_items)
        n_sets, n_items = n_sets + len(x.start) - 2, n_items + len(x.items)
    start, items = np.concatenate(starts), np.concatenate([x.items for x in tables])
    return [Sets(np.where(x.which > 0, x.which + shifts[id(x.items)], 0), start, items) for x in parts]


def _compact(x: Sets) -> Sets:
    """The same without the sets that no item has, where they are many."""
    if len(x.start) - 2 <= 2 * x.which.size:
        return x
    used, which = np.unique(np.concatenate([[0], x.which.ravel()]), return_inverse=True)
    sizes = x.start[used + 1] - x.start[used]
    items = x.items[_ranges(x.start[used], sizes)]
    return Sets(which.ravel()[1:].reshape(x.shape), np.concatenate([[0], np.cumsum(sizes)]), items)


def united(*parts: Sets) -> Sets:
    """The union, item by item, of arrays whose shapes broadcast."""
    shape = np.broadcast_shapes(*(x.shape for x in parts))
    full = [x for x in parts if not x.is_empty]
    if not full:
        return Sets.none(shape)
    total = full[0]
    for other in full[1:]:
        total = _united(total, other)
    return total.at(np.broadcast_to(total.which, shape))


def _united(a: Sets, b: Sets) -> Sets:
    a, b = _of_one_table([a, b])
    x, y = np.broadcast_arrays(a.which, b.which)
    # Most full ones are all numbers up to their last, and hold what ends no later.
    last = np.concatenate([[-1], a.items[a.start[2:] - 1]])
    begins = np.diff(a.start) == last + 1
    x_holds, y_holds = begins[x] & (last[y] <= last[x]), begins[y] & (last[x] <= last[y])
    new = (x != y) & (x > 0) & (y > 0) & ~x_holds & ~y_holds
    which = np.where((x > 0) & ~y_holds, x, y)
    if not new.any():
        return _compact(a.at(which))
    n_sets = len(a.start) - 1
    pairs, place = np.unique(x[new] * n_sets + y[new], return_inverse=True)
    rows = np.arange(len(pairs))
    table = _unions(np.concatenate([rows, rows]), np.concatenate([pairs // n_sets, pairs % n_sets]), len(pairs), a)
    if new.all():
        return table.at(place.reshape(which.shape) + 1)
    which[new] = place.ravel() + n_sets
    start = np.concatenate([a.start, table.start[2:] + len(a.items)])
    return _compact(Sets(which, start, np.concatenate([a.items, table.items])))


def stacked(parts: Sequence[Sets], axis: int) -> Sets:
    """One array behind the other along an axis that they have."""
    parts = _of_one_table(parts)
    return parts[0].at(np.concatenate([x.which for x in parts], axis=axis))


def running(x: Sets, axis: int, backwards: bool) -> Sets:
    """The union of an item and all before it along an axis, or all behind it."""
    lines = np.moveaxis(x.which, axis, -1)
    n = lines.shape[-1]
    if x.is_empty:
        return x
    _check(x.which.size * (n + 1) // 2)
    to, from_ = np.tril_indices(n)
    if backwards:
        to, from_ = from_, to
    flat = lines.reshape(-1, n)
    rows = np.arange(len(flat))[:, None] * n + to
    table = _unions(rows.ravel(), flat[:, from_].ravel(), flat.size, x)
    which = np.arange(1, flat.size + 1).reshape(lines.shape)
    return table.at(np.moveaxis(which, -1, axis))


def placed(x: Sets, v: Sets, places: Ints, replace: bool) -> Sets:
    """x with the sets of v at places, numbers of its items in C order; in their stead, or beside what is there."""
    if v.is_empty and not replace:
        return x
    x, v = _of_one_table([x, v])
    targets, rows = np.unique(places, return_inverse=True)
    rows, sets = rows.ravel(), np.broadcast_to(v.which, places.shape).ravel()
    which = x.which.ravel().copy()
    if not replace:
        rows, sets = np.concatenate([rows, np.arange(len(targets))]), np.concatenate([sets, which[targets]])
    table = _unions(rows, sets, len(targets), x)
    which[targets] = np.arange(len(targets)) + len(x.start) - 1
    start = np.concatenate([x.start, table.start[2:] + len(x.items)])
    return _compact(Sets(which.reshape(x.shape), start, np.concatenate([x.items, table.items])))


def composed(outer: Sets, inner: Sets) -> Sets:
    """The numbers in the sets of ``outer`` stand for items of ``inner``, along its axis 1: what those depend on.

    For each row of ``inner`` an array of the shape of ``outer``.
    """
    n_rows, n_sets = len(inner.which), len(outer.start) - 1
    _check(n_rows * len(outer.items))
    owner = np.repeat(np.arange(n_sets), np.diff(outer.start))
    rows = np.arange(n_rows)[:, None] * n_sets + owner
    table = _unions(rows.ravel(), inner.which[:, outer.items].ravel(), n_rows * n_sets, inner)
    first = np.arange(n_rows).reshape(-1, *(1,) * outer.which.ndim) * n_sets + 1
    return table.at(np.where(outer.which > 0, outer.which + first, 0))
