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
LIBRARY = HERE / "libbyhand.so"
FLAGS = ("-O3", "-march=native", "-std=c++20", "-fPIC", "-shared")


def compile_(library: Path, flags: Sequence[str] = FLAGS) -> None:
    """Compile the sources, unless the library is there and newer than they are."""
    compiler = os.environ.get("CXX") or shutil.which("c++")
    if compiler is None:
        raise RuntimeError("there is no C++ compiler")
    newest = max(p.stat().st_mtime for p in (*HERE.glob("*.cpp"), *HERE.glob("*.h"), Path(__file__)))
    if library.exists() and library.stat().st_mtime > newest:
        return
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, library.name)
        sources = [str(p) for p in sorted(HERE.glob("*.cpp"))]
        done = subprocess.run([compiler, *flags, *sources, "-o", str(made)], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(done.args)}\n{done.stderr}")
        shutil.move(made, library)  # at once: another process may be about to load it


@cache
def load(library: Path = LIBRARY, flags: Sequence[str] = FLAGS) -> Any:
    compile_(library, flags)
    return ctypes.CDLL(str(library))


def contender(name: str, arrays: Sequence[Any], sizes: Sequence[int], like: Any, native: Any = None) -> Contender:
    """The derivative ``name`` of the arrays; its results have the shapes of ``like``."""
    call = getattr(native or load(), f"{name}_by_hand")
    call.argtypes, call.restype = [ctypes.c_void_p] * 3 + [ctypes.c_int64], None
    given = [np.ascontiguousarray(a) for a in arrays]
    results = [np.zeros(np.shape(r)) for r in (like if isinstance(like, (tuple, list)) else [like])]
    at = [(ctypes.c_void_p * max(1, len(some)))(*(a.ctypes.data for a in some)) for some in (given, results)]
    size = np.array(sizes, np.int64)

    def repeat(times: int) -> Any:
        call(at[0], size.ctypes.data, at[1], times)
        return results, given  # which live as long as this

    return Contender(lambda: repeat(1)[0], repeat)
