"""Joining, cutting, padding and repeating. Linear, and exact in every dtype."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..checks import checked_int, shown
from ..errors import DTypeError, ShapeError
from ..primitive import Primitive
from ..tensors import Tensor, asarray
from . import indexing as _indexing
from . import selection as _selection
from ._arguments import _axes, _axis, _behind_batch, _check_no_array, _ints, _known
from ._moving import batched_by, linear
from .broadcasting import _broadcast_to, _repeated
from .views import _expand_dims, _reshape, _section, _slice, ravel

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__ = [
    "concat",
    "copy",
    "pad",
    "repeat",
    "roll",
    "split",
    "stack",
    "tile",
    "unstack",
]

_copy = Primitive("copy", saves=())
_copy.defvjp(lambda g, ans, x: g)
batched_by(_copy, lambda n, x: ())

_concat = Primitive("concat", saves=())


def _concat_vjp(g: Tensor, ans: Tensor, inputs: Sequence[Tensor], axis: int) -> list[Tensor]:
    axis %= g.ndim
    parts, at = [], 0
    for x in inputs:
        parts.append(_section(g, axis, at, x.shape[axis]))
        at += x.shape[axis]
    return parts


def _concat_jvp(tangents: Sequence[Tensor | None], ans: Tensor, inputs: Sequence[Tensor], axis: int) -> Tensor:
    zero = asarray(0.0, dtype=ans.dtype)
    parts = [_broadcast_to(zero, x.shape) if t is None else t for t, x in zip(tangents, inputs, strict=True)]
    return _concat(*parts, axis)


def _concat_batch(batched: Sequence[bool], inputs: Sequence[Tensor], axis: int) -> Tensor:
    size, ndim = next((x.shape[0], x.ndim - 1) for b, x in zip(batched, inputs, strict=True) if b)
    parts = [x if b else _repeated(x, size) for b, x in zip(batched, inputs, strict=True)]
    return _concat(*parts, *_behind_batch("concat", (axis,), ndim))


_concat.defvjp_all(_concat_vjp)
_concat.defjvp_all(_concat_jvp)
_concat.defbatch(_concat_batch)

_pad = Primitive("pad", saves=())
_pad.defvjp(lambda g, ans, x, before, after, value: _slice(g, before, x.shape, (1,) * x.ndim, x.shape))
_pad.defjvp(lambda t, ans, x, before, after, value: _pad(t, before, after, 0.0))
batched_by(_pad, lambda n, x, before, after, value: ((0, *before), (0, *after), value))

linear(_copy)


def copy(x: TensorLike, /) -> Tensor:
    """The same elements in fresh memory, in C order.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype

    Returns
    -------
    Tensor of the shape and dtype of ``x``

    Gradient
    --------
    Passes through.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.copy(ac.zeros((2, 3)).T).strides
    (2, 1)
    """
    return _copy(x)


def concat(arrays: Sequence[TensorLike], /, axis: int | None = 0) -> Tensor:
    """The arrays one after the other along an axis that they have.

    Parameters
    ----------
    arrays : sequence of Tensor
        Of equal shapes, except along ``axis``. Their dtypes are promoted.
    axis : int or None
        None: the elements of all arrays along one axis.

    Returns
    -------
    Tensor

    Gradient
    --------
    Each array gets its part of the cotangent.

    Raises
    ------
    ShapeError
        If the shapes do not fit or the axis does not exist.
    ValueError
        If there is no array.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.concat([ac.tensor([1, 2]), ac.tensor([3])])
    Tensor([1, 2, 3], dtype=int64)
    """
    try:
        if axis is None:
            return _concat(*(ravel(x) for x in arrays), 0)
        return _concat(*arrays, axis)
    except TypeError:
        _check_no_array("concat", axis, "put the arrays into one list: ac.concat([x, y])")
        raise


def stack(arrays: Sequence[TensorLike], /, axis: int = 0) -> Tensor:
    """The arrays side by side along a new axis.

    Parameters
    ----------
    arrays : sequence of Tensor
        Of equal shapes. Their dtypes are promoted.
    axis : int
        Where the result has the new axis.

    Returns
    -------
    Tensor

    Gradient
    --------
    Each array gets its part of the cotangent.

    Raises
    ------
    ShapeError
        If the shapes differ or the axis does not exist.
    ValueError
        If there is no array.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.stack([ac.tensor([1, 2]), ac.tensor([3, 4])], axis=1)
    Tensor([[1, 3],
            [2, 4]], dtype=int64)
    """
    try:
        tensors = [asarray(x) for x in arrays]
        axis = _axis("stack", axis, tensors[0].ndim + 1 if tensors else 1)
    except TypeError:
        _check_no_array("stack", axis, "put the arrays into one list: ac.stack([x, y])")
        raise
    if not tensors:
        raise ValueError("stack: expected at least one array; got none")
    for x in tensors[1:]:
        if x.shape != tensors[0].shape:
            raise ShapeError(f"stack: shapes must be equal; got {tensors[0].shape} and {x.shape}")
    return _concat(*(_expand_dims(x, (axis,)) for x in tensors), axis)


def pad(
    x: TensorLike, /, pad_width: int | Sequence[int] | Sequence[Sequence[int]], value: float | Tensor = 0.0
) -> Tensor:
    """A border of a constant around ``x``.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    pad_width : int, (before, after), or one (before, after) per axis
        Elements to add; a single number or pair holds for every axis.
    value : number, or 0-d Tensor
        What the border is filled with; a Tensor is cast to the dtype of ``x``.

    Returns
    -------
    Tensor

    Gradient
    --------
    The cotangent without the border; its sum over the border by a ``value`` that is a Tensor.

    Raises
    ------
    ShapeError
        If widths are negative or do not fit the axes of ``x``.
    ValueError
        If the dtype of ``x`` cannot hold ``value``: a fraction, or a number out of its range.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.pad(ac.tensor([1, 2]), (1, 2))
    Tensor([0, 1, 2, 0, 0], dtype=int64)
    """
    x = asarray(x)
    pairs = _widths(pad_width, x.ndim)
    before, after = tuple(pairs[:, 0].tolist()), tuple(pairs[:, 1].tolist())
    if isinstance(value, int) and abs(value) >= 2**63 and x.dtype.kind in "iu":  # as an attribute it would be rounded
        low, high = _selection.limits(x.dtype)
        if not low <= value <= high:
            raise ValueError(f"pad: the value must be a number of dtype {x.dtype.name}; got {value}; round it")
        value = asarray(value, x.dtype)
    if not isinstance(value, Tensor):
        return _pad(x, before, after, value)
    if value.ndim:
        raise ShapeError(f"pad: value must be one number; got a Tensor of shape {value.shape}")
    inside = _pad(_broadcast_to(asarray(True), x.shape), before, after, False)
    zero = False if x.dtype.kind == "b" else 0
    return _selection.where(inside, _pad(x, before, after, zero), asarray(value, x.dtype))


def _widths(pad_width: Any, ndim: int) -> npt.NDArray[Any]:
    """One pair (before, after) per axis."""
    if isinstance(pad_width, Tensor):
        pad_width = _known("pad", "pad_width", pad_width)
    try:
        widths = np.asarray(pad_width)
    except ValueError:
        widths = np.zeros(3, int)  # of unequal lengths, as no widths are
    none = isinstance(pad_width, (tuple, list)) and not widths.size
    if (widths.dtype.kind not in "iu" and not none) or isinstance(pad_width, (bytes, bytearray, memoryview)):
        raise DTypeError(f"pad: pad_width must be made of ints; got {pad_width!r}")
    if none:
        return np.zeros((ndim, 2), int)
    if widths.size and widths.max() >= 1 << 59:
        raise ShapeError(f"pad: widths must not be too many to address; got {pad_width!r}")
    try:
        return np.broadcast_to(widths, (ndim, 2))
    except ValueError:
        raise ShapeError(
            f"pad: pad_width must be one pair (before, after) for each of the {ndim} axes; got {pad_width!r}"
        ) from None


def roll(x: TensorLike, /, shift: int | Sequence[int], axis: int | Sequence[int] | None = None) -> Tensor:
    """The elements moved along some axes; those that leave at the end come back at the start.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    shift : int or tuple of int
        Places to move, forward if positive; one for all axes or one per axis.
    axis : int or tuple of int, optional
        None: along all elements in C order, and then back in shape.

    Returns
    -------
    Tensor of the shape of ``x``

    Gradient
    --------
    The cotangent, rolled back.

    Raises
    ------
    ShapeError
        If an axis does not exist, or there are more shifts than axes.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.roll(ac.arange(5), 2)
    Tensor([3, 4, 0, 1, 2], dtype=int64)
    """
    rolled = asarray(x)
    if axis is None:
        if rolled.size == 0:
            return rolled
        return _reshape(roll(_reshape(rolled, (-1,)), sum(_ints("roll", "shift", shift)), 0), rolled.shape)
    axes, shifts = _axes("roll", axis, rolled.ndim), _ints("roll", "shift", shift)
    if len(axes) != len(shifts) and 1 not in (len(axes), len(shifts)):
        raise ShapeError(f"roll: one shift per axis is needed; got shifts {shifts} for axes {axes}")
    count = max(len(axes), len(shifts)) if axes and shifts else 0
    for i in range(count):
        a, s = axes[i % len(axes)], shifts[i % len(shifts)]
        n = rolled.shape[a]
        s = s % n if n else 0
        if s:
            rolled = _concat(_section(rolled, a, n - s, s), _section(rolled, a, 0, n - s), a)
    return rolled


def tile(x: TensorLike, /, reps: int | Sequence[int]) -> Tensor:
    """Copies of ``x`` laid side by side.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    reps : int or tuple of int
        Copies along each axis, aligned at the last one; missing entries are 1, further entries add leading axes.

    Returns
    -------
    Tensor

    Gradient
    --------
    The sum over the copies.

    Raises
    ------
    ShapeError
        If a number of copies is negative.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.tile(ac.tensor([1, 2]), (2, 2))
    Tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]], dtype=int64)
    """
    x = asarray(x)
    counts = _ints("tile", "reps", reps)
    if any(not 0 <= r < 1 << 59 for r in counts):
        raise ShapeError(f"tile: reps must not be negative, nor too many to address; got {counts}")
    rank = max(len(counts), x.ndim)
    counts = (1,) * (rank - len(counts)) + counts
    sizes = (1,) * (rank - x.ndim) + x.shape
    # Each repeated axis gets an axis of copies in front: (n,) → (1, n) → (r, n) → (r n,).
    apart: list[int] = []
    repeated: list[int] = []
    for r, n in zip(counts, sizes, strict=True):
        apart += [n] if r == 1 else [1, n]
        repeated += [n] if r == 1 else [r, n]
    result = tuple(r * n for r, n in zip(counts, sizes, strict=True))
    return _reshape(_broadcast_to(_reshape(x, tuple(apart)), tuple(repeated)), result)


def repeat(x: TensorLike, /, repeats: int | Sequence[int] | TensorLike, axis: int | None = None) -> Tensor:
    """Each element several times in a row.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    repeats : int or sequence of int
        How often; one number for all elements or one per element along ``axis``.
    axis : int, optional
        None: of all elements in C order.

    Returns
    -------
    Tensor

    Gradient
    --------
    The sum over the repetitions.

    Raises
    ------
    ShapeError
        If the axis does not exist, or ``repeats`` is negative or has another length than the axis.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.repeat(ac.tensor([1, 2]), 2), ac.repeat(ac.tensor([1, 2]), [0, 3])
    (Tensor([1, 1, 2, 2], dtype=int64), Tensor([2, 2, 2], dtype=int64))
    """
    x = ravel(x) if axis is None else asarray(x)
    axis = _axis("repeat", 0 if axis is None else axis, x.ndim)
    size = x.shape[axis]
    counts = _counts(repeats)
    if (counts < 0).any() or (counts.ndim == 1 and counts.size not in (1, size)):
        raise ShapeError(
            f"repeat: repeats must hold one number ≥ 0 for each of the {size} elements of axis {axis}, or one for all; "
            f"got {counts.tolist()}"
        )
    if counts.size == 1:
        r = int(counts.reshape(()))
        apart = _expand_dims(x, (axis + 1,))
        repeated = _broadcast_to(apart, (*x.shape[: axis + 1], r, *x.shape[axis + 1 :]))
        return _reshape(repeated, (*x.shape[:axis], size * r, *x.shape[axis + 1 :]))
    return _indexing.take(x, np.repeat(np.arange(size), counts), axis)


def _counts(repeats: Any) -> Any:
    if isinstance(repeats, Tensor):
        repeats = _known("repeat", "repeats", repeats)
    elif not isinstance(repeats, np.ndarray):
        counts = _ints("repeat", "repeats", repeats)
        if any(abs(r) >= 1 << 59 for r in counts):
            raise ShapeError(f"repeat: repeats must not be too many to address; got {counts}")
        return np.asarray(counts, np.int64).reshape(-1 if isinstance(repeats, (tuple, list)) else ())
    if repeats.dtype.kind not in "iu" or repeats.ndim > 1:
        raise DTypeError(
            f"repeat: repeats must be an int or a tuple of ints; got {shown(repeats)}, dtype {repeats.dtype}"
        )
    if repeats.size and repeats.max() >= 1 << 59:
        raise ShapeError(f"repeat: repeats must not be too many to address; got {repeats.max()}")
    return repeats.astype(np.int64, copy=False)


def split(x: TensorLike, /, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Cut along an axis, into views.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    indices_or_sections : int or sequence of int
        The number of equal parts; or the places of the cuts: ``[2, 5]`` gives ``x[:2], x[2:5], x[5:]``.
    axis : int

    Returns
    -------
    list of Tensor

    Raises
    ------
    ShapeError
        If the axis does not exist or cannot be cut into that many equal parts.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.split(ac.arange(4), 2)
    [Tensor([0, 1], dtype=int64), Tensor([2, 3], dtype=int64)]
    """
    x = asarray(x)
    axis = _axis("split", axis, x.ndim)
    size = x.shape[axis]
    if isinstance(indices_or_sections, (tuple, list, np.ndarray)) and getattr(indices_or_sections, "ndim", True):
        # As Python slices cut: negative places count from the end, places outside are moved to the edge.
        cuts = [slice(0, i).indices(size)[1] for i in _ints("split", "indices_or_sections", indices_or_sections)]
    else:
        sections = checked_int("split", "indices_or_sections", indices_or_sections, "an int or a sequence of ints")
        if sections < 1 or size % sections:
            raise ShapeError(f"split: axis {axis} with size {size} must divide into {sections} equal parts")
        cuts = [size // sections * i for i in range(1, sections)]
    bounds = [0, *cuts, size]
    return [_section(x, axis, a, max(b - a, 0)) for a, b in pairwise(bounds)]


def unstack(x: TensorLike, /, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices along an axis, without that axis; views. The inverse of :func:`stack`.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    axis : int

    Returns
    -------
    tuple of Tensor

    Raises
    ------
    ShapeError
        If the axis does not exist.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.unstack(ac.tensor([[1, 2], [3, 4]]))
    (Tensor([1, 2], dtype=int64), Tensor([3, 4], dtype=int64))
    """
    x = asarray(x)
    axis = _axis("unstack", axis, x.ndim)
    shape, ones = x.shape, (1,) * x.ndim
    before, after = (0,) * axis, (0,) * (x.ndim - axis - 1)
    sizes, rest = (*shape[:axis], 1, *shape[axis + 1 :]), shape[:axis] + shape[axis + 1 :]
    return tuple(_slice(x, (*before, i, *after), sizes, ones, rest) for i in range(shape[axis]))
