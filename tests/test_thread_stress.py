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


LOOPS = """
import sys, threading
import alice_core as ac

def power(x):
    return ac.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, ac.sin(s[1]) * x), (0, x), max_steps=4)[1]

def work():
    for _ in range(500):
        assert ac.grad(power)(0.5).item() == expected

expected = ac.grad(power)(0.5).item()
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


def test_threads_share_what_is_known_of_loops() -> None:
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", LOOPS], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), f"{done.returncode}: {done.stderr[-3000:]}"
