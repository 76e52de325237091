"""Rows of ops/arranging.py: values are exact."""

from __future__ import annotations

import numpy as np

import alice_core as ac
from cases.shape import CUBE, EMPTY, EXACT, MATRIX, SCALAR, VECTOR, ramp
from op_cases import OpCase

_SHAPES = [(SCALAR,), (VECTOR,), (MATRIX,), (CUBE,), (EMPTY,), (np.arange(3),)]

CASES = [
    *(OpCase(name, getattr(np, name), _SHAPES, tol=EXACT) for name in ("atleast_1d", "atleast_2d", "atleast_3d")),
    OpCase(
        "vstack",
        np.vstack,
        [([MATRIX, ramp(4), ramp(2, 4)],), ([VECTOR],), ([SCALAR, SCALAR],), ([EMPTY, EMPTY],), ([CUBE, CUBE],)],
        tol=EXACT,
        errors=[
            (([],), {}, ac.ShapeError, "vstack: expected at least one array"),
            (([np.zeros(2), np.zeros(3)],), {}, ac.ShapeError, "vstack: shapes must be equal except along axis 0"),
        ],
    ),
    OpCase(
        "hstack",
        np.hstack,
        [([MATRIX, ramp(3, 2)],), ([VECTOR, ramp(2)],), ([SCALAR, VECTOR],), ([EMPTY, EMPTY],), ([CUBE],)],
        tol=EXACT,
        errors=[
            (([],), {}, ac.ShapeError, "hstack: expected at least one array"),
            (([np.zeros((2, 1)), np.zeros((3, 1))],), {}, ac.ShapeError, "hstack: shapes must be equal except along"),
        ],
    ),
    OpCase(
        "column_stack",
        np.column_stack,
        [([MATRIX, ramp(3), ramp(3, 2)],), ([VECTOR, VECTOR],), ([SCALAR, SCALAR],), ([EMPTY],), ([CUBE, CUBE],)],
        tol=EXACT,
        errors=[(([np.zeros(2), np.zeros(3)],), {}, ac.ShapeError, "column_stack: shapes must be equal except along")],
    ),
    OpCase(
        "rot90",
        np.rot90,
        [(MATRIX,), (MATRIX, 2), (MATRIX, -1), (MATRIX, 4), (CUBE, 1, (2, 0)), (CUBE, 3, (-1, 1)), (EMPTY, 1, (1, 2))],
        tol=EXACT,
        errors=[
            ((np.zeros(3),), {}, ac.ShapeError, "rot90: axis must be from -1 to 0; got 1"),
            ((np.zeros((2, 2)), 1, (0, -2)), {}, ac.ShapeError, "rot90: axes must be two that differ"),
        ],
    ),
]
