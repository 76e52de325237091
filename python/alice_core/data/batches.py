"""Minibatches: data cut into batches, in a new order for every epoch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

import alice_core as ac

from ..checks import check_attribute
from ..errors import DTypeError, ShapeError
from ..ops.indexing import take
from ..state import checked, overwrite
from ..tensors import Tensor

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__ = ["Minibatches", "minibatches", "whole_number"]


class Minibatches:
    """What :func:`minibatches` returns: ``len()`` counts the batches, every ``iter()`` is a new epoch."""

    def __init__(
        self,
        arrays: tuple[Tensor, ...],
        batch_size: int,
        shuffle: bool,
        seed: int,
        drop_last: bool,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        self._arrays, self._n = arrays, arrays[0].shape[0]
        self._part, self._parts = shard
        self._batch_size, self._shuffle, self._seed, self._drop_last = batch_size, shuffle, seed, drop_last
        # A Tensor, which compiled functions read anew at each call. A counter would be a constant of the program of a
        # step whose object has its data beside it, so that every epoch would trace that again.
        self._epoch = ac.tensor(0, dtype=ac.int64)

    def __setattr__(self, name: str, value: Any) -> None:
        check_attribute(self, name, ())
        object.__setattr__(self, name, value)

    def __len__(self) -> int:
        full, rest = divmod(self._n, self._batch_size)
        return full + (rest >= self._parts and not self._drop_last)

    def state_dict(self) -> dict[str, Tensor]:
        """The number of the next epoch, for a run that goes on later: see :func:`alice_core.save_checkpoint`."""
        return {"epoch": ac.tensor(self._epoch)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the epoch that :meth:`state_dict` named."""
        own = {"epoch": self._epoch}
        overwrite(own, checked("load_state_dict: Minibatches", own, state))

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        epoch = int(self._epoch)
        self._epoch.numpy(writable=True)[()] = epoch + 1
        return self._batches(epoch)

    def _batches(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        # The order depends on (seed, epoch) alone: a loop that is left early does not change the epochs that follow.
        order = np.random.default_rng((self._seed, epoch)).permutation(self._n) if self._shuffle else None
        for start in range(0, len(self) * self._batch_size, self._batch_size):
            each = (min(start + self._batch_size, self._n) - start) // self._parts
            first = start + self._part * each
            rows = slice(first, first + each)
            if order is None:
                yield tuple(a[rows] for a in self._arrays)
            else:
                drawn = order[rows]
                yield tuple(take(a, drawn, axis=0) for a in self._arrays)


def minibatches(
    X: TensorLike | Any,
    y: TensorLike | Any,
    batch_size: int,
    shuffle: bool = True,
    seed: int = 0,
    drop_last: bool = False,
    *,
    weights: TensorLike | Any | None = None,
    shard: tuple[int, int] | None = None,
) -> Minibatches:
    """Cut data into batches; each pass over the result is one epoch.

    Each epoch visits every row once. With ``shuffle`` the order differs from epoch to epoch, and the sequence of orders
    follows from ``seed``. The result knows its length, so progress bars do too.

    Parameters
    ----------
    X : array_like, shape (n, ...)
        Inputs.
    y : array_like, shape (n, ...)
        Targets, one a row of X.
    batch_size : int
        Rows a batch, at least 1; the last batch of an epoch may be smaller.
    shuffle : bool
        Draw a new order for every epoch; otherwise rows come as they are.
    seed : int
        Where the sequence of orders starts, at least 0.
    drop_last : bool
        Leave out the last batch where it would be smaller.
    weights : array_like, shape (n, ...), optional
        What else belongs to each row.
    shard : (int, int), optional
        ``(rank, size)``: of every batch, this part of so many equal ones, as :mod:`alice_core.distributed` has them:
        ``shard=(ac.distributed.rank(), ac.distributed.size())``. Where the last batch of an epoch cannot be cut evenly,
        its last rows, fewer than there are parts, are left out.

    Returns
    -------
    Minibatches
        Iterable of pairs ``(x, y)`` of Tensors, or of triples ``(x, y, weights)``.

    Raises
    ------
    ShapeError
        If X, y and weights differ in length, or one of them is a scalar.
    DTypeError
        If batch_size or seed is not an integer.
    ValueError
        If batch_size is below 1 or seed below 0, or there is no such part, or not an equal one.

    Source: notes, section 5.3, with erratum E-31: n rows in batches of r make n / r steps an epoch; how many epochs is
    free.

    Examples
    --------
    >>> import alice_core as ac
    >>> batches = ac.data.minibatches([[0.0], [1.0], [2.0]], [0, 1, 2], batch_size=2, shuffle=False)
    >>> len(batches)
    2
    >>> for x, y in batches:
    ...     print(x.shape, y.numpy())
    (2, 1) [0 1]
    (1, 1) [2]
    """
    arrays = tuple(ac.asarray(a) for a in ((X, y) if weights is None else (X, y, weights)))
    if any(a.ndim == 0 or a.shape[0] != arrays[0].shape[0] for a in arrays):
        names = ("X", "y", "weights")[: len(arrays)]
        raise ShapeError(
            f"minibatches: {', '.join(names[:-1])} and {names[-1]} must have the same length along axis 0; got "
            + ", ".join(f"{name} {a.shape}" for name, a in zip(names, arrays, strict=True))
        )
    rows = whole_number("minibatches: batch_size", batch_size, 1)
    part, parts = (0, 1) if shard is None else (whole_number("minibatches: shard", number, 0) for number in shard)
    if part >= parts or rows % parts:
        raise ValueError(
            f"minibatches: shard must be one of so many parts, (0, 4) to (3, 4) for instance, whose number divides "
            f"batch_size, {rows}; got ({part}, {parts})"
        )
    return Minibatches(
        arrays, rows, bool(shuffle), whole_number("minibatches: seed", seed, 0), bool(drop_last), (part, parts)
    )


def whole_number(name: str, value: object, least: int) -> int:
    """The argument ``name`` as an int of at least ``least``, else an error."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise DTypeError(f"{name} must be an integer; got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}; got {value}")
    return int(value)
