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


LEFT_OUT = {"w": ac.tensor([1.0, 2.0]), "b": None, "more": [(None, ac.tensor(3.0))]}


def power(d: Any) -> ac.Tensor:
    return ac.sum(d["w"] ** 3) * d["more"][0][1]


@pytest.mark.parametrize(
    "transform",
    [
        ac.grad,
        lambda f: lambda d: ac.value_and_grad(f)(d)[1],
        lambda f: lambda d: ac.vjp(f, d)[1](1.0)[0],
        lambda f: ac.jacrev(f),
        lambda f: ac.jacfwd(f),
        lambda f: ac.compile(ac.grad(f)),
        lambda f: lambda d: ac.vjp(lambda d: d, d)[1](ac.grad(f)(d))[0],
        lambda f: lambda d: ac.jvp(lambda d: d, [d], [ac.grad(f)(d)])[1],
        lambda f: lambda d: ac.linearize(lambda d: d, d)[1](ac.grad(f)(d)),
    ],
)
def test_what_is_left_out_stays_out_of_derivatives(transform: Callable[..., Any]) -> None:
    g = transform(power)(LEFT_OUT)
    assert g["w"].tolist() == [9, 36]
    assert g["b"] is None
    assert isinstance(g["more"][0], tuple)
    assert g["more"][0][0] is None
    assert g["more"][0][1].item() == 9


def test_what_is_left_out_stays_out_of_second_derivatives() -> None:
    h = ac.hessian(power)(LEFT_OUT)
    assert h["w"]["w"].tolist() == [[18, 0], [0, 36]]
    assert h["w"]["b"] is h["b"] is None
    for product in (ac.hvp, ac.vhp):
        (found,) = product(power, [LEFT_OUT], [LEFT_OUT])
        assert found["w"].tolist() == [27, 108]
        assert found["b"] is None


@pytest.mark.parametrize("derive", [ac.grad, ac.jacrev, lambda f: lambda x: ac.jvp(f, [x], [x])])
def test_nothing_at_all_is_refused(derive: Callable[..., Any]) -> None:
    with pytest.raises(ac.DTypeError, match="must hold Tensors or numbers; got None;"):
        derive(lambda x: ac.tensor(1.0))(None)
    with pytest.raises(ac.GradientError, match="the function must return Tensors; got NoneType"):
        derive(lambda x: None)(ac.tensor(1.0))
