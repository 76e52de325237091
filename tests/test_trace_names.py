"""Values keep the names that the user gave them: parameters of modules, leaves of trees."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import alice_core as ac

MODEL = ac.nn.MLP([2, 3, 1], activation="tanh")
NAMES = ["layers.0.weight", "layers.0.bias", "layers.2.weight", "layers.2.bias"]


def names_in(t: ac.Trace) -> list[str]:
    found = [t.name(x) or "" for x in t.inputs]
    found += [o.text for line in t.lines for o in line.operands if o.type]
    return [name for name in found if len(name) > 1]


def loss_of_global(x: ac.Tensor) -> ac.Tensor:
    return ac.sum(MODEL(x))


def through_another(x: ac.Tensor) -> ac.Tensor:
    return loss_of_global(x) * 2.0


class Task:
    def __init__(self, model: ac.nn.Module) -> None:
        self.model = model

    def loss(self, x: ac.Tensor) -> ac.Tensor:
        return ac.sum(self.model(x))


@pytest.mark.parametrize("f", [
    MODEL, MODEL.forward, loss_of_global, through_another, lambda x: ac.sum(MODEL(x) ** 2),
    functools.partial(lambda m, x: m(x), MODEL), functools.wraps(loss_of_global)(lambda x: loss_of_global(x)),
])  # fmt: skip
def test_of_a_module_that_the_function_sees(f: Callable[..., ac.Tensor]) -> None:
    t = ac.trace(f)(ac.ones((1, 2)))
    assert names_in(t) == NAMES
    assert f"{NAMES[0]}: float32[2,3]" in str(t)
    dual = t.reverse(ac.ones(t.outputs[0].shape))
    assert {f"{name}~" for name in NAMES} <= {name for line in dual.lines for name, _ in line.results}
    assert set(NAMES) <= set(dual.adjoints)
    assert "layers.0.weight'" in str(t.forward())
    page = t.to_html()
    assert 'data-v="layers.0.weight~"' in page
    assert 'data-v="layers.0.weight&#x27;"' in page


def test_of_a_module_that_is_an_argument() -> None:
    t = ac.trace(lambda m, x: ac.sum(m(x)))(MODEL, ac.ones((1, 2)))
    assert [t.name(x) for x in t.inputs] == [*NAMES, "a"]
    got = dict(zip(t.reverse().adjoints, t.reverse().adjoints.values(), strict=True))
    want = ac.grad(lambda m, x: ac.sum(m(x)))(MODEL, ac.ones((1, 2)))
    for name, g in want.named_parameters() if hasattr(want, "named_parameters") else []:
        np.testing.assert_array_equal(got[name].numpy(), g.numpy())


def test_of_two_modules() -> None:
    critic, actor = ac.nn.Linear(2, 1), ac.nn.Linear(2, 2)
    t = ac.trace(lambda x: ac.sum(critic(actor(x))))(ac.ones((1, 2)))
    assert sorted(names_in(t)) == ["actor.bias", "actor.weight", "critic.bias", "critic.weight"]


def test_functions_are_looked_into_once_each() -> None:
    """60 functions that name one another: 60⁴ ways from one to the next but three."""
    names = [f"f{i}" for i in range(60)]
    scope: dict[str, Any] = {"ac": ac, "model": MODEL}
    for name in names:
        others = ", ".join(names)
        exec(f"def {name}(x, go=False):\n    return [g(x) for g in ({others})] if go else model(x)\n", scope)
    assert names_in(ac.trace(scope["f0"])(ac.ones((1, 2)))) == NAMES


def test_what_a_wrapper_and_a_method_see() -> None:
    task = Task(MODEL)

    @functools.wraps(task.loss)
    def wrapped(x: ac.Tensor) -> ac.Tensor:
        return task.loss(x)

    for f in (wrapped, task.loss, lambda x: task.loss(x)):
        assert names_in(ac.trace(f)(ac.ones((1, 2)))) == NAMES


class Pair(NamedTuple):
    slope: ac.Tensor
    shift: ac.Tensor


@pytest.mark.parametrize(("params", "names"), [
    ({"w": ac.ones(3), "layers": [{"b": ac.ones(3)}]}, ["params.w", "params.layers.0.b"]),
    (Pair(ac.ones(3), ac.ones(3)), ["params.slope", "params.shift"]),
    ([ac.ones(3), ac.ones(3)], ["params.0", "params.1"]),
    ({"a b": ac.ones(3), "x~": ac.ones(3), "x_": 2.0}, ["params.a_b", "params.x_", "params.x__2"]),
    ({"<b>": np.ones(3)}, ["params.<b>"]),
])  # fmt: skip
def test_of_leaves_of_trees(params: Any, names: list[str]) -> None:
    def f(params: Any, x: ac.Tensor) -> ac.Tensor:
        return sum((ac.sum(leaf * x) for leaf in ac.tree.leaves(params)), ac.tensor(0.0))

    t = ac.trace(f)(params, ac.ones(3))
    assert [t.name(x) for x in t.inputs] == [*names, "a"]
    assert set(t.reverse().adjoints) >= set(names)
    assert (
        "<b>" not in t.to_html().replace("<b>params", "").split("<main>")[1].split("</main>")[0]
        or "<b>" not in names[0]
    )


def test_what_is_no_tree_stays_one_argument() -> None:
    t = ac.trace(lambda x, n: ac.sum(x) * n)([1.0, 2.0], 3)
    assert [t.name(x) for x in t.inputs] == ["a", "b"]
    assert t.inputs[0].shape == (2,)
    assert t.inputs[1].dtype == ac.int64


def test_letters_leave_out_names_that_are_taken() -> None:
    class Short(ac.nn.Module):
        def __init__(self) -> None:
            self.b = ac.nn.Parameter([1.0, 2.0])

        def forward(self, x: ac.Tensor) -> ac.Tensor:
            return ac.exp(x) * self.b

    t = ac.trace(Short())(ac.ones(2))
    names = [name for line in t.lines for name, _ in line.results]
    assert names == ["c", "d"]
    assert "multiply(c, b: float32[2])" in str(t)
