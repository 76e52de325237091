"""Equations as lines: who is called what, and what a line says."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from .. import _core
from ..tensors import Tensor

__all__ = [
    "Line",
    "Names",
    "Operand",
    "attribute",
    "blocks",
    "letters",
    "note",
    "operands_of",
    "quantity",
    "results_of",
    "type_of",
    "where",
]


class Operand(NamedTuple):
    """What stands between the parentheses of a line."""

    text: str  # name, number or attribute
    named: bool = False
    type: str = ""  # of a Tensor of the enclosing scope, where it is mentioned first

    def __str__(self) -> str:
        return f"{self.text}: {self.type}" if self.type else self.text


class Line(NamedTuple):
    """One equation, or, without one, another name for a value."""

    results: tuple[tuple[str, str], ...]  # name and type; of the targets of an update only where mentioned first
    op: str
    operands: tuple[Operand, ...]
    equation: _core.Equation | None = None

    @property
    def in_place(self) -> bool:
        return self.equation is not None and bool(self.equation.changed)

    @property
    def reads(self) -> list[str]:
        return [o.text for o in self.operands if o.named]

    def __str__(self) -> str:
        right = ", ".join(map(str, self.operands))
        right = f"{self.op}({right})" if self.op else right
        left = ", ".join(f"{name}: {type}" if type else name for name, type in self.results)
        return f"{left} {'<-' if self.in_place else '='} {right}"


def operands_of(eq: _core.Equation) -> Iterator[tuple[Hashable, Tensor]]:
    """Key and value of every input."""
    return zip(eq.variables, eq.record.operands, strict=True)


def results_of(eq: _core.Equation) -> Iterator[tuple[Hashable, Tensor]]:
    """Key and value of every result; none of an update in place."""
    results = eq.record.results
    keys = [eq] if len(results) == 1 else [(eq, i) for i in range(len(results))]
    return zip(keys, results, strict=True)


class Names:
    """a, b, c, … for values, in the order in which they appear.

    What an equation hands on unchanged keeps its name, and the equation has no line.
    """

    def __init__(
        self,
        equations: Sequence[_core.Equation],
        outer: Names | None = None,
        called: Mapping[Hashable, str] | None = None,
    ) -> None:
        self._names: dict[Hashable, str] = dict(outer._names) if outer else {}
        self._called: dict[Hashable, str] = dict(outer._called if outer else called or {})  # names to be given
        self._taken = set(self._called.values())
        self._same: dict[Hashable, Hashable] = dict(outer._same) if outer else {}
        self._count: int = outer._count if outer else 0
        self._equations = equations
        self.parameters: set[Hashable] = set(outer.parameters) if outer else set()  # not shown as numbers
        for eq in equations:
            sources = zip(eq.variables, eq.sources, strict=True)
            self.parameters.update(key for key, x in sources if isinstance(x, Tensor) and x.requires_grad)
            if eq.record.passes_on:
                self._same[eq] = self._same.get(eq.variables[0], eq.variables[0])

    def __contains__(self, key: Hashable) -> bool:
        return self._same.get(key, key) in self._names

    def __getitem__(self, key: Hashable) -> str:
        return self._names[self._same.get(key, key)]

    def get(self, key: Hashable) -> str | None:
        return self._names.get(self._same.get(key, key))

    def go_on_from(self, others: Names) -> None:
        """Use none of the letters that others have used."""
        self._count = max(self._count, others._count)

    def is_called(self, key: Hashable) -> bool:
        return self._same.get(key, key) in self._called

    def call(self, key: Hashable, name: str) -> None:
        """How a value is to be named when it is first met."""
        self._called[self._same.get(key, key)] = name

    def give(self, key: Hashable, name: str | None = None) -> None:
        """A name for a value that has none: this one, what it is called, or the next letter."""
        key = self._same.get(key, key)
        if key in self._names:
            return
        name = name or self._called.get(key)
        while name is None or (name in self._taken and key not in self._called):
            name = letters(self._count)
            self._count += 1
        self._names[key] = name

    def is_number(self, key: Hashable, value: Tensor) -> bool:
        """Whether a value without a name is shown as it is."""
        parameter = self._same.get(key, key) in self.parameters
        return value.ndim == 0 and not value.is_abstract and not parameter and value._version == 0

    def lines(self) -> Iterator[Line]:
        """Equation by equation; values that have no name get one."""
        for eq in self._equations:
            if eq.record.passes_on:
                continue
            operands = [self.operand(*each) for each in operands_of(eq)]
            operands += [Operand(attribute(a)) for a in eq.attributes]
            results = []
            for t in eq.changed:
                type = "" if t._key in self else type_of(t)
                self.give(t._key)
                results.append((self[t._key], type))
            for key, value in results_of(eq):
                self.give(key)
                results.append((self[key], type_of(value)))
            yield Line(tuple(results), eq.primitive.name, tuple(operands), eq)

    def operand(self, key: Hashable, value: Tensor) -> Operand:
        """A value by its name; by itself if it is a number, with its type if it comes from the enclosing scope."""
        if key in self:
            return Operand(self[key], named=True)
        if self.is_number(key, value):
            return Operand(str(value._exact()[()]))  # as many digits as the dtype has
        self.give(key)
        return Operand(self[key], named=True, type=type_of(value))


def attribute(value: object) -> str:
    if isinstance(value, np.dtype):
        return str(value.name)
    return "{…}" if bodies_of(value) else repr(value)


def bodies_of(attribute: object) -> tuple[_core.Body, ...]:
    """The traced functions that an attribute of a loop or a choice holds: blocks below its line."""
    return attribute if isinstance(attribute, tuple) and attribute and isinstance(attribute[0], _core.Body) else ()


def blocks(eq: _core.Equation) -> list[str]:
    """Lines of what a loop repeats, or a choice chooses from."""
    return [line for a in eq.attributes for body in bodies_of(a) for line in str(body.meaning).splitlines()]


def letters(i: int) -> str:
    """a, b, …, z, aa, ab, …"""
    text = ""
    while True:
        i, digit = divmod(i, 26)
        text = chr(ord("a") + digit) + text
        if i == 0:
            return text
        i -= 1


def type_of(x: Tensor) -> str:
    """Dtype and shape, ``float32[3,4]``."""
    return f"{x.dtype.name}[{','.join(map(str, x.shape))}]"


def note(eq: _core.Equation, rules: str = "gradient") -> str:
    """What an equation costs, and where it comes from."""
    record = eq.record
    parts = ["view"] if record.is_view else [quantity(record.flops, "FLOP"), quantity(record.bytes, "byte")]
    if record.accumulates:
        parts.append("sum of adjoints")
    elif record.rule_of is not None:
        parts.append(f"{rules} of {record.rule_of.primitive.name}")
    if record.where is not None:
        parts.append(where(record.where))
    return ", ".join(parts)


def where(place: tuple[str, int]) -> str:
    """File and line, without the folder."""
    return f"{os.path.basename(place[0])}:{place[1]}"


def quantity(n: float, unit: str) -> str:
    """``1 byte``, ``96 bytes``, ``1.05 Mbytes``: exact up to 9999."""
    if n < 10_000:
        return f"{n:.0f} {unit}{'' if n == 1 else 's'}"
    power = min(int(math.log10(n * 1.0005)) // 3, 6)  # 999500 is 1 M, not 1e+03 k
    return f"{n / 1000**power:.3g} {' kMGTPE'[power]}{unit}s"
