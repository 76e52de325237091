"""One row per op drives its values, gradients, dtypes, layouts and errors (``test_ops.py``).

The rows stand in ``cases/<family>.py``; a meta-test fails when kernels, primitives and rows do not match.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["OpCase", "all_cases", "linalg_functions"]


@dataclass(frozen=True)
class OpCase:
    """What is known of one public op without running it."""

    #: Public name: ``getattr(alice_core, name)``, dots allowed.
    name: str
    #: The op in float64 NumPy or mpmath; gets the same arguments and keywords.
    reference: Callable[..., Any]
    #: Argument tuples of NumPy arrays (float64, int or bool). The harness derives the other dtypes and layouts.
    inputs: Sequence[tuple[Any, ...]]
    #: Keyword arguments, each combined with every input.
    kwargs: Sequence[Mapping[str, Any]] = ({},)
    #: Native kernels that this row covers, forward and VJP.
    primitives: tuple[str, ...] = ()
    #: Positions of the arguments that have a derivative; () for ops without one.
    grad: tuple[int, ...] = (0,)
    dtypes: tuple[str, ...] = ("float32", "float64")
    #: Relative tolerance by dtype.
    tol: Mapping[str, float] = field(default_factory=lambda: {"float32": 2e-6, "float64": 1e-14})
    #: Inputs at infinities, NaN, subnormals, huge numbers: values only.
    extreme: Sequence[tuple[Any, ...]] = ()
    #: (arguments, keywords, exception, regular expression of the message)
    errors: Sequence[tuple[tuple[Any, ...], Mapping[str, Any], type[Exception], str]] = ()
    second_order: bool = True


def all_cases() -> list[OpCase]:
    import cases

    rows: list[OpCase] = []
    for module in pkgutil.iter_modules(cases.__path__):
        rows += importlib.import_module(f"cases.{module.name}").CASES
    return rows


def linalg_functions() -> list[str]:
    """The functions of ``ac.linalg`` that are not also those of ``ac``."""
    import alice_core as ac

    own = [n for n in ac.linalg.__all__ if getattr(ac.linalg, n).__module__.startswith("alice_core.linalg.")]
    return [n for n in own if not isinstance(getattr(ac.linalg, n), type)]
