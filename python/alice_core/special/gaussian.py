"""Quantiles and the logarithm of the normal distribution, and of the logistic one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..ops import arithmetic as _ar
from ..ops._elementwise import elementwise
from ..ops._slopes import slope_kernel
from ..primitive import Primitive

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["erfinv", "log_ndtr", "logit", "ndtri"]

_erfinv = Primitive("erfinv", saves=(0,))
_erfinv.defvjp(lambda g, ans, x: _erfinv_vjp(g, x))
_erfinv_vjp: Primitive = slope_kernel(
    "erfinv_vjp", lambda h, x: _ar.multiply(_erfinv_vjp(_erfinv_vjp(h, x), x), _ar.multiply(_erfinv(x), 2.0))
)

_ndtri = Primitive("ndtri", saves=(0,))
_ndtri.defvjp(lambda g, ans, x: _ndtri_vjp(g, x))
_ndtri_vjp: Primitive = slope_kernel("ndtri_vjp", lambda h, x: _ar.multiply(_ndtri_vjp(_ndtri_vjp(h, x), x), _ndtri(x)))

_logit = Primitive("logit", saves=(0,))
_logit.defvjp(lambda g, ans, x: _logit_vjp(g, x))
_logit_vjp: Primitive = slope_kernel(
    "logit_vjp", lambda h, x: _ar.multiply(_logit_vjp(_logit_vjp(h, x), x), _ar.subtract(_ar.add(x, x), 1.0))
)

# φ/Φ is the slope; x + φ/Φ, by which it falls, loses all its digits as a sum.
_log_ndtr = Primitive("log_ndtr", saves=(0,))
_log_ndtr.defvjp(lambda g, ans, x: _log_ndtr_vjp(g, x))
_log_ndtr_vjp: Primitive = slope_kernel(
    "log_ndtr_vjp", lambda h, x: _ar.negative(_ar.strong_mul(_log_ndtr_vjp(h, x), _log_ndtr_excess(x)))
)
_log_ndtr_excess: Primitive = Primitive("log_ndtr_excess", saves=(0,))
_log_ndtr_excess.defvjp(lambda g, ans, x: _ar.strong_mul(g, _ar.subtract(1.0, _log_ndtr_vjp(_log_ndtr_excess(x), x))))

elementwise(_erfinv, _ndtri, _logit, _log_ndtr, _log_ndtr_excess)


def erfinv(x: TensorLike, /) -> Tensor:
    """Inverse of the error function: ``erf(y) = x``.

    Parameters
    ----------
    x : Tensor
        Any shape, floating, from -1 to 1; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of x; ±∞ at ±1, NaN beyond.

    Gradient
        ``√π/2 exp(y²)``.

    Accuracy
        Within 2 ULP, the slope within 4.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.erfinv(ac.tensor([-0.5, 0.0, 0.9]))
    Tensor([-0.47693628,  0.        ,  1.1630871 ], dtype=float32)
    """
    return _erfinv(x)


def ndtri(p: TensorLike, /) -> Tensor:
    """Quantiles of the standard normal distribution: ``Φ(y) = p``.

    Parameters
    ----------
    p : Tensor
        Any shape, floating, from 0 to 1; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of p; ∓∞ at 0 and 1, NaN beyond.

    Gradient
        ``√(2π) exp(y²/2)``.

    Accuracy
        Within 2 ULP, tails of subnormal p included; the slope within 4.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.ndtri(ac.tensor([0.025, 0.5, 0.975]))
    Tensor([-1.959964,  0.      ,  1.959964], dtype=float32)
    """
    return _ndtri(p)


def log_ndtr(x: TensorLike, /) -> Tensor:
    """Logarithm of the distribution function of the standard normal distribution: ``y = log Φ(x)``.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of x.

    Gradient
        ``φ(x)/Φ(x)``.

    Accuracy
        Within 2 ULP in both tails, the slope within 3; the second derivative within 4 left of -25, and within
        ``2 + 2x²`` elsewhere.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.log_ndtr(ac.tensor([-20.0, 0.0, 3.0]))
    Tensor([-2.0391716e+02, -6.9314718e-01, -1.3508099e-03], dtype=float32)
    """
    return _log_ndtr(x)


def logit(p: TensorLike, /) -> Tensor:
    """Inverse of the logistic function: ``y = log(p/(1 - p))``.

    Parameters
    ----------
    p : Tensor
        Any shape, floating, from 0 to 1; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of p; ∓∞ at 0 and 1, NaN beyond.

    Gradient
        ``1/(p (1 - p))``.

    Accuracy
        Within 3 ULP, the zero at ½ included.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.logit(ac.tensor([0.1, 0.5, 0.9]))
    Tensor([-2.1972246,  0.       ,  2.1972244], dtype=float32)
    """
    return _logit(p)
