"""Modules that hold modules, and those that hand on what they get."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import alice_core as ac

from ..checks import checked_int, shown
from .module import Module

__all__ = ["Identity", "ModuleDict", "ModuleList", "Residual"]


class Identity(Module):
    """Returns what it is given; takes the place of a layer. Arguments are ignored.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.Identity()(ac.ones(2)).tolist()
    [1.0, 1.0]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def forward(self, x: Any) -> Any:
        return x


class Residual(Module):
    """A function added to the identity: ``x + inner(x)``.

    Parameters
    ----------
    *layers : callable
        The function; several are applied one after the other.

    Raises
    ------
    ShapeError
        In the call, if the function changes the shape.

    Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition", 2015.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.nn.Residual(ac.nn.ReLU())(ac.tensor([-1.0, 2.0])).tolist()
    [-1.0, 4.0]
    """

    def __init__(self, *layers: Callable[[ac.Tensor], ac.Tensor]) -> None:
        if not layers:
            raise TypeError("Residual: expected at least one module or function; got none")
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(f"Residual: layers must be modules or functions; got {shown(layer)} as layer {i}")
        self.layers = list(layers)

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        y = x
        for layer in self.layers:
            y = layer(y)
        if y.shape != x.shape:
            raise ac.ShapeError(f"Residual: the function must keep the shape; got {y.shape} for an input of {x.shape}")
        return x + y


class _Holding(Module):
    """Children are attributes whose names are their keys, so that state has the names ``key.weight``."""

    def _held(self) -> dict[str, Module]:
        return {k: v for k, v in vars(self).items() if isinstance(v, Module)}

    def __len__(self) -> int:
        return len(self._held())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Containers compute nothing."""
        raise NotImplementedError(f"{type(self).__name__}: it only holds modules; call those, or use Sequential")


def _module(who: str, value: Any) -> Module:
    if not isinstance(value, Module):
        raise TypeError(f"{who}: expected modules; got {shown(value)}; Sequential takes functions too")
    return value


class ModuleList(_Holding):
    """A list of modules. State has the names ``0.weight``, ``1.weight``, …

    A plain list among the attributes of a module is found as well; this one prints, appends and stands alone.

    Parameters
    ----------
    modules : iterable of Module

    Raises
    ------
    TypeError
        If something else is put in.

    Examples
    --------
    >>> import alice_core as ac
    >>> layers = ac.nn.ModuleList([ac.nn.Linear(2, 3), ac.nn.ReLU()])
    >>> layers.append(ac.nn.Linear(3, 1))
    ModuleList(
      0: Linear(2, 3)
      1: ReLU()
      2: Linear(3, 1)
    )
    >>> [name for name, _ in layers.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)

    def append(self, module: Module) -> ModuleList:
        """Put a module at the end; returns the list."""
        setattr(self, str(len(self)), _module("ModuleList", module))
        return self

    def extend(self, modules: Iterable[Module]) -> ModuleList:
        """Put several at the end; returns the list."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> None:
        """Put a module before that of the index."""
        items = list(self)
        items.insert(checked_int("ModuleList", "index", index), _module("ModuleList", module))
        for i, item in enumerate(items):
            setattr(self, str(i), item)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._held().values())

    def __getitem__(self, key: int | slice) -> Any:
        """A module, or for a slice a ModuleList of the same modules."""
        items = list(self)
        return ModuleList(items[key]) if isinstance(key, slice) else items[key]

    def __setitem__(self, key: int, module: Module) -> None:
        n, index = len(self), checked_int("ModuleList", "index", key)
        if not -n <= index < n:
            raise IndexError(f"ModuleList: index must be from {-n} to {n - 1}; got {index}")
        setattr(self, str(index % n), _module("ModuleList", module))


class ModuleDict(_Holding):
    """A dict of modules. State has the names ``key.weight``.

    Parameters
    ----------
    modules : mapping from str to Module

    Raises
    ------
    TypeError
        If something else is put in.
    ValueError
        If a key begins with an underscore, contains a dot, or is the name of an attribute of modules.

    Examples
    --------
    >>> import alice_core as ac
    >>> heads = ac.nn.ModuleDict({"digit": ac.nn.Linear(4, 10), "parity": ac.nn.Linear(4, 2)})
    >>> heads["parity"](ac.zeros(4)).shape
    (2,)
    >>> list(heads)
    ['digit', 'parity']
    """

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        for key, module in ({} if modules is None else modules).items():
            self[key] = module

    def __setitem__(self, key: str, module: Module) -> None:
        if not isinstance(key, str):
            raise TypeError(f"ModuleDict: keys must be text; got {shown(key)}")
        if key.startswith("_") or "." in key or hasattr(type(self), key):
            raise ValueError(
                f"ModuleDict: a key must not begin with an underscore, contain a dot, or be the name of an attribute "
                f"of modules; got {key!r}"
            )
        setattr(self, key, _module("ModuleDict", module))

    def __getitem__(self, key: str) -> Module:
        return self._held()[key]

    def __delitem__(self, key: str) -> None:
        del self._held()[key]  # raises KeyError
        delattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self._held()

    def __iter__(self) -> Iterator[str]:
        return iter(self._held())

    def keys(self) -> Iterable[str]:
        """The keys, in the order in which they were put in."""
        return self._held().keys()

    def values(self) -> Iterable[Module]:
        """The modules."""
        return self._held().values()

    def items(self) -> Iterable[tuple[str, Module]]:
        """Pairs of both."""
        return self._held().items()
