"""The packages we compare with: imported here once, None where they cannot be."""

from __future__ import annotations

import importlib
import os
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np

import alice_core as ac
import floor

#: 1, or how many CPUs this process may use. run.py also sets the variables that BLAS and OpenMP read.
THREADS = int(os.environ.get("BENCH_THREADS", "1"))
#: Names of the peers to import, where not all are wanted.
ONLY = os.environ.get("BENCH_ONLY")
NOTICES: list[str] = []
VERSIONS = [f"NumPy {np.__version__}"]


def _peer(module: str, name: str, distribution: str) -> Any:
    if ONLY is not None and name not in ONLY.split():
        return None
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        NOTICES.append(f"{name} is left out: {error}")
        return None
    VERSIONS.append(f"{name} {version(distribution)}")
    return found


torch = _peer("torch", "PyTorch", "torch")
jax = _peer("jax", "JAX", "jax")
mx = _peer("mlx.core", "MLX", "mlx")
autograd = _peer("autograd", "autograd", "autograd")
jnp: Any = None if jax is None else importlib.import_module("jax.numpy")

ac.set_num_threads(THREADS)
if torch is not None:
    torch.set_num_threads(THREADS)
if jax is not None:
    jax.config.update("jax_enable_x64", True)  # some rows are float64; the others say float32 everywhere
    warnings.filterwarnings("ignore", message="Some donated buffers were not usable")
if mx is not None:
    mx.set_default_device(mx.cpu)

HAS_COMPILE = hasattr(ac, "compile")
if not HAS_COMPILE:
    NOTICES.append("alice_core compiled is left out: this build has no ac.compile")
NO_FLOOR = floor.why_not() if ONLY is None else "this process measures one package"
if NO_FLOOR is not None:
    NOTICES.append(f"the C++ floor is left out: {NO_FLOOR}")
HAS_FLOOR = NO_FLOOR is None and THREADS == 1  # it is a program of one thread
