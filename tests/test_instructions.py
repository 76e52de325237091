"""Instructions per call stay within the budget of ``bench/instructions/budget.json``.

Counts, unlike times, do not depend on what else the machine does. ``python bench/instructions/count.py --update``
writes the budget anew; a change that needs it says why.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "bench" / "instructions"


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind, which counts, is not installed")
@pytest.mark.skipif(not FOLDER.is_dir(), reason="bench/ is not part of this installation")
def test_within_budget() -> None:
    key = subprocess.run(
        [sys.executable, str(FOLDER / "count.py"), "--key"], capture_output=True, text=True, check=True
    ).stdout.strip()
    budget = json.loads((FOLDER / "budget.json").read_text(encoding="utf-8")).get(key)
    if budget is None:
        pytest.skip(f"there is no budget for {key}")
    done = subprocess.run([sys.executable, str(FOLDER / "count.py"), "--json"], capture_output=True, text=True)
    if done.returncode == 3:
        pytest.skip(f"instructions cannot be counted here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout)
    assert set(counted) == set(budget)
    over = {name: f"{n:,} > {budget[name]:,}" for name, n in counted.items() if n > budget[name]}
    assert not over, f"more instructions than the budget allows: {over}"
