"""Indexing: reading at places given by integer arrays. Whole keys, ``x[key]``, are in ``keys.py``.

The gradients add the cotangent into zeros at the same places, in the order of the indices: an element that was read
twice gets the sum, with the same bits for any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._dtypes import as_indices, checked_or_default
from ..checks import known_values
from ..errors import DTypeError, TraceError
from ..primitive import Primitive
from ..tensors import Tensor, asarray
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


def take(x: TensorLike, /, indices: TensorLike | Sequence[int], axis: int | None = None) -> Tensor:
    """The elements, rows, … of ``x`` at the given places along one axis.

    ``out[..., i, ...] = x[..., indices[i], ...]``; an array of indices of any shape puts its axes there.

    Parameters
    ----------
    x : Tensor, shape (..., N, ...), any dtype
    indices : int, list or Tensor of integers, shape (...)
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


def take_along_axis(x: TensorLike, /, indices: TensorLike, axis: int = -1) -> Tensor:
    """One-dimensional selections along an axis, a different one for every line of ``x``.

    ``out[i, j, k] = x[i, indices[i, j, k], k]`` for ``axis=1``: what argmax and argsort return picks its values.

    Parameters
    ----------
    x : Tensor, shape (..., N, ...), any dtype
    indices : Tensor of integers, as many dimensions as ``x``
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
    labels : Tensor of integers, shape (...)
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
    Notes, sections 3.2 and 4.2.1, with erratum E-9: as many numbers as classes. Classes are counted from 0.

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
    return tuple(asarray(i) for i in np.nonzero(values_for_length("nonzero", x)))


def values_for_length(op: str, x: Tensor) -> Any:
    """The values that the length of a result depends on."""
    values = known_values(x)
    if values is None:
        raise TraceError(
            f"{op}: the length of the result depends on values, which are not known here: the Tensor is abstract; call "
            f"it outside of the traced function, or choose by value with ac.where"
        )
    return values


def _integers(op: str, indices: Any) -> Tensor | npt.NDArray[Any]:
    """Indices as the kernels take them; lists too."""
    if isinstance(indices, Tensor):
        return indices
    array = np.asarray(indices)
    if array.size == 0 and not isinstance(indices, np.ndarray):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise DTypeError(f"{op}: indices must be integers; got dtype {array.dtype}")
    return as_indices(array)
