"""Rows of softmax, log_softmax and logsumexp."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

_rng = np.random.default_rng(8)
_inf, _nan = np.inf, np.nan
_SHAPES = [(1,), (5,), (3, 4), (2, 3, 4), (63,), (64,), (130,), (2, 70), (0, 3), (3, 1), (40, 3)]
_EXTREME = [
    (np.array(v),)
    for v in ([1e4, -1e4, 0.0], [1e30, 0.0], [-_inf, 1.0], [-_inf, -_inf], [_nan, 1.0], [1000.0, 1000.0], [-1e3, -1e3])
]


def _inputs() -> list[tuple[Any]]:
    return [(_rng.normal(size=s),) for s in _SHAPES]


def _exp_below(x: Any, axis: Any) -> Any:
    top = np.max(x, axis=axis, keepdims=True, initial=-_inf)
    # What is infinitely large shares; the limit of equal items growing together.
    below = np.where((x == top) & (top == _inf), 0.0, x - np.where(top == _inf, _inf, top))
    return top, np.exp(below)


def _softmax(x: Any, axis: int = -1, temperature: float = 1.0, mask: Any = None) -> Any:
    x = x / temperature
    if mask is not None:
        x = np.where(mask, x, -_inf)
    _, e = _exp_below(x, axis)
    y = e / np.sum(e, axis=axis, keepdims=True)
    return y if mask is None else np.where(mask, y, 0.0)


def _log_softmax(x: Any, axis: int = -1) -> Any:
    top, e = _exp_below(x, axis)
    return (x - top) - np.log(np.sum(e, axis=axis, keepdims=True))


def _logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    top, e = _exp_below(x, axis)
    total = np.where(np.isfinite(top), top + np.log(np.sum(e, axis=axis, keepdims=True)), top)
    return total if keepdims else np.squeeze(total, axis=axis)


_AXIS_ERRORS = [
    ((np.zeros((2, 3)),), {"axis": 2}, ac.ShapeError, "softmax: axis must be from -2 to 1; got 2"),
    ((np.zeros(()),), {}, ac.ShapeError, "softmax: a 0-d tensor has no axes"),
]

CASES = [
    OpCase(
        "softmax",
        _softmax,
        _inputs(),
        [{}, {"axis": 0}, {"temperature": 2.5}],
        primitives=("softmax", "softmax_vjp"),
        extreme=[*_EXTREME, (np.array([_inf, 1.0]),), (np.array([_inf, _inf, 0.0]),)],
        errors=[
            *_AXIS_ERRORS,
            ((np.zeros((2,)),), {"temperature": 0.0}, ValueError, "softmax: temperature must be positive; got 0"),
            ((np.zeros((2,)),), {"temperature": -1}, ValueError, "softmax: temperature must be positive; got -1"),
            ((np.zeros((2,)),), {"temperature": _nan}, ValueError, "softmax: temperature must be positive; got nan"),
        ],
    ),
    OpCase(
        "log_softmax",
        _log_softmax,
        _inputs(),
        [{}, {"axis": 0}],
        primitives=("log_softmax", "log_softmax_vjp"),
        extreme=_EXTREME,
        errors=_AXIS_ERRORS,
    ),
    OpCase(
        "logsumexp",
        _logsumexp,
        [(x + 3.0,) for (x,) in _inputs() if x.size],
        [{"axis": 0}, {"axis": -1, "keepdims": True}, {}],
        primitives=("logsumexp", "logsumexp_vjp"),
        extreme=[*_EXTREME, (np.array([_inf, 1.0]),), (np.zeros((0,)),), (np.array([_inf, -_inf]),)],
        errors=[((np.zeros((2, 3)),), {"axis": (0, 0)}, ac.ShapeError, "logsumexp: axes must differ")],
    ),
]
