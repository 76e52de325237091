"""Hidden pixels
=============

Self-supervised learning: the middle of every digit is hidden, and a network learns to fill it in from the rest. Nobody
has to label anything; the error is compared with that of filling in the mean. Needs ``pip install "alice_core[demo]"``.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np

import alice_core as ac
from alice_core import losses, nn

DIGITS = ac.data.load_digits()
HIDDEN = np.zeros((8, 8), np.float32)
HIDDEN[2:6, 2:6] = 1.0
HIDDEN = HIDDEN.ravel()


def train(epochs: int = 60) -> nn.Module:
    """A network from images with a hole to the pixels in it."""
    model = nn.MLP([64, 128, 128, int(HIDDEN.sum())], activation="relu", seed=0)
    opt = ac.optim.Adam(model.parameters(), lr=1e-3)

    @ac.compile
    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = losses.mse_loss(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    x = DIGITS.x_train
    for epoch in range(epochs):
        for seen, hidden in ac.data.minibatches(x * (1 - HIDDEN), x[:, HIDDEN == 1], 32, seed=epoch):
            step(seen, hidden)
    return model


def main() -> None:
    model = train()
    x, truth = DIGITS.x_test * (1 - HIDDEN), DIGITS.x_test[:, HIDDEN == 1]
    guess = model(ac.asarray(x)).numpy()
    mean = DIGITS.x_train[:, HIDDEN == 1].mean(axis=0)
    print(f"mean squared error {np.mean((guess - truth) ** 2):.3f}, of the mean {np.mean((mean - truth) ** 2):.3f}")

    filled = x.copy()
    filled[:, HIDDEN == 1] = guess
    figure, axes = plt.subplots(3, 10, figsize=(7.5, 2.6))
    for row, (title, images) in zip(axes, (("hidden", x), ("filled in", filled), ("true", DIGITS.x_test)), strict=True):
        for ax, image in zip(row, images, strict=False):
            ax.imshow(image.reshape(8, 8), cmap="gray_r", vmin=-1, vmax=2)
            ax.set(xticks=[], yticks=[])
        row[0].set_ylabel(title)
    figure.suptitle("Digits whose middle was hidden")
    plt.show()


if __name__ == "__main__":
    main()
