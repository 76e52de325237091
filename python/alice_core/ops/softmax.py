"""Softmax, its logarithm, and the logarithm of a sum of exponentials: finite wherever the result is.

All three subtract the maximum first. Of infinite items the largest share evenly, as the limit has it; nothing but
-inf is 0/0 for the softmax and -inf, without a slope, for logsumexp.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..checks import checked_positive
from ..primitive import Primitive
from . import arithmetic as _arithmetic
from . import creation as _creation
from . import exponential as _exponential
from . import reduction as _reduction
from . import selection as _selection
from . import views as _views
from ._reducing import along_axis, along_last, as_one, in_rows, over_axes

if TYPE_CHECKING:
    from ..tensors import Axis, Tensor, TensorLike

__all__ = ["log_softmax", "logsumexp", "softmax"]


def _dot(x: Tensor, y: Tensor, axis: int) -> Tensor:
    return _reduction.sum(_arithmetic.multiply(x, y), axis, keepdims=True)


# -- softmax: dx = y (g - Σ g y) ---------------------------------------------------------------------------------------


def _softmax_vjp_by_y(h: Tensor, ans: Tensor, g: Tensor, y: Tensor, axis: int) -> Tensor:
    centred = _arithmetic.subtract(g, _dot(g, y, axis))
    return _arithmetic.subtract(_arithmetic.multiply(h, centred), _arithmetic.multiply(g, _dot(h, y, axis)))


def _softmax_vjp_along_y(t: Tensor, ans: Tensor, g: Tensor, y: Tensor, axis: int) -> Tensor:
    centred = _arithmetic.subtract(g, _dot(g, y, axis))
    return _arithmetic.subtract(_arithmetic.multiply(t, centred), _arithmetic.multiply(y, _dot(t, g, axis)))


_softmax = Primitive("softmax", saves=("ans",))
_softmax.defvjp(lambda g, ans, x, axis: softmax_vjp(g, ans, axis))
_softmax.defjvp(lambda t, ans, x, axis: softmax_vjp(t, ans, axis))  # a symmetric Jacobian
softmax_vjp: Primitive = Primitive("softmax_vjp", saves=(0, 1))
softmax_vjp.defvjp(lambda h, ans, g, y, axis: softmax_vjp(h, y, axis), _softmax_vjp_by_y)
softmax_vjp.defjvp(lambda t, ans, g, y, axis: softmax_vjp(t, y, axis), _softmax_vjp_along_y)
along_axis(_softmax, softmax_vjp)


def softmax(
    x: TensorLike, /, axis: Axis = -1, temperature: TensorLike = 1.0, *, mask: TensorLike | None = None
) -> Tensor:
    """Softmax along an axis: ``y_i = exp(x_i/T) / Σ_j exp(x_j/T)``, a point of the probability simplex.

    Parameters
    ----------
    x : Tensor
        At least 1-d, floating; integers become the default dtype.
    axis : int, tuple of int or None
        The axis along which the result sums to 1, or axes, or (None) all.
    temperature : float or Tensor
        T > 0, broadcast against x. Large: uniform; small: the largest item takes all.
    mask : Tensor of bool, optional
        Where False, items take no part: their result is 0, also where nothing else is left.

    Returns
    -------
    Tensor
        Of the shape and dtype of x. NaN where x is nothing but -inf.

    Gradient
        ``y_i (g_i - Σ_j g_j y_j)``, and by the temperature.

    Accuracy
        ``(2 + |x_i - max|)`` ULP; no overflow.

    Raises
    ------
    ShapeError
        If the axis is out of range.
    ValueError
        If the temperature is not positive.

    Source: notes, section 4.2.1, with errata E-21 and E-22.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.softmax(ac.tensor([1.0, 2.0, 3.0]))
    Tensor([0.09003057, 0.24472848, 0.66524094], dtype=float32)
    """
    if not (type(temperature) is float and temperature == 1.0):
        x = _arithmetic.divide(x, checked_positive("softmax", "temperature", temperature))
    if mask is None:
        return _softmax(x, axis) if type(axis) is int else as_one(_softmax, x, axis)
    return _selection.where(mask, as_one(_softmax, _selection.where(mask, x, -math.inf), axis), 0.0)


# -- log_softmax: dx = g - exp(y) Σ g ----------------------------------------------------------------------------------


def _centred(t: Tensor, y: Tensor, axis: int) -> Tensor:
    return _arithmetic.subtract(t, _dot(t, _exponential.exp(y), axis))


def _log_softmax_vjp_by_y(h: Tensor, ans: Tensor, g: Tensor, y: Tensor, axis: int) -> Tensor:
    flow = _arithmetic.multiply(h, _reduction.sum(g, axis, keepdims=True))
    return _arithmetic.negative(_arithmetic.strong_mul(flow, _exponential.exp(y)))


_log_softmax = Primitive("log_softmax", saves=("ans",))
_log_softmax.defvjp(lambda g, ans, x, axis: log_softmax_vjp(g, ans, axis))
_log_softmax.defjvp(lambda t, ans, x, axis: _centred(t, ans, axis))
log_softmax_vjp: Primitive = Primitive("log_softmax_vjp", saves=(0, 1))
log_softmax_vjp.defvjp(lambda h, ans, g, y, axis: _centred(h, y, axis), _log_softmax_vjp_by_y)
log_softmax_vjp.defjvp(lambda t, ans, g, y, axis: log_softmax_vjp(t, y, axis), _log_softmax_vjp_by_y)
along_axis(_log_softmax, log_softmax_vjp)


def log_softmax(x: TensorLike, /, axis: Axis = -1) -> Tensor:
    """Logarithm of the softmax along an axis: ``y_i = x_i - log Σ_j exp(x_j)``.

    Parameters
    ----------
    x : Tensor
        At least 1-d, floating; integers become the default dtype.
    axis : int, tuple of int or None
        The axis along which ``exp(y)`` sums to 1, or axes, or (None) all.

    Returns
    -------
    Tensor
        Of the shape and dtype of x. NaN where x is nothing but -inf.

    Gradient
        ``g_i - exp(y_i) Σ_j g_j``.

    Accuracy
        1 ULP of ``|x_i - max|`` and 1 ULP of the logarithm; no overflow.

    Raises
    ------
    ShapeError
        If the axis is out of range.

    Source: notes, section 4.3.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.log_softmax(ac.tensor([1000.0, 0.0]))
    Tensor([    0., -1000.], dtype=float32)
    """
    return _log_softmax(x, axis) if type(axis) is int else as_one(_log_softmax, x, axis)


# -- logsumexp: dx = g softmax(x) --------------------------------------------------------------------------------------


def _logsumexp_jvp(t: Tensor, ans: Tensor, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    share = in_rows(logsumexp_vjp, _creation.ones(ans.shape, ans.dtype), x, axis)
    return _reduction.sum(_arithmetic.strong_mul(t, share), axis, keepdims=keepdims)


def _logsumexp_vjp_by_g(h: Tensor, ans: Tensor, g: Tensor, x: Tensor) -> Tensor:
    share = logsumexp_vjp(_creation.ones_like(g), x)
    return _reduction.sum(_arithmetic.multiply(h, share), axis=-1)


def _logsumexp_vjp_by_x(h: Tensor, ans: Tensor, g: Tensor, x: Tensor) -> Tensor:
    share = logsumexp_vjp(_creation.ones_like(g), x)
    return softmax_vjp(_arithmetic.multiply(h, _views.expand_dims(g, -1)), share, -1)


_logsumexp = Primitive("logsumexp", saves=(0,))
_logsumexp.defvjp(lambda g, ans, x, axis, keepdims: in_rows(logsumexp_vjp, g, x, axis))
_logsumexp.defjvp(_logsumexp_jvp)
over_axes(_logsumexp)
logsumexp_vjp: Primitive = Primitive("logsumexp_vjp", saves=(0, 1))
logsumexp_vjp.defvjp(_logsumexp_vjp_by_g, _logsumexp_vjp_by_x)
logsumexp_vjp.defjvp(lambda t, ans, g, x: logsumexp_vjp(t, x), _logsumexp_vjp_by_x)  # symmetric by x
along_last(logsumexp_vjp)


def logsumexp(x: TensorLike, /, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Logarithm of the sum of exponentials over axes: ``y = log Σ_i exp(x_i)``; -inf of no items.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.
    axis : int, tuple of int or None
        What to sum over; None for everything.
    keepdims : bool
        Whether the reduced axes stay, of size 1.

    Returns
    -------
    Tensor
        Of the dtype of x.

    Gradient
        ``softmax(x)``; 0 where x is nothing but -inf.

    Accuracy
        2 ULP of the larger of the maximum and the logarithm; no overflow.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.

    Source: notes, section 4.3.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.logsumexp(ac.tensor([1000.0, 1000.0]))
    Tensor(1000.6932, dtype=float32)
    """
    return _logsumexp(x, axis, keepdims)
