"""Forward mode: tangents run along with the values (``csrc/bindings/forward.cpp``).

A call of ``jvp`` opens a *forward context*. Its tangents are values of the contexts outside of it, so modes nest in any
order without confusing whose tangent is whose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .. import _core, tree
from ..checks import check_function
from ..errors import GradientError, ShapeError
from ..ops import creation
from ..tensors import Tensor, asarray
from .reverse import checked_point, outer_results, run_watched

__all__ = ["jvp", "linearize"]

R = TypeVar("R")


def jvp(f: Callable[..., R], xs: Sequence[Any], vs: Sequence[Any]) -> tuple[R, R]:
    """Value of ``f`` and its derivative in a direction, the Jacobian-vector product.

    Parameters
    ----------
    f : callable
        From Tensors, or nested lists, tuples and dicts of them, to the like.
    xs : sequence
        The point, one entry per argument; all leaves floating.
    vs : sequence
        The direction: structure and shapes of ``xs``. Cast to their dtypes.

    Returns
    -------
    y
        ``f(*xs)``.
    dy
        ``df/dx v``, in the structure and shapes of ``y``; zeros where y does not depend on x.

    Raises
    ------
    DTypeError
        If an argument is not floating-point.
    ShapeError
        If the direction has not the structure or the shapes of the point.
    GradientError
        If f returns something else than Tensors.

    Notes
    -----
    Costs about as much as two or three calls of f for each direction, and keeps nothing: memory does not grow with the
    number of ops.

    Source
    ------
    Notes, section 6.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.jvp(lambda x: ac.sin(x) * x, [1.0], [2.0])
    (Tensor(0.84147096, dtype=float32), Tensor(2.7635465, dtype=float32))
    """
    check_function("jvp", f)
    points, directions, structure = _pairs("jvp", xs, vs)
    context = _core.push_forward()
    try:
        duals = structure.unflatten(_core.with_tangent(x, context, v) for x, v in zip(points, directions, strict=True))
        result = f(*duals)
    finally:
        _core.pop_forward()
    outputs, form = tree.flatten(result)
    for y in [result] if result is None else outputs:
        if not isinstance(y, Tensor):
            raise GradientError(
                f"jvp: the function must return Tensors; got {type(y).__name__}; numbers taken out of Tensors "
                f"(float(x), x.item(), NumPy functions) carry no tangent"
            )

    def tangent(y: Tensor) -> Tensor:
        t: Tensor | None = _core.tangent(y, context)
        return creation.zeros_like(y) if t is None else t

    value = form.unflatten(_core.without_tangent(y, context) for y in outputs)
    return value, form.unflatten(tangent(y) for y in outputs)


def _pairs(name: str, xs: Sequence[Any], vs: Sequence[Any]) -> tuple[list[Tensor], list[Tensor], tree.TreeDef]:
    """The leaves of the point and of the direction, checked, and the structure of both."""
    if not isinstance(xs, (list, tuple)) or not isinstance(vs, (list, tuple)):
        raise TypeError(f"{name}: the point and the direction must be sequences with one entry per argument")
    points, directions = [], []
    wanted, structure = tree.flatten(tuple(xs))
    if any(x is None for x in xs):  # nothing to differentiate
        checked_point(name, None, "the point", "close over it")
    given = structure.match(tuple(vs), f"{name}: the direction must have the structure of the point")
    for i, (leaf, direction) in enumerate(zip(wanted, given, strict=True)):
        x, _ = checked_point(name, leaf, "the point", "close over it")
        v = asarray(direction, dtype=x.dtype)
        if v.shape != x.shape:
            raise ShapeError(f"{name}: tangent {i} must have the shape of the point; expected {x.shape}, got {v.shape}")
        points.append(x)
        directions.append(v)
    return points, directions, structure


def linearize(f: Callable[..., R], *xs: Any) -> tuple[R, Callable[..., R]]:
    """Value of ``f`` and its derivative as a linear function, to be applied to several directions.

    Parameters
    ----------
    f, *xs
        As for :func:`jvp`.

    Returns
    -------
    y
        ``f(*xs)``.
    f_jvp : callable
        ``f_jvp(*vs)`` is ``df/dx v``. It runs along what the one run of f has saved: no part of f runs again.

    Raises
    ------
    DTypeError, ShapeError, GradientError
        As :func:`jvp`.

    Source
    ------
    Notes, section 6.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> y, f_jvp = ac.linearize(lambda x: x**3, 2.0)
    >>> f_jvp(1.0), f_jvp(0.5)
    (Tensor(12., dtype=float32), Tensor(6., dtype=float32))
    """
    check_function("linearize", f)
    _, graph, _ = run_watched("linearize", f, xs, range(len(xs)))

    def f_jvp(*vs: Any) -> Any:
        _, directions, _ = _pairs("linearize", xs, vs)
        tangents = _core.push_along(graph.outputs, graph.targets, directions)
        filled = (creation.zeros_like(y) if t is None else t for t, y in zip(tangents, graph.outputs, strict=True))
        return graph.structure.unflatten(filled)

    return outer_results(graph), f_jvp
