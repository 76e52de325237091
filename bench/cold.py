"""Cold start: what the first seconds cost, each time in a fresh process; also size on disk and peak memory."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from fresh import MODULES
from rows import EAGER, OURS, Measured, Target

PROCESS_LIMIT = 90.0  # seconds for one fresh process
INSTALLED = [name for name, module in MODULES.items() if importlib.util.find_spec(module.partition(".")[0])]
#: How the compiler of each package is called elsewhere in the tables.
COMPILERS = {"alice_core": OURS, "torch": "torch.compile", "JAX": "jax.jit", "MLX": "mlx.compile"}


def fresh(what: str, package: str) -> float:
    """The number that fresh.py prints."""
    only = {"torch": "PyTorch", "torch eager": "PyTorch"}.get(package, package)
    # A first compile is one that nobody did before: torch and MLX keep what they compiled in the folder for temporary
    # files.
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "BENCH_ONLY": only,
            "BENCH_START": repr(time.monotonic()),
            "TMPDIR": folder,
            "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1",
        }
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("fresh.py")), what, package],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PROCESS_LIMIT,
        )
    if done.returncode:
        raise RuntimeError(f"fresh.py {what} {package}:\n{done.stderr[-2000:]}")
    return float(done.stdout.split()[-1])


def values(
    what: str, names: dict[str, str], times: int, notes: list[str], once: tuple[str, ...] = ()
) -> dict[str, list[float]]:
    """``times`` fresh processes for each package, in turns; ``once`` for those that take long."""
    found: dict[str, list[float]] = {name: [] for name in names.values()}
    for turn in range(times):
        for package, name in names.items():
            if name not in found or (turn and package in once):
                continue
            try:
                found[name].append(fresh(what, package))
            except subprocess.TimeoutExpired:
                notes.append(f"{what}: {name} is left out: it took more than {PROCESS_LIMIT:g} s.")
                del found[name]
            except RuntimeError as error:
                notes.append(f"{what}: {name} is left out: {str(error).splitlines()[-1]}")
                del found[name]
    return found


def rows(quick: bool) -> Iterator[Measured]:
    times = 3 if quick else 7
    packages = {name: EAGER if name == "alice_core" else name for name in INSTALLED}
    compilers = {p: name for p, name in COMPILERS.items() if p in INSTALLED and not (quick and p == "torch")}
    chains = {p: name for p, name in compilers.items() if not (quick and p == "JAX")}  # half a minute
    steps = compilers | ({"torch eager": "torch"} if "torch" in INSTALLED else {})

    def row(
        name: str,
        what: str,
        names: dict[str, str],
        unit: str,
        targets: tuple[Target, ...] = (),
        times: int = times,
        once: tuple[str, ...] = (),
    ) -> Measured:
        notes: list[str] = []
        make = partial(values, what, names, times, notes, once)
        return Measured(name, make, unit, targets, notes)  # type: ignore[arg-type]

    start = (Target(0.050, "", of=EAGER),)
    yield row("import, beyond NumPy", "import_time", packages, "s", start)
    yield row("fresh process to first gradient", "first_gradient", packages, "s")
    step = (Target(0.010, "", of=OURS),)
    yield row("first compile of the step 64-128-10", "first_compile", compilers, "s", step, once=("torch",))
    chain = (Target(0.3, "", of=OURS),)
    many = 1 if quick else 3
    yield row("compile the gradient of 2,000 ops", "compile_chain", chains, "s", chain, many, ("torch", "JAX"))
    yield row("size on disk, with what it needs beyond NumPy", "size", packages, "B", times=1)
    if not quick and sys.platform == "linux":
        yield row("peak memory of the step 784-2048-2048-10, batch 512", "peak_memory", steps, "B", times=1)
