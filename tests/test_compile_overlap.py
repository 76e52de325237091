"""In-place updates whose sources lie in the memory that they change: compiled and eager, the old values are read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import alice_core as ac

N = 6
View = Callable[[ac.Tensor], ac.Tensor]
TURNS: dict[str, View] = {
    "[::-1]": lambda x: x[::-1],
    "[:, ::-1]": lambda x: x[:, ::-1],
    ".T": lambda x: x.T,
    "itself": lambda x: x,
}
PARTS: dict[str, View] = {
    "all": lambda x: x,
    "row": lambda x: x[2],
    "rows": lambda x: x[3:4],
    "column": lambda x: x[:, 1:2],
    "element": lambda x: x[1, 4],
    "reshaped": lambda x: ac.reshape(x, (N, N)),
}


def views(seed: int) -> View:
    rng = np.random.default_rng(seed)
    turns = [TURNS[list(TURNS)[i]] for i in rng.integers(0, len(TURNS), rng.integers(0, 4))]
    part = PARTS[list(PARTS)[rng.integers(0, len(PARTS))]]

    def view(x: ac.Tensor) -> ac.Tensor:
        for turn in turns:
            x = turn(x)
        return part(x)

    return view


def memory(seed: int, n: int = N) -> ac.Tensor:
    return ac.tensor(np.random.default_rng(seed).normal(size=(n, n)).astype(np.float32))


def bits(*tensors: ac.Tensor) -> list[bytes]:
    return [np.asarray(t.detach()).tobytes() for t in tensors]


def turned(x: ac.Tensor) -> ac.Tensor:
    return x[::-1].T


@pytest.mark.parametrize("seed", range(120))
def test_assign_from_views_of_the_target(seed: int) -> None:
    view, other = views(seed), views(seed + 1000)
    way = ["captured", "argument", "argument and view inside", "inside", "two"][seed % 5]

    def run(compiled: bool) -> list[bytes]:
        p, q = memory(seed), memory(seed + 1)
        outside = view(p)

        def f(x: ac.Tensor) -> ac.Tensor:
            if way == "captured":
                p.assign_(outside)
            elif way == "inside":
                p.assign_(view(p))
            elif way == "argument":
                p.assign_(x)
            elif way == "argument and view inside":
                p.assign_(other(x))
            else:
                q.assign_(other(p))
                p.assign_(outside)
                p.assign_(other(p) * 2)
            return p + 1

        x = p if way in ("inside", "argument and view inside") else outside
        g = ac.compile(f) if compiled else f
        once = way in ("captured", "argument", "two")  # a view of p has lost its value then
        return [*bits(*(g(x) for _ in range(1 if once else 2))), *bits(p, q)]

    assert run(compiled=True) == run(compiled=False)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("way", ["captured", "argument", "from .grad", "the other parameter"])
@pytest.mark.parametrize("seed", range(6))
def test_steps_whose_gradient_is_a_view_of_the_parameter(momentum: float, way: str, seed: int) -> None:
    view = [TURNS["[::-1]"], TURNS["itself"], TURNS[".T"], turned, TURNS["[:, ::-1]"], lambda x: x[::-1][::-1]][seed]

    def run(compiled: bool) -> list[bytes]:
        p, q = memory(seed).requires_grad_(), memory(seed + 1).requires_grad_()
        opt = ac.optim.SGD([p, q], 0.1, momentum=momentum, weight_decay=0.01)
        first = second = ac.zeros((N, N))

        def f(x: ac.Tensor, y: ac.Tensor) -> None:
            if way == "argument":
                p.grad, q.grad = x, y
            elif way != "from .grad":
                p.grad, q.grad = first, second
            opt.step()
            opt.zero_grad()  # views of what has changed, which nobody may read

        g = ac.compile(f) if compiled else f
        for _ in range(3):
            with ac.no_grad():
                first, second = view(p).detach(), view(q).detach()
            if way == "the other parameter":
                first, second = second, first
            p.grad, q.grad = first, second
            g(first, second)
        return bits(p, q)

    assert run(compiled=True) == run(compiled=False)


def test_large_reversed_assign() -> None:
    """Longer than a chunk of work: threads would overtake each other."""
    for compiled in (False, True):
        p = memory(0, 1500)
        want = np.array(p.numpy())[::-1, ::-1]

        def f(x: ac.Tensor, p: ac.Tensor = p) -> None:
            p.assign_(x[::-1, ::-1])

        (ac.compile(f) if compiled else f)(p)
        assert np.array_equal(p.numpy(), want)


def test_steps_with_the_gradients_of_the_other_parameter_read_old_values() -> None:
    for compiled in (False, True):
        p, q = ac.tensor([1.0, 2.0]).requires_grad_(), ac.tensor([10.0, 20.0]).requires_grad_()
        opt = ac.optim.SGD([p, q], 1.0)
        p.grad, q.grad = q.detach(), p.detach()
        (ac.compile(opt.step) if compiled else opt.step)()
        assert p.tolist() == [-9.0, -18.0]
        assert q.tolist() == [9.0, 18.0]
