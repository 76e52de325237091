"""``minimize``: trees become one vector, the function one program, and the end a result as SciPy has it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import alice_core as ac

from ... import tree
from ...checks import check_function, checked_int, checked_number, shown
from .descent import Limits, descend, descend_within
from .directions import BFGS, LBFGS, Gradient, Memory, NewtonCG
from .line_search import Point, Vector

__all__ = ["MinimizeResult", "minimize"]

METHODS = ("lbfgs", "newton-cg", "bfgs", "gd")
WITH_BOUNDS = ("lbfgs", "gd")


@dataclass
class MinimizeResult:
    """What :func:`minimize` found; the names are those of ``scipy.optimize.OptimizeResult``.

    Attributes
    ----------
    x : tree of Tensor
        The lowest point, in the structure, shapes and dtypes of x0.
    fun : float
        The function there.
    jac : tree of Tensor
        Its gradient there.
    nit, nfev, nhev : int
        Numbers of iterations, of evaluations of the function with its gradient, and of products with the Hessian.
    success : bool
        Whether it converged: status 0.
    status : int
        0: converged, to gtol or ftol. 1: max_iter. 2: no lower point was found. 3: not finite at x0. 4: the callback
        raised StopIteration. 5: it falls without end.
    message : str
        The same in words.
    """

    x: Any
    fun: float
    jac: Any
    nit: int
    nfev: int
    nhev: int
    success: bool
    status: int
    message: str


def minimize(
    f: Callable[..., Any],
    x0: Any,
    args: Sequence[Any] = (),
    method: str = "lbfgs",
    bounds: Any = None,
    *,
    gtol: float = 1e-5,
    ftol: float | None = None,
    max_iter: int = 10_000,
    history: int | None = None,
    callback: Callable[[MinimizeResult], object] | None = None,
    compile: bool = True,
) -> MinimizeResult:
    """Minimise a smooth function of a tree of Tensors.

    ``"lbfgs"`` suits most; ``"bfgs"`` keeps a whole matrix, for at most some hundred variables; ``"newton-cg"`` needs
    fewest iterations, with a few products of the Hessian in each; ``"gd"`` is gradient descent.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` returns a 0-d floating Tensor.
    x0 : tree of Tensor or array
        Where to begin; floating. A list of numbers is a vector, as SciPy has it; of others a tree.
    args : sequence
        Passed on, not differentiated.
    method : {"lbfgs", "newton-cg", "bfgs", "gd"}
    bounds : pair (low, high), or sequence of pairs, optional
        Each of the two is None, a number, or a tree of arrays that broadcast to those of x0. Where x0 is one vector,
        also a pair for each of its elements, as SciPy has it. For "lbfgs" and "gd"; f is never called outside.
    gtol : float
        Converged when no element of the gradient is larger; with bounds, of ``clip(x - gradient) - x``.
    ftol : float, optional
        Converged when the function falls by no more than this, relative to the largest of 1 and its absolute value.
        Default: 4 times the machine epsilon of the dtype; 0 for never.
    max_iter : int
    history : int, optional
        How many steps "lbfgs" remembers. Default: 50, fewer where there are more than 20,000 variables, at least 10.
    callback : callable, optional
        Called with a result after each iteration; may raise StopIteration.
    compile : bool
        False if f asks for values of Tensors, which a compiled function cannot.

    Returns
    -------
    MinimizeResult

    Gradient
    --------
    None: the result is a constant.

    Accuracy
    --------
    Points are float64 inside, and rounded to the dtypes of x0 for f. Steps satisfy the strong Wolfe conditions, or near
    the minimum, where rounding errors hide the fall of the function, those of Hager and Zhang.

    Raises
    ------
    ValueError
        If the method is unknown, does not take bounds, or a number or a bound is out of range.
    DTypeError
        If x0 is not floating, f no function, or bounds are none.
    ShapeError
        If f does not return a 0-d Tensor, or bounds do not broadcast.

    Source
    ------
    Nocedal, Wright, "Numerical optimization", 2nd edition, 2006.

    Examples
    --------
    >>> import alice_core as ac
    >>> import numpy as np
    >>> def rosenbrock(x):
    ...     return ac.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    >>> found = ac.optim.minimize(rosenbrock, np.zeros(4))
    >>> found.success, np.round(found.x.numpy(), 4)
    (True, array([1., 1., 1., 1.]))
    >>> ac.optim.minimize(rosenbrock, np.zeros(4), bounds=(None, 0.5)).x.numpy().round(3)
    array([0.5  , 0.262, 0.078, 0.006])
    """
    check_function("minimize", f)
    if method not in METHODS:
        raise ValueError(f"minimize: method must be one of {', '.join(METHODS)}; got {method!r}")
    if bounds is not None and method not in WITH_BOUNDS:
        raise ValueError(f"minimize: bounds need method {' or '.join(WITH_BOUNDS)}; got {method!r}")
    problem = _Problem(f, x0, tuple(args), compile)
    limits = Limits(
        _tolerance("gtol", gtol),
        4 * problem.epsilon if ftol is None else _tolerance("ftol", ftol),
        _count("max_iter", max_iter, 0),
        4 * problem.epsilon,
    )
    usual = min(50, max(10, 10**6 // max(1, problem.start.size)))
    memory = _memory(method, problem, usual if history is None else _count("history", history, 1))

    def report(at: Point, nit: int) -> None:
        if callback is not None:
            callback(problem.result(at, nit, 1, "running"))

    if bounds is None:
        point, nit, status, message = descend(problem.evaluate, problem.start, memory, limits, report)
    else:
        low, high = problem.limits(bounds)
        point, nit, status, message = descend_within(problem.evaluate, problem.start, low, high, memory, limits, report)
    return problem.result(point, nit, status, message)


def _memory(method: str, problem: _Problem, history: int) -> Memory:
    if method == "lbfgs":
        return LBFGS(history)
    if method == "newton-cg":
        return NewtonCG(problem.product)
    return BFGS() if method == "bfgs" else Gradient()


class _Problem:
    """The function of one float64 vector, and the way back to trees."""

    def __init__(self, f: Callable[..., Any], x0: Any, args: tuple[Any, ...], compile: bool) -> None:
        leaves, self._structure = tree.flatten(_vector(x0))
        self._leaves = [_leaf(i, x) for i, x in enumerate(leaves)]
        self.start: Vector = np.concatenate([np.zeros(0), *(x.ravel() for x in self._arrays(self._leaves))])
        self.epsilon = max((_epsilon(x.dtype) for x in self._leaves), default=2.0**-52)
        self._args, self.nfev, self.nhev = args, 0, 0

        self._tree = to_tree = _maker(self._structure, self._leaves)  # a compiled function looks at no more than that

        def of_vector(v: ac.Tensor, *args: Any) -> ac.Tensor:
            y = f(to_tree(v), *args)
            if not isinstance(y, ac.Tensor) or y.shape != () or y.dtype.kind != "f":
                raise ac.ShapeError(f"minimize: f must return a 0-d floating Tensor; got {shown(y)}")
            return y.astype(ac.float64)

        def with_gradient(v: ac.Tensor, *args: Any) -> Any:
            return ac.value_and_grad(of_vector)(v, *args)

        def product(v: ac.Tensor, w: ac.Tensor, *args: Any) -> Any:
            return ac.hvp(lambda v: of_vector(v, *args), [v], [w])[0]

        self._with_gradient: Any = ac.compile(with_gradient) if compile else with_gradient
        self._product: Any = ac.compile(product) if compile else product

    def _arrays(self, leaves: list[ac.Tensor]) -> list[Vector]:
        return [x.detach().astype(ac.float64).numpy() for x in leaves]

    def evaluate(self, x: Vector) -> Point:
        self.nfev += 1
        f, g = self._with_gradient(ac.asarray(x), *self._args)
        return Point(x, f.item(), g.detach().numpy())

    def product(self, x: Vector, v: Vector) -> Vector:
        self.nhev += 1
        result: Vector = self._product(ac.asarray(x), ac.asarray(v), *self._args).detach().numpy()
        return result

    def result(self, at: Point, nit: int, status: int, message: str) -> MinimizeResult:
        x, jac = (self._tree(ac.tensor(v)) for v in (at.x, at.g))
        return MinimizeResult(x, at.f, jac, nit, self.nfev, self.nhev, status == 0, status, message)

    def limits(self, bounds: Any) -> tuple[Vector, Vector]:
        if isinstance(bounds, (tuple, list)) and len(self._leaves) == 1 and self._leaves[0].ndim == 1:
            pairs = [pair for pair in bounds if isinstance(pair, (tuple, list)) and len(pair) == 2]
            if pairs and len(pairs) == len(bounds):
                if len(pairs) != self.start.size:
                    raise ac.ShapeError(
                        f"minimize: bounds must have a pair for each of {self.start.size} elements; got {len(pairs)}"
                    )
                low = [-math.inf if a is None else a for a, _ in pairs]
                high = [math.inf if b is None else b for _, b in pairs]
                return self._ordered(np.array(low, np.float64), np.array(high, np.float64))
        if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
            raise ac.DTypeError(f"minimize: bounds must be a pair (low, high); got {shown(bounds)}")
        return self._ordered(self._bound("low", bounds[0], -math.inf), self._bound("high", bounds[1], math.inf))

    def _bound(self, name: str, bound: Any, none: float) -> Vector:
        leaves = [none if bound is None else bound] * len(self._leaves)
        if bound is not None and not isinstance(bound, (int, float, np.generic)):
            leaves, structure = tree.flatten(_vector(bound))
            if structure != self._structure:
                raise ac.DTypeError(
                    f"minimize: the bound {name} must be None, a number, or a tree as x0 is, {self._structure}; got "
                    f"{structure}"
                )
        parts = []
        for x, leaf in zip(self._leaves, leaves, strict=True):
            array = np.asarray(leaf.numpy() if isinstance(leaf, ac.Tensor) else leaf, np.float64)
            try:
                parts.append(np.broadcast_to(array, x.shape).ravel())
            except ValueError:
                raise ac.ShapeError(
                    f"minimize: the bound {name} must broadcast to shape {x.shape}; got {array.shape}"
                ) from None
        return np.concatenate([np.zeros(0), *parts])

    def _ordered(self, low: Vector, high: Vector) -> tuple[Vector, Vector]:
        wrong = np.flatnonzero(~(low <= high))
        if wrong.size:
            i = wrong[0]
            raise ValueError(f"minimize: the bound low must not be above high; got {low[i]} and {high[i]} at place {i}")
        return low, high


def _maker(structure: Any, leaves: list[ac.Tensor]) -> Callable[[ac.Tensor], Any]:
    """The way back from a vector to a tree."""
    kinds = tuple((x.size, x.shape, x.dtype) for x in leaves)

    def to_tree(v: ac.Tensor) -> Any:
        parts, begin = [], 0
        for size, shape, dtype in kinds:
            part = v if size == v.size else v[begin : begin + size]
            parts.append(ac.reshape(part, shape).astype(dtype))
            begin += size
        return tree.unflatten(structure, parts)

    return to_tree


def _vector(x: Any) -> Any:
    """A list of Python's numbers as a vector of the default dtype; other trees as they are."""
    if type(x) in (list, tuple) and x and all(type(item) in (int, float) for item in x):
        return ac.tensor(x, ac.get_default_dtype())
    return x


def _leaf(i: int, x: Any) -> ac.Tensor:
    leaf: ac.Tensor = (x if isinstance(x, ac.Tensor) else ac.tensor(x)).detach()
    if leaf.dtype.kind != "f":
        raise ac.DTypeError(
            f"minimize: x0 must be floating; got {shown(x)}, dtype {leaf.dtype}, as leaf {i}; write np.zeros(3), not "
            f"np.zeros(3, int)"
        )
    return leaf


def _epsilon(dtype: Any) -> float:
    return 2.0**-7 if dtype == ac.bfloat16 else float(np.finfo(dtype).eps)


def _tolerance(name: str, value: Any) -> float:
    number = checked_number("minimize", name, value, "a number ≥ 0")
    if not number >= 0:
        raise ValueError(f"minimize: {name} must be a number ≥ 0; got {value!r}")
    return number


def _count(name: str, value: Any, least: int) -> int:
    count: int = checked_int("minimize", name, value)
    if count < least:
        raise ValueError(f"minimize: {name} must be at least {least}; got {count}")
    return count
