"""What all native gradient kernels (g, x) -> g f'(x) have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ..primitive import Primitive
from . import arithmetic as _ar
from ._elementwise import aligned, zero_preserving
from .broadcasting import sum_to

if TYPE_CHECKING:
    from ..tensors import Tensor

__all__: list[str] = []


def slope_kernel(name: str, second: Callable[[Tensor, Tensor], Tensor], *, rounded: bool = False) -> Primitive:
    """The primitive of the gradient kernel ``name``; ``second(h, x)`` is h f''(x).

    g and x have one shape, unless one of them has a batch axis more. ``rounded`` says that the kernel rounds f'(x) to
    the dtype before it multiplies: many cotangents of one x then need the slopes but once.
    """
    primitive = Primitive(name, saves=(0, 1))
    primitive.defvjp(
        lambda c, ans, g, x: sum_to(primitive(c, x), g.shape),
        lambda c, ans, g, x: sum_to(second(_ar.strong_mul(c, g), x), x.shape),
    )
    zero_preserving(primitive)
    if rounded:
        primitive.defbatch(partial(_batched, primitive))
    return primitive


def _batched(p: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor]) -> Tensor:
    g, x = aligned(batched, inputs)
    if batched[1]:
        result: Tensor = p(g, x)
        return result
    return _ar.strong_mul(g, p(1.0, x))
