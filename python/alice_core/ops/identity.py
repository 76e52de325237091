"""The primitives that change no value: where a differentiation context is attached, and where all end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._dtypes import cast_exactly
from ..checks import known_values
from ..primitive import Primitive
from ..tensors import Tensor, TensorLike
from ._elementwise import aligned, elementwise
from .broadcasting import broadcast_to

__all__: list[str] = []

_identity = Primitive("identity", saves=())
_identity.defvjp(lambda g, ans, x: g)
_stop_gradient = Primitive("stop_gradient", saves=(), differentiable=False)
_constant_copy = Primitive("constant_copy", saves=(), differentiable=False)
_fitting = Primitive("fitting", saves=(), differentiable=False)
# Of numbers of one shape: those of a trace, or of several examples. Real ones pass if nothing is wrong with them.
_checked_arithmetic = Primitive("checked_arithmetic", saves=())
_checked_arithmetic.defvjp(lambda g, ans, a, b, op: g, None)
_checked_arithmetic.defjvp(lambda t, ans, a, b, op: t, None)
elementwise(_identity, _stop_gradient, _constant_copy, _fitting)


def _of_one_shape(batched: Sequence[bool], inputs: Sequence[Tensor], op: int) -> Any:
    a, b = aligned(batched, inputs)
    shape = max(a.shape, b.shape, key=len)
    return _checked_arithmetic(broadcast_to(a, shape), broadcast_to(b, shape), op)


_checked_arithmetic.defbatch(_of_one_shape)


def identity(x: TensorLike, /) -> Tensor:
    """The same value on the same memory, recorded as an op."""
    return _identity(x)


def constant(x: TensorLike, /) -> Tensor:
    """The same value on the same memory, for all differentiation a constant."""
    return _stop_gradient(x)


def constant_copy(x: TensorLike, /) -> Tensor:
    """The same value on contiguous memory of its own, for all differentiation a constant."""
    return _constant_copy(x)


def fitting(name: str, x: Tensor, dtype: Any) -> Tensor:
    """The same value. Integers that an integer dtype does not hold are refused, by a program when it runs."""
    if x.dtype.kind not in "iu" or dtype.kind not in "iu" or np.can_cast(x.dtype, dtype):
        return x
    known = known_values(x)
    if known is None:
        return _fitting(x, dtype)
    cast_exactly(name, known, dtype)
    return x
