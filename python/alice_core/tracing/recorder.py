"""Writing down what a function does."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec

import numpy as np

from .. import _core
from ..checks import check_function
from ..errors import TraceError, locate
from ..tensors import Tensor, asarray
from ..tree import flatten
from .evaluation import Trace
from .naming import key_of, named_leaves

__all__ = ["recording", "trace"]

P = ParamSpec("P")


@contextmanager
def recording() -> Iterator[list[_core.Equation]]:
    """Append every equation that this thread executes to the list, tracked or not."""
    equations: list[_core.Equation] = []
    previous = _core.set_recorder(equations)
    try:
        yield equations
    finally:
        _core.set_recorder(previous)


def trace(f: Callable[P, Any]) -> Callable[P, Trace]:
    """Return a function that runs ``f`` and hands back its evaluation trace.

    Parameters
    ----------
    f : callable
        Takes by position Tensors, what ``ac.asarray`` takes, and modules and other trees, whose Tensors, arrays and
        floats are inputs; by keyword anything, of which Tensors and NumPy arrays are inputs too. Returns a Tensor or a
        tuple or list of Tensors.

    Returns
    -------
    callable
        ``trace(f)(*xs)`` is a :class:`Trace`. Abstract arguments (``ac.abstract(shape, dtype)``) give the shapes,
        the dtypes and the equations without touching data. With data, the trace keeps every value alive that was
        computed. Floating arguments are followed, as by ``ac.vjp``, so that the trace can be reversed. Values are
        called a, b, c, …; the parameters of modules, given or seen by ``f``, keep their names (``layers.0.weight``),
        and the leaves of other trees are called after the argument and the way to them (``params.w``).

    Raises
    ------
    TraceError
        If ``f`` asks an abstract Tensor for its value, returns something else than Tensors, or is being compiled.

    Source
    ------
    Notes, section 6.1 (evaluation trace), with erratum E-36.

    Examples
    --------
    >>> import alice_core as ac
    >>> t = ac.trace(ac.exp)(ac.tensor([0.0, 1.0]))
    >>> [eq.primitive.name for eq in t.equations]
    ['exp']
    """
    check_function("trace", f, "pass a function; the sum of a matrix's diagonal is ac.sum(ac.diag(x))")

    @functools.wraps(f, updated=())
    def traced(*xs: P.args, **kwargs: P.kwargs) -> Trace:
        named = {name: x for name, x in kwargs.items() if isinstance(x, (Tensor, np.ndarray))}
        leaves, forms = zip(*map(_leaves, xs), strict=True) if xs else ((), ())
        given = [x for part in leaves for x in part if _is_input(x)] + list(named.values())
        arguments = [asarray(x) for x in given]
        names = named_leaves(f, xs)
        context = _core.begin_context()
        reads: list[Tensor] = []
        outer = _core.set_reads(reads)
        try:
            watched = [x._leaf(context if x.dtype.kind == "f" else None) for x in arguments]
            inside = iter(watched)
            moved = [
                form.unflatten([next(inside) if _is_input(x) else x for x in part])
                for part, form in zip(leaves, forms, strict=True)
            ]
            with recording() as equations:
                try:
                    result = f(*moved, **{**kwargs, **dict(zip(named, inside, strict=True))})  # type: ignore[arg-type]
                except TraceError as error:
                    locate(error)
                    raise
                results = list(result) if isinstance(result, (tuple, list)) else [result]
                for y in results:
                    if not isinstance(y, Tensor):
                        raise TraceError(f"trace: the function must return Tensors; got {type(y).__name__}")
                # The context is over after the call: what the reader gets depends on it no more, but keeps its name.
                inputs, outputs = [x._leaf(None) for x in watched], [y._leaf(None) for y in results]
        finally:
            _core.set_reads(outer)
            _core.end_context(context)
        if any(eq.record is None for eq in equations):
            raise TraceError("trace: the function that calls this is being compiled; trace outside of ac.compile")
        called = {x._key: names[key] for leaf, x in zip(given, watched, strict=True) if (key := key_of(leaf)) in names}
        return Trace(
            inputs, outputs, equations, watched=watched, results=results, reads=reads, names={**names, **called}
        )

    return traced


def _leaves(x: Any) -> tuple[list[Any], Any]:
    """A tree taken apart; what ``asarray`` takes is a leaf, a list of numbers too."""
    found, form = flatten(x)
    is_list = isinstance(x, (list, tuple)) and not any(isinstance(leaf, (Tensor, np.ndarray)) for leaf in found)
    return ([asarray(x)], _LEAF) if is_list or form == _LEAF else (found, form)


def _is_input(leaf: Any) -> bool:
    return isinstance(leaf, (Tensor, np.ndarray, float))


_LEAF = flatten(0.0)[1]
