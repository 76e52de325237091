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
from .evaluation import Trace

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
        Takes Tensors (or what ``ac.asarray`` takes) by position, and by keyword anything, of which Tensors and NumPy
        arrays are inputs too. Returns a Tensor or a tuple or list of Tensors.

    Returns
    -------
    callable
        ``trace(f)(*xs)`` is a :class:`Trace`. Abstract arguments (``ac.abstract(shape, dtype)``) give the shapes,
        the dtypes and the equations without touching data. With data, the trace keeps every value alive that was
        computed. Floating arguments are followed, as by ``ac.vjp``, so that the trace can be reversed.

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
        arguments = [asarray(x) for x in (*xs, *named.values())]
        level = _core.push_level()
        try:
            watched = [x._leaf(level if x.dtype.kind == "f" else 0) for x in arguments]
            with recording() as equations:
                try:
                    moved = dict(zip(named, watched[len(xs) :], strict=True))
                    result = f(*watched[: len(xs)], **{**kwargs, **moved})  # type: ignore[arg-type]
                except TraceError as error:
                    locate(error)
                    raise
                results = list(result) if isinstance(result, (tuple, list)) else [result]
                for y in results:
                    if not isinstance(y, Tensor):
                        raise TraceError(f"trace: the function must return Tensors; got {type(y).__name__}")
                # The level is over after the call: what the reader gets depends on it no more, but keeps its name.
                inputs, outputs = [x._leaf(0) for x in watched], [y._leaf(0) for y in results]
        finally:
            _core.pop_level()
        if any(eq.record is None for eq in equations):
            raise TraceError("trace: the function that calls this is being compiled; trace outside of ac.compile")
        return Trace(inputs, outputs, equations, watched=watched, results=results)

    return traced
