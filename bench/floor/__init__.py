"""The floor program: its own C++ source, compiled for this machine when the benchmarks run and called through ctypes.

Loops over many steps are in C++, so that the call from Python is not counted. There are two builds: ``-O3
-march=native``, and the same with ``-ffast-math``, which lets gcc use vector code for ``exp`` and ``tanh``.
"""

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
import numpy.typing as npt

from harness import Contender, compare

HERE = Path(__file__).parent
SOURCES = ("floor.cpp", "limits.cpp")
FLAGS = ("-O3", "-march=native", "-std=c++20", "-fPIC")
#: Contender's name -> its additional flags.
BUILDS = {"C++": (), "C++ -ffast-math": ("-ffast-math",)}
PLAIN, FAST = BUILDS

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


class FloorError(RuntimeError):
    """There is no floor on this machine; the message says why."""


def compile_(name: str) -> Path:
    """Compile the sources unless that is done, and return the library's path."""
    try:
        import scipy_openblas32 as blas
    except ImportError:
        raise FloorError("scipy-openblas32 is not installed") from None
    compiler = os.environ.get("CXX") or shutil.which("c++")
    if compiler is None:
        raise FloorError("there is no C++ compiler")
    library = HERE / f"libfloor{'-fast' if name == FAST else ''}.so"
    newest = max((HERE / file).stat().st_mtime for file in (*SOURCES, "__init__.py"))
    if library.exists() and library.stat().st_mtime > newest:
        return library
    with tempfile.TemporaryDirectory() as folder:
        objects = [str(Path(folder, file).with_suffix(".o")) for file in SOURCES]
        lib = blas.get_lib_dir()
        commands = [
            [compiler, *FLAGS, *BUILDS[name], f"-I{blas.get_include_dir()}", "-c", str(HERE / file), "-o", object_]
            for file, object_ in zip(SOURCES, objects, strict=True)
        ]
        # Without -ffast-math here: linking with it would make the whole process flush denormals to zero.
        made = str(Path(folder, library.name))
        commands.append(
            [
                compiler,
                "-shared",
                *objects,
                "-o",
                made,
                f"-L{lib}",
                f"-l{blas.get_library()}",
                f"-Wl,-rpath,{lib}",
                "-lm",
            ]
        )
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise FloorError(f"{' '.join(command)}\n{done.stderr}")
        shutil.move(made, library)  # at once: another process may be about to load it
    return library


@cache
def _library(name: str = FAST) -> Any:
    library = ctypes.CDLL(str(compile_(name)))
    i64, pointer = ctypes.c_int64, ctypes.c_void_p
    i32, f32, f64 = ctypes.c_int, ctypes.c_float, ctypes.c_double
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "mlp_new": (pointer, [pointer, i32, i32, f32, f32]),
        "mlp_parameters": (pointer, [pointer]),
        "mlp_run": (f32, [pointer, pointer, pointer, i64]),
        "mlp_use_adam": (None, [pointer]),
        "mlp_delete": (None, [pointer]),
        "logistic_new": (pointer, [i32, i32, f64]),
        "logistic_run": (f64, [pointer, pointer, pointer, i64]),
        "logistic_delete": (None, [pointer]),
        "products_float32": (None, [i64, i32, i32, i32, pointer, pointer, pointer, i64]),
        "products_float64": (None, [i64, i32, i32, i32, pointer, pointer, pointer, i64]),
        "chain": (None, [i64, pointer, pointer, pointer, i64]),
        "softmax_cross_entropy": (f32, [i32, i32, pointer, pointer, pointer, pointer, i64]),
        "peak_float32": (f64, [f64]),
        "peak_float64": (f64, [f64]),
        "copy_bytes": (None, [pointer, pointer, i64, i64]),
        "add_floats": (None, [pointer, pointer, pointer, i64, i64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def why_not() -> str | None:
    """None where the floor can be measured, else the reason why it cannot."""
    try:
        for name in BUILDS:
            _library(name)
    except (FloorError, OSError) as error:
        return str(error)
    return None


def _contender(repeat: Any) -> Contender:
    return Contender(run=lambda: repeat(1), repeat=repeat)


def mlp(
    build: str, parameters: Sequence[Float32], x: Float32, labels: Int64, lr: float, momentum: float | None
) -> Contender:
    """The training step; ``parameters`` are w0, b0, w1, b1, …, each call's result is the loss of its last step.

    Without momentum the step is Adam's.
    """
    library = _library(build)
    sizes = np.array([x.shape[1], *(b.size for b in parameters[1::2])], dtype=np.int32)
    model = library.mlp_new(sizes.ctypes.data, sizes.size, len(x), lr, momentum or 0.0)
    if momentum is None:
        library.mlp_use_adam(model)
    n = sum(p.size for p in parameters)
    flat = np.ctypeslib.as_array(ctypes.cast(library.mlp_parameters(model), ctypes.POINTER(ctypes.c_float)), (n,))
    flat[:] = np.concatenate([p.ravel() for p in parameters])

    class Model:
        """Keeps the arrays alive, and frees the model."""

        def __call__(self, steps: int, x: Float32 = x, labels: Int64 = labels) -> float:
            return float(library.mlp_run(model, x.ctypes.data, labels.ctypes.data, steps))

        def __del__(self) -> None:
            library.mlp_delete(model)

    return _contender(Model())


def logistic(build: str, x: Float64, labels: Float64, lr: float) -> Contender:
    """The gradient step of logistic regression; each call's result is the loss of its last step."""
    library = _library(build)
    model = library.logistic_new(x.shape[1], len(x), lr)

    class Model:
        def __call__(self, steps: int, x: Float64 = x, labels: Float64 = labels) -> float:
            return float(library.logistic_run(model, x.ctypes.data, labels.ctypes.data, steps))

        def __del__(self) -> None:
            library.logistic_delete(model)

    return _contender(Model())


def product(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> Contender:
    """OpenBLAS as it is; batches are loops over it."""
    function = getattr(_library(), f"products_{a.dtype}")
    (m, k), n = a.shape[-2:], b.shape[-1]
    out = np.empty((*a.shape[:-1], n), a.dtype)
    count = a[..., 0, 0].size

    def repeat(times: int) -> npt.NDArray[Any]:
        function(count, m, n, k, a.ctypes.data, b.ctypes.data, out.ctypes.data, times)
        return out

    return _contender(repeat)


def copy(a: Float32) -> Contender:
    library, out = _library(), np.zeros_like(a)

    def repeat(times: int) -> Float32:
        library.copy_bytes(out.ctypes.data, a.ctypes.data, a.nbytes, times)
        return out

    return _contender(repeat)


def add(a: Float32, b: Float32) -> Contender:
    library, out = _library(), np.zeros_like(a)

    def repeat(times: int) -> Float32:
        library.add_floats(out.ctypes.data, a.ctypes.data, b.ctypes.data, a.size, times)
        return out

    return _contender(repeat)


def chain(a: Float32, b: Float32) -> Contender:
    library, out = _library(), np.zeros_like(a)

    def repeat(times: int) -> Float32:
        library.chain(a.size, a.ctypes.data, b.ctypes.data, out.ctypes.data, times)
        return out

    return _contender(repeat)


def cross_entropy(logits: Float32, labels: Int64) -> Contender:
    """Loss and its gradient with respect to the logits."""
    library = _library()
    gradient, scratch = np.zeros_like(logits), np.zeros(len(logits), np.float32)

    def repeat(times: int) -> float:
        rows, classes = logits.shape
        pointers = (a.ctypes.data for a in (labels, logits, gradient, scratch))
        return float(library.softmax_cross_entropy(rows, classes, *pointers, times))

    return _contender(repeat)


# --- limits of the machine, one core ----------------------------------------------------------------------------------


@cache
def peak(dtype: str) -> float:
    """Floating-point operations per second; a multiply-add counts as two."""
    measure = getattr(_library(), f"peak_{dtype}")
    return max(float(measure(0.02)) for _ in range(10))  # other processes only slow it down


@cache
def bandwidth(working_set: int) -> float:
    """Bytes read or written per second while that many bytes are in use (they may fit in a cache): copy or add, the
    faster one."""
    half, third = np.ones(max(64, working_set // 8), np.float32), np.ones(max(64, working_set // 12), np.float32)
    times = compare({"copy": copy(half), "add": add(third, third.copy())}, rounds=5, seconds=0.01)
    return max(2 * half.nbytes / times["copy"].median, 3 * third.nbytes / times["add"].median)
