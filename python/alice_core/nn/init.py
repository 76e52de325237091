"""Random starting values. One NumPy generator serves all layers that are not given a seed of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

import alice_core as ac

if TYPE_CHECKING:
    from ..tensor import DTypeLike

__all__ = ["Seed", "manual_seed", "rng", "uniform"]

Seed: TypeAlias = "int | np.random.Generator | None"

_generator: np.random.Generator | None = None  # made when first asked for: importing numpy.random takes long


def manual_seed(seed: int) -> None:
    """Start the generator of the layers anew, so that the next ones made get the same values each time.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.manual_seed(0)
    >>> a = ac.nn.Linear(2, 2).weight.tolist()
    >>> ac.nn.manual_seed(0)
    >>> a == ac.nn.Linear(2, 2).weight.tolist()
    True
    """
    global _generator
    _generator = np.random.default_rng(seed)


def rng(seed: Seed) -> np.random.Generator:
    """The generator itself if one is given, a new one for an int, the common one for None."""
    global _generator
    if seed is not None:
        return np.random.default_rng(seed)
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


def uniform(shape: Sequence[int], bound: float, dtype: DTypeLike, generator: np.random.Generator) -> ac.Tensor:
    """Numbers from -bound to bound, drawn in float64 so that a seed means the same in every dtype."""
    return ac.tensor(generator.uniform(-bound, bound, tuple(shape)), dtype)
