"""Arrays beside and above each other, with as many axes as that takes, and turned by right angles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..checks import checked_int
from ..errors import ShapeError
from ..tensors import Tensor, asarray
from . import joining as _joining
from . import views as _views
from ._arguments import _axes, _ints

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__ = ["atleast_1d", "atleast_2d", "atleast_3d", "column_stack", "hstack", "rot90", "vstack"]


def atleast_1d(x: TensorLike, /) -> Tensor:
    """x with one axis at least, a view: a 0-d Tensor gets one of size 1.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype

    Returns
    -------
    Tensor, shape (1,) or that of x

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.atleast_1d(ac.tensor(3.0)).shape
    (1,)
    """
    x = asarray(x)
    return _views.expand_dims(x, 0) if x.ndim == 0 else x


def atleast_2d(x: TensorLike, /) -> Tensor:
    """x with two axes at least, a view: new ones come first, so that a vector becomes a row.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype

    Returns
    -------
    Tensor, shape (1, 1), (1, n) or that of x

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.atleast_2d(ac.tensor([1.0, 2.0, 3.0])).shape
    (1, 3)
    """
    x = asarray(x)
    return _views.expand_dims(x, tuple(range(2 - x.ndim))) if x.ndim < 2 else x


def atleast_3d(x: TensorLike, /) -> Tensor:
    """x with three axes at least, a view: a vector becomes one row of one matrix, a matrix one column of each.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype

    Returns
    -------
    Tensor, shape (1, 1, 1), (1, n, 1), (m, n, 1) or that of x

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.atleast_3d(ac.ones(4)).shape, ac.atleast_3d(ac.ones((2, 4))).shape
    ((1, 4, 1), (2, 4, 1))
    """
    x = atleast_2d(x)
    return _views.expand_dims(x, 2) if x.ndim < 3 else x


def _together(op: str, arrays: Sequence[TensorLike], axis: int) -> Tensor:
    """What ``concat`` makes of them; what it finds wrong is said in the name of the op that was called."""
    if not arrays:
        raise ShapeError(f"{op}: expected at least one array; got none")
    try:
        return _joining.concat(arrays, axis=axis)
    except ShapeError as error:
        raise ShapeError(str(error).replace("concat", op, 1)) from None


def vstack(arrays: Sequence[TensorLike], /) -> Tensor:
    """Arrays above each other, along axis 0; a vector is a row.

    Parameters
    ----------
    arrays : sequence of Tensor, shapes (m_i, n, ...) or (n,)

    Returns
    -------
    Tensor, shape (sum of m_i, n, ...)
        Of the promoted dtype.

    Gradient
    --------
    Each array gets its rows of the cotangent.

    Raises
    ------
    ShapeError
        If there is none, or they differ in another axis.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.vstack([ac.tensor([1.0, 2.0]), ac.ones((2, 2))])
    Tensor([[1., 2.],
            [1., 1.],
            [1., 1.]], dtype=float32)
    """
    return _together("vstack", [atleast_2d(x) for x in arrays], 0)


def hstack(arrays: Sequence[TensorLike], /) -> Tensor:
    """Arrays beside each other: along axis 1, vectors along their only one.

    Parameters
    ----------
    arrays : sequence of Tensor, shapes (m, n_i, ...) or (n_i,)

    Returns
    -------
    Tensor, shape (m, sum of n_i, ...) or (sum of n_i,)
        Of the promoted dtype.

    Gradient
    --------
    Each array gets its columns of the cotangent.

    Raises
    ------
    ShapeError
        If there is none, or they differ in another axis.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.hstack([ac.ones((2, 1)), ac.zeros((2, 2))])
    Tensor([[1., 0., 0.],
            [1., 0., 0.]], dtype=float32)
    """
    parts = [atleast_1d(x) for x in arrays]
    return _together("hstack", parts, 0 if parts and parts[0].ndim == 1 else 1)


def column_stack(arrays: Sequence[TensorLike], /) -> Tensor:
    """Arrays beside each other, along axis 1; a vector is a column.

    Parameters
    ----------
    arrays : sequence of Tensor, shapes (m, n_i, ...) or (m,)

    Returns
    -------
    Tensor, shape (m, sum of n_i, ...)
        Of the promoted dtype.

    Gradient
    --------
    Each array gets its columns of the cotangent.

    Raises
    ------
    ShapeError
        If there is none, or they differ in another axis.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.column_stack([ac.tensor([1.0, 2.0]), ac.tensor([3.0, 4.0])])
    Tensor([[1., 3.],
            [2., 4.]], dtype=float32)
    """
    parts = [atleast_1d(x) for x in arrays]
    return _together("column_stack", [_views.expand_dims(x, 1) if x.ndim == 1 else x for x in parts], 1)


def rot90(x: TensorLike, /, k: int = 1, axes: Sequence[int] = (0, 1)) -> Tensor:
    """The elements turned by k right angles in the plane of two axes, a view.

    Parameters
    ----------
    x : Tensor, shape (...), any dtype
    k : int
        Right angles from the first of the axes towards the second; negative ones turn back.
    axes : tuple of two ints

    Returns
    -------
    Tensor

    Gradient
    --------
    The cotangent, turned back.

    Raises
    ------
    ShapeError
        If there are not two axes, or one does not exist.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.rot90(ac.tensor([[1, 2], [3, 4]]))
    Tensor([[2, 4],
            [1, 3]], dtype=int64)
    """
    x = asarray(x)
    plane = _axes("rot90", _ints("rot90", "axes", axes), x.ndim)
    if len(plane) != 2 or plane[0] == plane[1]:
        raise ShapeError(f"rot90: axes must be two that differ; got {axes}")
    turns = checked_int("rot90", "k", k) % 4
    if turns == 0:
        return x
    if turns == 2:
        return _views.flip(x, plane)
    turned = _views.swapaxes(x, *plane)
    return _views.flip(turned, plane[0] if turns == 1 else plane[1])
