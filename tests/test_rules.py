"""The JVP rules, primitive by primitive, against the VJP rules: ``w · (J v) = (w J) · v``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import alice_core as ac
from op_cases import OpCase
from rule_checks import (
    ATTRIBUTES,
    CASES,
    ELEMENTWISE,
    check_transposed,
    differentiable_calls,
    flat,
    has_jvp,
    like,
    numbers,
    pulled,
    pushforward,
)


@pytest.mark.notes("M206")
def test_every_primitive_has_rules() -> None:
    primitives = ac.primitives()
    lacking = {n for n, p in primitives.items() if p.batch_rule is None or (p.differentiable and not has_jvp(p))}
    assert not lacking, f"without rules: {sorted(lacking)}"


@pytest.mark.notes("X10")
@pytest.mark.parametrize("case", [c for c in CASES if c.grad and "float64" in c.dtypes], ids=lambda c: c.name)
def test_jvp_is_the_transpose_of_vjp(case: OpCase) -> None:
    for f, xs in differentiable_calls(case):
        check_transposed(f, xs)
        if case.second_order:
            ws = like(flat(f(*xs)), np.random.default_rng(1))
            check_transposed(pulled(f, len(xs)), [*xs, *ws])


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (ac.log, 0.0), (ac.log1p, -1.0), (ac.log2, 0.0), (ac.log10, 0.0), (ac.sqrt, 0.0), (ac.rsqrt, 0.0),
        (ac.reciprocal, 0.0), (ac.asin, 1.0), (ac.acos, -1.0), (ac.acosh, 1.0), (ac.atanh, 1.0), (ac.exp, 1e4),
        (ac.sinh, 1e4), (lambda x: 1.0 / x, 0.0), (lambda x: x / 0.0, 1.0), (lambda x: x**-1, 0.0),
        (lambda x: ac.xlogy(x, 0.0), 1.0), (ac.norm, [0.0, 0.0]), (ac.std, [3.0, 3.0]), (ac.prod, [math.inf, 0.0]),
        (ac.logsumexp, [-math.inf, -math.inf]), (ac.max, [math.nan, 1.0]),
        (lambda x: ac.losses.cross_entropy(x, ac.tensor([0.0, 1.0], dtype=ac.float64)), [0.0, -math.inf]),
        (lambda q: ac.losses.cross_entropy(ac.tensor([0.0, -math.inf], dtype=ac.float64), q), [0.0, 1.0]),
    ],
)  # fmt: skip
def test_zero_tangent_stays_zero(f: Callable[..., Any], x: Any) -> None:
    point, weight = ac.tensor(np.array(x)), ac.tensor(np.array(1.0))
    still = ac.zeros(point.shape, ac.float64)
    (dy,) = pushforward(f, [point], [still])
    assert dy.item() == 0.0
    (dx,) = pushforward(pulled(f, 1), [point, weight], [still, ac.zeros((), ac.float64)])
    assert dx.tolist() == still.tolist()


@pytest.mark.parametrize("f", [ac.std, ac.var, ac.mean, ac.prod, ac.logsumexp])
def test_derivatives_of_rows_of_one_item(f: Callable[..., Any]) -> None:
    x = np.array([[1.5], [0.0], [-2.0]])
    for outer, inner in itertools.product((ac.jacrev, ac.jacfwd), repeat=2):
        second = outer(inner(lambda x: ac.sum(f(x, axis=1))))(x)
        assert not second.numpy().any()


def test_the_branch_not_taken_adds_no_tangent() -> None:
    x, v = ac.tensor(np.array([4.0, 0.0])), ac.tensor(np.array([1.0, 1.0]))
    (dy,) = pushforward(lambda x: ac.where(x > 0, ac.sqrt(x), 0.0), [x], [v])
    assert dy.tolist() == [0.25, 0.0]


@pytest.mark.notes("X04")
@pytest.mark.parametrize("name", sorted(n for n, p in ELEMENTWISE.items() if p.differentiable))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_elementwise_jvp_of_any_shapes(name: str, data: st.DataObject) -> None:
    """Also those gradient kernels whose operands always have one shape, until one of them comes in a batch."""
    p = ELEMENTWISE[name]
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=p.n_inputs, max_dims=3, max_side=4)).input_shapes
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    operands = [ac.tensor(numbers(name, rng, shape, i)) for i, shape in enumerate(shapes)]
    chosen = [i for i, x in enumerate(operands) if x.dtype.kind == "f"]

    def f(*xs: ac.Tensor) -> ac.Tensor:
        full = list(operands)
        for i, x in zip(chosen, xs, strict=True):
            full[i] = x
        result: ac.Tensor = p(*full, *ATTRIBUTES.get(name, ()))
        return result

    check_transposed(f, [operands[i] for i in chosen])


def test_a_tangent_goes_the_way_of_a_cast() -> None:
    x = ac.tensor(np.array([1.5, 2.5], np.float32))
    (dy,) = pushforward(lambda x: ac.astype(x, ac.float64), [x], [ac.tensor(np.array([1.0, 2.0], np.float32))])
    assert dy.dtype == "float64"
    assert dy.tolist() == [1.0, 2.0]
    (dy,) = pushforward(lambda x: ac.astype(ac.astype(x, ac.int32), ac.float32), [x], [x])
    assert dy.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("ignored", [None, 1])
@pytest.mark.parametrize("reduction", [0, 1, 2])
@pytest.mark.parametrize("probabilities", [False, True])
def test_rules_of_a_batch_of_cross_entropies(probabilities: bool, reduction: int, ignored: int | None) -> None:
    """Derivatives of what the batch rule has made; a batch of batches too."""
    rng = np.random.default_rng(4)
    p = ac.primitives()["cross_entropy"]
    for batch_axes in (0, 1, 2):
        x = ac.tensor(rng.standard_normal((2, 3, 4, 5)))
        labels = ac.tensor(rng.integers(0, 5, (2, 3, 4)))
        options = (reduction, None if probabilities else ignored, 0.1, batch_axes)
        if probabilities:
            q = ac.tensor(rng.random((2, 3, 4, 5)))
            f: Callable[..., Any] = lambda x, q, options=options: p(x, q, *options)[0]  # noqa: E731
            xs = [x, q]
        else:
            f = lambda x, labels=labels, options=options: p(x, labels, *options)[0]  # noqa: E731
            xs = [x]
        check_transposed(f, xs)
        check_transposed(pulled(f, len(xs)), [*xs, *like(flat(f(*xs)), rng)])
