"""QR and LU: matrices as products of simpler ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..checks import checked_choice
from ..errors import GradientError
from ..ops.arithmetic import add, subtract
from ..ops.broadcasting import sum_to
from ..ops.comparison import equal
from ..ops.creation import eye
from ..ops.diagonals import tril, triu
from ..ops.indexing import take_along_axis
from ..ops.joining import concat
from ..ops.linalg import matmul
from ..ops.selection import astype
from ..ops.views import expand_dims, matrix_transpose
from ..primitive import Primitive
from ..tensors import asarray
from ._matrices import batched_in_front, matrices, wide
from .systems import _lu_factor
from .triangular import _solve_triangular

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["LUResult", "QRResult", "lu", "qr"]

_qr = Primitive("qr", saves=("ans",))
# (a, factors): the factors of a square matrix whose rows need no exchange, L below U, which are known already.
_lu = Primitive("lu", saves=("ans",))


def _beside_upper(x: Tensor, r: Tensor) -> Tensor:
    """X R⁻¹."""
    return matrix_transpose(_solve_triangular(r, matrix_transpose(x), False, True, False))


def _beside_upper_turned(x: Tensor, r: Tensor) -> Tensor:
    """X R⁻ᵀ."""
    return matrix_transpose(_solve_triangular(r, matrix_transpose(x), False, False, False))


# -- QR of matrices with as many rows as columns, or more ------------------------------------------------------------


def _refuse_complete(a: Tensor, complete: bool) -> None:
    if complete and a.shape[-2] != a.shape[-1]:
        raise GradientError(
            f'qr: the further columns of mode="complete" have no derivative; got shape {a.shape}; use mode="reduced"; '
            f"1 - Q Qᵀ projects on their space"
        )


def _qr_vjp(g: tuple[Tensor, Tensor], ans: tuple[Tensor, Tensor], a: Tensor, complete: bool) -> Tensor:
    _refuse_complete(a, complete)
    (gq, gr), (q, r) = g, ans
    m = subtract(matmul(r, matrix_transpose(gr)), matmul(matrix_transpose(gq), q))
    mirrored = add(tril(m), matrix_transpose(tril(m, -1)))
    return _beside_upper_turned(add(gq, matmul(q, mirrored)), r)


def _qr_jvp(t: Tensor, ans: tuple[Tensor, Tensor], a: Tensor, complete: bool) -> tuple[Tensor, Tensor]:
    _refuse_complete(a, complete)
    q, r = ans
    moved = _beside_upper(t, r)
    inner = matmul(matrix_transpose(q), moved)
    below = tril(inner, -1)
    upper = add(triu(inner), matrix_transpose(below))  # inner without its turning part
    return subtract(moved, matmul(q, upper)), matmul(upper, r)


_qr.defvjp(_qr_vjp)
_qr.defjvp(_qr_jvp)

# -- LU --------------------------------------------------------------------------------------------------------------


def _lower(factors: Tensor) -> Tensor:
    return add(tril(factors, -1), eye(factors.shape[-1], dtype=factors.dtype))


def _lu_vjp(g: Tensor, ans: Tensor, a: Tensor, factors: Tensor) -> Tensor:
    lower, u = _lower(ans), triu(ans)
    inner = add(tril(matmul(matrix_transpose(lower), tril(g, -1)), -1), triu(matmul(triu(g), matrix_transpose(u))))
    return sum_to(_beside_upper_turned(_solve_triangular(ans, inner, True, True, True), ans), a.shape)


def _lu_jvp(t: Tensor, ans: Tensor, a: Tensor, factors: Tensor) -> Tensor:
    inner = _beside_upper(_solve_triangular(ans, t, True, False, True), ans)
    return add(matmul(_lower(ans), tril(inner, -1)), matmul(triu(inner), triu(ans)))


_lu.defvjp(_lu_vjp, None)
_lu.defjvp(_lu_jvp, None)
batched_in_front(_qr, _lu)


class QRResult(NamedTuple):
    """Orthonormal columns and an upper triangular matrix."""

    Q: Tensor
    R: Tensor


class LUResult(NamedTuple):
    """A permutation, a lower and an upper triangular matrix."""

    P: Tensor
    L: Tensor
    U: Tensor


def qr(x: TensorLike, /, *, mode: str = "reduced") -> QRResult:
    """QR factorisation: ``x = Q R`` with orthonormal columns and an upper triangle.

    Parameters
    ----------
    x : Tensor, shape (..., M, N)
    mode : "reduced" or "complete"
        Whether Q has K = min(M, N) columns, or M.

    Returns
    -------
    QRResult, a named tuple of Tensors
        ``Q``, shape (..., M, K), and ``R``, shape (..., K, N). The diagonal of R may be negative.

    Gradient
        Exists where the first K columns of x are independent; elsewhere infinities or NaN. The further columns of
        ``mode="complete"`` have none, being any basis of a space; the projection on that has: ``1 - Q Qᵀ`` of the
        others.

    Accuracy
        Backward stable (Householder reflections).

    Raises
    ------
    GradientError
        If ``mode="complete"`` of a matrix that is not square is differentiated.
    ShapeError
        If x has fewer than 2 dimensions.

    Source: Walter and Lehmann, "Algorithmic differentiation of linear algebra functions", 2010.

    Examples
    --------
    >>> import alice_core as ac
    >>> q, r = ac.linalg.qr(ac.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> abs(r[0, 0].item())
    5.0
    """
    x = matrices("qr", "x", x)
    complete = checked_choice("qr", "mode", mode, ("reduced", "complete")) == "complete"
    m, n = x.shape[-2:]
    if m >= n:
        return QRResult(*_qr(x, complete and m != n))
    q, r = _qr(x[..., :m], False)  # further columns only turn with the first
    return QRResult(q, concat([r, matmul(matrix_transpose(q), x[..., m:])], axis=-1))


def lu(x: TensorLike, /) -> LUResult:
    """LU factorisation with partial pivoting: ``x = P L U``.

    Parameters
    ----------
    x : Tensor, shape (..., M, N)

    Returns
    -------
    LUResult, a named tuple of Tensors
        ``P``, shape (..., M, M), a permutation matrix; ``L``, shape (..., M, K), lower triangular with ones on the
        diagonal; ``U``, shape (..., K, N), upper triangular; K = min(M, N).

    Gradient
        Of L and U, where the first K columns of x are independent; 0 of P.

    Accuracy
        Backward stable in practice.

    Raises
    ------
    ShapeError
        If x has fewer than 2 dimensions.

    Source: de Hoog, Anderssen and Lukas, "Differentiation of matrix functionals using triangular factorization", 2011.

    Examples
    --------
    >>> import alice_core as ac
    >>> p, l, u = ac.linalg.lu(ac.tensor([[1.0, 2.0], [2.0, 2.0]]))
    >>> u
    Tensor([[2., 2.],
            [0., 1.]], dtype=float32)
    """
    x = matrices("lu", "x", x)
    dtype, (x,) = wide(x)
    m, n = x.shape[-2:]
    k = m if m < n else n
    packed, rows = _lu_factor(x, False)
    p = astype(equal(expand_dims(asarray(np.arange(m)), -1), expand_dims(rows, -2)), dtype)
    moved = take_along_axis(x, expand_dims(rows, -1), axis=-2)
    factors = _lu(moved[..., :k, :k], matrix_transpose(packed)[..., :k, :k])
    lower, u = _lower(factors), triu(factors)
    if m > k:
        lower = concat([lower, _beside_upper(moved[..., k:, :], factors)], axis=-2)
    if n > k:
        u = concat([u, _solve_triangular(factors, moved[..., k:], True, False, True)], axis=-1)
    return LUResult(p, astype(lower, dtype), astype(u, dtype))
