"""Norms of vectors and matrices, and condition numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..checks import checked_flag, checked_number, shown
from ..errors import ShapeError
from ..ops._arguments import _axes
from ..ops.arithmetic import divide, multiply
from ..ops.comparison import equal, less, logical_and, not_equal
from ..ops.extremes import max, min
from ..ops.identity import constant
from ..ops.powers import pow
from ..ops.reduction import norm as _two
from ..ops.reduction import sum
from ..ops.selection import abs, where
from ..ops.views import expand_dims, moveaxis, reshape
from ._matrices import floating, matrices, square
from ._nearly_equal import is_small, largest
from .singular import svdvals
from .systems import inv

if TYPE_CHECKING:
    from ..tensors import Axis, Tensor, TensorLike

__all__ = ["cond", "matrix_norm", "norm", "vector_norm"]


def vector_norm(x: TensorLike, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The norm of vectors: ``(Σ |x|^ord)^(1/ord)``.

    Parameters
    ----------
    x : Tensor, any shape
    axis : int, tuple of int or None
        The axes of a vector; None for all.
    keepdims : bool
        Whether these axes stay, of size 1.
    ord : number
        2 is the Euclidean norm, 1 the sum of magnitudes, inf and -inf the largest and the smallest magnitude, 0 the
        number of entries that are not 0.

    Returns
    -------
    Tensor

    Gradient
        The subgradient of least norm at kinks: 0 where the vector is 0; ties of the largest share equally.

    Accuracy
        Of ord 2 as :func:`alice_core.norm`; of others as the powers and sums, without overflow on the way.

    Raises
    ------
    ShapeError
        If an axis does not exist.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([3.0, -4.0])
    >>> ac.linalg.vector_norm(x), ac.linalg.vector_norm(x, ord=1), ac.linalg.vector_norm(x, ord=float("inf"))
    (Tensor(5., dtype=float32), Tensor(7., dtype=float32), Tensor(4., dtype=float32))
    """
    x, keepdims = floating(x), checked_flag("vector_norm", "keepdims", keepdims)
    return _vector(x, axis, keepdims, checked_number("vector_norm", "ord", ord))


def _largest(x: Tensor, axis: Axis, keepdims: bool = False) -> Tensor:
    """The largest of numbers that are not negative; 0 of none."""
    return (max if x.size else sum)(x, axis=axis, keepdims=keepdims)


def _vector(x: Tensor, axis: Axis, keepdims: bool, ord: float) -> Tensor:
    if ord == 2:
        return _two(x, axis=axis, keepdims=keepdims)
    if ord == 0:
        return sum(where(not_equal(x, 0.0), 1.0, multiply(x, 0.0)), axis=axis, keepdims=keepdims)
    size = abs(x)
    if ord == 1:
        return sum(size, axis=axis, keepdims=keepdims)
    if ord == math.inf:
        return _largest(size, axis, keepdims)
    if ord == -math.inf:
        return min(size, axis=axis, keepdims=keepdims)
    if x.size == 0:
        return pow(sum(size, axis=axis, keepdims=keepdims), 1 / ord)
    # The norm of the vector as a share of its largest entry, or of any number: no power overflows, and that of 0 has a
    # derivative of 0.
    scale = constant(max(size, axis=axis, keepdims=True))
    scale = where(logical_and(not_equal(scale, 0.0), less(scale, math.inf)), scale, 1.0)
    total = sum(pow(divide(size, scale), ord), axis=axis, keepdims=True)
    none = not_equal(total, 0.0)
    result = multiply(scale, where(none, pow(where(none, total, 1.0), 1 / ord), 0.0))
    return result if keepdims else reshape(result, sum(size, axis=axis).shape)


def matrix_norm(x: TensorLike, /, *, keepdims: bool = False, ord: float | str = "fro") -> Tensor:
    """The norm of matrices, the last two axes.

    Parameters
    ----------
    x : Tensor, shape (..., M, N)
    keepdims : bool
        Whether these axes stay, of size 1.
    ord : number or text
        "fro" the Euclidean norm of all entries, "nuc" the sum of the singular values, 2 and -2 the largest and the
        smallest of them, 1 and -1 the largest and the smallest sum of magnitudes of a column, inf and -inf of a row.

    Returns
    -------
    Tensor, shape (...) or (..., 1, 1)

    Gradient
        The subgradient of least norm at kinks: singular values of 0 have none, ties share equally.

    Accuracy
        As the sums and singular values.

    Raises
    ------
    ShapeError
        If x has fewer than 2 dimensions.
    ValueError
        If there is no such norm.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([[3.0, 0.0], [0.0, -4.0]])
    >>> [ac.linalg.matrix_norm(x, ord=ord).item() for ord in ("fro", "nuc", 2, 1)]
    [5.0, 7.0, 4.0, 4.0]
    """
    x, keepdims = matrices("matrix_norm", "x", x), checked_flag("matrix_norm", "keepdims", keepdims)
    y = _matrix("matrix_norm", x, ord)
    return expand_dims(expand_dims(y, -1), -1) if keepdims else y


def _matrix(op: str, x: Tensor, ord: float | str) -> Tensor:
    known = ord if isinstance(ord, str) else checked_number(op, "ord", ord, 'a number, "fro" or "nuc"')
    if known == "fro":
        return _two(x, axis=(-2, -1))
    if known in ("nuc", 2, -2):
        s = svdvals(x)
        if s.shape[-1]:
            n = x.shape[-1] if x.shape[-1] > x.shape[-2] else x.shape[-2]
            s = where(is_small(s, largest(s, -1), n), multiply(0.0, s), s)
        return sum(s, axis=-1) if known == "nuc" else _largest(s, -1) if known == 2 else min(s, axis=-1)
    if known in (1, -1, math.inf, -math.inf):
        sums = sum(abs(x), axis=-2 if known in (1, -1) else -1)
        return _largest(sums, -1) if known > 0 else min(sums, axis=-1)
    raise ValueError(f'{op}: ord must be "fro", "nuc", 1, -1, 2, -2, inf or -inf; got {shown(ord)}')


def norm(x: TensorLike, /, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """NumPy's ``norm``: of vectors along one axis, of matrices along two, or of all entries.

    Parameters
    ----------
    x : Tensor
    ord : number or text, optional
        That of :func:`vector_norm` or :func:`matrix_norm`; the Euclidean norm unless said.
    axis : int, pair of int or None
        The axis of vectors, or rows and columns of matrices. None: x is one vector or one matrix; without ``ord``, all
        entries of any shape.
    keepdims : bool
        Whether these axes stay, of size 1.

    Returns
    -------
    Tensor

    Gradient, Accuracy
        As of the two.

    Raises
    ------
    ShapeError
        If x is neither a vector nor a matrix and the axes are not given, or more than two are.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.norm(ac.tensor([[3.0, 0.0], [0.0, -4.0]]), ord="nuc")
    Tensor(7., dtype=float32)
    """
    x, keepdims = floating(x), checked_flag("norm", "keepdims", keepdims)
    if ord is None:
        return _two(x, axis=axis, keepdims=keepdims)
    axes = tuple(range(x.ndim)) if axis is None else _axes("norm", axis, x.ndim)
    if len(axes) == 1 and not isinstance(ord, str):
        return _vector(x, axes, keepdims, checked_number("norm", "ord", ord))
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ShapeError(f"norm: ord {shown(ord)} needs one axis or two; got axis {axis} of shape {x.shape}")
    y = _matrix("norm", moveaxis(x, axes, (-2, -1)), ord)
    return reshape(y, tuple(1 if i in axes else n for i, n in enumerate(x.shape))) if keepdims else y


def cond(x: TensorLike, /, p: float | str | None = None) -> Tensor:
    """The condition number: how many times a relative error may grow in solving a system.

    Parameters
    ----------
    x : Tensor, shape (..., N, N), or (..., M, N) for p = 2 and -2
    p : number or text, optional
        The norm of ``|x| |x⁻¹|``, as of :func:`matrix_norm`. 2, also if nothing is said: the largest singular value by
        the smallest.

    Returns
    -------
    Tensor, shape (...)
        inf of singular matrices for p = 2, and of 0 for p = -2.

    Gradient
        That of the singular values, or of the norms.

    Accuracy
        As the singular values, or the inverse.

    Raises
    ------
    LinAlgError
        If the matrix is singular and p is not 2 or -2.
    ShapeError
        If x is not square, where it has to be.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.cond(ac.tensor([[4.0, 0.0], [0.0, 2.0]]))
    Tensor(2., dtype=float32)
    """
    if p is None or (not isinstance(p, str) and checked_number("cond", "p", p) in (2, -2)):
        s = svdvals(matrices("cond", "x", x))
        if s.shape[-1] == 0:
            raise ShapeError("cond: at least one row and one column are needed; got none")
        first, last = (s[..., -1], s[..., 0]) if p == -2 else (s[..., 0], s[..., -1])
        return divide(where(equal(s[..., 0], 0.0), 1.0, first), last)  # of no singular value that is not 0, too, inf
    x = square("cond", "x", x)
    return multiply(_matrix("cond", x, p), _matrix("cond", inv(x), p))
