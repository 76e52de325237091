"""The page's own arithmetic, run without a browser by a JavaScript engine that comes as a package."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

import alice_core as ac
from alice_core.primitive import primitives
from alice_core.tracing.page.document import _derived
from alice_core.tracing.page.live import as_script, live
from alice_core.tracing.page.program import ARITHMETIC, items, scripts

#: Per call of a program: the op, the dtype of its result, how far it is from Python in multiples of what is allowed
#: (or what went wrong), and the operands.
PROBE = """
function probe(data) {
  const { types, values } = readProgram({ ...data.programs, calls: [], outputs: [] });
  return Object.values(data.sections).flatMap((calls) =>
    readProgram({ ...data.programs, calls, outputs: [] }).calls.map((call) => {
      const dtype = types[call.results[0]].dtype;
      if (!(call.op in ops)) return [call.op, dtype, "unknown", ""];
      try {
        const made = compute(call, values, types), far = distance(call, made, values);
        const shown = (t) => `${t.dtype}[${t.shape}] ${[...t.data.slice(0, 8)]}`;
        const told = [...call.inputs.map((i) => shown(values[i])), "gives", ...made.map(shown), "not",
          ...call.results.map((i) => shown(values[i]))];
        return [call.op, dtype, far <= 1 ? "agrees" : `is ${far} times too far away`, told.join("; ")];
      } catch (error) {
        return [call.op, dtype, String(error.stack), ""];
      }
    }));
}
"""


@cache
def engine() -> Any:
    racer = pytest.importorskip("py_mini_racer", reason="needs the package mini-racer")
    js = racer.MiniRacer()
    js.eval(scripts(ARITHMETIC) + PROBE)
    return js


def table() -> list[str]:
    """The ops that the page can compute."""
    names: list[str] = json.loads(engine().eval("JSON.stringify(Object.keys(ops))"))
    return names


def live_data(t: ac.Trace) -> dict[str, Any]:
    return live(t, _derived(t, True)[0], 10**6, 10**6)


def probe(*data: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Of all calls of some programs, which go to the engine together: going there takes as long as many calls."""
    texts = json.dumps([as_script(d) for d in data])
    found: list[tuple[str, str, str, str]] = json.loads(
        engine().eval(f"JSON.stringify({texts}.flatMap((text) => probe(JSON.parse(text))))")
    )
    return found


def one_call(name: str, operands: list[ac.Tensor], attributes: tuple[Any, ...]) -> dict[str, Any]:
    """A program of one call, with the kernel's own results."""
    results = primitives()[name](*operands, *attributes)
    results = results if isinstance(results, tuple) else (results,)
    values = [*operands, *results]
    program = {
        "types": [[x.dtype.name, list(x.shape)] for x in values],
        "values": [items(x) for x in values],
    }
    numbers = list(range(len(values)))
    call = [name, numbers[: len(operands)], numbers[len(operands) :], list(attributes)]
    return {"programs": program, "sections": {"trace": [call]}}


__all__ = ["engine", "live_data", "one_call", "probe", "table"]
