"""Rows of searching and counting."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

_X = np.array([3.0, 1.0, 3.0, -2.0, 1.0])
_INTS = np.array([2, 1, 2, -7, 1])
_NAN = np.array([np.nan, 1.0, np.nan])
_ABSTRACT = ac.abstract((2,))
_UNKNOWN = "the length of the result depends on values, which are not known here"


def _searchsorted(a: Any, v: Any, side: str = "left") -> Any:
    if a.ndim == 1:
        return np.asarray(np.searchsorted(a, v, side))
    rows = zip(a.reshape(-1, a.shape[-1]), v.reshape(np.prod(a.shape[:-1], dtype=int), -1), strict=True)
    return np.stack([np.searchsorted(row, items, side) for row, items in rows]).reshape(v.shape)


def _unique(x: Any, *flags: bool, equal_nan: bool = False) -> Any:
    return np.unique(x, *flags, equal_nan=equal_nan)


def _inverse(x: Any) -> Any:
    values, inverse = np.unique(x, return_inverse=True, equal_nan=False)
    return values, inverse.reshape(x.shape)


def _all(x: Any) -> Any:
    values, first, inverse, counts = np.unique(x, True, True, True, equal_nan=False)
    return values, first, inverse.reshape(x.shape), counts


def _histogram(x: Any, bins: Any = 10, range: Any = None, density: bool = False, weights: Any = None) -> Any:
    return np.histogram(x, bins, range, density=density, weights=weights)


def _sets(name: str, reference: Any) -> OpCase:
    return OpCase(
        name,
        reference,
        [(_INTS,), (_INTS.reshape(1, 5),), (np.array([True, True]),), (np.zeros(0, int),), (np.array(2),)],
        grad=(),
        extreme=[(_X,), (_NAN,)],
        errors=[((_ABSTRACT,), {}, ac.TraceError, f"{name}: {_UNKNOWN}")],
    )


CASES = [
    OpCase(
        "searchsorted",
        _searchsorted,
        [
            (np.array([1.0, 2.0, 2.0, 4.0]), np.array([[2.0, 0.0, 9.0], [4.0, 3.0, 1.0]])),
            (np.array([1, 3, 5]), np.array(3)),
            (np.array([[1.0, 2.0], [0.0, 5.0]]), np.array([[2.0, 1.5, 0.0], [1.0, 5.0, 7.0]])),
            (np.zeros(0), np.array([1.0])),
            (np.array([1.0]), np.zeros((0, 2))),
            (np.array([1.0, np.inf, np.nan]), np.array([np.nan, np.inf, -np.inf])),
        ],
        [{}, {"side": "right"}],
        primitives=("searchsorted",),
        grad=(),
        errors=[
            ((np.array(1.0), np.array(2.0)), {}, ac.ShapeError, "searchsorted: a must have one axis"),
            ((np.zeros((2, 3)), np.zeros(3)), {}, ac.ShapeError, r"got a \(2, 3\), v \(3,\)"),
            (
                (np.zeros(3), np.zeros(3)),
                {"sorter": np.zeros(2, int)},
                ac.ShapeError,
                r"searchsorted: sorter must have the shape of a vector a; got a \(3,\), sorter \(2,\)",
            ),
            ((np.zeros(3), np.zeros(3)), {"side": "up"}, ValueError, 'searchsorted: side must be "left" or "right"'),
        ],
    ),
    OpCase(
        "isin",
        lambda x, test, invert=False: np.isin(x, test, invert=invert),
        [
            (_X, np.array([1.0, 7.0])),
            (np.array([[1, 2], [3, 4]]), np.array([[4, 1]])),
            (_X, np.zeros(0)),
            (np.zeros((0, 2)), _X),
            (np.array([np.nan, 1.0]), np.array([np.nan, 1.0])),
        ],
        [{}, {"invert": True}],
        primitives=("searchsorted", "sort"),
        grad=(),
    ),
    OpCase(
        "count_nonzero",
        np.count_nonzero,
        [(np.array([[0.0, 3.0, np.nan], [0.0, -0.0, 1.0]]),), (np.array([[True], [False]]),), (np.zeros((2, 0)),)],
        [{}, {"axis": 0}, {"axis": 1, "keepdims": True}],
        grad=(),
        errors=[((np.zeros(2),), {"axis": 1}, ac.ShapeError, "sum: axis must be from -1 to 0")],
    ),
    OpCase(
        "argwhere",
        np.argwhere,
        [
            (np.array([0, 3, 0, 4]),),
            (np.array([[True, False], [True, True]]),),
            (np.array(2),),
            (np.zeros((2, 0), int),),
        ],
        grad=(),
        errors=[((_ABSTRACT,), {}, ac.TraceError, f"argwhere: {_UNKNOWN}")],
    ),
    _sets("unique", lambda x: _unique(x, equal_nan=True)),
    OpCase("unique", lambda x, *flags: _unique(x, *flags, equal_nan=True), [(_INTS, True, False, True)], grad=()),
    _sets("unique_values", _unique),
    _sets("unique_counts", lambda x: _unique(x, False, False, True)),
    _sets("unique_inverse", _inverse),
    _sets("unique_all", _all),
    OpCase(
        "bincount",
        lambda x, weights=None, minlength=0, length=None: np.bincount(x, weights, minlength)[:length],
        [(np.array([0, 3, 3, 1]),), (np.zeros(0, int),), (np.array([2], np.uint8),)],
        [{}, {"minlength": 6}],
        primitives=("scatter_add",),
        grad=(),
        errors=[
            ((np.array([1, -1]),), {}, ValueError, "bincount: x must not be negative; got -1"),
            ((np.array([0.5]),), {}, ac.DTypeError, "bincount: indices must be integers"),
            ((np.array(1),), {}, ac.ShapeError, r"bincount: x must be integers of shape \(N,\)"),
            ((np.array([1]), np.zeros(2)), {}, ac.ShapeError, r"bincount: weights must have the shape of x, \(1,\)"),
            ((np.array([1]),), {"length": -1}, ValueError, "bincount: length and minlength must be at least 0"),
            ((ac.abstract((2,), ac.int64),), {}, ac.TraceError, "not known here; give length="),
        ],
    ),
    OpCase(
        "bincount",
        lambda x, weights, length=None: np.bincount(x, weights)[:length],
        [(np.array([0, 2, 2, 5]), np.array([0.5, 1.0, 2.0, 4.0]))],
        [{}, {"length": 3}],
        grad=(1,),
    ),
    OpCase(
        "histogram",
        _histogram,
        [
            (_INTS, 3),
            (_INTS, [-2.0, 0.0, 1.0, 1.0, 3.0]),
            (np.array([1, 1]), 2),
            (np.zeros(0, int), 2),
        ],
        [{}, {"range": (-1.0, 2.0)}],
        extreme=[(_X, 3), (_X, [-2.0, 0.0, 1.0, 1.0, 3.0])],
        grad=(),
        errors=[
            ((_X, 0), {}, ValueError, "histogram: bins must be at least 1; got 0"),
            ((_X, [1.0, 0.0]), {}, ValueError, "histogram: bins must be in ascending order"),
            ((_X, [1.0]), {}, ac.ShapeError, "histogram: bins must be a number or at least two edges"),
            ((_X, "auto"), {}, ac.DTypeError, "histogram: bins must be an int or an array of edges"),
            ((_X, 2, (1.0, 0.0)), {}, ValueError, "histogram: range must be finite and in order"),
            ((_X, 2, 1.0), {}, ac.DTypeError, "histogram: range must be a pair of numbers; got 1.0"),
            ((_X, 2), {"weights": np.zeros(2)}, ac.ShapeError, r"histogram: weights must have the shape of x, \(5,\)"),
        ],
    ),
    OpCase("histogram", _histogram, [(_X, 3), (np.array([1.0, 1.0]), 2)], [{"density": True}, {}], grad=()),
]
