"""Fine-tuning on a few examples
=============================

What a network learned helps with another question, to which few answers are known: python examples/fine_tuning.py

It learned to read digits; now it is asked whether a digit is odd, and 30 images say so. Three ways: from scratch; a new
head on a trunk that is frozen; then the whole network, gently. Needs scikit-learn, whose digits these are.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

import alice_core as ac

FEW = 30


def train(model: ac.nn.Module, parameters: Any, x: Any, y: Any, epochs: int, lr: float) -> None:
    opt = ac.optim.Adam(parameters, lr=lr)

    @ac.compile
    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    batches = ac.data.minibatches(x, y, 32)
    for _ in range(epochs):
        for batch in batches:
            step(*batch)


def network(trunk: ac.nn.Module, classes: int, seed: int) -> ac.nn.Sequential:
    return ac.nn.Sequential(trunk, ac.nn.ReLU(), ac.nn.Linear(128, classes, seed=seed))


def accuracy(model: ac.nn.Module, x: Any, y: Any) -> float:
    return float(np.mean(model(ac.asarray(x)).numpy().argmax(axis=1) == y))


def main() -> None:
    data = ac.data.load_digits()
    few_x, few_y = data.x_train[:FEW], data.y_train[:FEW] % 2
    test = data.x_test, data.y_test % 2

    scratch = network(ac.nn.Linear(64, 128, seed=1), 2, seed=2)
    train(scratch, scratch.parameters(), few_x, few_y, 100, 1e-3)
    found = {"from scratch": accuracy(scratch, *test)}

    trunk = ac.nn.Linear(64, 128, seed=1)
    reader = network(trunk, 10, seed=2)
    train(reader, reader.parameters(), data.x_train[FEW:], data.y_train[FEW:], 30, 1e-3)
    tuned = network(trunk, 2, seed=3)
    trunk.requires_grad_(False)
    before = [p.numpy().tobytes() for p in trunk.parameters()]
    train(tuned, [p for p in tuned.parameters() if p.requires_grad], few_x, few_y, 100, 3e-3)
    same = before == [p.numpy().tobytes() for p in trunk.parameters()]
    found["new head alone"] = accuracy(tuned, *test)
    trunk.requires_grad_(True)
    train(tuned, tuned.parameters(), few_x, few_y, 50, 3e-4)
    found["then all of it"] = accuracy(tuned, *test)

    for name, share in found.items():
        print(f"{name}: {share:.3f} right")
    print(f"under the new head the trunk {'is as it was' if same else 'has moved'}")
    plt.barh(list(found), list(found.values()))
    plt.gca().set(xlabel="share that is right; of guesses, half", xlim=(0.5, 1.0))
    plt.tight_layout()
    plt.show()


if __name__ == "__main__":
    main()
