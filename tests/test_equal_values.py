"""Second derivatives of functions of eigenvalues and singular values where some of these are equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac
from alice_core import linalg
from alice_core.linalg import _spaces


def orthogonal(rng: np.random.Generator, n: int) -> Any:
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


#: Functions of eigenvalues, and the same as functions of matrices.
SPECTRAL = {
    "exp": (lambda x: ac.sum(ac.exp(linalg.eigvalsh(x))), lambda x: linalg.trace(linalg.funm(x, ac.exp))),
    "cube": (lambda x: ac.sum(linalg.eigh(x).eigenvalues ** 3), lambda x: linalg.trace(linalg.funm(x, lambda w: w**3))),
    "logsumexp": (
        lambda x: ac.logsumexp(linalg.eigvalsh(x)),
        lambda x: ac.log(linalg.trace(linalg.funm(x, ac.exp))),
    ),
    "square": (lambda x: ac.sum(linalg.eigvalsh(x) ** 2), lambda x: ac.sum(((x + x.T) / 2) ** 2)),
    "trace": (lambda x: ac.sum(linalg.eigvalsh(x)), linalg.trace),
}
#: Functions of eigenvalues of matrices that are not symmetric.
GENERAL = {
    "exp": (lambda x: ac.sum(ac.exp(linalg.eigvals(x))), lambda x: linalg.trace(linalg.expm(x))),
    "cube": (lambda x: ac.sum(linalg.eig(x).eigenvalues ** 3), lambda x: linalg.trace(x @ x @ x)),
}
#: Functions of singular values.
SINGULAR = {
    "square": (lambda x: ac.sum(linalg.svdvals(x) ** 2), lambda x: ac.sum(x * x)),
    "fourth": (lambda x: ac.sum(linalg.svd(x, full_matrices=False).S ** 4), lambda x: ac.sum((x.T @ x) ** 2)),
    "nuclear": (
        lambda x: linalg.matrix_norm(x, ord="nuc"),
        lambda x: linalg.trace(linalg.sqrtm(x @ x.T if x.shape[0] < x.shape[1] else x.T @ x)),
    ),
}


def _point(values: list[float], shape: tuple[int, int], turned: bool, symmetric: bool) -> np.ndarray:
    rng, k = np.random.default_rng(3), range(len(values))
    a = np.zeros(shape)
    a[k, k] = values
    if turned:
        left = orthogonal(rng, shape[0])
        a = left @ a @ (left.T if symmetric else orthogonal(rng, shape[1]))
    return (a + a.T) / 2 if symmetric else a


def _second_derivatives(f: Callable[[Any], Any], by_matrices: Callable[[Any], Any], a: np.ndarray) -> None:
    """Forward over reverse mode is right; the others are right, or NaN where the direction mixes equal values."""
    x = ac.tensor(a)
    want = ac.hessian(by_matrices)(x).numpy()
    scale = np.abs(want).max() + 1.0
    got = ac.hessian(f)(x).numpy()
    assert np.abs(got - want).max() <= 1e-13 * scale
    np.testing.assert_array_equal(ac.compile(ac.hessian(f))(x).numpy(), got)
    t = ac.tensor(np.random.default_rng(4).standard_normal(a.shape))
    along = np.tensordot(want, t.numpy(), 2)
    assert np.abs(ac.hvp(f, [x], [t])[0].numpy() - along).max() <= 1e-12 * scale
    for others, right in (
        (ac.jacrev(ac.grad(f))(x), want),
        (ac.jacfwd(ac.jacfwd(f))(x), want),
        (ac.vjp(ac.grad(f), x)[1](t)[0], along),
        (ac.grad(lambda x: ac.jvp(f, [x], [t])[1])(x), along),
    ):
        known = ~np.isnan(others.numpy())
        assert np.all(np.abs(others.numpy() - right)[known] <= 1e-12 * scale)
    slope = np.sum(ac.grad(by_matrices)(x).numpy() * t.numpy())
    assert abs(ac.jvp(f, [x], [t])[1].item() - slope) <= 1e-12 * scale


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    "values",
    [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0, 2.0], [1.0] * 3, [0.0, 0.0, 1.0], [1.0, 1.0, 3.0, 3.0], [1.0, 2.0, 3.0]],
)
@pytest.mark.parametrize("name", SPECTRAL)
def test_second_derivatives_at_equal_eigenvalues(name: str, values: list[float], turned: bool) -> None:
    _second_derivatives(*SPECTRAL[name], _point(values, (len(values),) * 2, turned, True))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([1.0, 1.0], (2, 2)),
        ([2.0, 2.0], (3, 2)),
        ([3.0, 1.0, 1.0], (3, 4)),
        ([1.0] * 3, (3, 3)),
        ([2.0, 2.0, 1.0], (4, 3)),
    ],
)
@pytest.mark.parametrize("name", SINGULAR)
def test_second_derivatives_at_equal_singular_values(
    name: str, values: list[float], shape: tuple[int, int], turned: bool
) -> None:
    _second_derivatives(*SINGULAR[name], _point(values, shape, turned, False))


@pytest.mark.parametrize("values", [[1.0, 1.0], [1.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("name", GENERAL)
def test_eigenvalues_of_other_matrices_have_no_wrong_ones(name: str, values: list[float], turned: bool) -> None:
    f, by_matrices = GENERAL[name]
    v = np.random.default_rng(6).standard_normal((len(values),) * 2) if turned else np.eye(len(values))
    x = ac.tensor(v @ np.diag(values) @ np.linalg.inv(v))
    want = ac.hessian(by_matrices)(x).numpy()
    for found in (
        ac.hessian(f)(x),
        ac.jacrev(ac.grad(f))(x),
        ac.jacfwd(ac.jacfwd(f))(x),
        ac.jacrev(ac.jacfwd(f))(x),
    ):
        known = ~np.isnan(found.numpy())
        assert known.all() or values[0] == values[1]
        assert np.all(np.abs(found.numpy() - want)[known] <= 1e-11)
    for t in (np.eye(len(values)), x.numpy(), (x @ x).numpy()):  # which mix none
        got = ac.hvp(f, [x], [ac.tensor(t)])[0].numpy()
        np.testing.assert_allclose(got, np.tensordot(want, t, 2), atol=1e-11)


@pytest.mark.parametrize("f", [SPECTRAL["exp"][0], SPECTRAL["cube"][0], SINGULAR["square"][0], SINGULAR["fourth"][0]])
def test_what_reverse_over_reverse_mode_cannot_know_is_nan(f: Callable[[Any], Any]) -> None:
    g, mixing = ac.grad(f), ac.tensor([[0.0, 1.0], [1.0, 0.0]], ac.float64)
    x = ac.eye(2, dtype=ac.float64)
    assert np.isnan(ac.grad(lambda a: ac.sum(g(a) * mixing))(x).numpy()).any()
    assert np.isnan(ac.grad(lambda a: ac.jvp(f, [a], [mixing])[1])(x).numpy()).any()
    along = ac.tensor([[1.0, 0.0], [0.0, 2.0]], ac.float64)
    want = ac.hvp(f, [x], [along])[0].numpy()
    for found in (ac.grad(lambda a: ac.sum(g(a) * along))(x), ac.grad(lambda a: ac.jvp(f, [a], [along])[1])(x)):
        np.testing.assert_allclose(found.numpy(), want, rtol=1e-14)
    third = ac.grad(lambda a: ac.sum(ac.hvp(f, [a], [mixing])[0] * mixing))(x).numpy()
    assert np.isnan(third).any()


@pytest.mark.parametrize("values", [[2.0, 1.0, 0.0], [2.0, 0.0, 0.0]])
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 5)])
@pytest.mark.parametrize("name", ["square", "fourth"])
def test_singular_values_of_zero(name: str, values: list[float], shape: tuple[int, int]) -> None:
    f, by_matrices = SINGULAR[name]
    x = ac.tensor(_point(values, shape, True, False))
    t = ac.tensor(np.random.default_rng(4).standard_normal(shape))
    want = np.tensordot(ac.hessian(by_matrices)(x).numpy(), t.numpy(), 2)
    for found in (
        ac.hvp(f, [x], [t])[0],
        ac.vjp(ac.grad(f), x)[1](t)[0],
        ac.grad(lambda x: ac.jvp(f, [x], [t])[1])(x),
    ):
        known = ~np.isnan(found.numpy())
        assert known.all() or shape != (3, 3) or values[1] == 0.0
        assert np.all(np.abs(found.numpy() - want)[known] <= 1e-12)


def test_second_derivatives_of_batches_and_narrow_numbers() -> None:
    f = SPECTRAL["exp"][0]
    xs = np.stack([_point(v, (3, 3), True, True) for v in ([1.0, 1.0, 2.0], [1.0] * 3, [1.0, 2.0, 3.0])])
    ts = np.random.default_rng(5).standard_normal((3, 3, 3))
    product = lambda x, t: ac.hvp(f, [x], [t])[0]  # noqa: E731
    got = ac.vmap(product)(ac.tensor(xs), ac.tensor(ts))
    np.testing.assert_array_equal(
        got.numpy(), [product(ac.tensor(x), ac.tensor(t)).numpy() for x, t in zip(xs, ts, strict=True)]
    )
    whole = lambda x: ac.sum(ac.exp(linalg.eigvalsh(x)))  # noqa: E731
    np.testing.assert_allclose(
        ac.hvp(whole, [ac.tensor(xs)], [ac.tensor(ts)])[0].numpy(), got.numpy(), rtol=1e-12, atol=1e-13
    )
    narrow = ac.vmap(product)(ac.tensor(xs, ac.float32), ac.tensor(ts, ac.float32)).numpy()
    assert np.abs(narrow - got.numpy()).max() <= 1e-4


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_block_eigh(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    block = np.sort(rng.integers(0, 3, n))
    a = rng.standard_normal((n, n))
    a = np.where(block[:, None] == block, a + a.T, 0.0)
    q = _spaces._block_eigh(ac.tensor(a)).numpy()
    assert np.all((q == 0.0) | (block[:, None] == block))
    np.testing.assert_allclose(q @ q.T, np.eye(n), atol=1e-13)
    turned = q.T @ a @ q
    np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=1e-12)
    alone = np.bincount(block, minlength=3)[block] == 1
    assert np.all(np.diag(q)[alone] == 1.0)
    for b in range(3):
        assert np.all(np.diff(np.diag(turned)[block == b]) >= -1e-12)
