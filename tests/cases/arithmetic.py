"""Rows of ops/arithmetic.py."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase
from points import SPECIAL, between, binary, pairs, unary

EXACT = {"float32": 0.0, "float64": 0.0}
ROUNDED = {"float32": 6e-8, "float64": 2e-16}
FINE = {"float32": 2.4e-7, "float64": 4.5e-16}
INTS = np.array([-7, -2, -1, 0, 1, 2, 3, 100])
INT_PAIR = (INTS, INTS[::-1].copy())
BROADCAST = ((np.zeros((2, 3)), np.zeros((2, 4))), {}, ac.errors.ShapeError)


def shapes(name: str) -> Any:
    return [(*BROADCAST, rf"{name}: shapes must broadcast .*got \(2, 3\), \(2, 4\)")]


def clip(x: Any, min: Any = None, max: Any = None) -> Any:
    return np.clip(x, -np.inf if min is None else min, np.inf if max is None else max)


CASES = [
    OpCase(
        "add",
        np.add,
        [*binary(-3, 3), INT_PAIR],
        primitives=("add",),
        grad=(0, 1),
        tol=ROUNDED,
        extreme=[pairs(SPECIAL)],
        errors=shapes("add"),
    ),
    OpCase(
        "subtract",
        np.subtract,
        [*binary(-3, 3), INT_PAIR],
        primitives=("subtract",),
        grad=(0, 1),
        tol=ROUNDED,
        extreme=[pairs(SPECIAL)],
        errors=shapes("subtract"),
    ),
    OpCase(
        "multiply",
        np.multiply,
        [*binary(-3, 3), INT_PAIR],
        primitives=("multiply",),
        grad=(0, 1),
        tol=ROUNDED,
        extreme=[pairs(SPECIAL)],
        errors=shapes("multiply"),
    ),
    OpCase(
        "divide",
        np.divide,
        binary(-3, 3, 0.5, 3),
        primitives=("divide", "strong_mul", "strong_div"),
        grad=(0, 1),
        tol=ROUNDED,
        extreme=[pairs(SPECIAL)],
        errors=shapes("divide"),
    ),
    OpCase(
        "floor_divide",
        np.floor_divide,
        [*binary(-9, 9, 0.5, 3), INT_PAIR],
        primitives=("floor_divide",),
        grad=(0, 1),
        tol=EXACT,
        extreme=[pairs(SPECIAL[:7])],
    ),
    OpCase(
        "remainder",
        np.remainder,
        [*binary(-0.9, 0.9, 1, 1.5), INT_PAIR],
        primitives=("remainder",),
        grad=(0, 1),
        tol=FINE,
        extreme=[pairs(SPECIAL[:7])],
    ),
    OpCase(
        "negative", np.negative, [*unary(-3, 3), (INTS,)], primitives=("negative",), tol=EXACT, extreme=[(SPECIAL,)]
    ),
    OpCase("abs", np.abs, [*unary(-3, 3), (INTS,)], primitives=("abs", "abs_vjp"), tol=EXACT, extreme=[(SPECIAL,)]),
    OpCase("sign", np.sign, [*unary(-3, 3), (INTS,)], primitives=("sign",), tol=EXACT, extreme=[(SPECIAL,)]),
    OpCase(
        "square",
        np.square,
        [*unary(-3, 3), (INTS,)],
        primitives=("square", "square_vjp"),
        tol=ROUNDED,
        extreme=[(SPECIAL,)],
    ),
    OpCase("sqrt", np.sqrt, unary(0.2, 9), primitives=("sqrt", "sqrt_vjp"), tol=ROUNDED, extreme=[(SPECIAL,)]),
    OpCase(
        "rsqrt",
        lambda x: 1.0 / np.sqrt(x),
        unary(0.2, 9),
        primitives=("rsqrt", "rsqrt_vjp"),
        tol=FINE,
        extreme=[(SPECIAL[:4],)],
    ),
    OpCase(
        "reciprocal",
        lambda x: 1.0 / x,
        unary(0.2, 9),
        primitives=("reciprocal", "reciprocal_vjp"),
        tol=ROUNDED,
        extreme=[(SPECIAL,)],
    ),
    OpCase(
        "pow",
        np.power,
        [
            *binary(0.2, 3, -2, 3),
            (between(-3, 3, 4), np.array(2)),
            (between(0.5, 3, 5), np.array([0.0, 1.0, 2.0, 3.0, -1.0])),
            (np.array([-3, 2, 5, 0]), np.array([3, 10, 0, 0])),
        ],
        primitives=("pow", "pow_vjp", "pow_log"),
        grad=(0, 1),
        tol=FINE,
        extreme=[pairs(SPECIAL)],
        errors=shapes("pow"),
    ),
    *(
        OpCase(name, reference, [*unary(-5, 5), (INTS,)], primitives=(name,), tol=EXACT, extreme=[(SPECIAL,)])
        for name, reference in [("floor", np.floor), ("ceil", np.ceil), ("round", np.round), ("trunc", np.trunc)]
    ),
    OpCase(
        "maximum",
        np.maximum,
        [*binary(-3, 3), INT_PAIR],
        primitives=("maximum", "maximum_vjp"),
        grad=(0, 1),
        tol=EXACT,
        extreme=[pairs(SPECIAL)],
        errors=shapes("maximum"),
    ),
    OpCase(
        "minimum",
        np.minimum,
        [*binary(-3, 3), INT_PAIR],
        primitives=("minimum", "minimum_vjp"),
        grad=(0, 1),
        tol=EXACT,
        extreme=[pairs(SPECIAL)],
        errors=shapes("minimum"),
    ),
    OpCase(
        "clip",
        clip,
        [(x, np.array(-1.003), np.array(1.507)) for (x,) in unary(-3, 3)]
        + [(between(-3, 3, 4), between(-2, -1, 4), between(1, 2, 3, 1)), (INTS, np.array(-1), np.array(2))],
        primitives=("clip", "clip_vjp"),
        grad=(0, 1, 2),
        tol=EXACT,
        extreme=[(SPECIAL, np.array(-1.0), np.array(2.0))],
    ),
    OpCase(
        "where",
        np.where,
        [
            (np.array(True), between(-3, 3), between(-3, 3)),
            (np.array([True, False, True]), between(-3, 3, 2, 3), between(-3, 3)),
            (np.array([[True], [False]]), between(-3, 3, 3), between(-3, 3, 2, 3)),
            (np.zeros(0, bool), between(-3, 3, 0), between(-3, 3, 0)),
            (np.arange(70) % 3 == 0, between(-3, 3, 70), between(-3, 3, 70)),
            (np.array([True, False]), INTS[:2], INTS[2:4]),
        ],
        primitives=("where",),
        grad=(1, 2),
        tol=EXACT,
        extreme=[(np.arange(SPECIAL.size) % 2 == 0, SPECIAL, SPECIAL[::-1].copy())],
        errors=[
            ((np.zeros(2, bool), np.zeros(3), np.zeros(3)), {}, ac.errors.ShapeError, r"where: shapes must broadcast")
        ],
    ),
    OpCase(
        "astype",
        lambda x, dtype: x.astype(dtype),
        [
            (between(-3, 3), np.float64),
            (between(-3, 3, 2, 3), np.float64),
            (between(-9, 9, 20), np.int32),
            (between(-9, 9, 20), np.int64),
            (INTS, np.int32),
            (INTS % 2 == 0, np.int64),
            (INTS, np.bool_),
        ],
        primitives=("astype",),
        dtypes=("float64",),
        tol=EXACT,
        errors=[((np.zeros(2), np.complex128), {}, ac.errors.DTypeError, "astype: dtype must be one of")],
    ),
]
