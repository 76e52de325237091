"""``ac.scan(..., checkpoint=)``: less is kept for the gradient, whose bits stay."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac

F64 = ac.float64
RNG = np.random.default_rng(0)
W = ac.tensor(RNG.uniform(0.2, 1.0, (3, 3)))
N = 11
XS = {"x": ac.tensor(RNG.uniform(0.2, 1.0, (N, 3))), "k": ac.tensor(np.arange(N))}
DISTANCES = [1, 2, 3, 4, 10, 11, 12, 1000, "sqrt"]


def rnn(w: Any) -> Any:
    return lambda h, x: ((new := ac.tanh(h @ w + x["x"])), {"y": new * 2.0, "k": x["k"]})


def counting(w: Any) -> Any:
    """A carry of several leaves, one of them of integers, another without a derivative."""

    def step(carry: Any, x: Any) -> Any:
        a, (n, s) = carry
        a = ac.sin(a @ w) * (1.0 + 0.1 * ac.astype(n, F64)) + ac.exp(ac.sum(w)) * x["x"]
        return (a, (n + x["k"], ac.stop_gradient(a) + s)), ac.sum(a) + s[0]

    return lambda h, x: step(h, x)


def nested(w: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h, ys = ac.scan(lambda d, y: (ac.tanh(d * y + w[0]), d * w[1]), h, ac.stack([x["x"]] * 5), checkpoint=2)
        return h * 0.5, ac.sum(ys, axis=0)

    return step


START = ac.tensor(RNG.uniform(0.2, 1.0, 3))
BODIES: dict[str, tuple[Any, Callable[[ac.Tensor], Any]]] = {  # body of w, and the first carry
    "rnn": (rnn, lambda h: h),
    "counting": (counting, lambda h: (h, (2, h * 0.5))),
    "nested": (nested, lambda h: h),
}


def total(tree: Any) -> ac.Tensor:
    leaves = [x for x in ac.tree.leaves(tree) if x.dtype.kind == "f"]
    return sum((ac.sum(ac.sin(x * (1.0 + 0.3 * i))) for i, x in enumerate(leaves)), start=ac.tensor(0.0, F64))


def run(name: str, w: Any, h: Any, x: Any, checkpoint: Any, reverse: bool = False) -> Any:
    make, first = BODIES[name]
    return ac.scan(make(w), first(h), {"x": x, "k": XS["k"]}, reverse=reverse, checkpoint=checkpoint)


def gradient(name: str, checkpoint: Any, reverse: bool = False) -> Any:
    return ac.grad(lambda w, h, x: total(run(name, w, h, x, checkpoint, reverse)), argnums=(0, 1, 2))


def same(a: Any, b: Any) -> None:
    for x, y in zip(ac.tree.leaves(a), ac.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", DISTANCES)
@pytest.mark.parametrize("name", BODIES)
def test_values_and_gradients_keep_their_bits(name: str, checkpoint: Any, reverse: bool) -> None:
    point = W, START, XS["x"]
    same(run(name, *point, checkpoint, reverse), run(name, *point, None, reverse))
    want = gradient(name, None, reverse)(*point)
    found = gradient(name, checkpoint, reverse)
    same(found(*point), want)
    same(ac.compile(found)(*point), want)


@pytest.mark.parametrize("name", BODIES)
def test_other_transforms(name: str) -> None:
    point, many = (W, START, XS["x"]), (ac.stack([W, W.T]), START, XS["x"])
    plain, less = (lambda w, h, x, c=c: total(run(name, w, h, x, c)) for c in (None, 4))
    same(ac.jvp(less, point, point), ac.jvp(plain, point, point))
    for f in (
        lambda g: ac.vmap(ac.grad(g), in_axes=(0, None, None))(*many),
        lambda g: ac.grad(lambda w: ac.sum(ac.vmap(g, in_axes=(0, None, None))(w, *many[1:])))(many[0]),
        lambda g: ac.jvp(lambda w: ac.grad(g)(w, *point[1:]), [W], [W])[1],
        lambda g: ac.grad(lambda w: ac.sum(ac.square(ac.grad(g)(w, *point[1:]))))(W),
    ):
        np.testing.assert_allclose(np.asarray(f(less)), np.asarray(f(plain)), rtol=1e-10, atol=1e-12)


def test_only_what_is_asked_for_is_differentiated() -> None:
    for n in range(3):
        for name in BODIES:
            one = lambda c, n=n, name=name: ac.grad(lambda *p: total(run(name, *p, c)), argnums=n)  # noqa: E731
            same(one(4)(W, START, XS["x"]), one(None)(W, START, XS["x"]))
    w = ac.nn.Parameter(np.asarray(W))  # found in the closure
    total(ac.scan(rnn(w), START, XS, checkpoint=3)).backward()
    same(w.grad, ac.grad(lambda w: total(ac.scan(rnn(w), START, XS)))(W))


def test_random_numbers_are_drawn_once() -> None:
    """A part that runs again draws what it drew."""

    def noisy(w: Any, checkpoint: Any) -> ac.Tensor:
        step = lambda h, x: (ac.tanh(h @ w) + ac.random.normal((3,), dtype=F64) * w[0], h * x["x"])  # noqa: E731
        return total(ac.scan(step, START, XS, checkpoint=checkpoint))

    found = []
    for checkpoint in (None, 4, "sqrt"):
        for wrap in (lambda f: f, ac.compile):
            ac.random.seed(5)
            found.append((wrap(ac.grad(lambda w, c=checkpoint: noisy(w, c)))(W), ac.random.normal((2,))))
    for one in found[1:]:
        same(one, found[0])


def test_a_counter_that_a_step_changes() -> None:
    count = ac.tensor(0.0, dtype=F64)

    def step(c: Any, _: Any) -> Any:
        count.assign_(count + 1.0)
        return c * count, None

    slope = ac.grad(lambda c: ac.scan(step, c, length=5, checkpoint=2)[0])(ac.tensor(1.0, dtype=F64))
    assert (slope.item(), count.item()) == (120.0, 5.0)


@pytest.mark.parametrize("length", [0, 1, 2])
def test_short_loops(length: int) -> None:
    for checkpoint in (1, 2, "sqrt"):
        found, want = (
            ac.grad(lambda w, c=c: total(ac.scan(rnn(w), START, ac.tree.map(lambda x: x[:length], XS), checkpoint=c)))
            for c in (checkpoint, None)
        )
        same(found(W), want(W))
    assert ac.scan(lambda c, _: (c, None), None, length=3, checkpoint=2) == (None, None)


@pytest.mark.parametrize("compiled", [False, True])
def test_memory_grows_with_the_root(compiled: bool) -> None:
    """n steps of 8 KB each: about 2√n of them at once in place of n."""
    x = ac.ones((1000,), F64)

    def peak(n: int, checkpoint: Any) -> float:
        def loss(x: ac.Tensor) -> ac.Tensor:
            return ac.sum(ac.scan(lambda c, _: (ac.sin(c), None), x, length=n, checkpoint=checkpoint)[0])

        f = ac.compile(ac.grad(loss)) if compiled else ac.grad(loss)
        f(x)
        del f
        f = ac.compile(ac.grad(loss)) if compiled else ac.grad(loss)
        ac.reset_peak_memory()
        before = ac.memory_stats()["live_bytes"]
        f(x)
        return (ac.memory_stats()["peak_bytes"] - before) / x.nbytes

    assert peak(400, None) > 400
    assert peak(400, "sqrt") < 2.0 * math.sqrt(400) + 20
    assert peak(1600, "sqrt") < 2.0 * math.sqrt(1600) + 20
    assert peak(400, 100) < 104 + 20


@pytest.mark.parametrize(
    ("checkpoint", "kind", "words"),
    [
        (0, ValueError, "scan: checkpoint must be at least 1 step; got 0"),
        ("log", ValueError, "scan: checkpoint must be a number of steps, \"sqrt\" or None; got 'log'"),
        (2.5, ac.DTypeError, "scan: checkpoint must be an int; got 2.5"),
        (True, ac.DTypeError, "scan: checkpoint must be an int; got True"),
    ],
)
def test_errors(checkpoint: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as error:
        ac.scan(lambda c, x: (c, x), 0.0, ac.ones(3), checkpoint=checkpoint)
    assert words in str(error.value)
