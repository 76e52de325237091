"""Optimisers: they change parameters in place, all of them in one native call per step."""

from __future__ import annotations

from .optimizer import Optimizer, ParamGroup
from .sgd import SGD

__all__ = ["SGD", "Optimizer", "ParamGroup"]
