"""Random starting values. Layers that are not given a seed of their own draw from the common generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import alice_core as ac

if TYPE_CHECKING:
    import numpy as np

    from ..tensors import DTypeLike

__all__ = ["Seed", "manual_seed", "rng", "uniform"]

Seed: TypeAlias = "int | np.random.Generator | ac.random.Generator | None"


def manual_seed(seed: int) -> None:
    """The same as :func:`alice_core.random.seed`: one generator serves layers, dropout and all other drawing.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.manual_seed(0)
    >>> a = ac.nn.Linear(2, 2).weight.tolist()
    >>> ac.nn.manual_seed(0)
    >>> a == ac.nn.Linear(2, 2).weight.tolist()
    True
    """
    ac.random.seed(seed)


def rng(seed: Seed) -> np.random.Generator | ac.random.Generator:
    """The generator itself if one is given, a new one for an int, the common one of ``ac.random`` for None."""
    if seed is None:
        return ac.random.default_generator
    if isinstance(seed, ac.random.Generator):
        return seed
    import numpy.random  # takes long to import

    return numpy.random.default_rng(seed)


def uniform(
    shape: Sequence[int], bound: float, dtype: DTypeLike | None, generator: np.random.Generator | ac.random.Generator
) -> ac.Tensor:
    """Numbers from -bound to bound, drawn in float64: a seed means the same in every dtype. None: the default dtype."""
    dtype = ac.get_default_dtype() if dtype is None else dtype
    if isinstance(generator, ac.random.Generator):
        return ac.tensor(generator.uniform(shape, -bound, bound, ac.float64), dtype)
    return ac.tensor(generator.uniform(-bound, bound, tuple(shape)), dtype)
