"""The tangent program: forward mode as a trace of its own."""

from __future__ import annotations

import re

import numpy as np
import pytest

import alice_core as ac
from op_calls import DIFFERENTIABLE, flat_calls
from op_cases import OpCase
from test_trace import values_by_name


@pytest.mark.parametrize("case", DIFFERENTIABLE, ids=lambda case: case.name)
def test_its_results_are_those_of_jvp(case: OpCase) -> None:
    rng = np.random.default_rng(0)
    for f, xs in list(flat_calls(case))[:6]:
        floating = [x.dtype.kind == "f" for x in xs]
        tangents = [ac.tensor(rng.standard_normal(x.shape)) for x, moves in zip(xs, floating, strict=True) if moves]
        try:
            t = ac.trace(f)(*xs)
        except ac.TraceError:
            continue  # gives something else than Tensors
        program = t.forward(tangents if len(tangents) != 1 else tangents[0])
        given = iter(tangents)
        full = tuple(next(given) if moves else ac.zeros_like(x) for x, moves in zip(xs, floating, strict=True))
        _, wanted = ac.jvp(lambda *ys, f=f: f(*ys), tuple(xs), full)
        for y, dy in zip(program.outputs, wanted if isinstance(wanted, (tuple, list)) else [wanted], strict=True):
            if y.dtype.kind == "f":
                np.testing.assert_array_equal(y.numpy(), dy.numpy())
        values_by_name(program)


def test_it_can_be_read() -> None:
    t = ac.trace(lambda x, y: ac.sin(x) * y + 3.0)(ac.tensor(0.5), ac.tensor(2.0))
    lines = [re.sub(" *#.*", "", line) for line in str(t.forward()).splitlines()]
    assert lines == [
        "tangent(a': float32[], b': float32[]) {",
        "  c'1: float32[] = cos(a)",
        "  c': float32[] = strong_mul(a', c'1)",
        "  d'1: float32[] = multiply(c', b)",
        "  d'2: float32[] = multiply(b', c)",
        "  d': float32[] = add(d'1, d'2)",
        "  e': float32[] = d'",
        "  return e'",
        "}",
    ]
    assert "tangent of sin" in str(t.forward())


def test_derived_programs_are_drawn_alone() -> None:
    """With what they read of the trace."""
    t = ac.trace(lambda x: ac.sin(x) * x)(ac.tensor(0.5))
    for program in (t.forward(), t.reverse()):
        drawing = program.to_dot()
        assert f"cluster_{program.kind}" in drawing
        assert '[label="a", shape=plaintext]' in drawing


def test_of_some_inputs() -> None:
    W = ac.tensor(3.0).requires_grad_()
    t = ac.trace(lambda x, n: x * W + n)(ac.tensor(0.5), ac.tensor(2))
    assert [x.item() for x in t.forward([1.0, None]).outputs] == [3.0]
    assert [x.item() for x in t.forward([None, 1.0]).outputs] == [0.5]
    assert [x.item() for x in t.forward().outputs] == [3.5]
    assert set(t.forward().tangents) == {"a", "c", "d", "f"}
    still = ac.trace(lambda x: (x * 2.0, ac.stop_gradient(x)))(ac.ones(2)).forward()
    assert [str(end) for end in still.ends] == ["b'", "0"]
    np.testing.assert_array_equal(still.outputs[1].numpy(), [0.0, 0.0])


def test_abstract() -> None:
    t = ac.trace(lambda x: ac.tanh(x) @ x)(ac.abstract((3, 3)))
    assert t.forward().outputs[0].is_abstract
    assert t.forward().outputs[0].shape == (3, 3)


def test_what_it_refuses() -> None:
    t = ac.trace(lambda x: x * x)(ac.ones(2))
    with pytest.raises(ac.ShapeError, match=r"must have the shape of the input; expected \(2,\), got \(3,\)"):
        t.forward(ac.ones(3))
    with pytest.raises(ac.ShapeError, match="expected 2 tangents"):
        ac.trace(lambda x, y: x * y)(1.0, 2.0).forward([ac.tensor(1.0)])
    with pytest.raises(ac.GradientError, match="got a tangent program"):
        t.forward().forward()
    with pytest.raises(ac.GradientError, match="got a tangent program"):
        t.forward().reverse(ac.ones(2))
    with pytest.raises(ac.GradientError, match="expected a floating argument"):
        ac.trace(lambda x: x + 1)(ac.tensor(1)).forward()
