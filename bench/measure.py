"""Measure one section in this process and write it as JSON; run.py starts one such process for each section."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import compare, timing
from rows import Measured, Row


def measure(row: Row | Measured, quick: bool, threads: int) -> dict[str, Any]:
    """A row as it stands in results.json."""
    limit = None
    unit = "s"
    if isinstance(row, Measured):
        timings = {name: timing(values) for name, values in row.values().items()}
        unit = row.unit
    else:
        rounds = max(5, row.rounds // 2) if quick else row.rounds
        timings = compare(row.contenders(), rounds, row.seconds, pause=0.005 if threads > 1 else 0.0)
        limit = row.limit() if row.limit else None
    return {
        "work": row.name,
        "unit": unit,
        "limit": limit,
        "values": {name: asdict(t) for name, t in timings.items()},
        "targets": [asdict(t) for t in row.targets],
        "notes": row.notes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", help="module.function that yields rows")
    parser.add_argument("out", type=Path)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()

    module, _, function = options.section.rpartition(".")
    found = importlib.import_module(module)
    rows = [
        row
        for row in getattr(found, function)(options.quick)
        if not options.words or any(word in row.name for word in options.words)
    ]
    peers = sys.modules.get("peers")
    result: dict[str, Any] = {"rows": [], "versions": getattr(peers, "VERSIONS", [])}
    try:
        from tqdm import tqdm

        turns = tqdm(rows, desc=options.section, disable=None, leave=False)
    except ImportError:
        turns = rows
    threads = int(os.environ.get("BENCH_THREADS", "1"))
    failed = []
    for row in turns:
        try:
            result["rows"].append(measure(row, options.quick, threads))
        except Exception as error:
            traceback.print_exc()
            failed.append(f"{row.name} is missing: {error}")
        # After each row: what was measured stays, whatever the next row does.
        result["notices"] = [*getattr(peers, "NOTICES", []), *failed]
        options.out.write_text(json.dumps(result), encoding="utf-8")
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
