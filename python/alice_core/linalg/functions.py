"""Functions of symmetric matrices and polar factors, whose derivatives need no eigenvectors of their own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import combinations_with_replacement, pairwise, product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _core
from ..checks import check_function, checked_choice
from ..errors import GradientError, ShapeError
from ..ops.arithmetic import add, divide, multiply, negative, strong_mul, subtract
from ..ops.comparison import equal, greater, less, less_equal, logical_and, logical_or
from ..ops.creation import eye, ones, ones_like
from ..ops.einsum import einsum
from ..ops.exponential import log
from ..ops.linalg import matmul
from ..ops.powers import sqrt
from ..ops.reduction import sum
from ..ops.selection import abs, astype, where
from ..ops.views import expand_dims, matrix_transpose, reshape
from ..tensors import Tensor, asarray
from ..tracing import recording
from ..transforms.batching import vmap
from ..transforms.custom import custom_primitive
from ..transforms.forward import jvp
from ..transforms.reverse import stop_gradient
from ._matrices import floating, matrices, square, symmetric, wide
from ._nearly_equal import _SLACK, _unit, is_small, largest
from .singular import _svd
from .spectral import _columns, _eigh, _eigvalsh
from .systems import _inv

if TYPE_CHECKING:
    from ..tensors import TensorLike

#: Of one number, and of whatever else there is.
Function = Callable[..., Tensor]

__all__ = ["PolarResult", "funm", "logm", "polar", "sqrtm"]


def _between(v: Tensor, x: Tensor) -> Tensor:
    """Vᵀ X V."""
    return matmul(matmul(matrix_transpose(v), x), v)


def _around(v: Tensor, x: Tensor) -> Tensor:
    """V X Vᵀ."""
    return matmul(matmul(v, x), matrix_transpose(v))


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
    return symmetric(matmul(_columns(v, sqrt(w)), matrix_transpose(v)))


def _sqrtm_slope(g: Tensor, root: Tensor) -> Tensor:
    """Its derivative, which is its own adjoint; NaN where there is no root."""
    found = equal(root, root)
    p = where(found, root, eye(root.shape[-1], dtype=root.dtype))
    return strong_mul(_lyapunov(p, symmetric(g)), where(found, ones((), root.dtype), math.nan))


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
    gp = symmetric(gp)
    turning = subtract(matmul(matrix_transpose(u), gu), matmul(gp, p))
    flow = matmul(u, add(_lyapunov(p, subtract(turning, matrix_transpose(turning))), gp))
    if a.shape[-2] > a.shape[-1]:
        flow = add(flow, _outside(u, gu, p))
    return (strong_mul(flow, slope),)


def _polar_jvp(ts: Sequence[Tensor], ans: tuple[Tensor, Tensor], a: Tensor) -> tuple[Tensor, Tensor]:
    (t,), (u, p) = ts, ans
    p, slope = _regular(p)
    inner = matmul(matrix_transpose(u), t)
    turn = _lyapunov(p, subtract(inner, matrix_transpose(inner)))
    du = matmul(u, turn)
    if a.shape[-2] > a.shape[-1]:
        du = add(du, _outside(u, t, p))
    return strong_mul(du, slope), strong_mul(symmetric(subtract(inner, matmul(turn, p))), slope)


#: Of matrices with as many rows as columns, or more.
_polar = custom_primitive(_polar_value, vjp=_polar_vjp, jvp=_polar_jvp, name="polar")

# -- any function: divided differences -------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _places(n: int, k: int) -> tuple[Any, Any]:
    """The ascending (k + 1)-tuples of numbers below n; and for every tuple which of them it is when sorted."""
    tuples = np.array(list(combinations_with_replacement(range(n), k + 1)), np.int64).reshape(-1, k + 1)
    strides = n ** np.arange(k, -1, -1)
    every = np.sort(np.indices((n,) * (k + 1)).reshape(k + 1, -1), axis=0)
    return tuples, np.searchsorted(tuples @ strides, strides @ every)


@lru_cache(maxsize=32)
def _simplex(k: int, count: int) -> tuple[Any, Any]:
    """Gauss's rule over a simplex of k dimensions: steps from each corner to the next, and weights."""
    nodes, weights = (np.array(x) / 2.0 for x in np.polynomial.legendre.leggauss(count))
    along = np.cumprod(np.array(list(product(nodes + 0.5, repeat=k))), axis=1)
    return along.T, np.prod(list(product(weights, repeat=k)), axis=1) * np.prod(along[:, :-1], axis=1)


def _each(f: Function, x: Tensor, order: int) -> Tensor:
    """The derivative of f at every item: f sees one at a time, so none can depend on another."""
    if x.size == 0:
        return x

    def derivative(x: Tensor, order: int) -> Tensor:
        if order == 0:
            return vmap(f)(x)
        return jvp(lambda x: derivative(x, order - 1), [x], [ones_like(x)])[1]

    return reshape(derivative(reshape(x, (-1,)), order), x.shape)


def _differences(f: Function, w: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """f[w_i0, …, w_ik] of all ascending tuples of indices, and bounds of its rounding.

    As a quotient of differences, which loses digits where the values are close; or as the mean of a derivative over
    their simplex, which loses them where they are far apart, or f is not smooth between them: then the two differ.
    """
    unit = 4.0 * _unit(w)
    if k == 0:
        y = _each(f, w, 0)
        return y, multiply(abs(y), unit)
    tuples, _ = _places(w.shape[-1], k)
    x = w[..., tuples]
    before, rounding = _differences(f, w, k - 1)
    strides = w.shape[-1] ** np.arange(k - 1, -1, -1)
    known = _places(w.shape[-1], k - 1)[0] @ strides
    first, last = (np.searchsorted(known, part @ strides) for part in (tuples[:, :-1], tuples[:, 1:]))
    spread = subtract(x[..., -1], x[..., 0])
    same = equal(spread, 0.0)
    spread = where(same, 1.0, spread)
    quotient = divide(subtract(before[..., last], before[..., first]), spread)
    bound = divide(add(rounding[..., last], rounding[..., first]), spread)
    means = []
    for count in (6, 5):
        along, weights = (asarray(c, w.dtype) for c in _simplex(k, count))
        points = add(x[..., :1], matmul(subtract(x[..., 1:], x[..., :-1]), along))
        slopes = _each(f, points, k)
        means.append(matmul(slopes, weights))
        if count == 6:
            own = multiply(matmul(abs(slopes), weights), unit)
    smooth = less_equal(abs(subtract(means[0], means[1])), add(bound, own))
    like = less_equal(abs(subtract(means[0], quotient)), multiply(bound, 1e3))
    mean = logical_or(same, logical_and(smooth, like))
    return where(mean, means[0], quotient), where(mean, own, bound)


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
        found, _ = _differences(lambda w: f(w, *args), w, k)
        if k == 0:
            return symmetric(matmul(_columns(v, found), matrix_transpose(v)))
        n = a.shape[-1]
        table = reshape(found[..., _places(n, k)[1]], (*w.shape[:-1], *(n,) * (k + 1)))
        inner = [_between(v, e) for e in es]
        if k == 1:
            return _around(v, strong_mul(inner[0], table))
        letters = _LETTERS[: k + 1]
        pairs = (f"...{i}{j}" for i, j in pairwise(letters))
        return _around(v, einsum(f"...{letters},{','.join(pairs)}->...{letters[0]}{letters[-1]}", table, *inner))

    def pull(g: Tensor, ans: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
        a, es, args = split(inputs)
        turned = [matrix_transpose(e) for e in es]
        onto = [_family(f, a, [*turned[:i][::-1], g, *turned[i:][::-1]], args) for i in range(k + 1)]
        flows = [_family(f, a, [*turned[:i][::-1], g, *turned[i + 1 :][::-1]], args) for i in range(k)]

        def of(i: int) -> Tensor:
            """The cotangent of an argument of f, one entry of a basis after the other."""
            at = args[i]
            moving = _moving(lambda w, x, *others: f(w, *others[:i], x, *others[i:]), 1)

            def along(e: Tensor) -> Tensor:
                return sum(multiply(g, _family(moving, a, es, [at, e, *args[:i], *args[i + 1 :]])))

            basis = reshape(eye(at.size, dtype=at.dtype), (at.size, *at.shape))
            return reshape(vmap(along)(basis), at.shape)

        return symmetric(_sum(onto)), *flows, *(of(i) for i in range(len(args)))

    def push(ts: Sequence[Tensor], ans: Tensor, *inputs: Tensor) -> Tensor:
        (a, es, args), (ta, tes, targs) = split(inputs), split(ts)
        moved = symmetric(ta)
        found = [_family(f, a, [*es[:i], moved, *es[i:]], args) for i in range(k + 1)]
        found += [_family(f, a, [*es[:i], t, *es[i + 1 :]], args) for i, t in enumerate(tes)]
        if args:
            found.append(_family(_moving(f, len(args)), a, es, [*args, *targs]))
        return _sum(found)

    found: Tensor = custom_primitive(value, vjp=pull, jvp=push, name="funm")(a, *es, *args)
    return found


def _moving(f: Function, n: int) -> Function:
    """The derivative of f along the n arguments behind w; their tangents come next, and then the other arguments."""

    def moved(w: Tensor, *given: Tensor) -> Tensor:
        return jvp(lambda *args: f(w, *args, *given[2 * n :]), given[:n], given[n : 2 * n])[1]

    return moved


def _sum(xs: Sequence[Tensor]) -> Tensor:
    total = xs[0]
    for x in xs[1:]:
        total = add(total, x)
    return total


def _check_captured(f: Function, *inputs: Tensor) -> None:
    """What f captures counts as constant: an error where somebody differentiates it."""
    inputs = tuple(stop_gradient(x) for x in inputs)
    runs = []
    for _ in range(2):
        with recording() as equations:
            y = f(*inputs)
        runs.append({id(x): x for eq in equations for x in eq.inputs if x.dtype.kind == "f"})
    if not isinstance(y, Tensor) or y.shape:
        got = f"shape {y.shape}" if isinstance(y, Tensor) else type(y).__name__
        raise ShapeError(f"funm: f must return one number, a Tensor of shape (), for one; got {got}")
    followed = y.is_tracked or _core.followed_forward([y]) is not None
    if _core.is_isolated():  # who differentiates it from outside is not known yet: what both runs read was there before
        followed |= bool((runs[0].keys() & runs[1].keys()) - {id(x) for x in inputs})
    if followed:
        raise GradientError(
            "funm: f must not capture Tensors that may be differentiated; make them arguments: funm(x, f, them), with "
            "f of as many more"
        )


# -- functions -------------------------------------------------------------------------------------------------------


class PolarResult(NamedTuple):
    """An orthogonal and a positive semidefinite matrix."""

    u: Tensor
    p: Tensor


def sqrtm(x: TensorLike, /) -> Tensor:
    x = square("sqrtm", "x", x)
    dtype, (x,) = wide(x)
    return astype(_sqrtm(x), dtype)


def logm(x: TensorLike, /) -> Tensor:
    x = square("logm", "x", x)
    dtype, (x,) = wide(x)
    return astype(_family(_log, x), dtype)


def _log(w: Tensor) -> Tensor:
    """Of 0 too NaN."""
    return log(where(greater(w, 0.0), w, math.nan))


def funm(x: TensorLike, f: Callable[..., Tensor], /, *args: TensorLike) -> Tensor:
    check_function("funm", f)
    x = square("funm", "x", x)
    dtype, (x,) = wide(x)
    given = [floating(y) for y in args]
    _check_captured(f, ones((), x.dtype), *given)
    return astype(_family(f, x, (), given), dtype)


def polar(x: TensorLike, /, side: str = "right") -> PolarResult:
    x = matrices("polar", "x", x)
    left = checked_choice("polar", "side", side, ("right", "left")) == "left"
    dtype, (x,) = wide(x)
    turned = x.shape[-2] < x.shape[-1]
    u, p = _polar(matrix_transpose(x) if turned else x)
    if left != turned:
        p = symmetric(_around(u, p))
    return PolarResult(astype(matrix_transpose(u) if turned else u, dtype), astype(p, dtype))
