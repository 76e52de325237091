"""Transforms: functions of functions, each a few lines on top of the trace."""

from __future__ import annotations

from .checkpoint import checkpoint, checkpoint_sequential
from .grad import backward, grad, grad_enabled, no_grad, numerical_grad, stop_gradient, value_and_grad, vjp
from .jvp import jvp, linearize
from .vmap import vmap

__all__ = [
    "backward",
    "checkpoint",
    "checkpoint_sequential",
    "grad",
    "grad_enabled",
    "jvp",
    "linearize",
    "no_grad",
    "numerical_grad",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
]
