"""Programs for the page: equations with their values, as data that the page's own interpreter runs (``program.js``).

A program is a table of numbered values, and calls of ops on them. What depends on nothing that a reader can change is
no call: its value, which Python computed, is a constant. All other values are there too, for the page to compare each
call with before it shows anything that it has computed itself.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from importlib import resources
from typing import Any

import numpy as np

from ... import _core
from ...primitive import primitives
from ...tensors import Tensor
from ..listing import bodies_of, operands_of, results_of

__all__ = ["ARITHMETIC", "Program", "Unable", "scripts"]

#: The arithmetic of the page, in the order in which it is read.
ARITHMETIC = (
    "tensors.js",
    "special.js",
    "elementwise.js",
    "reductions.js",
    "moving.js",
    "products.js",
    "windows.js",
    "normalise.js",
    "control.js",
    "program.js",
)

DTYPES = {"float64", "float32", "int64", "int32", "uint8", "bool"}
EXACT = 1 << 53  # integers up to here are numbers of JavaScript


class Unable(Exception):
    """Why the page shows what Python computed, and nothing that moves."""


def scripts(names: Iterable[str]) -> str:
    """The text of some scripts, one after the other."""
    return "\n".join(resources.files(__package__).joinpath(name).read_text(encoding="utf-8") for name in names)


class Program:
    """Numbers for values, and calls; ``outputs`` of a body."""

    def __init__(self) -> None:
        self.types: list[tuple[str, list[int]]] = []
        self.values: list[list[Any] | None] = []
        self.outputs: list[int] = []
        self.live: set[int] = set()
        self._numbers: dict[Hashable, int] = {}
        self._same: dict[Hashable, Hashable] = {}
        self._changed: set[Hashable] = set()

    def number(self, key: Hashable) -> int | None:
        """The number of a value; None if no call reads or makes it."""
        return self._numbers.get(self._root(key))

    def given(self, key: Hashable, x: Tensor) -> int:
        """A value that the reader may change, or that is given to a body."""
        number = self._add(key, x.dtype, x.shape, x)
        self.live.add(number)
        return number

    def keep(self, key: Hashable, x: Tensor) -> int:
        """A value for its number: as it is, where no call made it."""
        found = self.number(key)
        return self._add(key, x.dtype, x.shape, x) if found is None else found

    def calls(self, equations: Sequence[_core.Equation]) -> list[Any]:
        """The equations that depend on what is given, as calls; the others leave constants."""
        made = []
        for eq in equations:
            if self._passes(eq):
                continue
            reads = [self.number(key) for key, _ in operands_of(eq)]
            if not any(n in self.live for n in reads) or any(y.is_abstract for _, y in results_of(eq)):
                self._changed.update(t._key for t in eq.changed)
                continue
            if eq.changed:
                raise Unable(f"{eq.primitive.name} changes a Tensor in place")
            inputs = [self._operand(key, x) for key, x in operands_of(eq)]
            attributes = [_attribute(eq.primitive.name, a) for a in eq.attributes]
            results = [self._add(key, y.dtype, y.shape, y) for key, y in results_of(eq)]
            self.live.update(results)
            made.append([eq.primitive.name, inputs, results, attributes])
        return made

    def data(self) -> dict[str, Any]:
        return {"types": self.types, "values": self.values}

    def _passes(self, eq: _core.Equation) -> bool:
        """Whether the results are operands: of what hands on its operand, and of a joint of custom rules."""
        joint = eq.primitive.name not in primitives() or primitives()[eq.primitive.name] is not eq.primitive
        if not (eq.record.passes_on or (joint and not eq.changed)):
            return False
        for (key, _), source in zip(results_of(eq), eq.variables, strict=False):
            self._same[key] = self._root(source)
        return True

    def _root(self, key: Hashable) -> Hashable:
        return self._same.get(key, key)

    def _operand(self, key: Hashable, x: Tensor) -> int:
        key = self._root(key)
        if key in self._changed:
            raise Unable("a Tensor that is read is changed in place")
        found = None if key is None else self._numbers.get(key)
        if found is None and x.is_abstract:
            raise Unable("a rule asks for a value that was not kept")
        return self._add(key, x.dtype, x.shape, x) if found is None else found

    def _add(self, key: Hashable, dtype: np.dtype[Any], shape: Sequence[int], x: Tensor | None) -> int:
        if dtype.name not in DTYPES:
            raise Unable(f"JavaScript has no numbers of dtype {dtype.name}")
        number = len(self.types)
        self.types.append((dtype.name, list(shape)))
        self.values.append(None if x is None or x.is_abstract else items(x))
        if key is not None:
            self._numbers[self._root(key)] = number
        return number


def items(x: Tensor) -> list[Any]:
    """In C order, as JSON has numbers: those that it has not are words. float32 with as many digits as it needs."""
    array = np.asarray(x.detach()._exact()).ravel()
    if array.dtype == np.float32:
        return [_number(float(str(v))) for v in array]
    return [_number(v) for v in array.tolist()]


def _number(x: Any) -> Any:
    if isinstance(x, float) and not math.isfinite(x):
        return "nan" if math.isnan(x) else "inf" if x > 0 else "-inf"
    if isinstance(x, int) and abs(x) > EXACT:
        raise Unable(f"the integer {x} is beyond 2^53, where JavaScript's numbers have gaps")
    return int(x) if isinstance(x, bool) else x


def _attribute(op: str, a: Any) -> Any:
    if bodies := bodies_of(a):
        return [_body(native.meaning) for native in bodies]
    if isinstance(a, np.dtype):
        return a.name
    if isinstance(a, (tuple, list)):
        return [_attribute(op, x) for x in a]
    if a is None or isinstance(a, (bool, str)):
        return a
    if isinstance(a, (int, float)):
        return _number(a)
    raise Unable(f"an attribute of {op} has no form in JavaScript")


def _body(body: Any) -> dict[str, Any]:
    """A traced function (``transforms/control/bodies.py``): its inputs come first, numbers it writes are constants."""
    program = Program()
    for i, (shape, dtype) in enumerate(body.types):
        program.live.add(program._add(i, dtype, shape, None))

    def number(ref: Any) -> int:
        found = program.number(ref) if isinstance(ref, int) else None
        return program._add(None, ref.dtype, ref.shape, ref) if found is None else found

    calls = []
    for call in body.calls:
        name = call.primitive.name
        if primitives().get(name) is not call.primitive:
            raise Unable(f"{name} is a custom rule inside of a loop")
        inputs = [number(x) for x in call.operands]
        attributes = [_attribute(name, a) for a in call.attributes]
        results = [program._add(r, d, s, None) for r, (s, d) in zip(call.results, call.types, strict=True)]
        calls.append([name, inputs, results, attributes])
    return {**program.data(), "calls": calls, "outputs": [number(x) for x in body.outputs]}
