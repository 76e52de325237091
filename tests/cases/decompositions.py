"""Rows of ``ac.linalg``: factorisations, systems, spectra, norms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

import alice_core as ac
import alice_core.linalg  # whose primitives others look for
from op_cases import OpCase

_rng = np.random.default_rng(17)
_TOL = {"float32": 3e-5, "float64": 1e-12}


def _regular(*shape: int) -> Any:
    """Far from singular, with entries of both signs, none of them small."""
    a = _rng.uniform(0.3, 1.0, shape) * np.where(_rng.random(shape) < 0.5, -1.0, 1.0)
    k = min(shape[-2:])
    a[..., np.arange(k), np.arange(k)] += np.arange(2.0, 2.0 + k)
    return a


def _definite(*shape: int) -> Any:
    a = _rng.uniform(-1.0, 1.0, shape)
    return a @ np.swapaxes(a, -1, -2) + 2.0 * np.eye(shape[-1])


def _any(*shape: int) -> Any:
    return _rng.uniform(0.3, 1.5, shape)


def _triangle(*shape: int) -> Any:
    """Both halves are read in some row."""
    return _regular(*shape)


_SQUARES = [(_regular(3, 3),), (_regular(2, 2, 2),), (_regular(1, 1),), (np.zeros((0, 0)),), (np.zeros((0, 2, 2)),)]
_DEFINITE = [(_definite(3, 3),), (_definite(2, 2, 2),), (_definite(1, 1),), (np.zeros((0, 0)),), (np.zeros((0, 2, 2)),)]
_SYSTEMS = [
    (_regular(3, 3), _any(3)),
    (_regular(3, 3), _any(3, 2)),
    (_regular(2, 2, 2), _any(2, 1)),
    (_regular(2, 2), _any(2, 2, 1)),
    (_regular(2, 1, 2, 2), _any(3, 2, 2)),
    (_regular(2, 2), _any(2, 0)),
    (np.zeros((0, 0)), np.zeros((0, 2))),
]
_RECTANGLES = [(_regular(3, 3),), (_regular(4, 2),), (_regular(2, 3),), (_regular(2, 3, 2),)]
_EMPTY_RECTANGLES = [(np.zeros((0, 2)),), (np.zeros((2, 0)),), (np.zeros((0, 2, 3)),)]
_NOT_SQUARE = np.zeros((2, 3))
_VECTOR = np.zeros(3)


def _solve(a: Any, b: Any) -> Any:
    return np.linalg.solve(a, b[..., None])[..., 0] if b.ndim == 1 else np.linalg.solve(a, b)


def _solve_triangular(
    a: Any, b: Any, lower: bool = False, transposed: bool = False, unit_diagonal: bool = False
) -> Any:
    a = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        i = np.arange(a.shape[-1])
        a = a.copy()
        a[..., i, i] = 1.0
    return _solve(np.swapaxes(a, -1, -2) if transposed else a, b)


def _cho_solve(c: Any, b: Any, upper: bool = False) -> Any:
    lower = np.swapaxes(np.triu(c), -1, -2) if upper else np.tril(c)
    return _solve(lower @ np.swapaxes(lower, -1, -2), b)


def _symmetric(a: Any) -> Any:
    return (a + np.swapaxes(a, -1, -2)) / 2


def _signed(v: Any, like: Any) -> Any:
    """Signs of the columns of v: +1 where they are those of the columns of ``like``."""
    return np.where(np.sum(v * np.asarray(like), axis=-2, keepdims=True) < 0, -1.0, 1.0)


def _eigh(a: Any) -> Any:
    w, v = np.linalg.eigh(_symmetric(a))
    return w, v * _signed(v, ac.linalg.eigh(a).eigenvectors)


def _eig(a: Any) -> Any:
    w, v = np.linalg.eig(a)
    return w, v * _signed(v, ac.linalg.eig(a).eigenvectors)


def _svd(a: Any, full_matrices: bool = True) -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=full_matrices)
    ours = ac.linalg.svd(a, full_matrices=full_matrices)
    k = s.shape[-1]
    signs = _signed(u[..., :k], ours.U[..., :k])
    u[..., :k] *= signs
    vh[..., :k, :] *= np.swapaxes(signs, -1, -2)
    u[..., k:] *= _signed(u[..., k:], ours.U[..., k:])
    vh[..., k:, :] *= np.swapaxes(
        _signed(np.swapaxes(vh, -1, -2)[..., k:], np.swapaxes(ours.Vh.numpy(), -1, -2)[..., k:]), -1, -2
    )
    return u, s, vh


def _each(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function of one matrix on a batch of them."""

    def batched(a: Any) -> Any:
        count = a.shape[:-2]
        items = [f(m) for m in a.reshape(int(np.prod(count)), *a.shape[-2:])] or [f(np.ones(a.shape[-2:]))]
        parts = items if isinstance(items[0], tuple) else [(item,) for item in items]
        joined = tuple(
            np.stack(part)[: int(np.prod(count))].reshape(*count, *part[0].shape) for part in zip(*parts, strict=True)
        )
        return joined if isinstance(items[0], tuple) else joined[0]

    return batched


def _funm(a: Any, f: Callable[[Any], Any], *args: Any) -> Any:
    w, v = np.linalg.eigh(_symmetric(a))
    with np.errstate(invalid="ignore"):
        return (v * np.asarray(f(w, *args))[..., None, :]) @ np.swapaxes(v, -1, -2)


def _polar(a: Any, side: str = "right") -> Any:
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    v, ut = np.swapaxes(vh, -1, -2), np.swapaxes(u, -1, -2)
    s = s[..., None, :]
    return u @ vh, (v * s) @ vh if side == "right" else (u * s) @ ut


def _lstsq(a: Any, b: Any) -> Any:
    x = np.linalg.pinv(a) @ (b[..., None] if b.ndim == 1 else b)
    residuals = np.sum((a @ x - (b[..., None] if b.ndim == 1 else b)) ** 2, axis=-2)
    if b.ndim == 1:
        x, residuals = x[..., 0], residuals[..., 0]
    rank = np.broadcast_to(np.int64(np.linalg.matrix_rank(a)), x.shape[: max(a.ndim, b.ndim) - 2])
    return x, residuals, rank, np.linalg.svd(a, compute_uv=False)


def _cross(a: Any, b: Any, axis: int = -1) -> Any:
    return np.cross(a, b, axis=axis)


def _trace(a: Any, offset: int = 0) -> Any:
    return np.trace(a, offset, -2, -1)


def _matrix_norm(a: Any, ord: Any = "fro", keepdims: bool = False) -> Any:
    return np.linalg.norm(a, ord, axis=(-2, -1), keepdims=keepdims)


def _vector_norm(a: Any, axis: Any = None, ord: Any = 2, keepdims: bool = False) -> Any:
    if axis is None:
        y = np.linalg.norm(a.ravel(), ord)
        return y.reshape((1,) * a.ndim) if keepdims else y
    return np.linalg.norm(a, ord, axis=axis, keepdims=keepdims)


def _row(name: str, reference: Any, inputs: Any, **more: Any) -> OpCase:
    errors = [((_VECTOR, *inputs[0][1:]), {}, ac.ShapeError, rf"^{name}: \w+ must have at least 2 dimensions; got")]
    if more.pop("square", True):
        errors.append(((_NOT_SQUARE, *inputs[0][1:]), {}, ac.ShapeError, rf"^{name}: \w+ must be square, with equal"))
    errors += more.pop("errors", [])
    return OpCase(f"linalg.{name}", reference, inputs, errors=errors, **({"tol": _TOL} | more))


_SINGULAR = np.array([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 2.0], [2.0, 4.0]]])
_INDEFINITE = np.stack([np.eye(3), np.diag([1.0, 2.0, -1.0])])
_TURNING = np.array([[0.0, -1.0], [1.0, 0.0]])
_BAD = np.array([[np.inf, 0.0], [0.0, 1.0]])
_WHERE = r" \(matrix \(1,\) of the batch\)"

CASES = [
    _row(
        "cholesky",
        lambda a, upper=False: np.linalg.cholesky(_symmetric(a), upper=upper) if a.size else np.zeros(a.shape),
        _DEFINITE,
        kwargs=[{}, {"upper": True}],
        primitives=("cholesky", "cholesky_vjp"),
        errors=[
            (
                (_INDEFINITE,),
                {},
                ac.LinAlgError,
                rf"^cholesky: .* positive definite; its leading minor of order 3 is not positive{_WHERE}",
            ),
            ((np.full((1, 1), np.nan),), {}, ac.LinAlgError, "leading minor of order 1 is not positive; add a small"),
        ],
    ),
    _row("cho_solve", _cho_solve, _SYSTEMS, kwargs=[{}, {"upper": True}], grad=(0, 1)),
    _row(
        "solve_triangular",
        _solve_triangular,
        _SYSTEMS,
        kwargs=[{}, {"lower": True}, {"lower": True, "transposed": True}, {"unit_diagonal": True}],
        primitives=("solve_triangular",),
        grad=(0, 1),
        errors=[
            (
                (np.eye(2), np.zeros((3, 1))),
                {},
                ac.ShapeError,
                r"^solve_triangular: a and b must have as many rows; got a \(2, 2\), b \(3, 1\)",
            ),
            ((np.eye(2), np.zeros(2)), {"lower": 2}, ac.DTypeError, "^solve_triangular: lower must be True or False"),
        ],
    ),
    _row(
        "solve",
        _solve,
        _SYSTEMS,
        primitives=("solve",),
        grad=(0, 1),
        errors=[
            (
                (_SINGULAR, np.zeros(2)),
                {},
                ac.LinAlgError,
                rf"^solve: the matrix must not be singular; column 1 depends on those before it{_WHERE}",
            ),
            (
                (np.stack([np.eye(2)] * 2), np.zeros((3, 2, 1))),
                {},
                ac.ShapeError,
                "batch dimensions must be equal or 1",
            ),
        ],
    ),
    OpCase(
        "linalg.solve",
        _solve,
        [(_regular(17, 17), _any(17)), (_regular(2, 1, 17, 17), _any(2, 17, 1))],
        primitives=("lu_factor", "lu_solve"),
        grad=(0, 1),
        tol={"float32": 1e-4, "float64": 1e-11},
        errors=[
            ((np.zeros((17, 17)), np.zeros(17)), {}, ac.LinAlgError, "^solve: .*; column 0 depends on those before")
        ],
    ),
    _row(
        "inv",
        np.linalg.inv,
        _SQUARES,
        primitives=("inv",),
        errors=[
            ((_SINGULAR,), {}, ac.LinAlgError, rf"^inv: .*; column 1 depends on those before it{_WHERE}; ac.linalg")
        ],
    ),
    _row("det", np.linalg.det, _SQUARES, primitives=("det", "cofactor")),
    _row("slogdet", lambda a: tuple(np.linalg.slogdet(a)), _SQUARES, primitives=("slogdet",)),
    _row("lu", _each(scipy.linalg.lu), _RECTANGLES, primitives=("lu", "lu_factor"), square=False),
    _row("qr", np.linalg.qr, [*_RECTANGLES, *_EMPTY_RECTANGLES], primitives=("qr",), square=False),
    OpCase("linalg.qr", np.linalg.qr, [(_regular(4, 2),)], [{"mode": "complete"}], grad=(), tol=_TOL),
    _row(
        "eigh",
        _eigh,
        _DEFINITE[:3],
        primitives=("eigh", "block_eigh"),
        errors=[((_BAD,), {}, ac.LinAlgError, "^eigh: the eigenvalues were not found, the matrix must be finite")],
    ),
    _row("eigvalsh", lambda a: np.linalg.eigvalsh(_symmetric(a)), _DEFINITE, primitives=("eigvalsh",)),
    _row(
        "eig",
        _eig,
        _DEFINITE[:3],
        primitives=("eig",),
        errors=[
            ((_TURNING,), {}, ac.LinAlgError, "^eig: the eigenvalues must be real; got a matrix with complex ones")
        ],
    ),
    _row(
        "eigvals",
        np.linalg.eigvals,
        _DEFINITE[:3],
        primitives=("eigvals",),
        errors=[((_TURNING,), {}, ac.LinAlgError, "^eigvals: the eigenvalues must be real; .* see ac.linalg.eigh")],
    ),
    _row(
        "svd",
        _svd,
        _RECTANGLES,
        kwargs=[{"full_matrices": False}],
        primitives=("svd",),
        square=False,
        errors=[((_BAD,), {}, ac.LinAlgError, "^svd: the singular values were not found, the matrix must be finite")],
    ),
    OpCase("linalg.svd", _svd, [(_regular(3, 2),), (_regular(2, 3),)], grad=(), tol=_TOL),
    _row(
        "svdvals",
        lambda a: np.linalg.svd(a, compute_uv=False),
        [*_RECTANGLES, *_EMPTY_RECTANGLES],
        primitives=("svdvals",),
        square=False,
    ),
    _row("pinv", np.linalg.pinv, [*_RECTANGLES, *_EMPTY_RECTANGLES], primitives=("pinv",), square=False),
    _row(
        "lstsq",
        _lstsq,
        [(_regular(4, 2), _any(4)), (_regular(4, 3), _any(4, 2)), (_regular(5, 2), _any(2, 5, 1))],
        primitives=("lstsq",),
        grad=(0, 1),
        square=False,
        errors=[((np.zeros((2, 3)), np.zeros(3)), {}, ac.ShapeError, "^lstsq: a and b must have as many rows; got")],
    ),
    _row(
        "matrix_rank",
        lambda a: np.asarray(np.linalg.matrix_rank(a), np.int64),
        [(_regular(3, 2),), (np.ones((2, 3, 3)),), (np.zeros((2, 2)),)],
        grad=(),
        square=False,
    ),
    _row(
        "matrix_power",
        np.linalg.matrix_power,
        [(_regular(3, 3), 3), (_regular(2, 2, 2), 0), (_regular(2, 2), -2), (_regular(2, 2), 1)],
        errors=[((np.eye(2), 0.5), {}, ac.DTypeError, "^matrix_power: n must be an int; got 0.5")],
    ),
    _row(
        "matrix_norm",
        _matrix_norm,
        _RECTANGLES,
        kwargs=[{}, {"ord": "nuc"}, {"ord": 2}, {"ord": 1, "keepdims": True}, {"ord": -np.inf}, {"ord": np.inf}],
        square=False,
        errors=[((np.eye(2),), {"ord": 3}, ValueError, '^matrix_norm: ord must be "fro", "nuc", 1, -1, 2, -2, inf or')],
    ),
    OpCase("linalg.matrix_norm", _matrix_norm, [(_regular(3, 2),)], [{"ord": -1}, {"ord": -2}], tol=_TOL),
    OpCase(
        "linalg.vector_norm",
        _vector_norm,
        [(_regular(2, 3),), (_regular(2, 2, 2),)],
        [{}, {"ord": 1}, {"ord": 3}, {"ord": 0.5, "keepdims": True}, {"ord": np.inf, "axis": -1}, {"ord": -np.inf}],
        tol=_TOL,
    ),
    OpCase(
        "linalg.vector_norm",
        _vector_norm,
        [(_regular(2, 3),)],
        [{"ord": 0, "axis": 0}],
        grad=(),
        errors=[((np.eye(2),), {"ord": "fro"}, ac.DTypeError, "^vector_norm: ord must be a number; got 'fro'")],
    ),
    OpCase(
        "linalg.norm",
        lambda a, ord=None, axis=None, keepdims=False: np.linalg.norm(a, ord, axis, keepdims),
        [(_regular(3, 2),)],
        [
            {},
            {"ord": "nuc"},
            {"ord": 1},
            {"ord": 3, "axis": 0},
            {"axis": 1, "keepdims": True},
            {"ord": 2, "axis": (1, 0)},
        ],
        tol=_TOL,
        errors=[
            ((np.ones((2, 2, 2)),), {"ord": 1}, ac.ShapeError, "^norm: ord 1 needs one axis or two; got axis None")
        ],
    ),
    _row(
        "cond",
        lambda a, p=None: np.linalg.cond(a, p),
        [(_regular(3, 3),), (_regular(2, 2, 2),)],
        kwargs=[{}, {"p": -2}, {"p": 1}, {"p": "fro"}],
        square=False,
    ),
    OpCase(
        "linalg.cross",
        _cross,
        [(_any(3), _any(3)), (_any(2, 3), _any(3)), (_any(0, 3), _any(3))],
        tol=_TOL,
        grad=(0, 1),
        errors=[
            ((np.zeros(2), np.zeros(2)), {}, ac.ShapeError, "^cross: x1 and x2 must have 3 entries along axis"),
            ((np.zeros(3), np.zeros(3)), {"axis": -2}, ac.ShapeError, "^cross: axis -2 must exist in x1 and x2"),
        ],
    ),
    OpCase("linalg.cross", _cross, [(_any(3, 2), _any(3, 2))], [{"axis": 0}, {"axis": -2}], tol=_TOL, grad=(0, 1)),
    OpCase(
        "linalg.trace",
        _trace,
        [(_any(3, 3),), (_any(2, 2, 3),), (np.zeros((0, 2)),)],
        [{}, {"offset": 1}, {"offset": -1}],
        errors=[((np.zeros(3),), {}, ac.ShapeError, "^trace: x must have at least 2 dimensions; got shape")],
    ),
    OpCase(
        "linalg.multi_dot",
        np.linalg.multi_dot,
        [([_any(2, 3), _any(3, 4), _any(4, 2)],), ([_any(2), _any(2, 3), _any(3)],), ([_any(2, 5), _any(5, 1)],)],
        errors=[
            (([np.eye(2)],), {}, ac.ShapeError, "^multi_dot: at least 2 arrays are needed; got 1"),
            (([np.eye(2), np.eye(3)],), {}, ac.ShapeError, "^multi_dot: matrices must fit their neighbours"),
        ],
    ),
    OpCase(
        "linalg.kron",
        np.kron,
        [(_any(2, 2), _any(3, 2)), (_any(2), _any(2, 2)), (_any(), _any(2)), (np.zeros((0, 2)), _any(2, 2))],
        grad=(0, 1),
    ),
    _row(
        "expm",
        _each(scipy.linalg.expm),
        [(_any(3, 3),), (_any(2, 2, 2),), (_any(1, 1),), (_any(2, 2) * 6,), (np.zeros((0, 0)),)],
        primitives=("expm",),
        errors=[((_BAD,), {}, ac.LinAlgError, "^expm: the matrix must be finite; got infinities or NaN")],
    ),
    _row("sqrtm", lambda a: _funm(a, np.sqrt), [*_DEFINITE, (-np.eye(2),)], grad=()),
    _row("sqrtm", lambda a: _funm(a, np.sqrt), _DEFINITE),
    _row("logm", lambda a: _funm(a, np.log), [*_DEFINITE, (-np.eye(2),), (np.zeros((2, 2)),)], grad=()),
    _row("logm", lambda a: _funm(a, np.log), _DEFINITE),
    _row(
        "funm",
        lambda a, f: _funm(a, lambda w: w / (1.0 + w * w)),
        [(a, lambda w: w / (1.0 + w * w)) for (a,) in (*_DEFINITE, (np.diag([1.0, 1.0, 2.0]),))],
        errors=[
            ((np.eye(2), 3.0), {}, ac.DTypeError, "^funm: expected a function; got 3.0"),
            ((np.eye(2), lambda w: 1.0), {}, ac.ShapeError, r"^funm: f must return one number, .*; got float"),
            (
                (np.eye(2), lambda w: ac.stack([w])),
                {},
                ac.ShapeError,
                r"^funm: f must return one number, .* shape \(1,\)",
            ),
        ],
    ),
    _row(
        "polar",
        _polar,
        [*_RECTANGLES, *_EMPTY_RECTANGLES, (np.diag([2.0, 2.0, -2.0]),)],
        kwargs=[{}, {"side": "left"}],
        square=False,
        tol={"float32": 3e-4, "float64": 1e-12},  # an entry may nearly cancel
        errors=[((np.eye(2),), {"side": "up"}, ValueError, "^polar: side must be")],
    ),
]
