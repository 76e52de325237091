"""The trace as text and as numbers; and the dual program."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from alice_core.tracing.listing import quantity
from op_calls import calls, cast, differentiable_calls, op, tensors
from op_cases import OpCase, all_cases

HERE = Path(__file__).name
CASES = all_cases()


def line_of(text: str) -> int:
    """Number of the line of this file that ends with the comment."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    (number,) = [i for i, line in enumerate(lines, 1) if line.endswith("# " + text)]
    return number


def same(a: ac.Tensor, b: ac.Tensor) -> bool:
    """The same bits; abstract Tensors have none."""
    if a.is_abstract or b.is_abstract:
        return a.shape == b.shape and a.dtype == b.dtype
    return a.dtype == b.dtype and a.shape == b.shape and a.detach().numpy().tobytes() == b.detach().numpy().tobytes()


def values_by_name(t: ac.Trace) -> dict[str, ac.Tensor]:
    """Reads the lines from the top as a program: every name is defined before it is read, and stands for its value."""
    values = values_by_name(t.primal) if t.primal else {}
    for x in t.inputs:
        values[t.name(x)] = x
    for line in t.lines:
        if line.equation is None:
            ((name, _),) = line.results
            assert name not in values
            values[name] = values[line.operands[0].text]
            continue
        operands = line.equation.record.operands
        for operand, value in zip(line.operands, operands, strict=False):
            if operand.type:
                assert operand.text not in values
                values[operand.text] = value
            if operand.named:
                assert same(values[operand.text], value), f"{operand} in {line}"
        assert len(line.operands) == len(operands) + len(line.equation.attributes)
        if line.in_place:
            for (name, type), target in zip(line.results, line.equation.changed, strict=True):
                assert (name in values) is (type == "")
                values.setdefault(name, target)
        else:
            for (name, type), value in zip(line.results, line.equation.record.results, strict=True):
                assert name not in values, f"{name} is defined twice"
                assert type == f"{value.dtype.name}[{','.join(map(str, value.shape))}]"
                values[name] = value
        assert str(line) in str(t)
    assert str(t).splitlines()[-2] == f"  return {', '.join(map(str, t.ends))}"
    for end, y in zip(t.ends, t.outputs, strict=True):
        if end.type:
            values[end.text] = y
        assert not end.named or same(values[end.text], y)
    return values


def check_dual(t: ac.Trace, dual: ac.Trace) -> None:
    """The adjoint of every variable has its name, its shape and its dtype."""
    values = values_by_name(dual)
    primal = values_by_name(t)
    for name, g in dual.adjoints.items():
        assert name in primal
        if g is not None:
            assert (g.shape, g.dtype) == (primal[name].shape, primal[name].dtype)
            assert same(values[name + "~"], g)


# -- lines -------------------------------------------------------------------------------------------------------------


def test_a_line_says_shape_dtype_cost_and_place() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        h = ac.tanh(x)  # tanh here
        return ac.sum(
            h * 2.0,  # product here
        )

    lines = str(ac.trace(f)(ac.abstract((3, 4)))).splitlines()
    assert lines[0] == "trace(a: float32[3,4]) {"
    assert re.fullmatch(
        rf"  b: float32\[3,4\] = tanh\(a\) +# 12 FLOPs, 96 bytes, {HERE}:{line_of('tanh here')}", lines[1]
    )
    assert lines[2].endswith(f"# 12 FLOPs, 100 bytes, {HERE}:{line_of('product here')}")
    assert lines[-2:] == ["  return d", "}"]


def test_the_place_is_the_users_however_deep_the_op_lies_in_the_package() -> None:
    model = ac.nn.MLP([4, 3, 2], activation="gelu")

    def f(x: ac.Tensor) -> ac.Tensor:
        y = model(x)  # model here
        return ac.losses.mse_loss(y, ac.zeros((5, 2)))  # loss here

    t = ac.trace(f)(ac.abstract((5, 4)))
    places = {eq.record.where for eq in t.equations}
    assert places == {(__file__, line_of("model here")), (__file__, line_of("loss here"))}


def test_gradient_ops_carry_the_line_of_what_they_differentiate() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        y = ac.exp(x)  # exp here
        return ac.sum(y)  # sum here

    t = ac.trace(ac.grad(f))(ac.ones(3))
    notes = [line.split("# ")[1] for line in str(t).splitlines() if "gradient of" in line]
    assert f"gradient of sum, {HERE}:{line_of('sum here')}" in notes[0]
    assert f"gradient of exp, {HERE}:{line_of('exp here')}" in notes[1]
    assert [eq.record.rule_of.primitive.name for eq in t.equations if eq.record.rule_of] == ["sum", "exp"]


def test_nothing_is_written_down_when_nobody_reads() -> None:
    y = ac.exp(ac.ones(3).requires_grad_())
    assert y._producer is not None
    assert y._producer.record is None


def test_a_training_step_can_be_read() -> None:
    """Updates in place, and equations whose saved values backward() has given back."""
    model = ac.nn.Linear(3, 2)
    opt = ac.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    t = ac.trace(step)(ac.ones((4, 3)), ac.tensor([0, 1, 1, 0]))
    values_by_name(t)
    (update,) = [line for line in t.lines if line.in_place]
    assert update.op == "sgd"
    assert re.match(r"weight, bias, \w+, \w+ <- sgd\(\w+: float64\[4\], weight, bias, ", str(update))
    p = ac.ones(2)
    assert str(ac.trace(lambda x: p.assign_(x))(ac.zeros(2)).lines[0]) == "b: float32[2] <- copy(a)"
    # The step does not ask for the gradient of the data, so the trace has none, though it could be reversed.
    assert [line.op for line in t.lines].count("matmul") == 2
    with pytest.raises(ac.GradientError, match=r"backward\(\) went through this graph"):
        t.reverse()


def test_numbers_parameters_and_constants() -> None:
    w, c = ac.tensor(2.0).requires_grad_(), ac.tensor(0.1)
    t = ac.trace(lambda x: (x * w + c) * 0.1)(ac.tensor(1.0, dtype=ac.float64))
    text = [str(line) for line in t.lines]
    assert text[-1].endswith(", 0.1)")  # not 0.10000000149011612
    assert "b: float32[]" in text[0]  # a parameter has a name, since it has an adjoint
    assert list(map(str, t.reverse().ends)) == ["a~", "b~"]


def test_inside_of_a_compiled_function() -> None:
    @ac.compile
    def f(x: ac.Tensor) -> ac.Tensor:
        ac.trace(ac.exp)(x)
        return x

    with pytest.raises(ac.TraceError, match="being compiled"):
        f(ac.ones(2))
    assert ac.trace(ac.exp)(ac.ones(2)).equations  # the recorder still works


def test_an_error_in_the_function_leaves_nothing_behind() -> None:
    before = ac.ones(1).requires_grad_()

    def f(x: ac.Tensor) -> ac.Tensor:
        raise KeyError("mine")

    for _ in range(40):  # more than there are levels
        with pytest.raises(KeyError, match="mine"):
            ac.trace(f)(before)
    assert ac.trace(ac.exp)(1.0).reverse().outputs[0].item() == pytest.approx(math.e)


def test_outputs_depend_on_nothing() -> None:
    """A finished trace must not be taken for part of a later differentiation."""
    (y,) = ac.trace(ac.exp)(ac.tensor(1.0)).outputs
    assert ac.grad(lambda x: x * y)(2.0).item() == y.item()
    assert not y.is_tracked


@pytest.mark.parametrize(("n", "text"), [
    (0, "0 bytes"), (1, "1 byte"), (9999, "9999 bytes"), (10_000, "10 kbytes"), (1_048_576, "1.05 Mbytes"),
    (999_499, "999 kbytes"), (999_600, "1 Mbytes"), (2e30, "2e+12 Ebytes"),
])  # fmt: skip
def test_quantities(n: float, text: str) -> None:
    assert quantity(n, "byte") == text


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_every_op_prints(case: OpCase) -> None:
    for args, kwargs in calls(case):
        given = tensors(cast(args, case.dtypes[0]))
        chosen = [i for i, a in enumerate(given) if isinstance(a, ac.Tensor)]

        def f(*xs: ac.Tensor, given: Any = given, chosen: Any = chosen, kwargs: Any = kwargs) -> Any:
            full = list(given)
            for i, x in zip(chosen, xs, strict=True):
                full[i] = x
            return op(case)(*full, **kwargs)

        t = ac.trace(f)(*(given[i] for i in chosen))
        values_by_name(t)
        cost = t.cost()
        assert cost.flops >= 0
        assert all(eq.record.flops == eq.record.bytes == 0 for eq in t.equations if eq.record.is_view)
        assert all(eq.record.where[0] != ac.__file__ for eq in t.equations)


# -- the dual program --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [c for c in CASES if c.grad and "float64" in c.dtypes], ids=lambda c: c.name)
def test_the_dual_program_of_every_op(case: OpCase) -> None:
    for f, xs in differentiable_calls(case):
        if any(isinstance(x, (list, tuple)) for x in xs):
            continue
        points = [ac.tensor(x) for x in xs]
        y, pullback = ac.vjp(f, *points)
        several = isinstance(y, (tuple, list))
        seeds = [ac.tensor((np.arange(v.size) % 7 - 2.5).reshape(v.shape), v.dtype) for v in (y if several else [y])]
        t = ac.trace(f)(*points)
        if not any(end.dtype.kind == "f" for end in t.outputs):
            with pytest.raises(ac.GradientError, match="no result depends on"):
                t.reverse(seeds[0])
            continue
        dual = t.reverse(seeds if len(seeds) > 1 else seeds[0])
        for got, want in zip(
            dual.outputs, pullback(ac.tree.structure(y).unflatten(seeds) if several else seeds[0]), strict=True
        ):
            assert same(got, want)
        check_dual(t, dual)


def test_a_parameter_that_is_only_handed_on() -> None:
    w = ac.tensor(2.0).requires_grad_()
    dual = ac.trace(lambda x: x * w.reshape(()))(3.0).reverse()
    assert [y.item() for y in dual.outputs] == [2.0, 3.0]
    assert [y.item() for y in ac.trace(lambda x: w)(3.0).reverse().outputs] == [0.0, 1.0]


UNARY = [ac.tanh, ac.exp, ac.sin, ac.relu, lambda x: x.T.T, lambda x: x.reshape((2, 3)), lambda x: x + 1.0]
BINARY = [ac.add, ac.multiply, ac.maximum, ac.subtract]


@st.composite
def programs(draw: st.DrawFn) -> tuple[Callable[..., Any], int]:
    """Straight-line programs over matrices of shape (2, 3): values read often, or never, or handed out as they came."""
    n_inputs = draw(st.integers(1, 3))
    steps = draw(st.lists(
        st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 50), st.integers(0, 50)), max_size=12
    ))  # fmt: skip
    ends = draw(st.lists(st.integers(0, 50), min_size=1, max_size=3))
    scale = ac.tensor(np.full((2, 3), 0.5)).requires_grad_()
    offset = ac.tensor(np.arange(3.0))

    def f(*xs: ac.Tensor) -> tuple[ac.Tensor, ...]:
        values = [*xs, scale, offset * ac.ones((2, 1), dtype=ac.float64)]
        for choice, i, j in steps:
            a, b = values[i % len(values)], values[j % len(values)]
            values.append(UNARY[choice](a) if choice < len(UNARY) else BINARY[choice - len(UNARY)](a, b))
        return tuple(values[-1 - i % len(values)] for i in ends)

    return f, n_inputs


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(programs(), st.booleans())
def test_the_dual_program_is_the_vjp(program: tuple[Callable[..., Any], int], hollow: bool) -> None:
    f, n = program
    points = [ac.tensor(np.linspace(-1.0, 1.0, 6).reshape(2, 3) + i) for i in range(n)]
    t = ac.trace(f)(*(ac.abstract((2, 3), ac.float64) if hollow else x for x in points))
    y, pullback = ac.vjp(f, *points)
    seeds = [ac.tensor(np.arange(6.0).reshape(2, 3) - i) for i in range(len(y))]
    usable = [end.dtype.kind == "f" and bool(end._contexts) for end in t._results]
    if not any(usable):
        with pytest.raises(ac.GradientError, match="no result depends on"):
            t.reverse(seeds if len(seeds) > 1 else seeds[0])
        return
    given = [ac.abstract((2, 3), ac.float64)] * len(seeds) if hollow else seeds
    dual = t.reverse(given if len(given) > 1 else given[0])
    for got, want in zip(dual.outputs, pullback(tuple(seeds)), strict=False):  # then the parameter's
        assert same(got, want)
    check_dual(t, dual)
    assert sum(p.flops for p in dual.cost().primitives.values()) == dual.cost().flops


def test_contributions_and_their_sum_are_named_after_the_variable() -> None:
    t = ac.trace(lambda x: ac.sum(ac.sin(x) + ac.cos(x) * ac.exp(x)))(ac.ones(3))
    names = [name for line in t.reverse().lines for name, _ in line.results]
    assert {"a~", "a~1", "a~2", "a~3", "a~1..2"} <= set(names)
    assert names[-1] == "a~"


def test_an_argument_that_does_not_matter() -> None:
    t = ac.trace(lambda x, n, z: ac.sum(x * 2.0))(ac.ones(2), ac.tensor(3), ac.ones((2, 2)))
    dual = t.reverse()
    assert list(map(str, dual.ends)) == ["a~", "0"]  # integers have no adjoint
    assert dual.adjoints["c"] is None
    np.testing.assert_array_equal(dual.outputs[1].numpy(), np.zeros((2, 2)))
    hollow = ac.trace(lambda x, z: ac.sum(x))(ac.abstract((2,)), ac.abstract((5, 5))).reverse()
    assert hollow.outputs[1].is_abstract
    assert hollow.outputs[1].shape == (5, 5)


def test_the_function_that_does_nothing() -> None:
    dual = ac.trace(lambda x: x)(ac.tensor(3.0)).reverse()
    assert str(dual) == "dual(a~: float32[]) {\n  return a~\n}"


def test_stop_gradient_is_respected() -> None:
    x = ac.tensor([1.0, 2.0])
    dual = ac.trace(lambda x: ac.sum(x * ac.stop_gradient(x)))(x).reverse()
    np.testing.assert_array_equal(dual.outputs[0].numpy(), x.numpy())


def test_the_dual_program_of_a_gradient() -> None:
    t = ac.trace(lambda x: ac.sum(ac.grad(lambda x: ac.sum(x**3))(x)))(ac.tensor([1.0, 2.0], dtype=ac.float64))
    np.testing.assert_allclose(t.reverse().outputs[0].numpy(), [6.0, 12.0])
    check_dual(t, t.reverse())


def test_a_dual_program_is_tracked_by_nobody() -> None:
    w = ac.ones(3).requires_grad_()
    (dx, dw) = ac.trace(lambda x: ac.sum(x * w))(ac.ones(3)).reverse().outputs
    assert not dx.is_tracked
    assert not dw.is_tracked
    assert w.grad is None


def test_what_cannot_be_reversed() -> None:
    t = ac.trace(ac.exp)(ac.ones(3))
    with pytest.raises(ac.ShapeError, match=r"0-d result; got shape \(3,\); pass its cotangent"):
        t.reverse()
    with pytest.raises(ac.ShapeError, match=r"expected \(3,\), got \(2,\)"):
        t.reverse(ac.ones(2))
    with pytest.raises(ac.GradientError, match="dual program"):
        t.reverse(ac.ones(3)).reverse()
    with pytest.raises(ac.GradientError, match="no result depends on"):
        ac.trace(lambda x: ac.argmax(x))(ac.ones(3)).reverse()
    two = ac.trace(lambda x: (ac.sum(x), x * 2.0))(ac.ones(3))
    with pytest.raises(ac.ShapeError, match="2 cotangents, one for each result; got 1"):
        two.reverse([1.0])
    np.testing.assert_array_equal(two.reverse([1.0, None]).outputs[0].numpy(), np.ones(3))
    assert two.reverse([1.0, ac.abstract((3,))]).outputs[0].is_abstract


def test_a_gradient_rule_runs_only_for_what_is_asked() -> None:
    """Only the parameter's gradient is wanted; that of the data would cost as much again."""
    w = ac.ones((4, 4)).requires_grad_()

    def f(x: ac.Tensor) -> ac.Tensor:
        y = ac.sum(x @ w)
        y.backward()
        return y

    t = ac.trace(f)(ac.ones((4, 4)))
    assert [eq.primitive.name for eq in t.equations].count("matmul") == 2


def test_functions_with_rules_of_their_own() -> None:
    """The call that joins value and rules has a line, by the function's name."""

    @ac.custom_vjp
    def twice(x: ac.Tensor) -> ac.Tensor:
        return x * 2.0

    twice.defvjp(lambda x: (x * 2.0, x), lambda x, g: (g * 3.0 + 0.0 * x,))
    t = ac.trace(lambda x: ac.sum(twice(x)))(ac.ones(2))
    (joint,) = [line for line in t.lines if line.op == "twice"]
    assert joint.equation.record.is_view
    np.testing.assert_array_equal(t.reverse().outputs[0].numpy(), [3.0, 3.0])
    check_dual(t, t.reverse())
    assert "gradient of twice" in str(t.reverse())
    assert t.cost().peak_bytes == 24  # argument, 2.0, product, sum
    assert "twice" in t.to_html(profile=True)


def test_what_a_checkpoint_computes_again_is_in_the_dual_program() -> None:
    f = ac.checkpoint(lambda x: ac.sum(ac.tanh(ac.exp(x))))
    x = ac.tensor([0.1, 0.2])
    t = ac.trace(f)(x)
    ops = [line.op for line in t.reverse().lines]
    assert ops.count("exp") == 1
    assert same(t.reverse().outputs[0], ac.grad(f)(x))
    check_dual(t, t.reverse())


# -- cost --------------------------------------------------------------------------------------------------------------


def test_cost_adds_up() -> None:
    n = 64
    W = ac.zeros((n, n))

    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.sum(ac.tanh(W @ x).T)

    cost = ac.trace(f)(ac.abstract((n, n))).cost()
    square = 4 * n * n
    assert cost.equations == 4
    assert cost.primitives["matmul"] == (1, 2 * n**3, 3 * square)
    assert cost.primitives["permute_dims"] == (1, 0, 0)
    assert cost.flops == 2 * n**3 + 2 * n * n
    assert cost.bytes == 3 * square + 2 * square + square + 4
    assert cost.peak_bytes == 4 * square  # W, x, their product, and its tanh
    kept = [eq for eq in ac.trace(f)(ac.abstract((n, n))).equations if any(eq.record.saved)]
    assert cost.saved_bytes == square * len({"tanh"} & {eq.primitive.name for eq in kept})
    assert next(iter(cost.primitives)) == "matmul"
    assert "matmul" in str(cost)
    assert "49.2 kbytes" not in str(cost)


def test_cost_is_that_of_the_compiled_program() -> None:
    """One estimate serves both."""
    f = lambda x: ac.sum(ac.tanh(x @ x) * 2.0)  # noqa: E731
    x = ac.ones((32, 32))
    assert ac.trace(f)(x).cost().flops == ac.compile(f).program(x).flops


def test_cost_does_not_depend_on_data() -> None:
    model = ac.nn.MLP([6, 5, 3])
    real = ac.trace(model)(ac.ones((4, 6))).cost()
    assert real == ac.trace(model)(ac.abstract((4, 6))).cost()


def test_nothing_is_saved_of_what_nobody_differentiates() -> None:
    with ac.no_grad():
        cost = ac.trace(lambda n: ac.exp(n.astype(ac.float32)))(ac.tensor([1, 2])).cost()
    assert cost.saved_bytes == 0
    assert cost.equations == 2
