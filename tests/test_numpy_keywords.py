"""A function that has NumPy's name takes NumPy's keywords, but for operands and what is listed here."""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import alice_core as ac

NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
PLACED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

#: NumPy's names of operands after the first, which have no name as in the Array API.
OPERANDS = {"b", "to"}
#: Our own keywords: of the Array API, of SciPy and PyTorch, and of what NumPy has not.
OWN = {
    "argsort": {"descending"},
    "bincount": {"length"},
    "diagonal": {"axis1", "axis2"},
    "lstsq": {"rtol"},
    "pad": {"value"},
    "sort": {"descending"},
}
#: Another function of this name.
OTHERS = {"ac.trace"}


def shared() -> Iterator[Any]:
    for ours, theirs in ((ac, np), (ac.linalg, np.linalg), (ac.linalg, np)):
        for name in dir(ours):
            f, g = getattr(ours, name), getattr(theirs, name, None)
            where = f"{'ac' if ours is ac else 'ac.linalg'}.{name}"
            plain = inspect.isfunction(f) and callable(g) and not isinstance(g, np.ufunc) and not name.startswith("_")
            if plain and where not in OTHERS and not (theirs is np and ours is not ac and hasattr(np.linalg, name)):
                yield pytest.param(f, g, id=where)


@pytest.mark.parametrize(("f", "g"), list(shared()))
def test_keywords(f: Any, g: Any) -> None:
    try:
        theirs = list(inspect.signature(g).parameters.values())
    except ValueError:
        pytest.skip("NumPy does not say")
    ours = list(inspect.signature(f).parameters.values())
    known = {p.name for p in theirs if p.kind in NAMED}
    own = {p.name for p in ours[1:] if p.kind in NAMED} - known - {"device", "keepdims", "dtype", "correction"}
    assert own <= OWN.get(f.__name__, set())
    if any(p.kind is p.VAR_POSITIONAL for p in (*ours, *theirs)):
        return
    for mine, his in zip(ours[1:], theirs[1:], strict=False):
        if mine.kind is mine.POSITIONAL_ONLY and his.kind in NAMED:
            assert his.name in OPERANDS, f"{his.name} has no name here"


@pytest.mark.parametrize(
    ("name", "call"),
    {
        "trapezoid": lambda xp, x: xp.trapezoid(x, x=xp.asarray([0.0, 1.0, 3.0])),
        "percentile": lambda xp, x: xp.percentile(x, q=30),
        "quantile": lambda xp, x: xp.quantile(x, q=0.3),
        "take": lambda xp, x: xp.take(x, indices=[1, 0]),
        "take_along_axis": lambda xp, x: xp.take_along_axis(x, indices=xp.asarray([1, 0]), axis=0),
        "searchsorted": lambda xp, x: xp.searchsorted(x, v=2.5),
        "interp": lambda xp, x: xp.interp(x, xp=xp.asarray([0.0, 5.0]), fp=xp.asarray([1.0, 2.0])),
        "isin": lambda xp, x: xp.isin(x, test_elements=[1.0, 4.0]),
        "linspace": lambda xp, x: xp.linspace(0.0, stop=1.0, num=5),
        "partition": lambda xp, x: xp.partition(x, kth=1),
        "tile": lambda xp, x: xp.tile(x, reps=2),
        "eye": lambda xp, x: xp.eye(2, M=3, k=1),
        "matrix_power": lambda xp, x: xp.linalg.matrix_power(xp.eye(3), n=2),
    }.items(),
)
def test_calls(name: str, call: Any) -> None:
    x = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(call(ac, ac.tensor(x)).numpy(), call(np, x), rtol=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(ac, np), (ac.linalg, np.linalg), (ac.linalg, scipy.linalg), (ac.special, scipy.special), (ac.random, np.random)],
)
def test_no_module_has_the_name_of_a_function(ours: Any, theirs: Any) -> None:
    modules = {name for name, found in vars(ours).items() if isinstance(found, types.ModuleType)}
    assert not [name for name in modules if callable(getattr(theirs, name, None))]
