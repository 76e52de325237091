"""Rows of ops/bitwise.py."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

_rng = np.random.default_rng(5)
INTS = [
    _rng.integers(-(2**40), 2**40, (3, 5)),
    _rng.integers(-99, 99, 5).astype(np.int32),
    np.arange(6, dtype=np.uint8),
]
BOOLS = np.array([True, True, False, False]), np.array([True, False, True, False])
PAIRS: list[tuple[Any, ...]] = [
    *((a, a[..., ::-1].copy()) for a in INTS),
    (INTS[0], INTS[1]),
    (np.array(12), np.array(10)),
]
SHIFTS: list[tuple[Any, ...]] = [
    (np.array([1, -5, 77, 2**62]), np.array([3, 1, 0, 63])),
    (np.array([[7], [-7]], np.int32), np.array([0, 5, 31], np.int32)),
    (np.array([200, 3], np.uint8), np.array([1, 7], np.uint8)),
    (np.zeros((0, 2), np.int64), np.array([1, 2])),
]


def row(name: str, reference: Any, inputs: Any) -> OpCase:
    errors: Any = [((np.ones(2), np.ones(2)), {}, ac.DTypeError, f"{name}: expected integers; got float64")]
    return OpCase(name, reference, inputs, primitives=(name,), grad=(), errors=errors if len(inputs[0]) == 2 else ())


CASES = [
    row("bitwise_and", np.bitwise_and, [*PAIRS, BOOLS]),
    row("bitwise_or", np.bitwise_or, [*PAIRS, BOOLS]),
    row("bitwise_xor", np.bitwise_xor, [*PAIRS, BOOLS]),
    row("bitwise_invert", np.invert, [*((a,) for a in INTS), BOOLS[:1]]),
    row("bitwise_left_shift", np.left_shift, SHIFTS),
    row("bitwise_right_shift", np.right_shift, SHIFTS),
]
