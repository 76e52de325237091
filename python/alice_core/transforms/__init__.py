"""Transforms: functions of functions, each a few lines on top of the trace."""

from __future__ import annotations

from .associative import associative_scan
from .batching import vmap
from .checkpointing import checkpoint, checkpoint_sequential
from .control import cond, fori_loop, map, scan, switch, while_loop
from .custom import custom_jvp, custom_primitive, custom_vjp
from .debug import debug_nans
from .forward import jvp, linearize
from .jacobians import hessian, hvp, jacfwd, jacobian, jacrev, vhp
from .reverse import grad, grad_enabled, no_grad, numerical_grad, stop_gradient, value_and_grad, vjp

__all__ = [
    "associative_scan",
    "checkpoint",
    "checkpoint_sequential",
    "cond",
    "custom_jvp",
    "custom_primitive",
    "custom_vjp",
    "debug_nans",
    "fori_loop",
    "grad",
    "grad_enabled",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linearize",
    "map",
    "no_grad",
    "numerical_grad",
    "scan",
    "stop_gradient",
    "switch",
    "value_and_grad",
    "vhp",
    "vjp",
    "vmap",
    "while_loop",
]
