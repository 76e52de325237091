"""Hidden pixels
=============

Learning without labels: tell pixels that were hidden from those around them: python examples/masked_pixels.py

In each digit a patch of 3 x 3 pixels is hidden, another one each time; the network sees the rest and the mask, and is
asked for what is missing. The loss counts the hidden pixels alone. Needs scikit-learn, whose digits these are.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import alice_core as ac

SIDE, PATCH = 8, 3


def masks(rng: np.random.Generator, n: int) -> Any:
    """1 where pixels are hidden, shape (n, 64)."""
    hidden = np.zeros((n, SIDE, SIDE), np.float32)
    corners = rng.integers(0, SIDE - PATCH + 1, size=(n, 2))
    for image, (i, j) in zip(hidden, corners, strict=True):
        image[i : i + PATCH, j : j + PATCH] = 1
    return hidden.reshape(n, -1)


def visible(x: Any, hidden: Any) -> Any:
    """What the network gets: the pixels, 0 where they are hidden, and the mask."""
    return np.concatenate([x * (1 - hidden), hidden], axis=1)


def masked_loss(model: ac.nn.Module, seen: ac.Tensor, x: ac.Tensor, hidden: ac.Tensor) -> ac.Tensor:
    return ac.sum(ac.square(model(seen) - x) * hidden) / ac.sum(hidden)


def main() -> None:
    data, rng = ac.data.load_digits(), np.random.default_rng(0)
    model = ac.nn.MLP([2 * SIDE * SIDE, 256, SIDE * SIDE], activation="relu", seed=0)
    opt = ac.optim.Adam(model.parameters(), lr=2e-3)

    @ac.compile
    def step(seen: ac.Tensor, x: ac.Tensor, hidden: ac.Tensor) -> ac.Tensor:
        loss = masked_loss(model, seen, x, hidden)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    for epoch in range(30):
        hidden = masks(rng, len(data.x_train))
        inputs = visible(data.x_train, hidden)
        for batch in ac.data.minibatches(inputs, data.x_train, 32, seed=epoch, weights=hidden):
            step(*batch)

    hidden = masks(np.random.default_rng(1), len(data.x_test))
    inputs = (ac.asarray(a) for a in (visible(data.x_test, hidden), data.x_test, hidden))
    error = masked_loss(model, *inputs).item()
    guess = data.x_train.mean(axis=0)
    mean_error = float((np.square(guess - data.x_test) * hidden).sum() / hidden.sum())
    print(f"squared error of hidden pixels: {error:.3f}; of the mean image: {mean_error:.3f}")

    true, mask = data.x_test[:8], hidden[:8]
    filled = np.where(mask > 0, model(ac.asarray(visible(true, mask))).numpy(), true)
    rows = {"seen": np.where(mask > 0, np.nan, true), "filled in": filled, "true": true}
    _, axes = plt.subplots(3, 8, figsize=(8, 3.4), subplot_kw={"xticks": [], "yticks": []})
    for line, (title, images) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(title)
        for place, image in zip(line, images, strict=True):
            place.imshow(image.reshape(SIDE, SIDE), cmap="gray_r", vmin=true.min(), vmax=true.max())
            place.set_facecolor("gold")
    plt.show()


if __name__ == "__main__":
    main()
