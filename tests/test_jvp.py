"""Forward mode: values of tangents, nesting of the modes, arguments, errors, compiled runs."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import alice_core as ac
from alice_core import tree
from derivative_modes import MODES, normal, scalar, vector
from op_calls import DIFFERENTIABLE as CASES
from op_calls import flat_calls
from op_cases import OpCase
from random_programs import compare


def dot(a: Any, b: Any) -> tuple[float, float]:
    """The inner product of two structures, and the size of its terms."""
    pairs = [(x.numpy(), y.numpy()) for x, y in zip(tree.leaves(a), tree.leaves(b), strict=True)]
    total, size = 0.0, 0.0
    for x, y in pairs:
        total += float(np.vdot(x, y))
        size += float(np.abs(x * y).sum())
    return total, size


# -- every op ---------------------------------------------------------------------------------------------------------


@pytest.mark.notes("X10")
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_forward_and_reverse_agree(case: OpCase) -> None:
    """Row X10: w · (J v) = (wᵀ J) · v."""
    rng = np.random.default_rng(0)
    for f, xs in flat_calls(case):
        vs = [normal(rng, x) for x in xs]
        y, dy = ac.jvp(f, xs, vs)
        compare(f(*xs), y)
        w = tree.map(lambda o: normal(rng, o), y)
        (left, size), (right, other) = dot(w, dy), dot(vs, list(ac.vjp(f, *xs)[1](w)))
        assert abs(left - right) <= 1e-12 * (1.0 + size + other), (case.name, left, right)


@pytest.mark.parametrize("case", [c for c in CASES if c.second_order], ids=lambda c: c.name)
def test_forward_over_reverse_and_reverse_over_forward_agree(case: OpCase) -> None:
    """Both are the Hessian of w · f times v."""
    rng = np.random.default_rng(1)
    for f, xs in flat_calls(case):
        vs = [normal(rng, x) for x in xs]
        w = tree.map(lambda o: normal(rng, o), f(*xs))

        def value(*ys: ac.Tensor, f: Any = f, w: Any = w) -> ac.Tensor:
            terms = zip(tree.leaves(w), tree.leaves(f(*ys)), strict=True)
            return sum((ac.sum(a * y) for a, y in terms), start=scalar(0.0))

        every = tuple(range(len(xs)))
        _, forward = ac.jvp(ac.grad(value, argnums=every), xs, vs)
        reverse = ac.grad(lambda *ys, vs=vs, value=value: ac.jvp(value, ys, vs)[1], argnums=every)(*xs)
        for a, b in zip(forward, reverse, strict=True):
            scale = 1.0 + np.abs(b.numpy()).max(initial=0.0)
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-10 * scale, err_msg=case.name)


@pytest.mark.parametrize("case", [c for c in CASES if "float32" in c.dtypes], ids=lambda c: c.name)
def test_float32_tangents_stay_float32(case: OpCase) -> None:
    for f, xs in flat_calls(case):
        narrow = [x.astype(ac.float32) for x in xs]
        y, dy = ac.jvp(f, narrow, [ac.ones_like(x) for x in narrow])
        for a, b in zip(tree.leaves(y), tree.leaves(dy), strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype), case.name


@pytest.mark.notes("M012")
def test_directional_derivative() -> None:
    """Row M012: grad f · v, linear in v, near the central difference."""

    def f(x: ac.Tensor) -> ac.Tensor:
        return x[0] ** 2 * x[1] + ac.sin(x[2])

    x, v = vector(1.0, 2.0, 0.5), vector(3.0, -1.0, 2.0)
    y, dy = ac.jvp(f, [x], [v])
    assert y.item() == f(x).item()
    np.testing.assert_allclose(dy.item(), (ac.grad(f)(x) @ v).item(), rtol=1e-12)
    h = 1e-6
    np.testing.assert_allclose(dy.item(), ((f(x + h * v) - f(x - h * v)) / (2 * h)).item(), rtol=1e-8)
    np.testing.assert_allclose(ac.jvp(f, [x], [v * -4.0])[1].item(), -4.0 * dy.item(), rtol=1e-12)


@pytest.mark.notes("M013", "M014")
def test_columns_of_the_jacobian() -> None:
    """Rows M013, M014: f = (x1 x2, sin x1, x2²) at (1, 2); c and d differ."""

    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.stack([x[0] * x[1], ac.sin(x[0]), x[1] ** 2])

    x = vector(1.0, 2.0)
    columns = [ac.jvp(f, [x], [e])[1].numpy() for e in (vector(1, 0), vector(0, 1))]
    np.testing.assert_allclose(np.stack(columns, axis=1), [[2, 1], [0.5403023058681398, 0], [0, 4]], rtol=1e-15)


# -- nesting ----------------------------------------------------------------------------------------------------------


def words(n: int) -> pytest.MarkDecorator:
    """All combinations of modes, the outermost first."""
    return pytest.mark.parametrize(
        "modes", list(product(MODES, repeat=n)), ids=lambda w: "-".join(m.__name__ for m in w)
    )


@words(3)
def test_third_derivatives_in_all_modes(modes: tuple[Any, ...]) -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        return x * ac.sin(x)

    x, d = 0.7, f
    for mode, want in zip(
        reversed(modes),
        (
            math.sin(x) + x * math.cos(x),
            2 * math.cos(x) - x * math.sin(x),
            -3 * math.sin(x) - x * math.cos(x),
        ),
        strict=True,
    ):
        d = mode(d)
        np.testing.assert_allclose(d(scalar(x)).item(), want, rtol=1e-13)


@words(2)
def test_an_inner_derivative_that_closes_over_the_outer_variable(modes: tuple[Any, ...]) -> None:
    """Perturbation confusion (Siskind and Pearlmutter, 2005): tangents of two contexts are not one."""
    outer, inner = modes
    # d/dx [x · d/dy (x + y)] = d/dx x = 1; confused: 2.
    assert outer(lambda x: x * inner(lambda y: x + y)(scalar(1.0)))(scalar(1.0)).item() == 1.0
    # d/dx [x · d/dy (x y)], taken at a constant y and at y = x: both 2 x.
    assert outer(lambda x: x * inner(lambda y: x * y)(scalar(2.0)))(scalar(3.0)).item() == 6.0
    assert outer(lambda x: x * inner(lambda y: x * y)(x))(scalar(3.0)).item() == 6.0
    # d/dx [d/dy (x² y³) at y = x] = d/dx 3 x⁴ = 12 x³.
    assert outer(lambda x: inner(lambda y: x**2 * y**3)(x))(scalar(2.0)).item() == 96.0
    # The inner derivative of what depends on the outer variable alone is zero, and so is its own derivative.
    assert outer(lambda x: inner(lambda y: x**2)(x))(scalar(2.0)).item() == 0.0
    # An inner derivative of the very outer function (Manzyuk et al., 2019): (D (D sin))(x) = -sin x.
    shifted = inner(lambda x: outer(lambda u: ac.sin(x + u))(scalar(0.0)))
    np.testing.assert_allclose(shifted(scalar(0.3)).item(), -math.sin(0.3), rtol=1e-14)


@words(3)
def test_three_levels_that_close_over_each_other(modes: tuple[Any, ...]) -> None:
    """d/dx [x · d/dy [y · d/dz (x y z²) at z = y] at y = x] = d/dx [x · 6 x³] = 24 x³."""
    first, second, third = modes

    def f(x: ac.Tensor) -> ac.Tensor:
        return x * second(lambda y: y * third(lambda z: x * y * z**2)(y))(x)

    np.testing.assert_allclose(f(scalar(1.5)).item(), 6 * 1.5**4, rtol=1e-14)
    np.testing.assert_allclose(first(f)(scalar(1.5)).item(), 24 * 1.5**3, rtol=1e-14)


@words(3)
def test_several_variables_three_levels_deep(modes: tuple[Any, ...]) -> None:
    """∂³/∂x∂y∂z exp(x y z) = (1 + 3 t + t²) exp t for t = x y z, each variable in a context of its own."""
    dx, dy, dz = modes

    def mixed(x: ac.Tensor, y: ac.Tensor, z: ac.Tensor) -> ac.Tensor:
        return dx(lambda x: dy(lambda y: dz(lambda z: ac.exp(x * y * z))(z))(y))(x)

    t = 0.3 * 0.5 * 0.7
    got = mixed(scalar(0.3), scalar(0.5), scalar(0.7))
    np.testing.assert_allclose(got.item(), (1 + 3 * t + t**2) * math.exp(t), rtol=1e-13)


@pytest.mark.parametrize("outer", MODES)
def test_a_direction_may_depend_on_an_outer_variable(outer: Any) -> None:
    """d/dx [f'(x) · x²] for f = sin."""
    d = outer(lambda x: ac.jvp(ac.sin, [x], [x**2])[1])(scalar(0.4))
    np.testing.assert_allclose(d.item(), 2 * 0.4 * math.cos(0.4) - 0.4**2 * math.sin(0.4), rtol=1e-14)
    # A direction alone may: the point is constant.
    d = outer(lambda v: ac.jvp(ac.sin, [scalar(0.4)], [v**2])[1])(scalar(3.0))
    np.testing.assert_allclose(d.item(), 6 * math.cos(0.4), rtol=1e-14)


def test_the_value_belongs_to_the_outer_contexts_only() -> None:
    """d/dx of the value that jvp returns: the inner tangent is gone, the outer dependence is not."""
    for outer in MODES:
        d = outer(lambda x: ac.jvp(lambda y: x * y**2, [scalar(3.0)], [scalar(1.0)])[0])(scalar(2.0))
        assert d.item() == 9.0
        d = outer(lambda x: ac.jvp(lambda y: y**2, [x], [scalar(5.0)])[0])(scalar(2.0))
        assert d.item() == 4.0


def test_a_value_that_escapes_from_its_context_is_a_constant() -> None:
    escaped = []

    def f(x: ac.Tensor) -> ac.Tensor:
        escaped.append(x * x)
        return x

    ac.jvp(f, [scalar(3.0)], [scalar(1.0)])
    _, dy = ac.jvp(lambda z: z * escaped[0], [scalar(2.0)], [scalar(1.0)])
    assert dy.item() == 9.0
    # While an enclosing context goes on, the value still belongs to it.
    d = ac.grad(lambda w: (ac.jvp(lambda x: f(x * w), [scalar(3.0)], [scalar(1.0)]), escaped[-1])[1])(scalar(2.0))
    assert d.item() == 36.0  # d/dw (3 w)²


def test_gradients_that_backward_adds_up_of_a_tangent() -> None:
    w = scalar(2.0).requires_grad_()
    _, dy = ac.jvp(lambda x: w**2 * x**3, [scalar(1.5)], [scalar(2.0)])
    dy.backward()  # d/dw of 3 w² x² v
    np.testing.assert_allclose(w.grad.item(), 6 * 2.0 * 1.5**2 * 2.0, rtol=1e-15)


def test_jvp_inside_no_grad() -> None:
    with ac.no_grad():
        y, dy = ac.jvp(lambda x: x**3, [scalar(2.0)], [scalar(1.0)])
        assert (y.item(), dy.item()) == (8.0, 12.0)
        assert ac.jvp(ac.grad(lambda x: x**3), [scalar(2.0)], [scalar(1.0)])[1].item() == 12.0


@pytest.mark.parametrize(
    "wrap",
    [
        lambda f: f,
        ac.compile,
        ac.checkpoint,
        lambda f: lambda x: ac.cond(x > 0.0, f, f, x),
        lambda f: lambda x: ac.scan(lambda c, _: (f(c), None), x, None, length=1)[0],
        lambda f: lambda x: ac.vmap(f)(ac.stack([x, x]))[0],
        lambda f: lambda x: ac.jvp(lambda y: f(y) * 2.0, [x], [ac.ones_like(x)])[0] * 0.5,
    ],
)
def test_what_no_grad_hides_is_constant_in_every_mode(wrap: Any) -> None:
    @ac.no_grad()
    def hidden(x: ac.Tensor) -> ac.Tensor:
        return ac.sin(x)

    f, x = wrap(lambda x: hidden(x) * x), scalar(0.4)
    expected = ac.sin(x)
    assert ac.jvp(f, [x], [scalar(1.0)])[1] == expected
    assert ac.linearize(f, x)[1](scalar(1.0)) == expected
    for way in (ac.grad, ac.jacfwd, ac.jacrev, lambda f: ac.compile(ac.jacfwd(f))):
        assert way(f)(x) == expected
    assert ac.jvp(ac.grad(f), [x], [scalar(1.0)])[1] == 0.0


def test_a_mode_left_open_ends_after_the_context_that_it_mutes() -> None:
    def generator() -> Iterator[None]:
        with ac.no_grad():
            yield

    kept: list[Any] = []

    def f(x: ac.Tensor) -> ac.Tensor:
        kept.append(generator())
        next(kept[-1])
        return x * x

    assert ac.jvp(f, [scalar(3.0)], [scalar(1.0)])[1].item() == 0.0
    kept.pop().close()
    assert ac.jvp(lambda x: x * x, [scalar(3.0)], [scalar(1.0)])[1].item() == 6.0


# -- what f may do ----------------------------------------------------------------------------------------------------


def test_control_flow_on_values() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        steps = 0
        while x < 100.0:
            x = x * x if x > 1.0 else x + 1.0
            steps += 1
        return -x if steps % 2 else x

    for at, value, slope in ((0.5, -(1.5**16), -16 * 1.5**15), (3.0, -6561.0, -8 * 3.0**7), (200.0, 200.0, 1.0)):
        y, dy = ac.jvp(f, [scalar(at)], [scalar(1.0)])
        np.testing.assert_allclose([y.item(), dy.item()], [value, slope], rtol=1e-14)


def test_stop_gradient_has_no_tangent() -> None:
    y, dy = ac.jvp(lambda x: x * ac.stop_gradient(x), [scalar(3.0)], [scalar(1.0)])
    assert (y.item(), dy.item()) == (9.0, 3.0)
    y, dy = ac.jvp(ac.stop_gradient, [vector(3.0, 1.0)], [vector(1.0, 1.0)])
    assert y.tolist() == [3.0, 1.0]
    assert dy.tolist() == [0.0, 0.0]
    # It stops every context that is open: d/dx [9 x].
    assert ac.grad(lambda x: ac.jvp(lambda y: ac.stop_gradient(x * y) * y, [x], [x])[1])(scalar(3.0)).item() == 9.0


def test_what_does_not_depend_on_the_point_has_a_zero_tangent() -> None:
    c = vector(1.0, 2.0)
    y, dy = ac.jvp(lambda x: (c, x, x > 0.0, ac.zeros((0, 3))), [scalar(3.0)], [scalar(2.0)])
    assert [t.shape for t in dy] == [(2,), (), (), (0, 3)]
    assert dy[0].tolist() == [0.0, 0.0]
    assert dy[0].dtype == ac.float64
    assert dy[1].item() == 2.0
    assert not dy[2].item()
    assert y[2].item()


def test_results_that_are_arguments_or_come_twice() -> None:
    x, v = vector(1.0, 2.0), vector(3.0, 4.0)
    y, dy = ac.jvp(lambda x: [x, x, x.T], [x], [v])
    assert [t.tolist() for t in y] == [[1.0, 2.0]] * 3
    assert [t.tolist() for t in dy] == [[3.0, 4.0]] * 3


def test_strong_zero() -> None:
    """A tangent of exactly 0 stays 0 where the derivative is infinite, so untaken branches do no harm."""
    for f in (ac.log, ac.sqrt, lambda x: 1.0 / x, lambda x: x**0.5):
        assert ac.jvp(f, [scalar(0.0)], [scalar(0.0)])[1].item() == 0.0
    for f in (lambda x: ac.where(x > 0, ac.log(x), 0.0), lambda x: ac.where(x > 0, ac.sqrt(x), x)):
        _, dy = ac.jvp(lambda x, f=f: f(x * 0.0), [vector(0.0, 1.0)], [vector(1.0, 1.0)])
        assert dy.tolist() == [0.0, 0.0]


def test_structures() -> None:
    def f(layers: list[dict[str, ac.Tensor]], scale: ac.Tensor) -> dict[str, Any]:
        first, second = layers
        h = ac.tanh(first["W"] @ second["b"]) * scale
        return {"h": h, "parts": (first["W"] * 2.0, [second["b"]])}

    rng = np.random.default_rng(2)
    xs = ([{"W": ac.tensor(rng.standard_normal((2, 3)))}, {"b": ac.tensor(rng.standard_normal(3))}], scalar(0.5))
    vs = tree.map(lambda x: normal(rng, x), xs)
    y, dy = ac.jvp(f, xs, vs)
    assert list(y) == list(dy) == ["h", "parts"]
    assert isinstance(dy["parts"], tuple)
    assert isinstance(dy["parts"][1], list)
    np.testing.assert_array_equal(dy["parts"][0].numpy(), 2 * vs[0][0]["W"].numpy())
    np.testing.assert_array_equal(dy["parts"][1][0].numpy(), vs[0][1]["b"].numpy())
    W, b, dW, db = (s[0][k]["Wb"[k]].numpy() for s in (xs, vs) for k in (0, 1))
    a = np.tanh(W @ b)
    want = (1 - a**2) * (dW @ b + W @ db) * 0.5 + a * vs[1].item()
    np.testing.assert_allclose(dy["h"].numpy(), want, rtol=1e-13)


def test_numbers_and_arrays_as_arguments() -> None:
    y, dy = ac.jvp(lambda a, b: a * b, (2.0, np.array([1.0, 3.0])), (1, np.array([0.5, 0.5])))
    assert y.tolist() == [2.0, 6.0]
    assert dy.tolist() == [2.0, 4.0]
    assert dy.dtype == ac.float64
    assert ac.jvp(lambda x: x * x, [3.0], [1])[1].dtype == ac.float32


@given(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), st.integers(0, 99))
def test_any_shape(shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, v = (ac.tensor(np.asarray(rng.standard_normal(shape))) for _ in range(2))
    y, dy = ac.jvp(lambda x: ac.sum(ac.sin(x) * x, axis=None), [x], [v])
    a, b = x.numpy(), v.numpy()
    np.testing.assert_allclose(y.item(), (np.sin(a) * a).sum(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dy.item(), ((np.cos(a) * a + np.sin(a)) * b).sum(), rtol=1e-12, atol=1e-12)


@pytest.mark.notes("X03")
def test_long_chains_and_what_they_keep() -> None:
    """Row X03: no recursion; and no value outlives its last use."""
    seen: list[Any] = []

    def f(x: ac.Tensor) -> ac.Tensor:
        for i in range(20_000):
            x = x + 1.0
            if i == 100:
                seen.append(weakref.ref(x))
        gc.collect()
        assert seen[0]() is None, "a value in the middle of the chain is still there"
        return x

    y, dy = ac.jvp(f, [scalar(0.0)], [scalar(2.0)])
    assert (y.item(), dy.item()) == (20_000.0, 2.0)


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [3, True, np.arange(3), ac.tensor([1, 2]), None, "a"])
def test_points_must_be_floating(x: Any) -> None:
    with pytest.raises(ac.DTypeError, match=r"^jvp: "):
        ac.jvp(lambda x: x, [x], [x])
    with pytest.raises(ac.DTypeError, match=r"^linearize: "):
        ac.linearize(lambda x: x, x)


@pytest.mark.parametrize(
    ("xs", "vs"),
    [
        ([1.0], [ac.ones(1)]),
        ([ac.ones((2, 3))], [ac.ones((3, 2))]),
        ([ac.ones((2, 3))], [1.0]),
        ([1.0, 2.0], [1.0]),
        ([1.0], []),
        ([[1.0, 2.0]], [[1.0]]),
        ([{"a": ac.ones(2)}], [{"a": ac.ones(3)}]),
    ],
)
def test_directions_must_fit(xs: Any, vs: Any) -> None:
    with pytest.raises(ac.ShapeError, match=r"^jvp: "):
        ac.jvp(lambda *xs: xs[0], xs, vs)
    _, f_jvp = ac.linearize(lambda *xs: xs[0], *xs)
    with pytest.raises(ac.ShapeError, match=r"^linearize: "):
        f_jvp(*vs)


def test_results_must_be_tensors() -> None:
    with pytest.raises(ac.GradientError, match=r"^jvp: .* must return Tensors; got float"):
        ac.jvp(lambda x: float(ac.stop_gradient(x)), [1.0], [1.0])


def test_an_exception_inside_leaves_everything_usable() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        raise KeyError("mine")

    for outer in MODES:
        with pytest.raises(KeyError, match="mine"):
            outer(lambda x: ac.jvp(f, [x * 2.0], [x])[1])(scalar(1.0))
        assert ac.jvp(lambda x: x**3, [scalar(2.0)], [scalar(1.0)])[1].item() == 12.0
        assert outer(lambda x: x**2)(scalar(3.0)).item() == 6.0


# -- compiled ---------------------------------------------------------------------------------------------------------


def model(x: ac.Tensor) -> ac.Tensor:
    h = ac.tanh(x @ ac.ones((4, 3), dtype=x.dtype) * 0.3 + 0.1)
    return ac.logsumexp(h * ac.exp(-h), axis=-1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_jvp_gives_the_same_bits(dtype: str) -> None:
    rng = np.random.default_rng(3)
    x, v = (ac.tensor(rng.standard_normal((5, 4)), dtype=dtype) for _ in range(2))

    def once(x: ac.Tensor, v: ac.Tensor) -> Any:
        return ac.jvp(model, [x], [v])

    def of_gradient(x: ac.Tensor, v: ac.Tensor) -> Any:
        return ac.jvp(ac.grad(lambda x: ac.sum(model(x))), [x], [v])

    def gradient_of(x: ac.Tensor, v: ac.Tensor) -> Any:
        return ac.grad(lambda x: ac.sum(ac.jvp(model, [x], [v])[1]))(x)

    def linearized(x: ac.Tensor, v: ac.Tensor) -> Any:
        y, f_jvp = ac.linearize(model, x)
        return y, f_jvp(v), f_jvp(v * 2.0)

    for f in (once, of_gradient, gradient_of, linearized):
        compiled = ac.compile(f)
        for _ in range(2):
            compare(f(x, v), compiled(x, v))


def test_jvp_of_a_compiled_function() -> None:
    x, v = ac.ones((2, 4)), ac.full((2, 4), 0.5)
    compare(ac.jvp(model, [x], [v]), ac.jvp(ac.compile(model), [x], [v]))


def test_a_captured_parameter_inside_of_a_compiled_jvp() -> None:
    w = ac.tensor(2.0).requires_grad_()

    @ac.compile
    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.jvp(lambda x: w * x**2, [x], [1.0])[1]

    assert f(ac.tensor(3.0)).item() == 12.0
    w.assign_(5.0)
    assert f(ac.tensor(3.0)).item() == 30.0
