"""What pip installs: complete, small, quick to import, and at peace with NumPy's own BLAS."""

from __future__ import annotations

import ast
import inspect
import re
import struct
import subprocess
import sys
import zlib
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import alice_core as ac
from alice_core import _core

PACKAGE = Path(ac.__file__).parent
MEGABYTE = 1 << 20


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.splitlines()[-1]  # an editable install may print that it looked for changes


as_users_get_it = pytest.mark.skipif(
    not (PACKAGE / "_libs").is_dir(), reason="an editable install loads its native part in a way of its own"
)


def test_numpy_is_the_only_requirement() -> None:
    required = [r for r in metadata.requires("alice_core") or [] if "extra ==" not in r]
    assert [re.split(r"[^\w-]", r)[0] for r in required] == ["numpy"]


@as_users_get_it
def test_only_numpy_is_imported() -> None:
    loaded = run(
        "import sys, numpy; before = set(sys.modules); import alice_core;"
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    ).split()
    foreign = [m for m in loaded if m not in sys.stdlib_module_names and m != "alice_core" and m != "numpy"]
    assert not foreign, foreign


def test_it_loads_behind_others_that_have_used_the_standard_library() -> None:
    """std::call_once of matplotlib's modules gives words of libstdc++ their place; ours must not want another."""
    pytest.importorskip("matplotlib")
    assert run("import matplotlib.image, alice_core; print('loaded')") == "loaded"


#: What importing alice_core may import that NumPy has not. Each module costs time at every start: those that few
#: programs need are imported where they are needed. ``bench/cold.py`` measures the time.
IMPORTED = {"__future__", "_contextvars", "contextvars"}


@as_users_get_it
def test_import_brings_few_modules() -> None:
    loaded = run(
        "import sys, numpy; before = set(sys.modules); import alice_core; print(*sorted(set(sys.modules) - before))"
    ).split()
    own = {m for m in loaded if m.startswith("alice_core")}
    others = {m for m in loaded if not m.startswith("numpy.")} - own
    assert others <= IMPORTED, sorted(others - IMPORTED)
    assert len(own) <= 90, sorted(own)


def installed() -> list[Path]:
    return [f for f in PACKAGE.rglob("*") if f.is_file() and f.suffix != ".pyc"]


@as_users_get_it
def test_size_without_openblas() -> None:
    """Linear algebra, convolutions, attention, optimisers and special functions for three instruction sets included."""
    size = sum(f.stat().st_size for f in installed() if "openblas" not in f.name)
    assert size <= 6 * MEGABYTE, f"{size / MEGABYTE:.1f} MB"


@as_users_get_it
def test_size_of_the_wheel() -> None:
    """What is downloaded: every file of a wheel is deflated, OpenBLAS too."""
    size = sum(len(zlib.compress(f.read_bytes())) for f in installed())
    assert size <= 12e6, f"{size / 1e6:.1f} MB"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/maps")
def test_two_copies_of_openblas_live_side_by_side() -> None:
    """Ours and NumPy's are different files, and both still compute after the other has."""
    out = run(
        "import os; os.environ.pop('OPENBLAS_NUM_THREADS', None)\n"  # with all its threads
        "import numpy as np, alice_core as ac\n"
        "a = np.random.default_rng(0).standard_normal((300, 300))\n"
        "want = a @ a\n"
        "for _ in range(3):\n"
        "    assert np.allclose((ac.tensor(a) @ ac.tensor(a)).numpy(), want, rtol=1e-10)\n"
        "    assert np.array_equal(a @ a, want)\n"
        "maps = open('/proc/self/maps').read()\n"
        "print(*sorted({line.split()[-1] for line in maps.splitlines() if 'openblas' in line}))\n"
    ).split()
    assert any("alice_core" in f or "scipy_openblas32" in f for f in out)
    assert len(out) == len(set(out)) >= 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/self/task")
def test_openblas_starts_no_threads_of_its_own() -> None:
    """Our pool schedules; a BLAS with threads of its own would fight it for the cores."""
    out = run(
        "import os; os.environ['OPENBLAS_NUM_THREADS'] = '1'\n"
        "import numpy, alice_core as ac, os\n"
        "ac.set_num_threads(1)\n"
        "x = ac.ones((700, 700)); y = x @ x\n"
        "print(len(os.listdir('/proc/self/task')))\n"
    )
    assert int(out) == 1


def test_build_config() -> None:
    config = ac.build_config()
    assert set(config) == {"version", "isa", "blas", "compiler", "cuda", "threads"}
    assert config["version"] == ac.__version__ == metadata.version("alice_core")
    assert config["isa"] in ("baseline", "avx2", "avx512")
    assert "OpenBLAS" in config["blas"]


@pytest.mark.parametrize("level", ["baseline", "avx2", "avx512"])
def test_every_instruction_set_level_computes(level: str) -> None:
    """A level the CPU lacks falls back to the best one it has."""
    out = run(
        f"import os; os.environ['ALICE_ISA'] = {level!r}\n"
        "import alice_core as ac, numpy as np\n"
        "x = np.linspace(-3, 3, 1001)\n"
        "t = ac.tensor(x)\n"
        "assert np.allclose(ac.tanh(t).numpy(), np.tanh(x), rtol=1e-14)\n"
        "a = np.random.default_rng(0).standard_normal((40, 33))\n"
        "assert np.allclose((ac.tensor(a) @ ac.tensor(a.T)).numpy(), a @ a.T, rtol=1e-12)\n"
        "assert np.allclose(ac.softmax(t).numpy(), np.exp(x) / np.exp(x).sum(), rtol=1e-13)\n"
        "g = ac.grad(lambda t: ac.sum(ac.gelu(t)))(t)\n"
        "print(ac.build_config()['isa'])\n"
    ).strip()
    order = ["baseline", "avx2", "avx512"]
    assert order.index(out) <= order.index(level)


def test_public_names() -> None:
    for name in ("float32", "float64", "int32", "int64", "uint8", "bool"):
        assert isinstance(getattr(ac, name), np.dtype)
    ops = "exp tanh sum mean matmul where relu leaky_relu prelu elu softplus sigmoid silu gelu softmax logsumexp"
    rest = "grad value_and_grad vjp stop_gradient numerical_grad trace no_grad nn optim losses data testing"
    assert {*ops.split(), *rest.split()} <= set(dir(ac))


def test_the_stub_matches_the_extension() -> None:
    """Every name of the stub exists natively, and nothing native is missing from it."""
    stub = ast.parse((PACKAGE / "_core.pyi").read_text(encoding="utf-8"))
    classes = {n.name: n for n in stub.body if isinstance(n, ast.ClassDef)}
    functions = {n.name: n for n in stub.body if isinstance(n, ast.FunctionDef)}
    native = {n for n in vars(_core) if not n.startswith("__")}
    assert native == set(classes) | set(functions)
    for name, node in classes.items():
        declared = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
        declared |= {n.target.id for n in node.body if isinstance(n, ast.AnnAssign)}
        defined = {n for n in vars(getattr(_core, name)) if not n.startswith(("__", "_pybind11"))}
        assert {n for n in declared if not n.startswith("__")} == defined, name
    for name, node in functions.items():
        first = inspect.getdoc(getattr(_core, name)).splitlines()[0]
        names = re.findall(r"(\w+): ", first)
        assert names == [a.arg for a in node.args.args], f"{name}: {first}"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads an ELF file")
def test_thread_local_memory_fits_the_room_that_late_libraries_share() -> None:
    """glibc keeps about 1.6 KB for all of them; without room the import fails."""
    content = Path(_core.__file__).read_bytes()
    assert content[:5] == b"\x7fELF\x02"
    (headers,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    thread_local = 7
    sizes = [
        struct.unpack_from("<Q", content, at + 40)[0]
        for at in range(headers, headers + size * count, size)
        if struct.unpack_from("<I", content, at)[0] == thread_local
    ]
    assert len(sizes) == 1
    assert sizes[0] <= 512
