"""The algorithms of the lecture notes against the engine's own forward mode."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from alice_core import teaching

RNG = np.random.default_rng(0)


@pytest.mark.notes("M012", "M217")
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=6),
    st.sampled_from([None, ac.tanh, ac.sigmoid, ac.gelu, ac.sin]),
    st.integers(0, 99),
)
def test_a_pass_of_forward_mode_is_the_engines_jvp(widths, activation, seed) -> None:
    rng = np.random.default_rng(seed)
    layers = teaching.fully_connected_layers(widths, activation, seed=seed)
    x = ac.tensor(rng.standard_normal(widths[0]))
    weights = [layer.weights for layer in layers]
    directions = [{name: ac.tensor(rng.standard_normal(w.shape)) for name, w in ws.items()} for ws in weights]
    y, dy = ac.jvp(lambda ws: teaching.evaluate(layers, x, ws), (weights,), (directions,))
    np.testing.assert_allclose(
        [v.item() for v in teaching.jvp_pass(layers, x, directions)], [y.item(), dy.item()], rtol=1e-12, atol=1e-12
    )


def test_tangent_matrices_are_the_engines_jvps_of_basis_vectors() -> None:
    """Column k of W^_1, at the end, is the derivative of the last output in the direction of weight k."""
    layers = teaching.fully_connected_layers([3, 4, 2], ac.tanh)
    x = ac.tensor(RNG.standard_normal(3))
    tangent = teaching.forward_mode(layers, x)["W^_1"]
    W, b = (layers[0].weights[name] for name in ("W", "b"))
    for k, e in enumerate(ac.eye(12, dtype=ac.float64)):
        _, column = ac.jvp(lambda W: layers[1](layers[0].f(x, {"W": W, "b": b})), (W,), (e.reshape(4, 3),))
        np.testing.assert_allclose(tangent[:, k].numpy(), column.numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("f", [
    lambda x: ac.outer(ac.sin(x), ac.exp(x)),
    lambda x: ac.softmax(x * x),
    lambda x: ac.logsumexp(x),
    lambda x: ac.relu(x) + ac.log(ac.abs(x)),
])  # fmt: skip
def test_a_jvp_out_of_vjps_is_the_engines_jvp(f) -> None:
    x, v = (ac.tensor(RNG.standard_normal(4)) for _ in range(2))
    for ours, engines in zip(teaching.jvp_from_vjps(f, (x,), (v,)), ac.jvp(f, (x,), (v,)), strict=True):
        np.testing.assert_allclose(ours.numpy(), engines.numpy(), rtol=1e-13, atol=1e-14)


@pytest.mark.notes("X10")
@pytest.mark.parametrize("f", [ac.sin, ac.tanh, ac.sigmoid, lambda x: x**3])
def test_the_dot_products_of_both_modes_agree(f) -> None:
    """<u, J v> = <J^T u, v>."""
    x, u, v = (ac.tensor(RNG.standard_normal(5)) for _ in range(3))
    _, pullback = ac.vjp(f, x)
    _, dy = ac.jvp(f, (x,), (v,))
    np.testing.assert_allclose(ac.sum(u * dy).item(), ac.sum(pullback(u)[0] * v).item(), rtol=1e-13, atol=1e-14)
