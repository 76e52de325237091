"""Structures of Tensors taken apart, where they are unusual."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import alice_core as ac
from alice_core import tree


def of_lists() -> Any:
    s: list[Any] = []
    s.append(s)
    return s


def of_dicts() -> Any:
    s: dict[str, Any] = {"a": ac.ones((2,))}
    s["s"] = [s]
    return s


@pytest.mark.parametrize("structure", [of_lists, of_dicts])
@pytest.mark.parametrize("transform", [ac.grad, ac.vmap, ac.checkpoint, lambda f: lambda s: tree.map_leaves(f, s)])
def test_a_structure_that_contains_itself_is_refused(
    transform: Callable[..., Any], structure: Callable[[], Any]
) -> None:
    with pytest.raises((ValueError, RecursionError), match=r"nested 200 deep|recursion"):
        transform(lambda x: x)(structure())


def test_leaves_of_empty_and_deep_structures() -> None:
    assert list(tree.leaves([[], (), {}, [[]]])) == []
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert list(tree.leaves([deep[0], 2])) == [1, 2]
    with pytest.raises(ValueError, match="tree: structures may be nested 200 deep"):
        list(tree.leaves([deep]))
