"""Rows of scans and differences."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

from .shape import EXACT

_rng = np.random.default_rng(17)
_V, _M, _C = (_rng.uniform(0.5, 2.0, shape) * _rng.choice([-1.0, 1.0], shape) for shape in ((5,), (3, 4), (2, 3, 2)))
_ZEROS = np.array([1.5, 0.0, 2.0, 0.0, -1.0])
_INTS = np.array([[2, -3], [4, 5]])
_ARRAYS: list[tuple[Any, ...]] = [
    (_V, 0),
    (_M, 0),
    (_M, 1),
    (_C, 1),
    (_C, -1),
    (_M, None),
    (np.zeros((0, 2)), 0),
    (np.zeros((2, 0)), 1),
]
_nan, _inf = np.nan, np.inf


def _errors(name: str) -> Any:
    return [
        ((np.zeros((2,)), 1), {}, ac.ShapeError, f"{name}: axis must be from -1 to 0; got 1"),
        ((np.zeros(()), 0), {}, ac.ShapeError, f"{name}: a 0-d tensor has no axes"),
        ((np.zeros(2), 0.5), {}, ac.DTypeError, f"{name}: axis must be an int; got 0.5"),
    ]


def _accumulated(ufunc: np.ufunc) -> Any:
    def reference(x: Any, axis: Any) -> Any:
        return ufunc.accumulate(x.ravel() if axis is None else x, 0 if axis is None else axis)

    return reference


def _log(x: Any, axis: Any) -> Any:
    """In extended precision."""
    x, axis = (x.ravel(), 0) if axis is None else (x, axis)
    wide = x.astype(np.longdouble)
    return np.logaddexp.accumulate(wide, axis).astype(np.float64)


def _cumulative(f: Any, none: float) -> Any:
    def reference(x: Any, axis: Any = None, dtype: Any = None, include_initial: bool = False) -> Any:
        axis = 0 if axis is None else axis
        y = f(x, axis, dtype=dtype)
        first = np.full_like(np.take(y, [0], axis), none)
        return np.concatenate([first, y], axis) if include_initial else y

    return reference


CASES = [
    OpCase(
        "cumprod",
        np.cumprod,
        [*_ARRAYS, (_ZEROS, 0), (_INTS, 0), (_INTS > 0, 1)],
        primitives=("cumprod", "affine_scan"),
        tol={"float32": 2e-7, "float64": 4e-15},
        extreme=[(np.array([1e30, 1e30, 1e-30, _nan, 1.0]), 0)],
        errors=_errors("cumprod"),
    ),
    OpCase(
        "cummax",
        _accumulated(np.maximum),
        [*_ARRAYS, (_INTS, 0), (_INTS > 0, 1)],
        primitives=("cummax", "affine_scan"),
        tol=EXACT,
        extreme=[(np.array([-_inf, 1.0, _nan, _inf]), 0)],
        errors=_errors("cummax"),
    ),
    OpCase(
        "cummin",
        _accumulated(np.minimum),
        [*_ARRAYS, (_INTS, 1)],
        primitives=("cummin",),
        tol=EXACT,
        extreme=[(np.array([_inf, 1.0, _nan, -_inf]), 0)],
        errors=_errors("cummin"),
    ),
    OpCase(
        "logcumsumexp",
        _log,
        _ARRAYS,
        primitives=("logcumsumexp", "affine_scan"),
        tol={"float32": 3e-7, "float64": 1e-14},
        extreme=[
            (np.array([-_inf, -_inf, 1.0, 800.0, -800.0, _inf, _inf, _nan]), 0),
            (np.array([_nan, 1.0]), 0),
        ],
        errors=_errors("logcumsumexp"),
    ),
    OpCase(
        "cumulative_sum",
        _cumulative(np.cumsum, 0),
        [(_V,), (_INTS[0],)],
        [{}, {"include_initial": True}, {"axis": -1, "include_initial": True}],
        errors=[
            ((np.zeros((2, 2)),), {}, ac.ShapeError, "cumulative_sum: axis must be given unless x has one axis"),
            ((np.zeros(2),), {"axis": 1}, ac.ShapeError, "cumulative_sum: axis must be from -1 to 0; got 1"),
        ],
    ),
    OpCase(
        "cumulative_prod",
        _cumulative(np.cumprod, 1),
        [(_M,), (_C,), (_INTS,)],
        [{"axis": 1}, {"axis": 0, "include_initial": True}],
        errors=[((np.zeros((2, 2)),), {}, ac.ShapeError, "cumulative_prod: axis must be given unless x has one axis")],
    ),
    OpCase(
        "diff",
        np.diff,
        [(_V,), (_M,), (_C,), (np.array([[3, 1, 4]]),), (np.array([[True, False, False]]),), (np.zeros((2, 1)),)],
        [{}, {"n": 2}, {"n": 0}, {"prepend": 1, "append": 0}],
        errors=[
            ((np.zeros(()),), {}, ac.ShapeError, "diff: a 0-d tensor has no axes"),
            ((np.zeros(2),), {"n": -1}, ValueError, "diff: n must be at least 0; got -1"),
        ],
    ),
    OpCase("diff", lambda x, n, axis, first: np.diff(x, n, axis, first), [(_M, 1, 0, _M[:2])], grad=(0, 3)),
    OpCase(
        "trapezoid",
        lambda y, x=None, dx=1.0, axis=-1: np.trapezoid(y, x, dx, axis),
        [(_M,), (_C,), (_C, _C[0, 0] * 2.0), (_M, np.cumsum(np.abs(_M), 1)), (np.zeros((2, 1)),)],
        grad=(0, 1),
        errors=[
            (
                (np.zeros(2), np.zeros(3)),
                {},
                ac.ShapeError,
                r"trapezoid: x must have shape \(2,\) or \(2,\); got \(3,\)",
            ),
            ((np.zeros(2),), {"dx": np.zeros(2)}, ac.ShapeError, "trapezoid: dx must be a number"),
        ],
    ),
    OpCase("trapezoid", lambda y, dx, axis: np.trapezoid(y, None, dx, axis), [(_M,)], [{"dx": 0.5, "axis": 0}]),
    OpCase(
        "interp",
        np.interp,
        [
            (np.array([[0.25, 1.5], [-1.0, 9.0]]), np.array([0.0, 1.0, 3.0]), np.array([1.0, -2.0, 0.5])),
            (np.array([0.5, 2.0]), np.array([1.0]), np.array([4.0])),
            (np.array(1.25), np.array([0.0, 1.0, 2.0]), np.array([0.1, 0.7, 0.3])),
        ],
        [{}, {"left": 7.0, "right": -7.0}],
        grad=(0, 1, 2),
        extreme=[(np.array([0.0, 1.0, 2.0, _nan]), np.array([0.0, 1.0, 2.0]), np.array([0.1, 0.7, 0.3]))],
        errors=[
            (
                (np.zeros(2), np.zeros(2), np.zeros(3)),
                {},
                ac.ShapeError,
                "interp: xp and fp must be vectors of one length",
            ),
            ((np.zeros(2), np.zeros(0), np.zeros(0)), {}, ac.ShapeError, "of one length, at least 1"),
        ],
    ),
]
