"""Rows of ops/floating.py."""

from __future__ import annotations

import numpy as np

import alice_core as ac
from op_cases import OpCase
from points import SPECIAL, binary, pairs, unary

FINE = {"float32": 3e-7, "float64": 3e-15}
EXACT = {"float32": 0.0, "float64": 0.0}
_NEAR = (
    np.array([1.0, 1.0 + 1e-6, -2.0, np.inf, -np.inf, np.nan, 0.0]),
    np.array([1.0, 1.0, -2.1, np.inf, np.inf, np.nan, 1e-9]),
)


CASES = [
    OpCase(
        "hypot",
        np.hypot,
        binary(0.3, 3),
        primitives=("hypot",),
        grad=(0, 1),
        tol=FINE,
        extreme=[pairs(SPECIAL)],
        errors=[((np.zeros(2), np.zeros(3)), {}, ac.errors.ShapeError, r"hypot: shapes must broadcast")],
    ),
    OpCase(
        "copysign", np.copysign, binary(0.3, 3, -3, 3), primitives=("copysign",), tol=EXACT, extreme=[pairs(SPECIAL)]
    ),
    OpCase(
        "signbit",
        np.signbit,
        [*unary(-3, 3), (np.array([-1, 0, 2]),), (np.array([True]),)],
        primitives=("signbit",),
        grad=(),
        extreme=[(SPECIAL,)],
    ),
    OpCase("sinc", np.sinc, unary(0.05, 0.95), primitives=("sinc",), tol={"float32": 4e-7, "float64": 2e-15}),
    OpCase(
        "logaddexp2",
        np.logaddexp2,
        [*binary(0.3, 3), (np.array([9.5, -9.25]), np.array([55.5, -9.75]))],
        primitives=("logaddexp2", "logaddexp2_vjp"),
        grad=(0, 1),
        tol=FINE,
        extreme=[pairs(SPECIAL[:9])],
    ),
    OpCase(
        "nextafter",
        lambda x, y: np.nextafter(x.astype(x.dtype), y),
        [(a, b) for a, b in binary(0.3, 3, -3, 3)],
        primitives=("nextafter",),
        dtypes=("float64",),
        tol=EXACT,
        extreme=[pairs(SPECIAL)],
        errors=[
            ((ac.ones(2, ac.float16), 1.0), {}, ac.DTypeError, "nextafter: x must be float32 or float64; got float16")
        ],
    ),
    OpCase("nan_to_num", np.nan_to_num, unary(-3, 3), tol=EXACT),
    *(
        OpCase(
            name,
            getattr(np, name),
            [*binary(-3, 3), (np.array([1, 2]), np.array([1, 3])), _NEAR],
            kwargs=[{}, {"rtol": 1e-7}, {"atol": 0.2, "equal_nan": True}],
            grad=(),
            errors=[
                ((np.zeros(2), np.zeros(3)), {}, ac.errors.ShapeError, "shapes must broadcast"),
                ((1.0, 1.0), {"rtol": "1"}, ac.DTypeError, "isclose: rtol must be a number; got '1'"),
            ],
        )
        for name in ("isclose", "allclose")
    ),
]
