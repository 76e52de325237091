"""The calls that the rows of ``cases`` name: their ops, arguments and dtypes, and functions to differentiate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import numpy as np

import alice_core as ac
from alice_core import tree
from op_cases import OpCase, all_cases

#: The rows with a derivative to check in float64.
DIFFERENTIABLE = [c for c in all_cases() if c.grad and "float64" in c.dtypes]


def op(case: OpCase) -> Callable[..., Any]:
    return reduce(getattr, case.name.split("."), ac)


def calls(case: OpCase) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    for kwargs in case.kwargs:
        for args in case.inputs:
            yield args, dict(kwargs)


def is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype == np.float64


def cast(args: tuple[Any, ...], dtype: str) -> tuple[Any, ...]:
    """The arguments with every float64 array in the given dtype; lists of arrays too."""

    def one(a: Any) -> Any:
        if isinstance(a, (list, tuple)) and any(isinstance(x, np.ndarray) for x in a):
            return [one(x) for x in a]
        return a.astype(dtype) if is_float(a) else a

    return tuple(one(a) for a in args)


def tensors(args: tuple[Any, ...], layout: Callable[[np.ndarray[Any, Any]], ac.Tensor] = ac.tensor) -> tuple[Any, ...]:
    def one(a: Any) -> Any:
        if isinstance(a, (list, tuple)) and any(isinstance(x, np.ndarray) for x in a):
            return [one(x) for x in a]
        return layout(a) if isinstance(a, np.ndarray) else a

    return tuple(one(a) for a in args)


def differentiable_calls(case: OpCase) -> Iterator[tuple[Callable[..., Any], list[np.ndarray[Any, Any]]]]:
    for args, kwargs in calls(case):
        chosen = [i for i in case.grad if i < len(args) and (is_float(args[i]) or isinstance(args[i], (list, tuple)))]
        if not chosen:
            continue

        def f(*xs: Any, args: Any = args, kwargs: Any = kwargs, chosen: Any = chosen) -> Any:
            full = list(tensors(args))
            for i, x in zip(chosen, xs, strict=True):
                full[i] = x
            return op(case)(*full, **kwargs)

        yield f, [args[i] for i in chosen]


def flat_calls(case: OpCase) -> Any:
    """The calls of a row as functions of Tensors, lists taken apart."""
    for f, xs in differentiable_calls(case):

        def g(*ys: ac.Tensor, f: Any = f, xs: Any = xs) -> Any:
            return f(*tree.structure(xs).unflatten(ys))

        yield g, [ac.tensor(x) for x in tree.leaves(xs)]
