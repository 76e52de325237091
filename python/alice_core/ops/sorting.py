"""The order of items along an axis: sorted items and their places, the largest ones, and what lies at a share of them.

NaN counts as larger than everything: it comes last, and first where the order is descending. Equal items stay in their
order, whichever it is. Derivatives go back to the places that items came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..checks import checked_choice, checked_flag, checked_int, known_values
from ..errors import DTypeError, ShapeError, TraceError
from ..primitive import Primitive
from ..tensors import Tensor, asarray
from . import arithmetic as _arithmetic
from . import comparison as _comparison
from . import selection as _selection
from . import views as _views
from ._arguments import _axes, _axis
from ._reducing import along_axis
from .indexing import _take, _take_along_axis, _take_along_axis_vjp

if TYPE_CHECKING:
    from ..tensors import Axis, TensorLike

__all__ = ["argsort", "median", "partition", "percentile", "quantile", "sort", "topk"]

# sort(x, axis, descending) and argsort(x, axis, descending, k): the first k places of the sorted line, None for all.
_sort = Primitive("sort", saves=(0,))
_argsort = Primitive("argsort", saves=(), differentiable=False)

_sort.defvjp(
    lambda g, ans, x, axis, descending: _take_along_axis_vjp(g, _argsort(x, axis, descending, None), x.shape, axis)
)
_sort.defjvp(lambda t, ans, x, axis, descending: _take_along_axis(t, _argsort(x, axis, descending, None), axis))
along_axis(_sort, _argsort)


def _with_axis(op: str, x: TensorLike, axis: int | None) -> tuple[Tensor, int]:
    """The array, flattened for None, and the axis counted from the front."""
    x = asarray(x)
    if axis is None:
        return _views.reshape(x, (-1,)), 0
    return x, _axis(op, axis, x.ndim)


def sort(x: TensorLike, /, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The items along an axis in order.

    Parameters
    ----------
    x : Tensor, shape (..., N, ...), any dtype
    axis : int or None
        None sorts all items, and gives a 1-d result.
    descending : bool
        From the largest to the smallest.
    stable : bool
        Equal items stay in order in any case.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``. NaN is last (first, if descending); -0 and 0 are equal.

    Gradient
        Each item's goes to the place that it came from; of equal items the first is the first.

    Raises
    ------
    ShapeError
        If the axis does not exist.

    Source
        Knuth, "The Art of Computer Programming", volume 3, section 5.2.5 (sorting by digits).

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.sort(ac.tensor([3.0, 1.0, 2.0]))
    Tensor([1., 2., 3.], dtype=float32)
    """
    checked_flag("sort", "stable", stable)
    x, axis = _with_axis("sort", x, axis)
    return _sort(x, axis, checked_flag("sort", "descending", descending))


def argsort(x: TensorLike, /, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The places of the items along an axis, in the order of the items.

    Parameters, order and errors are those of :func:`sort`.

    Returns
    -------
    Tensor
        int64, of the shape of ``x``; of equal items the place of the first is first. Without a gradient.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.argsort(ac.tensor([3.0, 1.0, 2.0]), descending=True)
    Tensor([0, 2, 1], dtype=int64)
    """
    checked_flag("argsort", "stable", stable)
    x, axis = _with_axis("argsort", x, axis)
    return _argsort(x, axis, checked_flag("argsort", "descending", descending), None)


class TopK(NamedTuple):
    """What :func:`topk` returns."""

    values: Tensor
    indices: Tensor


def topk(x: TensorLike, k: int, /, axis: int = -1, largest: bool = True) -> TopK:
    """The k largest (or smallest) items along an axis, and their places.

    Parameters
    ----------
    x : Tensor, shape (..., N, ...), any dtype
    k : int
        From 0 to N.
    axis : int
    largest : bool
        False: the smallest.

    Returns
    -------
    values : Tensor, shape (..., k, ...)
        The largest first (the smallest, if these are wanted).
    indices : Tensor
        int64; of equal items the first is first.

    Gradient
        Each value's goes to the place that it came from.

    Raises
    ------
    ShapeError
        If the axis does not exist.
    ValueError
        If there are not so many items.

    Examples
    --------
    >>> import alice_core as ac
    >>> values, indices = ac.topk(ac.tensor([1.0, 5.0, 3.0, 4.0]), 2)
    >>> values, indices
    (Tensor([5., 4.], dtype=float32), Tensor([1, 3], dtype=int64))
    """
    x = asarray(x)
    axis = _axis("topk", axis, x.ndim)
    k = checked_int("topk", "k", k)
    if not 0 <= k <= x.shape[axis]:
        raise ValueError(f"topk: k must be from 0 to {x.shape[axis]}, the size of axis {axis}; got {k}")
    places = _argsort(x, axis, checked_flag("topk", "largest", largest), k)
    return TopK(_take_along_axis(x, places, axis), places)


def partition(x: TensorLike, /, kth: int | Sequence[int], axis: int | None = -1) -> Tensor:
    """The items along an axis with item number ``kth`` where it is in order, no larger ones before, no smaller behind.

    Everything else is in order, too: the digits that items are sorted by take no longer for all of them.

    Parameters
    ----------
    x : Tensor, shape (..., N, ...), any dtype
    kth : int or sequence of int
        From -N to N - 1.
    axis : int or None
        None takes all items, and gives a 1-d result.

    Returns
    -------
    Tensor
        Of the shape and dtype of ``x``.

    Gradient
        As of :func:`sort`.

    Raises
    ------
    ShapeError
        If the axis does not exist.
    ValueError
        If there is no such item.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.partition(ac.tensor([3.0, 1.0, 2.0]), 1)[1]
    Tensor(2., dtype=float32)
    """
    x, axis = _with_axis("partition", x, axis)
    n = x.shape[axis]
    for k in kth if isinstance(kth, (tuple, list)) else (kth,):
        if not -n <= checked_int("partition", "kth", k, "an int or a sequence of ints") < n:
            raise ValueError(f"partition: kth must be from {-n} to {n - 1}; got {k}")
    return _sort(x, axis, False)


# -- quantiles --------------------------------------------------------------------------------------------------------

_METHODS = ("linear", "lower", "higher", "nearest", "midpoint")


def quantile(
    x: TensorLike, /, q: TensorLike | Sequence[float], axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """The value that a share q of the items does not exceed.

    Of N items in order, it lies at place ``q (N - 1)``, counted from 0; between two items it is interpolated.

    Parameters
    ----------
    x : Tensor, floating
        Integers become the default dtype.
    q : float or array, shape Q
        From 0 to 1. No derivative is taken by it.
    axis : int, tuple of int or None
        What to look through; None for everything.
    method : {"linear", "lower", "higher", "nearest", "midpoint"}
        Between two items: in proportion, the one or the other, the nearer one, their mean.
    keepdims : bool
        Whether the axes that were looked through stay, of size 1.

    Returns
    -------
    Tensor, shape Q + those of the other axes
        Of the dtype of ``x``. NaN where an item is NaN.

    Gradient
        To the two items that it lies between, in proportion.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.
    ValueError
        If there are no items, or q is not from 0 to 1.

    Source
        Hyndman and Fan, "Sample quantiles in statistical packages", 1996, definition 7.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.quantile(ac.tensor([1.0, 2.0, 4.0]), [0.5, 0.75])
    Tensor([2., 3.], dtype=float32)
    """
    return _quantile("quantile", x, _shares("quantile", "q", q, 1), axis, method, keepdims)


def percentile(
    x: TensorLike, /, q: TensorLike | Sequence[float], axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> Tensor:
    """:func:`quantile` with q in percent, from 0 to 100.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.percentile(ac.tensor([1.0, 2.0, 4.0]), 75)
    Tensor(3., dtype=float32)
    """
    return _quantile("percentile", x, _shares("percentile", "q", q, 100), axis, method, keepdims)


def median(x: TensorLike, /, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle one of the items in order; of an even number, the mean of the two in the middle.

    Parameters
    ----------
    x : Tensor, floating
        Integers become the default dtype.
    axis, keepdims
        As of :func:`quantile`.

    Returns
    -------
    Tensor
        Of the dtype of ``x``. NaN where an item is NaN.

    Gradient
        To the item in the middle, or to the two of them, ½ each.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.
    ValueError
        If there are no items.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.median(ac.tensor([[3.0, 1.0, 2.0], [4.0, 9.0, 6.0]]), axis=1)
    Tensor([2., 6.], dtype=float32)
    """
    return _quantile("median", x, np.asarray(0.5), axis, "linear", keepdims)


def _shares(op: str, name: str, q: Any, whole: int) -> Any:
    """The shares as numbers from 0 to 1."""
    known = known_values(q)
    if known is None:
        raise TraceError(
            f"{op}: {name} must be known; got a Tensor whose values are not; compute it outside of the traced function"
        )
    if known.dtype.kind not in "fiu":
        raise DTypeError(f"{op}: {name} must be numbers from 0 to {whole}; got {q!r}")
    shares = known.astype(np.float64) / whole
    if not np.all((shares >= 0) & (shares <= 1)):
        raise ValueError(f"{op}: {name} must be from 0 to {whole}; got {q}")
    return shares


def _quantile(op: str, x: TensorLike, shares: Any, axis: Axis, method: str, keepdims: bool) -> Tensor:
    x = asarray(x)
    checked_choice(op, "method", method, _METHODS)
    keepdims = checked_flag(op, "keepdims", keepdims)
    axes = tuple(range(x.ndim)) if axis is None else _axes(op, axis, x.ndim)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{op}: each axis must be named once; got {axis}")
    if x.dtype.kind != "f":
        x = _arithmetic.multiply(x, 1.0)
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    outer = tuple(x.shape[i] for i in kept)
    rows = _views.reshape(_views.permute_dims(x, kept + axes), (*outer, -1)) if x.size else x
    n = rows.shape[-1] if x.size else 0
    if n == 0:
        raise ValueError(f"{op}: expected at least one item; got shape {x.shape}")
    rows = _sort(rows, rows.ndim - 1, False)
    place = shares * (n - 1)
    low, high = np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64)
    weight = {"lower": 0.0 * place, "higher": 0.0 * place + 1.0, "midpoint": 0.5 + 0.0 * place}.get(method, place - low)
    if method == "nearest":
        low = high = np.round(place).astype(np.int64)
    low, high = (high, high) if method == "higher" else (low, low) if method == "lower" else (low, high)
    lower, upper = (_take(rows, asarray(at), rows.ndim - 1) for at in (low, high))
    # As NumPy: from the nearer end, so that the ends are met.
    twice = asarray(2.0 * weight.astype(np.float64)).astype(x.dtype)
    half = _arithmetic.subtract(_arithmetic.multiply(upper, 0.5), _arithmetic.multiply(lower, 0.5))  # never too large
    between = _selection.where(
        asarray(weight < 0.5),
        _arithmetic.add(lower, _arithmetic.strong_mul(twice, half)),
        _arithmetic.subtract(upper, _arithmetic.strong_mul(_arithmetic.subtract(2.0, twice), half)),
    )
    has_nan = _comparison.isnan(rows[..., -1:])  # which is last
    has_nan = _views.reshape(has_nan, (*outer, *(1,) * shares.ndim))
    between = _selection.where(_comparison.isnan(half), lower, between)  # of equal infinities
    result = _selection.where(has_nan, np.nan, between)
    result = _views.permute_dims(result, (*range(len(outer), result.ndim), *range(len(outer))))
    if keepdims:
        result = _views.expand_dims(result, tuple(shares.ndim + a for a in sorted(axes)))
    return result
