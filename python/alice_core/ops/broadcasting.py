"""Broadcasting and its adjoint: repeating elements, and summing over the repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ShapeError
from ..primitive import Primitive
from ..tensors import Tensor, asarray
from ._arguments import _ints
from ._moving import linear
from .views import _expand_dims, _reshape

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__ = ["broadcast_arrays", "broadcast_to", "sum_to"]

_broadcast_to = Primitive("broadcast_to", saves=())
_broadcast_to.defvjp(lambda g, ans, x, shape: _sum_to(g, x.shape))
_broadcast_to.defbatch(lambda batched, inputs, shape: _broadcast_batch(inputs[0], shape))

_sum_to: Primitive = Primitive("sum_to", saves=())
_sum_to.defvjp(lambda g, ans, x, shape: _broadcast_to(g, x.shape))


def _sum_to_batched(batched: Sequence[bool], inputs: Sequence[Tensor], shape: tuple[int, ...]) -> Tensor:
    (x,) = inputs
    size, lead = x.shape[0], x.ndim - 1 - len(shape)
    return _reshape(_sum_to(x, (size, *(1,) * lead, *shape)), (size, *shape))


_sum_to.defbatch(_sum_to_batched)

linear(_broadcast_to, _sum_to)


def _repeated(x: Tensor, n: int) -> Tensor:
    """A batch of n times the same example, a view."""
    return _broadcast_to(x, (n, *x.shape))


def _broadcast_batch(x: Tensor, shape: Sequence[int]) -> Tensor:
    missing = len(shape) - (x.ndim - 1)
    return _broadcast_to(_expand_dims(x, tuple(range(1, missing + 1))) if missing > 0 else x, (x.shape[0], *shape))


def broadcast_to(x: TensorLike, /, shape: int | Sequence[int]) -> Tensor:
    """Axes of size 1 and missing leading axes repeated up to ``shape``; a view, no element is copied.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    shape : int or tuple of int

    Returns
    -------
    Tensor, shape ``shape``

    Gradient
    --------
    The sum over the repetitions.

    Raises
    ------
    ShapeError
        If the trailing dimensions are neither equal nor 1 in ``x``.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.broadcast_to(ac.tensor([1, 2]), (2, 2))
    Tensor([[1, 2],
            [1, 2]], dtype=int64)
    """
    return _broadcast_to(x, _ints("broadcast_to", "shape", shape))


def broadcast_arrays(*arrays: TensorLike) -> list[Tensor]:
    """All arrays broadcast to their common shape, views.

    Parameters
    ----------
    *arrays : Tensor
        Their shapes, aligned at the end, are equal or 1 on every axis.

    Returns
    -------
    list of Tensor

    Raises
    ------
    ShapeError
        If there is no common shape.

    Examples
    --------
    >>> import alice_core as ac
    >>> [x.shape for x in ac.broadcast_arrays(ac.zeros((3, 1)), ac.zeros(4))]
    [(3, 4), (3, 4)]
    """
    tensors = [asarray(x) for x in arrays]
    shapes = [x.shape for x in tensors]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            f"broadcast_arrays: dimensions must be equal or 1; got shapes {', '.join(map(str, shapes))}"
        ) from None
    return [_broadcast_to(x, shape) for x in tensors]


def sum_to(x: TensorLike, shape: tuple[int, ...], /) -> Tensor:
    """Sum over the axes along which ``shape`` would be broadcast to that of x: the adjoint of ``broadcast_to``.

    Parameters
    ----------
    x : Tensor
        Any shape, numeric.
    shape : tuple of int
        A shape that broadcasts to x's.

    Returns
    -------
    Tensor
        Of the given shape and the dtype of x; x itself where the shapes are equal.

    Gradient
        1 for every item.

    Accuracy
        As :func:`alice_core.sum`.

    Raises
    ------
    ShapeError
        If the shape does not broadcast to that of x.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.sum_to(ac.ones((2, 3)), (1, 3))
    Tensor([[2., 2., 2.]], dtype=float32)
    """
    return _sum_to(x, shape)
