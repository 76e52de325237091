"""What all native gradient kernels (g, x) -> g f'(x) have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..primitive import Primitive
from . import arithmetic as _ar
from . import reduction as _reduction
from ._elementwise import elementwise

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__: list[str] = []


def slope_kernel(name: str, second: Callable[[Tensor, Tensor], Tensor]) -> Primitive:
    """The primitive of the gradient kernel ``name``; ``second(h, x)`` is h f''(x).

    g and x have one shape, unless one of them has a batch axis more.
    """
    primitive = Primitive(name, saves=(0, 1))
    primitive.defvjp(
        lambda c, ans, g, x: _reduction.sum_to(primitive(c, x), g.shape),
        lambda c, ans, g, x: _reduction.sum_to(second(_ar.strong_mul(c, g), x), x.shape),
    )
    elementwise(primitive)
    return primitive
