"""Functions under the names that listings import from PyTorch's ``torch.nn.functional``.

All but :func:`linear` are those of :mod:`alice_core` and :mod:`alice_core.losses`, for code that is ported by changing
its imports; here are those that mean the same with the same positional arguments.

Examples
--------
>>> import alice_core as torch
>>> from alice_core.nn.functional import relu
>>> relu(torch.tensor([-1.0, 2.0]))
Tensor([0., 2.], dtype=float32)
"""

from __future__ import annotations

import alice_core as ac

from .. import (
    elu,
    embedding,
    gelu,
    leaky_relu,
    log_softmax,
    one_hot,
    relu,
    relu6,
    scaled_dot_product_attention,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from ..losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    huber_loss,
    mse_loss,
)

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "elu",
    "embedding",
    "gelu",
    "huber_loss",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mse_loss",
    "one_hot",
    "relu",
    "relu6",
    "scaled_dot_product_attention",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def linear(x: ac.Tensor, weight: ac.Tensor, bias: ac.Tensor | None = None) -> ac.Tensor:
    """``x @ weight.T + bias``: the weight lies as PyTorch has it, not as that of :class:`alice_core.nn.Linear`.

    Parameters
    ----------
    x : Tensor, shape (..., in)
    weight : Tensor, shape (out, in)
    bias : Tensor, shape (out,), optional

    Returns
    -------
    Tensor, shape (..., out)

    Raises
    ------
    ShapeError
        If the shapes do not fit.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.functional.linear(ac.ones((1, 2)), ac.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    Tensor([[ 3.,  7., 11.]], dtype=float32)
    """
    w = ac.asarray(weight)
    if w.ndim != 2 or (bias is not None and ac.asarray(bias).shape != w.shape[:1]):
        raise ac.ShapeError(
            f"linear: weight must have shape (out, in) and bias (out,); got weight {w.shape}"
            + ("" if bias is None else f", bias {ac.asarray(bias).shape}")
        )
    y = ac.asarray(x) @ w.T
    return y if bias is None else y + bias
