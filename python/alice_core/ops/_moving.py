"""Rules that primitives share which only move elements: linear, and for a batch the same on other axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..primitive import Primitive

if TYPE_CHECKING:
    from ..tensors import Tensor

__all__ = ["batched_by", "linear"]


def linear(*primitives: Primitive) -> None:
    """Set the JVP rule of primitives that are linear in their first input; the others are indices."""
    for p in primitives:
        if p.n_inputs < 0:
            p.defjvp_all(partial(_joint, p))
        else:
            p.defjvp(partial(_same, p), *[None] * (p.n_inputs - 1))


def _same(p: Primitive, t: Tensor, ans: Tensor, x: Tensor, *rest: Any) -> Tensor:
    return p(t, *rest)


def _joint(
    p: Primitive, tangents: Sequence[Tensor | None], ans: Tensor, inputs: Sequence[Tensor], *attributes: Any
) -> Tensor:
    return p(tangents[0], *inputs[1:], *attributes)


def batched_by(p: Primitive, attributes: Callable[..., tuple[Any, ...]]) -> None:
    """Set the batch rule of a primitive of one input, which needs other attributes for a batch and nothing else.

    ``attributes(n, shape, *old)`` are those for n examples of that shape; ``old`` are those for one.
    """

    def rule(batched: Sequence[bool], inputs: Sequence[Tensor], *old: Any) -> Tensor:
        (x,) = inputs
        return p(x, *attributes(x.shape[0], x.shape[1:], *old))

    p.defbatch(rule)
