"""Views: the same memory read in another shape, order or step. Nothing is moved, so these ops cost no time.

All are linear, and exact in every dtype: a gradient goes back the way its element came, and most rules below are
each other's inverses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..checks import checked_choice, checked_flag
from ..errors import ShapeError
from ..primitive import Primitive
from ..tensors import Tensor, asarray
from ._arguments import _axes, _axis, _behind_batch, _ints
from ._moving import batched_by, linear

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__ = [
    "expand_dims",
    "flatten",
    "flip",
    "matrix_transpose",
    "moveaxis",
    "permute_dims",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
]

_reshape = Primitive("reshape", saves=())
_reshape.defvjp(lambda g, ans, x, shape: _reshape(g, x.shape))
batched_by(_reshape, lambda n, x, shape: ((n, *_closed(shape, x)),))

_permute_dims = Primitive("permute_dims", saves=())
_permute_dims.defvjp(lambda g, ans, x, axes: _permute_dims(g, _inverse(axes)))
batched_by(_permute_dims, lambda n, x, axes: ((0, *_behind_batch("permute_dims", axes, len(x))),))

_expand_dims = Primitive("expand_dims", saves=())
_expand_dims.defvjp(lambda g, ans, x, axes: _reshape(g, x.shape))
batched_by(_expand_dims, lambda n, x, axes: (_behind_batch("expand_dims", axes, len(x) + len(axes)),))

_squeeze = Primitive("squeeze", saves=())
_squeeze.defvjp(lambda g, ans, x, axes: _reshape(g, x.shape))
batched_by(_squeeze, lambda n, x, axes: (_behind_batch("squeeze", _ones(x) if axes is None else axes, len(x)),))

_flip = Primitive("flip", saves=())
_flip.defvjp(lambda g, ans, x, axes: _flip(g, axes))
batched_by(_flip, lambda n, x, axes: (_behind_batch("flip", axes, len(x)),))

# slice(x, starts, sizes, steps, shape): per axis `sizes` elements from `starts` on, `steps` apart; `shape` is sizes up
# to axes of size 1, so that one op serves a whole index expression like x[1:, None, 0].
_slice = Primitive("slice", saves=())
_slice_vjp = Primitive("slice_vjp", saves=())
_slice.defvjp(lambda g, ans, x, starts, sizes, steps, shape: _slice_vjp(g, x.shape, starts, sizes, steps))
_slice_vjp.defvjp(lambda t, ans, g, shape, starts, sizes, steps: _slice(t, starts, sizes, steps, g.shape))
batched_by(_slice, lambda n, x, starts, sizes, steps, shape: ((0, *starts), (n, *sizes), (1, *steps), (n, *shape)))
batched_by(_slice_vjp, lambda n, g, shape, starts, sizes, steps: ((n, *shape), (0, *starts), (n, *sizes), (1, *steps)))

for _same_order in (_reshape, _expand_dims, _squeeze):
    _same_order.defbasis(lambda at, inputs, attribute, p=_same_order: (p(inputs[0], attribute), True))

linear(_reshape, _permute_dims, _expand_dims, _squeeze, _flip, _slice, _slice_vjp)


def _inverse(axes: Sequence[int]) -> tuple[int, ...]:
    inverse = [0] * len(axes)
    for to, axis in enumerate(axes):
        inverse[axis] = to
    return tuple(inverse)


def _section(x: Tensor, axis: int, start: int, size: int) -> Tensor:
    """x[..., start : start + size, ...] along a non-negative axis that has these elements."""
    shape = x.shape
    starts = (0,) * axis + (start,) + (0,) * (len(shape) - axis - 1)
    sizes = (*shape[:axis], size, *shape[axis + 1 :])
    return _slice(x, starts, sizes, (1,) * len(shape), sizes)


def _closed(shape: Sequence[int], x: Sequence[int]) -> Sequence[int]:
    """The shape with its -1 found from the shape of one example: an empty batch would leave it open."""
    known = -math.prod(shape)
    return [math.prod(x) // known if n == -1 else n for n in shape] if known > 0 else shape


def _ones(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(axis for axis, n in enumerate(shape) if n == 1)


def reshape(x: TensorLike, /, shape: int | Sequence[int], order: str = "C", *, copy: bool | None = None) -> Tensor:
    """The elements in another shape; a view where the strides of ``x`` allow it, else a copy.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    shape : int or tuple of int
        As many elements as ``x`` has. One entry may be -1: it is found from the others.
    order : {"C", "F"}
        Which index runs fastest, in x and in the result: the last or the first.
    copy : bool, optional
        True for memory of its own, which a Tensor, being a value, hardly needs; False for a view or an error.

    Returns
    -------
    Tensor, shape ``shape``

    Gradient
    --------
    The cotangent in the shape of ``x``.

    Raises
    ------
    ShapeError
        If the number of elements differs.
    ValueError
        If there is no such order, or ``copy=False`` cannot be kept.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.reshape(ac.arange(6), (2, -1))
    Tensor([[0, 1, 2],
            [3, 4, 5]], dtype=int64)
    """
    if checked_choice("reshape", "order", order, ("C", "F")) == "F":
        whole = _ints("reshape", "shape", shape)[::-1]
        return _turned(reshape(_turned(asarray(x)), whole, copy=copy))
    if copy is None:
        return _reshape(x, _ints("reshape", "shape", shape))
    x = asarray(x)
    y: Tensor = _reshape(x, _ints("reshape", "shape", shape))
    if checked_flag("reshape", "copy", copy):
        return y.copy()
    if not (x.is_abstract or x._shares_memory(y) or x.size == 0):
        raise ValueError(f"reshape: copy=False, but the strides of x {x.shape} do not allow a view of shape {y.shape}")
    return y


def _turned(x: Tensor) -> Tensor:
    """All axes in reverse order."""
    return permute_dims(x, tuple(range(x.ndim))[::-1])


def ravel(x: TensorLike, /, order: str = "C") -> Tensor:
    """All elements along one axis; a view where the strides of ``x`` allow it.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    order : {"C", "F"}
        Which index runs fastest: the last or the first.

    Returns
    -------
    Tensor, shape (x.size,)

    Raises
    ------
    ValueError
        If there is no such order. NumPy's "A" and "K" ask for strides, which are no part of a value.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.ravel(ac.tensor([[1, 2], [3, 4]]))
    Tensor([1, 2, 3, 4], dtype=int64)
    """
    x = asarray(x)
    if checked_choice("ravel", "order", order, ("C", "F")) == "F":
        x = _turned(x)
    return _reshape(x, (x.size,))


def flatten(x: TensorLike, /, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """The axes from ``start_axis`` to ``end_axis``, both included, as one; a 0-d tensor becomes 1-d.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    start_axis, end_axis : int

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If an axis does not exist, or the last comes before the first.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.flatten(ac.zeros((32, 8, 8)), 1).shape
    (32, 64)
    """
    x = asarray(x)
    if x.ndim == 0:
        return _reshape(x, (1,))
    first, last = _axis("flatten", start_axis, x.ndim), _axis("flatten", end_axis, x.ndim)
    if first > last:
        raise ShapeError(f"flatten: start_axis must not come after end_axis; got {start_axis} and {end_axis}")
    merged = 1
    for n in x.shape[first : last + 1]:
        merged *= n
    return _reshape(x, (*x.shape[:first], merged, *x.shape[last + 1 :]))


def permute_dims(x: TensorLike, /, axes: Sequence[int]) -> Tensor:
    """The axes in another order, a view: axis ``i`` of the result is axis ``axes[i]`` of ``x``.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    axes : tuple of int
        Each axis of ``x`` once.

    Returns
    -------
    Tensor

    Gradient
    --------
    The cotangent with its axes back in order.

    Raises
    ------
    ShapeError
        If ``axes`` is no permutation.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.permute_dims(ac.zeros((2, 3, 4)), (2, 0, 1)).shape
    (4, 2, 3)
    """
    return _permute_dims(x, _ints("permute_dims", "axes", axes))


def matrix_transpose(x: TensorLike, /) -> Tensor:
    """The last two axes exchanged, a view.

    Parameters
    ----------
    x : Tensor, shape (..., M, N), any dtype

    Returns
    -------
    Tensor, shape (..., N, M)

    Raises
    ------
    ShapeError
        If ``x`` has fewer than 2 dimensions.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.matrix_transpose(ac.tensor([[1, 2, 3]])).shape
    (3, 1)
    """
    x = asarray(x)
    n = x.ndim
    if n < 2:
        raise ShapeError(f"matrix_transpose: at least 2 dimensions are needed; got shape {x.shape}")
    return _permute_dims(x, (*range(n - 2), n - 1, n - 2))


def swapaxes(x: TensorLike, /, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged, a view.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    axis1, axis2 : int

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If an axis does not exist.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.swapaxes(ac.zeros((2, 3, 4)), 0, -1).shape
    (4, 3, 2)
    """
    x = asarray(x)
    axes = list(range(x.ndim))
    a, b = _axis("swapaxes", axis1, x.ndim), _axis("swapaxes", axis2, x.ndim)
    axes[a], axes[b] = b, a
    return _permute_dims(x, tuple(axes))


def moveaxis(x: TensorLike, /, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """Some axes moved to other places, the rest in their old order; a view.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    source, destination : int or tuple of int
        Equally many axes of ``x`` and of the result.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If an axis does not exist or is named twice, or the two lists differ in length.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.moveaxis(ac.zeros((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = asarray(x)
    sources = _axes("moveaxis", source, x.ndim)
    targets = _axes("moveaxis", destination, x.ndim)
    if len(set(sources)) != len(sources) or len(set(targets)) != len(targets) or len(sources) != len(targets):
        raise ShapeError(
            f"moveaxis: source and destination must name equally many different axes; got {source} and {destination}"
        )
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for to, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(to, axis)
    return _permute_dims(x, tuple(order))


def expand_dims(x: TensorLike, /, axis: int | Sequence[int] = 0) -> Tensor:
    """New axes of size 1, a view.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    axis : int or tuple of int
        Where the result has the new axes.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If an axis lies outside the result or is named twice.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.expand_dims(ac.zeros((2, 3)), axis=-1).shape
    (2, 3, 1)
    """
    return _expand_dims(x, _ints("expand_dims", "axis", axis))


def squeeze(x: TensorLike, /, axis: int | Sequence[int] | None = None) -> Tensor:
    """Without some axes of size 1, a view.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    axis : int or tuple of int, optional
        None: all axes of size 1.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        If a named axis is longer than 1 or does not exist.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.squeeze(ac.zeros((2, 1, 3)), axis=1).shape
    (2, 3)
    """
    return _squeeze(x, None if axis is None else _ints("squeeze", "axis", axis))


def flip(x: TensorLike, /, axis: int | Sequence[int] | None = None) -> Tensor:
    """The elements in reverse order along some axes, a view.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    axis : int or tuple of int, optional
        None: all axes.

    Returns
    -------
    Tensor

    Gradient
    --------
    The cotangent, flipped back.

    Raises
    ------
    ShapeError
        If an axis does not exist or is named twice.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.flip(ac.tensor([1, 2, 3]))
    Tensor([3, 2, 1], dtype=int64)
    """
    x = asarray(x)
    return _flip(x, tuple(range(x.ndim)) if axis is None else _ints("flip", "axis", axis))
