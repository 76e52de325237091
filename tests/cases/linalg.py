"""Rows of the matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

_rng = np.random.default_rng(11)


def _pairs(*shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> list[tuple[Any, Any]]:
    """Positive numbers, so that no sum cancels, and integers of both signs, whose sums are exact."""
    made: list[tuple[Any, Any]] = []
    for i, (a, b) in enumerate(shapes):
        if i % 2:
            made.append((_rng.integers(-8, 9, a).astype(float), _rng.integers(-8, 9, b).astype(float)))
        else:
            made.append((_rng.uniform(0.5, 2.0, a), _rng.uniform(0.5, 2.0, b)))
    return made


_PRODUCTS = _pairs(
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 4)),
    ((2, 3), (3, 4)),
    ((1, 1), (1, 1)),
    ((5, 2), (2, 1)),
    ((1, 2), (2, 5)),
    ((2, 2, 3), (3, 2)),
    ((2, 2, 3), (2, 3, 2)),
    ((2, 1, 2, 3), (3, 3, 1)),
    ((3,), (2, 3, 2)),
    ((2, 2, 3), (3,)),
    ((2, 3), (2, 3, 2)),
)
_EMPTY = [
    (np.zeros((0,)), np.zeros((0,))),
    (np.zeros((2, 0)), np.zeros((0, 3))),
    (np.zeros((0, 2)), np.zeros((2, 3))),
    (np.zeros((2, 0)), np.zeros((0,))),
    (np.zeros((0, 2, 3)), np.zeros((3, 2))),
]
_INTEGERS = [(_rng.integers(-50, 50, (3, 4)), _rng.integers(-50, 50, (4, 2)))]
_inf, _nan = np.inf, np.nan
_EXTREME = [
    (np.array([[_inf, 1.0], [_nan, 0.0], [0.0, 2.0]]), np.array([[1.0, -1.0], [2.0, 0.0]])),
    (np.array([[1e-30, 2e30]]), np.array([[4e-10], [8.0]])),
]


def _tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    return np.tensordot(a, b, axes)


def _vecdot(a: Any, b: Any, axis: int = -1) -> Any:
    return np.sum(np.moveaxis(a, axis, -1) * np.moveaxis(b, axis, -1), -1)


CASES = [
    OpCase(
        "matmul",
        np.matmul,
        [*_PRODUCTS, *_EMPTY, *_INTEGERS],
        primitives=("matmul",),
        grad=(0, 1),
        extreme=_EXTREME,
        errors=[
            (
                (np.zeros((2, 3)), np.zeros((4, 5))),
                {},
                ac.ShapeError,
                r"matmul: a.shape\[-1\] must equal b.shape\[-2\]; got a \(2, 3\), b \(4, 5\)",
            ),
            ((np.zeros((2, 3)), np.zeros((2,))), {}, ac.ShapeError, r"a.shape\[-1\] must equal b.shape\[-1\]; got a"),
            (
                (np.zeros(()), np.zeros((2,))),
                {},
                ac.ShapeError,
                r"at least one dimension; got a \(\), b \(2,\); use \*",
            ),
            (
                (np.zeros((2, 1, 3)), np.zeros((3, 3, 1))),
                {},
                ac.ShapeError,
                r"matmul: batch dimensions must be equal or 1; got a \(2, 1, 3\), b \(3, 3, 1\)",
            ),
        ],
    ),
    OpCase(
        "vecdot",
        _vecdot,
        _pairs(((3,), (3,)), ((2, 3), (3,)), ((2, 3), (2, 3)), ((2, 1, 3), (4, 3))) + _EMPTY[:1],
        grad=(0, 1),
        errors=[
            ((np.zeros((2,)), np.zeros((3,))), {}, ac.ShapeError, r"vecdot: x1 and x2 must be equally long along axis"),
            ((np.zeros((2,)), np.zeros((2,))), {"axis": -2}, ac.ShapeError, r"vecdot: axis must be negative and exist"),
            ((np.zeros((2,)), np.zeros((2,))), {"axis": 0}, ac.ShapeError, r"vecdot: axis must be negative and exist"),
        ],
    ),
    OpCase("vecdot", _vecdot, _pairs(((3, 2), (3, 2)), ((4, 3, 2), (3, 2))), [{"axis": -2}], grad=(0, 1)),
    OpCase(
        "dot",
        np.dot,
        _pairs(((), ()), ((), (2, 3)), ((3,), (3,)), ((2, 3), (3, 2)), ((2, 2, 3), (3,)), ((2, 3), (2, 3, 2))),
        grad=(0, 1),
        errors=[((np.zeros((2, 3)), np.zeros((2, 3))), {}, ac.ShapeError, r"matmul: a.shape\[-1\] must equal")],
    ),
    OpCase("outer", np.outer, _pairs(((3,), (2,)), ((2, 2), (3,)), ((0,), (2,)), ((), (2,))), grad=(0, 1)),
    OpCase(
        "tensordot",
        _tensordot,
        _pairs(((2, 2, 3), (2, 3, 2)), ((2, 3), (2, 3)), ((2, 0, 2), (0, 2, 3))),
        grad=(0, 1),
        errors=[
            ((np.zeros((2, 3)), np.zeros((2, 3))), {"axes": 3}, ac.ShapeError, r"axes must be from 0 to 2; got 3"),
            ((np.zeros((2, 3)), np.zeros((2, 3))), {"axes": 1}, ac.ShapeError, r"paired axes must have equal lengths"),
            (
                (np.zeros((2, 3)), np.zeros((2, 3))),
                {"axes": ((2,), (0,))},
                ac.ShapeError,
                r"axis 2 does not exist in x1",
            ),
            (
                (np.zeros((2, 2)), np.zeros((2, 2))),
                {"axes": ((0, -2), (0, 1))},
                ac.ShapeError,
                r"the axes of x1 must differ; got \(0, -2\)",
            ),
            ((np.zeros((2, 2)), np.zeros((2, 2))), {"axes": 1.5}, ac.DTypeError, r"axes must be an int or a pair"),
        ],
    ),
    OpCase(
        "tensordot",
        _tensordot,
        _pairs(((3, 2, 4), (4, 5, 3))),
        [{"axes": ((0, 2), (2, 0))}, {"axes": ((0, -1), (-1, 0))}, {"axes": (0, 2)}, {"axes": 0}],
        grad=(0, 1),
    ),
]
