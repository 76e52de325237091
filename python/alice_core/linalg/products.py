"""Products of vectors and matrices beside the matrix product, and the trace."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ..checks import checked_int
from ..errors import DTypeError, ShapeError
from ..ops._arguments import _axis
from ..ops.arithmetic import multiply, subtract
from ..ops.broadcasting import broadcast_arrays
from ..ops.diagonals import diagonal
from ..ops.joining import roll
from ..ops.linalg import matmul
from ..ops.reduction import sum
from ..ops.views import expand_dims, reshape, squeeze
from ..tensors import asarray

if TYPE_CHECKING:
    from ..tensors import DTypeLike, Tensor, TensorLike

__all__ = ["cross", "kron", "multi_dot", "trace"]


def cross(x1: TensorLike, x2: TensorLike, /, *, axis: int = -1) -> Tensor:
    """The cross product of vectors in space: ``y[i] = x1[i + 1] x2[i + 2] - x1[i + 2] x2[i + 1]``, indices modulo 3.

    Parameters
    ----------
    x1, x2 : Tensor, numeric
        Of 3 entries along the axis; the others broadcast.
    axis : int

    Returns
    -------
    Tensor, the broadcast shape

    Gradient
        The cross products of x2 and g, and of g and x1, summed over broadcast axes.

    Accuracy
        That of two products and a difference.

    Raises
    ------
    ShapeError
        If there are not 3 entries along the axis, or the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.cross(ac.tensor([1.0, 0.0, 0.0]), ac.tensor([0.0, 1.0, 0.0]))
    Tensor([0., 0., 1.], dtype=float32)
    """
    a, b = asarray(x1), asarray(x2)
    axis = checked_int("cross", "axis", axis)
    if a.ndim == 0 or b.ndim == 0 or (axis < 0 and -axis > min(a.ndim, b.ndim)):
        raise ShapeError(f"cross: axis {axis} must exist in x1 and x2; got x1 {a.shape}, x2 {b.shape}")
    a, b = broadcast_arrays(a, b)
    axis = _axis("cross", axis, a.ndim)
    if a.shape[axis] != 3:
        raise ShapeError(f"cross: x1 and x2 must have 3 entries along axis {axis}; got shape {a.shape}")
    forth = multiply(roll(a, -1, axis), roll(b, -2, axis))
    return subtract(forth, multiply(roll(a, -2, axis), roll(b, -1, axis)))


def trace(x: TensorLike, /, *, offset: int = 0, dtype: DTypeLike | None = None) -> Tensor:
    """The sum of a diagonal.

    Parameters
    ----------
    x : Tensor, shape (..., M, N)
    offset : int
        0 is the main diagonal, positive numbers lie above it.
    dtype : dtype, optional
        To which x is cast first.

    Returns
    -------
    Tensor, shape (...)

    Gradient
        1 on that diagonal.

    Accuracy
        As :func:`alice_core.sum`.

    Raises
    ------
    ShapeError
        If x has fewer than 2 dimensions.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.trace(ac.tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor(5., dtype=float32)
    """
    x = asarray(x)
    if x.ndim < 2:
        raise ShapeError(f"trace: x must have at least 2 dimensions; got shape {x.shape}")
    return sum(diagonal(x, checked_int("trace", "offset", offset)), axis=-1, dtype=dtype)


def kron(x1: TensorLike, x2: TensorLike, /) -> Tensor:
    """The Kronecker product: every entry of x1 times the whole of x2.

    Parameters
    ----------
    x1, x2 : Tensor, numeric
        Of any shapes; the one with fewer axes gets more, of size 1, in front.

    Returns
    -------
    Tensor
        Each axis as long as those of x1 and x2 multiplied.

    Gradient
        That of the products.

    Accuracy
        Correctly rounded.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.kron(ac.tensor([1.0, 10.0]), ac.tensor([1.0, 2.0]))
    Tensor([ 1.,  2., 10., 20.], dtype=float32)
    """
    a, b = asarray(x1), asarray(x2)
    n = max(a.ndim, b.ndim)
    of_a, of_b = ((1,) * (n - x.ndim) + x.shape for x in (a, b))
    if n == 0:
        return multiply(a, b)
    rows = tuple(k for m in of_a for k in (m, 1))
    columns = tuple(k for m in of_b for k in (1, m))
    product = multiply(reshape(a, rows), reshape(b, columns))
    return reshape(product, tuple(i * j for i, j in zip(of_a, of_b, strict=True)))


def multi_dot(arrays: Sequence[TensorLike], /) -> Tensor:
    """The product of several matrices, in the order of multiplications that takes the fewest.

    Parameters
    ----------
    arrays : sequence of Tensors, at least two
        Matrices; the first and the last may be vectors, a row and a column.

    Returns
    -------
    Tensor

    Gradient, Accuracy
        As :func:`alice_core.matmul`.

    Raises
    ------
    ShapeError
        If there are fewer than two, one is no matrix, or neighbours do not fit.

    Source: Cormen, Leiserson, Rivest and Stein, "Introduction to algorithms", chapter 15.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.multi_dot([ac.ones((2, 3)), ac.ones((3, 4)), ac.ones(4)])
    Tensor([12., 12.], dtype=float32)
    """
    if not isinstance(arrays, (list, tuple)):
        raise DTypeError("multi_dot: arrays must be a list or a tuple of Tensors; got " + type(arrays).__name__)
    xs = [asarray(x) for x in arrays]
    shapes = [x.shape for x in xs]
    if len(xs) < 2:
        raise ShapeError(f"multi_dot: at least 2 arrays are needed; got {len(xs)}")
    row, column = xs[0].ndim == 1, xs[-1].ndim == 1
    if row:
        xs[0] = expand_dims(xs[0], 0)
    if column:
        xs[-1] = expand_dims(xs[-1], -1)
    fits = all(x.ndim == 2 for x in xs)
    if not fits or any(x.shape[1] != y.shape[0] for x, y in pairwise(xs)):
        raise ShapeError(
            f"multi_dot: matrices must fit their neighbours, with vectors at the ends only; got shapes {shapes}"
        )
    y = _best_order(xs)
    if row:
        y = squeeze(y, 0)
    return squeeze(y, -1) if column else y


def _best_order(xs: list[Tensor]) -> Tensor:
    """Products of longer and longer runs, each divided where that costs least; a loop, as nothing here is recursive."""
    n = len(xs)
    sizes = [x.shape[0] for x in xs] + [xs[-1].shape[1]]
    cost = {(i, i): 0 for i in range(n)}
    divided: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            costs = [cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1] for k in range(i, j)]
            cost[i, j] = min(costs)
            divided[i, j] = i + costs.index(cost[i, j])
    needed, waiting = [], [(0, n - 1)]
    while waiting:
        i, j = waiting.pop()
        needed.append((i, j))
        if i < j:
            waiting += [(i, divided[i, j]), (divided[i, j] + 1, j)]
    made: dict[tuple[int, int], Tensor] = {}
    for i, j in reversed(needed):
        k = divided.get((i, j), i)
        made[i, j] = xs[i] if i == j else matmul(made[i, k], made[k + 1, j])
    return made[0, n - 1]
