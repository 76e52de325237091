"""Pictures of a training run as PNG files: learning curves, confusion matrix, images with the model's answers.

Needs matplotlib (extra ``demo``). Figures are drawn without pyplot, so nothing global is touched and no display needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ShapeError
from .extras import require
from .files import whole

__all__ = ["confusion_matrix", "image_grid", "learning_curves"]

BLUE, ORANGE, GREY = "#1f5fa8", "#d9720f", "#6b6f76"
_STYLE = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.grid": False,
    "grid.color": "#e3e5e8",
    "legend.frameon": False,
    "savefig.dpi": 150,
}


def draw_figure(path: str | Path, size: tuple[float, float], draw: Any) -> Path:
    """Set the style, let ``draw(figure)`` fill a figure of ``size`` inches, and write it to ``path``."""
    matplotlib = require("matplotlib", "matplotlib", "plot")
    figures = require("matplotlib.figure", "matplotlib", "plot")
    with matplotlib.rc_context(_STYLE), whole(path) as file:
        figure = figures.Figure(figsize=size, layout="constrained")
        draw(figure)
        figure.savefig(file, format="png")
    return Path(path)


def learning_curves(
    path: str | Path,
    loss: Sequence[float],
    accuracy: dict[str, Sequence[float]],
    *,
    title: str,
    floor: float | None = None,
) -> Path:
    """Draw loss and accuracy against epochs.

    Parameters
    ----------
    path : str or Path
        PNG file to write.
    loss : sequence of float
        Mean training loss of each epoch, in nats.
    accuracy : dict of str to sequence of float
        Curves by name, between 0 and 1, one number an epoch.
    title : str
    floor : float, optional
        The smallest value the loss can take, drawn as a line; label smoothing keeps it above 0.

    Returns
    -------
    Path
        The file written.
    """

    def draw(figure: Any) -> None:
        figure.suptitle(title, x=0.02, ha="left", fontsize=12)
        left, right = figure.subplots(1, 2)
        epochs = range(1, len(loss) + 1)
        left.plot(epochs, loss, color=BLUE, marker="o", markersize=3, label="training loss")
        if floor is not None:
            left.axhline(floor, color=GREY, linestyle="--", linewidth=1, label=f"lowest possible: {floor:.3f}")
        left.set(title="Loss", xlabel="epoch", ylabel="cross-entropy [nats]")
        for (name, values), color in zip(accuracy.items(), (BLUE, ORANGE), strict=False):
            label = f"{name}, last: {values[-1]:.1%}" if len(values) else name
            right.plot(epochs, [100 * v for v in values], color=color, marker="o", markersize=3, label=label)
        right.set(title="Accuracy", xlabel="epoch", ylabel="correct [%]")
        for axes in (left, right):
            axes.grid(True)
            axes.set_axisbelow(True)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend()

    return draw_figure(path, (9.0, 3.8), draw)


def confusion_matrix(
    path: str | Path, truth: npt.ArrayLike, answers: npt.ArrayLike, n_classes: int, *, title: str
) -> Path:
    """Draw how often each class was taken for each other.

    Parameters
    ----------
    path : str or Path
        PNG file to write.
    truth, answers : array_like of int, shape (n,)
        Classes 0 .. n_classes - 1: what each item is, and what the model said.
    n_classes : int
    title : str

    Returns
    -------
    Path
        The file written.
    """
    true, said = np.asarray(truth), np.asarray(answers)
    if true.ndim != 1 or true.shape != said.shape:
        raise ShapeError(
            f"confusion_matrix: truth and answers must be vectors of one length; got {true.shape}, {said.shape}"
        )
    counts = np.bincount(true * n_classes + said, minlength=n_classes**2).reshape(n_classes, n_classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        # The square root makes single mistakes visible beside hundreds of right answers.
        image = axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0.0, vmax=1.0)
        right = int(np.trace(counts))
        axes.set_title(f"{title}\n{right} of {len(true)} correct ({right / max(len(true), 1):.1%})")
        axes.set(xlabel="the model says", ylabel="it is")
        if n_classes <= 30:
            axes.set_xticks(range(n_classes))
            axes.set_yticks(range(n_classes))
            for i, j in zip(*np.nonzero(counts), strict=True):
                ink = "white" if shares[i, j] > 0.4 else "black"
                weight = "normal" if i == j else "bold"
                axes.text(j, i, str(counts[i, j]), ha="center", va="center", color=ink, fontsize=8, weight=weight)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, label="share of the row [%]")
        percent = np.array([0, 1, 5, 10, 25, 50, 75, 100])
        bar.set_ticks(list(np.sqrt(percent / 100)), labels=[str(p) for p in percent])
        bar.outline.set_visible(False)

    return draw_figure(path, (6.4, 5.6), draw)


def image_grid(
    path: str | Path, images: npt.ArrayLike, captions: Sequence[str], *, title: str, columns: int = 5
) -> Path:
    """Draw images side by side, each with a caption above it.

    Parameters
    ----------
    path : str or Path
        PNG file to write.
    images : array_like, shape (n, height, width)
        Grey values; each image is stretched to its own darkest and brightest pixel.
    captions : sequence of str
        One an image.
    title : str
    columns : int
        Images a row.

    Returns
    -------
    Path
        The file written.
    """
    pixels = np.asarray(images)
    if pixels.ndim != 3 or len(pixels) != len(captions):
        raise ShapeError(
            f"image_grid: images must be (n, height, width) with n captions; got {pixels.shape} and {len(captions)}"
        )
    rows = max(1, -(-len(pixels) // columns))

    def draw(figure: Any) -> None:
        figure.suptitle(title, x=0.02, ha="left", fontsize=12)
        for i, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
            axes.set_axis_off()
            if i < len(pixels):
                axes.imshow(pixels[i], cmap="gray_r", interpolation="nearest")
                axes.set_title(captions[i], fontsize=9, weight="normal", loc="center")

    return draw_figure(path, (1.9 * columns, 2.25 * rows + 0.5), draw)
