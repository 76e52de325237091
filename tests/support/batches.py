"""Batches of random numbers, and the loop over their examples that ``ac.vmap`` is held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import alice_core as ac
from alice_core import tree

F64 = ac.float64


def normal(*shape: int, seed: int = 0, dtype: Any = F64) -> ac.Tensor:
    return ac.tensor(np.asarray(np.random.default_rng(seed).standard_normal(shape)), dtype=dtype)


def stacked(results: list[Any], axis: int = 0) -> Any:
    """One structure whose leaves are those of all results along a new axis."""
    columns = zip(*(list(tree.leaves(r)) for r in results), strict=True)
    return tree.structure(results[0]).unflatten([ac.stack(list(c), axis=axis) for c in columns])


def loop(f: Callable[..., Any], *args: Any) -> Any:
    """f of one example after the other; the leaves of all arguments are batched along axis 0."""
    size = len(next(iter(tree.leaves(args))))
    return stacked([f(*tree.map(lambda x, i=i: x[i], args)) for i in range(size)])
