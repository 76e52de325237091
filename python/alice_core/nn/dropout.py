"""Dropout: a layer that computes something else while learning than while predicting."""

from __future__ import annotations

import alice_core as ac

from ..checks import checked_number
from .module import Module

__all__ = ["Dropout"]


class Dropout(Module):
    """While learning, sets every element to zero with probability ``p`` and scales the others by ``1 / (1 - p)``.

    ``y = x * keep / (1 - p)`` with ``keep`` drawn anew at each call, so that the mean stays that of x. After
    :meth:`~Module.eval` it returns x itself. In a compiled function every call draws the mask that it would have drawn
    without compiling; which mode the module is in is decided when the function is traced.

    Parameters
    ----------
    p : float
        Probability of a zero, from 0 to 1; may be set at any time.
    generator : ac.random.Generator, optional
        Where the masks come from; None: the common one of :mod:`alice_core.random`.

    Gradient
    --------
    That of ``y`` with the mask held fixed: exactly 0 where the element was dropped.

    Raises
    ------
    ValueError
        If p is no probability.

    Source
    ------
    Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, "Dropout: a simple way to prevent neural networks from
    overfitting", 2014.

    Examples
    --------
    >>> import alice_core as ac
    >>> drop = ac.nn.Dropout(0.5, ac.random.Generator(0))
    >>> sorted(set(drop(ac.ones(100)).tolist()))
    [0.0, 2.0]
    >>> drop.eval()(ac.ones(2)).tolist()
    [1.0, 1.0]
    """

    def __init__(self, p: float = 0.5, generator: ac.random.Generator | None = None) -> None:
        self.p = p
        self.generator = generator

    @property
    def p(self) -> float:
        """Probability of a zero."""
        return self._p

    @p.setter
    def p(self, p: float) -> None:
        number = checked_number("Dropout", "p", p)
        if not 0 <= number <= 1:
            raise ValueError(f"Dropout: p must be a probability, from 0 to 1; got {p!r}")
        self._p = number

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return ac.zeros_like(x)
        generator = ac.random.default_generator if self.generator is None else self.generator
        return ac.where(generator.bernoulli(x.shape, 1 - self.p), x * (1 / (1 - self.p)), 0)

    def extra_repr(self) -> str:
        return str(self.p)
