"""Writing at places given by indices: new values of ``x`` that differ from it there.

Tensors are values, so what is written gives another Tensor, differentiable by ``x`` and by what was written. What goes
to one place goes there in the order of the indices: of those that set it the last one stays, sums and products take
all, with the same bits for any number of threads. ``x.at[key]`` (``updates.py``) is made of these primitives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .._dtypes import to_numpy
from ..checks import checked_choice, checked_int, known_values, shown
from ..errors import DTypeError, ShapeError, TraceError
from ..primitive import Primitive
from ..tensors import Tensor, asarray, int64
from . import arithmetic as _arithmetic
from . import broadcasting as _broadcasting
from . import comparison as _comparison
from . import creation as _creation
from . import identity as _identity
from . import selection as _selection
from . import views as _views
from ._arguments import _axes, _axis, _beside, _is_later
from ._elementwise import aligned
from ._recurrence import affine_scan, shifted
from .broadcasting import _repeated
from .indexing import _gather, _integers, _moved, _take, _with_own_example
from .sorting import _argsort

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__ = ["scatter", "segment_max", "segment_sum"]

# scatter_…(x, v, *indices, axes, out_axis): v has the shape of gather(x, *indices, axes, out_axis), and goes there.
_PLACES = tuple(range(2, 64))  # the rules of set and add read the indices, not the data
_scatter_set = Primitive("scatter_set", saves=_PLACES)
_scatter_add = Primitive("scatter_add", saves=_PLACES)
_scatter_multiply = Primitive("scatter_multiply")
_scatter_min = Primitive("scatter_min")
_scatter_max = Primitive("scatter_max")
# slice_set(x, v, starts, sizes, steps): v where slice(x, starts, sizes, steps, shape of v) reads.
_slice_set = Primitive("slice_set", saves=())

_Where = tuple[tuple[int, ...], int]  # axes, out_axis


def _zeros(x: Tensor) -> Tensor:
    return _creation.zeros_like(x)


def _zeros_if_none(t: Tensor | None, x: Tensor) -> Tensor:
    return _zeros(x) if t is None else t


# -- add --------------------------------------------------------------------------------------------------------------


def _add_vjp(g: Tensor, ans: Tensor, inputs: Sequence[Tensor], *where: Any) -> list[Tensor | None]:
    return [g, _gather(g, *inputs[2:], *where), *[None] * (len(inputs) - 2)]


def _add_jvp(tangents: Sequence[Tensor | None], ans: Tensor, inputs: Sequence[Tensor], *where: Any) -> Tensor:
    x, v, *indices = inputs
    return _scatter_add(_zeros_if_none(tangents[0], x), _zeros_if_none(tangents[1], v), *indices, *where)


# -- set --------------------------------------------------------------------------------------------------------------


def _set_vjp(
    g: Tensor, ans: Tensor, inputs: Sequence[Tensor], axes: Sequence[int], out_axis: int
) -> list[Tensor | None]:
    x, v, *indices = inputs
    axes = _axes("scatter_set", tuple(axes), x.ndim)
    by_x = _scatter_set(g, _zeros(v), *indices, axes, out_axis)
    last = _last(indices, [x.shape[a] for a in axes], v.ndim - out_axis)
    by_v = _selection.where(last, _gather(g, *indices, axes, out_axis), 0.0)
    return [by_x, by_v, *[None] * len(indices)]


def _last(indices: Sequence[Tensor], extents: Sequence[int], ndim: int) -> Tensor:
    """Which of the updates stay, none with the same place behind it, to be broadcast along the ``ndim`` last axes."""
    shape = np.broadcast_shapes(*(i.shape for i in indices))
    numbers = asarray(np.arange(math.prod(shape)).reshape(shape))
    where = tuple(range(len(indices))), 0
    at_places = _scatter_set(_creation.zeros(tuple(extents), numbers.dtype), numbers, *indices, *where)
    last = _comparison.equal(_gather(at_places, *indices, *where), numbers)
    return _views.reshape(last, shape + (1,) * (ndim - len(shape)))


def _set_jvp(tangents: Sequence[Tensor | None], ans: Tensor, inputs: Sequence[Tensor], *where: Any) -> Tensor:
    x, v, *indices = inputs
    return _scatter_set(_zeros_if_none(tangents[0], x), _zeros_if_none(tangents[1], v), *indices, *where)


# -- multiply ---------------------------------------------------------------------------------------------------------


def _multiply_vjp(g: Tensor, ans: Tensor, inputs: Sequence[Tensor], *where: Any) -> list[Tensor | None]:
    x, v, *indices = inputs
    by_x = _arithmetic.strong_mul(g, _scatter_multiply(_creation.ones_like(x), v, *indices, *where))
    by_v = _arithmetic.strong_mul(_gather(g, *indices, *where), _others(x, v, indices, *where))
    return [by_x, by_v, *[None] * len(indices)]


def _multiply_jvp(tangents: Sequence[Tensor | None], ans: Tensor, inputs: Sequence[Tensor], *where: Any) -> Tensor:
    x, v, *indices = inputs
    result = _zeros(x)
    if tangents[0] is not None:
        factors = _scatter_multiply(_creation.ones_like(x), v, *indices, *where)
        result = _arithmetic.strong_mul(tangents[0], factors)
    if tangents[1] is not None:
        parts = _arithmetic.strong_mul(tangents[1], _others(x, v, indices, *where))
        result = _scatter_add(result, parts, *indices, *where)
    return result


def _others(x: Tensor, v: Tensor, indices: Sequence[Tensor], axes: Sequence[int], out_axis: int) -> Tensor:
    """For each update, the product of all other factors at its place: that of x, and of the other updates.

    Sorted by their places, updates of one place are neighbours: products from the left times those from the right.
    """
    axes = _axes("scatter_multiply", tuple(axes), x.ndim)
    shape = np.broadcast_shapes(*(i.shape for i in indices))
    place: Any = asarray(np.zeros(shape, np.int64))
    for index, axis in zip(indices, axes, strict=True):
        n, index = x.shape[axis], _selection.astype(index, int64)
        place = place * n + _selection.where(index < 0, index + n, index)
    place = _views.reshape(place, (-1,))
    order = _argsort(place, 0, False, None)
    place = _take(place, order, 0)
    count = place.shape[0]

    behind = tuple(range(out_axis, out_axis + len(shape)))
    rest = tuple(i for i in range(v.ndim) if i not in behind)
    rows = _views.permute_dims(v, behind + rest)
    rest_shape = tuple(v.shape[i] for i in rest)
    factors = _take(_views.reshape(rows, (count, *rest_shape)), order, 0)
    same = _comparison.equal(place, shifted(place, 0, 1, -1))  # as the one before
    left = _products(factors, same, 1)
    right = _products(factors, shifted(_selection.astype(same, place.dtype), 0, -1, 0) != 0, -1)
    others = _take(_arithmetic.multiply(left, right), _argsort(order, 0, False, None), 0)
    others = _views.reshape(others, (*shape, *rest_shape))
    others = _views.permute_dims(others, _views._inverse(behind + rest))
    return _arithmetic.multiply(others, _gather(x, *indices, axes, out_axis))


def _products(factors: Tensor, same: Tensor, step: int) -> Tensor:
    """Products of the factors before (step 1) or behind (-1) each one, as long as ``same`` says they go together."""
    same = _views.reshape(same, (-1,) + (1,) * (factors.ndim - 1))
    carried = _selection.where(same, shifted(factors, 0, step, 0), 0.0)
    begun = _broadcasting.broadcast_to(_selection.astype(_comparison.logical_not(same), factors.dtype), factors.shape)
    return affine_scan(carried, begun, 0, step < 0)


# -- min and max ------------------------------------------------------------------------------------------------------


def _extreme_vjp(g: Tensor, ans: Tensor, inputs: Sequence[Tensor], *where: Any) -> list[Tensor | None]:
    found_x, found_v, count = _found(ans, inputs, *where)
    share = _arithmetic.divide(g, count)
    by_v = _selection.where(found_v, _gather(share, *inputs[2:], *where), 0.0)
    return [_selection.where(found_x, share, 0.0), by_v, *[None] * (len(inputs) - 2)]


def _extreme_jvp(tangents: Sequence[Tensor | None], ans: Tensor, inputs: Sequence[Tensor], *where: Any) -> Tensor:
    found_x, found_v, count = _found(ans, inputs, *where)
    total = _zeros(ans) if tangents[0] is None else _selection.where(found_x, tangents[0], 0.0)
    if tangents[1] is not None:
        total = _scatter_add(total, _selection.where(found_v, tangents[1], 0.0), *inputs[2:], *where)
    return _arithmetic.divide(total, count)


def _found(ans: Tensor, inputs: Sequence[Tensor], *where: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Which items of x and which updates are the extreme of their place, and how many of them there are."""
    x, v, *indices = inputs
    found_x, found_v = _comparison.equal(x, ans), _comparison.equal(v, _gather(ans, *indices, *where))
    ones = (_selection.astype(found, ans.dtype) for found in (found_x, found_v))
    count = _scatter_add(*ones, *indices, *where)
    return found_x, found_v, _selection.maximum(count, 1.0)  # none where NaN is


# -- batches ----------------------------------------------------------------------------------------------------------


def _batch(
    p: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor], axes: Sequence[int], out_axis: int
) -> Tensor:
    x, v, *indices = inputs
    size = next(i.shape[0] for b, i in zip(batched, inputs, strict=True) if b)
    axes = _axes(p.name, tuple(axes), x.ndim - batched[0])
    x = x if batched[0] else _repeated(x, size)
    v = v if batched[1] else _repeated(v, size)
    if not any(batched[2:]):
        return p(x, v, *indices, tuple(a + 1 for a in axes), out_axis + 1)
    indices, axes = _with_own_example(aligned(batched[2:], indices), axes)
    return p(x, _moved(v, 0, out_axis), *indices, axes, out_axis)


_scatter_set.defvjp_all(_set_vjp)
_scatter_set.defjvp_all(_set_jvp)
_scatter_add.defvjp_all(_add_vjp)
_scatter_add.defjvp_all(_add_jvp)
_scatter_multiply.defvjp_all(_multiply_vjp)
_scatter_multiply.defjvp_all(_multiply_jvp)
for _p in (_scatter_min, _scatter_max):
    _p.defvjp_all(_extreme_vjp)
    _p.defjvp_all(_extreme_jvp)
for _p in (_scatter_set, _scatter_add, _scatter_multiply, _scatter_min, _scatter_max):
    _p.defbatch(partial(_batch, _p))

_slice_set.defvjp(
    lambda g, ans, x, v, *box: _slice_set(g, _zeros(v), *box),
    lambda g, ans, x, v, *box: _views._slice(g, *box, v.shape),
)
_slice_set.defjvp(
    lambda t, ans, x, v, *box: _slice_set(t, _zeros(v), *box),
    lambda t, ans, x, v, *box: _slice_set(_zeros(x), t, *box),
)


def _slice_set_batch(
    batched: Sequence[bool], inputs: Sequence[Tensor], starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int]
) -> Tensor:
    x, v = inputs
    size = (x if batched[0] else v).shape[0]
    x = x if batched[0] else _repeated(x, size)
    v = v if batched[1] else _repeated(v, size)
    return _slice_set(x, v, (0, *starts), (size, *sizes), (1, *steps))


_slice_set.defbatch(_slice_set_batch)


# -- functions ---------------------------------------------------------------------------------------------------------


class Mode(NamedTuple):
    at_indices: Primitive
    combined: Callable[[Any, Any], Tensor]  # of two arrays, where no place comes twice


MODES = {
    "set": Mode(_scatter_set, lambda x, v: v),
    "add": Mode(_scatter_add, _arithmetic.add),
    "multiply": Mode(_scatter_multiply, _arithmetic.multiply),
    "min": Mode(_scatter_min, _selection.minimum),
    "max": Mode(_scatter_max, _selection.maximum),
}


def fitting(name: str, x: Tensor, value: Any) -> Tensor:
    """The value in the dtype of x, unless that loses what it is: the kind of number, or digits of an integer."""
    if type(value) is int and x.dtype.kind in "iu":
        value = to_numpy(value, x.dtype, name)
    elif not isinstance(value, (Tensor, int, float)):  # real numbers as they are, not in the default dtype
        value = to_numpy(value, x.dtype if x.dtype.kind == "f" else None, name)
    v = _beside(value, x)
    if v.dtype == x.dtype:
        return v
    if _is_later(v.dtype.kind, x.dtype.kind):
        raise DTypeError(
            f"{name}: a value of dtype {v.dtype.name} does not fit into a Tensor of dtype {x.dtype.name}; convert one "
            f"of them with astype"
        )
    return _selection.astype(_identity.fitting(name, v, x.dtype), x.dtype)


def spread_to(name: str, v: Tensor, shape: tuple[int, ...]) -> Tensor:
    if v.shape == shape:
        return v
    while v.ndim > len(shape) and v.shape[0] == 1:  # NumPy drops them
        v = _views.reshape(v, v.shape[1:])
    try:
        return _broadcasting.broadcast_to(v, shape)
    except ShapeError:
        raise ShapeError(f"{name}: the value must broadcast to the shape {shape} of x[key]; got {v.shape}") from None


def scatter(x: TensorLike, indices: TensorLike, values: TensorLike, /, axis: int = -1, mode: str = "set") -> Tensor:
    """Values written along an axis, at other places for every line of ``x``: the counterpart of take_along_axis.

    ``out = x``, but ``out[i, indices[i, j, k], k] = values[i, j, k]`` for ``axis=1``.

    Parameters
    ----------
    x : Tensor, shape (..., N, ...), any dtype
    indices : Tensor of integers, as many dimensions as ``x``
        From -N to N - 1. On all other axes it broadcasts against ``x``.
    values : Tensor
        Broadcasts to the shape of ``take_along_axis(x, indices, axis)``; cast to the dtype of ``x``.
    axis : int
    mode : {"set", "add", "multiply", "min", "max"}
        What a value does to its place, as the methods of :attr:`Tensor.at`.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Gradient
        As of :attr:`Tensor.at`.

    Raises
    ------
    IndexError
        If an index is out of range.
    ShapeError
        If the shapes do not fit or the axis does not exist.
    DTypeError
        If the values are floating and ``x`` is not, or integers that its dtype does not hold.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.scatter(ac.zeros((2, 3)), ac.tensor([[1], [2]]), 5.0, axis=1)
    Tensor([[0., 5., 0.],
            [0., 0., 5.]], dtype=float32)
    """
    x, index = asarray(x), asarray(_integers("scatter", indices))
    checked_choice("scatter", "mode", mode, tuple(MODES))
    axis = _axis("scatter", axis, x.ndim)
    if index.ndim != x.ndim or any(
        m not in (1, n) for i, (n, m) in enumerate(zip(x.shape, index.shape, strict=True)) if i != axis
    ):
        raise ShapeError(
            f"scatter: indices must have x's shape, or 1, on every axis but {axis}; got x {x.shape}, indices "
            f"{index.shape}"
        )
    shape = (*x.shape[:axis], index.shape[axis], *x.shape[axis + 1 :])
    v = spread_to("scatter", fitting("scatter", x, values), shape)
    others = (np.arange(n).reshape((-1,) + (1,) * (x.ndim - i - 1)) for i, n in enumerate(x.shape))
    places = [index if i == axis else other for i, other in enumerate(others)]
    return MODES[mode].at_indices(x, v, *places, tuple(range(x.ndim)), 0)


def segment_sum(data: TensorLike, segment_ids: TensorLike, /, num_segments: int | None = None) -> Tensor:
    """Sums of the rows that belong together: ``y[k] = Σ data[i]`` over ``segment_ids[i] == k``.

    Parameters
    ----------
    data : Tensor, shape (N, ...), any dtype
    segment_ids : Tensor of integers, shape (N,)
        In any order. It may have more axes; they are the first ones of ``data``.
    num_segments : int, optional
        None: one more than the largest id, which must be known then.

    Returns
    -------
    Tensor, shape (num_segments, ...)
        Of the dtype of ``data``; 0 where there are no rows.

    Gradient
        Each row gets that of its sum.

    Accuracy
        Rows are added one after another, in the dtype.

    Raises
    ------
    IndexError
        If an id is not from -num_segments to num_segments - 1; negative ones count from the end.
    ShapeError
        If ``data`` does not begin with the axes of the ids.
    TraceError
        If ``num_segments`` is not given while the ids are not known.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.segment_sum(ac.tensor([1.0, 2.0, 4.0]), ac.tensor([0, 2, 0]))
    Tensor([5., 0., 2.], dtype=float32)
    """
    data, ids, shape = _segments("segment_sum", data, segment_ids, num_segments)
    return _scatter_add(_creation.zeros(shape, data.dtype), data, ids, (0,), 0)


def segment_max(data: TensorLike, segment_ids: TensorLike, /, num_segments: int | None = None) -> Tensor:
    """Largest of the rows that belong together, item by item; see :func:`segment_sum`.

    Where there are no rows it is -inf, or the least number of an integer dtype. A NaN gives NaN.

    Gradient
        To the largest item; equal ones share it evenly.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.segment_max(ac.tensor([1.0, 2.0, 4.0]), ac.tensor([0, 1, 0]))
    Tensor([4., 2.], dtype=float32)
    """
    data, ids, shape = _segments("segment_max", data, segment_ids, num_segments)
    kind = data.dtype.kind
    least: Any = -np.inf if kind == "f" else False if kind == "b" else np.iinfo(data.dtype).min
    return _scatter_max(_creation.full(shape, least, data.dtype), data, ids, (0,), 0)


def _segments(
    op: str, data: TensorLike, segment_ids: TensorLike, num_segments: int | None
) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    data, ids = asarray(data), asarray(_integers(op, segment_ids))
    if ids.ndim == 0 or data.shape[: ids.ndim] != ids.shape:
        raise ShapeError(f"{op}: data must begin with the axes of segment_ids; got {data.shape} and {ids.shape}")
    if num_segments is None:
        known = known_values(ids)
        if known is None:
            raise TraceError(f"{op}: the number of segments depends on values that are not known; give num_segments=")
        count = int(known.max()) + 1 if known.size else 0
    else:
        count = checked_int(op, "num_segments", num_segments)
        if count < 0:
            raise ValueError(f"{op}: num_segments must be at least 0; got {shown(count)}")
    return data, ids, (count, *data.shape[ids.ndim :])
