"""A learned row for each number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import alice_core as ac

from ..checks import checked_int
from . import init
from .module import Module, Parameter

if TYPE_CHECKING:
    from ..tensors import DTypeLike, TensorLike

__all__ = ["Embedding"]


class Embedding(Module):
    """A table of learned rows, looked up by number: see :func:`alice_core.embedding`.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Rows, and numbers in a row.
    padding_idx : int, optional
        A row that starts at 0 and gets no gradient.
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.
    seed : int, numpy Generator or ac.random.Generator, optional
        Of the starting values; None: the common generator, which :func:`alice_core.random.seed` starts.

    Attributes
    ----------
    weight : Tensor, shape (num_embeddings, embedding_dim)
        Starts normal, with mean 0 and standard deviation 1.

    Raises
    ------
    IndexError
        In the call, if there is no such row.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.Embedding(10, 4)(ac.tensor([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        dtype: DTypeLike | None = None,
        seed: init.Seed = None,
    ) -> None:
        rows = checked_int("Embedding", "num_embeddings", num_embeddings)
        cols = checked_int("Embedding", "embedding_dim", embedding_dim)
        if rows < 1 or cols < 1:
            raise ac.ShapeError(f"Embedding: extents must be at least 1; got {rows} rows of {cols}")
        self.padding_idx = None if padding_idx is None else checked_int("Embedding", "padding_idx", padding_idx)
        weight = init.normal((rows, cols), dtype=dtype, seed=seed)
        if self.padding_idx is not None:
            if not -rows <= self.padding_idx < rows:
                raise ValueError(
                    f"Embedding: padding_idx must be a row of the table, from {-rows} to {rows - 1}; got {padding_idx}"
                )
            self.padding_idx %= rows
            weight = ac.where(ac.arange(rows)[:, None] == self.padding_idx, 0.0, weight)
        self.weight = Parameter(weight)

    def forward(self, indices: TensorLike) -> ac.Tensor:
        return ac.embedding(indices, self.weight, padding_idx=self.padding_idx)

    def extra_repr(self) -> str:
        rows, cols = self.weight.shape
        return f"{rows}, {cols}" + ("" if self.padding_idx is None else f", padding_idx={self.padding_idx}")
