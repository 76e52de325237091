"""Gradients made smaller before a step."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import alice_core as ac

from .. import tree
from ..checks import checked_number, shown

__all__ = ["clip_grad_norm", "clip_grad_value"]


def clip_grad_norm(params: Iterable[Any], max_norm: float, norm_type: float = 2.0) -> ac.Tensor:
    """Scale all gradients by one factor, so that their norm, taken together, is at most ``max_norm``.

    Parameters
    ----------
    params : iterable of Tensor, or a module
        Parameters, nested as a tree may be. Those without a gradient are left out, and one
        that comes twice counts once.
    max_norm : float
        Above 0; infinity only measures.
    norm_type : float
        p of the p-norm, at least 1; ``math.inf`` for the largest absolute value.

    Returns
    -------
    Tensor, 0-d, float64 if a gradient is, else float32
        The norm before. Where it is not finite, neither are the gradients afterwards.

    Accuracy
    --------
    Nothing overflows on the way: the gradients are divided by the largest absolute value first. The factor is
    ``max_norm / norm``, and gradients within the bound keep their bits.

    Raises
    ------
    ValueError
        If a number is out of range.
    DTypeError
        If what should be a Tensor or a number is none.

    Source
    ------
    Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", 2013.

    Examples
    --------
    >>> import alice_core as ac
    >>> p = ac.nn.Parameter([0.0, 0.0])
    >>> p.grad = ac.tensor([3.0, 4.0])
    >>> ac.optim.clip_grad_norm([p], 1.0)
    Tensor(5., dtype=float32)
    >>> p.grad
    Tensor([0.6, 0.8], dtype=float32)
    """
    limit = _above("clip_grad_norm", "max_norm", max_norm, 0.0)
    order = _above("clip_grad_norm", "norm_type", norm_type, 0.0)
    if order < 1:
        raise ValueError(f"clip_grad_norm: norm_type must be at least 1; got {norm_type!r}")
    with ac.no_grad():
        chosen = _with_gradients("clip_grad_norm", params)
        dtype = ac.float64 if any(g.dtype == ac.float64 for _, g in chosen) else ac.float32
        norm = _norm([g.astype(dtype) for _, g in chosen if g.size], order, dtype)
        if limit < math.inf:
            factor = ac.where(ac.isfinite(norm), limit / ac.maximum(norm, limit), math.nan)
            for p, g in chosen:
                # Of 16 bits, the factor would have few digits where the norm is large.
                p.grad = (
                    (g.astype(dtype) * factor).astype(g.dtype) if g.dtype.itemsize == 2 else g * factor.astype(g.dtype)
                )
    return norm


def _norm(grads: list[ac.Tensor], order: float, dtype: Any) -> ac.Tensor:
    if not grads:
        return ac.zeros((), dtype)
    largest = ac.max(ac.stack([ac.max(ac.abs(g)) for g in grads]))
    if order == math.inf:
        return largest
    scale = ac.where((largest > 0) & ac.isfinite(largest), largest, 1.0)
    sums = [ac.sum(ac.square(g / scale) if order == 2 else ac.abs(g / scale) ** order) for g in grads]
    total = ac.sum(ac.stack(sums))
    return scale * (ac.sqrt(total) if order == 2 else total ** (1 / order))


def clip_grad_value(params: Iterable[Any], clip_value: float) -> None:
    """Cut every element of the gradients off at ``-clip_value`` and ``clip_value``.

    Parameters
    ----------
    params : iterable of Tensor, or a module
        Parameters, nested as a tree may be. Those without a gradient are left out, and one
        that comes twice counts once.
    clip_value : float
        Above 0.

    Raises
    ------
    ValueError
        If the number is out of range.
    DTypeError
        If what should be a Tensor or a number is none.

    Examples
    --------
    >>> import alice_core as ac
    >>> p = ac.nn.Parameter([0.0, 0.0])
    >>> p.grad = ac.tensor([3.0, -0.5])
    >>> ac.optim.clip_grad_value([p], 1.0)
    >>> p.grad
    Tensor([ 1. , -0.5], dtype=float32)
    """
    limit = _above("clip_grad_value", "clip_value", clip_value, 0.0)
    with ac.no_grad():
        for p, g in _with_gradients("clip_grad_value", params):
            p.grad = ac.clip(g, -limit, limit)


def _above(who: str, name: str, value: Any, bound: float) -> float:
    number = checked_number(who, name, value, "a positive number")
    if not number > bound:
        raise ValueError(f"{who}: {name} must be a positive number; got {value!r}")
    return number


def _with_gradients(who: str, params: Any) -> list[tuple[ac.Tensor, ac.Tensor]]:
    """The parameters that have a gradient, with it: each once, as layers may share some."""
    if isinstance(params, ac.nn.Module):
        params = list(params.parameters())
    elif not isinstance(params, (ac.Tensor, dict, list, tuple)):
        params = list(params)
    found = {}
    for i, p in enumerate(tree.leaves(params)):
        if not isinstance(p, ac.Tensor):
            raise ac.DTypeError(f"{who}: params must be Tensors; got {shown(p)} as parameter {i}")
        if p.grad is not None:
            found[id(p)] = (p, p.grad)
    return list(found.values())
