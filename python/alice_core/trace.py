"""The evaluation trace: what a function did, as a list of equations.

Running primitives on tracked Tensors leaves a graph of equations behind (``csrc/bindings/engine.h`` draws it), which
reverse mode walks from the last equation to the first (``csrc/bindings/reverse.cpp``). Here the same equations are
written down one after the other, tracked or not.

Source: notes, section 6.1, with erratum E-36.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from . import _core
from .errors import TraceError

if TYPE_CHECKING:
    from .tensor import Tensor

__all__ = ["Trace", "trace"]


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
            if eq.changed:
                targets = [_operand(t._key, t, names, fresh) for t in eq.changed]
                lines.append(f"  {', '.join(targets)} <- {eq.primitive.name}({', '.join(operands)})")
                continue
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
