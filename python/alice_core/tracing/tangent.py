"""The tangent program of a trace: forward mode, written down while it runs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from .. import _core
from ..errors import GradientError, ShapeError
from ..tensors import Tensor, abstract, asarray, tensor
from .dual import variables_of, zeros
from .evaluation import Trace
from .listing import Line, Names, Operand, operands_of, results_of, type_of
from .recorder import recording

__all__ = ["forward"]


def forward(primal: Trace, tangent: Any) -> Trace:
    """See :meth:`Trace.forward`."""
    if primal.primal is not None:
        raise GradientError(
            f"forward: expected the trace of a function; got a {primal.kind} program; the second derivative comes from "
            f"the trace of a gradient: ac.trace(ac.grad(f))(x).forward()"
        )
    variables, wanted = variables_of(primal)
    if not wanted:
        raise GradientError(
            "forward: expected a floating argument, or a Tensor that requires a gradient; nothing can be differentiated"
        )
    inputs, seeds = _seeds([variables[key] for key in wanted], tangent)
    active = _core.get_active()
    _core.set_active(())  # nobody differentiates the tangent program
    try:
        with recording() as equations:
            found = _core.push_along([*variables.values(), *primal._results], inputs, seeds)
    finally:
        _core.set_active(active)
    of_results = found[len(variables) :]
    return Tangent(primal, seeds, _needed(equations, found), dict(zip(variables, found, strict=False)), of_results)


def _needed(equations: list[_core.Equation], found: Sequence[Tensor | None]) -> list[_core.Equation]:
    """Those that the tangents depend on; rules broadcast operands that they do not read in the end."""
    keys = {t._key for t in found if t is not None}
    kept = []
    for eq in reversed(equations):
        if any(key in keys for key, _ in results_of(eq)):
            kept.append(eq)
            keys.update(eq.variables)
    return kept[::-1]


def _seeds(inputs: list[Tensor], tangent: Any) -> tuple[list[Tensor], list[Tensor]]:
    """The inputs that move, and how."""
    given = [tangent] * len(inputs) if tangent is None or len(inputs) == 1 else list(tangent)
    if len(given) != len(inputs):
        raise ShapeError(f"forward: expected {len(inputs)} tangents, one for each input; got {len(given)}")
    moving, seeds = [], []
    for x, t in zip(inputs, given, strict=True):
        if t is None and tangent is not None:
            continue
        seed = _ones(x) if t is None else asarray(t, dtype=x.dtype)
        if seed.shape != x.shape:
            raise ShapeError(
                f"forward: the tangent must have the shape of the input; expected {x.shape}, got {seed.shape}"
            )
        moving.append(x)
        seeds.append(seed._leaf(None))
    return moving, seeds


def _ones(like: Tensor) -> Tensor:
    return abstract(like.shape, like.dtype) if like.is_abstract else tensor(np.ones(like.shape), dtype=like.dtype)


class Tangent(Trace):
    """A tangent program, with its tangents named after the primal variables."""

    kind = "tangent"
    rules = "tangent"

    def __init__(
        self,
        primal: Trace,
        seeds: Sequence[Tensor],
        equations: list[_core.Equation],
        tangents: dict[Hashable, Tensor | None],
        ends: Sequence[Tensor | None],
    ) -> None:
        self.inputs = list(seeds)
        self.equations = equations
        self.primal = primal
        self.adjoints = {}
        names = primal._names
        self.tangents = {names[key]: t for key, t in tangents.items()}
        self._names = Names(equations, names)
        for key, t in tangents.items():
            if t is not None:
                self._names.give(t._key, names[key] + "'")
        self._name_contributions()
        self._lines = self._with_aliases(list(self._names.lines()))
        self.outputs = [zeros(y) if t is None else t for y, t in zip(primal.outputs, ends, strict=True)]
        self._ends = [self._end(primal.name(y), t) for y, t in zip(primal.outputs, ends, strict=True)]

    def _end(self, name: str | None, t: Tensor | None) -> Operand:
        """By the result's own name, unless it is a constant that has the name of what it was taken from."""
        if t is None:
            return Operand("0")
        own = self.tangents.get(name or "")
        same = own is not None and own._key == t._key
        return Operand(f"{name}'" if same else self._names[t._key], named=True)

    def _name_contributions(self) -> None:
        """What else the rule of b's equation computes is b'1, b'2, …"""
        assert self.primal is not None
        counts: dict[str, int] = {}
        for eq in self.equations:
            maker = eq.record.rule_of
            if maker is None or eq.record.passes_on:
                continue
            base = next((name for key, _ in results_of(maker) if (name := self.primal._names.get(key))), None)
            if base is None:
                continue
            read = [key for key, x in operands_of(eq) if not self._names.is_number(key, x)]
            for key in [*read, *(key for key, _ in results_of(eq))]:
                if key not in self._names and not self._names.is_called(key):
                    counts[base] = counts.get(base, 0) + 1
                    self._names.call(key, f"{base}'{counts[base]}")

    def _with_aliases(self, lines: list[Line]) -> list[Line]:
        """With a line where the tangent of a variable is that of another one: its rule had nothing to compute."""
        made = {name: i for i, line in enumerate(lines) for name, _ in line.results}
        inserted: dict[int, list[Line]] = {}
        at = 0  # behind the tangents of all variables so far
        for name, t in self.tangents.items():
            own = f"{name}'"
            if t is None:
                continue
            if self._names[t._key] == own:
                at = max(at, made.get(own, -1) + 1)
                continue
            alias = Line(((own, type_of(t)),), "", (Operand(self._names[t._key], named=True),))
            inserted.setdefault(at, []).append(alias)
        return [line for i in range(len(lines) + 1) for line in [*inserted.get(i, []), *lines[i : i + 1]]]
