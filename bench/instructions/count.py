"""Instructions per call, counted by valgrind's callgrind, against a budget: ``python bench/instructions/count.py``.

Counts do not depend on what else the machine does, so they can be checked in CI. ``--update`` writes the budget of the
running CPython anew, 10 % above what was counted. valgrind knows no AVX-512: the level is avx2.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scenarios import SCENARIOS, available

HERE = Path(__file__).parent
BUDGET = HERE / "budget.json"
HEADROOM = 1.10


class Unavailable(RuntimeError):
    """Instructions cannot be counted here; the message says why."""


def count() -> dict[str, int]:
    """Instructions per call of each scenario."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Unavailable("valgrind is not installed")
    environment = os.environ | {"ALICE_ISA": "avx2", "ALICE_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryDirectory() as folder:
        command = [valgrind, "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={folder}/out"]
        done = subprocess.run(
            [*command, sys.executable, str(HERE / "scenarios.py")], env=environment, capture_output=True, text=True
        )
        if "Valgrind" in done.stderr and "unhandled instruction" in done.stderr:
            raise Unavailable("valgrind does not know this machine's instructions")
        if done.returncode:
            raise RuntimeError(f"valgrind ended with {done.returncode}: {done.stderr[-2000:]}")
        parts = [_instructions(Path(folder, f"out.{i}")) for i in range(1, 3 * len(available()) + 1)]
    found = {}
    for i, name in enumerate(available()):
        short, long = parts[3 * i + 1 : 3 * i + 3]  # the part before the first mark is preparation
        found[name] = round((long - short) / SCENARIOS[name][1])
    return found


def _instructions(dump: Path) -> int:
    for line in dump.read_text(encoding="utf-8").splitlines():
        if line.startswith(("summary:", "totals:")):
            return int(line.split()[1])
    raise Unavailable(f"{dump.name}: callgrind wrote no total")


def key() -> str:
    """What a budget is for: counts depend on the interpreter, the machine and its C library."""
    version = ".".join(platform.python_version_tuple()[:2])
    return f"CPython {version}, {platform.machine()}"


def budgets() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = json.loads(BUDGET.read_text(encoding="utf-8")) if BUDGET.exists() else {}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--update", action="store_true", help="write the budget anew")
    parser.add_argument("--json", action="store_true", help="print the counts alone")
    parser.add_argument("--key", action="store_true", help="print whose budget applies, count nothing")
    options = parser.parse_args()
    if options.key:
        print(key())
        return 0
    try:
        counted = count()
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 3
    if options.json:
        print(json.dumps(counted))
        return 0
    if options.update:
        updated = budgets() | {key(): {name: math.ceil(n * HEADROOM / 100) * 100 for name, n in counted.items()}}
        BUDGET.write_text(json.dumps(updated, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    allowed = budgets().get(key(), {})
    for name, n in counted.items():
        limit = allowed.get(name)
        print(
            f"{name:26} {n:12,}  {'no budget' if limit is None else f'of {limit:,}'}{'  <-- over' * (n > (limit or n))}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
