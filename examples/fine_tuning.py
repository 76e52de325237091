"""Fine-tuning on a few examples
=============================

A network that reads digits is to read them through a lens that blurs, from 40 examples: by training all of its
parameters further, by training the last layer alone, or from the beginning. Needs ``pip install "alice_core[demo]"``.
"""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np

import alice_core as ac
from alice_core import losses, nn

DIGITS = ac.data.load_digits()


def blurred(x: np.ndarray) -> np.ndarray:
    """Every pixel is the mean of itself and of three neighbours."""
    images = x.reshape(-1, 8, 8)
    images = images + np.roll(images, 1, axis=1)
    return (images + np.roll(images, 1, axis=2)).reshape(-1, 64) / 4


def train(
    model: nn.Module, parameters: Iterable[nn.Parameter], x: np.ndarray, y: np.ndarray, epochs: int
) -> list[float]:
    """Train some of the parameters of a model; the share of right answers on blurred digits, epoch by epoch."""
    opt = ac.optim.Adam(parameters, lr=1e-3)
    test = ac.asarray(blurred(DIGITS.x_test))

    @ac.compile
    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = losses.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    shares = []
    for epoch in range(epochs):
        for batch in ac.data.minibatches(x, y, 32, seed=epoch):
            step(*batch)
        shares.append(float(np.mean(model(test).numpy().argmax(axis=1) == DIGITS.y_test)))
    return shares


def main(epochs: int = 100) -> None:
    def new() -> nn.Sequential:
        return nn.Sequential(nn.Linear(64, 128, seed=0), nn.ReLU(), nn.Linear(128, 10, seed=1))

    reader = new()
    train(reader, reader.parameters(), DIGITS.x_train, DIGITS.y_train, 20)
    learned = reader.state_dict()
    x, y = blurred(DIGITS.x_train[:40]), DIGITS.y_train[:40]

    curves = {}
    for name in ("all parameters", "last layer", "from the beginning"):
        model = new()
        if name != "from the beginning":
            model.load_state_dict(learned)
        parameters = list(model.parameters())
        curves[name] = train(model, parameters[-2:] if name == "last layer" else parameters, x, y, epochs)
        print(f"{name}: {curves[name][-1]:.3f} right")

    for name, shares in curves.items():
        plt.plot(shares, label=name)
    plt.gca().set(title="Blurred digits, from 40 examples", xlabel="epoch", ylabel="share that is right")
    plt.legend()
    plt.show()


if __name__ == "__main__":
    main()
