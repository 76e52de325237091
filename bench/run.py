"""Measure alice_core beside its peers, in one process, and write the table.

    make bench                        # all rows
    make bench ROWS="matmul step"     # rows whose name contains one of the words

The process is pinned to one CPU, and every contender is told to use one thread. Rows that need a peer which is not
installed are left out with a notice.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ALICE_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import argparse
import itertools
import json
import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import alice_core as ac
from harness import Timing, compare

try:
    import torch

    torch.set_num_threads(1)
except ImportError:
    torch = None
try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = None


@dataclass
class Row:
    """One line of the table: contenders on the same work, and the ratio that ours must not exceed, if there is one."""

    name: str
    contenders: dict[str, Callable[[], object]]
    target: float | None
    rounds: int = 15
    seconds: float = 0.02


def torch_mlp(sizes: list[int]) -> tuple[Any, Any]:
    layers: list[Any] = []
    for i, (n, m) in enumerate(itertools.pairwise(sizes)):
        layers += [torch.nn.ReLU()] * (i > 0) + [torch.nn.Linear(n, m)]
    model = torch.nn.Sequential(*layers)
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def training_step(sizes: list[int], batch: int) -> dict[str, Callable[[], object]]:
    """Forward, backward, SGD with momentum, as a user of each library writes it."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, sizes[0])).astype(np.float32)
    y = rng.integers(0, sizes[-1], batch)

    model = ac.nn.MLP(sizes)
    opt = ac.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    ax, ay = ac.tensor(x), ac.tensor(y)

    def ours() -> None:
        loss = ac.losses.cross_entropy(model(ax), ay)
        opt.zero_grad()
        loss.backward()
        opt.step()

    contenders: dict[str, Callable[[], object]] = {"alice_core": ours}
    if torch is not None:
        tmodel, topt = torch_mlp(sizes)
        tx, ty = torch.tensor(x), torch.tensor(y)

        def theirs() -> None:
            loss = torch.nn.functional.cross_entropy(tmodel(tx), ty)
            topt.zero_grad()
            loss.backward()
            topt.step()

        contenders["torch"] = theirs
    return contenders


FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist


def epoch(sizes: list[int], batch: int) -> dict[str, Callable[[], object]]:
    """One epoch over Fashion-MNIST's 60,000 images, in shuffled mini-batches that each library gathers itself."""
    data = ac.data.load_idx(FASHION)
    batches = ac.data.minibatches(data.x_train, data.y_train, batch)
    model = ac.nn.MLP(sizes)
    opt = ac.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def ours() -> None:
        for x, y in batches:
            loss = ac.losses.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()

    contenders: dict[str, Callable[[], object]] = {"alice_core": ours}
    if torch is not None:
        tmodel, topt = torch_mlp(sizes)
        images, labels = torch.tensor(data.x_train), torch.tensor(data.y_train)

        def theirs() -> None:
            for index in torch.randperm(len(labels)).split(batch):
                loss = torch.nn.functional.cross_entropy(tmodel(images[index]), labels[index])
                topt.zero_grad()
                loss.backward()
                topt.step()

        contenders["torch"] = theirs
    return contenders


def recorded_op(name: str) -> dict[str, Callable[[], object]]:
    a, b = (np.linspace(0.1, 1.0, 16, dtype=np.float32) for _ in range(2))
    x, y = ac.tensor(a).requires_grad_(), ac.tensor(b)
    op = getattr(ac, name)
    binary = name == "multiply"
    contenders: dict[str, Callable[[], object]] = {"alice_core": (lambda: op(x, y)) if binary else (lambda: op(x))}
    if torch is not None:
        tx, ty = torch.tensor(a, requires_grad=True), torch.tensor(b)
        top = getattr(torch, name)
        contenders["torch"] = (lambda: top(tx, ty)) if binary else (lambda: top(tx))
    return contenders


def product(shape_a: tuple[int, ...], shape_b: tuple[int, ...], dtype: str) -> dict[str, Callable[[], object]]:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s).astype(dtype) for s in (shape_a, shape_b))
    x, y = ac.tensor(a), ac.tensor(b)
    return {"alice_core": lambda: ac.matmul(x, y), "numpy": lambda: np.matmul(a, b)}


def elementwise(name: str, n: int) -> dict[str, Callable[[], object]]:
    a = np.random.default_rng(0).standard_normal(n).astype(np.float32)
    x = ac.tensor(a)
    op = getattr(ac, name)
    contenders: dict[str, Callable[[], object]] = {"alice_core": lambda: op(x)}
    contenders["numpy"] = (lambda: 1.0 / (1.0 + np.exp(-a))) if name == "sigmoid" else (lambda: getattr(np, name)(a))
    if torch is not None:
        tx, top = torch.tensor(a), getattr(torch, name)
        contenders["torch"] = lambda: top(tx)
    if jax is not None:
        jx = jnp.asarray(a)
        jop = jax.jit(jax.nn.sigmoid if name == "sigmoid" else getattr(jnp, name))
        contenders["jax"] = lambda: jop(jx).block_until_ready()
    return contenders


def cross_entropy(rows: int, classes: int) -> dict[str, Callable[[], object]]:
    """Value and gradient with respect to the logits."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((rows, classes)).astype(np.float32)
    labels = rng.integers(0, classes, rows)
    x, y = ac.tensor(logits), ac.tensor(labels)
    ours = ac.value_and_grad(ac.losses.cross_entropy)
    contenders: dict[str, Callable[[], object]] = {"alice_core": lambda: ours(x, y)}
    if torch is not None:
        tx, ty = torch.tensor(logits, requires_grad=True), torch.tensor(labels)

        def theirs() -> object:
            return torch.autograd.grad(torch.nn.functional.cross_entropy(tx, ty), tx)

        contenders["torch"] = theirs
    return contenders


def rows() -> Iterator[Row]:
    """Made one at a time: some hold hundreds of megabytes."""
    yield Row("step 64-128-10, batch 32", training_step([64, 128, 10], 32), 0.35)
    yield Row("step 2-16-2, batch 32", training_step([2, 16, 2], 32), 0.30)
    if FASHION.is_dir():
        yield Row("epoch of Fashion-MNIST, 784-128-10, batch 128", epoch([784, 128, 10], 128), None, 7)
    else:
        print(f"notice: {FASHION} is not there (Debian: dataset-fashion-mnist); its row is left out")
    yield Row("recorded multiply, 16 numbers", recorded_op("multiply"), 0.5)
    yield Row("recorded tanh, 16 numbers", recorded_op("tanh"), 0.5)
    for dtype in ("float32", "float64"):
        for n in (64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048):
            long = 0.1 if n >= 1024 else 0.02
            yield Row(f"matmul {n}, {dtype}", product((n, n), (n, n), dtype), 1.05, 25 if n >= 1024 else 15, long)
    yield Row("matmul 1024 x (16, 16), float32", product((1024, 16, 16), (1024, 16, 16), "float32"), 1 / 1.5)
    for name in ("exp", "tanh", "sigmoid"):
        yield Row(f"{name}, 16 million, float32", elementwise(name, 16_000_000), 1.0, 11, 0.1)
    yield Row("cross-entropy and gradient, 2048 x 8192", cross_entropy(2048, 8192), 0.35, 9, 0.2)


def machine() -> str:
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    config = ac.build_config()
    return f"{model}, {platform.system()}, CPython {platform.python_version()}, one thread, level {config['isa']}"


def peers() -> str:
    found = [f"NumPy {np.__version__}"]
    found += [f"PyTorch {torch.__version__}"] if torch is not None else []
    found += [f"JAX {jax.__version__}"] if jax is not None else []
    return ", ".join(found)


def readable(t: Timing) -> str:
    scale, unit = next((s, u) for s, u in ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s")) if t.median < 1000 * s or s == 1.0)
    return f"{t.median / scale:.3g} {unit}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("words", nargs="*", help="only rows whose name contains one of these words")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results", help="folder for the results")
    options = parser.parse_args()
    for name, module in (("torch", torch), ("jax", jax)):
        if module is None:
            print(f"notice: {name} is not installed; its rows and columns are left out")

    lines = ["| work | alice_core | best peer | ratio | target |", "|---|---:|---:|---:|---:|"]
    results = []
    for row in rows():
        if options.words and not any(word in row.name for word in options.words):
            continue
        if len(row.contenders) < 2:
            continue
        timings = compare(row.contenders, row.rounds, row.seconds)
        mine = timings["alice_core"]
        best = min((name for name in timings if name != "alice_core"), key=lambda name: timings[name].median)
        ratio = mine.median / timings[best].median
        target = "-" if row.target is None else f"≤ {row.target:.2f}"
        lines.append(f"| {row.name} | {readable(mine)} | {readable(timings[best])} ({best}) | {ratio:.2f} | {target} |")
        print(lines[-1], "  <-- missed" if row.target is not None and ratio > row.target else "", flush=True)
        results.append(
            {"work": row.name, "ratio": ratio, "target": row.target}
            | {"seconds": {name: asdict(t) for name, t in timings.items()}}
        )
    options.out.mkdir(parents=True, exist_ok=True)
    note = f"{machine()}; {peers()}. Medians of alternated rounds."
    (options.out / "results.md").write_text("\n".join([*lines, "", note, ""]), encoding="utf-8")
    (options.out / "results.json").write_text(
        json.dumps({"machine": machine(), "peers": peers(), "rows": results}, indent=2), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
