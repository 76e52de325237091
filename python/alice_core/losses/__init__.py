"""Loss functions: how far predictions are from targets.

Every loss takes ``reduction``: "mean" (the default), "sum", or "none" for one number per item. Predictions and
targets must have one shape: a loss never broadcasts, since (n,) against (n, 1) would quietly compare everything with
everything.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

import alice_core as ac

from ..checks import checked_positive
from ..errors import ShapeError
from ..ops.cross_entropy import cross_entropy
from ..tensors import Tensor, asarray
from .checking import check_probabilities, check_signs, checked_pair, reduced

if TYPE_CHECKING:
    from ..tensors import TensorLike
    from .linear import linear_cross_entropy
    from .probabilities import binary_cross_entropy, categorical_cross_entropy, focal_loss, kl_divergence

__all__ = [
    "absolute_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "categorical_cross_entropy",
    "cross_entropy",
    "focal_loss",
    "gaussian_nll",
    "hinge_loss",
    "huber_loss",
    "kl_divergence",
    "linear_cross_entropy",
    "margin_loss",
    "mse_loss",
    "zero_one_loss",
]

#: What few programs need, and the module that is loaded when somebody asks for it.
_LATER = {
    "binary_cross_entropy": "probabilities",
    "categorical_cross_entropy": "probabilities",
    "focal_loss": "probabilities",
    "kl_divergence": "probabilities",
    "linear_cross_entropy": "linear",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def mse_loss(prediction: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """Squared loss: ``(prediction - target)²``.

    Parameters
    ----------
    prediction, target : Tensor
        Of one shape; floating predictions keep their dtype.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor
        0-d, or of the shape of the prediction with reduction "none".

    Gradient
        ``2 (prediction - target)`` per item: linear in the prediction.

    Raises
    ------
    ShapeError
        If the shapes differ.

    Source: notes, section 4.1.2, with erratum E-12: it is the gradient that is linear, and in the model's output.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.mse_loss(ac.tensor([1.0, 2.0]), ac.tensor([0.0, 4.0]))
    Tensor(2.5, dtype=float32)
    """
    p, t = checked_pair("mse_loss", prediction, target)
    return reduced("mse_loss", ac.square(ac.subtract(p, t)), reduction)


def absolute_loss(prediction: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """Absolute loss: ``|prediction - target|``, which outliers move less than :func:`mse_loss`.

    Parameters, results and errors are those of :func:`mse_loss`.

    Gradient
        ``sign(prediction - target)`` per item; 0 at 0.

    Source: notes, section 4.1.2, with erratum E-14: descent does reach the kink, and needs a slope there.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.absolute_loss(ac.tensor([1.0, 2.0]), ac.tensor([0.0, 4.0]))
    Tensor(1.5, dtype=float32)
    """
    p, t = checked_pair("absolute_loss", prediction, target)
    return reduced("absolute_loss", ac.abs(ac.subtract(p, t)), reduction)


def huber_loss(prediction: TensorLike, target: TensorLike, delta: TensorLike = 1.0, reduction: str = "mean") -> Tensor:
    """Huber loss of the error e: ``e²/2`` up to ``|e| = delta``, from there on ``delta (|e| - delta/2)``.

    Parameters
    ----------
    prediction, target : Tensor
        Of one shape; floating predictions keep their dtype.
    delta : float or Tensor
        Positive: where the loss goes over from squared to absolute; value and slope are continuous there. One number,
        or one per item, or what broadcasts to the shape of the prediction.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor
        0-d, or of the shape of the prediction with reduction "none".

    Gradient
        ``clip(e, -delta, delta)`` per item, and by delta.

    Raises
    ------
    ShapeError
        If the shapes differ, or delta does not broadcast to them.
    ValueError
        If delta is not positive.

    Source: notes, section 4.1.2; Huber 1964.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.huber_loss(ac.tensor([0.5, 3.0]), ac.tensor([0.0, 0.0]), reduction="none")
    Tensor([0.125, 2.5  ], dtype=float32)
    """
    bound: Any = checked_positive("huber_loss", "delta", delta)
    p, t = checked_pair("huber_loss", prediction, target)
    if not isinstance(bound, float) and bound.dtype.kind != "f":
        bound = asarray(bound, p.dtype)  # which has negative numbers
    if not isinstance(bound, float) and not _broadcasts(bound.shape, p.shape):
        raise ShapeError(f"huber_loss: delta must be one number or broadcast to shape {p.shape}; got {bound.shape}")
    e = ac.subtract(p, t)
    # Both branches at once: with c = clip(e) they are c (e - c/2), whose slope is c.
    c = ac.clip(e, -bound, bound)
    losses = ac.multiply(c, ac.subtract(e, ac.multiply(c, 0.5)))
    return reduced("huber_loss", losses, reduction)


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) <= len(to) and all(n in (1, m) for n, m in zip(shape[::-1], to[::-1], strict=False))


def margin_loss(prediction: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """Minus the margin: ``-target · prediction``, below 0 where the sign of the prediction is right.

    The margin itself is a reward: minimising it would teach the opposite. Without bound below, minus the margin still
    grows what is right already; :func:`hinge_loss` stops there.

    Parameters, results and errors are those of :func:`hinge_loss`.

    Gradient
        ``-target`` per item.

    Source: notes, section 3.2, with erratum E-7.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.margin_loss(ac.tensor([0.5, 2.0]), ac.tensor([-1.0, 1.0]), reduction="none")
    Tensor([ 0.5, -2. ], dtype=float32)
    """
    p, t = checked_pair("margin_loss", prediction, target)
    check_signs("margin_loss", "target", t)
    return reduced("margin_loss", ac.negative(ac.multiply(t, p)), reduction)


def hinge_loss(prediction: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """Hinge loss: ``max(0, 1 - target · prediction)``, the loss of support-vector machines.

    Parameters
    ----------
    prediction : Tensor
        Real-valued scores.
    target : Tensor of the same shape
        -1 or 1.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor
        0-d, or of the shape of the prediction with reduction "none".

    Gradient
        ``-target`` where the margin ``target · prediction`` is below 1, else 0; 0 at the kink.

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If a target is neither -1 nor 1, where the numbers are known.

    Source: notes, section 3.2, with erratum E-8.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.hinge_loss(ac.tensor([0.3, 2.0, 0.3]), ac.tensor([1.0, 1.0, -1.0]), reduction="none")
    Tensor([0.7, 0. , 1.3], dtype=float32)
    """
    p, t = checked_pair("hinge_loss", prediction, target)
    check_signs("hinge_loss", "target", t)
    margin = ac.multiply(t, p)
    return reduced("hinge_loss", ac.relu(ac.subtract(1.0, margin)), reduction)


def binary_cross_entropy_with_logits(
    logits: TensorLike, target: TensorLike, reduction: str = "mean", *, pos_weight: TensorLike | None = None
) -> Tensor:
    """Cross-entropy of two classes from one logit: ``y softplus(-x) + (1 - y) softplus(x)``, in nats.

    This is ``-y log s - (1 - y) log(1 - s)`` with ``s = sigmoid(x)``, without its overflows.

    Parameters
    ----------
    logits : Tensor
        Any shape, floating.
    target : Tensor of the same shape
        Probabilities of class 1, in [0, 1].
    reduction : {"mean", "sum", "none"}
    pos_weight : float or Tensor, optional
        Positive: how many times what class 1 costs counts, against the rarity of its items. One number, or one per item
        of the last axis, or of the shape of the logits.

    Returns
    -------
    Tensor
        0-d, or of the shape of the logits with reduction "none". "mean" divides by the number of items, whatever they
        weigh.

    Gradient
        ``sigmoid(x) - y`` per item; with a weight w, ``(1 - y + w y) sigmoid(x) - w y``. A certain and right answer,
        (-inf, 0) or (inf, 1), costs 0 and has slope 0.

    Accuracy
        A few ULP; no overflow for finite logits.

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If pos_weight is not positive, or a target is not between 0 and 1, where the numbers are known.

    Source: notes, section 4.3.1.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.binary_cross_entropy_with_logits(ac.tensor([30.0, 0.0]), ac.tensor([0.0, 1.0]), reduction="none")
    Tensor([30.       ,  0.6931472], dtype=float32)
    """
    name = "binary_cross_entropy_with_logits"
    x, y = checked_pair(name, logits, target)
    check_probabilities(name, "target", y, "labels -1 and 1 become 0 and 1 with (y + 1) / 2")
    # The weights come first: a weight of 0 is worth 0 even against an infinite loss.
    weighted = y if pos_weight is None else ac.multiply(y, _weights(name, pos_weight, x))
    one = ac.ops.arithmetic.strong_mul(weighted, ac.softplus(ac.negative(x)))
    zero = ac.ops.arithmetic.strong_mul(ac.subtract(1.0, y), ac.softplus(x))
    return reduced(name, ac.add(one, zero), reduction)


def _weights(name: str, pos_weight: TensorLike, x: Tensor) -> Tensor:
    given = np.asarray(pos_weight) if isinstance(pos_weight, (tuple, list)) else pos_weight
    w = asarray(checked_positive(name, "pos_weight", given), x.dtype)
    if w.shape not in ((), x.shape[-1:], x.shape):
        raise ShapeError(
            f"{name}: pos_weight must be one number or of shape {x.shape[-1:]} or {x.shape}; got {w.shape}; one number "
            f"per item of the last axis of the logits"
        )
    return w


def gaussian_nll(
    prediction: TensorLike, target: TensorLike, sigma: TensorLike = 1.0, reduction: str = "mean"
) -> Tensor:
    """Negative log-density of targets under a normal distribution around the predictions, in nats.

    ``log sigma + log(2π)/2 + (target - prediction)² / (2 sigma²)``

    Parameters
    ----------
    prediction, target : Tensor
        Of one shape; floating predictions keep their dtype.
    sigma : float or Tensor
        Standard deviation, positive; one number, or one per item.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor
        0-d, or of the shape of the prediction with reduction "none".

    Gradient
        ``(prediction - target)/sigma²`` per item, and by sigma.

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If sigma is not positive.

    Source: notes, section 4.1.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.gaussian_nll(ac.tensor(0.0), ac.tensor(0.3), sigma=2.0)
    Tensor(1.6233357, dtype=float32)
    """
    p, t = checked_pair("gaussian_nll", prediction, target)
    sigma = checked_positive("gaussian_nll", "sigma", np.asarray(sigma) if isinstance(sigma, (tuple, list)) else sigma)
    s = sigma if isinstance(sigma, Tensor) and not sigma.is_weak else asarray(sigma, p.dtype)
    if s.shape not in ((), p.shape):
        raise ShapeError(f"gaussian_nll: sigma must be one number or of shape {p.shape}; got {s.shape}")
    z = ac.divide(ac.subtract(t, p), s)
    constant = ac.add(ac.log(s), 0.5 * math.log(2.0 * math.pi))
    losses = ac.add(ac.multiply(ac.square(z), 0.5), constant)
    return reduced("gaussian_nll", losses, reduction)


def zero_one_loss(prediction: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """Share of wrong predictions: 1 where ``sign(prediction)`` is not the target, else 0.

    Parameters
    ----------
    prediction : Tensor
        Real-valued scores, whose sign is the prediction; or integers, the predicted classes themselves.
    target : Tensor of the same shape
        -1 or 1 for scores (a score of 0 is wrong for both), classes for classes.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor
        float32 (float64 for float64 scores): 0-d, or of the shape of the prediction with reduction "none".

    Gradient
        None: the loss is constant between its jumps, so it measures but cannot train.

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If the target of a score is neither -1 nor 1, where the numbers are known.

    Source: notes, section 3.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.zero_one_loss(ac.tensor([0.3, -2.0, 0.0]), ac.tensor([1.0, 1.0, 1.0]), reduction="none")
    Tensor([0., 1., 1.], dtype=float32)
    """
    raw = asarray(prediction)
    p, t = checked_pair("zero_one_loss", raw, target)
    if raw.dtype.kind == "f":
        check_signs("zero_one_loss", "target", t)
        wrong = ac.not_equal(ac.sign(p), t)
    else:
        wrong = ac.not_equal(raw, target)
    return reduced("zero_one_loss", ac.astype(wrong, p.dtype), reduction)
