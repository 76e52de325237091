"""Gradients by reverse mode.

A call of ``vjp`` begins a *differentiation context*, whose number every value has that depends on its arguments. The
dual program runs after the context has ended, so it is recorded only if an enclosing context (or ``backward``) depends
on it: nesting gives higher derivatives, and a single gradient pays for nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, overload

import numpy as np

from .. import _core, tree
from ..checks import check_function, checked_int, shown
from ..errors import DTypeError, GradientError, ShapeError
from ..ops import creation
from ..ops.identity import constant, identity
from ..tensors import Tensor, TensorLike, asarray, check_cotangent, tensor
from ._modes import Mode

__all__ = [
    "grad",
    "grad_enabled",
    "no_grad",
    "numerical_grad",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]

P = ParamSpec("P")
R = TypeVar("R")
X = TypeVar("X")
A = TypeVar("A")
N = TypeVar("N", bound=TensorLike)

#: The number of the context of ``backward()``.
BACKWARD = 0


def no_grad() -> Mode:
    """Run ops without recording them; parameters are constants inside, and so is what forward mode follows.

    For a block of code, or as the decorator of a function, generator function or coroutine function. Tasks of asyncio
    have modes of their own. ``grad``, ``vjp`` and ``jvp`` called inside still differentiate by their own arguments.

    Examples
    --------
    >>> import alice_core as ac
    >>> w = ac.tensor(2.0).requires_grad_()
    >>> with ac.no_grad():
    ...     y = w * w
    >>> y.is_tracked
    False
    """
    return Mode("no_grad", True)


def grad_enabled() -> bool:
    """True unless inside :func:`no_grad`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.grad_enabled()
    True
    """
    return BACKWARD in _core.get_active()


def stop_gradient(x: TensorLike) -> Tensor:
    """The same values as a constant: no gradient flows through the result.

    Parameters
    ----------
    x : Tensor of any shape and dtype

    Returns
    -------
    Tensor
        On the same memory.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.grad(lambda x: x * ac.stop_gradient(x))(3.0)
    Tensor(3., dtype=float32)
    """
    return constant(x)


def checked_point(name: str, x: Any, position: str, otherwise: str) -> tuple[Tensor, bool]:
    """x as a Tensor to be differentiated, and whether it is linked to an x that enclosing contexts follow."""
    try:
        t = asarray(x)
    except DTypeError:
        raise DTypeError(f"{name}: {position} must hold Tensors or numbers; got {shown(x)}; {otherwise}") from None
    if t.dtype.kind != "f":
        raise DTypeError(
            f"{name}: {position} must be floating-point to be differentiated; got {t.dtype.name}; "
            f"convert with x.astype(ac.float32), or {otherwise}"
        )
    # What is traced for vmap may be followed by contexts that see it only when it runs.
    linked = t.is_tracked or _core.is_isolated()
    return identity(t) if linked else t, linked


_LEAVE_OUT = "leave it out of argnums"


def _watch(name: str, x: Any, position: str, context: int) -> Tensor:
    """A leaf of this context with the values of x, linked to x where an enclosing context follows it."""
    t, linked = checked_point(name, x, position, _LEAVE_OUT)
    return t._watch(context) if linked else t._leaf(context)


class Pullback:
    """The function ``cotangent -> cotangents of the arguments`` that :func:`vjp` returns. Can be called repeatedly.

    Attributes
    ----------
    structure : TreeDef
        Of the result.
    outputs : list of Tensor
        Its leaves.
    arguments : list of TreeDef
        The structures of the differentiated arguments.
    targets : list of Tensor
        Their leaves.
    """

    def __init__(
        self, structure: tree.TreeDef, outputs: list[Tensor], arguments: list[tree.TreeDef], targets: list[Tensor]
    ) -> None:
        self.structure = structure
        self.outputs = outputs
        self.arguments = arguments
        self.targets = targets

    def __call__(self, cotangent: Any, last: bool = False) -> tuple[Any, ...]:
        given = self.structure.match(cotangent, "vjp: the cotangent must have the structure of the result")
        cts = [asarray(c, dtype=y.dtype) for c, y in zip(given, self.outputs, strict=True)]
        for y, ct in zip(self.outputs, cts, strict=True):
            check_cotangent("vjp", y, ct)
        found = iter(self.pull(cts, last))
        return tuple(argument.unflatten(islice(found, argument.num_leaves)) for argument in self.arguments)

    def pull(self, cotangents: list[Tensor], last: bool = False) -> list[Tensor]:
        """From the leaves of the result to the leaves of the arguments; the last time, what was saved is given back."""
        found = _core.reverse(self.outputs, cotangents, self.targets, last)
        return [creation.zeros_like(t) if g is None else g for g, t in zip(found, self.targets, strict=True)]


def checked_argnums(name: str, argnums: int | Sequence[int], count: int) -> list[int]:
    """The positions of the differentiated arguments, counted from the front."""
    if isinstance(argnums, str):
        raise DTypeError(f"{name}: argnums must be an int or a sequence of ints; got {argnums!r}; convert with int(…)")
    given = argnums if isinstance(argnums, Sequence) else (argnums,)
    numbers = [checked_int(name, "argnums", n) for n in given]
    for n in numbers:
        if not -count <= n < count:
            raise ValueError(f"{name}: argnums {argnums} is out of range; the call has {count} arguments")
    numbers = [n % count for n in numbers]
    if len(set(numbers)) < len(numbers):
        raise ValueError(f"{name}: argnums must name every argument once; got {argnums}")
    return numbers


def run_watched(
    name: str,
    f: Callable[..., Any],
    args: Sequence[Any],
    argnums: Sequence[int],
    kwargs: dict[str, Any] | None = None,
    has_aux: bool = False,
) -> tuple[Any, Pullback, Any]:
    """Run f in a context of its own that watches the given arguments: result, pull-back, and what came beside."""
    context = _core.begin_context()
    try:
        watched = list(args)
        structures: list[tree.TreeDef] = []
        targets: list[Tensor] = []
        for n in argnums:
            given, structure = tree.flatten(args[n])
            if args[n] is None:  # nothing to differentiate
                checked_point(name, None, f"argument {n}", _LEAVE_OUT)
            leaves = [_watch(name, leaf, f"argument {n}", context) for leaf in given]
            targets += leaves
            structures.append(structure)
            watched[n] = structure.unflatten(leaves)
        result = f(*watched, **(kwargs or {}))
    finally:
        _core.end_context(context)
    aux = None
    if has_aux:
        if not isinstance(result, tuple) or len(result) != 2:
            raise GradientError(f"{name}: with has_aux=True the function must return a pair (value, aux)")
        result, aux = result
    outputs, structure = tree.flatten(result)
    for y in [result] if result is None else outputs:
        if not isinstance(y, Tensor):
            raise GradientError(
                f"{name}: the function must return Tensors; got {type(y).__name__}; numbers taken out of Tensors "
                f"(float(x), x.item(), NumPy functions) carry no gradient"
            )
    return result, Pullback(structure, outputs, structures, targets), aux


def outer_results(graph: Pullback) -> Any:
    """Handles on the results that do not keep the finished context's graph alive, unless an enclosing one needs it."""
    return graph.structure.unflatten(y if y.is_tracked else y._leaf(None) for y in graph.outputs)


def vjp(f: Callable[..., R], *xs: Any) -> tuple[R, Pullback]:
    """Value of ``f`` and its pull-back, the vector-Jacobian product.

    Parameters
    ----------
    f : callable
        From Tensors, or nested lists, tuples and dicts of them, to the like.
    *xs : Tensors or nested structures
        The point; all leaves floating.

    Returns
    -------
    y
        ``f(*xs)``.
    pullback : callable
        ``pullback(v)`` is the tuple of ``v^T df/dx``, one for each argument, with its structure and shapes; ``v`` has
        the structure and shapes of ``y``.

    Raises
    ------
    DTypeError
        If an argument is not floating-point.

    Source
    ------
    Notes, section 6.4, with errata E-45 to E-47.

    Examples
    --------
    >>> import alice_core as ac
    >>> W = ac.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> y, pullback = ac.vjp(lambda x: W @ x, ac.tensor([1.0, -1.0]))
    >>> pullback(ac.tensor([1.0, 2.0, 3.0]))
    (Tensor([22., 28.], dtype=float32),)
    """
    check_function("vjp", f)
    _, pullback, _ = run_watched("vjp", f, xs, range(len(xs)))
    return outer_results(pullback), pullback


# The gradient with respect to the first argument, which is passed by position, has its structure: that of a number is a
# Tensor. Which type other arguments have, Python's types cannot say.
@overload
def value_and_grad(  # type: ignore[overload-overlap]
    f: Callable[Concatenate[N, P], Tensor], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> Callable[Concatenate[N, P], tuple[Tensor, Tensor]]: ...
@overload
def value_and_grad(  # type: ignore[overload-overlap]
    f: Callable[Concatenate[X, P], Tensor], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> Callable[Concatenate[X, P], tuple[Tensor, X]]: ...
@overload
def value_and_grad(
    f: Callable[P, Tensor], argnums: int, has_aux: Literal[False] = False
) -> Callable[P, tuple[Tensor, Any]]: ...
@overload
def value_and_grad(
    f: Callable[P, Tensor], argnums: Sequence[int], has_aux: Literal[False] = False
) -> Callable[P, tuple[Tensor, tuple[Any, ...]]]: ...
@overload
def value_and_grad(
    f: Callable[P, tuple[Tensor, A]], argnums: int = 0, *, has_aux: Literal[True]
) -> Callable[P, tuple[tuple[Tensor, A], Any]]: ...
@overload
def value_and_grad(
    f: Callable[P, tuple[Tensor, A]], argnums: Sequence[int], *, has_aux: Literal[True]
) -> Callable[P, tuple[tuple[Tensor, A], tuple[Any, ...]]]: ...
def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Return a function that computes ``f`` and its gradient in one go.

    Parameters
    ----------
    f : callable
        Returns a 0-d floating Tensor, or a pair (that, anything) with ``has_aux``.
    argnums : int or sequence of int
        The positional arguments to differentiate; Tensors or nested lists, tuples and dicts of them, in which None
        stands for what is left out.
    has_aux : bool
        ``f`` returns ``(value, aux)``, and so does the new function in place of the value.

    Returns
    -------
    callable
        ``(value, gradient)``; the gradient has the structure of the argument (a tuple of them for several argnums).
        Arguments that the value does not depend on get zeros.

    Raises
    ------
    DTypeError
        If a differentiated argument is not floating-point.
    ShapeError
        If the value is not 0-d.

    Source
    ------
    Notes, section 6.3.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.value_and_grad(lambda x: ac.sum(x * x))(ac.tensor([1.0, 2.0]))
    (Tensor(5., dtype=float32), Tensor([2., 4.], dtype=float32))
    """
    return _value_and_grad("value_and_grad", f, argnums, has_aux)


def _value_and_grad(
    name: str, f: Callable[..., Any], argnums: int | Sequence[int], has_aux: bool
) -> Callable[..., tuple[Any, Any]]:
    check_function(name, f)

    @functools.wraps(f, updated=())
    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        numbers = checked_argnums(name, argnums, len(args))
        y, pullback, aux = run_watched(name, f, args, numbers, kwargs, has_aux)
        if not isinstance(y, Tensor) or y.ndim != 0:
            got = f"shape {y.shape}" if isinstance(y, Tensor) else type(y).__name__
            raise ShapeError(
                f"{name}: the function must return a 0-d Tensor; got {got}; reduce it (ac.sum, ac.mean), or use "
                f"ac.vjp for the product with a cotangent"
            )
        if y.dtype.kind != "f":
            raise DTypeError(f"{name}: the function must return a floating value; got {y.dtype.name}")
        gradients = pullback(creation.ones_like(y), last=True)
        value = outer_results(pullback)
        return (value, aux) if has_aux else value, gradients if isinstance(argnums, Sequence) else gradients[0]

    return differentiated


@overload
def grad(  # type: ignore[overload-overlap]
    f: Callable[Concatenate[N, P], Tensor], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> Callable[Concatenate[N, P], Tensor]: ...
@overload
def grad(  # type: ignore[overload-overlap]
    f: Callable[Concatenate[X, P], Tensor], argnums: Literal[0] = 0, has_aux: Literal[False] = False
) -> Callable[Concatenate[X, P], X]: ...
@overload
def grad(f: Callable[P, Tensor], argnums: int, has_aux: Literal[False] = False) -> Callable[P, Any]: ...
@overload
def grad(
    f: Callable[P, Tensor], argnums: Sequence[int], has_aux: Literal[False] = False
) -> Callable[P, tuple[Any, ...]]: ...
@overload
def grad(
    f: Callable[P, tuple[Tensor, A]], argnums: int = 0, *, has_aux: Literal[True]
) -> Callable[P, tuple[Any, A]]: ...
@overload
def grad(
    f: Callable[P, tuple[Tensor, A]], argnums: Sequence[int], *, has_aux: Literal[True]
) -> Callable[P, tuple[tuple[Any, ...], A]]: ...
def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the gradient of ``f`` as a function.

    Parameters
    ----------
    f, argnums, has_aux
        As in :func:`value_and_grad`.

    Returns
    -------
    callable
        Takes what ``f`` takes and returns the gradient, or ``(gradient, aux)`` with ``has_aux``. It is made of
        differentiable ops: ``grad(grad(f))`` is the second derivative.

    Raises
    ------
    DTypeError, ShapeError
        As :func:`value_and_grad`.

    Source
    ------
    Notes, sections 2.2 and 6.3.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.grad(lambda x: x**3)(2.0)
    Tensor(12., dtype=float32)
    >>> ac.grad(ac.grad(lambda x: x**3))(2.0)
    Tensor(12., dtype=float32)
    """
    both = _value_and_grad("grad", f, argnums, has_aux)

    @functools.wraps(f, updated=())
    def gradient(*args: Any, **kwargs: Any) -> Any:
        value, g = both(*args, **kwargs)
        return (g, value[1]) if has_aux else g

    return gradient


def numerical_grad(f: Callable[[Tensor], Any], x: TensorLike, step: float = 1e-6) -> Tensor:
    """The gradient of ``f`` by central differences, to check others with.

    Parameters
    ----------
    f : callable
        From one Tensor to a 0-d Tensor or a number.
    x : Tensor, computed with in float64
    step : float
        Half the distance of the two points. The error is about ``step**2 + 1e-16 / step``, relative to f.

    Returns
    -------
    Tensor of x's shape, float64
        It takes two calls of f for every element.

    Source
    ------
    Notes, section 6.1, with erratum E-37.

    Examples
    --------
    >>> import alice_core as ac
    >>> print(f"{ac.numerical_grad(ac.sin, 1.0).item():.8f}")
    0.54030231
    """
    point = np.array(tensor(asarray(x))._exact(), dtype=np.float64)
    result = np.empty_like(point)
    for i in np.ndindex(point.shape):
        values = []
        for sign in (1.0, -1.0):
            moved = point.copy()
            moved[i] += sign * step
            values.append(float(f(tensor(moved))))
        result[i] = (values[0] - values[1]) / (2.0 * step)
    return tensor(result)
