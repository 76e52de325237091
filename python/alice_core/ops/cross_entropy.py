"""Cross-entropy of logits: loss and gradient as one kernel each, which never write the probabilities down.

The native kernel ``cross_entropy`` returns the loss and, per row, the two numbers from which its gradient finds the
softmax again (the maximum of the logits, and the sum of exponentials below it). They are a saved value, no result:
no cotangent flows through them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..primitive import Primitive
from ..tensor import Tensor, asarray
from . import arithmetic as _arithmetic
from . import comparison as _comparison
from . import creation as _creation
from . import reduction as _reduction
from . import shape as _shape
from . import softmax as _softmax

if TYPE_CHECKING:
    from ..tensor import TensorLike

__all__: list[str] = []  # public as alice_core.losses.cross_entropy

_NONE, _SUM, _MEAN = 0, 1, 2
_REDUCTIONS = {"none": _NONE, "sum": _SUM, "mean": _MEAN}


# -- rules: dL/dx = s (p Σ q - q) per row, s what the reduction makes of the cotangent ---------------------------------


def _is_probabilities(targets: Tensor) -> bool:
    return bool(targets.dtype.kind == "f")


def _row_cotangents(g: Tensor, logits: Tensor, targets: Tensor, reduction: int, ignored: int | None) -> Tensor:
    """s, of shape (..., 1)."""
    rows = logits.shape[:-1]
    kept = None if ignored is None else _comparison.not_equal(targets, ignored)
    if reduction == _MEAN:
        count: Any = math.prod(rows) if kept is None else _reduction.sum(kept)
        g = _arithmetic.divide(g, _arithmetic.maximum(count, 1))
    if reduction != _NONE:
        g = _shape.broadcast_to(g, rows)
    if kept is not None:
        g = _arithmetic.where(kept, g, 0.0)
    return _shape.expand_dims(g, -1)


def _by_targets(
    g: tuple[Tensor, Tensor], ans: tuple[Tensor, Tensor], logits: Tensor, targets: Tensor, *options: Any
) -> Tensor:
    reduction, ignored, smoothing = options
    flow = _row_cotangents(g[0], logits, targets, reduction, ignored)
    losses = _arithmetic.negative(_softmax.log_softmax(logits))
    return _arithmetic.strong_mul(_arithmetic.multiply(flow, 1.0 - smoothing), losses)


def _vjp_by_g(
    h: Tensor, ans: Tensor, g: Tensor, logits: Tensor, targets: Tensor, stats: Tensor, *options: Any
) -> Tensor:
    unit = _cross_entropy_vjp(_creation.ones_like(g), logits, targets, stats, *options)
    return _reduction.sum(_arithmetic.multiply(h, unit), axis=-1 if options[0] == _NONE else None)


def _vjp_by_logits(
    h: Tensor, ans: Tensor, g: Tensor, logits: Tensor, targets: Tensor, stats: Tensor, *options: Any
) -> Tensor:
    reduction, ignored, smoothing = options
    flow = _row_cotangents(g, logits, targets, reduction, ignored)
    if _is_probabilities(targets):
        weight = _reduction.sum(targets, axis=-1, keepdims=True)
        flow = _arithmetic.multiply(flow, weight * (1.0 - smoothing) + smoothing)
    return _softmax.softmax_vjp(_arithmetic.multiply(h, flow), _softmax.softmax(logits), -1)


def _vjp_by_targets(
    h: Tensor, ans: Tensor, g: Tensor, logits: Tensor, targets: Tensor, stats: Tensor, *options: Any
) -> Tensor:
    reduction, ignored, smoothing = options
    flow = _arithmetic.multiply(_row_cotangents(g, logits, targets, reduction, ignored), 1.0 - smoothing)
    mean = _reduction.sum(_arithmetic.multiply(h, _softmax.softmax(logits)), axis=-1, keepdims=True)
    return _arithmetic.multiply(flow, _arithmetic.subtract(mean, h))


_cross_entropy = Primitive("cross_entropy", saves=(0, 1, "ans"))
_cross_entropy.defvjp(
    lambda g, ans, logits, targets, *options: _cross_entropy_vjp(g[0], logits, targets, ans[1], *options), _by_targets
)
_cross_entropy_vjp: Primitive = Primitive("cross_entropy_vjp", saves=(0, 1, 2, 3))
_cross_entropy_vjp.defvjp(_vjp_by_g, _vjp_by_logits, _vjp_by_targets, None)


def cross_entropy(
    logits: TensorLike,
    targets: TensorLike,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
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

    Returns
    -------
    Tensor
        0-d, or of shape (...) with reduction "none". 0 if all rows are ignored.

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
    code = _REDUCTIONS.get(reduction)
    if code is None:
        raise ValueError(f'cross_entropy: reduction must be "mean", "sum" or "none"; got {reduction!r}')
    x = logits if isinstance(logits, Tensor) else asarray(logits)
    q = targets if isinstance(targets, Tensor) else asarray(targets)
    if q.dtype != x.dtype and _is_probabilities(q):
        q = _arithmetic.astype(q, x.dtype)
    loss: Tensor = _cross_entropy(x, q, code, ignore_index, float(label_smoothing))[0]
    return loss
