"""Indexing: reading at places given by ints, slices, integer arrays and boolean masks, as NumPy does.

Basic keys (ints, slices, ``...``, None) are one view. Keys with arrays are a view by their slices, then one native
gather by all integer arrays together. The gradients add the cotangent into zeros at the same places, in the order
of the indices: an element that was read twice gets the sum, with the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import index as as_int
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._dtypes import checked_or_default
from ..errors import DTypeError, TraceError
from ..primitive import Primitive
from ..tensors import Tensor, asarray, bool_, int32, int64, uint8
from . import broadcasting as _broadcasting
from . import views as _views
from ._arguments import _axes, _axis
from ._elementwise import aligned
from ._moving import batched_by, linear
from .broadcasting import _repeated

if TYPE_CHECKING:
    from ..tensors import DTypeLike, TensorLike

__all__ = ["nonzero", "one_hot", "take", "take_along_axis"]

_INDICES = tuple(range(1, 64))  # the rules read the indices, not the data

_take = Primitive("take", saves=_INDICES)
# gather(x, *indices, axes, out_axis): the index arrays broadcast together, array i along axes[i]; their shape stands
# in the result in front of the remaining axis number `out_axis`.
_gather = Primitive("gather", saves=_INDICES)
_gather_vjp = Primitive("gather_vjp", saves=_INDICES)
_take_along_axis = Primitive("take_along_axis", saves=_INDICES)
_take_along_axis_vjp = Primitive("take_along_axis_vjp", saves=_INDICES)

_take.defvjp(lambda g, ans, x, indices, axis: _gather_vjp(g, indices, x.shape, (axis,), axis % x.ndim), None)
_gather.defvjp_all(
    lambda g, ans, inputs, axes, out_axis: (
        [_gather_vjp(g, *inputs[1:], inputs[0].shape, axes, out_axis)] + [None] * (len(inputs) - 1)
    )
)
_gather_vjp.defvjp_all(
    lambda t, ans, inputs, shape, axes, out_axis: [_gather(t, *inputs[1:], axes, out_axis)] + [None] * (len(inputs) - 1)
)
_take_along_axis.defvjp(lambda g, ans, x, indices, axis: _take_along_axis_vjp(g, indices, x.shape, axis), None)
_take_along_axis_vjp.defvjp(lambda t, ans, g, indices, shape, axis: _take_along_axis(t, indices, axis), None)

linear(_take, _gather, _gather_vjp, _take_along_axis, _take_along_axis_vjp)

_one_hot = Primitive("one_hot", differentiable=False)
batched_by(_one_hot, lambda n, labels, num_classes, dtype: (num_classes, dtype))


def _take_batch(batched: Sequence[bool], inputs: Sequence[Tensor], axis: int) -> Tensor:
    axis = _axis("take", axis, inputs[0].ndim - batched[0])
    return _gather_batch(batched, inputs, (axis,), axis)


def _gather_batch(batched: Sequence[bool], inputs: Sequence[Tensor], axes: Sequence[int], out_axis: int) -> Tensor:
    x, *indices = inputs
    axes = _axes("gather", tuple(axes), x.ndim - batched[0])
    if not any(batched[1:]):
        return _gather(x, *indices, tuple(a + 1 for a in axes), out_axis + 1)
    indices = aligned(batched[1:], indices)
    if batched[0]:  # example i reads at its own indices in its own data
        indices, axes = _with_own_example(indices, axes)
    return _moved(_gather(x, *indices, axes, out_axis), out_axis, 0)


def _gather_vjp_batch(
    batched: Sequence[bool], inputs: Sequence[Tensor], shape: Sequence[int], axes: Sequence[int], out_axis: int
) -> Tensor:
    g, *indices = inputs
    axes = _axes("gather_vjp", tuple(axes), len(shape))
    if not any(batched[1:]):
        return _gather_vjp(g, *indices, (g.shape[0], *shape), tuple(a + 1 for a in axes), out_axis + 1)
    indices = aligned(batched[1:], indices)
    size = next(i.shape[0] for b, i in zip(batched[1:], indices, strict=True) if b)
    g = _moved(g if batched[0] else _repeated(g, size), 0, out_axis)
    indices, axes = _with_own_example(indices, axes)
    return _gather_vjp(g, *indices, (size, *shape), axes, out_axis)


def _moved(x: Tensor, source: int, destination: int) -> Tensor:
    return x if source == destination else _views.moveaxis(x, source, destination)


def _with_own_example(indices: Sequence[Tensor], axes: Sequence[int]) -> tuple[list[Tensor], tuple[int, ...]]:
    """One index array more: example i is found at place i of the batch's axis."""
    like = max(indices, key=lambda i: i.ndim)  # one that has the batch
    numbers = np.arange(like.shape[0]).reshape(-1, *(1,) * (like.ndim - 1))
    return [asarray(numbers), *indices], (0, *(a + 1 for a in axes))


def _take_along_axis_batch(batched: Sequence[bool], inputs: Sequence[Tensor], axis: int) -> Tensor:
    x, indices = inputs
    axis = _axis("take_along_axis", axis, x.ndim - batched[0])
    if not batched[0]:
        x = _repeated(x, indices.shape[0])
    return _take_along_axis(x, indices if batched[1] else _repeated(indices, 1), axis + 1)


def _take_along_axis_vjp_batch(
    batched: Sequence[bool], inputs: Sequence[Tensor], shape: Sequence[int], axis: int
) -> Tensor:
    g, indices = inputs
    axis = _axis("take_along_axis_vjp", axis, len(shape))
    size = inputs[0 if batched[0] else 1].shape[0]
    if not batched[0]:
        g = _repeated(g, size)
    return _take_along_axis_vjp(g, indices if batched[1] else _repeated(indices, 1), (size, *shape), axis + 1)


_take.defbatch(_take_batch)
_gather.defbatch(_gather_batch)
_gather_vjp.defbatch(_gather_vjp_batch)
_take_along_axis.defbatch(_take_along_axis_batch)
_take_along_axis_vjp.defbatch(_take_along_axis_vjp_batch)


def take(x: TensorLike, indices: TensorLike | Sequence[int], /, axis: int | None = None) -> Tensor:
    """The elements, rows, … of ``x`` at the given places along one axis.

    ``out[..., i, ...] = x[..., indices[i], ...]``; an array of indices of any shape puts its axes there.

    Parameters
    ----------
    x : Tensor, shape (..., N, ...), any dtype
    indices : int, list or Tensor of int32, int64 or uint8, shape (...)
        From -N to N - 1; negative ones count from the end.
    axis : int, optional
        None: take from all elements in C order.

    Returns
    -------
    Tensor, shape x.shape[:axis] + indices.shape + x.shape[axis + 1:]

    Gradient
    --------
    The cotangent added into zeros at the same places, deterministically.

    Raises
    ------
    IndexError
        If an index is out of range; nothing is read then.
    DTypeError
        If the indices are no integers.
    ShapeError
        If the axis does not exist.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.take(ac.tensor([10, 20, 30]), [2, 0, -1])
    Tensor([30, 10, 30], dtype=int64)
    """
    if axis is None:
        return _take(_views.ravel(x), _integers("take", indices), 0)
    return _take(x, _integers("take", indices), axis)


def take_along_axis(x: TensorLike, indices: TensorLike, /, axis: int = -1) -> Tensor:
    """One-dimensional selections along an axis, a different one for every line of ``x``.

    ``out[i, j, k] = x[i, indices[i, j, k], k]`` for ``axis=1``: what argmax and argsort return picks its values.

    Parameters
    ----------
    x : Tensor, shape (..., N, ...), any dtype
    indices : Tensor of int32, int64 or uint8, as many dimensions as ``x``
        From -N to N - 1. On all other axes it broadcasts against ``x``.
    axis : int

    Returns
    -------
    Tensor

    Gradient
    --------
    The cotangent added into zeros at the same places, deterministically.

    Raises
    ------
    IndexError
        If an index is out of range; nothing is read then.
    ShapeError
        If the shapes do not fit or the axis does not exist.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([[1, 5, 2], [9, 3, 4]])
    >>> ac.take_along_axis(x, ac.argmax(x, axis=1, keepdims=True), axis=1)
    Tensor([[5],
            [9]], dtype=int64)
    """
    x = asarray(x)
    indices = asarray(_integers("take_along_axis", indices))
    # Axes along which x repeats are made explicit, so that the gradient sums over them.
    if x.ndim == indices.ndim and any(n == 1 != m for n, m in zip(x.shape, indices.shape, strict=True)):
        at = _axis("take_along_axis", axis, x.ndim)
        shape = [m if n == 1 and i != at else n for i, (n, m) in enumerate(zip(x.shape, indices.shape, strict=True))]
        x = _broadcasting.broadcast_to(x, tuple(shape))
    return _take_along_axis(x, indices, axis)


def one_hot(labels: TensorLike, /, num_classes: int, dtype: DTypeLike | None = None) -> Tensor:
    """Rows of zeros with a single 1 at the label.

    Parameters
    ----------
    labels : Tensor of int32, int64 or uint8, shape (...)
        From 0 to num_classes - 1.
    num_classes : int
    dtype : dtype

    Returns
    -------
    Tensor, shape (..., num_classes)

    Raises
    ------
    IndexError
        If a label is out of range; -1 does not wrap.
    DTypeError
        If the labels are no integers.

    Source
    ------
    Notes, section 3.4 (one-hot encoding), classes counted from 0.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.one_hot(ac.tensor([2, 0]), 3)
    Tensor([[0., 0., 1.],
            [1., 0., 0.]], dtype=float32)
    """
    return _one_hot(_integers("one_hot", labels), num_classes, checked_or_default("one_hot", dtype))


def nonzero(x: TensorLike, /) -> tuple[Tensor, ...]:
    """The places where ``x`` is not zero, in C order: one array of indices per axis.

    Parameters
    ----------
    x : Tensor, shape (...), at least 1-d, any dtype

    Returns
    -------
    tuple of int64 Tensors
        Of equal length. The length depends on values, so ``x`` cannot be abstract.

    Raises
    ------
    TraceError
        If ``x`` is abstract.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nonzero(ac.tensor([0, 3, 4]))
    (Tensor([1, 2], dtype=int64),)
    """
    x = asarray(x)
    if x.ndim == 0:
        raise ValueError("nonzero: expected at least 1 dimension; got a 0-d tensor; reshape it to (1,)")
    return tuple(asarray(i) for i in np.nonzero(x.detach()._exact()))


def _integers(op: str, indices: Any) -> Tensor | npt.NDArray[Any]:
    """Indices as the kernels take them; lists too, and NumPy's other integer dtypes."""
    if isinstance(indices, Tensor):
        return indices
    array = np.asarray(indices)
    if array.size == 0 and not isinstance(indices, np.ndarray):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"{op}: indices must be integers; got dtype {array.dtype}")
    return array if array.dtype in (int64, int32, uint8) else array.astype(np.int64)


# -- x[key] -----------------------------------------------------------------------------------------------------------


def getitem(x: Tensor, key: Any) -> Tensor:
    """``x[key]`` with NumPy's meaning: ints, slices, ``...``, None, integer arrays and boolean masks."""
    extents = x.shape
    ndim = len(extents)
    if isinstance(key, (Tensor, np.ndarray)) and ndim and key.ndim and key.dtype in (int64, int32, uint8):
        return _take(x, key, 0)  # rows by number: the usual minibatch, without the ceremony below
    entries = key if type(key) is tuple else (key,)
    starts: list[int] = []
    sizes: list[int] = []
    steps: list[int] = []
    shape: list[int] = []
    axis = 0
    for entry in entries:
        kind = type(entry)
        if kind is int:
            if axis == ndim:
                raise _too_many(entries, extents)
            n = extents[axis]
            if not -n <= entry < n:
                raise IndexError(f"getitem: index {entry} is out of range for axis {axis} with size {n}")
            starts.append(entry if entry >= 0 else entry + n)
            sizes.append(1)
            steps.append(1)
            axis += 1
        elif kind is slice:
            if axis == ndim:
                raise _too_many(entries, extents)
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
            rest = extents[axis : ndim - _axes_after_ellipsis(entries)]
            starts += [0] * len(rest)
            sizes += rest
            steps += [1] * len(rest)
            shape += rest
            axis += len(rest)
        else:
            return _getitem_arrays(x, entries)
    rest = extents[axis:]
    if rest:
        starts += [0] * len(rest)
        sizes += rest
        steps += [1] * len(rest)
        shape += rest
    return _views._slice(x, tuple(starts), tuple(sizes), tuple(steps), tuple(shape))


def _too_many(entries: Sequence[Any], extents: Sequence[int]) -> IndexError:
    used = sum(_axes_used(e) for e in entries)
    return IndexError(f"getitem: at most {len(extents)} indices fit shape {tuple(extents)}; got {used}")


def _axes_used(entry: Any) -> int:
    """How many axes of x an entry of a key stands for."""
    if entry is None or entry is Ellipsis or isinstance(entry, (bool, np.bool_)):
        return 0
    if isinstance(entry, (Tensor, np.ndarray)) and entry.dtype == bool_:
        return entry.ndim
    return 1


def _axes_after_ellipsis(entries: Sequence[Any]) -> int:
    after, found = 0, False
    for entry in entries:
        if entry is Ellipsis:
            if found:
                raise IndexError("getitem: an index can have only one ellipsis ('...')")
            found = True
        elif found:
            after += _axes_used(entry)
    return after


def _entry(entry: Any) -> Any:
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
            raise _bad_entry(type(entry).__name__) from None
    if array.dtype.kind not in "biu":
        raise _bad_entry(f"an array of {array.dtype}")
    if isinstance(array, Tensor):
        if array.dtype == bool_ and array.is_abstract:
            raise TraceError(
                "getitem: the shape of x[mask] depends on the values of the mask, which are not known while tracing; "
                "choose by value with ac.where"
            )
        return array
    if array.ndim == 0:
        return array.item()
    return array if array.dtype in (bool_, int64, int32, uint8) else array.astype(np.int64)


def _bad_entry(got: str) -> IndexError:
    return IndexError(
        f"getitem: an index must be an int, a slice, '...', None, or an array of integers or booleans; got {got}"
    )


def _getitem_arrays(x: Tensor, key: Sequence[Any]) -> Tensor:
    """``x[key]`` for keys with arrays, masks, or numbers that are not plain Python ints."""
    entries = [_entry(e) for e in key]
    if all(e is None or e is Ellipsis or type(e) in (int, slice) for e in entries):
        return getitem(x, tuple(entries))
    missing = x.ndim - sum(_axes_used(e) for e in entries)
    if missing < 0:
        raise _too_many(entries, x.shape)
    _axes_after_ellipsis(entries)  # refuses a second one
    gap = next((i for i, e in enumerate(entries) if e is Ellipsis), len(entries))
    # The ellipsis stays in front of the slices that it stands for: even without any it separates its neighbours.
    x, places = _places(x, [*entries[: gap + 1], *[slice(None)] * missing, *entries[gap + 1 :]])

    # Slices first, on all axes that have one: a view.
    cuts = [p if isinstance(p, slice) else slice(None) for p in places if p is not None and p is not Ellipsis]
    if any(cut != slice(None) for cut in cuts):
        x = getitem(x, tuple(cuts))

    # Then one gather of all arrays. The dimensions of its indices stand where the first array stood, or in front of
    # everything if something stands between the arrays.
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
    out_axis = front - sum(1 for at in new if at < front)
    if len(arrays) == 1 and out_axis == axes[0]:
        result = _take(x, arrays[0], axes[0])
    else:
        result = _gather(x, *arrays, tuple(axes), out_axis)
    if new:
        inserted = result.ndim - (x.ndim - len(axes))
        result = _views.expand_dims(result, tuple(at if at < front else at + inserted for at in new))
    return result


def _places(x: Tensor, entries: Sequence[Any]) -> tuple[Tensor, list[Any]]:
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
                        f"getitem: a boolean mask must have the shape of the axes it selects from; got mask "
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
                raise IndexError(f"getitem: index {entry} is out of range for axis {axis} with size {n}")
            entry = np.asarray(entry, np.int64)
        places.append(entry)
        axis += 1
    return x, places
