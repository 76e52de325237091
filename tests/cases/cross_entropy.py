"""The row of the cross-entropy."""

from __future__ import annotations

from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

_rng = np.random.default_rng(9)
_inf = np.inf


def _reference(
    logits: Any, targets: Any, reduction: str = "mean", ignore_index: int | None = None, label_smoothing: float = 0.0
) -> Any:
    classes = logits.shape[-1]
    top = np.max(logits, axis=-1, keepdims=True, initial=-_inf)
    lse = top + np.log(np.sum(np.exp(logits - top), axis=-1, keepdims=True))
    kept = np.ones(logits.shape[:-1], dtype=bool)
    q = targets
    if targets.dtype.kind != "f":
        kept = targets != ignore_index
        q = np.eye(classes)[np.where(kept, targets, 0)]
    q = (1 - label_smoothing) * q + label_smoothing / max(classes, 1)
    rows = np.where(kept, np.sum(np.where(q == 0, 0.0, q * (lse - logits)), axis=-1), 0.0)
    if reduction == "none":
        return rows
    total = np.sum(rows)
    return total / max(np.sum(kept), 1) if reduction == "mean" else total


def _labels(*shape: int, classes: int) -> Any:
    return _rng.integers(0, classes, shape)


def _probabilities(*shape: int) -> Any:
    q = _rng.uniform(0.1, 1.0, shape)
    return q / q.sum(axis=-1, keepdims=True)


CASES = [
    OpCase(
        "losses.cross_entropy",
        _reference,
        [
            (_rng.normal(size=(4, 3)), _labels(4, classes=3)),
            (_rng.normal(size=(3,)), np.array(1)),
            (_rng.normal(size=(2, 3, 5)), _labels(2, 3, classes=5).astype(np.int32)),
            (_rng.normal(size=(3, 70)), _labels(3, classes=70)),
            (_rng.normal(size=(60, 10)), _labels(60, classes=10)),
            (_rng.normal(size=(4, 3)), _probabilities(4, 3)),
            (_rng.normal(size=(2, 65)), 2.0 * _probabilities(2, 65)),  # need not sum to 1
            (np.zeros((0, 3)), np.zeros((0,), dtype=np.int64)),
        ],
        [{}, {"reduction": "sum"}, {"reduction": "none"}, {"label_smoothing": 0.1}],
        primitives=("cross_entropy", "cross_entropy_vjp"),
        grad=(0, 1),
        extreme=[
            (np.array([[1e30, 0.0, 0.0]]), np.array([1])),
            (np.array([[1000.0, 0.0, -1000.0]]), np.array([1])),
            (np.array([[-_inf, 0.0, 0.0]]), np.array([1])),
            (np.array([[-_inf, 0.0, 0.0]]), np.array([0])),
            (np.array([[-_inf, 0.0, 0.0]]), np.array([[0.0, 0.5, 0.5]])),
        ],
        errors=[
            ((np.zeros((2, 3)), np.array([0, 3])), {}, IndexError, r"targets must be from 0 to 2 .* got 3 in row 1"),
            ((np.zeros((2, 3)), np.array([-1, 0])), {}, IndexError, r"targets must be from 0 to 2 .* got -1 in row 0"),
            ((np.zeros((2, 3)), np.array([-1, 0])), {"ignore_index": -2}, IndexError, "got -1 in row 0"),
            ((np.zeros((2, 3)), np.array([0])), {}, ac.ShapeError, r"class indices must .* \(2, 3\), targets \(1,\)"),
            ((np.zeros((2, 3)), np.zeros((2, 2))), {}, ac.ShapeError, "target probabilities must have the shape"),
            ((np.zeros((2, 3)), np.array([True, False])), {}, ac.DTypeError, "class indices .* or probabilities"),
            ((np.zeros((2, 3), dtype=int), np.array([0, 1])), {}, ac.DTypeError, "logits must be floating; got int64"),
            ((np.zeros(()), np.array(0)), {}, ac.ShapeError, "logits must have shape"),
            ((np.zeros((2, 3)), np.zeros((2, 3))), {"ignore_index": 0}, ValueError, "ignore_index goes with"),
            ((np.zeros((2, 3)), np.array([0, 1])), {"reduction": "avg"}, ValueError, "reduction must be .* 'avg'"),
            ((np.zeros((2, 3)), np.array([0, 1])), {"label_smoothing": 1.0}, ValueError, r"must be in \[0, 1\); got 1"),
        ],
    ),
]
