"""Every function that NumPy dispatches, called with constant Tensors: what NumPy returns, or an error, never else."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import alice_core as ac

DISPATCHER = type(np.sum)
# Functions of files, and what is in the memory before it is written to.
LEFT_OUT = {"empty_like", "fromfile", "genfromtxt", "loadtxt", "save", "savetxt", "savez", "savez_compressed"}


def dispatched() -> dict[str, Callable[..., Any]]:
    """The functions and ufuncs (and methods of these) by name."""
    found = {}
    for prefix, module in (("", np), ("linalg.", np.linalg), ("fft.", np.fft)):
        for name, func in vars(module).items():
            if isinstance(func, DISPATCHER) and hasattr(func, "_implementation") and name not in LEFT_OUT:
                found[prefix + name] = func
            if isinstance(func, np.ufunc):
                found[prefix + name] = func
                if func.nin == 2 and func.nout == 1 and func.signature is None:
                    found |= {f"{name}.{m}": getattr(func, m) for m in ("reduce", "accumulate", "outer", "at")}
    return found


FUNCTIONS = dispatched()

ARRAYS = [
    np.array([[1.5, -2.0, 0.25], [0.0, 4.0, -0.5]]),
    np.array([[2.0, 1.0], [-1.0, 3.0]]),
    np.array([0.5, 2.0, 1.0, -3.0]),
    np.array([3, 1, 2], np.int64),
    np.array([[True, False], [True, True]]),
    np.linspace(-1.0, 1.0, 12).reshape(2, 3, 2),
    np.array(0.75),
    np.array([200, 100, 7], np.uint8),
    np.array([7, 0, -5], np.int32),
    np.array([[0.5, 3.0]], np.float32),
]

OPTIONS: dict[str, list[Any]] = {
    "axis": [0, -1, (0, 1), None],
    "axes": [(1, 0), 1],
    "constant_values": [(1, 2), 3.0],
    "correction": [1],
    "ddof": [1],
    "decimals": [1],
    "dtype": [np.float32],
    "indexing": ["ij"],
    "initial": [2.0],
    "k": [1],
    "keepdims": [True],
    "mode": ["edge", "clip"],
    "n": [3],
    "offset": [1],
    "ord": [1, 2, -2, np.inf, "fro", "nuc"],
    "order": ["F"],
    "return_index": [True],
    "shape": [(3, 1)],
    "where": [np.array([True, False])],
}


def shapes_of_calls(func: Any) -> Iterator[tuple[Callable[[Any], tuple[Any, ...]], dict[str, Any]]]:
    """Ways to call it: positional arguments made of an array, and options."""
    positional: list[Callable[[Any], tuple[Any, ...]]] = [
        lambda x: (x,),
        lambda x: (x, x),
        lambda x: (x, x, x),
        lambda x: ([x, x],),
        lambda x: (x, 1),
        lambda x: (x, 0, None, None, True),
        lambda x: (x, None, np.float64),
        lambda x: (x, (0, 1)),
        lambda x: (x > 0, x, 0.5),
        lambda x: ("i...->...", x),
        lambda x: (x, [0], 1),
    ]
    try:
        names = set(inspect.signature(func).parameters)
    except ValueError:
        names = {"axis", "keepdims", "dtype", "where", "initial"} if hasattr(func, "__self__") else {"where", "dtype"}
    if isinstance(func, np.ufunc):
        names -= {"where"}  # without out=, the other items are what was in the memory
    options = [{}] + [{name: value} for name in sorted(names & set(OPTIONS)) for value in OPTIONS[name]]
    options += [{"axis": 0, "keepdims": True}] if {"axis", "keepdims"} <= names else []
    options += [{"ord": 2, "axis": (0, 1)}, {"ord": 2, "axis": 0}] if {"axis", "ord"} <= names else []
    for make in positional:
        for option in options:
            yield make, option


def outcome(func: Callable[..., Any], make: Any, x: Any, options: dict[str, Any]) -> Any:
    try:
        return func(*make(x), **options)
    except Exception as error:
        return error


def same(got: Any, want: Any) -> bool:
    if isinstance(want, (tuple, list)):
        return isinstance(got, (tuple, list)) and len(got) == len(want) and all(map(same, got, want))
    if not isinstance(want, (np.ndarray, np.generic)):
        return bool(np.all(got == want))
    got = got.numpy() if isinstance(got, ac.Tensor) else np.asarray(got)
    if got.shape != want.shape:
        return False
    if want.dtype.kind not in "biufc":
        return bool(np.all(got == want))
    if want.dtype == np.float16:  # NumPy's, of bools and bytes; ours is float32
        got = got.astype(np.float16)
    tolerance = 1e-3 if want.dtype in (np.float16, np.complex64) else 1e-5
    return np.allclose(got, want, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_constants_give_what_numpy_gives_or_an_error(name: str) -> None:
    func = FUNCTIONS[name]
    wrong = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for a in ARRAYS:
            if name == "trapezoid" and a.dtype == np.uint8:  # NumPy adds neighbours as bytes, which wrap
                continue
            for make, options in shapes_of_calls(func):
                want = outcome(func, make, a.copy(), options)
                if isinstance(want, Exception):
                    continue
                x = ac.tensor(a)
                got = outcome(func, make, x, options)
                np.testing.assert_array_equal(x.numpy(), a)
                if isinstance(got, (ac.AliceError, ValueError, IndexError)):
                    continue
                if isinstance(got, Exception) or not same(got, want):
                    wrong.append((make(a), options, want, got))
    assert not wrong, f"{len(wrong)} calls, first: {wrong[0]}"


def numbers_of_numpy(result: Any) -> bool:
    """Whether there are numbers in it that a derivative would be missing of."""
    if isinstance(result, (tuple, list)):
        return any(map(numbers_of_numpy, result))
    return isinstance(result, (float, complex, np.ndarray, np.generic)) and np.asarray(result).dtype.kind in "fcO"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_followed_never_becomes_numbers(name: str) -> None:
    func, x, found = FUNCTIONS[name], ac.tensor([[1.5, 2.0], [0.25, 3.0]]), []

    def f(y: ac.Tensor) -> ac.Tensor:
        makers = [lambda y: (y,), lambda y: (y, y), lambda y: (y, 1)]
        if isinstance(func, np.ufunc):
            makers.append(lambda y: (np.ones(2), y))
        for make in makers:
            result = outcome(func, make, y, {})
            assert not isinstance(result, (RecursionError, SystemError))
            if numbers_of_numpy(result):
                found.append(result)
        return ac.sum(y)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ac.grad(f)(x)
        ac.jvp(f, [x], [x])
        ac.vmap(f)(x)
        ac.compile(f)(x)
        ac.grad(lambda z: ac.vmap(lambda y: f(z) * y[0])(x).sum())(x)
        ac.jvp(lambda z: ac.vmap(lambda y: f(z) * y[0])(x).sum(), [x], [x])
    assert not found
