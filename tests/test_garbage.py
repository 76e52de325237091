"""Cycles through native objects are collected, and nothing that is alive is cleared."""

from __future__ import annotations

import contextlib
import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import _core


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Collections happen where a test says so."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def parameter(n: int = 2) -> ac.Tensor:
    return ac.tensor(np.arange(1.0, n + 1)).requires_grad_()


class Node:
    """A user's object: anything may be stored on it, and weak references see it go."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


# -- patterns: each makes a cycle and returns an object of it ----------------------------------------------------------


def gradient_with_a_graph() -> Any:
    p = parameter()
    p.grad = ac.tensor(np.ones(2))
    p.grad = p.grad + 0.1 * p
    return p


def gradient_of_itself() -> Any:
    p = parameter()
    p.grad = p
    return p


def gradients_of_each_other() -> Any:
    p, q = parameter(), parameter()
    p.grad, q.grad = q * q, p * p
    return p


def gradient_through_several_results() -> Any:
    p = parameter()
    p.grad = ac.concat(ac.split(p * p, 2))
    return p


def gradient_through_a_tangent() -> Any:
    p = parameter()

    def f(x: ac.Tensor) -> ac.Tensor:
        p.grad = x * p
        return ac.sin(x)

    ac.jvp(f, (ac.ones((2,), dtype=ac.float64),), (ac.ones((2,), dtype=ac.float64),))
    return p


def gradient_made_in_a_second_order_gradient() -> Any:
    p = parameter()
    y = ac.sum(p * p * p)
    (g,) = _core.reverse([y], [ac.ones((), dtype=ac.float64)], [p], False)
    p.grad = g
    return p


def equation_whose_attribute_knows_its_result() -> Any:
    class Axis(int):
        node: Node

    axis = Axis(0)
    axis.node = Node(result=ac.primitives()["sum"](parameter(), (axis,), False))
    return axis.node


def checkpointed_method_that_keeps_a_value() -> Any:
    class Model:
        def f(self, x: ac.Tensor) -> ac.Tensor:
            self.inner = x * x
            return ac.sin(self.inner)

    model = Model()
    ac.checkpoint(model.f)(parameter())
    return model


def checkpointed_method_that_keeps_the_result() -> Any:
    model = Node()
    model.result = ac.checkpoint(lambda x: ac.sin(x) * len(vars(model)))(parameter())
    return model


def checkpointed_method_that_changes_a_tensor() -> Any:
    model = Node(state=ac.zeros((2,), dtype=ac.float64))

    def f(x: ac.Tensor) -> ac.Tensor:
        model.state.assign_(model.state + 1.0)
        return x * model.state

    model.result = ac.checkpoint(f)(parameter())
    return model


def checkpointed_layers_that_keep_results() -> Any:
    model = Node(seen=[])

    def layer(x: ac.Tensor) -> ac.Tensor:
        model.seen.append(ac.sin(x))
        return model.seen[-1] * x

    ac.checkpoint_sequential([layer] * 4, segments=2)(parameter())
    return model


def checkpointed_call_that_knows_a_plain_value_of_a_leaf_with_a_graph() -> Any:
    """The equation of ``model.cache`` is older than all links of the cycle that it lies on."""
    p = parameter()
    model = Node(cache=p * 2.0)
    y = ac.sum(ac.checkpoint(lambda x: ac.sin(x) * len(vars(model)))(p) * p)
    (p.grad,) = _core.reverse([y], [ac.ones((), dtype=ac.float64)], [p], False)
    model.out = y
    return model


def custom_rule_that_keeps_the_result() -> Any:
    model = Node()

    def forward(x: ac.Tensor) -> Any:
        return ac.sin(x), (x, len(vars(model)))

    f = ac.custom_vjp(lambda x: ac.sin(x))
    f.defvjp(forward, lambda residuals, g: (g * residuals[0] * len(vars(model)),))
    model.f = f
    model.result = f(parameter())
    return model


def custom_forward_rule_that_keeps_the_result() -> Any:
    model = Node()
    f = ac.custom_jvp(lambda x: ac.sin(x))
    f.defjvp(lambda primals, tangents: (ac.sin(primals[0]), tangents[0] * len(vars(model))))
    model.f = f
    model.result = f(parameter())
    return model


def primitive_whose_rule_knows_it() -> Any:
    p = _core.PrimitiveBase("sin")
    node = Node(primitive=p)
    p.vjp_rules = (lambda g, ans, x: node,)
    p.jvp_joint = lambda *args: node
    return node


def segment_whose_function_knows_it() -> Any:
    node = Node()
    node.segment = _core.Segment(lambda *args: node, (node,), {"node": node})
    return node


def compiled_bound_method() -> Any:
    model = Node(w=parameter())

    def step(x: ac.Tensor) -> ac.Tensor:
        return x * model.w

    model.step = ac.compile(step)
    model.step(ac.ones((2,), dtype=ac.float64))
    return model


def compiled_function_called_with_an_object_that_has_it() -> Any:
    node = Node()
    node.f = ac.compile(lambda node, x: x * 2.0)
    node.f(node, ac.ones((2,)))
    return node


def recorded_equations_on_an_object_that_a_rule_knows() -> Any:
    node = Node(equations=[])
    before = _core.set_recorder(node.equations)
    p = parameter()
    p.grad = p * p
    ac.checkpoint(lambda x: ac.sin(x) * len(vars(node)))(p)
    _core.set_recorder(before)
    return node


PATTERNS: list[Callable[[], Any]] = [
    gradient_with_a_graph,
    gradient_of_itself,
    gradients_of_each_other,
    gradient_through_several_results,
    gradient_through_a_tangent,
    gradient_made_in_a_second_order_gradient,
    equation_whose_attribute_knows_its_result,
    checkpointed_method_that_keeps_a_value,
    checkpointed_method_that_keeps_the_result,
    checkpointed_method_that_changes_a_tensor,
    checkpointed_layers_that_keep_results,
    checkpointed_call_that_knows_a_plain_value_of_a_leaf_with_a_graph,
    custom_rule_that_keeps_the_result,
    custom_forward_rule_that_keeps_the_result,
    primitive_whose_rule_knows_it,
    segment_whose_function_knows_it,
    compiled_bound_method,
    compiled_function_called_with_an_object_that_has_it,
    recorded_equations_on_an_object_that_a_rule_knows,
]


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda f: f.__name__)
def test_a_cycle_is_collected(pattern: Callable[[], Any]) -> None:
    pattern()  # what is made once, and kept
    gc.collect()
    before = _core.memory_stats()["live_bytes"]
    gone = [weakref.ref(pattern()) for _ in range(3)]
    gc.collect()
    assert [r() for r in gone] == [None] * 3
    assert _core.memory_stats()["live_bytes"] <= before


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda f: f.__name__)
def test_repeated_cycles_keep_memory_flat(pattern: Callable[[], Any]) -> None:
    gc.enable()

    def after(n: int) -> tuple[int, int]:
        for _ in range(n):
            pattern()
        gc.collect()
        return _core.memory_stats()["live_bytes"], sys.getallocatedblocks()

    bytes_before, blocks_before = after(700)  # caches are full by then
    bytes_after, blocks_after = after(300)
    assert bytes_after <= bytes_before
    assert blocks_after - blocks_before < 270  # three hundred leaks would show


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda f: f.__name__)
def test_what_is_cleared_can_still_be_asked(pattern: Callable[[], Any]) -> None:
    """Finalizers of other garbage see objects whose references are gone; whatever they ask is answered."""
    seen = []

    class Last:
        def __init__(self, known: list[Any]) -> None:
            self.known, self.me = known, self

        def __del__(self) -> None:
            for o in self.known:
                for name in dir(o):
                    with contextlib.suppress(ac.AliceError, AttributeError, TypeError, ValueError, BufferError):
                        seen.append(repr(getattr(o, name))[:10])

    first = pattern()
    known = [o for o in gc.get_objects() if str(type(o).__module__).startswith("alice_core")]
    Last([first, *(o for o in known if isinstance(o, ac.Tensor | _core.Equation | _core.Segment))][:20])
    del first, known
    gc.collect()
    assert seen


def test_a_finalizer_may_bring_a_cycle_back() -> None:
    saved = []

    class Model(Node):
        def __del__(self) -> None:
            saved.append(self)

    def make() -> None:
        model = Model(p=parameter())
        model.result = ac.checkpoint(lambda x: ac.sin(x) * float(vars(model) is not None))(model.p)

    make()
    assert not saved
    gc.collect()
    assert len(saved) == 1
    ac.sum(saved[0].result).backward()
    np.testing.assert_array_equal(saved[0].p.grad.numpy(), np.cos([1.0, 2.0]))


def test_weak_references_to_tensors_of_a_cycle_call_back() -> None:
    calls = []
    p = gradient_with_a_graph()
    kept = weakref.ref(p, lambda r: calls.append(r()))
    del p
    assert kept() is not None
    gc.collect()
    assert calls == [None]


def training() -> list[Any]:
    model = ac.nn.MLP([3, 5, 2], seed=0)
    opt = ac.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    rng = np.random.default_rng(0)
    x, y = ac.tensor(rng.standard_normal((4, 3)), ac.float32), ac.tensor(rng.integers(0, 2, 4))
    f = ac.checkpoint(model)
    losses = []
    for _ in range(3):
        loss = ac.losses.cross_entropy(f(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    w = ac.tensor(rng.standard_normal(3))
    losses.append(ac.hessian(lambda w: ac.sum(ac.tanh(w) ** 3))(w).numpy().tolist())
    losses.append(ac.vmap(ac.grad(lambda w: ac.sum(ac.exp(w))))(ac.stack([w, w])).numpy().tolist())
    losses.append(ac.compile(ac.grad(lambda w: ac.sum(ac.exp(w))))(w).numpy().tolist())
    return losses


def test_what_is_alive_is_never_cleared() -> None:
    want = training()
    thresholds = gc.get_threshold()
    gc.enable()
    gc.set_threshold(1, 1, 1)
    try:
        assert training() == want
    finally:
        gc.set_threshold(*thresholds)


def test_steps_leave_the_collector_nothing() -> None:
    training()
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        training()
        gc.collect()
        left = [o for o in gc.garbage if isinstance(o, (ac.Tensor, _core.Equation, _core.Segment))]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert not left


def test_graphs_without_cycles_are_freed_at_once() -> None:
    """With the collector off, as a graph is no cycle."""
    training()
    gc.collect()
    before = _core.memory_stats()["live_bytes"]
    p = parameter()
    for _ in range(200):
        y = ac.checkpoint(lambda x: ac.sin(x) * x)(p)
        ac.sum(y * p).backward()
    del y, p
    assert _core.memory_stats()["live_bytes"] <= before


DEEP = """
import gc, alice_core as ac
gc.set_threshold(700, 10, 10)
for garbage in False, True:
    p = x = ac.zeros((), dtype=ac.float64).requires_grad_()
    for _ in range(300_000):
        x = x + 1.0
    gc.collect()
    if garbage:
        p.grad = x
    del p, x
    gc.collect()
    left = sum(type(o).__name__ == "Equation" for o in gc.get_objects())
    assert left == 0, left

first = last = ac.zeros(()).requires_grad_()  # the gradient of the gradient of ...
for _ in range(300_000):
    last.grad = ac.zeros(()).requires_grad_()
    last = last.grad
del first, last
"""


def test_long_chains_are_traversed_and_freed_without_recursion() -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))\n" + DEEP
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
