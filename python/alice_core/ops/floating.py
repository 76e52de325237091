"""Floating numbers by their signs and neighbours, how near they are to each other, and NumPy's logaddexp2 and sinc."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .._dtypes import bfloat16
from ..checks import checked_flag, checked_number
from ..errors import DTypeError
from ..primitive import Primitive
from ..tensors import asarray
from . import arithmetic as _ar
from . import comparison as _comparison
from . import extremes as _extremes
from . import selection as _selection
from ._elementwise import elementwise
from .broadcasting import sum_to
from .logistic import sigmoid_vjp
from .powers import rsqrt, square

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["allclose", "copysign", "hypot", "isclose", "logaddexp2", "nan_to_num", "nextafter", "signbit", "sinc"]


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    """x / hypot(x, y), by the quotient of the smaller by the larger: no derivative is a difference that loses digits,
    as 1/h - x²/h³ is, and subnormal numbers are as good as others.
    """
    wide = _comparison.greater_equal(_selection.abs(x), _selection.abs(y))
    smaller, larger = _selection.where(wide, y, x), _selection.where(wide, x, y)
    ratio = _ar.divide(smaller, _selection.where(_comparison.equal(larger, 0.0), 1.0, larger))
    c = _ar.multiply(_selection.sign(larger), rsqrt(_ar.add(square(ratio), 1.0)))
    return _selection.where(wide, c, _ar.multiply(ratio, c))


_hypot = Primitive("hypot", saves=(0, 1))
_hypot.defvjp(
    lambda g, ans, x, y: sum_to(_ar.strong_mul(g, _cosine(x, y)), x.shape),
    lambda g, ans, x, y: sum_to(_ar.strong_mul(g, _cosine(y, x)), y.shape),
)

_copysign: Primitive = Primitive("copysign", saves=(0, 1))
_copysign.defvjp(
    lambda g, ans, x, y: sum_to(_ar.strong_mul(g, _ar.multiply(_selection.sign(x), _copysign(1.0, y))), x.shape), None
)

_nextafter = Primitive("nextafter", saves=())
_nextafter.defvjp(lambda g, ans, x, y: sum_to(g, x.shape), None)

_signbit = Primitive("signbit", saves=(), differentiable=False)

_sinc: Primitive = Primitive("sinc", saves=(0,))  # its derivative of order n
_sinc.defvjp(lambda g, ans, x, n: _ar.strong_mul(g, _sinc(x, n + 1)))

_logaddexp2 = Primitive("logaddexp2", saves=(0, 1))
_logaddexp2.defvjp(
    lambda g, ans, x, y: sum_to(_logaddexp2_vjp(g, x, y), x.shape),
    lambda g, ans, x, y: sum_to(_logaddexp2_vjp(g, y, x), y.shape),
)


def _bend(c: Tensor, g: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """c g times the derivative of 1/(1 + 2^(y - x)) by x."""
    log2 = math.log(2.0)
    return _ar.multiply(sigmoid_vjp(_ar.strong_mul(c, g), _ar.multiply(_ar.subtract(x, y), log2)), log2)


_logaddexp2_vjp: Primitive = Primitive("logaddexp2_vjp", saves=(0, 1, 2))
_logaddexp2_vjp.defvjp(
    lambda c, ans, g, x, y: sum_to(_logaddexp2_vjp(c, x, y), g.shape),
    lambda c, ans, g, x, y: sum_to(_bend(c, g, x, y), x.shape),
    lambda c, ans, g, x, y: sum_to(_ar.negative(_bend(c, g, x, y)), y.shape),
)

elementwise(_hypot, _copysign, _nextafter, _signbit, _sinc, _logaddexp2, _logaddexp2_vjp)


def hypot(x: TensorLike, y: TensorLike, /) -> Tensor:
    """Length of a vector of two: ``(x² + y²)^½``, without over- or underflow on the way.

    Parameters
    ----------
    x, y : Tensor
        Floating, of shapes that broadcast; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype. ∞ if either is infinite, even beside NaN.

    Gradient
        ``x / hypot``; 0 at the origin (the subgradient of least norm).

    Accuracy
        Within 1 ULP, the slope within 3; those of any order have their digits, however long one side is.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.hypot(ac.tensor([3.0, 1e30]), ac.tensor([4.0, 0.0]))
    Tensor([5.e+00, 1.e+30], dtype=float32)
    """
    return _hypot(x, y)


def copysign(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The absolute value of x with the sign of y, that of zeros and NaN included.

    Parameters
    ----------
    x, y : Tensor
        Floating, of shapes that broadcast; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Gradient
        By x 1 where the signs agree, else -1, and 0 at 0 (the subgradient of least norm); by y 0.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.copysign(ac.tensor([1.0, 2.0]), ac.tensor([-0.0, 3.0]))
    Tensor([-1.,  2.], dtype=float32)
    """
    return _copysign(x, y)


def nextafter(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The number next to x on the way to y; y where they are equal.

    Parameters
    ----------
    x, y : Tensor
        float32 or float64, of shapes that broadcast; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Gradient
        1 by x, 0 by y.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.
    DTypeError
        For float16 and bfloat16, whose neighbours are others than those of the float32 that is computed with.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nextafter(ac.tensor([1.0]), 2.0)
    Tensor([1.0000001], dtype=float32)
    """
    for name, operand in (("x", x), ("y", y)):
        if getattr(getattr(operand, "dtype", None), "itemsize", 4) == 2 and operand.dtype.kind == "f":  # type: ignore[union-attr]
            raise DTypeError(f"nextafter: {name} must be float32 or float64; got {operand.dtype}; cast with astype")  # type: ignore[union-attr]
    return _nextafter(x, y)


def signbit(x: TensorLike, /) -> Tensor:
    """Whether the sign of x is set: of negative numbers, of -0.0, and of NaN with a sign.

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
    >>> ac.signbit(ac.tensor([-1.0, -0.0, 0.0]))
    Tensor([ True,  True, False], dtype=bool)
    """
    return _signbit(x)


def sinc(x: TensorLike, /) -> Tensor:
    """``sin(πx)/(πx)``, and 1 at 0.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of x: 0 at all integers but 0, and at ±∞.

    Gradient
        ``(cos(πx) - sinc(x))/x``, and 0 at 0; derivatives of every order are as exact.

    Accuracy
        Within 3 ULP, also next to its zeros.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.sinc(ac.tensor([0.0, 0.5, 3.0]))
    Tensor([1.        , 0.63661975, 0.        ], dtype=float32)
    """
    return _sinc(x, 0)


def logaddexp2(x: TensorLike, y: TensorLike, /) -> Tensor:
    """``log2(2^x + 2^y)`` without overflow.

    Parameters
    ----------
    x, y : Tensor
        Floating, of shapes that broadcast; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Gradient
        ``1/(1 + 2^(y - x))`` by x. Of equal infinities ½ at +∞, 0 at -∞.

    Accuracy
        Within 2 ULP of the larger of 1 and the result.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.logaddexp2(ac.tensor([3.0, 1000.0]), ac.tensor([3.0, 0.0]))
    Tensor([   4., 1000.], dtype=float32)
    """
    return _logaddexp2(x, y)


# -- numbers that are not finite, and numbers that are nearly equal ---------------------------------------------------


def nan_to_num(
    x: TensorLike, /, nan: TensorLike = 0.0, posinf: TensorLike | None = None, neginf: TensorLike | None = None
) -> Tensor:
    """x with numbers in place of NaN and infinities.

    Parameters
    ----------
    x : Tensor
        Any numeric dtype; integers are returned as they are.
    nan : number or Tensor
        What stands for NaN.
    posinf, neginf : number or Tensor, optional
        What stands for ∞ and -∞; None is the largest, the smallest finite number of the dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of x.

    Gradient
        1 where x is finite, else 0.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nan_to_num(ac.tensor([1.0, ac.nan, ac.inf]), posinf=9.0)
    Tensor([1., 0., 9.], dtype=float32)
    """
    x = asarray(x)
    if x.dtype.kind != "f":
        return x
    stored: Any = x.dtype
    largest = 255.0 * 2.0**120 if stored is bfloat16 else float(np.finfo(stored).max)
    finite = _selection.where(_comparison.isnan(x), nan, x)
    finite = _selection.where(_comparison.equal(x, math.inf), largest if posinf is None else posinf, finite)
    return _selection.where(_comparison.equal(x, -math.inf), -largest if neginf is None else neginf, finite)


def isclose(x: TensorLike, y: TensorLike, /, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Tensor:
    """Whether ``|x - y| <= atol + rtol |y|``, or both are the same infinity.

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast; integers and bools are compared in float64.
    rtol, atol : float
        The difference that is allowed, relative to y and absolute.
    equal_nan : bool
        Whether NaN is close to NaN.

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
    >>> ac.isclose(ac.tensor([1.0, 1.0, ac.nan]), ac.tensor([1.000001, 1.1, ac.nan]), equal_nan=True)
    Tensor([ True, False,  True], dtype=bool)
    """
    relative = checked_number("isclose", "rtol", rtol)
    absolute = checked_number("isclose", "atol", atol)
    a, b = asarray(x), asarray(y)
    same = _comparison.equal(a, b)
    a, b = (v if v.dtype.kind == "f" else v.astype(np.float64) for v in (a, b))
    reach = _ar.add(_ar.multiply(_selection.abs(b), relative), absolute)
    near = _comparison.less_equal(_selection.abs(_ar.subtract(a, b)), reach)
    close = _comparison.logical_or(same, _comparison.logical_and(near, _comparison.isfinite(b)))
    if checked_flag("isclose", "equal_nan", equal_nan):
        close = _comparison.logical_or(close, _comparison.logical_and(_comparison.isnan(a), _comparison.isnan(b)))
    return close


def allclose(
    x: TensorLike, y: TensorLike, /, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Whether all items of x and y are close; parameters and errors are those of :func:`isclose`.

    Returns
    -------
    Tensor
        bool, 0-d, so that compiled functions can compute it.

    Examples
    --------
    >>> import alice_core as ac
    >>> bool(ac.allclose(ac.tensor([0.1 + 0.2]), 0.3))
    True
    """
    return _extremes.all(isclose(x, y, rtol, atol, equal_nan))
