"""Rows of what normalises, and of looking up rows of a table."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

_rng = np.random.default_rng(21)
_inf, _nan = np.inf, np.nan


def _axes(axis: Any) -> tuple[int, ...]:
    return tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)


def _along(value: Any, x: Any, axis: Any) -> Any:
    """Weights of the shape of some axes, so that they broadcast against x."""
    axes = [a % x.ndim for a in _axes(axis)]
    value = np.transpose(value, np.argsort(axes))
    return value.reshape([n if i in axes else 1 for i, n in enumerate(x.shape)])


def _layer_norm(x: Any, weight: Any = None, bias: Any = None, axis: Any = -1, eps: float = 1e-5) -> Any:
    y = x - np.mean(x, axis=_axes(axis), keepdims=True) if x.size else x
    scale = np.max(np.abs(y), axis=_axes(axis), keepdims=True, initial=1e-300)
    scale = np.where(np.isfinite(scale), scale, 1.0)
    square = np.sum((y / scale) ** 2, axis=_axes(axis), keepdims=True) / np.prod([x.shape[a] for a in _axes(axis)])
    y = y / scale / np.sqrt(square + eps / scale / scale)
    y = y if weight is None else y * _along(weight, x, axis)
    return y if bias is None else y + _along(bias, x, axis)


def _rms_norm(x: Any, weight: Any = None, axis: Any = -1, eps: float | None = None) -> Any:
    eps = 0.5 if eps is None else eps
    y = x / np.sqrt(np.mean(x * x, axis=_axes(axis), keepdims=True) + eps) if x.size else x
    return y if weight is None else y * _along(weight, x, axis)


def _batch_norm(
    x: Any, mean: Any = None, var: Any = None, weight: Any = None, bias: Any = None, axis: int = 1, eps: float = 1e-5
) -> Any:
    others = tuple(a for a in range(x.ndim) if a != axis % x.ndim)
    y = x - (np.mean(x, axis=others, keepdims=True) if mean is None else _along(mean, x, axis))
    y = y / np.sqrt((np.var(x, axis=others, keepdims=True) if var is None else _along(var, x, axis)) + eps)
    y = y if weight is None else y * _along(weight, x, axis)
    return y if bias is None else y + _along(bias, x, axis)


def _embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Any:
    return weight[indices]


def _numbers(*shape: int) -> Any:
    """Away from 0 and from equal rows, so that the tolerance of values fits the items after normalisation."""
    return np.round(_rng.uniform(1.0, 9.0, shape), 2)


def _shift(*shape: int) -> Any:
    """A bias that keeps results away from 0."""
    return _numbers(*shape) + 40.0


_SHAPES = [(3,), (1,), (2, 4), (5, 1), (2, 3, 4), (40, 3), (3, 17), (2, 35), (0, 3), (2, 0)]
_WEIGHTED = [(s, s[-1:]) for s in _SHAPES]
_TOL = {"float32": 2e-5, "float64": 2e-13}  # items near the mean are differences

CASES = [
    OpCase(
        "layer_norm",
        _layer_norm,
        [
            *((_numbers(*s), _numbers(*n), _shift(*n)) for s, n in _WEIGHTED),
            (_numbers(2, 4), None, _shift(4)),
            (_numbers(2, 4),),
        ],
        [{}, {"eps": 0.25}],
        primitives=("layer_norm", "layer_norm_vjp"),
        grad=(0, 1, 2),
        tol=_TOL,
        extreme=[
            (np.array([1e30, 0.0, -3e30]),),
            (np.array([1e4, 1e4 + 1.0, 1e4 + 2.0, 1e4 - 5.0]),),
            (np.array([[_inf, 1.0], [_nan, 1.0], [1.0, 2.0]]),),
            (np.array([2.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])),
        ],
        errors=[
            ((np.zeros(()),), {}, ac.ShapeError, "layer_norm: x must have at least one axis; got a 0-d tensor"),
            ((np.zeros((2, 3)),), {"axis": 2}, ac.ShapeError, "layer_norm: axis must be from -2 to 1; got 2"),
            ((np.zeros((2, 3)),), {"axis": (1, -1)}, ac.ShapeError, "axis must name at least one axis, and each once"),
            ((np.zeros((2, 3)), np.zeros(2)), {}, ac.ShapeError, r"weight must have shape \(3,\), that of .* \(2,\)"),
            ((np.zeros((2, 3)), None, np.zeros(())), {}, ac.ShapeError, r"bias must have shape \(3,\), .* got \(\)"),
            ((np.zeros((2, 3)),), {"eps": -1.0}, ValueError, "layer_norm: eps must not be negative; got -1"),
        ],
    ),
    OpCase(
        "layer_norm",
        _layer_norm,
        [(_numbers(3, 2, 4), _numbers(2, 4), _shift(2, 4))],
        [{"axis": (1, 2)}, {"axis": (-2, -1)}],
        grad=(0, 1, 2),
        tol=_TOL,
    ),
    OpCase(
        "layer_norm",
        _layer_norm,
        [(_numbers(3, 2, 4), _numbers(4, 3), _shift(4, 3))],
        [{"axis": (2, 0)}],
        grad=(0, 1, 2),
        tol=_TOL,
    ),
    OpCase(
        "rms_norm",
        _rms_norm,
        [*((_numbers(*s), _numbers(*n)) for s, n in _WEIGHTED), (_numbers(2, 4),)],
        [{"eps": 0.5}],
        primitives=("rms_norm", "rms_norm_vjp"),
        grad=(0, 1),
        extreme=[(np.array([1e30, 0.0, -3e30]),), (np.array([[_inf, 1.0], [_nan, 1.0], [1.0, 2.0]]),)],
        errors=[
            ((np.zeros((2, 3)), np.zeros(2)), {}, ac.ShapeError, r"rms_norm: weight must have shape \(3,\)"),
            ((np.zeros((2, 3)),), {"eps": -1.0}, ValueError, "rms_norm: eps must not be negative; got -1"),
        ],
    ),
    OpCase("rms_norm", _rms_norm, [(_numbers(3, 2), _numbers(3))], [{"axis": 0, "eps": 0.5}], grad=(0, 1)),
    OpCase(
        "batch_norm",
        _batch_norm,
        [
            (_numbers(5, 3),),
            (_numbers(2, 3, 4), None, None, _numbers(3), _shift(3)),
            (_numbers(2, 3, 2, 2), _numbers(3), _numbers(3), _numbers(3), _shift(3)),
        ],
        [{}, {"eps": 0.5}],
        grad=(0, 1, 2, 3, 4),
        tol=_TOL,
        errors=[
            ((np.zeros((2, 3)),), {"axis": 2}, ac.ShapeError, "batch_norm: axis must be from -2 to 1; got 2"),
            ((np.zeros((2, 3)),), {"eps": -1.0}, ValueError, "batch_norm: eps must not be negative; got -1"),
            ((np.zeros((2, 3)), np.zeros(2)), {}, ac.ShapeError, r"mean must have shape \(3,\), one number for each"),
            ((np.zeros(()),), {}, ac.ShapeError, "batch_norm: x must have at least one axis; got a 0-d tensor"),
        ],
    ),
    OpCase("batch_norm", _batch_norm, [(_numbers(5, 3), _numbers(5), _numbers(5))], [{"axis": 0}], grad=(0, 1, 2)),
    OpCase(
        "embedding",
        _embedding,
        [
            (np.array([1, 0, 1, -1]), _numbers(3, 2)),
            (np.array(2), _numbers(3, 2)),
            (np.array([[0, 1], [1, 1]], dtype=np.int32), _numbers(2, 2, 2)),
            (np.zeros((0,), dtype=np.int64), _numbers(3, 2)),
        ],
        grad=(1,),
        errors=[
            ((np.array([0, 3]), np.zeros((3, 2))), {}, IndexError, "take: .* 3"),
            ((np.array([0]), np.zeros(())), {}, ac.ShapeError, "embedding: weight must have shape .* 0-d"),
            ((np.array([0.5]), np.zeros((3, 2))), {}, ac.DTypeError, "embedding: "),
            ((np.array([0]), np.zeros((3, 2))), {"padding_idx": 3}, ValueError, "padding_idx must be a row .* got 3"),
        ],
    ),
]
