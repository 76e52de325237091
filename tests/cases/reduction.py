"""Rows of the reductions. Arguments are (x, axis): every shape with axes of its own."""

from __future__ import annotations

from itertools import chain, combinations
from typing import Any

import numpy as np

import alice_core as ac
from op_cases import OpCase

_rng = np.random.default_rng(7)
_inf, _nan = np.inf, np.nan
_TIGHT = {"float32": 1.3e-7, "float64": 4.5e-16}  # 2 ULP


def _positive(*shape: int) -> Any:
    return _rng.uniform(0.5, 2.0, shape)


def _distinct(*shape: int) -> Any:
    """Numbers of both signs, none equal and none near 0: no kink within a finite difference."""
    n = int(np.prod(shape))
    return (_rng.permutation(n) - n / 2 + 0.25).reshape(shape) / 4


# Ranks 0 to 4, and every length at which the kernels take another way: short and long rows, narrow and wide columns.
_SHAPES = [(), (1,), (5,), (3, 4), (2, 1, 3), (2, 3, 2, 2)]
_LENGTHS = [((n,), None) for n in (15, 16, 17, 63, 130, 511, 700)]
_BLOCKS = [((70, 2), 0), ((70, 2), 1), ((5, 40), 0), ((40, 17), 1), ((2, 3, 33), (0, 1)), ((3, 2, 9), (0, 2))]
_EMPTY = [(np.zeros((0,)), None), (np.zeros((0, 3)), 0), (np.zeros((0, 3)), 1), (np.zeros((3, 0)), 1)]
_INTEGERS = [
    (np.arange(-3, 9).reshape(3, 4), None),
    (np.arange(-3, 9).reshape(3, 4), 0),
    (np.array([True, False, True]), None),
    (np.arange(6, dtype=np.uint8), -1),
]
_EXTREME = [
    (np.array(v), None)
    for v in ([_inf, 1.0], [-_inf, _inf], [_nan, 1.0], [_inf, _nan], [1.0, _nan], [-_inf, -_inf], [0.0, 0.0])
]
_KEEP = ({}, {"keepdims": True})


def _subsets(ndim: int) -> list[Any]:
    """None, every int from either end, and every tuple of two axes or more."""
    ints = range(-ndim, ndim)
    return [None, *ints, *chain.from_iterable(combinations(range(ndim), r) for r in range(2, ndim + 1))]


def _with_axes(make: Any, *, several: bool = True) -> list[tuple[Any, Any]]:
    small = [(make(*s), a) for s in _SHAPES for a in _subsets(len(s)) if several or not isinstance(a, tuple)]
    large = [(make(*s), a) for s, a in [*_LENGTHS, *_BLOCKS] if several or not isinstance(a, tuple)]
    return [*small, *large]


def _errors(op: str) -> list[tuple[Any, ...]]:
    x = np.zeros((2, 3))
    return [
        ((x, 2), {}, ac.ShapeError, rf"{op}: axis must be from -2 to 1; got 2"),
        ((x, 1 << 62), {}, ac.ShapeError, rf"{op}: axis must be from -2 to 1"),
        ((x, (0, -2)), {}, ac.ShapeError, rf"{op}: axes must differ; got axis -2 twice"),
        ((x, 0.5), {}, ac.DTypeError, rf"{op}: axis must be an int, a tuple of ints or None"),
        ((np.zeros(()), 0), {}, ac.ShapeError, rf"{op}: a 0-d tensor has no axes"),
    ]


def _no_items(op: str) -> list[tuple[Any, ...]]:
    return [
        ((np.zeros((0,)), None), {}, ValueError, rf"{op}: needs at least one item per result; got shape \(0,\)"),
        ((np.zeros((3, 0)), 1), {}, ValueError, rf"{op}: needs at least one item per result; got shape \(3, 0\)"),
    ]


# -- references ----------------------------------------------------------------------------------------------------


def _count(x: Any, axis: Any) -> Any:
    return np.sum(np.ones(np.shape(x)), axis=axis, keepdims=True)


def _mean(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    total = np.sum(np.asarray(x, dtype=np.longdouble), axis=axis, keepdims=True) / _count(x, axis)
    return (total if keepdims else np.squeeze(total, axis=axis)).astype(np.float64)


def _var(x: Any, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    x = np.asarray(x, dtype=np.longdouble)
    distance = x - np.sum(x, axis=axis, keepdims=True) / _count(x, axis)
    n = np.maximum(_count(x, axis) - correction, 0.0)
    result = np.sum(distance**2, axis=axis, keepdims=True) / n
    return (result if keepdims else np.squeeze(result, axis=axis)).astype(np.float64)


def _std(x: Any, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    return np.sqrt(_var(x, axis, correction, keepdims))


def _norm(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return np.sqrt(np.sum(np.asarray(x, dtype=np.longdouble) ** 2, axis=axis, keepdims=keepdims)).astype(np.float64)


def _average(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return _mean(x, axis, keepdims)


def _exact(f: Any) -> Any:
    """In extended precision, or of integers and bool in int64, whatever NumPy's own choice."""

    def reference(x: Any, axis: Any = None, **kwargs: Any) -> Any:
        floating = np.asarray(x).dtype.kind == "f"
        result = f(np.asarray(x, dtype=np.longdouble if floating else np.int64), axis=axis, **kwargs)
        return result.astype(np.float64) if floating else result

    return reference


def _sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    lead = x.ndim - len(shape)
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n != x.shape[lead + i]))
    return _exact(np.sum)(x, axis=axes, keepdims=True).reshape(shape)


# -- rows ----------------------------------------------------------------------------------------------------------

CASES = [
    OpCase(
        "average",
        _average,
        [(x, a) for x, a in _with_axes(_positive) if np.size(x) < 99],
        _KEEP,
        tol=_TIGHT | {"float64": 1e-15},
        errors=[
            ((np.ones((2, 3)), 1, [1.0, -2.0, 1.0]), {}, ZeroDivisionError, "average: weights must not sum to 0; give"),
            ((np.ones((2, 3)), 1, np.ones(2)), {}, ac.ShapeError, r"average: weights must .* got shape \(2,\), axis 1"),
            ((np.ones((2, 3)), None, np.ones(3)), {}, ac.ShapeError, "average: weights must have the shape of x"),
        ],
    ),
    OpCase(
        "sum",
        _exact(np.sum),
        [*_with_axes(_positive), *_EMPTY, *_INTEGERS],
        _KEEP,
        primitives=("sum",),
        extreme=_EXTREME,
        tol=_TIGHT,
        errors=_errors("sum"),
    ),
    OpCase(
        "mean",
        _mean,
        _with_axes(_positive),
        _KEEP,
        primitives=("mean",),
        extreme=[*_EXTREME, *_EMPTY, (np.array([3e38, 3e38, 2e38]), None)],
        tol={"float32": 1.3e-7, "float64": 1e-15},
        errors=_errors("mean"),
    ),
    OpCase(
        "var",
        _var,
        [(x, a) for x, a in _with_axes(_positive) if np.size(x) > 1],
        [{}, {"correction": 0.5}, {"keepdims": True}],
        primitives=("var",),
        extreme=[*_EXTREME, (np.zeros((0,)), None), (np.full((9,), 0.1), None), (1e6 + _positive(50), None)],
        errors=_errors("var"),
    ),
    OpCase(
        "std",
        _std,
        # Where a result has one item the derivative is 0 by choice, and no difference quotient shows it.
        [(x, a) for x, a in _with_axes(_positive) if np.min(_count(x, a)) > 1],
        [{}, {"correction": 0.5}, {"keepdims": True}],
        primitives=("std",),
        extreme=[*_EXTREME, (np.zeros((0,)), None), (np.full((9,), 0.1), None), (np.array([2.0]), None)],
        errors=_errors("std"),
    ),
    OpCase(
        "prod",
        _exact(np.prod),
        [
            *[(x, a) for x, a in _with_axes(_positive) if np.size(x) < 64],
            *_EMPTY,
            *_INTEGERS,
            (np.array([2.0, 0.0, 3.0]), None),
            (np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]]), 1),
        ],
        _KEEP,
        primitives=("prod", "prod_vjp"),
        extreme=_EXTREME,
        errors=_errors("prod"),
    ),
    *(
        OpCase(
            name,
            getattr(np, name),
            [*_with_axes(_distinct), *_INTEGERS],
            _KEEP,
            primitives=(name, "extreme_vjp"),
            extreme=_EXTREME,
            errors=[*_errors(name), *_no_items(name)],
        )
        for name in ("max", "min")
    ),
    *(
        OpCase(
            name,
            getattr(np, name),
            [*_with_axes(_distinct, several=False), *_INTEGERS, (np.array([1.0, 3.0, 3.0, 1.0]), None)],
            _KEEP,
            primitives=(name,),
            grad=(),
            extreme=[*_EXTREME, (np.array([1.0] * 100 + [_nan] + [_inf] * 9 + [_nan]), None)],
            errors=[*_errors(name), *_no_items(name)],
        )
        for name in ("argmax", "argmin")
    ),
    *(
        OpCase(
            name,
            getattr(np, name),
            [*_with_axes(lambda *s: np.floor(_positive(*s))), *_EMPTY, *_INTEGERS],
            _KEEP,
            primitives=(name,),
            grad=(),
            extreme=_EXTREME,
            errors=_errors(name),
        )
        for name in ("any", "all")
    ),
    *(
        OpCase(
            name,
            _norm,
            _with_axes(_distinct),
            _KEEP,
            primitives=("norm",),
            extreme=[
                *_EXTREME,
                (np.zeros((0,)), None),
                (np.array([2e38, 1e38]), None),
                (np.array([3e-45, 4e-45]), None),
            ],
            tol={"float32": 2.4e-7, "float64": 9e-16},
            errors=_errors("norm"),
        )
        for name in ("norm", "vector_norm")
    ),
    OpCase(
        "cumsum",
        _exact(np.cumsum),
        [
            *_with_axes(_positive, several=False)[1:],
            *_EMPTY,
            *_INTEGERS,
            (_positive(3, 300), 1),
            (_positive(300, 3), 0),
        ],
        primitives=("cumsum",),
        extreme=_EXTREME,
        tol=_TIGHT,
        errors=[
            ((np.zeros((2,)), 1), {}, ac.ShapeError, "cumsum: axis must be from -1 to 0; got 1"),
            ((np.zeros(()), 0), {}, ac.ShapeError, "cumsum: a 0-d tensor has no axes"),
        ],
    ),
    OpCase(
        "sum_to",
        _sum_to,
        [
            (_positive(3, 4), (4,)),
            (_positive(3, 4), (3, 1)),
            (_positive(3, 4), ()),
            (_positive(3, 4), (3, 4)),
            (_positive(2, 3, 4), (1, 4)),
            (_positive(2, 3, 4), (3, 1)),
            (_positive(2, 3, 4), (2, 1, 4)),
            (_positive(32, 40), (40,)),
            (_positive(50, 3), (3,)),
            (_positive(0, 3), (3,)),
            (_positive(), ()),
        ],
        primitives=("sum_to",),
        tol=_TIGHT,
        errors=[
            ((np.zeros((2, 3)), (2,)), {}, ac.ShapeError, r"sum_to: shape must broadcast .* x \(2, 3\), shape \(2,\)"),
            ((np.zeros((3,)), (1, 3)), {}, ac.ShapeError, "sum_to: shape must broadcast"),
        ],
    ),
]
