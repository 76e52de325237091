"""Nested lists, tuples and dicts of Tensors, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["leaves", "map_leaves", "rebuild"]


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves from left to right; dicts in the order of their keys' insertion."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, (list, tuple)):
            stack.extend(reversed(node))
        elif isinstance(node, dict):
            stack.extend(reversed(node.values()))
        else:
            yield node


def rebuild(tree: Any, values: Iterator[Any]) -> Any:
    """A tree of the same structure whose leaves are the next of ``values``."""
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):  # a named tuple
        return type(tree)(*(rebuild(node, values) for node in tree))
    if isinstance(tree, (list, tuple)):
        return type(tree)(rebuild(node, values) for node in tree)
    if isinstance(tree, dict):
        copy = tree.copy()  # of the same type
        for key, node in tree.items():
            copy[key] = rebuild(node, values)
        return copy
    return next(values)


def map_leaves(f: Callable[[Any], Any], tree: Any) -> Any:
    """The same structure with f applied to every leaf."""
    return rebuild(tree, map(f, leaves(tree)))
