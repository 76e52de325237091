"""When memory runs out, anywhere, there is a MemoryError and a process that works on.

Every allocation of some uses of the library fails once, see ``out_of_memory.py``. C++ allocates through functions that
a small library replaces before Python starts; it is compiled here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from out_of_memory import USES

HERE = Path(__file__).parent
COMPILER = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="replaces functions of glibc"),
    pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler"),
    pytest.mark.skipif("san.so" in os.environ.get("LD_PRELOAD", ""), reason="sanitizers replace the same functions"),
]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("failing") / "failing_memory.so"
    source = HERE / "failing_memory.cpp"
    subprocess.run([str(COMPILER), "-O1", "-shared", "-fPIC", "-o", str(path), str(source), "-ldl"], check=True)
    return path


def run(library: Path | None, *arguments: str) -> None:
    environment = {**os.environ, "LD_PRELOAD": str(library)} if library else dict(os.environ)
    done = subprocess.run(
        [sys.executable, str(HERE / "out_of_memory.py"), *arguments], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stdout[-300:]}\n{done.stderr[-3000:]}"
    counts = [int(line.split()[1]) for line in done.stdout.splitlines() if line.endswith(" failed")]
    assert counts, done.stdout
    assert all(counts), done.stdout


@pytest.mark.parametrize("use", [u.__name__ for u in USES])
@pytest.mark.parametrize("kind", ["native", "native-rest"])
def test_every_native_allocation_may_fail(library: Path, kind: str, use: str) -> None:
    run(library, kind, use)
