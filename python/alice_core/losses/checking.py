"""What all losses check and end with; for losses of one's own, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import alice_core as ac

from ..checks import checked_choice, known_values
from ..errors import ShapeError
from ..tensors import Tensor, asarray

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__ = ["check_classes", "check_distributions", "check_probabilities", "check_signs", "checked_pair", "reduced"]

#: How far a sum of float32 probabilities may be from 1: they were rounded, and there may be many.
_SLACK = 1e-3


def checked_pair(name: str, prediction: TensorLike, target: TensorLike) -> tuple[Tensor, Tensor]:
    """Prediction and target as Tensors of one shape and one floating dtype, the prediction's if it has one.

    For losses of one's own that are to refuse what those of this module do; ``name`` is who complains.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.losses.checking import checked_pair
    >>> checked_pair("quartic_loss", ac.zeros(3), ac.zeros((3, 1)))
    Traceback (most recent call last):
    ...
    alice_core.errors.ShapeError: quartic_loss: prediction and target must have one shape; got (3,) and (3, 1); \
reshape one of them
    """
    p = asarray(prediction)
    t = asarray(target)
    if p.shape != t.shape:
        raise ShapeError(
            f"{name}: prediction and target must have one shape; got {p.shape} and {t.shape}; reshape one of them"
        )
    if p.dtype.kind != "f":
        p = ac.astype(p, ac.get_default_dtype())
    return p, t if t.dtype == p.dtype else ac.astype(t, p.dtype)


def reduced(name: str, losses: Tensor, reduction: str) -> Tensor:
    """The mean or the sum of losses, or ("none") the losses; ``name`` is who complains of another ``reduction``.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.losses.checking import reduced
    >>> reduced("quartic_loss", ac.tensor([1.0, 3.0]) ** 4, "mean")
    Tensor(41., dtype=float32)
    """
    checked_choice(name, "reduction", reduction, ("mean", "sum", "none"))
    if reduction == "mean":
        return ac.mean(losses)
    return ac.sum(losses) if reduction == "sum" else losses


def check_classes(name: str, targets: Tensor, classes: int, ignored: int | None = None) -> None:
    """Raise IndexError for a class index that is not from 0 to ``classes - 1``, where the numbers are known.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.losses.checking import check_classes
    >>> check_classes("my_loss", ac.tensor([0, 3]), 3)
    Traceback (most recent call last):
    ...
    IndexError: my_loss: targets must be from 0 to 2; got 3 in row 1
    """
    known = known_values(targets)
    if known is None:
        return
    wrong = (known < 0) | (known >= classes)
    if ignored is not None:
        wrong &= known != ignored
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise IndexError(f"{name}: targets must be from 0 to {classes - 1}; got {known.ravel()[row]} in row {row}")


def check_probabilities(who: str, name: str, p: Tensor, remedy: str) -> None:
    """Raise ValueError for what is not between 0 and 1, where the numbers are known; NaN goes through to the loss.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.losses.checking import check_probabilities
    >>> check_probabilities("my_loss", "target", ac.tensor([-1.0, 1.0]), "map labels with (y + 1) / 2")
    Traceback (most recent call last):
    ...
    ValueError: my_loss: target must lie between 0 and 1; got -1.0; map labels with (y + 1) / 2
    """
    known = known_values(p)
    if known is None:
        return
    wrong = (known < 0) | (known > 1)
    if wrong.any():
        raise ValueError(f"{who}: {name} must lie between 0 and 1; got {known[wrong][0]}; {remedy}")


def check_signs(who: str, name: str, labels: Tensor) -> None:
    """Raise ValueError for labels that are neither -1 nor 1, where the numbers are known; NaN goes through to the loss.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.losses.checking import check_signs
    >>> check_signs("my_loss", "target", ac.tensor([0.0, 1.0]))
    Traceback (most recent call last):
    ...
    ValueError: my_loss: target must be -1 or 1; got 0.0; labels 0 and 1 become -1 and 1 with 2 * y - 1
    """
    known = known_values(labels)
    if known is None:
        return
    wrong = (np.abs(known) != 1) & (known == known)
    if wrong.any():
        raise ValueError(
            f"{who}: {name} must be -1 or 1; got {known[wrong][0]}; labels 0 and 1 become -1 and 1 with 2 * y - 1"
        )


def check_distributions(who: str, name: str, p: Tensor) -> None:
    """Raise ValueError for rows that are no probabilities with a sum of 1, where the numbers are known.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.losses.checking import check_distributions
    >>> check_distributions("my_loss", "p", ac.tensor([0.5, 0.25]))
    Traceback (most recent call last):
    ...
    ValueError: my_loss: p must sum to 1 along the last axis; got a sum of 0.75
    """
    check_probabilities(who, name, p, "logits go to cross_entropy")
    known = known_values(p)
    if known is not None and p.ndim:
        sums = known.astype(np.float64).sum(axis=-1)
        wrong = np.abs(sums - 1) > _SLACK
        if wrong.any():
            raise ValueError(f"{who}: {name} must sum to 1 along the last axis; got a sum of {sums[wrong][0]:.6g}")
