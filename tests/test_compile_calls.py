"""Compiled functions inside of what somebody differentiates: one call, whose derivatives are programs, too."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import tree
from op_calls import DIFFERENTIABLE as CASES
from op_calls import flat_calls
from op_cases import OpCase
from random_programs import compare


def loss(p: dict[str, ac.Tensor], x: ac.Tensor) -> ac.Tensor:
    return ac.mean(ac.square(ac.tanh(x @ p["w"] + p["b"])))


def parameters() -> dict[str, ac.Tensor]:
    rng = np.random.default_rng(0)
    return {"w": ac.tensor(rng.standard_normal((3, 2))), "b": ac.tensor(rng.standard_normal(2))}


X = ac.tensor(np.random.default_rng(1).standard_normal((5, 3)))


def producers(y: ac.Tensor) -> list[str]:
    """The primitives that backward() would go through."""
    found, waiting = [], [y._producer]
    while waiting:
        if (eq := waiting.pop()) is not None:
            found.append(eq.primitive.name)
            waiting += [x._producer for x in eq.operands if isinstance(x, ac.Tensor)]
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_derivatives_of_every_op(case: OpCase) -> None:
    """In reverse mode the bits of the function as it is; in forward mode too, but for how sums of tangents go."""
    rng = np.random.default_rng(5)
    for f, xs in flat_calls(case):
        g = ac.compile(f)
        y, pullback = ac.vjp(f, *xs)
        z, pullback_compiled = ac.vjp(g, *xs)
        compare(y, z)
        cotangents = tree.map(lambda v: ac.tensor(rng.standard_normal(v.shape), dtype=v.dtype), y)
        compare(pullback(cotangents), pullback_compiled(cotangents))
        directions = [ac.tensor(rng.standard_normal(x.shape)) for x in xs]
        for a, b in zip(tree.leaves(ac.jvp(f, xs, directions)), tree.leaves(ac.jvp(g, xs, directions)), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12, err_msg=case.name)
        break  # the first call of each row: the others differ in shapes and keywords alone


@pytest.mark.parametrize(
    "mode",
    [
        lambda f, p, x: ac.grad(f)(p, x),
        lambda f, p, x: ac.grad(f, argnums=(0, 1))(p, x),
        lambda f, p, x: ac.jacrev(lambda b: f({**p, "b": b}, x))(p["b"]),
        lambda f, p, x: ac.jacfwd(lambda b: f({**p, "b": b}, x))(p["b"]),
        lambda f, p, x: ac.hessian(lambda b: f({**p, "b": b}, x))(p["b"]),
        lambda f, p, x: ac.hvp(lambda b: f({**p, "b": b}, x), [p["b"]], [p["b"]]),
        lambda f, p, x: ac.grad(lambda b: ac.sum(ac.square(ac.grad(f)({**p, "b": b}, x)["w"])))(p["b"]),
        lambda f, p, x: ac.linearize(lambda b: f({**p, "b": b}, x), p["b"])[1](p["b"]),
        lambda f, p, x: ac.vmap(lambda row: ac.grad(f)(p, row))(ac.stack([x, 2.0 * x])),
        lambda f, p, x: ac.grad(lambda p: ac.sum(ac.vmap(lambda row: f(p, row))(ac.stack([x, 2.0 * x]))))(p),
        lambda f, p, x: ac.grad(ac.checkpoint(f))(p, x),
        lambda f, p, x: ac.grad(lambda p: f(p, x) * f(p, 2.0 * x))(p),
        lambda f, p, x: ac.grad(lambda p: ac.scan(lambda c, _: (c + f(p, x * c), None), 1.0, length=3)[0])(p),
        lambda f, p, x: ac.compile(ac.grad(f))(p, x),
        lambda f, p, x: ac.jvp(lambda b: ac.grad(lambda p: f(p, x))({**p, "b": b}), (p["b"],), (p["b"],)),
    ],
)
def test_in_every_mode(mode: Callable[..., Any]) -> None:
    p, f = parameters(), ac.compile(loss)
    for _ in range(2):
        for a, b in zip(tree.leaves(mode(loss, p, X)), tree.leaves(mode(f, p, X)), strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)


def test_it_is_one_call_and_traced_once() -> None:
    runs = 0

    def f(p: dict[str, ac.Tensor], x: ac.Tensor) -> ac.Tensor:
        nonlocal runs
        runs += 1
        return loss(p, x)

    compiled, p = ac.compile(f), {k: v.requires_grad_() for k, v in parameters().items()}
    seen = []
    for _ in range(5):
        y = ac.sum(compiled(p, ac.exp(X * p["w"][0, 0])))
        seen.append(producers(y).count("call"))
        y.backward()
    assert seen == [1] * 5
    assert runs == 1
    assert compiled.cache_info().hits == 4


def test_a_compiled_model_inside_a_larger_one_trains() -> None:
    def train(wrap: Callable[..., Any]) -> list[list[float]]:
        model, head = ac.nn.MLP([3, 4, 2], seed=0), ac.nn.Linear(2, 1, seed=1)
        opt = ac.optim.SGD([*model.parameters(), *head.parameters()], 0.1)
        forward = wrap(model)
        x = ac.astype(X, "float32")
        for _ in range(5):
            opt.zero_grad()
            ac.mean(ac.square(head(forward(x)))).backward()
            opt.step()
        return [q.tolist() for q in model.parameters()]

    assert train(ac.compile) == train(lambda f: f)
    assert train(lambda model: ac.compile(lambda x: model(x))) == train(lambda f: f)


def test_a_parameter_of_the_closure_that_is_also_an_argument() -> None:
    w = ac.tensor([1.0, 2.0]).requires_grad_()
    f = ac.compile(lambda x: x * w)
    for argument in (lambda: ac.tensor([3.0, 4.0]), lambda: w, lambda: ac.exp(w)):
        found = []
        for product in (f, lambda x: x * w):
            w.grad = None
            ac.sum(product(argument())).backward()
            found.append(w.grad.tolist())
        assert found[0] == found[1]


def test_no_grad_runs_the_program() -> None:
    w = ac.ones((3,)).requires_grad_()
    f = ac.compile(lambda x: x * w)
    with ac.no_grad():
        assert not f(X).is_tracked
        np.testing.assert_array_equal(ac.grad(lambda x: ac.sum(f(x) * x))(X).numpy(), 2.0 * X.numpy())
    assert f(X).is_tracked


def test_a_change_in_place_before_the_way_back_is_noticed() -> None:
    w = ac.ones((3,), dtype=ac.float64).requires_grad_()
    f = ac.compile(lambda x: ac.sum(x * w * w))
    y = f(X)
    w.assign_(w.detach() * 2.0)
    with pytest.raises(ac.GradientError, match="changed in place"):
        y.backward()


def test_what_is_no_function_of_its_inputs_runs_as_it_is() -> None:
    """Numbers that Python knows, changes in place, gradients written: right, if slower."""
    state = ac.zeros(())

    def counting(x: ac.Tensor) -> ac.Tensor:
        state.assign_(state + 1.0)
        return x * x * state

    compiled = ac.compile(counting)
    for n in (1, 2, 3):
        np.testing.assert_array_equal(ac.grad(lambda x: ac.sum(compiled(x)))(X).numpy(), (2.0 * X * n).numpy())
    assert state.item() == 3.0
    scaled = ac.compile(lambda x, k: ac.sum(x * x) * k)
    for k in (1.5, 2.5):
        np.testing.assert_array_equal(ac.grad(scaled)(X, k).numpy(), (2.0 * k * X).numpy())
    pair = ac.compile(lambda x, k: (ac.sum(x), k * 2.0))
    y, back = ac.vjp(lambda x: pair(x, 1.0)[0], X)
    np.testing.assert_array_equal(back(ac.ones_like(y))[0].numpy(), np.ones(X.shape))


def test_structures_others_and_flags_come_back() -> None:
    f = ac.compile(lambda x, on: {"twice": 2.0 * x, "name": "n", "all": [x, None], "sum": ac.sum(x) if on else x})
    for on in (True, False):
        y, back = ac.vjp(lambda x, on=on: f(x, on)["sum"], X)
        assert y.shape == (() if on else X.shape)
        np.testing.assert_array_equal(back(ac.ones_like(y))[0].numpy(), np.ones(X.shape))
        made = f(ac.tensor(X.numpy()).requires_grad_(), on)
        assert made["name"] == "n"
        assert made["all"][1] is None


def test_arrays_of_other_packages_are_constants_of_the_call() -> None:
    f = ac.compile(lambda x, y: ac.sum(x * y))
    for k in (1.0, 2.0):
        np.testing.assert_array_equal(ac.grad(f)(X, k * X.numpy()).numpy(), k * X.numpy())


def test_integers_have_no_derivative() -> None:
    table = ac.tensor(np.arange(12.0).reshape(4, 3))
    f = ac.compile(lambda t, i: (ac.take(t, i, axis=0), i + 1))
    y, back = ac.vjp(lambda t: f(t, ac.tensor([1, 1, 3]))[0], table)
    want = ac.vjp(lambda t: ac.take(t, ac.tensor([1, 1, 3]), axis=0), table)[1](y)
    np.testing.assert_array_equal(back(y)[0].numpy(), want[0].numpy())


def test_results_are_followed_as_without_compiling() -> None:
    """Constants, integers and what a gradient was stopped at may be read; parameters that are returned may not."""
    w, v = ac.ones((4,), dtype=ac.float64).requires_grad_(), ac.tensor([1.0, 2.0, 3.0, 4.0], dtype=ac.float64)

    def f(x: ac.Tensor) -> tuple[ac.Tensor, ...]:
        return (
            x * w, x * 2.0, w, w[1:], ac.stop_gradient(x) * w, ac.stop_gradient(x * w), ac.argsort(x), x > 1.0,
            ac.ones((2,)), ac.stop_gradient(x * w) * x, ac.floor(x),
        )  # fmt: skip

    found: list[Any] = []
    for g in (f, ac.compile(f)):
        followed: list[list[bool]] = []

        def loss(x: ac.Tensor, g: Any = g, followed: Any = followed) -> ac.Tensor:
            results = g(x)
            followed.append([y.is_tracked for y in results])
            return sum((ac.sum(y) for y in results if y.dtype.kind == "f"), ac.zeros(()))

        ac.grad(loss)(v)
        w.grad = None
        loss(v).backward()
        found.append((followed[:2], w.grad.tolist(), ac.jvp(loss, (v,), (v,))[1].tolist()))
    assert found[0] == found[1]


def test_custom_rules_inside() -> None:
    @ac.custom_vjp
    def clipped(x: ac.Tensor) -> ac.Tensor:
        return ac.clip(x, -1.0, 1.0)

    clipped.defvjp(lambda x: (clipped(x), None), lambda _, g: (g * 3.0,))
    f = ac.compile(lambda x: ac.sum(clipped(x) * x))
    np.testing.assert_array_equal(ac.grad(f)(X).numpy(), ac.grad(lambda x: ac.sum(clipped(x) * x))(X).numpy())


def test_errors_are_those_of_the_function() -> None:
    f = ac.compile(lambda t, i: ac.take(t, i, axis=0))
    table = ac.ones((2, 2)).requires_grad_()
    assert ac.sum(f(table * 1.0, ac.tensor([1]))).item() == 2.0
    with pytest.raises(IndexError):
        f(table * 1.0, ac.tensor([5]))


def test_threads() -> None:
    f, p = ac.compile(loss), parameters()
    want = ac.grad(loss)(p, X)["w"].numpy()
    failures: list[Any] = []

    def work() -> None:
        for _ in range(50):
            if not np.array_equal(ac.grad(f)(p, X)["w"].numpy(), want):
                failures.append("other bits")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_nothing_is_kept_alive() -> None:
    class Model:
        def __init__(self) -> None:
            self.w = ac.ones((3,), dtype=ac.float64).requires_grad_()

        @ac.compile
        def __call__(self, x: ac.Tensor) -> ac.Tensor:
            return ac.sum(x * self.w)

    model = Model()
    ac.grad(model)(X)
    model(X).backward()
    gone = weakref.ref(model), weakref.ref(model.w)
    del model
    gc.collect()
    assert [r() for r in gone] == [None, None]
