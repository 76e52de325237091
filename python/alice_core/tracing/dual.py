"""The dual program of a trace: reverse mode, written down while it runs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from .. import _core
from ..errors import GradientError, ShapeError
from ..tensors import Tensor, abstract, asarray, tensor
from .evaluation import Trace
from .listing import Line, Names, Operand, type_of
from .recorder import recording

__all__ = ["reverse", "variables_of", "zeros"]


def reverse(primal: Trace, cotangent: Any, beside: Trace | None = None) -> Trace:
    """See :meth:`Trace.reverse`. ``beside`` is shown with it, and has used up its letters."""
    if primal.primal is not None:
        raise GradientError(
            f"reverse: expected the trace of a function; got a {primal.kind} program; the second derivative comes from "
            f"the trace of a gradient: ac.trace(ac.grad(f))(x).reverse()"
        )
    ends, seeds = _seeds(primal, cotangent)
    variables, wanted = variables_of(primal)
    active = _core.get_active()
    _core.set_active(())  # nobody differentiates the dual program
    try:
        with recording() as equations:
            found = _core.reverse(ends, seeds, list(variables.values()), False)
    finally:
        _core.set_active(active)
    adjoints: dict[Hashable, Tensor | None] = dict(zip(variables, found, strict=True))
    outputs = [zeros(variables[key]) if (g := adjoints[key]) is None else g for key in wanted]
    return Dual(primal, seeds, outputs, equations, adjoints, wanted, (beside or primal)._names)


def _seeds(primal: Trace, cotangent: Any) -> tuple[list[Tensor], list[Tensor]]:
    """The results to start from, with their cotangents."""
    results = primal._results
    given = [cotangent] * len(results) if cotangent is None or len(results) == 1 else list(cotangent)
    if len(given) != len(results):
        raise ShapeError(f"reverse: expected {len(results)} cotangents, one for each result; got {len(given)}")
    ends, seeds = [], []
    for y, c in zip(results, given, strict=True):
        if y.dtype.kind != "f" or not y._contexts or (c is None and cotangent is not None):
            continue
        if c is None:
            if y.ndim != 0:
                raise ShapeError(
                    f"reverse: expected a 0-d result; got shape {y.shape}; pass its cotangent: "
                    f"t.reverse(ac.ones({y.shape})), or ac.abstract({y.shape}) for the program alone"
                )
            c = abstract((), y.dtype) if y.is_abstract else tensor(1.0, dtype=y.dtype)
        seed = asarray(c, dtype=y.dtype)._leaf(None)
        if seed.shape != y.shape:
            raise ShapeError(
                f"reverse: the cotangent must have the shape of the result; expected {y.shape}, got {seed.shape}"
            )
        ends.append(y)
        seeds.append(seed)
    if not ends:
        raise GradientError(
            "reverse: no result depends on a floating argument or on a Tensor that requires a gradient; "
            "nothing can be differentiated"
        )
    return ends, seeds


def variables_of(primal: Trace) -> tuple[dict[Hashable, Tensor], list[Hashable]]:
    """All values that have a derivative, as the recorded graph knows them, and the keys of those that are asked for."""
    variables: dict[Hashable, Tensor] = {x._key: x for x in primal._watched if x._contexts}
    wanted = list(variables)
    for eq in primal.equations:
        for source in eq.sources:
            if isinstance(source, Tensor) and source.requires_grad and source._key not in variables:
                variables[source._key] = source
                wanted.append(source._key)
        if not eq.changed and not eq.record.passes_on:
            variables.update((y._key, y) for y in eq.outputs if y._contexts and y.dtype.kind == "f")
    for y in primal._results:
        if y._producer is None and y.requires_grad and y._key not in variables:
            variables[y._key] = y
            wanted.append(y._key)
    shown = {key: x for key, x in variables.items() if key in primal._names}
    return shown, [key for key in wanted if key in shown]


def zeros(like: Tensor) -> Tensor:
    if like.is_abstract:
        return abstract(like.shape, like.dtype)
    if like.dtype.kind == "b" or not isinstance(like.dtype, np.dtype):  # NumPy cannot lend the memory of these
        return tensor(np.zeros(like.shape), dtype=like.dtype)
    return asarray(np.broadcast_to(np.zeros((), like.dtype), like.shape), copy=False)


class Dual(Trace):
    """A dual program, with its adjoints named after the primal variables."""

    kind = "dual"

    def __init__(
        self,
        primal: Trace,
        seeds: Sequence[Tensor],
        outputs: list[Tensor],
        equations: list[_core.Equation],
        adjoints: dict[Hashable, Tensor | None],
        wanted: Sequence[Hashable],
        beside: Names,
    ) -> None:
        self.inputs = list(seeds)
        self.outputs = outputs
        self.equations = equations
        self.primal = primal
        names = primal._names
        self.adjoints = {names[key]: g for key, g in adjoints.items()}
        self.tangents = {}
        self._names = Names(equations, names)
        self._names.go_on_from(beside)
        known = [(key, g) for key, g in adjoints.items() if g is not None]
        for key, g in reversed(known):  # as reverse mode finds them
            self._names.give(g._key, names[key] + "~")
        for key, g in known:
            if self._names[g._key] == names[key] + "~":
                self._name_contributions(names[key] + "~", g)
        for x in seeds:
            self._names.give(x._key)
        self._lines = self._with_aliases(list(self._names.lines()), adjoints)
        returned = [f"{names[key]}~" if adjoints[key] is not None else "" for key in wanted]
        self._ends = [Operand(name, named=True) if name else Operand("0") for name in returned]

    def _name_contributions(self, adjoint: str, g: Tensor) -> None:
        """Walk back through the sums that made an adjoint."""
        sums: list[_core.Equation] = []
        eq: object = g._producer
        while isinstance(eq, _core.Equation) and eq.record is not None:
            if eq.record.accumulates:
                sums.append(eq)
                if eq.variables[0] in self._names:  # a finished adjoint that is passed on
                    break
            elif not eq.record.passes_on:
                break
            eq = eq.sources[0]
        sums.reverse()
        for i, eq in enumerate(sums):
            before, contribution = eq.variables
            self._names.give(before, f"{adjoint}1" if i == 0 else f"{adjoint}1..{i + 1}")
            self._names.give(contribution, f"{adjoint}{i + 2}")

    def _with_aliases(self, lines: list[Line], adjoints: dict[Hashable, Tensor | None]) -> list[Line]:
        """With a line where the adjoint of a variable is that of another one: its rules had nothing to compute."""
        assert self.primal is not None
        names = self.primal._names
        first_reader: dict[Hashable, int] = {}
        for eq in reversed(self.primal.equations):
            first_reader.update((key, eq.sequence) for key in eq.variables)
        # Before the first line that belongs to an earlier equation than that which read the variable first.
        begins = [_rule_sequence(line) for line in lines]
        inserted: dict[int, list[Line]] = {}
        for key, g in reversed(list(adjoints.items())):
            name = names[key] + "~"
            if g is None or self._names[g._key] == name:
                continue
            reader = first_reader.get(key, np.inf)
            at = next((i for i, sequence in enumerate(begins) if sequence < reader), len(lines))
            alias = Line(((name, type_of(g)),), "", (Operand(self._names[g._key], named=True),))
            inserted.setdefault(at, []).append(alias)
        return [line for i in range(len(lines) + 1) for line in [*inserted.get(i, []), *lines[i : i + 1]]]


def _rule_sequence(line: Line) -> float:
    """The number of the equation whose rule made a line."""
    rule_of = None if line.equation is None else line.equation.record.rule_of
    return np.inf if rule_of is None else float(rule_of.sequence)
