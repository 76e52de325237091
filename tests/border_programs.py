"""Random programs across the borders of the engine: structures, modes, threads, attributes, compiled functions whose
surroundings change. NumPy interprets them too, with dual numbers, and the two must agree, or the engine must refuse.

    python tests/border_programs.py --programs 20000 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import alice_core as ac

SHAPE = (2, 3)

# -- structures --------------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    one: Any
    two: Any


@dataclass
class Record:
    low: Any
    high: Any


class Bag:
    def __init__(self, items: Sequence[Any]) -> None:
        self.items = list(items)


ac.tree.register(Bag, lambda bag: (bag.items, len(bag.items)), lambda _, items: Bag(items))


class Holder(ac.nn.Module):
    def __init__(self, **parts: Any) -> None:
        for name, part in parts.items():
            setattr(self, name, part)


def structure(rng: random.Random, depth: int = 0) -> Any:
    """A tree of zeros, in the place of leaves."""
    kind = rng.randrange(10) if depth < 3 else 0
    if kind in (0, 1):
        return 0
    inside = [structure(rng, depth + 1) for _ in range(rng.randint(1, 2))]
    if kind == 2:
        return [None, *inside]
    if kind == 3:
        return tuple(inside)
    if kind == 4:
        return dict(zip("ba", inside, strict=False))
    if kind == 5:
        return OrderedDict(zip("zyx", inside, strict=False))
    if kind == 6:
        return Pair(inside[0], None)
    if kind == 7:
        return Record(inside[0], inside[-1])
    if kind == 8:
        return Bag(inside)
    return {"only": inside[0]}


def turned(tree: Any) -> Any:
    """The same with the keys of dicts in another order."""
    if isinstance(tree, dict):
        return {key: turned(tree[key]) for key in reversed(tree)}
    if isinstance(tree, Pair):
        return Pair(turned(tree.one), turned(tree.two))
    if isinstance(tree, (list, tuple)):
        return type(tree)(turned(x) for x in tree)
    if isinstance(tree, Record):
        return Record(turned(tree.low), turned(tree.high))
    return tree


# -- programs ----------------------------------------------------------------------------------------------------------


class Dual(NamedTuple):
    """A number and its derivative in one direction."""

    v: Any
    d: Any


def _axis(rng: random.Random) -> Any:
    return rng.choice([None, 0, 1, -1, np.int64(0), (0, 1), (1,), (0,), (-2, 1)])


def _softmax(x: Dual, axis: int) -> Dual:
    e = np.exp(x.v - x.v.max(axis=axis, keepdims=True))
    s = e / e.sum(axis=axis, keepdims=True)
    return Dual(s, s * (x.d - (s * x.d).sum(axis=axis, keepdims=True)))


UNARY: dict[str, tuple[Callable[[Any], Any], Callable[[Dual], Dual]]] = {
    "sin": (ac.sin, lambda x: Dual(np.sin(x.v), np.cos(x.v) * x.d)),
    "tanh": (ac.tanh, lambda x: Dual(np.tanh(x.v), (1 - np.tanh(x.v) ** 2) * x.d)),
    "exp": (lambda x: ac.exp(x * 0.3), lambda x: Dual(np.exp(x.v * 0.3), 0.3 * np.exp(x.v * 0.3) * x.d)),
    "square": (ac.square, lambda x: Dual(x.v**2, 2 * x.v * x.d)),
    "stop": (ac.stop_gradient, lambda x: Dual(x.v, 0.0 * x.d)),
    "sqrt": (lambda x: ac.sqrt(x * x + 1.0), lambda x: Dual(np.sqrt(x.v**2 + 1), x.v * x.d / np.sqrt(x.v**2 + 1))),
}
BINARY: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Dual, Dual], Dual]]] = {
    "+": (lambda a, b: a + b, lambda a, b: Dual(a.v + b.v, a.d + b.d)),
    "-": (lambda a, b: a - b, lambda a, b: Dual(a.v - b.v, a.d - b.d)),
    "*": (
        lambda a, b: ac.sin(a) * b,
        lambda a, b: Dual(np.sin(a.v) * b.v, np.cos(a.v) * a.d * b.v + np.sin(a.v) * b.d),
    ),
    "/": (
        lambda a, b: a / (b * b + 1.0),
        lambda a, b: Dual(a.v / (b.v**2 + 1), (a.d * (b.v**2 + 1) - 2 * a.v * b.v * b.d) / (b.v**2 + 1) ** 2),
    ),
    "where": (
        lambda a, b: ac.where(a > b, a, b * 2.0),
        lambda a, b: Dual(np.where(a.v > b.v, a.v, b.v * 2), np.where(a.v > b.v, a.d, b.d * 2)),
    ),
}
WRAPPERS = ("plain", "plain", "checkpoint", "compile", "vmap", "custom", "no-op no_grad")


class Step(NamedTuple):
    op: str
    inputs: tuple[int, ...]
    attribute: Any = None


@dataclass
class Surroundings:
    """What the program reads beside its argument."""

    k: float
    flag: bool
    items: list[float]


def program(rng: random.Random, leaves: int) -> list[Step]:
    steps: list[Step] = []
    for n in range(leaves, leaves + rng.randint(2, 7)):
        a, b = rng.randrange(n), rng.randrange(n)
        kind = rng.randrange(8)
        if kind < 3:
            steps.append(Step(rng.choice(list(UNARY)), (a,)))
        elif kind < 6:
            steps.append(Step(rng.choice(list(BINARY)), (a, b)))
        elif kind == 6:
            steps.append(Step(rng.choice(["sum", "mean", "max", "softmax"]), (a,), _axis(rng)))
        else:
            steps.append(Step("surroundings", (a,)))
    return steps


def run(steps: Sequence[Step], values: Sequence[Any], around: Surroundings, dual: bool) -> Any:
    """The sum of the last two results."""
    r = list(values)
    for s in steps:
        x = [r[i] for i in s.inputs]
        if s.op in UNARY:
            r.append(UNARY[s.op][dual](*x))
        elif s.op in BINARY:
            r.append(BINARY[s.op][dual](*x))
        elif s.op == "surroundings":
            factor = around.k * (2.0 if around.flag else -1.0) + sum(around.items)
            r.append(Dual(x[0].v * factor, x[0].d * factor) if dual else x[0] * factor)
        elif s.op == "softmax":
            axis = 1 if s.attribute is None else int(np.ravel(s.attribute)[0])
            r.append(_softmax(x[0], axis) if dual else ac.softmax(x[0], axis=axis))
        elif s.op == "max":
            if dual:
                top = x[0].v.max(axis=_np(s.attribute), keepdims=True)
                ties = x[0].v == top
                share = ties / ties.sum(axis=_np(s.attribute), keepdims=True)
                r.append(Dual(top, (share * x[0].d).sum(axis=_np(s.attribute), keepdims=True)))
            else:
                r.append(ac.max(x[0], axis=s.attribute, keepdims=np.True_))
        elif dual:
            r.append(Dual(*(getattr(np, s.op)(part, axis=_np(s.attribute), keepdims=True) for part in x[0])))
        else:
            r.append(getattr(ac, s.op)(x[0], axis=s.attribute, keepdims=True))
    if dual:
        return Dual(sum(np.sum(np.sin(y.v)) for y in r[-2:]), sum(np.sum(np.cos(y.v) * y.d) for y in r[-2:]))
    return ac.sum(ac.sin(r[-1])) + ac.sum(ac.sin(r[-2]))


def _np(axis: Any) -> Any:
    return axis if axis is None or isinstance(axis, tuple) else int(axis)


# -- ways to run them --------------------------------------------------------------------------------------------------


def wrapped(f: Callable[[Any], Any], how: str) -> Callable[[Any], Any]:
    if how == "checkpoint":
        return ac.checkpoint(f)
    if how == "compile":
        return ac.compile(f)
    if how == "vmap":
        one = ac.vmap(f, in_axes=0)
        return lambda t: ac.sum(one(ac.tree.map(lambda x: ac.reshape(ac.asarray(x), (1, *SHAPE)), t)))
    if how == "custom":
        custom = ac.custom_vjp(f)
        custom.defvjp(lambda t: (f(t), t), lambda t, g: (ac.tree.map(lambda x: x * g, ac.grad(f)(t)),))
        return custom
    if how == "no-op no_grad":

        def g(t: Any) -> Any:
            with ac.no_grad():
                f(t)
            return f(t)

        return g
    return f


def derivative(rng: random.Random, f: Callable[[Any], Any], t: Any, direction: Any) -> tuple[str, Any, Any]:
    """How, f(t), and its derivative in the direction."""
    how = rng.choice(["grad", "vjp", "jvp", "linearize", "jacrev", "jacfwd", "compiled grad", "backward"])

    def inner(g: Any) -> float:
        return sum(float(np.vdot(a, b)) for a, b in zip(arrays(g), arrays(direction), strict=True))

    if how == "jvp":
        y, dy = ac.jvp(f, [t], [turned(direction)])
        return how, y, dy.item()
    if how == "vjp":
        y, pullback = ac.vjp(f, t)
        return how, y, inner(pullback(1.0)[0])
    if how == "backward":
        leaves = ac.tree.map(lambda x: ac.tensor(x).requires_grad_(), t)
        y = f(copied(leaves))
        if not y.is_tracked:
            return how, y, 0.0
        try:
            y.backward()
        except ac.GradientError as error:
            if "the compiled" not in str(error):
                raise
            return "refused", y, None
        return how, y, inner(ac.tree.map(lambda x: ac.zeros_like(x) if x.grad is None else x.grad, leaves))
    if how == "linearize":
        y, push = ac.linearize(f, t)
        return how, y, push(turned(direction)).item()
    g = {"jacrev": ac.jacrev, "jacfwd": ac.jacfwd, "grad": ac.grad, "compiled grad": lambda f: ac.compile(ac.grad(f))}
    found = g[how](f)(t)
    if ac.tree.structure(found) != ac.tree.structure(t):
        raise AssertionError(f"{how}: {ac.tree.structure(found)} for {ac.tree.structure(t)}")
    return how, f(copied(t)), inner(found)


def copied(tree: Any) -> Any:
    """Containers of its own: the program may change them."""
    return ac.tree.map(lambda x: x, tree)


def arrays(tree: Any) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(ac.stop_gradient(x)) for x in ac.tree.leaves(tree)]


def in_a_thread(f: Callable[[], Any]) -> Any:
    found: list[Any] = []

    def work() -> None:
        try:
            found.append((True, f()))
        except BaseException as error:
            found.append((False, error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    ((ok, value),) = found
    if not ok:
        raise value
    return value


def in_a_task(f: Callable[[], Any]) -> Any:
    """Beside a task that is in another mode."""

    async def other() -> None:
        with ac.no_grad():
            for _ in range(3):
                await asyncio.sleep(0)

    async def mine() -> Any:
        await asyncio.sleep(0)
        return f()

    async def both() -> Any:
        return (await asyncio.gather(other(), mine(), other()))[1]

    return asyncio.run(both())


def in_a_generator(f: Callable[[], Any]) -> Any:
    def steps() -> Any:
        with ac.debug_nans():
            yield 1
            yield 2

    one, two = steps(), steps()
    next(one), next(two), one.close()
    try:
        return f()
    finally:
        two.close()


def check(seed: int) -> None:
    """One program; raises if a number is wrong."""
    rng = random.Random(seed)
    numbers = np.random.default_rng(seed)
    shape = structure(rng)
    if not ac.tree.leaves(shape):
        shape = [shape, 0]
    t = ac.tree.map(lambda _: ac.tensor(numbers.standard_normal(SHAPE)), shape)
    direction = ac.tree.map(lambda _: ac.tensor(numbers.standard_normal(SHAPE)), shape)
    if rng.random() < 0.15:
        t, direction = Holder(inner=t, k=3, name="n"), Holder(inner=direction, k=3, name="n")
    around = Surroundings(0.5, True, [0.25])
    steps = program(rng, len(ac.tree.leaves(t)))
    how = rng.choice(WRAPPERS)

    empties = rng.random() < 0.2 and how not in ("no-op no_grad", "custom")  # which run it twice

    def body(tree: Any) -> Any:
        values = ac.tree.leaves(tree)
        if empties and isinstance(tree, dict):
            tree.clear()
        return run(steps, values, around, False)

    f = wrapped(body, how)
    where = rng.choice([lambda g: g(), lambda g: g(), in_a_thread, in_a_task, in_a_generator])
    for _ in range(rng.randint(1, 3)):
        duals = [Dual(a, b) for a, b in zip(arrays(t), arrays(direction), strict=True)]
        want = run(steps, duals, around, True)
        with ac.no_grad() if rng.random() < 0.1 and how != "plain" else contextlib.nullcontext():
            muted = not ac.grad_enabled()
            name, y, slope = where(lambda: derivative(random.Random(rng.random()), f, t, direction))
        text = f"seed {seed}: {name} of {how} over {ac.tree.structure(t)}"
        np.testing.assert_allclose(y.item(), want.v, rtol=1e-9, atol=1e-9, err_msg=text)
        if slope is not None and not (muted and name == "backward"):
            np.testing.assert_allclose(slope, want.d, rtol=1e-7, atol=1e-7, err_msg=text)
        change = rng.randrange(4)
        if change == 0:
            around.k += 0.5
        elif change == 1:
            around.flag = not around.flag
        elif change == 2:
            around.items.append(0.125)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    try:
        from tqdm import trange

        seeds = trange(options.seed, options.seed + options.programs, disable=None)
    except ImportError:
        seeds = range(options.seed, options.seed + options.programs)
    wrong = 0
    for seed in seeds:
        try:
            check(seed)
        except Exception as error:
            wrong += 1
            sys.stdout.write(f"seed {seed}: {type(error).__name__}: {str(error)[:600]}\n")
    sys.stdout.write(f"{options.programs} programs, {wrong} wrong\n")
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
