"""Fine-tuning on a few examples
=============================

What a network learned helps with another question, to which few answers are known: python examples/fine_tuning.py

It learned to read digits; now it is asked whether a digit is odd, and 30 images say so. Three ways: from scratch; a new
head on a trunk that is frozen; then the whole network, gently. Needs scikit-learn, whose digits these are.
"""

from __future__ import annotations

from typing import Any

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
    print(f"from scratch:      {accuracy(scratch, *test):.3f} right")

    trunk = ac.nn.Linear(64, 128, seed=1)
    reader = network(trunk, 10, seed=2)
    train(reader, reader.parameters(), data.x_train[FEW:], data.y_train[FEW:], 30, 1e-3)

    tuned = network(trunk, 2, seed=3)
    frozen = list(trunk.parameters())
    for p in frozen:
        p.grad = None
        p.requires_grad_(False)
    before = [p.numpy().copy() for p in frozen]
    train(tuned, [p for p in tuned.parameters() if p.requires_grad], few_x, few_y, 100, 3e-3)
    same = all(np.array_equal(p.numpy(), value) for p, value in zip(frozen, before, strict=True))
    print(f"new head alone:    {accuracy(tuned, *test):.3f}, the trunk {'is as it was' if same else 'has moved'}")

    for p in frozen:
        p.requires_grad_(True)
    train(tuned, tuned.parameters(), few_x, few_y, 50, 3e-4)
    print(f"then all of it:    {accuracy(tuned, *test):.3f}")


if __name__ == "__main__":
    main()
