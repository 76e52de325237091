"""What all optimisers share: checked groups of parameters, the numbers that steer them, and state that can be saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy as np

import alice_core as ac

from .. import tree
from ..checks import check_attribute, checked_number, is_known, known_values, shown
from ..state import checked, overwrite

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Flag", "Number", "Optimizer", "ParamGroup", "Schedule"]

#: The learning rate as a function of the number of steps taken: a float or a 0-d float64 Tensor in, the same out.
Schedule = Callable[[Any], Any]


class ParamGroup:
    """Parameters that the same numbers steer: ``group["lr"]``, which may be set at any time, and so on.

    They lie in one float64 Tensor, which changes in place: whoever holds a reference sees the current values.
    """

    def __init__(self, kind: type[Optimizer], params: list[ac.Tensor], values: Mapping[str, Any]) -> None:
        self.params = tuple(params)
        self._kind = kind
        self._schedule: Schedule | None = None
        self._clock: ac.Tensor | None = None  # steps taken since there was a schedule
        if "lr" in values:
            self._follow(values["lr"])
            values = {**values, "lr": kind._first(values["lr"])}
        self._hyper = ac.tensor(np.array(kind._checked(values), np.float64))

    def keys(self) -> tuple[str, ...]:
        """The names of the numbers."""
        return self._kind._numbers

    def __getitem__(self, name: str) -> Any:
        index = self._index(name)
        value = float(self._hyper.numpy()[index])
        return bool(value) if name in self._kind._flags else value

    def __setitem__(self, name: str, value: Any) -> None:
        self._write(name, value, self._checked(name, value))

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name}={self[name]}" for name in self.keys())
        return f"ParamGroup({len(self.params)} parameters, {numbers})"

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and (name != "params" or name in self.__dict__):
            raise AttributeError(
                f"ParamGroup: expected its numbers to be set as items; got the attribute {name}; write "
                f"group[{name!r}] = …, one of {', '.join(self.keys())}"
            )
        object.__setattr__(self, name, value)

    def _index(self, name: str) -> int:
        if not is_known(self._hyper):
            raise ac.TraceError(
                f"{self._kind.__name__}: expected {', '.join(self.keys())} to be read or set outside of traced "
                f"functions; got it inside of one, where it would happen only once; do it before the call, every step "
                f"reads them anew"
            )
        if name not in self._kind._numbers:
            raise KeyError(f"{self._kind.__name__}: expected one of {', '.join(self.keys())}; got {name!r}")
        return self._kind._numbers.index(name)

    def _follow(self, rate: Any) -> None:
        """From now on a schedule says the learning rate, or a number does."""
        self._schedule = rate if self._kind._takes_schedules and callable(rate) else None
        if self._schedule and self._clock is None:
            self._clock = ac.tensor(0.0, ac.float64)

    def _tick(self) -> None:
        """Set the learning rate to what the schedule says, and count the step."""
        if self._clock is None:
            return
        if self._schedule:
            rate = self._rate(self._schedule(self._clock))
            at = self._kind._numbers.index("lr")
            parts = [self._hyper[:at], rate, self._hyper[at + 1 :]]
            ac.update("copy", [ac.concat([x for x in parts if x.size])], (), [self._hyper])
        ac.update("add", [self._clock, ac.asarray(1.0, dtype=ac.float64)], (), [self._clock])

    def _rate(self, value: Any) -> ac.Tensor:
        who, rate = self._kind.__name__, ac.asarray(value, dtype=ac.float64)
        if rate.shape != ():
            raise ac.ShapeError(f"{who}: a schedule must return one number; got shape {rate.shape}")
        known = known_values(rate)
        if known is not None:
            _number(who, "lr", float(known))
        else:  # nobody can be told, but the parameters show it
            rate = ac.where((rate >= 0.0) & (rate < math.inf), rate, math.nan)
        return ac.reshape(rate, (1,))

    def _checked(self, name: str, value: Any) -> float:
        """The number that a value stands for, checked."""
        index = self._index(name)
        if name == "lr":  # which many set before every step; no other number depends on it
            return self._kind._checked_one(name, value if type(value) is float else self._kind._first(value))
        return self._changed({name: value})[index]

    def _changed(self, new: Mapping[str, Any]) -> list[float]:
        """All numbers after a change, checked."""
        now = dict(zip(self.keys(), self._hyper.numpy().tolist(), strict=True))
        return self._kind._checked({**now, **new}, now)

    def _write(self, name: str, value: Any, number: float) -> None:
        """Take over the value, and the number that :meth:`_checked` has made of it."""
        self._hyper.numpy(writable=True)[self._kind._numbers.index(name)] = number  # nothing depends on these
        if name == "lr":
            self._follow(value)


class Number:
    """A number that steers an optimiser, of all its groups; may be set at any time."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, opt: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(self, opt: Optimizer, owner: type | None = None) -> float: ...
    def __get__(self, opt: Optimizer | None, owner: type | None = None) -> Any:
        return self if opt is None else opt._common(self._name)

    def __set__(self, opt: Optimizer, value: Any) -> None:
        opt._set_all(self._name, value)


class Flag(Number):
    """A number that is True or False."""

    if TYPE_CHECKING:

        @overload
        def __get__(self, opt: None, owner: type | None = None) -> Self: ...
        @overload
        def __get__(self, opt: Optimizer, owner: type | None = None) -> bool: ...
        def __get__(self, opt: Optimizer | None, owner: type | None = None) -> Any: ...


class Optimizer:
    """Base class. Subclasses define :meth:`step`, name the numbers that steer them, and keep what they remember in
    ``_memory``.

    Parameters
    ----------
    params : iterable of Tensor
        Leaves that require a gradient. May be nested in lists, tuples and dicts, with None where a parameter is left
        out; or a list of groups, dicts with ``"params"`` and those numbers that differ from the others.
    **numbers : float
        The learning rate ``lr`` and what else the native update reads.

    Attributes
    ----------
    params : tuple of Tensor
        All parameters; later ones need an optimiser of their own, or a new one.
    param_groups : tuple of ParamGroup
        One, unless groups were given.
    """

    _numbers: tuple[str, ...] = ("lr",)  # in the order of the native update
    _flags: frozenset[str] = frozenset()  # those of them that are True or False
    _fractions: frozenset[str] = frozenset()  # those that are below 1
    _kept: frozenset[str] = frozenset()  # those that say whether something is remembered
    _counts: frozenset[str] = frozenset({"clock"})  # what of the state counts, or sums squares, and so is never below 0
    _takes_schedules = False  # whether lr may be a function of the number of steps

    def __init__(self, params: Iterable[Any], **numbers: float) -> None:
        who = type(self).__name__
        groups: list[ParamGroup] = []
        seen: set[int] = set()
        for group in _groups(who, params):
            members = _members(group.pop("params"))
            if not members:
                raise ValueError(f"{who}: params is empty; pass the Tensors to learn, for instance model.parameters()")
            for i, p in enumerate(members, len(seen)):
                if not isinstance(p, ac.Tensor):
                    raise TypeError(f"{who}: params must be Tensors; got {type(p).__name__} as parameter {i}")
                if not p.requires_grad:
                    raise ac.GradientError(
                        f"{who}: parameter {i}, shape {p.shape}, does not require a gradient; call p.requires_grad_() "
                        f"first"
                    )
                if id(p) in seen:
                    raise ValueError(
                        f"{who}: parameter {i}, shape {p.shape}, is listed twice; list it once, layers may share it"
                    )
                seen.add(id(p))
            if "betas" in group and "beta1" in self._numbers:
                group["beta1"], group["beta2"] = _pair(who, group.pop("betas"))
            if unknown := [str(name) for name in group if name not in self._numbers]:
                raise ValueError(
                    f"{who}: a group may have params, {', '.join(self._numbers)}; got {', '.join(unknown)}"
                )
            groups.append(ParamGroup(type(self), members, {**numbers, **group}))
        self.param_groups = tuple(groups)
        if len(groups) > 1:
            self._checked({name: self._first(x) for name, x in numbers.items()})  # all groups may have their own
        self.params = tuple(p for group in groups for p in group.params)
        self._memory: dict[str, list[ac.Tensor | None]] = {}  # lists parallel to params

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._numbers and (name in self.__dict__ or name not in ("params", "param_groups")):
            check_attribute(self, name, self._numbers)
        object.__setattr__(self, name, value)

    lr = Number(
        "The learning rate, of all groups. May be set at any time, for optimisers of this package to a schedule."
    )

    def _common(self, name: str) -> Any:
        values = [group[name] for group in self.param_groups]
        if any(value != values[0] for value in values):
            raise ValueError(
                f"{type(self).__name__}: {name} differs between the groups, {values}; read param_groups[i][{name!r}]"
            )
        return values[0]

    def _set_all(self, name: str, value: Any) -> None:
        if len(self.param_groups) == 1:
            self.param_groups[0][name] = value
            return
        checked = [group._checked(name, value) for group in self.param_groups]  # before any of them changes
        for group, number in zip(self.param_groups, checked, strict=True):
            group._write(name, value, number)

    @classmethod
    def _first(cls, rate: Any) -> Any:
        """Of a schedule the first learning rate; other numbers are what they are."""
        return rate(0.0) if cls._takes_schedules and callable(rate) else rate

    @classmethod
    def _checked(cls, values: Mapping[str, Any], now: Mapping[str, Any] | None = None) -> list[float]:
        """The numbers in the order of the native update, unless one of them is none. ``now``: what they are so far."""
        numbers = []
        for name in cls._numbers:
            if now is not None and values[name] is now[name]:  # checked before
                numbers.append(float(values[name]))
                continue
            number = cls._checked_one(name, values[name])
            if name in cls._kept and now is not None and (number > 0) != (now[name] > 0):
                got = [bool(x) if name in cls._flags else x for x in (number, now[name])]
                raise ValueError(
                    f"{cls.__name__}: {name} cannot be switched on or off later; got {got[0]} instead of {got[1]}; "
                    f"make a new optimiser"
                )
            numbers.append(number)
        return numbers

    @classmethod
    def _checked_one(cls, name: str, value: Any) -> float:
        """The number that a value stands for, by itself."""
        number = (_flag if name in cls._flags else _number)(cls.__name__, name, value)
        if name in cls._fractions and number >= 1:
            raise ValueError(f"{cls.__name__}: {name} must be below 1; got {number}")
        return number

    def step(self) -> None:
        """Change every parameter that has a gradient; those whose ``.grad`` is None stay as they are."""
        raise NotImplementedError(f"{type(self).__name__}: define step(self)")

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.params:
            p.grad = None

    def _hypers(self) -> dict[str, ParamGroup]:
        if len(self.param_groups) == 1:
            return {"hyper": self.param_groups[0]}
        return {f"hyper.{i}": group for i, group in enumerate(self.param_groups)}

    def _state(self) -> dict[str, ac.Tensor]:
        groups = self._hypers().items()
        state = {name: group._hyper for name, group in groups}
        state |= {name.replace("hyper", "clock"): x for name, group in groups if (x := group._clock) is not None}
        for name, tensors in self._memory.items():
            state |= {f"{name}.{i}": x for i, x in enumerate(tensors) if x is not None}
        return state

    def state_dict(self) -> dict[str, ac.Tensor]:
        """Copies of the numbers that steer the optimiser and of what it remembers, by name."""
        return {name: ac.tensor(x) for name, x in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state_dict` of the same kind of optimiser returned. If there is any error, nothing has
        been changed.

        Raises
        ------
        ValueError
            If names differ, a number is one that the constructor refuses, or what is remembered is infinite or NaN, or
            negative where steps are counted or squares summed.
        ShapeError
            If shapes differ.
        DTypeError
            If a value is no number.
        """
        own = self._state()
        new = checked(f"load_state_dict: {type(self).__name__}", own, state)
        for name, group in self._hypers().items():
            group._changed(dict(zip(group.keys(), new[name].tolist(), strict=True)))
        for name in [name for name in new if name not in self._hypers()]:
            least = 0.0 if name.partition(".")[0] in self._counts else -math.inf
            values = new[name]
            fine = ac.isfinite(values) & (values >= least)
            if not ac.all(fine):
                wrong = values[~fine].tolist()
                numbers = "finite numbers" if least else "finite numbers ≥ 0"
                raise ValueError(
                    f"load_state_dict: {type(self).__name__}: {name} must be {numbers}; got {wrong[0]}; load an "
                    f"earlier state"
                )
        overwrite(own, new)


def _groups(who: str, params: Any) -> list[dict[str, Any]]:
    if isinstance(params, (ac.Tensor, ac.nn.Module)) or not isinstance(params, Iterable):
        raise ac.DTypeError(
            f"{who}: params must be a list of Tensors; got {shown(params)}; write [p], or model.parameters()"
        )
    given = params if isinstance(params, (dict, list, tuple)) else list(params)
    if given and all(isinstance(group, dict) and "params" in group for group in given):
        return [dict(group) for group in given]
    return [{"params": given}]


def _members(params: Any) -> list[Any]:
    given = params if isinstance(params, (ac.Tensor, dict, list, tuple)) else list(params)
    return tree.leaves(given)


def _pair(who: str, betas: Any) -> tuple[Any, Any]:
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise ac.DTypeError(f"{who}: betas must be two numbers; got {shown(betas)}; write betas=(0.9, 0.999)")
    return betas[0], betas[1]


def _number(who: str, name: str, value: Any) -> float:
    number = value if type(value) is float else checked_number(who, name, value, "a number ≥ 0")
    if not (number >= 0 and math.isfinite(number)):
        raise ValueError(f"{who}: {name} must be a number ≥ 0; got {value!r}")
    return number


def _flag(who: str, name: str, value: Any) -> float:
    if not isinstance(value, (bool, int, float, np.bool_)) or value not in (0, 1):
        raise ac.DTypeError(f"{who}: {name} must be True or False; got {shown(value)}")
    return float(value)
