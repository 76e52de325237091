"""Jacobians, Hessians and their products: closed forms, central differences, structures, chunks, compiled runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac
from alice_core import tree
from random_programs import compare

Array = npt.NDArray[Any]

BOTH = pytest.mark.parametrize("jac", [ac.jacrev, ac.jacfwd, ac.jacobian], ids=["jacrev", "jacfwd", "jacobian"])
ALL = pytest.mark.parametrize("transform", [ac.jacrev, ac.jacfwd, ac.jacobian, ac.hessian], ids=lambda t: t.__name__)


def vector(*xs: float) -> ac.Tensor:
    return ac.tensor(list(xs), dtype=ac.float64)


def normal(*shape: int, seed: int = 0, dtype: Any = ac.float64) -> ac.Tensor:
    return ac.tensor(np.asarray(np.random.default_rng(seed).standard_normal(shape)), dtype=dtype)


def close(got: Any, want: Any, rtol: float = 1e-12) -> None:
    """The same structure, shapes, and numbers up to rtol of the largest."""
    if isinstance(want, (list, tuple, dict)):
        assert type(got) is type(want)
        assert len(got) == len(want)
        if isinstance(want, dict):
            assert list(got) == list(want)
        for key in want if isinstance(want, dict) else range(len(want)):
            close(got[key], want[key], rtol)
        return
    g, w = (x.numpy() if isinstance(x, ac.Tensor) else np.asarray(x) for x in (got, want))
    assert g.shape == w.shape
    np.testing.assert_allclose(g, w, rtol=rtol, atol=rtol * (1.0 + np.abs(w).max(initial=0.0)))


def numerical(f: Callable[[ac.Tensor], ac.Tensor], x: ac.Tensor, h: float = 1e-6) -> Array:
    """The Jacobian by central differences, shape f(x).shape + x.shape."""
    out = np.empty((*f(x).shape, *x.shape))
    for i in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[i] = h
        out[(..., *i)] = ((f(x + step) - f(x - step)) / (2 * h)).numpy()
    return out


# -- closed forms -----------------------------------------------------------------------------------------------------


@pytest.mark.notes("M013")
@BOTH
def test_jacobian_of_the_notes_example(jac: Any) -> None:
    """Row M013: f = (x1 x2, sin x1, x2²) at (1, 2)."""
    f = lambda x: ac.stack([x[0] * x[1], ac.sin(x[0]), x[1] ** 2])  # noqa: E731
    close(jac(f)(vector(1.0, 2.0)), np.array([[2, 1], [0.5403023058681398, 0], [0, 4]]), rtol=1e-15)


@pytest.mark.notes("M014")
@BOTH
def test_rows_are_gradients_and_columns_are_tangents(jac: Any) -> None:
    """Row M014, with c != d."""
    A = normal(4, 3)
    f = lambda x: ac.tanh(A @ x) * x[0]  # noqa: E731
    x = normal(3, seed=1)
    J = jac(f)(x)
    assert J.shape == (4, 3)
    for i in range(4):
        close(J[i], ac.grad(lambda x, i=i: f(x)[i])(x), rtol=1e-13)
    for j in range(3):
        close(J[:, j], ac.jvp(f, [x], [ac.eye(3, dtype=ac.float64)[j]])[1], rtol=1e-13)


@pytest.mark.notes("M015")
@BOTH
def test_the_jacobian_of_a_scalar_is_the_gradient(jac: Any) -> None:
    """Row M015: shape () + (d,)."""
    f = lambda x: ac.sum(ac.exp(x) * x)  # noqa: E731
    x = normal(5)
    close(jac(f)(x), ac.grad(f)(x), rtol=1e-15)
    close(jac(lambda t: t**3)(2.0), 12.0, rtol=1e-15)


@pytest.mark.notes("M017")
@BOTH
def test_chain_rule(jac: Any) -> None:
    """Row M017: J of a composition = product of the Jacobians, outer times inner; widths 4-7-2-5."""
    A, B, C = normal(7, 4), normal(2, 7, seed=1), normal(5, 2, seed=2)
    layers = [lambda x: ac.tanh(A @ x), lambda x: ac.sin(B @ x), lambda x: ac.exp(C @ x)]
    x = normal(4, seed=3)
    total, at = ac.eye(4, dtype=ac.float64), x
    for layer in layers:
        total, at = jac(layer)(at) @ total, layer(at)
    close(jac(lambda x: layers[2](layers[1](layers[0](x))))(x), total, rtol=1e-12)


@pytest.mark.notes("M250")
@BOTH
def test_linear_projection(jac: Any) -> None:
    """Row M250: of W x, the input Jacobian is W; the weight Jacobian has rank 3: ∂(W x)_i / ∂W_kl = δ_ik x_l."""
    W, x = normal(4, 3), normal(3, seed=1)
    J_W, J_x = jac(lambda W, x: W @ x, argnums=(0, 1))(W, x)
    close(J_x, W, rtol=1e-15)
    close(J_W, np.einsum("ik,l->ikl", np.eye(4), x.numpy()), rtol=1e-15)


@pytest.mark.notes("M126")
@BOTH
def test_softmax(jac: Any) -> None:
    """Row M126: diag(p) - p pᵀ."""
    x = normal(6)
    p = ac.softmax(x)
    close(jac(ac.softmax)(x), ac.diag(p) - p.reshape(6, 1) * p, rtol=1e-14)


@pytest.mark.notes("X09")
def test_hessian_of_logsumexp() -> None:
    """Row X09: diag(p) - p pᵀ."""
    x = normal(6)
    p = ac.softmax(x)
    close(ac.hessian(ac.logsumexp)(x), ac.diag(p) - p.reshape(6, 1) * p, rtol=1e-14)


def test_hessian_of_a_quadratic_form() -> None:
    A = normal(4, 4)
    close(ac.hessian(lambda x: x @ A @ x)(normal(4, seed=1)), A + A.T, rtol=1e-14)


def test_hessian_of_several_results() -> None:
    """The Jacobian of the Jacobian: shape out.shape + in.shape + in.shape."""
    x = normal(3)
    H = ac.hessian(lambda x: x[:2] ** 3)(x)
    want = np.zeros((2, 3, 3))
    want[0, 0, 0], want[1, 1, 1] = 6 * x.numpy()[:2]
    close(H, want, rtol=1e-14)


def test_hessian_of_rosenbrock() -> None:
    f = lambda x: 100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2  # noqa: E731
    close(ac.hessian(f)(vector(1.0, 1.0)), np.array([[802.0, -400.0], [-400.0, 200.0]]), rtol=1e-14)
    close(ac.hessian(f)(vector(-1.2, 1.0)), np.array([[1330.0, 480.0], [480.0, 200.0]]), rtol=1e-13)


@pytest.mark.notes("M034")
def test_stationary_points() -> None:
    """Row M034: minima, maxima and saddles by the signs of the Hessian's eigenvalues."""
    for signs in ((1, 1), (-1, -1), (1, -1)):
        f = lambda x, s=signs: s[0] * x[0] ** 2 + s[1] * x[1] ** 2  # noqa: E731
        H = ac.hessian(f)(vector(0.0, 0.0)).numpy()
        assert sorted(np.sign(np.linalg.eigvalsh(H))) == sorted(signs)


def test_third_derivatives() -> None:
    f = lambda x: ac.sum(x**3) * x[0]  # noqa: E731
    x = vector(0.5, -1.5)
    a, b = 0.5, -1.5
    want = np.zeros((2, 2, 2))
    want[0, 0, 0] = 24 * a  # of a⁴ + a b³
    want[1, 1, 1] = 6 * a
    want[0, 1, 1] = want[1, 0, 1] = want[1, 1, 0] = 6 * b
    for outer in (ac.jacfwd, ac.jacrev):
        close(outer(ac.hessian(f))(x), want, rtol=1e-13)


# -- against central differences, any shapes --------------------------------------------------------------------------


@given(
    st.lists(st.integers(0, 3), max_size=2).map(tuple),
    st.lists(st.integers(0, 3), max_size=2).map(tuple),
    st.integers(0, 99),
)
def test_any_shapes(inside: tuple[int, ...], outside: tuple[int, ...], seed: int) -> None:
    """Shape out.shape + in.shape, also of 0-d and empty tensors, alike in both modes."""
    n, m = int(np.prod(inside)), int(np.prod(outside))
    A, x = normal(m, n, seed=seed), normal(*inside, seed=seed + 1)

    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.reshape(ac.sin(A @ ac.ravel(x)) + ac.sum(ac.square(x)), outside)

    want = numerical(f, x)
    assert want.shape == outside + inside
    for jac in (ac.jacrev, ac.jacfwd, ac.jacobian):
        close(jac(f)(x), want, rtol=1e-8)
    close(ac.jacrev(f)(x), ac.jacfwd(f)(x), rtol=1e-13)
    g = lambda x: ac.sum(f(x) * ac.cos(f(x)))  # noqa: E731
    H = ac.hessian(g)(x)
    assert H.shape == inside + inside
    close(H, numerical(ac.grad(g), x), rtol=1e-7)


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtypes(jac: Any, dtype: str) -> None:
    x = normal(3, dtype=dtype)
    assert jac(ac.tanh)(x).dtype == dtype
    assert ac.hessian(lambda x: ac.sum(ac.tanh(x)))(x).dtype == dtype
    other = ac.float64 if dtype == "float32" else ac.float32
    close(jac(lambda x: x.astype(other) * 2.0)(x), 2.0 * np.eye(3), rtol=0)


# -- structures -------------------------------------------------------------------------------------------------------

P = {"W": normal(2, 3), "b": [normal(2, seed=1), normal(seed=2)]}
X = normal(3, seed=3)


def layer(p: Any, x: ac.Tensor) -> dict[str, Any]:
    h = ac.tanh(p["W"] @ x + p["b"][0])
    return {"h": h, "parts": (ac.sum(h) * p["b"][1], [x * 2.0])}


@BOTH
def test_output_structure_outside_input_structure_inside(jac: Any) -> None:
    J = jac(layer)(P, X)
    assert list(J) == ["h", "parts"]
    assert isinstance(J["parts"], tuple)
    assert isinstance(J["parts"][1], list)
    for row, shape in ((J["h"], (2,)), (J["parts"][0], ()), (J["parts"][1][0], (3,))):
        assert list(row) == ["W", "b"]
        assert isinstance(row["b"], list)
        assert row["W"].shape == (*shape, 2, 3)
        assert [b.shape for b in row["b"]] == [(*shape, 2), shape]
    close(J["h"]["W"], numerical(lambda W: layer({**P, "W": W}, X)["h"], P["W"]), rtol=1e-8)
    close(J["parts"][0]["b"][1], layer(P, X)["h"].numpy().sum(), rtol=1e-14)
    close(J["parts"][1][0]["W"], np.zeros((3, 2, 3)))


@BOTH
def test_several_arguments(jac: Any) -> None:
    """One Jacobian per argument of argnums, inside of the output's structure."""
    both = jac(layer, argnums=(0, 1))(P, X)
    first, second = jac(layer)(P, X), jac(layer, argnums=1)(P, X)
    for path in (lambda j: j["h"], lambda j: j["parts"][0], lambda j: j["parts"][1][0]):
        close(path(both), (path(first), path(second)), rtol=1e-15)
    close(second["h"], numerical(lambda x: layer(P, x)["h"], X), rtol=1e-8)
    close(jac(layer, argnums=-1)(P, X), second, rtol=1e-15)
    close(jac(layer, argnums=[1])(P, X)["h"], (second["h"],), rtol=1e-15)


@BOTH
def test_other_arguments_are_passed_on(jac: Any) -> None:
    f = lambda x, power, *, scale: x**power * scale  # noqa: E731
    close(jac(f)(vector(1.0, 2.0), 2, scale=3.0), np.array([[6.0, 0.0], [0.0, 12.0]]), rtol=1e-15)


@BOTH
def test_zeros_where_nothing_depends(jac: Any) -> None:
    c = vector(1.0, 2.0)
    J = jac(lambda x, y: (c, y), argnums=(0, 1))(X, vector(3.0))
    close(J, ((np.zeros((2, 3)), np.zeros((2, 1))), (np.zeros((1, 3)), np.ones((1, 1)))), rtol=0)


def test_hessian_of_structures() -> None:
    """H[a][b] is the derivative by b of the gradient by a."""
    f = lambda p, x: ac.sum(layer(p, x)["h"]) ** 2 * p["b"][1]  # noqa: E731
    H = ac.hessian(f)(P, X)
    assert list(H) == ["W", "b"]
    assert list(H["W"]) == ["W", "b"]
    assert H["W"]["b"][0].shape == (2, 3, 2)
    assert H["b"][1]["W"].shape == (2, 3)
    close(H["W"]["b"][0], numerical(lambda b: ac.grad(f)({**P, "b": [b, P["b"][1]]}, X)["W"], P["b"][0]), rtol=1e-7)
    close(ac.permute_dims(H["b"][0]["W"], (1, 2, 0)), H["W"]["b"][0], rtol=1e-13)  # Schwarz
    by_p, by_x = ac.hessian(f, argnums=(0, 1))(P, X)
    close(by_p["W"][0], H["W"], rtol=1e-14)
    close(by_p["b"][1][0], H["b"][1], rtol=1e-14)
    close(by_x[1], ac.hessian(f, argnums=1)(P, X), rtol=1e-14)
    close(ac.permute_dims(by_x[0]["W"], (1, 2, 0)), by_p["W"][1], rtol=1e-13)


@ALL
def test_has_aux(transform: Any) -> None:
    def f(x: ac.Tensor) -> tuple[ac.Tensor, dict[str, Any]]:
        return ac.sum(x**2), {"x": x, "name": "sum"}

    found, aux = transform(f, has_aux=True)(X)
    close(found, transform(lambda x: f(x)[0])(X), rtol=0)
    assert aux["name"] == "sum"
    compare(X, aux["x"])


# -- products ---------------------------------------------------------------------------------------------------------


@pytest.mark.notes("X09")
def test_products_with_the_hessian() -> None:
    """Row X09: H v and vᵀ H, one entry per argument, against the whole Hessian."""
    f = lambda x: ac.logsumexp(ac.sin(x) * x) * x[0]  # noqa: E731
    x, v = normal(5), normal(5, seed=1)
    H = ac.hessian(f)(x)
    (product,) = ac.hvp(f, [x], [v])
    (other,) = ac.vhp(f, [x], [v])
    close(product, H @ v, rtol=1e-12)
    close(other, v @ H, rtol=1e-12)
    close(product, numerical(lambda t: ac.grad(f)(x + t * v), ac.tensor(0.0, dtype=ac.float64)), rtol=1e-7)


def test_products_for_structures() -> None:
    f = lambda p, x: ac.sum(layer(p, x)["h"]) ** 2 * p["b"][1]  # noqa: E731
    vs = tree.map(lambda t: normal(*t.shape, seed=7), (P, X))
    H = ac.hessian(f, argnums=(0, 1))(P, X)
    columns = list(tree.leaves(vs))

    def row_times(row: Any) -> Any:
        parts = [np.tensordot(h.numpy(), v.numpy(), v.ndim) for h, v in zip(tree.leaves(row), columns, strict=True)]
        return sum(parts[1:], start=parts[0])

    leaves = [row_times(row) for row in (H[0]["W"], H[0]["b"][0], H[0]["b"][1], H[1])]
    want = tree.structure((P, X)).unflatten(leaves)
    for products in (ac.hvp(f, (P, X), vs), ac.vhp(f, (P, X), vs)):
        close(products, want, rtol=1e-12)


def test_products_are_differentiable() -> None:
    """d/dx of vᵀ H(x) v for f = Σ x⁴ is 24 x v²."""
    x, v = vector(1.0, -2.0), vector(3.0, 0.5)
    f = lambda x: ac.sum(x**4)  # noqa: E731
    for product in (ac.hvp, ac.vhp):
        g = ac.grad(lambda x, product=product: product(f, [x], [v])[0] @ v)(x)
        close(g, 24 * x.numpy() * v.numpy() ** 2, rtol=1e-13)


# -- chunks -----------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
def test_chunks_change_no_bit(jac: Any, chunk: int) -> None:
    compare(jac(layer, argnums=(0, 1))(P, X), jac(layer, argnums=(0, 1), chunk=chunk)(P, X))
    A = normal(4, 5, dtype=ac.float32)
    f = lambda x: ac.softmax(A @ x) * ac.sum(x)  # noqa: E731
    x = normal(5, seed=1, dtype=ac.float32)
    compare(jac(f)(x), jac(f, chunk=chunk)(x))
    empty = ac.zeros((0, 2))
    compare(jac(lambda x: x * 2.0)(empty), jac(lambda x: x * 2.0, chunk=chunk)(empty))


@BOTH
@pytest.mark.parametrize("chunk", [0, -1])
def test_chunks_must_hold_something(jac: Any, chunk: int) -> None:
    with pytest.raises(ValueError, match=rf"chunk must be at least 1; got {chunk}"):
        jac(ac.tanh, chunk=chunk)(X)


# -- with the other transforms ----------------------------------------------------------------------------------------


@BOTH
def test_compiled_jacobians_give_the_same_bits(jac: Any) -> None:
    for chunk in (None, 2):
        J = jac(layer, argnums=(0, 1), chunk=chunk)
        compiled = ac.compile(J)
        for _ in range(2):
            compare(J(P, X), compiled(P, X))
    compare(jac(layer)(P, X), jac(ac.compile(layer))(P, X))


def test_compiled_hessians_give_the_same_bits() -> None:
    f = lambda p, x: ac.sum(layer(p, x)["h"]) ** 2 * p["b"][1]  # noqa: E731
    vs = tree.map(lambda t: normal(*t.shape, seed=7), (P, X))
    for g in (ac.hessian(f), lambda p, x: ac.hvp(f, (p, x), vs), lambda p, x: ac.vhp(f, (p, x), vs)):
        compiled = ac.compile(g)
        for _ in range(2):
            compare(g(P, X), compiled(P, X))


@BOTH
def test_jacobians_of_every_example(jac: Any) -> None:
    A = normal(4, 3)
    f = lambda x: ac.tanh(A @ x) * x[0]  # noqa: E731
    x = normal(5, 3, seed=1)
    compare(ac.stack([jac(f)(a) for a in x]), ac.vmap(jac(f))(x))


def test_hessians_of_every_example() -> None:
    f = lambda x: ac.logsumexp(ac.sin(x) * x)  # noqa: E731
    x = normal(5, 3)
    compare(ac.stack([ac.hessian(f)(a) for a in x]), ac.vmap(ac.hessian(f))(x))


@BOTH
def test_gradients_of_a_function_of_the_jacobian(jac: Any) -> None:
    """A penalty on the size of the Jacobian, and one that closes over an outer variable."""
    A = normal(4, 3)
    penalty = lambda x: ac.sum(ac.square(jac(lambda x: ac.tanh(A @ x))(x)))  # noqa: E731
    x = normal(3, seed=1)
    close(ac.grad(penalty)(x), numerical(penalty, x), rtol=1e-7)
    close(ac.jvp(penalty, [x], [A[0]])[1], ac.grad(penalty)(x) @ A[0], rtol=1e-12)
    # d/dw Σ ∂(w x²)/∂x = d/dw 2 w Σ x.
    outer = ac.grad(lambda w: ac.sum(jac(lambda x: w * x**2)(x)))
    close(outer(ac.tensor(3.0, dtype=ac.float64)), 2 * x.numpy().sum(), rtol=1e-13)


def test_hessians_in_all_modes() -> None:
    f = lambda x: ac.logsumexp(ac.sin(x) * x)  # noqa: E731
    x = normal(4)
    H = ac.hessian(f)(x)
    for outer in (ac.jacrev, ac.jacfwd):
        for inner in (ac.jacrev, ac.jacfwd):
            close(outer(inner(f))(x), H, rtol=1e-12)
    close(H, H.T, rtol=1e-13)


# -- errors -----------------------------------------------------------------------------------------------------------

NAMES = r"^(jacrev|jacfwd|jacobian|hessian|hvp|vhp|jvp|vjp|grad): "  # products and Hessians are made of the others


@ALL
def test_arguments_must_be_floating(transform: Any) -> None:
    for x in (3, ac.tensor([1, 2]), None):
        with pytest.raises(ac.DTypeError, match=NAMES):
            transform(lambda x: x)(x)


@ALL
def test_results_must_be_floating(transform: Any) -> None:
    with pytest.raises(ac.DTypeError, match=r"must return floating values?; got int64"):
        transform(lambda x: x.astype(ac.int64))(X)


@ALL
def test_argnums_must_name_arguments(transform: Any) -> None:
    for argnums in (1, -2, (0, 1)):
        with pytest.raises(ValueError, match=NAMES + r"argnums .* out of range; the call has 1 arg"):
            transform(lambda x: ac.sum(x), argnums=argnums)(X)


def test_products_need_a_scalar() -> None:
    for product in (ac.hvp, ac.vhp):
        with pytest.raises(ac.ShapeError, match="must return a 0-d Tensor"):
            product(ac.tanh, [X], [X])


@pytest.mark.parametrize("product", [ac.hvp, ac.vhp], ids=["hvp", "vhp"])
def test_directions_must_fit(product: Any) -> None:
    for vs in ([normal(2)], [X, X], [], [{"a": X, "b": X}]):
        with pytest.raises(ac.ShapeError, match=NAMES):
            product(lambda x: ac.sum(x**2), [X], vs)
    with pytest.raises(ac.DTypeError, match=NAMES):
        product(lambda x: x, [3], [3])


@BOTH
def test_results_must_be_tensors(jac: Any) -> None:
    with pytest.raises(ac.GradientError, match="must return Tensors; got float"):
        jac(lambda x: float(ac.stop_gradient(ac.sum(x))))(X)
