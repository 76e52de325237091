"""Rows of ops/activation.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_cases import OpCase
from points import SPECIAL, between, erfc, unary

#: Two ULP of ours and a margin for the references; test_accuracy.py is the strict one.
FINE = {"float32": 3e-7, "float64": 5e-15}


def limits(f: Any, left: float = 0.0) -> Any:
    """f, with its limit at -inf, which the formula misses as NaN."""
    return lambda x, **k: np.where(x == -np.inf, left, f(np.where(x == -np.inf, 0.0, x), **k))


def sigmoid(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1.0 + e)


def softplus(x: Any) -> Any:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def elu(x: Any, alpha: float = 1.0) -> Any:
    return np.where(x > 0, x, alpha * np.expm1(x))


def gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "none":
        return x * 0.5 * erfc(-x / np.sqrt(2.0))
    return x * sigmoid(2.0 * np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3))


def row(name: str, reference: Any, *kernels: str, points: Any = None, **more: Any) -> OpCase:
    return OpCase(
        name,
        reference,
        unary(-3, 3) if points is None else points,
        primitives=(name, *kernels),
        **{"tol": FINE, "extreme": [(SPECIAL,)], **more},
    )


CASES = [
    row("relu", lambda x: np.maximum(x, 0.0), "relu_vjp"),
    row("relu6", lambda x: np.clip(x, 0.0, 6.0), "relu6_vjp", points=unary(-3, 9)),
    row(
        "leaky_relu",
        lambda x, negative_slope=0.01: np.where(x < 0, negative_slope * x, x),
        "leaky_relu_vjp",
        kwargs=({}, {"negative_slope": 0.25}, {"negative_slope": 2.0}),
    ),
    OpCase(
        "prelu",
        lambda x, a: np.where(x < 0, a * x, x),
        [
            (between(-3, 3), between(0.1, 0.9)),
            (between(-3, 3, 4, 3), between(0.1, 0.9, 3)),
            (between(-3, 3, 0), between(0.1, 0.9)),
            (between(-3, 3, 5, 2, 3), between(0.1, 0.9, 2, 1)),
        ],
        primitives=("prelu", "prelu_vjp", "prelu_slope_vjp"),
        grad=(0, 1),
        tol=FINE,
        extreme=[(SPECIAL, np.array(0.25))],
    ),
    row("elu", elu, "elu_vjp", kwargs=({}, {"alpha": 0.5}, {"alpha": 1.7})),
    row("selu", lambda x: np.where(x > 0, 1.0507009873554805 * x, 1.7580993408473769 * np.expm1(x)), "selu_vjp"),
    row("sigmoid", sigmoid, "sigmoid_vjp", points=unary(-6, 6)),
    row("log_sigmoid", lambda x: -softplus(-x), points=unary(-6, 6)),
    row("softplus", softplus, "softplus_vjp", points=unary(-6, 6)),
    row("silu", limits(lambda x: x * sigmoid(x)), "silu_vjp"),
    row(
        "gelu",
        limits(gelu),
        "gelu_vjp",
        "gelu_tanh",
        "gelu_tanh_vjp",
        kwargs=({}, {"approximate": "tanh"}),
        errors=[((np.zeros(2),), {"approximate": "erf"}, ValueError, 'gelu: approximate must be "none" or "tanh"')],
    ),
]
