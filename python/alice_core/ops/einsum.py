"""Sums of products by Einstein's convention, brought down to matrix products.

A call is planned once for its subscripts and shapes: which two operands to contract next (by ``np.einsum_path``), and
how each of them becomes a batch of matrices: axes permuted, those of one kind joined. What a pair sums over is the K
of one ``matmul``; without anything to sum a pair is one broadcast multiplication. Derivatives, batches and compiled
forms are those of the ops that a plan is made of.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from .. import _core
from ..checks import checked_choice, shown
from ..errors import DTypeError, ShapeError
from ..tensors import asarray, float32, float64, int32
from . import arithmetic as _arithmetic
from . import diagonals as _diagonals
from . import linalg as _linalg
from . import reduction as _reduction
from . import selection as _selection
from . import views as _views
from ._arguments import _beside, _is_array

if TYPE_CHECKING:
    from ..tensors import Tensor

__all__ = ["einsum"]

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

#: The names of an operand's axes: letters, and for those of ``...`` a point and their place from the end.
_Labels: TypeAlias = "tuple[str, ...]"
_Sizes: TypeAlias = "dict[str, int]"


class _Alone(NamedTuple):
    """What happens to one operand by itself: diagonals of repeated labels, sums over labels that nobody else has."""

    diagonals: tuple[tuple[int, int], ...]
    summed: tuple[int, ...]

    def __call__(self, x: Tensor) -> Tensor:
        for axis1, axis2 in self.diagonals:
            x = _diagonals.diagonal(x, 0, axis1, axis2)
        return _selection.astype(_reduction.sum(x, self.summed), x.dtype) if self.summed else x


class _Layout(NamedTuple):
    """An operand with its axes in another order, then in another shape; None leaves it as it is."""

    order: tuple[int, ...] | None
    shape: tuple[int, ...] | None

    def __call__(self, x: Tensor) -> Tensor:
        if self.order is not None:
            x = _views._permute_dims(x, self.order)
        return x if self.shape is None else _views._reshape(x, self.shape)


class _Step(NamedTuple):
    """The contraction of values number i and j, which becomes the next value."""

    i: int
    j: int
    a: _Layout
    b: _Layout
    is_product: bool  # of matrices; else of single items
    shape: tuple[int, ...] | None  # of the result, if it is another


class _Plan(NamedTuple):
    alone: tuple[tuple[int, _Alone], ...]
    steps: tuple[_Step, ...]
    last: _Layout


# -- subscripts -------------------------------------------------------------------------------------------------------


def _as_text(arguments: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
    """Operands with lists of numbers behind them, as subscripts and operands."""
    if len(arguments) < 2:
        raise DTypeError(
            f'einsum: subscripts must be a text such as "ij,jk->ik"; got {shown(arguments[0])}; or name the axes of '
            f"each operand by a list behind it"
        )
    pairs = len(arguments) // 2 * 2
    terms = [_letters(axes) for axes in arguments[1:pairs:2]]
    result = f"->{_letters(arguments[-1])}" if pairs < len(arguments) else ""
    return ",".join(terms) + result, tuple(arguments[:pairs:2])


def _letters(axes: Any) -> str:
    names: list[Any] = list(axes) if isinstance(axes, (list, tuple)) else [None]
    for name in names:
        if name is not Ellipsis and not (type(name) is int and 0 <= name < len(_LETTERS)):
            raise DTypeError(
                f"einsum: the axes of an operand must be a list of ints from 0 to {len(_LETTERS) - 1} and '...'; got "
                f"{axes if isinstance(axes, (list, tuple)) else shown(axes)}"
            )
    return "".join("..." if name is Ellipsis else _LETTERS[name] for name in names)


def _split(text: str, what: str) -> tuple[str, str, bool]:
    """The letters before and after the ellipsis, and whether there is one."""
    before, dots, after = text.partition("...")
    if not all(c in _LETTERS for c in before + after):
        raise ValueError(f"einsum: {what} must be made of letters and one '...'; got {text!r}")
    return before, after, bool(dots)


def _labelled(term: str, shape: tuple[int, ...], at: int) -> _Labels:
    before, after, dots = _split(term, f"term {at}")
    more = len(shape) - len(before) - len(after)
    if more < 0 or (more > 0 and not dots):
        raise ShapeError(
            f"einsum: operand {at} must have {'at least ' if dots else ''}{len(before) + len(after)} axes, as {term!r} "
            f"says; got shape {shape}"
        )
    return (*before, *(f".{i}" for i in range(more, 0, -1)), *after)


def _read(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[_Labels], _Labels]:
    """The labels of every operand, and those of the result."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise ShapeError(f"einsum: expected {len(terms)} operands for {left!r}; got {len(shapes)}")
    labels = [_labelled(term, shape, at) for at, (term, shape) in enumerate(zip(terms, shapes, strict=True))]
    found = Counter(label for term in labels for label in term)
    dots = tuple(f".{i}" for i in range(sum(label[0] == "." for label in found), 0, -1))
    if not arrow:
        return labels, dots + tuple(sorted(label for label, n in found.items() if n == 1 and label[0] != "."))
    before, after, has_dots = _split(right, "the result")
    if dots and not has_dots:
        raise ShapeError(f"einsum: the result must have the axes of '...'; got {subscripts!r}; write ->...{right}")
    result = (*before, *dots, *after)
    for label, n in Counter(result).items():
        if n > 1 or label not in found:
            why = "once" if n > 1 else "in an operand, too"
            raise ValueError(f"einsum: each letter of the result must come {why}; got {label!r} in {subscripts!r}")
    return labels, result


def _sizes(labels: Sequence[_Labels], shapes: Sequence[tuple[int, ...]]) -> _Sizes:
    sizes: _Sizes = {}
    for at, (term, shape) in enumerate(zip(labels, shapes, strict=True)):
        own: _Sizes = {}
        for label, n in zip(term, shape, strict=True):
            before = sizes.get(label, 1)
            same = own.setdefault(label, n)
            if same == n and (before == n or 1 in (before, n)):
                sizes[label] = n if before == 1 else before
                continue
            raise ShapeError(
                f"einsum: axes of one letter must be equally long, or 1 in another operand; got "
                f"{before if same == n else same} and {n} for {'...' if label[0] == '.' else label!r} in operand {at} "
                f"of shape {shape}"
            )
    return sizes


# -- plans ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _planned(subscripts: str, shapes: tuple[tuple[int, ...], ...], optimize: bool | str) -> _Plan:
    labels, result = _read(subscripts, shapes)
    sizes = _sizes(labels, shapes)
    alone: list[tuple[int, _Alone]] = []
    operands: list[_Labels] = []
    # An axis that broadcasts against others is dropped; then these may be alone with it.
    own = [{x for x, n in zip(*pair, strict=True) if n == sizes[x]} for pair in zip(labels, shapes, strict=True)]
    for at, term in enumerate(labels):
        others = set().union(*own[:at], *own[at + 1 :])
        work, left = _by_itself(term, shapes[at], sizes, others, result)
        operands.append(left)
        if work is not None:
            alone.append((at, work))
    steps: list[_Step] = []
    live = set(range(len(operands)))
    for i, j in _order(operands, result, sizes, optimize):
        live -= {i, j}
        kept = {*result, *(label for k in live for label in operands[k])}
        live.add(len(operands))
        step, labels_of_step = _contraction(
            i, j, operands[i], operands[j], sizes, kept, result if len(live) == 1 else ()
        )
        operands.append(labels_of_step)
        steps.append(step)
    return _Plan(tuple(alone), tuple(steps), _Layout(_moved(operands[-1], result), None))


def _by_itself(
    term: _Labels, shape: tuple[int, ...], sizes: _Sizes, others: set[str], result: _Labels
) -> tuple[_Alone | None, _Labels]:
    """What is done to an operand before it meets others, and the labels that it has then."""
    labels, extents = list(term), dict(zip(term, shape, strict=True))
    diagonals: list[tuple[int, int]] = []
    for label in dict.fromkeys(term):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            diagonals.append((first, second))
            labels = [name for i, name in enumerate(labels) if i not in (first, second)] + [label]
    # Nobody else has the label; or others have it, and here it broadcasts: a sum of one item drops the axis.
    summed = tuple(
        axis
        for axis, label in enumerate(labels)
        if (label not in others and label not in result) or extents[label] != sizes[label]
    )
    left = tuple(label for axis, label in enumerate(labels) if axis not in summed)
    return (_Alone(tuple(diagonals), summed) if diagonals or summed else None), left


def _order(
    operands: Sequence[_Labels], result: _Labels, sizes: _Sizes, optimize: bool | str
) -> Iterator[tuple[int, int]]:
    """The pairs to contract, by number; the result of each gets the next number."""
    n = len(operands)
    path: list[Any] = [tuple(range(n))]
    if n > 2 and optimize is not False:
        names = dict(zip(sizes, _LETTERS, strict=False))
        terms = ["".join(names[label] for label in term) for term in (*operands, result)]
        kind = optimize if isinstance(optimize, str) else "optimal" if n <= 5 else "greedy"
        shapes = [[max(sizes[label], 1) for label in term] for term in operands]
        _, *path = np.einsum_path(
            f"{','.join(terms[:-1])}->{terms[-1]}",
            *(np.broadcast_to(np.float64(0), shape) for shape in shapes),
            optimize=(kind, 2**60),  # without a limit to the size of what lies between
        )[0]
    live = list(range(n))
    for group in path:
        chosen = [live[i] for i in sorted(group)]
        live = [i for i in live if i not in chosen]
        while len(chosen) > 1:
            yield chosen[0], chosen[1]
            chosen = [n, *chosen[2:]]
            n += 1
        live += chosen


def _contraction(
    i: int, j: int, a: _Labels, b: _Labels, sizes: _Sizes, kept: set[str], result: _Labels
) -> tuple[_Step, _Labels]:
    """A pair as one product, and the labels of what it gives; ``result`` is its order, if this is the last pair."""
    left, right = [x for x in a if x not in b], [x for x in b if x not in a]
    if result and left and right and result.index(right[0]) < result.index(left[0]):  # the result as it shall lie
        i, j, a, b, left, right = j, i, b, a, right, left
    batch = [x for x in result or a if x in a and x in b and x in kept]
    # Axes to sum over are joined in the order of the larger operand, which then need not be copied.
    larger = a if _extent(a, sizes) >= _extent(b, sizes) else b
    summed = [x for x in larger if x in a and x in b and x not in kept]
    labels = (*batch, *left, *right)
    if not summed:
        labels = result or labels
        return _Step(i, j, _with_axes(a, labels, sizes), _with_axes(b, labels, sizes), False, None), labels
    m = [[*left]] if left or batch else []
    n = [[*right]] if right or batch else []
    one_each = [[x] for x in batch]
    a_layout = _joined(a, [*one_each, *m, summed], sizes)
    b_layout = _joined(b, [*one_each, summed, *n], sizes)
    shape = None if all(len(group) == 1 for group in (*m, *n)) else tuple(sizes[x] for x in labels)
    return _Step(i, j, a_layout, b_layout, True, shape), labels


def _extent(labels: Sequence[str], sizes: _Sizes) -> int:
    return math.prod(sizes[x] for x in labels)


def _moved(labels: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...] | None:
    """The permutation that brings axes into the wanted order; None if they are in it."""
    order = tuple(labels.index(x) for x in wanted)
    return None if order == tuple(range(len(order))) else order


def _joined(labels: _Labels, groups: Sequence[Sequence[str]], sizes: _Sizes) -> _Layout:
    """An operand with an axis for each group of labels."""
    order = _moved(labels, [x for group in groups for x in group])
    if all(len(group) == 1 for group in groups):
        return _Layout(order, None)
    return _Layout(order, tuple(_extent(group, sizes) for group in groups))


def _with_axes(labels: _Labels, wanted: _Labels, sizes: _Sizes) -> _Layout:
    """An operand with an axis for each of the wanted labels, of size 1 for those that it lacks."""
    order = _moved(labels, [x for x in wanted if x in labels])
    if len(labels) == len(wanted):
        return _Layout(order, None)
    return _Layout(order, tuple(sizes[x] if x in labels else 1 for x in wanted))


def _tensors(operands: Sequence[Any]) -> list[Any]:
    """The operands; numbers take the dtype of the arrays."""
    arrays = [asarray(x) for x in operands if _is_array(x)]
    if not arrays or len(arrays) == len(operands):
        return arrays or [asarray(x) for x in operands]
    widest = max(arrays, key=lambda x: ("biuf".index(x.dtype.kind), x.dtype.itemsize))
    return [_beside(x, widest) for x in operands]


def _of_one_dtype(xs: list[Any]) -> list[Any]:
    """The operands in their common dtype: a product of integers shall not overflow because a float comes later."""
    dtypes = {x.dtype for x in xs}
    _core.check_signs("einsum", list(dtypes))
    if len(dtypes) == 1 and xs[0].dtype.kind != "b":
        return xs
    common: Any
    floating = {d for d in dtypes if d.kind == "f"}
    if len(floating) > 1:
        common = float64 if float64 in floating else float32
    else:
        common = floating.pop() if floating else np.result_type(*dtypes) if len(dtypes) > 1 else int32
    return [_selection.astype(x, common) for x in xs]


def einsum(subscripts: Any, /, *operands: Any, optimize: bool | str = True) -> Tensor:
    """Sum of products by Einstein's convention: ``"ij,jk->ik"`` is ``y[i, k] = Σ_j a[i, j] b[j, k]``.

    Parameters
    ----------
    subscripts : str
        A letter for each axis, operands apart by commas. A letter that comes several times in one operand takes its
        diagonal. ``...`` stands for any further axes, which broadcast. Letters that are not behind ``->`` are summed
        over; without ``->`` the result has the letters that come once, in alphabetical order, after those of ``...``.
    *operands : Tensor, numeric
        One for each term. An axis of size 1 broadcasts. Instead of a text, each operand may be followed by a list of
        numbers that name its axes, and the last one by a list for the result: ``einsum(a, [0, 1], b, [1, 2], [0, 2])``.
    optimize : bool or {"greedy", "optimal"}
        Which two operands are contracted first: True finds the least work for up to five operands, and a good order of
        more; False goes from left to right.

    Returns
    -------
    Tensor
        Of the common dtype of the operands; integers wrap around, bool counts as int32.

    Gradient
        The contraction of the cotangent with the other operands.

    Accuracy
        As :func:`matmul` for each contraction of two operands, as :func:`sum` for what one operand has alone.

    Raises
    ------
    ShapeError
        If the subscripts do not fit the operands, or axes of one letter differ in size.
    ValueError
        If the subscripts cannot be read.

    Source
        Einstein 1916; the order of contractions is that of ``numpy.einsum_path``.

    Examples
    --------
    >>> import alice_core as ac
    >>> a = ac.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> ac.einsum("ij,j->i", a, ac.tensor([1.0, 10.0]))
    Tensor([21., 43.], dtype=float32)
    >>> ac.einsum("ii", a)
    Tensor(5., dtype=float32)
    """
    if not isinstance(subscripts, str):
        subscripts, operands = _as_text((subscripts, *operands))
    if optimize is not True and optimize is not False:
        optimize = checked_choice("einsum", "optimize", optimize, ("greedy", "optimal"))
    xs = _tensors(operands)
    plan = _planned(subscripts, tuple(x.shape for x in xs), optimize)
    xs = _of_one_dtype(xs)
    for at, alone in plan.alone:
        xs[at] = alone(xs[at])
    for step in plan.steps:
        a, b = step.a(xs[step.i]), step.b(xs[step.j])
        xs[step.i] = xs[step.j] = None
        y = _linalg._matmul(a, b) if step.is_product else _arithmetic._multiply(a, b)
        xs.append(y if step.shape is None else _views._reshape(y, step.shape))
    return plan.last(xs[-1])
