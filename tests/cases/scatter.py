"""Rows of writing at indices; keys of every kind are tried at random in ``test_scatter.py``."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

from .shape import CUBE, MATRIX, VECTOR

_rng = np.random.default_rng(3)
_UFUNCS = {"add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum}


def _scatter(x: Any, indices: Any, values: Any, axis: int = -1, mode: str = "set") -> Any:
    out, axis = x.copy(), axis % x.ndim
    shape = [*x.shape[:axis], indices.shape[axis], *x.shape[axis + 1 :]]
    places = list(np.indices(shape))
    places[axis] = np.broadcast_to(indices, shape)
    if mode == "set":
        out[tuple(places)] = values
    else:
        _UFUNCS[mode].at(out, tuple(places), np.broadcast_to(values, shape))
    return out


def _segment(x: Any, ids: Any, num_segments: int | None, f: Any, none: float) -> Any:
    n = int(ids.max(initial=-1)) + 1 if num_segments is None else num_segments
    out = np.full(
        (n, *x.shape[ids.ndim :]), none if x.dtype.kind == "f" or none == 0 else np.iinfo(x.dtype).min, x.dtype
    )
    f.at(out, ids, x)
    return out


def _values(*shape: int) -> Any:
    return _rng.uniform(0.5, 2.0, shape)


_CALLS = [
    (MATRIX, np.array([[0], [3], [-1]]), _values(3, 1)),
    (MATRIX, np.array([[0, 2, 2, 1], [1, 2, 0, -3], [0, 0, 2, 1]]), _values(3, 4), 0),
    (CUBE, np.array([[[2], [0]]], np.int32), _values(CUBE.shape[0], 2, 1), 1),
    (VECTOR, np.array([4, 4, 0, 4], np.uint8), _values(4), 0),
    (VECTOR, np.array([1, 1]), np.array(3.0)),
    (MATRIX, np.zeros((3, 0), np.int64), np.zeros((3, 0)), 1),
]
_IDS, _ALL = np.array([2, 0, 2, 2]), np.array([2, 0, 1, 2])

CASES = [
    OpCase(
        "scatter",
        _scatter,
        _CALLS,
        [{"mode": mode} for mode in ("set", "add", "multiply", "min", "max")],
        primitives=("scatter_set", "scatter_add", "scatter_multiply", "scatter_min", "scatter_max", "affine_scan"),
        grad=(0, 2),
        errors=[
            (
                (np.zeros((2, 3)), np.array([[3], [0]]), 1.0),
                {},
                IndexError,
                "scatter_set: index 3 is out of range for axis 1 with size 3",
            ),
            ((np.zeros((2, 3)), np.array([0]), 1.0), {}, ac.ShapeError, "scatter: indices must have x's shape, or 1"),
            ((np.zeros(2), np.array([0]), np.zeros(3)), {}, ac.ShapeError, r"must broadcast to the shape \(1,\)"),
            ((np.zeros(2), np.array([0]), 1.0), {"mode": "mean"}, ValueError, "scatter: mode must be"),
            ((np.zeros(2, int), np.array([0]), 0.5), {}, ac.DTypeError, "a value of dtype float32 does not fit into"),
            ((np.zeros(()), np.array(0), 1.0), {}, ac.ShapeError, "scatter: a 0-d tensor has no axes"),
        ],
    ),
    OpCase(
        "segment_sum",
        lambda x, ids, num_segments=None: _segment(x, ids, num_segments, np.add, 0),
        [(_values(4), _IDS), (_values(4, 3), _IDS), (_values(2, 2, 3), _IDS.reshape(2, 2)), (np.arange(4), _IDS)],
        [{}, {"num_segments": 5}],
        primitives=("scatter_add",),
        errors=[
            ((np.zeros(2), np.array([0, 3]), 3), {}, IndexError, "index 3 is out of range for axis 0 with size 3"),
            ((np.zeros(2), np.array([0, 1, 1])), {}, ac.ShapeError, "segment_sum: data must begin with the axes of"),
            (
                (np.zeros(2), np.array([0, 1]), -1),
                {},
                ValueError,
                "segment_sum: num_segments must be at least 0; got -1",
            ),
            ((np.zeros(2), np.array([0.0, 1.0])), {}, ac.DTypeError, "segment_sum: indices must be integers"),
            ((np.zeros(2), ac.abstract((2,), ac.int64)), {}, ac.TraceError, "segment_sum: .*; give num_segments="),
        ],
    ),
    OpCase(
        "segment_max",
        lambda x, ids, num_segments=None: _segment(x, ids, num_segments, np.maximum, -np.inf),
        [(_values(4), _ALL), (_values(4, 3), _ALL), (np.arange(4), _IDS)],
        [{}, {"num_segments": 3}],
        primitives=("scatter_max",),
    ),
]
