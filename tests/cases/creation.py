"""Rows of the creation ops."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

from .shape import EXACT, VECTOR

# Integers, because the result for an abstract Tensor is not abstract: see test_creation.py.
LIKE = [(np.array(3),), (np.ones((2, 0, 3), int),), (np.arange(4, dtype=np.int32),)]

SHAPES = [((),), ((2, 3),), ((0, 4),), (5,)]
BAD_SHAPES: Any = [(-1,), (2, -3), (2**40, 2**40)]


def shape_errors(op: str, *rest: Any) -> Any:
    return [
        *(
            ((shape, *rest), {}, ac.ShapeError, f"{op}: dimensions must not be negative, nor too")
            for shape in BAD_SHAPES
        ),
        ((2.5, *rest), {}, TypeError, f"{op}: shape must be an int or a tuple of ints; got 2.5"),
    ]


def meshgrid(*xs: Any, indexing: str = "xy") -> Any:
    return list(np.meshgrid(*xs, indexing=indexing))  # type: ignore[call-overload]


CASES = [
    OpCase("zeros", np.zeros, SHAPES, grad=(), tol=EXACT, errors=shape_errors("zeros")),
    OpCase("ones", np.ones, SHAPES, grad=(), tol=EXACT, errors=shape_errors("ones")),
    OpCase("empty", np.zeros, SHAPES, grad=(), tol=EXACT, errors=shape_errors("empty")),
    OpCase(
        "full",
        np.full,
        [((2, 3), 0.5), ((), 7), ((0,), True), (2, -1)],
        grad=(),
        tol=EXACT,
        errors=shape_errors("full", 1),
    ),
    OpCase("empty_like", np.zeros_like, LIKE, grad=(), tol=EXACT),
    OpCase("zeros_like", np.zeros_like, LIKE, grad=(), tol=EXACT),
    OpCase("ones_like", np.ones_like, LIKE, grad=(), tol=EXACT),
    OpCase("full_like", np.full_like, [(*x, 7) for x in LIKE], grad=(), tol=EXACT),
    OpCase(
        "arange",
        np.arange,
        [(5,), (2, 7), (7, 2, -2), (0,), (3, 1), (0.5, 2.5, 0.25), (4.0,)],
        grad=(),
        tol=EXACT,
        errors=[((0, 1, 0), {}, ValueError, "arange: step must not be zero")],
    ),
    OpCase(
        "linspace",
        np.linspace,
        [(0.0, 1.0, 5), (2.0, -2.0, 3), (0.0, 1.0, 1), (0.0, 1.0, 0)],
        kwargs=[{}, {"endpoint": False}],
        grad=(),
        tol=EXACT,
        errors=[((0, 1, -1), {}, ac.ShapeError, "linspace: dimensions must not be negative")],
    ),
    OpCase(
        "eye",
        np.eye,
        [(3,), (2, 4), (3, 2), (0,)],
        kwargs=[{}, {"k": 1}, {"k": -1}],
        grad=(),
        tol=EXACT,
        errors=[((-1,), {}, ac.ShapeError, "eye: dimensions must not be negative")],
    ),
    OpCase(
        "meshgrid",
        meshgrid,
        [(VECTOR,), (VECTOR, VECTOR[:3]), (VECTOR[:2], VECTOR[:0], VECTOR[:3])],
        kwargs=[{}, {"indexing": "ij"}],
        grad=(0, 1, 2),
        tol=EXACT,
        errors=[
            ((np.zeros((2, 2)),), {}, ac.ShapeError, r"meshgrid: arrays must be 1-d; got shape \(2, 2\)"),
            ((np.zeros(2),), {"indexing": "yx"}, ValueError, "meshgrid: indexing must be 'xy' or 'ij'; got 'yx'"),
        ],
    ),
]
