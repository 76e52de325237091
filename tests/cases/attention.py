"""The row of attention."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

_rng = np.random.default_rng(31)
_inf = np.inf


def _reference(
    q: Any, k: Any, v: Any, attn_mask: Any = None, is_causal: bool = False, scale: float | None = None
) -> Any:
    scale = 1.0 / np.sqrt(max(1, q.shape[-1])) if scale is None else scale
    s = scale * (q @ np.swapaxes(k, -1, -2))
    counts = np.ones(s.shape, bool)
    if attn_mask is not None:
        flags = attn_mask if attn_mask.dtype.kind == "b" else attn_mask != -_inf
        s = s if attn_mask.dtype.kind == "b" else s + np.where(flags, attn_mask, 0.0)
        s, counts = np.broadcast_arrays(s, flags)
    if is_causal:
        counts = counts & np.tri(*s.shape[-2:], dtype=bool)
    top = np.max(np.where(counts, s, -_inf), axis=-1, keepdims=True, initial=-_inf)
    e = np.where(counts, np.exp(np.where(counts, s - np.where(np.isfinite(top), top, 0.0), 0.0)), 0.0)
    total = np.sum(e, axis=-1, keepdims=True)
    return e / np.where(total == 0, 1.0, total) @ v


def _qkv(front: tuple[int, ...], queries: int, keys: int, width: int, values: int) -> tuple[Any, Any, Any]:
    """Values of one sign, so that no sum cancels."""
    return (
        _rng.standard_normal((*front, queries, width)),
        _rng.standard_normal((*front, keys, width)),
        _rng.uniform(0.5, 2.0, (*front, keys, values)),
    )


def _numbers(*shape: int) -> Any:
    x = _rng.standard_normal(shape)
    x[..., 0, :] = -_inf  # a query for which no key counts
    return x


def _flags(*shape: int) -> Any:
    x = _rng.random(shape) < 0.6
    x[..., -1, :] = False
    return x


_LONG = [_qkv((), 3, 300, 2, 2), _qkv((), 130, 5, 2, 2), _qkv((), 70, 140, 2, 2)]  # several blocks

CASES = [
    OpCase(
        "scaled_dot_product_attention",
        _reference,
        [
            _qkv((), 3, 4, 2, 5),
            _qkv((2,), 4, 4, 3, 1),
            _qkv((2, 2), 1, 3, 1, 2),
            _qkv((), 2, 3, 0, 2),
            _qkv((), 0, 3, 2, 2),
            _qkv((), 3, 0, 2, 2),
            _qkv((0,), 3, 2, 2, 2),
            (_qkv((2, 1), 3, 2, 2, 2)[0], *_qkv((3,), 3, 2, 2, 2)[1:]),
            (*_qkv((), 3, 4, 2, 2), _flags(3, 4)),
            (*_qkv((2,), 3, 4, 2, 2), np.array([[True, False, True, True]])),
            (*_qkv((2, 2), 3, 4, 2, 2), _flags(2, 1, 3, 4)),
        ],
        [{}, {"is_causal": True}, {"scale": 0.5}],
        primitives=("attention", "attention_vjp"),
        grad=(0, 1, 2),
        tol={"float32": 2e-6, "float64": 2e-14},
        errors=[
            ((*_qkv((), 3, 4, 2, 2), np.zeros((3, 5))), {}, ac.ShapeError, r"attn_mask must broadcast .* \(3, 5\)"),
            ((*_qkv((), 3, 4, 2, 2), np.zeros((3, 4), int)), {}, ac.DTypeError, "attn_mask must be bool or floating"),
            ((*_qkv((), 3, 4, 2, 2)[:2], np.zeros((5, 2))), {}, ac.ShapeError, r"must have shapes .* \(5, 2\)"),
            ((*_qkv((), 3, 4, 2, 2)[:2], np.zeros(4)), {}, ac.ShapeError, "value must have at least two axes"),
            ((*_qkv((2,), 3, 4, 2, 2)[:2], np.zeros((3, 4, 2))), {}, ac.ShapeError, "leading axes must broadcast"),
            ((*_qkv((), 3, 4, 2, 2)[:2], np.zeros((4, 2), int)), {}, ac.DTypeError, "value must be floating; got int"),
            ((*_qkv((), 3, 4, 2, 2)[:2], np.zeros((4, 2), np.float32)), {}, ac.DTypeError, "must have one dtype"),
        ],
    ),
    OpCase(
        "scaled_dot_product_attention",
        _reference,
        [(*_qkv((2,), 3, 4, 2, 2), _rng.standard_normal((3, 4))), (*_qkv((), 1, 4, 2, 2), _rng.standard_normal(4))],
        [{}, {"is_causal": True}],
        grad=(0, 1, 2, 3),
        tol={"float32": 2e-6, "float64": 2e-14},
    ),
    OpCase(
        "scaled_dot_product_attention",
        _reference,
        [(*_qkv((2,), 3, 4, 2, 2), _numbers(3, 4)), *_LONG, (*_LONG[0], _flags(3, 300)), (*_LONG[1], _numbers(130, 5))],
        [{}, {"is_causal": True}],
        grad=(0, 1, 2),
        tol={"float32": 2e-6, "float64": 2e-14},
        second_order=False,
    ),
]
