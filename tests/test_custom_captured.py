"""What a function with rules of its own captures: its derivative is right or refused, in every mode, never 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alice_core as ac

F64 = ac.float64
AT = ac.tensor([3.0, -2.0], dtype=F64)
FURTHER = ac.tensor([0.5, 4.0], dtype=F64)

DOUBLED = ac.compile(lambda c: c * 2.0)
DOUBLED(FURTHER)


def _captures(c: Any) -> Any:
    """A program that reads c, traced before anybody watches."""
    f = ac.compile(lambda: c * 2.0)
    f()
    return f


# Ways to read a captured vector; what all but the view read is twice the vector.
READS: dict[str, Any] = {
    "op": lambda c: c * 2.0,
    "view": lambda c: c[::-1] * 2.0,
    "transposed": lambda c: ac.reshape(c, (2, 1)).T[0] * 2.0,
    "assembled": lambda c: ac.zeros(2, dtype=F64).at[:].set(c) * 2.0,
    "mapped": lambda c: ac.vmap(lambda x: x * 2.0)(c),
    "compiled": lambda c: ac.compile(lambda: c * 2.0)(),
    "an argument of a compiled one": lambda c: DOUBLED(c),
    "captured by one compiled before": lambda c: _captures(c)(),
    "checkpointed": lambda c: ac.checkpoint(lambda: c * 2.0)(),
    "nested": lambda c: _custom_vjp(c, READS["op"])(ac.ones(2, dtype=F64)),
    "numbers": lambda c: ac.asarray(c.numpy() * 2.0),
    "gradient": lambda c: ac.grad(lambda z: ac.sum(z * z))(c),
    "pulled back": lambda c: ac.vjp(lambda z: z * z, c)[1](ac.ones(2, dtype=F64))[0],
    "pushed": lambda c: ac.jvp(lambda z: z * z, [c], [ac.ones(2, dtype=F64)])[1],
}


def _custom_vjp(c: Any, read: Any) -> Any:
    @ac.custom_vjp
    def times(x: Any) -> Any:
        return x * read(c)

    def fwd(x: Any) -> Any:
        factor = read(c)
        return x * factor, factor

    times.defvjp(fwd, lambda factor, g: (g * factor,))
    return times


def _custom_jvp(c: Any, read: Any) -> Any:
    @ac.custom_jvp
    def times(x: Any) -> Any:
        return x * read(c)

    times.defjvp(lambda p, t: (times(*p), t[0] * ac.stop_gradient(c)))  # not that of the function: we look at c
    return times


def _primitive(c: Any, read: Any) -> Any:
    return ac.custom_primitive(lambda x: x * read(c), vjp=lambda g, y, x: (g * (y / x),), name="times")


# How what is captured is followed, by whom.
MODES: dict[str, Any] = {
    "grad": lambda f: ac.grad(lambda c: ac.sum(f(c, c + 1.0)))(AT),
    "grad by the captured alone": lambda f: ac.grad(lambda c: ac.sum(f(c, FURTHER)))(AT),
    "backward": lambda f: _backward(f, lambda p: p * 2.0),
    "backward of a gradient": lambda f: _backward(
        lambda p, x: ac.grad(lambda z: ac.sum(f(p, z)))(x), lambda p: FURTHER
    ),
    "backward of a tangent": lambda f: _backward(
        lambda p, x: ac.jvp(lambda z: f(p, z), [x], [AT])[1], lambda p: FURTHER
    ),
    "grad by the argument": lambda f: ac.grad(lambda c: ac.sum(f(c, c)))(AT),
    "backward of the argument": lambda f: _backward(f, lambda p: p),
    "jvp by the argument": lambda f: ac.jvp(lambda c: f(c, c), [AT], [FURTHER])[1],
    "vmap over the argument": lambda f: ac.grad(lambda cs: ac.sum(ac.vmap(lambda c: f(c, c))(cs)))(ac.stack([AT] * 2)),
    "compiled, of the argument": lambda f: ac.compile(ac.grad(lambda c: ac.sum(f(c, c))))(AT),
    "hessian by the argument": lambda f: ac.hessian(lambda c: ac.sum(f(c, c)))(AT),
    "jvp": lambda f: ac.jvp(lambda c: f(c, c + 1.0), [AT], [FURTHER])[1],
    "of values, from outside": lambda f: ac.grad(
        lambda c: ac.sum(ac.value_and_grad(lambda x: ac.sum(f(c, x)))(FURTHER)[0])
    )(AT),
    "in forward mode from outside": lambda f: ac.jvp(lambda c: ac.vjp(lambda x: f(c, x), FURTHER)[0], [AT], [AT])[1],
    "vmap inside": lambda f: ac.grad(lambda c: ac.sum(ac.vmap(lambda x: f(c, x + c))(ac.stack([FURTHER, AT]))))(AT),
    "vmap over it": lambda f: ac.grad(lambda cs: ac.sum(ac.vmap(lambda c: f(c, c + 1.0))(cs)))(ac.stack([AT, FURTHER])),
    "compiled": lambda f: ac.compile(ac.grad(lambda c: ac.sum(f(c, c + 1.0))))(AT),
    "through a compiled one": lambda f: ac.grad(ac.compile(lambda c: ac.sum(f(c, c + 1.0))))(AT),
    "scan": lambda f: ac.grad(lambda c: ac.sum(ac.scan(lambda h, _: (f(c, h), None), FURTHER, ac.ones(3))[0]))(AT),
    "checkpoint": lambda f: ac.grad(lambda c: ac.sum(ac.checkpoint(lambda x: f(c, x + 1.0))(c)))(AT),
    "hessian": lambda f: ac.hessian(lambda c: ac.sum(f(c, c + 1.0)))(AT),
    "jacfwd": lambda f: ac.jacfwd(lambda c: f(c, c + 1.0))(AT),
}


def _backward(f: Any, argument: Any) -> Any:
    p = ac.tensor(AT).requires_grad_()
    ac.sum(f(p, argument(p))).backward()
    return p.grad


CASES = [(_custom_vjp, read) for read in READS] + [(_custom_jvp, "op"), (_primitive, "op"), (_primitive, "numbers")]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("make", "read"), CASES)
def test_the_derivative_by_what_is_captured_is_right_or_refused(make: Any, read: str, mode: str) -> None:
    expected = MODES[mode](lambda c, x: x * READS["view" if read == "view" else "op"](c))
    refused = ""
    try:
        got = MODES[mode](lambda c, x: make(c, READS[read])(x))
    except (ac.GradientError, ac.TraceError) as error:
        refused = str(error)
    if refused:
        assert any(said in refused for said in ("captures", "abstract", "numpy: ", "depends on no Tensor")), refused
    else:
        np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-12)


def _vjp_of_both(c: Any, x: Any) -> Any:
    times = ac.custom_vjp(lambda x, c: x * (c * 2.0))
    times.defvjp(lambda x, c: (x * (c * 2.0), (x * 1.0, c * 2.0)), lambda kept, g: (g * kept[1], g * kept[0] * 2.0))
    return times(x, c)


def _jvp_of_both(c: Any, x: Any) -> Any:
    times = ac.custom_jvp(lambda x, c: x * (c * 2.0))
    times.defjvp(lambda p, t: (times(*p), t[0] * p[1] * 2.0 + t[1] * p[0] * 2.0))
    return times(x, c)


def _primitive_of_both(c: Any, x: Any) -> Any:
    def vjp(g: Any, y: Any, x: Any, c: Any) -> Any:
        return g * (c * 2.0), g * (x * 2.0)

    return ac.custom_primitive(lambda x, c: x * (c * 2.0), vjp=vjp, name="times")(x, c)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("f", [_vjp_of_both, _jvp_of_both, _primitive_of_both])
def test_what_is_an_argument_instead_has_its_derivative(f: Any, mode: str) -> None:
    """Of both orders, though the function runs on handles of its own."""
    expected = MODES[mode](lambda c, x: x * (c * 2.0))
    np.testing.assert_allclose(MODES[mode](f).numpy(), expected.numpy(), rtol=1e-12)


def test_the_error_names_what_is_captured_and_where() -> None:
    class Layer:
        def __init__(self) -> None:
            self.w = ac.nn.Parameter([1.0, 2.0])

        def scaled(self, x: Any) -> Any:
            return x * self.w

    class Model(ac.nn.Module):
        def __init__(self) -> None:
            self.inner = ac.nn.Linear(2, 2)

    layer, model = Layer(), Model()
    told = "captures and which is differentiated; make it an argument, with a derivative in the rules"
    x = ac.ones(2).requires_grad_()
    for f, name in [(layer.scaled, "self.w"), (lambda x: x @ model.inner.weight, "model.inner.weight")]:
        y = ac.custom_primitive(f, vjp=lambda g, y, x: (g,), name="scaled")(x)
        with pytest.raises(ac.GradientError, match=rf"scaled: expected .* got {name}, shape \(2.*{told}"):
            ac.sum(y).backward()


def test_what_nobody_follows_may_be_captured() -> None:
    """Constants, and what stop_gradient makes one of; under every mode that follows the argument."""
    read = READS["op"]
    for make in (_custom_vjp, _primitive):
        f = make(AT, read)
        assert ac.grad(lambda x, f=f: ac.sum(f(x)))(FURTHER).tolist() == [6.0, -4.0]
        assert ac.grad(lambda x, f=f: ac.sum(ac.vmap(f)(x)))(ac.stack([FURTHER] * 2)).tolist() == [[6.0, -4.0]] * 2
        g = ac.grad(lambda c, make=make: ac.sum(make(ac.stop_gradient(c), read)(c)))
        assert g(AT).tolist() == ac.compile(g)(AT).tolist() == [6.0, -4.0]
        with ac.no_grad():
            assert make(ac.tensor(AT).requires_grad_(), read)(FURTHER).tolist() == [3.0, -16.0]


def test_a_rule_that_captures_in_a_compiled_function_says_so() -> None:
    f = ac.custom_primitive(lambda x: x * AT, vjp=lambda g, y, x: (g * AT,), name="times")
    with pytest.raises(ac.TraceError, match="a custom rule captures: return it from the forward rule"):
        ac.grad(ac.compile(lambda x: ac.sum(f(x))))(FURTHER)
