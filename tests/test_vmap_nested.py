"""Batches and the other transforms inside of each other, in any order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from batches import F64, loop, normal, stacked
from random_programs import compare


def test_nested() -> None:
    x, y = normal(4, 3), normal(5, 3, seed=1)

    def distance(a: ac.Tensor, b: ac.Tensor) -> ac.Tensor:
        return ac.sum(ac.square(a - b))

    table = ac.vmap(ac.vmap(distance, in_axes=(None, 0)), in_axes=(0, None))(x, y)
    want = ac.stack([ac.stack([distance(a, b) for b in y]) for a in x])
    compare(want, table)
    compare(want.T, ac.vmap(ac.vmap(distance, in_axes=(0, None)), in_axes=(None, 0))(x, y))
    # The inner one closes over what the outer one batches.
    compare(want, ac.vmap(lambda a: ac.vmap(lambda b: distance(a, b))(y))(x))
    sums = lambda x: ac.stack([ac.stack([ac.sum(x[:, i, j]) for j in range(5)]) for i in range(4)])  # noqa: E731
    deep = normal(2, 3, 4, 5)
    f = ac.vmap(ac.vmap(ac.vmap(ac.sum, in_axes=1), in_axes=-1), in_axes=1, out_axes=-1)
    compare(ac.permute_dims(ac.stack([sums(x) for x in ac.unstack(deep, axis=1)]), (2, 1, 0)), f(deep))


def loss(params: dict[str, ac.Tensor], x: ac.Tensor, t: ac.Tensor) -> ac.Tensor:
    h = ac.tanh(params["W"] @ x + params["b"])
    return ac.sum(ac.square(h - t))


PARAMS = {"W": normal(2, 3), "b": normal(2, seed=1)}
XS, TS = normal(6, 3, seed=2), normal(6, 2, seed=3)


def test_gradients_of_every_example() -> None:
    got = ac.vmap(ac.grad(loss), in_axes=(None, 0, 0))(PARAMS, XS, TS)
    compare(stacked([ac.grad(loss)(PARAMS, x, t) for x, t in zip(XS, TS, strict=True)]), got)
    batch = ac.grad(lambda p: ac.sum(ac.vmap(loss, in_axes=(None, 0, 0))(p, XS, TS)))(PARAMS)
    for key, g in batch.items():
        np.testing.assert_allclose(ac.sum(got[key], axis=0).numpy(), g.numpy(), rtol=1e-12, atol=1e-12)
    value, both = ac.vmap(ac.value_and_grad(loss), in_axes=(None, 0, 0))(PARAMS, XS, TS)
    compare(got, both)
    compare(ac.stack([loss(PARAMS, x, t) for x, t in zip(XS, TS, strict=True)]), value)


def test_gradients_of_every_example_of_a_module() -> None:
    model = ac.nn.MLP([3, 4, 2], activation="relu")
    params = list(model.parameters())
    x, t = normal(6, 3, dtype=ac.float32), ac.tensor([0, 1, 1, 0, 1, 0])

    def value(x: ac.Tensor, t: ac.Tensor) -> ac.Tensor:
        return ac.losses.cross_entropy(model(x.reshape(1, 3)), t.reshape(1))

    total = ac.mean(ac.vmap(value)(x, t))
    total.backward()
    found = [p.grad.numpy() for p in params]
    for p in params:
        p.grad = None
    ac.losses.cross_entropy(model(x), t).backward()
    for g, p in zip(found, params, strict=True):
        np.testing.assert_allclose(g, p.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_gradient_of_a_batch() -> None:
    def one(x: ac.Tensor, w: ac.Tensor) -> ac.Tensor:
        return ac.sum(ac.tanh(x * w)) * ac.exp(-w[0])

    w, x = normal(3, seed=4), normal(5, 3, seed=5)
    got = ac.grad(lambda x, w: ac.sum(ac.vmap(one, in_axes=(0, None))(x, w)), argnums=(0, 1))(x, w)
    looped = ac.grad(lambda x, w: sum((one(a, w) for a in x), start=ac.tensor(0.0, dtype=F64)), argnums=(0, 1))(x, w)
    for a, b in zip(got, looped, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-13, atol=1e-14)
    ac.testing.check_grads(ac.vmap(one, in_axes=(0, None)), [x, w], order=2)


def test_tangents_and_batches_in_either_order() -> None:
    f = lambda x: ac.logsumexp(ac.sin(x) * x)  # noqa: E731
    x, v = normal(5, 3), normal(5, 3, seed=1)
    y, dy = ac.jvp(ac.vmap(f), [x], [v])
    z, dz = ac.vmap(lambda x, v: ac.jvp(f, [x], [v]))(x, v)
    one_by_one = [ac.jvp(f, [a], [b]) for a, b in zip(x, v, strict=True)]
    compare(stacked(one_by_one), (z, dz))
    compare(y, z)
    np.testing.assert_allclose(dy.numpy(), dz.numpy(), rtol=1e-13)
    # One point, many directions.
    columns = ac.vmap(lambda e: ac.jvp(f, [x[0]], [e])[1])(ac.eye(3, dtype=F64))
    np.testing.assert_allclose(columns.numpy(), ac.grad(f)(x[0]).numpy(), rtol=1e-13)


def test_cotangents_of_a_batch() -> None:
    """vmap over a pull-back: all rows of a Jacobian in one go."""
    f = lambda x: ac.stack([x[0] * x[1], ac.sin(x[0]), x[1] ** 2])  # noqa: E731
    _, pullback = ac.vjp(f, ac.tensor([1.0, 2.0], dtype=F64))
    (rows,) = ac.vmap(pullback)(ac.eye(3, dtype=F64))
    np.testing.assert_allclose(rows.numpy(), [[2, 1], [0.5403023058681398, 0], [0, 4]], rtol=1e-15)
    _, f_jvp = ac.linearize(f, ac.tensor([1.0, 2.0], dtype=F64))
    np.testing.assert_allclose(ac.vmap(f_jvp, out_axes=1)(ac.eye(2, dtype=F64)).numpy(), rows.numpy(), rtol=1e-15)


def test_second_derivatives_of_every_example() -> None:
    f = lambda x: ac.sum(ac.exp(x) * ac.flip(x))  # noqa: E731
    hvp = lambda x, v: ac.jvp(ac.grad(f), [x], [v])[1]  # noqa: E731
    x, v = normal(4, 3), normal(4, 3, seed=1)
    compare(loop(hvp, x, v), ac.vmap(hvp)(x, v))
    gg = lambda x, v: ac.grad(lambda x: ac.sum(ac.grad(f)(x) * v))(x)  # noqa: E731
    compare(loop(gg, x, v), ac.vmap(gg)(x, v))


def test_derivatives_of_a_nested_batch_close_over_outer_variables() -> None:
    """d/dw Σ_i d/dx_i (w x_i)² = Σ_i 4 w x_i: the batch between the two contexts mixes nothing."""
    x = ac.tensor([1.0, 2.0, 3.0], dtype=F64)
    outer = lambda w: ac.sum(ac.vmap(ac.grad(lambda a: ac.square(w * a)))(x))  # noqa: E731
    assert ac.grad(outer)(ac.tensor(0.5, dtype=F64)).item() == 12.0
    assert ac.jvp(outer, [ac.tensor(0.5, dtype=F64)], [1.0])[1].item() == 12.0


@pytest.mark.parametrize("shared", ["closure", "argument"])
@pytest.mark.parametrize(
    "inner",
    [
        lambda x, e: ac.jvp(lambda x: x**3, [x], [e])[1],
        lambda x, e: ac.vjp(lambda x: x**3, x)[1](e)[0],
        lambda x, e: ac.grad(lambda x: ac.sum(x**3 * e))(x),
        lambda x, e: ac.linearize(lambda x: x**3, x)[1](e),
    ],
    ids=["jvp", "vjp", "grad", "linearize"],
)
def test_inner_derivatives_at_a_point_that_all_examples_share(inner: Callable[..., Any], shared: str) -> None:
    """d/dx Σ_e 3 x² e over the standard basis = 6 x: the inner context must not cut the point off the outer one."""
    x, basis = ac.tensor([1.0, 2.0, 3.0], dtype=F64), ac.eye(3, dtype=F64)

    def total(x: ac.Tensor) -> ac.Tensor:
        if shared == "closure":
            return ac.sum(ac.vmap(lambda e: inner(x, e))(basis))
        return ac.sum(ac.vmap(inner, in_axes=(None, 0))(x, basis))

    assert ac.grad(total)(x).tolist() == [6.0, 12.0, 18.0]
    assert ac.grad(lambda x: total(x * 1.0))(x).tolist() == [6.0, 12.0, 18.0]
    assert ac.jvp(total, [x], [x])[1].item() == 6.0 * 14.0
    w = ac.tensor([1.0, 2.0, 3.0], dtype=F64).requires_grad_()
    total(w).backward()
    assert w.grad.tolist() == [6.0, 12.0, 18.0]


@pytest.mark.parametrize("stop", [ac.stop_gradient, lambda x: x.detach()], ids=["stop_gradient", "detach"])
def test_stop_gradient_stops_the_outer_contexts_too(stop: Callable[[ac.Tensor], ac.Tensor]) -> None:
    """d/da [stop(2 a) a] = 2 a, inside of the batch and outside of it."""
    f = lambda a: stop(a * 2.0) * a  # noqa: E731
    x = ac.tensor([1.0, 2.0, 3.0], dtype=F64)
    assert ac.vmap(ac.grad(f))(x).tolist() == [2.0, 4.0, 6.0]
    assert ac.grad(lambda x: ac.sum(ac.vmap(f)(x)))(x).tolist() == [2.0, 4.0, 6.0]
    assert ac.jvp(ac.vmap(f), [x], [ac.ones_like(x)])[1].tolist() == [2.0, 4.0, 6.0]
    assert ac.grad(lambda x: ac.sum(ac.vmap(lambda a: stop(a) * a)(x)))(x).tolist() == [1.0, 2.0, 3.0]
    shared = lambda x: ac.sum(ac.vmap(lambda e: stop(x)[0] * x[1] * e)(ac.ones(2, dtype=F64)))  # noqa: E731
    assert ac.grad(shared)(x).tolist() == [0.0, 2.0, 0.0]
    nested = lambda x: ac.sum(ac.vmap(lambda a: ac.vmap(lambda b: stop(a * b) * b)(x))(x))  # noqa: E731
    assert ac.grad(nested)(x).tolist() == [6.0, 12.0, 18.0]  # Σ_a a b


def test_no_grad_inside() -> None:
    def f(a: ac.Tensor) -> ac.Tensor:
        with ac.no_grad():
            b = a * 2.0
        return b * a

    w = ac.tensor([1.0, 2.0, 3.0], dtype=F64).requires_grad_()
    ac.sum(ac.vmap(f)(w)).backward()
    assert w.grad.tolist() == [2.0, 4.0, 6.0]


def test_inner_results_that_come_from_outside() -> None:
    """The value of an inner context that is a Tensor of an outer one still belongs to that one."""
    x, e = ac.tensor([1.0, 2.0, 3.0], dtype=F64), ac.ones((2, 3), dtype=F64)
    for inner in (
        lambda e, x: ac.vjp(lambda q: x, e)[0] * e,
        lambda e, x: ac.jvp(lambda q: x, [e], [e])[0] * e,
        lambda e, x: ac.linearize(lambda q: x, e)[0] * e,
        lambda e, x: ac.value_and_grad(lambda q: ac.sum(x * q))(e)[0],
    ):
        f = lambda x, inner=inner: ac.sum(ac.vmap(lambda e: inner(e, x))(e))  # noqa: E731
        assert ac.grad(f)(x).tolist() == [2.0, 2.0, 2.0]


def test_closures() -> None:
    w = normal(3, seed=1).requires_grad_()
    x = normal(5, 3)
    y = ac.vmap(lambda a: ac.sum(a * w * w[0]))(x)
    compare(ac.stack([ac.sum(a * w * w[0]) for a in x]).detach(), y.detach())
    ac.sum(y).backward()
    np.testing.assert_allclose(w.grad.numpy(), ac.grad(lambda w: ac.sum(x * w * w[0]))(w.detach()).numpy(), rtol=1e-13)


def test_what_all_examples_share_has_a_value() -> None:
    x, flag = normal(5, 3), ac.tensor(2.0)
    compare(x * 4.0, ac.vmap(lambda a: a * 4.0 if flag.item() > 0 else a)(x))
    compare(x * 4.0, ac.vmap(lambda a, flag: a * 4.0 if float(flag) > 0 else a, in_axes=(0, None))(x, flag))


# -- compiled ---------------------------------------------------------------------------------------------------------


def test_vmap_inside_of_compile() -> None:
    def per_sample(p: Any, x: ac.Tensor, t: ac.Tensor) -> Any:
        return ac.vmap(ac.value_and_grad(loss), in_axes=(None, 0, 0))(p, x, t)

    def of_sum(p: Any, x: ac.Tensor, t: ac.Tensor) -> Any:
        return ac.grad(lambda p: ac.sum(ac.vmap(loss, in_axes=(None, 0, 0))(p, x, t)))(p)

    for f in (per_sample, of_sum):
        compiled = ac.compile(f)
        for _ in range(2):
            compare(f(PARAMS, XS, TS), compiled(PARAMS, XS, TS))


def test_compile_inside_of_vmap() -> None:
    compiled = ac.compile(loss)
    want = ac.vmap(loss, in_axes=(None, 0, 0))(PARAMS, XS, TS)
    for _ in range(2):
        compare(want, ac.vmap(compiled, in_axes=(None, 0, 0))(PARAMS, XS, TS))


def test_captured_parameters_of_a_compiled_batch() -> None:
    w = ac.tensor(2.0, dtype=F64).requires_grad_()
    f = ac.compile(lambda x: ac.vmap(lambda a: ac.sum(a * w))(x))
    x = normal(5, 3)
    compare(ac.vmap(lambda a: ac.sum(a * 2.0))(x), f(x))
    w.assign_(3.0)
    compare(ac.vmap(lambda a: ac.sum(a * 3.0))(x), f(x))
