"""Transforms: functions of functions, each a few lines on top of the trace."""

from __future__ import annotations

from .debug import debug_nans
from .grad import backward, grad, grad_enabled, no_grad, numerical_grad, stop_gradient, value_and_grad, vjp

__all__ = [
    "backward",
    "debug_nans",
    "grad",
    "grad_enabled",
    "no_grad",
    "numerical_grad",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]
