"""The logistic function, its integral, and what is made of them. Stable everywhere, as in ``activation``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..primitive import Primitive
from . import arithmetic as _ar
from . import trigonometric as _trigonometric
from ._elementwise import elementwise
from ._slopes import slope_kernel

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["log_sigmoid", "sigmoid", "silu", "softplus"]

_sigmoid = Primitive("sigmoid", saves=(0,))
_sigmoid.defvjp(lambda g, ans, x: sigmoid_vjp(g, x))
sigmoid_vjp: Primitive = slope_kernel(
    "sigmoid_vjp", lambda h, x: _ar.negative(_ar.multiply(sigmoid_vjp(h, x), tanh_half(x))), rounded=True
)

_softplus = Primitive("softplus", saves=(0,))
_softplus.defvjp(lambda g, ans, x: softplus_vjp(g, x))
softplus_vjp: Primitive = slope_kernel("softplus_vjp", lambda h, x: sigmoid_vjp(h, x), rounded=True)
_log_sigmoid = Primitive("log_sigmoid", saves=(0,))
_log_sigmoid.defvjp(lambda g, ans, x: softplus_vjp(g, _ar.negative(x)))

_silu = Primitive("silu", saves=(0,))
_silu.defvjp(lambda g, ans, x: silu_vjp(g, x))
# silu'' = sigmoid'(x) (2 - x tanh(x/2))
silu_vjp: Primitive = slope_kernel(
    "silu_vjp",
    lambda h, x: _ar.strong_mul(sigmoid_vjp(h, x), _ar.subtract(2.0, _ar.multiply(x, tanh_half(x)))),
    rounded=True,
)

elementwise(_sigmoid, _softplus, _log_sigmoid, _silu)


def tanh_half(x: Tensor) -> Tensor:
    return _trigonometric.tanh(_ar.multiply(x, 0.5))


def sigmoid(x: TensorLike, /) -> Tensor:
    """Logistic function: 1/(1 + exp(-x)).

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        sigmoid(x) sigmoid(-x), taken from x, so that the tails keep their digits; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Source: notes, sections 4.3.1 and 5.4, with erratum E-33: however steep, ``sigmoid(a x)`` is 1/2 at 0.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.sigmoid(ac.tensor([0.0, -88.0]))
    Tensor([5.000000e-01, 6.054601e-39], dtype=float32)
    """
    return _sigmoid(x)


def log_sigmoid(x: TensorLike, /) -> Tensor:
    """Logarithm of the logistic function: -log(1 + exp(-x)).

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        sigmoid(-x); a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.log_sigmoid(ac.tensor([0.0, -1e30]))
    Tensor([-6.931472e-01, -1.000000e+30], dtype=float32)
    """
    return _log_sigmoid(x)


def softplus(x: TensorLike, /) -> Tensor:
    """Smooth rectified linear unit: log(1 + exp(x)), without a threshold.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        sigmoid(x); a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Source: notes, section 5.4.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.softplus(ac.tensor([0.0, 1000.0]))
    Tensor([6.931472e-01, 1.000000e+03], dtype=float32)
    """
    return _softplus(x)


def silu(x: TensorLike, /) -> Tensor:
    """Sigmoid linear unit (swish): x sigmoid(x).

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape; 0 at -∞.

    Gradient
        sigmoid(x) (1 + x sigmoid(-x)), 0 at -∞; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP; the gradient within 2 ULP or, where it crosses 0 near x = -1.278, 2^-53 absolute in float64.

    Source: Elfwing et al. 2018.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.silu(ac.tensor([0.0, 1.0]))
    Tensor([0.       , 0.7310586], dtype=float32)
    """
    return _silu(x)
