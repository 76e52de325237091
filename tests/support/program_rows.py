"""Templates (``program_ops.py``) of the ops whose rows in ``tests/cases`` say how they are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

import alice_core as ac
from op_cases import OpCase

if TYPE_CHECKING:
    from random_programs import Maker

__all__ = ["NUMPY_UFUNCS", "Template", "derived", "reduction", "unary"]

Template = Callable[["Maker"], str]

NUMPY_UFUNCS = {"exp", "tanh", "log1p", "sqrt", "negative", "square", "floor", "add", "multiply", "maximum", "less"}


def unary(name: str, kinds: str) -> Template:
    def template(g: Maker) -> str:
        x = g.operand(kinds)
        if name in NUMPY_UFUNCS and g.is_tensor(x) and g.chance(0.1):
            return f"np.{name}({x})"
        if name == "negative" and g.is_tensor(x) and g.chance(0.5):
            return f"-{x}"
        return f"ac.{name}({x})"

    return template


def _axes(g: Maker, x: str, several: bool = True) -> str:
    n = len(g.shape(x))
    if n == 0 or g.chance(0.25):
        return "None"
    if several and n > 1 and g.chance(0.3):
        chosen = g.subset(range(n))
        if chosen:
            return f"({', '.join(str(a - n if g.chance(0.3) else a) for a in chosen)},)"
    return str(g.below(2 * n) - n)


def reduction(name: str, kinds: str, several: bool = True) -> Template:
    def template(g: Maker) -> str:
        x = g.operand(kinds)
        options = f"axis={_axes(g, x, several)}" + (", keepdims=True" if g.chance(0.4) else "")
        if name in ("var", "std") and g.chance(0.4):
            options += ", correction=1"
        if name == "sum" and g.chance(0.1):
            options += ", dtype=ac.float64"
        elif hasattr(ac.Tensor, name) and g.is_tensor(x) and g.chance(0.3):
            return f"{x}.{name}({options})"
        return f"ac.{name}({x}, {options})"

    return template


def derived(case: OpCase) -> Template | None:
    """Of an op whose row calls it with one array, or with an array and axes."""
    arrays = [args[0] for args in case.inputs if isinstance(args[0], (np.ndarray, np.generic))]
    if len(arrays) < len(case.inputs):
        return None
    kinds = "".join(sorted({a.dtype.kind for a in arrays}))
    lengths = {len(args) for args in case.inputs}
    if lengths == {1} and not any(case.kwargs):
        return unary(case.name, kinds)
    if lengths == {2} and any("keepdims" in options for options in case.kwargs):
        return reduction(case.name, kinds, several=any(isinstance(args[1], tuple) for args in case.inputs))
    return None
