"""Optimisers: they change parameters in place, all of them in one native call per step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import schedules as schedules
from .adam import Adam, AdamW, NAdam
from .adaptive import Adagrad, Lion, RMSProp
from .averaging import EMA
from .clipping import clip_grad_norm, clip_grad_value
from .optimizer import Optimizer, ParamGroup
from .sgd import SGD

__all__ = [
    "EMA",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lion",
    "MinimizeResult",
    "NAdam",
    "Optimizer",
    "ParamGroup",
    "RMSProp",
    "clip_grad_norm",
    "clip_grad_value",
    "minimize",
    "schedules",
]

if TYPE_CHECKING:
    from .minimizing import MinimizeResult, minimize


def __getattr__(name: str) -> Any:
    """What few programs need is loaded when somebody asks for it."""
    if name in ("MinimizeResult", "minimize"):
        from . import minimizing  # not at start-up

        return getattr(minimizing, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
