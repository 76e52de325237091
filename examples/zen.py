"""A recurrent network that writes
================================

A GRU learns the Zen of Python letter by letter, and goes on by itself: python examples/zen.py

The text (Peters, PEP 20, in the public domain) comes with Python. Reading and writing are an ac.scan each.
"""

from __future__ import annotations

import codecs
import contextlib
import importlib
import io
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

import alice_core as ac
from alice_core import losses, nn, optim

with contextlib.redirect_stdout(io.StringIO()):  # which the module prints
    TEXT = codecs.decode(importlib.import_module("this").s, "rot13")
LETTERS = sorted(set(TEXT))
CODES = np.array([LETTERS.index(c) for c in TEXT])
WINDOW, BATCH, UPDATES = 40, 32, 200


class Writer(nn.Module):
    """From letters to logits of the next ones, by way of a state."""

    def __init__(self, width: int = 96) -> None:
        self.embed = nn.Embedding(len(LETTERS), 32, seed=0)
        self.cell = nn.GRUCell(32, width, seed=1)
        self.out = nn.Linear(width, len(LETTERS), seed=2)

    def forward(self, state: ac.Tensor, codes: ac.Tensor) -> tuple[ac.Tensor, ac.Tensor]:
        state = self.cell(self.embed(codes), state)
        return state, self.out(state)


model = Writer()
opt = optim.Adam(model.parameters(), lr=0.005)


@ac.compile
def update(windows: ac.Tensor) -> ac.Tensor:
    """One step; windows have shape (WINDOW + 1, BATCH), a letter after the other."""
    _, logits = ac.scan(model, ac.zeros((BATCH, 96)), windows[:-1])
    loss = losses.cross_entropy(logits, windows[1:])
    opt.zero_grad()
    loss.backward()
    opt.step()
    return loss


def write(first: str, length: int, temperature: float) -> str:
    def step(carry: Any, _: None) -> Any:
        state, logits = model(*carry)
        code = ac.random.categorical(logits / temperature)
        return (state, code), code

    _, codes = ac.scan(step, (ac.zeros(96), ac.tensor(LETTERS.index(first))), length=length)
    return first + "".join(LETTERS[code] for code in codes.tolist())


if __name__ == "__main__":
    rng, curve = np.random.default_rng(0), []
    for _ in tqdm(range(UPDATES), disable=None):
        starts = rng.integers(0, len(CODES) - WINDOW, BATCH)
        curve.append(update(ac.tensor(CODES[starts + np.arange(WINDOW + 1)[:, None]])).item())
    print(f"nats per letter: {curve[0]:.3f} at first, {np.log(len(LETTERS)):.3f} by chance, {curve[-1]:.3f} at last")
    ac.random.seed(0)
    print(write("B", 200, 0.3))
    plt.semilogy(curve)
    plt.gca().set(xlabel="update", ylabel="nats per letter")
    plt.show()
