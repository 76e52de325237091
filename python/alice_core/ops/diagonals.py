"""Diagonals and triangles of matrices. Linear, and exact in every dtype."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..checks import checked_int
from ..errors import ShapeError
from ..primitive import Primitive
from ..tensors import Tensor, asarray
from ._arguments import _behind_batch
from ._moving import batched_by, linear

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__ = ["diag", "diagonal", "tril", "triu"]

_diagonal = Primitive("diagonal", saves=())
_diagonal_vjp = Primitive("diagonal_vjp", saves=())
_diagonal.defvjp(lambda g, ans, x, offset, axis1, axis2: _diagonal_vjp(g, x.shape, offset, axis1, axis2))
_diagonal_vjp.defvjp(lambda t, ans, g, shape, offset, axis1, axis2: _diagonal(t, offset, axis1, axis2))
batched_by(_diagonal, lambda n, x, offset, *axes: (offset, *_behind_batch("diagonal", axes, len(x))))
batched_by(
    _diagonal_vjp,
    lambda n, g, shape, offset, *axes: ((n, *shape), offset, *_behind_batch("diagonal_vjp", axes, len(shape))),
)

_tril = Primitive("tril", saves=())
_tril.defvjp(lambda g, ans, x, k: _tril(g, k))
_triu = Primitive("triu", saves=())
_triu.defvjp(lambda g, ans, x, k: _triu(g, k))


def _of_matrices(op: str, n: int, x: Sequence[int], k: int) -> tuple[int]:
    if len(x) < 2:  # with the batch in front the kernel would not notice
        raise ShapeError(f"{op}: at least 2 dimensions are needed; got shape {x}")
    return (k,)


batched_by(_tril, partial(_of_matrices, "tril"))
batched_by(_triu, partial(_of_matrices, "triu"))

linear(_diagonal, _diagonal_vjp, _tril, _triu)


def diagonal(x: TensorLike, /, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Tensor:
    """The diagonal of two axes as the last axis, a view.

    ``out[..., i] = x[..., i, i + offset]``, with negative offsets below the main diagonal.

    Parameters
    ----------
    x : Tensor, shape (..., M, N), any dtype
    offset : int
    axis1, axis2 : int
        The rows and the columns; the last two axes unless said otherwise.

    Returns
    -------
    Tensor, shape (..., K)

    Gradient
    --------
    The cotangent on that diagonal of zeros.

    Raises
    ------
    ShapeError
        If ``x`` has fewer than 2 dimensions, or the axes do not exist or are the same.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.diagonal(ac.tensor([[1, 2], [3, 4]]))
    Tensor([1, 4], dtype=int64)
    """
    return _diagonal(x, offset, axis1, axis2)


def diag(x: TensorLike, /, k: int = 0) -> Tensor:
    """The square matrix with ``x`` on its k-th diagonal and zeros elsewhere; or, of a matrix, that diagonal.

    Parameters
    ----------
    x : Tensor, shape (N,) or (M, N), any dtype
    k : int
        0 is the main diagonal, positive numbers lie above it.

    Returns
    -------
    Tensor, shape (N + abs(k), N + abs(k)) or (K,)

    Raises
    ------
    ShapeError
        If ``x`` is neither a vector nor a matrix.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.diag(ac.tensor([1, 2]))
    Tensor([[1, 0],
            [0, 2]], dtype=int64)
    """
    x, k = asarray(x), checked_int("diag", "k", k)
    if abs(k) >= 1 << 59:
        raise ShapeError(f"diag: k must not be too large to address; got {k}")
    if x.ndim == 2:
        return _diagonal(x, k, 0, 1)
    if x.ndim != 1:
        raise ShapeError(f"diag: 1 or 2 dimensions are needed; got shape {x.shape}")
    n = x.shape[0] + abs(k)
    return _diagonal_vjp(x, (n, n), k, 0, 1)


def tril(x: TensorLike, /, k: int = 0) -> Tensor:
    """Matrices with zeros above the k-th diagonal.

    Parameters
    ----------
    x : Tensor, shape (..., M, N), any dtype
    k : int
        0 is the main diagonal, positive numbers lie above it.

    Returns
    -------
    Tensor of the shape and dtype of ``x``

    Gradient
    --------
    The lower triangle of the cotangent.

    Raises
    ------
    ShapeError
        If ``x`` has fewer than 2 dimensions.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.tril(ac.ones((2, 2)))
    Tensor([[1., 0.],
            [1., 1.]], dtype=float32)
    """
    return _tril(x, k)


def triu(x: TensorLike, /, k: int = 0) -> Tensor:
    """Matrices with zeros below the k-th diagonal.

    Parameters
    ----------
    x : Tensor, shape (..., M, N), any dtype
    k : int
        0 is the main diagonal, positive numbers lie above it.

    Returns
    -------
    Tensor of the shape and dtype of ``x``

    Gradient
    --------
    The upper triangle of the cotangent.

    Raises
    ------
    ShapeError
        If ``x`` has fewer than 2 dimensions.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.triu(ac.ones((2, 2)))
    Tensor([[1., 1.],
            [0., 1.]], dtype=float32)
    """
    return _triu(x, k)
