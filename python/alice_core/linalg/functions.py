"""Functions of symmetric matrices and polar factors, whose derivatives need no eigenvectors of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from ..checks import check_function, checked_choice
from ..errors import ShapeError, TraceError
from ..ops.arithmetic import add, divide, multiply, negative, strong_mul, subtract
from ..ops.comparison import equal, greater, less, less_equal, logical_and
from ..ops.creation import eye, ones
from ..ops.einsum import einsum
from ..ops.exponential import log
from ..ops.linalg import matmul
from ..ops.powers import sqrt
from ..ops.reduction import sum
from ..ops.selection import abs, astype, where
from ..ops.views import expand_dims, matrix_transpose, reshape
from ..tensors import Tensor, asarray
from ..transforms.batching import vmap
from ..transforms.control.bodies import run, trace, type_of
from ..transforms.custom import asks_for, custom_primitive
from ..transforms.forward import jvp
from ._divided_differences import Function, divided_differences
from ._matrices import floating, matrices, square, symmetric, wide
from ._nearly_equal import _SLACK, _unit, is_small, largest
from .singular import _svd
from .spectral import _around, _between, _columns, _eigh, _eigvalsh, _with_values
from .systems import _inv

if TYPE_CHECKING:
    from ..tensors import TensorLike


__all__ = ["PolarResult", "funm", "logm", "polar", "sqrtm"]


# -- X of P X + X P = Q, P symmetric and positive definite -----------------------------------------------------------


def _lyapunov_value(p: Tensor, q: Tensor) -> Tensor:
    w, v = _eigh(p)
    turned = _between(v, q)
    total = add(expand_dims(w, -2), expand_dims(w, -1))
    if q.size == 0:
        return turned
    n = q.shape[-1]
    singular = is_small(total, largest(w, -1)[..., None], n)
    quotient = divide(where(singular, 0.0, turned), where(singular, 1.0, total))
    asks = greater(abs(turned), multiply(largest(turned, -2, -1), _SLACK * n * _unit(q)))
    return _around(v, where(logical_and(singular, asks), math.nan, quotient))


def _lyapunov_vjp(g: Tensor, x: Tensor, p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    flow, turned = _lyapunov(p, g), matrix_transpose(x)
    return negative(symmetric(add(matmul(flow, turned), matmul(turned, flow)))), flow


def _lyapunov_jvp(ts: Sequence[Tensor], x: Tensor, p: Tensor, q: Tensor) -> Tensor:
    moved = symmetric(ts[0])
    return _lyapunov(p, subtract(ts[1], add(matmul(moved, x), matmul(x, moved))))


_lyapunov = custom_primitive(_lyapunov_value, vjp=_lyapunov_vjp, jvp=_lyapunov_jvp, name="lyapunov")

# -- square roots and polar factors ----------------------------------------------------------------------------------


def _sqrtm_value(a: Tensor) -> Tensor:
    w, v = _eigh(a)
    if a.size:  # what rounding makes of 0
        w = where(logical_and(less(w, 0.0), is_small(w, largest(w, -1), a.shape[-1])), 0.0, w)
    return symmetric(_with_values(v, sqrt(w)))


def _sqrtm_slope(g: Tensor, root: Tensor) -> Tensor:
    """Its derivative, which is its own adjoint; NaN where there is no root."""
    found = equal(root, root)
    p = where(found, root, eye(root.shape[-1], dtype=root.dtype))
    return _lyapunov(p, strong_mul(symmetric(g), where(found, ones((), root.dtype), math.nan)))


_sqrtm = custom_primitive(
    _sqrtm_value,
    vjp=lambda g, root, a: (_sqrtm_slope(g, root),),
    jvp=lambda ts, root, a: _sqrtm_slope(ts[0], root),
    name="sqrtm",
)


def _polar_value(a: Tensor) -> tuple[Tensor, Tensor]:
    u, s, vh = _svd(a, False)
    return matmul(u, vh), symmetric(matmul(_columns(matrix_transpose(vh), s), vh))


def _regular(p: Tensor) -> tuple[Tensor, Tensor]:
    """P, or 1 in place of what is singular, where there is no derivative; and what to multiply one by: 1 or NaN."""
    if p.size == 0:
        return p, ones((), p.dtype)
    w = expand_dims(_eigvalsh(p), -1)
    singular = less_equal(w[..., :1, :], multiply(largest(w, -2), p.shape[-1] * _unit(p)))
    return where(singular, eye(p.shape[-1], dtype=p.dtype), p), where(singular, math.nan, ones((), p.dtype))


def _outside(u: Tensor, x: Tensor, p: Tensor) -> Tensor:
    """(1 - U Uᵀ) X P⁻¹."""
    return matmul(subtract(x, matmul(u, matmul(matrix_transpose(u), x))), _inv(p, True))


def _polar_vjp(g: tuple[Tensor, Tensor], ans: tuple[Tensor, Tensor], a: Tensor) -> tuple[Tensor]:
    (gu, gp), (u, p) = g, ans
    p, slope = _regular(p)
    gu, gp = strong_mul(gu, slope), strong_mul(symmetric(gp), slope)
    turning = subtract(matmul(matrix_transpose(u), gu), matmul(gp, p))
    flow = matmul(u, add(_lyapunov(p, subtract(turning, matrix_transpose(turning))), gp))
    if a.shape[-2] > a.shape[-1]:
        flow = add(flow, _outside(u, gu, p))
    return (flow,)


def _polar_jvp(ts: Sequence[Tensor], ans: tuple[Tensor, Tensor], a: Tensor) -> tuple[Tensor, Tensor]:
    u, p = ans
    p, slope = _regular(p)
    t = strong_mul(ts[0], slope)
    inner = matmul(matrix_transpose(u), t)
    turn = _lyapunov(p, subtract(inner, matrix_transpose(inner)))
    du = matmul(u, turn)
    if a.shape[-2] > a.shape[-1]:
        du = add(du, _outside(u, t, p))
    return du, symmetric(subtract(inner, matmul(turn, p)))


#: Of matrices with as many rows as columns, or more.
_polar = custom_primitive(_polar_value, vjp=_polar_vjp, jvp=_polar_jvp, name="polar")

# -- any function -------------------------------------------------------------------------------


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _family(f: Function, a: Tensor, es: Sequence[Tensor] = (), args: Sequence[Tensor] = ()) -> Tensor:
    """V X Vᵀ, X the sums of ``f[w_i, w_j, …, w_l] (E_1)_ij … (E_k)_.l`` over all indices but the first and last.

    It is the block in the corner of f of the matrix with A on its diagonal and E_1, …, E_k beside it. Linear in each E;
    its derivatives are others of the family: along A, one more E at each place in turn; an adjoint walks the sum from
    another E on; along an argument of f, f's derivative takes its place.
    """
    k = len(es)

    def split(xs: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor], Sequence[Tensor]]:
        return xs[0], xs[1 : k + 1], xs[k + 1 :]

    def value(*inputs: Tensor) -> Tensor:
        a, es, args = split(inputs)
        w, v = _eigh(a)
        if a.size == 0:
            return v
        table = divided_differences(lambda w: f(w, *args), w, k)
        if k == 0:
            return symmetric(_with_values(v, table))
        inner = [_between(v, e) for e in es]
        if k == 1:
            return _around(v, strong_mul(inner[0], table))
        letters = _LETTERS[: k + 1]
        pairs = (f"...{i}{j}" for i, j in pairwise(letters))
        return _around(v, einsum(f"...{letters},{','.join(pairs)}->...{letters[0]}{letters[-1]}", table, *inner))

    def pull(g: Tensor, ans: Tensor, *inputs: Tensor) -> tuple[Tensor | None, ...]:
        a, es, args = split(inputs)
        turned = [matrix_transpose(e) for e in es]
        onto = [_family(f, a, [*turned[:i][::-1], g, *turned[i:][::-1]], args) for i in range(k + 1)]
        flows = [_family(f, a, [*turned[:i][::-1], g, *turned[i + 1 :][::-1]], args) for i in range(k)]

        def of(i: int) -> Tensor | None:
            """The cotangent of an argument of f, one entry of a basis after the other."""
            at = args[i]
            if not asks_for(1 + k + i, inputs):
                return None

            def along(e: Tensor) -> Tensor:
                return sum(multiply(g, _family(_moving(f, [i]), a, es, [*args, e])))

            basis = reshape(eye(at.size, dtype=at.dtype), (at.size, *at.shape))
            return astype(reshape(vmap(along)(basis), at.shape), at.dtype)

        return symmetric(reduce(add, onto)), *flows, *(of(i) for i in range(len(args)))

    def push(ts: Sequence[Tensor], ans: Tensor, *inputs: Tensor) -> Tensor:
        (a, es, args), (ta, tes, targs) = split(inputs), split(ts)
        moved = symmetric(ta)
        found = [_family(f, a, [*es[:i], moved, *es[i:]], args) for i in range(k + 1)]
        found += [_family(f, a, [*es[:i], t, *es[i + 1 :]], args) for i, t in enumerate(tes)]
        if places := [i for i, t in enumerate(targs) if t is not None]:  # those of integers have none
            found.append(_family(_moving(f, places), a, es, [*args, *(targs[i] for i in places)]))
        return reduce(add, found)

    found: Tensor = custom_primitive(value, vjp=pull, jvp=push, name="funm")(a, *es, *args)
    return found


def _moving(f: Function, places: Sequence[int]) -> Function:
    """The derivative of f along its arguments at these places; their tangents come behind all of them."""

    def moved(w: Tensor, *given: Tensor) -> Tensor:
        args, tangents = list(given[: -len(places)]), given[-len(places) :]

        def along(*moving: Tensor) -> Tensor:
            for i, x in zip(places, moving, strict=True):
                args[i] = x
            return f(w, *args)

        return jvp(along, [args[i] for i in places], tangents)[1]

    return moved


def _closed(f: Function, w: Tensor, given: Sequence[Tensor]) -> tuple[Function, list[Tensor]]:
    """f as a function of all that it reads, and its arguments: those that it was given, then what it captures.

    Rules are functions of their inputs alone: what somebody differentiates, or may, has to be one of these.
    """

    def one(inputs: list[Tensor]) -> list[Tensor]:
        y = f(*inputs)
        if not isinstance(y, Tensor) or y.shape:
            got = f"shape {y.shape}" if isinstance(y, Tensor) else type(y).__name__
            raise ShapeError(f"funm: f must return one number, a Tensor of shape (), for one; got {got}")
        return [y]

    body, read, changed, _ = trace("funm", one, [type_of(x) for x in (w, *given)])
    if changed:
        raise TraceError(
            "funm: f must not change Tensors in place, such as the state of a random generator; draw before, and make "
            "the numbers arguments: funm(x, f, them), with f of as many more"
        )
    if any(call.muted for call in body.calls):
        raise TraceError(
            "funm: f must not compute under no_grad, which stops reverse mode alone: f's derivatives come by forward "
            "mode; use ac.stop_gradient for what shall be constant"
        )
    return lambda w, *args: run(body, [w, *args])[0], [*given, *read]


# -- functions -------------------------------------------------------------------------------------------------------


class PolarResult(NamedTuple):
    """Orthonormal columns or rows, and a symmetric matrix without negative eigenvalues."""

    U: Tensor
    P: Tensor


def _log(w: Tensor) -> Tensor:
    """NaN of 0, too. As a factor, not an operand: NaN has to be the slope as well."""
    return multiply(log(w), where(greater(w, 0.0), 1.0, math.nan))


def sqrtm(x: TensorLike, /) -> Tensor:
    """The square root of a symmetric positive semidefinite matrix, the one of that kind: ``x = y y``.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)
        Read as its symmetric part, (x + xᵀ) / 2. SciPy's function of this name takes others, too.

    Returns
    -------
    Tensor, shape (..., N, N)
        Symmetric; NaN where an eigenvalue is negative by more than rounding, N units of roundoff of the largest.

    Gradient
        Symmetric, of every order, at equal eigenvalues too: X of ``y X + X y = g``. NaN where that asks for the slope
        at an eigenvalue 0, which is infinite.

    Accuracy
        Eigenvalues of x to N units of roundoff of the largest; derivatives to as much over the smallest of y.

    Raises
    ------
    LinAlgError
        If the matrix is not finite.
    ShapeError
        If x is not square.

    Source: Higham, "Functions of Matrices", 2008, chapter 6.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.grad(lambda x: ac.linalg.trace(ac.linalg.sqrtm(x)))(4.0 * ac.eye(2))
    Tensor([[0.25, 0.  ],
            [0.  , 0.25]], dtype=float32)
    """
    dtype, (x,) = wide(square("sqrtm", "x", x))
    return astype(_sqrtm(x), dtype)


def logm(x: TensorLike, /) -> Tensor:
    """The logarithm of a symmetric positive definite matrix: the symmetric y of ``x = expm(y)``.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)
        As of :func:`sqrtm`.

    Returns
    -------
    Tensor, shape (..., N, N)
        Symmetric; NaN where an eigenvalue is not positive.

    Gradient, Accuracy
        As of :func:`funm`.

    Raises
    ------
    LinAlgError
        If the matrix is not finite.
    ShapeError
        If x is not square.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.grad(lambda x: ac.linalg.trace(ac.linalg.logm(x)))(4.0 * ac.eye(2))
    Tensor([[0.25, 0.  ],
            [0.  , 0.25]], dtype=float32)
    """
    dtype, (x,) = wide(square("logm", "x", x))
    return astype(_family(_log, x), dtype)


def funm(x: TensorLike, f: Function, /, *args: TensorLike) -> Tensor:
    """A function of a symmetric matrix: ``V diag(f(w)) Vᵀ`` of its eigenvalues and eigenvectors.

    Parameters
    ----------
    x : Tensor, shape (..., N, N)
        Read as its symmetric part, (x + xᵀ) / 2. SciPy's function of this name takes others, too.
    f : callable
        Called as ``f(w, *args)`` with one number, a Tensor of shape (); returns one.
    args : Tensors, optional
        What else f takes. What it captures has derivatives, too.

    Returns
    -------
    Tensor, shape (..., N, N)
        Symmetric.

    Gradient
        Of every order that f has, right at equal eigenvalues: the k-th from divided differences of f over k + 1 of
        them, ``N**(k + 1)`` numbers: where they are close, means of f's k-th derivative between them, which is computed
        at ``2 * 6**k`` points for each. Functions with kinks and jumps at no eigenvalue have theirs, too.

    Accuracy
        Eigenvalues to N units of roundoff of the largest. Divided differences, whatever the gaps, to about 30 units of
        roundoff for the first and 300 for the second derivative, of the largest there, or of f over its scale of
        change. An f with an error of more than a few units costs up to its square root.

    Raises
    ------
    LinAlgError
        If the matrix is not finite.
    ShapeError
        If x is not square, or f returns more than a number.
    TraceError
        If f asks for a value (``if w > 0``), changes a Tensor in place, or computes under ``no_grad``.

    Source: Daleckii and Krein, 1965; Mathias, "A chain rule for matrix functions and applications", 1996.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.grad(lambda x: ac.linalg.funm(x, ac.exp)[0, 1])(ac.zeros((2, 2)))
    Tensor([[0. , 0.5],
            [0.5, 0. ]], dtype=float32)
    """
    check_function("funm", f)
    x = square("funm", "x", x)
    # A Python number takes the dtype of x.
    given = [floating(asarray(y, x.dtype) if isinstance(y, (int, float)) else y) for y in args]
    dtype, (x, *given) = wide(x, *given)
    f, given = _closed(f, ones((), x.dtype), given)
    return astype(_family(f, x, (), given), dtype)


def polar(x: TensorLike, /, *, side: str = "right") -> PolarResult:
    """Polar decomposition: ``x = U P``, or ``x = P U``.

    Parameters
    ----------
    x : Tensor, shape (..., M, N)
    side : "right" or "left"
        Where P stands.

    Returns
    -------
    PolarResult, a named tuple of Tensors
        ``U``, shape (..., M, N), of all matrices with orthonormal columns (or rows, if M < N) the nearest to x;
        ``P``, shape (..., N, N), or (..., M, M) on the left: the square root of ``xᵀ x`` or ``x xᵀ``.

    Gradient
        Of every order, at equal singular values too. NaN where x has not full rank (a singular value of N units of
        roundoff of the largest).

    Accuracy
        Backward stable; derivatives to N units of roundoff over the smallest singular value, relative to the largest.

    Raises
    ------
    LinAlgError
        If the matrix is not finite.
    ShapeError
        If x has fewer than 2 dimensions.

    Source: Higham, "Functions of Matrices", 2008, chapter 8.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linalg.polar(ac.tensor([[0.0, -2.0], [2.0, 0.0]])).P
    Tensor([[2., 0.],
            [0., 2.]], dtype=float32)
    """
    left = checked_choice("polar", "side", side, ("right", "left")) == "left"
    dtype, (x,) = wide(matrices("polar", "x", x))
    turned = x.shape[-2] < x.shape[-1]
    u, p = _polar(matrix_transpose(x) if turned else x)
    if left != turned:
        p = symmetric(_around(u, p))
    return PolarResult(astype(matrix_transpose(u) if turned else u, dtype), astype(p, dtype))
