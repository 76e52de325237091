"""Modules: what they hold, compute, save and print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alice_core as ac


class FullyConnectedLayer(ac.nn.Module):
    """The listing of the notes, section 5.3, with only the import changed."""

    def __init__(self, c: int, cprime: int) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.W = ac.nn.Parameter(rng.standard_normal((c, cprime)))
        self.b = ac.nn.Parameter(rng.standard_normal((1, cprime)))

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        return ac.relu((x @ self.W) + self.b)


def test_listing_of_the_notes() -> None:
    layer = FullyConnectedLayer(3, 5)
    assert [name for name, _ in layer.named_parameters()] == ["W", "b"]
    model = ac.nn.Sequential(FullyConnectedLayer(3, 5), FullyConnectedLayer(5, 4))
    assert [sum(p.size for p in part.parameters()) for part in model] == [20, 24]
    assert model(ac.ones((2, 3), ac.float64)).shape == (2, 4)


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
