"""Calls everything native at random, in processes of their own, and reports what crashes, hangs, leaks or lies.

    python tests/fuzz_native.py --calls 1000000 --seed 1 --jobs 2
    python tests/fuzz_native.py --seed 1 --show 4711      prints the call number 4711
    python tests/fuzz_native.py --seed 1 --only 4711      runs it, and nothing else

Each call depends on the seed and its number alone, so that one that crashed can be run again by itself. What a crash
needs of the calls before it is found by running its batch again.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

PROCESS = 2000  # calls of one process, unless it ends before
PATIENCE = 60.0  # seconds of sleep or work without a new call: it hangs


@dataclass
class Found:
    """A call that did not end as it should."""

    seed: int
    index: int
    began: int
    what: str
    text: str
    trace: str = ""

    def __str__(self) -> str:
        lines = [f"call {self.index} of seed {self.seed} (its process began at {self.began}): {self.what}"]
        lines += ["    " + line for line in self.text.splitlines()]
        if self.trace:
            lines += ["  " + line for line in self.trace.splitlines()[:30]]
        return "\n".join(lines)


@dataclass
class Fuzz:
    seed: int
    corpus_file: Path
    folder: Path
    skip: str = ""
    batch: int = 200
    patience: float = PATIENCE
    found: list[Found] = field(default_factory=list)
    done: int = 0

    def text(self, index: int) -> str:
        from fuzzing.worker import text_of

        return text_of(self.seed, index, pickle.loads(self.corpus_file.read_bytes()))

    def piece(self, start: int, stop: int) -> None:
        """Runs these calls; after one that ends its process, the next process takes over behind it."""
        at = start
        while at < stop:
            at = self.process(at, stop)

    def process(self, start: int, stop: int) -> int:
        status = Path(tempfile.mkstemp(dir=self.folder)[1])
        status.write_bytes(struct.pack("q", start))
        command = [sys.executable, __file__, "--seed", str(self.seed), "--batch", str(self.batch)]
        command += ["--skip", self.skip] if self.skip else []
        command += ["--worker", str(start), str(stop), str(status), str(self.corpus_file)]
        with tempfile.TemporaryFile(dir=self.folder) as out, tempfile.TemporaryFile(dir=self.folder) as err:
            child = subprocess.Popen(command, stdout=out, stderr=err, env={**os.environ, "PYTHONFAULTHANDLER": "1"})
            hangs = self.watch(child, status)
            index = struct.unpack("q", status.read_bytes())[0]
            status.unlink()
            out.seek(0)
            err.seek(0)
            said = out.read().decode(errors="replace")
            trace = err.read().decode(errors="replace")
        self.done += index - start
        if child.returncode == 0 and not hangs:
            return stop
        if child.returncode == 3 and said.strip():
            finding = json.loads(said.strip().splitlines()[-1])
            index, what, trace = finding["index"], finding["finding"], ""
        else:
            code = child.returncode
            what = "hangs" if hangs else f"ends the process, {signal.Signals(-code).name if code < 0 else code}"
        self.done += 1
        found = Found(self.seed, index, start, what, self.text(min(index, stop - 1)), trace)
        self.found.append(found)
        print(found, flush=True)
        return index + 1

    def watch(self, child: subprocess.Popen[bytes], status: Path) -> bool:
        """Waits for the process; True if it had to be ended because no call came after the last."""
        seen, waited, used = b"", 0.0, 0.0
        while True:
            try:
                child.wait(timeout=0.5)
                return False
            except subprocess.TimeoutExpired:
                now, (sleeps, cpu) = status.read_bytes(), load(child.pid)
                # A process that others leave no time may take it; one that sleeps, or works and works, hangs.
                waited = 0.0 if now != seen else waited + (0.5 if sleeps else cpu - used)
                seen, used = now, cpu
                if waited > self.patience:
                    child.send_signal(signal.SIGABRT)  # faulthandler shows where
                    child.wait()
                    return True


def load(pid: int) -> tuple[bool, float]:
    """Whether a process sleeps, and the seconds that it has computed."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True, 0.0
    return fields[0] == "S", (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pieces(start: int, calls: int) -> Iterator[tuple[int, int]]:
    for at in range(start, start + calls, PROCESS):
        yield at, min(at + PROCESS, start + calls)


def fuzz(
    seed: int,
    calls: int,
    jobs: int,
    start: int = 0,
    seconds: float | None = None,
    skip: str = "",
    batch: int = 200,
) -> Fuzz:
    """Runs calls ``start`` to ``start + calls`` of the seed, for at most so many seconds."""
    from fuzzing.corpus import corpus

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        corpus_file = Path(folder) / "corpus"
        corpus_file.write_bytes(pickle.dumps(corpus()))
        run = Fuzz(seed, corpus_file, Path(folder), skip, batch)

        def one(piece: tuple[int, int]) -> None:
            if seconds is None or time.monotonic() - began < seconds:
                run.piece(*piece)

        for _ in pool.map(one, pieces(start, calls)):
            pass
        return run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="number of the first call")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, help="begin no batch after that time")
    parser.add_argument(
        "--skip", default="", metavar="REGEX", help="pass over calls whose text has it, while a fault is known"
    )
    parser.add_argument("--batch", type=int, default=200, help="calls between two looks at what is alive")
    parser.add_argument("--show", type=int, metavar="INDEX", help="print a call, as a program")
    parser.add_argument("--only", type=int, metavar="INDEX", help="run a call in this process")
    parser.add_argument("--worker", nargs=4, metavar=("START", "STOP", "STATUS", "CORPUS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        from fuzzing import worker

        start, stop, status, corpus_file = args.worker
        worker.main(args.seed, int(start), int(stop), status, corpus_file, args.skip, args.batch)
        return 0
    if args.show is not None or args.only is not None:
        from fuzzing.corpus import corpus
        from fuzzing.worker import run, text_of

        index = args.show if args.show is not None else args.only
        text = text_of(args.seed, index, corpus())
        print("# PYTHONPATH=tests; W, V, BIG as in fuzzing/worker.py\nfrom fuzzing.names import *\n" + text, flush=True)
        if args.only is not None:
            run(text)
        return 0
    began = time.monotonic()
    run_ = fuzz(args.seed, args.calls, args.jobs, args.start, args.seconds, args.skip, args.batch)
    kinds = Counter(f.what.split(":")[0] for f in run_.found)
    print(f"{run_.done} calls in {time.monotonic() - began:.0f} s: {len(run_.found)} found {dict(kinds)}")
    return 1 if run_.found else 0


if __name__ == "__main__":
    sys.exit(main())
