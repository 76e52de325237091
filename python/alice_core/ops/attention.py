"""Attention: weighted means of values, the weights a softmax of how well keys match queries.

One kernel each way, which never hold the matrix of queries by keys. Their derivatives do, as compositions of other
ops: second derivatives, forward mode, and the gradient of a mask of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from ..checks import checked_flag, checked_number, shown
from ..errors import DTypeError, ShapeError
from ..primitive import Primitive
from ..tensors import asarray
from . import arithmetic as _arithmetic
from . import broadcasting as _broadcasting
from . import comparison as _comparison
from . import extremes as _extremes
from . import linalg as _linalg
from . import selection as _selection
from . import softmax as _softmax
from ._reducing import broadcast_batch
from .views import matrix_transpose

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["scaled_dot_product_attention"]

_matmul = _linalg.matmul
# attention(q, k, v[, mask], is_causal, scale) -> y, stats; attention_vjp(g, y, stats, q, k, v[, mask], …) -> dq, dk, dv
_attention = Primitive("attention")
_attention_vjp = Primitive("attention_vjp")


def _sum(*terms: Tensor | None) -> Any:
    total: Tensor | None = None
    for term in terms:
        if term is not None:
            total = term if total is None else _arithmetic.add(total, term)
    return total


class _Weights:
    """The weights p = softmax(s) of scores s = scale q kᵀ + mask, as a composition; and both ways through them."""

    def __init__(self, q: Tensor, k: Tensor, mask: Tensor | None, causal: bool, scale: float) -> None:
        self.q, self.k, self.scale = q, k, scale
        s = _arithmetic.multiply(_matmul(q, matrix_transpose(k)), scale)
        counts = asarray(np.tri(q.shape[-2], k.shape[-2], dtype=bool)) if causal else None
        if mask is not None:
            flags = mask
            if mask.dtype.kind != "b":
                flags = _comparison.not_equal(mask, -math.inf)
                s = _arithmetic.add(s, _selection.where(flags, mask, 0.0))
            counts = flags if counts is None else _comparison.logical_and(counts, flags)
        if counts is None:
            self.p = _softmax.softmax(s)
        else:
            # Where nothing counts the weights are 0; the scores there are put to 0, so that nothing becomes NaN.
            any_counts = _extremes.any(counts, axis=-1, keepdims=True)
            out = _selection.where(any_counts, asarray(-math.inf, dtype=s.dtype), 0.0)
            s = _selection.where(counts, s, out)
            self.p = _selection.where(counts, _softmax.softmax(s), 0.0)

    def pull(self, g: Tensor) -> Tensor:
        """From the weights to the scores, or by symmetry along them: p (g - Σ g p)."""
        result: Tensor = _softmax.softmax_vjp(g, self.p, -1)
        return result

    def by_q(self, ds: Tensor, k: Tensor) -> Tensor:
        return _arithmetic.multiply(_matmul(ds, k), self.scale)

    def by_k(self, ds: Tensor, q: Tensor) -> Tensor:
        return _arithmetic.multiply(_matmul(matrix_transpose(ds), q), self.scale)

    def along(self, tq: Tensor | None, tk: Tensor | None) -> Any:
        """The scores' tangent by those of q and k."""
        parts = _sum(
            None if tq is None else _matmul(tq, matrix_transpose(self.k)),
            None if tk is None else _matmul(self.q, matrix_transpose(tk)),
        )
        return None if parts is None else _arithmetic.multiply(parts, self.scale)


def _mask_of(inputs: Sequence[Tensor], at: int) -> Tensor | None:
    return inputs[at] if len(inputs) > at else None


def _learned(mask: Tensor | None) -> bool:
    return mask is not None and mask.dtype.kind == "f"


def _against_scores(w: _Weights, d: Tensor, g: Tensor) -> Tensor:
    """The derivative by the scores' weights of g · softmax_vjp(d, p)."""
    along = _linalg.vecdot(d, w.p)
    across = _linalg.vecdot(g, w.p)
    first = _arithmetic.multiply(g, _arithmetic.subtract(d, _column(along)))
    return _arithmetic.subtract(first, _arithmetic.multiply(d, _column(across)))


def _column(x: Tensor) -> Tensor:
    return x[..., None]


def _pull(g: Any, ans: Any, inputs: Sequence[Tensor], causal: bool, scale: float) -> Any:
    y, stats = ans
    gradients = _attention_vjp(g[0], y, stats, *inputs, causal, scale)
    if len(inputs) == 3:
        return gradients
    q, k, v, mask = inputs
    if not (_learned(mask) and _core.rule_wants(3)):
        return (*gradients, None)
    return (*gradients, _Weights(q, k, mask, causal, scale).pull(_matmul(g[0], matrix_transpose(v))))


def _push(tangents: Sequence[Any], ans: Any, inputs: Sequence[Tensor], causal: bool, scale: float) -> Any:
    q, k, v = inputs[:3]
    tq, tk, tv = tangents[:3]
    w = _Weights(q, k, _mask_of(inputs, 3), causal, scale)
    s = _sum(w.along(tq, tk), tangents[3] if _learned(_mask_of(inputs, 3)) else None)
    return _sum(None if s is None else _matmul(w.pull(s), v), None if tv is None else _matmul(w.p, tv)), None


def _pull_vjp(h: Any, ans: Any, inputs: Sequence[Tensor], causal: bool, scale: float) -> Any:
    """Of dq = scale ds k, dk = scale dsᵀ q, dv = pᵀ g with ds = p (d - Σ d p), d = g vᵀ."""
    g, _, _, q, k, v = inputs[:6]
    mask = _mask_of(inputs, 6)
    w = _Weights(q, k, mask, causal, scale)
    hq, hk, hv = h
    d = _matmul(g, matrix_transpose(v))
    ds = w.pull(d)
    to_ds = w.along(hq, hk)
    to_d = w.pull(to_ds)
    to_s = w.pull(_arithmetic.add(_against_scores(w, d, to_ds), _matmul(g, matrix_transpose(hv))))
    by_g = _arithmetic.add(_matmul(w.p, hv), _matmul(to_d, v))
    by_q = _arithmetic.add(w.by_q(to_s, k), w.by_q(ds, hk))
    by_k = _arithmetic.add(w.by_k(to_s, q), w.by_k(ds, hq))
    by_v = _matmul(matrix_transpose(to_d), g)
    by_mask = () if mask is None else (to_s if _learned(mask) else None,)
    return (by_g, None, None, by_q, by_k, by_v, *by_mask)


def _push_vjp(tangents: Sequence[Any], ans: Any, inputs: Sequence[Tensor], causal: bool, scale: float) -> Any:
    g, _, _, q, k, v = inputs[:6]
    tg, _, _, tq, tk, tv = tangents[:6]
    mask = _mask_of(inputs, 6)
    w = _Weights(q, k, mask, causal, scale)
    d = _matmul(g, matrix_transpose(v))
    ds = w.pull(d)
    ts = _sum(w.along(tq, tk), tangents[6] if _learned(mask) else None)
    tp = None if ts is None else w.pull(ts)
    td = _sum(
        None if tg is None else _matmul(tg, matrix_transpose(v)),
        None if tv is None else _matmul(g, matrix_transpose(tv)),
    )
    tds = _sum(
        None if td is None else w.pull(td),
        None if ts is None else w.pull(_against_scores(w, d, ts)),
    )
    return (
        _sum(None if tds is None else w.by_q(tds, k), None if tk is None else w.by_q(ds, tk)),
        _sum(None if tds is None else w.by_k(tds, q), None if tq is None else w.by_k(ds, tq)),
        _sum(
            None if tp is None else _matmul(matrix_transpose(tp), g),
            None if tg is None else _matmul(matrix_transpose(w.p), tg),
        ),
    )


def _batched(p: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor], causal: bool, scale: float) -> Any:
    return p(*broadcast_batch(batched, inputs), causal, scale)


_attention.defvjp_all(_pull)
_attention.defjvp_all(_push)
_attention.defbatch(partial(_batched, _attention))
_attention_vjp.defvjp_all(_pull_vjp)
_attention_vjp.defjvp_all(_push_vjp)
_attention_vjp.defbatch(partial(_batched, _attention_vjp))


def scaled_dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    attn_mask: TensorLike | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Attention: ``y = softmax(scale · query keyᵀ + mask) value``, the softmax over the keys.

    Parameters
    ----------
    query : Tensor, shape (..., L, E), floating
    key : Tensor, shape (..., S, E)
    value : Tensor, shape (..., S, V)
        Leading axes broadcast.
    attn_mask : Tensor, optional
        Broadcasts against the scores, of shape (..., L, S). Of bool: True where a key counts. Floating: numbers to be
        added to the scores, -inf where a key does not count.
    is_causal : bool
        Whether query i sees the keys 0 to i only.
    scale : float, optional
        None: ``1 / sqrt(E)``.

    Returns
    -------
    Tensor, shape (..., L, V)
        0 for queries for which no key counts. In memory beside the arguments and the result there are a few hundred
        kilobytes, however long the sequences are; so in the gradient.

    Gradient
        By query, key, value and a floating mask; a kernel that makes the scores again. The gradient by the mask,
        forward mode and second derivatives hold matrices of the shape (..., L, S).

    Accuracy
        That of :func:`softmax` and :func:`matmul`; no overflow.

    Raises
    ------
    ShapeError
        If the shapes do not fit.
    DTypeError
        If an argument is not floating, their dtypes differ, or the mask is neither bool nor floating.

    Sources: Vaswani et al., "Attention is all you need", 2017; Milakov, Gimelshein, "Online normalizer calculation for
    softmax", 2018; Dao et al., "FlashAttention", 2022.

    Examples
    --------
    >>> import alice_core as ac
    >>> q = k = ac.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> ac.scaled_dot_product_attention(q, k, ac.tensor([[1.0], [3.0]]), is_causal=True)
    Tensor([[1.       ],
            [2.3395231]], dtype=float32)
    """
    op = "scaled_dot_product_attention"
    arrays = [asarray(x) for x in (query, key, value)]
    for name, x in zip(("query", "key", "value"), arrays, strict=True):
        if x.dtype.kind != "f":
            raise DTypeError(f"{op}: {name} must be floating; got {x.dtype.name}; convert it with {name}.astype(…)")
        if x.ndim < 2:
            raise ShapeError(f"{op}: {name} must have at least two axes, those of the sequence last; got {x.shape}")
    q, k, v = arrays
    if not (q.dtype == k.dtype == v.dtype):
        raise DTypeError(
            f"{op}: query, key and value must have one dtype; got {q.dtype.name}, {k.dtype.name}, {v.dtype.name}; "
            f"convert them with x.astype(…)"
        )
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"{op}: query, key and value must have shapes (..., L, E), (..., S, E) and (..., S, V); got {q.shape}, "
            f"{k.shape}, {v.shape}"
        )
    causal = checked_flag(op, "is_causal", is_causal)
    factor = 1.0 / math.sqrt(max(1, q.shape[-1])) if scale is None else checked_number(op, "scale", scale)
    scores = (q.shape[-2], k.shape[-2])
    fronts = [x.shape[:-2] for x in arrays]
    mask = None if attn_mask is None else asarray(attn_mask)
    if mask is not None:
        if mask.dtype.kind not in "bf":
            raise DTypeError(f"{op}: attn_mask must be bool or floating; got {mask.dtype.name}, {shown(attn_mask)}")
        fronts.append(mask.shape[:-2])
        if any(n not in (1, m) for n, m in zip(mask.shape[::-1], scores[::-1], strict=False)):
            raise ShapeError(
                f"{op}: attn_mask must broadcast against scores of shape (..., L, S) = (..., {scores[0]}, "
                f"{scores[1]}); got {mask.shape}"
            )
    try:
        front = np.broadcast_shapes(*fronts)
    except ValueError:
        raise ShapeError(f"{op}: leading axes must broadcast; got {', '.join(map(str, fronts))}") from None
    inputs = list(arrays)
    if mask is not None:
        inputs.append(mask if mask.dtype.kind == "b" or mask.dtype == q.dtype else _selection.astype(mask, q.dtype))
    shapes = [x.shape[-2:] for x in arrays] + [scores]
    whole = [
        x if x.shape == (*front, *shape) else _broadcasting.broadcast_to(x, (*front, *shape))
        for x, shape in zip(inputs, shapes, strict=False)
    ]
    result: Tensor = _attention(*whole, causal, factor)[0]
    return result
