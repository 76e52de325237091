"""Automatic differentiation as the lecture notes define it: the algorithms, their tables, shapes and costs."""

from __future__ import annotations

import math
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from alice_core import teaching

RNG = np.random.default_rng(0)
ACTIVATIONS = [None, ac.tanh, ac.sigmoid, ac.sin]


def vector(n, *more):
    return ac.tensor(RNG.standard_normal((n, *more)))


def network(widths, activation=ac.tanh, seed=0):
    """Fully-connected layers with biases that are not 0."""
    layers = teaching.fully_connected_layers(widths, activation, seed=seed)
    rng = np.random.default_rng(seed)
    return [
        teaching.fully_connected(layer.weights["W"], ac.tensor(rng.standard_normal(d)), activation)
        for layer, d in zip(layers, widths[1:], strict=True)
    ]


def engine_gradients(layers, x):
    return ac.grad(lambda ws: teaching.evaluate(layers, x, ws))([layer.weights for layer in layers])


def same(left, right, atol=1e-12):
    """Two lists of gradients agree, and hold every weight."""
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert a.keys() == b.keys()
        for name in a:
            assert a[name].shape == b[name].shape
            np.testing.assert_allclose(a[name].numpy(), b[name].numpy(), rtol=1e-12, atol=atol)


programs = st.tuples(
    st.lists(st.integers(1, 4), min_size=2, max_size=6), st.sampled_from([None, 1, 3]), st.sampled_from(ACTIVATIONS)
)


def build(program):
    widths, batch, activation = program
    return network(widths, activation), vector(widths[0]) if batch is None else vector(batch, widths[0])


# -- the set-up: layers, their Jacobians, the program -----------------------------------------------------------------


@pytest.mark.notes("M205", "M207", "M208", "E-35")
def test_a_layer_has_an_input_and_a_weight_jacobian() -> None:
    """c' outputs by c inputs, c' outputs by p weights: derivatives by w, not by x, in the second."""
    (layer,) = network([3, 4])
    h = vector(3)
    slope = 1 - layer(h).numpy() ** 2
    assert layer.input_jacobian(h).shape == (4, 3)
    assert layer.weight_jacobian(h, "W").shape == (4, 12)
    assert layer.weight_jacobian(h, "b").shape == (4, 4)
    np.testing.assert_allclose(layer.input_jacobian(h).numpy(), slope[:, None] * layer.weights["W"].numpy(), rtol=1e-14)
    np.testing.assert_allclose(
        layer.weight_jacobian(h, "W").numpy().reshape(4, 4, 3),
        np.einsum("i,ij,k->ijk", slope, np.eye(4), h.numpy()),
        rtol=1e-14,
    )


@pytest.mark.notes("M209", "E-36")
def test_every_layer_takes_the_output_of_the_one_before() -> None:
    layers, x = network([2, 3, 4]), vector(2)
    h = np.tanh(layers[0].weights["W"].numpy() @ x.numpy() + layers[0].weights["b"].numpy())
    h = np.tanh(layers[1].weights["W"].numpy() @ h + layers[1].weights["b"].numpy())
    np.testing.assert_allclose(teaching.evaluate(layers, x).item(), h.sum(), rtol=1e-14)


@pytest.mark.notes("M211")
def test_one_call_returns_the_gradient_of_every_weight_and_zeros_for_unused_ones() -> None:
    used = teaching.Layer(lambda h, w: ac.sin(h) * w["a"], {"a": ac.tensor(2.0), "idle": ac.ones((2, 2))})
    x = ac.tensor([0.5, 1.5])
    for gradients in (
        teaching.forward_mode([used], x).gradients,
        teaching.reverse_mode([used], x).gradients,
        engine_gradients([used], x),
    ):
        assert gradients[0]["idle"].tolist() == [[0.0, 0.0], [0.0, 0.0]]
        np.testing.assert_allclose(gradients[0]["a"].item(), math.sin(0.5) + math.sin(1.5), rtol=1e-6)


@pytest.mark.notes("M216", "X01")
def test_a_common_part_is_computed_once_and_its_gradients_add() -> None:
    """f = a sin x + b x sin x with sin x computed once: one sine forward, and the right slope."""

    def f(x):
        h = ac.sin(x)
        return 2.0 * h + 3.0 * x * h

    x = ac.tensor(0.7, dtype=ac.float64)
    assert [eq.primitive.name for eq in ac.trace(f)(x).equations].count("sin") == 1
    assert [eq.primitive.name for eq in ac.trace(ac.grad(f))(x).equations].count("sin") == 1
    np.testing.assert_allclose(ac.grad(f)(x).item(), 5.068506029579476, rtol=1e-15)


# -- numerical and symbolic differentiation ---------------------------------------------------------------------------


@pytest.mark.notes("M213", "E-37")
def test_errors_of_differences_of_sin_at_1() -> None:
    errors = teaching.difference_errors(ac.sin, 1.0, [1e-4, 1e-6, 1e-8, 1e-10])
    np.testing.assert_allclose(errors.forward, [4.2e-5, 4.2e-7, 3.0e-9, 5.8e-8], rtol=0.02)
    np.testing.assert_allclose(errors.central, [9.0e-10, 2.8e-11, 2.6e-9, 5.8e-8], rtol=0.02)
    assert abs(errors.exact - math.cos(1.0)) <= math.ulp(math.cos(1.0))
    assert errors.calls == 1 + 2 * 4


@pytest.mark.parametrize("f", [ac.sin, ac.exp, lambda x: ac.tanh(x) * x])
def test_the_best_step_is_near_the_roots_of_the_rounding_error(f) -> None:
    errors = teaching.difference_errors(f, 1.0)
    assert 1e-10 < errors.best_forward < 1e-6 < errors.best_central < 1e-4
    for error, best in ((errors.forward, 1e-7), (errors.central, 1e-9)):
        assert min(error) < best < 1e-4 < min(error[0], error[-1])


@pytest.mark.notes("M214")
def test_a_gradient_by_differences_calls_the_function_once_or_twice_for_every_input() -> None:
    calls = 0

    def f(x):
        nonlocal calls
        calls += 1
        return ac.sum(x**3)

    x = vector(5)
    for kind, expected, atol in (("forward", 6, 1e-4), ("central", 10, 1e-8)):
        calls = 0
        J = teaching.jacobian_from_differences(f, x, kind=kind)
        assert calls == expected
        np.testing.assert_allclose(J.numpy(), 3 * x.numpy() ** 2, atol=atol)
    with pytest.raises(ValueError, match="kind must be 'central' or 'forward'; got 'backward'"):
        teaching.jacobian_from_differences(f, x, kind="backward")


@pytest.mark.notes("M215", "E-38")
def test_the_derivative_of_the_symbolic_example() -> None:
    """The notes print the function where its derivative belongs."""
    import sympy

    both = teaching.symbolic(lambda x, a, b: a * ac.sin(x) + b * x * ac.sin(x), 0.7, 2.0, 3.0)
    x, a, b = sympy.symbols("x a b", real=True)
    assert sympy.simplify(both.formula - (a + b * x) * sympy.sin(x)) == 0
    assert sympy.simplify(both.derivative - (a * sympy.cos(x) + b * sympy.sin(x) + b * x * sympy.cos(x))) == 0
    assert both.slope == pytest.approx(5.068506029579476, rel=1e-15)
    assert both.ad_slope == pytest.approx(5.068506029579476, rel=1e-15)


def test_formulas_swell_and_programs_do_not() -> None:

    def logistic(n):
        def f(x):
            for _ in range(n):
                x = 4.0 * x * (1.0 - x)
            return x

        return f

    runs = [teaching.symbolic(logistic(n), 0.3) for n in range(1, 7)]
    formula, program = ([r.operations[k] for r in runs] for k in ("derivative", "program and gradient"))
    assert all(b > 2 * a for a, b in pairwise(formula))
    assert len(set(np.diff(program))) == 1  # the same number of equations for every turn of the loop
    for run in runs:
        assert run.slope == pytest.approx(run.ad_slope, rel=1e-12)


@pytest.mark.parametrize("f", [
    lambda x, a: ac.exp(-x) / (1.0 + ac.sqrt(x)) - ac.tensor(2.0, dtype=ac.float64) * a,
    lambda x, a: abs(x - 3) ** 3 * ac.log(x) + 2**x - a,
    lambda x, a: ac.square(ac.tanh(a * x)) + ac.reciprocal(x) - ac.erf(-x),
    lambda x, a: ac.atan(x) * 0 + a,
])  # fmt: skip
def test_symbolic_and_automatic_slopes_agree(f) -> None:
    both = teaching.symbolic(f, 1.3, 0.4)
    assert both.slope == pytest.approx(both.ad_slope, rel=1e-13, abs=1e-15)


def test_a_primitive_without_a_formula() -> None:
    with pytest.raises(ac.TraceError, match=r"symbolic: expected one of the primitives abs, .*; got relu"):
        teaching.symbolic(ac.relu, 1.0)


def test_symbolic_without_sympy(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "sympy", None)
    with pytest.raises(ImportError, match=r"teaching\.symbolic: needs the package sympy.*pip install sympy"):
        teaching.symbolic(ac.sin, 1.0)


# -- forward mode -----------------------------------------------------------------------------------------------------


@pytest.mark.notes("M222")
def test_shapes_of_forward_mode() -> None:
    """The notes' table 1 with d_in = 3, d_out = 4 and 2 final outputs."""
    run = teaching.forward_mode(network([3, 4, 2]), vector(3))
    shapes = {
        "h_0": (3, 1),
        "W_1": (4, 3),
        "b_1": (4, 1),
        "h_1": (4, 1),
        "h_2": (2, 1),
        "W^_1": (2, 12),
        "b^_1": (2, 4),
        "1^T": (1, 2),
        "grad W_1": (1, 12),
        "grad b_1": (1, 4),
    }
    assert {symbol: run[symbol].shape for symbol in shapes} == shapes
    for symbol, (n, m) in shapes.items():
        assert f"  {symbol:9}  {n} x {m}" in str(run)
    assert "180 multiplications" in str(run)
    with pytest.raises(KeyError, match=r"expected one of 1\^T, .*; got 'W~_1'"):
        run["W~_1"]


@pytest.mark.notes("M218", "M222")
def test_tangents_have_the_width_reached_so_far() -> None:
    run = teaching.forward_mode(network([3, 4, 5, 2]), vector(3))
    assert [e.matrix.shape for e in run.entries if e.symbol == "W^_1"] == [(4, 12), (5, 12), (2, 12)]
    assert [e.matrix.shape for e in run.entries if e.symbol == "b^_2"] == [(5, 5), (2, 5)]


@pytest.mark.notes("M217", "M218", "M219", "M221")
def test_forward_mode_by_hand() -> None:
    """Two linear layers: W^_1 starts as dh_1/dW_1, is carried on by W_2, and summed by the row of ones."""
    layers = [
        teaching.fully_connected(ac.tensor(np.array([[1.0, 2.0], [3.0, 4.0]])), ac.zeros((2,), dtype=ac.float64)),
        teaching.fully_connected(ac.tensor(np.array([[1.0, -2.0], [3.0, 5.0]])), ac.zeros((2,), dtype=ac.float64)),
    ]
    run = teaching.forward_mode(layers, ac.tensor(np.array([1.0, -1.0])))
    first, last = (e.matrix.tolist() for e in run.entries if e.symbol == "W^_1")
    assert first == [[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]]
    assert last == [[1.0, -1.0, -2.0, 2.0], [3.0, -3.0, 5.0, -5.0]]
    assert run["W^_2"].tolist() == [[-1.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, -1.0]]
    assert run.gradients[0]["W"].tolist() == [[4.0, -4.0], [3.0, -3.0]]
    assert run.gradients[1]["W"].tolist() == [[-1.0, -1.0], [-1.0, -1.0]]
    assert run.gradients[0]["b"].tolist() == [4.0, 3.0]


@pytest.mark.notes("M220", "M232", "M233", "E-39")
@settings(max_examples=25, deadline=None)
@given(programs)
def test_forward_mode_reverse_mode_and_the_engine_agree(program) -> None:
    layers, x = build(program)
    expected = engine_gradients(layers, x)
    forward, reverse = teaching.forward_mode(layers, x), teaching.reverse_mode(layers, x)
    same(forward.gradients, expected)
    same(reverse.gradients, expected)
    same(teaching.backpropagate(layers, x).gradients, expected)
    np.testing.assert_allclose(forward.y.item(), reverse.y.item(), rtol=1e-14)
    dx = ac.grad(lambda x: teaching.evaluate(layers, x))(x).numpy()
    np.testing.assert_allclose(reverse["h~_0"].numpy().reshape(dx.shape), dx, rtol=1e-12, atol=1e-12)


@pytest.mark.notes("M220", "E-39")
def test_five_layers() -> None:
    layers, x = network([3, 5, 2, 4, 3, 2]), vector(3)
    same(teaching.forward_mode(layers, x).gradients, teaching.reverse_mode(layers, x).gradients)


@settings(max_examples=25, deadline=None)
@given(programs)
def test_multiplications_are_those_counted_in_advance(program) -> None:
    layers, x = build(program)
    for mode, algorithm in (("forward", teaching.forward_mode), ("reverse", teaching.reverse_mode)):
        counted = teaching.count_multiplications(program[0], mode, program[1] or 1)
        assert algorithm(layers, x).multiplications == counted


@pytest.mark.notes("M224")
def test_carrying_a_tangent_on_takes_n_squared_d_squared_p() -> None:
    """n examples, d features, p weights."""

    def cost(n, d, p):
        layer = teaching.Layer(lambda h, w: ac.tanh(h + ac.sum(w["w"])), {"w": vector(p)})
        run = teaching.forward_mode([layer, layer], vector(n, d))
        (carried,) = (e.multiplications for e in run.entries if e.quantity == "tangent, carried on")
        return carried

    assert cost(2, 3, 5) == 2**2 * 3**2 * 5
    assert cost(4, 3, 5) == 4 * cost(2, 3, 5)
    assert cost(2, 6, 5) == 4 * cost(2, 3, 5)
    assert cost(2, 3, 10) == 2 * cost(2, 3, 5)


@pytest.mark.notes("M223", "E-40")
def test_all_tangents_take_width_times_weights_and_reverse_mode_the_outputs() -> None:
    """Forward mode's memory is the program's for one direction only."""
    widths = [3, 6, 6, 6]
    p = [d_out * (d_in + 1) for d_in, d_out in pairwise(widths)]
    assert teaching.forward_mode(network(widths), vector(3)).kept == sum(6 * p_j for p_j in p)
    assert teaching.forward_mode(network([3, 4, 2]), vector(3)).kept == 4 * 16  # midway, not 2 * 26 at the end
    assert teaching.reverse_mode(network(widths), vector(3)).kept == 18


@pytest.mark.notes("M212", "M225")
def test_forward_mode_takes_one_pass_for_every_weight() -> None:
    layers, x = network([3, 4, 2]), vector(3)
    gradients, passes = teaching.gradients_from_jvps(layers, x)
    assert passes == sum(w.size for layer in layers for w in layer.weights.values()) == 26
    same(gradients, engine_gradients(layers, x))
    assert teaching.backpropagate(layers, x).evaluations == len(layers)  # reverse mode: the program once


def test_one_pass_gives_the_derivative_in_any_direction() -> None:
    layers, x = network([3, 4, 2]), vector(3)
    directions = [{name: vector(*w.shape) for name, w in layer.weights.items()} for layer in layers]
    y, dy = teaching.jvp_pass(layers, x, directions)
    g = engine_gradients(layers, x)
    expected = sum(ac.sum(g[i][name] * v).item() for i, d in enumerate(directions) for name, v in d.items())
    np.testing.assert_allclose([y.item(), dy.item()], [teaching.evaluate(layers, x).item(), expected], rtol=1e-12)


# -- reverse mode -----------------------------------------------------------------------------------------------------


@pytest.mark.notes("M236")
def test_shapes_of_reverse_mode() -> None:
    """The notes' table 2 with d_in = 3, d_out = 4."""
    run = teaching.reverse_mode(network([3, 4, 2]), vector(3))
    shapes = {
        "h_1": (4, 1),
        "W_1": (4, 3),
        "b_1": (4, 1),
        "h~_1": (1, 4),
        "dh_1/dW_1": (4, 12),
        "dh_1/dh_0": (4, 3),
        "grad W_1": (1, 12),
        "grad b_1": (1, 4),
        "h~_0": (1, 3),
    }
    assert {symbol: run[symbol].shape for symbol in shapes} == shapes
    for symbol, (n, m) in shapes.items():
        assert f"  {symbol:9}  {n} x {m}" in str(run)


@pytest.mark.notes("M230", "M231", "M234", "M244", "E-43", "E-44")
def test_the_order_of_reverse_mode() -> None:
    """Ones at layer l; then layer by layer down to 1 first the gradients, then the adjoint of the layer before."""
    run = teaching.reverse_mode(network([3, 4, 2]), vector(3))
    assert run["h~_2"].tolist() == [[1.0, 1.0]]
    steps = [e.symbol for e in run.entries if e.quantity in ("upstream gradient", "gradient", "back-propagated value")]
    assert steps == ["h~_2", "grad W_2", "grad b_2", "h~_1", "grad W_1", "grad b_1", "h~_0"]


@pytest.mark.notes("M226", "M227", "E-41", "E-42")
def test_the_unrolled_gradient() -> None:
    """1^T [dh_3/dh_2] [dh_2/dh_1] [dh_1/dw_1], the factors from the last layer to the first; no other order fits."""
    layers, x = network([3, 5, 2, 4]), vector(3)
    run = teaching.reverse_mode(layers, x)
    J2, J3 = run["dh_2/dh_1"], run["dh_3/dh_2"]
    ones = ac.ones((1, 4), dtype=ac.float64)
    np.testing.assert_allclose((ones @ J3 @ J2).numpy(), run["h~_1"].numpy(), rtol=1e-12)
    product = ones @ J3 @ J2 @ run["dh_1/dW_1"]
    np.testing.assert_allclose(product.numpy().reshape(5, 3), engine_gradients(layers, x)[0]["W"].numpy(), rtol=1e-12)
    with pytest.raises(ac.ShapeError, match="matmul"):
        J2 @ J3


@pytest.mark.notes("M228")
def test_factors_may_be_grouped_in_any_way() -> None:
    chain = [vector(n, m) for m, n in ((3, 5), (5, 2), (2, 4))]
    (a, n_forward), (b, n_reverse) = (teaching.multiply_chain(chain, mode) for mode in ("forward", "reverse"))
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)
    assert (n_forward, n_reverse) == (3 * 5 * 2 + 3 * 2 * 4, 4 * 2 * 5 + 4 * 5 * 3)
    assert n_forward == teaching.count_chain([3, 5, 2, 4], "forward")
    assert n_reverse == teaching.count_chain([3, 5, 2, 4], "reverse")
    with pytest.raises(ac.ShapeError, match="matmul"):
        teaching.multiply_chain(chain[::-1], "reverse")
    for count in (teaching.count_chain, teaching.count_multiplications):
        with pytest.raises(ValueError, match="mode must be 'forward' or 'reverse'; got 'backward'"):
            count([1, 2], "backward")


@pytest.mark.notes("M229")
@given(st.integers(1, 30), st.integers(1, 20), st.integers(1, 400))
def test_a_row_is_cheaper_to_carry_than_a_matrix(n_jacobians, d, p) -> None:
    """l Jacobians of d by d: l d^2 for one row from the left, l d^2 p for p columns from the right."""
    widths = [d] * (n_jacobians + 1)
    assert teaching.count_chain([*widths, 1], "reverse") == n_jacobians * d**2
    assert teaching.count_chain([p, *widths], "forward") == n_jacobians * d**2 * p


@pytest.mark.notes("M212", "M239")
@given(st.integers(1, 200), st.integers(1, 200), st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_forward_and_reverse_cost_cross_where_there_are_as_many_outputs_as_inputs(n, m, inner) -> None:
    inner = [inner[0], *inner, inner[0]]
    forward, reverse = (teaching.count_chain([n, *inner, m], mode) for mode in ("forward", "reverse"))
    assert np.sign(forward - reverse) == np.sign(n - m)


def test_the_modes_in_the_notes_example() -> None:
    assert teaching.count_multiplications([3, 4, 2], "forward") == 2 * 4 * 16 + 2 * 26
    assert teaching.count_multiplications([3, 4, 2], "reverse") == 2 * 10 + 2 * 4 + 4 * 16 + 4 * 3


@pytest.mark.notes("M231", "E-43")
def test_another_seed_than_ones() -> None:
    layers, x, v = network([3, 4, 2]), vector(3), ac.tensor([2.0, -1.0])
    run = teaching.reverse_mode(layers, x, seed=v)
    last = teaching.Layer(lambda h, w: h * w["v"], {"v": v})
    same(run.gradients, engine_gradients([*layers, last], x)[:2])
    np.testing.assert_allclose(run.y.item(), teaching.evaluate([*layers, last], x).item())
    with pytest.raises(ac.ShapeError, match=r"reverse_mode: the seed must have .* expected \(2,\), got \(3,\)"):
        teaching.reverse_mode(layers, x, seed=x)


@pytest.mark.notes("M238")
def test_outputs_saved_for_reverse_mode_grow_linearly_with_depth() -> None:
    def held(depth):
        w = ac.ones((1000,), dtype=ac.float64).requires_grad_()
        before = ac.memory_stats()["live_bytes"]
        y = w
        for _ in range(depth):
            y = ac.sin(y)
        after = ac.memory_stats()["live_bytes"] - before
        y.backward(ac.ones((1000,), dtype=ac.float64))
        return after

    shallow, deep, deeper = held(10), held(20), held(30)
    assert deeper - deep == deep - shallow
    assert 10 * 8000 <= deep - shallow <= 10 * 9000


# -- checkpoints ------------------------------------------------------------------------------------------------------


@pytest.mark.notes("M242")
def test_the_checkpointing_figure() -> None:
    """Blocks 1, 2 and 4 are stored, block 3 is run again when the backward pass has come down to it."""
    layers, x = network([3, 3, 3, 3, 3]), vector(3)
    run = teaching.backpropagate(layers, x, stored=[1, 2, 4])
    forward = [("forward", i) for i in (1, 2, 3, 4)]
    assert run.events == [
        *forward, ("backward", 4), ("again", 3), ("backward", 3), ("backward", 2), ("backward", 1)
    ]  # fmt: skip
    assert run.evaluations / len(layers) == 1.25
    plain = teaching.backpropagate(layers, x)
    assert plain.evaluations == plain.most_kept == 4
    assert plain.events == [*forward, *(("backward", i) for i in (4, 3, 2, 1))]


@pytest.mark.notes("M243")
@pytest.mark.parametrize(("n_layers", "every", "again"), [(16, 4, 12), (64, 8, 56), (100, 10, 90)])
def test_fewer_checkpoints_cost_more_runs(n_layers, every, again) -> None:
    layers, x = network([2] * (n_layers + 1)), vector(2)
    run = teaching.backpropagate(layers, x, stored=range(every, n_layers + 1, every))
    assert run.evaluations == n_layers + again
    assert run.most_kept <= n_layers // every + every


@pytest.mark.notes("M241")
@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(1, 6)))
def test_checkpoints_change_no_bit(stored) -> None:
    layers, x = network([3, 4, 2, 5, 3, 4, 2]), ac.tensor([0.3, -0.2, 0.9])
    plain, run = teaching.backpropagate(layers, x), teaching.backpropagate(layers, x, stored)
    assert run.y.item() == plain.y.item()
    for a, b in zip(plain.gradients, run.gradients, strict=True):
        assert {name: g.tolist() for name, g in a.items()} == {name: g.tolist() for name, g in b.items()}
    assert run.evaluations == 6 + (6 - len(stored))  # no layer runs a third time


def test_a_checkpoint_at_no_layer() -> None:
    with pytest.raises(ValueError, match=r"backpropagate: stored must name layers 1 to 2; got \[0, 3\]"):
        teaching.backpropagate(network([3, 4, 2]), vector(3), stored=[0, 1, 3])
