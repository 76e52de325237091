"""What a compiled program assumes of its surroundings, and what it leaves there when it fails."""

from __future__ import annotations

import gc
import threading
import weakref
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac

Pair = namedtuple("Pair", ["a", "b"])


class Triple(tuple):  # a subclass of tuple without fields
    __slots__ = ()


def square_sum(w: ac.Tensor) -> None:
    ac.sum(w * w).backward()


# -- the gradient that an argument has ---------------------------------------------------------------------------------


def test_the_gradient_of_an_argument_is_seen() -> None:
    f = ac.compile(square_sum)
    w = ac.ones((2,)).requires_grad_()
    for k in range(1, 6):
        f(w)
        assert w.grad.tolist() == [2.0 * k, 2.0 * k]
    assert f.cache_info().misses == 2  # without a gradient, and with one
    w.grad = None
    f(w)
    assert w.grad.tolist() == [2.0, 2.0]
    assert f.cache_info().misses == 2


STATES = [None, "float32", "float64"]


@given(st.lists(st.tuples(st.sampled_from(STATES), st.booleans()), min_size=1, max_size=6), st.booleans())
def test_any_gradient_before_any_call(states: list[tuple[str | None, bool]], as_argument: bool) -> None:
    """Of another dtype, none, or what the last call left: as eager does it."""
    eager, compiled = (ac.tensor([1.0, -2.0, 3.0]).requires_grad_() for _ in range(2))
    g = ac.compile(square_sum) if as_argument else ac.compile(lambda: square_sum(compiled))
    for dtype, keep in states:
        for p in (eager, compiled):
            if not keep:
                p.grad = None if dtype is None else ac.tensor([1.0, 2.0, 4.0], dtype=getattr(ac, dtype))
        square_sum(eager)
        g(compiled) if as_argument else g()
        assert eager.grad.dtype == compiled.grad.dtype
        assert eager.grad.tolist() == compiled.grad.tolist()


def test_a_large_gradient_of_another_dtype() -> None:
    p = ac.ones((300_000,)).requires_grad_()
    f = ac.compile(lambda: ac.sum(p).backward())
    for dtype in (ac.float64, ac.float32, ac.float64):
        p.grad = ac.ones((300_000,), dtype=dtype)
        f()
        assert p.grad.dtype == dtype
        assert np.array_equal(p.grad.numpy(), np.full(300_000, 2.0))


def test_a_gradient_is_left_in_its_own_dtype() -> None:
    p = ac.ones((3,)).requires_grad_()

    def f(x: ac.Tensor) -> None:
        p.grad = x * 2.0

    g = ac.compile(f)
    for x in (ac.ones((3,), dtype=ac.float64), ac.ones((3,)), ac.ones((3,), dtype=ac.float64)):
        for _ in range(2):
            g(x)
            assert p.grad.dtype == x.dtype
            assert p.grad.tolist() == [2.0, 2.0, 2.0]


def test_the_gradient_of_plain_data_goes_nowhere() -> None:
    def f(x: Any) -> ac.Tensor:
        before = x.grad
        x.grad = x * 2.0
        assert before is None
        return x.grad + 1.0

    g = ac.compile(f)
    for _ in range(3):
        assert g(np.ones(3, np.float32)).tolist() == [3.0, 3.0, 3.0]
        assert g(2.0) == pytest.approx(5.0)


def test_a_parameter_passed_twice_has_one_gradient() -> None:
    w = ac.ones((2,)).requires_grad_()
    f = ac.compile(lambda a, b: ac.sum(a * b).backward())
    f(w, w)
    assert w.grad.tolist() == [2.0, 2.0]
    many = [w] * 40 + [ac.ones((2,)).requires_grad_() for _ in range(40)]
    g = ac.compile(lambda ws: ac.sum(sum(ws, ac.zeros((2,)))).backward())
    g(many)
    assert w.grad.tolist() == [42.0, 42.0]
    assert many[-1].grad.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_argument_that_is_captured_too(order: tuple[int, int]) -> None:
    w, other = (ac.ones((2,)).requires_grad_() for _ in range(2))
    f = ac.compile(lambda v: ac.sum(v * w * w).backward())
    want = {0: 0.0, 1: 0.0}
    for which in (*order, *order):
        f((w, other)[which])
        want[0] += 3.0 if which == 0 else 2.0
        want[1] += 0.0 if which == 0 else 1.0
        assert w.grad.tolist() == [want[0]] * 2
        assert (other.grad.tolist() if other.grad is not None else [0.0] * 2) == [want[1]] * 2


# -- what is left when a program fails ---------------------------------------------------------------------------------


def test_a_program_that_raises_does_not_hide_what_it_changed() -> None:
    p = ac.ones((3,)).requires_grad_()
    table = ac.ones((4, 2))
    loss = ac.sum(p * p)

    @ac.compile
    def f(labels: ac.Tensor) -> ac.Tensor:
        p.assign_(p * 2.0)
        return ac.take(table, labels, axis=0) * ac.sum(p)

    f(ac.tensor([0]))
    p.assign_(1.0)
    loss = ac.sum(p * p)
    with pytest.raises(IndexError):
        f(ac.tensor([9]))
    assert p.tolist() == [2.0, 2.0, 2.0]  # as eager leaves it
    with pytest.raises(ac.GradientError, match="was changed in place"):
        loss.backward()


def test_a_gradient_that_was_half_overwritten_is_dropped() -> None:
    p = ac.ones((3,)).requires_grad_()
    table = ac.ones((4, 3))

    @ac.compile
    def f(x: ac.Tensor, labels: ac.Tensor) -> ac.Tensor:
        p.grad = ac.cumsum(x)
        return ac.take(table, labels, axis=0) * ac.cumsum(p.grad)

    for _ in range(2):
        f(ac.ones((3,)), ac.tensor([0]))
    with pytest.raises(IndexError):
        f(ac.full((3,), 5.0), ac.tensor([9]))
    assert p.grad is None or p.grad.tolist() in ([1.0, 2.0, 3.0], [5.0, 10.0, 15.0])


# -- arguments are read once and owned ---------------------------------------------------------------------------------


def test_a_list_that_changes_while_it_is_read() -> None:
    items: list[Any] = []

    class Odd:
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
            items.clear()
            return np.ones(2)

    f = ac.compile(lambda xs: ac.ones((2,)))
    for _ in range(20):
        items[:] = [ac.ones((3,)), Odd(), *(ac.ones((3,)) for _ in range(50))]
        with pytest.raises(ValueError, match="changed while it was read"):
            f(items)


@pytest.mark.parametrize("size", [3, 50])
def test_another_thread_replaces_the_items(size: int) -> None:
    f = ac.compile(lambda xs: sum(xs, ac.zeros((20_000,))))
    xs = [ac.full((20_000,), 1.0) for _ in range(size)]
    stop = threading.Event()

    def replace() -> None:
        while not stop.is_set():
            for i in range(len(xs)):
                xs[i] = ac.full((20_000,), 1.0)

    other = threading.Thread(target=replace)
    other.start()
    try:
        for _ in range(40):
            assert float(ac.max(f(xs))) == size
    finally:
        stop.set()
        other.join()


def test_the_cache_is_cleared_while_the_function_is_traced() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        g.cache_clear()
        return x + 1.0

    g = ac.compile(f)
    for n in range(1, 5):
        assert g(ac.ones((n,))).tolist() == [2.0] * n


keys = st.sampled_from(["a", "b", "c", 0, 1, (0, "x")])
leaf = st.one_of(
    st.sampled_from([1, 2.5, True, None, "name"]),
    st.integers(1, 3).map(lambda n: ac.ones((n,))),
    st.integers(1, 3).map(lambda n: np.ones(n, np.float32)),
)


def nested(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    items = st.lists(children, max_size=3)
    dicts = st.dictionaries(keys, children, max_size=3)
    return st.one_of(
        items,
        items.map(tuple),
        items.map(Triple),
        st.tuples(children, children).map(lambda t: Pair(*t)),
        dicts,
        dicts.map(OrderedDict),
        dicts.map(lambda d: defaultdict(list, d)),
    )


def shape_of(tree: Any) -> Any:
    if isinstance(tree, (ac.Tensor, np.ndarray)):
        return ("data", tree.shape)
    if isinstance(tree, dict):
        return (type(tree), [(k, shape_of(v)) for k, v in tree.items()])
    if isinstance(tree, (list, tuple)):
        return (type(tree), [shape_of(v) for v in tree])
    return ("data", ()) if isinstance(tree, (bool, int, float)) else ("static", tree)


@given(st.lists(st.recursive(leaf, nested, max_leaves=8), max_size=3), st.dictionaries(st.sampled_from("xyz"), leaf))
def test_the_function_sees_the_structure_of_its_arguments(args: list[Any], kwargs: dict[str, Any]) -> None:
    seen = []

    def f(*args: Any, **kwargs: Any) -> ac.Tensor:
        seen.append(shape_of((args, kwargs)))
        return ac.ones(())

    g = ac.compile(f)
    g(*args, **kwargs)
    g(*args, **kwargs)
    assert seen == [shape_of((tuple(args), kwargs))]


# -- what a signature keeps alive --------------------------------------------------------------------------------------


class Model:
    def __init__(self) -> None:
        self.w = ac.ones((2,))

    @ac.compile
    def __call__(self, x: ac.Tensor) -> ac.Tensor:
        return x * self.w


def test_a_compiled_method_keeps_no_instance_alive() -> None:
    Model.__call__.cache_clear()
    gone = []
    for _ in range(50):
        model = Model()
        assert model(ac.ones((2,))).tolist() == [1.0, 1.0]
        assert model(ac.ones((2,))).tolist() == [1.0, 1.0]
        gone.append((weakref.ref(model), weakref.ref(model.w)))
        del model
    assert all(m() is None and w() is None for m, w in gone)
    assert Model.__call__.cache_info().currsize == 0
    assert Model.__call__.cache_info().hits == 50


def test_functions_as_arguments_are_dropped_with_their_programs() -> None:
    f = ac.compile(lambda x, g: g(x))
    for k in range(5):
        assert f(ac.ones((1,)), lambda x, k=k: x + k).tolist() == [1.0 + k]
    assert f.cache_info().currsize == 0


def test_a_compiled_function_in_a_cycle_is_collected() -> None:
    class Holder:
        x: ac.Tensor
        f: Any

    def make() -> weakref.ref[Holder]:
        holder = Holder()
        holder.x = ac.ones((2,))
        holder.f = ac.compile(lambda y: holder.x * y)
        holder.f(ac.ones((2,)))
        return weakref.ref(holder)

    gone = make()
    gc.collect()
    assert gone() is None


def test_a_function_forgotten_before_the_objects_of_its_signature() -> None:
    model = Model()
    f = ac.compile(lambda m, x: x + m.w)
    f(model, ac.ones((2,)))
    del f
    gc.collect()
    del model  # its weak reference calls nobody any more
