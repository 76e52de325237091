"""Measure this build beside an earlier one, row by row: is anything slower than it was?

    make bench-beside BASE=v0.1        # a revision; it is built in bench/.base
    make bench-beside BASE=v0.1 ROWS="matmul step"

Both builds run the rows that they share, each with the benchmarks of its own revision and without the peers, in turns.
A row that seems slower than ``--allowed`` is measured again, ``--turns`` times in all, and judged by the median of its
ratios: one slow minute of the machine is no regression, and no row passes because of a fast one.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from report import readable
from rows import EAGER, OURS
from run import SECTIONS, Section, run_rows

HERE = Path(__file__).resolve().parent
Times = dict[tuple[str, str], tuple[float, str]]  # row and contender to seconds (or bytes) and their unit


def measured(section: Section, python: str, bench: Path, words: list[str]) -> Times:
    """What one build's own benchmarks say of our contenders; nothing where the build has no such section."""
    found, _ = run_rows(section, words, python, bench, env={"BENCH_ONLY": ""}, stderr=subprocess.DEVNULL)
    return {
        (row["work"], name): (row["values"][name]["median"], row["unit"])
        for row in found.get("rows", [])
        for name in (OURS, EAGER)
        if name in row["values"]
    }


def compare(section: Section, base: tuple[str, Path], words: list[str], allowed: float, turns: int) -> list[str]:
    """The lines of a section's table; those of slower rows end in ``slower``."""
    ratios: dict[tuple[str, str], list[float]] = defaultdict(list)
    last: dict[tuple[str, str], tuple[float, float, str]] = {}
    again = words
    for turn in range(turns):
        sides = [base, (sys.executable, HERE)]
        found = [measured(section, *side, again) for side in (sides if turn % 2 == 0 else sides[::-1])]
        old, new = found if turn % 2 == 0 else found[::-1]
        for key in old.keys() & new.keys():
            ratios[key].append(new[key][0] / old[key][0])
            last[key] = (old[key][0], *new[key])
        slow = {row for (row, _), seen in ratios.items() if len(seen) > turn and statistics.median(seen) > allowed}
        if not slow:
            break
        again = sorted(slow)
    lines = []
    for (row, name), seen in sorted(ratios.items()):
        ratio = statistics.median(seen)
        verdict = "slower" if ratio > allowed else ""
        before, after, unit = last[row, name]
        times = f"{readable(before, unit)} -> {readable(after, unit)}"
        lines.append(f"{row} | {name} | {times} | {ratio:.3f} of {len(seen)} | {verdict}".rstrip(" |"))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("before", type=Path, help="the sources of the earlier build, which is installed in .venv there")
    parser.add_argument("words", nargs="*", help="only rows whose name contains one of these words")
    parser.add_argument("--sections", nargs="*", help="keys of the sections; all by default")
    parser.add_argument("--allowed", type=float, default=1.03, help="the ratio that is still the same (1.03)")
    parser.add_argument("--turns", type=int, default=5, help="how often a row that seems slower is measured (5)")
    options = parser.parse_args()
    base = str(options.before / ".venv/bin/python"), options.before / "bench"
    slower = 0
    for section in SECTIONS:
        if options.sections and section.key not in options.sections:
            continue
        lines = compare(section, base, options.words, options.allowed, options.turns)
        if lines:
            print(f"\n{section.title}", *lines, sep="\n", flush=True)
        slower += sum(line.endswith("slower") for line in lines)
    print(f"\n{slower} rows are slower than {options.allowed:g} of what they were")
    sys.exit(slower > 0)


if __name__ == "__main__":
    main()
