"""Rules that all elementwise primitives share: each item of the result depends on the items at its own place."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..primitive import Primitive, Rule
from . import broadcasting as _broadcasting
from . import views as _views

if TYPE_CHECKING:
    from ..tensors import Tensor

__all__ = ["aligned", "elementwise", "zero_preserving"]


def elementwise(*primitives: Primitive) -> None:
    """Derive the JVP rules from the VJP rules, and set the batch rule."""
    for p in primitives:
        if p.vjp_rules is not None:
            p.defjvp(*(rule and partial(_forward, rule, p.n_inputs) for rule in p.vjp_rules))
        p.defbatch(partial(_batched, p))


def _forward(rule: Rule, n: int, t: Tensor, ans: Tensor, *rest: Any) -> Tensor:
    """A diagonal Jacobian is its own transpose, once no input is broadcast any more."""
    t, *inputs = (x if x.shape == ans.shape else _broadcasting.broadcast_to(x, ans.shape) for x in (t, *rest[:n]))
    tangent: Tensor = rule(t, ans, *inputs, *rest[n:])
    return tangent


def _batched(p: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor], *attributes: Any) -> Any:
    return p(*aligned(batched, inputs), *attributes)


def zero_preserving(*primitives: Primitive) -> None:
    """As ``elementwise``, for primitives that are 0 wherever the first input is: they have a basis rule too."""
    elementwise(*primitives)
    for p in primitives:
        p.defbasis(partial(_scaled, p))


def _scaled(p: Primitive, at: int, inputs: Sequence[Tensor], *attributes: Any) -> tuple[Tensor, bool] | None:
    if at != 0 or any(x.shape not in ((), inputs[0].shape) for x in inputs):
        return None
    return p(*inputs, *attributes), True


def aligned(batched: Sequence[bool], inputs: Sequence[Tensor]) -> list[Tensor]:
    """The inputs with the axes of one example at the end, as many for each, so that broadcasting joins like axes."""
    rank = max(x.ndim - b for b, x in zip(batched, inputs, strict=True))
    return [
        _views.reshape(x, (x.shape[0],) + (1,) * (rank + 1 - x.ndim) + x.shape[1:]) if b and x.ndim <= rank else x
        for b, x in zip(batched, inputs, strict=True)
    ]
