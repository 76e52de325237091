"""Which rows of the data are this rank's."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..tensors import Tensor, TensorLike, asarray
from .world import world

__all__ = ["shard"]


def shard(*arrays: TensorLike | Any) -> tuple[Tensor, ...]:
    """This rank's rows of arrays that every rank has: a part of neighbouring rows, as large as those of the others.

    Where the number of ranks does not divide that of the rows, the last rows, fewer than there are ranks, are nobody's:
    gradients that are averaged must be of equally many rows.

    Parameters
    ----------
    *arrays : array_like, shape (n, ...)
        Of the same length, at least the number of ranks.

    Returns
    -------
    tuple of Tensor, shape (n // size(), ...)

    Raises
    ------
    ShapeError
        If lengths differ, or there are fewer rows than ranks.

    Examples
    --------
    >>> import alice_core as ac
    >>> X, y = ac.distributed.shard([[0.0], [1.0]], [0, 1])  # one rank has all
    >>> X.shape, y.shape
    ((2, 1), (2,))
    """
    here = world()
    given = [asarray(a) for a in arrays]
    if not given or any(a.ndim == 0 or a.shape[0] != given[0].shape[0] for a in given):
        raise ShapeError(f"shard: arrays must have the same length along axis 0; got {[a.shape for a in given]}")
    rows = given[0].shape[0] // here.size
    if rows == 0:
        raise ShapeError(f"shard: there must be a row for each of {here.size} ranks; got {given[0].shape[0]} rows")
    return tuple(a[here.rank * rows : (here.rank + 1) * rows] for a in given)
