"""What a fresh process measures about itself: ``python bench/fresh.py WHAT PACKAGE`` prints one number.

Every measurement imports the one package it is about. cold.py starts these processes.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

MODULES = {"alice_core": "alice_core", "torch": "torch", "JAX": "jax", "MLX": "mlx.core", "autograd": "autograd"}
CHAIN = 1000  # times two ops


def import_time(package: str) -> float:
    """Seconds to import it, NumPy being there already."""
    import numpy  # noqa: F401

    start = time.perf_counter()
    importlib.import_module(MODULES[package])
    return time.perf_counter() - start


def first_gradient(package: str) -> float:
    """Seconds from the start of the process, which the parent took, to the gradient of sum(tanh(x)²)."""
    if package == "alice_core":
        import alice_core as ac

        float(ac.grad(lambda x: ac.sum(ac.tanh(x) * ac.tanh(x)))(ac.tensor([1.0, 2.0]))[0])
    elif package == "torch":
        import torch

        x = torch.tensor([1.0, 2.0], requires_grad=True)
        (torch.tanh(x) * torch.tanh(x)).sum().backward()
        float(x.grad[0])
    elif package == "JAX":
        import jax
        import jax.numpy as jnp

        float(jax.grad(lambda x: (jnp.tanh(x) * jnp.tanh(x)).sum())(jnp.array([1.0, 2.0]))[0])
    elif package == "MLX":
        import mlx.core as mx

        mx.set_default_device(mx.cpu)
        float(mx.grad(lambda x: (mx.tanh(x) * mx.tanh(x)).sum())(mx.array([1.0, 2.0]))[0])
    else:
        import autograd
        import autograd.numpy as anp

        float(autograd.grad(lambda x: (anp.tanh(x) * anp.tanh(x)).sum())(anp.array([1.0, 2.0]))[0])
    return time.monotonic() - float(os.environ["BENCH_START"])


def _first_call(call: Callable[[], object]) -> float:
    """Seconds by which the first call is longer than a later one."""
    taken = []
    for _ in range(4):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return taken[0] - min(taken[1:])


def _needs_compile(package: str) -> None:
    import peers

    if package == "alice_core" and not peers.HAS_COMPILE:
        raise SystemExit("this build has no ac.compile")


def _step(package: str, sizes: list[int], batch: int) -> Any:
    import peers
    import steps

    parameters, x, y = steps.problem(sizes, batch)
    if package == "alice_core":
        return steps.ours(sizes, parameters, x, y, compiled=peers.HAS_COMPILE)
    if package == "torch":
        return steps.torch_compiled(sizes, parameters, x, y)
    if package == "torch eager":
        return steps.torch_eager(sizes, parameters, x, y)
    return {"JAX": steps.jax_compiled, "MLX": steps.mlx_compiled}[package](parameters, x, y)


def first_compile(package: str) -> float:
    """Seconds to compile the training step of 64-128-10, batch 32."""
    _needs_compile(package)
    return _first_call(_step(package, [64, 128, 10], 32))


def compile_chain(package: str) -> float:
    """Seconds to compile the gradient of a chain of 2,000 ops."""
    import numpy as np

    import alice_core as ac
    from peers import jax, jnp, mx, torch

    _needs_compile(package)
    start = np.linspace(0.1, 1.0, 16, dtype=np.float32)

    def chain(tanh: Any) -> Any:
        return lambda x: _repeat(tanh, x).sum()

    if package == "alice_core":
        x = ac.tensor(start)
        g = ac.compile(ac.grad(lambda x: ac.sum(_repeat(ac.tanh, x))))
        return _first_call(lambda: g(x))
    if package == "torch":
        tx = torch.tensor(start)
        tg = torch.compile(torch.func.grad(chain(torch.tanh)), dynamic=False)
        return _first_call(lambda: tg(tx))
    if package == "JAX":
        jx, jg = jnp.array(start), jax.jit(jax.grad(chain(jnp.tanh)))
        return _first_call(lambda: jg(jx).block_until_ready())
    mlx_x, mlx_g = mx.array(start), mx.compile(mx.grad(chain(mx.tanh)))
    return _first_call(lambda: mx.eval(mlx_g(mlx_x)))


def _repeat(tanh: Any, x: Any) -> Any:
    for _ in range(CHAIN):
        x = tanh(x) * 1.01
    return x


def peak_memory(package: str) -> float:
    """Bytes of memory in use at most, in the large step, beyond what the imports took."""
    import resource

    step = _step(package, [784, 2048, 2048, 10], 512)
    with open("/proc/self/status") as file:
        before = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
    for _ in range(3):
        step()
    return 1024.0 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def size(package: str) -> float:
    """Bytes on disk of a package and of all it requires, NumPy left out."""
    from packaging.requirements import Requirement

    distributions = {"alice_core": "alice_core", "torch": "torch", "JAX": "jax", "MLX": "mlx", "autograd": "autograd"}
    left, seen = [Requirement(distributions[package] + ("[cpu]" if package == "MLX" else ""))], {"numpy"}
    total = 0
    while left:
        wanted = left.pop()
        name = wanted.name.lower().replace("_", "-")
        try:
            found = metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError:
            continue
        for text in found.requires or []:
            needed = Requirement(text)
            if needed.name.lower().replace("_", "-") in seen:
                continue
            if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)):
                left.append(needed)
        if name not in seen:
            seen.add(name)
            paths = (Path(str(found.locate_file(file))) for file in found.files or [])
            total += sum(path.stat().st_size for path in paths if path.suffix != ".pyc" and path.exists())
    return float(total)


if __name__ == "__main__":
    what, package = sys.argv[1:]
    print(repr(globals()[what](package)))
