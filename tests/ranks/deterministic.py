"""Run by tests/test_distributed.py: 100 steps, of which the last 50 go on from a checkpoint of who was there before.

Arguments: a folder, and how many of the two ways to run it: 1 eager and compiled, 2 compiled alone.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np

import alice_core as ac
from alice_core import distributed

folder, compiled_alone = Path(sys.argv[1]), sys.argv[2] == "2"
rank, size = distributed.rank(), distributed.size()
rng = np.random.default_rng(0)
X, Y = rng.standard_normal((160, 16)).astype(np.float32), rng.integers(0, 4, 160)


def run(compiled: bool, first: int, last: int, from_file: Path | None, to_file: Path | None) -> str:
    ac.random.seed(5)
    mask = ac.random.Generator(9)
    model = ac.nn.Sequential(
        ac.nn.Linear(16, 32), ac.nn.ReLU(), ac.nn.Dropout(0.2, mask), ac.nn.Dropout(0.2), ac.nn.Linear(32, 4)
    )
    opt = distributed.data_parallel(
        ac.optim.Adam(model.parameters(), lr=ac.optim.schedules.cosine(0.1, 200)), deterministic=True, generators=[mask]
    )
    batches = ac.data.minibatches(X, Y, 32, shard=(rank, size))

    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        opt.zero_grad()
        loss = opt.backward(lambda x, y: ac.losses.cross_entropy(model(x), y), x, y)
        opt.step()
        return loss

    call = ac.compile(step) if compiled else step
    if from_file is not None:
        ac.random.seed(77)
        mask.seed(78)
        for p in model.parameters():
            p.assign_(p * 0)
        assert ac.load_checkpoint(from_file, model, opt, rng=batches) == first
    losses = []
    for _ in range((last - first) // 5):
        losses += [call(x, y).item() for x, y in batches]
    if to_file is not None:
        ac.save_checkpoint(to_file, model, opt, last, batches)
    bits = b"".join(p.numpy().tobytes() for p in model.parameters()) + np.array(losses[-50:]).tobytes()
    return hashlib.md5(bits + repr((ac.random.default_generator.state, mask.state)).encode()).hexdigest()


unbroken = run(True, 0, 100, None, None)
if not compiled_alone:
    assert run(False, 0, 100, None, None) == unbroken
file = folder / "run.ckpt"
if size == 1:
    run(True, 0, 50, None, file)  # other numbers of ranks go on with it
resumed = run(True, 50, 100, file, None)
if rank == 0:
    print(unbroken, resumed)
