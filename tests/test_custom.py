"""Functions and primitives with rules of their own, in every mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import tree
from random_programs import compare

F64 = ac.float64
X = ac.tensor(np.random.default_rng(0).standard_normal((4, 3)))
W = ac.tensor(np.random.default_rng(1).standard_normal((3, 2)))


@ac.custom_vjp
def affine_tanh(x: Any, w: Any) -> Any:
    return ac.tanh(x @ w)


def _forward(x: Any, w: Any) -> Any:
    y = ac.tanh(x @ w)
    return y, (x, w, y)


def _backward(residuals: Any, g: Any) -> Any:
    x, w, y = residuals
    inner = g * (1.0 - y * y)
    by_w = ac.matmul(x.T, inner) if x.ndim == 2 else ac.outer(x, inner)
    return inner @ w.T, by_w


affine_tanh.defvjp(_forward, _backward)


@ac.custom_jvp
def log_cosh(x: Any) -> Any:
    return ac.abs(x) + ac.log1p(ac.exp(-2.0 * ac.abs(x))) - float(np.log(2.0))


@log_cosh.defjvp
def _log_cosh_rule(primals: Any, tangents: Any) -> Any:
    (x,), (t,) = primals, tangents
    return log_cosh(x), t * ac.tanh(x)


def plain(x: Any, w: Any) -> Any:
    return ac.tanh(x @ w)


def close(a: Any, b: Any) -> None:
    for got, want in zip(tree.leaves(a), tree.leaves(b), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.notes("M195")
def test_all_modes_agree_with_finite_differences() -> None:
    ac.testing.check_grads(affine_tanh, [X, W], order=2, modes=("rev", "fwd"), atol=1e-5, rtol=1e-5)
    ac.testing.check_grads(log_cosh, [X], order=2, modes=("rev", "fwd"), atol=1e-5, rtol=1e-5)


def test_third_derivatives() -> None:
    def third(f: Any) -> Any:
        g = ac.grad(ac.grad(ac.grad(f)))
        return g(ac.tensor(0.4, dtype=F64)), ac.jvp(ac.grad(ac.grad(f)), [ac.tensor(0.4, dtype=F64)], [1.0])[1]

    close(third(log_cosh), third(lambda x: ac.log(ac.cosh(x))))


def test_the_rule_is_used() -> None:
    @ac.custom_vjp
    def wrong(x: Any) -> Any:
        return ac.sin(x)

    wrong.defvjp(lambda x: (ac.sin(x), None), lambda _, g: (g * 7.0,))
    x = ac.tensor(1.0, dtype=F64)
    assert wrong(x).item() == np.sin(1.0)
    assert ac.grad(wrong)(x).item() == 7.0
    assert ac.jvp(wrong, [x], [1.0])[1].item() == 7.0
    assert ac.linearize(wrong, x)[1](1.0).item() == 7.0
    assert ac.grad(ac.grad(wrong))(x).item() == 0.0
    assert ac.compile(ac.grad(wrong))(x).item() == 7.0
    assert ac.vmap(ac.grad(wrong))(ac.ones(3)).tolist() == [7.0] * 3
    assert ac.grad(lambda x: ac.sum(ac.vmap(wrong)(x)))(ac.ones(3)).tolist() == [7.0] * 3
    assert ac.jvp(ac.vmap(wrong), [ac.ones(3)], [ac.ones(3)])[1].tolist() == [7.0] * 3
    assert ac.jacrev(ac.vmap(wrong))(ac.ones(2)).tolist() == [[7.0, 0.0], [0.0, 7.0]]
    p = ac.tensor(1.0).requires_grad_()
    wrong(p * 2.0).backward()
    assert p.grad.item() == 14.0
    q = ac.tensor(1.0).requires_grad_()
    step = ac.compile(lambda x: (wrong(q * x).backward(), x)[1])
    step(3.0)
    assert q.grad.item() == 21.0


@pytest.mark.parametrize("in_axes", [(0, None), (None, 0), (0, 0)])
def test_vmap(in_axes: Any) -> None:
    xs = X if in_axes[0] == 0 else X[0]
    ws = ac.stack([W, 2.0 * W, -W, W * W]) if in_axes[1] == 0 else W

    def values_and_gradients(f: Any) -> Any:
        batch = ac.vmap(f, in_axes=in_axes)
        loss = lambda x, w: ac.sum(ac.square(batch(x, w)))  # noqa: E731
        per_example = ac.vmap(ac.grad(lambda x, w: ac.sum(ac.square(f(x, w))), (0, 1)), in_axes=in_axes)
        tangents = ac.jvp(batch, [xs, ws], [ac.ones_like(xs), ac.ones_like(ws)])
        return batch(xs, ws), ac.grad(loss, (0, 1))(xs, ws), per_example(xs, ws), tangents

    close(values_and_gradients(affine_tanh), values_and_gradients(plain))
    nested = ac.vmap(ac.vmap(affine_tanh, in_axes=(None, 0)), in_axes=(0, None))
    compare(nested(X, ac.stack([W, W])), ac.compile(nested)(X, ac.stack([W, W])))


def test_structures_and_constants() -> None:
    @ac.custom_vjp
    def scaled(p: Any, power: int, name: str) -> Any:
        return {"a": p["a"] ** power, "b": [p["b"] * 2.0]}

    def forward(p: Any, power: int, name: str) -> Any:
        return scaled(p, power, name), (p, power)

    def backward(residuals: Any, g: Any) -> Any:
        p, power = residuals
        return {"a": g["a"] * power * p["a"] ** (power - 1), "b": None}, None, None

    scaled.defvjp(forward, backward)
    p = {"a": ac.tensor(3.0, dtype=F64), "b": ac.tensor(5.0, dtype=F64)}

    def loss(p: Any) -> Any:
        y = scaled(p, 2, "name")
        return y["a"] + y["b"][0]

    gradient = ac.grad(loss)(p)
    assert (gradient["a"].item(), gradient["b"].item()) == (6.0, 0.0)
    assert scaled(p, 2, "name")["b"][0].item() == 10.0


ERRORS: list[Any] = [
    (lambda x: (x, None), lambda r, g: g, "must return a tuple of 1 cotangents; got Tensor"),
    (lambda x: (x, None), lambda r, g: (g, g), "must return a tuple of 1 cotangents; got 2"),
    (lambda x: (x, None), lambda r, g: (ac.ones(2, dtype=F64),), r"cotangent 0 must have the shape and dtype"),
    (lambda x: (x, None), lambda r, g: (g.astype(ac.float32),), r"expected \(3,\) float64, got \(3,\) float32"),
    (lambda x: (x, None), lambda r, g: ([g, g],), "cotangent 0 must have the structure"),
    (lambda x: x, lambda r, g: (g,), r"fwd must return a pair \(result, residuals\); got Tensor"),
    (lambda x: (1.0, None), lambda r, g: (g,), "must return Tensors; got float"),
]


@pytest.mark.parametrize(("fwd", "bwd", "message"), ERRORS)
def test_errors_of_vjp_rules(fwd: Any, bwd: Any, message: str) -> None:
    @ac.custom_vjp
    def f(x: Any) -> Any:
        return x

    with pytest.raises(ac.GradientError, match=r"f: no VJP rule is defined; call f\.defvjp"):
        f(X[0])
    f.defvjp(fwd, bwd)
    with pytest.raises(ac.GradientError, match="f: .*" + message):
        ac.vjp(f, X[0])[1](ac.ones_like(X[0]))
    assert f(X[0]).tolist() == X[0].tolist()  # nothing is left behind


def test_errors_of_jvp_rules() -> None:
    @ac.custom_jvp
    def f(x: Any) -> Any:
        return x

    with pytest.raises(ac.GradientError, match="no JVP rule is defined"):
        f(X)
    f.defjvp(lambda primals, tangents: tangents[0])
    with pytest.raises(ac.GradientError, match=r"must return a pair \(result, tangent\); got Tensor"):
        ac.jvp(f, [X], [X])
    f.defjvp(lambda primals, tangents: (primals[0], ac.sum(tangents[0])))
    with pytest.raises(ac.GradientError, match=r"tangent 0 must have the shape and dtype of its counterpart"):
        ac.jvp(f, [X], [X])


# -- primitives --------------------------------------------------------------------------------------------------------


@pytest.mark.notes("M195", "M205")
def test_a_primitive_that_leaves_the_package() -> None:
    calls = []

    def value(x: ac.Tensor) -> ac.Tensor:
        calls.append(x.shape)
        return ac.asarray(np.cbrt(x.numpy()))

    def batch(batched: Any, inputs: Any) -> Any:
        assert batched == (True,)
        return value(inputs[0])

    cbrt = ac.custom_primitive(value, vjp=lambda g, y, x: (g / (3.0 * y * y),), batch=batch, name="cbrt")
    x = ac.tensor([1.0, 8.0, 27.0], dtype=F64)
    ac.testing.check_grads(cbrt, [x], order=1, modes=("rev", "fwd"))
    calls.clear()
    assert ac.vmap(cbrt)(x).tolist() == np.cbrt(x.numpy()).tolist()
    assert calls[-1] == (3,)  # once for the batch
    np.testing.assert_allclose(ac.vmap(ac.grad(cbrt))(x).numpy(), [1 / 3, 1 / 12, 1 / 27])
    np.testing.assert_allclose(ac.grad(lambda x: ac.sum(ac.vmap(cbrt)(x)))(x).numpy(), [1 / 3, 1 / 12, 1 / 27])
    with pytest.raises(ac.TraceError):
        ac.compile(cbrt)(x)


def test_a_primitive_that_leaves_the_package_has_its_rules_for_every_context() -> None:
    cbrt = ac.custom_primitive(
        lambda x: ac.asarray(np.cbrt(x.numpy())), vjp=lambda g, y, x: (g * cbrt(x) / (3.0 * x),), name="cbrt"
    )

    def plain(x: Any) -> Any:
        return ac.exp(ac.log(x) / 3.0)

    x = ac.tensor([1.0, 8.0, 27.0], dtype=F64)
    for transform in (ac.jacrev, ac.jacfwd, ac.hessian, lambda f: ac.jacrev(ac.hessian(f))):
        close(transform(lambda x: ac.sum(cbrt(x * x)))(x), transform(lambda x: ac.sum(plain(x * x)))(x))

    batched = ac.custom_primitive(
        lambda x: ac.asarray(np.cbrt(x.numpy())),
        vjp=lambda g, y, x: (g * batched(x) / (3.0 * x),),
        batch=lambda which, inputs: ac.asarray(np.cbrt(inputs[0].numpy())),
    )
    for transform in (ac.jacrev, ac.jacfwd, ac.hessian):
        close(transform(lambda x: ac.sum(ac.vmap(batched)(x * x)))(x), transform(lambda x: ac.sum(plain(x * x)))(x))


@pytest.mark.parametrize("wrap", [lambda f: f, ac.vmap], ids=["alone", "batch"])
@pytest.mark.parametrize("order", [1, 2])
def test_rules_may_call_their_own_function(wrap: Any, order: int) -> None:
    """The forward rule the function itself, and a JVP rule the function of the tangents."""

    @ac.custom_vjp
    def sine(x: Any) -> Any:
        return ac.sin(x)

    sine.defvjp(lambda x: (sine(x), x), lambda x, g: (g * ac.cos(x),))

    @ac.custom_jvp
    def times(a: Any, b: Any) -> Any:
        return a * b

    times.defjvp(lambda p, t: (times(*p), times(t[0], p[1]) + times(p[0], t[1])))

    def derivative(f: Any, of: Any) -> Any:
        for _ in range(order):
            f = of(f)
        return wrap(f)

    at = X[0] if wrap is ac.vmap else X[0, 0]
    for of in (ac.grad, lambda f: lambda x: ac.jvp(f, [x], [ac.ones_like(x)])[1]):
        close(derivative(lambda x: times(sine(x), x), of)(at), derivative(lambda x: ac.sin(x) * x, of)(at))


def test_a_primitive_of_several_inputs_and_results() -> None:
    polar = ac.custom_primitive(
        lambda x, y: (ac.sqrt(x * x + y * y), ac.atan2(y, x)),
        vjp=lambda g, ans, x, y: (
            g[0] * x / ans[0] - g[1] * y / ac.square(ans[0]),
            g[0] * y / ans[0] + g[1] * x / ac.square(ans[0]),
        ),
    )
    x, y = X[0], X[1]
    ac.testing.check_grads(polar, [x, y], order=2, modes=("rev", "fwd"), atol=1e-5, rtol=1e-5)
    compare(polar(x, y), ac.compile(polar)(x, y))
    compare(ac.vmap(polar)(x, y), polar(x, y))
    close(ac.jacfwd(polar, (0, 1))(x, y), ac.jacrev(polar, (0, 1))(x, y))


def test_a_primitive_without_rules_says_so() -> None:
    f = ac.custom_primitive(lambda x: x * 2.0, name="doubled")
    assert f(3.0).item() == 6.0
    with pytest.raises(ac.GradientError, match="doubled: neither a VJP nor a JVP rule is defined"):
        ac.grad(f)(3.0)


def test_a_wrong_primitive_fails_its_check() -> None:
    wrong = ac.custom_primitive(ac.sin, vjp=lambda g, y, x: (g,))
    with pytest.raises(AssertionError):
        ac.testing.check_grads(wrong, [[0.5]], order=1)
