"""Whole epochs: Fashion-MNIST, and the digits of ``alice demo``. Every contender sees the same batches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import alice_core as ac
from peers import HAS_COMPILE, NOTICES, THREADS, torch
from rows import EAGER, OURS, Row, Target
from steps import our_model, problem, torch_model

FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
SMOOTHING = 0.1  # as in the demo
POINTS = 0.5  # how far the accuracies may lie apart, in percent


class Epochs:
    """A model and its training; a call is one epoch. The order of the images follows from the epoch's number."""

    def __init__(self, data: Any, hidden: int, batch: int, lr: float, digits: bool) -> None:
        self.sizes = [data.x_train.shape[1], hidden, data.n_classes]
        self.parameters, _, _ = problem(self.sizes, 1)
        self.data, self.batch, self.lr, self.digits = data, batch, lr, digits
        self.loss = 0.0

    def accuracy(self) -> float:
        """Share of right answers on the test images, in percent."""
        return 100 * float(np.mean(self.scores(self.data.x_test).argmax(axis=1) == self.data.y_test))

    def scores(self, x: Any) -> Any:
        raise NotImplementedError

    def __call__(self) -> float:
        raise NotImplementedError


class Ours(Epochs):
    def __init__(self, *args: Any, compiled: bool) -> None:
        super().__init__(*args)
        self.model, self.opt = our_model(self.sizes, self.parameters)
        self.opt.lr = self.lr
        self.batches = ac.data.minibatches(self.data.x_train, self.data.y_train, self.batch)
        step = self.digits_step if self.digits else self.plain_step
        self.step = ac.compile(step) if compiled else step

    def plain_step(self, x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.cross_entropy(self.model(x), y)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss

    def digits_step(self, x: ac.Tensor, y: ac.Tensor) -> tuple[ac.Tensor, ac.Tensor]:
        logits = self.model(x)
        loss = ac.losses.cross_entropy(logits, y, label_smoothing=SMOOTHING)
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return loss, ac.sum(ac.equal(ac.argmax(logits, axis=1), y))

    def __call__(self) -> float:
        if not self.digits:
            for x, y in self.batches:
                self.step(x, y)
            return 0.0
        total, correct, left = 0.0, 0, len(self.batches)
        for x, y in self.batches:
            self.opt.lr = self.lr * left / len(self.batches)
            loss, right = self.step(x, y)
            total += float(loss) * len(y)
            correct += int(right)
            left -= 1
        return total

    def scores(self, x: Any) -> Any:
        with ac.no_grad():
            return self.model(ac.asarray(x)).numpy()


class Torch(Epochs):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.model, self.opt = torch_model(self.sizes, self.parameters)
        self.opt.param_groups[0]["lr"] = self.lr
        self.images, self.labels = torch.tensor(self.data.x_train), torch.tensor(self.data.y_train)
        self.epoch = 0

    def __call__(self) -> float:
        # The order that ac.data.minibatches draws.
        order = torch.from_numpy(np.random.default_rng((0, self.epoch)).permutation(len(self.labels)))
        self.epoch += 1
        total, correct = 0.0, 0
        batches = order.split(self.batch)
        for i, index in enumerate(batches):
            x, y = self.images[index], self.labels[index]
            if self.digits:
                self.opt.param_groups[0]["lr"] = self.lr * (len(batches) - i) / len(batches)
            logits = self.model(x)
            loss = torch.nn.functional.cross_entropy(logits, y, label_smoothing=SMOOTHING if self.digits else 0.0)
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
            if self.digits:
                total += loss.item() * len(y)
                correct += int((logits.detach().argmax(1) == y).sum())
        return total

    def scores(self, x: Any) -> Any:
        with torch.no_grad():
            return self.model(torch.tensor(x)).numpy()


def _row(name: str, args: tuple[Any, ...], epochs: int, targets: tuple[Target, ...], rounds: int) -> Row:
    notes: list[str] = []

    def fresh() -> dict[str, Any]:
        made: dict[str, Any] = {OURS: Ours(*args, compiled=True)} if HAS_COMPILE else {}
        made[EAGER] = Ours(*args, compiled=False)
        if torch is not None:
            made["torch"] = Torch(*args)
        return made

    def contenders() -> dict[str, Any]:
        accuracies = {}
        for label, model in fresh().items():
            for _ in range(epochs):
                model()
            accuracies[label] = model.accuracy()
        apart = max(accuracies.values()) - min(accuracies.values())
        said = ", ".join(f"{label} {accuracy:.2f} %" for label, accuracy in accuracies.items())
        verdict = "" if apart <= POINTS else f" **more than {POINTS} points apart**"
        notes.append(f"{name}: test accuracy after {epochs} epochs with the same batches: {said}{verdict}.")
        return fresh()

    return Row(name, contenders, targets, rounds=rounds, notes=notes)


def rows(quick: bool) -> Iterator[Row]:
    one = THREADS == 1
    try:
        digits = ac.data.load_digits()
    except ImportError as error:
        NOTICES.append(f"the epoch of the digits is left out: {error}")
    else:
        targets = (Target(1 / 15, "torch", inverse=True),) if one else ()
        yield _row("epoch of the digits, 64-128-10, batch 32", (digits, 128, 32, 0.1, True), 20, targets, 15)
    if quick:
        return
    if not FASHION.is_dir():
        NOTICES.append(f"the epoch of Fashion-MNIST is left out: {FASHION} is not there (dataset-fashion-mnist)")
        return
    fashion = ac.data.load_idx(FASHION)
    targets = (Target(0.6, "torch"),) if one else ()
    yield _row("epoch of Fashion-MNIST, 784-128-10, batch 128", (fashion, 128, 128, 0.02, False), 2, targets, 7)
