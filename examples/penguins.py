"""Penguins by a perceptron 4-16-3, and by the same one in NumPy by hand
=====================================================================

Both take the same 200 steps of gradient descent in float64, and end at the same weights. The data are Palmer Penguins
(Horst, Hill, Gorman, 2020): pip install palmerpenguins; python examples/penguins.py"""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import alice_core as ac

FEATURES = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
UPDATES, LR = 200, 0.3


def load() -> tuple[Any, Any]:
    """Four measurements, standardised, and the species: of the 342 penguins that were measured."""
    package = importlib.util.find_spec("palmerpenguins")  # not imported: that would need pandas
    if package is None or package.origin is None:
        raise SystemExit("penguins.py needs the data: pip install palmerpenguins")
    with Path(package.origin).with_name("data").joinpath("penguins.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row[FEATURES[0]] not in ("", "NA")]
    x = np.array([[float(row[name]) for name in FEATURES] for row in rows])
    return (x - x.mean(axis=0)) / x.std(axis=0), np.unique([row["species"] for row in rows], return_inverse=True)[1]


def with_alice(x: Any, y: Any, start: list[Any]) -> list[Any]:
    model = ac.nn.MLP([4, 16, 3], activation="tanh", dtype=ac.float64)
    for p, value in zip(model.parameters(), start, strict=True):
        p.assign_(ac.asarray(value))
    opt = ac.optim.SGD(model.parameters(), lr=LR)

    @ac.compile
    def update(x: ac.Tensor, y: ac.Tensor) -> None:
        loss = ac.losses.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()

    for _ in range(UPDATES):
        update(ac.asarray(x), ac.asarray(y))
    return [p.numpy() for p in model.parameters()]


def by_hand(x: Any, y: Any, start: list[Any]) -> list[Any]:
    W, b, V, c = (p.copy() for p in start)
    for _ in range(UPDATES):
        h = np.tanh(x @ W + b)
        e = np.exp(h @ V + c)
        by_z = (e / e.sum(axis=1, keepdims=True) - np.eye(3)[y]) / len(x)  # the softmax and the cross-entropy in one
        by_a = by_z @ V.T * (1 - h * h)
        W, b = W - LR * x.T @ by_a, b - LR * by_a.sum(axis=0)
        V, c = V - LR * h.T @ by_z, c - LR * by_z.sum(axis=0)
    return [W, b, V, c]


def main() -> None:
    x, y = load()
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(4, 16)) / 2, np.zeros(16), rng.normal(size=(16, 3)) / 4, np.zeros(3)]
    ours, theirs = with_alice(x, y, start), by_hand(x, y, start)
    apart = max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))
    right = (np.tanh(x @ ours[0] + ours[1]) @ ours[2] + ours[3]).argmax(axis=1) == y
    print(f"{len(x)} penguins, {100 * right.mean():.1f} % right after {UPDATES} updates")
    print(f"weights are at most {apart:.1e} apart from those of the network written by hand")
    plt.scatter(x[:, 0], x[:, 1], c=y, edgecolors=np.where(right, "white", "red"))
    plt.gca().set(xlabel="bill length, deviations", ylabel="bill depth, deviations", title="red: taken for another one")
    plt.show()


if __name__ == "__main__":
    main()
