"""Linear systems, inverses and determinants of square matrices, all by way of an LU factorisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..ops._elementwise import aligned
from ..ops._reducing import broadcast_batch
from ..ops.arithmetic import multiply, negative, strong_mul, subtract
from ..ops.broadcasting import sum_to
from ..ops.creation import zeros_like
from ..ops.linalg import matmul
from ..ops.reduction import sum
from ..ops.views import expand_dims, matrix_transpose, reshape
from ..primitive import Primitive
from ._matrices import batched_in_front, square, system

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["SlogdetResult", "det", "inv", "slogdet", "solve"]

# (a; regular): L and U in one matrix, stored by columns, and the order of the rows. What is computed from them has a
# as an input of its own, and its derivative from that: nothing is differentiated through the factors.
_lu_factor = Primitive("lu_factor", saves=(), differentiable=False)
# (a, b, factors, permutation; transposed): x of op(a) x = b.
_lu_solve = Primitive("lu_solve", saves=(0, 2, 3, "ans"))
# (a, b; transposed): the same in one step, for matrices so small that a factorisation costs less than to keep it.
_solve = Primitive("solve", saves=(0, "ans"))
_SMALL = 16
# (a; regular): of singular matrices an error if they must be regular, else NaN.
_inv = Primitive("inv", saves=("ans",))
_det = Primitive("det", saves=(0,))
_cofactor = Primitive("cofactor", saves=(0, "ans"))
_slogdet = Primitive("slogdet", saves=(0,))


def _other_way(a: Tensor, g: Tensor, lu: Sequence[Tensor], transposed: bool) -> Tensor:
    """What the adjoint of a system gives: the factors, if there are any, are the same."""
    x: Tensor = _lu_solve(a, g, *lu, not transposed) if lu else _solve(a, g, not transposed)
    return x


def _solve_by_a(g: Tensor, ans: Tensor, a: Tensor, b: Tensor, *factors: Any) -> Tensor:
    *lu, transposed = factors
    flow = _other_way(a, g, lu, transposed)
    left, right = (ans, flow) if transposed else (flow, ans)
    return sum_to(negative(matmul(left, matrix_transpose(right))), a.shape)


def _solve_by_b(g: Tensor, ans: Tensor, a: Tensor, b: Tensor, *factors: Any) -> Tensor:
    *lu, transposed = factors
    return sum_to(_other_way(a, g, lu, transposed), b.shape)


def _solve_along_a(t: Tensor, ans: Tensor, a: Tensor, b: Tensor, *factors: Any) -> Tensor:
    moved = matmul(matrix_transpose(t) if factors[-1] else t, ans)
    return negative((_lu_solve if len(factors) > 1 else _solve)(a, moved, *factors))


def _solve_batched(batched: Sequence[bool], inputs: Sequence[Tensor], transposed: bool) -> Tensor:
    """The factors come in a batch if a does."""
    own = (batched[0], *batched[2:])
    a, b, *lu = inputs
    if any(own):
        a, *lu = broadcast_batch(own, [a, *lu])
    a, b = aligned((any(own), batched[1]), (a, b))  # which may put axes between the batch and those of one example
    factors, permutation = reshape(lu[0], a.shape), reshape(lu[1], a.shape[:-1])
    x: Tensor = _lu_solve(a, b, factors, permutation, transposed)
    return x


_lu_factor.defbatch(lambda batched, inputs, regular: _lu_factor(*inputs, regular))
_lu_solve.defvjp(_solve_by_a, _solve_by_b, None, None)
_lu_solve.defjvp(_solve_along_a, lambda t, ans, a, b, *factors: _lu_solve(a, t, *factors), None, None)
_lu_solve.defbatch(_solve_batched)
_solve.defvjp(_solve_by_a, _solve_by_b)
_solve.defjvp(_solve_along_a, lambda t, ans, a, b, transposed: _solve(a, t, transposed))
batched_in_front(_solve)


def _inv_vjp(g: Tensor, ans: Tensor, a: Tensor, regular: bool) -> Tensor:
    turned = matrix_transpose(ans)
    return negative(matmul(matmul(turned, g), turned))


_inv.defvjp(_inv_vjp)
_inv.defjvp(lambda t, ans, a, regular: negative(matmul(matmul(ans, t), ans)))


def _slope(a: Tensor) -> Tensor:
    """The gradient of log |det a|; NaN of singular matrices, which a cotangent of 0 does not see."""
    return matrix_transpose(_inv(a, False))


def _per_matrix(g: Tensor) -> Tensor:
    return expand_dims(expand_dims(g, -1), -1)


def _cofactor_vjp(c: Tensor, ans: Tensor, a: Tensor) -> Tensor:
    n = a.shape[-1]
    if n == 1:
        return zeros_like(a)
    if n == 2:  # of two rows they are the entries themselves, moved
        return _cofactor(c)
    turned = matrix_transpose(_inv(a, True))
    inner = _per_matrix(sum(multiply(c, ans), axis=(-2, -1)))
    return subtract(multiply(inner, turned), matmul(matmul(ans, matrix_transpose(c)), turned))


# Its derivative is symmetric: that of the gradient of a determinant.
_cofactor.defvjp(_cofactor_vjp)
_cofactor.defjvp(_cofactor_vjp)
_det.defvjp(lambda g, ans, a: strong_mul(_per_matrix(g), _cofactor(a)))
_det.defjvp(lambda t, ans, a: sum(strong_mul(t, _cofactor(a)), axis=(-2, -1)))
_slogdet.defvjp(lambda g, ans, a: strong_mul(_per_matrix(g[1]), _slope(a)))
_slogdet.defjvp(lambda t, ans, a: (None, sum(strong_mul(t, _slope(a)), axis=(-2, -1))))
batched_in_front(_inv, _det, _cofactor, _slogdet)


def solve(a: TensorLike, b: TensorLike, /) -> Tensor:
    """x of ``a x = b``.

    Parameters
    ----------
    a : Tensor, shape (..., N, N)
        Regular matrices.
    b : Tensor, shape (..., N, K) or (N,)
        Right-hand sides; only what has one axis is a vector. Leading axes of a and b broadcast.

    Returns
    -------
    Tensor, shape (..., N, K) or (..., N)

    Gradient
        ``h = a⁻ᵀ g`` of b, and ``-h xᵀ`` of a; the factorisation of a large matrix serves derivatives of every order.

    Accuracy
        Backward stable in practice (LU with partial pivoting): the error of x is about the condition number of a times
        the unit roundoff.

    Raises
    ------
    LinAlgError
        If a matrix is singular, with its place in the batch.
    ShapeError
        If a is not square, or b has another number of rows.

    Source: Giles, "Collected matrix derivative results", 2008.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.solve(ac.tensor([[3.0, 1.0], [1.0, 2.0]]), ac.tensor([9.0, 8.0]))
    Tensor([2., 3.], dtype=float32)
    """

    def by_factors(a: Tensor, b: Tensor) -> Tensor:
        small = a.shape[-1] <= _SMALL
        x: Tensor = _solve(a, b, False) if small else _lu_solve(a, b, *_lu_factor(a, True), False)
        return x

    return system("solve", a, b, by_factors)


def inv(x: TensorLike, /) -> Tensor:
    """The inverse: ``x inv(x) = 1``.

    For products with an inverse, :func:`solve` is quicker and more accurate.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)
        Regular matrices.

    Returns
    -------
    Tensor, shape (..., N, N)

    Gradient
        ``-yᵀ g yᵀ``, y the inverse.

    Accuracy
        As :func:`solve`.

    Raises
    ------
    LinAlgError
        If a matrix is singular, with its place in the batch.
    ShapeError
        If x is not square.

    Source: Giles, "Collected matrix derivative results", 2008.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.inv(ac.tensor([[2.0, 0.0], [0.0, 4.0]]))
    Tensor([[0.5 , 0.  ],
            [0.  , 0.25]], dtype=float32)
    """
    y: Tensor = _inv(square("inv", "x", x), True)
    return y


def det(x: TensorLike, /) -> Tensor:
    """The determinant; 1 of a matrix without rows.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)

    Returns
    -------
    Tensor, shape (...)

    Gradient
        The matrix of cofactors, of singular matrices too. Derivatives of second order need regular matrices, from three
        rows on.

    Accuracy
        That of a product of N pivots; does not overflow on the way to a finite result.

    Raises
    ------
    ShapeError
        If x is not square.
    LinAlgError
        From derivatives of second order, where x is singular.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.det(ac.tensor([[1.0, 2.0], [3.0, 4.0]]))
    Tensor(-2., dtype=float32)
    """
    y: Tensor = _det(square("det", "x", x))
    return y


class SlogdetResult(NamedTuple):
    """Sign and logarithm of the absolute value of a determinant."""

    sign: Tensor
    logabsdet: Tensor


def slogdet(x: TensorLike, /) -> SlogdetResult:
    """Sign and logarithm of a determinant, which itself may be too large or too small: ``det = sign exp(logabsdet)``.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)

    Returns
    -------
    SlogdetResult, a named tuple (sign, logabsdet) of Tensors of shape (...)
        0 and -inf of singular matrices.

    Gradient
        ``g x⁻ᵀ`` of the logarithm, 0 of the sign; NaN where x is singular, unless g is 0.

    Accuracy
        As the product of the pivots of :func:`solve`.

    Raises
    ------
    ShapeError
        If x is not square.

    Examples
    --------
    >>> import alice_core as ac
    >>> sign, logabsdet = ac.linalg.slogdet(ac.tensor([[0.0, 2.0], [2.0, 0.0]]))
    >>> sign.item(), round(logabsdet.item(), 4)
    (-1.0, 1.3863)
    """
    return SlogdetResult(*_slogdet(square("slogdet", "x", x)))
