"""The primitives that change no value: where a differentiation context is attached, and where all end."""

from __future__ import annotations

from typing import Any

from ..primitive import Primitive
from ..tensors import Tensor, TensorLike
from ._elementwise import elementwise

__all__: list[str] = []

_identity = Primitive("identity", saves=())
_identity.defvjp(lambda g, ans, x: g)
_stop_gradient = Primitive("stop_gradient", saves=(), differentiable=False)
_constant_copy = Primitive("constant_copy", saves=(), differentiable=False)
_fitting = Primitive("fitting", saves=(), differentiable=False)
elementwise(_identity, _stop_gradient, _constant_copy, _fitting)


def identity(x: TensorLike, /) -> Tensor:
    """The same value on the same memory, recorded as an op."""
    return _identity(x)


def constant(x: TensorLike, /) -> Tensor:
    """The same value on the same memory, for all differentiation a constant."""
    return _stop_gradient(x)


def constant_copy(x: TensorLike, /) -> Tensor:
    """The same value on contiguous memory of its own, for all differentiation a constant."""
    return _constant_copy(x)


def fitting(x: TensorLike, dtype: Any, /) -> Tensor:
    """The same integers, all of which a dtype holds; or an error when the program runs."""
    return _fitting(x, dtype)
