"""Extremes and truth over axes: reductions that pick or count instead of adding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..primitive import Primitive
from ..tensors import asarray
from . import arithmetic as _arithmetic
from . import comparison as _comparison
from . import creation as _creation
from . import reduction as _reduction
from . import selection as _selection
from ._arguments import _check_no_array
from ._choosing import chosen, started
from ._reducing import broadcast_reduced, over_axes

if TYPE_CHECKING:
    from ..tensors import Axis, Tensor, TensorLike

__all__ = ["all", "any", "argmax", "argmin", "max", "min"]


def _extreme_jvp(t: Tensor, ans: Tensor, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    """The mean of t over the items that are the extreme."""
    best = _comparison.equal(x, broadcast_reduced(ans, x.shape, axis, keepdims))
    total = _reduction.sum(_selection.where(best, t, 0.0), axis, keepdims=keepdims)
    return _arithmetic.strong_div(total, _reduction.sum(best, axis, keepdims=keepdims))


_max = Primitive("max", saves=(0, "ans"))
_min = Primitive("min", saves=(0, "ans"))
for _extreme in (_max, _min):
    _extreme.defvjp(lambda g, ans, x, axis, keepdims: _extreme_vjp(g, ans, x, axis, keepdims))
    _extreme.defjvp(_extreme_jvp)
over_axes(_max, _min)

# extreme_vjp(g, y, x): g shared evenly by the items of x that are y. Its transpose is the JVP.
_extreme_vjp: Primitive = Primitive("extreme_vjp", saves=(1, 2))
_extreme_vjp.defvjp(lambda c, ans, g, y, x, axis, keepdims: _extreme_jvp(c, y, x, axis, keepdims), None, None)
_extreme_vjp.defjvp(lambda t, ans, g, y, x, axis, keepdims: _extreme_vjp(t, y, x, axis, keepdims), None, None)
over_axes(_extreme_vjp)


def max(
    x: TensorLike,
    /,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    initial: TensorLike | None = None,
    where: TensorLike | None = None,
) -> Tensor:
    """Largest item over axes. A NaN anywhere gives NaN.

    Parameters
    ----------
    x : Tensor
        Any shape, any dtype.
    axis, keepdims
        As of :func:`alice_core.sum`.
    initial : number or 0-d Tensor, optional
        One item more of every result, which then may have no others. Differentiable.
    where : Tensor, optional
        bool, of a shape that broadcasts to that of x: the items that count. Needs ``initial``, as all may be left out.

    Returns
    -------
    Tensor
        Of the dtype of x.

    Gradient
        1 for the largest item; equal ones share it evenly (the subgradient of least norm).

    Accuracy
        Exact.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.
    ValueError
        If a result would have no items.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.max(ac.tensor([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    Tensor([5., 7.], dtype=float32)
    """
    if initial is not None or where is not None:
        return _started("max", _max, x, axis, keepdims, initial, where)
    try:
        return _max(x, axis, keepdims)
    except TypeError:
        _check_no_array("max", axis, "the larger of two items at every place is ac.maximum(x, y)")
        raise


def min(
    x: TensorLike,
    /,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    initial: TensorLike | None = None,
    where: TensorLike | None = None,
) -> Tensor:
    """Smallest item over axes. A NaN anywhere gives NaN.

    Parameters, results, errors and gradient are those of :func:`max`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.min(ac.tensor([3.0, 1.0, 2.0]))
    Tensor(1., dtype=float32)
    """
    if initial is not None or where is not None:
        return _started("min", _min, x, axis, keepdims, initial, where)
    try:
        return _min(x, axis, keepdims)
    except TypeError:
        _check_no_array("min", axis, "the smaller of two items at every place is ac.minimum(x, y)")
        raise


def _started(
    op: str, p: Primitive, x: TensorLike, axis: Axis, keepdims: bool, initial: TensorLike | None, where: Any
) -> Tensor:
    """The extreme of the items that count and of the one to start from."""
    if initial is None:
        raise ValueError(f"{op}: with where= all items may be left out; got initial=None; say what {op} is of none")
    x = asarray(x)
    lowest, highest = _selection.limits(x.dtype)
    neutral, join = (lowest, _selection.maximum) if op == "max" else (highest, _selection.minimum)
    x = asarray(chosen(op, x, where, neutral))
    shape = _reduction.sum(x, axis, keepdims=keepdims).shape if x.size == 0 else None  # of no items: the neutral one
    y = p(x, axis, keepdims) if shape is None else _creation.full(shape, neutral, x.dtype)
    return started(op, y, initial, join)


_argmax = Primitive("argmax", saves=(), differentiable=False)
_argmin = Primitive("argmin", saves=(), differentiable=False)
over_axes(_argmax, _argmin)


def argmax(x: TensorLike, /, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Index of the largest item over axes: the first one among equals, the first NaN if there is one.

    Parameters
    ----------
    x : Tensor
        Any shape, any dtype.
    axis, keepdims
        As of :func:`alice_core.sum`. Several axes, or (None) all, are counted through in row-major order.

    Returns
    -------
    Tensor
        int64; without a gradient.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice.
    ValueError
        If a result would have no items.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.argmax(ac.tensor([[1.0, 5.0], [7.0, 2.0]]), axis=1)
    Tensor([1, 0], dtype=int64)
    """
    return _argmax(x, axis, keepdims)


def argmin(x: TensorLike, /, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Index of the smallest item over axes; see :func:`argmax`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.argmin(ac.tensor([3.0, 1.0, 2.0]))
    Tensor(1, dtype=int64)
    """
    return _argmin(x, axis, keepdims)


# -- truth ---------------------------------------------------------------------------------------------------------

_any = Primitive("any", saves=(), differentiable=False)
_all = Primitive("all", saves=(), differentiable=False)
over_axes(_any, _all)


def _truth(x: TensorLike) -> Tensor:
    x = asarray(x)
    return x if x.dtype == np.bool_ else _comparison.not_equal(x, 0)


def any(x: TensorLike, /, axis: Axis = None, keepdims: bool = False, *, where: TensorLike | None = None) -> Tensor:
    """Whether an item is true (not 0; NaN is true); False of no items.

    Parameters
    ----------
    x : Tensor
        Any shape, any dtype.
    axis, keepdims, where
        As of :func:`alice_core.sum`.

    Returns
    -------
    Tensor
        bool; without a gradient.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.any(ac.tensor([[False, True], [False, False]]), axis=1)
    Tensor([ True, False], dtype=bool)
    """
    return _any(chosen("any", _truth(x), where, False), axis, keepdims)


def all(x: TensorLike, /, axis: Axis = None, keepdims: bool = False, *, where: TensorLike | None = None) -> Tensor:
    """Whether every item is true (not 0; NaN is true); True of no items. See :func:`any`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.all(ac.tensor([[True, True], [True, False]]), axis=1)
    Tensor([ True, False], dtype=bool)
    """
    return _all(chosen("all", _truth(x), where, True), axis, keepdims)
