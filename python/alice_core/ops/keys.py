"""``x[key]`` with NumPy's grammar: ints, slices, ``...``, None, integer arrays and boolean masks.

Basic keys (ints, slices, ``...``, None) are one view. Keys with arrays are a view by their slices, then one native
gather by all integer arrays together.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_int
from typing import Any, NamedTuple

import numpy as np

from .._dtypes import as_indices
from ..errors import TraceError
from ..tensors import Tensor, bool_, int32, int64, uint8
from . import views as _views
from .indexing import _gather, _take, nonzero

__all__: list[str] = []


def getitem(x: Tensor, key: Any) -> Tensor:
    """``x[key]`` with NumPy's meaning: ints, slices, ``...``, None, integer arrays and boolean masks."""
    extents = x.shape
    if isinstance(key, (Tensor, np.ndarray)) and extents and key.ndim and key.dtype in (int64, int32, uint8):
        return _take(x, key, 0)  # rows by number: the usual minibatch, without the ceremony below
    entries = key if type(key) is tuple else (key,)
    if (box := box_of(extents, entries)) is None:
        return _getitem_arrays(x, entries)
    starts, sizes, steps, shape = box
    return _views._slice(x, starts, sizes, steps, shape)


# What a key without arrays names: starts, sizes and steps along the axes, and the shape it is seen with. A plain tuple,
# as every x[i] makes one.
Box = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def box_of(extents: Sequence[int], entries: Sequence[Any], name: str = "getitem") -> Box | None:
    """Of plain ints, slices, ``...`` and None; with anything else among them, None. ``name`` is for errors."""
    ndim = len(extents)
    starts: list[int] = []
    sizes: list[int] = []
    steps: list[int] = []
    shape: list[int] = []
    axis = 0
    for entry in entries:
        kind = type(entry)
        if kind is int:
            if axis == ndim:
                raise _too_many(name, entries, extents)
            n = extents[axis]
            if not -n <= entry < n:
                raise IndexError(f"{name}: index {entry} is out of range for axis {axis} with size {n}")
            starts.append(entry if entry >= 0 else entry + n)
            sizes.append(1)
            steps.append(1)
            axis += 1
        elif kind is slice:
            if axis == ndim:
                raise _too_many(name, entries, extents)
            start, stop, step = entry.indices(extents[axis])
            size = len(range(start, stop, step))
            starts.append(start)
            sizes.append(size)
            steps.append(step if size > 1 else 1)  # an absurd step of one element fits no native integer
            shape.append(size)
            axis += 1
        elif entry is None:
            shape.append(1)
        elif entry is Ellipsis:
            rest = extents[axis : ndim - _axes_after_ellipsis(name, entries)]
            starts += [0] * len(rest)
            sizes += rest
            steps += [1] * len(rest)
            shape += rest
            axis += len(rest)
        else:
            return None
    rest = extents[axis:]
    if rest:
        starts += [0] * len(rest)
        sizes += rest
        steps += [1] * len(rest)
        shape += rest
    return tuple(starts), tuple(sizes), tuple(steps), tuple(shape)


def _too_many(name: str, entries: Sequence[Any], extents: Sequence[int]) -> IndexError:
    used = sum(_axes_used(e) for e in entries)
    return IndexError(f"{name}: at most {len(extents)} indices fit shape {tuple(extents)}; got {used}")


def _axes_used(entry: Any) -> int:
    """How many axes of x an entry of a key stands for."""
    if entry is None or entry is Ellipsis or isinstance(entry, (bool, np.bool_)):
        return 0
    if isinstance(entry, (Tensor, np.ndarray)) and entry.dtype == bool_:
        return entry.ndim
    return 1


def _axes_after_ellipsis(name: str, entries: Sequence[Any]) -> int:
    after, found = 0, False
    for entry in entries:
        if entry is Ellipsis:
            if found:
                raise IndexError(f"{name}: an index can have only one ellipsis ('...')")
            found = True
        elif found:
            after += _axes_used(entry)
    return after


def _entry(entry: Any, name: str = "getitem") -> Any:
    """An entry of a key as an int, slice, None, Ellipsis, bool, or an array of integers or booleans."""
    if entry is None or entry is Ellipsis or type(entry) in (int, slice, bool):
        return entry
    if isinstance(entry, (Tensor, np.ndarray)):
        array = entry
    elif isinstance(entry, (list, tuple)):
        array = np.asarray(entry)
        if array.size == 0:
            array = array.astype(np.int64)
    elif isinstance(entry, np.bool_):
        return bool(entry)
    else:
        try:
            return as_int(entry)
        except TypeError:
            raise _bad_entry(name, type(entry).__name__) from None
    if array.dtype.kind not in "biu":
        raise _bad_entry(name, f"an array of {array.dtype}")
    if isinstance(array, Tensor):
        if array.dtype == bool_ and array.is_abstract:
            raise TraceError(
                f"{name}: the shape of x[mask] depends on the values of the mask, which are not known while tracing; "
                "choose by value with ac.where"
            )
        return array
    if array.ndim == 0:
        return array.item()
    return as_indices(array)


def _bad_entry(name: str, got: str) -> IndexError:
    return IndexError(
        f"{name}: an index must be an int, a slice, '...', None, or an array of integers or booleans; got {got}"
    )


class Picked(NamedTuple):
    """What a key with arrays means: a view by its slices, then one gather of all arrays."""

    x: Tensor  # with an axis more for each bool of the key
    cuts: tuple[slice, ...] | None  # one for each axis of x, if any leaves something out
    axes: tuple[int, ...]  # of the arrays
    arrays: list[Any]
    out_axis: int  # where their dimensions stand in the result
    new: tuple[int, ...]  # axes of the result that None adds


def _getitem_arrays(x: Tensor, key: Sequence[Any]) -> Tensor:
    """``x[key]`` for keys with arrays, masks, or numbers that are not plain Python ints."""
    entries = [_entry(e) for e in key]
    if (box := box_of(x.shape, entries)) is not None:
        return _views._slice(x, *box)
    picked = picked_by(x, entries)
    x, axes, arrays = picked.x, picked.axes, picked.arrays
    if picked.cuts is not None:
        x = getitem(x, picked.cuts)
    if len(arrays) == 1 and picked.out_axis == axes[0]:
        result = _take(x, arrays[0], axes[0])
    else:
        result = _gather(x, *arrays, axes, picked.out_axis)
    return _views.expand_dims(result, picked.new) if picked.new else result


def picked_by(x: Tensor, entries: Sequence[Any], name: str = "getitem") -> Picked:
    """What a key of such entries as :func:`_entry` returns means for x."""
    missing = x.ndim - sum(_axes_used(e) for e in entries)
    if missing < 0:
        raise _too_many(name, entries, x.shape)
    _axes_after_ellipsis(name, entries)  # refuses a second one
    gap = next((i for i, e in enumerate(entries) if e is Ellipsis), len(entries))
    # The ellipsis stays in front of the slices that it stands for: even without any it separates its neighbours.
    x, places = _places(name, x, [*entries[: gap + 1], *[slice(None)] * missing, *entries[gap + 1 :]])
    cuts = tuple(p if isinstance(p, slice) else slice(None) for p in places if p is not None and p is not Ellipsis)

    # The dimensions of the indices stand where the first array stood, or in front of everything if something stands
    # between the arrays.
    axes: list[int] = []  # of the arrays
    arrays: list[Any] = []
    spots: list[int] = []  # of the arrays in the key
    front = 0  # dimensions of the result before those of the indices
    new: list[int] = []  # dimensions of the result, those of the indices left out, that None adds
    kept = axis = 0
    for spot, place in enumerate(places):
        if place is Ellipsis:
            continue
        if place is None:
            new.append(kept)
            kept += 1
            continue
        if isinstance(place, slice):
            kept += 1
        else:
            front = front if spots else kept
            axes.append(axis)
            arrays.append(place)
            spots.append(spot)
        axis += 1
    if spots[-1] - spots[0] != len(spots) - 1:
        front = 0
    inserted = max(a.ndim for a in arrays)  # they broadcast together
    return Picked(
        x,
        cuts if any(cut != slice(None) for cut in cuts) else None,
        tuple(axes),
        arrays,
        front - sum(1 for at in new if at < front),
        tuple(at if at < front else at + inserted for at in new),
    )


def _places(name: str, x: Tensor, entries: Sequence[Any]) -> tuple[Tensor, list[Any]]:
    """Slices and integer arrays for every axis of x (with None and ``...`` between them); x gets an axis per bool."""
    places: list[Any] = []
    axis = 0
    for entry in entries:
        if entry is None or entry is Ellipsis:
            places.append(entry)
            continue
        if isinstance(entry, (Tensor, np.ndarray)) and entry.dtype == bool_:
            if entry.ndim:
                extents = x.shape[axis : axis + entry.ndim]
                if entry.shape != extents:
                    raise IndexError(
                        f"{name}: a boolean mask must have the shape of the axes it selects from; got mask "
                        f"{entry.shape} for axes of shape {extents}"
                    )
                places += nonzero(entry)
                axis += entry.ndim
                continue
            entry = bool(entry)
        if isinstance(entry, bool):  # one more axis of size 1, of which everything or nothing is taken
            x = _views.expand_dims(x, axis)
            entry = np.zeros(int(entry), np.int64)
        elif isinstance(entry, int):
            n = x.shape[axis]
            if not -n <= entry < n:  # checked here, because the kernel skips indices that broadcast away
                raise IndexError(f"{name}: index {entry} is out of range for axis {axis} with size {n}")
            entry = np.asarray(entry, np.int64)
        places.append(entry)
        axis += 1
    return x, places
