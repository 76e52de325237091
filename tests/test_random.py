"""Random numbers: known answers, statistics, streams, and what a compiled function draws."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from cases.random import philox

# Counter, key and result of the authors' own tests (Random123, kat_vectors, philox4x32-10).
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, [0xFFFFFFFF] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


def joined(low: int, high: int) -> int:
    """The int64 of two words."""
    return int(np.array(low | high << 32, np.uint64).view(np.int64))


@pytest.mark.parametrize(("counter", "key", "want"), KNOWN)
def test_known_answers(counter: list[int], key: list[int], want: list[int]) -> None:
    assert list(philox(counter, key)) == want
    state = ac.tensor([joined(*key), joined(*counter[2:])])
    got = ac.random.bits(state, 32, first=counter[0] | counter[1] << 32)
    assert [got[0].item(), got[16].item()] == [joined(*want[:2]), joined(*want[2:])]


def chi_square(counts: Any) -> float:
    """How far counts lie from equal ones: about the number of bins, give or take its square root times 1.4."""
    expected = counts.sum() / counts.size
    return float(((counts - expected) ** 2 / expected).sum())


@pytest.mark.parametrize("dtype", [ac.float32, ac.float64])
def test_uniform_statistics(dtype: Any) -> None:
    n, bins = 1 << 20, 1000
    u = ac.random.Generator(1).uniform(n, dtype=dtype).numpy()
    assert u.dtype == dtype
    assert u.min() >= 0
    assert u.max() < 1
    assert abs(u.mean(dtype=float) - 1 / 2) < 4 / math.sqrt(12 * n)
    assert abs(u.var(dtype=float) - 1 / 12) < 4 / math.sqrt(180 * n)
    limit = 4 * math.sqrt(2 * bins)
    assert abs(chi_square(np.histogram(u, bins, (0, 1))[0]) - bins) < limit
    # Neighbours, items one lane apart and items of one block are independent: so are their pairs.
    for step in (1, 16, 32):
        pairs = np.histogram2d(u[:-step], u[step:], [30, 33], [(0, 1), (0, 1)])[0]
        assert abs(chi_square(pairs) - pairs.size) < limit
    for bit in (1, 8, 20):  # low bits are as good as high ones
        assert abs((np.floor(np.ldexp(u, bit + 1)) % 2).mean() - 1 / 2) < 4 / math.sqrt(4 * n)


def test_bits_are_balanced() -> None:
    words = ac.random.bits(ac.tensor([3, 0]), 1 << 16).numpy()
    ones = np.unpackbits(words.view(np.uint8).reshape(-1, 8), axis=1).mean(0)
    assert np.abs(ones - 0.5).max() < 4.5 / math.sqrt(4 * (1 << 16))
    assert np.unique(words).size == words.size


@pytest.mark.parametrize("dtype", [ac.float32, ac.float64])
def test_normal_statistics(dtype: Any) -> None:
    n = 1 << 20
    z = ac.random.Generator(2).normal(n, dtype=dtype).numpy().astype(float)
    assert np.isfinite(z).all()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 4 * math.sqrt(variance / n)
    edges = np.linspace(-3, 3, 61)
    probabilities = np.diff([0.5 * math.erfc(-e / math.sqrt(2)) for e in edges])
    counts = np.histogram(z, edges)[0]
    assert abs(((counts - n * probabilities) ** 2 / (n * probabilities)).sum() - 60) < 4 * math.sqrt(120)
    shifted = ac.random.Generator(2).normal(n, mean=3.0, std=0.5, dtype=dtype).numpy()
    np.testing.assert_allclose(shifted, 3 + 0.5 * z, rtol=1e-6, atol=1e-6)


def test_bernoulli() -> None:
    g = ac.random.Generator(3)
    n = 1 << 20
    for p in (0.0, 0.1, 0.5, 1.0):
        x = g.bernoulli(n, p)
        assert x.dtype == ac.bool
        assert abs(x.numpy().mean() - p) <= 4 * math.sqrt(p * (1 - p) / n)
    each = g.bernoulli((n, 2), ac.tensor([0.2, 0.9])).numpy().mean(0)
    np.testing.assert_allclose(each, [0.2, 0.9], atol=2e-3)
    with pytest.raises(ValueError, match=r"bernoulli: p must be a probability, from 0 to 1; got 1\.5"):
        g.bernoulli(2, 1.5)


def test_ranges_and_errors() -> None:
    g = ac.random.Generator(4)
    u = g.uniform((100, 3), -2.0, ac.tensor([0.0, 1.0, 2.0])).numpy()
    assert u.min() >= -2
    assert (u.max(0) <= [0, 1, 2]).all()
    assert (u.max(0) > [-0.2, 0.7, 1.6]).all()
    with pytest.raises(ac.DTypeError, match="normal: dtype must be float32 or float64; got int64"):
        g.normal(2, dtype=ac.int64)
    with pytest.raises(ac.ShapeError, match="uniform: dimensions must not be negative"):
        g.uniform(-1)
    with pytest.raises(ac.DTypeError, match=r"seed must be an int; got 1\.5"):
        ac.random.Generator(1.5)  # type: ignore[arg-type]


def test_streams() -> None:
    def three(g: ac.random.Generator) -> list[Any]:
        return [g.uniform(5).tolist(), g.normal((2, 2)).tolist(), g.bernoulli(40).tolist()]

    g = ac.random.Generator(7)
    first, saved = three(g), g.state
    second = three(g)
    assert first != second
    assert first == three(ac.random.Generator(7)) != three(ac.random.Generator(8))
    g.state = saved
    assert three(g) == second
    g.seed(7)
    assert three(g) == first
    assert repr(ac.random.Generator(7)) == "Generator(key=7, draw=0)"
    assert ac.random.Generator(2**64 - 1).state == ac.random.Generator(-1).state == (-1, 0)
    assert ac.random.Generator().state != ac.random.Generator().state
    ac.random.seed(7)
    assert [ac.random.uniform(5).tolist(), ac.random.normal((2, 2)).tolist(), ac.random.bernoulli(40).tolist()] == first
    g.state = (1, -1)  # the last draw of all; then from the beginning
    g.uniform(1)
    assert g.state == (1, 0)


def test_threads_share_a_generator_and_no_number() -> None:
    g, n, draws = ac.random.Generator(12), 4, 50
    with ThreadPoolExecutor(n) as pool:
        # Large draws let other threads run meanwhile.
        firsts = [*pool.map(lambda _: g.uniform(60_000, dtype=ac.float64)[:3].tolist(), range(n * draws))]
    h = ac.random.Generator(12)
    assert sorted(firsts) == sorted(h.uniform(3, dtype=ac.float64).tolist() for _ in range(n * draws))
    assert g.state == h.state


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_the_child_of_a_fork_can_draw() -> None:
    g = ac.random.Generator(0)
    with ThreadPoolExecutor(1) as pool:
        drawing = pool.submit(lambda: [g.uniform(100_000) for _ in range(50)])
        for _ in range(5):
            pid = os.fork()
            if pid == 0:
                signal.alarm(20)
                g.uniform(2)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        drawing.result()


SEVERAL = [
    ("uniform", lambda g, a: g.uniform(low=a)),
    ("uniform", lambda g, a: g.uniform(low=a.tolist(), high=2.0)),
    ("normal", lambda g, a: g.normal(mean=a)),
    ("normal", lambda g, a: g.normal(std=a + 1)),
    ("normal", lambda g, a: g.normal(mean=a.numpy(), std=a[0] + 1)),
]


@pytest.mark.parametrize(("name", "draw"), SEVERAL)
def test_every_element_of_a_parameter_gets_a_number_of_its_own(name: str, draw: Any) -> None:
    x = draw(ac.random.Generator(0), ac.zeros((3, 4)))
    assert x.shape == (3, 4)
    assert len(set(x.flatten().tolist())) == 12


def test_parameters_and_shapes() -> None:
    g = ac.random.Generator(1)
    assert len(set(g.bernoulli(p=ac.full(64, 0.5)).tolist())) == 2
    assert g.uniform().shape == g.normal().shape == g.bernoulli().shape == g.normal(mean=np.float32(3)).shape == ()
    assert g.normal(mean=ac.zeros((3, 1)), std=ac.ones(2)).shape == (3, 2)
    assert g.normal((5, 2), mean=ac.zeros(2)).shape == (5, 2)
    np.testing.assert_array_equal(
        ac.random.Generator(2).normal(mean=ac.zeros(3)).numpy(), ac.random.Generator(2).normal(3).numpy()
    )
    for shape in ((), 2, (3, 1)):
        with pytest.raises(ac.ShapeError, match=r"normal: mean must broadcast to shape .*; got mean \(3,\); leave"):
            g.normal(shape, mean=ac.zeros(3))
    with pytest.raises(ac.ShapeError, match=r"uniform: low and high must broadcast .*; got low \(3,\), high \(2,\)"):
        g.uniform(low=ac.zeros(3), high=ac.ones(2))
    with pytest.raises(ac.ShapeError, match=r"bernoulli: p must broadcast to shape \(2,\)"):
        g.bernoulli(2, ac.full(3, 0.5))


def test_one_seed_for_all_that_has_none_of_its_own() -> None:
    def run() -> list[Any]:
        model = ac.nn.Sequential(ac.nn.MLP([4, 3]), ac.nn.Linear(3, 8, dtype=ac.float64), ac.nn.Dropout())
        return [
            *(p.tolist() for p in model.parameters()),
            model(ac.ones((5, 4))).tolist(),
            ac.random.normal(3).tolist(),
        ]

    ac.random.seed(7)
    first = run()
    assert run() != first
    for start in (ac.random.seed, ac.nn.manual_seed):
        start(7)
        assert run() == first
    a, b = (ac.nn.Linear(3, 2, seed=ac.random.Generator(1)).weight.tolist() for _ in range(2))
    assert a == b


def test_prefixes_agree() -> None:
    """An element depends on its index, not on how many there are."""
    long = ac.random.Generator(5).uniform(100_000).numpy()
    for n in (1, 63, 64, 65, 40_000):
        np.testing.assert_array_equal(ac.random.Generator(5).uniform(n).numpy(), long[:n])


SCRIPT = """
import hashlib
import alice_core as ac
g = ac.random.Generator(11)
parts = [g.uniform(100_001), g.uniform(70_003, dtype=ac.float64), g.bernoulli(50_001, 0.3)]
parts.append(ac.random.bits(ac.tensor([5, 6]), 90_001))
print(hashlib.sha256(b"".join(p.numpy().tobytes() for p in parts)).hexdigest())
"""


def test_threads_and_levels_change_no_bit() -> None:
    seen = set()
    for level in ("baseline", "avx2", "avx512"):
        for threads in ("1", "3"):
            variables = {**os.environ, "ALICE_ISA": level, "ALICE_NUM_THREADS": threads}
            done = subprocess.run(
                [sys.executable, "-c", SCRIPT], env=variables, capture_output=True, text=True, check=True
            )
            seen.add(done.stdout)
    assert len(seen) == 1, seen


def test_import_leaves_numpy_random_alone() -> None:
    drawing = "import sys, alice_core as ac; ac.random.uniform(3); ac.nn.Linear(2, 2)"
    code = f"{drawing}; sys.exit('numpy.random' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ---- compiled functions ---------------------------------------------------------------------------------------------


def test_compiled_draws_are_the_eager_ones() -> None:
    g, h = ac.random.Generator(9), ac.random.Generator(9)

    def draw(g: ac.random.Generator, x: ac.Tensor) -> Any:
        a = g.uniform((4, 5))
        b = g.normal(3, mean=1.0, dtype=ac.float64)
        return a + x, b, g.bernoulli(10, 0.4)

    compiled = ac.compile(lambda x: draw(g, x))
    x = ac.tensor([1.0])
    seen = []
    for _ in range(4):
        for got, want in zip(compiled(x), draw(h, x), strict=True):
            np.testing.assert_array_equal(got.numpy(), want.numpy())
            seen.append(got.numpy().tobytes())
        assert g.state == h.state
    assert len(set(seen)) == len(seen)
    assert compiled.cache_info().misses == 1
    g.seed(1)
    h.seed(1)
    np.testing.assert_array_equal(compiled(x)[0].numpy(), draw(h, x)[0].numpy())


def test_compiled_dropout_trains_as_eager() -> None:
    def build() -> tuple[Any, Any]:
        g = ac.random.Generator(3)
        model = ac.nn.Sequential(
            ac.nn.Linear(6, 16, seed=0), ac.nn.ReLU(), ac.nn.Dropout(0.4, g), ac.nn.Linear(16, 3, seed=1)
        )
        opt = ac.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
            loss = ac.losses.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        return model, step

    rng = np.random.default_rng(0)
    x, y = ac.tensor(rng.standard_normal((8, 6)), ac.float32), ac.tensor(rng.integers(0, 3, 8))
    (eager_model, eager), (model, plain) = build(), build()
    compiled = ac.compile(plain)
    losses = []
    for _ in range(5):
        losses.append(compiled(x, y).item())
        assert losses[-1] == eager(x, y).item()
    for p, q in zip(model.parameters(), eager_model.parameters(), strict=True):
        np.testing.assert_array_equal(p.numpy(), q.numpy())


# ---- dropout --------------------------------------------------------------------------------------------------------


def test_dropout() -> None:
    drop = ac.nn.Dropout(0.25, ac.random.Generator(0))
    x = ac.ones((200, 500)).requires_grad_()
    y = drop(x)
    values, counts = np.unique(y.numpy(), return_counts=True)
    np.testing.assert_array_equal(values, np.array([0, 1 / 0.75], np.float32))
    assert abs(counts[0] / x.size - 0.25) < 4 * math.sqrt(0.25 * 0.75 / x.size)
    ac.sum(y).backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), y.numpy())
    assert (drop(x).numpy() != y.numpy()).any()
    assert drop.eval()(x) is x
    assert repr(drop) == "Dropout(0.25)"
    assert drop.state_dict() == {}


def test_dropout_at_its_ends() -> None:
    x = ac.tensor([1.0, math.inf, math.nan])
    assert ac.nn.Dropout(0.0)(x) is x
    assert ac.nn.Dropout(1.0)(x).tolist() == [0, 0, 0]
    dropped = ac.nn.Dropout(0.5, ac.random.Generator(0))(ac.full(1000, math.nan)).numpy()
    assert 400 < (dropped == 0).sum() < 600  # what is dropped is 0, whatever it was
    with pytest.raises(ValueError, match=r"Dropout: p must be a probability, from 0 to 1; got 1\.5"):
        ac.nn.Dropout(1.5)


def test_dropout_draws_the_same_mask_in_either_dtype() -> None:
    masks = [
        ac.nn.Dropout(0.5, ac.random.Generator(4))(ac.ones(100, dtype)).numpy() != 0
        for dtype in (ac.float32, ac.float64)
    ]
    np.testing.assert_array_equal(*masks)


def test_dropout_in_common_uses_the_common_generator() -> None:
    ac.random.seed(5)
    a = ac.nn.Dropout()(ac.ones(64)).tolist()
    ac.random.seed(5)
    assert ac.nn.Dropout()(ac.ones(64)).tolist() == a
