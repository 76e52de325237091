"""Circular and hyperbolic functions and their inverses.."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..primitive import Primitive
from . import arithmetic as _ar
from ._elementwise import elementwise
from ._slopes import slope_kernel
from .broadcasting import sum_to
from .powers import square

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
    "tanh",
]

# -- circular functions -----------------------------------------------------------------------------------------------

_sin = Primitive("sin", saves=(0,))
_sin.defvjp(lambda g, ans, x: _ar.strong_mul(g, cos(x)))

_cos = Primitive("cos", saves=(0,))
_cos.defvjp(lambda g, ans, x: _ar.negative(_ar.strong_mul(g, sin(x))))

_tan = Primitive("tan", saves=(0,))
_tan.defvjp(lambda g, ans, x: tan_vjp(g, x))
tan_vjp: Primitive = slope_kernel("tan_vjp", lambda h, x: _ar.strong_mul(tan_vjp(h, x), _ar.multiply(tan(x), 2.0)))

_asin = Primitive("asin", saves=(0,))
_asin.defvjp(lambda g, ans, x: asin_vjp(g, x))
asin_vjp: Primitive = slope_kernel(
    "asin_vjp", lambda h, x: _ar.strong_mul(asin_vjp(h, x), _ar.divide(x, _one_minus_square(x)))
)

_acos = Primitive("acos", saves=(0,))
_acos.defvjp(lambda g, ans, x: _ar.negative(asin_vjp(g, x)))

_atan = Primitive("atan", saves=(0,))
_atan.defvjp(lambda g, ans, x: atan_vjp(g, x))
atan_vjp: Primitive = slope_kernel(
    "atan_vjp",
    lambda h, x: _ar.strong_mul(atan_vjp(h, x), _ar.divide(_ar.multiply(x, -2.0), _ar.add(square(x), 1.0))),
)

_atan2 = Primitive("atan2", saves=(0, 1))
_atan2.defvjp(
    lambda g, ans, y, x: sum_to(atan2_vjp(g, y, x), y.shape),
    lambda g, ans, y, x: sum_to(_ar.negative(atan2_vjp(g, x, y)), x.shape),
)
atan2_vjp: Primitive = Primitive("atan2_vjp", saves=(0, 1, 2))  # g x/(x² + y²)
atan2_vjp.defvjp(
    lambda c, ans, g, y, x: sum_to(atan2_vjp(c, y, x), g.shape),
    lambda c, ans, g, y, x: sum_to(
        _ar.strong_mul(atan2_vjp(_ar.strong_mul(c, g), y, x), _ar.multiply(atan2_vjp(1.0, x, y), -2.0)), y.shape
    ),
    lambda c, ans, g, y, x: sum_to(
        _ar.strong_mul(
            _ar.strong_mul(c, g),
            _ar.subtract(square(atan2_vjp(1.0, x, y)), square(atan2_vjp(1.0, y, x))),
        ),
        x.shape,
    ),
)

elementwise(_sin, _cos, _tan, _asin, _acos, _atan, _atan2, atan2_vjp)


def _one_minus_square(x: Tensor) -> Tensor:
    return _ar.multiply(_ar.subtract(1.0, x), _ar.add(x, 1.0))


def sin(x: TensorLike, /) -> Tensor:
    """Sine of x radians.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; NaN at ±∞.

    Gradient
        cos x; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.sin(ac.tensor([0.0, 1.0]))
    Tensor([0.        , 0.84147096], dtype=float32)
    """
    return _sin(x)


def cos(x: TensorLike, /) -> Tensor:
    """Cosine of x radians.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; NaN at ±∞.

    Gradient
        -sin x; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.cos(ac.tensor([0.0, 1.0]))
    Tensor([1.       , 0.5403023], dtype=float32)
    """
    return _cos(x)


def tan(x: TensorLike, /) -> Tensor:
    """Tangent of x radians.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; NaN at ±∞.

    Gradient
        1/cos² x; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.tan(ac.tensor([0.0, 1.0]))
    Tensor([0.       , 1.5574077], dtype=float32)
    """
    return _tan(x)


def asin(x: TensorLike, /) -> Tensor:
    """Inverse sine, in radians from -π/2 to π/2.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; NaN outside [-1, 1].

    Gradient
        1/sqrt(1 - x²), ∞ at ±1; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.asin(ac.tensor([0.0, 1.0]))
    Tensor([0.       , 1.5707964], dtype=float32)
    """
    return _asin(x)


def acos(x: TensorLike, /) -> Tensor:
    """Inverse cosine, in radians from 0 to π.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; NaN outside [-1, 1].

    Gradient
        -1/sqrt(1 - x²), -∞ at ±1; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.acos(ac.tensor([0.0, 1.0]))
    Tensor([1.5707964, 0.       ], dtype=float32)
    """
    return _acos(x)


def atan(x: TensorLike, /) -> Tensor:
    """Inverse tangent, in radians from -π/2 to π/2.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        1/(1 + x²); a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.atan(ac.tensor([0.0, 1.0]))
    Tensor([0.       , 0.7853982], dtype=float32)
    """
    return _atan(x)


def atan2(y: TensorLike, x: TensorLike, /) -> Tensor:
    """Angle of the point (x, y) from the first axis, in radians from -π to π.

    Parameters
    ----------
    y, x : Tensor
        Any dtype, of shapes that broadcast; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the broadcast shape; the signs of zeros and infinities choose the quadrant as in C.

    Gradient
        x/(x² + y²) by y, -y/(x² + y²) by x; 0 at the origin, where there is none.

    Accuracy
        Within 2 ULP, the gradient too.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.atan2(ac.tensor([1.0, -1.0]), ac.tensor([1.0, -1.0]))
    Tensor([ 0.7853982, -2.3561945], dtype=float32)
    """
    return _atan2(y, x)


# -- hyperbolic functions ---------------------------------------------------------------------------------------------

_sinh = Primitive("sinh", saves=(0,))
_sinh.defvjp(lambda g, ans, x: _ar.strong_mul(g, cosh(x)))

_cosh = Primitive("cosh", saves=(0,))
_cosh.defvjp(lambda g, ans, x: _ar.strong_mul(g, sinh(x)))

_tanh = Primitive("tanh", saves=(0,))
_tanh.defvjp(lambda g, ans, x: tanh_vjp(g, x))
tanh_vjp: Primitive = slope_kernel(
    "tanh_vjp", lambda h, x: _ar.multiply(tanh_vjp(h, x), _ar.multiply(tanh(x), -2.0)), rounded=True
)

_asinh = Primitive("asinh", saves=(0,))
_asinh.defvjp(lambda g, ans, x: asinh_vjp(g, x))
asinh_vjp: Primitive = slope_kernel(
    "asinh_vjp",
    lambda h, x: _ar.strong_mul(asinh_vjp(h, x), _ar.divide(_ar.negative(x), _ar.add(square(x), 1.0))),
)

_acosh = Primitive("acosh", saves=(0,))
_acosh.defvjp(lambda g, ans, x: acosh_vjp(g, x))
acosh_vjp: Primitive = slope_kernel(
    "acosh_vjp", lambda h, x: _ar.strong_mul(acosh_vjp(h, x), _ar.divide(x, _one_minus_square(x)))
)

_atanh = Primitive("atanh", saves=(0,))
_atanh.defvjp(lambda g, ans, x: atanh_vjp(g, x))
atanh_vjp: Primitive = slope_kernel(
    "atanh_vjp", lambda h, x: _ar.strong_mul(atanh_vjp(h, x), _ar.divide(_ar.multiply(x, 2.0), _one_minus_square(x)))
)

elementwise(_sinh, _cosh, _tanh, _asinh, _acosh, _atanh)


def sinh(x: TensorLike, /) -> Tensor:
    """Hyperbolic sine.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        cosh x; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.sinh(ac.tensor([0.0, 1.0]))
    Tensor([0.       , 1.1752012], dtype=float32)
    """
    return _sinh(x)


def cosh(x: TensorLike, /) -> Tensor:
    """Hyperbolic cosine.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        sinh x; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.cosh(ac.tensor([0.0, 1.0]))
    Tensor([1.       , 1.5430807], dtype=float32)
    """
    return _cosh(x)


def tanh(x: TensorLike, /) -> Tensor:
    """Hyperbolic tangent.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        1/cosh² x, taken from x, so that the tails keep their digits; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Source: notes, section 5.4.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.tanh(ac.tensor([0.0, 1.0]))
    Tensor([0.       , 0.7615942], dtype=float32)
    """
    return _tanh(x)


def asinh(x: TensorLike, /) -> Tensor:
    """Inverse hyperbolic sine.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        1/sqrt(x² + 1); a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.asinh(ac.tensor([0.0, 1.0]))
    Tensor([0.       , 0.8813736], dtype=float32)
    """
    return _asinh(x)


def acosh(x: TensorLike, /) -> Tensor:
    """Inverse hyperbolic cosine, not negative.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; NaN below 1.

    Gradient
        1/sqrt(x² - 1), ∞ at 1; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.acosh(ac.tensor([1.0, 2.0]))
    Tensor([0.      , 1.316958], dtype=float32)
    """
    return _acosh(x)


def atanh(x: TensorLike, /) -> Tensor:
    """Inverse hyperbolic tangent.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; ±∞ at ±1, NaN beyond.

    Gradient
        1/(1 - x²), ∞ at ±1; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.atanh(ac.tensor([0.0, 0.5]))
    Tensor([0.        , 0.54930615], dtype=float32)
    """
    return _atanh(x)
