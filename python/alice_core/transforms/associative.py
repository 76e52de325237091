"""Scans with any associative function, in a logarithmic number of steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import tree
from ..checks import check_function, checked_flag
from ..errors import ShapeError
from ..ops._arguments import _axis
from ..ops.joining import concat, stack
from ..ops.views import _section, flip, reshape
from ..tensors import Tensor, asarray

__all__ = ["associative_scan"]


def associative_scan(f: Callable[[Any, Any], Any], xs: Any, /, reverse: bool = False, axis: int = 0) -> Any:
    """Running results of an associative function along an axis: ``y_0 = x_0``, ``y_i = f(y_{i-1}, x_i)``.

    ``f`` is called with many items at once, about 2 log2 N times, not N times in a row.

    Parameters
    ----------
    f : callable
        ``f(a, b)`` takes and returns structures like ``xs``, works on all items of an axis side by side, and is
        associative: ``f(f(a, b), c)`` is ``f(a, f(b, c))``.
    xs : structure of Tensors
        All of one length along the axis.
    reverse : bool
        From the end: ``y_i = f(y_{i+1}, x_i)``.
    axis : int

    Returns
    -------
    structure like ``xs``
        Of the shapes of ``xs``.

    Gradient
        Through ``f``, and any transform of ``f``.

    Raises
    ------
    ShapeError
        If the lengths along the axis differ, or ``f`` returns another shape.
    DTypeError
        If ``f`` is no function.

    Source
        Blelloch, "Prefix sums and their applications", 1990.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.associative_scan(ac.multiply, ac.tensor([1.0, 2.0, 3.0, 4.0]))
    Tensor([ 1.,  2.,  6., 24.], dtype=float32)
    """
    check_function("associative_scan", f, "pass a function of two structures like xs")
    reverse = checked_flag("associative_scan", "reverse", reverse)
    structure = tree.structure(xs)
    leaves = [asarray(x) for x in tree.leaves(xs)]
    if not leaves:
        return xs
    axes = [_axis("associative_scan", axis, x.ndim) for x in leaves]
    lengths = [x.shape[a] for x, a in zip(leaves, axes, strict=True)]
    if len(set(lengths)) > 1:
        raise ShapeError(f"associative_scan: all arrays must be equally long along axis {axis}; got {lengths}")

    def combined(a: Sequence[Tensor], b: Sequence[Tensor]) -> list[Tensor]:
        result = [asarray(y) for y in tree.leaves(f(structure.unflatten(a), structure.unflatten(b)))]
        shapes = [x.shape for x in b]
        if [y.shape for y in result] != shapes:
            raise ShapeError(
                f"associative_scan: f must return arrays of the shapes that it gets, {shapes}; got "
                f"{[y.shape for y in result]}"
            )
        return result

    if reverse:
        leaves = [flip(x, a) for x, a in zip(leaves, axes, strict=True)]
    result = _scanned(combined, leaves, axes)
    if reverse:
        result = [flip(y, a) for y, a in zip(result, axes, strict=True)]
    return structure.unflatten(result)


def _scanned(f: Callable[..., list[Tensor]], xs: list[Tensor], axes: list[int]) -> list[Tensor]:
    """Pairs of neighbours are combined, then scanned the same way: these are the results at odd places."""
    levels: list[list[Tensor]] = []
    while (n := xs[0].shape[axes[0]]) > 1:
        levels.append(xs)
        xs = f(_every_other(xs, axes, 0, n // 2), _every_other(xs, axes, 1, n // 2))
    for level in reversed(levels):
        n = level[0].shape[axes[0]]
        first, odd = _every_other(level, axes, 0, 1), xs
        if n > 2:  # at even places one item more, of those in front of it
            more = (n - 1) // 2
            even = f(_part(odd, axes, more), _every_other(level, axes, 2, more))
            first = [concat([a, b], axis) for a, b, axis in zip(first, even, axes, strict=True)]
        xs = [_woven(a, b, axis) for a, b, axis in zip(first, odd, axes, strict=True)]
    return xs


def _part(xs: Sequence[Tensor], axes: Sequence[int], size: int) -> list[Tensor]:
    return [_section(x, axis, 0, size) for x, axis in zip(xs, axes, strict=True)]


def _every_other(xs: Sequence[Tensor], axes: Sequence[int], start: int, size: int) -> list[Tensor]:
    key = slice(start, start + 2 * size - 1 if size else start, 2)
    return [x[(slice(None),) * axis + (key,)] for x, axis in zip(xs, axes, strict=True)]


def _woven(even: Tensor, odd: Tensor, axis: int) -> Tensor:
    """Items of both in turn, the first one's first; it may have one more."""
    size = odd.shape[axis]
    pairs = stack([_section(even, axis, 0, size), odd], axis + 1)
    result = reshape(pairs, (*odd.shape[:axis], 2 * size, *odd.shape[axis + 1 :]))
    rest = even.shape[axis] - size
    return concat([result, _section(even, axis, size, rest)], axis) if rest else result
