"""What singular values make of a matrix that has no inverse: the pseudoinverse, least squares, ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..checks import checked_number
from ..errors import ShapeError
from ..ops.arithmetic import add, multiply, subtract
from ..ops.broadcasting import sum_to
from ..ops.comparison import greater
from ..ops.extremes import max
from ..ops.linalg import matmul
from ..ops.reduction import sum
from ..ops.selection import astype
from ..ops.views import expand_dims, matrix_transpose, squeeze
from ..primitive import Primitive
from ..tensors import float64, int64
from ._matrices import batched_in_front, floating, matrices, wide
from .singular import _svdvals, svdvals

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["LstsqResult", "lstsq", "matrix_rank", "pinv"]

_pinv = Primitive("pinv", saves=(0, "ans"))
_lstsq = Primitive("lstsq", saves=(0, 1, "ans"))

# -- the pseudoinverse X, along matrices of one rank -----------------------------------------------------------------


def _outside(x: Tensor, a: Tensor, y: Tensor) -> Tensor:
    """(1 - X A) Y."""
    return subtract(y, matmul(x, matmul(a, y)))


def _pinv_vjp(g: Tensor, ans: Tensor, a: Tensor, rtol: float) -> Tensor:
    turned, flow = matrix_transpose(ans), matrix_transpose(g)
    inside = matmul(matmul(turned, g), turned)
    below = matmul(matmul(flow, ans), turned)
    beside = matmul(matmul(turned, ans), flow)
    return subtract(
        add(subtract(below, matmul(a, matmul(ans, below))), subtract(beside, matmul(matmul(beside, ans), a))), inside
    )


def _pinv_jvp(t: Tensor, ans: Tensor, a: Tensor, rtol: float) -> Tensor:
    turned, moved = matrix_transpose(ans), matrix_transpose(t)
    inside = matmul(matmul(ans, t), ans)
    below = matmul(ans, matmul(turned, moved))
    beside = matmul(matmul(moved, turned), ans)
    return subtract(add(subtract(below, matmul(matmul(below, a), ans)), _outside(ans, a, beside)), inside)


_pinv.defvjp(_pinv_vjp)
_pinv.defjvp(_pinv_jvp)

# -- least squares ---------------------------------------------------------------------------------------------------


def _lstsq_by_a(g: tuple[Tensor, Tensor], ans: tuple[Tensor, Tensor], a: Tensor, b: Tensor, rtol: float) -> Tensor:
    x, inverse = ans[0], _pinv(a, rtol)
    turned = matrix_transpose(inverse)
    flow = matmul(turned, g[0])
    residual = subtract(b, matmul(a, x))
    through = matmul(residual, matrix_transpose(matmul(inverse, flow)))
    around = matmul(matmul(turned, x), matrix_transpose(_outside(inverse, a, g[0])))
    return sum_to(subtract(add(through, around), matmul(flow, matrix_transpose(x))), a.shape)


def _lstsq_by_b(g: tuple[Tensor, Tensor], ans: tuple[Tensor, Tensor], a: Tensor, b: Tensor, rtol: float) -> Tensor:
    return sum_to(matmul(matrix_transpose(_pinv(a, rtol)), g[0]), b.shape)


def _lstsq_along_a(t: Tensor, ans: tuple[Tensor, Tensor], a: Tensor, b: Tensor, rtol: float) -> tuple[Tensor, None]:
    x, inverse = ans[0], _pinv(a, rtol)
    turned, moved = matrix_transpose(inverse), matrix_transpose(t)
    through = matmul(turned, matmul(moved, subtract(b, matmul(a, x))))
    around = _outside(inverse, a, matmul(moved, matmul(turned, x)))
    return add(matmul(inverse, subtract(through, matmul(t, x))), around), None


_lstsq.defvjp(_lstsq_by_a, _lstsq_by_b)
_lstsq.defjvp(_lstsq_along_a, lambda t, ans, a, b, rtol: (matmul(_pinv(a, rtol), t), None))
batched_in_front(_pinv, _lstsq)


# -- functions -------------------------------------------------------------------------------------------------------


class LstsqResult(NamedTuple):
    """A least-squares solution and what it tells of the system."""

    x: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


def _relative(op: str, x: Tensor, rtol: float | None) -> float:
    """Which singular values count, as a share of the largest."""
    if rtol is not None:
        return checked_number(op, "rtol", rtol)
    unit = np.finfo(np.float64 if x.dtype == float64 else np.float32).eps
    m, n = x.shape[-2:]
    return float(unit) * (m if m > n else n)


def pinv(x: TensorLike, /, *, rtol: float | None = None) -> Tensor:
    """The Moore-Penrose pseudoinverse: of all matrices that solve ``x y = 1`` best, the smallest.

    Parameters
    ----------
    x : Tensor, shape (..., M, N)
    rtol : float, optional
        Singular values of at most ``rtol`` times the largest count as 0; max(M, N) units of roundoff unless said.

    Returns
    -------
    Tensor, shape (..., N, M)

    Gradient
        That along matrices of the rank of x; where a change of x changes the rank, there is none.

    Accuracy
        Backward stable; errors grow with the ratio of the singular values that count.

    Raises
    ------
    LinAlgError
        If the matrix is not finite.
    ShapeError
        If x has fewer than 2 dimensions.

    Source: Golub and Pereyra, "The differentiation of pseudo-inverses", 1973.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.pinv(ac.tensor([[1.0, 1.0], [1.0, 1.0]]))
    Tensor([[0.25, 0.25],
            [0.25, 0.25]], dtype=float32)
    """
    x = matrices("pinv", "x", x)
    y: Tensor = _pinv(x, _relative("pinv", x, rtol))
    return y


def lstsq(a: TensorLike, b: TensorLike, /, *, rtol: float | None = None) -> LstsqResult:
    """The x that makes ``|a x - b|`` least, and of several the one of least norm.

    Parameters
    ----------
    a : Tensor, shape (..., M, N)
    b : Tensor, shape (..., M, K) or (M,)
        Leading axes of a and b broadcast.
    rtol : float, optional
        As of :func:`pinv`.

    Returns
    -------
    LstsqResult, a named tuple of Tensors
        ``x``, shape (..., N, K) or (..., N); ``residuals``, the squared length of what is left of each column of b,
        shape (..., K) or (...); ``rank``, int64, shape (...); ``singular_values`` of a, shape (..., min(M, N)).

    Gradient
        As of :func:`pinv`.

    Accuracy
        As of :func:`pinv`.

    Raises
    ------
    LinAlgError
        If a is not finite.
    ShapeError
        If b has another number of rows than a.

    Source: Golub and Pereyra, "The differentiation of pseudo-inverses", 1973.

    Examples
    --------
    >>> import alice_core as ac
    >>> a = ac.tensor([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> x, residuals, rank, _ = ac.linalg.lstsq(a, ac.tensor([1.0, 3.0, 5.0]))
    >>> [round(v, 5) for v in x.tolist()], rank.item()
    ([1.0, 2.0], 2)
    """
    a, b = matrices("lstsq", "a", a), floating(b)
    vector = b.ndim == 1
    if b.ndim == 0 or b.shape[-1 if vector else -2] != a.shape[-2]:
        raise ShapeError(f"lstsq: a and b must have as many rows; got a {a.shape}, b {b.shape}")
    dtype, (a, b) = wide(a, expand_dims(b, -1) if vector else b)
    x, rank = _lstsq(a, b, _relative("lstsq", a, rtol))
    left = subtract(b, matmul(a, x))
    residuals = sum(multiply(left, left), axis=-2)
    if vector:
        x, residuals = squeeze(x, -1), squeeze(residuals, -1)
    found = (astype(y, dtype) for y in (x, residuals, _svdvals(a)))
    return LstsqResult(next(found), next(found), astype(rank, int64), next(found))


def matrix_rank(x: TensorLike, /, *, rtol: float | None = None) -> Tensor:
    """How many singular values count.

    Parameters
    ----------
    x : Tensor, shape (..., M, N)
    rtol : float, optional
        As of :func:`pinv`.

    Returns
    -------
    Tensor, shape (...), int64

    Raises
    ------
    LinAlgError
        If the matrix is not finite.
    ShapeError
        If x has fewer than 2 dimensions.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.matrix_rank(ac.ones((3, 3)))
    Tensor(1, dtype=int64)
    """
    x = matrices("matrix_rank", "x", x)
    s = svdvals(x)
    share = _relative("matrix_rank", x, rtol)
    if s.shape[-1] == 0:
        return sum(astype(s, int64), axis=-1)
    return sum(astype(greater(s, multiply(max(s, axis=-1, keepdims=True), share)), int64), axis=-1)
