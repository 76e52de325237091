"""Positive definite matrices: the Cholesky factor, and systems that it solves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..checks import checked_flag
from ..ops.arithmetic import add, multiply, subtract
from ..ops.broadcasting import sum_to
from ..ops.diagonals import tril
from ..ops.linalg import matmul
from ..ops.views import matrix_transpose
from ..primitive import Primitive
from ._matrices import batched_in_front, matrices, square, symmetric, system
from .triangular import _solve_triangular

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["cho_solve", "cholesky"]

_cholesky = Primitive("cholesky", saves=("ans",))
# (g, l): the cotangent of a = l lᵀ, symmetric, from that of l. Of both only the lower half is read.
_cholesky_vjp = Primitive("cholesky_vjp", saves=(0, 1, "ans"))


def _phi(x: Tensor) -> Tensor:
    """The lower triangle, half of the diagonal."""
    return multiply(add(tril(x), tril(x, -1)), 0.5)


def _forwards(factor: Tensor, x: Tensor) -> Tensor:
    """L⁻¹ X."""
    return _solve_triangular(factor, x, True, False, False)


def _backwards(factor: Tensor, x: Tensor) -> Tensor:
    """L⁻ᵀ X."""
    return _solve_triangular(factor, x, True, True, False)


def _push(t: Tensor, factor: Tensor) -> Tensor:
    """The tangent of the factor, from that of the matrix: L Φ(L⁻¹ T L⁻ᵀ)."""
    return matmul(factor, _phi(_forwards(factor, matrix_transpose(_forwards(factor, symmetric(t))))))


def _vjp_by_l(c: Tensor, ans: Tensor, g: Tensor, factor: Tensor) -> Tensor:
    c = symmetric(c)
    between = _phi(_forwards(factor, matrix_transpose(_forwards(factor, c))))
    outside = matrix_transpose(_forwards(factor, matmul(c, ans)))
    flow = subtract(matmul(tril(g), matrix_transpose(between)), multiply(outside, 2.0))
    return sum_to(tril(flow), factor.shape)


def _vjp_along_l(t: Tensor, ans: Tensor, g: Tensor, factor: Tensor) -> Tensor:
    t = tril(t)
    between = symmetric(_phi(matmul(matrix_transpose(t), tril(g))))
    inside = _backwards(factor, matrix_transpose(_backwards(factor, between)))
    outside = _backwards(factor, matmul(matrix_transpose(t), ans))
    return subtract(inside, add(outside, matrix_transpose(outside)))


_cholesky.defvjp(lambda g, ans, a: _cholesky_vjp(g, ans))
_cholesky.defjvp(lambda t, ans, a: _push(t, ans))
_cholesky_vjp.defvjp(lambda c, ans, g, factor: sum_to(_push(c, factor), g.shape), _vjp_by_l)
_cholesky_vjp.defjvp(lambda t, ans, g, factor: _cholesky_vjp(t, factor), _vjp_along_l)
batched_in_front(_cholesky, _cholesky_vjp)


def cholesky(x: TensorLike, /, *, upper: bool = False) -> Tensor:
    """The triangular factor of a symmetric positive definite matrix: ``x = L Lᵀ``.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)
        Read as its symmetric part, (x + xᵀ) / 2, which a symmetric matrix is itself.
    upper : bool
        Whether to return ``Lᵀ``, with ``x = (Lᵀ)ᵀ Lᵀ``.

    Returns
    -------
    Tensor, shape (..., N, N)
        L with a positive diagonal, zeros above it.

    Gradient
        Symmetric, in about twice the time of the factor and without an inverse.

    Accuracy
        Backward stable: ``L Lᵀ`` differs from x by (N + 1) units of roundoff of its diagonal at most.

    Raises
    ------
    LinAlgError
        If a matrix is not positive definite, or so nearly singular that rounding makes it so: with the order of the
        first leading minor that is not positive, and the place of the matrix in the batch.
    ShapeError
        If x is not square.

    Source: Murray, "Differentiation of the Cholesky decomposition", 2016.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.cholesky(ac.tensor([[4.0, 2.0], [2.0, 10.0]]))
    Tensor([[2., 0.],
            [1., 3.]], dtype=float32)
    """
    factor: Tensor = _cholesky(square("cholesky", "x", x))
    return matrix_transpose(factor) if checked_flag("cholesky", "upper", upper) else factor


def cho_solve(factor: TensorLike, b: TensorLike, /, *, upper: bool = False) -> Tensor:
    """x of ``a x = b``, from the Cholesky factor of a.

    Parameters
    ----------
    factor : Tensor, shape (..., N, N)
        As :func:`cholesky` returns it; the other half is not read.
    b : Tensor, shape (..., N, K) or (N,)
        Right-hand sides; leading axes broadcast.
    upper : bool
        Whether the factor is the upper one.

    Returns
    -------
    Tensor, shape (..., N, K) or (..., N)

    Gradient
        That of two triangular systems.

    Accuracy
        Backward stable, as :func:`solve_triangular`.

    Raises
    ------
    ShapeError
        If the factor is not square, or b has another number of rows.

    Examples
    --------
    >>> import alice_core as ac
    >>> factor = ac.linalg.cholesky(ac.tensor([[4.0, 2.0], [2.0, 10.0]]))
    >>> ac.linalg.cho_solve(factor, ac.tensor([6.0, 12.0]))
    Tensor([1., 1.], dtype=float32)
    """
    lower = not checked_flag("cho_solve", "upper", upper)
    factor = matrices("cho_solve", "factor", factor)

    def solve(factor: Tensor, b: Tensor) -> Tensor:
        y = _solve_triangular(factor, b, lower, not lower, False)
        x: Tensor = _solve_triangular(factor, y, lower, lower, False)
        return x

    return system("cho_solve", factor, b, solve)
