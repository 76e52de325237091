"""Exponentials, logarithms and the error function.."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..primitive import Primitive
from . import arithmetic as _ar
from ._elementwise import elementwise
from ._slopes import slope_kernel
from .broadcasting import sum_to
from .logistic import sigmoid_vjp

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = [
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "xlogy",
]

_exp = Primitive("exp", saves=("ans",))
_exp.defvjp(lambda g, ans, x: _ar.strong_mul(g, ans))

_expm1 = Primitive("expm1", saves=(0,))
_expm1.defvjp(lambda g, ans, x: _ar.strong_mul(g, exp(x)))  # not ans + 1, which is 0 far left

_exp2 = Primitive("exp2", saves=(0,))
_exp2.defvjp(lambda g, ans, x: exp2_vjp(g, x))
exp2_vjp: Primitive = slope_kernel("exp2_vjp", lambda h, x: _ar.multiply(exp2_vjp(h, x), math.log(2.0)))

_log = Primitive("log", saves=(0,))
_log.defvjp(lambda g, ans, x: _ar.strong_div(g, x))

_log1p = Primitive("log1p", saves=(0,))
_log1p.defvjp(lambda g, ans, x: _ar.strong_div(g, _ar.add(x, 1.0)))

_log2 = Primitive("log2", saves=(0,))
_log2.defvjp(lambda g, ans, x: log2_vjp(g, x))
log2_vjp: Primitive = slope_kernel("log2_vjp", lambda h, x: _ar.negative(_ar.strong_div(log2_vjp(h, x), x)))

_log10 = Primitive("log10", saves=(0,))
_log10.defvjp(lambda g, ans, x: log10_vjp(g, x))
log10_vjp: Primitive = slope_kernel("log10_vjp", lambda h, x: _ar.negative(_ar.strong_div(log10_vjp(h, x), x)))

_logaddexp = Primitive("logaddexp", saves=(0, 1))
_logaddexp.defvjp(
    lambda g, ans, x, y: sum_to(_logaddexp_vjp(g, x, y), x.shape),
    lambda g, ans, x, y: sum_to(_logaddexp_vjp(g, y, x), y.shape),
)
_logaddexp_vjp: Primitive = Primitive("logaddexp_vjp", saves=(0, 1, 2))  # g sigmoid(x - y)
_logaddexp_vjp.defvjp(
    lambda c, ans, g, x, y: sum_to(_logaddexp_vjp(c, x, y), g.shape),
    lambda c, ans, g, x, y: sum_to(sigmoid_vjp(_ar.strong_mul(c, g), _ar.subtract(x, y)), x.shape),
    lambda c, ans, g, x, y: sum_to(_ar.negative(sigmoid_vjp(_ar.strong_mul(c, g), _ar.subtract(x, y))), y.shape),
)

_xlogy = Primitive("xlogy", saves=(0, 1))
_xlogy.defvjp(
    lambda g, ans, x, y: sum_to(_ar.strong_mul(g, log(y)), x.shape),
    lambda g, ans, x, y: sum_to(_ar.strong_div(_ar.strong_mul(g, x), y), y.shape),
)

elementwise(_exp, _expm1, _exp2, _log, _log1p, _log2, _log10, _logaddexp, _logaddexp_vjp, _xlogy)


def exp(x: TensorLike, /) -> Tensor:
    """Exponential function, e to the power x.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        exp(x); a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.exp(ac.tensor([0.0, 1.0]))
    Tensor([1.       , 2.7182817], dtype=float32)
    """
    return _exp(x)


def expm1(x: TensorLike, /) -> Tensor:
    """exp(x) - 1, accurate near 0.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        exp(x); a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.expm1(ac.tensor([0.0, 1e-6]))
    Tensor([0.0000000e+00, 1.0000005e-06], dtype=float32)
    """
    return _expm1(x)


def exp2(x: TensorLike, /) -> Tensor:
    """Two to the power x.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        2^x log 2; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.exp2(ac.tensor([-1.0, 10.0]))
    Tensor([5.000e-01, 1.024e+03], dtype=float32)
    """
    return _exp2(x)


def log(x: TensorLike, /) -> Tensor:
    """Natural logarithm.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; -∞ at 0, NaN below.

    Gradient
        1/x, ∞ at 0; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.log(ac.tensor([1.0, 10.0]))
    Tensor([0.       , 2.3025851], dtype=float32)
    """
    return _log(x)


def log1p(x: TensorLike, /) -> Tensor:
    """log(1 + x), accurate near 0.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; -∞ at -1, NaN below.

    Gradient
        1/(1 + x); a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.log1p(ac.tensor([0.0, 1e-6]))
    Tensor([0.000000e+00, 9.999995e-07], dtype=float32)
    """
    return _log1p(x)


def log2(x: TensorLike, /) -> Tensor:
    """Logarithm to base 2.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; -∞ at 0, NaN below.

    Gradient
        1/(x log 2); a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.log2(ac.tensor([0.5, 1024.0]))
    Tensor([-1., 10.], dtype=float32)
    """
    return _log2(x)


def log10(x: TensorLike, /) -> Tensor:
    """Logarithm to base 10.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; -∞ at 0, NaN below.

    Gradient
        1/(x log 10); a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.log10(ac.tensor([0.1, 1000.0]))
    Tensor([-1.,  3.], dtype=float32)
    """
    return _log10(x)


def logaddexp(x: TensorLike, y: TensorLike, /) -> Tensor:
    """log(exp(x) + exp(y)), without overflow.

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the broadcast shape.

    Gradient
        sigmoid(x - y) by x, sigmoid(y - x) by y. Equal infinities: ½ each at +∞, 0 at -∞.

    Accuracy
        Within 2 ULP of the larger of the result and of max(x, y) (they cancel where the result is near 0); the
        gradient within 2 ULP.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.logaddexp(ac.tensor([0.0, 1000.0]), 0.0)
    Tensor([6.931472e-01, 1.000000e+03], dtype=float32)
    """
    return _logaddexp(x, y)


def xlogy(x: TensorLike, y: TensorLike, /) -> Tensor:
    """x log y, and 0 where x is 0 (unless y is NaN).

    Parameters
    ----------
    x, y : Tensor
        Any dtype, of shapes that broadcast; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the broadcast shape.

    Gradient
        log y by x; x/y by y, which is 0 where x is 0.

    Accuracy
        Within 2 ULP, the gradient too.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.xlogy(ac.tensor([0.0, 2.0]), ac.tensor([0.0, 1.0]))
    Tensor([0., 0.], dtype=float32)
    """
    return _xlogy(x, y)


# -- error function ---------------------------------------------------------------------------------------------------

_erf = Primitive("erf", saves=(0,))
_erf.defvjp(lambda g, ans, x: erf_vjp(g, x))
erf_vjp: Primitive = slope_kernel(
    "erf_vjp", lambda h, x: _ar.strong_mul(erf_vjp(h, x), _ar.multiply(x, -2.0)), rounded=True
)

_erfc = Primitive("erfc", saves=(0,))
_erfc.defvjp(lambda g, ans, x: _ar.negative(erf_vjp(g, x)))

elementwise(_erf, _erfc)


def erf(x: TensorLike, /) -> Tensor:
    """Error function, 2/sqrt(π) times the integral of exp(-t²) from 0 to x.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        2/sqrt(π) exp(-x²); a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.erf(ac.tensor([0.0, 1.0]))
    Tensor([0.       , 0.8427008], dtype=float32)
    """
    return _erf(x)


def erfc(x: TensorLike, /) -> Tensor:
    """Complementary error function, 1 - erf(x), accurate in the right tail.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        -2/sqrt(π) exp(-x²); a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.erfc(ac.tensor([0.0, 5.0]))
    Tensor([1.0000000e+00, 1.5374598e-12], dtype=float32)
    """
    return _erfc(x)
