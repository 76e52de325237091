"""Rows of ops/transcendental.py."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase
from points import SPECIAL, between, binary, erf, erfc, pairs, unary

#: Two ULP of ours and a margin for NumPy's; test_accuracy.py is the strict one.
FINE = {"float32": 3e-7, "float64": 2e-15}


def row(name: str, reference: Any, low: float, high: float, slope: bool = False, **more: Any) -> OpCase:
    kernels = (name, f"{name}_vjp") if slope else (name,)
    return OpCase(name, reference, unary(low, high), primitives=kernels, tol=FINE, extreme=[(SPECIAL,)], **more)


def xlogy(x: Any, y: Any) -> Any:
    return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log(y))


CASES = [
    row("exp", np.exp, -5, 5),
    row("expm1", np.expm1, -5, 5),
    row("exp2", np.exp2, -5, 5, slope=True),
    row("log", np.log, 0.2, 9),
    row("log1p", np.log1p, -0.8, 9),
    row("log2", np.log2, 0.2, 9, slope=True),
    row("log10", np.log10, 0.2, 9, slope=True),
    row("sin", np.sin, -9, 9),
    row("cos", np.cos, -9, 9),
    row("tan", np.tan, -1.2, 1.2, slope=True),
    row("asin", np.arcsin, -0.9, 0.9, slope=True),
    row("acos", np.arccos, -0.9, 0.9),
    row("atan", np.arctan, -5, 5, slope=True),
    row("sinh", np.sinh, -5, 5),
    row("cosh", np.cosh, -5, 5),
    row("tanh", np.tanh, -5, 5, slope=True),
    row("asinh", np.arcsinh, -5, 5, slope=True),
    row("acosh", np.arccosh, 1.2, 9, slope=True),
    row("atanh", np.arctanh, -0.9, 0.9, slope=True),
    row("erf", erf, -3, 3, slope=True),
    row("erfc", erfc, -3, 3),
    OpCase(
        "atan2",
        np.arctan2,
        binary(0.3, 3, -3, 3),
        primitives=("atan2", "atan2_vjp"),
        grad=(0, 1),
        tol=FINE,
        extreme=[pairs(SPECIAL)],
        errors=[((np.zeros(2), np.zeros(3)), {}, ac.errors.ShapeError, r"atan2: shapes must broadcast")],
    ),
    OpCase(
        "logaddexp",
        np.logaddexp,
        [*binary(0.3, 3), (between(9, 99, 9), between(-99, 99, 9))],
        primitives=("logaddexp", "logaddexp_vjp"),
        grad=(0, 1),
        tol=FINE,
        extreme=[pairs(SPECIAL)],
    ),
    OpCase(
        "xlogy",
        xlogy,
        binary(-3, 3, 0.2, 3),
        primitives=("xlogy",),
        grad=(0, 1),
        tol=FINE,
        extreme=[pairs(SPECIAL[:6])],
    ),
]
