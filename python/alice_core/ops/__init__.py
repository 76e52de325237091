"""The ops, one module per family: meaning, errors and derivative rules of each side by side.

A family imports only those whose ops its rules are made of: views come first, then broadcasting with its adjoint, the
rules that many primitives share (``_elementwise``, ``_slopes``, ``_reducing``), arithmetic, and so on.
"""

from __future__ import annotations

import sys

from .. import methods as _methods
from .. import tensors as _tensors
from .._elsewhere import refuse as _refuse
from . import (
    activation,
    arithmetic,
    arranging,
    attention,
    bitwise,
    broadcasting,
    comparison,
    convolution,
    creation,
    cross_entropy,
    diagonals,
    einsum,
    exponential,
    extremes,
    floating,
    identity,
    indexing,
    joining,
    keys,
    linalg,
    logistic,
    normalisation,
    pooling,
    powers,
    reduction,
    scans,
    scatter,
    searching,
    selection,
    softmax,
    sorting,
    tables,
    trigonometric,
    unfolding,
    updates,
    views,
)

__all__ = [
    "activation",
    "arithmetic",
    "arranging",
    "attention",
    "bitwise",
    "broadcasting",
    "comparison",
    "convolution",
    "creation",
    "cross_entropy",
    "diagonals",
    "einsum",
    "exponential",
    "extremes",
    "floating",
    "identity",
    "indexing",
    "joining",
    "keys",
    "linalg",
    "logistic",
    "normalisation",
    "pooling",
    "powers",
    "reduction",
    "scans",
    "scatter",
    "searching",
    "selection",
    "softmax",
    "sorting",
    "tables",
    "trigonometric",
    "unfolding",
    "updates",
    "views",
]

# The ops are written in Tensors, and the methods of Tensor call the ops: the circle is closed here.
_tensors.__dict__["ops"] = _methods.__dict__["ops"] = sys.modules[__name__]
_refuse(_tensors.Tensor, (name for family in __all__ for name in globals()[family].__all__))
