"""Examples with their answers: a container, seeded splits, a scaler that looks at training data alone, and streams."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

import alice_core as ac

from .. import tree
from ..checks import checked_int, checked_number
from ..errors import ShapeError
from ..tensors import Tensor, TensorLike
from .batches import Minibatches, minibatches

__all__ = ["Examples", "Scaler", "stream"]


class Examples:
    """A supervised data set ``{(x_i, y_i)}``: pairs of an input and its target, by row.

    Parameters
    ----------
    x, y : array_like, shape (n, ...)
        Inputs and targets, one row each per example.

    Attributes
    ----------
    x, y : Tensor

    Raises
    ------
    ShapeError
        If x and y differ in length, or one of them is a scalar.

    Source: notes, section 3.1.

    Examples
    --------
    >>> import alice_core as ac
    >>> data = ac.data.Examples([[0.0], [1.0], [2.0], [3.0]], [0, 1, 2, 3])
    >>> len(data), data[1]
    (4, (Tensor([1.], dtype=float32), Tensor(1, dtype=int64)))
    >>> data[1:3].y
    Tensor([1, 2], dtype=int64)
    >>> train, test = data.split(0.75, 0.25)
    >>> len(train), len(test)
    (3, 1)
    """

    def __init__(self, x: TensorLike | Any, y: TensorLike | Any) -> None:
        self.x, self.y = ac.asarray(x), ac.asarray(y)
        if self.x.ndim == 0 or self.y.ndim == 0 or self.x.shape[0] != self.y.shape[0]:
            raise ShapeError(
                f"Examples: x and y must have the same length along axis 0; got x {self.x.shape}, y {self.y.shape}"
            )

    def __len__(self) -> int:
        return self.x.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """An int gives the pair ``(x_i, y_i)``; slices, integer arrays and masks of rows give Examples."""
        if isinstance(key, tuple):
            raise ac.DTypeError(f"Examples: rows are chosen by one index; got {len(key)}; index .x or .y for columns")
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            return self.x[int(key)], self.y[int(key)]
        return Examples(self.x[key], self.y[key])

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return ((self.x[i], self.y[i]) for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Examples(x {self.x.shape} {self.x.dtype.name}, y {self.y.shape} {self.y.dtype.name})"

    def split(self, *fractions: float, seed: int = 0, stratify: bool = False) -> tuple[Examples, ...]:
        """Parts that have no row in common, drawn by chance, and all rows together.

        Parameters
        ----------
        *fractions : float
            Of each part, positive, with a sum of 1. Parts have the nearest numbers of rows that sum to n.
        seed : int
            Decides which rows those are.
        stratify : bool
            Every class gets its share of each part; targets must be classes, of shape (n,).

        Returns
        -------
        tuple of Examples
        """
        name = "Examples.split"
        shares = [checked_number(name, "fractions", f) for f in fractions]
        if not shares or not all(f > 0 for f in shares) or not math.isclose(sum(shares), 1.0, rel_tol=1e-9):
            raise ValueError(f"{name}: fractions must be positive and sum to 1; got {fractions}")
        if stratify and (self.y.ndim != 1 or self.y.dtype.kind not in "iub"):
            raise ac.DTypeError(
                f"{name}: stratify needs classes, integers of shape (n,); got y {self.y.shape} {self.y.dtype.name}"
            )
        order = np.random.default_rng(checked_int(name, "seed", seed)).permutation(len(self))
        groups = [order]
        if stratify:
            labels = self.y.numpy()[order]
            groups = [order[labels == label] for label in np.unique(labels)]
        edges = np.cumsum([0.0, *shares])
        edges[-1] = 1.0
        parts: list[list[Any]] = [[] for _ in shares]
        for group in groups:
            cuts = np.floor(edges * len(group) + 0.5).astype(int)
            for part, first, last in zip(parts, cuts[:-1], cuts[1:], strict=True):
                part.append(group[first:last])
        return tuple(self[np.concatenate([np.zeros(0, int), *part])] for part in parts)

    def batches(self, batch_size: int, shuffle: bool = True, seed: int = 0, drop_last: bool = False) -> Minibatches:
        """:func:`minibatches` of these rows."""
        return minibatches(self.x, self.y, batch_size, shuffle, seed, drop_last)


class Scaler:
    """Standardises columns with the means and deviations of the data that it was made of: the training part alone.

    Test data scaled by their own numbers, or together with the training data, tell the model about themselves.

    Parameters
    ----------
    x : array_like, shape (n, ...), floating
        Training data, n at least 1, finite.

    Attributes
    ----------
    mean, deviation : Tensor, shape (...)
        Of each column; a column that is constant has deviation 1 here.

    Raises
    ------
    ShapeError
        If there is no row.
    ValueError
        If the training data are not finite.

    Examples
    --------
    >>> import alice_core as ac
    >>> scale = ac.data.Scaler(ac.tensor([[0.0], [2.0]]))
    >>> scale(ac.tensor([[0.0], [4.0]]))
    Tensor([[-1.],
            [ 3.]], dtype=float32)
    >>> scale.inverse(ac.tensor([[3.0]]))
    Tensor([[4.]], dtype=float32)
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, x: TensorLike | Any) -> None:
        data = ac.asarray(x)
        if data.ndim == 0 or data.shape[0] == 0:
            raise ShapeError(f"Scaler: training data must have shape (n, ...), n at least 1; got {data.shape}")
        dtype = data.dtype if data.dtype.kind == "f" else ac.get_default_dtype()
        rows = np.asarray(data.detach().astype(ac.float64).numpy())
        if not np.isfinite(rows).all():
            raise ValueError("Scaler: training data must be finite; got NaN or infinity; remove or impute such rows")
        spread = np.where((rows == rows[0]).all(axis=0), 0.0, rows.std(axis=0))
        self.mean = ac.asarray(rows.mean(axis=0)).astype(dtype)
        self.deviation = ac.asarray(np.where(spread > 0, spread, 1.0)).astype(dtype)

    def __call__(self, x: TensorLike | Any) -> Tensor:
        """``(x - mean) / deviation``."""
        return (self._checked(x) - self.mean) / self.deviation

    def inverse(self, z: TensorLike | Any) -> Tensor:
        """``z deviation + mean``: the way back."""
        return self._checked(z) * self.deviation + self.mean

    def _checked(self, x: Any) -> Tensor:
        data = ac.asarray(x)
        if data.ndim == 0 or data.shape[1:] != self.mean.shape:
            raise ShapeError(f"Scaler: data must have shape (n, ...) with columns {self.mean.shape}; got {data.shape}")
        return data


def stream(source: Iterable[Any]) -> Iterator[Any]:
    """Batches that arrive one by one, as Tensors on the memory that they came in: nothing is copied.

    Parameters
    ----------
    source : iterable of trees of arrays
        A generator that reads files, say. It may fill the same arrays again when it is asked for the next batch, if by
        then nobody needs what was computed from the one before, as after a compiled step.

    Yields
    ------
    tree of Tensor
        As the source yields them. Arrays of bools are copied, as are lists and numbers.

    Examples
    --------
    >>> import alice_core as ac
    >>> import numpy as np
    >>> def source():
    ...     buffer = np.zeros(2, np.float32)
    ...     for i in range(3):
    ...         buffer[:] = i
    ...         yield buffer
    >>> step = ac.compile(ac.sum)
    >>> [step(x).item() for x in ac.data.stream(source())]
    [0.0, 2.0, 4.0]
    """
    for batch in source:
        leaves, structure = tree.flatten(batch)
        yield structure.unflatten([_shared(leaf) for leaf in leaves])


def _shared(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray) and leaf.dtype != np.bool_:
        return ac.asarray(leaf, copy=False)
    return ac.asarray(leaf)
