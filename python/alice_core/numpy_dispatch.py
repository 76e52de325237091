"""NumPy's own functions, applied to Tensors.

``np.exp(x)`` on a Tensor calls ``ac.exp(x)``, so code written for NumPy can be differentiated unchanged. What we have
no op for raises: silently computing with plain numbers would leave the trace, and the gradient would be wrong.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from . import tree
from .errors import AliceError, TraceError
from .tensor import Tensor

__all__ = ["UnsupportedError", "function", "supported", "ufunc"]


class UnsupportedError(AliceError, TypeError):
    """A NumPy function that has no counterpart here was called with a Tensor."""


# ufuncs whose name here differs from NumPy's; all others are looked up under their own name.
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
    "float_power": "pow",
    "power": "pow",
    "rint": "round",
    "true_divide": "divide",
}

# Where ufuncs come from; that of ndarray.clip is only in the private module.
_UFUNC_HOMES = {
    "numpy": "np",
    "numpy._core.umath": "np",
    "numpy.core.umath": "np",  # before NumPy 2
    "scipy.special": "scipy.special",
}

_OPERATORS: dict[str, Callable[..., Any]] = {
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "invert": operator.invert,
}

_UFUNC_REDUCTIONS = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}

# Functions that mean the same under the same (or the given) name, with NumPy's own argument names.
_SAME = {
    "all": "all",
    "amax": "max",
    "amin": "min",
    "any": "any",
    "argmax": "argmax",
    "argmin": "argmin",
    "broadcast_to": "broadcast_to",
    "cumsum": "cumsum",
    "expand_dims": "expand_dims",
    "flip": "flip",
    "max": "max",
    "mean": "mean",
    "min": "min",
    "moveaxis": "moveaxis",
    "ones_like": "ones_like",
    "outer": "outer",
    "prod": "prod",
    "repeat": "repeat",
    "reshape": "reshape",
    "roll": "roll",
    "round": "round",
    "split": "split",
    "stack": "stack",
    "sum": "sum",
    "swapaxes": "swapaxes",
    "take": "take",
    "take_along_axis": "take_along_axis",
    "tensordot": "tensordot",
    "tile": "tile",
    "tril": "tril",
    "triu": "triu",
    "where": "where",
    "zeros_like": "zeros_like",
    "full_like": "full_like",
}

# Functions that only look: they get the values as NumPy arrays.
_OBSERVERS = (
    "allclose",
    "array2string",
    "array_equal",
    "array_equiv",
    "array_repr",
    "array_str",
    "isclose",
    "may_share_memory",
    "ndim",
    "save",
    "savez",
    "savez_compressed",
    "shape",
    "shares_memory",
    "size",
)


def _ac(name: str) -> Callable[..., Any]:
    import alice_core

    found: Callable[..., Any] = getattr(alice_core, name)
    return found


def _concatenate(arrays: Sequence[Any], axis: int | None = 0) -> Any:
    if axis is None:
        return _ac("concat")([_ac("reshape")(a, (-1,)) for a in arrays], axis=0)
    return _ac("concat")(arrays, axis=axis)


def _transpose(a: Any, axes: Sequence[int] | None = None) -> Any:
    return _ac("permute_dims")(a, tuple(range(a.ndim))[::-1] if axes is None else tuple(axes))


def _squeeze(a: Any, axis: Any = None) -> Any:
    return a.squeeze(axis)


def _var(name: str) -> Callable[..., Any]:
    def moment(
        a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None
    ) -> Any:
        return _ac(name)(a, axis=axis, correction=ddof if correction is None else correction, keepdims=keepdims)

    return moment


def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    return _ac("clip")(a, a_min if min is None else min, a_max if max is None else max)


def _dot(a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return _ac("multiply")(a, b)
    if np.ndim(b) > 2:
        return _ac("tensordot")(a, b, axes=((-1,), (-2,)))
    return _ac("matmul")(a, b)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord not in (None, 2, "fro") or (ord == 2 and axis is None and x.ndim != 1):
        raise UnsupportedError(f"np.linalg.norm: only the 2-norm of vectors is supported; got ord={ord!r}")
    return _ac("norm")(x, axis=axis, keepdims=keepdims)


def _pad(array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if mode != "constant":
        raise UnsupportedError(f"np.pad: only mode='constant' is supported; got {mode!r}")
    widths = np.broadcast_to(np.asarray(pad_width), (array.ndim, 2)).tolist()
    return _ac("pad")(array, widths, constant_values)


def _vstack(arrays: Sequence[Any]) -> Any:
    rows = [_ac("asarray")(a) for a in arrays]
    return _concatenate([r if r.ndim > 1 else _ac("reshape")(r, (1, -1)) for r in rows])


def _hstack(arrays: Sequence[Any]) -> Any:
    parts = [_ac("asarray")(a) for a in arrays]
    parts = [p if p.ndim > 0 else _ac("reshape")(p, (1,)) for p in parts]
    return _concatenate(parts, 0 if parts[0].ndim == 1 else 1)


def _observe(func: Callable[..., Any]) -> Callable[..., Any]:
    def observer(*args: Any, **kwargs: Any) -> Any:
        def plain(x: Any) -> Any:
            return x.detach().numpy() if isinstance(x, Tensor) else x

        return func(*tree.map_leaves(plain, args), **tree.map_leaves(plain, kwargs))

    return observer


def _diag(v: Any, k: int = 0) -> Any:
    return _ac("diag")(v, k)


@cache
def _functions() -> dict[Any, Callable[..., Any]]:
    table: dict[Any, Callable[..., Any]] = {}
    for numpy_name, name in _SAME.items():
        table[getattr(np, numpy_name)] = _ac(name)
    for numpy_name in _OBSERVERS:
        table[getattr(np, numpy_name)] = _observe(getattr(np, numpy_name))
    table |= {
        np.clip: _clip,
        np.concatenate: _concatenate,
        np.copy: _ac("copy"),
        np.dot: _dot,
        np.hstack: _hstack,
        np.linalg.norm: _norm,
        np.pad: _pad,
        np.ravel: lambda a: _ac("reshape")(a, (-1,)),
        np.squeeze: _squeeze,
        np.std: _var("std"),
        np.transpose: _transpose,
        np.var: _var("var"),
        np.vstack: _vstack,
        np.diag: _diag,
    }
    return table


def supported() -> list[str]:
    """Names of the NumPy functions (beside ufuncs) that accept Tensors, sorted."""
    return sorted(f.__name__ for f in _functions())


def _unsupported(name: str, why: str) -> UnsupportedError:
    return UnsupportedError(
        f"{name}: {why}; use an op of alice_core, or ac.stop_gradient(x).numpy() if no gradient shall flow"
    )


def _named(func: np.ufunc) -> str:
    """A ufunc under the name that it goes by. What happens to be called as an op of ours is not that op."""
    for module, home in _UFUNC_HOMES.items():
        if getattr(sys.modules.get(module), func.__name__, None) is func:
            return f"{home}.{func.__name__}"
    raise _unsupported(f"the ufunc {func.__name__}", "it is neither NumPy's nor SciPy's")


def ufunc(func: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Serve ``Tensor.__array_ufunc__``."""
    import alice_core

    name = _named(func)
    if all(x._weak if isinstance(x, Tensor) else np.isscalar(x) for x in inputs):
        raise TraceError(
            f"{name}: NumPy would compute this from a number that is not known while tracing; compute it outside and "
            f"pass the result, or make it a Tensor with ac.asarray and use ac.{func.__name__}"
        )
    kwargs = {key: value for key, value in kwargs.items() if value is not None}
    if method == "reduce" and func.__name__ in _UFUNC_REDUCTIONS:
        name += ".reduce"
        target = _ac(_UFUNC_REDUCTIONS[func.__name__])
        kwargs.setdefault("axis", 0)
    elif method == "__call__":
        if func.__name__ == "positive":
            return inputs[0]
        if func.__name__ in _OPERATORS:
            return _OPERATORS[func.__name__](*(_ac("asarray")(x) for x in inputs))
        target = getattr(alice_core, _UFUNC_NAMES.get(func.__name__, func.__name__), None)  # type: ignore[assignment]
        if target is None:
            raise _unsupported(name, "alice_core has no such op")
    else:
        raise _unsupported(f"{name}.{method}", "this ufunc method is not supported on Tensors")
    if "out" in kwargs:
        raise UnsupportedError(
            f"{name}: Tensors are values, so out= (and +=, -=, … on a NumPy array) has no array to write into; write "
            f"a = a + x, which gives a Tensor, or a += ac.stop_gradient(x).numpy() if no gradient shall flow"
        )
    return _call(name, target, inputs, kwargs)


def function(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Serve ``Tensor.__array_function__``."""
    name = f"{func.__module__.replace('numpy', 'np', 1)}.{func.__name__}"
    target = _functions().get(func)
    if target is None:
        raise _unsupported(name, "alice_core has no such function")
    return _call(name, target, args, kwargs)


def _call(name: str, target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    try:
        return target(*args, **kwargs)
    except TypeError as error:
        if isinstance(error, AliceError) or "argument" not in str(error):
            raise
        raise _unsupported(name, f"these arguments are not supported on Tensors ({error})") from None
