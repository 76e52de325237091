"""Run by tests/test_distributed.py on several ranks: each knows what all others have, and so what must come."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import alice_core as ac
from alice_core import distributed
from alice_core.distributed.exchanging import summed_in_buckets
from alice_core.distributed.world import world

rank, size = distributed.rank(), distributed.size()
assert size > 1


def of(r: int, shape: tuple[int, ...] = (3, 4), dtype: object = np.float32) -> np.ndarray:
    return (np.random.default_rng(r).standard_normal(shape) * 8).astype(dtype)


def everybody(*how: object) -> list[np.ndarray]:
    return [of(r, *how) for r in range(size)]


def close(got: ac.Tensor, want: object) -> None:
    np.testing.assert_allclose(got.astype(ac.float64).numpy(), want, rtol=1e-5, atol=1e-6)


# Values.
for dtype in ("float32", "float64", "int32", "int64", "uint8", "int8", "int16", "uint16", "uint32", "uint64"):
    x = ac.tensor(of(rank, (3, 4), np.float64).astype(dtype) if dtype[0] == "f" else np.abs(of(rank)).astype(dtype))
    all_x = [
        (a if dtype[0] == "f" else np.abs(a)).astype(dtype)
        for a in everybody((3, 4), "f8" if dtype[0] == "f" else "f4")
    ]
    for op, fold in (("sum", np.add), ("max", np.maximum), ("min", np.minimum)):
        got = distributed.allreduce(x, op)
        assert got.dtype == x.dtype
        close(got, fold.reduce(all_x))
inf, nan = np.inf, np.nan  # and NaN, wherever it is; neither zeros nor subnormal numbers nor infinities are lost
special = [[nan, 1.0, -0.0, -inf, 1e-45, -1e-45], [1.0, nan, 0.0, -2.5, -0.0, -1.0]] + [
    [0.5, 0.5, -0.0, -3.0, 0.0, -2.0]
] * 2
for dtype in (ac.float32, ac.float64, ac.float16):
    x = ac.tensor(special[rank], dtype)
    for op, fold in (("max", np.maximum), ("min", np.minimum)):
        got, want = distributed.allreduce(x, op), fold.reduce([ac.tensor(s, dtype).numpy() for s in special[:size]])
        assert got.dtype == dtype
        assert np.array_equal(got.numpy(), want, equal_nan=True), (op, got, want)
assert np.signbit(distributed.allreduce(ac.tensor(0.0 if rank == 1 else -0.0), "min").numpy())
assert not np.signbit(distributed.allreduce(ac.tensor(0.0 if rank == 1 else -0.0), "max").numpy())
for dtype in (ac.float16, ac.bfloat16):
    got = distributed.allreduce(ac.tensor(float(rank), dtype), "mean")
    assert got.dtype == dtype
    assert got.item() == (size - 1) / 2
x = ac.tensor(of(rank))
close(distributed.allreduce({"a": x.T, "b": [x[::2], 1.0]})["a"], np.mean(everybody(), 0).T)  # strided
assert distributed.allreduce(ac.zeros((0, 3)), "sum").shape == (0, 3)
many = distributed.allreduce([ac.full((n,), float(rank)) for n in (3, 2_000_000, 5, 1, 700_000)], "sum")
assert all((m.numpy() == sum(range(size))).all() for m in many)
for root in (0, size - 1):
    close(distributed.broadcast(x, root), of(root))
assert distributed.broadcast(ac.tensor([rank == 1, True]), 1).tolist() == [True, True]

# Derivatives: of the sum over the ranks of what each makes of the results, as one process would find it.
weights = [of(100 + r) for r in range(size)]


def mine(f):
    return ac.grad(lambda x: ac.sum(f(x) * weights[rank]))(x).numpy()


close(ac.tensor(mine(lambda x: distributed.allreduce(x * x, "sum"))), 2 * of(rank) * sum(weights))
close(ac.tensor(mine(lambda x: distributed.allreduce(x * x))), 2 * of(rank) * sum(weights) / size)
largest = np.max(everybody(), 0)
close(ac.tensor(mine(lambda x: distributed.allreduce(x, "max"))), (of(rank) == largest) * sum(weights))
close(ac.grad(lambda x: distributed.allreduce(x, "min"))(1.0), 1.0)  # all tie: shares of 1 / size of size cotangents
close(ac.tensor(mine(lambda x: distributed.broadcast(x, 1))), sum(weights) * (rank == 1))
ones = [np.full((3, 4), r + 1.0, np.float32) for r in range(size)]
_, dy = ac.jvp(lambda x: distributed.allreduce(x * x, "sum"), [x], [ac.tensor(ones[rank])])
close(dy, sum(2 * a * t for a, t in zip(everybody(), ones, strict=True)))
_, dy = ac.jvp(lambda x: distributed.allreduce(x, "max"), [x], [ac.tensor(ones[rank])])
close(dy, np.choose(np.argmax(everybody(), 0), ones))
second = ac.grad(lambda x: ac.sum(ac.grad(lambda x: ac.sum(distributed.allreduce(x * x * x, "sum")))(x)))(x)
close(second, 6 * of(rank) * size)

# Batches and programs: the bits of calls one by one.
for f in (
    lambda x: distributed.allreduce(ac.tanh(x), "sum") * 2,
    lambda x: distributed.allreduce(x, "max") - distributed.broadcast(x, 1),
    ac.grad(lambda x: ac.sum(distributed.allreduce(x * x) * x)),
):
    want = [f(row).numpy() for row in (x[0], x[1], x[2])]
    assert np.array_equal(ac.vmap(f)(x).numpy(), want)
    compiled = ac.compile(f)
    for _ in range(3):
        assert all(np.array_equal(compiled(row).numpy(), w) for row, w in zip((x[0], x[1], x[2]), want, strict=True))


@ac.compile
def overlapping(a: ac.Tensor) -> list[ac.Tensor]:
    b = a @ a
    return summed_in_buckets([ac.tanh(b) @ a, b, a + 1], [world().channel], True)


square = [of(r, (48, 48)) for r in range(size)]
for _ in range(3):
    for got, want in zip(
        overlapping(ac.tensor(square[rank])),
        (sum(np.tanh(s @ s) @ s for s in square), sum(s @ s for s in square), sum(s + 1 for s in square)),
        strict=True,
    ):
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-2, atol=1e-2)

# In a loop; and while one thread waits for the others, another one works.
looped = ac.compile(lambda x: ac.fori_loop(0, 3, lambda i, c: distributed.allreduce(c), x))
close(looped(x), np.mean(everybody(), 0))
worked = threading.Event()
thread = threading.Thread(target=worked.set)
if rank == 0:
    thread.start()
else:
    threading.Event().wait(0.2)
close(distributed.allreduce(x), np.mean(everybody(), 0))
assert rank > 0 or worked.is_set()


# What differs between the ranks.
def refused(call, *parts: str) -> None:
    with pytest.raises(ac.ShapeError) as error:
        call()
    assert all(part in str(error.value) for part in parts), error.value


refused(
    lambda: distributed.allreduce(ac.ones(2 + (rank == 1))), "rank 1 has Tensor 0 of shape (3,)", "rank 0 has Tensor 0"
)
refused(lambda: distributed.allreduce(ac.ones(2, "float64" if rank == 1 else "float32")), "rank 1", "float64")
refused(lambda: distributed.allreduce([x] * (1 + (rank == 1))), "rank 1 has a tree [*, *]; rank 0 has a tree [*]")
refused(lambda: distributed.allreduce(x, "sum" if rank == 1 else "max"), "rank 1", "op 'sum'")
refused(lambda: distributed.allreduce({"a" if rank == 1 else "b": x}), "rank 1 has a tree {'a': *}", "{'b': *}")
refused(lambda: distributed.broadcast((x,) if rank == 1 else [x]), "rank 1 has a tree (*,)", "a tree [*]")
# Likewise in programs, which were traced before and ask nobody any more; and between what is compiled and what is not.
summed = ac.compile(lambda x: distributed.allreduce(x, "sum"))
chosen = ac.compile(
    lambda p, x: ac.cond(p, lambda x: distributed.allreduce(x, "max"), lambda x: distributed.allreduce(x, "sum"), x)
)
sent = ac.compile(lambda x: distributed.broadcast(x, 1))
for shape in ((2, 3), (3, 2), (7,), (0,)):
    summed(ac.ones(shape))
    sent(ac.ones(shape))
chosen(ac.tensor(True), x)
for one, other in (((2, 3), (3, 2)), ((2, 3), (7,)), ((0,), (7,))):
    shape = one if rank == 1 else other
    refused(lambda shape=shape: summed(ac.ones(shape)), f"this one has float32 of shape {shape}")
    refused(lambda shape=shape: sent(ac.ones(shape)), f"this one has float32 of shape {shape}")
refused(lambda: chosen(ac.tensor(rank == 1), x), "all ranks must exchange the same here")
refused(lambda: summed(ac.ones(7)) if rank == 1 else distributed.allreduce(x), "all ranks must exchange the same here")
model = ac.nn.MLP([3, 4 + (rank == 1), 2])
refused(
    lambda: distributed.data_parallel(ac.optim.SGD(model.parameters(), lr=0.1)),
    "rank 1 has parameter 0 of shape (3, 5), float32; rank 0 has parameter 0 of shape (3, 4), float32",
)


def some_fail() -> None:
    if rank == 1:
        raise OSError("disk full")


with pytest.raises((OSError, distributed.DistributedError)) as failed:
    distributed.together("saving", some_fail)
assert str(failed.value) == ("disk full" if rank == 1 else "saving: rank 1 raised OSError: disk full")

# All begin with what rank 0 has, and gradients are those of all rows together.
ac.random.seed(rank)
model = ac.nn.MLP([3, 4, 2])
opt = distributed.data_parallel(ac.optim.SGD(model.parameters(), lr=0.1 * (1 + rank), momentum=0.9))
assert opt.lr == 0.1
for p in model.parameters():
    assert np.array_equal(distributed.broadcast(p.detach()).numpy(), p.numpy())
X, y = of(7, (4 * size, 3)), np.arange(4 * size) % 2
loss_of = lambda x, y: ac.losses.cross_entropy(model(x), y)  # noqa: E731
loss_of(ac.tensor(X), y).backward()
whole = [p.grad.numpy().copy() for p in model.parameters()]
opt.zero_grad()
loss_of(*distributed.shard(X, y)).backward()
opt.average_gradients()
for p, w in zip(model.parameters(), whole, strict=True):
    np.testing.assert_allclose(p.grad.numpy(), w, rtol=1e-4, atol=1e-6)
opt.zero_grad()
mean = opt.backward(loss_of, *distributed.shard(X, y))
np.testing.assert_allclose(mean.item(), loss_of(ac.tensor(X), y).item(), rtol=1e-5)

if rank == 0:
    print("all is well")
