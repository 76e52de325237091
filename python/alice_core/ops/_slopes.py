"""What all native gradient kernels (g, x) -> g f'(x) have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..primitive import Primitive
from . import arithmetic as _ar

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__: list[str] = []


def slope_kernel(name: str, second: Callable[[Tensor, Tensor], Tensor]) -> Primitive:
    """The primitive of the gradient kernel ``name``; ``second(h, x)`` is h f''(x)."""
    primitive = Primitive(name, saves=(0, 1))
    primitive.defvjp(
        lambda c, ans, g, x: primitive(c, x),
        lambda c, ans, g, x: second(_ar.strong_mul(c, g), x),
    )
    return primitive
