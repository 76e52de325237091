"""Measure alice_core beside its peers and write JSON, a Markdown table and pictures.

    make bench                        # everything
    make bench ROWS="matmul step"     # rows whose name contains one of the words
    make bench-quick                  # a choice that takes less than two minutes

Each section runs in a process of its own: pinned to one CPU with one thread (JAX ignores its thread flags), or with
all CPUs. What a peer that is not installed would have measured is left out with a notice.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import charts
import report

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Section:
    key: str
    title: str
    rows: str  # module.function
    style: str = "summary"
    all_threads: bool = False
    quick: bool = True


SECTIONS = (
    Section("steps", "Training steps", "steps.rows"),
    Section("lenet", "LeNet on digits", "lenet.rows"),
    Section("epochs", "Epochs", "epochs.rows"),
    Section("minimize", "Minimisation", "minimize.rows", style="plain"),
    Section("estimators", "Estimators", "estimators.rows", style="plain"),
    Section("layers", "Transformer block", "layers.rows"),
    Section("matmul", "Matrix products", "ops.matmul"),
    Section("contractions", "Sums of products", "contractions.rows", style="plain"),
    Section("convolution", "Convolutions with both gradients", "convolution.rows"),
    Section("elementwise", "Elementwise", "ops.elementwise_rows"),
    Section("functions", "Elementwise functions", "functions.rows", style="plain", quick=False),
    Section("arrays", "Sorting, searching, writing at indices", "arrays.rows", style="plain", quick=False),
    Section("cross_entropy", "Cross-entropy with its gradient", "ops.cross_entropy_rows"),
    Section("recorded", "Recording one op", "ops.recorded_rows"),
    Section("cost", "Cost of a gradient", "cost.rows", style="cost"),
    Section("derivatives", "Derivatives", "derivatives.rows", style="plain"),
    Section("linalg", "Linear algebra", "linalg.rows"),
    Section("control", "Loops and scalars", "control.rows"),
    Section("gradbench", "GradBench", "gradbench.suite.rows"),
    Section("cold", "Cold start, size, memory", "cold.rows", style="plain"),
    Section("scaling", "Two threads", "scaling.rows", style="plain", all_threads=True, quick=False),
    Section("steps_all", "Training steps, all threads", "steps.rows", all_threads=True, quick=False),
    Section("matmul_all", "Matrix products, all threads", "ops.matmul", all_threads=True, quick=False),
    Section("elementwise_all", "Elementwise, all threads", "ops.elementwise_rows", all_threads=True, quick=False),
    Section("cross_entropy_all", "Cross-entropy, all threads", "ops.cross_entropy_rows", all_threads=True, quick=False),
)


def cpus() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def environment(threads: int) -> dict[str, str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ALICE_NUM_THREADS", "BENCH_THREADS")
    return os.environ | dict.fromkeys(names, str(threads)) | {"JAX_PLATFORMS": "cpu"}


def threads_of(section: Section) -> int:
    return len(cpus()) if section.all_threads else 1


def run_rows(
    section: Section, arguments: list[str], python: str = sys.executable, bench: Path = HERE, **options: Any
) -> tuple[dict[str, Any], int]:
    """What measure.py of a build wrote about the section, {} if nothing, and its exit status. ``options`` are those of
    subprocess.run, ``env`` on top of what all need."""

    def pin() -> None:
        if not section.all_threads and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {cpus()[0]})

    env = environment(threads_of(section)) | options.pop("env", {})
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "section.json")
        command = [python, str(bench / "measure.py"), section.rows, str(out), *arguments]
        done = subprocess.run(command, env=env, preexec_fn=pin, **options)
        found = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    return found, done.returncode


def measure(section: Section, words: list[str], quick: bool) -> dict[str, Any]:
    """What measure.py wrote about the section, with its title."""
    found, status = run_rows(section, words + ["--quick"] * quick)
    result: dict[str, Any] = {"rows": [], "versions": [], "notices": []} | found
    if status:
        result["notices"].append(f"{section.title}: incomplete, measure.py ended with {status}")
    return result | {
        "failed": bool(status),
        "key": section.key,
        "title": section.title,
        "style": section.style,
        "threads": threads_of(section),
    }


def machine() -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    code = "import alice_core as ac; print(ac.build_config()['isa'])"
    isa = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
    return (
        f"{model}, {len(cpus())} CPUs, {platform.system()}, CPython {platform.python_version()}, level {isa}; "
        f"one thread unless said otherwise"
    )


def show(section: dict[str, Any], write: Callable[[str], object]) -> None:
    if section["rows"]:
        write(f"\n{section['title']}")
        for line in report.STYLES[section["style"]](section):
            write(line)
        for row in section["rows"]:
            for note in row["notes"]:
                write(f"note: {note}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("words", nargs="*", help="only rows whose name contains one of these words")
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for the results")
    parser.add_argument("--publish", type=Path, help="also copy the table and the pictures there, for documents")
    options = parser.parse_args()

    results: dict[str, Any] = {"machine": machine(), "versions": [], "notices": [], "sections": []}
    for section in SECTIONS:
        if options.quick and not section.quick:
            continue
        result = measure(section, options.words, options.quick)
        for key in ("versions", "notices"):
            results[key] += [line for line in result.pop(key) if line not in results[key]]
        results["sections"].append(result)
        show(result, lambda line: print(line, flush=True))
    for notice in results["notices"]:
        print(f"notice: {notice}")
    for line in report.missed(results):
        print(f"missed: {line}")

    options.out.mkdir(parents=True, exist_ok=True)
    try:
        pictures = charts.draw(results, options.out)
    except ImportError as error:
        print(f"notice: no pictures: {error}")
        pictures = []
    (options.out / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    (options.out / "results.md").write_text(report.markdown(results, pictures), encoding="utf-8")
    print(f"written to {options.out}")
    if options.publish:
        options.publish.mkdir(parents=True, exist_ok=True)
        for name in ("results.json", "results.md", *pictures):
            shutil.copy(options.out / name, options.publish / name)
        print(f"copied to {options.publish}")
    sys.exit(any(section["failed"] for section in results["sections"]))


if __name__ == "__main__":
    main()
