"""The gamma function, the logarithms of it and of the beta function, and their derivatives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..checks import checked_int, shown
from ..ops import arithmetic as _ar
from ..ops._elementwise import elementwise
from ..ops._slopes import slope_kernel
from ..ops.broadcasting import sum_to
from ..primitive import Primitive

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["betaln", "digamma", "gamma", "gammaln", "polygamma"]

_gamma = Primitive("gamma", saves=(0,))
_gamma.defvjp(lambda g, ans, x: _gamma_vjp(g, x))
_gamma_vjp: Primitive = slope_kernel("gamma_vjp", lambda h, x: _ar.strong_mul(h, _gamma_curve(x)))


def _gamma_curve(x: Tensor) -> Tensor:
    """Γ''(x) = Γ(x) (ψ(x)² + ψ'(x))."""
    slope = _polygamma(x, 0)
    return _ar.multiply(_gamma(x), _ar.add(_ar.multiply(slope, slope), _polygamma(x, 1)))


_gammaln = Primitive("gammaln", saves=(0,))
_gammaln.defvjp(lambda g, ans, x: _ar.strong_mul(g, _polygamma(x, 0)))

_polygamma: Primitive = Primitive("polygamma", saves=(0,))
_polygamma.defvjp(lambda g, ans, x, n: _ar.strong_mul(g, _polygamma(x, n + 1)))

_betaln = Primitive("betaln", saves=(0, 1))
_betaln.defvjp(
    lambda g, ans, a, b: sum_to(_ar.strong_mul(g, _betaln_slope(a, b)), a.shape),
    lambda g, ans, a, b: sum_to(_ar.strong_mul(g, _betaln_slope(b, a)), b.shape),
)
_betaln_slope: Primitive = Primitive("betaln_slope", saves=(0, 1))  # digamma(a) - digamma(a + b)
_betaln_slope.defvjp(
    lambda g, ans, a, b: sum_to(
        _ar.strong_mul(g, _ar.subtract(_polygamma(a, 1), _polygamma(_ar.add(a, b), 1))), a.shape
    ),
    lambda g, ans, a, b: sum_to(_ar.negative(_ar.strong_mul(g, _polygamma(_ar.add(a, b), 1))), b.shape),
)

elementwise(_gamma, _gammaln, _polygamma, _betaln, _betaln_slope)


def gamma(x: TensorLike, /) -> Tensor:
    """The gamma function: ``y = Γ(x)``, which is ``(x - 1)!`` of positive integers.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of x; ±∞ at ±0, NaN at the negative integers. Infinite from 171.7 on in float64, from
        35.1 in float32: :func:`gammaln` is not.

    Gradient
        ``Γ(x) ψ(x)``, with ψ of :func:`digamma`.

    Accuracy
        Within 2 ULP for x > 0, and 6 ULP for x < 0.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.gamma(ac.tensor([1.0, 5.0, 0.5]))
    Tensor([ 1.       , 24.       ,  1.7724539], dtype=float32)
    """
    return _gamma(x)


def gammaln(x: TensorLike, /) -> Tensor:
    """Logarithm of the absolute value of the gamma function: ``y = log |Γ(x)|``.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of x; infinite at 0 and the negative integers.

    Gradient
        ``digamma(x)``, at every order exact.

    Accuracy
        Within 2 ULP for x > 0, its zeros at 1 and 2 included. For x < 0 within 4 ULP of the largest of the three
        logarithms that are added up.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.gammaln(ac.tensor([1.0, 5.0, 0.5]))
    Tensor([0.       , 3.1780539, 0.5723649], dtype=float32)
    """
    return _gammaln(x)


def digamma(x: TensorLike, /) -> Tensor:
    """Derivative of the logarithm of the gamma function: ``y = Γ'(x)/Γ(x)``.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of x; ∓∞ at ±0, NaN at the negative integers.

    Gradient
        ``polygamma(1, x)``.

    Accuracy
        Within 2 ULP for x > 0, its zero included. For x < 0 within 4 ULP of the larger of ψ(-x) and π/tan(πx).

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.digamma(ac.tensor([1.0, 10.0]))
    Tensor([-0.5772157,  2.2517526], dtype=float32)
    """
    return _polygamma(x, 0)


def polygamma(n: int, x: TensorLike, /) -> Tensor:
    """The n-th derivative of :func:`digamma`; ``polygamma(1, x)`` is the trigamma function.

    Parameters
    ----------
    n : int
        Not negative; 0 is ``digamma`` itself.
    x : Tensor
        Any shape, floating; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of x.

    Gradient
        ``polygamma(n + 1, x)``.

    Accuracy
        Within 4 ULP for x > 0 and n up to 10, and about n ULP beyond.

    Raises
    ------
    ValueError
        If n is negative.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.polygamma(1, ac.tensor([1.0, 2.0]))
    Tensor([1.6449341 , 0.64493406], dtype=float32)
    """
    order = checked_int("polygamma", "n", n)
    if not 0 <= order < 1 << 16:
        raise ValueError(f"polygamma: n must be from 0 to 65535; got {shown(n)}")
    return _polygamma(x, order)


def betaln(a: TensorLike, b: TensorLike, /) -> Tensor:
    """Logarithm of the beta function: ``y = log |Γ(a) Γ(b)/Γ(a + b)|``.

    Parameters
    ----------
    a, b : Tensor
        Floating, of shapes that broadcast; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Gradient
        ``digamma(a) - digamma(a + b)`` by a, without the loss of a difference.

    Accuracy
        Within 4 ULP of the larger of 1 and ``|y|``, for a, b > 0, however far apart they are.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.betaln(ac.tensor([1.0, 2.0]), 3.0)
    Tensor([-1.0986123, -2.4849067], dtype=float32)
    """
    return _betaln(a, b)
