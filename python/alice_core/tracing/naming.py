"""What a user calls the values of a trace: parameters of modules, and leaves of trees."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import types
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from ..checks import OURS
from ..tensors import Tensor

__all__ = ["called_in", "key_of", "named_leaves"]


def key_of(leaf: Any) -> Hashable:
    return leaf._key if isinstance(leaf, Tensor) else id(leaf)


def named_leaves(f: Callable[..., Any], args: Sequence[Any]) -> dict[Hashable, str]:
    """Names by key: of the trees among the arguments, and of modules that the function sees.

    A parameter is called as in ``named_parameters()``, with what the module is called in front where there are several;
    the leaf of another tree by the argument's name and the way to it, joined by dots.
    """
    called = dict(zip(_parameters(f), args, strict=False))
    called.update((f"argument{i}", x) for i, x in enumerate(args) if not any(x is y for y in called.values()))
    modules = {id(x): (name, x) for name, x in [*called.items(), *_seen(f)] if _is_module(x)}
    names: dict[Hashable, str] = {}
    for called_so, module in modules.values():
        for name, x in module.named_parameters():
            _give(names, x, name if len(modules) == 1 else f"{called_so}.{name}")
    for name, x in called.items():
        if not _is_module(x) and not isinstance(x, Tensor):
            for path, leaf in _leaves(name, x):
                _give(names, leaf, path)
    return names


def called_in(functions: Sequence[Any], x: Tensor) -> str:
    """What one of the functions calls a Tensor that is no argument of it."""
    for f in functions:
        for name, y in [*_referred(f).items(), ("self", getattr(f, "__self__", None))]:
            plain = isinstance(y, (Tensor, type, types.ModuleType, types.FunctionType)) or not hasattr(y, "__dict__")
            for path, leaf in _leaves(name, y if plain else vars(y)):
                if isinstance(leaf, Tensor) and leaf._key == x._key:
                    return path
    return "a Tensor"


def _give(names: dict[Hashable, str], leaf: Any, name: str) -> None:
    key = key_of(leaf)
    if key in names:
        return
    name = re.sub(r"[\s~']", "_", name)  # which have a meaning in the names of adjoints and tangents
    taken = set(names.values())
    unique, i = name, 2
    while unique in taken:
        unique, i = f"{name}_{i}", i + 1
    names[key] = unique


def _is_module(x: Any) -> bool:
    return callable(getattr(x, "named_parameters", None)) and not isinstance(x, type)


def _parameters(f: Callable[..., Any]) -> list[str]:
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # a builtin
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def _seen(f: Any) -> Iterator[tuple[str, Any]]:
    """What a function refers to by name, and the functions that it refers to: their object, closure, and globals."""
    met: set[int] = set()
    left = [f]
    while left:
        f = left.pop()
        if id(f) in met:
            continue
        met.add(id(f))
        if isinstance(f, functools.partial):
            left.append(f.func)
            yield from ((f"argument{i}", x) for i, x in enumerate(f.args))
            yield from f.keywords.items()
            continue
        if _is_module(f):
            yield "self", f
            continue
        yield from _held("self", getattr(f, "__self__", None))
        found = _referred(f)
        for name, x in found.items():
            yield from _held(name, x)
        left += [f.__wrapped__] if hasattr(f, "__wrapped__") else []
        left += [x for x in reversed(found.values()) if inspect.isfunction(x) or isinstance(x, functools.partial)]


def _held(name: str, x: Any) -> Iterator[tuple[str, Any]]:
    """A module, or those that an object of the user's has for attributes."""
    if _is_module(x):
        yield name, x
    elif not isinstance(x, (type, types.ModuleType, types.FunctionType)) and hasattr(x, "__dict__"):
        yield from ((key, value) for key, value in vars(x).items() if _is_module(value))


def _referred(f: Any) -> dict[str, Any]:
    """Globals and free variables of a function of the user's."""
    f = getattr(f, "__func__", f)
    code = getattr(f, "__code__", None)
    if code is None or (f.__module__ or "").startswith(OURS):  # where no user keeps a model
        return {}
    found = {name: f.__globals__[name] for name in code.co_names if name in f.__globals__}
    for name, cell in zip(code.co_freevars, f.__closure__ or (), strict=True):
        with suppress(ValueError):  # not yet set
            found[name] = cell.cell_contents
    return found


def _leaves(path: str, x: Any) -> Iterator[tuple[str, Any]]:
    """Every leaf with the way to it. Nodes that users registered have none: their leaves get letters."""
    children: Iterator[tuple[Any, Any]]
    if isinstance(x, dict):
        children = iter(x.items())
    elif isinstance(x, tuple) and hasattr(x, "_fields"):
        children = iter(zip(x._fields, x, strict=True))
    elif isinstance(x, (list, tuple)):
        children = iter(enumerate(x))
    elif dataclasses.is_dataclass(x) and not isinstance(x, type):
        children = ((field.name, getattr(x, field.name)) for field in dataclasses.fields(x))
    elif _is_module(x):
        children = iter(x.named_parameters())
    else:
        yield path, x
        return
    for key, child in children:
        yield from _leaves(f"{path}.{key}", child)
