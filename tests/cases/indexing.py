"""Rows of the indexing ops; keys of every kind are tried at random in ``test_indexing.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

from .shape import CUBE, EXACT, MATRIX, VECTOR, ramp


def one_hot(labels: Any, num_classes: int) -> Any:
    return np.eye(num_classes)[labels]


def along(x: Any, indices: Any, axis: int = -1) -> Any:
    axis %= x.ndim
    others = [max(n, m) if n != 0 != m else 0 for n, m in zip(x.shape, indices.shape, strict=True)]
    wide = [np.broadcast_to(a, [*others[:axis], a.shape[axis], *others[axis + 1 :]]) for a in (x, indices)]
    return np.take_along_axis(*wide, axis)


CASES = [
    OpCase(
        "take",
        np.take,
        [
            (VECTOR, np.array([0, 0, -1, 3])),
            (MATRIX, np.array(5)),
            (CUBE, np.array([[0, 2], [-1, -1]]), 1),
            (CUBE, np.array([1, 1, 0], np.uint8), 0),
            (CUBE, np.array([3], np.int32), -1),
            (CUBE, np.zeros(0, np.int64), 2),
            (ramp(0, 3), np.array([1, 2]), 1),
        ],
        primitives=("take", "gather_vjp"),
        tol=EXACT,
        errors=[
            ((np.zeros(3), [3]), {}, IndexError, "take: index 3 is out of range for axis 0 with size 3"),
            ((np.zeros((2, 3)), [0, -4], 1), {}, IndexError, "take: index -4 is out of range for axis 1 with size 3"),
            ((np.zeros(0), [0]), {}, IndexError, "out of range for axis 0 with size 0"),
            ((np.zeros(3), [0.5]), {}, ac.DTypeError, "take: indices must be integers; got dtype float64"),
            ((np.zeros(3), np.array([True])), {}, ac.DTypeError, "take: indices must be integers; got dtype bool"),
            ((np.zeros(3), [0], 1), {}, ac.ShapeError, "take: axis must be from -1 to 0; got 1"),
        ],
    ),
    OpCase(
        "take_along_axis",
        along,
        [
            (MATRIX, np.array([[0], [3], [-1]])),
            (MATRIX, np.array([[0, 2, 2, 1], [1, 1, 0, -3]]), 0),
            (CUBE, np.array([[[2], [0]]], np.int32), 1),
            (ramp(1, 4), np.array([[0, 1], [1, 1], [2, 3]]), 1),
            (VECTOR, np.array([4, 4, 0], np.uint8), 0),
            (MATRIX, np.zeros((3, 0), np.int64), 1),
        ],
        primitives=("take_along_axis", "take_along_axis_vjp"),
        tol=EXACT,
        errors=[
            (
                (np.zeros((2, 3)), np.array([[3], [0]])),
                {},
                IndexError,
                "take_along_axis: index 3 .* axis 1 with size 3",
            ),
            (
                (np.zeros((2, 3)), np.array([0])),
                {},
                ac.ShapeError,
                r"take_along_axis: .* got x \(2, 3\), indices \(1,\)",
            ),
            ((np.zeros((2, 3)), np.zeros((3, 1), int)), {}, ac.ShapeError, "or 1, on every axis but 1"),
            ((np.zeros(()), np.array(0), 0), {}, ac.ShapeError, "a 0-d tensor has no axes"),
        ],
    ),
    OpCase(
        "Tensor.__getitem__",
        lambda x, key: np.asarray(x[key]),
        [
            (CUBE, (1, slice(None, None, -2), None, 3)),
            (CUBE, (..., [0, 1])),
            (CUBE, ([0, 1, 1], slice(1, None), [0, -1, 3])),
            (CUBE, (slice(None), [[0], [2]], [1, 2])),
            (MATRIX, [[0, 2], [2, 2]]),
            (VECTOR, slice(4, 0, -2)),
        ],
        primitives=("slice", "slice_vjp", "gather", "gather_vjp", "take", "expand_dims"),
        tol=EXACT,
    ),
    OpCase(
        "one_hot",
        one_hot,
        [
            (np.array(2), 3),
            (np.array([[0, 1], [2, 0]], np.int32), 4),
            (np.array([1], np.uint8), 2),
            (np.zeros(0, int), 2),
        ],
        primitives=("one_hot",),
        grad=(),
        tol=EXACT,
        errors=[
            ((np.array([0, 3]), 3), {}, IndexError, "one_hot: labels must be from 0 to 2; got 3"),
            ((np.array([-1]), 3), {}, IndexError, "labels must be from 0 to 2; got -1"),
            ((np.array([0]), 0), {}, ValueError, "num_classes must be at least 1; got 0"),
            ((np.array([0.0]), 2), {}, ac.DTypeError, "one_hot: indices must be integers; got dtype float64"),
        ],
    ),
    OpCase(
        "nonzero",
        np.nonzero,
        [(np.array([0, 3, 0, 4]),), (np.array([[True, False], [True, True]]),), (np.zeros((2, 0), int),)],
        grad=(),
        errors=[
            ((np.array(1.0),), {}, ValueError, "nonzero: expected at least 1 dimension"),
            ((ac.abstract((2,)),), {}, ac.TraceError, "abstract"),
        ],
    ),
]
