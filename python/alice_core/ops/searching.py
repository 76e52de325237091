"""Searching and counting: places of items in sorted arrays and in sets, how many there are of each, and which differ.

The length of some results depends on values (``unique``, ``argwhere``, ``bincount`` without a length): of those the
values must be known, so inside of ``ac.compile`` and ``ac.vmap`` they raise :class:`TraceError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..checks import checked_choice, checked_flag, checked_int, checked_number, known_values
from ..errors import DTypeError, ShapeError, TraceError
from ..primitive import Primitive
from ..tensors import Tensor, asarray, bool_, int64
from . import arithmetic as _arithmetic
from . import comparison as _comparison
from . import creation as _creation
from . import extremes as _extremes
from . import reduction as _reduction
from . import selection as _selection
from . import views as _views
from ._arguments import _beside
from ._reducing import broadcast_batch
from .indexing import _integers, _take, values_for_length
from .scatter import _scatter_add
from .sorting import _sort

if TYPE_CHECKING:
    from ..tensors import Axis, TensorLike

__all__ = [
    "argwhere",
    "bincount",
    "count_nonzero",
    "histogram",
    "isin",
    "searchsorted",
    "unique",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]

# searchsorted(a, v, right): a (batch, N), v (batch, …)
_searchsorted = Primitive("searchsorted", saves=(), differentiable=False)
_searchsorted.defbatch(lambda batched, inputs, right: _searchsorted(*_in_batch(batched, inputs), right))


def _in_batch(batched: Sequence[bool], inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    a, v = inputs
    # Of all examples' v in one a there is no batch.
    return (a, v) if not batched[0] and a.ndim == 1 else broadcast_batch(batched, inputs)


def searchsorted(a: TensorLike, /, v: TensorLike, side: str = "left", sorter: TensorLike | None = None) -> Tensor:
    """Where items would have to be inserted to keep an array sorted.

    Parameters
    ----------
    a : Tensor, shape (N,) or (..., N), any dtype
        Sorted along its last axis, NaN last.
    v : Tensor, any shape
        If ``a`` has more axes than one, ``v`` begins with the same ones: each row of ``a`` is searched for its own
        items.
    side : {"left", "right"}
        Before the first equal item, or behind the last one.
    sorter : Tensor of integers, shape (N,), optional
        The places that sort ``a``, as :func:`argsort` finds them, if ``a`` is a vector that is not sorted.

    Returns
    -------
    Tensor
        int64, from 0 to N, of the shape of ``v``. Without a gradient.

    Raises
    ------
    ShapeError
        If ``a`` has no axis, or its leading axes are not those of ``v``.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.searchsorted(ac.tensor([1.0, 2.0, 4.0]), ac.tensor([2.0, 3.0, 9.0]))
    Tensor([1, 2, 3], dtype=int64)
    """
    a = asarray(a)
    if sorter is not None:
        places = asarray(_integers("searchsorted", sorter))
        if a.ndim != 1 or places.shape != a.shape:
            raise ShapeError(
                f"searchsorted: sorter must have the shape of a vector a; got a {a.shape}, sorter {places.shape}"
            )
        a = _take(a, places, 0)
    return _searchsorted(a, _beside(v, a), checked_choice("searchsorted", "side", side, ("left", "right")) == "right")


def isin(x: TensorLike, /, test_elements: TensorLike, invert: bool = False) -> Tensor:
    """Whether each item is one of those of ``test_elements``.

    Parameters
    ----------
    x : Tensor, any shape and dtype
    test_elements : Tensor, any shape
    invert : bool
        Whether it is none of them.

    Returns
    -------
    Tensor
        bool, of the shape of ``x``; without a gradient. NaN is equal to nothing.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.isin(ac.tensor([1, 2, 3]), ac.tensor([3, 1]))
    Tensor([ True, False,  True], dtype=bool)
    """
    x = asarray(x)
    test = _views.reshape(_beside(test_elements, x), (-1,))
    if test.size == 0:
        found = _comparison.less(x, x)  # nothing is
    else:
        ordered = _sort(test, 0, False)
        places = _selection.minimum(_searchsorted(ordered, x, False), test.size - 1)
        found = _comparison.equal(_take(ordered, places, 0), x)
    return _comparison.logical_not(found) if checked_flag("isin", "invert", invert) else found


def count_nonzero(x: TensorLike, /, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """How many items are not 0; NaN is not.

    Parameters
    ----------
    x : Tensor
        Any shape, any dtype.
    axis, keepdims
        As of :func:`alice_core.sum`.

    Returns
    -------
    Tensor
        int64; without a gradient.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.count_nonzero(ac.tensor([[0, 1], [2, 3]]), axis=1)
    Tensor([1, 2], dtype=int64)
    """
    return _reduction._sum(_comparison.not_equal(x, 0), axis, checked_flag("count_nonzero", "keepdims", keepdims))


def argwhere(x: TensorLike, /) -> Tensor:
    """The places where ``x`` is not zero, in C order: one row of indices for each.

    Parameters
    ----------
    x : Tensor, any shape and dtype

    Returns
    -------
    Tensor, shape (n, x.ndim)
        int64. How many there are depends on values, so ``x`` must be known.

    Raises
    ------
    TraceError
        If ``x`` is not known.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.argwhere(ac.tensor([[0, 3], [4, 0]]))
    Tensor([[0, 1],
            [1, 0]], dtype=int64)
    """
    return asarray(np.argwhere(values_for_length("argwhere", asarray(x))))


# -- sets -------------------------------------------------------------------------------------------------------------


class UniqueAll(NamedTuple):
    """What :func:`unique_all` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What :func:`unique_counts` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What :func:`unique_inverse` returns."""

    values: Tensor
    inverse_indices: Tensor


def _unique(op: str, x: TensorLike, equal_nan: bool) -> UniqueAll:
    x = asarray(x)
    _, first, inverse, counts = np.unique(
        values_for_length(op, x), return_index=True, return_inverse=True, return_counts=True, equal_nan=equal_nan
    )
    values = _take(_views.reshape(x, (-1,)), asarray(first), 0)
    return UniqueAll(values, asarray(first), asarray(inverse.reshape(x.shape)), asarray(counts))


def unique(
    x: TensorLike,
    /,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    equal_nan: bool = True,
) -> Any:
    """The items that differ, in order.

    Parameters
    ----------
    x : Tensor, any shape and dtype
    return_index, return_inverse, return_counts : bool
        What else is wanted: of each value the place of its first item among all items in C order, of each item the
        place of its value, and how many items each value has.
    equal_nan : bool
        Whether all NaN are one value.

    Returns
    -------
    Tensor, shape (n,), or tuple of it and what else is wanted
        How many there are depends on values, so ``x`` must be known.

    Gradient
        A value's goes to its first item.

    Raises
    ------
    TraceError
        If ``x`` is not known.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.unique(ac.tensor([3, 1, 3]), return_counts=True)
    (Tensor([1, 3], dtype=int64), Tensor([1, 2], dtype=int64))
    """
    flags = {"return_index": return_index, "return_inverse": return_inverse, "return_counts": return_counts}
    wanted = [checked_flag("unique", name, flag) for name, flag in flags.items()]
    values, *more = _unique("unique", x, checked_flag("unique", "equal_nan", equal_nan))
    chosen = [part for part, flag in zip(more, wanted, strict=True) if flag]
    return (values, *chosen) if chosen else values


def unique_values(x: TensorLike, /) -> Tensor:
    """The items that differ, in order; each NaN is one of its own. See :func:`unique`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.unique_values(ac.tensor([3, 1, 3]))
    Tensor([1, 3], dtype=int64)
    """
    return _unique("unique_values", x, False).values


def unique_counts(x: TensorLike, /) -> UniqueCounts:
    """The items that differ, and how many there are of each; each NaN is one of its own. See :func:`unique`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.unique_counts(ac.tensor([3, 1, 3])).counts
    Tensor([1, 2], dtype=int64)
    """
    found = _unique("unique_counts", x, False)
    return UniqueCounts(found.values, found.counts)


def unique_inverse(x: TensorLike, /) -> UniqueInverse:
    """The items that differ, and for each item the place of its value; each NaN is one of its own.

    ``values[inverse_indices]`` is ``x``. See :func:`unique`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.unique_inverse(ac.tensor([3, 1, 3])).inverse_indices
    Tensor([1, 0, 1], dtype=int64)
    """
    found = _unique("unique_inverse", x, False)
    return UniqueInverse(found.values, found.inverse_indices)


def unique_all(x: TensorLike, /) -> UniqueAll:
    """The items that differ, where each stands first, the place of each item's value, and how many there are of each.

    Each NaN is one of its own. See :func:`unique`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.unique_all(ac.tensor([3, 1, 3])).indices
    Tensor([1, 0], dtype=int64)
    """
    return _unique("unique_all", x, False)


# -- counts -----------------------------------------------------------------------------------------------------------


def bincount(
    x: TensorLike, /, weights: TensorLike | None = None, minlength: int = 0, *, length: int | None = None
) -> Tensor:
    """How often each number comes, from 0 on; or the sums of the weights of those that are equal.

    Parameters
    ----------
    x : Tensor of integers, shape (N,)
        At least 0.
    weights : Tensor, shape (N,), optional
    minlength : int
        The result has at least so many entries.
    length : int, optional
        The result has so many entries, and numbers from there on are not counted. None: as many as the largest number
        asks for, which must be known then.

    Returns
    -------
    Tensor, shape (length,)
        int64, or the dtype of the weights.

    Gradient
        Each weight gets that of its sum.

    Raises
    ------
    ValueError
        If numbers that are known are negative.
    TraceError
        If ``length`` is not given while ``x`` is not known.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.bincount(ac.tensor([0, 2, 2]))
    Tensor([1, 0, 2], dtype=int64)
    """
    x = asarray(_integers("bincount", x))
    if x.ndim != 1 or x.dtype.kind not in "iu":
        raise ShapeError(f"bincount: x must be integers of shape (N,); got dtype {x.dtype.name}, shape {x.shape}")
    minlength = checked_int("bincount", "minlength", minlength)
    known = known_values(x)
    if known is not None and known.size and known.min() < 0:
        raise ValueError(f"bincount: x must not be negative; got {known.min()}")
    if length is not None:
        size = checked_int("bincount", "length", length)
    elif known is not None:
        size = max(int(known.max()) + 1 if known.size else 0, minlength)
    else:
        raise TraceError("bincount: the length of the result depends on values that are not known here; give length=")
    if size < 0 or minlength < 0:
        raise ValueError(f"bincount: length and minlength must be at least 0; got {size} and {minlength}")
    return _counted(x, _weights("bincount", weights, x), size)


def _weights(op: str, weights: TensorLike | None, x: Tensor) -> Tensor | None:
    given = None if weights is None else asarray(weights)
    if given is not None and given.shape != x.shape:
        raise ShapeError(f"{op}: weights must have the shape of x, {x.shape}; got {given.shape}")
    return given


def _counted(places: Tensor, weights: Tensor | None, size: int) -> Tensor:
    """Sums of the weights at each place from 0 to size - 1; others are left out, in one place more."""
    if weights is None or weights.dtype == bool_:
        weights = _creation.ones(places.shape, int64) if weights is None else _selection.astype(weights, int64)
    sums = _creation.zeros((size + 1,), weights.dtype)
    inside = _comparison.logical_and(_comparison.greater_equal(places, 0), _comparison.less(places, size))
    places = _selection.where(inside, _selection.astype(places, int64), size)
    return _scatter_add(sums, weights, places, (0,), 0)[:size]


class Histogram(NamedTuple):
    """What :func:`histogram` returns."""

    counts: Tensor
    edges: Tensor


def histogram(
    x: TensorLike,
    /,
    bins: int | TensorLike | Sequence[float] = 10,
    range: tuple[float, float] | None = None,
    density: bool = False,
    weights: TensorLike | None = None,
) -> Histogram:
    """How many items lie between neighbouring edges; the last bin has its upper edge, too.

    Parameters
    ----------
    x : Tensor
        Any shape, numeric.
    bins : int or array, shape (B + 1,)
        How many, of equal width; or their edges in order.
    range : pair of float, optional
        The outer edges; None: the smallest and the largest item. What lies outside is not counted.
    density : bool
        Counts divided by their sum and by the widths: the integral is 1.
    weights : Tensor, of the shape of ``x``, optional
        What an item counts for.

    Returns
    -------
    counts : Tensor, shape (B,)
        int64; of the dtype of the weights, if there are any, and floating, if a density is wanted.
    edges : Tensor, shape (B + 1,)
        float32 of float32, else float64.

    Gradient
        Each weight gets that of its count. By ``x`` none: counts are constant between their jumps.

    Raises
    ------
    ValueError
        If there are no bins, edges that are known are not in order, or an item that is known is NaN or infinite and no
        range is given; of items that a compiled function does not know yet, the edges are NaN then.
    ShapeError
        If ``bins`` or ``weights`` has another shape.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.histogram(ac.tensor([1.0, 2.0, 2.5, 4.0]), bins=3)
    Histogram(counts=Tensor([1, 2, 1], dtype=int64), edges=Tensor([1., 2., 3., 4.], dtype=float32))
    """
    x = asarray(x)
    density = checked_flag("histogram", "density", density)
    given = _weights("histogram", weights, x)
    x = _views.reshape(x, (-1,)).detach()
    edges = _edges(x, bins, range)
    size = edges.shape[0] - 1
    places = _arithmetic.subtract(_searchsorted(edges, x, True), 1)
    places = _selection.where(_comparison.equal(x, edges[-1]), size - 1, places)
    counts = _counted(places, None if given is None else _views.reshape(given, (-1,)), size)
    if density:
        widths = _arithmetic.subtract(edges[1:], edges[:-1])
        counts = _arithmetic.divide(_arithmetic.divide(counts, widths), _reduction.sum(counts))
    return Histogram(counts, edges)


def _edges(x: Tensor, bins: Any, limits: Any) -> Tensor:
    dtype = x.dtype if x.dtype.name == "float32" else np.dtype(np.float64)
    if isinstance(bins, (list, tuple)) or (isinstance(bins, (Tensor, np.ndarray)) and bins.ndim):
        try:
            edges = asarray(bins, None if hasattr(bins, "ndim") else dtype)
        except (DTypeError, ShapeError):
            raise DTypeError(f"histogram: bins must be an int or an array of edges; got {bins!r}") from None
        if edges.ndim != 1 or edges.size < 2:
            raise ShapeError(f"histogram: bins must be a number or at least two edges; got shape {edges.shape}")
        known = known_values(edges)
        if known is not None and not np.all(known[1:] >= known[:-1]):
            raise ValueError("histogram: bins must be in ascending order; sort them with ac.sort")
        return edges
    count = checked_int("histogram", "bins", bins, "an int or an array of edges")
    if count < 1:
        raise ValueError(f"histogram: bins must be at least 1; got {count}")
    if limits is not None:
        if not isinstance(limits, (tuple, list)) or len(limits) != 2:
            raise DTypeError(f"histogram: range must be a pair of numbers; got {limits!r}")
        low, high = (checked_number("histogram", "range", limit) for limit in limits)
        if not (np.isfinite(low) and np.isfinite(high) and low <= high):
            raise ValueError(f"histogram: range must be finite and in order; got {limits}")
        if low == high:
            low, high = low - 0.5, high + 0.5
        return _creation.linspace(low, high, count + 1, dtype)
    if x.size == 0:
        return _creation.linspace(0.0, 1.0, count + 1, dtype)
    least, most = (_selection.astype(f(x), np.float64) for f in (_extremes.min, _extremes.max))
    outer = [known_values(limit) for limit in (least, most)]
    if not all(limit is None or np.isfinite(limit) for limit in outer):
        raise ValueError(
            f"histogram: the items of x must be finite where their range is not given; got some from {outer[0]} to "
            f"{outer[1]}; say range=(low, high), outside of which nothing is counted"
        )
    apart = _selection.where(_comparison.equal(least, most), 0.5, 0.0)
    return _creation.linspace(_arithmetic.subtract(least, apart), _arithmetic.add(most, apart), count + 1, dtype)
