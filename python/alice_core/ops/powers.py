"""Powers and roots, element by element.."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..primitive import Primitive
from ..tensors import Tensor, asarray
from . import arithmetic as _ar
from ._elementwise import elementwise
from ._slopes import slope_kernel
from .broadcasting import sum_to

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__ = [
    "pow",
    "reciprocal",
    "rsqrt",
    "sqrt",
    "square",
]

_square = Primitive("square", saves=(0,))
_square.defvjp(lambda g, ans, x: square_vjp(g, x))
square_vjp: Primitive = slope_kernel("square_vjp", lambda h, x: _ar.add(h, h))

_sqrt = Primitive("sqrt", saves=(0,))
_sqrt.defvjp(lambda g, ans, x: sqrt_vjp(g, x))
sqrt_vjp: Primitive = slope_kernel("sqrt_vjp", lambda h, x: _ar.strong_div(sqrt_vjp(h, x), _ar.multiply(x, -2.0)))

_rsqrt = Primitive("rsqrt", saves=(0,))
_rsqrt.defvjp(lambda g, ans, x: rsqrt_vjp(g, x))
rsqrt_vjp: Primitive = slope_kernel("rsqrt_vjp", lambda h, x: _ar.strong_div(_ar.multiply(rsqrt_vjp(h, x), -1.5), x))

_reciprocal = Primitive("reciprocal", saves=(0,))
_reciprocal.defvjp(lambda g, ans, x: reciprocal_vjp(g, x))
reciprocal_vjp: Primitive = slope_kernel(
    "reciprocal_vjp", lambda h, x: _ar.strong_div(_ar.multiply(reciprocal_vjp(h, x), -2.0), x)
)

# The powers and their derivatives form a closed family: F_k(x, y) = x**y log(x)**k, with F_k' = F_(k+1) by y.
_pow = Primitive("pow", saves=(0, 1))
_pow.defvjp(
    lambda g, ans, x, y: sum_to(_pow_vjp(g, x, y), x.shape),
    lambda g, ans, x, y: sum_to(_ar.strong_mul(g, _pow_log(x, y, 1)), y.shape),
)

_pow_vjp: Primitive = Primitive("pow_vjp", saves=(0, 1, 2))  # g y x**(y - 1)
_pow_vjp.defvjp(
    lambda c, ans, g, x, y: sum_to(_pow_vjp(c, x, y), g.shape),
    lambda c, ans, g, x, y: sum_to(_pow_vjp(_ar.strong_mul(_ar.strong_mul(c, g), y), x, _ar.subtract(y, 1.0)), x.shape),
    lambda c, ans, g, x, y: sum_to(
        _ar.strong_mul(
            _ar.strong_mul(c, g),
            _ar.add(_pow(x, _ar.subtract(y, 1.0)), _ar.strong_mul(y, _pow_log(x, _ar.subtract(y, 1.0), 1))),
        ),
        y.shape,
    ),
)


def _pow_log_by_x(g: Tensor, ans: Tensor, x: Tensor, y: Tensor, k: int) -> Tensor:
    below = _ar.subtract(y, 1.0)
    first = _ar.strong_mul(y, _pow_log(x, below, k))
    return sum_to(_ar.strong_mul(g, _ar.add(first, _ar.multiply(_pow_log(x, below, k - 1), float(k)))), x.shape)


_pow_log: Primitive = Primitive("pow_log", saves=(0, 1))  # F_k
_pow_log.defvjp(
    _pow_log_by_x,
    lambda g, ans, x, y, k: sum_to(_ar.strong_mul(g, _pow_log(x, y, k + 1)), y.shape),
)

_nonnegative = Primitive("nonnegative", saves=(), differentiable=False)

elementwise(_square, _sqrt, _rsqrt, _reciprocal, _pow, _pow_vjp, _pow_log, _nonnegative)


_PLAIN = (int, float, np.generic, np.ndarray)


def pow(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Power: ``x ** y``.

    Parameters
    ----------
    x, y : Tensor
        Any numeric dtype, of shapes that broadcast. Integer powers of integers wrap around.

    Returns
    -------
    Tensor
        Of the promoted dtype. x ** 0 is 1 for every x, NaN too; negative x with a fractional y gives NaN.

    Gradient
        y x^(y-1) by x, which is 0 wherever y is 0; x^y log x by y, which is 0 wherever x^y is, and at 0^0; NaN for
        negative x, and only if it is asked for.

    Accuracy
        Within 1 ULP, squares correctly rounded; the gradient within 2 ULP.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    ValueError
        For integers to a negative power, which is no integer.

    Source: notes, section 5.4, with erratum E-32: as an activation function it is not linear, unless y is 1.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.pow(ac.tensor([-2.0, 3.0]), 2)
    Tensor([4., 9.], dtype=float32)
    """
    power: Any = NotImplemented  # the operator looks at the exponents of integers
    if isinstance(x, Tensor):
        power = x.__pow__(y)
    elif isinstance(y, Tensor):
        power = y.__rpow__(x)
    elif isinstance(x, _PLAIN) and isinstance(y, _PLAIN):
        power = asarray(y).__rpow__(x) if isinstance(y, np.ndarray) else asarray(x).__pow__(y)
    return _pow(x, y) if power is NotImplemented else power


def square(x: TensorLike, /) -> Tensor:
    """Square: ``x * x``.

    Parameters
    ----------
    x : Tensor
        Any numeric dtype. Integers wrap around.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Gradient
        2x; a cotangent of 0 stays 0.

    Accuracy
        Correctly rounded.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.square(ac.tensor([-2.0, 3.0]))
    Tensor([4., 9.], dtype=float32)
    """
    return _square(x)


def sqrt(x: TensorLike, /) -> Tensor:
    """Square root.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; NaN for negative x.

    Gradient
        1/(2 sqrt x), ∞ at 0; a cotangent of 0 stays 0.

    Accuracy
        Correctly rounded; the gradient within 2 ULP.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.sqrt(ac.tensor([4.0, 9.0]))
    Tensor([2., 3.], dtype=float32)
    """
    return _sqrt(x)


def rsqrt(x: TensorLike, /) -> Tensor:
    """Reciprocal square root: ``1 / sqrt(x)``.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; ∞ at 0, NaN for negative x.

    Gradient
        -x^(-3/2)/2; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.rsqrt(ac.tensor([4.0, 16.0]))
    Tensor([0.5 , 0.25], dtype=float32)
    """
    return _rsqrt(x)


def reciprocal(x: TensorLike, /) -> Tensor:
    """Reciprocal: ``1 / x``.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; ∞ at 0.

    Gradient
        -1/x², -∞ at 0; a cotangent of 0 stays 0.

    Accuracy
        Correctly rounded; the gradient within 2 ULP.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.reciprocal(ac.tensor([2.0, 4.0]))
    Tensor([0.5 , 0.25], dtype=float32)
    """
    return _reciprocal(x)
