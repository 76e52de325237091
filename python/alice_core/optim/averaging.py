"""Exponential moving averages of parameters: a smoother model to test with than the one that is being trained.

Source: Polyak, Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

import alice_core as ac

from .. import tree
from ..checks import check_attribute, checked_number, known_values, shown
from ..state import checked, overwrite

__all__ = ["EMA"]


class EMA:
    """Exponential moving averages of parameters: ``a = a + (1 - decay) * (p - a)`` at each :meth:`update`.

    They begin with what the parameters are at first.

    Parameters
    ----------
    params : iterable of Tensor, or a module
        Floating Tensors, nested as a tree may be.
    decay : float
        Part of the averages that is kept at each update, from 0 to below 1. May be set at any time.

    Attributes
    ----------
    averages : list of Tensor
        In the order of the parameters; of float16 and bfloat16 in float32.

    Raises
    ------
    ValueError
        If there are no parameters, or decay is out of range.
    DTypeError
        If what should be a floating Tensor or a number is none.

    Examples
    --------
    >>> import alice_core as ac
    >>> p = ac.nn.Parameter([1.0])
    >>> ema = ac.optim.EMA([p], decay=0.75)
    >>> p.assign_([3.0])
    Tensor([3.], dtype=float32, requires_grad=True)
    >>> ema.update()
    >>> ema.averages
    [Tensor([1.5], dtype=float32)]
    >>> with ema.applied():
    ...     print(p.item())
    1.5
    >>> p.item()
    3.0
    """

    def __init__(self, params: Iterable[Any], decay: float = 0.999) -> None:
        if isinstance(params, ac.nn.Module):
            params = list(params.parameters())
        self.params: list[ac.Tensor] = tree.leaves(params if isinstance(params, (dict, list, tuple)) else list(params))
        if not self.params:
            raise ValueError("EMA: params is empty; pass the Tensors to average, for instance model.parameters()")
        for i, p in enumerate(self.params):
            if not isinstance(p, ac.Tensor) or p.dtype.kind != "f":
                raise ac.DTypeError(f"EMA: params must be floating Tensors; got {shown(p)} as parameter {i}")
        self._hyper = ac.tensor(np.array([_decay(decay)]))
        self.averages = [ac.tensor(p.detach(), p.dtype if p.dtype.itemsize > 2 else ac.float32) for p in self.params]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__ or name not in ("params", "averages"):
            check_attribute(self, name, ("decay",))
        object.__setattr__(self, name, value)

    @property
    def decay(self) -> float:
        """Part of the averages that is kept at each update."""
        self._check_outside()
        return float(self._hyper.item())

    @decay.setter
    def decay(self, value: float) -> None:
        self._check_outside()
        self._hyper.assign_(np.array([_decay(value)]))

    def _check_outside(self) -> None:
        if known_values(self._hyper) is None:
            raise ac.TraceError(
                "EMA: expected decay to be read or set outside of traced functions; got it inside of one, where it "
                "would happen only once; do it before the call, every update reads it anew"
            )

    def update(self) -> None:
        """Move the averages towards the parameters as they are now."""
        values = [p.detach() for p in self.params]
        ac.update("moving_average", [self._hyper, *self.averages, *values], (len(values),), self.averages)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The parameters are the averages inside of a ``with`` block, and afterwards what they were before it."""
        before = [ac.tensor(p.detach()) for p in self.params]
        try:
            for p, average in zip(self.params, self.averages, strict=True):
                p.assign_(average)
            yield
        finally:
            for p, value in zip(self.params, before, strict=True):
                p.assign_(value)

    def _state(self) -> dict[str, ac.Tensor]:
        return {"hyper": self._hyper, **{f"average.{i}": a for i, a in enumerate(self.averages)}}

    def state_dict(self) -> dict[str, ac.Tensor]:
        """Copies of decay and averages, by name."""
        return {name: ac.tensor(x) for name, x in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` returned. If there is any error, nothing has been changed.

        Raises
        ------
        ValueError
            If names differ, or decay is out of range.
        ShapeError
            If shapes differ.
        DTypeError
            If a value is no number.
        """
        own = self._state()
        new = checked("load_state_dict: EMA", own, state)
        _decay(new["hyper"].item())
        overwrite(own, new)


def _decay(value: Any) -> float:
    decay = checked_number("EMA", "decay", value, "a number from 0 to below 1")
    if not 0 <= decay < 1:
        raise ValueError(f"EMA: decay must be a number from 0 to below 1; got {value!r}")
    return decay
