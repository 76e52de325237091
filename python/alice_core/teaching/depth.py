"""How gradients grow or vanish on their way through many layers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import alice_core as ac

from .backpropagation import backpropagate
from .layers import fully_connected_layers

__all__ = ["gradient_norms"]


def gradient_norms(
    activation: Callable[[ac.Tensor], ac.Tensor], depth: int = 50, width: int = 32, *, gain: float = 1.0, seed: int = 0
) -> list[float]:
    """Euclidean norm of the adjoint ``dy/dh_i`` at every depth of a random network, relative to the last one.

    Parameters
    ----------
    activation : callable
        Elementwise, from Tensor to Tensor.
    depth, width : int
        Fully-connected layers, and the neurons of each.
    gain : float
        Scale of the weights, see :func:`fully_connected_layers`; sqrt(2) keeps the size of what ReLUs let through.
    seed : int
        Of the weights and of the input, which is normal.

    Returns
    -------
    list of float
        For h_0, h_1, ..., h_l; the last is 1.

    Source
    ------
    Notes, section 6.4 (choosing an activation function), with erratum E-48: gradients vanish where slopes are below 1
    and may explode where they are above 1.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> sigmoid, relu = (teaching.gradient_norms(f, gain=2**0.5) for f in (ac.sigmoid, ac.relu))
    >>> sigmoid[0] < 1e-20 < 1e-3 < relu[0]
    True
    """
    layers = fully_connected_layers([width] * (depth + 1), activation, gain=gain, seed=seed)
    x = ac.tensor(np.random.default_rng(seed).standard_normal(width))
    norms = [ac.norm(adjoint).item() for adjoint in backpropagate(layers, x).adjoints]
    return [norm / norms[-1] for norm in norms]
