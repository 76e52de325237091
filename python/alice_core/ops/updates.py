"""``x.at[key]``: what assignments would make of a copy, for keys of NumPy's grammar.

Keys without arrays name no place twice: the items there are brought together with the value as arrays are, and put into
their slice. Of keys with arrays the slices come first, as in reading, then one scatter at all indices together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ShapeError
from ..tensors import Tensor, bool_, int32, int64, uint8
from . import selection as _selection
from . import views as _views
from .keys import Box, _entry, box_of, picked_by
from .scatter import MODES, _slice_set, fitting, spread_to

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__: list[str] = []


class At:
    """Places to change in a copy: ``x.at[key].set(v)`` is what ``x[key] = v`` would make of an array.

    Keys are those of ``x[key]``: ints, slices, ``...``, None, integer arrays and boolean masks. ``set``, ``add``,
    ``multiply``, ``min`` and ``max`` take a value that broadcasts to the shape of ``x[key]``, and is cast to the
    dtype of ``x``. A place that the key names several times takes all its values, in order: of those that set it
    the last one stays.

    Gradient
        Of set, that of the places that were not set by ``x``, and of those that stay by ``v``. Of add, as it is. Of
        multiply, times all other factors of the place. Of min and max to the extreme, shared evenly by equal ones.

    Raises
    ------
    IndexError
        If an index is out of range, or a mask has another shape.
    ShapeError
        If the value does not broadcast.
    DTypeError
        If the value is floating and ``x`` is not.
    TraceError
        If a mask among other indices is not known; alone, with one value for every place, it need not be.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.zeros(4)
    >>> x.at[1:3].set(5.0)
    Tensor([0., 5., 5., 0.], dtype=float32)
    >>> x.at[[0, 0, 3]].add(ac.tensor([1.0, 2.0, 4.0]))
    Tensor([3., 0., 0., 4.], dtype=float32)
    """

    __slots__ = ("_x",)

    def __init__(self, x: Tensor) -> None:
        self._x = x

    def __getitem__(self, key: Any) -> Selected:
        return Selected(self._x, key)


class Selected:
    """``x.at[key]``: the places of ``x`` that a key means. Each method returns a changed copy of ``x``."""

    __slots__ = ("_key", "_x")

    def __init__(self, x: Tensor, key: Any) -> None:
        self._x, self._key = x, key

    def set(self, value: TensorLike) -> Tensor:
        """The value at these places; of several for one place, the last one."""
        return _updated(self._x, self._key, value, "set")

    def add(self, value: TensorLike) -> Tensor:
        """The value added; of several for one place, all."""
        return _updated(self._x, self._key, value, "add")

    def multiply(self, value: TensorLike) -> Tensor:
        """Multiplied by the value; of several for one place, by all."""
        return _updated(self._x, self._key, value, "multiply")

    def min(self, value: TensorLike) -> Tensor:
        """The smaller of item and value; of several for one place, the smallest."""
        return _updated(self._x, self._key, value, "min")

    def max(self, value: TensorLike) -> Tensor:
        """The larger of item and value; of several for one place, the largest."""
        return _updated(self._x, self._key, value, "max")


def _updated(x: Tensor, key: Any, value: Any, mode: str) -> Tensor:
    name = f"at.{mode}"
    v = fitting(name, x, value)
    if isinstance(key, (Tensor, np.ndarray)) and x.ndim and key.ndim and key.dtype in (int64, int32, uint8):
        v = spread_to(name, v, (*key.shape, *x.shape[1:]))  # rows by number, without the ceremony below
        return MODES[mode].at_indices(x, v, key, (0,), 0)
    entries: Sequence[Any] = key if type(key) is tuple else (key,)
    box = box_of(x.shape, entries, name)
    if box is None:  # arrays, or numbers that are not plain ints
        entries = [_entry_or_mask(e, name) for e in entries]
        box = box_of(x.shape, entries, name)
    if box is not None:
        return _at_box(name, x, box, v, mode)
    if len(entries) == 1 and getattr(entries[0], "dtype", None) == bool_ and v.ndim <= x.ndim - entries[0].ndim:
        return _at_mask(name, x, entries[0], v, mode)
    picked = picked_by(x, [_entry(e, name) for e in entries], name)
    cut = None if picked.cuts is None else box_of(picked.x.shape, picked.cuts)
    base = picked.x if cut is None else _views._slice(picked.x, *cut)
    shape = _shape_of(name, base, picked.arrays, picked.axes, picked.out_axis)
    with_new = list(shape)
    for axis in picked.new:
        with_new.insert(axis, 1)
    v = _views.reshape(spread_to(name, v, tuple(with_new)), shape)
    result = MODES[mode].at_indices(base, v, *picked.arrays, picked.axes, picked.out_axis)
    if cut is not None:
        result = _at_box(name, picked.x, cut, result, "set")
    return result if picked.x is x else _views.reshape(result, x.shape)


def _entry_or_mask(entry: Any, name: str) -> Any:
    """As :func:`_entry`, but of masks no values are asked for: it may be that none are needed."""
    return entry if isinstance(entry, Tensor) and entry.dtype == bool_ else _entry(entry, name)


def _shape_of(name: str, x: Tensor, arrays: Sequence[Any], axes: Sequence[int], out_axis: int) -> tuple[int, ...]:
    rest = [n for axis, n in enumerate(x.shape) if axis not in axes]
    try:
        shape = np.broadcast_shapes(*(np.shape(a) for a in arrays))
    except ValueError:
        shapes = ", ".join(str(np.shape(a)) for a in arrays)
        raise ShapeError(f"{name}: index arrays must broadcast together; got shapes {shapes}") from None
    return (*rest[:out_axis], *shape, *rest[out_axis:])


def _at_box(name: str, x: Tensor, box: Box, v: Tensor, mode: str) -> Tensor:
    starts, sizes, steps, shape = box
    v = spread_to(name, v, shape)
    if mode != "set":
        v = _combined(_views._slice(x, starts, sizes, steps, shape), v, mode)
    return _slice_set(x, v, starts, sizes, steps)


def _at_mask(name: str, x: Tensor, mask: Any, v: Tensor, mode: str) -> Tensor:
    """Where every chosen place gets the same, the places need not be known."""
    if mask.shape != x.shape[: mask.ndim]:
        raise IndexError(
            f"{name}: a boolean mask must have the shape of the axes it selects from; got mask {mask.shape} for axes "
            f"of shape {x.shape[: mask.ndim]}"
        )
    v = spread_to(name, v, x.shape[mask.ndim :])
    mask = _views.reshape(mask, mask.shape + (1,) * (x.ndim - mask.ndim))
    return _selection.where(mask, _combined(x, v, mode), x)


def _combined(x: Tensor, v: Tensor, mode: str) -> Tensor:
    new = MODES[mode].combined(x, v)
    return new if new.dtype == x.dtype else _selection.astype(new, x.dtype)  # of bools a sum is none
