"""Rows of the shape ops: values are exact, so all tolerances are zero."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

EXACT = {"float32": 0.0, "float64": 0.0}


def ramp(*shape: int) -> Any:
    """Different numbers everywhere, so that a misplaced element shows."""
    return np.asarray(np.sin(np.arange(1.0, 1.0 + np.prod(shape, dtype=int))).reshape(shape))


SCALAR, EMPTY, VECTOR, MATRIX, CUBE = ramp(), ramp(2, 0, 3), ramp(5), ramp(3, 4), ramp(2, 3, 4)
LONG = ramp(1, 2, 1, 2, 1, 2)


def split(x: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    return [np.asarray(part) for part in np.split(x, indices_or_sections, axis)]


def unstack(x: Any, axis: int = 0) -> Any:
    return [np.asarray(part) for part in np.moveaxis(x, axis, 0)]


def flatten(x: Any, start_axis: int = 0, end_axis: int = -1) -> Any:
    if x.ndim == 0:
        return x.reshape(1)
    start, end = start_axis % x.ndim, end_axis % x.ndim
    return x.reshape(*x.shape[:start], int(np.prod(x.shape[start : end + 1])), *x.shape[end + 1 :])


def pad(x: Any, pad_width: Any, value: float = 0.0) -> Any:
    return np.pad(x, pad_width, constant_values=value)


def diagonal(x: Any, offset: int = 0, axis1: int = -2, axis2: int = -1) -> Any:
    return np.diagonal(x, offset, axis1, axis2)


CASES = [
    OpCase(
        "reshape",
        np.reshape,
        [
            (SCALAR, (1, 1)),
            (SCALAR, ()),
            (EMPTY, (0, 5)),
            (VECTOR, (5, 1)),
            (MATRIX, (2, -1)),
            (CUBE, (4, 6)),
            (CUBE, -1),
        ],
        primitives=("reshape",),
        tol=EXACT,
        errors=[
            ((np.zeros((2, 3)), (4, 2)), {}, ac.ShapeError, r"reshape: shape \(4, 2\) must hold as many items"),
            ((np.zeros((2, 3)), (-1, -1)), {}, ac.ShapeError, "one -1"),
            ((np.zeros((2, 3)), (-2, 3)), {}, ac.ShapeError, "one -1"),
            ((np.zeros((2, 3)), (4, -1)), {}, ac.ShapeError, r"no size for the -1 in \(4, -1\)"),
            ((np.zeros((2, 0)), (0, -1)), {}, ac.ShapeError, "no size for the -1"),
            ((np.zeros(2), (2**62, 2**62)), {}, ac.ShapeError, "too many elements"),
            ((np.zeros(2), 2.5), {}, TypeError, "reshape: shape must be an int or a tuple of ints; got 2.5"),
        ],
    ),
    OpCase("ravel", np.ravel, [(SCALAR,), (EMPTY,), (VECTOR,), (CUBE,)], tol=EXACT),
    OpCase(
        "flatten",
        flatten,
        [(SCALAR,), (EMPTY,), (CUBE,), (CUBE, 1), (CUBE, 0, 1), (CUBE, -2, -1)],
        tol=EXACT,
        errors=[((np.zeros((2, 3)), 1, 0), {}, ac.ShapeError, "flatten: start_axis must not come after end_axis")],
    ),
    OpCase("copy", np.copy, [(SCALAR,), (EMPTY,), (MATRIX.T,), (CUBE,), (LONG,)], primitives=("copy",), tol=EXACT),
    OpCase(
        "permute_dims",
        np.transpose,
        [(SCALAR, ()), (EMPTY, (2, 0, 1)), (CUBE, (2, 0, 1)), (CUBE, (0, -1, 1))],
        primitives=("permute_dims",),
        tol=EXACT,
        errors=[
            ((np.zeros((2, 3)), (0,)), {}, ac.ShapeError, "permute_dims: axes must name each of the 2 axes once"),
            ((np.zeros((2, 3)), (0, 0)), {}, ac.ShapeError, "axes must differ; got axis 0 twice"),
            ((np.zeros((2, 3)), (0, 2)), {}, ac.ShapeError, "axis must be from -2 to 1; got 2"),
        ],
    ),
    OpCase(
        "matrix_transpose",
        lambda x: np.swapaxes(x, -1, -2),
        [(MATRIX,), (CUBE,), (ramp(2, 3, 0),)],
        tol=EXACT,
        errors=[((np.zeros(3),), {}, ac.ShapeError, r"matrix_transpose: at least 2 dimensions .* got shape \(3,\)")],
    ),
    OpCase("swapaxes", np.swapaxes, [(CUBE, 0, -1), (CUBE, 1, 1), (EMPTY, 0, 1)], tol=EXACT),
    OpCase(
        "moveaxis",
        np.moveaxis,
        [(CUBE, 0, -1), (CUBE, (0, 1), (-1, 0)), (LONG, (5, 1, 3), (0, 2, 4))],
        tol=EXACT,
        errors=[((np.zeros((2, 3)), (0, 1), (0,)), {}, ac.ShapeError, "moveaxis: source and destination must name")],
    ),
    OpCase(
        "broadcast_to",
        np.broadcast_to,
        [
            (SCALAR, (2, 3)),
            (SCALAR, ()),
            (VECTOR, (2, 5)),
            (ramp(3, 1), (2, 3, 4)),
            (ramp(1), (0,)),
            (EMPTY, (2, 0, 3)),
        ],
        primitives=("broadcast_to",),
        tol=EXACT,
        errors=[
            ((np.zeros(3), (3, 4)), {}, ac.ShapeError, r"broadcast_to: .* got \(3,\) for \(3, 4\)"),
            ((np.zeros((2, 3)), (3,)), {}, ac.ShapeError, "broadcast_to"),
            ((np.zeros(1), (2**62, 8)), {}, ac.ShapeError, "too many elements"),
            ((np.zeros(1), (-1,)), {}, ac.ShapeError, "must not be negative"),
        ],
    ),
    OpCase(
        "broadcast_arrays",
        lambda *xs: list(np.broadcast_arrays(*xs)),
        [(VECTOR, ramp(3, 1)), (SCALAR, CUBE), (ramp(0, 1), ramp(3))],
        grad=(0, 1),
        tol=EXACT,
        errors=[((np.zeros(2), np.zeros(3)), {}, ac.ShapeError, r"broadcast_arrays: .* got shapes \(2,\), \(3,\)")],
    ),
    OpCase(
        "expand_dims",
        np.expand_dims,
        [(SCALAR, 0), (VECTOR, -1), (CUBE, (0, 2)), (EMPTY, (-1, 1))],
        primitives=("expand_dims",),
        tol=EXACT,
        errors=[
            ((np.zeros(3), 2), {}, ac.ShapeError, "expand_dims: axis must be from -2 to 1; got 2"),
            ((np.zeros(3), (0, 0)), {}, ac.ShapeError, "expand_dims: axes must differ"),
            ((np.zeros((1,) * 12), 0), {}, ac.ShapeError, "at most 12 dimensions"),
        ],
    ),
    OpCase(
        "squeeze",
        np.squeeze,
        [(SCALAR,), (LONG,), (LONG, 0), (LONG, (2, -2)), (ramp(1, 0),)],
        primitives=("squeeze",),
        tol=EXACT,
        errors=[
            ((np.zeros((2, 1)), 0), {}, ac.ShapeError, r"squeeze: axis 0 must have size 1; got shape \(2, 1\)"),
            ((np.zeros(()), 0), {}, ac.ShapeError, "squeeze: a 0-d tensor has no axes; got axis 0"),
        ],
    ),
    OpCase(
        "flip",
        np.flip,
        [(SCALAR,), (VECTOR,), (CUBE,), (CUBE, 1), (CUBE, (0, -1)), (EMPTY, 2)],
        primitives=("flip",),
        tol=EXACT,
        errors=[((np.zeros(3), 1), {}, ac.ShapeError, "flip: axis must be from -1 to 0; got 1")],
    ),
    OpCase(
        "diagonal",
        diagonal,
        [(MATRIX,), (MATRIX, 2), (MATRIX, -1), (MATRIX, 9), (CUBE,), (CUBE, 1, 0, 2), (ramp(0, 3),)],
        primitives=("diagonal", "diagonal_vjp"),
        tol=EXACT,
        errors=[
            ((np.zeros(3),), {}, ac.ShapeError, "diagonal: at least 2 dimensions"),
            ((np.zeros((2, 2)), 0, 1, -1), {}, ac.ShapeError, "diagonal: the two axes must differ"),
        ],
    ),
    OpCase(
        "diag",
        np.diag,
        [(VECTOR,), (VECTOR, 2), (VECTOR, -1), (MATRIX,), (MATRIX, 1), (ramp(0),)],
        primitives=("diagonal", "diagonal_vjp"),
        tol=EXACT,
        errors=[((np.zeros(()),), {}, ac.ShapeError, "diag: 1 or 2 dimensions")],
    ),
    OpCase(
        "concat",
        np.concatenate,
        [([MATRIX],), ([MATRIX, ramp(3, 4)],), ([MATRIX, MATRIX, ramp(3, 4)],)],
        kwargs=[{}, {"axis": 1}, {"axis": -2}, {"axis": None}],
        primitives=("concat", "slice", "slice_vjp"),
        tol=EXACT,
        errors=[
            (([],), {}, ValueError, "concat: expected at least one array"),
            (([np.zeros(2), np.zeros((2, 2))],), {}, ac.ShapeError, r"concat: shapes .* input 1, \(2, 2\)"),
            (([np.zeros((2, 3)), np.zeros((3, 2))],), {}, ac.ShapeError, "must be equal except along axis 0"),
            (([np.zeros(())],), {}, ac.ShapeError, "concat: a 0-d tensor has no axes"),
        ],
    ),
    OpCase(
        "stack",
        np.stack,
        [([MATRIX],), ([MATRIX, ramp(3, 4), MATRIX],)],
        kwargs=[{}, {"axis": 1}, {"axis": -1}],
        tol=EXACT,
        errors=[
            (([],), {}, ValueError, "stack: expected at least one array"),
            (([np.zeros(2), np.zeros(3)],), {}, ac.ShapeError, r"stack: shapes must be equal; got \(2,\) and \(3,\)"),
        ],
    ),
    OpCase(
        "split",
        split,
        [(ramp(6), 3), (ramp(6), [2, 5]), (ramp(6), [4, 2, 9, -1]), (CUBE, 2, -1), (EMPTY, 4, 1)],
        primitives=("slice", "slice_vjp"),
        tol=EXACT,
        errors=[
            ((np.zeros(5), 2), {}, ac.ShapeError, "split: axis 0 with size 5 must divide into 2 equal parts"),
            ((np.zeros(5), 0), {}, ac.ShapeError, "must divide into 0 equal parts"),
        ],
    ),
    OpCase("unstack", unstack, [(VECTOR,), (CUBE, 1), (CUBE, -1)], tol=EXACT),
    OpCase(
        "pad",
        pad,
        [(VECTOR, 2), (VECTOR, (1, 2)), (CUBE, ((1, 0), (0, 2), (3, 1))), (CUBE, (0, 0)), (EMPTY, 1)],
        kwargs=[{}, {"value": -1.5}],
        primitives=("pad",),
        tol=EXACT,
        errors=[
            ((np.zeros(3), (-1, 0)), {}, ac.ShapeError, "pad: widths must not be negative"),
            ((np.zeros((2, 2)), ((1, 1), (1, 1), (1, 1))), {}, ac.ShapeError, "one pair .* for each of the 2 axes"),
            ((np.zeros(3), 1.5), {}, TypeError, "pad_width must be made of ints"),
            (
                (np.zeros(3, np.uint8), 1, 256),
                {},
                ValueError,
                "pad: the value must be a number of dtype uint8; got 256",
            ),
        ],
    ),
    OpCase(
        "roll",
        np.roll,
        [(VECTOR, 2), (VECTOR, -7), (CUBE, 5), (CUBE, 1, 1), (CUBE, (1, 2), (0, -1)), (CUBE, 1, (0, 1)), (EMPTY, 1, 1)],
        tol=EXACT,
        errors=[((np.zeros((2, 2)), (1, 2, 3), (0, 1)), {}, ac.ShapeError, "roll: one shift per axis")],
    ),
    OpCase(
        "tile",
        np.tile,
        [(SCALAR, 3), (VECTOR, 2), (MATRIX, (2, 1, 3)), (CUBE, (2,)), (VECTOR, 0), (EMPTY, (1, 2, 2)), (MATRIX, ())],
        tol={"float32": 1e-6, "float64": 1e-14},
        errors=[((np.zeros(2), -1), {}, ac.ShapeError, "tile: reps must not be negative")],
    ),
    OpCase(
        "repeat",
        np.repeat,
        [(VECTOR, 2), (VECTOR, [0, 1, 2, 0, 3]), (CUBE, 2, 1), (CUBE, [1, 0, 2], -2), (MATRIX, 0), (SCALAR, 3)],
        tol={"float32": 1e-6, "float64": 1e-14},
        errors=[
            ((np.zeros(3), [1, 2]), {}, ac.ShapeError, "one number ≥ 0 for each of the 3 elements of axis 0"),
            ((np.zeros(3), -1), {}, ac.ShapeError, "one number ≥ 0"),
            ((np.zeros(3), 1.5), {}, TypeError, "repeats must be an int"),
        ],
    ),
    OpCase(
        "tril",
        np.tril,
        [(MATRIX,), (MATRIX, 1), (MATRIX, -2), (CUBE, 9), (CUBE, -9), (EMPTY,), (ramp(3, 0),)],
        primitives=("tril",),
        tol=EXACT,
        extreme=[(np.array([[np.nan, np.inf], [-np.inf, 5e-324]]),)],
        errors=[((np.zeros(3),), {}, ac.ShapeError, r"tril: at least 2 dimensions .* got shape \(3,\)")],
    ),
    OpCase(
        "triu",
        np.triu,
        [(MATRIX,), (MATRIX, 1), (MATRIX, -2), (CUBE, 9), (CUBE, -9), (EMPTY,), (ramp(3, 0),)],
        primitives=("triu",),
        tol=EXACT,
        extreme=[(np.array([[np.nan, np.inf], [-np.inf, 5e-324]]),)],
        errors=[((np.zeros(3),), {}, ac.ShapeError, r"triu: at least 2 dimensions .* got shape \(3,\)")],
    ),
]
