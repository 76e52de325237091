"""The ops, one module per family: meaning, errors and derivative rules of each side by side."""

from __future__ import annotations

import sys

from .. import tensor as _tensor
from . import (
    activation,
    arithmetic,
    comparison,
    creation,
    cross_entropy,
    identity,
    indexing,
    linalg,
    reduction,
    shape,
    softmax,
    transcendental,
)

__all__ = [
    "activation",
    "arithmetic",
    "comparison",
    "creation",
    "cross_entropy",
    "identity",
    "indexing",
    "linalg",
    "reduction",
    "shape",
    "softmax",
    "transcendental",
]

# The ops are written in Tensors, and the methods of Tensor call the ops: the circle is closed here.
_tensor.__dict__["ops"] = sys.modules[__name__]
