"""The page's arithmetic against the library's: every op of its table, by the rows of ``cases``."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import _core
from alice_core.primitive import primitives
from op_calls import calls, cast, op, tensors
from op_cases import OpCase, all_cases
from page_scripts import engine, live_data, one_call, probe, table

pytest.importorskip("py_mini_racer", reason="needs the package mini-racer, of the extra test")

#: Ops that move data or run bodies, which no row of ``cases`` calls with floating arguments; tested by themselves.
ELSEWHERE = {"identity", "constant_copy", "stop_gradient", "remat", "slice_set", "vecmat", "one_hot", "nonnegative"}
LOOPS = {"scan", "switch", "while_loop"}
#: What the page does not compute: its pages say so.
UNTAUGHT = {"nextafter", "fitting", "checked_arithmetic"}


def traces(case: OpCase) -> Iterator[ac.Trace]:
    """Of every call of a row in both dtypes, as functions of all its Tensors."""
    for args, kwargs in calls(case):
        for dtype in set(case.dtypes) & {"float32", "float64"}:
            given = tensors(cast(args, dtype))
            places = [i for i, x in enumerate(given) if isinstance(x, ac.Tensor)]

            def f(*xs: ac.Tensor, given: Any = given, places: Any = places, kwargs: Any = kwargs) -> Any:
                moved = dict(zip(places, xs, strict=True))
                return op(case)(*[moved.get(i, x) for i, x in enumerate(given)], **kwargs)

            try:
                yield ac.trace(f)(*[given[i] for i in places])
            except (ac.AliceError, ValueError, TypeError):
                continue  # not every row returns Tensors, or takes its arguments as Tensors


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_values_tangents_and_adjoints_agree(case: OpCase) -> None:
    programs = []
    for t in traces(case):
        data = live_data(t)
        if "unable" in data:
            assert "no argument is floating" in data["unable"] or "kB" in data["unable"] or "asks for" in data["unable"]
            continue
        programs.append(data)
    known = table()
    for name, dtype, verdict, shown in probe(*programs):
        assert verdict == "agrees" or (verdict == "unknown" and name not in known), f"{name} {dtype} {verdict} {shown}"


def test_the_rows_reach_every_op_of_the_table() -> None:
    found: set[str] = set()
    wanted = set(table()) - ELSEWHERE - LOOPS
    for case in all_cases():
        for t in traces(case):
            if t.equations and {eq.primitive.name for eq in t.equations} <= found:
                continue
            data = live_data(t)
            if "unable" not in data:
                found |= {name for name, *_ in probe(data)}
            if wanted <= found:
                return
    pytest.fail(f"no row reaches {sorted(wanted - found)}")


def test_the_table_has_primitives_alone() -> None:
    assert set(table()) <= set(primitives())


# -- item by item ------------------------------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 3.0, -3.0, 6.0, np.inf, -np.inf, np.nan, 1e-3, 1e-30, -1e-30, 20.0,
           -20.0, 100.0, -100.0, 700.0, -700.0]  # fmt: skip
ATTRIBUTES = {"leaky_relu": (0.01,), "leaky_relu_vjp": (0.01,), "elu": (1.5,), "elu_vjp": (1.5,), "pow_log": (2,)}


def elementwise() -> list[str]:
    signatures = {name: _core.kernel_signature(name) for name in table()}
    rows = engine().eval("JSON.stringify(Object.keys(elementwiseRows))")
    return [name for name in json.loads(rows) if name in signatures]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", elementwise())
def test_special_and_random_values(name: str, dtype: str) -> None:
    n = _core.kernel_signature(name)["n_in"]
    rng = np.random.default_rng(0)
    special = np.array(list(itertools.product(SPECIAL if n < 3 else SPECIAL[::2], repeat=n)))
    drawn = rng.standard_normal((500, n)) * 10.0 ** rng.uniform(-3, 1, (500, 1))
    if name.endswith("_vjp"):  # an infinite cotangent meets slopes that underflow in one dtype and not in the other
        special = special[np.isfinite(special[:, 0])]
    columns = np.concatenate([special, drawn]).T.astype(dtype)
    operands = [ac.tensor(column) for column in columns]
    if name == "where":
        operands[0] = operands[0] > 0.0
    ((_, _, verdict, shown),) = probe(one_call(name, operands, ATTRIBUTES.get(name, ())))
    if verdict != "agrees":
        bad = []
        for i in range(columns.shape[1]):
            ((_, _, v, s),) = probe(one_call(name, [x[i : i + 1] for x in operands], ATTRIBUTES.get(name, ())))
            if v != "agrees":
                bad.append(f"{v}: {s}")
        assert not bad, "\n".join(bad[:12])
        assert verdict == "agrees", shown


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("name", [
    "add", "subtract", "multiply", "negative", "abs", "sign", "square", "floor_divide", "remainder", "maximum",
    "minimum", "pow", "equal", "less", "greater_equal", "logical_and", "logical_not", "round", "clip", "where",
])  # fmt: skip
def test_integers(name: str, dtype: str) -> None:
    n = _core.kernel_signature(name)["n_in"]
    values = [0, 1, 2, 3, 5, 7, 100, 255] + ([-1, -2, -7, -100] if dtype != "uint8" else [])
    values += [2**31 - 1, -(2**31)] if dtype == "int32" else []
    if name == "pow":
        values = values[:6]
    columns = np.array(list(itertools.product(values, repeat=n)), dtype).T
    operands = [ac.tensor(column) for column in columns]
    if name == "where":
        operands[0] = operands[0] > 0
    ((_, _, verdict, shown),) = probe(one_call(name, operands, ()))
    assert verdict == "agrees", shown


@pytest.mark.parametrize("to", ["float64", "float32", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("of", ["float64", "float32", "int64", "int32", "uint8", "bool"])
def test_casts(of: str, to: str) -> None:
    values = [0, 1, 2.5, 100, 255] if of != "bool" else [0, 1]
    values += (
        [-0.5, -1, -300, 300, 1e9, 3e9, np.nan] if of.startswith("float") else [-1, 300] if of.startswith("int") else []
    )
    x = ac.tensor(np.array(values).astype(of))
    data = one_call("astype", [x], (np.dtype(to),))
    data["sections"]["trace"][0][3] = [to]
    ((_, _, verdict, shown),) = probe(data)
    assert verdict == "agrees", shown


@pytest.mark.parametrize(("name", "operands", "attributes"), [
    ("identity", [ac.arange(3.0)], ()),
    ("constant_copy", [ac.arange(3.0)], ()),
    ("stop_gradient", [ac.arange(3.0)], ()),
    ("remat", [ac.arange(3.0)], ()),
    ("nonnegative", [ac.arange(3.0)], ()),
    ("slice_set", [ac.arange(6.0).reshape((2, 3)), ac.ones((2, 1))], ((0, 1), (2, 1), (1, 1))),
    ("slice_set", [ac.arange(6.0), -ac.arange(3.0)], ((4,), (3,), (-2,))),
    ("one_hot", [ac.tensor([2, 0])], (3, np.dtype("float32"))),
    ("vecmat", [ac.arange(6.0).reshape((2, 3)), ac.arange(12.0).reshape((3, 4))], ()),
])  # fmt: skip
def test_what_moves_items(name: str, operands: list[ac.Tensor], attributes: tuple[Any, ...]) -> None:
    data = one_call(name, operands, attributes)
    data["sections"]["trace"][0][3] = [a.name if isinstance(a, np.dtype) else a for a in attributes]
    ((_, _, verdict, shown),) = probe(data)
    assert verdict == "agrees", shown


# -- loops -------------------------------------------------------------------------------------------------------------


def scanned(x: ac.Tensor) -> ac.Tensor:
    last, stacked = ac.scan(lambda c, i: (ac.sin(c) * x + i, c * c), x, ac.arange(4.0))
    return last + ac.sum(stacked)


def looped(x: ac.Tensor) -> ac.Tensor:
    return ac.while_loop(lambda v: ac.sum(v) < 50.0, lambda v: v * 1.5 + x, x * 1.0, max_steps=30)


@pytest.mark.parametrize(("f", "name"), [
    (scanned, "scan"),
    (lambda x: ac.scan(lambda c, i: (c * i + x, None), x, ac.arange(1.0, 4.0), reverse=True)[0], "scan"),
    (looped, "while_loop"),
    (lambda x: ac.cond(ac.sum(x) > 0.0, lambda v: v * v, lambda v: -v, x), "switch"),
    (lambda x: ac.fori_loop(0, 5, lambda i, v: ac.tanh(v) + x, x), "scan"),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loops(f: Any, name: str, dtype: str) -> None:
    data = live_data(ac.trace(f)(ac.tensor(1.25, dtype=dtype)))
    assert "unable" not in data, data
    found = probe(data)
    assert name in {op for op, *_ in found}
    for op_name, _, verdict, shown in found:
        assert verdict == "agrees", f"{op_name} {verdict} {shown}"
