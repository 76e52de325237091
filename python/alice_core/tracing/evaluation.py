"""Trace: the equations of a call, and the ways to read them.

What reads them is imported when it is first asked for: most programs do not, and start up sooner.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from .. import _core
from ..tensors import Tensor, TensorLike
from .listing import Line, Names, Operand, blocks, note, type_of

if TYPE_CHECKING:
    import os

    from .cost import Cost

__all__ = ["Trace"]


class Trace:
    """What a function did: its equations in the order of their execution.

    Attributes
    ----------
    inputs, outputs : list of Tensor
        Arguments and results of the traced call.
    equations : list
        One recorded call of a primitive each, with ``primitive``, ``inputs``, ``outputs`` and ``attributes``.
    primal : Trace or None
        Of a dual or tangent program, the trace that it is derived from.
    adjoints : dict of str to (Tensor or None)
        Of a dual program, the adjoint of every variable of the primal trace, by that variable's name; None where no
        gradient arrives.
    tangents : dict of str to (Tensor or None)
        Of a tangent program, the same of the tangents; None where nothing moves.

    Examples
    --------
    Every line says what it costs (one operation for each element, 2 k for each element of a matrix product) and which
    line of the calling code it comes from.

    >>> import alice_core as ac
    >>> t = ac.trace(lambda x: ac.sum(ac.tanh(x) * 2.0))(ac.abstract((3, 4), ac.float32))
    >>> print(t)
    trace(a: float32[3,4]) {
      b: float32[3,4] = tanh(a)           # 12 FLOPs, 96 bytes, ...
      c: float32[3,4] = multiply(b, 2.0)  # 12 FLOPs, 100 bytes, ...
      d: float32[] = sum(c, None, False)  # 12 FLOPs, 52 bytes, ...
      return d
    }
    """

    kind = "trace"
    rules = "gradient"  # what an equation of a derived program is of the one whose rule made it

    def __init__(
        self,
        inputs: list[Tensor],
        outputs: list[Tensor],
        equations: list[_core.Equation],
        *,
        watched: Sequence[Tensor] = (),
        results: Sequence[Tensor] = (),
        reads: Sequence[Tensor] = (),
        names: Mapping[Hashable, str] | None = None,
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.equations = equations
        self.primal: Trace | None = None
        self.adjoints: dict[str, Tensor | None] = {}
        self.tangents: dict[str, Tensor | None] = {}
        self._watched = watched  # inputs and outputs as the recorded graph knows them
        self._results = results
        self._reads = reads  # Tensors whose elements the function has asked for
        self._names = Names(equations, called=names)
        self._names.parameters.update(y._key for y in results if y.requires_grad)
        for x in inputs:
            self._names.give(x._key)
        self._lines = list(self._names.lines())
        self._ends = [self._names.operand(y._key, y) for y in outputs]

    @property
    def lines(self) -> list[Line]:
        """The equations as they are printed.

        Those that hand on their operand unchanged have none; in a dual program, other names of a value have one too.
        """
        return self._lines

    @property
    def ends(self) -> list[Operand]:
        """What is returned, by name; a number stands for itself, and an adjoint may be 0."""
        return self._ends

    def name(self, x: Tensor) -> str | None:
        """The name of a Tensor in the printed trace, None if it does not appear."""
        return self._names.get(x._key)

    def __str__(self) -> str:
        codes = [str(line) for line in self._lines]
        width = max((len(code) for code in codes if len(code) <= 72), default=0)
        body = []
        for code, line in zip(codes, self._lines, strict=True):
            if line.equation is None:
                body.append(f"  {code}")
                continue
            body.append(f"  {code.ljust(width)}  # {note(line.equation, self.rules)}")
            body += [f"    {block}" for block in blocks(line.equation)]
        inputs = ", ".join(f"{self.name(x)}: {type_of(x)}" for x in self.inputs)
        head = f"{self.kind}({inputs}) {{"
        return "\n".join([head, *body, f"  return {', '.join(map(str, self.ends))}", "}"])

    __repr__ = __str__

    def reverse(self, cotangent: TensorLike | Sequence[TensorLike | None] | None = None) -> Trace:
        r"""The dual program: reverse mode on this trace, written down as a trace of its own.

        The adjoint of a variable ``b``, written :math:`\tilde b` in the notes, is named ``b~``. Where several lines
        read ``b``, their contributions are ``b~1``, ``b~2``, … and the sum of the first three ``b~1..3``. Values of
        the primal trace that the gradient rules read keep their names.

        Parameters
        ----------
        cotangent : Tensor of the result's shape, optional
            What to start from, the argument of the dual program; 1 for a 0-d result. Of several results, one each,
            None for those that are left out. It may be abstract.

        Returns
        -------
        Trace
            ``outputs`` are the adjoints of the floating inputs, then of the Tensors of the enclosing scope that
            require a gradient, in the order of their first use. ``adjoints`` has those of all variables.

        Raises
        ------
        GradientError
            If no result depends on anything differentiable, an op has no rule, the trace is a dual program already, or
            the traced function called ``backward()``, which frees what the rules need.
        ShapeError
            If the cotangent is missing for a result that is not 0-d, or does not fit.

        Source
        ------
        Notes, section 6.3 (dual program, adjoints).

        Examples
        --------
        >>> import alice_core as ac
        >>> t = ac.trace(lambda x: ac.sum(x * ac.exp(x)))(ac.tensor([0.0, 1.0], dtype=ac.float64))
        >>> print(t.reverse())
        dual(d~: float64[]) {
          c~: float64[2] = broadcast_to(d~, (2,))  # view, gradient of sum, ...
          a~1: float64[2] = multiply(c~, b)        # 2 FLOPs, 48 bytes, gradient of multiply, ...
          b~: float64[2] = multiply(c~, a)         # 2 FLOPs, 48 bytes, gradient of multiply, ...
          a~2: float64[2] = strong_mul(b~, b)      # 2 FLOPs, 48 bytes, gradient of exp, ...
          a~: float64[2] = add(a~1, a~2)           # 2 FLOPs, 48 bytes, sum of adjoints, ...
          return a~
        }
        >>> t.reverse().outputs
        [Tensor([1.        , 5.43656366], dtype=float64)]
        """
        from .dual import reverse  # start-up

        return reverse(self, cotangent)

    def forward(self, tangent: TensorLike | Sequence[TensorLike | None] | None = None) -> Trace:
        r"""The tangent program: forward mode on this trace, written down as a trace of its own.

        The tangent of a variable ``b``, written :math:`\dot b` in the notes, is named ``b'``, and what else its rule
        computes ``b'1``, ``b'2``, … Values of the primal trace that the rules read keep their names.

        Parameters
        ----------
        tangent : Tensor of the input's shape, optional
            The direction in which the inputs move, the argument of the tangent program; ones by default. Of several
            inputs (the floating arguments, then the Tensors of the enclosing scope that require a gradient, in the
            order of their first use), one each, None for those that stay. It may be abstract.

        Returns
        -------
        Trace
            ``outputs`` are the tangents of the results, 0 for one that does not move. ``tangents`` has those of all
            variables.

        Raises
        ------
        GradientError
            If nothing is differentiable, an op has no rule, or the trace is a derived program already.
        ShapeError
            If a tangent does not fit.

        Source
        ------
        Notes, section 6.2 (forward mode, tangents).

        Examples
        --------
        >>> import alice_core as ac
        >>> t = ac.trace(lambda x: ac.sum(x * ac.exp(x)))(ac.tensor([0.0, 1.0], dtype=ac.float64))
        >>> print(t.forward())
        tangent(a': float64[2]) {
          b': float64[2] = strong_mul(a', b)   # 2 FLOPs, 48 bytes, tangent of exp, ...
          c'1: float64[2] = multiply(a', b)    # 2 FLOPs, 48 bytes, tangent of multiply, ...
          c'2: float64[2] = multiply(b', a)    # 2 FLOPs, 48 bytes, tangent of multiply, ...
          c': float64[2] = add(c'1, c'2)       # 2 FLOPs, 48 bytes, tangent of multiply, ...
          d': float64[] = sum(c', None, False) # 2 FLOPs, 24 bytes, tangent of sum, ...
          return d'
        }
        """
        from .tangent import forward  # start-up

        return forward(self, tangent)

    def cost(self) -> Cost:
        """Operations, bytes moved, and memory: over all equations, and by primitive.

        Returns
        -------
        Cost
            A named tuple; printed, a table.

        Examples
        --------
        >>> import alice_core as ac
        >>> W = ac.ones((4, 4))
        >>> print(ac.trace(lambda x: ac.tanh(W @ x))(ac.abstract((4, 2))).cost())
        primitive  equations  FLOPs  bytes
        matmul             1     64    128
        tanh               1      8     64
        all                2     72    192
        saved for reverse mode: 32 bytes
        most at once: 160 bytes
        """
        from .cost import cost  # start-up

        return cost(self)

    def to_dot(self, reverse: bool = False) -> str:
        """The trace as a drawing in Graphviz' language: a box per equation, an arrow per value.

        Parameters
        ----------
        reverse : bool
            Draw the dual program, :meth:`reverse`, beside it.

        Examples
        --------
        >>> import alice_core as ac
        >>> print(ac.trace(ac.exp)(ac.abstract((2,))).to_dot())
        digraph trace {
          node [shape=box, style=rounded, fontname=monospace]
          edge [fontname=monospace, fontsize=10]
          subgraph cluster_trace {
            label="trace"
            trace_in0 [label="a: float32[2]", shape=plaintext]
            trace_0 [label="exp", tooltip="2 FLOPs, 16 bytes, ..."]
            trace_out0 [label="b", shape=plaintext]
          }
          trace_in0 -> trace_0 [label="a"]
          trace_0 -> trace_out0 [label="b: float32[2]"]
        }
        """
        from .dot import dot  # start-up

        return dot(self, reverse)

    def render(self, path: str | os.PathLike[str], reverse: bool = False) -> None:
        """Write the drawing of :meth:`to_dot` to a file, in the format of its ending: ``.svg``, ``.png``, ``.pdf``.

        Raises
        ------
        MissingPackageError
            Without the package graphviz (extra ``graphviz``), which in turn needs Graphviz' program ``dot``.
        """
        from .dot import render  # start-up

        render(self, path, reverse)

    def to_html(self, profile: bool = False, live: bool = True) -> str:
        """One self-contained page: the trace, forward mode and reverse mode side by side, to play with.

        Pointing at a value shows where it is made and read, and its adjoint; a click keeps that. Values that are
        there are summarised by minimum, mean, maximum, NaNs and a histogram. The dual program is left out, with the
        reason, where there is none.

        Where the arguments are numbers, each item of the first 24 of an argument, and of a Tensor that requires a
        gradient, has a slider and a tangent to choose. Moving one recomputes all values, tangents and adjoints: the
        page runs the equations of the trace, of its tangent program and of its dual program in JavaScript, in double
        precision, rounding after each for float32. When it is opened it compares every equation with what Python
        computed (to 1e-12, in float32 to 1e-6). Where it cannot compute something (an op that JavaScript has not been
        taught, a branch of Python's that depends on a value, a change in place), it says why, and stays as it is.

        Parameters
        ----------
        profile : bool
            Run the equations again, one by one, and show the time that each takes.
        live : bool
            False leaves out what moves; of a result that is not 0-d the dual program is abstract then.

        Returns
        -------
        str
            HTML that loads nothing from elsewhere.

        Examples
        --------
        >>> import alice_core as ac
        >>> page = ac.trace(ac.exp)(ac.tensor(0.5)).to_html()
        >>> page.startswith("<!doctype html>")
        True
        """
        from .page import page  # start-up

        return page(self, profile, live)

    def _repr_html_(self) -> str:
        from .page import embedded  # start-up

        return embedded(self)
