"""NumPy's own functions, applied to Tensors.

``np.exp(x)`` on a Tensor calls ``ac.exp(x)``, so code written for NumPy can be differentiated unchanged. What we have
no op for, NumPy computes from the values of constants, and returns what it returns. It raises where somebody follows
the Tensors, to differentiate, vectorise or compile: plain numbers would leave the trace, and the gradient would be
wrong.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

import alice_core as ac

from . import _core, tree
from .errors import AliceError, LinAlgError, ShapeError, TraceError
from .reading import followed
from .tensors import Tensor, bfloat16

__all__ = ["UnsupportedError", "function", "supported", "ufunc"]


class UnsupportedError(AliceError, TypeError):
    """A NumPy function that has no counterpart here was called with a Tensor that is followed."""


# ufuncs of NumPy whose name here differs from NumPy's; all others are looked up under their own name.
_UFUNC_NAMES = {
    "absolute": "abs",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctan2": "atan2",
    "arctanh": "atanh",
    "fabs": "abs",
    "power": "pow",
    "rint": "round",
    "true_divide": "divide",
}

_OPERATORS: dict[str, Callable[..., Any]] = {
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "invert": operator.invert,
    "left_shift": operator.lshift,
    "right_shift": operator.rshift,
}

# ufuncs of scipy.special that have another name here; all others are those of ac.special under their own name.
_SPECIAL_NAMES = {"psi": "digamma"}

_UFUNC_SCANS = {
    "add": "cumsum",
    "multiply": "cumprod",
    "maximum": "cummax",
    "minimum": "cummin",
    "logaddexp": "logcumsumexp",
}

_UFUNC_REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}

# Functions that mean the same under the same (or the given) name, with NumPy's own names of optional arguments.
_SAME = {
    "all": "all",
    "amax": "max",
    "amin": "min",
    "any": "any",
    "argmax": "argmax",
    "argmin": "argmin",
    "argsort": "argsort",
    "argwhere": "argwhere",
    "average": "average",
    "bincount": "bincount",
    "broadcast_to": "broadcast_to",
    "column_stack": "column_stack",
    "count_nonzero": "count_nonzero",
    "cumprod": "cumprod",
    "cumsum": "cumsum",
    "diff": "diff",
    "expand_dims": "expand_dims",
    "flip": "flip",
    "full_like": "full_like",
    "histogram": "histogram",
    "hstack": "hstack",
    "interp": "interp",
    "isin": "isin",
    "max": "max",
    "mean": "mean",
    "median": "median",
    "min": "min",
    "moveaxis": "moveaxis",
    "nan_to_num": "nan_to_num",
    "nonzero": "nonzero",
    "ones_like": "ones_like",
    "outer": "outer",
    "percentile": "percentile",
    "prod": "prod",
    "quantile": "quantile",
    "ravel": "ravel",
    "repeat": "repeat",
    "reshape": "reshape",
    "roll": "roll",
    "rot90": "rot90",
    "round": "round",
    "searchsorted": "searchsorted",
    "sinc": "sinc",
    "sort": "sort",
    "split": "split",
    "stack": "stack",
    "std": "std",
    "sum": "sum",
    "swapaxes": "swapaxes",
    "take": "take",
    "take_along_axis": "take_along_axis",
    "tensordot": "tensordot",
    "tile": "tile",
    "tril": "tril",
    "triu": "triu",
    "unique": "unique",
    "var": "var",
    "vstack": "vstack",
    "zeros_like": "zeros_like",
}

# The same, of NumPy from 2.0 or 2.1 on. (The values of its unique_values come in no order.)
_SINCE_2 = ("cumulative_prod", "cumulative_sum", "unique_all", "unique_counts", "unique_inverse")

# Functions by which others, SciPy for one, make an array of whatever they are given, to write into it: constants become
# one.
_COERCIONS = ("atleast_1d", "atleast_2d", "atleast_3d")

# Functions that only look: they get the values as NumPy arrays.
_OBSERVERS = (
    "allclose",
    "array2string",
    "array_equal",
    "array_equiv",
    "array_repr",
    "array_str",
    "flatnonzero",
    "isclose",
    "may_share_memory",
    "save",
    "savez",
    "savez_compressed",
    "shares_memory",
)

# Functions that ask for the shape or the dtype, which are known of every Tensor.
_LAYOUT = ("iscomplexobj", "isrealobj", "result_type", "size")


def _ac(name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(ac, name)
    return found


def _concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    if axis is None:
        return _ac("concat")([_ac("reshape")(a, (-1,)) for a in arrays], axis=0)
    return _ac("concat")(arrays, axis=axis)


def _transpose(a: Any, axes: Sequence[int] | None = None) -> Any:
    return _ac("permute_dims")(a, tuple(range(a.ndim))[::-1] if axes is None else tuple(axes))


def _squeeze(a: Any, axis: Any = None) -> Any:
    return a.squeeze(axis)


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return _ac("clip")(a, a_min if min is None else min, a_max if max is None else max)


def _dot(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return _ac("multiply")(a, b)
    if np.ndim(b) > 2:
        return _ac("tensordot")(a, b, axes=((-1,), (-2,)))
    return _ac("matmul")(a, b)


def _where(condition: Any, *choices: Any) -> Any:
    return _ac("where")(condition, *choices) if choices else _ac("nonzero")(condition)


def _pad(array: Any, pad_width: Any, mode: Any = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant" or isinstance(pad_width, dict):
        raise UnsupportedError(
            f"np.pad: expected mode='constant' and a sequence of widths; got mode={mode!r}, pad_width={pad_width!r}; "
            f"pad side by side with ac.concat"
        )
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2))
    if np.ndim(constant_values) == 0:
        return _ac("pad")(array, widths.tolist(), constant_values)
    values = np.broadcast_to(np.asarray(constant_values), (array.ndim, 2))
    for axis, side in np.ndindex(array.ndim, 2):  # the last axes have the corners
        only = np.zeros_like(widths)
        only[axis, side] = widths[axis, side]
        array = _ac("pad")(array, only.tolist(), values[axis, side].item())
    return array


def _trapezoid(y: Any, x: Any = None, **kwargs: Any) -> Any:
    if _dtype(y).kind == "b":
        raise UnsupportedError(
            "np.trapezoid: of bool, NumPy's sums are truth values; convert with y.astype(ac.float32)"
        )
    return _ac("trapezoid")(y, x, **kwargs)


def _einsum(*operands: Any, optimize: Any = True, **kwargs: Any) -> Any:
    arrays = [x for x in operands if isinstance(x, (Tensor, np.ndarray))]
    if arrays and all(x.dtype.kind == "b" for x in arrays):
        raise UnsupportedError("np.einsum: of bool, NumPy's results are truth values; convert with x.astype(ac.int64)")
    # A path of the caller's only says in which order.
    return _ac("einsum")(*operands, optimize=optimize if isinstance(optimize, (bool, str)) else True, **kwargs)


def _float_power(x1: Any, x2: Any) -> Any:
    return _ac("pow")(_ac("asarray")(x1, np.float64), x2)


def _values(x: Any) -> Any:
    return x._constant()._exact() if isinstance(x, Tensor) else x


def _layout(x: Any) -> Any:
    if not isinstance(x, Tensor):
        return x
    return np.broadcast_to(np.zeros((), np.float32 if x.dtype == bfloat16 else x.dtype), x.shape)


def _shown(func: Callable[..., Any], show: Callable[[Any], Any]) -> Callable[..., Any]:
    """NumPy's function of what is shown to it of the Tensors among its arguments."""

    def observer(*args: Any, **kwargs: Any) -> Any:
        return func(*tree.map(show, args), **tree.map(show, kwargs))

    return observer


@cache
def _parameters(func: Callable[..., Any]) -> tuple[tuple[str, ...], int, dict[str, Any]]:
    """Names of the arguments of a NumPy function, how many come by position, and the defaults of the others."""
    from inspect import Parameter, signature  # slow to import

    try:
        found = signature(func).parameters
    except ValueError:  # of C, in an old NumPy
        return (), 0, {}
    optional = {n: p.default for n, p in found.items() if p.kind is not p.POSITIONAL_ONLY and p.default is not p.empty}
    whole = any(p.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD) for p in found.values())
    return ((), 0, {}) if whole else (tuple(found), len(found) - len(optional), optional)


def _called_as(func: Callable[..., Any], target: Callable[..., Any]) -> Callable[..., Any]:
    """The target with the arguments of NumPy's func: optional ones by name, for their order is another; no defaults."""

    def served(*args: Any, **kwargs: Any) -> Any:
        names, first, defaults = _parameters(func)
        if len(args) > len(names) or (len(args) == first and not kwargs):  # not a known signature, or as it is
            return target(*args, **kwargs)
        given = dict(zip(names, args, strict=False)) | kwargs
        leading = [given.pop(name) for name in names[:first] if name in given]
        return target(*leading, **{k: v for k, v in given.items() if k not in defaults or v is not defaults[k]})

    return served


def _coercion(name: str) -> Callable[..., Any]:
    def coerce(*arrays: Any) -> Any:
        tensors = [x for x in arrays if isinstance(x, Tensor)]
        if followed(tensors) or not all(x._readable for x in tensors):
            return _ac(name)(*arrays)
        return getattr(np, name)(*(np.array(_values(x)) if isinstance(x, Tensor) else x for x in arrays))

    return coerce


# -- np.linalg: ours is imported when a function is called -----------------------------------------------------------

# Those that NumPy has by the name that we have, with the same arguments first; older NumPys have fewer of them.
_LINALG = (
    *("cond", "cross", "det", "diagonal", "inv", "matmul", "matrix_norm", "matrix_transpose"),
    *("norm", "outer", "qr", "slogdet", "solve", "svdvals", "tensordot", "trace", "vecdot", "vector_norm"),
)


def _linalg(name: str) -> Callable[..., Any]:
    return lambda *args, **kwargs: getattr(ac.linalg, name)(*args, **kwargs)


def _one_half(a: Any, lower: bool = True) -> Any:
    """The symmetric matrix of which NumPy reads that half."""
    a = _ac("asarray")(a)
    kept, other = (_ac("tril")(a), _ac("tril")(a, -1)) if lower else (_ac("triu")(a), _ac("triu")(a, 1))
    return kept + _ac("matrix_transpose")(other)


def _symmetric(name: str) -> Callable[..., Any]:
    def of_half(a: Any, UPLO: str = "L") -> Any:
        return _linalg(name)(_one_half(a, UPLO.upper() != "U"))

    return of_half


def _np_cholesky(a: Any, upper: bool = False) -> Any:
    return _linalg("cholesky")(_one_half(a, not upper), upper=upper)


def _real(name: str) -> Callable[..., Any]:
    def of_real(a: Any) -> Any:
        try:
            return _linalg(name)(a)
        except LinAlgError as error:  # NumPy goes on with complex numbers
            raise UnsupportedError(str(error)) from None

    return of_real


def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    _refuse_hermitian("svd", hermitian)
    return _linalg("svd")(a, full_matrices=full_matrices) if compute_uv else _linalg("svdvals")(a)


def _refuse_hermitian(name: str, hermitian: bool) -> None:
    if hermitian:
        raise UnsupportedError(f"np.linalg.{name}: expected hermitian=False; got True; use ac.linalg.eigh")


def _pinv(a: Any, rcond: float | None = None, hermitian: bool = False, rtol: float | None = None) -> Any:
    _refuse_hermitian("pinv", hermitian)
    return _linalg("pinv")(a, rtol=1e-15 if rcond is None and rtol is None else rcond if rtol is None else rtol)


def _matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, rtol: float | None = None) -> Any:
    _refuse_hermitian("matrix_rank", hermitian)
    if tol is not None:
        above = _linalg("svdvals")(A) > _ac("asarray")(tol)[..., None]
        return _ac("sum")(_ac("astype")(above, np.int64), axis=-1)
    return _linalg("matrix_rank")(A, rtol=rtol)


def _lstsq(a: Any, b: Any, rcond: float | None = None) -> Any:
    share = rcond if rcond is not None and 0 <= rcond < 1 else None  # others stand for the unit of roundoff
    x, residuals, rank, values = _linalg("lstsq")(a, b, rtol=share)
    m, n = np.shape(a)
    residuals = _ac("reshape")(residuals, (-1,))
    if m <= n or (rank._readable and int(rank._item("rank")) < n):  # NumPy has none then
        residuals = residuals[:0]
    return x, residuals, rank, values


def _of_numbers(name: str) -> Callable[..., Any]:
    def product(a: Any, *n: Any) -> Any:
        if all(_dtype(x).kind == "b" for x in (a if isinstance(a, (list, tuple)) else [a])):
            raise UnsupportedError(f"np.linalg.{name}: of bool, NumPy's results are truth values; convert to numbers")
        return _linalg(name)(a, *n)

    return product


def _cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    if (axisa, axisb, axisc) != (-1, -1, -1):
        raise UnsupportedError("np.cross: expected one axis; got several; move them with np.moveaxis")
    try:
        return _linalg("cross")(a, b, axis=-1 if axis is None else axis)
    except ShapeError as error:  # NumPy has one of vectors in the plane, too
        raise UnsupportedError(str(error)) from None


def _trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    return _ac("sum")(_ac("diagonal")(a, offset, axis1, axis2), axis=-1, dtype=dtype)


def _linear_algebra() -> dict[Any, Callable[..., Any]]:
    table = {getattr(np.linalg, name): _linalg(name) for name in _LINALG if hasattr(np.linalg, name)}
    own: dict[str, Callable[..., Any]] = {
        "cholesky": _np_cholesky,
        "eig": _real("eig"),
        "eigvals": _real("eigvals"),
        "eigh": _symmetric("eigh"),
    }
    own |= {
        "eigvalsh": _symmetric("eigvalsh"),
        "lstsq": _lstsq,
        "matrix_rank": _matrix_rank,
        "pinv": _pinv,
        "svd": _svd,
    }
    own |= {name: _of_numbers(name) for name in ("matrix_power", "multi_dot")}
    table |= {getattr(np.linalg, name): target for name, target in own.items()}
    return table | {np.cross: _cross, np.kron: _linalg("kron"), np.trace: _trace}


@cache
def _functions() -> dict[Any, Callable[..., Any]]:
    ours: dict[Any, Callable[..., Any]] = {getattr(np, numpy_name): _ac(name) for numpy_name, name in _SAME.items()}
    ours |= {
        np.clip: _clip,
        np.concatenate: _concatenate,
        np.copy: _ac("copy"),
        np.diag: _ac("diag"),
        np.dot: _dot,
        np.einsum: _einsum,
        **_linear_algebra(),
        np.pad: _pad,
        np.squeeze: _squeeze,
        np.transpose: _transpose,
        np.where: _where,
    }
    ours |= {getattr(np, name): _coercion(name) for name in _COERCIONS}
    ours |= {getattr(np, name): _ac(name) for name in _SINCE_2 if hasattr(np, name)}
    ours[getattr(np, "trapezoid", None) or getattr(np, "trapz")] = _trapezoid  # noqa: B009 - gone from NumPy 2's types
    table: dict[Any, Callable[..., Any]] = {np.ndim: lambda a: a.ndim, np.shape: lambda a: a.shape}
    table |= {func: _called_as(func, target) for func, target in ours.items()}
    table |= {func: _shown(func, _values) for func in (getattr(np, name) for name in _OBSERVERS)}
    return table | {func: _shown(func, _layout) for func in (getattr(np, name) for name in _LAYOUT)}


@cache
def _ufuncs() -> dict[Any, Callable[..., Any]]:
    """Ours by the ufunc itself: ufuncs of others may have the name of an op and another meaning."""
    table: dict[Any, Callable[..., Any]] = {np.float_power: _float_power, np.positive: operator.pos}
    for func in vars(np).values():
        if isinstance(func, np.ufunc) and func not in table:
            name = _UFUNC_NAMES.get(func.__name__, func.__name__)
            if hasattr(ac, name):
                table[func] = _ac(name)
    return table | {getattr(np, name): _on_tensors(op) for name, op in _OPERATORS.items()}


def _on_tensors(op: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *inputs: op(*(x if np.isscalar(x) else _ac("asarray")(x) for x in inputs))


def _special(name: str) -> Callable[..., Any] | None:
    name = _SPECIAL_NAMES.get(name, name)
    found: Callable[..., Any] | None = getattr(ac.special, name) if name in ac.special.__all__ else None
    return _ac("round") if name == "round" else found


def _named(func: np.ufunc) -> tuple[str, Callable[..., Any] | None]:
    """Where a user has the ufunc from, and which of our ops it is."""
    name = func.__name__
    if (target := _ufuncs().get(func)) is not None or getattr(np, name, None) is func:
        return f"np.{name}", target
    if getattr(sys.modules.get("scipy.special"), name, None) is func:
        return f"scipy.special.{name}", _special(name)
    return name, None


def supported() -> list[str]:
    """Names of the NumPy functions (beside ufuncs) that accept Tensors, sorted."""
    return sorted(f.__name__ for f in _functions())


def _unsupported(name: str, why: str, known: bool) -> UnsupportedError:
    remedy = (
        "ac.stop_gradient(x).numpy() if no gradient shall flow"
        if known
        else "call it outside of the traced function, where the values are known"
    )
    return UnsupportedError(f"{name}: {why}; use an op of alice_core, or {remedy}")


@cache
def _otherwise() -> dict[Any, tuple[str, str]]:
    """Functions that NumPy computes in other numbers than we do: kinds of dtypes, and how to get either result."""
    of_bools = ("b", "truth values; use ac.logical_or and its kin, or convert with x.astype(ac.int64)")
    table = dict.fromkeys((np.add, np.matmul, np.dot, np.tensordot, getattr(np, "vecdot", None)), of_bools)
    products = ("matmul", "tensordot", "vecdot")
    table |= dict.fromkeys((getattr(np.linalg, name, None) for name in products), of_bools)
    return table | {np.reciprocal: ("biu", "integers; use 1 // x, or convert with x.astype(ac.float32)")}


def _check_same_numbers(name: str, func: Any, args: Sequence[Any]) -> None:
    kinds, otherwise = _otherwise().get(func, ("", ""))
    if kinds and args and all(_dtype(x).kind in kinds for x in args[:2]):
        raise UnsupportedError(f"{name}: of {_dtype(args[0]).name}, NumPy's results are {otherwise}")


def _dtype(x: Any) -> Any:
    return x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype


def ufunc(func: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Serve ``Tensor.__array_ufunc__``."""
    name, target = _named(func)
    if "out" not in kwargs and all(x._weak if isinstance(x, Tensor) else np.isscalar(x) for x in inputs):
        raise TraceError(
            f"{name}: NumPy would compute this from a number that is not known while tracing; compute it outside and "
            f"pass the result, or make it a Tensor with ac.asarray and use ac.{func.__name__}"
        )
    kwargs = {key: value for key, value in kwargs.items() if value is not None or key == "axis"}
    if method == "__call__":
        _check_same_numbers(name, func, inputs)
        if target is not None and func.__name__ in _OPERATORS and not kwargs:
            return target(*inputs)  # refuses bools beside integers, on whichever side of the operator the Tensor is
    else:
        name += f".{method}"
        target = _method(func, method, target) if name.startswith("np.") else None
        if method == "outer":
            _check_same_numbers(name, func, inputs)
    if method in ("reduce", "accumulate"):
        kwargs.setdefault("axis", 0)
    if method == "at" and isinstance(inputs[0], Tensor):  # NumPy writes into read-only memory, too
        raise _unsupported(name, "Tensors are values, NumPy cannot write into one", True)
    return _serve(name, target, inputs, kwargs, getattr(func, method))


def _method(func: np.ufunc, method: str, target: Callable[..., Any] | None) -> Callable[..., Any] | None:
    """Which op of ours is that method of a ufunc of NumPy's; None for none."""
    if method == "reduce" and func.__name__ in _UFUNC_REDUCTIONS:
        return _ac(_UFUNC_REDUCTIONS[func.__name__])
    if method == "accumulate" and func.__name__ in _UFUNC_SCANS:
        return _ac(_UFUNC_SCANS[func.__name__])
    if method == "outer" and target is not None:
        # There NumPy's ints have a dtype of their own, int64.
        return lambda a, b: target(
            _ac("reshape")(a, np.shape(a) + (1,) * np.ndim(b)), np.asarray(b) if isinstance(b, int) else b
        )
    return None


def function(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Serve ``Tensor.__array_function__``."""
    name = f"{func.__module__.replace('numpy', 'np', 1)}.{func.__name__}"
    _check_same_numbers(name, func, args)
    return _serve(name, _functions().get(func), args, kwargs, func)


def _serve(
    name: str,
    target: Callable[..., Any] | None,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    numpys: Callable[..., Any],
) -> Any:
    """What our function returns; if there is none for these arguments and nobody follows them, what NumPy's does."""
    why = "alice_core has no such function"
    refused = None
    dtypes = [x.dtype for x in tree.leaves((args, kwargs)) if isinstance(x, (Tensor, np.ndarray))]
    if "out" in kwargs:
        why = "Tensors are values, out= cannot write into one"
    elif target is not None:
        try:
            return target(*args, **kwargs)
        except TypeError as error:  # of ours, too: for a dtype or a variant that we do not have
            _core.check_signs(name, dtypes)
            why, refused = f"these arguments are not supported on Tensors ({error})", error
    tensors = [x for x in tree.leaves((args, kwargs)) if isinstance(x, Tensor)]
    known = all(x._readable for x in tensors)
    if tensors and known and not followed(tensors):
        result = _by_numpy(name, numpys, args, kwargs)
        if any(np.asarray(x).dtype.kind == "f" for x in tree.leaves(result)):
            _core.check_signs(name, dtypes)  # of which NumPy makes real numbers, which it rounds
        return result
    if refused is not None and (isinstance(refused, AliceError) or "argument" not in str(refused)):
        raise refused
    raise _unsupported(name, why, known)


def _by_numpy(name: str, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    try:
        return _shown(func, _values)(*args, **kwargs)
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise _unsupported(name, "Tensors are values, NumPy cannot write into one", True) from None
