"""Trees: nested containers of Tensors, taken apart and put together again.

One definition (``csrc/bindings/tree.h``) serves all transforms, compiled functions, custom rules and optimisers. Nodes
are lists, tuples, named tuples, dicts and what derives from them, None (which stands for what is left out),
dataclasses, modules, and what :func:`register` makes known. All else is a leaf: Tensors and arrays, but numbers and
strings, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from . import _core
from .checks import check_function

__all__ = ["TreeDef", "flatten", "leaves", "map", "register", "structure", "unflatten"]

TreeDef = _core.TreeDef


def flatten(tree: Any) -> tuple[list[Any], TreeDef]:
    """Take a tree apart.

    Parameters
    ----------
    tree : anything
        Lists and dicts go from left to right, dicts in the order of their insertion, dataclasses in that of their
        fields; fields with ``metadata={"static": True}`` belong to the structure, as the attributes of modules do that
        hold no Tensors. None has no leaves.

    Returns
    -------
    leaves : list
    structure : TreeDef
        Hashable; equal to that of trees of the same containers with the same keys in the same order.

    Raises
    ------
    ValueError
        If the tree is more than 200 deep, or contains itself.

    Examples
    --------
    >>> import alice_core as ac
    >>> leaves, structure = ac.tree.flatten({"w": 1.0, "b": [2.0, None]})
    >>> leaves, structure
    ([1.0, 2.0], TreeDef({'w': *, 'b': [*, None]}))
    """
    return _core.tree_flatten(tree)


def unflatten(structure: TreeDef, leaves: Iterable[Any]) -> Any:
    """Put a tree together again; the inverse of :func:`flatten`.

    Parameters
    ----------
    structure : TreeDef
    leaves : iterable
        Anything; as many as the structure has.

    Returns
    -------
    tree
        Of the types of the original. Dataclasses and modules are made without a call of ``__init__``.

    Raises
    ------
    ValueError
        If the number of leaves is another one.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.tree.unflatten(ac.tree.structure((1, [2])), ["a", "b"])
    ('a', ['b'])
    """
    return structure.unflatten(leaves)


def leaves(tree: Any) -> list[Any]:
    """The leaves of a tree, as :func:`flatten` returns them.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.tree.leaves([1, (2, {"a": 3})])
    [1, 2, 3]
    """
    return _core.tree_flatten(tree)[0]


def structure(tree: Any) -> TreeDef:
    """The structure of a tree, as :func:`flatten` returns it.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.tree.structure([1, 2]) == ac.tree.structure([3, 4])
    True
    """
    return _core.tree_flatten(tree)[1]


def map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """The tree with ``f`` applied to every leaf.

    Parameters
    ----------
    f : callable
        Takes a leaf of the tree, and what stands in its place in each of the others.
    tree : anything
    *rest : trees of the same structure
        Dicts may have their keys in another order.

    Returns
    -------
    tree
        Of the structure of the first.

    Raises
    ------
    ShapeError
        If a structure differs; names both.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.tree.map(lambda p, g: p - 0.5 * g, {"w": 3.0, "b": None}, {"b": None, "w": 2.0})
    {'w': 2.0, 'b': None}
    """
    check_function("tree.map", f)
    first, form = _core.tree_flatten(tree)
    others = [form.match(other, "tree.map: all trees must have the structure of the first") for other in rest]
    return form.unflatten([f(*items) for items in zip(first, *others, strict=True)])


def register(cls: type, flatten: Callable[[Any], Any], unflatten: Callable[[Any, Any], Any]) -> None:
    """Make the instances of a class nodes of trees.

    Parameters
    ----------
    cls : type
        This class itself; subclasses are registered by themselves.
    flatten : callable
        ``flatten(x)`` returns ``(children, rest)``: a list or tuple of trees, and what else there is to x. The rest is
        compared: numbers, strings, and tuples, lists and dicts of them by value, all else by identity.
    unflatten : callable
        ``unflatten(rest, children)`` makes an object again, of children that may be anything.

    Raises
    ------
    ValueError
        If the class is known already.

    Examples
    --------
    >>> import alice_core as ac
    >>> class Interval:
    ...     def __init__(self, low, high):
    ...         self.low, self.high = low, high
    >>> ac.tree.register(Interval, lambda i: ((i.low, i.high), None), lambda _, ends: Interval(*ends))
    >>> ac.grad(lambda i: i.high * i.high - i.low)(Interval(1.0, 2.0)).high
    Tensor(4., dtype=float32)
    """
    check_function("tree.register", flatten)
    check_function("tree.register", unflatten)
    _core.tree_register(cls, flatten, unflatten)
