"""Looking up rows of a table by their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..checks import checked_int
from ..errors import ShapeError
from ..tensors import asarray
from . import arithmetic as _arithmetic
from . import comparison as _comparison
from . import identity as _identity
from . import indexing as _indexing
from . import selection as _selection
from . import views as _views
from .indexing import _integers

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["embedding"]


def embedding(indices: TensorLike, weight: TensorLike, /, *, padding_idx: int | None = None) -> Tensor:
    """Rows of a table: ``y[..., :] = weight[indices[...], :]``.

    Parameters
    ----------
    indices : Tensor of integers, any shape
        From 0 to N - 1; negative ones count from the end.
    weight : Tensor, shape (N, ...)
        One row for each number.
    padding_idx : int, optional
        A row that is looked up as any other, but gets no gradient.

    Returns
    -------
    Tensor, shape (*indices.shape, *weight.shape[1:])

    Gradient
        To each row the sum of what came for it, in the order of the indices.

    Accuracy
        Exact.

    Raises
    ------
    IndexError
        If there is no such row.
    DTypeError
        If the indices are no integers.
    ShapeError
        If the table has no axis.
    ValueError
        If there is no row ``padding_idx``.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.embedding(ac.tensor([1, 0, 1]), ac.tensor([[0.0, 0.5], [1.0, 1.5]]))
    Tensor([[1. , 1.5],
            [0. , 0.5],
            [1. , 1.5]], dtype=float32)
    """
    table, places = asarray(weight), asarray(_integers("embedding", indices))
    if table.ndim == 0:
        raise ShapeError("embedding: weight must have shape (N, ...), a row for each number; got a 0-d tensor")
    rows = _indexing.take(table, places, axis=0)
    if padding_idx is None:
        return rows
    n, number = table.shape[0], checked_int("embedding", "padding_idx", padding_idx)
    if not -n <= number < n:
        raise ValueError(f"embedding: padding_idx must be a row of the table, from {-n} to {n - 1}; got {padding_idx}")
    padding = _comparison.equal(_arithmetic.remainder(places, n), number % n)  # negative ones count from the end
    padding = _views.reshape(padding, (*places.shape, *(1,) * (table.ndim - 1)))
    return _selection.where(padding, _identity.constant(rows), rows)
