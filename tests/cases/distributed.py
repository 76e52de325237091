"""Rows of what ranks tell each other: of one rank, which hears what it says. Several: tests/test_distributed.py."""

from __future__ import annotations

import numpy as np

import alice_core.distributed  # noqa: F401 - whose primitives stand in the table from now on
from op_cases import OpCase

from .shape import EXACT

__all__ = ["CASES"]

_INPUTS = [(np.linspace(-2.0, 3.0, 12).reshape(3, 4),), (np.array(1.5),), (np.zeros((0, 2)),)]

CASES = [
    OpCase(
        "distributed.allreduce",
        lambda x, op="mean": x,
        _INPUTS,
        [{}, {"op": "sum"}, {"op": "max"}, {"op": "min"}],
        ("allreduce", "allreduce_extreme"),
        tol=EXACT,
    ),
    OpCase("distributed.broadcast", lambda x, root=0: x, _INPUTS, primitives=("broadcast",), tol=EXACT),
]
