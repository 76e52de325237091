"""The programs of the notes: layers ``h_i = f_i(h_(i-1), w_i)`` one after the other, summed up at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

import alice_core as ac

from .jacobians import jacobian_from_vjps

__all__ = ["Layer", "evaluate", "fully_connected", "fully_connected_layers"]


@dataclass(frozen=True, eq=False)
class Layer:
    """A primitive of the notes: a differentiable function of an input and of weights.

    Attributes
    ----------
    f : callable
        ``f(h, weights)``, from the input and the dict of weights to the output.
    weights : dict of str to Tensor
        By the names that the tables show.

    Source
    ------
    Notes, section 6.1, with errata E-35 (the weight Jacobian differentiates by w) and E-36 (layer i takes the output of
    layer i - 1).

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> scale = teaching.Layer(lambda h, w: w["a"] * h, {"a": ac.tensor(2.0)})
    >>> h = ac.tensor([1.0, 3.0])
    >>> scale(h)
    Tensor([2., 6.], dtype=float32)
    >>> scale.input_jacobian(h).tolist(), scale.weight_jacobian(h, "a").tolist()
    ([[2.0, 0.0], [0.0, 2.0]], [[1.0], [3.0]])
    """

    f: Callable[[ac.Tensor, dict[str, ac.Tensor]], ac.Tensor]
    weights: dict[str, ac.Tensor]

    def __call__(self, h: ac.Tensor) -> ac.Tensor:
        return self.f(h, self.weights)

    def input_jacobian(self, h: ac.Tensor) -> ac.Tensor:
        """The matrix (c', c): derivative of every output by every input, both counted through in C order."""
        return jacobian_from_vjps(lambda x: self(x).flatten(), h).reshape(-1, h.size)

    def weight_jacobian(self, h: ac.Tensor, name: str) -> ac.Tensor:
        """The matrix (c', p): derivative of every output by every item of the weights ``name``."""
        w = self.weights[name]
        return jacobian_from_vjps(lambda v: self.f(h, {**self.weights, name: v}).flatten(), w).reshape(-1, w.size)


def fully_connected(W: ac.Tensor, b: ac.Tensor, activation: Callable[[ac.Tensor], ac.Tensor] | None = None) -> Layer:
    """The layer ``activation(W h + b)``.

    Parameters
    ----------
    W : Tensor, shape (d_out, d_in)
    b : Tensor, shape (d_out,)
    activation : callable, optional
        Elementwise, from Tensor to Tensor; None for none.

    Returns
    -------
    Layer
        With weights ``W`` and ``b``; its input is one example (d_in,) or a batch (n, d_in).

    Source
    ------
    Notes, sections 5.2 and 6.4.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> layer = teaching.fully_connected(ac.tensor([[1.0, 2.0]]), ac.tensor([0.5]), ac.relu)
    >>> layer(ac.tensor([1.0, 1.0]))
    Tensor([3.5], dtype=float32)
    """

    def f(h: ac.Tensor, weights: dict[str, ac.Tensor]) -> ac.Tensor:
        s = h @ weights["W"].T + weights["b"]
        return s if activation is None else activation(s)

    return Layer(f, {"W": W, "b": b})


def fully_connected_layers(
    widths: Sequence[int],
    activation: Callable[[ac.Tensor], ac.Tensor] | None = None,
    *,
    gain: float = 1.0,
    seed: int = 0,
) -> list[Layer]:
    """Random fully-connected layers of the given widths, in float64.

    Parameters
    ----------
    widths : sequence of int
        d_0, d_1, ..., d_l: of the input and of the output of every layer.
    activation : callable, optional
        As for :func:`fully_connected`, the same for every layer.
    gain : float
        The entries of W_i are normal with standard deviation ``gain / sqrt(d_(i-1))``; those of b_i are 0.
    seed : int

    Returns
    -------
    list of Layer
        One fewer than widths.

    Examples
    --------
    >>> from alice_core import teaching
    >>> [layer.weights["W"].shape for layer in teaching.fully_connected_layers([3, 4, 2])]
    [(4, 3), (2, 4)]
    """
    rng = np.random.default_rng(seed)
    return [
        fully_connected(
            ac.tensor(gain / np.sqrt(d_in) * rng.standard_normal((d_out, d_in))),
            ac.zeros((d_out,), dtype=ac.float64),
            activation,
        )
        for d_in, d_out in pairwise(widths)
    ]


def evaluate(layers: Sequence[Layer], x: ac.Tensor, weights: Sequence[dict[str, ac.Tensor]] | None = None) -> ac.Tensor:
    """The program of the notes: run the layers one after the other and sum the last output, ``y = 1^T h_l``.

    Parameters
    ----------
    layers : sequence of Layer
    x : Tensor
        Input of the first layer.
    weights : sequence of dict, optional
        Used in place of the layers' own: the argument to differentiate.

    Returns
    -------
    Tensor, 0-d

    Source
    ------
    Notes, section 6.1 (evaluation trace), with erratum E-36.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> layers = teaching.fully_connected_layers([3, 4, 2], ac.tanh)
    >>> x = ac.ones((3,), dtype=ac.float64)
    >>> gradients = ac.grad(lambda ws: teaching.evaluate(layers, x, ws))([layer.weights for layer in layers])
    >>> [g["W"].shape for g in gradients]
    [(4, 3), (2, 4)]
    """
    h = x
    for layer, w in zip(layers, [layer.weights for layer in layers] if weights is None else weights, strict=True):
        h = layer.f(h, w)
    return ac.sum(h)
