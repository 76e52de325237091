"""What a process goes through besides calls: forks, threads with small stacks, no more threads, its end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import alice_core as ac
from alice_core import _core

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what is limited here is Linux's")


def run(code: str, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
    settings = {**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning", **environment}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=timeout, env=settings)


AT_WORK = """
import sys, threading, time
import alice_core as ac
x = ac.ones((200, 200))
product = ac.compile(lambda x: ac.sum(ac.tanh(x @ x)))
product(x)
slope = ac.value_and_grad(lambda x: ac.sum(ac.tanh(x @ x) * x))
work = {
    "replay": lambda: product(x),
    "eager": lambda: ac.sum(ac.tanh(x @ x)),
    "gradient": lambda: slope(x),
    "trace": lambda: ac.compile(lambda x: ac.sum(ac.tanh(x @ x) * 2.0))(x),
}[KIND]
def forever():
    while True:
        work()
for _ in range(2):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.1)
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["replay", "eager", "gradient", "trace"])
def test_the_interpreter_ends_while_daemon_threads_work(kind: str, threads: int) -> None:
    for _ in range(10 if kind == "replay" else 4):
        done = run(f"KIND = {kind!r}\n{AT_WORK}", ALICE_NUM_THREADS=str(threads))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


FORKS = """
import os, sys, threading, time
import numpy as np
import alice_core as ac
a = np.arange(40_000.0).reshape(200, 200) % 7
x, p = ac.tensor(a), ac.zeros((300, 300))
product = ac.compile(lambda x: ac.sum(x @ x))
want = float((a @ a).sum())
assert float(product(x)) == want
update = ac.compile(lambda: p.assign_(p + 1.0))
stop = False
def replay():
    while not stop:
        product(x)
def change():
    while not stop:
        update()
def allocate():
    while not stop:
        for n in range(1, 60):
            ac.zeros((n, 50)) + 1.0
threads = [threading.Thread(target=t) for t in (replay, change, allocate)]
for t in threads:
    t.start()
right = 0
for _ in range(30):
    child = os.fork()
    if child == 0:
        ok = float(product(x)) == want and float(ac.sum(x @ x)) == want
        whole = ac.tensor(p.numpy()).numpy()
        ok = ok and bool((whole == whole[0, 0]).all())  # nothing was copied half changed
        update()
        ac.set_num_threads(3)
        big = ac.ones((1000, 1000))
        ok = ok and float(ac.sum(big + big)) == 2e6
        os._exit(0 if ok else 1)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            right += status == 0
            break
        time.sleep(0.002)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
stop = True
for t in threads:
    t.join()
print(right)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("threads", [1, 2])
def test_children_of_busy_parents_compute(threads: int) -> None:
    done = run(FORKS, timeout=1000, ALICE_NUM_THREADS=str(threads))
    assert (done.returncode, done.stdout.strip()) == (0, "30"), done.stdout + done.stderr


@linux
def test_ops_fit_on_small_stacks() -> None:
    """Every way through the kernels that took large frames: gathered operands, reductions of all layouts, chains."""
    done = run(
        "import threading\n"
        "import numpy as np\n"
        "import alice_core as ac\n"
        "ac.set_num_threads(1)\n"
        "x = ac.tensor(np.random.default_rng(0).standard_normal((64, 96, 5)).astype(np.float32))\n"
        "labels = ac.tensor(np.arange(700) % 9)\n"
        "logits = ac.tensor(np.random.default_rng(1).standard_normal((700, 9)))\n"
        "chain = lambda x: ac.sum(ac.tanh(ac.exp(-x * x) + ac.permute_dims(x, (0, 1, 2)) * 0.5), axis=(0, 2))\n"
        "fused = ac.compile(lambda x: (chain(x), ac.mean(x * x, axis=1), x @ ac.ones((5, 7)) + 1.0))\n"
        "fused(x)\n"
        "loss = lambda l: ac.losses.cross_entropy(l, labels)\n"
        "step = ac.compile(ac.value_and_grad(loss))\n"
        "step(logits)\n"
        "def work():\n"
        "    t = ac.permute_dims(x, (2, 0, 1))\n"
        "    for a in (x, t, x[::2, 1::3], t[:, ::-1]):\n"
        "        for axis in (None, 0, 1, 2, (0, 1), (0, 2), (1, 2)):\n"
        "            for f in (ac.sum, ac.mean, ac.var, ac.max, ac.logsumexp):\n"
        "                f(a, axis=axis)\n"
        "        ac.softmax(a, axis=1), ac.log_softmax(a, axis=-1), ac.cumsum(a, axis=1)\n"
        "        ac.where(a > 0, a, 0.0), a + a[:, :1], ac.exp(a), a.astype(ac.float64) * 2.0\n"
        "        a @ ac.permute_dims(a, (0, 2, 1))\n"
        "    fused(x), step(logits), ac.value_and_grad(loss)(logits), chain(x)\n"
        "    done.append(True)\n"
        "done = []\n"
        "work()\n"
        "threading.stack_size(64 * 1024)\n"
        "thread = threading.Thread(target=work)\n"
        "thread.start(); thread.join()\n"
        "print(len(done))\n"
    )
    assert (done.returncode, done.stdout.strip()) == (0, "2"), f"{done.returncode} {done.stderr}"


@linux
def test_ops_do_without_threads_that_cannot_start() -> None:
    done = run(
        "import resource, numpy\n"
        "import alice_core as ac\n"
        "x = ac.ones((1200, 1200)); y = ac.sum(x + x)\n"
        "for _ in range(3): ac.sum(x + x)\n"
        "pages = int(open('/proc/self/statm').read().split()[0])\n"
        "limit = pages * 4096 + (60 << 20)\n"  # room for results, but not for the stacks of many threads
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "ac.set_num_threads(64)\n"
        "print([float(ac.sum(x + x)) for _ in range(3)])\n",
        ALICE_NUM_THREADS="1",
    )
    assert (done.returncode, done.stdout.strip()) == (0, f"{[2 * 1200.0**2] * 3}"), done.stderr


def test_an_allocation_that_fails_is_a_memory_error() -> None:
    x = ac.ones((64, 64))
    try:
        for n in range(3):
            _core._fail_allocation_after(n)
            with pytest.raises(MemoryError):
                x + 1.0 + 1.0 + 1.0 + 1.0
    finally:
        _core._fail_allocation_after(-1)
    assert float(ac.sum(x + 1.0)) == 2 * 64 * 64


LOOPS = """
import os, signal, threading
import alice_core as ac

x = ac.tensor(0.0, dtype=ac.float64)
counted = ac.compile(lambda x, n: ac.while_loop(lambda c: c < n, lambda c: c + 1.0, x))
vectors = ac.compile(lambda x, n: ac.while_loop(lambda c: c[0] < n, lambda c: c + 1.0, ac.stack([x, x, x])))
work = {
    "eager": lambda: ac.while_loop(lambda c: c >= 0.0, lambda c: c + 1.0, x),
    "compiled": lambda: counted(x, ac.tensor(1e18, dtype=ac.float64)),
    "vectors": lambda: vectors(x, ac.tensor(1e18, dtype=ac.float64)),
    "nested": lambda: ac.scan(lambda c, _: (counted(c, c + 1e7), None), x, length=10**6),
}
counted(x, ac.tensor(2.0, dtype=ac.float64))
pressed = []
for handler, names in ((signal.default_int_handler, work), (lambda *_: pressed.append(True), ["vectors"])):
    signal.signal(signal.SIGINT, handler)
    for name in names:
        key = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        key.start()
        try:
            work[name]()
        except KeyboardInterrupt as stop:
            print(name, stop)
        key.join()
    assert signal.getsignal(signal.SIGINT) is handler
    assert counted(x, ac.tensor(5.0, dtype=ac.float64)).item() == 5.0  # no lock is held any more
print(len(pressed))
"""


def test_ctrl_c_stops_a_loop_that_does_not_end() -> None:
    """A condition that stays true was a process that nothing but kill could end."""
    done = run(LOOPS, timeout=120)
    assert done.stderr == ""
    assert done.stdout.split("\n") == [
        "eager ",
        "compiled ",
        "vectors ",
        "nested ",
        "vectors stopped by Ctrl-C",
        "1",
        "",
    ]
