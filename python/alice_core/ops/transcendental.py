"""Elementary functions, element by element.

Where a slope loses digits as a composite of rounded steps, it is a native kernel of its own, taken from x; its second
derivative is written in terms of that kernel and of other primitives, so derivatives of any order follow.
"""

from __future__ import annotations

from .exponential import erf, erfc, exp, exp2, expm1, log, log1p, log2, log10, logaddexp, xlogy
from .trigonometric import acos, acosh, asin, asinh, atan, atan2, atanh, cos, cosh, sin, sinh, tan, tanh

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "logaddexp",
    "sin",
    "sinh",
    "tan",
    "tanh",
    "xlogy",
]
