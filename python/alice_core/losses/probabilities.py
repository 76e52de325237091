"""Losses of probabilities, where there are no logits; and the focal loss.

Logarithms of probabilities lose what the logits still know: where there is a choice, give logits to
:func:`alice_core.losses.cross_entropy` and :func:`alice_core.losses.binary_cross_entropy_with_logits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import alice_core as ac

from ..checks import checked_number
from .checking import check_classes, check_distributions, check_probabilities, checked_pair, reduced

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["binary_cross_entropy", "categorical_cross_entropy", "focal_loss", "kl_divergence"]

REMEDY = "logits go to binary_cross_entropy_with_logits"


def binary_cross_entropy(probabilities: TensorLike, target: TensorLike, reduction: str = "mean") -> Tensor:
    """Cross-entropy of two classes from the probability of class 1: ``-y log p - (1 - y) log(1 - p)``, in nats.

    Parameters
    ----------
    probabilities : Tensor
        Of class 1, in [0, 1]; any shape.
    target : Tensor of the same shape
        Probabilities of class 1, in [0, 1].
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor
        0-d, or of the shape of the probabilities with reduction "none". Infinite where what is impossible happened.

    Gradient
        ``-y/p + (1 - y)/(1 - p)`` per item, where a numerator of 0 stays 0: a certain and right answer, (0, 0) or
        (1, 1), costs 0 and has a finite slope.

    Accuracy
        A few ULP of the result for the p that is given. A sigmoid rounds to 1 from logits of 18 in float32: see
        :func:`alice_core.losses.binary_cross_entropy_with_logits`.

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If a number is not in [0, 1].

    Source: notes, section 4.3.1.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.binary_cross_entropy(ac.tensor([0.5, 1.0]), ac.tensor([1.0, 1.0]), reduction="none")
    Tensor([0.6931472, 0.       ], dtype=float32)
    """
    name = "binary_cross_entropy"
    p, y = checked_pair(name, probabilities, target)
    check_probabilities(name, "probabilities", p, REMEDY)
    check_probabilities(name, "target", y, REMEDY)
    zero = ac.subtract(1.0, y)
    cost = ac.add(ac.special.xlog1py(zero, ac.negative(p)), ac.ops.arithmetic.strong_mul(y, ac.log(p)))
    return reduced(name, ac.negative(cost), reduction)


def categorical_cross_entropy(probabilities: TensorLike, targets: TensorLike, reduction: str = "mean") -> Tensor:
    """Cross-entropy between target distributions and predicted ones: ``-Σ_j q_j log p_j`` per row, in nats.

    Parameters
    ----------
    probabilities : Tensor, shape (..., C)
        Not negative, with a sum of 1 along the last axis.
    targets : Tensor
        Class indices, integers of shape (...); or probabilities, floating of shape (..., C).
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    Tensor
        0-d, or of shape (...) with reduction "none". ``0 log 0 = 0``; infinite where what is impossible happened.

    Gradient
        ``-q_j / p_j``, 0 where q_j is, and by targets that are probabilities.

    Raises
    ------
    IndexError
        If a class index is not in [0, C).
    ShapeError
        If the shapes do not fit.
    ValueError
        If what should be probabilities are none.

    Source: notes, sections 3.2 and 4.2.2, with erratum E-20: (0.2, 0.3, 0.4) is no distribution.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.categorical_cross_entropy(ac.tensor([0.2, 0.5, 0.3]), ac.tensor(1))
    Tensor(0.6931472, dtype=float32)
    """
    name = "categorical_cross_entropy"
    p, q = ac.asarray(probabilities), ac.asarray(targets)
    if p.dtype.kind != "f":
        p = ac.astype(p, ac.get_default_dtype())
    if p.ndim == 0:
        raise ac.ShapeError(f"{name}: probabilities must have shape (..., C), classes last; got ()")
    check_distributions(name, "probabilities", p)
    if q.dtype.kind == "f":
        if q.shape != p.shape:
            raise ac.ShapeError(
                f"{name}: target probabilities must have the shape of the probabilities; got {p.shape} and {q.shape}; "
                f"class indices must be integers"
            )
        q = q if q.dtype == p.dtype else ac.astype(q, p.dtype)
        check_distributions(name, "targets", q)
        rows = ac.negative(ac.sum(ac.ops.arithmetic.strong_mul(q, ac.log(p)), axis=-1))
    else:
        if q.shape != p.shape[:-1] or q.dtype.kind not in "iu":
            raise ac.ShapeError(
                f"{name}: class indices must be integers of shape {p.shape[:-1]}; got {q.shape}, dtype {q.dtype.name}"
            )
        check_classes(name, q, p.shape[-1])
        own = ac.take_along_axis(p, ac.expand_dims(q, -1), axis=-1)
        rows = ac.negative(ac.log(ac.squeeze(own, -1)))
    return reduced(name, rows, reduction)


def kl_divergence(p: TensorLike, q: TensorLike, reduction: str = "mean") -> Tensor:
    """Kullback-Leibler divergence of distributions: ``Σ_j p_j log(p_j / q_j)`` along the last axis, in nats.

    How much longer messages from p become that are encoded for q: the cross-entropy less the entropy of p. Never
    negative, and 0 only where both agree; not symmetric.

    Parameters
    ----------
    p, q : Tensor, shape (..., C)
        Not negative, with a sum of 1 along the last axis; of one shape. p is what is true, q what is predicted.
    reduction : {"mean", "sum", "none"}
        Of the rows.

    Returns
    -------
    Tensor
        0-d, or of shape (...) with reduction "none". Infinite where p is positive and q is 0.

    Gradient
        ``-p_j / q_j`` by q and ``log(p_j / q_j) + 1`` by p.

    Raises
    ------
    ShapeError
        If the shapes differ.
    ValueError
        If what should be probabilities are none.

    Source: notes, section 4.2.2; Kullback, Leibler, "On information and sufficiency", 1951.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.kl_divergence(ac.tensor([0.5, 0.5]), ac.tensor([0.25, 0.75]))
    Tensor(0.14384104, dtype=float32)
    """
    predicted, true = checked_pair("kl_divergence", q, p)
    if predicted.ndim == 0:
        raise ac.ShapeError("kl_divergence: p and q must have shape (..., C), classes last; got ()")
    check_distributions("kl_divergence", "p", true)
    check_distributions("kl_divergence", "q", predicted)
    return reduced("kl_divergence", ac.sum(ac.special.rel_entr(true, predicted), axis=-1), reduction)


def focal_loss(
    logits: TensorLike,
    targets: TensorLike,
    gamma: float = 2.0,
    reduction: str = "mean",
    *,
    weight: TensorLike | None = None,
) -> Tensor:
    """Cross-entropy that looks away from what is right already: ``-(1 - p)^gamma log p``, p the probability of the
    target.

    Parameters
    ----------
    logits : Tensor, shape (..., C)
        Unnormalised scores of C classes.
    targets : Tensor of int, shape (...)
        Class indices.
    gamma : float
        At least 0; 0 is the cross-entropy.
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of rows, whatever they weigh.
    weight : Tensor, shape (C,), optional
        Of each class, not negative; the paper's alpha.

    Returns
    -------
    Tensor
        0-d, or of shape (...) with reduction "none".

    Gradient
        ``(1 - p)^gamma (gamma p log(p) / (1 - p) + p - 1)`` by the target's logit.

    Raises
    ------
    IndexError, ShapeError, ValueError
        As :func:`alice_core.losses.cross_entropy`, and if gamma is negative.

    Source: notes, section 4.3.3 (another loss for calibration); Lin et al., "Focal loss for dense object detection",
    2017.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.losses.focal_loss(ac.tensor([0.0, 0.0]), ac.tensor(0))
    Tensor(0.1732868, dtype=float32)
    """
    power = checked_number("focal_loss", "gamma", gamma)
    if not power >= 0:
        raise ValueError(f"focal_loss: gamma must be at least 0; got {gamma}")
    if ac.asarray(targets).dtype.kind == "f":
        raise ac.DTypeError("focal_loss: targets must be class indices, integers; got probabilities")
    cost = ac.losses.cross_entropy(logits, targets, reduction="none")
    away = ac.pow(ac.negative(ac.expm1(ac.negative(cost))), power) if power else 1.0
    scaled = cost
    if weight is not None:
        scaled = ac.losses.cross_entropy(logits, targets, reduction="none", weight=weight)
    return reduced("focal_loss", ac.ops.arithmetic.strong_mul(away, scaled) if power else scaled, reduction)
