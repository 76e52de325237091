"""Dropout: a layer that computes something else while learning than while predicting."""

from __future__ import annotations

import alice_core as ac

from ..checks import checked_number
from .module import Module

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d"]


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
        number = checked_number(type(self).__name__, "p", p)
        if not 0 <= number <= 1:
            raise ValueError(f"{type(self).__name__}: p must be a probability, from 0 to 1; got {p!r}")
        self._p = number

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return ac.zeros_like(x)
        return ac.where(self.kept(self.units(x)), x * (1 / (1 - self.p)), 0)

    def units(self, x: ac.Tensor) -> tuple[int, ...]:
        """The shape of the mask: what is dropped together has an extent of 1."""
        return x.shape

    def kept(self, shape: tuple[int, ...]) -> ac.Tensor:
        """A mask, True where nothing is dropped."""
        generator = ac.random.default_generator if self.generator is None else self.generator
        mask: ac.Tensor = generator.bernoulli(shape, 1 - self.p)
        return mask

    def extra_repr(self) -> str:
        return str(self.p)


class _Channels(Dropout):
    """Whole channels are dropped."""

    _shape: str

    def units(self, x: ac.Tensor) -> tuple[int, ...]:
        n = self._shape.count(",")
        if x.ndim not in (n, n + 1):
            raise ac.ShapeError(
                f"{type(self).__name__}: expected inputs of shape {self._shape} or {self._shape.replace('N, ', '')}; "
                f"got {x.shape}"
            )
        return (*x.shape[: x.ndim - n + 1], *(1,) * (n - 1))


class Dropout1d(_Channels):
    """:class:`Dropout` of whole channels of sequences, of shape (N, C, L) or (C, L).

    Source: Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient object localization using convolutional networks", 2015.

    Examples
    --------
    >>> import alice_core as ac
    >>> y = ac.nn.Dropout1d(0.5, ac.random.Generator(0))(ac.ones((3, 4, 5)))
    >>> sorted({tuple(set(channel)) for item in y.tolist() for channel in item})
    [(0.0,), (2.0,)]
    """

    _shape = "(N, C, L)"


class Dropout2d(_Channels):
    """:class:`Dropout` of whole channels of images, of shape (N, C, H, W) or (C, H, W).

    Source: Tompson, Goroshin, Jain, LeCun, Bregler, "Efficient object localization using convolutional networks", 2015.

    Examples
    --------
    >>> import alice_core as ac
    >>> y = ac.nn.Dropout2d(0.5, ac.random.Generator(0))(ac.ones((3, 4, 2, 2)))
    >>> sorted(set(ac.sum(y, axis=(2, 3)).flatten().tolist()))
    [0.0, 8.0]
    """

    _shape = "(N, C, H, W)"


class AlphaDropout(Dropout):
    """Dropout that keeps mean 0 and variance 1, for self-normalising networks.

    While learning, elements are set to ``a' = -λα`` with probability p, the limit of SELU on the left; then
    ``y = c x + d`` with c and d such that what had mean 0 and variance 1 has it again.

    Parameters
    ----------
    p : float
        Probability of an element to be set, from 0 to 1; may be set at any time.
    generator : ac.random.Generator, optional
        Where the masks come from; None: the common one of :mod:`alice_core.random`.

    Gradient
    --------
    That of ``y`` with the mask held fixed: exactly 0 where the element was set.

    Raises
    ------
    ValueError
        If p is no probability.

    Source
    ------
    Klambauer, Unterthiner, Mayr, Hochreiter, "Self-normalizing neural networks", 2017.

    Examples
    --------
    >>> import alice_core as ac
    >>> drop = ac.nn.AlphaDropout(0.5, ac.random.Generator(0))
    >>> len(set(drop(ac.zeros(100)).tolist()))
    2
    """

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        if not self.training or self.p == 0:
            return x
        if self.p == 1:
            return ac.zeros_like(x)
        low = -1.7580993408473766  # -λα of SELU
        scale = ((1 - self.p) * (1 + self.p * low * low)) ** -0.5
        y: ac.Tensor = ac.where(self.kept(x.shape), x, low) * scale - scale * low * self.p
        return y
