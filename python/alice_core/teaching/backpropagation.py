"""Reverse mode as systems build it: two VJPs a layer, no Jacobian, and checkpoints where memory is short."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import alice_core as ac

from .layers import Layer

__all__ = ["Backpropagation", "backpropagate"]


@dataclass(eq=False)
class Backpropagation:
    """What :func:`backpropagate` found, and what it did for it.

    Attributes
    ----------
    y : Tensor, 0-d
        The sum of the last outputs.
    gradients : list of dict of str to Tensor
        Of y, by each weight of each layer.
    adjoints : list of Tensor
        The derivative of y by h_0 (the input), h_1, ..., h_l, each of the shape of its h.
    events : list of (str, int)
        What happened at which layer, in order: ``"forward"``, ``"again"`` (a forward run that had been made before)
        and ``"backward"``.
    most_kept : int
        The largest number of layers whose activations were kept at once.
    """

    y: ac.Tensor
    gradients: list[dict[str, ac.Tensor]]
    adjoints: list[ac.Tensor]
    events: list[tuple[str, int]] = field(default_factory=list)
    most_kept: int = 0

    @property
    def evaluations(self) -> int:
        """Forward runs of layers, repeated ones included."""
        return sum(kind != "backward" for kind, _ in self.events)


def backpropagate(layers: Sequence[Layer], x: ac.Tensor, stored: Iterable[int] | None = None) -> Backpropagation:
    """Gradients of ``y = 1^T h_l`` by reverse mode in VJPs, optionally with checkpoints.

    Both steps of reverse mode apply a VJP of the layer to the adjoint ::

        grad W_i = vjp_(f_i, w)(h~_i)
        h~_(i-1) = vjp_(f_i, h)(h~_i)

    Where the activations of a layer were not stored, the layers from the nearest stored one on are run again.

    Parameters
    ----------
    layers : sequence of Layer
        Functions in the sense of mathematics: run twice on the same input, they must give the same output.
    x : Tensor, floating
        Input of the first layer.
    stored : iterable of int, optional
        The layers (1 .. l) whose activations the first forward run keeps; None for all.

    Returns
    -------
    Backpropagation
        The same gradients, bit for bit, whatever is stored.

    Raises
    ------
    ValueError
        If ``stored`` names a layer that there is not.

    Source
    ------
    Notes, sections 6.3 (gradient checkpointing, figure E.6.1) and 6.4 (vector-Jacobian products), with erratum E-45: a
    VJP is applied to the adjoint, not multiplied with it.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> layers = teaching.fully_connected_layers([8, 8, 8, 8, 8], ac.tanh)
    >>> x = ac.ones((8,), dtype=ac.float64)
    >>> run = teaching.backpropagate(layers, x, stored=[1, 2, 4])
    >>> run.evaluations / len(layers)
    1.25
    >>> run.events[4:]
    [('backward', 4), ('again', 3), ('backward', 3), ('backward', 2), ('backward', 1)]
    """
    numbers = range(1, len(layers) + 1)
    keep = set(numbers if stored is None else stored)
    if unknown := keep - set(numbers):
        raise ValueError(f"backpropagate: stored must name layers 1 to {len(layers)}; got {sorted(unknown)}")
    run = Backpropagation(x, [{} for _ in layers], [x] * (len(layers) + 1))

    outputs: dict[int, ac.Tensor] = {0: x}
    pullbacks: dict[int, Any] = {}

    def linearize(kind: str, i: int, h: ac.Tensor) -> ac.Tensor:
        """Run layer i and keep what its VJPs need."""
        outputs[i], pullbacks[i] = ac.vjp(layers[i - 1].f, h, layers[i - 1].weights)
        run.events.append((kind, i))
        run.most_kept = max(run.most_kept, len(pullbacks))
        return outputs[i]

    h = x
    for i in numbers:
        if i in keep:
            h = linearize("forward", i, h)
        else:
            h = layers[i - 1](h)
            run.events.append(("forward", i))

    run.y = ac.sum(h)
    run.adjoints[-1] = ac.ones_like(h)
    for i in reversed(numbers):
        if i not in pullbacks:
            start = max(j for j in outputs if j < i)
            for j in range(start + 1, i + 1):
                linearize("again", j, outputs[j - 1])
        run.adjoints[i - 1], run.gradients[i - 1] = pullbacks.pop(i)(run.adjoints[i])
        del outputs[i]
        run.events.append(("backward", i))
    return run
