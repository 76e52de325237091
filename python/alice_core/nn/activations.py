"""Activations as modules, for :class:`Sequential`. Each calls the op of its name, whose docstring has the formula."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import alice_core as ac

from .module import Module, Parameter, widened

if TYPE_CHECKING:
    from ..tensors import DTypeLike

__all__ = [
    "ELU",
    "GELU",
    "LeakyReLU",
    "PReLU",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "by_name",
]


class ReLU(Module):
    """See :func:`alice_core.relu`."""

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return ac.relu(x)


class LeakyReLU(Module):
    """See :func:`alice_core.leaky_relu`."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return ac.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return str(self.negative_slope)


class PReLU(Module):
    """See :func:`alice_core.prelu`. The slope of the negative half is learned.

    Parameters
    ----------
    num_parameters : int
        1, or the extent of the last axis for a slope per feature.
    init : float
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.
    """

    torch_names: ClassVar[Mapping[str, str]] = {"slope": "weight"}

    def __init__(self, num_parameters: int = 1, init: float = 0.25, dtype: DTypeLike | None = None) -> None:
        self.slope = Parameter(ac.full((num_parameters,), init, dtype))

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        y = ac.prelu(x, self.slope)
        if y.dtype is not self.slope.dtype:
            raise widened("PReLU", x, self.slope)
        return y

    def extra_repr(self) -> str:
        return str(self.slope.size)


class ELU(Module):
    """See :func:`alice_core.elu`."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return ac.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return str(self.alpha)


class Softplus(Module):
    """See :func:`alice_core.softplus`."""

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return ac.softplus(x)


class Sigmoid(Module):
    """See :func:`alice_core.sigmoid`."""

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return ac.sigmoid(x)


class Tanh(Module):
    """See :func:`alice_core.tanh`."""

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return ac.tanh(x)


class SiLU(Module):
    """See :func:`alice_core.silu`."""

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return ac.silu(x)


class GELU(Module):
    """See :func:`alice_core.gelu`.

    Parameters
    ----------
    approximate : "none" or "tanh"
    """

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return ac.gelu(x, approximate=self.approximate)

    def extra_repr(self) -> str:
        return repr(self.approximate)


class Softmax(Module):
    """See :func:`alice_core.softmax`."""

    def __init__(self, axis: int = -1, temperature: float = 1.0) -> None:
        self.axis = axis
        self.temperature = temperature

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return ac.softmax(x, axis=self.axis, temperature=self.temperature)

    def extra_repr(self) -> str:
        return f"axis={self.axis}, temperature={self.temperature}"


_NAMES: dict[str, type[Module]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "prelu": PReLU,
    "elu": ELU,
    "softplus": Softplus,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "silu": SiLU,
    "gelu": GELU,
}


def by_name(name: str, dtype: DTypeLike | None = None) -> Module:
    """A new module for the name of an activation; one with parameters gets them in ``dtype``."""
    if name not in _NAMES:
        raise ValueError(f"MLP: activation must be one of {', '.join(_NAMES)}, or a function; got {name!r}")
    return PReLU(dtype=dtype) if name == "prelu" else _NAMES[name]()
