"""Ops on the bits of integers; on bools they are the logical ops. Nothing is differentiated through them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..primitive import Primitive
from ._elementwise import elementwise

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
]

_bitwise_and = Primitive("bitwise_and", saves=(), differentiable=False)
_bitwise_or = Primitive("bitwise_or", saves=(), differentiable=False)
_bitwise_xor = Primitive("bitwise_xor", saves=(), differentiable=False)
_bitwise_invert = Primitive("bitwise_invert", saves=(), differentiable=False)
_left_shift = Primitive("bitwise_left_shift", saves=(), differentiable=False)
_right_shift = Primitive("bitwise_right_shift", saves=(), differentiable=False)

elementwise(_bitwise_and, _bitwise_or, _bitwise_xor, _bitwise_invert, _left_shift, _right_shift)


def bitwise_and(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The bits that are set in both; ``x & y``.

    Parameters
    ----------
    x, y : Tensor
        Integers or bools, of shapes that broadcast.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If the dtype is floating.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.bitwise_and(ac.tensor([12, 7]), 10)
    Tensor([8, 2], dtype=int64)
    """
    return _bitwise_and(x, y)


def bitwise_or(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The bits that are set in either; ``x | y``. See :func:`bitwise_and`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.bitwise_or(ac.tensor([12, 7]), 10)
    Tensor([14, 15], dtype=int64)
    """
    return _bitwise_or(x, y)


def bitwise_xor(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The bits that are set in one of the two; ``x ^ y``. See :func:`bitwise_and`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.bitwise_xor(ac.tensor([12, 7]), 10)
    Tensor([ 6, 13], dtype=int64)
    """
    return _bitwise_xor(x, y)


def bitwise_invert(x: TensorLike, /) -> Tensor:
    """All bits turned; ``~x``. See :func:`bitwise_and`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.bitwise_invert(ac.tensor([0, 7]))
    Tensor([-1, -8], dtype=int64)
    """
    return _bitwise_invert(x)


def bitwise_left_shift(x: TensorLike, places: TensorLike, /) -> Tensor:
    """The bits moved towards the higher ones, zeros after them; ``x << places``.

    Parameters
    ----------
    x, places : Tensor
        Integers, of shapes that broadcast. By as many places as the dtype has bits, or by a negative number, all are
        moved out.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        If the dtype is floating.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.bitwise_left_shift(ac.tensor([1, -3]), 2)
    Tensor([  4, -12], dtype=int64)
    """
    return _left_shift(x, places)


def bitwise_right_shift(x: TensorLike, places: TensorLike, /) -> Tensor:
    """The bits moved towards the lower ones, copies of the sign after them; ``x >> places``.

    Parameters, results and errors are those of :func:`bitwise_left_shift`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.bitwise_right_shift(ac.tensor([5, -5]), 1)
    Tensor([ 2, -3], dtype=int64)
    """
    return _right_shift(x, places)
