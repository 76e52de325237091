"""Layers: linear maps, and modules made of modules.

Source: notes, section 4 (fully connected layers and networks of them).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import alice_core as ac

from ..checks import checked_int, shown
from . import activations, init
from .module import Module, widened

if TYPE_CHECKING:
    from ..tensors import DTypeLike

__all__ = ["MLP", "Flatten", "Linear", "Sequential"]


class Linear(Module):
    """An affine map of the last axis, ``x @ weight + bias``.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
        False leaves the bias out.
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.
    seed : int, numpy Generator or ac.random.Generator, optional
        Of the starting values; None: the common generator, which :func:`alice_core.random.seed` starts.

    Attributes
    ----------
    weight : Tensor, shape (in_features, out_features)
    bias : Tensor, shape (out_features,), or None
        Both start uniform from -1/sqrt(in_features) to 1/sqrt(in_features), so that outputs are about as large as
        inputs whatever the width.

    Raises
    ------
    ShapeError
        In the call, if the last axis has another extent.
    DTypeError
        In the call, if the result would have another dtype than the layer: of float64 data in a float32 layer, say,
        as NumPy makes them. Integers, and floats that are narrower, become the dtype of the layer.

    Source: notes, section 5.2, with erratum E-29: weights are (in, out), and there are (in + 1) out parameters.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.Linear(3, 5)(ac.zeros((2, 3))).shape
    (2, 5)
    """

    torch_transposed = frozenset({"weight"})

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        dtype: DTypeLike | None = None,
        seed: init.Seed = None,
    ) -> None:
        rows = checked_int("Linear", "in_features", in_features)
        cols = checked_int("Linear", "out_features", out_features)
        if rows < 1 or cols < 1:
            raise ac.ShapeError(f"Linear: features must be at least 1; got in {rows}, out {cols}")
        generator = init.rng(seed)
        bound = 1.0 / math.sqrt(rows)
        self.weight = init.uniform((rows, cols), bound, dtype, generator).requires_grad_()
        self.bias = init.uniform((cols,), bound, dtype, generator).requires_grad_() if bias else None

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        try:
            y = x @ self.weight
        except ac.ShapeError:
            raise ac.ShapeError(
                f"Linear: expected inputs of shape (…, {self.weight.shape[0]}), features along the last axis; got "
                f"{getattr(x, 'shape', ())}; reshape them, or make the layer with other in_features"
            ) from None
        except TypeError:
            if isinstance(x, ac.Tensor) or hasattr(x, "dtype"):
                raise
            raise ac.DTypeError(
                f"Linear: expected a Tensor or a NumPy array; got {shown(x)}; convert it with ac.tensor(x)"
            ) from None
        if y.dtype is not self.weight.dtype:
            raise widened("Linear", x, self.weight)
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        rows, cols = self.weight.shape
        return f"{rows}, {cols}" + ("" if self.bias is not None else ", bias=False")


class Flatten(Module):
    """All axes but the first as one.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.Flatten()(ac.zeros((32, 8, 8))).shape
    (32, 64)
    """

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return ac.flatten(x, 1)


class Sequential(Module):
    """Modules, or other functions of one Tensor, one after the other.

    Parameters
    ----------
    *layers : callable

    Examples
    --------
    >>> import alice_core as ac
    >>> model = ac.nn.Sequential(ac.nn.Linear(3, 5), ac.tanh, ac.nn.Linear(5, 4))
    >>> model(ac.zeros((2, 3))).shape
    (2, 4)
    """

    torch_names: ClassVar[Mapping[str, str]] = {"layers": ""}

    def __init__(self, *layers: Callable[[ac.Tensor], ac.Tensor]) -> None:
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(
                    f"Sequential: layers must be modules or functions; got {type(layer).__name__} as layer {i}"
                )
        self.layers = list(layers)

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        for layer in self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Callable[[ac.Tensor], ac.Tensor]]:
        return iter(self.layers)

    def __getitem__(self, key: int | slice) -> Any:
        """A layer, or for a slice a Sequential of the same layers."""
        return Sequential(*self.layers[key]) if isinstance(key, slice) else self.layers[key]


class MLP(Sequential):
    """A multi-layer perceptron: linear layers with an activation between them.

    Parameters
    ----------
    sizes : sequence of int
        Features of the input, of each hidden layer, and of the output.
    activation : str or callable
        "relu", "leaky_relu", "prelu", "elu", "softplus", "sigmoid", "tanh", "silu", "gelu"; or a function of one
        Tensor, used between all layers.
    bias : bool
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.
    seed : int, numpy Generator or ac.random.Generator, optional
        Of the starting values; None: the common generator, which :func:`alice_core.random.seed` starts.

    Source: notes, sections 5.1 and 5.2, with errata E-28 (layers are composed, not multiplied) and E-30 (on a compact
    set a wide enough one comes as near to a continuous function as one likes).

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.MLP([64, 128, 10])
    MLP(
      layers.0: Linear(64, 128)
      layers.1: ReLU()
      layers.2: Linear(128, 10)
    )
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Callable[[ac.Tensor], ac.Tensor] = "relu",
        bias: bool = True,
        dtype: DTypeLike | None = None,
        seed: init.Seed = None,
    ) -> None:
        if not hasattr(sizes, "__len__"):
            raise ac.DTypeError(f"MLP: sizes must be a list of ints; got {shown(sizes)}; write MLP([3, 5, 2])")
        if len(sizes) < 2:
            raise ac.ShapeError(f"MLP: sizes must name the input and the output at least; got {list(sizes)}")
        if isinstance(activation, str):
            activations.by_name(activation, dtype)  # a wrong name is one even where nothing lies between
        generator = init.rng(seed)
        layers: list[Callable[[ac.Tensor], ac.Tensor]] = []
        for rows, cols in pairwise(sizes):
            if layers:
                layers.append(activations.by_name(activation, dtype) if isinstance(activation, str) else activation)
            layers.append(Linear(rows, cols, bias, dtype, generator))
        super().__init__(*layers)
