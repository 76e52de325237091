"""Sparse Jacobians: which entries can differ from 0, found from the trace, and their values in few directions.

The function is traced. Which items of the arguments each item of the result depends on follows from its equations, and
says which columns (or rows) share no row (column): these are found together, from one tangent (cotangent).

Source: Griewank and Walther, Evaluating Derivatives, 2008, chapters 7 and 8.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ... import _core, tree
from ...checks import check_function
from ...errors import DTypeError, GradientError, ShapeError
from ...extras import require
from ...ops import creation, indexing, joining, views
from ...tensors import Tensor, asarray
from ..batching import along_basis, vmap
from ..control import write_back
from ..control.bodies import Traced, derived, run, trace, type_of
from ..reverse import Pullback, checked_argnums, checked_point, grad, run_watched
from .colouring import of_columns, of_symmetric
from .following import follow, has_rules_of_its_own, known_integers
from .rules import Items
from .sets import Sets

__all__ = ["SparseMatrix", "Sparsity", "differentiated", "sparsity"]

R = TypeVar("R")

_DRAWN = 64  # columns; of larger matrices a picture stands for blocks


@dataclass(frozen=True, eq=False, repr=False)
class Sparsity:
    """Which entries of a Jacobian can differ from 0; printed, a picture of it.

    Attributes
    ----------
    rows, cols : NumPy arrays of int64
        The entries, row by row: items of the result and of the argument, in C order.
    of, by : tuple of int
        The shapes of the result and of the argument.

    Examples
    --------
    >>> import alice_core as ac
    >>> print(ac.sparsity(lambda x: x[1:] * x[:-1], ac.abstract((4,))))
    Sparsity of 3 by 4, 6 entries
    x x . .
    . x x .
    . . x x
    """

    rows: npt.NDArray[np.int64]
    cols: npt.NDArray[np.int64]
    of: tuple[int, ...]
    by: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns."""
        return math.prod(self.of), math.prod(self.by)

    @property
    def nnz(self) -> int:
        """How many entries."""
        return len(self.rows)

    def todense(self) -> npt.NDArray[np.bool_]:
        """True at the entries: a matrix."""
        dense = np.zeros(self.shape, np.bool_)
        dense[self.rows, self.cols] = True
        return dense

    def __repr__(self) -> str:
        return f"Sparsity of {self.shape[0]} by {self.shape[1]}, {self.nnz} entries"

    def __str__(self) -> str:
        step = max(1, -(-max(self.shape) // _DRAWN))
        m, n = (-(-size // step) for size in self.shape)
        drawn = np.full((m, n), ".")
        drawn[self.rows // step, self.cols // step] = "x"
        head = repr(self) + (f"; each letter stands for {step} by {step}" if step > 1 else "")
        return "\n".join([head, *(" ".join(line) for line in drawn.tolist())])


@dataclass(frozen=True, eq=False, repr=False)
class SparseMatrix:
    """A Jacobian by its entries. A tree, whose one leaf are the values: compiled functions may return it.

    Attributes
    ----------
    values : Tensor, shape (nnz,)
        Entry by entry; under :func:`vmap` with the batch in front.
    pattern : Sparsity
        Which entries they are.
    directions : int
        How many tangents (or cotangents) it took: the number of colours.

    Examples
    --------
    >>> import alice_core as ac
    >>> J = ac.jacfwd(lambda x: x[1:] * x[:-1], sparse=True)(ac.tensor([1.0, 2.0, 3.0, 4.0]))
    >>> J
    SparseMatrix of 3 by 4, 6 entries, float32, from 2 directions
    >>> J.rows, J.cols, J.values
    (array([0, 0, 1, 1, 2, 2]), array([0, 1, 1, 2, 2, 3]), Tensor([2., 1., 3., 2., 4., 3.], dtype=float32))
    >>> J.todense()
    Tensor([[2., 1., 0., 0.],
            [0., 3., 2., 0.],
            [0., 0., 4., 3.]], dtype=float32)
    """

    values: Tensor
    pattern: Sparsity = field(metadata={"static": True})
    directions: int = field(metadata={"static": True})

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Of each entry the item of the result."""
        return self.pattern.rows

    @property
    def cols(self) -> npt.NDArray[np.int64]:
        """Of each entry the item of the argument."""
        return self.pattern.cols

    @property
    def shape(self) -> tuple[int, int]:
        """How many rows and columns."""
        return self.pattern.shape

    @property
    def nnz(self) -> int:
        """How many entries."""
        return self.pattern.nnz

    def todense(self) -> Tensor:
        """What the transform returns without ``sparse=True``, of the shapes of result and argument together."""
        batch, (m, n) = self.values.shape[:-1], self.shape
        zeros = creation.zeros((*batch, m * n), self.values.dtype)
        filled = zeros.at[..., self.rows * n + self.cols].set(self.values) if self.nnz else zeros
        return views.reshape(filled, (*batch, *self.pattern.of, *self.pattern.by))

    def toscipy(self) -> Any:
        """A ``scipy.sparse.csr_array``, rows and columns being items in C order.

        Raises
        ------
        MissingPackageError
            Without SciPy.
        ShapeError
            For the values of a batch.

        Examples
        --------
        >>> import alice_core as ac
        >>> J = ac.jacfwd(lambda x: x[1:] * x[:-1], sparse=True)(ac.tensor([1.0, 2.0, 3.0]))
        >>> J.toscipy().toarray()
        array([[2., 1., 0.],
               [0., 3., 2.]], dtype=float32)
        """
        sparse: Any = require("scipy.sparse", "scipy", "SparseMatrix.toscipy")
        if self.values.ndim != 1:
            raise ShapeError(
                f"SparseMatrix.toscipy: expected the values of one matrix; got a batch, shape {self.values.shape}; "
                f"convert one after the other: SparseMatrix(J.values[i], J.pattern, J.directions)"
            )
        starts = np.searchsorted(self.rows, np.arange(self.shape[0] + 1))
        return sparse.csr_array((np.array(self.values), self.cols, starts), shape=self.shape)

    def __repr__(self) -> str:
        kind = getattr(getattr(self.values, "dtype", None), "name", None)
        of = f"SparseMatrix of {self.shape[0]} by {self.shape[1]}, {self.nnz} entries"
        return f"{of}, {kind}, from {self.directions} directions"


def sparsity(f: Callable[..., Any], *args: Any, argnums: int = 0) -> Sparsity:
    """Which entries of the Jacobian of ``f`` can differ from 0, whatever the numbers are.

    Parameters
    ----------
    f : callable
        From arrays to one floating array. It is traced, so it may not ask for values.
    *args
        What f takes; may be abstract (``ac.abstract(shape, dtype)``).
    argnums : int
        By which argument, one floating array of any shape.

    Returns
    -------
    Sparsity

    Raises
    ------
    ShapeError, DTypeError
        If the argument or the result is not one floating array.
    TraceError
        If f asks for a value.
    GradientError
        If there are more than 2^25 entries: then it is no sparse matrix.

    Notes
    -----
    The pattern is structural. It follows every equation's own structure, item by item: what is elementwise, moved,
    indexed, summed, multiplied as matrices, repeated in loops. Numbers do not matter: a product with a constant matrix
    makes every item of the result depend on all items of a column, zeros or not, and both branches of a choice count;
    write sparse constants with indices. Indices are followed where they are known: slices, NumPy arrays, and Tensors
    but for those of the closure of a function that is being compiled; where they are not, all that they may mean. For a
    few primitives (attention, rules of one's own) each item depends on everything. ``cond`` and ``while_loop`` count
    all that any number of steps may do, as a ``scan`` of more than 1,000 steps does.

    For Hessians: ``ac.sparsity(ac.grad(f), x)``.

    Source
    ------
    Griewank and Walther, Evaluating Derivatives, 2008, section 7.1.

    Examples
    --------
    >>> import alice_core as ac
    >>> print(ac.sparsity(ac.cumsum, ac.tensor([1.0, 2.0, 3.0])))
    Sparsity of 3 by 3, 6 entries
    x . .
    x x .
    x x x
    """
    check_function("sparsity", f)
    (n,) = _one_argument("sparsity", argnums, len(args))
    traced, _ = _traced("sparsity", f, args, n, {}, False)
    return _pattern_of(traced)


# -- the pattern and the directions of a function ----------------------------------------------------------------------


class _Plan:
    """A pattern, and the colour of each of its columns, or rows."""

    def __init__(self, pattern: Sparsity, by_columns: bool, colours: npt.NDArray[np.int64]) -> None:
        self.pattern, self.by_columns = pattern, by_columns
        self.count = int(colours.max()) + 1 if pattern.nnz else 0
        self.colours = colours if self.count < len(colours) else np.arange(self.count)
        m, n = pattern.shape
        rows, cols, size = (pattern.rows, pattern.cols, m) if by_columns else (pattern.cols, pattern.rows, n)
        self.places = self.colours[cols] * size + rows  # of each entry, among the results of all directions


def _symmetric(pattern: Sparsity) -> _Plan:
    """For Hessians: each entry is found in its place or in that of the entry which equals it."""
    n = pattern.shape[0]
    keys = np.unique(np.concatenate([pattern.rows * n + pattern.cols, pattern.cols * n + pattern.rows]))
    whole = _pattern(keys // n, keys % n, pattern.of, pattern.by)
    by_columns = _Plan(whole, True, of_columns(whole.rows, whole.cols, whole.shape))
    plan = _Plan(whole, True, of_symmetric(whole.rows, whole.cols, n))
    if plan.count >= by_columns.count:
        return by_columns
    _, where, counts = np.unique(plan.places, return_inverse=True, return_counts=True)
    alone = counts[where.ravel()] == 1
    across = plan.colours[whole.rows] * n + whole.cols
    plan.places = np.where(alone, plan.places, across)
    both = alone | alone[np.searchsorted(keys, whole.cols * n + whole.rows)]
    return plan if both.all() else by_columns


def _pattern(rows: Any, cols: Any, of: tuple[int, ...], by: tuple[int, ...]) -> Sparsity:
    for numbers in (rows, cols):
        numbers.setflags(write=False)
    return Sparsity(rows, cols, of, by)


def _remembered(traced: Traced, what: str, make: Callable[[], R]) -> R:
    """Of a body, and of the indices that it is given."""
    known = [known_integers(x) for x in traced.read]
    asked = what, tuple(None if k is None else (k.dtype.str, k.tobytes()) for k in known)
    return derived(traced.body, "sparsity", asked, make, lambda _: [])


def _pattern_of(traced: Traced) -> Sparsity:
    def make() -> Sparsity:
        types = traced.body.types
        known = [None, *map(known_integers, traced.read), *[None] * len(traced.changed)]
        inputs = [Items(Sets.none(shape), k) for (shape, _), k in zip(types, known, strict=True)]
        inputs[0] = Items(Sets.singles(types[0][0]), None)
        y, *_ = follow(traced.body, inputs)
        return _pattern(*y.sets.listed(), y.sets.shape, types[0][0])

    return _remembered(traced, "pattern", make)


def _plan(traced: Traced, kind: str) -> _Plan:
    """``kind``: "columns", "rows", "fewest" or "symmetric"."""

    def make() -> _Plan:
        pattern = _pattern_of(traced)
        if kind == "symmetric" and not has_rules_of_its_own(traced.body):
            return _symmetric(pattern)
        m, n = pattern.shape
        plans = []
        if kind != "rows":
            plans.append(_Plan(pattern, True, of_columns(pattern.rows, pattern.cols, (m, n))))
        if kind in ("rows", "fewest"):
            plans.append(_Plan(pattern, False, of_columns(pattern.cols, pattern.rows, (n, m))))
        return min(plans, key=lambda plan: plan.count)

    return _remembered(traced, kind, make)


# -- tracing -----------------------------------------------------------------------------------------------------------


def _one_argument(name: str, argnums: Any, count: int) -> list[int]:
    if isinstance(argnums, (tuple, list)):
        raise DTypeError(
            f"{name}: argnums must be one int for a sparse Jacobian; got {argnums}; take one argument after the other, "
            f"or put them into one array with ac.concat"
        )
    return checked_argnums(name, argnums, count)


def _traced(
    name: str, f: Callable[..., Any], args: Sequence[Any], n: int, kwargs: dict[str, Any], has_aux: bool
) -> tuple[Traced, Any]:
    """The body of y and what is beside it, by argument n; and the form of that."""
    leaves, _ = tree.flatten(args[n])
    if len(leaves) != 1 or leaves[0] is not args[n]:
        raise ShapeError(
            f"{name}: argument {n} must be one array for a sparse Jacobian; got a tree of {len(leaves)} leaves; put "
            f"them into one array with ac.concat, and take it apart inside of the function"
        )
    x, _ = checked_point(name, args[n], f"argument {n}", "choose another argument with argnums")
    beside: Any = None

    def flat(inputs: list[Tensor]) -> list[Any]:
        nonlocal beside
        given = list(args)
        given[n] = inputs[0]
        y = f(*given, **kwargs)
        aux: list[Any] = []
        if has_aux:
            if not isinstance(y, tuple) or len(y) != 2:
                raise GradientError(f"{name}: with has_aux=True the function must return a pair (value, aux)")
            aux, beside = tree.flatten(y[1])
            y = y[0]
        found, _ = tree.flatten(y)
        if not isinstance(y, Tensor):
            what = f"a tree of {len(found)} leaves" if len(found) != 1 or found[0] is not y else type(y).__name__
            raise ShapeError(
                f"{name}: the function must return one array for a sparse Jacobian; got {what}; put its parts into "
                f"one array with ac.concat"
            )
        if y.dtype.kind != "f":
            raise DTypeError(f"{name}: the function must return floating values; got {y.dtype.name}")
        return [y, *aux]

    return trace(name, flat, [type_of(x)]), beside


# -- values ------------------------------------------------------------------------------------------------------------


def differentiated(
    name: str, f: Callable[..., Any], argnums: Any, has_aux: bool, chunk: int | None, kind: str
) -> Callable[..., Any]:
    """The transform ``name`` of f with sparse results; ``kind`` as in :func:`_plan`."""
    if kind == "symmetric":
        gradient: Any = grad  # its overloads want flags that are written down
        f = gradient(f, argnums, has_aux)

    @functools.wraps(f, updated=())
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        (n,) = _one_argument(name, argnums, len(args))
        traced, beside = _traced(name, f, args, n, kwargs, has_aux)
        plan = _plan(traced, kind)

        def again(x: Tensor) -> tuple[Tensor, list[Tensor]]:
            y, *rest = run(traced.body, [x, *traced.read, *traced.changed])
            return y, rest

        _, graph, rest = run_watched(name, again, [args[n]], [0], None, True)
        found = SparseMatrix(_values(graph, plan, chunk), plan.pattern, plan.count)
        n_aux = len(rest) - len(traced.changed)
        write_back(traced, rest[n_aux:])
        return (found, beside.unflatten(rest[:n_aux])) if has_aux else found

    return jacobian


def _values(graph: Pullback, plan: _Plan, chunk: int | None) -> Tensor:
    (x,), (y,) = graph.targets, graph.outputs
    along, other = (x, y) if plan.by_columns else (y, x)
    if not plan.pattern.nnz:
        return creation.zeros((0,), other.dtype)

    def product(direction: Tensor) -> list[Tensor]:
        if not plan.by_columns:
            return graph.pull([direction])
        (found,) = _core.push_along([y], [x], [direction])
        return [creation.zeros_like(y) if found is None else found]

    if plan.count == along.size and (chunk is None or chunk >= along.size):  # nothing to save
        (found,) = along_basis(product, along) if along.ndim else product(creation.ones_like(along))
    else:
        seeds = np.zeros((plan.count, along.size), np.float32)
        seeds[plan.colours, np.arange(along.size)] = 1
        basis = asarray(seeds.reshape(plan.count, *along.shape), dtype=along.dtype)
        step = chunk or plan.count
        parts = [vmap(product, randomness="same")(basis[i : i + step])[0] for i in range(0, plan.count, step)]
        found = joining.concat(parts, axis=0) if len(parts) > 1 else parts[0]
    return indexing.take(views.reshape(found, (-1,)), asarray(plan.places), axis=0)
