"""Modified Bessel functions of the first kind, scaled by ``exp(-|x|)`` so that they do not overflow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..ops import arithmetic as _ar
from ..ops import comparison as _comparison
from ..ops import selection as _selection
from ..ops._elementwise import elementwise
from ..ops._slopes import slope_kernel
from ..ops.exponential import exp
from ..ops.powers import pow, square
from ..primitive import Primitive
from ..tensors import asarray

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["i0e", "i1e"]


def _ratio(x: Tensor) -> Tensor:
    """i1e(x)/x; ½ where x is so small that i1e has not all its digits."""
    small = _comparison.less(_selection.abs(x), 1e-30)
    return _selection.where(small, 0.5, _ar.divide(_i1e(x), _selection.where(small, 1.0, x)))


#: Of I₂(x) = x²/8 Σ (x²/4)ᵏ 2/(k! (k + 2)!); enough of them for |x| < ½.
_SERIES = tuple(2.0 / (math.factorial(k) * math.factorial(k + 2)) for k in range(7))


def _second_order(x: Tensor, ratio: Tensor) -> Tensor:
    """exp(-|x|) I₂(x)/|x|, which as (i0e - 2 i1e/x)/|x| loses all its digits near 0."""
    size = _selection.abs(x)
    small = _comparison.less(size, 0.5)
    z = _ar.multiply(square(_selection.where(small, x, 0.0)), 0.25)
    series: Tensor = asarray(_SERIES[-1], dtype=x.dtype)
    for c in reversed(_SERIES[:-1]):
        series = _ar.add(_ar.multiply(series, z), c)
    near = _ar.multiply(_ar.multiply(exp(_ar.negative(size)), _ar.multiply(size, 0.125)), series)
    far = _ar.divide(_ar.subtract(_i0e(x), _ar.multiply(ratio, 2.0)), _selection.where(small, 1.0, size))
    return _selection.where(small, near, far)


_FAR = 40.0


def _far_series(order: int) -> tuple[float, ...]:
    """The factors of 1/xᵏ in the second derivative of √(2π) exp(-x) I(x), divided by x^(-5/2); for x > 40 enough.

    Source: Abramowitz, Stegun, "Handbook of mathematical functions", 1964, 9.7.1.
    """
    factors, a = [], 1.0
    for k in range(17):
        factors.append(a * (k + 0.5) * (k + 1.5))
        a *= -(4.0 * order * order - (2 * k + 1) ** 2) / (8.0 * (k + 1))
    return tuple(factors)


_FAR_SERIES = _far_series(0), _far_series(1)


def _second(near: Tensor, x: Tensor, order: int) -> Tensor:
    """The second derivative by x > 0; as a sum of larger ones, ``near``, it loses x² units of roundoff far out."""
    size = _selection.abs(x)
    far = _comparison.greater(size, _FAR)
    z = _ar.divide(1.0, _selection.where(far, size, _FAR))
    series: Tensor = asarray(_FAR_SERIES[order][-1], dtype=x.dtype)
    for c in reversed(_FAR_SERIES[order][:-1]):
        series = _ar.add(_ar.multiply(series, z), c)
    return _selection.where(far, _ar.multiply(_ar.multiply(pow(z, 2.5), 1.0 / math.sqrt(2.0 * math.pi)), series), near)


def _second_0(h: Tensor, x: Tensor) -> Tensor:
    """Of i0e by x: -2 s i0e' - i1e/x with the sign s of x."""
    bend = _ar.multiply(_ar.multiply(_selection.sign(x), 2.0), _i0e_vjp(1.0, x))
    return _ar.multiply(h, _second(_ar.negative(_ar.add(bend, _ratio(x))), x, 0))


def _second_1(h: Tensor, x: Tensor) -> Tensor:
    """Of i1e by x, s (2 s i0e' + 2 i1e/x - i2e/|x|); an odd function, 0 at 0."""
    ratio, s = _ratio(x), _selection.sign(x)
    curve = _ar.add(_ar.multiply(s, _i0e_vjp(1.0, x)), ratio)
    return _ar.multiply(h, _ar.multiply(s, _second(_ar.subtract(_ar.add(curve, curve), _second_order(x, ratio)), x, 1)))


_i0e = Primitive("i0e", saves=(0,))
_i0e.defvjp(lambda g, ans, x: _i0e_vjp(g, x))
_i0e_vjp: Primitive = slope_kernel("i0e_vjp", _second_0)
_i1e = Primitive("i1e", saves=(0,))
_i1e.defvjp(lambda g, ans, x: _i1e_vjp(g, x))
_i1e_vjp: Primitive = slope_kernel("i1e_vjp", _second_1)

elementwise(_i0e, _i1e)


def i0e(x: TensorLike, /) -> Tensor:
    """Modified Bessel function of order 0, scaled: ``y = exp(-|x|) I₀(x)``.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of x.

    Gradient
        ``i1e(x) - sign(x) i0e(x)``, without the loss of a difference; 0 at the kink 0, the subgradient of least norm.

    Accuracy
        Within 2 ULP, the slope within 3, the second derivative within 150.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.i0e(ac.tensor([0.0, 1.0, 100.0]))
    Tensor([1.        , 0.46575961, 0.03994438], dtype=float32)
    """
    return _i0e(x)


def i1e(x: TensorLike, /) -> Tensor:
    """Modified Bessel function of order 1, scaled: ``y = exp(-|x|) I₁(x)``.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of x.

    Gradient
        ``i0e(x) - i1e(x)/x - |i1e(x)|``; its own derivative jumps at 0, and is 0 there.

    Accuracy
        Within 3 ULP, the slope within 4 and the second derivative within 300 of its parts.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.i1e(ac.tensor([0.0, 1.0, 100.0]))
    Tensor([0.        , 0.20791042, 0.03974415], dtype=float32)
    """
    return _i1e(x)
