"""The derivatives by hand: the C++ beside the evals, compiled when they are measured and called through ctypes."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from harness import Contender

HERE = Path(__file__).parent
FLAGS = ("-O3", "-march=native", "-std=c++20", "-fPIC", "-shared")


def compile_(folder: Path, flags: Sequence[str] = FLAGS) -> Path:
    """Compile the sources into a library in the folder."""
    compiler = os.environ.get("CXX") or shutil.which("c++")
    if compiler is None:
        raise RuntimeError("there is no C++ compiler")
    made = folder / "libbyhand.so"
    sources = [str(p) for p in sorted(HERE.glob("*.cpp"))]
    done = subprocess.run([compiler, *flags, *sources, "-o", str(made)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(done.args)}\n{done.stderr}")
    return made


@cache
def library(flags: Sequence[str] = FLAGS) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return ctypes.CDLL(str(compile_(Path(folder), flags)))


def contender(
    name: str, arrays: Sequence[Any], sizes: Sequence[int], like: Any, flags: Sequence[str] = FLAGS
) -> Contender:
    """The derivative ``name`` of the arrays; its results have the shapes of ``like``."""
    call = getattr(library(flags), f"{name}_by_hand")
    call.argtypes, call.restype = [ctypes.c_void_p] * 3 + [ctypes.c_int64], None
    given = [np.ascontiguousarray(a) for a in arrays]
    results = [np.zeros(np.shape(r)) for r in (like if isinstance(like, (tuple, list)) else [like])]
    at = [(ctypes.c_void_p * max(1, len(some)))(*(a.ctypes.data for a in some)) for some in (given, results)]
    size = np.array(sizes, np.int64)

    def repeat(times: int) -> Any:
        call(at[0], size.ctypes.data, at[1], times)
        return results, given  # which live as long as this

    return Contender(lambda: repeat(1)[0], repeat)
