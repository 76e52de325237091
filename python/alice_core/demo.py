"""The demo behind ``alice demo``: a multilayer perceptron learns to read small images.

:func:`train` is the training loop as you would write it yourself, with public names only. The rest of the file reports:
a line an epoch, the worst mistakes, pictures, the saved model.
"""

from __future__ import annotations

import csv
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import alice_core as ac

from . import plot
from .extras import require
from .files import whole

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["DemoError", "Epoch", "Interrupted", "Settings", "build_model", "predict", "run", "train", "worst"]

#: Keeps the model from growing ever surer of what it already knows; on the digits it halves the mistakes.
LABEL_SMOOTHING = 0.1
MOMENTUM = 0.9


class DemoError(ac.AliceError, RuntimeError):
    """The demo cannot go on."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended the training; the message says what was kept."""


@dataclass(frozen=True)
class Settings:
    """How to train: see ``alice demo --help``."""

    epochs: int = 20
    batch_size: int = 32
    lr: float = 0.1
    hidden: tuple[int, ...] = (128,)
    seed: int = 0
    distributed: bool = False

    @property
    def shard(self) -> tuple[int, int]:
        """The part of every batch that this process works on, of so many."""
        return (ac.distributed.rank(), ac.distributed.size()) if self.distributed else (0, 1)


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training images gave: mean loss in nats, shares of right answers, seconds."""

    number: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    seconds: float


# --- the part worth reading -------------------------------------------------------------------------------------------


def build_model(data: ac.data.Dataset, settings: Settings) -> Any:
    """A multilayer perceptron from pixels to class scores (logits)."""
    sizes = [data.x_train.shape[1], *settings.hidden, data.n_classes]
    return ac.nn.MLP(sizes, activation="relu", seed=settings.seed)


def train(data: ac.data.Dataset, model: Any, settings: Settings) -> Iterator[Epoch]:
    """Train ``model`` with SGD and momentum; yields after every epoch."""
    tqdm = require("tqdm", "tqdm", "alice demo").tqdm
    X, Y, shard = data.x_train, data.y_train, settings.shard
    batches = ac.data.minibatches(X, Y, settings.batch_size, seed=settings.seed, shard=shard)
    opt: Any = ac.optim.SGD(model.parameters(), lr=settings.lr, momentum=MOMENTUM)
    if settings.distributed:
        opt = ac.distributed.data_parallel(opt)
    quiet = True if shard[0] else None  # None: unless there is a terminal
    steps_left = steps = settings.epochs * len(batches)

    @ac.compile
    def step(x: ac.Tensor, y: ac.Tensor) -> tuple[ac.Tensor, ac.Tensor]:
        logits = model(x)
        loss = ac.losses.cross_entropy(logits, y, label_smoothing=LABEL_SMOOTHING)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss, ac.sum(ac.equal(ac.argmax(logits, axis=1), y))

    for number in range(1, settings.epochs + 1):
        start = time.perf_counter()
        total_loss, correct, n = 0.0, 0, 0
        for x, y in tqdm(batches, desc=f"epoch {number}/{settings.epochs}", leave=False, disable=quiet):
            opt.lr = settings.lr * steps_left / steps  # large steps first, small ones at the end
            loss, right = step(x, y)
            steps_left -= 1
            total_loss += loss.item() * len(y)
            correct += int(right.item())
            n += len(y)

        if settings.distributed:
            sums = ac.tensor([total_loss, correct, n], ac.float64)
            total_loss, correct, n = ac.distributed.allreduce(sums, "sum").tolist()
        answers = predict(model, data.x_test).argmax(axis=1)
        test_accuracy = float(np.mean(answers == data.y_test))
        yield Epoch(number, total_loss / n, correct / n, test_accuracy, time.perf_counter() - start)


def predict(model: Any, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Class probabilities of flat images, shape (n, n_classes)."""
    with ac.no_grad():
        probabilities: npt.NDArray[np.float32] = ac.softmax(model(x), axis=1).numpy()
    return probabilities


# --- the report -------------------------------------------------------------------------------------------------------


def worst(
    probabilities: npt.NDArray[np.float32], truth: npt.NDArray[np.int64], count: int = 10
) -> npt.NDArray[np.int64]:
    """Indices of the worst answers: wrong ones before right ones, then by the probability given to the truth."""
    right = probabilities.argmax(axis=1) == truth
    given = probabilities[np.arange(len(truth)), truth]
    order: npt.NDArray[np.int64] = np.lexsort((given, right))[:count]
    return order


def run(data: ac.data.Dataset, settings: Settings, out: Path) -> float:
    """Train, report on standard output, fill the folder ``out``; returns the test accuracy.

    Raises
    ------
    DemoError
        If the folder cannot be made, the processes cannot share the batches, or the training diverges.
    Interrupted
        On Ctrl-C; the files of the finished epochs are complete.
    """
    require("matplotlib.figure", "matplotlib", "alice demo")  # now, not after the training
    model = build_model(data, settings)
    part, parts = settings.shard
    if settings.batch_size % parts:
        raise DemoError(
            f"demo: --batch-size must be a multiple of the number of processes, {parts}; got {settings.batch_size}"
        )
    if part > 0:  # the first process reports
        return [epoch.test_accuracy for epoch in train(data, model, settings)][-1]
    try:
        out.mkdir(parents=True, exist_ok=True)  # also now
    except OSError as error:
        raise DemoError(
            f"demo: --out must be a folder that can be made and written; got {out} ({error.strerror}); choose another"
        ) from None
    network = "-".join(str(n) for n in (data.x_train.shape[1], *settings.hidden, data.n_classes))
    n_parameters = sum(p.size for p in model.parameters())
    height, width = data.image_shape
    print(f"data     {data.name}: {len(data.x_train)} images to learn from, {len(data.x_test)} for the test, "
          f"{height}x{width} pixels, {data.n_classes} classes")  # fmt: skip
    print(f"network  {network}, {n_parameters} parameters, relu; SGD with momentum {MOMENTUM}, lr {settings.lr:g} "
          f"falling to 0, batch {settings.batch_size}, seed {settings.seed}")  # fmt: skip
    if settings.distributed:
        print(f"ranks    {parts}, each with {settings.batch_size // parts} images a step")

    history: list[Epoch] = []
    try:
        with _alone(out):
            for epoch in train(data, model, settings):
                model.save(out / "model.npz")  # whole, whenever Ctrl-C comes
                _write(epoch, out / "history.csv")
                history.append(epoch)
                _print(epoch, settings)  # last: what was seen is also on the disk
                if not math.isfinite(epoch.loss):
                    raise DemoError(
                        f"demo: the loss must stay finite; got {epoch.loss} in epoch {epoch.number}; try a smaller --lr"
                    )
            _finish(data, model, network, history, out)
    except KeyboardInterrupt:
        kept = f"the finished epochs are kept in {out / 'history.csv'} and {out / 'model.npz'}"
        raise Interrupted(f"stopped by Ctrl-C; {kept if history else 'no epoch was finished'}") from None
    return history[-1].test_accuracy


def _print(epoch: Epoch, settings: Settings) -> None:
    print(
        f"epoch {epoch.number:{len(str(settings.epochs))}}/{settings.epochs}  loss {epoch.loss:.4f}  "
        f"accuracy {epoch.train_accuracy:.4f}  test accuracy {epoch.test_accuracy:.4f}  {_time(epoch.seconds)}",
        flush=True,
    )


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 0.01 else f"{1000 * seconds:.2f} ms"


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Nobody else writes to the folder in this block; where the file system has no locks, that is a hope."""
    if fcntl is None:
        yield
        return
    folder = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f"demo: --out must be a folder of one run; got {out}, which another run is writing to; choose another, "
                f"or wait until it has ended"
            ) from None
        except OSError:
            pass
        yield
    finally:
        os.close(folder)


def _write(epoch: Epoch, path: Path) -> None:
    """Append an epoch; the first one replaces the file of an earlier run."""
    row = [epoch.number, epoch.loss, epoch.train_accuracy, epoch.test_accuracy, round(epoch.seconds, 4)]
    if epoch.number > 1:
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row)
        return
    header = ["epoch", "loss_nats", "train_accuracy", "test_accuracy", "seconds"]
    with whole(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, row])


def _finish(data: ac.data.Dataset, model: Any, network: str, history: list[Epoch], out: Path) -> None:
    probabilities = predict(model, data.x_test)
    answers = probabilities.argmax(axis=1)
    n_wrong = int(np.count_nonzero(answers != data.y_test))
    print(f"\ntest accuracy {history[-1].test_accuracy:.4f}: {n_wrong} of {len(answers)} wrong")

    rows = worst(probabilities, data.y_test)
    order = "all wrong" if n_wrong >= len(rows) else "wrong ones first, then the least sure"
    print(f"the ten worst answers ({order}):")
    captions = []
    for i in rows:
        true, said, sure = data.y_test[i], answers[i], probabilities[i, answers[i]]
        verdict = "right" if said == true else "WRONG"
        print(f"  test image {i:5d}  is {true}, the model says {said} with probability {sure:.2f}  {verdict}")
        captions.append(f"#{i} is {true}\nsays {said}, p = {sure:.2f}")

    classes = data.n_classes
    wrong_share = LABEL_SMOOTHING / classes
    right_share = 1 - LABEL_SMOOTHING + wrong_share
    floor = -right_share * math.log(right_share) - (classes - 1) * wrong_share * math.log(wrong_share)
    title = f"{data.name}, {network}"
    pictures = [
        plot.learning_curves(
            out / "loss.png",
            [e.loss for e in history],
            {"training": [e.train_accuracy for e in history], "test": [e.test_accuracy for e in history]},
            title=title,
            floor=floor,
        ),
        plot.confusion_matrix(out / "confusion.png", data.y_test, answers, classes, title=title),
        plot.image_grid(
            out / "mistakes.png", data.x_test[rows].reshape(-1, *data.image_shape), captions, title=f"Worst: {title}"
        ),
    ]
    print("\npictures " + ", ".join(str(p) for p in pictures))
    print(f"model    {out / 'model.npz'}, numbers of every epoch in {out / 'history.csv'}")
