"""Matrix products.

All of them come down to one kernel, ``matmul``; transposed, strided and broadcast operands are read in place. Every
item of a float product is summed in an order that depends on the length of the sum alone (and on whether an operand
is a vector): the same bits for any number of threads and any memory layout.

A batch of vectors that meets one matrix is a product of matrices, but as such it would be summed in another order.
``vecmat`` is that product in the order of the vectors: ``vecmat(x, w)[i]`` has the bits of ``matmul(x[i], w)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..checks import checked_int
from ..errors import ShapeError
from ..primitive import Primitive
from ..tensors import asarray
from . import arithmetic as _arithmetic
from . import views as _views
from ._elementwise import aligned
from .broadcasting import sum_to
from .views import matrix_transpose

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["dot", "matmul", "outer", "tensordot", "vecdot"]

_matmul = Primitive("matmul", saves=(0, 1))
# vecmat(a, b): as matmul, for operands of two dimensions and more; every row of a is a vector of its own.
_vecmat = Primitive("vecmat", saves=(0, 1))


def _by_a(g: Tensor, ans: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """dA = G Bᵀ. A vector is a matrix of one row (a) or one column (b)."""
    if b.ndim == 1:
        return sum_to(_outer(g, b), a.shape) if a.ndim > 1 else _arithmetic.multiply(g, b)
    if a.ndim == 1:
        return sum_to(_matmul(b, g) if b.ndim == 2 else _column(b, g), a.shape)
    return sum_to(_matmul(g, matrix_transpose(b)), a.shape)


def _by_b(g: Tensor, ans: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """dB = Aᵀ G. The batches of A share B where B has none: then they are more rows of one product."""
    if a.ndim == 1:
        if b.ndim == 1:
            return _arithmetic.multiply(g, a)
        return sum_to(_outer(a, g), b.shape)
    if b.ndim <= 2 < a.ndim:
        m = math.prod(a.shape[:-1])
        a = _views.reshape(a, (m, a.shape[-1]))
        g = _views.reshape(g, (m, *b.shape[1:]))
    if b.ndim == 1:
        return _matmul(g, a)
    return sum_to(_matmul(matrix_transpose(a), g), b.shape)


def _outer(x: Tensor, y: Tensor) -> Tensor:
    """x yᵀ for batches of vectors, as products of matrices: they write a result quicker than broadcasting does."""
    return _matmul(_views.expand_dims(x, axis=-1), _views.expand_dims(y, axis=-2))


def _column(a: Tensor, x: Tensor) -> Tensor:
    """A x for a batch of vectors x."""
    return _views.squeeze(_matmul(a, _views.expand_dims(x, axis=-1)), axis=-1)


_matmul.defvjp(_by_a, _by_b)
_matmul.defjvp(lambda t, ans, a, b: _matmul(t, b), lambda t, ans, a, b: _matmul(a, t))
_vecmat.defvjp(lambda g, ans, a, b: sum_to(_vecmat(g, matrix_transpose(b)), a.shape), _by_b)
_vecmat.defjvp(lambda t, ans, a, b: _vecmat(t, b), lambda t, ans, a, b: _vecmat(a, t))
_vecmat.defbatch(lambda batched, inputs: _vecmat(*aligned(batched, inputs)))


def _batched(batched: Sequence[bool], inputs: Sequence[Tensor]) -> Tensor:
    """A batch of products, each in the order in which the kernel sums it alone: as dot product, vector or matrix."""
    (a_batched, b_batched), (a, b) = batched, inputs
    size = (a if a_batched else b).shape[0]
    a_front, b_front = a.shape[:a_batched], b.shape[:b_batched]
    a_shape, b_shape = a.shape[a_batched:], b.shape[b_batched:]
    batch = np.broadcast_shapes(a_shape[:-2], b_shape[:-2])
    shape = (size, *batch, *a_shape[-2:-1], *(b_shape[-1:] if len(b_shape) > 1 else ()))
    # Vectors as matrices of one row or column.
    if len(a_shape) == 1:
        a = _views.expand_dims(a, axis=-2)
    if len(b_shape) == 1:
        b = _views.expand_dims(b, axis=-1)
    k, n = b.shape[-2:]
    shared = math.prod(b_shape[:-2]) == 1
    if shared and a.shape[-2] == 1:
        # An example's own batch of rows that share b is one matrix to the kernel.
        a = _views.reshape(a, (*a_front, math.prod(batch), k))
        b = _views.reshape(b, (*b_front, k, n))
    m = a.shape[-2]
    if m == n == 1 and shared and not b_batched:
        # All first vectors with one second would be one product: the same the other way round is not.
        y = _matmul(matrix_transpose(b), matrix_transpose(a))
    elif m == 1 and n > 1 and not b_batched:
        y = _rows(_views.squeeze(a, axis=-2), b)
    elif n == 1 and m > 1 and not a_batched:
        y = _rows(_views.squeeze(b, axis=-1), matrix_transpose(a))
    else:
        y = _matmul(*aligned(batched, (a, b)))
    return _views.reshape(y, shape)


def _rows(x: Tensor, w: Tensor) -> Tensor:
    """Batches of vectors x, (B, ..., K), times w, (..., K, N), that has no B."""
    return _views.moveaxis(_vecmat(_views.moveaxis(x, 0, -2), w), -2, 0)


_matmul.defbatch(_batched)


def _basis(at: int, inputs: Sequence[Tensor]) -> tuple[Tensor, bool] | None:
    """Vectors that scale a basis times a matrix: its rows, scaled; by 0 they are +0, as a sum is."""
    scales, w = inputs[at], inputs[1 - at]
    if scales.ndim != 1 or w.ndim > 2:
        return None
    if w.ndim == 2:
        scales = _views.expand_dims(scales, axis=-1)
        w = matrix_transpose(w) if at == 1 else w
    return _arithmetic.add(_arithmetic.multiply(scales, w), 0.0), False


_matmul.defbasis(_basis)


def matmul(x1: TensorLike, x2: TensorLike, /) -> Tensor:
    """Matrix product, ``x1 @ x2``: ``y[..., i, j] = Σ_k x1[..., i, k] x2[..., k, j]``.

    Parameters
    ----------
    x1 : Tensor, shape (..., M, K) or (K,), numeric
    x2 : Tensor, shape (..., K, N) or (K,), numeric
        Leading dimensions are batches and broadcast. A 1-D operand is a row on the left, a column on the right.

    Returns
    -------
    Tensor, shape (..., M, N)
        Without M or N where the operand is a vector. Integers wrap around; bool counts as int32.

    Gradient
        ``g @ x2ᵀ`` and ``x1ᵀ @ g``, summed over broadcast batches.

    Accuracy
        ``|error| <= min(K, 16) u Σ_k |x1[i, k] x2[k, j]|`` in tests, u the unit roundoff; at most K u times that sum.

    Raises
    ------
    ShapeError
        If an operand is 0-d, the lengths of the sum differ, or the batches do not broadcast.

    Source
        Notes, section 6.4; blocking after Goto and van de Geijn, "Anatomy of high-performance matrix multiplication",
        2008.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> ac.matmul(x, ac.tensor([1.0, -1.0]))
    Tensor([-1., -1.], dtype=float32)
    """
    return _matmul(x1, x2)


def vecdot(x1: TensorLike, x2: TensorLike, /, *, axis: int = -1) -> Tensor:
    """Dot products of the vectors along one axis: ``y = Σ_k x1[..., k] x2[..., k]``.

    Parameters
    ----------
    x1, x2 : Tensor, numeric
        Shapes that broadcast; equal along the axis.
    axis : int
        Negative, as the axes count from the end after broadcasting.

    Returns
    -------
    Tensor
        The broadcast shape without the axis.

    Gradient
        ``g x2`` and ``g x1``, summed over broadcast axes.

    Accuracy
        As :func:`matmul`.

    Raises
    ------
    ShapeError
        If the axis does not exist in both, or the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.vecdot(ac.tensor([[1.0, 2.0], [3.0, 4.0]]), ac.tensor([1.0, 10.0]))
    Tensor([21., 43.], dtype=float32)
    """
    a, b = asarray(x1), asarray(x2)
    axis = checked_int("vecdot", "axis", axis)
    if not -min(a.ndim, b.ndim) <= axis < 0:
        raise ShapeError(
            f"vecdot: axis must be negative and exist in x1 and x2; got axis {axis}, x1 {a.shape}, x2 {b.shape}"
        )
    if a.shape[axis] != b.shape[axis]:
        raise ShapeError(f"vecdot: x1 and x2 must be equally long along axis {axis}; got x1 {a.shape}, x2 {b.shape}")
    if axis != -1:
        a, b = _views.moveaxis(a, axis, -1), _views.moveaxis(b, axis, -1)
    product = _matmul(_views.expand_dims(a, axis=-2), _views.expand_dims(b, axis=-1))
    return _views.squeeze(product, axis=(-2, -1))


def dot(x1: TensorLike, x2: TensorLike, /) -> Tensor:
    """NumPy's ``dot``: the last axis of x1 against the last but one of x2 (the only one of a vector).

    Parameters
    ----------
    x1, x2 : Tensor, numeric
        A 0-d operand multiplies the other.

    Returns
    -------
    Tensor
        The remaining axes of x1, then those of x2; for matrices and vectors the same as :func:`matmul`.

    Gradient, Accuracy
        As :func:`matmul`.

    Raises
    ------
    ShapeError
        If the lengths of the sum differ.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.dot(ac.tensor([1.0, 2.0]), ac.tensor([3.0, 4.0]))
    Tensor(11., dtype=float32)
    """
    a, b = asarray(x1), asarray(x2)
    if a.ndim == 0 or b.ndim == 0:
        return _arithmetic.multiply(x1, x2)
    return _matmul(a, b) if b.ndim <= 2 else tensordot(a, b, axes=((-1,), (-2,)))


def outer(x1: TensorLike, x2: TensorLike, /) -> Tensor:
    """Outer product of two vectors: ``y[i, j] = x1[i] x2[j]``.

    Parameters
    ----------
    x1 : Tensor, shape (M,), numeric
    x2 : Tensor, shape (N,), numeric
        Tensors of other ranks are flattened first, as NumPy does.

    Returns
    -------
    Tensor, shape (M, N)

    Gradient
        ``g @ x2`` and ``gᵀ @ x1``.

    Accuracy
        Correctly rounded.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.outer(ac.tensor([1.0, 2.0]), ac.tensor([3.0, 4.0]))
    Tensor([[3., 4.],
            [6., 8.]], dtype=float32)
    """
    a, b = _views.reshape(x1, (-1, 1)), _views.reshape(x2, (1, -1))
    return _arithmetic.multiply(a, b)


def tensordot(
    x1: TensorLike, x2: TensorLike, /, *, axes: int | tuple[Sequence[int] | int, Sequence[int] | int] = 2
) -> Tensor:
    """Sum of products over several axes of two tensors.

    Parameters
    ----------
    x1, x2 : Tensor, numeric
    axes : int or pair of sequences of int
        n: the last n axes of x1 against the first n of x2. A pair: these axes of x1 against those of x2, in order.

    Returns
    -------
    Tensor
        The remaining axes of x1, then those of x2.

    Gradient, Accuracy
        As :func:`matmul`, to which it comes down after moving axes.

    Raises
    ------
    ShapeError
        If an axis does not exist or comes twice, or paired axes differ in length.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.tensordot(ac.ones((2, 3, 4)), ac.ones((3, 4, 5))).shape
    (2, 5)
    """
    a, b = asarray(x1), asarray(x2)
    a_axes, b_axes = _paired_axes(axes, a, b)
    a_rest = [i for i in range(a.ndim) if i not in a_axes]
    b_rest = [i for i in range(b.ndim) if i not in b_axes]
    a_shape, b_shape = [a.shape[i] for i in a_rest], [b.shape[i] for i in b_rest]
    summed = math.prod(a.shape[i] for i in a_axes)
    rows = _views.reshape(_views.permute_dims(a, (*a_rest, *a_axes)), (math.prod(a_shape), summed))
    columns = _views.reshape(_views.permute_dims(b, (*b_axes, *b_rest)), (summed, math.prod(b_shape)))
    return _views.reshape(_matmul(rows, columns), (*a_shape, *b_shape))


def _paired_axes(axes: object, a: Tensor, b: Tensor) -> tuple[list[int], list[int]]:
    """The axes to sum over, counted from the start, checked."""
    if isinstance(axes, (tuple, list)) and len(axes) == 2:
        pair = [list(part) if isinstance(part, (tuple, list)) else [part] for part in axes]
    else:
        n = _index(axes)
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: axes must be from 0 to {min(a.ndim, b.ndim)}; got {n}")
        pair = [list(range(a.ndim - n, a.ndim)), list(range(n))]
    found: list[list[int]] = []
    for name, x, part in zip(("x1", "x2"), (a, b), pair, strict=True):
        positions = [_index(i) for i in part]
        for i in positions:
            if not -x.ndim <= i < x.ndim:
                raise ShapeError(f"tensordot: axis {i} does not exist in {name} of shape {x.shape}")
        found.append([i % x.ndim for i in positions])
        if len(set(found[-1])) != len(positions):
            raise ShapeError(f"tensordot: the axes of {name} must differ; got {tuple(positions)}")
    if [a.shape[i] for i in found[0]] != [b.shape[i] for i in found[1]]:
        raise ShapeError(
            f"tensordot: paired axes must have equal lengths; got axes {tuple(found[0])} of x1 {a.shape}, "
            f"{tuple(found[1])} of x2 {b.shape}"
        )
    return found[0], found[1]


def _index(i: object) -> int:
    return checked_int("tensordot", "axes", i, "an int or a pair of sequences of ints")
