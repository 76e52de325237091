"""Eigenvalues and eigenvectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..ops.arithmetic import add, multiply, subtract
from ..ops.creation import is_zero
from ..ops.diagonals import diagonal
from ..ops.linalg import matmul
from ..ops.reduction import sum
from ..ops.views import expand_dims, matrix_transpose
from ..primitive import Primitive
from ..transforms.custom import asks_for, custom_primitive
from ._matrices import batched_in_front, square, symmetric
from ._nearly_equal import apart, largest
from ._spaces import asked, close_pairs, lost, split, swept, unknown
from .systems import _inv

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["EigResult", "EighResult", "eig", "eigh", "eigvals", "eigvalsh"]

_eigh = Primitive("eigh", saves=("ans",))
_eigvalsh = Primitive("eigvalsh", saves=(0,))
_eig = Primitive("eig", saves=("ans",))
_eigvals = Primitive("eigvals", saves=(0,))


def _columns(v: Tensor, w: Tensor) -> Tensor:
    """V diag(w)."""
    return multiply(v, expand_dims(w, -2))


def _with_values(v: Tensor, w: Tensor) -> Tensor:
    """V diag(w) Vᵀ."""
    return matmul(_columns(v, w), matrix_transpose(v))


def _between(v: Tensor, x: Tensor) -> Tensor:
    """Vᵀ X V."""
    return matmul(matmul(matrix_transpose(v), x), v)


def _around(v: Tensor, x: Tensor) -> Tensor:
    """V X Vᵀ."""
    return matmul(matmul(v, x), matrix_transpose(v))


def _differences(w: Tensor) -> Tensor:
    """w_j - w_i at [i, j]."""
    return subtract(expand_dims(w, -2), expand_dims(w, -1))


def _size(x: Tensor) -> Tensor:
    return largest(x, -2, -1) if x.size else x


# -- V diag(g) Vᵀ, the gradient of a function of the eigenvalues of A: w and V are those of A, and read alone ----------


def _spectral_value(g: Tensor, a: Tensor, w: Tensor, v: Tensor) -> Tensor:
    return _with_values(v, g)


def _swept(m: Tensor, g: Tensor, w: Tensor, close: Tensor, missing: Tensor | None = None) -> Tensor:
    return swept(m, _differences(g), _differences(w), g, close, missing, _size(m))


def _spectral_vjp(c: Tensor, ans: Tensor, g: Tensor, a: Tensor, w: Tensor, v: Tensor) -> tuple[Tensor | None, ...]:
    m = _between(v, symmetric(c))
    if m.size == 0:
        return diagonal(m), m, None, None
    close = close_pairs(w, _differences(w))
    # How a g that is followed depends on the eigenvalues, nobody says here.
    missing = close if asks_for(0, (g, a, w, v)) else None
    return diagonal(m), _around(v, _swept(m, g, w, close, missing)), None, None


def _spectral_jvp(ts: Sequence[Tensor], ans: Tensor, g: Tensor, a: Tensor, w: Tensor, v: Tensor) -> Tensor:
    m = symmetric(_between(v, symmetric(ts[1])))
    if m.size == 0:
        return m
    close = close_pairs(w, _differences(w))
    q, turned = split(m, close)
    change = _around(v, _swept(m, g, w, close))
    if not is_zero(ts[0]):
        change = add(_with_values(matmul(v, add(q, unknown(m, close))), ts[0]), change)
    return add(change, lost(a, turned))


_spectral = custom_primitive(_spectral_value, vjp=_spectral_vjp, jvp=_spectral_jvp, name="spectral_gradient")


def _values_along(t: Tensor, w: Tensor, v: Tensor) -> Tensor:
    """The tangent of the eigenvalues, of equal ones along the vectors that stay apart."""
    t = symmetric(t)
    if t.size == 0:
        return diagonal(t)
    q, turned = split(symmetric(_between(v, t)), close_pairs(w, _differences(w)))
    v = matmul(v, q)
    return add(sum(multiply(v, matmul(t, v)), axis=-2), lost(w, turned[..., 0]))


# -- symmetric -------------------------------------------------------------------------------------------------------


def _eigh_vjp(g: tuple[Tensor, Tensor], ans: tuple[Tensor, Tensor], a: Tensor) -> Tensor:
    (gw, gv), (w, v) = g, ans
    if is_zero(gv):
        return _spectral(gw, a, w, v)
    turned = matmul(matrix_transpose(v), gv)
    skew = subtract(turned, matrix_transpose(turned))
    # Of vectors alone, what does not turn them within their space depends on the space. With the values, it may be an
    # f(w) whose difference quotient is missing.
    between = apart(skew, _differences(w), w, _size(turned), skew if is_zero(gw) else turned)
    flow = symmetric(_around(v, multiply(between, 0.5)))
    return flow if is_zero(gw) else add(_spectral(gw, a, w, v), flow)


def _eigh_jvp(t: Tensor, ans: tuple[Tensor, Tensor], a: Tensor) -> tuple[Tensor, Tensor]:
    w, v = ans
    turned = _between(v, symmetric(t))
    return _values_along(t, w, v), matmul(v, apart(turned, _differences(w), w, _size(turned)))


def _eigvalsh_vjp(g: Tensor, ans: Tensor, a: Tensor) -> Tensor:
    w, v = _eigh(a)
    return _spectral(g, a, w, v)


def _eigvalsh_jvp(t: Tensor, ans: Tensor, a: Tensor) -> Tensor:
    return _values_along(t, *_eigh(a))


_eigh.defvjp(_eigh_vjp)
_eigh.defjvp(_eigh_jvp)
_eigvalsh.defvjp(_eigvalsh_vjp)
_eigvalsh.defjvp(_eigvalsh_jvp)

# -- real eigenvalues of any matrix ----------------------------------------------------------------------------------


def _general_value(g: Tensor, a: Tensor, w: Tensor, v: Tensor) -> Tensor:
    """V⁻ᵀ diag(g) Vᵀ, the gradient of a function of the eigenvalues of A, which w and V are."""
    return matmul(matrix_transpose(_inv(v, True)), multiply(expand_dims(g, -1), matrix_transpose(v)))


def _general_along(x: Tensor, g: Tensor, w: Tensor, v: Tensor, missing: bool) -> tuple[Tensor, Tensor]:
    """V⁻¹ X V; and as of symmetric matrices what of the derivative along X does not come by g, its own adjoint."""
    inverse = _inv(v, True)
    m = matmul(matmul(inverse, x), v)
    if m.size == 0:
        return m, m
    close = close_pairs(w, _differences(w))
    between = _swept(matrix_transpose(m), g, w, close, close if missing else None)
    return m, matmul(matmul(matrix_transpose(inverse), between), matrix_transpose(v))


def _general_vjp(c: Tensor, ans: Tensor, g: Tensor, a: Tensor, w: Tensor, v: Tensor) -> tuple[Tensor | None, ...]:
    m, flow = _general_along(c, g, w, v, asks_for(0, (g, a, w, v)))
    return diagonal(m), flow, None, None


def _general_jvp(ts: Sequence[Tensor], ans: Tensor, g: Tensor, a: Tensor, w: Tensor, v: Tensor) -> Tensor:
    constant = is_zero(ts[0])
    change = _general_along(ts[1], g, w, v, not constant)[1]
    return change if constant else add(_general_value(ts[0], a, w, v), change)


_general = custom_primitive(_general_value, vjp=_general_vjp, jvp=_general_jvp, name="eigenvalue_gradient")


def _general_values_along(t: Tensor, w: Tensor, v: Tensor) -> Tensor:
    """The tangent of the eigenvalues; of equal ones that T mixes, only symmetric functions have one, and no second."""
    m = matmul(_inv(v, True), matmul(t, v))
    if m.size == 0:
        return diagonal(m)
    mixed = asked(m, close_pairs(w, _differences(w)), _size(m))
    return add(diagonal(m), lost(w, mixed[..., 0]))


def _eig_vjp(g: tuple[Tensor, Tensor], ans: tuple[Tensor, Tensor], a: Tensor) -> Tensor:
    (gw, gv), (w, v) = g, ans
    if is_zero(gv):
        return _general(gw, a, w, v)
    turned = matrix_transpose(v)
    flow = matmul(turned, gv)
    # Vectors stay of length 1: what would change it takes no part.
    free = subtract(flow, _columns(matmul(turned, v), diagonal(flow)))
    between = apart(free, _differences(w), w, _size(flow))
    inside = matmul(matrix_transpose(_inv(v, True)), matmul(between, turned))
    return inside if is_zero(gw) else add(_general(gw, a, w, v), inside)


def _eig_jvp(t: Tensor, ans: tuple[Tensor, Tensor], a: Tensor) -> tuple[Tensor, Tensor]:
    w, v = ans
    turned = matmul(_inv(v, True), matmul(t, v))
    dv = matmul(v, apart(turned, _differences(w), w, _size(turned)))
    return _general_values_along(t, w, v), subtract(dv, _columns(v, sum(multiply(v, dv), axis=-2)))


def _eigvals_vjp(g: Tensor, ans: Tensor, a: Tensor) -> Tensor:
    return _general(g, a, *_eig(a))


def _eigvals_jvp(t: Tensor, ans: Tensor, a: Tensor) -> Tensor:
    return _general_values_along(t, *_eig(a))


_eig.defvjp(_eig_vjp)
_eig.defjvp(_eig_jvp)
_eigvals.defvjp(_eigvals_vjp)
_eigvals.defjvp(_eigvals_jvp)
batched_in_front(_eigh, _eigvalsh, _eig, _eigvals)


class EighResult(NamedTuple):
    """Eigenvalues and eigenvectors of symmetric matrices."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class EigResult(NamedTuple):
    """Eigenvalues and eigenvectors of matrices with real ones."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def eigh(x: TensorLike, /) -> EighResult:
    """Eigenvalues and eigenvectors of a symmetric matrix: ``x = V diag(w) Vᵀ``.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)
        Read as its symmetric part, (x + xᵀ) / 2, which a symmetric matrix is itself.

    Returns
    -------
    EighResult, a named tuple of Tensors
        ``eigenvalues``, shape (..., N), ascending; ``eigenvectors``, shape (..., N, N), orthonormal columns in that
        order, each with a sign of its own choice.

    Gradient
        Symmetric. Equal eigenvalues (apart by rounding, N units of roundoff of the largest) have no eigenvectors of
        their own, only a common space. What is symmetric in the eigenvalues has the right gradient, and so has what
        depends on vectors alone and by their space alone. Second derivatives of eigenvalues are as of :func:`eigvalsh`.
        Else it is NaN: where vectors of one space are told apart, and of ``V f(w) Vᵀ``, which needs the slope of f:
        that is :func:`funm`. In forward mode the tangents of vectors are NaN where x moves such that their space falls
        apart.

    Accuracy
        Backward stable: eigenvalues to N units of roundoff of the largest.

    Raises
    ------
    LinAlgError
        If the matrix is not finite.
    ShapeError
        If x is not square.

    Source: Giles, "Collected matrix derivative results", 2008.

    Examples
    --------
    >>> import alice_core as ac
    >>> w, v = ac.linalg.eigh(ac.tensor([[2.0, 0.0], [0.0, 1.0]]))
    >>> w
    Tensor([1., 2.], dtype=float32)
    """
    return EighResult(*_eigh(square("eigh", "x", x)))


def eigvalsh(x: TensorLike, /) -> Tensor:
    """Eigenvalues of a symmetric matrix, ascending.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)
        Read as its symmetric part, (x + xᵀ) / 2.

    Returns
    -------
    Tensor, shape (..., N)

    Gradient
        ``V diag(g) Vᵀ``; right for what is symmetric in equal eigenvalues. So are second derivatives by forward over
        reverse mode (:func:`~alice_core.hvp`, :func:`~alice_core.hessian`). In reverse mode over another, nobody knows
        how the function bends between equal eigenvalues, unless g is constant: NaN where a direction mixes them. The
        trace of :func:`funm` has all derivatives.

    Accuracy
        As :func:`eigh`.

    Raises
    ------
    LinAlgError
        If the matrix is not finite.
    ShapeError
        If x is not square.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.eigvalsh(ac.tensor([[2.0, 0.0], [0.0, 1.0]]))
    Tensor([1., 2.], dtype=float32)
    """
    w: Tensor = _eigvalsh(square("eigvalsh", "x", x))
    return w


def eig(x: TensorLike, /) -> EigResult:
    """Eigenvalues and eigenvectors of a matrix whose eigenvalues are real: ``x V = V diag(w)``.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)

    Returns
    -------
    EigResult, a named tuple of Tensors
        ``eigenvalues``, shape (..., N), in no order; ``eigenvectors``, shape (..., N, N), columns of length 1.

    Gradient
        As of :func:`eigh`, with the inverse of V; but second derivatives are NaN in every mode where a direction mixes
        vectors of equal eigenvalues.

    Accuracy
        Backward stable; the error of an eigenvalue grows with the angle between its left and right vector.

    Raises
    ------
    LinAlgError
        If an eigenvalue is complex, the matrix is not finite, or, for a gradient, it has too few eigenvectors.
    ShapeError
        If x is not square.

    Source: Giles, "Collected matrix derivative results", 2008.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.eig(ac.tensor([[2.0, 0.0], [0.0, 1.0]])).eigenvalues
    Tensor([2., 1.], dtype=float32)
    """
    return EigResult(*_eig(square("eig", "x", x)))


def eigvals(x: TensorLike, /) -> Tensor:
    """Eigenvalues of a matrix, which must be real.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)

    Returns
    -------
    Tensor, shape (..., N)
        In no order.

    Gradient
        ``V⁻ᵀ diag(g) Vᵀ``, V the eigenvectors. Second derivatives are as of :func:`eig`.

    Accuracy
        As :func:`eig`.

    Raises
    ------
    LinAlgError
        If an eigenvalue is complex, the matrix is not finite, or, for a gradient, it has too few eigenvectors.
    ShapeError
        If x is not square.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.eigvals(ac.tensor([[2.0, 1.0], [0.0, 1.0]]))
    Tensor([2., 1.], dtype=float32)
    """
    w: Tensor = _eigvals(square("eigvals", "x", x))
    return w
