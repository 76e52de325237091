"""Lets the n-th allocation fail, for every n, in each of a few uses of the library; run by ``test_out_of_memory.py``.

    LD_PRELOAD=failing_memory.so python out_of_memory.py KIND [USE...]

KIND is ``native`` (one allocation of C++ fails) or ``native-rest`` (that one and all later ones). A use must end in
MemoryError or succeed; afterwards the process is as it was before, and the same use gives the same bits.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

import alice_core as ac
from alice_core import _core, tree

LIMIT = 100_000  # allocations of one use: more would be a loop

X = np.linspace(-2, 2, 24).reshape(4, 6)
LABELS = np.array([0, 2, 1, 5])


def create() -> Any:
    return [
        ac.tensor(X),
        ac.zeros((3, 2)),
        ac.arange(5),
        ac.eye(3),
        ac.asarray(X.T),
        ac.full((2,), 3.0),
        ac.one_hot(ac.tensor(LABELS), 6),
    ]


def elementwise() -> Any:
    x = ac.tensor(X)
    return [ac.exp(x) + 1, ac.where(x > 0, x, -x), x[:, ::-1] * x, ac.gelu(x.T), x**2 / 3, x.astype(ac.float32)]


def reductions() -> Any:
    x = ac.tensor(X)
    return [
        ac.sum(x, axis=0),
        ac.mean(x),
        ac.max(x.T, axis=1),
        ac.argmax(x, axis=0),
        ac.cumsum(x, axis=1),
        ac.logsumexp(x, axis=0),
        ac.prod(x),
        ac.var(x),
    ]


def softmaxes() -> Any:
    x = ac.tensor(X)
    return [ac.softmax(x), ac.log_softmax(x, axis=0), ac.losses.cross_entropy(x, ac.tensor(LABELS))]


def indexing() -> Any:
    x = ac.tensor(X)
    return [
        x[1:, 2],
        x[ac.tensor(LABELS[:2])],
        ac.take(x, ac.tensor(LABELS), axis=1),
        ac.concat([x, x]),
        ac.stack([x, x], axis=1),
        ac.pad(x, ((1, 1), (0, 2))),
    ]


def products() -> Any:
    """Large enough for several threads."""
    x = ac.tensor(np.linspace(-1, 1, 150 * 150).reshape(150, 150))
    return [ac.sum(x @ x.T), ac.sum(ac.exp(x))]


def reverse_mode() -> Any:
    x = ac.tensor(X)
    f = lambda w: ac.sum(ac.tanh(x @ w) ** 2)  # noqa: E731
    return [ac.grad(f)(x.T), ac.value_and_grad(f)(x.T), ac.hvp(f, [x.T], [x.T])]


def backward() -> Any:
    w = ac.tensor(X).requires_grad_()
    ac.losses.cross_entropy(w, ac.tensor(LABELS)).backward()
    ac.sum(w[:, 0]).backward()
    return w.grad


def forward_mode() -> Any:
    return list(ac.jvp(lambda x: ac.softmax(x) @ x.T, [ac.tensor(X)], [ac.tensor(X)]))


def batches() -> Any:
    return [ac.vmap(lambda r: ac.sum(r * r))(ac.tensor(X)), ac.jacrev(lambda r: ac.sin(r) * r)(ac.tensor(X[0]))]


def compiling() -> Any:
    f = ac.compile(lambda x, k: ac.sum(ac.softmax(ac.exp(x) * k + x, axis=0) @ x.T))
    return [f(ac.tensor(X), 2.0), f(ac.tensor(X), 3.0), f(ac.tensor(X[:, :3]), 2.0)]


def training() -> Any:
    w, v = ac.tensor(X).requires_grad_(), ac.tensor(X.T).requires_grad_()
    opt = ac.optim.SGD([w, v], lr=0.1, momentum=0.9)

    @ac.compile
    def step(x: ac.Tensor) -> ac.Tensor:
        loss = ac.mean(ac.tanh(x @ v @ w) ** 2)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return [*(step(ac.tensor(X)) for _ in range(3)), w, v, w.grad]


def eager_training() -> Any:
    w = ac.tensor(X).requires_grad_()
    opt = ac.optim.SGD([w], lr=0.1, momentum=0.9)
    for _ in range(2):
        opt.zero_grad()
        ac.sum(w * w).backward()
        opt.step()
    w.assign_(w.detach()[::-1])
    return [w, w.grad]


def checkpoints() -> Any:
    f = ac.checkpoint(lambda x: ac.exp(ac.tanh(x) * 2))
    return [ac.grad(lambda x: ac.sum(f(f(x))))(ac.tensor(X)), ac.compile(ac.grad(lambda x: ac.sum(f(x))))(ac.tensor(X))]


def own_rules() -> Any:
    f = ac.custom_vjp(lambda x: x * 2)
    f.defvjp(lambda x: (x * 2, x), lambda r, g: (g * r,))
    return [ac.grad(lambda x: ac.sum(f(x)))(ac.tensor(X)), str(ac.trace(f)(ac.tensor(X)))]


USES: tuple[Callable[[], Any], ...] = (
    create,
    elementwise,
    reductions,
    softmaxes,
    indexing,
    products,
    reverse_mode,
    backward,
    forward_mode,
    batches,
    compiling,
    training,
    eager_training,
    checkpoints,
    own_rules,
)


# -- memory that fails -------------------------------------------------------------------------------------------------


class Native:
    def __init__(self, rest: bool) -> None:
        self.library = ctypes.PyDLL(None)
        self.rest = rest

    @contextmanager
    def fails_after(self, n: int) -> Iterator[Callable[[], bool]]:
        """Yields a function that says whether an allocation has failed."""
        failed = [False]
        self.library.memory_fails_after(n, self.rest)
        try:
            yield lambda: failed[0]
        finally:
            failed[0] = self.library.memory_left() <= 0
            self.library.memory_fails_after(-1, 0)


def numbers(result: Any) -> list[Any]:
    return [x.numpy().tobytes() if isinstance(x, ac.Tensor) else x for x in tree.leaves(result)]


def state() -> tuple[Any, ...]:
    _core.end_context(_core.begin_context())
    recorder = _core.set_recorder(None)
    return _core.get_active(), recorder, None, _core.is_isolated(), _core.repeating(), ac.zeros(2).is_abstract


def live() -> int:
    gc.collect()
    return ac.memory_stats()["live_bytes"]


def check(use: Callable[[], Any], memory: Native) -> int:
    """How many allocations of the use have failed, one in each run."""
    use()
    want = numbers(use())
    clean, before = state(), live()
    for n in range(LIMIT):
        ac.trim_memory()  # so that memory is asked for
        ended = False
        with memory.fails_after(n) as failed:
            try:
                use()
                ended = True
            except MemoryError:
                pass
        left = state()
        assert left == clean, f"{use.__name__}, allocation {n}: the thread's state is {left}"
        now = live()
        assert now <= before, f"{use.__name__}, allocation {n}: {now - before} bytes are still alive"
        before = now
        if ended and not failed():
            return n
        assert numbers(use()) == want, f"{use.__name__}, allocation {n}: other numbers afterwards"
    raise AssertionError(f"{use.__name__}: no end of allocations")


def main(kind: str, *names: str) -> None:
    faulthandler.enable()
    gc.freeze()  # what was imported is not looked through after each run
    _core.set_num_threads(2)
    memory = Native(kind == "native-rest")
    for use in USES:
        if not names or use.__name__ in names:
            print(use.__name__, flush=True)
            print(use.__name__, check(use, memory), "failed", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
