"""Tests once more on another instruction set, in a process of their own: the set is chosen at import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent


def run_on_level(level: str, *files: str, chosen: str, threads: int | None = None) -> None:
    """Those of ``files``, by name in ``tests/``, that ``-k chosen`` leaves; one must be left, and all must pass."""
    variables = {**os.environ, "ALICE_ISA": level, "PYTHONFAULTHANDLER": "1"}
    if threads is not None:
        variables["ALICE_NUM_THREADS"] = str(threads)
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", chosen]
    command = [sys.executable, "-m", "pytest", *options, *files]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, cwd=TESTS, check=False)
    assert done.returncode == 0, f"{done.returncode}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert any(" passed" in line for line in done.stdout.splitlines()), done.stdout[-3000:]
