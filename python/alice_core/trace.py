"""The evaluation trace, and reverse mode on it.

Running primitives on tracked Tensors leaves a graph of equations behind (``csrc/bindings/engine.h`` draws it).
``reverse`` walks it from the last equation to the first, and so writes the *dual program*: one adjoint per value,
each VJP rule called exactly once. The walk is a loop over a sorted list: depth is limited by memory alone.

Source: notes, section 6.3, with errata E-41 to E-44.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import _core
from .errors import GradientError, TraceError

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["Trace", "trace"]


def reverse(
    outputs: Sequence[Tensor],
    cotangents: Sequence[Tensor],
    targets: Sequence[Tensor] | None,
    *,
    add: Callable[[Any, Any], Any],
    zeros_like: Callable[[Any], Any],
    release: bool = False,
) -> tuple[dict[Hashable, Tensor], list[_core.Equation]]:
    """Adjoints of ``targets`` (None: of the leaves that require a gradient), by adjoint key, and the equations walked.

    ``release`` gives the saved values of every equation back as soon as its rules have run.
    """
    adjoints: dict[Hashable, Tensor] = {}

    def accumulate(key: Hashable, value: Tensor) -> None:
        before = adjoints.get(key)
        adjoints[key] = value if before is None else add(before, value)

    for output, cotangent in zip(outputs, cotangents, strict=True):
        accumulate(output._key, cotangent)
    keep = set() if targets is None else {t._key for t in targets}
    order = _core.reverse_order(outputs, targets)
    for eq in order:
        primitive = eq.primitive
        results = eq.outputs
        if len(results) == 1:
            ans: Any = results[0]
            g: Any = adjoints.get(eq) if eq in keep else adjoints.pop(eq, None)
            if g is None:
                continue
        else:
            ans = results
            parts = [adjoints.get((eq, i)) if (eq, i) in keep else adjoints.pop((eq, i), None) for i in range(len(ans))]
            if all(part is None for part in parts):
                continue
            g = tuple(zeros_like(r) if part is None else part for part, r in zip(parts, ans, strict=True))
        inputs, keys = eq.inputs, eq.keys
        wanted = [key is not None for key in keys]
        for key, x, ct in zip(
            keys, inputs, primitive.pull_back(g, ans, inputs, eq.attributes, wanted), strict=True
        ):
            if key is None or ct is None:
                continue
            if ct.shape != x.shape:
                raise GradientError(
                    f"{primitive.name}: the VJP rule returned a cotangent of shape {ct.shape} for an input of shape "
                    f"{x.shape}; they must be equal"
                )
            accumulate(key, ct)
        if release:
            eq.release()
    return adjoints, order


@contextmanager
def recording() -> Iterator[list[_core.Equation]]:
    """Append every equation that this thread executes to the list, tracked or not."""
    equations: list[_core.Equation] = []
    previous = _core.set_recorder(equations)
    try:
        yield equations
    finally:
        _core.set_recorder(previous)


class Trace:
    """What a function did: its equations in the order of their execution.

    Attributes
    ----------
    inputs, outputs : list of Tensor
        Arguments and results of the traced call.
    equations : list
        One recorded call of a primitive each, with ``primitive``, ``inputs``, ``outputs`` and ``attributes``.

    Examples
    --------
    >>> import alice_core as ac
    >>> print(ac.trace(lambda x: ac.sum(ac.tanh(x) * 2.0))(ac.abstract((3, 4), ac.float32)))
    trace(a: float32[3,4]) {
      b: float32[3,4] = tanh(a)
      c: float32[3,4] = multiply(b, 2.0)
      d: float32[] = sum(c, None, False)
      return d
    }
    """

    def __init__(self, inputs: list[Tensor], outputs: list[Tensor], equations: list[_core.Equation]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.equations = equations

    def __str__(self) -> str:
        names: dict[Hashable, str] = {}
        fresh = (_letters(i) for i in itertools.count())
        for x in self.inputs:
            names[x._key] = next(fresh)
        lines = []
        for eq in self.equations:
            operands = [_operand(key, x, names, fresh) for key, x in zip(eq.variables, eq.inputs, strict=True)]
            operands += [repr(a) for a in eq.attributes]
            results = []
            for r in eq.outputs:
                names[r._key] = next(fresh)
                results.append(f"{names[r._key]}: {_type(r)}")
            lines.append(f"  {', '.join(results)} = {eq.primitive.name}({', '.join(operands)})")
        head = ", ".join(f"{names[x._key]}: {_type(x)}" for x in self.inputs)
        tail = ", ".join(names.get(y._key, repr(y)) for y in self.outputs)
        return "\n".join([f"trace({head}) {{", *lines, f"  return {tail}", "}"])

    __repr__ = __str__


def _letters(i: int) -> str:
    """a, b, …, z, aa, ab, …"""
    text = ""
    while True:
        i, digit = divmod(i, 26)
        text = chr(ord("a") + digit) + text
        if i == 0:
            return text
        i -= 1


def _type(x: Tensor) -> str:
    return f"{x.dtype.name}[{','.join(map(str, x.shape))}]"


def _operand(key: Hashable, x: Tensor, names: dict[Hashable, str], fresh: Iterator[str]) -> str:
    if key in names:
        return names[key]
    if x.ndim == 0 and not x.is_abstract and not x.requires_grad:
        return repr(x.item())
    if key is None:
        return _type(x)
    names[key] = next(fresh)  # a tensor of the enclosing scope
    return f"{names[key]}: {_type(x)}"


def trace(f: Callable[..., Any]) -> Callable[..., Trace]:
    """Return a function that runs ``f`` and hands back its evaluation trace.

    Parameters
    ----------
    f : callable
        Takes Tensors (or what ``ac.asarray`` takes), returns a Tensor or a tuple or list of Tensors.

    Returns
    -------
    callable
        ``trace(f)(*xs)`` is a :class:`Trace`. Abstract arguments (``ac.abstract(shape, dtype)``) give the shapes,
        the dtypes and the equations without touching data.

    Raises
    ------
    TraceError
        If ``f`` asks an abstract Tensor for its value.

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

    def traced(*xs: Any) -> Trace:
        from .tensor import Tensor, asarray

        inputs = [asarray(x)._leaf(0) for x in xs]
        with recording() as equations:
            result = f(*inputs)
        outputs = list(result) if isinstance(result, (tuple, list)) else [result]
        for y in outputs:
            if not isinstance(y, Tensor):
                raise TraceError(f"trace: the function must return Tensors; got {type(y).__name__}")
        return Trace(inputs, outputs, equations)

    return traced
