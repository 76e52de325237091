"""Structures of Tensors taken apart, where they are unusual."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac
from alice_core import tree


def of_lists() -> Any:
    s: list[Any] = []
    s.append(s)
    return s


def of_dicts() -> Any:
    s: dict[str, Any] = {"a": ac.ones((2,))}
    s["s"] = [s]
    return s


@pytest.mark.parametrize("structure", [of_lists, of_dicts])
@pytest.mark.parametrize("transform", [ac.grad, ac.vmap, ac.checkpoint, lambda f: lambda s: tree.map(f, s)])
def test_a_structure_that_contains_itself_is_refused(
    transform: Callable[..., Any], structure: Callable[[], Any]
) -> None:
    with pytest.raises((ValueError, RecursionError), match=r"nested 200 deep|recursion"):
        transform(lambda x: x)(structure())


def test_leaves_of_empty_and_deep_structures() -> None:
    assert list(tree.leaves([[], (), {}, [[]]])) == []
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert list(tree.leaves([deep[0], 2])) == [1, 2]
    with pytest.raises(ValueError, match="tree: structures may be nested 200 deep"):
        list(tree.leaves([deep]))


LEFT_OUT = {"w": ac.tensor([1.0, 2.0]), "b": None, "more": [(None, ac.tensor(3.0))]}


def power(d: Any) -> ac.Tensor:
    return ac.sum(d["w"] ** 3) * d["more"][0][1]


@pytest.mark.parametrize(
    "transform",
    [
        ac.grad,
        lambda f: lambda d: ac.value_and_grad(f)(d)[1],
        lambda f: lambda d: ac.vjp(f, d)[1](1.0)[0],
        lambda f: ac.jacrev(f),
        lambda f: ac.jacfwd(f),
        lambda f: ac.compile(ac.grad(f)),
        lambda f: lambda d: ac.vjp(lambda d: d, d)[1](ac.grad(f)(d))[0],
        lambda f: lambda d: ac.jvp(lambda d: d, [d], [ac.grad(f)(d)])[1],
        lambda f: lambda d: ac.linearize(lambda d: d, d)[1](ac.grad(f)(d)),
    ],
)
def test_what_is_left_out_stays_out_of_derivatives(transform: Callable[..., Any]) -> None:
    g = transform(power)(LEFT_OUT)
    assert g["w"].tolist() == [9, 36]
    assert g["b"] is None
    assert isinstance(g["more"][0], tuple)
    assert g["more"][0][0] is None
    assert g["more"][0][1].item() == 9


def test_what_is_left_out_stays_out_of_second_derivatives() -> None:
    h = ac.hessian(power)(LEFT_OUT)
    assert h["w"]["w"].tolist() == [[18, 0], [0, 36]]
    assert h["w"]["b"] is h["b"] is None
    for product in (ac.hvp, ac.vhp):
        (found,) = product(power, [LEFT_OUT], [LEFT_OUT])
        assert found["w"].tolist() == [27, 108]
        assert found["b"] is None


@pytest.mark.parametrize("derive", [ac.grad, ac.jacrev, lambda f: lambda x: ac.jvp(f, [x], [x])])
def test_nothing_at_all_is_refused(derive: Callable[..., Any]) -> None:
    with pytest.raises(ac.DTypeError, match="must hold Tensors or numbers; got None;"):
        derive(lambda x: ac.tensor(1.0))(None)
    with pytest.raises(ac.GradientError, match="the function must return Tensors; got NoneType"):
        derive(lambda x: None)(ac.tensor(1.0))


# -- all kinds of nodes ------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    first: Any
    second: Any


class Row(tuple[Any, ...]):
    """A tuple subclass, which is made of an iterable."""


@dataclass(frozen=True)
class State:
    x: Any
    v: Any
    name: str = field(default="state", metadata={"static": True})


class Interval:
    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = low, high

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interval) and (self.low, self.high) == (other.low, other.high)

    __hash__ = None  # type: ignore[assignment]


tree.register(Interval, lambda i: ([i.low, i.high], "closed"), lambda rest, ends: Interval(*ends))

KEYS = st.text("abcd", min_size=1, max_size=2)


def containers(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    pairs = st.tuples(inside, inside)
    return st.one_of(
        st.lists(inside, max_size=3),
        st.lists(inside, max_size=3).map(tuple),
        st.lists(inside, max_size=3).map(Row),
        st.dictionaries(KEYS, inside, max_size=3),
        st.dictionaries(KEYS, inside, max_size=3).map(OrderedDict),
        st.dictionaries(KEYS, inside, max_size=3).map(lambda d: defaultdict(list, d)),
        pairs.map(lambda p: Pair(*p)),
        pairs.map(lambda p: State(*p)),
        pairs.map(lambda p: Interval(*p)),
    )


TREES = st.recursive(st.one_of(st.none(), st.integers(-99, 99), st.floats(-9, 9)), containers, max_leaves=12)


def types(t: Any) -> Any:
    """The types of all nodes, which equality does not compare."""
    parts = tree.leaves([t]) if isinstance(t, (int, float)) or t is None else None
    if parts is not None:
        return type(t)
    named = {k: v for k, v in vars(t).items() if k != "name"} if isinstance(t, (State, Interval)) else t
    return type(t), [types(x) for x in (named.values() if isinstance(named, dict) else t)]


@given(TREES)
def test_a_tree_is_put_together_as_it_was(t: Any) -> None:
    leaves, structure = tree.flatten(t)
    made = tree.unflatten(structure, leaves)
    assert made == t
    assert types(made) == types(t)
    assert structure == tree.structure(made)
    assert hash(structure) == hash(tree.structure(made))
    assert len(leaves) == structure.num_leaves == str(structure).count("*")
    assert None not in leaves
    assert tree.structure(tree.map(lambda leaf: ac.tensor(leaf), t)) == structure


def turned(t: Any) -> Any:
    """The same tree with the keys of all dicts the other way round, and lists in place of tuples."""
    if isinstance(t, dict):
        return {k: turned(t[k]) for k in reversed(t)}
    if isinstance(t, (list, tuple)):
        return [turned(x) for x in t]
    if isinstance(t, (State, Interval)):
        return type(t)(*(turned(x) for k, x in vars(t).items() if k != "name"))
    return t


@given(TREES)
def test_keys_may_have_another_order(t: Any) -> None:
    assert tree.map(lambda a, b: (a, b), t, turned(t)) == tree.map(lambda a: (a, a), t)


@given(TREES, TREES)
def test_trees_of_other_structures_are_refused(a: Any, b: Any) -> None:
    sa, sb = str(tree.structure(a)), str(tree.structure(b))
    if str(tree.structure(turned(a))) == str(tree.structure(turned(b))):
        tree.map(lambda x, y: x, a, b)
    elif "*" not in sa or "None" not in sb:  # None may stand for a leaf
        with pytest.raises(ac.ShapeError) as info:
            tree.map(lambda x, y: x, a, b)
        assert str(info.value).endswith(f"expected {sa}, got {sb}")


@given(TREES)
def test_all_transforms_know_all_nodes(t: Any) -> None:
    t = tree.map(lambda leaf: ac.tensor(float(leaf), dtype=ac.float64), t)
    structure = tree.structure(t)
    if not structure.num_leaves:
        return

    def f(t: Any) -> ac.Tensor:
        xs = tree.leaves(t)
        return sum((i + 1.0) * x * x for i, x in enumerate(xs)) + 0.0 * xs[0]

    want = tree.unflatten(structure, [2.0 * (i + 1) * x for i, x in enumerate(tree.leaves(t))])

    def same(got: Any) -> None:
        assert tree.structure(got) == structure
        for a, b in zip(tree.leaves(got), tree.leaves(want), strict=True):
            assert a.numpy() == b.numpy()

    same(ac.grad(f)(t))
    same(ac.vjp(f, t)[1](1.0)[0])
    same(ac.compile(ac.grad(f))(t))
    same(ac.grad(ac.checkpoint(f))(t))
    same(ac.grad(ac.compile(f))(t))
    same(ac.jacrev(f)(t))
    same(ac.jacfwd(f)(t))
    doubled = ac.vmap(lambda t: tree.map(lambda x: 2.0 * x, t))(tree.map(lambda x: ac.reshape(x, (1,)), t))
    assert tree.structure(doubled) == structure
    _, dy = ac.jvp(f, [t], [turned(tree.map(ac.ones_like, t))])
    assert dy.numpy() == pytest.approx(sum(float(g) for g in tree.leaves(want)), rel=1e-12)


@ac.custom_vjp
def twice(t: Any) -> Any:
    return tree.map(lambda x: 2.0 * x, t)


twice.defvjp(lambda t: (tree.map(lambda x: 2.0 * x, t), None), lambda _, g: (turned(tree.map(lambda x: 3.0 * x, g)),))


@pytest.mark.parametrize(
    "t", [{"b": 1.0, "a": (2.0, [3.0])}, State(1.0, {"z": 2.0, "y": 3.0}), Interval(1.0, Pair(2.0, 3.0))]
)
def test_rules_may_return_the_keys_in_another_order(t: Any) -> None:
    t = tree.map(ac.tensor, t)
    weights = tree.unflatten(tree.structure(t), [1.0, 10.0, 100.0])
    g = ac.grad(lambda t: sum(tree.leaves(tree.map(lambda x, w: w * x, twice(t), weights))))(t)
    assert [x.item() for x in tree.leaves(g)] == [3.0, 30.0, 300.0]
    assert tree.structure(g) == tree.structure(t)


# -- what used to be taken by position ---------------------------------------------------------------------------------

AB = {"a": ac.tensor([1.0, 2.0]), "b": ac.tensor([3.0, 4.0])}


def test_directions_and_cotangents_go_by_their_keys() -> None:
    def f(d: Any) -> Any:
        return {"p": d["a"] * 2.0, "q": d["b"] * 5.0}

    other_order = {"b": ac.tensor([0.0, 1.0]), "a": ac.tensor([1.0, 0.0])}
    _, dy = ac.jvp(f, [AB], [other_order])
    assert (dy["p"].tolist(), dy["q"].tolist()) == ([2.0, 0.0], [0.0, 5.0])
    _, dy = ac.jvp(lambda d: ac.linearize(f, d)[1](other_order), [AB], [AB])  # constant in d
    assert dy["p"].tolist() == [0.0, 0.0]
    _, pullback = ac.vjp(f, AB)
    (g,) = pullback({"q": ac.tensor([0.0, 1.0]), "p": ac.tensor([1.0, 0.0])})
    assert list(g) == ["a", "b"]
    assert (g["a"].tolist(), g["b"].tolist()) == ([2.0, 0.0], [0.0, 5.0])


@pytest.mark.parametrize(
    "wrong", [{"a": 1.0, "c": 1.0}, [1.0, 1.0], {"a": {"b": 1.0}, "b": 1.0}, (1.0, 1.0), {"a": 1.0}]
)
def test_as_many_leaves_are_no_structure(wrong: Any) -> None:
    wrong = tree.map(lambda _: ac.ones((2,)), wrong)
    with pytest.raises(ac.ShapeError, match=r"structure of the point; expected .*\{'a': \*, 'b': \*\}.*, got "):
        ac.jvp(lambda d: d, [AB], [wrong])
    with pytest.raises(ac.ShapeError, match=r"structure of the result; expected \{'a': \*, 'b': \*\}, got "):
        ac.vjp(lambda d: d, AB)[1](wrong)


def pops(d: dict[str, Any]) -> ac.Tensor:
    return ac.sum(d.pop("a") * d["b"])


def adds(d: dict[str, Any]) -> ac.Tensor:
    d["c"] = d["a"] * d["b"]
    return ac.sum(d["c"])


def reorders(d: dict[str, Any]) -> ac.Tensor:
    d["a"] = d.pop("a")
    return ac.sum(d["a"] * d["b"])


@pytest.mark.parametrize("f", [pops, adds, reorders])
@pytest.mark.parametrize(
    "derive",
    [
        ac.grad,
        ac.jacrev,
        ac.jacfwd,
        lambda f: lambda d: ac.vjp(f, d)[1](1.0)[0],
        lambda f: ac.compile(ac.grad(f)),
        lambda f: ac.grad(ac.checkpoint(f)),
        lambda f: ac.grad(ac.compile(f)),
    ],
)
def test_functions_that_change_their_argument(f: Any, derive: Any) -> None:
    for _ in range(2):
        d = dict(AB)
        g = derive(f)(d)
        assert list(g) == list(d) == ["a", "b"]
        assert (g["a"].tolist(), g["b"].tolist()) == (AB["b"].tolist(), AB["a"].tolist())


def test_argnums() -> None:
    def f(x: Any, y: Any) -> Any:
        return x * x * y

    assert ac.grad(f, np.int64(1))(2.0, 3.0).item() == 4.0
    assert ac.grad(f, (np.int64(1),))(2.0, 3.0)[0].item() == 4.0
    assert [g.item() for g in ac.grad(f, (1, 0))(2.0, 3.0)] == [4.0, 12.0]
    for twice_the_same in [(0, 0), (0, -2), [1, 1]]:
        with pytest.raises(ValueError, match="argnums must name every argument once"):
            ac.grad(f, twice_the_same)(2.0, 3.0)
    for wrong in ["0", "01", 1.0, (0.5,), None]:
        with pytest.raises((TypeError, ValueError), match="argnums"):
            ac.grad(f, wrong)(2.0, 3.0)  # type: ignore[arg-type]


# -- modules as trees --------------------------------------------------------------------------------------------------


class Tied(ac.nn.Module):
    def __init__(self) -> None:
        self.w = ac.nn.Parameter([2.0])
        self.again = [self.w, "tied", len]
        self.k = 3
        self.inner = ac.nn.Linear(1, 1, seed=0)

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        self.last = self.inner(x * self.w) * self.again[0] * self.k
        return self.last


def test_a_module_is_a_tree_of_its_tensors() -> None:
    model = Tied()
    model(ac.ones((1, 1)))
    leaves, structure = tree.flatten(model)
    assert [id(x) for x in leaves] == [id(p) for p in model.parameters()]
    assert str(structure).endswith("Tied(*, *, *)")
    other = tree.unflatten(structure, leaves)
    assert isinstance(other, Tied)
    assert other.again[0] is other.w is model.w
    assert (other.k, other.again[1:], other.training) == (3, ["tied", len], True)
    assert tree.structure(other) == structure == tree.structure(Tied())
    other.k = 4
    assert tree.structure(other) != structure
    assert tree.structure(model.eval()) != structure


def test_gradients_of_modules() -> None:
    model, x = Tied(), ac.ones((4, 1))

    def loss(m: Any, x: Any) -> ac.Tensor:
        return ac.mean(ac.square(m(x)))

    g = ac.grad(loss)(model, x)
    assert isinstance(g, Tied)
    assert model.w.grad is None
    loss(model, x).backward()
    for got, p in zip(tree.leaves(g), model.parameters(), strict=True):
        np.testing.assert_array_equal(got.numpy(), p.grad.numpy())
    before = loss(model, x).item()
    assert loss(tree.map(lambda p, d: p - 0.001 * d, model, g), x).item() < before
    per_example = ac.vmap(ac.grad(loss), in_axes=(None, 0))(model, ac.ones((4, 1, 1)))
    assert per_example.w.shape == (4, 1)
    compiled = ac.compile(lambda m, x: ac.grad(loss)(m, x).w)
    np.testing.assert_array_equal(compiled(model, x).numpy(), g.w.numpy())


# -- arguments of compiled functions -----------------------------------------------------------------------------------


class ArrayLike:
    """An array of another package."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values, np.float64)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.values


class Exporting(ArrayLike):
    def __dlpack__(self, **kwargs: Any) -> Any:
        return self.values.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self.values.__dlpack_device__()


@pytest.mark.parametrize("kind", [ArrayLike, Exporting])
def test_arrays_of_others_are_inputs(kind: Any) -> None:
    f = ac.compile(lambda x, k: x * k)
    a = kind([1.0, 2.0])
    assert f(a, 2.0).tolist() == [2.0, 4.0]
    a.values[:] = 5.0
    assert f(a, 2.0).tolist() == [10.0, 10.0]
    assert f(kind([7.0, 8.0]), 2.0).tolist() == [14.0, 16.0]
    assert f.cache_info().misses == 1


def test_a_replaced_tensor_of_a_dataclass_is_seen() -> None:
    @dataclass
    class Model:
        w: Any
        power: int = field(default=1, metadata={"static": True})
        mode: str = "plus"

    f = ac.compile(lambda m, x: m.w**m.power + x if m.mode == "plus" else m.w**m.power - x)
    model = Model(ac.tensor(2.0))
    assert f(model, 1.0).item() == 3.0
    model.w = ac.tensor(5.0)
    assert f(model, 1.0).item() == 6.0
    assert f.cache_info().misses == 1
    model.power = 2
    assert f(model, 1.0).item() == 26.0
    model.mode = "minus"
    assert f(model, 1.0).item() == 24.0
    made = ac.compile(lambda x: Model(x * 2.0))(ac.tensor(3.0))
    assert isinstance(made, Model)
    assert made.w.item() == 6.0


def test_a_structure_that_compares_with_itself_for_ever() -> None:
    class Endless:
        pass

    def rest() -> Any:
        r: list[Any] = []
        r.append(r)
        return r

    tree.register(Endless, lambda e: ([], rest()), lambda rest, children: Endless())
    for _ in range(3):
        with pytest.raises(RecursionError):
            _ = tree.structure(Endless()) == tree.structure(Endless())
    assert len([*map(abs, range(100))]) == 100


def test_ordered_dicts_keep_their_order() -> None:
    d = OrderedDict(a=1, b=2)
    d.move_to_end("a")
    assert tree.leaves(d) == [2, 1]
    assert list(tree.map(lambda x: x, d).items()) == [("b", 2), ("a", 1)]


def test_attributes_beside_the_fields_of_a_dataclass() -> None:
    @dataclass
    class Sized:
        x: Any

        def __post_init__(self) -> None:
            self.n = 3

    s = ac.grad(lambda s: ac.sum(s.x * s.n))(Sized(ac.ones(2)))
    assert s.x.tolist() == [3.0, 3.0]
    assert s.n == 3
    sized = Sized(ac.ones(2))
    sized.norm = ac.ones(())  # type: ignore[attr-defined]
    with pytest.raises(ac.DTypeError, match=r"attribute norm of the dataclass Sized holds an array and is no field"):
        tree.leaves(sized)


@pytest.mark.parametrize("cls", [int, float, bool, str, list, tuple, dict, type(None), ac.Tensor])
def test_what_is_known_cannot_be_registered(cls: type) -> None:
    with pytest.raises(ValueError, match=r"tree\.register: .* is a node or a leaf already"):
        tree.register(cls, lambda x: ([], None), lambda rest, children: None)


def test_classes_are_registered_once() -> None:
    with pytest.raises(ValueError, match="Interval is registered already"):
        tree.register(Interval, lambda i: ([], None), lambda rest, children: None)
    with pytest.raises(TypeError, match=r"tree\.register: expected a class"):
        tree.register(3, lambda i: ([], None), lambda rest, children: None)  # type: ignore[arg-type]

    class Odd:
        pass

    tree.register(Odd, lambda o: [], lambda rest, children: Odd())
    with pytest.raises(ValueError, match=r"must return a tuple \(children, rest\); got list"):
        tree.leaves(Odd())
