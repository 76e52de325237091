"""Scans: what is so far along an axis, a product, an extreme, the logarithm of a sum; and differences.

Derivatives are recurrences of first order, ``y[k] = a[k] y[k - 1] + b[k]`` (``_recurrence.py``): no division, so items
of 0 do no harm, and nothing overflows on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .._dtypes import checked_dtype, widest
from ..checks import checked_flag, checked_int
from ..errors import ShapeError
from ..primitive import Primitive
from ..tensors import Tensor, asarray
from . import arithmetic as _arithmetic
from . import broadcasting as _broadcasting
from . import comparison as _comparison
from . import creation as _creation
from . import exponential as _exponential
from . import joining as _joining
from . import reduction as _reduction
from . import selection as _selection
from . import views as _views
from ._arguments import _axis, _beside
from ._recurrence import affine_scan, shifted
from ._reducing import along_axis
from .indexing import _take
from .searching import _searchsorted

if TYPE_CHECKING:
    from ..tensors import DTypeLike, TensorLike

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumulative_prod",
    "cumulative_sum",
    "diff",
    "interp",
    "logcumsumexp",
    "trapezoid",
]

_cumprod = Primitive("cumprod", saves=(0, "ans"))
_cummax = Primitive("cummax", saves=(0, "ans"))
_cummin = Primitive("cummin", saves=(0, "ans"))
_logcumsumexp = Primitive("logcumsumexp", saves=(0, "ans"))


def _cumprod_vjp(g: Tensor, ans: Tensor, x: Tensor, axis: int) -> Tensor:
    """What comes behind an item, r[k] = g[k] + x[k + 1] r[k + 1], times the product of all before it."""
    behind = affine_scan(shifted(x, axis, -1, 0), g, axis, True)
    return _arithmetic.strong_mul(behind, shifted(ans, axis, 1, 1))


def _cumprod_jvp(t: Tensor, ans: Tensor, x: Tensor, axis: int) -> Tensor:
    return affine_scan(x, _arithmetic.strong_mul(t, shifted(ans, axis, 1, 1)), axis, False)


def _ties(ans: Tensor, x: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which items are the extreme so far; as 1, whether it is the one before; among how many equals it is shared."""
    found = _comparison.equal(x, ans)
    same = _selection.astype(_comparison.equal(ans, shifted(ans, axis, 1, 0)), ans.dtype)
    count = affine_scan(same, _selection.astype(found, ans.dtype), axis, False)
    return found, same, _selection.maximum(count, 1.0)  # none where NaN is


def _extreme_vjp(g: Tensor, ans: Tensor, x: Tensor, axis: int) -> Tensor:
    found, same, count = _ties(ans, x, axis)
    behind = affine_scan(shifted(same, axis, -1, 0), _arithmetic.divide(g, count), axis, True)
    return _selection.where(found, behind, 0.0)


def _extreme_jvp(t: Tensor, ans: Tensor, x: Tensor, axis: int) -> Tensor:
    found, same, count = _ties(ans, x, axis)
    return _arithmetic.divide(affine_scan(same, _selection.where(found, t, 0.0), axis, False), count)


def _shares(ans: Tensor, x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """How much of a sum of exponentials are the items before (of nothing, all), and how much the last item is."""
    before = shifted(ans, axis, 1, 0)
    return _share(before, ans), _share(x, ans)


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """exp(part - whole), and 1 of equal infinities."""
    same = _comparison.equal(part, whole)
    return _exponential.exp(_selection.where(same, 0.0, _arithmetic.subtract(part, whole)))


def _log_vjp(g: Tensor, ans: Tensor, x: Tensor, axis: int) -> Tensor:
    kept, own = _shares(ans, x, axis)
    return _arithmetic.strong_mul(affine_scan(shifted(kept, axis, -1, 0), g, axis, True), own)


def _log_jvp(t: Tensor, ans: Tensor, x: Tensor, axis: int) -> Tensor:
    kept, own = _shares(ans, x, axis)
    return affine_scan(kept, _arithmetic.strong_mul(t, own), axis, False)


_cumprod.defvjp(_cumprod_vjp)
_cumprod.defjvp(_cumprod_jvp)
for _extreme in (_cummax, _cummin):
    _extreme.defvjp(_extreme_vjp)
    _extreme.defjvp(_extreme_jvp)
_logcumsumexp.defvjp(_log_vjp)
_logcumsumexp.defjvp(_log_jvp)
along_axis(_cumprod, _cummax, _cummin, _logcumsumexp)


def _along(p: Primitive, x: TensorLike, axis: int | None) -> Tensor:
    if axis is None:
        x, axis = _views.reshape(x, (-1,)), 0
    result: Tensor = p(x, axis)
    return result


def _wide(x: TensorLike) -> Tensor:
    """Of bool and integers the widest dtype of their kind, as products of them are."""
    x = asarray(x)
    return x if x.dtype.kind == "f" else _selection.astype(x, widest(x.dtype))


def cumprod(x: TensorLike, /, axis: int | None = None) -> Tensor:
    """Running products along an axis: ``y_i = x_0 … x_i``.

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
        The products of all other items, also where items are 0.

    Accuracy
        float32 is multiplied in float64; in float64, i/2 ULP.

    Raises
    ------
    ShapeError
        If the axis is out of range.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.cumprod(ac.tensor([1.0, 2.0, 3.0]))
    Tensor([1., 2., 6.], dtype=float32)
    """
    return _along(_cumprod, _wide(x), axis)


def cummax(x: TensorLike, /, axis: int | None = None) -> Tensor:
    """Running maxima along an axis: ``y_i = max(x_0, …, x_i)``. From the first NaN on it is NaN.

    Parameters
    ----------
    x : Tensor
        Any shape, any dtype.
    axis : int or None
        None runs through all items in row-major order, and gives a 1-d result.

    Returns
    -------
    Tensor
        Of the dtype of x.

    Gradient
        1 for the largest item so far; equal ones share it evenly, as in :func:`max`.

    Accuracy
        Exact.

    Raises
    ------
    ShapeError
        If the axis is out of range.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.cummax(ac.tensor([1.0, 3.0, 2.0]))
    Tensor([1., 3., 3.], dtype=float32)
    """
    return _along(_cummax, x, axis)


def cummin(x: TensorLike, /, axis: int | None = None) -> Tensor:
    """Running minima along an axis; see :func:`cummax`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.cummin(ac.tensor([3.0, 1.0, 2.0]))
    Tensor([3., 1., 1.], dtype=float32)
    """
    return _along(_cummin, x, axis)


def logcumsumexp(x: TensorLike, /, axis: int | None = None) -> Tensor:
    """Logarithms of running sums of exponentials along an axis: ``y_i = log Σ_{j ≤ i} exp(x_j)``.

    Parameters
    ----------
    x : Tensor, floating
        Any shape; integers become the default dtype.
    axis : int or None
        None runs through all items in row-major order, and gives a 1-d result.

    Returns
    -------
    Tensor
        Of the dtype of x. Nothing overflows on the way.

    Gradient
        The softmax of the items so far. Equal infinities count 1 each.

    Accuracy
        Below 1 ULP in float32 for up to a million items. In float64 the error is at most (i + 2) 2^-52 and 1 ULP.

    Raises
    ------
    ShapeError
        If the axis is out of range.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.logcumsumexp(ac.tensor([0.0, 0.0, 1000.0]))
    Tensor([0.0000000e+00, 6.9314718e-01, 1.0000000e+03], dtype=float32)
    """
    return _along(_logcumsumexp, x, axis)


def _cumulative(
    op: str, p: Primitive, x: TensorLike, axis: int | None, dtype: DTypeLike | None, include_initial: bool, none: int
) -> Tensor:
    x = asarray(x)
    include_initial = checked_flag(op, "include_initial", include_initial)
    if axis is None:
        if x.ndim != 1:
            raise ShapeError(f"{op}: axis must be given unless x has one axis; got shape {x.shape}")
        axis = 0
    axis = _axis(op, axis, x.ndim)
    if dtype is not None:
        dtype = checked_dtype(op, dtype)
        x = _selection.astype(x, dtype)
    y: Tensor = p(x, axis, False) if p is _reduction._cumsum else p(_wide(x), axis)
    if dtype is not None:
        y = _selection.astype(y, dtype)
    if include_initial:
        first = _creation.full((*x.shape[:axis], 1, *x.shape[axis + 1 :]), none, y.dtype)
        y = _joining.concat([first, y], axis)
    return y


def cumulative_sum(
    x: TensorLike, /, *, axis: int | None = None, dtype: DTypeLike | None = None, include_initial: bool = False
) -> Tensor:
    """Running sums along an axis, as the Array API standard has it; see :func:`cumsum`.

    Parameters
    ----------
    x : Tensor
        Any shape, any dtype.
    axis : int, optional
        May be left out for a vector.
    dtype : dtype, optional
        To which x is cast first, and of the result.
    include_initial : bool
        Whether the sum of nothing stands in front: the result is one longer.

    Returns
    -------
    Tensor
        Of the dtype of x; bool and integers give int64, unsigned ones uint64, unless a dtype is given.

    Gradient, Accuracy
        As of :func:`cumsum`.

    Raises
    ------
    ShapeError
        If the axis is out of range, or left out where there are several.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.cumulative_sum(ac.tensor([1.0, 2.0]), include_initial=True)
    Tensor([0., 1., 3.], dtype=float32)
    """
    return _cumulative("cumulative_sum", _reduction._cumsum, x, axis, dtype, include_initial, 0)


def cumulative_prod(
    x: TensorLike, /, *, axis: int | None = None, dtype: DTypeLike | None = None, include_initial: bool = False
) -> Tensor:
    """Running products along an axis, as the Array API standard has it; see :func:`cumprod`.

    Parameters and errors are those of :func:`cumulative_sum`; the product of nothing is 1.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.cumulative_prod(ac.tensor([2.0, 3.0]), include_initial=True)
    Tensor([1., 2., 6.], dtype=float32)
    """
    return _cumulative("cumulative_prod", _cumprod, x, axis, dtype, include_initial, 1)


# -- differences ------------------------------------------------------------------------------------------------------


def diff(
    x: TensorLike,
    /,
    n: int = 1,
    axis: int = -1,
    prepend: TensorLike | None = None,
    append: TensorLike | None = None,
) -> Tensor:
    """Differences of neighbours along an axis: ``y_i = x_{i+1} - x_i``.

    Parameters
    ----------
    x : Tensor
        Any shape with an axis; of bool, whether neighbours differ.
    n : int
        How many times differences are taken.
    axis : int
    prepend, append : number or Tensor, optional
        What to put in front of and behind x first: a number, or as x but for the size of the axis.

    Returns
    -------
    Tensor
        Shorter by n along the axis; of the dtype of x.

    Gradient
        Differences of the cotangent.

    Raises
    ------
    ShapeError
        If the axis does not exist.
    ValueError
        If n is negative.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.diff(ac.tensor([1.0, 4.0, 9.0]))
    Tensor([3., 5.], dtype=float32)
    """
    x = asarray(x)
    axis, n = _axis("diff", axis, x.ndim), checked_int("diff", "n", n)
    if n < 0:
        raise ValueError(f"diff: n must be at least 0; got {n}")
    if n == 0:
        return x
    ends = [None if end is None else _end(x, end, axis) for end in (prepend, append)]
    parts = [part for part in (ends[0], x, ends[1]) if part is not None]
    x = _joining.concat(parts, axis) if len(parts) > 1 else x
    less: Callable[..., Tensor] = _comparison.not_equal if x.dtype.kind == "b" else _arithmetic.subtract
    for _ in range(min(n, x.shape[axis])):
        size = max(x.shape[axis] - 1, 0)
        x = less(_views._section(x, axis, min(1, x.shape[axis]), size), _views._section(x, axis, 0, size))
    return x


def _end(x: Tensor, given: TensorLike, axis: int) -> Tensor:
    end = _beside(given, x)
    return end if end.ndim else _broadcasting.broadcast_to(end, (*x.shape[:axis], 1, *x.shape[axis + 1 :]))


def trapezoid(y: TensorLike, /, x: TensorLike | None = None, dx: TensorLike = 1.0, axis: int = -1) -> Tensor:
    """The integral of a function between its samples taken as straight: ``Σ (x_{i+1} - x_i) (y_i + y_{i+1}) / 2``.

    Parameters
    ----------
    y : Tensor, floating
        Samples along an axis.
    x : Tensor, optional
        Where they were taken: a vector, or as ``y``.
    dx : number or 0-d Tensor
        The distance of neighbours, if there is no ``x``.
    axis : int

    Returns
    -------
    Tensor
        Without the axis.

    Gradient
        By y, x and dx.

    Accuracy
        As :func:`sum`.

    Raises
    ------
    ShapeError
        If the axis does not exist, or there are not as many x as samples.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.trapezoid(ac.tensor([1.0, 2.0, 3.0]), ac.tensor([0.0, 1.0, 3.0]))
    Tensor(6.5, dtype=float32)
    """
    y = asarray(y)
    axis = _axis("trapezoid", axis, y.ndim)
    width: Any = dx
    if x is not None:
        x = asarray(x)
        if (x.shape != y.shape[axis : axis + 1]) if x.ndim == 1 else (x.shape != y.shape):
            raise ShapeError(f"trapezoid: x must have shape {y.shape[axis : axis + 1]} or {y.shape}; got {x.shape}")
        if x.ndim == 1:
            x = _views.reshape(x, (-1,) + (1,) * (y.ndim - axis - 1))
        width = diff(x, axis=axis - y.ndim)
    elif isinstance(dx, (Tensor, np.ndarray)) and dx.ndim:
        raise ShapeError(f"trapezoid: dx must be a number; got shape {dx.shape}; give the places of the samples as x")
    size = max(y.shape[axis] - 1, 0)
    # Halves, whose sum is not too large for a float nor for a byte.
    ends = (_views._section(y, axis, begin, size) for begin in (y.shape[axis] - size, 0))
    means = _arithmetic.add(*(_arithmetic.multiply(end, 0.5) for end in ends))
    return _reduction.sum(_arithmetic.multiply(width, means), axis)


def interp(
    x: TensorLike,
    /,
    xp: TensorLike,
    fp: TensorLike,
    left: TensorLike | None = None,
    right: TensorLike | None = None,
) -> Tensor:
    """The piecewise linear function through the points (xp, fp), at x.

    Parameters
    ----------
    x : Tensor, any shape
    xp : Tensor, shape (N,)
        In ascending order.
    fp : Tensor, shape (N,), floating
    left, right : number, optional
        The value where x is less than all xp, or larger; None: the first and the last of fp.

    Returns
    -------
    Tensor
        Of the shape of x and the common dtype. NaN at NaN. At a point its value, whatever those beside it are.

    Gradient
        By x the slope (at a point, that of the piece on its right); by xp and fp, too.

    Raises
    ------
    ShapeError
        If xp and fp are no vectors of one length, or empty.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.interp(ac.tensor([0.5, 3.0]), ac.tensor([0.0, 1.0, 2.0]), ac.tensor([0.0, 10.0, 20.0]))
    Tensor([ 5., 20.], dtype=float32)
    """
    xp, fp = asarray(xp), asarray(fp)
    x = _beside(x, xp)
    if xp.ndim != 1 or xp.shape != fp.shape or xp.size == 0:
        raise ShapeError(f"interp: xp and fp must be vectors of one length, at least 1; got {xp.shape} and {fp.shape}")
    n = xp.shape[0]
    behind = _selection.clip(_searchsorted(xp, x, True), min(1, n - 1), n - 1)
    before = _selection.maximum(_arithmetic.subtract(behind, 1), 0)
    x0, x1, f0, f1 = _take(xp, before, 0), _take(xp, behind, 0), _take(fp, before, 0), _take(fp, behind, 0)
    same = _comparison.equal(x0, x1)
    share = _arithmetic.divide(_arithmetic.subtract(x, x0), _selection.where(same, 1.0, _arithmetic.subtract(x1, x0)))
    share = _selection.where(same, _arithmetic.add(_arithmetic.multiply(share, 0.0), 1.0), share)
    step = _arithmetic.subtract(f1, f0)
    finite = _comparison.isfinite(step)
    y = _selection.where(  # from the nearer end, so that the points are met; an infinite piece from its finite end
        _selection.where(finite, _comparison.less(share, 0.5), _comparison.isfinite(f0)),
        _arithmetic.add(f0, _arithmetic.multiply(share, step)),
        _arithmetic.subtract(f1, _arithmetic.multiply(_arithmetic.subtract(1.0, share), step)),
    )
    level = _comparison.less_equal(share, _selection.where(_comparison.equal(f0, f1), 1.0, 0.0))
    y = _selection.where(_comparison.logical_or(finite, _comparison.logical_not(level)), y, f0)
    y = _selection.where(_comparison.logical_or(finite, _comparison.not_equal(share, 1.0)), y, f1)
    y = _selection.where(_comparison.less(x, xp[0]), fp[0] if left is None else left, y)
    return _selection.where(_comparison.greater(x, xp[-1]), fp[-1] if right is None else right, y)
