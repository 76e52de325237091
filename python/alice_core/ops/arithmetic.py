"""Arithmetic, element by element with broadcasting.

Rules multiply and divide cotangents by ``strong_mul`` and ``strong_div``, in which a cotangent of exactly 0
stays 0: so the zero that an untaken branch of :func:`where` sends back never meets an infinite slope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..primitive import Primitive
from ._elementwise import elementwise, zero_preserving
from .broadcasting import sum_to

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = [
    "add",
    "divide",
    "floor_divide",
    "multiply",
    "negative",
    "remainder",
    "subtract",
]

_add = Primitive("add", saves=())
_add.defvjp(
    lambda g, ans, x, y: sum_to(g, x.shape),
    lambda g, ans, x, y: sum_to(g, y.shape),
)

_subtract = Primitive("subtract", saves=())
_subtract.defvjp(
    lambda g, ans, x, y: sum_to(g, x.shape),
    lambda g, ans, x, y: sum_to(negative(g), y.shape),
)

_multiply = Primitive("multiply", saves=(0, 1))
_multiply.defvjp(
    lambda g, ans, x, y: sum_to(multiply(g, y), x.shape),
    lambda g, ans, x, y: sum_to(multiply(g, x), y.shape),
)

_divide = Primitive("divide", saves=(1, "ans"))
_divide.defvjp(
    lambda g, ans, x, y: sum_to(strong_div(g, y), x.shape),
    lambda g, ans, x, y: sum_to(negative(strong_div(strong_mul(g, ans), y)), y.shape),
)

_strong_mul = Primitive("strong_mul", saves=(0, 1))
_strong_mul.defvjp(
    lambda c, ans, g, d: sum_to(strong_mul(c, d), g.shape),
    lambda c, ans, g, d: sum_to(strong_mul(c, g), d.shape),
)

_strong_div = Primitive("strong_div", saves=(1, "ans"))
_strong_div.defvjp(
    lambda c, ans, g, y: sum_to(strong_div(c, y), g.shape),
    lambda c, ans, g, y: sum_to(negative(strong_div(strong_mul(c, ans), y)), y.shape),
)

_floor_divide = Primitive("floor_divide", saves=())
_floor_divide.defvjp(None, None)

_remainder = Primitive("remainder", saves=(0, 1))
_remainder.defvjp(
    lambda g, ans, x, y: sum_to(g, x.shape),
    lambda g, ans, x, y: sum_to(negative(strong_mul(g, floor_divide(x, y))), y.shape),
)

_negative = Primitive("negative", saves=())
_negative.defvjp(lambda g, ans, x: negative(g))

elementwise(_add, _subtract, _multiply, _divide, _floor_divide, _remainder, _negative)
zero_preserving(_strong_mul, _strong_div)


def strong_mul(g: TensorLike, d: TensorLike, /) -> Tensor:
    """Product ``g * d``, and 0 wherever g is exactly 0, whatever d is: for cotangents, in rules and losses.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.ops.arithmetic.strong_mul(ac.tensor([0.0, 2.0]), float("inf"))
    Tensor([ 0., inf], dtype=float32)
    """
    return _strong_mul(g, d)


def strong_div(g: TensorLike, y: TensorLike, /) -> Tensor:
    """Quotient ``g / y``, and 0 wherever g is exactly 0, whatever y is: for cotangents, in rules.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.ops.arithmetic.strong_div(ac.tensor([0.0, 2.0]), 0.0)
    Tensor([ 0., inf], dtype=float32)
    """
    return _strong_div(g, y)


def add(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Sum of two tensors: ``x + y``.

    Parameters
    ----------
    x, y : Tensor
        Any numeric dtype, of shapes that broadcast. Integers wrap around.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Gradient
        1 by each operand, summed over the axes along which it was broadcast.

    Accuracy
        Correctly rounded.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Source: notes, section 2.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.add(ac.tensor([1.0, 2.0]), 0.5)
    Tensor([1.5, 2.5], dtype=float32)
    """
    return _add(x, y)


def subtract(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Difference of two tensors: ``x - y``.

    Parameters
    ----------
    x, y : Tensor
        Any numeric dtype, of shapes that broadcast. Integers wrap around.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Gradient
        1 by x and -1 by y.

    Accuracy
        Correctly rounded.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.subtract(ac.tensor([1.0, 2.0]), 0.5)
    Tensor([0.5, 1.5], dtype=float32)
    """
    return _subtract(x, y)


def multiply(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Product of two tensors, element by element (Hadamard): ``x * y``.

    Parameters
    ----------
    x, y : Tensor
        Any numeric dtype, of shapes that broadcast. Integers wrap around.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Gradient
        y by x, and x by y. Plain IEEE: 0 times an infinity is NaN here, also in the gradient.

    Accuracy
        Correctly rounded.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Source: notes, section 2.1, with erratum E-1: with one factor fixed, a mask, it is linear in the other.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.multiply(ac.tensor([1.0, 2.0]), ac.tensor([[3.0], [4.0]]))
    Tensor([[3., 6.],
            [4., 8.]], dtype=float32)
    """
    return _multiply(x, y)


def divide(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Quotient of two tensors: ``x / y``.

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the broadcast shape. 1/0 is an infinity, 0/0 NaN.

    Gradient
        1/y by x, and -x/y² by y; a cotangent of 0 stays 0.

    Accuracy
        Correctly rounded; the gradient within 2 ULP.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.divide(ac.tensor([1.0, 2.0]), 4)
    Tensor([0.25, 0.5 ], dtype=float32)
    """
    return _divide(x, y)


def floor_divide(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Quotient rounded down: ``x // y``, the largest integer not above x/y.

    Parameters
    ----------
    x, y : Tensor
        Any numeric dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        Of the promoted dtype. Integers divided by 0 give 0, as in NumPy.

    Gradient
        0.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.floor_divide(ac.tensor([-3, 3]), 2)
    Tensor([-2,  1], dtype=int64)
    """
    return _floor_divide(x, y)


def remainder(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Remainder of the floored quotient: ``x % y = x - y floor(x/y)``, with the sign of y.

    Parameters
    ----------
    x, y : Tensor
        Any numeric dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        Of the promoted dtype. Integers divided by 0 give 0, as in NumPy.

    Gradient
        1 by x and -floor(x/y) by y.

    Accuracy
        Exact where x and y have one sign, else correctly rounded.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.remainder(ac.tensor([-3.0, 3.0]), 2.0)
    Tensor([1., 1.], dtype=float32)
    """
    return _remainder(x, y)


def negative(x: TensorLike, /) -> Tensor:
    """The negative: ``-x``.

    Parameters
    ----------
    x : Tensor
        Any numeric dtype. Unsigned integers wrap around.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Gradient
        -1.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.negative(ac.tensor([1.0, -2.0]))
    Tensor([-1.,  2.], dtype=float32)
    """
    return _negative(x)
