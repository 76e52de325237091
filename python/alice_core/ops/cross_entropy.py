"""Cross-entropy of logits: loss and gradient as one kernel each, which never write the probabilities down.

The native kernel ``cross_entropy`` returns the loss and, per row, the two numbers from which its gradient finds the
softmax again (the maximum of the logits, and the sum of exponentials below it). They are a saved value, no result:
no cotangent flows through them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .._dtypes import uint64
from ..checks import checked_choice, checked_number, known_values
from ..errors import ShapeError
from ..primitive import Primitive, update
from ..tensors import Tensor, asarray
from . import arithmetic as _arithmetic
from . import broadcasting as _broadcasting
from . import comparison as _comparison
from . import creation as _creation
from . import indexing as _indexing
from . import reduction as _reduction
from . import selection as _selection
from . import softmax as _softmax
from . import views as _views
from ._reducing import broadcast_batch

if TYPE_CHECKING:
    from ..tensors import TensorLike

__all__: list[str] = []  # public as alice_core.losses.cross_entropy

_NONE, _SUM, _MEAN = 0, 1, 2
_REDUCTIONS = {"none": _NONE, "sum": _SUM, "mean": _MEAN}


# -- rules: dL/dx = s (p Σ q - q) per row, s what the reduction makes of the cotangent ---------------------------------
#
# Attributes: reduction, ignored class, smoothing, and how many leading axes are a batch: the rows of each of its
# examples are reduced by themselves.


def _is_probabilities(targets: Tensor) -> bool:
    return bool(targets.dtype.kind == "f")


def _row_axes(logits: Tensor, batch_axes: int) -> tuple[int, ...]:
    """The axes over which the rows of one example are reduced."""
    return tuple(range(batch_axes, logits.ndim - 1))


def _row_cotangents(
    g: Tensor, logits: Tensor, targets: Tensor, reduction: int, ignored: int | None, batch_axes: int
) -> Tensor:
    """s, of shape (..., 1)."""
    rows = logits.shape[:-1]
    kept = None if ignored is None else _comparison.not_equal(targets, ignored)
    if reduction == _MEAN:
        count: Any = math.prod(rows[batch_axes:])
        if kept is not None:
            count = _reduction.sum(kept, axis=_row_axes(logits, batch_axes))
        g = _arithmetic.divide(g, _selection.maximum(count, 1))
    if reduction != _NONE:
        if batch_axes:
            g = _views.reshape(g, rows[:batch_axes] + (1,) * (len(rows) - batch_axes))
        g = _broadcasting.broadcast_to(g, rows)
    if kept is not None:
        g = _selection.where(kept, g, 0.0)
    return _views.expand_dims(g, -1)


def _against(t: Tensor, gradient: Tensor, reduction: int, batch_axes: int) -> Tensor:
    """The inner products of t with the gradients of the losses."""
    axes = (-1,) if reduction == _NONE else (*_row_axes(gradient, batch_axes), -1)
    return _reduction.sum(_arithmetic.strong_mul(t, gradient), axis=axes)


def _by_targets(
    g: tuple[Tensor, Tensor], ans: tuple[Tensor, Tensor], logits: Tensor, targets: Tensor, *options: Any
) -> Tensor:
    reduction, ignored, smoothing, batch_axes = options
    flow = _row_cotangents(g[0], logits, targets, reduction, ignored, batch_axes)
    losses = _arithmetic.negative(_softmax.log_softmax(logits))
    return _arithmetic.strong_mul(_arithmetic.multiply(flow, 1.0 - smoothing), losses)


def _along_logits(
    t: Tensor, ans: tuple[Tensor, Tensor], logits: Tensor, targets: Tensor, *options: Any
) -> tuple[Tensor, None]:
    unit = _cross_entropy_vjp(_creation.ones(ans[0].shape, logits.dtype), logits, targets, ans[1], *options)
    return _against(t, unit, options[0], options[3]), None


def _along_targets(
    t: Tensor, ans: tuple[Tensor, Tensor], logits: Tensor, targets: Tensor, *options: Any
) -> tuple[Tensor, None]:
    unit = _by_targets((_creation.ones(ans[0].shape, logits.dtype), ans[1]), ans, logits, targets, *options)
    return _against(t, unit, options[0], options[3]), None


def _vjp_by_g(
    h: Tensor, ans: Tensor, g: Tensor, logits: Tensor, targets: Tensor, stats: Tensor, *options: Any
) -> Tensor:
    unit = _cross_entropy_vjp(_creation.ones_like(g), logits, targets, stats, *options)
    return _against(h, unit, options[0], options[3])


def _vjp_by_logits(
    h: Tensor, ans: Tensor, g: Tensor, logits: Tensor, targets: Tensor, stats: Tensor, *options: Any
) -> Tensor:
    reduction, ignored, smoothing, batch_axes = options
    flow = _row_cotangents(g, logits, targets, reduction, ignored, batch_axes)
    if _is_probabilities(targets):
        weight = _reduction.sum(targets, axis=-1, keepdims=True)
        flow = _arithmetic.multiply(flow, weight * (1.0 - smoothing) + smoothing)
    return _softmax.softmax_vjp(_arithmetic.multiply(h, flow), _softmax.softmax(logits), -1)


def _vjp_by_targets(
    h: Tensor, ans: Tensor, g: Tensor, logits: Tensor, targets: Tensor, stats: Tensor, *options: Any
) -> Tensor:
    reduction, ignored, smoothing, batch_axes = options
    flow = _row_cotangents(g, logits, targets, reduction, ignored, batch_axes)
    mean = _reduction.sum(_arithmetic.multiply(h, _softmax.softmax(logits)), axis=-1, keepdims=True)
    return _arithmetic.multiply(_arithmetic.multiply(flow, 1.0 - smoothing), _arithmetic.subtract(mean, h))


def _vjp_along_targets(
    t: Tensor, ans: Tensor, g: Tensor, logits: Tensor, targets: Tensor, stats: Tensor, *options: Any
) -> Tensor:
    reduction, ignored, smoothing, batch_axes = options
    flow = _row_cotangents(g, logits, targets, reduction, ignored, batch_axes)
    mass = _arithmetic.multiply(_softmax.softmax(logits), _reduction.sum(t, axis=-1, keepdims=True))
    return _arithmetic.multiply(_arithmetic.multiply(flow, 1.0 - smoothing), _arithmetic.subtract(mass, t))


_cross_entropy = Primitive("cross_entropy", saves=(0, 1, "ans"))
_cross_entropy.defvjp(
    lambda g, ans, logits, targets, *options: _cross_entropy_vjp(g[0], logits, targets, ans[1], *options), _by_targets
)
_cross_entropy.defjvp(_along_logits, _along_targets)
_cross_entropy_vjp: Primitive = Primitive("cross_entropy_vjp", saves=(0, 1, 2, 3))
_cross_entropy_vjp.defvjp(_vjp_by_g, _vjp_by_logits, _vjp_by_targets, None)
_cross_entropy_vjp.defjvp(
    lambda t, ans, g, logits, targets, stats, *options: _cross_entropy_vjp(t, logits, targets, stats, *options),
    _vjp_by_logits,  # a symmetric Jacobian
    _vjp_along_targets,
    None,
)


def _batched(p: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor], *options: Any) -> Any:
    return p(*broadcast_batch(batched, inputs), *options[:3], options[3] + 1)


_cross_entropy.defbatch(partial(_batched, _cross_entropy))
_cross_entropy_vjp.defbatch(partial(_batched, _cross_entropy_vjp))


def labels_of(labels: Tensor) -> Tensor:
    """Labels that no kernel takes for negative ones."""
    if labels.dtype is not uint64:
        return labels
    return _selection.astype(_selection.minimum(labels, 2**63 - 1), np.int64)


def _targets(targets: Any) -> Tensor:
    """Class indices in any integer dtype of NumPy's, or probabilities."""
    array = np.asarray(targets)
    return asarray(_indexing._integers("cross_entropy", array) if array.dtype.kind in "iu" else targets)


def cross_entropy(
    logits: TensorLike,
    targets: TensorLike,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    weight: TensorLike | None = None,
) -> Tensor:
    """Cross-entropy between target distributions and the softmax of logits, in nats.

    ``L = -Σ_j q_j log softmax(x)_j`` per row, with ``q = (1 - e) target + e / C`` for a smoothing of e.

    Parameters
    ----------
    logits : Tensor, shape (..., C), float32 or float64
        Unnormalised scores of C classes.
    targets : Tensor
        Class indices, integers of shape (...); or probabilities, floating of shape (..., C).
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of rows that are not ignored.
    ignore_index : int, optional
        Rows with this class index cost nothing and have no gradient.
    label_smoothing : float
        e in [0, 1).
    weight : Tensor, shape (C,), optional
        How many times what a class costs counts, at least 0: ``L = -Σ_j weight_j q_j log softmax(x)_j``. With class
        indices "mean" divides by the weights of the rows' classes instead of by their number, so that it stays a mean.

    Returns
    -------
    Tensor
        0-d, or of shape (...) with reduction "none". 0 if all rows are ignored, or weigh nothing.

    Gradient
        ``softmax(x) - q`` per row (for probabilities ``softmax(x) Σ q - q``), and by the probabilities.

    Accuracy
        Rows and their sum are carried in float64. No overflow for any finite logits; what has ``q_j = 0`` does not
        count, so a class of logit -inf costs nothing unless it is the target.

    Raises
    ------
    IndexError
        If a class index is not in [0, C) and not ignored; names the first such row.
    ShapeError
        If the shapes do not fit.
    ValueError
        If an option is out of range.

    Source: notes, sections 4.2.2 and 4.3.2.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([[2.0, 0.0], [0.0, 2.0]])
    >>> ac.losses.cross_entropy(x, ac.tensor([0, 0]))
    Tensor(1.126928, dtype=float32)
    """
    code = _REDUCTIONS.get(reduction) if type(reduction) is str else None
    if code is None:
        code = _REDUCTIONS[checked_choice("cross_entropy", "reduction", reduction, ("mean", "sum", "none"))]
    x = logits if isinstance(logits, Tensor) else asarray(logits)
    q = labels_of(targets if isinstance(targets, Tensor) else _targets(targets))
    if q.dtype != x.dtype and _is_probabilities(q):
        q = _selection.astype(q, x.dtype)
    if weight is not None:
        return _weighted(x, q, code, ignore_index, label_smoothing, _class_weights(weight, x))
    loss: Tensor = _cross_entropy(x, q, code, ignore_index, label_smoothing, 0)[0]
    return loss


def change_into_slope(logits: Tensor, labels: Tensor, ignore_index: int | None, label_smoothing: float) -> Tensor:
    """The sum of the losses, whose gradient takes the place of the logits, (N, C): nobody may see them."""
    x = logits
    loss, stats, one = (_creation.ones(s, x.dtype) for s in ((), (x.shape[0], 2), ()))
    update("cross_entropy_value_and_vjp", [x, labels, one], (_SUM, ignore_index, label_smoothing, 0), [loss, stats, x])
    return loss


def _class_weights(weight: TensorLike, x: Tensor) -> Tensor:
    w = asarray(weight)
    known = known_values(w)
    if known is not None and not bool(np.all((known >= 0) & np.isfinite(known))):
        raise ValueError(f"cross_entropy: weight must be finite and not negative; got {known}")
    w = _selection.astype(w, x.dtype)
    if w.shape != x.shape[-1:]:
        raise ShapeError(
            f"cross_entropy: weight must have one number per class, shape {x.shape[-1:]}; got {w.shape}; the classes "
            f"are the last axis of the logits"
        )
    return w


def _weighted(x: Tensor, q: Tensor, code: int, ignored: int | None, smoothing: float, w: Tensor) -> Tensor:
    """Rows with class indices are weighed as a whole; smoothed ones, and probabilities, class by class."""
    if not isinstance(smoothing, Tensor):
        smoothing = checked_number("cross_entropy", "label_smoothing", smoothing)
    if not 0 <= smoothing < 1:
        raise ValueError(f"cross_entropy: label_smoothing must be in [0, 1); got {smoothing}")
    part = smoothing / x.shape[-1]
    if _is_probabilities(q):
        mixed = _arithmetic.add(_arithmetic.multiply(q, 1.0 - smoothing), part) if smoothing else q
        rows: Tensor = _cross_entropy(x, _arithmetic.multiply(mixed, w), _NONE, ignored, 0.0, 0)[0]
        return _reduction.mean(rows) if code == _MEAN else _reduction.sum(rows) if code == _SUM else rows
    rows = _cross_entropy(x, q, _NONE, ignored, 0.0, 0)[0]  # which refuses labels that are no classes
    kept = _comparison.equal(q, q) if ignored is None else _comparison.not_equal(q, ignored)
    own = _selection.where(kept, _indexing.take(w, _selection.where(kept, q, 0), axis=0), 0.0)
    rows = _arithmetic.strong_mul(own, rows)
    if smoothing:
        to_all = _cross_entropy(x, _broadcasting.broadcast_to(w, x.shape), _NONE, None, 0.0, 0)[0]
        to_all = _selection.where(kept, to_all, 0.0)
        rows = _arithmetic.add(_arithmetic.multiply(rows, 1.0 - smoothing), _arithmetic.multiply(to_all, part))
    if code == _NONE:
        return rows
    total, mass = _reduction.sum(rows), _reduction.sum(own)
    if code == _SUM:
        return total
    return _arithmetic.divide(total, _selection.where(_comparison.equal(mass, 0.0), 1.0, mass))
