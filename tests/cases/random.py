"""Rows of the random numbers, against Philox4x32-10 written out in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

from .shape import EXACT

__all__ = ["CASES", "philox"]

LANES = 16
MASK = 0xFFFFFFFF


def philox(counter: Sequence[int], key: Sequence[int]) -> tuple[int, ...]:
    """Four words from the four of a counter and the two of a key (Salmon et al., 2011, section 3.3)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & MASK, (p0 >> 32) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def words(state: Any, n: int, first: int = 0) -> Any:
    """The words of enough groups of 16 blocks for ``n`` words: [group, word, lane]."""
    key, draw = (int(s) & (1 << 64) - 1 for s in state)
    groups = -(-n // (4 * LANES))
    blocks = [(first + b) & (1 << 64) - 1 for b in range(groups * LANES)]
    rows = [philox((b & MASK, b >> 32, draw & MASK, draw >> 32), (key & MASK, key >> 32)) for b in blocks]
    return np.array(rows, np.uint64).reshape(groups, LANES, 4).transpose(0, 2, 1)


def size(shape: Any) -> int:
    return int(np.prod(shape, dtype=int))


def bits(state: Any, shape: Any, first: int = 0) -> Any:
    w = words(state, 2 * size(shape), first)
    pairs = w[:, 0::2] | w[:, 1::2] << np.uint64(32)
    return pairs.reshape(-1)[: size(shape)].view(np.int64).reshape(shape)


def unit(state: Any, shape: Any, dtype: Any = "float32") -> Any:
    n = size(shape)
    if dtype == "float32":
        return ((words(state, n) >> np.uint64(8)).reshape(-1)[:n] * 2.0**-24).astype(np.float32).reshape(shape)
    w = words(state, 2 * n)
    fractions = (w[:, 1::2] >> np.uint64(5)) * 2.0**-27 + (w[:, 0::2] >> np.uint64(6)) * 2.0**-53
    return fractions.reshape(-1)[:n].reshape(shape)


STATES = [np.array([0, 0]), np.array([1234, 5]), np.array([-1, -(2**63)]), np.array([2**40 + 3, 2**35 + 1])]
SHAPES: list[Any] = [(), 1, (0, 3), (3, 5), 16, 63, (2, 64), 65, (5, 7, 11)]
CALLS = [(state, shape) for state in STATES for shape in SHAPES]


def errors(op: str) -> Any:
    return [
        ((ac.tensor([1, 2, 3]), 2), {}, ac.ShapeError, f"random_{op}: state must be two int64 numbers, key and draw"),
        ((ac.tensor([1.0, 2.0]), 2), {}, ac.DTypeError, "state must be two int64 numbers.*dtype float32"),
        ((ac.tensor([1, 2]), (2, -1)), {}, ac.ShapeError, "dimensions must not be negative"),
    ]


CASES = [
    OpCase(
        "random.bits",
        bits,
        [*CALLS, (STATES[1], 40, 3), (STATES[0], 40, 2**64 - 20)],
        primitives=("random_bits",),
        grad=(),
        tol=EXACT,
        errors=errors("bits"),
    ),
    OpCase(
        "random.unit",
        unit,
        CALLS,
        kwargs=[{}, {"dtype": "float64"}],
        primitives=("random_uniform",),
        grad=(),
        tol=EXACT,
        errors=[
            *errors("uniform"),
            ((ac.tensor([1, 2]), 2, "int32"), {}, ac.DTypeError, "unit: dtype must be float32 or float64; got int32"),
        ],
    ),
    OpCase(
        "random.advance",
        lambda state, draws=1: np.array([state[0], state[1] + draws]),
        [(STATES[0],), (STATES[1], 7), (STATES[1], -2)],
        primitives=("random_advance",),
        grad=(),
        tol=EXACT,
        errors=[((ac.tensor([1, 2, 3]),), {}, ac.ShapeError, "random_advance: state must be two int64 numbers")],
    ),
]
