"""The dtypes of integers, their ends, and what Python makes of them."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import alice_core as ac

SIGNED = (ac.int8, ac.int16, ac.int32, ac.int64)
UNSIGNED = (ac.uint8, ac.uint16, ac.uint32, ac.uint64)
INTEGERS = (*SIGNED, *UNSIGNED)
STORED = (ac.int8, ac.int16, ac.uint16, ac.uint32, ac.uint64)


def bits(dtype: Any) -> int:
    return 8 * int(dtype.itemsize)


def ends(dtype: Any) -> tuple[int, int]:
    n = bits(dtype)
    return (0, 2**n - 1) if dtype.kind == "u" else (-(2 ** (n - 1)), 2 ** (n - 1) - 1)


def wrap(n: int, dtype: Any) -> int:
    low, _ = ends(dtype)
    return (n - low) % 2 ** bits(dtype) + low


def values(dtype: Any) -> list[int]:
    """The ends, and what lies beside powers of two."""
    low, high = ends(dtype)
    near = [low, low + 1, -129, -128, -100, -7, -2, -1, 0, 1, 2, 3, 7, 100, 127, 128, 255, 256, high // 2 + 1]
    return sorted({n for n in (*near, high - 1, high) if low <= n <= high})


COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
}


def same(got: ac.Tensor, want: Any, dtype: Any) -> None:
    assert got.dtype == dtype
    assert got.tolist() == want
