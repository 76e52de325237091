"""Which items of the inputs each item of a primitive's results depends on, primitive by primitive.

The families follow from the batch rules: that of an elementwise primitive, say, is right only if no item depends on
items at other places. What has no rule depends on everything, which is never wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...ops import _elementwise, _reducing, _slopes
from ...primitive import Primitive
from .sets import Sets, placed, running, stacked, united

__all__ = ["Items", "dependence", "moved"]

Shape = tuple[int, ...]
Array = npt.NDArray[Any]


class Items(NamedTuple):
    """An operand: what its items depend on, and integers that are known."""

    sets: Sets
    known: Array | None


# -- items that move ---------------------------------------------------------------------------------------------------


def _reshaped(x: Array, shape: Shape, *_: Any) -> Array:
    return x.reshape(shape)


def _region(starts: Sequence[int], sizes: Sequence[int], steps: Sequence[int]) -> Any:
    return np.ix_(*(s + d * np.arange(n) for s, n, d in zip(starts, sizes, steps, strict=True)))


def _padded(x: Array, shape: Shape, before: Sequence[int], *_: Any) -> Array:
    y = np.zeros(shape, x.dtype)
    y[_region(before, x.shape, (1,) * x.ndim)] = x
    return y


def _slice_back(x: Array, shape: Shape, _: Any, starts: Any, sizes: Any, steps: Any) -> Array:
    y = np.zeros(shape, x.dtype)
    y[_region(starts, sizes, steps)] = x.reshape(sizes)
    return y


def _diagonal_back(x: Array, shape: Shape, _: Any, offset: int, axis1: int, axis2: int) -> Array:
    y = np.zeros(math.prod(shape), x.dtype)
    y[np.diagonal(np.arange(y.size).reshape(shape), offset, axis1, axis2)] = x
    return y.reshape(shape)


#: What becomes of the items of an array, whatever they are: ``(x, shape of the result, *attributes)``. 0 is none.
_MOVES: dict[str, Callable[..., Array]] = {
    **dict.fromkeys(("reshape", "expand_dims", "squeeze", "copy"), _reshaped),
    "permute_dims": lambda x, shape, axes: x.transpose(axes),
    "broadcast_to": lambda x, shape, _: np.broadcast_to(x, shape),
    "flip": lambda x, shape, axes: np.flip(x, axes),
    "slice": lambda x, shape, starts, sizes, steps, _: x[_region(starts, sizes, steps)].reshape(shape),
    "slice_vjp": _slice_back,
    "pad": _padded,
    "tril": lambda x, shape, k: np.tril(x, k),
    "triu": lambda x, shape, k: np.triu(x, k),
    "diagonal": lambda x, shape, offset, axis1, axis2: np.diagonal(x, offset, axis1, axis2),
    "diagonal_vjp": _diagonal_back,
}


def moved(name: str, x: Array, shape: Shape, attributes: Sequence[Any]) -> Array | None:
    """Integers behind a primitive that only moves them; None of another one."""
    if name == "astype":
        return x
    return _MOVES[name](x, shape, *attributes) if name in _MOVES and name != "pad" else None


# -- places by index ---------------------------------------------------------------------------------------------------


def _gathered(x: Array, indices: Sequence[Array], axes: Sequence[int], out_axis: int) -> Array:
    axes = [a % x.ndim for a in axes]
    rest = [a for a in range(x.ndim) if a not in axes]
    found = x.transpose([*axes, *rest])[tuple(indices)]
    n = found.ndim - len(rest)
    return np.moveaxis(found, range(n), range(out_axis, out_axis + n))


def _known(indices: Sequence[Items]) -> list[Array]:
    """The indices; where one is not known, 0 for all: of axes that have been united."""
    values = [i.known for i in indices]
    if any(v is None for v in values):
        return [np.zeros(i.sets.shape, np.int64) for i in indices]
    return [v for v in values if v is not None]


def _is_known(indices: Sequence[Items]) -> bool:
    return all(i.known is not None for i in indices)


def _gather(inputs: Sequence[Items], shape: Shape, axes: Sequence[int], out_axis: int) -> Sets:
    (x, _), *indices = inputs
    x = x if _is_known(indices) else x.over(axes)
    return x.at(_gathered(x.which, _known(indices), axes, out_axis))


def _scattered(
    x: Sets, v: Sets, indices: Sequence[Items], axes: Sequence[int], out_axis: int, replace: bool = False
) -> Sets:
    """x with v where gather reads; where it is not known which places these are, at all of them along the axes."""
    known, shape = _is_known(indices), x.shape
    if not known:
        united_axes = {a % len(shape) for a in axes}
        shape = tuple(1 if a in united_axes else n for a, n in enumerate(shape))
    numbers = np.arange(math.prod(shape)).reshape(shape)
    places = _gathered(numbers, _known(indices), axes, out_axis)
    if known:
        return placed(x, v, places, replace)
    return united(x, placed(Sets.none(shape), v, places, False))


def _gather_back(inputs: Sequence[Items], shape: Shape, _: Any, axes: Sequence[int], out_axis: int) -> Sets:
    return _scattered(Sets.none(shape), inputs[0].sets, inputs[1:], axes, out_axis)


def _scatter(
    inputs: Sequence[Items], shape: Shape, axes: Sequence[int], out_axis: int, *, replace: bool = False
) -> Sets:
    return _scattered(inputs[0].sets, inputs[1].sets, inputs[2:], axes, out_axis, replace)


def _take(inputs: Sequence[Items], shape: Shape, axis: int) -> Sets:
    return _gather(inputs, shape, (axis,), axis % inputs[0].sets.which.ndim)


def _along(index: Array, shape: Shape, axis: int) -> Array:
    """For each index along an axis the number of its item, in C order."""
    numbers = np.arange(math.prod(shape)).reshape(shape)
    whole = tuple(index.shape[a] if a == axis % len(shape) else n for a, n in enumerate(shape))
    return np.take_along_axis(numbers, np.broadcast_to(index, whole), axis)


def _take_along_axis(inputs: Sequence[Items], shape: Shape, axis: int) -> Sets:
    (x, _), index = inputs
    if index.known is None:
        return _spread(x.over((axis,)), shape)
    return x.at(x.which.ravel()[_along(index.known, x.shape, axis)])


def _take_along_axis_back(inputs: Sequence[Items], shape: Shape, _: Any, axis: int) -> Sets:
    (g, _), index = inputs
    if index.known is None:
        return _spread(g.over((axis,)), shape)
    return placed(Sets.none(shape), g, _along(index.known, shape, axis), False)


def _slice_set(inputs: Sequence[Items], shape: Shape, starts: Any, sizes: Any, steps: Any) -> Sets:
    x, v = inputs[0].sets, inputs[1].sets
    numbers = np.arange(math.prod(shape)).reshape(shape)
    return placed(x, v.at(v.which.reshape(sizes)), numbers[_region(starts, sizes, steps)], True)


def _spread(x: Sets, shape: Shape) -> Sets:
    return x.at(np.broadcast_to(x.which, shape))


# -- lines and matrices ------------------------------------------------------------------------------------------------


def _reduced(inputs: Sequence[Items], shape: Shape, axes: Sequence[int]) -> Sets:
    """Of operands with all axes, or without those that are reduced."""
    full = max((x.sets.shape for x in inputs), key=lambda s: (len(s), math.prod(s)))
    kept = tuple(1 if a in axes else n for a, n in enumerate(full))
    parts = [x.sets.over(axes) if x.sets.shape == full else x.sets.at(x.sets.which.reshape(kept)) for x in inputs]
    total = united(*parts)
    return _spread(total, shape) if shape == full else total.at(total.which.reshape(shape))


def _over_axes(inputs: Sequence[Items], shape: Shape, axis: Any, *_: Any) -> Sets:
    return _reduced(inputs, shape, _reducing._reduced(axis, inputs[-1].sets.which.ndim))


def _along_last(inputs: Sequence[Items], shape: Shape) -> Sets:
    return _reduced(inputs, shape, (max(len(x.sets.shape) for x in inputs) - 1,))


def _along_axis(inputs: Sequence[Items], shape: Shape, axis: int, *_: Any) -> Sets:
    return _spread(united(*(x.sets.over((axis,)) for x in inputs)), shape)


def _running(inputs: Sequence[Items], shape: Shape, axis: int, backwards: bool = False) -> Sets:
    return running(united(*(x.sets for x in inputs)), axis, backwards)


def _sum_to(inputs: Sequence[Items], shape: Shape, _: Any) -> Sets:
    x = inputs[0].sets
    ahead = len(x.shape) - len(shape)
    axes = [a for a in range(len(x.shape)) if a < ahead or shape[a - ahead] != x.shape[a]]
    total = x.over(axes)
    return total.at(total.which.reshape(shape))


def _matmul(inputs: Sequence[Items], shape: Shape) -> Sets:
    a, b = (x.sets for x in inputs)
    rows = a if len(a.shape) > 1 else a.at(a.which[None])
    columns = b if len(b.shape) > 1 else b.at(b.which[:, None])
    total = united(rows.over((-1,)), columns.over((-2,)))
    return total.at(total.which.reshape(shape))


def _concat(inputs: Sequence[Items], shape: Shape, axis: int) -> Sets:
    return stacked([x.sets for x in inputs], axis)


def _matrices(inputs: Sequence[Items], shape: Shape, *_: Any) -> Sets:
    """Every matrix of a batch by itself."""
    batch = inputs[0].sets.shape[:-2]
    if any(len(x.sets.shape) < 2 or x.sets.shape[:-2] != batch for x in inputs) or shape[: len(batch)] != batch:
        return _everything(inputs, shape)
    total = united(*(x.sets.over((-2, -1)) for x in inputs))
    return _spread(total.at(total.which.reshape(batch + (1,) * (len(shape) - len(batch)))), shape)


# -- windows -----------------------------------------------------------------------------------------------------------


def _windows(x: Array, window: Shape, stride: Shape, padding: Shape, dilation: Shape) -> Array:
    """The windows over the last axes, then the items in each; 0 where one hangs over."""
    rank, ahead = len(window), x.ndim - len(window)
    x = np.pad(x, [(0, 0)] * ahead + [(padding[2 * i], padding[2 * i + 1]) for i in range(rank)])
    for i in range(rank):
        axis = ahead + 2 * i
        count = (x.shape[axis] - dilation[i] * (window[i] - 1) - 1) // stride[i] + 1
        places = stride[i] * np.arange(count)[:, None] + dilation[i] * np.arange(window[i])
        x = np.take(x, places, axis=axis)
    found: Array = x.transpose([*range(ahead), *range(ahead, x.ndim, 2), *range(ahead + 1, x.ndim, 2)])
    return found


def _exchanged(x: Array, rank: int) -> Array:
    """The last axes before as many in front of them: windows and the items in each."""
    ahead = x.ndim - 2 * rank
    found: Array = x.transpose([*range(ahead), *range(ahead + rank, x.ndim), *range(ahead, ahead + rank)])
    return found


def _from_windows(y: Sets, shape: Shape, *how: Any) -> Sets:
    """The transpose: what each item of all windows has goes to where it lies."""
    places = _windows(np.arange(1, math.prod(shape) + 1).reshape(shape), *how)
    found = placed(Sets.none((math.prod(shape) + 1,)), y.at(np.broadcast_to(y.which, places.shape)), places, False)
    return found.at(found.which[1:].reshape(shape))


def _opened(y: Sets, how: Sequence[Any]) -> Sets:
    """What belongs to whole windows, for each of their items."""
    return y.at(y.which.reshape(y.shape + (1,) * len(how[0])))


def _pool(inputs: Sequence[Items], shape: Shape, *how: Any) -> Sets:
    x = inputs[0].sets
    windows = x.at(_windows(x.which, *how[:4]))
    total = windows.over(range(len(shape), windows.which.ndim))
    return total.at(total.which.reshape(shape))


def _pool_back(inputs: Sequence[Items], shape: Shape, *how: Any) -> Sets:
    return _from_windows(_opened(inputs[0].sets, how), shape, *how[:4])


def _unfold(inputs: Sequence[Items], shape: Shape, *how: Any) -> Sets:
    x, rank = inputs[0].sets, len(how[0])
    return x.at(_exchanged(_windows(x.which, *how), rank).reshape(shape))


def _fold(inputs: Sequence[Items], shape: Shape, *how: Any) -> Sets:
    y, rank = inputs[0].sets, len(how[0])
    window, numbers = how[0], np.zeros(shape, np.int8)
    counts = _windows(numbers, *how[:4]).shape[-2 * rank : -rank]
    apart = y.which.reshape(*shape[:-rank], *window, *counts)
    return _from_windows(y.at(_exchanged(apart, rank)), shape, *how[:4])


def _grouped(x: Sets, axis: int, groups: int, over: Sequence[int]) -> Sets:
    """An axis taken apart into groups, then the union over axes, which go."""
    shape = (*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :])
    total = x.at(x.which.reshape(shape)).over(over)
    return total.at(np.squeeze(total.which, tuple(over)))


def _conv(inputs: Sequence[Items], shape: Shape, stride: Any, padding: Any, dilation: Any, groups: int) -> Sets:
    x, w = (given.sets for given in inputs)
    window = w.shape[2:]
    images = _grouped(x, 1, groups, (2,))
    windows = images.at(_windows(images.which, window, stride, padding, dilation))
    total = windows.over(range(len(shape), windows.which.ndim))
    rows = np.repeat(total.which.reshape(shape[0], groups, *shape[2:]), shape[1] // groups, axis=1)
    kernels = w.over(range(1, w.which.ndim))
    return united(total.at(rows), kernels.at(kernels.which.reshape(-1, *(1,) * len(window))))


def _conv_back(
    inputs: Sequence[Items], shape: Shape, stride: Any, padding: Any, dilation: Any, groups: int, _: Any
) -> Sets:
    g, w = (given.sets for given in inputs)
    how = (w.shape[2:], stride, padding, dilation)
    found = _from_windows(_opened(_grouped(g, 1, groups, (2,)), how), (shape[0], groups, *shape[2:]), *how)
    kernels = _grouped(w, 0, groups, (1, *range(3, w.which.ndim + 1)))
    channels = kernels.at(kernels.which.reshape(-1, *(1,) * len(how[0])))
    return united(found.at(np.repeat(found.which, shape[1] // groups, axis=1)), channels)


# -- the table ---------------------------------------------------------------------------------------------------------


def _everything(inputs: Sequence[Items], shape: Shape, *_: Any) -> Sets:
    flat = [x.sets.at(x.sets.which.reshape(-1)).over((0,)) for x in inputs if not x.sets.is_empty]
    total = united(*flat)
    return _spread(total.at(total.which.reshape(())), shape)


def _pointwise(inputs: Sequence[Items], shape: Shape, *_: Any) -> Sets:
    return united(Sets.none(shape), *(x.sets for x in inputs))


_DECOMPOSITIONS = "cholesky cholesky_vjp lu qr eig eigvals eigh eigvalsh svd svdvals"
_SOLVERS = "inv det slogdet cofactor expm pinv solve solve_triangular lstsq"

#: ``(inputs, shape of the result, *attributes)``, for each of the results.
_RULES: dict[str, Callable[..., Sets]] = {
    "gather": _gather,
    "gather_vjp": _gather_back,
    "take": _take,
    "take_along_axis": _take_along_axis,
    "take_along_axis_vjp": _take_along_axis_back,
    **dict.fromkeys(("scatter_add", "scatter_multiply", "scatter_min", "scatter_max"), _scatter),
    "scatter_set": partial(_scatter, replace=True),
    "slice_set": _slice_set,
    "concat": _concat,
    "sum_to": _sum_to,
    **dict.fromkeys(("matmul", "vecmat"), _matmul),
    **dict.fromkeys(("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "affine_scan"), _running),
    **dict.fromkeys(("max_pool", "max_pool_jvp", "avg_pool"), _pool),
    **dict.fromkeys(("max_pool_vjp", "avg_pool_vjp"), _pool_back),
    "unfold": _unfold,
    "fold": _fold,
    "conv": _conv,
    "conv_transpose": _conv_back,
    **dict.fromkeys((*_DECOMPOSITIONS.split(), *_SOLVERS.split()), _matrices),
}

_FAMILIES: dict[Any, Callable[..., Sets]] = {
    _elementwise._batched: _pointwise,
    _slopes._batched: _pointwise,
    _reducing._over_axes: _over_axes,
    _reducing._along_axis: _along_axis,
    _reducing._along_last: _along_last,
}


def dependence(p: Primitive, inputs: Sequence[Items], shape: Shape, attributes: Sequence[Any]) -> Sets:
    """What the items of a result of that shape depend on."""
    if p.rerun_rule is not None:  # a rule of one's own, whatever it is called
        return _everything(inputs, shape)
    if p.name in _MOVES:
        x = inputs[0].sets
        return x.at(_MOVES[p.name](x.which, shape, *attributes))
    family = _FAMILIES.get(getattr(p.batch_rule, "func", None), _everything)
    return _RULES.get(p.name, family)(inputs, shape, *attributes)
