"""Attention with several heads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

import alice_core as ac

from ..checks import checked_flag, checked_int
from . import init
from .dropout import Dropout
from .module import Module, Parameter, widened

if TYPE_CHECKING:
    from ..tensors import DTypeLike

__all__ = ["MultiHeadAttention", "MultiheadAttention"]


class Projection(Module):
    """An affine map whose weight is kept as PyTorch keeps it: ``x @ weightᵀ + bias``.

    Attributes
    ----------
    weight : Tensor, shape (out_features, in_features)
    bias : Tensor, shape (out_features,), or None
    """

    def __init__(self, weight: ac.Tensor, bias: bool) -> None:
        self.weight = Parameter(weight)
        self.bias = Parameter(ac.zeros(weight.shape[:1], weight.dtype)) if bias else None

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        rows, cols = self.weight.shape
        return f"{cols}, {rows}" + ("" if self.bias is not None else ", bias=False")


class MultiheadAttention(Module):
    """Attention of several heads, each on a part of the features: ``concat(head_1, …) out_projᵀ``.

    Every head attends with projections of its own of query, key and value, see
    :func:`alice_core.scaled_dot_product_attention`. ``MultiHeadAttention`` is the same class.

    Parameters
    ----------
    embed_dim : int
        Features of query and result, a multiple of num_heads.
    num_heads : int
    dropout : float
        Probability of a weight to be left out while learning. Then, and where weights are asked for, all of them are
        held: (…, L, S) numbers.
    bias : bool
        False leaves the biases out.
    batch_first : bool
        Whether arrays are (N, L, E) rather than (L, N, E). Both may lack N.
    kdim, vdim : int, optional
        Features of key and value, where they have others than query.
    dtype : floating dtype, optional
        None: the default, see :func:`alice_core.set_default_dtype`.
    seed : int, numpy Generator or ac.random.Generator, optional
        Of the starting values; None: the common generator.

    Attributes
    ----------
    in_proj_weight : Tensor, shape (3 embed_dim, embed_dim), or None
        Those of query, key and value, one below the other; instead, with kdim or vdim, q_proj_weight, k_proj_weight and
        v_proj_weight.
    in_proj_bias : Tensor, shape (3 embed_dim,), or None
    out_proj : Module with weight (embed_dim, embed_dim) and bias (embed_dim,)
        Names and shapes are those of PyTorch.

    Raises
    ------
    ShapeError
        If embed_dim is no multiple of num_heads; in the call, if shapes do not fit.
    DTypeError
        In the call, if the result would have another dtype than the layer.

    Source: Vaswani et al., "Attention is all you need", 2017.

    Examples
    --------
    >>> import alice_core as ac
    >>> attention = ac.nn.MultiheadAttention(8, 2, batch_first=True)
    >>> x = ac.zeros((3, 5, 8))
    >>> y, weights = attention(x, x, x)
    >>> y.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        batch_first: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        dtype: DTypeLike | None = None,
        seed: init.Seed = None,
    ) -> None:
        who = "MultiheadAttention"
        self.embed_dim = width = checked_int(who, "embed_dim", embed_dim)
        self.num_heads = checked_int(who, "num_heads", num_heads)
        if width < 1 or self.num_heads < 1 or width % self.num_heads:
            raise ac.ShapeError(f"{who}: embed_dim must be a multiple of num_heads; got {embed_dim} and {num_heads}")
        self.batch_first = checked_flag(who, "batch_first", batch_first)
        self.dropout = Dropout(dropout)
        bias = checked_flag(who, "bias", bias)
        of_key = width if kdim is None else checked_int(who, "kdim", kdim)
        of_value = width if vdim is None else checked_int(who, "vdim", vdim)
        generator = init.rng(seed)

        def weight(rows: int, columns: int) -> ac.Tensor:
            return Parameter(init.xavier_uniform((rows, columns), dtype=dtype, seed=generator))

        self.in_proj_weight = self.q_proj_weight = self.k_proj_weight = self.v_proj_weight = None
        if of_key == of_value == width:
            self.in_proj_weight = weight(3 * width, width)
        else:
            self.q_proj_weight = weight(width, width)
            self.k_proj_weight = weight(width, of_key)
            self.v_proj_weight = weight(width, of_value)
        self.in_proj_bias = Parameter(ac.zeros((3 * width,), dtype)) if bias else None
        self.out_proj = Projection(init.uniform((width, width), width**-0.5, dtype, generator), bias)

    def forward(
        self,
        query: ac.Tensor,
        key: ac.Tensor,
        value: ac.Tensor,
        key_padding_mask: ac.Tensor | None = None,
        need_weights: bool = True,
        attn_mask: ac.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[ac.Tensor, ac.Tensor | None]:
        """The result, and the weights if they are asked for, else None.

        Parameters
        ----------
        query, key, value : Tensor
            (N, L, E), (N, S, kdim) and (N, S, vdim), or all without N; (L, N, E) and so on unless ``batch_first``.
        key_padding_mask : Tensor, shape (N, S) or (S,), optional
            Of bool: True where a key does *not* count, as PyTorch has it. Floating: added to the scores.
        need_weights : bool
            False: the fused kernel, which holds no weights.
        attn_mask : Tensor, shape (L, S) or (N num_heads, L, S), optional
            As key_padding_mask.
        average_attn_weights : bool
            Whether weights are (N, L, S), the mean over heads, or (N, num_heads, L, S).
        is_causal : bool
            Whether item i sees the items 0 to i only; no attn_mask is needed.

        Returns
        -------
        y : Tensor of the shape of query
        weights : Tensor or None
        """
        self._check(query, key, value)
        turned = query.ndim == 3 and not self.batch_first
        q, k, v = self._projected(query, key, value, turned)
        mask = self._mask(key_padding_mask, attn_mask, q, k)
        weights = None
        if need_weights or (self.training and self.dropout.p > 0):
            weights = _weights(q, k, mask, is_causal)
            y = self.dropout(weights) @ v
        else:
            y = ac.scaled_dot_product_attention(q, k, v, mask, is_causal)
        y = ac.moveaxis(y, -3, -2)
        y = self.out_proj(ac.reshape(y, (*y.shape[:-2], self.embed_dim)))
        if y.dtype is not self.out_proj.weight.dtype:
            raise widened("MultiheadAttention", query, self.out_proj.weight)
        if turned:
            y = ac.swapaxes(y, 0, 1)
        if weights is None or not need_weights:
            return y, None
        return y, ac.mean(weights, axis=-3) if average_attn_weights else weights

    def _check(self, query: ac.Tensor, key: ac.Tensor, value: ac.Tensor) -> None:
        ndim = query.ndim
        if ndim not in (2, 3) or key.ndim != ndim or value.ndim != ndim:
            raise ac.ShapeError(
                f"MultiheadAttention: query, key and value must all have 3 axes, or all 2; got {query.shape}, "
                f"{key.shape}, {value.shape}"
            )
        along, batch = (-2, 0) if ndim == 2 or self.batch_first else (0, 1)
        if key.shape[along] != value.shape[along]:
            raise ac.ShapeError(
                f"MultiheadAttention: key and value must be equally many; got {key.shape[along]} and "
                f"{value.shape[along]}, in arrays of shape {key.shape} and {value.shape}"
            )
        if ndim == 3 and not query.shape[batch] == key.shape[batch] == value.shape[batch]:
            order = "(N, L, E)" if self.batch_first else "(L, N, E)"
            raise ac.ShapeError(
                f"MultiheadAttention: query, key and value must have one N, their order is {order}; got {query.shape}, "
                f"{key.shape}, {value.shape}; say batch_first when the layer is made"
            )

    def _projected(self, query: ac.Tensor, key: ac.Tensor, value: ac.Tensor, turned: bool) -> list[ac.Tensor]:
        """Query, key and value as (N, heads, L, E / heads), or without N."""
        width = self.embed_dim
        given = [query, key, value]
        if self.in_proj_weight is not None and query is key is value:  # one product for all three
            x = self._affine(ac.swapaxes(query, 0, 1) if turned else query, self.in_proj_weight, self.in_proj_bias)
            x = ac.reshape(x, (*x.shape[:-1], 3, self.num_heads, -1))  # before it is cut: these are views
            return [ac.moveaxis(part, -2, -3) for part in ac.unstack(x, axis=-3)]
        if self.in_proj_weight is not None:
            weights: Any = [self.in_proj_weight[i * width : (i + 1) * width] for i in range(3)]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        biases = [None if (b := self.in_proj_bias) is None else b[i * width : (i + 1) * width] for i in range(3)]
        return [
            self._in_heads(self._affine(ac.swapaxes(x, 0, 1) if turned else x, w, b))
            for x, w, b in zip(given, weights, biases, strict=True)
        ]

    def _affine(self, x: ac.Tensor, weight: ac.Tensor, bias: ac.Tensor | None) -> ac.Tensor:
        if x.shape[-1] != weight.shape[1]:
            raise ac.ShapeError(
                f"MultiheadAttention: expected {weight.shape[1]} features along the last axis; got an array of shape "
                f"{x.shape}"
            )
        y = x @ weight.T
        return y if bias is None else y + bias

    def _in_heads(self, x: ac.Tensor) -> ac.Tensor:
        """(N, L, E) as (N, heads, L, E / heads)."""
        return ac.moveaxis(ac.reshape(x, (*x.shape[:-1], self.num_heads, -1)), -2, -3)

    def _mask(self, padding: ac.Tensor | None, mask: ac.Tensor | None, q: ac.Tensor, k: ac.Tensor) -> ac.Tensor | None:
        """Both masks as one, for all heads: of bool, True where a key counts; or numbers to be added."""
        total: ac.Tensor | None = None
        front = q.shape[:-3]
        parts = []
        if mask is not None:
            mask = ac.asarray(mask)
            wanted = q.shape[-2], k.shape[-2]
            alone, each = mask.shape == wanted, mask.shape == (math.prod(front) * self.num_heads, *wanted)
            if not alone and not each:
                raise ac.ShapeError(
                    f"MultiheadAttention: attn_mask must have shape {wanted}, queries by keys, or "
                    f"{(math.prod(front) * self.num_heads, *wanted)}; got {mask.shape}"
                )
            if mask.ndim == 3 and front:
                mask = ac.reshape(mask, (*front, self.num_heads, *mask.shape[1:]))
            parts.append(mask)
        if padding is not None:
            padding = ac.asarray(padding)
            if padding.shape != (*front, k.shape[-2]):
                raise ac.ShapeError(
                    f"MultiheadAttention: key_padding_mask must have shape {(*front, k.shape[-2])}; got {padding.shape}"
                )
            parts.append(ac.reshape(padding, (*front, 1, 1, k.shape[-2])))
        kinds = {part.dtype.kind for part in parts}
        if not kinds <= {"b", "f"}:
            raise ac.DTypeError(f"MultiheadAttention: masks must be bool or floating; got {sorted(kinds)}")
        for part in parts:
            if kinds == {"b"}:
                counts = ac.logical_not(part)
                total = counts if total is None else ac.logical_and(total, counts)
            else:
                number = ac.where(part, -math.inf, ac.zeros((), q.dtype)) if part.dtype.kind == "b" else part
                total = number if total is None else total + number
        return total

    def extra_repr(self) -> str:
        return f"{self.embed_dim}, {self.num_heads}"


MultiHeadAttention = MultiheadAttention


def _weights(q: ac.Tensor, k: ac.Tensor, mask: ac.Tensor | None, causal: bool) -> ac.Tensor:
    """The weights of attention: 0 for queries for which no key counts."""
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    counts = ac.asarray(np.tri(*scores.shape[-2:], dtype=bool)) if causal else None
    if mask is not None:
        flags = mask
        if mask.dtype.kind != "b":
            flags = mask != -math.inf
            scores = scores + ac.where(flags, mask, 0.0)
        counts = flags if counts is None else ac.logical_and(counts, flags)
    if counts is None:
        return ac.softmax(scores)
    alive = ac.any(counts, axis=-1, keepdims=True)  # elsewhere the scores are put to 0, so that nothing becomes NaN
    scores = ac.where(counts, scores, ac.where(alive, -math.inf, 0.0).astype(scores.dtype))
    return ac.where(counts, ac.softmax(scores), 0.0)
