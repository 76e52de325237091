"""Calls of the primitives that move elements, one example each, for ``test_rules_shape.py``.

They come from the rows of these families, which say what is usual, and from hypothesis: any shapes, any axes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, combinations
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import alice_core as ac
from alice_core import tree
from alice_core.ops import broadcasting, creation, diagonals, indexing, joining, views
from alice_core.tracing import recording
from cases import creation as creation_cases
from cases import indexing as indexing_cases
from cases import shape as shape_cases
from op_calls import calls, differentiable_calls, op, tensors

__all__ = ["BUILDERS", "PRIMITIVES", "ROWS", "Data", "Index", "Use", "uses_in_rows"]

Array = npt.NDArray[Any]

PRIMITIVES = {
    p.name: p
    for family in (views, broadcasting, joining, indexing, diagonals, creation)
    for p in vars(family).values()
    if isinstance(p, ac.Primitive)
}
ROWS = [*shape_cases.CASES, *indexing_cases.CASES, *creation_cases.CASES]
DTYPES = ("bool", "uint8", "int32", "int64", "float32", "float64")
FLOATING = ("float32", "float64")


class Data(NamedTuple):
    """An input that is only moved: any values will do."""

    shape: tuple[int, ...]

    def make(self, rng: np.random.Generator, batch: tuple[int, ...], dtype: str) -> Array:
        # Sums of these depend on the order of the additions.
        values = rng.standard_normal(batch + self.shape) * 10.0 ** rng.integers(-6, 7, batch + self.shape)
        if dtype in FLOATING:
            return np.where(rng.random(values.shape) < 0.1, -0.0, values).astype(dtype)
        return (np.abs(values) * 10).astype(np.int64).astype(dtype)


class Index(NamedTuple):
    """An input that says where to read: integers from low to high."""

    shape: tuple[int, ...]
    low: int
    high: int
    dtype: str

    def make(self, rng: np.random.Generator, batch: tuple[int, ...], dtype: str) -> Array:
        return np.asarray(rng.integers(self.low, self.high + 1, batch + self.shape)).astype(self.dtype)


class Use(NamedTuple):
    """One call: what the primitive gets for one example."""

    name: str
    inputs: tuple[Data | Index, ...]
    attributes: tuple[Any, ...]

    @property
    def primitive(self) -> ac.Primitive:
        return PRIMITIVES[self.name]

    @property
    def dtypes(self) -> Sequence[str]:
        if self.name in ("gather_vjp", "take_along_axis_vjp", "one_hot"):
            return FLOATING
        if self.name == "pad" and self.attributes[2] % 1:
            return FLOATING  # the others have no fractions
        if self.name == "pad" and self.attributes[2] < 0:
            return DTYPES[2:]  # the others have no negative numbers
        return DTYPES

    def subsets(self, positions: Sequence[int]) -> Iterator[tuple[bool, ...]]:
        """Every choice of at least one of the positions, as flags per input."""
        for chosen in chain.from_iterable(combinations(positions, n + 1) for n in range(len(positions))):
            yield tuple(i in chosen for i in range(len(self.inputs)))


@functools.cache
def uses_in_rows() -> dict[str, list[Use]]:
    """The calls that the rows of these families make, forwards and backwards, each once."""
    found: dict[str, dict[str, Use]] = {name: {} for name in PRIMITIVES}
    with recording() as equations:
        for case in ROWS:
            for args, kwargs in calls(case):
                op(case)(*tensors(args), **kwargs)
            for f, xs in differentiable_calls(case) if case.grad else ():
                y, pullback = ac.vjp(f, *tree.map(ac.tensor, xs))
                pullback(tree.map(ac.ones_like, y))
    for eq in equations:
        if eq.primitive.name in PRIMITIVES:
            inputs = tuple(Data(x.shape) if x.is_abstract else _index_like(x.numpy()) for x in eq.inputs)
            use = Use(eq.primitive.name, inputs, eq.attributes)
            found[use.name][repr(use)] = use
    return {name: list(uses.values()) for name, uses in found.items()}


def _index_like(x: Array) -> Index:
    return Index(x.shape, int(x.min(initial=0)), int(x.max(initial=0)), x.dtype.name)


# -- any shapes, any axes --------------------------------------------------------------------------------------------


def shapes(min_dims: int = 0, min_side: int = 0, max_side: int = 3) -> st.SearchStrategy[tuple[int, ...]]:
    return hnp.array_shapes(min_dims=min_dims, max_dims=4, min_side=min_side, max_side=max_side)


def signed(draw: st.DrawFn, axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    """The same axes, some counted from the end."""
    return tuple(a - ndim if draw(st.booleans()) else a for a in axes)


def some_axes(draw: st.DrawFn, ndim: int, of: Sequence[int] | None = None, size: int | None = None) -> tuple[int, ...]:
    choices = list(range(ndim)) if of is None else list(of)
    order = draw(st.permutations(choices)) if choices else []
    return signed(draw, order[: draw(st.integers(0, len(order))) if size is None else size], ndim)


def some_index(draw: st.DrawFn, shape: tuple[int, ...], size: int) -> Index:
    dtype = draw(st.sampled_from(["int64", "int32", "uint8"]))
    return Index(shape, 0 if dtype == "uint8" else -size, size - 1, dtype)


def one(draw: st.DrawFn, shape: tuple[int, ...], *attributes: Any) -> tuple[Any, ...]:
    return (Data(shape),), attributes


def reshape(draw: st.DrawFn) -> Any:
    old = draw(shapes())
    new = list(draw(st.permutations(old)))
    for at in draw(st.lists(st.integers(0, 4), max_size=2)):
        new.insert(min(at, len(new)), 1)
    if new and draw(st.booleans()):
        at = draw(st.integers(0, len(new) - 1))
        if np.prod(new[:at] + new[at + 1 :], dtype=int) > 0:
            new[at] = -1
    return one(draw, old, tuple(new))


def permute_dims(draw: st.DrawFn) -> Any:
    x = draw(shapes())
    return one(draw, x, some_axes(draw, len(x), size=len(x)))


def narrow_and_wide(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    wide = draw(shapes())
    return tuple(1 if draw(st.booleans()) else n for n in wide)[draw(st.integers(0, len(wide))) :], wide


def broadcast_to(draw: st.DrawFn) -> Any:
    narrow, wide = narrow_and_wide(draw)
    return one(draw, narrow, wide)


def sum_to(draw: st.DrawFn) -> Any:
    narrow, wide = narrow_and_wide(draw)
    return one(draw, wide, narrow)


def expand_dims(draw: st.DrawFn) -> Any:
    x, added = draw(shapes()), draw(st.integers(0, 3))
    return one(draw, x, some_axes(draw, len(x) + added, size=added))


def squeeze(draw: st.DrawFn) -> Any:
    x = draw(shapes(max_side=2))
    ones = [i for i, n in enumerate(x) if n == 1]
    return one(draw, x, None if draw(st.booleans()) else some_axes(draw, len(x), of=ones))


def flip(draw: st.DrawFn) -> Any:
    x = draw(shapes())
    return one(draw, x, some_axes(draw, len(x)))


def slice_(draw: st.DrawFn) -> Any:
    x = draw(shapes())
    starts, sizes, steps, result = [], [], [], []
    for n in x:
        start, stop, step = draw(st.slices(n)).indices(n)
        size = len(range(start, stop, step))
        starts.append(start)
        sizes.append(size)
        steps.append(step if size > 1 else 1)
        if size != 1 or draw(st.booleans()):
            result.append(size)
        if draw(st.booleans()):
            result.append(1)
    return one(draw, x, tuple(starts), tuple(sizes), tuple(steps), tuple(result))


def slice_vjp(draw: st.DrawFn) -> Any:
    (x,), (starts, sizes, steps, result) = slice_(draw)
    return one(draw, result, x.shape, starts, sizes, steps)


def copy(draw: st.DrawFn) -> Any:
    return one(draw, draw(shapes()))


def concat(draw: st.DrawFn) -> Any:
    x = draw(shapes(min_dims=1))
    axis = draw(st.integers(0, len(x) - 1))
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    return tuple(Data((*x[:axis], n, *x[axis + 1 :])) for n in sizes), signed(draw, (axis,), len(x))


def pad(draw: st.DrawFn) -> Any:
    x = draw(shapes())
    widths = [tuple(draw(st.integers(0, 2)) for _ in x) for _ in range(2)]
    return one(draw, x, *widths, draw(st.sampled_from([0, 0.0, 1, -1])))


def take(draw: st.DrawFn) -> Any:
    x = draw(shapes(min_dims=1, min_side=1))
    (axis,) = some_axes(draw, len(x), size=1)
    return (Data(x), some_index(draw, draw(shapes()), x[axis])), (axis,)


def gather(draw: st.DrawFn) -> Any:
    x = draw(shapes(min_dims=1, min_side=1))
    axes = some_axes(draw, len(x), size=draw(st.integers(1, len(x))))
    common = draw(hnp.mutually_broadcastable_shapes(num_shapes=len(axes), max_dims=2, max_side=3, min_side=0))
    indices = [some_index(draw, i, x[a]) for i, a in zip(common.input_shapes, axes, strict=True)]
    indexed = {a % len(x) for a in axes}
    x = tuple(0 if i not in indexed and draw(st.integers(0, 5)) == 0 else n for i, n in enumerate(x))
    return (Data(x), *indices), (axes, draw(st.integers(0, len(x) - len(axes))))


def gather_vjp(draw: st.DrawFn) -> Any:
    (x, *indices), (axes, out_axis) = gather(draw)
    g = PRIMITIVES["gather"](ac.abstract(x.shape), *(np.zeros(i.shape, int) for i in indices), axes, out_axis)
    return (Data(g.shape), *indices), (x.shape, axes, out_axis)


def take_along_axis(draw: st.DrawFn) -> Any:
    x = draw(shapes(min_dims=1, min_side=1))
    axis = draw(st.integers(0, len(x) - 1))
    index = [draw(st.integers(0, 3)) if i == axis else draw(st.sampled_from([1, n])) for i, n in enumerate(x)]
    return (Data(x), some_index(draw, tuple(index), x[axis])), signed(draw, (axis,), len(x))


def take_along_axis_vjp(draw: st.DrawFn) -> Any:
    (x, index), (axis,) = take_along_axis(draw)
    g = list(x.shape)
    g[axis] = index.shape[axis]
    return (Data(tuple(g)), index), (x.shape, axis)


def one_hot(draw: st.DrawFn) -> Any:
    classes = draw(st.integers(1, 4))
    return (Index(draw(shapes()), 0, classes - 1, "int64"),), (classes, np.dtype(draw(st.sampled_from(DTYPES))))


def diagonal(draw: st.DrawFn) -> Any:
    x = draw(shapes(min_dims=2))
    return one(draw, x, draw(st.integers(-4, 4)), *some_axes(draw, len(x), size=2))


def diagonal_vjp(draw: st.DrawFn) -> Any:
    (x,), attributes = diagonal(draw)
    return one(draw, PRIMITIVES["diagonal"](ac.abstract(x.shape), *attributes).shape, x.shape, *attributes)


def triangle(draw: st.DrawFn) -> Any:
    return one(draw, draw(shapes(min_dims=2)), draw(st.integers(-4, 4)))


BUILDERS: dict[str, Callable[[st.DrawFn], Any]] = {
    "reshape": reshape,
    "permute_dims": permute_dims,
    "broadcast_to": broadcast_to,
    "sum_to": sum_to,
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "flip": flip,
    "slice": slice_,
    "slice_vjp": slice_vjp,
    "copy": copy,
    "concat": concat,
    "pad": pad,
    "take": take,
    "gather": gather,
    "gather_vjp": gather_vjp,
    "take_along_axis": take_along_axis,
    "take_along_axis_vjp": take_along_axis_vjp,
    "one_hot": one_hot,
    "diagonal": diagonal,
    "diagonal_vjp": diagonal_vjp,
    "tril": triangle,
    "triu": triangle,
}
