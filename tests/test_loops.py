"""Loops and choices as primitives: the values, derivatives and batches of the loop in Python."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac

F64 = ac.float64
RNG = np.random.default_rng(0)


def t(*shape: int) -> ac.Tensor:
    return ac.tensor(RNG.uniform(0.2, 1.0, shape))


W, B = t(3, 3), t(3)


def unrolled(f: Callable[..., Any], carry: Any, xs: Any, length: int, reverse: bool = False) -> Any:
    """What ac.scan means."""
    ys = []
    for i in reversed(range(length)) if reverse else range(length):
        carry, y = f(carry, ac.tree.map(lambda x, i=i: x[i], xs))
        ys.append(y)
    if reverse:
        ys.reverse()
    return carry, ac.tree.map(lambda *rows: ac.stack(rows), *ys)


def rnn(w: Any) -> Any:
    return lambda h, x: ((new := ac.tanh(h @ w + x + B)), new * 2.0)


def pair(w: Any) -> Any:
    def step(carry: Any, x: Any) -> Any:
        a, (b, n) = carry["a"], carry["rest"]
        return {"a": a * w + x, "rest": (ac.sin(b) + ac.sum(a), n + 1)}, {"y": a * b, "n": n}

    return step


def invariant(w: Any) -> Any:
    """What depends on the closure alone, a constant, and a value that nobody needs."""
    return lambda c, x: (c * ac.exp(w) + x / (1.0 + w * w), ac.zeros((2,), F64) + c)


def unchanged(w: Any) -> Any:
    return lambda c, x: (c, (x, w, c))


def nested(w: Any) -> Any:
    def step(c: Any, x: Any) -> Any:
        inner, rows = ac.scan(lambda d, y: (d * w + y, d * y), c, ac.stack([x, x * w, c]))
        return ac.tanh(inner), ac.sum(rows)

    return step


def chooses(w: Any) -> Any:
    return lambda c, x: (ac.cond(c > 0.9, lambda v: v * w, lambda v: v + w, c) + 0.1 * x, None)


def loops_inside(w: Any) -> Any:
    def step(c: Any, x: Any) -> Any:
        return ac.while_loop(lambda v: v < 3.0, lambda v: v * (1.0 + w), c, max_steps=30) * 0.3, x * c

    return step


def indexed(w: Any) -> Any:
    return lambda c, x: (c.at[0].set(c[1] * w).at[1].add(x), c[::-1])


BODIES: dict[str, tuple[Any, Any, Any, Any]] = {  # body of w, w, first carry, items
    "rnn": (rnn, W, t(3), t(4, 3)),
    "rnn of a batch": (rnn, W, t(2, 3), t(4, 2, 3)),
    "pair": (pair, t(), {"a": t(), "rest": (t(), ac.tensor(0))}, t(4)),
    "invariant": (invariant, t(), t(), t(5)),
    "unchanged": (unchanged, t(2), t(3), t(4, 2)),
    "nested": (nested, t(), t(), t(3)),
    "chooses": (chooses, t(), t(), t(6)),
    "while inside": (loops_inside, t(), t(), t(3)),
    "indexed": (indexed, t(), t(3), t(4)),
    "no steps": (rnn, W, t(3), t(0, 3)),
    "one step": (rnn, W, t(3), t(1, 3)),
}


def total(tree: Any) -> ac.Tensor:
    """A number that depends on every floating leaf, unequally."""
    leaves = [x for x in ac.tree.leaves(tree) if x.dtype.kind == "f"]
    return sum((ac.sum(ac.sin(x * (1.0 + 0.3 * i))) for i, x in enumerate(leaves)), start=ac.tensor(0.0, F64))


@pytest.fixture(params=list(BODIES))
def case(request: pytest.FixtureRequest) -> tuple[Any, Any, Any, Any]:
    return BODIES[request.param]


def both(case: Any, reverse: bool = False) -> tuple[Any, Any]:
    """(w, carry, xs) to a number, by ac.scan and by a loop in Python."""
    make = case[0]
    length = ac.tree.leaves(case[3])[0].shape[0]

    def scanned(w: Any, c: Any, xs: Any) -> Any:
        return ac.scan(make(w), c, xs, reverse=reverse)

    def looped(w: Any, c: Any, xs: Any) -> Any:
        return unrolled(make(w), c, xs, length, reverse) if length else (c, None)

    return scanned, looped


def close(a: Any, b: Any, tolerance: float = 1e-12) -> None:
    for x, y in zip(ac.tree.leaves(a), ac.tree.leaves(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=tolerance, atol=tolerance)


def same(a: Any, b: Any) -> None:
    for x, y in zip(ac.tree.leaves(a), ac.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


@pytest.mark.parametrize("reverse", [False, True])
def test_values_are_those_of_the_loop_bit_for_bit(case: Any, reverse: bool) -> None:
    scanned, looped = both(case, reverse)
    if case[3] is not None and len(ac.tree.leaves(case[3])[0]):
        same(scanned(*case[1:]), looped(*case[1:]))
    same(ac.compile(scanned)(*case[1:]), scanned(*case[1:]))


@pytest.mark.parametrize("reverse", [False, True])
def test_reverse_mode(case: Any, reverse: bool) -> None:
    scanned, looped = both(case, reverse)
    w, c, xs = case[1:]
    if not len(xs):
        return
    ints = [x for x in ac.tree.leaves(c) if x.dtype.kind != "f"]
    carry = (lambda v: {"a": v, "rest": (v * 0.5, ints[0])}) if ints else (lambda v: v)
    v = ac.tensor(0.4, F64) if ints else c
    gradient = [ac.grad(lambda w, v, xs, f=f: total(f(w, carry(v), xs)), argnums=(0, 1, 2)) for f in (scanned, looped)]
    close(gradient[0](w, v, xs), gradient[1](w, v, xs))
    same(ac.compile(gradient[0])(w, v, xs), gradient[0](w, v, xs))
    # Only some are asked for.
    only = [ac.grad(lambda w, f=f: total(f(w, carry(v), xs))) for f in (scanned, looped)]
    close(only[0](w), only[1](w))


def directional(case: Any, f: Any) -> Any:
    """A function of w alone."""
    _, _, c, xs = case
    return lambda w: total(f(w, c, xs))


def test_forward_mode_and_second_order(case: Any) -> None:
    if not len(case[3]):
        return
    w, d = case[1], ac.ones_like(case[1]) * 0.3
    ours, theirs = (directional(case, f) for f in both(case))
    close(ac.jvp(ours, [w], [d]), ac.jvp(theirs, [w], [d]))
    same(ac.compile(lambda w: ac.jvp(ours, [w], [d]))(w), ac.jvp(ours, [w], [d]))
    close(ac.hvp(ours, [w], [d]), ac.hvp(theirs, [w], [d]))  # forward over reverse
    over = [ac.grad(lambda w, f=f: ac.sum(ac.grad(f)(w) * d)) for f in (ours, theirs)]  # reverse over reverse
    close(over[0](w), over[1](w), 1e-10)
    other = [ac.grad(lambda w, f=f: ac.jvp(f, [w], [d])[1]) for f in (ours, theirs)]  # reverse over forward
    close(other[0](w), other[1](w), 1e-10)


def test_third_order() -> None:
    case = BODIES["invariant"]
    ours, theirs = (directional(case, f) for f in both(case))
    close(ac.grad(ac.grad(ac.grad(ours)))(case[1]), ac.grad(ac.grad(ac.grad(theirs)))(case[1]), 1e-10)


@pytest.mark.parametrize("which", range(3))
def test_batches(case: Any, which: int) -> None:
    if not len(case[3]):
        return
    scanned, _ = both(case)
    args = list(case[1:])
    stacked = ac.tree.map(lambda x: ac.stack([x, x * 2, x + 1]), args[which])
    axes = [0 if i == which else None for i in range(3)]
    examples = [
        [ac.tree.map(lambda x, k=k: x[k], stacked) if i == which else a for i, a in enumerate(args)] for k in range(3)
    ]
    got = ac.vmap(scanned, in_axes=tuple(axes))(*[stacked if i == which else a for i, a in enumerate(args)])
    want = ac.tree.map(lambda *rows: ac.stack(rows), *(scanned(*e) for e in examples))
    close(got, want)
    if all(x.dtype.kind == "f" for x in ac.tree.leaves(args[which])):
        gradient = ac.grad(lambda *a: total(scanned(*a)), argnums=which)
        got = ac.vmap(gradient, in_axes=tuple(axes))(*[stacked if i == which else a for i, a in enumerate(args)])
        close(got, ac.tree.map(lambda *rows: ac.stack(rows), *(gradient(*e) for e in examples)))
        outer = ac.grad(
            lambda s: ac.sum(
                ac.vmap(lambda a: total(scanned(*[a if i == which else b for i, b in enumerate(args)])))(s)
            )
        )
        close(outer(stacked), got)


def test_parameters_learn_in_loops() -> None:
    w = ac.tensor(0.3, F64).requires_grad_()
    ac.scan(lambda c, x: (c * w + x, None), ac.tensor(1.0, F64), t(5))[0].backward()
    expected = w.grad
    assert expected is not None
    w.grad = None

    @ac.compile
    def step(xs: ac.Tensor) -> ac.Tensor:
        y = ac.scan(lambda c, x: (c * w + x, None), ac.tensor(1.0, F64), xs)[0]
        y.backward()
        return y

    step(t(5))
    assert w.grad is not None
    with ac.no_grad():
        y = ac.scan(lambda c, x: (c * w + x, None), ac.tensor(1.0, F64), t(5))[0]
    assert not y.is_tracked


def test_checkpoint_of_a_loop() -> None:
    scanned, _ = both(BODIES["rnn"])
    w, c, xs = BODIES["rnn"][1:]
    plain = ac.grad(lambda w: total(scanned(w, c, xs)))(w)
    same(ac.grad(lambda w: total(ac.checkpoint(scanned)(w, c, xs)))(w), plain)


def test_random_numbers_differ_from_step_to_step_and_are_those_of_the_loop() -> None:
    def draw(c: Any, _: Any) -> Any:
        return c, ac.random.normal((2,))

    ac.random.seed(3)
    want = [ac.random.normal((2,)) for _ in range(4)]
    after = ac.random.normal((2,))
    ac.random.seed(3)
    got = ac.scan(draw, 0.0, length=4)[1]
    same(list(got), want)
    same(ac.random.normal((2,)), after)
    ac.random.seed(3)
    compiled = ac.compile(lambda: ac.scan(draw, 0.0, length=4)[1])
    same(compiled(), got)
    same(ac.random.normal((2,)), after)


def test_a_counter_that_a_step_changes() -> None:
    count = ac.tensor(0.0)

    def step(c: Any, _: Any) -> Any:
        count.assign_(count + 1.0)
        return c + count, count * 2.0

    last, seen = ac.scan(step, 0.0, length=3)
    assert (last.item(), seen.tolist(), count.item()) == (6.0, [2.0, 4.0, 6.0], 3.0)


class TestWhile:
    @staticmethod
    def collatz(n: Any) -> Any:
        return ac.while_loop(
            lambda s: s[0] != 1, lambda s: (ac.where(s[0] % 2 == 0, s[0] // 2, 3 * s[0] + 1), s[1] + 1), (n, 0)
        )[1]

    def test_integers_and_batches(self) -> None:
        want = [0, 1, 7, 2, 5, 8, 16, 3, 19]
        assert [self.collatz(ac.tensor(n)).item() for n in range(1, 10)] == want
        assert ac.vmap(self.collatz)(ac.arange(1, 10)).tolist() == want
        assert ac.compile(ac.vmap(self.collatz))(ac.arange(1, 10)).tolist() == want

    @staticmethod
    def grows(a: Any, b: Any) -> Any:
        """Steps depend on both; b is read by body and condition."""
        return ac.while_loop(lambda s: s < 10.0 * b, lambda s: s * (1.0 + b) + a, a, max_steps=40)

    @staticmethod
    def in_python(a: Any, b: Any) -> Any:
        s = a
        while float(ac.stop_gradient(s)) < 10.0 * float(ac.stop_gradient(b)):
            s = s * (1.0 + b) + a
        return s

    @pytest.mark.parametrize(("a", "b"), [(0.5, 0.3), (30.0, 0.1), (1.0, 2.0)])
    def test_derivatives(self, a: float, b: float) -> None:
        x = [ac.tensor(a, F64), ac.tensor(b, F64)]
        for argnum in (0, 1):
            close(ac.grad(self.grows, argnum)(*x), ac.grad(self.in_python, argnum)(*x))
            close(ac.compile(ac.grad(self.grows, argnum))(*x), ac.grad(self.in_python, argnum)(*x))
            close(
                ac.grad(ac.grad(self.grows, argnum), argnum)(*x), ac.grad(ac.grad(self.in_python, argnum), argnum)(*x)
            )
        close(ac.jvp(self.grows, x, [1.0, 2.0]), ac.jvp(self.in_python, x, [1.0, 2.0]))
        free = lambda a, b: ac.while_loop(lambda s: s < 10.0 * b, lambda s: s * (1.0 + b) + a, a)  # noqa: E731
        close(ac.jvp(free, x, [1.0, 2.0]), ac.jvp(self.in_python, x, [1.0, 2.0]))

    def test_batches_take_their_own_numbers_of_steps(self) -> None:
        a, b = ac.tensor([0.5, 30.0, 1.0], F64), ac.tensor([0.3, 0.1, 2.0], F64)
        for f in (self.grows, ac.grad(self.grows, 0), ac.grad(self.grows, 1), ac.grad(ac.grad(self.grows, 1), 1)):
            want = ac.stack([f(x, y) for x, y in zip(a, b, strict=True)])
            close(ac.vmap(f)(a, b), want)
            close(ac.compile(ac.vmap(f))(a, b), want)
        close(ac.grad(lambda a: ac.sum(ac.vmap(self.grows)(a, b)))(a), ac.vmap(ac.grad(self.grows))(a, b))
        close(ac.vmap(self.grows, in_axes=(None, 0))(a[0], b), ac.stack([self.grows(a[0], y) for y in b]))

    def test_reverse_mode_needs_a_limit_and_the_limit_holds(self) -> None:
        f = lambda x: ac.while_loop(lambda s: s < 3.0, lambda s: s * 2.0, x)  # noqa: E731
        with pytest.raises(ac.GradientError, match=r"while_loop: expected max_steps.*ac\.jvp"):
            ac.grad(f)(1.0)
        with pytest.raises(ValueError, match=r"still true after max_steps=1 steps"):
            ac.while_loop(lambda s: s < 3.0, lambda s: s * 2.0, 1.0, max_steps=1)
        assert ac.while_loop(lambda s: s < 3.0, lambda s: s * 2.0, 1.0, max_steps=2).item() == 4.0
        assert ac.while_loop(lambda s: s < 3.0, lambda s: s * 2.0, 5.0, max_steps=0).item() == 5.0

    def test_counting_loops(self) -> None:
        assert ac.fori_loop(2, 5, lambda i, c: c + i, 0).item() == 9
        assert ac.fori_loop(5, 2, lambda i, c: c + i, 7).item() == 7
        f = ac.compile(lambda n: ac.fori_loop(0, n, lambda i, c: c + i, 0))
        assert [f(ac.tensor(n)).item() for n in (0, 3, 5)] == [0, 3, 10]
        g = ac.grad(lambda x: ac.fori_loop(0, 3, lambda i, c: c * x, 1.0))
        assert g(2.0).item() == 12.0


class TestChoices:
    @pytest.mark.parametrize("x", [-1.5, 0.0, 2.5])
    def test_values_and_derivatives_are_those_of_the_branch(self, x: float) -> None:
        k = ac.tensor(1.5, F64)

        def f(x: Any) -> Any:
            return ac.cond(x > 0, lambda x: ac.sin(x) * k, lambda x: x * x * k, x)

        at = ac.tensor(x, F64)
        for g in (f, ac.grad(f), ac.grad(ac.grad(f)), lambda x: ac.jvp(f, [x], [2.0])):
            close(ac.compile(g)(at), g(at))
            close(ac.tree.map(lambda y: y[0], ac.vmap(g)(ac.stack([at, at + 1.0]))), g(at))
        h = ac.compile(ac.grad(lambda k, x: ac.cond(x > 0, lambda x: ac.sin(x) * k, lambda x: x * x, x)))
        assert h(k, at).item() == pytest.approx(np.sin(x) if x > 0 else 0.0)

    def test_switch(self) -> None:
        branches = [ac.sin, ac.cos, lambda x: x * x]
        f = ac.compile(lambda i, x: ac.switch(i, branches, x))
        x = ac.tensor(0.7, F64)
        for i, branch in enumerate(branches):
            same(f(ac.tensor(i), x), branch(x))
        index = ac.tensor([2, 0, 1])
        close(ac.vmap(lambda i: ac.switch(i, branches, x))(index), ac.stack([branches[i](x) for i in (2, 0, 1)]))
        for bad in (-1, 3):
            with pytest.raises(ValueError, match=r"switch: index must be from 0 to 2; got"):
                ac.switch(bad, branches, x)
            with pytest.raises(ValueError, match=r"switch: index must be from 0 to 2; got"):
                f(ac.tensor(bad), x)
            with pytest.raises((ValueError, IndexError)):
                ac.vmap(lambda i: ac.switch(i, branches, x))(ac.tensor([0, bad]))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: ac.scan(lambda c, x: c, 0.0, ac.ones(3)), ac.TraceError, r"scan: the function must return a pair"),
        (lambda: ac.scan(lambda c, x: (c, x), 0.0), ac.ShapeError, r"scan: expected xs, or a length"),
        (lambda: ac.scan(lambda c, x: (c, x), 0.0, ac.ones(3), length=4), ac.ShapeError, r"length must be 3; got 4"),
        (
            lambda: ac.scan(lambda c, x: (c, x), 0.0, (ac.ones(3), ac.ones(4))),
            ac.ShapeError,
            r"equally many items along axis 0; got \[3, 4\]",
        ),
        (lambda: ac.scan(lambda c, x: (c, x), 0.0, ac.tensor(1.0)), ac.ShapeError, r"items along axis 0; got a 0-d"),
        (
            lambda: ac.scan(lambda c, x: (c.astype(F64), x), ac.ones(2), ac.ones(3)),
            ac.DTypeError,
            r"scan: the carry must keep its dtypes; expected float32 for leaf 0, got float64; start with \.astype",
        ),
        (
            lambda: ac.scan(lambda c, x: (ac.stack([c, c]), x), ac.ones(2), ac.ones(3)),
            ac.ShapeError,
            r"scan: the carry must keep its shapes; expected \(2,\) for leaf 0, got \(2, 2\)",
        ),
        (
            lambda: ac.scan(lambda c, x: ((c, c), x), ac.ones(2), ac.ones(3)),
            ac.ShapeError,
            r"scan: the carry must keep its structure",
        ),
        (lambda: ac.scan(lambda c, x: (float(c), x), 0.0, ac.ones(3)), ac.TraceError, r"test_loops\.py"),
        (lambda: ac.scan(3, 0.0, ac.ones(3)), ac.DTypeError, r"scan: "),
        (lambda: ac.scan(lambda c, x: (c, x), "a", ac.ones(3)), ac.DTypeError, r"scan: init must be Tensors"),
        (lambda: ac.while_loop(lambda c: c, lambda c: c, 0.0), ac.DTypeError, r"cond must return one bool"),
        (lambda: ac.cond(1.0, ac.sin, ac.cos, 0.0), ac.DTypeError, r"cond: pred must be one bool"),
        (
            lambda: ac.compile(lambda x: ac.cond(x > 0, lambda x: x, lambda x: (x, x), x))(1.0),
            ac.ShapeError,
            r"cond: branches must return the same structure",
        ),
        (
            lambda: ac.compile(lambda x: ac.cond(x > 0, lambda x: x, lambda x: x.astype(F64), x))(1.0),
            ac.DTypeError,
            r"cond: branches must return the same shapes and dtypes",
        ),
        (lambda: ac.switch(0, [], 1.0), ac.DTypeError, r"switch: branches must be a list of functions"),
        (lambda: ac.fori_loop(0.5, 2, lambda i, c: c, 0), ac.DTypeError, r"fori_loop: lower must be an integer"),
    ],
)
def test_bad_input_is_named(call: Callable[[], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_an_optimiser_takes_no_step_in_a_loop() -> None:
    p = ac.nn.Parameter([1.0])
    opt = ac.optim.SGD([p], lr=0.1)

    def step(c: Any, _: Any) -> Any:
        p.grad = ac.ones(1)
        opt.step()
        return c, None

    with pytest.raises(ac.TraceError, match=r"scan: "):
        ac.scan(step, 0.0, length=2)
    p.grad = None
    assert p.tolist() == [1.0]


def test_numbers_take_the_dtype_that_a_step_gives_them() -> None:
    assert ac.scan(lambda c, x: (c + x, None), 0, t(3))[0].dtype == F64
    assert ac.scan(lambda c, x: (c + x, None), 0.0, t(3, 2))[0].shape == (2,)
    assert ac.while_loop(lambda c: c < 5, lambda c: c + 1, 0).dtype == ac.int64


def test_structures_come_back() -> None:
    carry, ys = ac.scan(lambda c, x: ({"a": c["a"] + x}, (x, {"b": c["a"]})), {"a": 0.0}, ac.ones(2))
    assert set(carry) == {"a"}
    assert isinstance(ys, tuple)
    assert ys[1]["b"].tolist() == [0.0, 1.0]
    assert ac.map(lambda d: {"s": d["x"] + d["y"]}, {"x": ac.ones(2), "y": ac.ones(2)})["s"].tolist() == [2.0, 2.0]
    assert ac.scan(lambda c, x: (c, None), None, length=2) == (None, None)
    assert ac.scan(lambda c, _: (c, 1.5), None, length=2)[1].tolist() == [1.5, 1.5]


@pytest.mark.parametrize("dtype", [ac.float32, ac.bfloat16, ac.float16])
def test_other_dtypes(dtype: Any) -> None:
    xs = ac.ones((3, 2), dtype)
    last, rows = ac.scan(lambda c, x: (c + x, c), ac.zeros((2,), dtype), xs)
    assert last.dtype == rows.dtype == dtype
    assert last.astype(ac.float32).tolist() == [3.0, 3.0]


def test_long_loops_keep_little() -> None:
    """A million steps, forward and back."""
    n = 1_000_000
    g = ac.compile(ac.grad(lambda a: ac.scan(lambda c, _: (c * a + 1e-6, None), ac.tensor(1.0, F64), length=n)[0]))
    a = 1.0 - 1e-6
    assert g(ac.tensor(a, F64)).item() == pytest.approx(_closed_form(a, n), rel=1e-6)


def _closed_form(a: float, n: int) -> float:
    from mpmath import mp, mpf

    with mp.workdps(40):
        x = mpf(a)
        value = lambda x: x**n + mpf("1e-6") * (1 - x**n) / (1 - x)  # noqa: E731
        return float(mp.diff(value, x))


def test_gradients_are_taken_inside_of_steps() -> None:
    """What reverse mode has passed is gone from a graph, but not from the body."""

    def descend(x: Any, _: Any) -> Any:
        return x - 0.1 * ac.grad(lambda x: ac.sum(x[0] * x * x))(x), None

    x = t(3)
    want = x
    for _ in range(4):
        want = descend(want, None)[0]
    same(ac.scan(descend, x, length=4)[0], want)
    close(
        ac.grad(lambda x: ac.sum(ac.scan(descend, x, length=2)[0]))(x),
        ac.grad(lambda x: ac.sum(descend(descend(x, None)[0], None)[0]))(x),
    )


def test_bodies_are_blocks_of_the_printed_trace() -> None:
    f = lambda w, xs: ac.scan(lambda c, x: (c * w + x, ac.cond(c > 0.0, ac.sin, ac.cos, c)), 0.5, xs)[0]  # noqa: E731
    text = str(ac.trace(f)(ac.tensor(2.0), ac.ones(4)))
    assert re.search(r"= scan\(.*0\.5, b, \{…\}, \(\d, 1\), 4, False, False\)  # ", text)
    assert "\n    body(a: float32[], " in text
    assert text.count("body(") == 3  # the step, and both branches within
    assert re.search(r"      \w: float32\[\] = multiply\(", text)
    assert "    body(" in str(ac.trace(f)(ac.tensor(2.0), ac.ones(4)).reverse())


def test_constants_of_a_body_are_part_of_it() -> None:
    """No operands, so that a program knows them; and nobody can change them."""
    table = np.array([1.0, 2.0])

    def f(x: ac.Tensor) -> ac.Tensor:
        def step(c: ac.Tensor, _: Any) -> Any:
            return ac.where(c > 100, c, 2.0 * c + ac.asarray(table, dtype=ac.float32)), None

        return ac.scan(step, x, length=3)[0]

    x = ac.tensor([1.0, 0.5])
    want = np.array([8.0 + 7.0, 4.0 + 14.0])
    compiled = ac.compile(f)
    assert "scan(in0)" in str(compiled.program(x))
    assert ac.compile(ac.grad(lambda x: ac.sum(f(x))))(x).numpy().tolist() == [8.0, 8.0]
    for g in (f, compiled, ac.vmap(lambda x: f(x))):
        y = g(x) if g in (f, compiled) else g(x[None])[0]
        np.testing.assert_array_equal(y.numpy(), want)
    table[:] = 0.0
    np.testing.assert_array_equal(compiled(x).numpy(), [8.0, 4.0])
    np.testing.assert_array_equal(f(x).numpy(), [8.0, 4.0])
    table[:] = [1.0, 2.0]
    np.testing.assert_array_equal(f(x).numpy(), want)


def test_what_an_enclosing_derivative_is_taken_by_is_no_constant_of_a_body() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        def inner(y: ac.Tensor) -> ac.Tensor:
            return ac.fori_loop(0, 3, lambda i, c: c * y, x)

        return ac.grad(inner)(ac.tensor(2.0)) + ac.jvp(inner, [ac.tensor(3.0)], [ac.tensor(1.0)])[1]

    for g in (f, ac.compile(f), lambda x: ac.scan(lambda c, _: (f(c), None), x, length=1)[0]):
        assert g(ac.tensor(5.0)).item() == 5.0 * 3 * (4.0 + 9.0)
        assert ac.grad(g)(ac.tensor(5.0)).item() == 3 * (4.0 + 9.0)
