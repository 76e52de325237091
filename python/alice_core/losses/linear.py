"""The cross-entropy of a linear layer's logits, which are never there all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import alice_core as ac

from ..checks import checked_choice, checked_int, checked_number, known_values
from ..ops.cross_entropy import change_into_slope, labels_of
from ..reading import longest_chain, unseen
from . import cross_entropy
from .checking import check_classes

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["linear_cross_entropy"]

#: Elements of the logits that are no trouble.
_SMALL, _LARGE = 1 << 20, 1 << 24
#: Parts that rows are cut into: the fewer, the less often W is read. Where sums are added in place, and where they are
#: not: in compiled programs, and where parts are computed again.
_PARTS, _PARTS_TWICE = 4, 7
#: Elements of the part of the weights' gradient that is added at once, in the same two cases.
_BLOCK, _BLOCK_TWICE = 1 << 22, 1 << 20


def _rows(h: Tensor, classes: int, parts: int) -> int:
    """How many rows of logits to have at a time."""
    n = h.shape[0]
    if n * classes <= _SMALL:
        return max(n, 1)
    size = max(1, min(-(-n // parts), max(256, _LARGE // classes)))
    chain = longest_chain(
        h
    )  # so many rows make one sum of a product, which is added to others without a place of its own
    return chain if chain < size < 2 * chain else size


def _logits(h: Tensor, W: Tensor, bias: Tensor | None, alone: bool = False) -> Tensor:
    z = h @ W
    if bias is None or not alone:
        return z if bias is None else ac.add(z, bias)
    ac.update("add", [z, bias], (), [z])
    return z


@ac.custom_vjp
def _total(h: Tensor, W: Tensor, bias: Tensor | None, y: Tensor, options: dict[str, Any]) -> Tensor:
    """The sum over rows."""
    size = _rows(h, W.shape[1], _PARTS)
    starts = range(0, h.shape[0], size)
    parts = [cross_entropy(_logits(h[i : i + size], W, bias), y[i : i + size], "sum", **options) for i in starts]
    return ac.sum(ac.stack(parts))


def _plus(total: Tensor | None, more: Tensor) -> Tensor:
    return more if total is None else ac.add(total, more)


def _plus_product(total: Tensor | None, a: Tensor, b: Tensor, alone: bool) -> Tensor:
    if total is None or not alone:
        return _plus(total, a @ b)
    ac.update("matmul_add", [total, a, b], (), [total])
    return total


def _slope(z: Tensor, y: Tensor, options: dict[str, Any], alone: bool) -> tuple[Tensor, Tensor]:
    """The loss of some logits, and its gradient, which takes their place."""
    if not alone or isinstance(options["label_smoothing"], ac.Tensor):
        return ac.value_and_grad(lambda z: cross_entropy(z, y, "sum", **options))(z)
    return change_into_slope(z, y, **options), z


def _with_gradients(
    h: Tensor, W: Tensor, bias: Tensor | None, y: Tensor, options: dict[str, Any]
) -> tuple[Tensor, tuple[list[Any], ...]]:
    """The value and, as the logits are there already, what its gradient will be times the cotangent."""
    alone = unseen([h, W] if bias is None else [h, W, bias])  # then what is made here may change in place
    size = _rows(h, W.shape[1], _PARTS if alone else _PARTS_TWICE)
    width = max(1, (_BLOCK if alone else _BLOCK_TWICE) // max(1, W.shape[0]))
    columns = range(0, W.shape[1], width)
    losses, by_h = [], []
    by_bias = None
    by_W: list[Any] = [None] * len(columns)
    for i in range(0, h.shape[0], size):
        part, labels = h[i : i + size], y[i : i + size]
        loss, slope = _slope(_logits(part, W, bias, alone), labels, options, alone)
        losses.append(loss)
        by_h.append(slope @ W.T)
        for k, j in enumerate(columns):
            by_W[k] = _plus_product(by_W[k], part.T, slope[:, j : j + width], alone)
        if bias is not None:
            by_bias = _plus(by_bias, ac.sum(slope, axis=0))
        del slope
    return ac.sum(ac.stack(losses)), ([ac.concat(by_h)], [ac.concat(by_W, axis=1)] if alone else by_W, [by_bias])


def _pull(gradients: tuple[list[Any], ...], g: Tensor) -> tuple[Any, ...]:
    def scaled(slopes: list[Any]) -> list[Any]:
        return [None if slope is None else ac.multiply(g, slope) for slope in slopes]

    by_h, by_W, by_bias = map(scaled, gradients)
    return by_h[0], by_W[0] if len(by_W) == 1 else ac.concat(by_W, axis=1), by_bias[0], None, None


_total.defvjp(_with_gradients, _pull)


def linear_cross_entropy(
    h: TensorLike,
    W: TensorLike,
    targets: TensorLike,
    bias: TensorLike | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of the logits ``h @ W + bias``, of which only some rows are there at a time.

    ``cross_entropy(h @ W + bias, targets)`` to the last digits, for many classes: the words of a vocabulary. The
    gradient is made together with the value, while a part of the logits is there, so that no product is done twice.

    Parameters
    ----------
    h : Tensor, shape (..., d), floating
        What the last layer gets.
    W : Tensor, shape (d, C)
        Its weights, as those of :class:`alice_core.nn.Linear`.
    targets : Tensor of int, shape (...)
        Class indices.
    bias : Tensor, shape (C,), optional
    reduction : {"mean", "sum", "none"}
        "mean" divides by the number of rows that are not ignored. With "none" the gradient computes the logits again,
        part by part: a third more time.
    ignore_index, label_smoothing
        As in :func:`alice_core.losses.cross_entropy`.

    Returns
    -------
    Tensor
        0-d, or of shape (...) with reduction "none".

    Gradient
        That of the cross-entropy, by h, W and bias, in both modes and of every order. First derivatives need an eighth
        of the memory of all logits and their gradients, a quarter in compiled programs, and with "none" a seventh;
        higher ones keep everything.

    Accuracy
        That of :func:`alice_core.losses.cross_entropy`; the gradient by W is a sum over at most eight parts, or over
        parts of 256 rows and more.

    Raises
    ------
    IndexError, ShapeError, ValueError
        As :func:`alice_core.losses.cross_entropy`, and if h, W and bias do not fit.
    DTypeError
        If h, W and bias are not of one floating dtype, or targets are no integers.

    Source: notes, section 4.2.2; Wijmans et al., "Cut your losses in large-vocabulary language models", 2025.

    Examples
    --------
    >>> import alice_core as ac
    >>> h, W = ac.tensor([[1.0, 0.0], [0.0, 2.0]]), ac.tensor([[2.0, 0.0], [0.0, 1.0]])
    >>> ac.losses.linear_cross_entropy(h, W, ac.tensor([0, 0]))
    Tensor(1.126928, dtype=float32)
    """
    name = "linear_cross_entropy"
    checked_choice(name, "reduction", reduction, ("mean", "sum", "none"))
    x, w, y = ac.asarray(h), ac.asarray(W), labels_of(ac.asarray(targets))
    b = None if bias is None else ac.asarray(bias)
    if y.dtype.kind not in "iu":
        raise ac.DTypeError(
            f"{name}: targets must be class indices, integers; got dtype {y.dtype.name}; probabilities would need as "
            f"much memory as the logits: use cross_entropy"
        )
    if x.dtype.kind != "f" or w.dtype != x.dtype or (b is not None and b.dtype != x.dtype):
        given = ", ".join(str(t.dtype) for t in (x, w, b) if t is not None)
        raise ac.DTypeError(f"{name}: h, W and bias must have one floating dtype; got {given}; convert with astype")
    if w.ndim != 2 or x.ndim == 0 or x.shape[-1] != w.shape[0] or (b is not None and b.shape != w.shape[1:]):
        raise ac.ShapeError(
            f"{name}: h must have shape (..., d), W (d, C) and bias (C,); got h {x.shape}, W {w.shape}"
            + ("" if b is None else f", bias {b.shape}")
        )
    if y.shape != x.shape[:-1]:
        raise ac.ShapeError(f"{name}: targets must have shape {x.shape[:-1]}, one class per row of h; got {y.shape}")
    if ignore_index is not None:
        ignore_index = checked_int(name, "ignore_index", ignore_index)
        if not -(1 << 63) <= ignore_index < 1 << 63:
            raise ValueError(f"{name}: ignore_index must fit 64 bits; got {ignore_index}")
    if not isinstance(label_smoothing, ac.Tensor):
        label_smoothing = checked_number(name, "label_smoothing", label_smoothing, "a number")
    share = known_values(ac.asarray(label_smoothing))
    if share is not None and not (share.ndim == 0 and 0 <= share < 1):
        raise ValueError(f"{name}: label_smoothing must be one number in [0, 1); got {share}")
    check_classes(name, y, w.shape[1], ignore_index)  # by its row among all
    options: dict[str, Any] = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
    flat, labels = ac.reshape(x, (y.size, w.shape[0])), ac.reshape(y, (y.size,))
    if reduction == "none":
        return ac.reshape(_per_row(flat, w, b, labels, options), y.shape)
    if not y.size:
        return cross_entropy(_logits(flat, w, b), labels, reduction, **options)
    total = _total(flat, w, b, labels, options)
    if reduction == "sum":
        return total
    count: Any = y.size if ignore_index is None else ac.sum(ac.not_equal(labels, ignore_index))
    return ac.divide(total, ac.maximum(count, 1))


def _per_row(h: Tensor, W: Tensor, bias: Tensor | None, y: Tensor, options: dict[str, Any]) -> Tensor:
    """Every row has a cotangent of its own, which is not known yet: parts are computed again for the gradient."""
    size = _rows(h, W.shape[1], _PARTS_TWICE)

    def part(h: Tensor, W: Tensor, bias: Tensor | None, y: Tensor) -> Tensor:
        return cross_entropy(_logits(h, W, bias), y, "none", **options)

    again = ac.checkpoint(part)
    parts = [again(h[i : i + size], W, bias, y[i : i + size]) for i in range(0, max(h.shape[0], 1), size)]
    return ac.concat(parts)
