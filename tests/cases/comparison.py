"""Rows of ops/comparison.py."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase
from points import SPECIAL, binary, pairs, unary

TRUTH = np.array([True, False, True, False]), np.array([True, True, False, False])
NUMBERS = np.array([-2, -1, 0, 1]), np.array([-1, -1, 0, 0])


def two(name: str, reference: Any) -> OpCase:
    return OpCase(
        name,
        reference,
        [*binary(-3, 3), TRUTH, NUMBERS, tuple(a.astype(np.int32) for a in NUMBERS)],
        primitives=(name,),
        grad=(),
        extreme=[pairs(SPECIAL)],
        errors=[((np.zeros(2), np.zeros(3)), {}, ac.errors.ShapeError, rf"{name}: shapes must broadcast")],
    )


def one(name: str, reference: Any) -> OpCase:
    return OpCase(
        name, reference, [*unary(-3, 3), TRUTH[:1], NUMBERS[:1]], primitives=(name,), grad=(), extreme=[(SPECIAL,)]
    )


CASES = [
    two("equal", np.equal),
    two("not_equal", np.not_equal),
    two("less", np.less),
    two("less_equal", np.less_equal),
    two("greater", np.greater),
    two("greater_equal", np.greater_equal),
    two("logical_and", np.logical_and),
    two("logical_or", np.logical_or),
    two("logical_xor", np.logical_xor),
    one("logical_not", np.logical_not),
    one("isnan", np.isnan),
    one("isinf", np.isinf),
    one("isfinite", np.isfinite),
]
