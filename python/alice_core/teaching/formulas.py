"""Symbolic differentiation beside automatic differentiation: formulas that swell, programs that do not.

Needs SymPy (extra ``teaching``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import alice_core as ac

from ..extras import require
from .run import table

__all__ = ["Symbolic", "symbolic"]

#: Primitives with an operator of Python; others become SymPy's function of the same name.
_OPERATORS: dict[str, Callable[..., Any]] = {
    "abs": lambda a: abs(a),
    "add": lambda a, b: a + b,
    "divide": lambda a, b: a / b,
    "multiply": lambda a, b: a * b,
    "negative": lambda a: -a,
    "pow": lambda a, b: a**b,
    "reciprocal": lambda a: 1 / a,
    "square": lambda a: a**2,
    "subtract": lambda a, b: a - b,
}
_FUNCTIONS = "acos acosh asin asinh atan atan2 atanh cos cosh erf erfc exp log sin sinh sqrt tan tanh"


def _both_ways(op: Callable[..., Any]) -> tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]:
    """The methods of an operator: with the formula on its left, and on its right."""
    return lambda formula, other: op(formula, other), lambda formula, other: op(other, formula)


class _Formula:
    """A value that carries its formula along: every primitive that meets one builds the next formula."""

    def __init__(self, expression: Any) -> None:
        self.expression = expression

    def __alice_bind__(self, primitive: ac.Primitive, args: tuple[Any, ...]) -> _Formula:
        name = primitive.name
        if name in _OPERATORS:
            return _Formula(_OPERATORS[name](*map(_expression, args)))
        if name in _FUNCTIONS.split():
            return _Formula(getattr(_sympy(), name)(*map(_expression, args)))
        known = ", ".join(sorted([*_OPERATORS, *_FUNCTIONS.split()]))
        raise ac.TraceError(f"symbolic: expected one of the primitives {known}; got {name}; write it in terms of those")

    __add__, __radd__ = _both_ways(ac.add)
    __sub__, __rsub__ = _both_ways(ac.subtract)
    __mul__, __rmul__ = _both_ways(ac.multiply)
    __truediv__, __rtruediv__ = _both_ways(ac.divide)
    __pow__, __rpow__ = _both_ways(ac.pow)

    def __neg__(self) -> Any:
        return ac.negative(self)  # type: ignore[arg-type]

    def __abs__(self) -> Any:
        return ac.abs(self)  # type: ignore[arg-type]


def _sympy() -> Any:
    return require("sympy", "sympy", "teaching.symbolic")


def _expression(x: Any) -> Any:
    """The formula of a value; of a number, whole if it is whole: x**2, not x**2.0."""
    if isinstance(x, _Formula):
        return x.expression
    number = x.item() if isinstance(x, ac.Tensor) else x
    return _sympy().sympify(int(number) if number == int(number) else number)


@dataclass(frozen=True)
class Symbolic:
    """A formula, its derivative, and what each of them takes; ``print`` shows a table.

    Attributes
    ----------
    formula, derivative : SymPy expressions
        Of the function, and its derivative by the first argument.
    slope, ad_slope : float
        The derivative at the point, from the formula and by automatic differentiation.
    operations : dict of str to int
        The operations of the formula, of the derivative, of the derivative with its common parts computed once, and the
        equations of the program and of the program with its gradient by automatic differentiation.
    """

    formula: Any
    derivative: Any
    slope: float
    ad_slope: float
    operations: dict[str, int]

    def __str__(self) -> str:
        counts = table(("operations", "count"), [(name, str(n)) for name, n in self.operations.items()])
        return f"slope {self.slope:.17g} by the formula, {self.ad_slope:.17g} by AD\n{counts}"


def symbolic(f: Callable[..., ac.Tensor], x: float, *constants: float) -> Symbolic:
    """Derive the formula of ``f`` symbolically, and compare with automatic differentiation.

    The same function runs on formulas, for SymPy to differentiate; on numbers, with ``ac.grad``; and traced, to count
    its equations. A formula writes a common part out wherever it is used, so formulas of programs with loops swell; a
    program computes it once.

    Parameters
    ----------
    f : callable
        From 0-d Tensors, one for each number that follows, to one; made of arithmetic and elementary functions.
    x : float
        Point of the first argument, by which f is differentiated.
    *constants : float
        The other arguments.

    Returns
    -------
    Symbolic

    Raises
    ------
    MissingPackageError
        If SymPy is not installed.
    TraceError
        If ``f`` uses a primitive that has no formula here.

    Source
    ------
    Notes, section 6.1 (symbolic differentiation), with erratum E-38.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> both = teaching.symbolic(lambda x, a, b: a * ac.sin(x) + b * x * ac.sin(x), 0.7, 2.0, 3.0)
    >>> both.derivative
    a*cos(x) + b*x*cos(x) + b*sin(x)
    >>> print(f"{both.slope:.12f} {both.ad_slope:.12f}")
    5.068506029579 5.068506029579
    """
    sympy = _sympy()
    numbers = [x, *constants]
    names = list(inspect.signature(f).parameters)
    symbols = sympy.symbols(names[: len(numbers)], real=True)
    formula = _expression(f(*map(_Formula, symbols)))
    derivative = sympy.diff(formula, symbols[0])
    parts, rest = sympy.cse(derivative)

    point = [ac.tensor(number, dtype=ac.float64) for number in numbers]
    gradient = ac.grad(f)
    return Symbolic(
        formula,
        derivative,
        float(sympy.lambdify(symbols, derivative, "math")(*numbers)),
        float(gradient(*point)),
        {
            "formula": int(formula.count_ops()),
            "derivative": int(derivative.count_ops()),
            "derivative, common parts once": int(sum(part.count_ops() for _, part in parts) + rest[0].count_ops()),
            "program": len(ac.trace(f)(*point).equations),
            "program and gradient": len(ac.trace(gradient)(*point).equations),
        },
    )
