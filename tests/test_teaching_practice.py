"""Practical considerations of the lecture notes: VJPs, the Jacobians they make, activations, depth and kinks."""

from __future__ import annotations

import math
import runpy
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac
from alice_core import teaching

ROOT = Path(__file__).resolve().parent.parent
W = ac.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
RNG = np.random.default_rng(0)


def vector(n, *more):
    return ac.tensor(RNG.standard_normal((n, *more)))


def number(x, dtype=ac.float64):
    return ac.tensor(x, dtype=dtype)


# -- vector-Jacobian products -----------------------------------------------------------------------------------------


@pytest.mark.notes("M247", "M251", "E-47")
def test_the_input_vjp_of_a_linear_projection() -> None:
    """v^T W, not v^T W^T: that has no valid shapes."""
    v = ac.tensor([1.0, 2.0, 3.0])
    _, pullback = ac.vjp(lambda x: W @ x, ac.tensor([1.0, -1.0]))
    assert pullback(v)[0].tolist() == [22.0, 28.0]
    assert (v @ W).tolist() == (W.T @ v).tolist() == [22.0, 28.0]
    for wrong in (lambda: v @ W.T, lambda: W @ v):
        with pytest.raises(ac.ShapeError, match="matmul"):
            wrong()


@pytest.mark.notes("M247", "M252")
def test_the_weight_vjp_of_a_linear_projection_is_an_outer_product() -> None:
    x = ac.tensor([1.0, -1.0])
    _, pullback = ac.vjp(lambda W: W @ x, W)
    assert pullback(ac.tensor([1.0, 2.0, 3.0]))[0].tolist() == [[1.0, -1.0], [2.0, -2.0], [3.0, -3.0]]


@pytest.mark.notes("M250")
def test_the_weight_jacobian_of_a_linear_projection_has_three_axes() -> None:
    """c' by c' by c, all of it zeros but for x in row i of slice i."""
    x = ac.tensor([1.0, -1.0])
    J = teaching.jacobian_from_vjps(lambda W: W @ x, W)
    assert J.shape == (3, 3, 2)
    np.testing.assert_array_equal(J.numpy(), np.einsum("ij,k->ijk", np.eye(3), x.numpy()))
    assert teaching.jacobian_from_vjps(lambda x: W @ x, x).tolist() == W.tolist()


@pytest.mark.notes("M252")
@pytest.mark.parametrize(("f", "xs", "jacobian_bytes"), [
    (lambda W, x: W @ x, (vector(300, 300), vector(300)), 300**3 * 8),
    (ac.tanh, (vector(4000),), 4000**2 * 8),
], ids=["linear projection", "elementwise"])  # fmt: skip
def test_a_vjp_allocates_no_jacobian(f, xs, jacobian_bytes) -> None:
    ac.reset_peak_memory()
    before = ac.memory_stats()["peak_bytes"]
    y, pullback = ac.vjp(f, *xs)
    products = pullback(ac.ones_like(y))
    assert [p.shape for p in products] == [x.shape for x in xs]
    assert ac.memory_stats()["peak_bytes"] - before < jacobian_bytes / 40


@pytest.mark.notes("M006", "M252", "E-1")
def test_the_vjp_of_an_elementwise_function_multiplies_with_its_slope() -> None:
    x, v = vector(5), vector(5)
    _, pullback = ac.vjp(ac.sin, x)
    np.testing.assert_allclose(pullback(v)[0].numpy(), v.numpy() * np.cos(x.numpy()), rtol=1e-14)
    np.testing.assert_allclose(
        teaching.jacobian_from_vjps(ac.sin, x).numpy(), np.diag(np.cos(x.numpy())), rtol=1e-14, atol=0
    )


@pytest.mark.notes("M246", "M248", "E-45")
def test_one_vjp_for_each_of_several_arguments() -> None:
    xs, v = [vector(4), vector(4), vector(4)], vector(4)
    _, pullback = ac.vjp(lambda a, b, c: a * b + ac.sin(c), *xs)
    expected = v.numpy() * np.array([xs[1].numpy(), xs[0].numpy(), np.cos(xs[2].numpy())])
    np.testing.assert_allclose([p.numpy() for p in pullback(v)], expected, rtol=1e-14)


@pytest.mark.notes("M245", "M254")
@given(st.floats(-3, 3), st.floats(-3, 3))
def test_a_vjp_is_linear(alpha, beta) -> None:
    _, pullback = ac.vjp(lambda x: ac.tanh(ac.tensor(M) @ x), ac.tensor(M[0]))
    u, v = ac.tensor(M[1]), ac.tensor(M[2])
    both = pullback(alpha * u + beta * v)[0].numpy()
    np.testing.assert_allclose(both, (alpha * pullback(u)[0] + beta * pullback(v)[0]).numpy(), rtol=1e-12, atol=1e-12)


M = np.random.default_rng(1).standard_normal((3, 3))


# -- Jacobians from products with basis vectors -----------------------------------------------------------------------

FUNCTIONS = {
    "vector to vector": (lambda x: ac.tanh(ac.tensor(M) @ x) * ac.sum(x), vector(3)),
    "matrix to vector": (lambda x: ac.softmax(ac.sum(x, axis=0)), vector(2, 3)),
    "vector to matrix": (lambda x: ac.outer(ac.sin(x), ac.exp(x)), vector(3)),
    "number to vector": (lambda x: ac.stack([x, x**2, ac.cos(x)]), number(0.7)),
    "vector to number": (lambda x: ac.logsumexp(x), vector(4)),
    "number to number": (ac.erf, number(0.3)),
    "constant": (lambda x: ac.ones((2,), dtype=ac.float64) + 0.0 * ac.sum(x), vector(2)),
    "network": (lambda x: teaching.fully_connected_layers([3, 4], ac.gelu)[0](x), vector(3)),
}


@pytest.mark.notes("M249", "E-46")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobians_by_rows_by_columns_and_by_differences_agree(name) -> None:
    f, x = FUNCTIONS[name]
    rows, columns = teaching.jacobian_from_vjps(f, x), teaching.jacobian_from_jvps(f, x)
    differences = teaching.jacobian_from_differences(f, x)
    assert rows.shape == columns.shape == differences.shape == f(x).shape + x.shape
    np.testing.assert_allclose(columns.numpy(), rows.numpy(), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(differences.numpy(), rows.numpy(), rtol=1e-8, atol=1e-8)
    forward = teaching.jacobian_from_differences(f, x, 1e-7, kind="forward")
    np.testing.assert_allclose(forward.numpy(), rows.numpy(), rtol=1e-5, atol=1e-5)


def test_the_layer_algorithm_by_basis_jvps_gives_the_same_jacobian() -> None:
    """Column by column through three layers against the product of their Jacobians."""
    layers, x = teaching.fully_connected_layers([3, 5, 2, 4], ac.tanh), vector(3)
    run = teaching.reverse_mode(layers, x)
    product, _ = teaching.multiply_chain([run[f"dh_{i}/dh_{i - 1}"] for i in (1, 2, 3)], "forward")

    def program(x):
        for layer in layers:
            x = layer(x)
        return x

    np.testing.assert_allclose(teaching.jacobian_from_jvps(program, x).numpy(), product.numpy(), rtol=1e-12)
    np.testing.assert_allclose(teaching.jacobian_from_vjps(program, x).numpy(), product.numpy(), rtol=1e-12)


@pytest.mark.notes("M239", "M249", "E-46")
@pytest.mark.parametrize(("n", "m"), [(1, 1000), (1000, 1), (3, 5)])
def test_a_product_for_every_output_or_for_every_input(n, m, monkeypatch) -> None:
    """R -> R^1000: one JVP or a thousand VJPs; R^1000 -> R: a thousand or one."""
    pulls, vjp = 0, ac.vjp

    def counting(f, *xs):
        y, pullback = vjp(f, *xs)

        def pull(v):
            nonlocal pulls
            pulls += 1
            return pullback(v)

        return y, pull

    monkeypatch.setattr(ac, "vjp", counting)
    A, x = vector(m, n), vector(n)
    J = teaching.jacobian_from_vjps(lambda x: A @ x, x)
    assert pulls == m
    np.testing.assert_array_equal(J.numpy(), A.numpy())
    pulls = 0
    J = teaching.jacobian_from_jvps(lambda x: A @ x, x)
    assert pulls == 2 * n  # a JVP is a pull-back and the pull-back of that
    np.testing.assert_allclose(J.numpy(), A.numpy(), rtol=1e-14)


def test_a_jacobian_without_outputs() -> None:
    with pytest.raises(ValueError, match="stack: expected at least one array"):
        teaching.jacobian_from_vjps(lambda x: x[:0], ac.ones((2,)))


# -- the cheap gradient -----------------------------------------------------------------------------------------------


def mixture(x, means, log_scales, logits):
    """Negative log-likelihood of a mixture of Gaussians, up to a constant."""
    z = (ac.expand_dims(x, axis=1) - means) * ac.exp(-log_scales)
    each = ac.log_softmax(logits) - 0.5 * ac.sum(z * z, axis=2) - ac.sum(log_scales, axis=1)
    return -ac.sum(ac.logsumexp(each, axis=1))


def perceptron(x, *weights):
    for w in weights:
        x = ac.tanh(x @ w)
    return ac.sum(x * x)


@pytest.mark.notes("M240")
@pytest.mark.parametrize(("f", "xs"), [
    (mixture, (vector(100, 8), vector(5, 8), vector(5, 8), vector(5))),
    (ac.logsumexp, (vector(1000),)),
    (perceptron, (vector(32, 16), *(vector(16, 16) for _ in range(5)))),
], ids=["mixture", "logsumexp", "perceptron"])  # fmt: skip
def test_a_gradient_takes_at_most_five_times_the_operations_of_its_function(f, xs) -> None:
    both = ac.value_and_grad(f, argnums=range(len(xs)))
    alone, together = (ac.compile(g).program(*xs).flops for g in (f, both))
    assert alone < together <= 5 * alone


# -- activations and depth --------------------------------------------------------------------------------------------


def chain(f, depth):
    def program(s):
        for _ in range(depth):
            s = f(s)
        return s

    return program


@pytest.mark.notes("M255")
def test_a_chain_of_scalar_layers_multiplies_their_slopes() -> None:
    s, slope = 0.4, 1.0
    for _ in range(10):
        slope *= 1 - math.tanh(s) ** 2
        s = math.tanh(s)
    gradient = ac.grad(chain(ac.tanh, 10))(number(0.4)).item()
    assert gradient == pytest.approx(slope, rel=1e-14)


def centred(s):
    """The sigmoid with its steepest point, of slope 1/4, mapped to itself: 0 -> 0."""
    return ac.sigmoid(s) - 0.5


@pytest.mark.notes("M256")
def test_the_slope_of_a_sigmoid_is_at_most_a_quarter() -> None:
    s = ac.linspace(-20.0, 20.0, 100_001, dtype=ac.float64)
    slopes = ac.grad(lambda s: ac.sum(ac.sigmoid(s)))(s)
    assert ac.max(slopes).item() == slopes[50_000].item() == 0.25


@pytest.mark.notes("M256")
def test_vanishing_gradients() -> None:
    assert ac.grad(chain(centred, 10))(number(0.0)).item() == 0.25**10 == 9.5367431640625e-07
    tiny = float(np.finfo(np.float32).tiny)
    gradients = {n: ac.grad(chain(centred, n))(number(0.0, ac.float32)).item() for n in (63, 64, 74, 75)}
    assert gradients[63] == tiny  # the last normal number
    assert 0.0 < gradients[64] < tiny
    assert gradients[74] == 0.25**74 > gradients[75] == 0.0
    assert ac.grad(chain(centred, 75))(number(0.0)).item() == 0.25**75  # float64 goes on


@pytest.mark.notes("M257", "E-48")
def test_exploding_gradients_are_infinite_and_not_nan() -> None:
    """They explode where slopes, not values, are above 1."""
    steep = chain(lambda s: 2.0 * ac.tanh(s), 128)
    assert ac.grad(steep)(number(0.0, ac.float32)).item() == math.inf
    assert ac.grad(chain(lambda s: 2.0 * ac.tanh(s), 127))(number(0.0, ac.float32)).item() == 2.0**127
    assert ac.grad(steep)(number(0.0)).item() == 2.0**128 == pytest.approx(3.4e38, rel=1e-2)


@pytest.mark.notes("M258")
def test_norms_of_gradients_by_depth() -> None:
    """Of the three the ReLU, with weights of the right size, loses least on the way; the sigmoid nearly all."""
    relu, tanh, sigmoid = (
        teaching.gradient_norms(f, gain=gain) for f, gain in ((ac.relu, 2**0.5), (ac.tanh, 1.0), (ac.sigmoid, 1.0))
    )
    assert relu[-1] == tanh[-1] == sigmoid[-1] == 1.0
    assert len(relu) == 51
    assert sigmoid[0] < 1e-25 < 1e-4 < tanh[0] < relu[0]
    assert all(a < b for a, b in pairwise(sigmoid))
    exploding = teaching.gradient_norms(lambda s: 3.0 * ac.tanh(s), depth=30, gain=2.0)
    assert exploding[0] > 1e3


@pytest.mark.notes("M260")
def test_half_of_the_gradient_is_zero_behind_a_relu() -> None:
    s = vector(500)
    s = ac.concat([s, -s])
    g = ac.grad(lambda s: ac.sum(ac.relu(s)))(s).numpy()
    assert sorted(set(g.tolist())) == [0.0, 1.0]
    assert np.count_nonzero(g) == 500


@pytest.mark.notes("M260")
def test_a_gradient_passes_a_hundred_active_relus_unscaled() -> None:
    for dtype in (ac.float32, ac.float64):
        assert ac.grad(chain(ac.relu, 100))(number(0.1, dtype)).item() == 1.0
        assert ac.grad(chain(ac.relu, 100))(number(-0.1, dtype)).item() == 0.0


@pytest.mark.notes("M259", "M262")
def test_the_relu_has_a_slope_right_beside_0_and_the_choice_0_at_it() -> None:
    slope = ac.grad(ac.relu)
    assert [slope(number(s)).item() for s in (5e-324, 0.0, -0.0, -5e-324)] == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.notes("M261", "E-49")
def test_rows_of_padding_meet_the_kink_every_time() -> None:
    """The probability of exactly 0 is not 0 in data: without a bias, every unit of an all-zero row is at the kink."""
    x = ac.tensor(np.array([[1.0, -2.0], [0.0, 0.0], [3.0, 0.5]]))
    weights = vector(2, 8)
    gx, gw = ac.grad(lambda x, w: ac.sum(ac.relu(x @ w)), argnums=(0, 1))(x, weights)
    assert gx[1].tolist() == [0.0, 0.0]
    kept = ac.tensor(np.array([[1.0, -2.0], [3.0, 0.5]]))
    np.testing.assert_allclose(gw.numpy(), ac.grad(lambda w: ac.sum(ac.relu(kept @ w)))(weights).numpy(), rtol=1e-14)


@pytest.mark.notes("M263", "E-49")
def test_three_equal_functions_three_derivatives_at_the_kink() -> None:
    """What a program returns at a kink depends on how the function is written, whatever the choice for the ReLU."""

    def first(s):
        return ac.relu(s)

    def second(s):
        return ac.relu(-s) + s

    def third(s):
        return 0.5 * (first(s) + second(s))

    for s in (-1.5, -0.25, 0.0, 0.25, 1.5):
        assert first(number(s)).item() == second(number(s)).item() == third(number(s)).item()
    assert [ac.grad(f)(number(0.0)).item() for f in (first, second, third)] == [0.0, 1.0, 0.5]
    for s in (-0.25, 0.25):
        assert len({ac.grad(f)(number(s)).item() for f in (first, second, third)}) == 1


# -- the package and its example --------------------------------------------------------------------------------------


def test_teaching_is_loaded_when_asked_for_and_draws_in_nothing_heavy() -> None:
    code = (
        "import sys, alice_core; assert 'alice_core.teaching' not in sys.modules;"
        "from alice_core import teaching; assert not {'matplotlib', 'sympy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_pictures_without_matplotlib(monkeypatch, tmp_path) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"plot: needs the package matplotlib.*pip install matplotlib"):
        teaching.difference_errors(ac.sin, 1.0).draw(tmp_path / "errors.png")
    assert list(tmp_path.iterdir()) == []


def test_the_examples_print_the_tables_and_draw_the_pictures(tmp_path, monkeypatch, capsys) -> None:
    for name in ("autodiff.py", "derivatives.py"):
        monkeypatch.setattr(sys, "argv", [name, str(tmp_path)])
        runpy.run_path(str(ROOT / "examples" / name))
    out = capsys.readouterr().out
    for text in (
        "forward mode: y = -0.796232, 180 multiplications",
        "reverse mode: y = -0.796232, 104 multiplications",
        "Both modes agree to 1e-12: True",
        "f' = a*cos(x) + b*x*cos(x) + b*sin(x)",
        "every  8: 120 runs",
    ):
        assert text in out
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["crossover.png", "depth.png", "differences.png", "swell.png"]
    for name in names:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
