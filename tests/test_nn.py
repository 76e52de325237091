"""Modules: what they hold, compute, save and print."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import tree

#: The notes, section 5.2, as they print it.
LISTING = """
import torch
import torch.nn as nn
from torch.nn.functional import relu

class FullyConnectedLayer(nn.Module):
    def __init__(self, c: int, cprime: int):
        super().__init__()
        # Initialize the parameters
        self.W = nn.Parameter(torch.randn(c, cprime))
        self.b = nn.Parameter(torch.randn(1, cprime))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return relu(x @ self.W + self.b)
"""


@pytest.mark.notes("M177", "M181", "X16")
def test_listing_of_the_notes_with_the_imports_changed_alone() -> None:
    ours = LISTING.replace("import torch\n", "import alice_core as torch\n")
    ours = ours.replace("import torch.nn as", "import alice_core.nn as").replace("from torch.", "from alice_core.")
    names: dict[str, Any] = {}
    exec(ours, names)
    FullyConnectedLayer = names["FullyConnectedLayer"]
    layer = FullyConnectedLayer(3, 5)
    assert [name for name, _ in layer.named_parameters()] == ["W", "b"]
    model = ac.nn.Sequential(FullyConnectedLayer(3, 5), FullyConnectedLayer(5, 4))
    assert [sum(p.size for p in part.parameters()) for part in model] == [20, 24]
    x = ac.randn(2, 3)
    np.testing.assert_array_equal(layer(x).numpy(), np.maximum((x @ layer.W + layer.b).numpy(), 0))
    model(x).sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_functional_names_are_the_functions_themselves() -> None:
    for name in set(ac.nn.functional.__all__) - {"linear"}:
        assert getattr(ac.nn.functional, name) is (getattr(ac, name, None) or getattr(ac.losses, name))
    with pytest.raises(AttributeError, match=r"module 'alice_core.nn' has no attribute 'functionals'"):
        _ = ac.nn.functionals


def test_functional_linear_has_weights_as_they_lie_there() -> None:
    layer, x = ac.nn.Linear(3, 2, seed=0), ac.randn(4, 5, 3)
    np.testing.assert_array_equal(ac.nn.functional.linear(x, layer.weight.T, layer.bias).numpy(), layer(x).numpy())
    for shapes in (((2, 3), (3,)), ((3,), None), ((2, 3), (1, 2))):
        weight, bias = (None if shape is None else ac.ones(shape) for shape in shapes)
        with pytest.raises(ac.ShapeError, match=r"linear: weight must have shape \(out, in\) and bias"):
            ac.nn.functional.linear(x, weight, bias)


def test_randn() -> None:
    ac.random.seed(3)
    one_by_one = ac.randn(2, 3, dtype=ac.float64)
    ac.random.seed(3)
    np.testing.assert_array_equal(one_by_one.numpy(), ac.randn((2, 3), dtype=ac.float64).numpy())
    ac.random.seed(3)
    np.testing.assert_array_equal(one_by_one.numpy(), ac.random.normal((2, 3), dtype=ac.float64).numpy())
    assert ac.randn(4).shape == ac.randn([4]).shape == (4,)
    assert ac.randn().shape == ac.randn(()).shape == ()
    for wrong in ((2.0,), ("a",), (2, (3,)), (2, None)):
        with pytest.raises(ac.DTypeError):
            ac.randn(*wrong)
    with pytest.raises((ac.ShapeError, ValueError)):
        ac.randn(-1)


def test_linear_is_affine_and_starts_small() -> None:
    layer = ac.nn.Linear(100, 50, seed=0)
    bound = 0.1
    for p in layer.parameters():
        assert np.abs(p.numpy()).max() <= bound
        assert np.abs(p.numpy()).max() > 0.9 * bound
        assert abs(p.numpy().mean()) < 0.02
    x = np.random.default_rng(1).standard_normal((4, 7, 100)).astype(np.float32)
    np.testing.assert_allclose(
        layer(ac.tensor(x)).numpy(), x @ layer.weight.numpy() + layer.bias.numpy(), rtol=1e-4, atol=1e-5
    )
    plain = ac.nn.Linear(3, 2, bias=False)
    assert plain.bias is None
    assert len(plain.parameters()) == 1


def test_seeds() -> None:
    def weights(**kwargs: Any) -> Any:
        return [p.tolist() for p in ac.nn.MLP([3, 4, 2], **kwargs).parameters()]

    assert weights(seed=1) == weights(seed=1) == weights(seed=np.random.default_rng(1))
    assert weights(seed=1) != weights(seed=2)
    ac.nn.manual_seed(5)
    first = weights()
    assert weights() != first
    ac.nn.manual_seed(5)
    assert weights() == first
    wide = ac.nn.Linear(3, 2, dtype=ac.float64, seed=0).weight
    assert wide.dtype == ac.float64
    np.testing.assert_array_equal(wide.numpy().astype(np.float32), ac.nn.Linear(3, 2, seed=0).weight.numpy())


def test_nested_containers_are_found() -> None:
    class Nest(ac.nn.Module):
        def __init__(self) -> None:
            self.parts = [ac.nn.Linear(1, 1), {"deep": (ac.nn.Linear(1, 1, bias=False),)}]
            self.scale = ac.nn.Parameter(1.0)
            self.buffer = ac.zeros(2)
            self._private = ac.nn.Parameter(1.0)
            self.again = self.scale
            self.me = self

    nest = Nest()
    assert [n for n, _ in nest.named_parameters()] == [
        "parts.0.weight",
        "parts.0.bias",
        "parts.1.deep.0.weight",
        "scale",
    ]
    assert list(nest.state_dict()) == [
        "parts.0.weight", "parts.0.bias", "parts.1.deep.0.weight", "scale", "buffer", "again",
    ]  # fmt: skip
    assert len(list(nest.modules())) == 3


def test_values_kept_by_the_way_are_no_state() -> None:
    layer = ac.nn.Linear(2, 2)
    layer.last = layer(ac.ones(2))  # type: ignore[attr-defined]
    assert list(layer.state_dict()) == ["weight", "bias"]


@pytest.mark.notes("M057")
def test_train_eval_and_freezing() -> None:
    model = ac.nn.MLP([2, 3, 1])
    assert all(m.training for m in model.modules())
    assert not any(m.training for m in model.eval().modules())
    assert all(m.training for m in model.train().modules())
    trunk = model[:2]
    trunk.requires_grad_(False)
    assert [n for n, _ in model.named_parameters()] == ["layers.2.weight", "layers.2.bias"]
    assert len(model.state_dict()) == 4
    ac.sum(model(ac.ones((1, 2)))).backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    assert len(model.requires_grad_().parameters()) == 4


@pytest.mark.parametrize("name", sorted(ac.nn.activations._NAMES))
def test_activations_call_the_op_of_their_name(name: str) -> None:
    x = ac.tensor([-1.5, 0.5])
    module = ac.nn.activations.by_name(name)
    args = module.parameters() if name == "prelu" else ()
    assert module(x).tolist() == getattr(ac, name)(x, *args).tolist()
    model = ac.nn.MLP([2, 3, 1], activation=name, seed=0)
    assert model(ac.ones((4, 2))).shape == (4, 1)
    assert ac.nn.MLP([2, 3, 1], activation=getattr(ac, name), seed=0) if name != "prelu" else True


def test_softmax_and_flatten() -> None:
    x = ac.tensor(np.arange(6.0).reshape(1, 2, 3))
    assert ac.nn.Softmax(axis=1, temperature=2.0)(x).tolist() == ac.softmax(x, axis=1, temperature=2.0).tolist()
    assert ac.nn.Flatten()(x).shape == (1, 6)


def test_state_dict_is_a_snapshot() -> None:
    model = ac.nn.MLP([2, 3, 1], seed=0)
    before = model.state_dict()
    x = ac.ones((1, 2))
    y = model(x).tolist()
    for p in model.parameters():
        p.assign_(0.0)
    assert model(x).tolist() == [[0.0]]
    model.load_state_dict(before)
    assert model(x).tolist() == y
    assert not any(t.requires_grad for t in before.values())


def test_load_state_dict_errors_change_nothing() -> None:
    model = ac.nn.Linear(2, 3, seed=0)
    before = model.weight.tolist()
    good = {"weight": np.zeros((2, 3)), "bias": np.zeros(3)}
    for state, exception, message in [
        ({"weight": good["weight"]}, ValueError, "load_state_dict: Linear misses bias; the state must come from"),
        ({**good, "gain": 1.0}, ValueError, "does not know gain"),
        ({"weight": good["weight"], "b": good["bias"]}, ValueError, "misses bias and does not know b"),
        ({**good, "bias": np.zeros(2)}, ac.ShapeError, r"bias must have shape \(3,\), got \(2,\)"),
    ]:
        with pytest.raises(exception, match=message):
            model.load_state_dict(state)
    assert model.weight.tolist() == before


class Holder(ac.nn.Module):
    def __init__(self, **attributes: Any) -> None:
        for name, value in attributes.items():
            setattr(self, name, value)


def read_only() -> ac.Tensor:
    array = np.zeros(2)
    array.flags.writeable = False
    return ac.asarray(array, copy=False)


BASE = ac.zeros((2, 2))

#: The last one of these states cannot be taken over.
REFUSED = [
    (ac.zeros(2), np.array(["a", "b"]), "last must be float32 numbers, got dtype <U1"),
    (ac.zeros(2), np.array([1j, 0]), "last must be float32 numbers, got dtype complex128"),
    (ac.zeros(2), [None, None], "last must be float32 numbers, got dtype object"),
    (ac.zeros(2), [1e300, 0.0], r"last must be float32 numbers, got 1e\+300, which is none"),
    (ac.zeros(2, ac.float16), [0, 70_000], "last must be float16 numbers, got 70000, which is none"),
    (ac.zeros(2, ac.int64), [1.0, 2.5], r"last must be int64 numbers, got 2\.5, which is none"),
    (ac.zeros(2, ac.int64), [1.0, np.nan], "last: expected numbers that int64 holds, .*; got nan;"),
    (ac.zeros(2, ac.uint8), [1, -1], "last: expected numbers that uint8 holds, 0 to 255; got -1;"),
    (ac.zeros(2, ac.int32), [1, 2**40], "last: expected numbers that int32 holds, .*; got 1099511627776;"),
    (ac.zeros(2, ac.bool), [1, 2], "last must be bool numbers, got 2, which is none"),
    (ac.zeros(2), 1.0, r"last must have shape \(2,\), got \(\)"),
    (read_only(), [1.0, 2.0], "read-only memory"),
    (BASE[0], [1.0, 2.0], "is a view of another one"),
]


@pytest.mark.parametrize(("own", "value", "message"), REFUSED)
def test_a_state_is_taken_over_as_a_whole_or_not_at_all(own: ac.Tensor, value: Any, message: str) -> None:
    model = Holder(first=ac.nn.Parameter([1.0, 2.0]), last=own)
    before = model.state_dict()
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        model.load_state_dict({"first": np.zeros(2), "last": value})
    assert "numbers" not in message or isinstance(caught.value, ac.DTypeError)
    for name, x in model.state_dict().items():
        assert x.tolist() == before[name].tolist()


@pytest.mark.parametrize("value", [[1.0, 0.0], [True, False], np.array([1, 0], np.uint8), ac.tensor([1.0, 0.0])])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "bfloat16", "float32", "float64"])
def test_a_state_may_have_other_dtypes_for_the_same_numbers(dtype: str, value: Any) -> None:
    model = Holder(x=ac.zeros(2, getattr(ac, dtype)))
    model.load_state_dict({"x": value})
    assert model.x.tolist() == [1, 0]
    assert model.x.dtype == getattr(ac, dtype)


def test_a_state_of_the_module_itself_and_of_nan() -> None:
    model = Holder(a=ac.tensor([1.0, np.nan]), b=ac.tensor([2.0, np.inf]))
    model.load_state_dict({"a": model.b, "b": model.a})
    np.testing.assert_array_equal(model.a.numpy(), [2, np.inf])
    np.testing.assert_array_equal(model.b.numpy(), [1, np.nan])
    with pytest.raises(ac.DTypeError, match="expected a mapping of names to Tensors or arrays; got list"):
        model.load_state_dict([1.0])  # type: ignore[arg-type]


def test_a_tensor_of_two_names_gets_one_value() -> None:
    p = ac.nn.Parameter([1.0, np.nan])
    model = Holder(a=p, b=p)
    model.load_state_dict(model.state_dict())
    with pytest.raises(ValueError, match="a and b are the same Tensor here, but differ"):
        model.load_state_dict({"a": [1.0, 2.0], "b": [1.0, 3.0]})


ODD = [
    "file",
    "allow_pickle",
    "args",
    "kwds",
    "self",
    "arr_0",
    "name",
    "w",
    "w.npy",
    "w.npy.npy",
    "a/b",
    "../up",
    "ä b",
]


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_any_name_survives_saving(tmp_path: Path, ending: str) -> None:
    if ending == "safetensors":
        pytest.importorskip("safetensors")

    def make(offset: float) -> Holder:
        numbers = {name: ac.nn.Parameter([i + offset]) for i, name in enumerate(ODD)}
        holder = Holder(nested={"deep": numbers})
        for name, p in numbers.items():
            setattr(holder, name, ac.nn.Parameter(p))
        return holder

    model, other = make(0.0), make(0.5)
    assert len(model.state_dict()) == 2 * len(ODD)
    model.save(tmp_path / f"m.{ending}")
    other.load(tmp_path / f"m.{ending}")
    assert [p.tolist() for p in other.parameters()] == [p.tolist() for p in model.parameters()]


def test_archives_are_those_of_numpy(tmp_path: Path) -> None:
    model, path = ac.nn.Linear(2, 3), tmp_path / "m.npz"
    model.save(path)
    with np.load(path) as archive:
        assert sorted(archive) == ["bias", "weight"]
        np.testing.assert_array_equal(archive["weight"], model.weight.numpy())
    for save in (np.savez, np.savez_compressed):
        save(path, weight=np.ones((2, 3)), bias=np.arange(3.0))
        model.load(path)
        assert model.bias.tolist() == [0, 1, 2]


def test_a_name_that_no_archive_can_hold(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"save: no archive can hold the name 'd\.a\\x00b'"):
        Holder(d={"a\0b": ac.nn.Parameter(1.0)}).save(tmp_path / "m.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"a.b": 1.0, "a": {"b": 2.0}}, r"d\.a\.b"),
        ({"a": {"b": 2.0}, "a.b": 1.0}, r"d\.a\.b"),
        ({1: 1.0, "1": 2.0}, r"d\.1"),
        ([{"0": 1.0}, {"0": 2.0}, {"0": {"0": 1.0}, "0.0": 2.0}], r"d\.2\.0\.0"),
    ],
)
def test_names_that_collide_are_refused(tmp_path: Path, parts: Any, name: str) -> None:
    model = Holder(d=tree.map(ac.nn.Parameter, parts))
    for ask in (model.parameters, model.state_dict, model.zero_grad, lambda: model.save(tmp_path / "m.npz")):
        with pytest.raises(ValueError, match=f"Holder: two Tensors have the name {name}"):
            ask()


# ---- what calls keep ------------------------------------------------------------------------------------------------


class Keeper(ac.nn.Module):
    """Keeps what it meets under names that are new, None before, or private."""

    def __init__(self) -> None:
        self.weight = ac.nn.Parameter([2.0])
        self.running = ac.zeros(1)
        self.none: Any = None
        self.pairs: Any = []
        self.inner = Holder(table=ac.ones(1))

    def forward(self, x: ac.Tensor, fail: bool = False) -> ac.Tensor:
        self.last_input = x
        self.none = y = x * self.weight
        self.pairs = [x, {"y": y}]
        self.running = 0.9 * self.running + 0.1 * ac.stop_gradient(x)
        if not hasattr(self, "late"):
            self.late = ac.nn.Parameter([1.0])
            self.part = Holder(mask=ac.ones(1), drop=ac.nn.Dropout())
        if fail:
            raise RuntimeError
        return y


STATE = ["weight", "running", "inner.table"]
MADE_LATE = ["late", "part.mask"]


def run_plain(model: Keeper, x: ac.Tensor) -> None:
    model(x)


def run_without_gradients(model: Keeper, x: ac.Tensor) -> None:
    with ac.no_grad():
        model(x)


def run_evaluating(model: Keeper, x: ac.Tensor) -> None:
    frozen = [p.requires_grad_(False) for p in model.eval().parameters()]
    model(x)
    for p in frozen:
        p.requires_grad_()


def run_inside_another(model: Keeper, x: ac.Tensor) -> None:
    with ac.no_grad():
        ac.nn.Sequential(ac.tanh, ac.nn.Sequential(model))(x)


def run_failing(model: Keeper, x: ac.Tensor) -> None:
    with ac.no_grad(), pytest.raises(RuntimeError):
        model(x, fail=True)


@pytest.mark.parametrize("copied", [lambda m: m, copy.deepcopy, copy.copy, lambda m: pickle.loads(pickle.dumps(m))])
@pytest.mark.parametrize("learned_input", [False, True])
@pytest.mark.parametrize("run", [run_plain, run_without_gradients, run_evaluating, run_inside_another, run_failing])
def test_what_calls_keep_is_no_state(run: Any, learned_input: bool, copied: Any) -> None:
    model, x = Keeper(), ac.tensor([3.0]).requires_grad_(learned_input)
    assert list(model.state_dict()) == STATE
    for _ in range(3):
        run(model, x)
        model = copied(model)
        assert sorted(model.state_dict()) == sorted(STATE + MADE_LATE)
        assert [n for n, _ in model.named_parameters()] == ["weight", "late"]
    assert sum(isinstance(m, ac.nn.Dropout) for m in model.modules()) == 1
    model.none = ac.ones(2)  # outside of calls: meant
    assert "none" in model.state_dict()
    run_without_gradients(model, x)
    assert "none" in model.state_dict()


class MakesLate(ac.nn.Module):
    """Makes its parameter at the first call, after the name held something else."""

    def __init__(self, before: Any) -> None:
        self.before = before

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        if not hasattr(self, "weight"):
            self.weight = self.before
            self.weight = ac.nn.Parameter(x)
        return x


@pytest.mark.parametrize("before", [None, [], [None]])
def test_a_parameter_made_by_a_call_counts_whatever_the_name_held(before: Any) -> None:
    model = MakesLate(before)
    model(ac.ones(2))
    assert list(model.state_dict()) == ["weight"]


def test_calls_of_one_module_are_no_calls_of_another() -> None:
    outer, inner = Keeper(), Keeper()

    def forward(x: ac.Tensor) -> ac.Tensor:
        inner.outside = x  # as any function would: the call that goes on is that of outer
        return inner(x)

    outer.forward = forward  # type: ignore[assignment, method-assign]
    outer(ac.ones(1))
    assert "outside" in inner.state_dict()
    assert "none" not in inner.state_dict()


def test_save_and_load_npz(tmp_path: Path) -> None:
    model, other = ac.nn.MLP([2, 3, 1], seed=0), ac.nn.MLP([2, 3, 1], seed=1)
    path = tmp_path / "model.npz"
    model.save(path)
    other.load(path)
    assert [p.tolist() for p in other.parameters()] == [p.tolist() for p in model.parameters()]
    assert [f.name for f in tmp_path.iterdir()] == ["model.npz"]
    with pytest.raises(ValueError, match="load_state_dict: Linear misses weight"):
        ac.nn.Linear(1, 1).load(path)


def test_save_and_load_safetensors(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    model, other = ac.nn.MLP([2, 3, 1], seed=0), ac.nn.MLP([2, 3, 1], seed=1)
    path = tmp_path / "model.safetensors"
    model.save(path)
    other.load(path)
    assert [p.tolist() for p in other.parameters()] == [p.tolist() for p in model.parameters()]
    path.write_bytes(b"not at all")
    with pytest.raises(ValueError, match=r"is not a readable .safetensors file"):
        model.load(path)


def test_bad_files(tmp_path: Path) -> None:
    model = ac.nn.Linear(1, 1)
    for ending in ("model.bin", "model"):
        with pytest.raises(ValueError, match=f"save: the file must end in .npz or .safetensors; got .*{ending}"):
            model.save(tmp_path / ending)
    with pytest.raises(FileNotFoundError):
        model.load(tmp_path / "missing.npz")
    broken = tmp_path / "broken.npz"
    model.save(broken)
    whole = broken.read_bytes()
    for content in (b"", b"nonsense", whole[: len(whole) // 2]):
        broken.write_bytes(content)
        with pytest.raises(ValueError, match=r"load: .*broken.npz is not a readable .npz file"):
            model.load(broken)
    np.save(tmp_path / "array.npy", np.zeros(2))
    (tmp_path / "array.npy").rename(broken)
    with pytest.raises(ValueError, match=r"is not a readable .npz file"):
        model.load(broken)


def test_without_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    monkeypatch.setitem(__import__("sys").modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match="save: needs the package safetensors, which is not installed"):
        ac.nn.Linear(1, 1).save(tmp_path / "model.safetensors")


def test_repr() -> None:
    assert repr(ac.nn.Sequential(ac.nn.Linear(2, 3, bias=False), ac.tanh, ac.nn.MLP([3, 1]))) == (
        "Sequential(\n"
        "  layers.0: Linear(2, 3, bias=False)\n"
        f"  layers.1: {ac.tanh!r}\n"
        "  layers.2: MLP(\n"
        "    layers.0: Linear(3, 1)\n"
        "  )\n"
        ")"
    )
    assert repr(ac.nn.PReLU(3)) == "PReLU(3)"


def test_errors() -> None:
    with pytest.raises(NotImplementedError, match=r"Module: define forward\(self, ...\)"):
        ac.nn.Module()(1.0)
    with pytest.raises(ac.ShapeError, match="Linear: features must be at least 1; got in 0, out 2"):
        ac.nn.Linear(0, 2)
    with pytest.raises(ac.ShapeError, match=r"MLP: sizes must name the input and the output at least; got \[3\]"):
        ac.nn.MLP([3])
    with pytest.raises(ValueError, match=r"activation must be one of relu, .*; got 'rely'"):
        ac.nn.MLP([1, 2, 3], activation="rely")
    with pytest.raises(TypeError, match="Sequential: layers must be modules or functions; got int as layer 1"):
        ac.nn.Sequential(ac.tanh, 3)  # type: ignore[arg-type]
    with pytest.raises(ac.DTypeError, match="expected a floating dtype; got int64"):
        ac.nn.Parameter([1, 2])
