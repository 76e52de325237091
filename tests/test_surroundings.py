"""A compiled function is traced again when something has changed that it read beside its arguments."""

from __future__ import annotations

import copy
import enum
import functools
import gc
import pickle
import types
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac

X = ac.tensor([[1.0, -2.0], [3.0, 0.5]])


class Inner(ac.nn.Module):
    scale = 1.0

    def __init__(self, seed: int) -> None:
        self.lin = ac.nn.Linear(2, 2, seed=seed)
        self.on = True
        self.note = "unread"

    @property
    def doubled(self) -> float:
        return 2.0 * self.scale

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        y = self.lin(x) * self.doubled if self.on else x
        self.last = y
        return y


@dataclass
class Config:
    gain: float = 2.0
    modes: Any = frozenset({"a"})


class Plain:
    """A class of a user that is no module."""

    bias = 0.0

    def __init__(self) -> None:
        self.config = Config()
        self.table = {"k": [1.0, 2.0]}
        self.iteration = 0

    def __call__(self, x: ac.Tensor) -> ac.Tensor:
        y = x * self.config.gain + self.bias + sum(self.table["k"])
        return -y if "b" in self.config.modes else y


class Model(ac.nn.Module):
    def __init__(self) -> None:
        self.blocks = [Inner(0), Inner(1)]
        self.by_name = {"head": Inner(2)}
        self.drop = ac.nn.Dropout(0.5)
        self.plain = Plain()
        self.act = ac.tanh

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        for block in self.blocks:
            x = self.act(block(x))
        x = self.plain(self.by_name["head"](x))
        return self.drop(x) * 0.0 + x if self.training else x


LEVEL = 1.0
OFFSETS = np.array([0.5, 0.25])


def helper(x: ac.Tensor, by: float = 1.0) -> ac.Tensor:
    return x * LEVEL + by + OFFSETS


def changes(model: Model) -> dict[str, Callable[[], object]]:
    """Everything that may happen to a model between two calls."""
    block = model.blocks[0]
    return {
        "eval": model.eval,
        "train": model.train,
        "flag": lambda: setattr(block, "on", not block.on),
        "parameter": lambda: setattr(block.lin, "weight", ac.nn.Parameter(block.lin.weight + 1.0)),
        "no bias": lambda: setattr(block.lin, "bias", None),
        "appended": lambda: model.blocks.append(Inner(len(model.blocks))),
        "removed": lambda: model.blocks.pop() if len(model.blocks) > 1 else None,
        "swapped": model.blocks.reverse,
        "replaced": lambda: model.by_name.update(head=Inner(7)),
        "dataclass": lambda: setattr(model.plain.config, "gain", model.plain.config.gain + 1.0),
        "another dataclass": lambda: setattr(model.plain, "config", replace(model.plain.config, gain=-1.0)),
        "set": lambda: setattr(model.plain.config, "modes", model.plain.config.modes ^ {"b"}),
        "number in a list": lambda: model.plain.table["k"].append(0.5),
        "attribute beside the class": lambda: setattr(model.plain, "bias", model.plain.bias + 3.0),
        "function": lambda: setattr(model, "act", ac.sigmoid if model.act is ac.tanh else ac.tanh),
        "attribute of the class": lambda: setattr(Inner, "scale", Inner.scale + 0.5),
        "method": lambda: setattr(Plain, "__call__", lambda self, x: x * self.config.gain * 5.0),
        "global": lambda: globals().update(LEVEL=LEVEL + 1.0),
        "small array": lambda: OFFSETS.__iadd__(0.5),
        "updated in place": lambda: block.lin.weight.assign_(block.lin.weight * 0.5),
        "called": lambda: model(X),
    }


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    kept = Plain.__call__, Inner.scale, LEVEL, OFFSETS.copy()
    yield
    Plain.__call__, Inner.scale = kept[:2]  # type: ignore[method-assign]
    globals().update(LEVEL=kept[2])
    OFFSETS[:] = kept[3]


def ways(model: Model) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """Ways by which a compiled function knows of the model: what is compiled, and its arguments."""

    def block(x: ac.Tensor) -> ac.Tensor:
        return model(x)

    class Trainer:
        def __init__(self) -> None:
            self.model = model
            self.calls = 0

        def step(self, x: ac.Tensor) -> ac.Tensor:
            return helper(self.model(x))

    inside = ac.compile(block)
    Trainer.compiled = ac.compile(Trainer.step)  # type: ignore[attr-defined]
    return {
        "closure": (lambda x: helper(model(x)), (X,)),
        "argument": (lambda m, x: helper(m(x)), (model, X)),
        "in a list": (lambda ms, x: helper(ms[0](x)), ([model], X)),
        "itself": (model, (X,)),
        "bound method": (model.forward, (X,)),
        "method of a class": (Trainer.compiled, (Trainer(), X)),  # type: ignore[attr-defined]
        "partial": (functools.partial(lambda m, x: m(x), model), (X,)),
        "default": (lambda x, m=model: m(x), (X,)),
        "keyword default": (lambda x, *, m=model: m(x), (X,)),
        "checkpoint": (ac.checkpoint(block), (X,)),
        "compiled inside": (lambda x: inside(x) * 2.0, (X,)),
        "gradient": (ac.grad(lambda x: ac.sum(helper(model(x)))), (X,)),
        "nested": (lambda x: (lambda y: block(y))(x), (X,)),
    }


def eager(f: Callable[..., Any]) -> Callable[..., Any]:
    return f.__wrapped__ if isinstance(f, ac.CompiledFunction) else f


@pytest.mark.parametrize("way", list(ways(Model())))
@given(names=st.lists(st.sampled_from(list(changes(Model()))), min_size=1, max_size=4))
def test_what_changed_is_seen(way: str, names: list[str]) -> None:
    model = Model().eval()
    f, args = ways(model)[way]
    compiled = f if isinstance(f, ac.CompiledFunction) else ac.compile(f)

    def check(after: str) -> None:
        for _ in range(2):
            want, got = eager(f)(*args), compiled(*args)
            if model.training:  # random numbers
                assert got.shape == want.shape
            else:
                np.testing.assert_array_equal(got.numpy(), want.numpy(), err_msg=after)

    check("at first")
    kept = Plain.__call__, Inner.scale, LEVEL, OFFSETS.copy()
    try:
        for name in names:
            changes(model)[name]()
            check(name)
    finally:
        Plain.__call__, Inner.scale = kept[:2]  # type: ignore[method-assign]
        globals().update(LEVEL=kept[2])
        OFFSETS[:] = kept[3]


def test_both_modes_keep_their_programs() -> None:
    model = Model()
    f = ac.compile(lambda x: model(x))
    for _ in range(5):
        f(X), model.eval(), f(X), model.train()
    assert f.cache_info().misses <= 3  # the model remembers its last output after the first call


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m.blocks[0], "note", "changed"),
        lambda m: setattr(m.plain, "iteration", m.plain.iteration + 1),
        lambda m: m.blocks[0].lin.weight.assign_(m.blocks[0].lin.weight * 0.9),
        lambda m: m(ac.ones((5, 2))),
    ],
)
def test_what_is_not_read_may_change(change: Callable[[Model], object]) -> None:
    model = Model().eval()
    f = ac.compile(lambda x: model(x))
    for _ in range(3):
        f(X)
        change(model)
    before = f.cache_info().misses
    for _ in range(20):
        f(X)
        change(model)
    assert f.cache_info().misses == before


def test_variables_of_functions_inside() -> None:
    k, names = 2.0, ["a"]

    def inner(x: ac.Tensor) -> ac.Tensor:
        return x * k if "a" in names else x

    f = ac.compile(lambda x: inner(x) + 1.0)
    assert f(3.0) == 7.0
    k = 5.0
    assert f(3.0) == 16.0
    names.remove("a")
    assert f(3.0) == 4.0

    def inner(x: ac.Tensor) -> ac.Tensor:  # type: ignore[misc] # noqa: F811 - a cell of a notebook, run again
        return -x

    assert f(3.0) == -2.0


def test_a_replaced_tensor_of_the_closure_is_seen() -> None:
    w = ac.tensor([1.0, 2.0])
    f = ac.compile(lambda x: x * w)
    assert f(2.0).tolist() == [2.0, 4.0]
    w = ac.tensor([5.0, 6.0])
    assert f(2.0).tolist() == [10.0, 12.0]
    w = ac.tensor([1.0, 2.0, 3.0])
    assert f(2.0).tolist() == [2.0, 4.0, 6.0]


def test_modules_of_users() -> None:
    config = types.ModuleType("my_config")
    exec("GAIN = 2.0\ndef scaled(x):\n    return x * GAIN", config.__dict__)
    f = ac.compile(eval("lambda x: my_config.scaled(x) + my_config.GAIN", {"my_config": config}))
    assert f(1.0) == 4.0
    config.GAIN = 3.0  # type: ignore[attr-defined]
    assert f(1.0) == 6.0


def test_slots_and_frozen_dataclasses() -> None:
    @dataclass(slots=True)
    class Slotted:
        k: float

    @dataclass(frozen=True)
    class Frozen:
        k: float

    s = Slotted(2.0)
    held = [Frozen(10.0)]
    f = ac.compile(lambda x: x * s.k + held[0].k)
    assert f(1.0) == 12.0
    s.k = 3.0
    assert f(1.0) == 13.0
    held[0] = Frozen(20.0)
    assert f(1.0) == 23.0


def test_programs_that_always_change_are_told() -> None:
    state = ac.tensor([0.0])
    f = ac.compile(lambda x: state + x)
    for _ in range(8):
        state = f(1.0)
    with pytest.warns(RuntimeWarning, match=r"traced 8 times in a row, because state, which it reads"):
        state = f(1.0)
    for _ in range(3):
        state = f(1.0)
    assert state.item() == 12.0
    counter = types.SimpleNamespace(n=0)
    g = ac.compile(lambda x: x + counter.n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for i in range(30):
            counter.n = i // 5  # each program is used
            assert g(1.0) == 1.0 + i // 5


def test_instances_and_functions_are_let_go() -> None:
    class Net(ac.nn.Module):
        def __init__(self) -> None:
            self.w = ac.nn.Parameter([1.0])
            self.parent = self
            self.children = [self]
            self.config = Config()
            self.config.owner = self  # type: ignore[attr-defined]

        @ac.compile
        def step(self, x: ac.Tensor) -> ac.Tensor:
            return x * self.w * self.config.gain if self.children else x

    nets = [Net() for _ in range(5)]
    alive = [weakref.ref(net) for net in nets]
    for net in nets:
        assert net.step(2.0).tolist() == [4.0]
    del nets, net
    gc.collect()
    assert not any(ref() for ref in alive)

    f = ac.compile(lambda x: x * Net().w)
    f.itself = f  # type: ignore[attr-defined]
    f(1.0)
    gone = weakref.ref(f.__wrapped__)
    del f
    gc.collect()
    assert gone() is None


def test_a_module_that_holds_a_compiled_function_is_copied() -> None:
    class Net(ac.nn.Module):
        def __init__(self) -> None:
            self.w = ac.nn.Parameter([1.0])
            self.fast = ac.compile(self.forward)

        def forward(self, x: ac.Tensor) -> ac.Tensor:
            return x * self.w

    net = Net()
    assert net.fast(2.0).tolist() == [2.0]
    other = copy.deepcopy(net)
    other.w.assign_([5.0])
    assert other.fast(2.0).tolist() == [10.0]
    assert net.fast(2.0).tolist() == [2.0]


@ac.compile
def of_a_module(x: ac.Tensor) -> ac.Tensor:
    return x * LEVEL


def test_compiled_functions_are_pickled() -> None:
    assert pickle.loads(pickle.dumps(of_a_module)) is of_a_module
    assert copy.deepcopy({"f": of_a_module})["f"] is of_a_module
    f = pickle.loads(pickle.dumps(ac.compile(helper, cache_size=3)))
    assert f(ac.ones(2)).tolist() == helper(ac.ones(2)).tolist()
    assert f.cache_info().maxsize == 3
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(ac.compile(lambda x: x))


# -- found by strangers ------------------------------------------------------------------------------------------------


class Base:
    k = 2.0

    def scale(self, x: Any) -> Any:
        return x * self.k


class Derived(Base):
    def scale(self, x: Any) -> Any:
        return super().scale(x) + 1.0


class Other(Base):
    pass


class Kind(enum.Enum):
    A = 1
    B = 2


class Settings(dict[str, Any]):
    gain = 1.0

    def total(self) -> float:
        return self.gain + sum(self.values())


class Method:
    """A descriptor of a user's."""

    def __init__(self, by: float) -> None:
        self.by = by

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return lambda x: x * self.by


class Described:
    method = Method(2.0)

    def __init__(self) -> None:
        self.k = 2.0

    @ac.compile
    def step(self, x: ac.Tensor) -> ac.Tensor:
        return x * self.k


class Slotted:
    __slots__ = ("k",)


class Everything:
    """All that the functions below read."""

    def __init__(self) -> None:
        self.derived, self.other = Derived(), Other()
        self.large: Any = np.ones(1000)
        self.one, self.two = [1.0], [1.0]
        self.current = self.one
        self.table = {"a": 2.0, "b": 3.0}
        self.ordered = OrderedDict(self.table)
        self.by_kind: Any = {Kind.A: 2.0, int: [1.0], (1, (2,)): 3.0}
        self.settings = Settings(a=1.0)
        self.described = Described()
        self.slotted = Slotted()
        self.number = 0.0


def through(table: dict[str, float], x: ac.Tensor) -> ac.Tensor:
    for k, v in table.items():
        x = x * v if k == "a" else x + v
    return x


READS: dict[str, tuple[Callable[[Everything, ac.Tensor], Any], Callable[[Everything], object]]] = {
    "super, attribute": (lambda e, x: e.derived.scale(x), lambda e: setattr(e.derived, "k", 3.0)),
    "super, method": (
        lambda e, x: e.derived.scale(x),
        lambda e: setattr(Base, "scale", lambda self, x: x * 7.0),
    ),
    "method of a subclass": (
        lambda e, x: e.derived.scale(x) + e.other.scale(x),
        lambda e: setattr(Other, "scale", lambda self, x: x * 7.0),
    ),
    "an object that goes": (lambda e, x: x if e.large is None else x * 2.0, lambda e: setattr(e, "large", None)),
    "which object": (lambda e, x: x if e.current is e.one else -x, lambda e: setattr(e, "current", e.two)),
    "order": (lambda e, x: through(e.table, x), lambda e: e.table.update(a=e.table.pop("a"))),
    "order of an OrderedDict": (lambda e, x: through(e.ordered, x), lambda e: e.ordered.move_to_end("a")),
    "key of an enum": (lambda e, x: x * e.by_kind[Kind.A], lambda e: e.by_kind.update({Kind.A: 5.0})),
    "key of a class": (lambda e, x: x * e.by_kind[int][0], lambda e: e.by_kind[int].__setitem__(0, 4.0)),
    "key of tuples": (lambda e, x: x * e.by_kind[1, (2,)], lambda e: e.by_kind.update({(1, (2,)): 5.0})),
    "attribute of a dict": (lambda e, x: x * e.settings.total(), lambda e: setattr(e.settings, "gain", 4.0)),
    "item of a dict's subclass": (lambda e, x: x * e.settings.total(), lambda e: e.settings.update(b=4.0)),
    "compiled method": (lambda e, x: e.described.step(x), lambda e: setattr(e.described, "k", 3.0)),
    "descriptor": (lambda e, x: e.described.method(x), lambda e: setattr(Described.__dict__["method"], "by", 3.0)),
    "slot set later": (lambda e, x: x * getattr(e.slotted, "k", 1.0), lambda e: setattr(e.slotted, "k", 3.0)),
    "sign of zero": (lambda e, x: x + np.copysign(1.0, e.number), lambda e: setattr(e, "number", -0.0)),
    "built-in function": (lambda e, x: max(1.0, 2.0) * x, lambda e: globals().update(max=min)),
}


@pytest.mark.parametrize("name", list(READS))
def test_odd_reads(name: str) -> None:
    read, change = READS[name]
    kept = Base.scale, Described.__dict__["method"].by
    everything = Everything()
    f = ac.compile(lambda x: read(everything, x))
    try:
        for _ in range(2):
            np.testing.assert_array_equal(f(X).numpy(), read(everything, X).numpy())
        before = read(everything, X)
        change(everything)
        assert (read(everything, X).numpy() != before.numpy()).any()
        for _ in range(2):
            np.testing.assert_array_equal(f(X).numpy(), read(everything, X).numpy())
    finally:
        Base.scale, Described.__dict__["method"].by = kept  # type: ignore[method-assign]
        for owner, attribute in ((Other, "scale"),):
            if attribute in vars(owner):
                delattr(owner, attribute)
        globals().pop("max", None)


def test_reading_runs_no_code_of_users() -> None:
    class Slots:
        __slots__ = ("k",)

        def __getattribute__(self, name: str) -> Any:
            if armed:
                f.cache_clear()
            return super().__getattribute__(name)

    class Long(dict[Any, Any]):
        def __len__(self) -> int:
            f.cache_clear()
            return 1

    armed: list[int] = []
    s, d = Slots(), Long({(1, (2,)): 2.0})
    s.k = 3.0
    f = ac.compile(lambda x: x * s.k * d[1, (2,)])
    for _ in range(3):
        assert f(1.0) == 6.0
        armed.append(1)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: {x * 2.0},
        lambda x: types.SimpleNamespace(v=x * 2.0),
        lambda x: (x, (y for y in [x])),
        lambda x: [Plain2(x)],
    ],
)
def test_results_that_would_stay_abstract_are_refused(make: Callable[[ac.Tensor], Any]) -> None:
    with pytest.raises(
        ac.TraceError, match=r"the function must return Tensors, or trees of them .* that holds Tensors"
    ):
        ac.compile(make)(X)


class Plain2:
    def __init__(self, v: Any) -> None:
        self.v = v * 2.0


def test_arrays_among_the_results_cannot_be_changed_for_others() -> None:
    f = ac.compile(lambda x: (x, np.zeros(2)))
    kept = f(X)[1]
    with pytest.raises(ValueError, match="read-only"):
        kept += 7.0
    assert f(X)[1].tolist() == [0.0, 0.0]


def test_a_function_that_wants_its_values_checked_runs_as_it_is() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        with ac.debug_nans():
            return ac.log(x)

    g = ac.compile(f)
    assert g(ac.ones(2)).tolist() == [0.0, 0.0]
    with pytest.raises(ac.NonFiniteError):
        g(ac.tensor([-1.0, 1.0]))


class Epochs:
    """Its batches lie beside what it trains, so the method that is compiled can reach them."""

    def __init__(self) -> None:
        self.model = ac.nn.Linear(2, 2, seed=0)
        self.opt = ac.optim.SGD(self.model.parameters(), lr=0.5)
        self.batches = ac.data.minibatches(np.ones((5, 2), np.float32), np.array([0, 1, 0, 1, 1]), 2)
        self.step = ac.compile(self.train)

    def train(self, x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.cross_entropy(self.model(x), y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss

    def __call__(self) -> None:
        self.opt.lr /= 2
        for x, y in self.batches:
            self.step(x, y)


def test_an_epoch_of_batches_and_a_learning_rate_change_no_program() -> None:
    epochs = Epochs()
    epochs()
    traced = epochs.step.cache_info().misses
    for _ in range(5):
        epochs()
    assert epochs.step.cache_info().misses == traced
