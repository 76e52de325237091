"""Nested lists, tuples and dicts of Tensors, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["fill", "leaves", "map_leaves", "map_present", "present", "rebuild"]


DEEPEST = 200  # as where the native part takes arguments apart; deeper is what contains itself


def leaves(tree: Any) -> Iterator[Any]:
    """The leaves from left to right; dicts in the order of their keys' insertion."""
    stack = [iter((tree,))]
    while stack:
        for node in stack[-1]:
            if isinstance(node, (list, tuple)):
                stack.append(iter(node))
            elif isinstance(node, dict):
                stack.append(iter(node.values()))
            else:
                yield node
                continue
            if len(stack) > DEEPEST + 1:
                raise ValueError(
                    f"tree: structures may be nested {DEEPEST} deep; got one that is deeper, or contains itself"
                )
            break
        else:
            stack.pop()


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


def present(tree: Any) -> Iterator[Any]:
    """The leaves of a structure in which None stands for what is left out, a missing bias say."""
    return (leaf for leaf in leaves(tree) if leaf is not None or tree is None)


def fill(tree: Any, values: Iterator[Any]) -> Any:
    """A tree of the same structure whose leaves are the next of ``values``, and None where something is left out."""
    return rebuild(tree, (next(values) if leaf is not None or tree is None else None for leaf in leaves(tree)))


def map_present(f: Callable[[Any], Any], tree: Any) -> Any:
    """The same structure with f applied to every leaf that is not left out."""
    return fill(tree, map(f, present(tree)))
