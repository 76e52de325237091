"""Weights move both ways between PyTorch and here: the files of tests/data/torch, which tools/torch_states.py wrote."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alice_core as ac

safetensors = pytest.importorskip("safetensors.numpy")
FOLDER = Path(__file__).parent / "data" / "torch"
nn = ac.nn


class Block(nn.Module):
    """The module of the same name of tools/torch_states.py."""

    def __init__(self) -> None:
        self.table = nn.Embedding(11, 8)
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.inner = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 8)

    def forward(self, tokens: ac.Tensor) -> ac.Tensor:
        x = self.table(tokens)
        y = self.norm1(x)
        x = x + self.attention(y, y, y, is_causal=True, need_weights=False)[0]
        x = x + self.inner(self.norm2(x))
        return self.head(x)  # type: ignore[no-any-return]


CASES: dict[str, tuple[Callable[[], Any], Callable[..., Any] | None]] = {
    "mlp": (lambda: nn.Sequential(nn.Linear(3, 4), nn.PReLU(), nn.Linear(4, 2)), None),
    "block": (Block, None),
    "layer_norm": (lambda: nn.LayerNorm((2, 3)), None),
    "rms_norm": (lambda: nn.RMSNorm(6), None),
    "group_norm": (lambda: nn.GroupNorm(2, 6), None),
    "batch_norm1d": (lambda: nn.BatchNorm1d(3), None),
    "batch_norm2d": (lambda: nn.BatchNorm2d(3), None),
    "embedding": (lambda: nn.Embedding(5, 3, padding_idx=1), None),
    "attention": (lambda: nn.MultiheadAttention(8, 2), None),
    "attention_dims": (lambda: nn.MultiheadAttention(6, 3, kdim=4, vdim=5, bias=False, batch_first=True), None),
    "rnn_cell": (lambda: nn.RNNCell(3, 4), None),
    "gru_cell": (lambda: nn.GRUCell(3, 4), None),
    "lstm_cell": (lambda: nn.LSTMCell(3, 4), lambda f, x, h, c: f(x, (h, c))),
    "rnn": (lambda: nn.RNN(3, 4, nonlinearity="relu", bias=False), None),
    "gru": (lambda: nn.GRU(3, 4, num_layers=2, batch_first=True), None),
    "lstm": (lambda: nn.LSTM(3, 4, num_layers=2, bidirectional=True), None),
}


def arrays(name: str, direction: str) -> list[Any]:
    calls = safetensors.load_file(str(FOLDER / "calls.safetensors"))
    prefix = f"{name}/{direction}/"
    return [calls[f"{prefix}{i}"] for i in range(sum(key.startswith(prefix) for key in calls))]


def loaded(name: str) -> Any:
    module = CASES[name][0]()
    module.load(FOLDER / f"{name}.safetensors", layout="torch")
    return module.eval()


@pytest.mark.parametrize("name", CASES)
def test_a_state_of_torch_gives_the_outputs_of_torch(name: str) -> None:
    module, call = loaded(name), CASES[name][1]
    inputs = [ac.tensor(x) for x in arrays(name, "in")]
    want = arrays(name, "out")
    for run in (module, ac.compile(module)):
        got = list(ac.tree.leaves(run(*inputs) if call is None else call(run, *inputs)))
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            assert g.dtype == ac.float32
            np.testing.assert_allclose(g.numpy(), w, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_what_is_saved_for_torch_is_what_torch_saved(name: str, tmp_path: Path) -> None:
    loaded(name).save(tmp_path / "x.safetensors", layout="torch")
    ours = safetensors.load_file(str(tmp_path / "x.safetensors"))
    theirs = safetensors.load_file(str(FOLDER / f"{name}.safetensors"))
    assert ours.keys() == theirs.keys()
    for key, x in theirs.items():
        assert (ours[key].shape, ours[key].dtype) == (x.shape, x.dtype), key
        np.testing.assert_array_equal(ours[key], x, err_msg=key)


def test_layouts_differ_where_a_matrix_would_fit_either_way() -> None:
    """A square weight of Linear: read without the layout it would be the transpose, so names alone do not tell."""
    block = loaded("block")
    own, theirs = block.state_dict(), block.state_dict(layout="torch")
    np.testing.assert_array_equal(own["head.weight"].numpy(), theirs["head.weight"].numpy().T)
    other = Block().eval()
    other.load_state_dict(theirs, layout="torch")
    tokens = ac.tensor(arrays("block", "in")[0])
    np.testing.assert_array_equal(other(tokens).numpy(), block(tokens).numpy())
    with pytest.raises(ValueError, match='layout must be "own" or "torch"; got \'jax\''):
        block.state_dict(layout="jax")
    with pytest.raises(ac.ShapeError, match=r"inner.0.weight must have shape \(8, 16\), got \(8, 8\)"):
        other.load_state_dict(theirs | {"inner.0.weight": np.zeros((8, 8))}, layout="torch")
    with pytest.raises(ValueError, match=r"misses inner\.layers\.0\.weight"):
        other.load_state_dict(theirs)
