"""Two ranks on two cores beside one, an exchange beside MPI alone, and the constants of the cost model in the book.

    python bench/distributed.py               prints
    python bench/distributed.py results.json  and writes

One run of two ranks measures all, in rounds: what is compared meets the same noise. While rank 0 works alone, the other
one sleeps.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import alice_core as ac
from alice_core import distributed
from alice_core.distributed import parallel

SIZES, BATCH, ROUNDS = [784, 2048, 2048, 10], 512, 9
#: Bytes of messages from which the constants of a message are found.
BYTES = [8 * 4**k for k in range(12)]


def training(wrapped: bool, rows: int, overlap: bool = True) -> tuple[Callable[[], Any], list[Any]]:
    """A compiled step on so many rows."""
    model = ac.nn.MLP(SIZES, activation="relu", seed=0)
    opt: Any = ac.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    opt = distributed.data_parallel(opt) if wrapped else opt
    rng = np.random.default_rng(distributed.rank())
    x = ac.tensor(rng.standard_normal((rows, SIZES[0])).astype(np.float32))
    y = ac.tensor(rng.integers(0, SIZES[-1], rows))

    @ac.compile
    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        opt.zero_grad()
        loss = ac.losses.cross_entropy(model(x), y)
        loss.backward()
        opt.step()
        return loss

    summed = parallel.summed_in_buckets
    parallel.summed_in_buckets = lambda tensors, channels, **_: summed(tensors, channels, overlap)
    step(x, y)  # traces it
    parallel.summed_in_buckets = summed
    return lambda: step(x, y), model.parameters()


def main() -> dict[str, Any] | None:
    ac.set_num_threads(1)
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    rank, size = distributed.rank(), distributed.size()

    def meet() -> None:
        request = comm.Ibarrier()
        while not request.Test():
            time.sleep(0.001)

    def timed(work: Callable[[], Any], calls: int, alone: bool = False) -> float:
        """Seconds of a call; of all ranks, or of rank 0 alone."""
        meet()
        if alone and rank > 0:
            meet()
            return 0.0
        if not alone:
            comm.Barrier()
        start = time.perf_counter()
        for _ in range(calls):
            work()
        taken = (time.perf_counter() - start) / calls
        if alone:
            meet()
        return taken

    one, _ = training(False, BATCH)
    half, _ = training(False, BATCH // size)
    all_ranks, parameters = training(True, BATCH // size)
    in_turn, _ = training(True, BATCH // size, overlap=False)
    gradients = [ac.ones(p.shape) for p in parameters]
    n_bytes = sum(g.nbytes for g in gradients)
    flat, into = np.ones(n_bytes // 4, np.float32), np.empty(n_bytes // 4, np.float32)
    comm_flat = lambda: comm.Allreduce(flat, into)  # noqa: E731
    ours = lambda: distributed.allreduce(gradients, "sum")  # noqa: E731
    contenders: dict[str, tuple[Callable[[], Any], int, bool]] = {
        "one rank": (one, 3, True),
        "a part of the rows": (half, 3, False),
        "all ranks": (all_ranks, 3, False),
        "without overlap": (in_turn, 3, False),
        "exchange": (ours, 4, False),
        "MPI": (comm_flat, 4, False),
    }
    for n in BYTES:
        a, b = np.ones(n // 4, np.float32), np.empty(n // 4, np.float32)
        contenders[f"{n} bytes"] = (lambda a=a, b=b: comm.Allreduce(a, b), max(1, min(200, 2**22 // n)), False)
    samples: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(ROUNDS + 1):
        for name, (work, calls, alone) in contenders.items():
            seconds = timed(work, calls, alone)
            if number:  # the first round warms up
                samples[name].append(seconds)
    if rank > 0:
        return None
    median = {name: statistics.median(s) for name, s in samples.items()}
    times = np.array([median[f"{n} bytes"] for n in BYTES])
    # Two ranks send a message each way: t = 2 alpha + n beta, weighted so that short ones count as long ones.
    design = np.stack([np.full(len(BYTES), 2.0), np.array(BYTES, float)], 1) / times[:, None]
    alpha, beta = np.linalg.lstsq(design, np.ones(len(BYTES)), rcond=None)[0]
    return {
        "machine": f"{platform.machine()}, {ac.build_config()['isa']}, {size} ranks of 1 thread, shared memory",
        "mpi": MPI.Get_library_version().splitlines()[0].strip().rstrip("\x00"),
        "network": "-".join(map(str, SIZES)),
        "batch": BATCH,
        "bytes": n_bytes,
        "seconds": median,
        "speedup": statistics.median(a / b for a, b in zip(samples["one rank"], samples["all ranks"], strict=True)),
        "exchange_over_mpi": statistics.median(a / b for a, b in zip(samples["exchange"], samples["MPI"], strict=True)),
        "alpha": float(max(alpha, times.min() / 2)),
        "beta": float(beta),
    }


def launch(out: str | None) -> None:
    beside = Path(sys.executable).with_name("mpiexec")
    command = [str(beside) if beside.exists() else "mpiexec", "-n", "2", sys.executable, __file__, "--rank"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    ms = {name: f"{1e3 * s:.3f} ms" for name, s in found["seconds"].items()}
    print("\n".join(f"{name:20} {text}" for name, text in ms.items()))
    print(f"two ranks beside one: {found['speedup']:.2f} times the samples per second")
    print(f"an exchange of {found['bytes'] / 2**20:.1f} MiB: {found['exchange_over_mpi']:.2f} times MPI's own")
    print(f"a message: {1e6 * found['alpha']:.2f} µs, {1e-9 / found['beta']:.2f} GB/s")
    if out:
        Path(out).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if "--rank" in sys.argv:
        result = main()
        if result is not None:
            print(json.dumps(result))
    else:
        launch(sys.argv[1] if len(sys.argv) > 1 else None)
