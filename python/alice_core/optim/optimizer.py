"""What all optimisers share: the checked list of parameters, the learning rate, and state that can be saved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import alice_core as ac

from .._checks import checked_number, shown

__all__ = ["Optimizer"]


class Optimizer:
    """Base class. Subclasses define :meth:`step` and keep what they remember in :attr:`_memory`.

    The numbers that steer an optimiser lie in one float64 Tensor, ``lr`` first, which changes in place: whoever holds
    a reference sees the current values.

    Parameters
    ----------
    params : iterable of Tensor
        Leaves that require a gradient.
    hyper : sequence of float
        The learning rate and what else the native update reads.
    """

    def __init__(self, params: Iterable[ac.Tensor], *hyper: float) -> None:
        who = type(self).__name__
        if isinstance(params, (ac.Tensor, ac.nn.Module)) or not isinstance(params, Iterable):
            raise ac.DTypeError(
                f"{who}: params must be a list of Tensors; got {shown(params)}; write [p], or model.parameters()"
            )
        self.params = list(params)
        if not self.params:
            raise ValueError(f"{who}: params is empty; pass the Tensors to learn, for instance model.parameters()")
        seen: set[int] = set()
        for i, p in enumerate(self.params):
            if not isinstance(p, ac.Tensor):
                raise TypeError(f"{who}: params must be Tensors; got {type(p).__name__} as parameter {i}")
            if not p.requires_grad:
                raise ac.GradientError(
                    f"{who}: parameter {i}, shape {p.shape}, does not require a gradient; call p.requires_grad_() first"
                )
            if id(p) in seen:
                raise ValueError(f"{who}: parameter {i}, shape {p.shape}, is listed twice")
            seen.add(id(p))
        self._hyper = ac.tensor(np.array(hyper, dtype=np.float64))
        self._memory: dict[str, list[ac.Tensor]] = {}  # lists parallel to params
        self.lr = hyper[0]

    @property
    def lr(self) -> float:
        """The learning rate; may be set at any time."""
        return self._get(0)

    @lr.setter
    def lr(self, value: float) -> None:
        self._set(0, self._check("lr", value))

    def _get(self, index: int) -> float:
        self._check_outside()
        return float(self._hyper.numpy()[index])

    def _set(self, index: int, value: float) -> None:
        self._check_outside()
        self._hyper.numpy(writable=True)[index] = value  # nothing is differentiated by these numbers

    def _check_outside(self) -> None:
        if not self._hyper._readable:
            raise ac.TraceError(
                f"{type(self).__name__}: expected lr to be read or set outside of traced functions; got it inside of "
                f"one, where it would happen only once; set opt.lr before the call, every step reads it anew"
            )

    def _check(self, name: str, value: float) -> float:
        number = checked_number(type(self).__name__, name, value)
        if not (number >= 0 and math.isfinite(number)):
            raise ValueError(f"{type(self).__name__}: {name} must be a number ≥ 0; got {value!r}")
        return number

    def step(self) -> None:
        """Change every parameter that has a gradient; those whose ``.grad`` is None stay as they are."""
        raise NotImplementedError(f"{type(self).__name__}: define step(self)")

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.params:
            p.grad = None

    def _state(self) -> dict[str, ac.Tensor]:
        state = {"hyper": self._hyper}
        for name, tensors in self._memory.items():
            state |= {f"{name}.{i}": x for i, x in enumerate(tensors)}
        return state

    def state_dict(self) -> dict[str, ac.Tensor]:
        """Copies of the numbers that steer the optimiser and of what it remembers, by name."""
        return {name: ac.tensor(x) for name, x in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` of the same kind of optimiser returned.

        Raises
        ------
        ValueError
            If names or shapes differ. Nothing has been changed then.
        """
        own = self._state()
        who = type(self).__name__
        if own.keys() != state.keys():
            missing, unexpected = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
            raise ValueError(
                f"load_state_dict: {who} misses {missing or 'nothing'}, does not know {unexpected or 'nothing'}"
            )
        arrays = {name: np.asarray(x) for name, x in state.items()}
        for name, x in own.items():
            if arrays[name].shape != x.shape:
                raise ac.ShapeError(f"load_state_dict: {name} must have shape {x.shape}; got {arrays[name].shape}")
        for name, x in own.items():
            x.assign_(arrays[name])
