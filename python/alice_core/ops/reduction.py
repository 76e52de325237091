"""Reductions: many items become one, along any axes.

``axis`` is an int, a tuple of ints, or None for all axes; negative axes count from the end. With ``keepdims`` the
reduced axes stay, of size 1. float32 is accumulated in float64, float64 with the rounding errors carried along, in
an order that depends on shape and axes alone: the same bits for any number of threads and any memory layout.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .._dtypes import checked_dtype
from ..checks import checked_number, known_values, shown
from ..errors import DTypeError, ShapeError
from ..primitive import Primitive
from ..tensors import asarray
from . import arithmetic as _arithmetic
from . import broadcasting as _broadcasting
from . import creation as _creation
from . import identity as _identity
from . import powers as _powers
from . import selection as _selection
from . import views as _views
from ._arguments import _axes
from ._choosing import chosen, mask_of, started
from ._moving import linear
from ._reducing import along_axis, along_last, broadcast_reduced, count, in_rows, over_axes

if TYPE_CHECKING:
    from ..tensors import Axis, DTypeLike, Tensor, TensorLike

__all__ = [
    "average",
    "cumsum",
    "mean",
    "norm",
    "prod",
    "std",
    "sum",
    "var",
    "vector_norm",
]


# -- sums ----------------------------------------------------------------------------------------------------------

_sum = Primitive("sum", saves=())
_sum.defvjp(lambda g, ans, x, axis, keepdims: broadcast_reduced(g, x.shape, axis, keepdims))

_mean = Primitive("mean", saves=())
_mean.defvjp(
    lambda g, ans, x, axis, keepdims: broadcast_reduced(
        _arithmetic.divide(g, count(x.shape, axis)), x.shape, axis, keepdims
    )
)
linear(_sum, _mean)
over_axes(_sum, _mean)


def sum(
    x: TensorLike,
    /,
    axis: Axis = None,
    dtype: DTypeLike | None = None,
    keepdims: bool = False,
    *,
    initial: TensorLike | None = None,
    where: TensorLike | None = None,
) -> Tensor:
    """Sum over axes: ``y = Σ x_i``; 0 of no items.

    Parameters
    ----------
    x : Tensor
        Any shape, any dtype.
    axis : int, tuple of int or None
        What to sum over; None for everything.
    dtype : dtype, optional
        To which x is cast first, and of the result.
    keepdims : bool
        Whether the reduced axes stay, of size 1.
    initial : number or 0-d Tensor, optional
        What is added to every result. Differentiable.
    where : Tensor, optional
        bool, of a shape that broadcasts to that of x: the items that count.

    Returns
    -------
    Tensor
        Of the dtype of x; bool and integers give int64, unsigned ones uint64, which wrap around.

    Gradient
        1 for every item that counts.

    Accuracy
        Below 0.51 ULP in float32, at most 1.5 ULP in float64, for items of one sign and any number of them.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.

    Source: notes, section 2.1.1; Neumaier 1974 (compensated summation).

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.sum(ac.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    Tensor([4., 6.], dtype=float32)
    """
    if dtype is not None:
        x = _selection.astype(x, checked_dtype("sum", dtype))
    y = started("sum", _sum(chosen("sum", x, where, 0), axis, keepdims), initial, _arithmetic.add)
    return y if dtype is None else _selection.astype(y, dtype)  # of integers it is a wider one


def mean(x: TensorLike, /, axis: Axis = None, keepdims: bool = False, *, where: TensorLike | None = None) -> Tensor:
    """Mean over axes: ``y = Σ x_i / n``; NaN of no items.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.
    axis, keepdims, where
        As of :func:`sum`; n is how many items count.

    Returns
    -------
    Tensor
        Of the dtype of x.

    Gradient
        ``1/n`` for every item that counts.

    Accuracy
        As :func:`sum`. Finite wherever the mean is: the sum cannot overflow. The mean of equal numbers is that number.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.

    Source: notes, section 3.2.1.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.mean(ac.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1)
    Tensor([1.5, 3.5], dtype=float32)
    """
    if where is None:
        return _mean(x, axis, keepdims)
    total, n = _totals("mean", asarray(x), axis, keepdims, where)
    return _arithmetic.divide(total, n)


def _totals(op: str, x: Tensor, axis: Axis, keepdims: bool, where: TensorLike) -> tuple[Tensor, Tensor]:
    """The sum of the items that count, and how many they are."""
    mask = mask_of(op, where, x.shape)
    total, n = sum(x, axis, keepdims=keepdims, where=mask), _sum(mask, axis, keepdims)
    return total, _selection.astype(n, total.dtype) if total.dtype.kind == "u" else n


def average(x: TensorLike, /, axis: Axis = None, weights: TensorLike | None = None, keepdims: bool = False) -> Tensor:
    """Weighted mean over axes: ``y = Σ w_i x_i / Σ w_i``; without weights :func:`mean`.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.
    axis, keepdims
        As of :func:`sum`.
    weights : Tensor, optional
        Of the shape of x, or of the axes that are reduced: one weight for each place along them.

    Returns
    -------
    Tensor
        Of the dtype that x and the weights have together. Compiled functions give NaN or infinities where the weights
        sum to 0.

    Gradient
        ``w_i / Σ w`` by x, ``(x_i - y) / Σ w`` by the weights.

    Accuracy
        A few ULP of ``Σ |w_i x_i| / |Σ w_i|``.

    Raises
    ------
    ShapeError
        If the weights have another shape, or an axis is out of range or named twice.
    ZeroDivisionError
        If weights whose values are known sum to 0, as NumPy does.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.average(ac.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=1, weights=[3.0, 1.0])
    Tensor([1.25, 3.25], dtype=float32)
    """
    if weights is None:
        return mean(x, axis, keepdims)
    x, w = asarray(x), asarray(weights)
    if w.shape != x.shape:
        w = _views.reshape(w, _along_axes("average", w, x.shape, axis))
    product = _arithmetic.multiply(x, w)
    total = sum(product, axis, keepdims=keepdims)
    if product.dtype.kind in "iu":
        w = _selection.astype(w, product.dtype)
    weight = sum(_broadcasting.broadcast_to(w, x.shape), axis, keepdims=keepdims)
    known = known_values(weight)
    if known is not None and not known.all():
        raise ZeroDivisionError(
            "average: weights must not sum to 0; give others, or take the sum that is not divided, ac.sum(weights * x)"
        )
    return _arithmetic.divide(total, weight)


def _along_axes(op: str, w: Tensor, shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """The shape that weights of the reduced axes have beside an array of the given shape."""
    axes = () if axis is None else _axes(op, axis, len(shape))
    if not axes or w.shape != tuple(shape[a] for a in axes) or list(axes) != sorted(axes):
        raise ShapeError(
            f"{op}: weights must have the shape of x, {shape}, or of the axes that are reduced in ascending order; "
            f"got shape {w.shape}, axis {axis}"
        )
    return tuple(n if i in axes else 1 for i, n in enumerate(shape))


# -- variance and norms: the gradient is a number times a direction, which has the shape of x ------------------------


def _directed(p: Primitive, direction: Callable[..., Tensor], factor: Callable[..., float] | None = None) -> None:
    """Set both rules: the gradient is a factor, if there is one, times ``direction(ans, x, axis, keepdims)``."""

    def scaled(g: Tensor, x: Tensor, axis: Axis, options: tuple[float, ...]) -> Tensor:
        return g if factor is None else _arithmetic.strong_mul(g, factor(x, axis, *options))

    def vjp(g: Tensor, ans: Tensor, x: Tensor, axis: Axis, keepdims: bool, *options: float) -> Tensor:
        g = scaled(g, x, axis, options)
        way = direction(ans, x, axis, keepdims)
        return _arithmetic.strong_mul(broadcast_reduced(g, x.shape, axis, keepdims), way)

    def jvp(t: Tensor, ans: Tensor, x: Tensor, axis: Axis, keepdims: bool, *options: float) -> Tensor:
        t = scaled(t, x, axis, options)
        return _against(t, direction(ans, x, axis, keepdims), axis, keepdims)

    p.defvjp(vjp)
    p.defjvp(jvp)


def _against(t: Tensor, direction: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    return sum(_arithmetic.strong_mul(t, direction), axis, keepdims=keepdims)


def _share(x: Tensor, axis: Axis, correction: float) -> float:
    n = count(x.shape, axis) - correction
    return 1.0 / n if n > 0 else math.inf


def _distance(ans: Tensor, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    distance = _arithmetic.subtract(x, mean(x, axis, keepdims=True))
    # Of one item 0 whatever it is: without derivatives, which meet infinite cotangents.
    return _identity.constant(distance) if count(x.shape, axis) == 1 else distance


def _unit(distance: Tensor, length: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    # Of constants 0/0, which strong_div settles as 0.
    return _arithmetic.strong_div(distance, broadcast_reduced(length, distance.shape, axis, keepdims))


_var = Primitive("var", saves=(0,))
_directed(_var, _distance, lambda x, axis, correction: 2.0 * _share(x, axis, correction))
_std = Primitive("std", saves=(0, "ans"))
_directed(_std, lambda ans, x, axis, keepdims: _unit(_distance(ans, x, axis, keepdims), ans, axis, keepdims), _share)
_norm = Primitive("norm", saves=(0, "ans"))
_directed(_norm, lambda ans, x, axis, keepdims: _unit(x, ans, axis, keepdims))
over_axes(_var, _std, _norm)


def var(
    x: TensorLike,
    /,
    axis: Axis = None,
    correction: float = 0.0,
    keepdims: bool = False,
    *,
    ddof: float | None = None,
    where: TensorLike | None = None,
) -> Tensor:
    """Variance over axes: ``y = Σ (x_i - mean)² / (n - correction)``.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.
    axis, keepdims
        As of :func:`sum`.
    correction : float
        0 for the variance of the numbers themselves, 1 for an unbiased estimate from a sample.
    ddof : float, optional
        NumPy's name of ``correction``; one of the two.
    where : Tensor, optional
        As of :func:`sum`; n is how many items count.

    Returns
    -------
    Tensor
        Of the dtype of x. NaN where ``n - correction`` is not positive and all distances are 0.

    Gradient
        ``2 (x_i - mean)/(n - correction)``.

    Accuracy
        Two passes: a few ULP whatever the mean. 0 of constants.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.var(ac.tensor([1.0, 2.0, 3.0, 4.0]))
    Tensor(1.25, dtype=float32)
    """
    correction = _correction("var", correction, ddof)
    if where is None:
        return _var(x, axis, keepdims, correction)
    distance, n = _deviations("var", asarray(x), axis, keepdims, where, correction)
    return _arithmetic.divide(sum(_powers.square(distance), axis, keepdims=keepdims), n)


def _correction(op: str, correction: float, ddof: float | None) -> float:
    if ddof is None:
        return correction
    if not (isinstance(correction, (int, float)) and correction == 0):
        raise DTypeError(
            f"{op}: ddof is another name of correction; got correction={shown(correction)} and ddof={shown(ddof)}; "
            "leave one out"
        )
    return ddof


def _deviations(
    op: str, x: Tensor, axis: Axis, keepdims: bool, where: TensorLike, correction: float
) -> tuple[Tensor, Tensor]:
    """The distances from the mean of the items that count, 0 elsewhere, and their number less the correction."""
    mask = mask_of(op, where, x.shape)
    less = checked_number(op, "correction", correction)
    distance = _arithmetic.subtract(x, mean(x, axis, keepdims=True, where=mask))
    n = _arithmetic.subtract(_selection.astype(_sum(mask, axis, keepdims), distance.dtype), less)
    return _selection.where(mask, distance, 0.0), _selection.maximum(n, 0.0)


def std(
    x: TensorLike,
    /,
    axis: Axis = None,
    correction: float = 0.0,
    keepdims: bool = False,
    *,
    ddof: float | None = None,
    where: TensorLike | None = None,
) -> Tensor:
    """Standard deviation over axes: the square root of :func:`var`.

    Parameters
    ----------
    x, axis, correction, keepdims, ddof, where
        As of :func:`var`.

    Returns
    -------
    Tensor
        Of the dtype of x.

    Gradient
        ``(x_i - mean)/((n - correction) std)``; 0 of constants (the subgradient of least norm).

    Accuracy
        As :func:`var`; finite wherever the standard deviation is. float64 needs squares of distances that are normal
        numbers: below 1e-150 digits are lost, below 1e-162 the result is 0 and the gradient infinite, where
        ``std(x * 2.0**600) / 2.0**600`` has all digits.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.std(ac.tensor([1.0, 3.0]), correction=1)
    Tensor(1.4142135, dtype=float32)
    """
    correction = _correction("std", correction, ddof)
    if where is None:
        return _std(x, axis, keepdims, correction)
    distance, n = _deviations("std", asarray(x), axis, keepdims, where, correction)
    return _arithmetic.divide(_norm(distance, axis, keepdims), _powers.sqrt(n))


def norm(x: TensorLike, /, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Euclidean length over axes: ``y = (Σ x_i²)^½``.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.
    axis, keepdims
        As of :func:`sum`. Over two axes this is the Frobenius norm.

    Returns
    -------
    Tensor
        Of the dtype of x.

    Gradient
        ``x / y``; 0 at 0 (the subgradient of least norm).

    Accuracy
        Within 2 ULP; neither over- nor underflows on the way.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.

    Source: notes, section 2.1.1.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.norm(ac.tensor([3.0, 4.0]))
    Tensor(5., dtype=float32)
    """
    return _norm(x, axis, keepdims)


vector_norm = norm  # the Array API's name


# -- products ------------------------------------------------------------------------------------------------------


def _prod_jvp(t: Tensor, ans: Tensor, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    others = in_rows(_prod_vjp, _creation.ones(ans.shape, ans.dtype), x, axis)
    return _against(t, others, axis, keepdims)


def _prod_vjp_by_x(h: Tensor, ans: Tensor, g: Tensor, x: Tensor) -> Tensor:
    # Row i of a square lacks x_i: its products without x_k are those without both. Takes n² memory.
    n = x.shape[-1]
    diagonal = asarray(np.eye(n, dtype=bool))
    without = _selection.where(diagonal, 1.0, _views.expand_dims(x, -2))
    both = _prod_vjp(_arithmetic.multiply(h, _views.expand_dims(g, -1)), without)
    return sum(_selection.where(diagonal, 0.0, both), axis=-2)


_prod = Primitive("prod", saves=(0,))
_prod.defvjp(lambda g, ans, x, axis, keepdims: in_rows(_prod_vjp, g, x, axis))
_prod.defjvp(_prod_jvp)
over_axes(_prod)
_prod_vjp: Primitive = Primitive("prod_vjp", saves=(0, 1))
_prod_vjp.defvjp(
    lambda h, ans, g, x: sum(_arithmetic.multiply(h, _prod_vjp(_creation.ones_like(g), x)), axis=-1),
    _prod_vjp_by_x,
)
_prod_vjp.defjvp(lambda t, ans, g, x: _prod_vjp(t, x), _prod_vjp_by_x)  # the second derivative is symmetric
along_last(_prod_vjp)


def prod(
    x: TensorLike,
    /,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: DTypeLike | None = None,
    initial: TensorLike | None = None,
    where: TensorLike | None = None,
) -> Tensor:
    """Product over axes: ``y = Π x_i``; 1 of no items.

    Parameters
    ----------
    x : Tensor
        Any shape, any dtype.
    axis, keepdims, dtype, where
        As of :func:`sum`.
    initial : number or 0-d Tensor, optional
        What every result is multiplied with. Differentiable.

    Returns
    -------
    Tensor
        Of the dtype of x; bool and integers give int64, unsigned ones uint64, which wrap around.

    Gradient
        The product of all other items, also where items are 0. Its own derivative takes memory of the square of n.

    Accuracy
        Correctly rounded all but always in float32 (up to 2^28 items), n/2 ULP in float64.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.prod(ac.tensor([2.0, 3.0, 4.0]))
    Tensor(24., dtype=float32)
    """
    if dtype is not None:
        x = _selection.astype(x, checked_dtype("prod", dtype))
    y = started("prod", _prod(chosen("prod", x, where, 1), axis, keepdims), initial, _arithmetic.multiply)
    return y if dtype is None else _selection.astype(y, dtype)  # of integers it is a wider one


# -- running sums --------------------------------------------------------------------------------------------------

_cumsum = Primitive("cumsum", saves=())
_cumsum.defvjp(lambda g, ans, x, axis, backwards: _cumsum(g, axis, not backwards))
linear(_cumsum)
along_axis(_cumsum)


def cumsum(x: TensorLike, /, axis: int | None = None) -> Tensor:
    """Running sums along an axis: ``y_i = x_0 + … + x_i``.

    Parameters
    ----------
    x : Tensor
        Any shape, any dtype.
    axis : int or None
        None runs through all items in row-major order, and gives a 1-d result.

    Returns
    -------
    Tensor
        Of the dtype of x; bool and integers give int64, unsigned ones uint64, which wrap around.

    Gradient
        Running sums of the cotangent from the other end.

    Accuracy
        Every step as good as :func:`sum`.

    Raises
    ------
    ShapeError
        If the axis is out of range.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.cumsum(ac.tensor([1.0, 2.0, 3.0]))
    Tensor([1., 3., 6.], dtype=float32)
    """
    if axis is None:
        x, axis = _views.reshape(x, (-1,)), 0
    return _cumsum(x, axis, False)
