"""``ac.linalg`` beyond the rows of ``cases/decompositions.py``: sizes, threads, degenerate matrices, accuracy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from alice_core import linalg

SIZES = [1, 2, 3, 5, 8, 16, 17, 40, 130, 300]
DTYPES = ["float32", "float64"]


def eps(dtype: str) -> float:
    return float(np.finfo(dtype).eps)


def regular(rng: np.random.Generator, *shape: int) -> Any:
    return rng.standard_normal(shape) + 2.0 * np.sqrt(shape[-1]) * np.eye(*shape[-2:])


def definite(rng: np.random.Generator, *shape: int) -> Any:
    a = rng.standard_normal(shape)
    return a @ np.swapaxes(a, -1, -2) / shape[-1] + np.eye(shape[-1])


def orthogonal(rng: np.random.Generator, n: int) -> Any:
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def close(got: Any, want: Any, units: float, dtype: str = "float64") -> None:
    got, want = np.asarray(got, np.float64), np.asarray(want)
    assert got.shape == want.shape
    err = np.abs(got - want).max(initial=0.0)
    assert err <= units * eps(dtype) * max(1.0, np.abs(want).max(initial=0.0)), err


# -- backward errors of every size: the lanes, LAPACK, and where blocks begin ----------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_factors_multiply_to_the_matrix(n: int, dtype: str) -> None:
    rng = np.random.default_rng(n)
    a, d = regular(rng, 2, n, n).astype(dtype), definite(rng, 2, n, n).astype(dtype)
    factor = linalg.cholesky(ac.tensor(d)).numpy()
    assert np.all(np.triu(factor, 1) == 0)
    close(factor @ np.swapaxes(factor, -1, -2), d, 20 * n, dtype)
    p, lower, upper = (x.numpy() for x in linalg.lu(ac.tensor(a)))
    close(p @ lower @ upper, a, 20 * n, dtype)
    assert np.abs(lower).max() == 1.0
    q, r = (x.numpy() for x in linalg.qr(ac.tensor(a)))
    close(q @ r, a, 20 * n, dtype)
    close(np.swapaxes(q, -1, -2) @ q, np.broadcast_to(np.eye(n), (2, n, n)), 20 * n, dtype)
    w, v = (x.numpy() for x in linalg.eigh(ac.tensor(d)))
    close((v * w[:, None, :]) @ np.swapaxes(v, -1, -2), d, 20 * n, dtype)
    close(linalg.eigvalsh(ac.tensor(d)).numpy(), w, 20 * n, dtype)
    u, s, vh = (x.numpy() for x in linalg.svd(ac.tensor(a)))
    close((u * s[:, None, :]) @ vh, a, 20 * n, dtype)
    close(linalg.svdvals(ac.tensor(a)).numpy(), s, 20 * n, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_systems_are_solved(n: int, dtype: str) -> None:
    rng = np.random.default_rng(n)
    for k in (1, 3, 20):
        a, b = regular(rng, n, n).astype(dtype), rng.standard_normal((n, k)).astype(dtype)
        x = linalg.solve(ac.tensor(a), ac.tensor(b)).numpy()
        close(a @ x, b, 50 * n, dtype)
        d = definite(rng, n, n).astype(dtype)
        x = linalg.cho_solve(linalg.cholesky(ac.tensor(d)), ac.tensor(b)).numpy()
        close(d @ x, b, 50 * n, dtype)
        # Triangles as LAPACK makes them of regular matrices.
        t = scipy.linalg.lu(a)[2].astype(dtype)
        for transposed in (False, True):
            x = linalg.solve_triangular(ac.tensor(t), ac.tensor(b), transposed=transposed).numpy()
            close((t.T if transposed else t) @ x, b, 200 * n, dtype)
            same = linalg.solve_triangular(ac.tensor(t.T.copy()).T, ac.tensor(b), transposed=transposed)
            close(same.numpy(), x, 200 * n, dtype)
    close(linalg.inv(ac.tensor(a)).numpy() @ a, np.eye(n), 50 * n, dtype)
    sign, logabsdet = linalg.slogdet(ac.tensor(a))
    want = np.linalg.slogdet(a.astype(np.float64))
    assert sign.item() == want[0]
    close(logabsdet.numpy(), want[1], 20 * n, dtype)
    if n <= 17:
        np.testing.assert_allclose(linalg.det(ac.tensor(a)).item(), want[0] * np.exp(want[1]), rtol=50 * n * eps(dtype))


@pytest.mark.parametrize("n", SIZES)
def test_the_gradient_of_cholesky_is_that_of_its_formula(n: int) -> None:
    """L⁻ᵀ Φ(Lᵀ Ḡ) L⁻¹, symmetric; blocks and lanes."""
    rng = np.random.default_rng(n)
    a, g = definite(rng, n, n), rng.standard_normal((n, n))
    factor, pullback = ac.vjp(linalg.cholesky, ac.tensor(a))
    (got,) = pullback(ac.tensor(g))
    lower = factor.numpy()
    middle = np.tril(lower.T @ np.tril(g))
    middle[np.diag_indices(n)] /= 2
    inverse = scipy.linalg.solve_triangular(lower, np.eye(n), lower=True)
    want = inverse.T @ middle @ inverse
    close(got.numpy(), (want + want.T) / 2, 200 * n)
    np.testing.assert_array_equal(got.numpy(), got.numpy().T)


# -- batches and threads ---------------------------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cholesky": lambda d, a, b: linalg.cholesky(d),
    "solve": lambda d, a, b: linalg.solve(a, b),
    "solve_triangular": lambda d, a, b: linalg.solve_triangular(d, b, lower=True),
    "inv": lambda d, a, b: linalg.inv(a),
    "det": lambda d, a, b: linalg.det(a),
    "slogdet": lambda d, a, b: linalg.slogdet(a)[1],
    "qr": lambda d, a, b: linalg.qr(a)[0],
    "lu": lambda d, a, b: linalg.lu(a)[1],
    "eigh": lambda d, a, b: linalg.eigh(d)[1],
    "eig": lambda d, a, b: linalg.eig(d)[1],
    "svd": lambda d, a, b: linalg.svd(a)[0],
    "pinv": lambda d, a, b: linalg.pinv(a),
    "lstsq": lambda d, a, b: linalg.lstsq(a, b)[0],
    "expm": lambda d, a, b: linalg.expm(a),
    "sqrtm": lambda d, a, b: linalg.sqrtm(d),
    "funm": lambda d, a, b: linalg.funm(d, ac.tanh),
    "polar": lambda d, a, b: linalg.polar(a).P,
}


def arguments(rng: np.random.Generator, count: int, n: int, dtype: str) -> list[ac.Tensor]:
    made = definite(rng, count, n, n), regular(rng, count, n, n), rng.standard_normal((count, n, 3))
    return [ac.tensor(x.astype(dtype)) for x in made]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_matrix_has_its_bits_in_every_batch_and_with_any_threads(name: str, dtype: str) -> None:
    f, before = FUNCTIONS[name], ac.get_num_threads()

    def both(*xs: ac.Tensor) -> list[bytes]:
        y, pullback = ac.vjp(f, *xs)
        return [part.numpy() for part in (y, *pullback(ac.ones_like(y)))]

    try:
        for n, count in ((3, 37), (16, 19), (20, 5)):
            xs = arguments(np.random.default_rng(n), count, n, dtype)
            results = []
            for threads in (1, 2, 3):
                ac.set_num_threads(threads)
                results.append([y.tobytes() for y in both(*xs)])
            assert results[0] == results[1] == results[2]
            whole = both(*xs)
            for i in (0, 1, count - 1):
                alone = both(*(x[i] for x in xs))
                assert [y[i].tobytes() for y in whole] == [y.tobytes() for y in alone], (n, i)
    finally:
        ac.set_num_threads(before)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_functions_have_the_bits_of_eager_ones(name: str) -> None:
    f = FUNCTIONS[name]

    def both(*xs: ac.Tensor) -> Any:
        y, pullback = ac.vjp(f, *xs)
        return y, *pullback(ac.ones_like(y))

    for n in (3, 18):
        xs = arguments(np.random.default_rng(n), 2, n, "float64")
        for got, want in zip(ac.compile(both)(*xs), both(*xs), strict=True):
            assert got.numpy().tobytes() == want.numpy().tobytes(), n


@pytest.mark.parametrize("dtype", [ac.float16, ac.bfloat16])
def test_what_is_stored_in_two_bytes_is_computed_in_four(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    wide = [ac.astype(ac.astype(x, dtype), ac.float32) for x in arguments(rng, 2, 4, "float32")]
    for name in ("cholesky", "solve", "inv", "slogdet", "eigh", "svd", "lstsq", "sqrtm", "funm", "polar"):
        got = FUNCTIONS[name](*(ac.astype(x, dtype) for x in wide))
        assert got.dtype == dtype, name
        np.testing.assert_array_equal(
            ac.astype(got, ac.float32).numpy(), ac.astype(ac.astype(FUNCTIONS[name](*wide), dtype), ac.float32).numpy()
        )


def test_errors_name_the_first_matrix_whatever_thread_finds_one() -> None:
    a = np.broadcast_to(np.eye(5), (4, 1000, 5, 5)).copy()
    for at in ((3, 17), (1, 999), (2, 0)):
        a[at][3, 3] = -1.0
    with pytest.raises(
        ac.LinAlgError, match=r"leading minor of order 4 is not positive \(matrix \(1, 999\) of the batch"
    ):
        linalg.cholesky(ac.tensor(a))
    with pytest.raises(np.linalg.LinAlgError):
        np.linalg.cholesky(ac.tensor(-np.eye(20)))
    compiled = ac.compile(linalg.cholesky)
    with pytest.raises(ac.LinAlgError, match=r"leading minor of order 1"):
        compiled(ac.tensor(-np.eye(2)))
    np.testing.assert_array_equal(compiled(ac.tensor(np.eye(2) * 4.0)).numpy(), np.eye(2) * 2.0)


@pytest.mark.parametrize("coupled", [0.0, 0.5])
@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, -np.inf])
@pytest.mark.parametrize("n", [1, 4, 16, 20])
def test_the_first_bad_minor_is_named_wherever_it_stands(n: int, bad: float, coupled: float) -> None:
    """L D Lᵀ with one item of D that is not positive; the rows after it may have nothing to do with it."""
    lower = np.tri(n, k=-1) * coupled + np.eye(n)
    for k in range(n):
        pivots = np.full(n, 4.0)
        pivots[k] = 0.0
        a = lower @ np.diag(pivots) @ lower.T
        a[k, k] += bad
        with pytest.raises(ac.LinAlgError, match=rf"leading minor of order {k + 1} is not positive"):
            linalg.cholesky(ac.tensor(a))


@pytest.mark.parametrize("n", [3, 30])
def test_nearly_singular_matrices_are_no_factors_of_noise(n: int) -> None:
    v = np.ones((n, 1))
    with pytest.raises(ac.LinAlgError, match=r"^cholesky: the matrix must be positive definite; its leading minor of"):
        linalg.cholesky(ac.tensor(v @ v.T - 1e-15 * np.eye(n)))
    with pytest.raises(ac.LinAlgError, match=r"leading minor of order 1"):
        linalg.cholesky(ac.tensor(np.full((n, n), np.nan)))


# -- derivatives where textbooks' are not stable ---------------------------------------------------------------------


@pytest.mark.parametrize("values", [[2.0, 2.0, 2.0], [1.0, 1.0, 3.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
def test_symmetric_functions_of_equal_eigenvalues_have_gradients(values: list[float]) -> None:
    rng = np.random.default_rng(0)
    q = orthogonal(rng, 3)
    a = q @ np.diag(values) @ q.T
    for f, want in (
        (lambda x: ac.sum(linalg.eigvalsh(x) ** 3), 3 * np.linalg.matrix_power(a, 2)),
        (lambda x: ac.sum(linalg.eigh(x).eigenvalues ** 3), 3 * np.linalg.matrix_power(a, 2)),
        (lambda x: ac.sum(ac.exp(linalg.eigvalsh(x))), scipy.linalg.expm(a)),
    ):
        close(ac.grad(f)(ac.tensor(a)).numpy(), want, 1e3)
        t = rng.standard_normal((3, 3))
        close(ac.jvp(f, [ac.tensor(a)], [ac.tensor(t)])[1].numpy(), np.sum(want * t), 1e3)


def test_a_space_of_equal_eigenvalues_has_a_gradient_and_its_vectors_have_none() -> None:
    rng = np.random.default_rng(1)
    q, weight = orthogonal(rng, 4), rng.standard_normal((4, 4))
    a = q @ np.diag([1.0, 1.0, 5.0, 7.0]) @ q.T

    def projection(x: ac.Tensor) -> ac.Tensor:
        v = linalg.eigh(x).eigenvectors[:, :2]
        return ac.sum(ac.tensor(weight) * (v @ v.T))

    got = ac.grad(projection)(ac.tensor(a)).numpy()
    h = 1e-6
    for i, j in ((0, 1), (2, 3), (1, 1)):
        e = np.zeros((4, 4))
        e[i, j] += 0.5
        e[j, i] += 0.5
        slope = (projection(ac.tensor(a + h * e)).item() - projection(ac.tensor(a - h * e)).item()) / (2 * h)
        assert abs(np.sum(got * e) - slope) <= 1e-7
    vectors = ac.grad(lambda x: ac.sum(linalg.eigh(x).eigenvectors[0] * ac.tensor(weight[0])))
    assert np.isnan(vectors(ac.tensor(a)).numpy()).any()


def _of_vectors_and_values(x: ac.Tensor) -> ac.Tensor:
    w, v = linalg.eigh(x)
    return (v * ac.exp(w)) @ v.T


def _of_vectors(x: ac.Tensor) -> ac.Tensor:
    v = linalg.eigh(x).eigenvectors[:, :2]
    return v @ v.T


def _of_singular_vectors_and_values(x: ac.Tensor) -> ac.Tensor:
    u, s, vh = linalg.svd(x)
    return (u * s**3) @ vh


def _polar(x: ac.Tensor) -> ac.Tensor:
    u, _, vh = linalg.svd(x)
    return u @ vh


@pytest.mark.parametrize("values", [[1.0, 1.0, 2.0, 4.0], [1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0]])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("f", "right_in_reverse"),
    [
        (_of_vectors_and_values, False),
        (_of_vectors, True),
        (_of_singular_vectors_and_values, False),
        (_polar, True),
    ],
)
def test_derivatives_at_equal_values_are_right_or_nan(
    f: Any, right_in_reverse: bool, turned: bool, values: list[float]
) -> None:
    """Of one entry after the other, too: those that ask for no eigenvalue's slope stand beside those that do."""
    q = orthogonal(np.random.default_rng(5), 4) if turned else np.eye(4)
    a = q @ np.diag(values) @ q.T
    if f is _of_vectors and values[1] == values[2]:
        pytest.skip("the space of the first two is not one of its own")
    want, h = np.empty((4, 4, 4, 4)), 1e-5
    for i, j in np.ndindex(4, 4):
        e = np.zeros((4, 4))
        e[i, j] += h / 2
        e[j, i] += h / 2
        want[..., i, j] = (f(ac.tensor(a + e)).numpy() - f(ac.tensor(a - e)).numpy()) / (2 * h)
    for jacobian in (ac.jacrev(f), ac.jacfwd(f), ac.compile(ac.jacrev(f))):
        got = jacobian(ac.tensor(a)).numpy()
        got = (got + np.swapaxes(got, -1, -2)) / 2  # along symmetric directions
        known = np.isfinite(got)
        assert np.all(np.abs(got - want)[known] <= 1e-7)
    if right_in_reverse:
        assert np.isfinite(ac.jacrev(f)(ac.tensor(a)).numpy()).all()


def test_singular_values_that_are_equal_or_zero_have_gradients() -> None:
    rng = np.random.default_rng(2)
    u, v = orthogonal(rng, 4), orthogonal(rng, 3)
    for s in ([2.0, 2.0, 2.0], [3.0, 1.0, 1.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0]):
        a = u[:, :3] @ np.diag(s) @ v
        for x, turned in ((a, False), (a.T, True)):
            cubes = u[:, :3] @ np.diag(3 * np.square(s)) @ v
            want = cubes.T if turned else cubes
            for values in (linalg.svdvals, lambda y: linalg.svd(y, full_matrices=False).S):
                got = ac.grad(lambda y, values=values: ac.sum(values(y) ** 3))(ac.tensor(x))
                close(got.numpy(), want, 1e3)
        nuclear = ac.grad(lambda y: linalg.matrix_norm(y, ord="nuc"))(ac.tensor(a)).numpy()
        close(nuclear, u[:, :3] @ np.diag(np.sign(s)) @ v, 1e3)  # of the subgradients the smallest


@pytest.mark.parametrize(("m", "n"), [(4, 3), (3, 4), (4, 4)])
def test_minimum_norms_of_deficient_matrices_have_gradients_along_their_rank(m: int, n: int) -> None:
    rng = np.random.default_rng(3)
    left, right = rng.standard_normal((m, 2)), rng.standard_normal((2, n))
    b = rng.standard_normal((m, 2))
    weight = ac.tensor(rng.standard_normal((n, 2)))

    def solved(left: ac.Tensor, right: ac.Tensor, b: ac.Tensor) -> ac.Tensor:
        return ac.sum(linalg.lstsq(left @ right, b, rtol=1e-8).x * weight)

    def by_inverse(left: ac.Tensor, right: ac.Tensor, b: ac.Tensor) -> ac.Tensor:
        return ac.sum((linalg.pinv(left @ right, rtol=1e-8) @ b) * weight)

    for f in (solved, by_inverse):
        ac.testing.check_grads(f, [left, right, b], order=2, modes=("rev", "fwd"), atol=1e-4, rtol=1e-4)
    found = linalg.lstsq(ac.tensor(left @ right), ac.tensor(b))
    want, _, rank, _ = np.linalg.lstsq(left @ right, b, rcond=None)
    assert found.rank.item() == rank == 2
    close(found.x.numpy(), want, 1e4)


@pytest.mark.parametrize("rank", [0, 1, 2, 3])
def test_determinants_of_singular_matrices_have_gradients(rank: int) -> None:
    rng = np.random.default_rng(rank)
    a = rng.standard_normal((3, rank)) @ rng.standard_normal((rank, 3))
    cofactors = [
        [(-1) ** (i + j) * np.linalg.det(np.delete(np.delete(a, i, 0), j, 1)) for j in range(3)] for i in range(3)
    ]
    close(ac.grad(linalg.det)(ac.tensor(a)).numpy(), np.array(cofactors), 1e3)
    close(ac.grad(linalg.det)(ac.tensor(a.astype("float32"))).numpy(), np.array(cofactors), 100, "float32")


def test_a_masked_singular_matrix_does_not_spoil_the_others() -> None:
    a = np.stack([np.eye(2) * 2.0, np.ones((2, 2))])
    got = ac.grad(lambda x: linalg.slogdet(x).logabsdet[0])(ac.tensor(a)).numpy()
    np.testing.assert_array_equal(got, np.stack([np.eye(2) / 2.0, np.zeros((2, 2))]))


def test_a_determinant_does_not_overflow_on_the_way() -> None:
    a = np.diag([1e200, 1e200, 1e-200, 1e-200])
    assert linalg.det(ac.tensor(a)).item() == pytest.approx(1.0, rel=1e-12)
    assert linalg.det(ac.tensor(np.diag([1e30, 1e30, 1e-30, 1e-30]).astype("float32"))).item() == pytest.approx(1.0)


# -- against each other ----------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 20), batch=st.sampled_from([(), (1,), (3,), (2, 2)]), seed=st.integers(0, 999))
def test_one_likelihood_by_four_ways(n: int, batch: tuple[int, ...], seed: int) -> None:
    """-log N(y; 0, A) and its gradient by Cholesky, solve, eigenvalues and inverse."""
    rng = np.random.default_rng(seed)
    a, y = definite(rng, *batch, n, n), rng.standard_normal((*batch, n, 1))

    def squares(x: ac.Tensor) -> ac.Tensor:
        return ac.sum(x * x)

    def cholesky(a: ac.Tensor) -> ac.Tensor:
        factor = linalg.cholesky(a)
        z = linalg.solve_triangular(factor, ac.tensor(y), lower=True)
        return squares(z) + 2.0 * ac.sum(ac.log(linalg.diagonal(factor)))

    def solve(a: ac.Tensor) -> ac.Tensor:
        return ac.sum(ac.tensor(y) * linalg.solve(a, ac.tensor(y))) + ac.sum(linalg.slogdet(a).logabsdet)

    def eigenvalues(a: ac.Tensor) -> ac.Tensor:
        w, v = linalg.eigh(a)
        z = linalg.matrix_transpose(v) @ ac.tensor(y)
        return ac.sum(z * z / ac.expand_dims(w, -1)) + ac.sum(ac.log(w))

    def inverse(a: ac.Tensor) -> ac.Tensor:
        x = linalg.inv(a)
        return ac.sum(ac.tensor(y) * (x @ ac.tensor(y))) - ac.sum(ac.log(linalg.svdvals(x)))

    want, slope = ac.value_and_grad(cholesky)(ac.tensor(a))
    for f in (solve, eigenvalues, inverse):
        got, g = ac.value_and_grad(f)(ac.tensor(a))
        assert abs(got.item() - want.item()) <= 1e-10 * max(1.0, abs(want.item()))
        g = (g + linalg.matrix_transpose(g)) / 2.0
        close(g.numpy(), slope.numpy(), 1e6)


@pytest.mark.parametrize("scale", [1e-3, 0.3, 2.0, 30.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_exponentials_of_every_size(scale: float, dtype: str) -> None:
    rng = np.random.default_rng(4)
    a = (scale * rng.standard_normal((5, 5)) / 3).astype(dtype)
    want = scipy.linalg.expm(a.astype(np.float64))
    got = linalg.expm(ac.tensor(a)).numpy()
    assert np.abs(got - want).max() <= 100 * eps(dtype) * (1 + scale) * np.abs(want).max()


def test_further_vectors_have_no_derivative() -> None:
    x = ac.tensor(np.ones((3, 2)) + np.eye(3, 2))
    with pytest.raises(
        ac.GradientError, match=r"^svd: the further vectors of full_matrices=True have no .*; 1 - U Uᵀ pro"
    ):
        ac.grad(lambda x: ac.sum(linalg.svd(x).U))(x)
    with pytest.raises(ac.GradientError, match=r'^qr: the further columns of mode="complete" have no .*; 1 - Q Qᵀ pro'):
        ac.grad(lambda x: ac.sum(linalg.qr(x, mode="complete").Q))(x)


def test_products_are_multiplied_in_the_cheapest_order() -> None:
    shapes = [(40, 2), (2, 40), (40, 2), (2, 30)]
    xs = [ac.ones(s) for s in shapes]
    flops = ac.trace(lambda *xs: linalg.multi_dot(xs))(*xs).cost().flops
    assert flops == 2 * (2 * 40 * 2 + 2 * 2 * 30 + 40 * 2 * 30)


# -- NumPy's functions -----------------------------------------------------------------------------------------------


def test_numpys_functions_take_tensors() -> None:
    rng = np.random.default_rng(5)
    a, d, b = regular(rng, 3, 3), definite(rng, 3, 3), rng.standard_normal((3, 2))
    for f, xs in (
        (lambda a: np.linalg.inv(a), [a]),
        (lambda a, b: np.linalg.solve(a, b), [a, b]),
        (lambda a: np.linalg.cholesky(a), [d + np.triu(np.ones((3, 3)), 1)]),  # of which NumPy reads the lower half
        (lambda a: np.linalg.det(a), [a]),
        (lambda a: np.linalg.slogdet(a)[1], [a]),
        (lambda a: np.linalg.eigvalsh(a), [d]),
        (lambda a: np.linalg.eigvalsh(a, "U"), [d + np.tril(np.ones((3, 3)), -1)]),
        (lambda a: np.linalg.norm(a, "nuc"), [a]),
        (lambda a: np.linalg.pinv(a), [a]),
        (lambda a, b: np.linalg.lstsq(a, b)[0], [a, b]),
        (lambda a: np.linalg.matrix_power(a, 3), [a]),
        (lambda a: np.linalg.cond(a, 1), [a]),
        (lambda a, b: np.kron(a, b), [a, b]),
        (lambda a: np.trace(a), [a]),
        (lambda a, b: np.cross(a, b.T), [a, b[:, :1]]),
    ):
        got = f(*(ac.tensor(x) for x in xs))
        assert isinstance(got, ac.Tensor)
        np.testing.assert_allclose(got.numpy(), f(*xs), rtol=1e-11, atol=1e-13)
        ac.testing.check_grads(f, xs, atol=1e-5, rtol=1e-5)
