"""A frozen trunk and a new head
=============================

A network learns the digits 0 to 4. Its last layer is thrown away, the rest is frozen, and a new last layer learns the
digits 5 to 9, which the rest has never seen; beside it the same layer on five trunks of random numbers. Needs ``pip
install "alice_core[demo]"``.
"""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib.pyplot as plt
import numpy as np

import alice_core as ac
from alice_core import losses, nn

DIGITS = ac.data.load_digits()
WIDTH = 8


def part(classes: range, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images of some classes, which are counted from 0."""
    chosen = np.isin(y, classes)
    return x[chosen], y[chosen] - classes[0]


def train(model: nn.Module, parameters: Iterable[nn.Parameter], classes: range, epochs: int, lr: float) -> list[float]:
    """The share of right answers on the test images, epoch by epoch."""
    x, y = part(classes, DIGITS.x_train, DIGITS.y_train)
    test_x, test_y = part(classes, DIGITS.x_test, DIGITS.y_test)
    opt = ac.optim.Adam(parameters, lr=lr)

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
        shares.append(float(np.mean(model(ac.asarray(test_x)).numpy().argmax(axis=1) == test_y)))
    return shares


def with_new_head(trunk: nn.Module, epochs: int = 20) -> list[float]:
    """Freeze a trunk, put a new layer on it, and train that alone."""
    trunk.requires_grad_(False)
    head = nn.Linear(WIDTH, 5, seed=2)
    return train(nn.Sequential(trunk, nn.ReLU(), head), head.parameters(), range(5, 10), epochs, 1e-2)


def main() -> None:
    trunk = nn.Linear(64, WIDTH, seed=0)
    weights = trunk.parameters()
    first = nn.Sequential(trunk, nn.ReLU(), nn.Linear(WIDTH, 5, seed=1))
    known = train(first, first.parameters(), range(5), 20, 3e-3)
    before = [p.numpy().tobytes() for p in weights]
    learned = with_new_head(trunk)
    random = np.mean([with_new_head(nn.Linear(64, WIDTH, seed=seed)) for seed in range(10, 15)], axis=0)
    unchanged = before == [p.numpy().tobytes() for p in weights]
    print(f"digits 0 to 4: {known[-1]:.3f} right; the trunk has not changed: {unchanged}")
    print(f"digits 5 to 9: {learned[-1]:.3f} right on this trunk, {random[-1]:.3f} on random ones")

    plt.plot(learned, label="trunk that has learned 0 to 4")
    plt.plot(random, label="random trunks, mean of five")
    plt.gca().set(title="A new head for the digits 5 to 9", xlabel="epoch", ylabel="share that is right")
    plt.legend()
    plt.show()


if __name__ == "__main__":
    main()
