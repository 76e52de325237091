"""Eight threads do everything at once, see ``thread_stress.py``; ``make tsan`` looks for races in the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("level", ["baseline", "avx2"])
@pytest.mark.parametrize("options", [["60"], ["100", "--no-fork"]], ids=["forks", "no forks"])
def test_threads_do_everything_at_once(level: str, options: list[str]) -> None:
    script = Path(__file__).with_name("thread_stress.py")
    environment = {**os.environ, "ALICE_ISA": level, "PYTHONFAULTHANDLER": "1"}
    done = subprocess.run([sys.executable, str(script), *options], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, f"{done.returncode}: {done.stdout[-500:]}\n{done.stderr[-3000:]}"
