"""Comparisons, logic and tests for special values. All return bool, and nothing is differentiated through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..primitive import Primitive
from ._elementwise import elementwise

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = [
    "equal",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "not_equal",
]

_equal = Primitive("equal", saves=(), differentiable=False)
_not_equal = Primitive("not_equal", saves=(), differentiable=False)
_less = Primitive("less", saves=(), differentiable=False)
_less_equal = Primitive("less_equal", saves=(), differentiable=False)
_greater = Primitive("greater", saves=(), differentiable=False)
_greater_equal = Primitive("greater_equal", saves=(), differentiable=False)
_logical_and = Primitive("logical_and", saves=(), differentiable=False)
_logical_or = Primitive("logical_or", saves=(), differentiable=False)
_logical_xor = Primitive("logical_xor", saves=(), differentiable=False)
_logical_not = Primitive("logical_not", saves=(), differentiable=False)
_isnan = Primitive("isnan", saves=(), differentiable=False)
_isinf = Primitive("isinf", saves=(), differentiable=False)
_isfinite = Primitive("isfinite", saves=(), differentiable=False)

elementwise(_equal, _not_equal, _less, _less_equal, _greater, _greater_equal)
elementwise(_logical_and, _logical_or, _logical_xor, _logical_not, _isnan, _isinf, _isfinite)


def equal(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x == y; NaN equals nothing.

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        bool, of the broadcast shape.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([1.0, 2.0, 3.0])
    >>> ac.equal(x, 2.0)
    Tensor([False,  True, False], dtype=bool)
    """
    return _equal(x, y)


def not_equal(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x != y; NaN differs from everything.

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        bool, of the broadcast shape.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([1.0, 2.0, 3.0])
    >>> ac.not_equal(x, 2.0)
    Tensor([ True, False,  True], dtype=bool)
    """
    return _not_equal(x, y)


def less(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x < y.

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        bool, of the broadcast shape.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([1.0, 2.0, 3.0])
    >>> ac.less(x, 2.0)
    Tensor([ True, False, False], dtype=bool)
    """
    return _less(x, y)


def less_equal(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x <= y.

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        bool, of the broadcast shape.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([1.0, 2.0, 3.0])
    >>> ac.less_equal(x, 2.0)
    Tensor([ True,  True, False], dtype=bool)
    """
    return _less_equal(x, y)


def greater(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x > y.

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        bool, of the broadcast shape.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([1.0, 2.0, 3.0])
    >>> ac.greater(x, 2.0)
    Tensor([False, False,  True], dtype=bool)
    """
    return _greater(x, y)


def greater_equal(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x >= y.

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        bool, of the broadcast shape.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([1.0, 2.0, 3.0])
    >>> ac.greater_equal(x, 2.0)
    Tensor([False,  True,  True], dtype=bool)
    """
    return _greater_equal(x, y)


def logical_and(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether both x and y hold (is not zero).

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        bool, of the broadcast shape.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> a, b = ac.tensor([True, True, False]), ac.tensor([True, False, False])
    >>> ac.logical_and(a, b)
    Tensor([ True, False, False], dtype=bool)
    """
    return _logical_and(x, y)


def logical_or(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether x or y holds (is not zero).

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        bool, of the broadcast shape.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> a, b = ac.tensor([True, True, False]), ac.tensor([True, False, False])
    >>> ac.logical_or(a, b)
    Tensor([ True,  True, False], dtype=bool)
    """
    return _logical_or(x, y)


def logical_xor(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Whether exactly one of x and y holds (is not zero).

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        bool, of the broadcast shape.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> a, b = ac.tensor([True, True, False]), ac.tensor([True, False, False])
    >>> ac.logical_xor(a, b)
    Tensor([False,  True, False], dtype=bool)
    """
    return _logical_xor(x, y)


def logical_not(x: TensorLike, /) -> Tensor:
    """Whether x does not hold (is zero).

    Parameters
    ----------
    x : Tensor
        Any dtype.

    Returns
    -------
    Tensor
        bool, of the same shape.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.logical_not(ac.tensor([True, False]))
    Tensor([False,  True], dtype=bool)
    """
    return _logical_not(x)


def isnan(x: TensorLike, /) -> Tensor:
    """Whether x is NaN.

    Parameters
    ----------
    x : Tensor
        Any dtype.

    Returns
    -------
    Tensor
        bool, of the same shape.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([1.0, float("inf"), float("nan")])
    >>> ac.isnan(x)
    Tensor([False, False,  True], dtype=bool)
    """
    return _isnan(x)


def isinf(x: TensorLike, /) -> Tensor:
    """Whether x is infinite, of either sign.

    Parameters
    ----------
    x : Tensor
        Any dtype.

    Returns
    -------
    Tensor
        bool, of the same shape.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([1.0, float("inf"), float("nan")])
    >>> ac.isinf(x)
    Tensor([False,  True, False], dtype=bool)
    """
    return _isinf(x)


def isfinite(x: TensorLike, /) -> Tensor:
    """Whether x is neither infinite nor NaN.

    Parameters
    ----------
    x : Tensor
        Any dtype.

    Returns
    -------
    Tensor
        bool, of the same shape.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([1.0, float("inf"), float("nan")])
    >>> ac.isfinite(x)
    Tensor([ True, False, False], dtype=bool)
    """
    return _isfinite(x)
