"""What a Tensor has in NumPy or PyTorch and not here: looking it up fails as for any other name, but with a remedy.

``Tensor.__getattr__`` would do the same, but makes reading every attribute slower, those that exist too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

from .errors import DTypeError

__all__ = ["Elsewhere", "refuse", "refuse_keywords"]

_ON_CPU = "leave it out, all Tensors are on the CPU"
_ASSIGN = "Tensors are values: make a new one, or change a parameter with p.assign_(value)"

_HABITS: dict[str, str] = {
    "bmm": "write x @ y",
    "clamp": "write ac.clip(x, low, high)",
    "clone": "write ac.copy(x)",
    "contiguous": "leave it out, ops take any layout; ac.copy(x) has C order",
    "cpu": _ON_CPU,
    "cuda": _ON_CPU,
    "data": "read the values with x.detach() or x.numpy(), change a parameter with p.assign_(value)",
    "dim": "write x.ndim",
    "div": "write x / y",
    "double": "write x.astype(ac.float64)",
    "eq": "write x == y",
    "expand": "write ac.broadcast_to(x, shape)",
    "float": "write x.astype(ac.float32)",
    "gather": "write ac.take_along_axis(x, indices, axis)",
    "ge": "write x >= y",
    "gt": "write x > y",
    "half": "write x.astype(ac.float16)",
    "index_select": "write ac.take(x, indices, axis)",
    "int": "write x.astype(ac.int32)",
    "is_cuda": _ON_CPU,
    "le": "write x <= y",
    "long": "write x.astype(ac.int64)",
    "lt": "write x < y",
    "masked_fill": "write ac.where(mask, value, x)",
    "mm": "write x @ y",
    "mul": "write x * y",
    "ne": "write x != y",
    "neg": "write -x",
    "numel": "write x.size",
    "permute": "write ac.permute_dims(x, axes)",
    "sub": "write x - y",
    "t": "write x.T",
    "to": f"write x.astype(dtype) for another dtype; for a device {_ON_CPU}",
    "type": "write x.astype(dtype)",
    "unsqueeze": "write ac.expand_dims(x, axis)",
    "view": "write x.reshape(shape)",
    **dict.fromkeys(
        ("as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "hex", "is_integer", "numerator"),
        "a Python number has it, before a compiled call: name the argument in static_argnames",
    ),
    **dict.fromkeys(("add_", "copy_", "div_", "fill", "fill_", "mul_", "sub_", "zero_"), _ASSIGN),
}


class Elsewhere:
    """A name that is no attribute: reading and setting it raise AttributeError, so ``hasattr`` is False."""

    __slots__ = ("message",)

    def __init__(self, name: str, remedy: str) -> None:
        self.message = f"'Tensor' object has no attribute '{name}'; {remedy}"

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise AttributeError(self.message)

    def __set__(self, instance: object, value: Any) -> NoReturn:
        raise AttributeError(self.message)


def refuse(cls: type, functions: Iterable[str]) -> None:
    """Make the names of functions, and of what others have as attributes, fail with a remedy on ``cls``."""
    remedies = {name: f"write ac.{name}(…)" for name in functions} | _HABITS
    for name, remedy in remedies.items():
        if not hasattr(cls, name):
            setattr(cls, name, Elsewhere(name, remedy))


#: Keywords of PyTorch, and what to write here.
_KEYWORDS = {
    "requires_grad": "write ac.tensor(x).requires_grad_(), or make a parameter: ac.nn.Parameter(x)",
}


def refuse_keywords(name: str, keywords: dict[str, Any]) -> NoReturn:
    keyword = next(iter(keywords))
    remedy = _KEYWORDS.get(keyword, "leave it out")
    raise DTypeError(f"{name}: expected no keyword {keyword}; got {keyword}={keywords[keyword]!r}; {remedy}")
