"""Jacobians and Hessians: products with all vectors of a basis at once, by :func:`ac.vmap`.

The function runs once. Rows of the Jacobian come from pulling a basis of the results back along its graph, columns from
pushing a basis of the arguments forward along the same graph.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from .. import _core, tree
from ..checks import check_function, checked_flag, checked_int
from ..errors import DTypeError, ShapeError
from ..ops import creation, joining, views
from ..tensors import Tensor, TensorLike
from .batching import along_basis, vmap
from .forward import jvp
from .reverse import Pullback, checked_argnums, grad, run_watched, vjp

if TYPE_CHECKING:
    from .sparse import SparseMatrix

__all__ = ["hessian", "hvp", "jacfwd", "jacobian", "jacrev", "vhp"]

P = ParamSpec("P")
N = TypeVar("N", bound=TensorLike)


@overload
def jacobian(
    f: Callable[Concatenate[N, P], Tensor],
    argnums: Literal[0] = 0,
    has_aux: Literal[False] = False,
    *,
    chunk: int | None = None,
    sparse: Literal[False] = False,
) -> Callable[Concatenate[N, P], Tensor]: ...
@overload
def jacobian(
    f: Callable[P, Tensor],
    argnums: int = 0,
    has_aux: Literal[False] = False,
    *,
    chunk: int | None = None,
    sparse: Literal[True],
) -> Callable[P, SparseMatrix]: ...
@overload
def jacobian(
    f: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    chunk: int | None = None,
    sparse: bool = False,
) -> Callable[P, Any]: ...
def jacobian(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    chunk: int | None = None,
    sparse: bool = False,
) -> Callable[..., Any]:
    """Return the Jacobian of ``f``: by :func:`jacfwd` if f has fewer inputs than results, else by :func:`jacrev`.

    Parameters
    ----------
    f : callable
        From Tensors, or nested lists, tuples and dicts of them, to the like.
    argnums : int or sequence of int
        The positional arguments to differentiate; all leaves floating.
    has_aux : bool
        ``f`` returns ``(value, aux)``; the new function returns ``(jacobian, aux)``.
    chunk : int, optional
        So many rows (or columns) at a time: memory for so many gradients. Default: all at once.
    sparse : bool
        Find which entries can differ from 0 (:func:`sparsity`), and compute no others: columns that share no row come
        from one tangent, rows that share no column from one cotangent. For functions of one array, of any shape, that
        return one array.

    Returns
    -------
    callable
        Takes what ``f`` takes. The Jacobian has the structure of the result, whose every leaf ``y`` is replaced by the
        structure of the argument (a tuple of them for several argnums), whose every leaf ``x`` is replaced by dy/dx,
        a Tensor of shape ``y.shape + x.shape``. With ``sparse=True`` it is a :class:`SparseMatrix`.

    Raises
    ------
    DTypeError
        If a differentiated argument or a result is not floating-point.
    ValueError
        If ``chunk`` is less than 1.
    ShapeError
        With ``sparse=True``, if argument or result is no single array.

    Source
    ------
    Notes, sections 2.2 and 6.2 to 6.4, with erratum E-2: rows are gradients of outputs, columns answers to inputs.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.jacobian(lambda x: ac.stack([x[0] * x[1], ac.square(x[1])]))(ac.tensor([2.0, 3.0]))
    Tensor([[3., 2.],
            [0., 6.]], dtype=float32)
    """
    return _jacobian("jacobian", f, argnums, has_aux, chunk, None, sparse)


@overload
def jacrev(
    f: Callable[Concatenate[N, P], Tensor],
    argnums: Literal[0] = 0,
    has_aux: Literal[False] = False,
    *,
    chunk: int | None = None,
    sparse: Literal[False] = False,
) -> Callable[Concatenate[N, P], Tensor]: ...
@overload
def jacrev(
    f: Callable[P, Tensor],
    argnums: int = 0,
    has_aux: Literal[False] = False,
    *,
    chunk: int | None = None,
    sparse: Literal[True],
) -> Callable[P, SparseMatrix]: ...
@overload
def jacrev(
    f: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    chunk: int | None = None,
    sparse: bool = False,
) -> Callable[P, Any]: ...
def jacrev(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    chunk: int | None = None,
    sparse: bool = False,
) -> Callable[..., Any]:
    """Return the Jacobian of ``f`` by reverse mode, a row for every number in the result.

    Parameters, Returns, Raises, Source
        As :func:`jacobian`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.jacrev(ac.sin)(ac.tensor([0.0, 0.0]))
    Tensor([[1., 0.],
            [0., 1.]], dtype=float32)
    """
    return _jacobian("jacrev", f, argnums, has_aux, chunk, False, sparse)


@overload
def jacfwd(
    f: Callable[Concatenate[N, P], Tensor],
    argnums: Literal[0] = 0,
    has_aux: Literal[False] = False,
    *,
    chunk: int | None = None,
    sparse: Literal[False] = False,
) -> Callable[Concatenate[N, P], Tensor]: ...
@overload
def jacfwd(
    f: Callable[P, Tensor],
    argnums: int = 0,
    has_aux: Literal[False] = False,
    *,
    chunk: int | None = None,
    sparse: Literal[True],
) -> Callable[P, SparseMatrix]: ...
@overload
def jacfwd(
    f: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    chunk: int | None = None,
    sparse: bool = False,
) -> Callable[P, Any]: ...
def jacfwd(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    chunk: int | None = None,
    sparse: bool = False,
) -> Callable[..., Any]:
    """Return the Jacobian of ``f`` by forward mode, a column for every number in the arguments.

    Parameters, Returns, Raises, Source
        As :func:`jacobian`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.jacfwd(lambda x: ac.stack([x, x**2, x**3]))(2.0)
    Tensor([ 1.,  4., 12.], dtype=float32)
    """
    return _jacobian("jacfwd", f, argnums, has_aux, chunk, True, sparse)


def _jacobian(
    name: str,
    f: Callable[..., Any],
    argnums: int | Sequence[int],
    has_aux: bool,
    chunk: int | None,
    forward: bool | None,
    sparse: bool = False,
) -> Callable[..., Any]:
    if checked_flag(name, "sparse", sparse):
        kind = "fewest" if forward is None else "columns" if forward else "rows"
        return _sparse(name, f, argnums, has_aux, chunk, kind)
    _check(name, f, chunk)

    @functools.wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> Any:
        numbers = checked_argnums(name, argnums, len(args))
        _, graph, aux = run_watched(name, f, args, numbers, kwargs, has_aux)
        for y in graph.outputs:
            if y.dtype.kind != "f":
                raise DTypeError(f"{name}: the function must return floating values; got {y.dtype.name}")
        columns = forward
        if columns is None:
            columns = sum(x.size for x in graph.targets) < sum(y.size for y in graph.outputs)
        blocks = _columns(graph, chunk) if columns else _rows(graph, chunk)
        several = isinstance(argnums, Sequence)
        point = tree.structure(tuple(args[n] for n in numbers)) if several else graph.arguments[0]
        found = graph.structure.unflatten(point.unflatten(row) for row in blocks)
        return (found, aux) if has_aux else found

    return differentiated


def _check(name: str, f: Any, chunk: int | None) -> None:
    check_function(name, f)
    if chunk is not None and checked_int(name, "chunk", chunk) < 1:
        raise ValueError(f"{name}: chunk must be at least 1; got {chunk}")


def _sparse(
    name: str, f: Callable[..., Any], argnums: int | Sequence[int], has_aux: bool, chunk: int | None, kind: str
) -> Callable[..., Any]:
    from .sparse import differentiated  # start-up

    _check(name, f, chunk)
    return differentiated(name, f, argnums, has_aux, chunk, kind)


def _rows(graph: Pullback, chunk: int | None) -> list[list[Tensor]]:
    """dy/dx by leaf of the result and leaf of the arguments, from cotangents."""
    blocks = []
    for k, y in enumerate(graph.outputs):

        def pull(cotangent: Tensor, k: int = k) -> list[Tensor]:
            return graph.pull([cotangent if i == k else creation.zeros_like(o) for i, o in enumerate(graph.outputs)])

        if y.ndim == 0:
            blocks.append(pull(creation.ones_like(y)))
        else:
            found = _along_basis(pull, y, chunk)
            blocks.append([views.reshape(j, y.shape + x.shape) for j, x in zip(found, graph.targets, strict=True)])
    return blocks


def _columns(graph: Pullback, chunk: int | None) -> list[list[Tensor]]:
    """The same from tangents."""
    columns = []
    for x in graph.targets:

        def push(tangent: Tensor, x: Tensor = x) -> list[Tensor]:
            found = _core.push_along(graph.outputs, [x], [tangent])
            return [creation.zeros_like(y) if t is None else t for t, y in zip(found, graph.outputs, strict=True)]

        if x.ndim == 0:
            columns.append(push(creation.ones_like(x)))
        else:
            found = [views.moveaxis(j, 0, -1) for j in _along_basis(push, x, chunk)]
            columns.append([views.reshape(j, y.shape + x.shape) for j, y in zip(found, graph.outputs, strict=True)])
    return [list(row) for row in zip(*columns, strict=True)]


def _along_basis(f: Callable[[Tensor], list[Tensor]], x: Tensor, chunk: int | None) -> Iterable[Tensor]:
    """f of every vector of the standard basis of x's space, along axis 0."""
    if chunk is None or chunk >= x.size:
        return along_basis(f, x)
    basis = views.reshape(creation.eye(x.size, dtype=x.dtype), (x.size, *x.shape))
    parts = [vmap(f, randomness="same")(basis[i : i + chunk]) for i in range(0, x.size, chunk)]
    return [joining.concat(part, axis=0) for part in zip(*parts, strict=True)]


@overload
def hessian(
    f: Callable[Concatenate[N, P], Tensor],
    argnums: Literal[0] = 0,
    has_aux: Literal[False] = False,
    *,
    chunk: int | None = None,
    sparse: Literal[False] = False,
) -> Callable[Concatenate[N, P], Tensor]: ...
@overload
def hessian(
    f: Callable[P, Tensor],
    argnums: int = 0,
    has_aux: Literal[False] = False,
    *,
    chunk: int | None = None,
    sparse: Literal[True],
) -> Callable[P, SparseMatrix]: ...
@overload
def hessian(
    f: Callable[P, Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    chunk: int | None = None,
    sparse: bool = False,
) -> Callable[P, Any]: ...
def hessian(
    f: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    *,
    chunk: int | None = None,
    sparse: bool = False,
) -> Callable[..., Any]:
    """Return the matrix of second derivatives of ``f``: forward mode over its gradient.

    Parameters, Raises
        As :func:`jacobian`; ``f`` usually returns a 0-d Tensor.

    Returns
    -------
    callable
        Takes what ``f`` takes. For a 0-d value and one Tensor ``x`` the result has shape ``x.shape + x.shape``;
        otherwise it is the Jacobian of the Jacobian, structures nested accordingly. With ``sparse=True``, for a 0-d
        value and one Tensor, a :class:`SparseMatrix`; one of two entries that are equal by symmetry may stand for both.

    Source
    ------
    Notes, section 2.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.hessian(lambda x: x[0] * ac.square(x[1]))(ac.tensor([2.0, 3.0]))
    Tensor([[0., 6.],
            [6., 4.]], dtype=float32)
    """
    if checked_flag("hessian", "sparse", sparse):
        return _sparse("hessian", f, argnums, has_aux, chunk, "symmetric")
    gradient = _jacobian("hessian", f, argnums, has_aux, chunk, False)
    return _jacobian("hessian", gradient, argnums, has_aux, chunk, True)


def hvp(f: Callable[..., Tensor], xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Any, ...]:
    """Hessian-vector product of a 0-d function, forward over reverse: ``H v`` without H.

    Parameters
    ----------
    f : callable
        Returns a 0-d floating Tensor.
    xs, vs : sequence
        Point and direction, one entry per argument, as for :func:`jvp`.

    Returns
    -------
    tuple
        One product per argument, with its structure and shapes.

    Raises
    ------
    DTypeError, ShapeError
        As :func:`jvp` and :func:`grad`.

    Source
    ------
    Pearlmutter, "Fast exact multiplication by the Hessian", 1994.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.hvp(lambda x: ac.sum(x**3), [ac.tensor([1.0, 2.0])], [ac.tensor([1.0, 1.0])])
    (Tensor([ 6., 12.], dtype=float32),)
    """
    product: tuple[Any, ...] = jvp(grad(f, tuple(range(len(xs)))), xs, vs)[1]
    return product


def vhp(f: Callable[..., Tensor], xs: Sequence[Any], vs: Sequence[Any]) -> tuple[Any, ...]:
    """Vector-Hessian product of a 0-d function, reverse over reverse: ``vᵀ H`` without H.

    The same numbers as :func:`hvp` up to rounding, since H is symmetric; for functions without JVP rules.

    Parameters, Returns, Raises
        As :func:`hvp`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.vhp(lambda x: ac.sum(x**3), [ac.tensor([1.0, 2.0])], [ac.tensor([1.0, 1.0])])
    (Tensor([ 6., 12.], dtype=float32),)
    """
    if len(xs) != len(vs):
        raise ShapeError(f"vhp: expected one direction per argument; got {len(xs)} arguments, {len(vs)} directions")
    _, pullback = vjp(grad(f, tuple(range(len(xs)))), *xs)
    return pullback(tuple(vs))
