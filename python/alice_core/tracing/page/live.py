"""What makes the page alive: the trace, its tangent program and its dual program as programs that the page runs."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...tensors import Tensor, tensor
from ..listing import operands_of, results_of
from .program import Program, Unable

if TYPE_CHECKING:
    from ..evaluation import Trace

__all__ = ["as_script", "cotangents", "live", "tangents"]

MOST_ITEMS = 24  # of an argument that have controls


def tangents(trace: Trace) -> Any:
    """To begin with, the first item of the first input moves."""
    inputs = [x for x in trace._watched if x.dtype.kind == "f"] + [x for _, x in _parameters(trace)]
    seeds = [np.zeros(x.shape) for x in inputs]
    if seeds and seeds[0].size:
        seeds[0].flat[0] = 1
    given = [tensor(seed, dtype=x.dtype) for seed, x in zip(seeds, inputs, strict=True)]
    return given if len(given) != 1 else given[0]


def cotangents(trace: Trace) -> list[Tensor | None]:
    """To begin with, the adjoint of the first item of the first result is 1."""
    seeds: list[Tensor | None] = []
    left = True
    for y in trace._results:
        follows = y.dtype.kind == "f" and bool(y._contexts)
        seed = np.zeros(y.shape)
        if follows and left and y.size:
            seed.flat[0], left = 1, False
        seeds.append(tensor(seed, dtype=y.dtype) if follows else None)
    return seeds


def live(trace: Trace, more: list[Trace], most_lines: int, room: int) -> dict[str, Any]:
    """The programs as data of so many characters at most, with the names that the page's lines have; or, as
    ``unable``, why there are none."""
    try:
        if any(x.is_abstract for x in trace.inputs):
            raise Unable("the arguments are abstract: they have no values")
        if max(len(t.lines) for t in (trace, *more)) > most_lines:
            raise Unable(f"the page shows {most_lines} lines of a program, and there are more")
        # An item takes a handful of characters at the very least.
        if (size := 4 * sum(_items(t) for t in (trace, *more))) <= room:
            data = _Live(trace, more).data
            size = len(as_script(data))
        if size > room:
            raise Unable(f"its values take {size // 1000} kB, and the page has room for {room // 1000} kB")
    except Unable as reason:
        return {"unable": str(reason)}
    return data


def as_script(data: dict[str, Any]) -> str:
    """JSON that no browser takes for markup."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _items(trace: Trace) -> int:
    return sum(y.size for eq in trace.equations for _, y in results_of(eq)) + sum(x.size for x in trace.inputs)


def _parameters(trace: Trace) -> Iterator[tuple[Hashable, Tensor]]:
    """Tensors of the enclosing scope that require a gradient, in the order of their first use."""
    seen = {x._key for x in trace.inputs}
    for eq in trace.equations:
        for key, source in zip(eq.variables, eq.sources, strict=True):
            if isinstance(source, Tensor) and source.requires_grad and key not in seen:
                seen.add(key)
                yield key, source
    for y in trace._results:
        if y._producer is None and y.requires_grad and y._key not in seen:
            seen.add(y._key)
            yield y._key, y


class _Live:
    def __init__(self, trace: Trace, more: list[Trace]) -> None:
        self._trace, self._program, self._names = trace, Program(), {}  # type: tuple[Trace, Program, dict[str, int]]
        inputs = [(x._key, x) for x in trace.inputs if x.dtype.kind == "f"]
        arguments = [self._given(trace, key, x) for key, x in [*inputs, *_parameters(trace)]]
        if not arguments:
            raise Unable("no argument is floating")
        sections = {trace.kind: self._calls(trace)}
        self._check_reads()
        seeds = {}
        for other in more:
            seeds[other.kind] = [self._given(other, x._key, x) for x in other.inputs]
            sections[other.kind] = self._calls(other)
            for mark, found in (("'", other.tangents), ("~", other.adjoints)):
                self._names.update({n + mark: self._program.keep(x._key, x) for n, x in found.items() if x is not None})
        self.data = {
            "programs": self._program.data(),
            "sections": sections,
            "names": self._names,
            "arguments": arguments,
            "seeds": seeds,
            "results": [self._result(y) for y in trace.outputs],
            "most": MOST_ITEMS,
        }

    def _given(self, trace: Trace, key: Hashable, x: Tensor) -> str:
        name = trace._names.get(key) or ""
        self._names[name] = self._program.given(key, x)
        return name

    def _result(self, y: Tensor) -> str | None:
        number = self._program.number(y._key)
        return self._trace.name(y) if number in self._program.live else None

    def _calls(self, trace: Trace) -> list[Any]:
        calls = self._program.calls(trace.equations)
        for eq in trace.equations:
            for key, _ in [*operands_of(eq), *results_of(eq)]:
                name, number = trace._names.get(key), self._program.number(key)
                if name is not None and number in self._program.live:
                    self._names.setdefault(name, number)
        return calls

    def _check_reads(self) -> None:
        for x in self._trace._reads:
            if self._program.number(x._key) in self._program.live:
                name = self._trace.name(x)
                what = f"the value of {name}" if name else "a value that it has computed"
                raise Unable(f"the function asks for {what}: with other arguments its equations may be others")
