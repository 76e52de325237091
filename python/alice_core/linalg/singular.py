"""Singular values and singular vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..checks import checked_flag
from ..errors import GradientError
from ..ops.arithmetic import add, multiply, subtract
from ..ops.comparison import logical_and, logical_not, logical_or
from ..ops.creation import is_zero, zeros
from ..ops.linalg import matmul
from ..ops.reduction import sum
from ..ops.selection import maximum
from ..ops.views import expand_dims, matrix_transpose
from ..primitive import Primitive
from ..transforms.custom import asks_for, custom_primitive
from ._matrices import batched_in_front, matrices
from ._nearly_equal import apart, largest
from ._spaces import asked, close_pairs, lost, split, swept, unknown, vanishing

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["SVDResult", "svd", "svdvals"]

_svd = Primitive("svd", saves=("ans",))
_svdvals = Primitive("svdvals", saves=(0,))


def _columns(u: Tensor, s: Tensor) -> Tensor:
    """U diag(s)."""
    return multiply(u, expand_dims(s, -2))


def _pairs(s: Tensor) -> tuple[Tensor, Tensor]:
    """s_j - s_i and s_j + s_i at [i, j]."""
    rows, cols = expand_dims(s, -2), expand_dims(s, -1)
    return subtract(rows, cols), add(rows, cols)


def _refuse_full(full: bool, a: Tensor) -> None:
    if full and a.shape[-1] != a.shape[-2]:
        raise GradientError(
            f"svd: the further vectors of full_matrices=True have no derivative; got shape {a.shape}; "
            f"use full_matrices=False; 1 - U Uᵀ projects on their space"
        )


# -- U diag(g) Vᵀ, the gradient of a function of the singular values of A: U, s and V are its own, and read alone ------


def _singular_value(g: Tensor, a: Tensor, u: Tensor, s: Tensor, vh: Tensor) -> Tensor:
    return matmul(_columns(u, g), vh)


def _close(s: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs of values are close, and which of these are both 0."""
    difference, total = _pairs(s)
    close = close_pairs(s, difference)
    return close, logical_and(close, vanishing(total, s))


def _turning(
    x: Tensor, g: Tensor, u: Tensor, s: Tensor, vh: Tensor, missing: Tensor | None, missing_at_0: bool
) -> Tensor:
    """The derivative of U diag(g) Vᵀ along X but for that by g, its own adjoint; see :func:`swept`.

    At 0, vectors that belong to no value take part.
    """
    v, turned = matrix_transpose(vh), matrix_transpose(u)
    right, left = matmul(x, v), matmul(matrix_transpose(x), u)
    inner = matmul(turned, right)
    (difference, total), (change, sums), (close, both) = _pairs(s), _pairs(g), _close(s)
    scale = maximum(largest(right, -2, -1), largest(left, -2, -1))
    even, odd = (multiply(f(inner, matrix_transpose(inner)), 0.5) for f in (add, subtract))
    between = add(
        swept(even, change, difference, g, close, missing, scale),
        swept(odd, sums, total, g, both, both if missing_at_0 else None, scale),
    )

    def outside(y: Tensor, vectors: Tensor, own: Tensor) -> Tensor:
        row = expand_dims(s, -2)
        none = vanishing(row, s)
        y = subtract(y, matmul(vectors, own))
        return swept(y, expand_dims(g, -2), row, g, none, none if missing_at_0 else None, scale)

    flow = matmul(matmul(u, between), vh)
    if x.shape[-2] > s.shape[-1]:
        flow = add(flow, matmul(outside(right, u, inner), vh))
    if x.shape[-1] > s.shape[-1]:
        flow = add(flow, matmul(u, matrix_transpose(outside(left, v, matrix_transpose(inner)))))
    return flow


def _singular_vjp(
    c: Tensor, ans: Tensor, g: Tensor, a: Tensor, u: Tensor, s: Tensor, vh: Tensor
) -> tuple[Tensor | None, ...]:
    by_g = sum(multiply(u, matmul(c, matrix_transpose(vh))), axis=-2)
    if c.size == 0:
        return by_g, c, None, None, None
    # How a g that is followed depends on the values, nobody says here.
    followed = asks_for(0, (g, a, u, s, vh))
    return by_g, _turning(c, g, u, s, vh, _close(s)[0] if followed else None, followed), None, None, None


def _split(t: Tensor, u: Tensor, s: Tensor, vh: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """U and V, of equal values those that stay apart along T; what says that others would, had T more; and whether T
    mixes vectors of equal values, of which the others are none then, or those of values 0, which may be any.
    """
    v, turned = matrix_transpose(vh), matrix_transpose(u)
    right = matmul(t, v)
    inner = matmul(turned, right)
    m = multiply(add(inner, matrix_transpose(inner)), 0.5)
    close, both = _close(s)
    close = logical_and(close, logical_not(both))
    q, mixed = split(m, close)
    none, scale = vanishing(expand_dims(s, -2), s), largest(right, -2, -1)
    mixed = logical_or(mixed, asked(inner, both, scale))
    if u.shape[-2] > s.shape[-1]:
        mixed = logical_or(mixed, asked(subtract(right, matmul(u, inner)), none, scale))
    if vh.shape[-1] > s.shape[-1]:
        left = subtract(matmul(matrix_transpose(t), u), matmul(v, matrix_transpose(inner)))
        mixed = logical_or(mixed, asked(left, none, largest(left, -2, -1)))
    return matmul(u, q), matmul(v, q), unknown(m, close), mixed


def _singular_jvp(ts: Sequence[Tensor], ans: Tensor, g: Tensor, a: Tensor, u: Tensor, s: Tensor, vh: Tensor) -> Tensor:
    if a.size == 0:
        return ts[1]
    constant = is_zero(ts[0])
    change = _turning(ts[1], g, u, s, vh, None if constant else _close(s)[1], not constant)
    if constant:
        return change
    left, right, more, mixed = _split(ts[1], u, s, vh)
    left = add(left, matmul(u, more))
    return add(add(matmul(_columns(left, ts[0]), matrix_transpose(right)), change), lost(a, mixed))


_singular = custom_primitive(_singular_value, vjp=_singular_vjp, jvp=_singular_jvp, name="singular_gradient")


def _values_along(t: Tensor, u: Tensor, s: Tensor, vh: Tensor) -> Tensor:
    """The tangent of the values, of equal ones along the vectors that stay apart."""
    if t.size == 0:
        return multiply(s, 0.0)
    left, right, _, mixed = _split(t, u, s, vh)
    return add(sum(multiply(left, matmul(t, right)), axis=-2), lost(s, mixed[..., 0]))


# -- svd: antisymmetric parts of UᵀḠ and VᵀḠ by sums and differences of singular values ------------------------------


def _svd_vjp(g: tuple[Tensor, ...], ans: tuple[Tensor, ...], a: Tensor, full: bool) -> Tensor:
    _refuse_full(full, a)
    (gu, gs, gvh), (u, s, vh) = g, ans
    if s.size == 0:
        return zeros(a.shape, a.dtype)
    if is_zero(gu) and is_zero(gvh):
        return _singular(gs, a, u, s, vh)
    gv, v = matrix_transpose(gvh), matrix_transpose(vh)
    ku, kv = matmul(matrix_transpose(u), gu), matmul(vh, gv)
    skew_u, skew_v = subtract(ku, matrix_transpose(ku)), subtract(kv, matrix_transpose(kv))
    difference, total = _pairs(s)
    scale = add(largest(gu, -2, -1), largest(gv, -2, -1))
    skew = multiply(add(skew_u, skew_v), 0.5)
    even = apart(skew, difference, s, scale, skew if is_zero(gs) else add(ku, kv))  # as in eigh
    odd = apart(multiply(subtract(skew_u, skew_v), 0.5), total, s, scale)
    left = matmul(u, add(even, odd))
    if a.shape[-2] > s.shape[-1]:
        left = add(left, apart(subtract(gu, matmul(u, ku)), expand_dims(s, -2), s, scale))
    flow = matmul(left, vh)
    if a.shape[-1] > s.shape[-1]:
        right = apart(subtract(gv, matmul(v, kv)), expand_dims(s, -2), s, scale)
        flow = add(flow, matmul(u, matrix_transpose(right)))
    return flow if is_zero(gs) else add(flow, _singular(gs, a, u, s, vh))


def _svd_jvp(t: Tensor, ans: tuple[Tensor, ...], a: Tensor, full: bool) -> tuple[Tensor, Tensor, Tensor]:
    _refuse_full(full, a)
    u, s, vh = ans
    if s.size == 0:
        return multiply(u, 0.0), multiply(s, 0.0), multiply(vh, 0.0)
    v = matrix_transpose(vh)
    tv, tu = matmul(t, v), matmul(matrix_transpose(t), u)
    inner = matmul(matrix_transpose(u), tv)
    turned = matrix_transpose(inner)
    difference, total = _pairs(s)
    even = apart(multiply(add(inner, turned), 0.5), difference, s, largest(inner, -2, -1))
    odd = apart(multiply(subtract(inner, turned), 0.5), total, s)
    du, dv = matmul(u, add(even, odd)), matmul(v, subtract(even, odd))
    if a.shape[-2] > s.shape[-1]:
        du = add(du, apart(subtract(tv, matmul(u, inner)), expand_dims(s, -2), s))
    if a.shape[-1] > s.shape[-1]:
        dv = add(dv, apart(subtract(tu, matmul(v, turned)), expand_dims(s, -2), s))
    return du, _values_along(t, u, s, vh), matrix_transpose(dv)


def _svdvals_vjp(g: Tensor, ans: Tensor, a: Tensor) -> Tensor:
    return _singular(g, a, *_svd(a, False))


def _svdvals_jvp(t: Tensor, ans: Tensor, a: Tensor) -> Tensor:
    return _values_along(t, *_svd(a, False))


_svd.defvjp(_svd_vjp)
_svd.defjvp(_svd_jvp)
_svdvals.defvjp(_svdvals_vjp)
_svdvals.defjvp(_svdvals_jvp)

batched_in_front(_svd, _svdvals)


# -- functions -------------------------------------------------------------------------------------------------------


class SVDResult(NamedTuple):
    """Singular values between left and right singular vectors."""

    U: Tensor
    S: Tensor
    Vh: Tensor


def svd(x: TensorLike, /, *, full_matrices: bool = True) -> SVDResult:
    """Singular value decomposition: ``x = U diag(S) Vh``.

    Parameters
    ----------
    x : Tensor, shape (..., M, N)
    full_matrices : bool
        Whether U and Vh are square; else they have the first K = min(M, N) columns and rows.

    Returns
    -------
    SVDResult, a named tuple of Tensors
        ``U``, shape (..., M, M or K); ``S``, shape (..., K), descending; ``Vh``, shape (..., N or K, N). A pair of
        vectors has a sign of its own choice.

    Gradient
        Equal singular values (apart by rounding, N units of roundoff of the largest) have only common spaces. What is
        symmetric in the values has the right gradient, and so has what depends on vectors alone and by their spaces
        alone, as the polar factor ``U Vh``; second derivatives of values are as of :func:`svdvals`. Else it is NaN, as
        of ``U f(S) Vh``, which needs the slope of f: that is :func:`funm` of :func:`polar`'s P. In forward mode the
        tangents of vectors are NaN where x moves such that their space falls apart. The further vectors of
        ``full_matrices`` have none, being any basis of a space; the projection on that has: ``1 - U Uᵀ`` of the others.

    Accuracy
        Backward stable: singular values to N units of roundoff of the largest.

    Raises
    ------
    LinAlgError
        If the matrix is not finite.
    GradientError
        If ``full_matrices`` of a matrix that is not square is differentiated.
    ShapeError
        If x has fewer than 2 dimensions.

    Source: Giles, "Collected matrix derivative results", 2008.

    Examples
    --------
    >>> import alice_core as ac
    >>> u, s, vh = ac.linalg.svd(ac.tensor([[0.0, 2.0], [3.0, 0.0]]))
    >>> s
    Tensor([3., 2.], dtype=float32)
    """
    full = checked_flag("svd", "full_matrices", full_matrices)
    return SVDResult(*_svd(matrices("svd", "x", x), full))


def svdvals(x: TensorLike, /) -> Tensor:
    """Singular values, descending.

    Parameters
    ----------
    x : Tensor, shape (..., M, N)

    Returns
    -------
    Tensor, shape (..., min(M, N))

    Gradient
        ``U diag(g) Vh``; right for what is symmetric in equal values. So are second derivatives by forward over reverse
        mode (:func:`~alice_core.hvp`, :func:`~alice_core.hessian`), but for values of 0 that are several, or of an x
        that is not square. There, and in reverse mode over another, nobody knows how the function bends, unless g is
        constant: NaN where a direction mixes equal values. The trace of :func:`funm` of ``xᵀ x`` has all derivatives.

    Accuracy
        As :func:`svd`.

    Raises
    ------
    LinAlgError
        If the matrix is not finite.
    ShapeError
        If x has fewer than 2 dimensions.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.svdvals(ac.tensor([[0.0, 2.0], [3.0, 0.0]]))
    Tensor([3., 2.], dtype=float32)
    """
    s: Tensor = _svdvals(matrices("svdvals", "x", x))
    return s
