"""What the functions of linear algebra share: their arguments, checked, and small pieces of rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .._dtypes import get_default_dtype
from ..errors import ShapeError
from ..ops._elementwise import aligned
from ..ops.arithmetic import add, multiply
from ..ops.diagonals import tril, triu
from ..ops.selection import astype
from ..ops.views import expand_dims, matrix_transpose, squeeze
from ..primitive import Primitive
from ..tensors import Tensor, asarray, float32, float64

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__ = ["batched_in_front", "floating", "half", "matrices", "square", "symmetric", "system", "wide"]


# -- arguments -------------------------------------------------------------------------------------------------------


def floating(x: TensorLike) -> Tensor:
    """A Tensor of floating dtype: integers and bool take the default dtype."""
    x = asarray(x)
    return x if x.dtype.kind == "f" else astype(x, get_default_dtype())


def matrices(op: str, name: str, x: TensorLike) -> Tensor:
    """A floating Tensor with at least two axes, else :class:`ShapeError`."""
    x = floating(x)
    if x.ndim < 2:
        raise ShapeError(f"{op}: {name} must have at least 2 dimensions; got shape {x.shape}")
    return x


def square(op: str, name: str, x: TensorLike) -> Tensor:
    """A floating Tensor of square matrices, else :class:`ShapeError`."""
    x = matrices(op, name, x)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{op}: {name} must be square, with equal last two dimensions; got shape {x.shape}")
    return x


def wide(*xs: Tensor) -> tuple[Any, tuple[Tensor, ...]]:
    """The dtype of a result, and the operands in the one dtype that several steps compute it in."""
    dtype = xs[0].dtype
    if any(x.dtype != dtype for x in xs):
        dtype = float64 if any(x.dtype == float64 for x in xs) else float32
    computed = dtype if dtype in (float32, float64) else float32
    return dtype, tuple(x if x.dtype == computed else astype(x, computed) for x in xs)


def system(op: str, a: TensorLike, b: TensorLike, solve: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """``solve(a, b)`` for matrices of one dtype, where b may come as one vector."""
    a, b = square(op, "a", a), floating(b)
    vector = b.ndim == 1
    if b.ndim == 0 or b.shape[-1 if vector else -2] != a.shape[-1]:
        raise ShapeError(f"{op}: a and b must have as many rows; got a {a.shape}, b {b.shape}")
    dtype, (a, b) = wide(a, expand_dims(b, -1) if vector else b)
    x = solve(a, b)
    x = squeeze(x, -1) if vector else x
    return x if x.dtype == dtype else astype(x, dtype)


# -- pieces of rules -------------------------------------------------------------------------------------------------


def half(x: Tensor, lower: bool, strictly: bool = False) -> Tensor:
    """The lower or upper triangle, with or without the diagonal."""
    return tril(x, -1 if strictly else 0) if lower else triu(x, 1 if strictly else 0)


def symmetric(x: Tensor) -> Tensor:
    """(X + Xᵀ) / 2."""
    return multiply(add(x, matrix_transpose(x)), 0.5)


def batched_in_front(*primitives: Primitive) -> None:
    """Set the batch rule of primitives of which axes before the last two are batches that broadcast."""
    for p in primitives:
        p.defbatch(partial(_in_front, p))


def _in_front(p: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor], *attributes: Any) -> Any:
    return p(*aligned(batched, inputs), *attributes)
