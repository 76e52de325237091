"""Calls of primitives once more, with other operands than in the trace in which they stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..primitive import Primitive
from ..tensors import Tensor

__all__ = ["calls_by", "rerun"]

_rules: dict[Primitive, Callable[[Sequence[Tensor], Sequence[Any]], Any]] = {}


def calls_by(primitive: Primitive, rule: Callable[[Sequence[Tensor], Sequence[Any]], Any]) -> None:
    """Say how a primitive is called that is called in another way where somebody differentiates."""
    _rules[primitive] = rule


def rerun(primitive: Primitive, operands: Sequence[Tensor], attributes: Sequence[Any]) -> Any:
    """What the primitive, or the joint, makes of these operands."""
    if primitive.rerun_rule is not None:
        return primitive.rerun_rule((False,) * len(operands), operands)
    rule = _rules.get(primitive)
    return rule(operands, attributes) if rule else primitive(*operands, *attributes)
