"""Writes tests/data/torch: states of PyTorch's layers, and what these layers make of some inputs.

    python tools/torch_states.py        # needs torch and safetensors

``<case>.safetensors`` is the state dict of the layer, as ``safetensors.torch.save_file`` writes it; inputs and outputs
of all cases lie in ``calls.safetensors`` under ``<case>/<direction>/<number>``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "data" / "torch"


class Block(nn.Module):
    """A transformer block with an embedding before and a classifier behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 8)
        self.norm1, self.norm2 = nn.LayerNorm(8), nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.inner = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 8)  # square, so that its transpose would fit

    def forward(self, tokens: Any) -> Any:
        x = self.table(tokens)
        y = self.norm1(x)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        x = x + self.attention(y, y, y, attn_mask=mask, is_causal=True, need_weights=False)[0]
        x = x + self.inner(self.norm2(x))
        return self.head(x)


def cases() -> Iterator[tuple[str, Any, list[Any], Callable[..., Any] | None]]:
    """Name, layer, inputs, and how it is called if not with these."""
    x = torch.randn
    yield "mlp", nn.Sequential(nn.Linear(3, 4), nn.PReLU(), nn.Linear(4, 2)), [x(5, 3)], None
    yield "block", Block(), [torch.randint(0, 11, (2, 5))], None
    yield "layer_norm", nn.LayerNorm((2, 3)), [x(4, 2, 3)], None
    yield "rms_norm", nn.RMSNorm(6), [x(4, 6)], None
    yield "group_norm", nn.GroupNorm(2, 6), [x(3, 6, 4)], None
    for name, layer, shape in (
        ("batch_norm1d", nn.BatchNorm1d(3), (5, 3)),
        ("batch_norm2d", nn.BatchNorm2d(3), (4, 3, 2, 2)),
    ):
        for _ in range(3):
            layer(2.0 * x(shape) + 1.0)
        yield name, layer, [x(shape)], None
    yield "embedding", nn.Embedding(5, 3, padding_idx=1), [torch.tensor([[0, 1], [4, 2]])], None
    yield "attention", nn.MultiheadAttention(8, 2), [x(3, 2, 8), x(4, 2, 8), x(4, 2, 8)], None
    yield "attention_dims", nn.MultiheadAttention(6, 3, kdim=4, vdim=5, bias=False, batch_first=True), [
        x(2, 3, 6), x(2, 4, 4), x(2, 4, 5)
    ], None  # fmt: skip
    yield "rnn_cell", nn.RNNCell(3, 4), [x(2, 3), x(2, 4)], None
    yield "gru_cell", nn.GRUCell(3, 4), [x(2, 3), x(2, 4)], None
    yield "lstm_cell", nn.LSTMCell(3, 4), [x(2, 3), x(2, 4), x(2, 4)], lambda f, x, h, c: f(x, (h, c))
    yield "rnn", nn.RNN(3, 4, nonlinearity="relu", bias=False), [x(5, 2, 3), x(1, 2, 4)], None
    yield "gru", nn.GRU(3, 4, num_layers=2, batch_first=True), [x(2, 5, 3), x(2, 2, 4)], None
    yield "lstm", nn.LSTM(3, 4, num_layers=2, bidirectional=True), [x(5, 2, 3)], None


def leaves(value: Any) -> list[Any]:
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, tuple) else [value]


def main() -> None:
    torch.manual_seed(0)
    FOLDER.mkdir(parents=True, exist_ok=True)
    calls: dict[str, Any] = {}
    for name, layer, inputs, call in cases():
        layer.eval()
        for parameter in layer.parameters():  # no two alike, no zeros
            if parameter.ndim == 1:
                parameter.data.add_(0.3 * torch.randn(parameter.shape))
        save_file(layer.state_dict(), FOLDER / f"{name}.safetensors")
        with torch.no_grad():
            outputs = leaves(layer(*inputs) if call is None else call(layer, *inputs))
        for direction, arrays in (("in", inputs), ("out", outputs)):
            calls |= {f"{name}/{direction}/{i}": a.contiguous() for i, a in enumerate(arrays)}
    save_file(calls, FOLDER / "calls.safetensors")


if __name__ == "__main__":
    main()
