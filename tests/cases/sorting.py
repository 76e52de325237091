"""Rows of sorting and of what is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

from .shape import EXACT

_rng = np.random.default_rng(5)


def _distinct(*shape: int) -> Any:
    """Items far apart, so that differences do not change their order."""
    return _rng.permutation(np.prod(shape, dtype=int)).reshape(shape) / 4.0 - 2.0


def _sort(x: Any, axis: Any = -1, descending: bool = False) -> Any:
    x, axis = (x.ravel(), 0) if axis is None else (x, axis)
    return np.flip(np.sort(x, axis), axis) if descending else np.sort(x, axis)


def _argsort(x: Any, axis: Any = -1, descending: bool = False) -> Any:
    x, axis = (x.ravel(), 0) if axis is None else (x, axis)
    if not descending:
        return np.argsort(x, axis, kind="stable")
    # Turned round twice, equal items keep their order.
    return x.shape[axis] - 1 - np.flip(np.argsort(np.flip(x, axis), axis, kind="stable"), axis)


def _topk(x: Any, k: int, axis: int = -1, largest: bool = True) -> Any:
    places = np.take(_argsort(x, axis, largest), np.arange(k), axis)
    return np.take_along_axis(x, places, axis), places


def _quantile(f: Any) -> Any:
    return lambda x, *q, axis=None, method=None, keepdims=False: np.asarray(
        f(x, *q, axis=axis, keepdims=keepdims, **({"method": method} if method else {}))
    )


_TIED = np.array([2, 1, 2, 0, 1, 1])
_SPECIAL = [(np.array([np.nan, 1.0, -np.inf, np.inf, 0.0, np.nan]),)]
_BAD_AXIS = ((np.zeros((2,)),), {"axis": 1}, ac.ShapeError)

CASES = [
    OpCase(
        "sort",
        _sort,
        [
            (_distinct(5),),
            (_distinct(3, 4),),
            (_distinct(2, 3, 2), 1),
            (_distinct(3, 4), None),
            (_TIED,),
            (_distinct(1),),
            (np.zeros((0,)),),
            (np.zeros((2, 0)),),
        ],
        [{}, {"descending": True}],
        primitives=("sort", "argsort"),
        tol=EXACT,
        errors=[
            (*_BAD_AXIS, "sort: axis must be from -1 to 0; got 1"),
            ((np.zeros(()),), {}, ac.ShapeError, "sort: a 0-d tensor has no axes"),
            ((np.zeros(2),), {"stable": 2}, ac.DTypeError, "sort: stable must be True or False; got 2"),
        ],
    ),
    OpCase("sort", _sort, _SPECIAL, grad=(), tol=EXACT),
    OpCase(
        "argsort",
        _argsort,
        [(_distinct(5),), (_distinct(3, 4), 0), (_TIED,), (_TIED > 0,), (_distinct(2, 3), None), (np.zeros((0, 2)), 0)],
        [{}, {"descending": True}],
        primitives=("argsort",),
        grad=(),
        extreme=_SPECIAL,
        errors=[(*_BAD_AXIS, "argsort: axis must be from -1 to 0; got 1")],
    ),
    OpCase(
        "topk",
        _topk,
        [(_distinct(5), 2), (_distinct(3, 4), 3, 0), (_distinct(2, 3, 2), 1, 1), (_distinct(4), 0), (_distinct(4), 4)],
        [{}, {"largest": False}],
        primitives=("argsort", "take_along_axis", "take_along_axis_vjp"),
        grad=(),
        tol=EXACT,
        errors=[
            ((np.zeros(3), 4), {}, ValueError, "topk: k must be from 0 to 3, the size of axis 0; got 4"),
            ((np.zeros(3), -1), {}, ValueError, "topk: k must be from 0 to 3"),
            ((np.zeros(3), 1.5), {}, ac.DTypeError, "topk: k must be an int; got 1.5"),
        ],
    ),
    OpCase(
        "partition",
        lambda x, kth, axis=-1: _sort(x, axis),
        [(_distinct(5), 2), (_distinct(3, 4), [0, 1], 0), (_distinct(2, 3), -1, None)],
        tol=EXACT,
        errors=[
            ((np.zeros(3), 3), {}, ValueError, "partition: kth must be from -3 to 2; got 3"),
            ((np.zeros(3), 0.5), {}, ac.DTypeError, "partition: kth must be an int or a sequence of ints; got 0.5"),
        ],
    ),
    OpCase(
        "quantile",
        _quantile(np.quantile),
        [(_distinct(5), 0.3), (_distinct(3, 4), [0.1, 0.5, 1.0]), (_distinct(2, 3, 2), 0.0), (_distinct(4), 0.5)],
        [{}, {"axis": 0}, {"axis": -1, "keepdims": True}],
        errors=[
            ((np.zeros(0), 0.5), {}, ValueError, r"quantile: expected at least one item; got shape \(0,\)"),
            ((np.zeros(2), 1.5), {}, ValueError, "quantile: q must be from 0 to 1; got 1.5"),
            ((np.zeros(2), 0.5), {"method": "best"}, ValueError, "quantile: method must be"),
            ((np.zeros((2, 2)), 0.5), {"axis": (0, 0)}, ac.ShapeError, "quantile: each axis must be named once"),
            ((np.zeros(2), "a"), {}, ac.DTypeError, "quantile: q must be numbers from 0 to 1; got 'a'"),
        ],
    ),
    OpCase(
        "quantile",
        _quantile(np.quantile),
        [(_distinct(6), [0.3, 0.5, 0.7])],
        [{"method": m} for m in ("lower", "higher", "nearest", "midpoint")],
    ),
    OpCase(
        "percentile", _quantile(np.percentile), [(_distinct(5), [30.0, 75.0]), (_distinct(3, 4), 50)], [{"axis": 0}]
    ),
    OpCase(
        "median",
        _quantile(np.median),
        [(_distinct(5),), (_distinct(4),), (_distinct(2, 3, 2),), (_distinct(1, 1),)],
        [{}, {"axis": 0}, {"axis": -1, "keepdims": True}],
        extreme=[(np.array([1.0, np.nan, 2.0]),), (np.array([-np.inf, 1.0, 2.0]),)],
    ),
]
