"""Twenty thousand random calls of everything native, and what such calls have found before.

The calls run in processes of their own, see ``fuzz_native.py``. ``ALICE_FUZZ_CALLS`` is their number,
``ALICE_FUZZ_SEED`` says which they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz_native import fuzz
from fuzzing.found import FOUND

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, limits its memory")


def test_random_calls() -> None:
    calls, seed = int(os.environ.get("ALICE_FUZZ_CALLS", "20000")), int(os.environ.get("ALICE_FUZZ_SEED", "0"))
    run = fuzz(seed, calls, jobs=2)
    assert run.done == calls
    assert not run.found, "\n".join(map(str, run.found))


@pytest.mark.parametrize("name", FOUND)
def test_found_before(name: str) -> None:
    program = (
        "import faulthandler; faulthandler.enable()\nfrom fuzzing.worker import again\nagain(" + repr(FOUND[name]) + ")"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=HERE, timeout=300)
    assert done.returncode == 0, f"{done.returncode}\n{FOUND[name]}\n{done.stderr[-3000:]}"
