"""``where=`` and ``initial=`` of reductions: what is left out counts as the neutral item, the first item comes last."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import checked_number, shown
from ..errors import DTypeError, ShapeError
from ..tensors import Tensor, asarray
from . import broadcasting as _broadcasting
from . import selection as _selection

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__ = ["chosen", "mask_of", "started"]


def mask_of(op: str, where: TensorLike, shape: tuple[int, ...]) -> Tensor:
    """The bools of ``where`` in the given shape."""
    if not isinstance(where, (bool, np.bool_, np.ndarray, Tensor)) or getattr(where, "dtype", np.bool_) != np.bool_:
        kind = f", dtype {where.dtype}" if isinstance(where, (np.ndarray, Tensor)) else ""
        raise DTypeError(f"{op}: where must be bools; got {shown(where)}{kind}; compare first: where=x != 0")
    mask = asarray(where)
    try:
        return mask if mask.shape == shape else _broadcasting.broadcast_to(mask, shape)
    except ShapeError:
        raise ShapeError(f"{op}: where must broadcast to the shape of x, {shape}; got {mask.shape}") from None


def chosen(op: str, x: TensorLike, where: TensorLike | None, neutral: Any) -> TensorLike:
    """x, and the neutral item where the mask does not hold; without a mask x as it is."""
    if where is None:
        return x
    x = asarray(x)
    return _selection.where(mask_of(op, where, x.shape), x, bool(neutral) if x.dtype.kind == "b" else neutral)


def started(op: str, y: Tensor, initial: TensorLike | None, join: Callable[[Tensor, Any], Tensor]) -> Tensor:
    """The result of a reduction joined with the item that it was to start from, a number."""
    if initial is None:
        return y
    if isinstance(initial, (Tensor, np.ndarray)):
        if initial.ndim or initial.dtype.kind not in "biuf":
            raise ShapeError(f"{op}: initial must be a number; got {shown(initial)}, dtype {initial.dtype}")
    elif not isinstance(initial, (bool, int, np.bool_, np.integer)):
        initial = checked_number(op, "initial", initial)
    if y.dtype == np.bool_ and not (isinstance(initial, bool) or getattr(initial, "dtype", None) == np.bool_):
        raise DTypeError(f"{op}: initial must be True or False, as the items are; got {shown(initial)}")
    return join(y, initial)
