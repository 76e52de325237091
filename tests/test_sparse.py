"""Sparse Jacobians: the pattern holds every entry that is not 0, is exact where the structure is known, and the values
are those of the dense Jacobian.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import tree
from op_calls import DIFFERENTIABLE, flat_calls
from op_cases import OpCase
from rule_checks import flat, like, pulled

F64 = ac.float64


def points(shape: tuple[int, ...], seed: int = 0) -> ac.Tensor:
    return ac.tensor(np.random.default_rng(seed).uniform(0.5, 1.5, shape))


def dense(f: Callable[[ac.Tensor], ac.Tensor], x: ac.Tensor) -> np.ndarray[Any, Any]:
    """As a matrix."""
    return np.asarray(ac.jacrev(f)(x)).reshape(-1, x.size)


def check(f: Callable[[ac.Tensor], ac.Tensor], x: ac.Tensor, exact: bool = False) -> ac.SparseMatrix:
    """Nothing is left out, both modes have the bits of the dense Jacobian; ``exact``: no entry is always 0."""
    pattern = ac.sparsity(f, x)
    full, want = np.asarray(ac.jacrev(f)(x)), np.asarray(ac.jacfwd(f)(x))
    found = full.reshape(pattern.shape) != 0  # NaN is not 0
    assert not np.any(found & ~pattern.todense())
    if exact:
        assert np.array_equal(found, pattern.todense()), f"{pattern}\n{found.astype(int)}"
    by_columns, by_rows = ac.jacfwd(f, sparse=True)(x), ac.jacrev(f, sparse=True)(x)
    assert np.array_equal(np.asarray(by_columns.todense()), want, equal_nan=True)
    assert np.array_equal(np.asarray(by_rows.todense()), full, equal_nan=True)
    assert by_columns.values.dtype == want.dtype
    return by_columns


# -- primitives --------------------------------------------------------------------------------------------------------


def of_one(f: Callable[..., Any], xs: list[ac.Tensor], i: int) -> Callable[[ac.Tensor], ac.Tensor]:
    """All floating results in a line, as a function of the argument of number i."""

    def g(x: ac.Tensor) -> ac.Tensor:
        found = flat(f(*xs[:i], x, *xs[i + 1 :]))
        return ac.concat([ac.reshape(y, (-1,)) for y in found if y.dtype.kind == "f"])

    return g


@pytest.mark.parametrize("case", [c for c in DIFFERENTIABLE if c.name != "astype"], ids=lambda c: c.name)
def test_of_every_op_nothing_is_left_out(case: OpCase) -> None:
    """Of its gradient neither: the kernels that gradients are made of have rules too."""
    for f, xs in flat_calls(case):
        functions = [(f, xs)]
        if case.second_order:
            functions.append((pulled(f, len(xs)), [*xs, *like(flat(f(*xs)), np.random.default_rng(1))]))
        for g, given in functions:
            for i, x in enumerate(given):
                if x.size:
                    check(of_one(g, given, i), x)


INDEX = np.array([[2, 0], [1, 1]])
MATRIX = np.arange(1.0, 13.0).reshape(4, 3)

EXACT: dict[str, tuple[Callable[[ac.Tensor], ac.Tensor], tuple[int, ...]]] = {
    "elementwise": (lambda x: ac.sin(x) * x + 2.0, (2, 3)),
    "broadcast": (lambda x: x[:, None] * x[None, :], (3,)),
    "casts": (lambda x: ac.astype(ac.astype(x, ac.float32), F64), (3,)),
    "views": (lambda x: ac.reshape(ac.flip(x.T, axis=0), (2, 3))[:, ::-2], (2, 3)),
    "pads": (lambda x: ac.pad(x, ((1, 0), (0, 2))), (2, 2)),
    "diagonals": (lambda x: ac.diag(ac.diag(x), 1) + ac.tril(ac.ones((3, 3), F64)), (2, 2)),
    "triangles": (lambda x: ac.tril(x) + 2.0 * ac.triu(x, 2), (3, 3)),
    "concat": (lambda x: ac.concat([x[1:], x * 0.5, ac.ones(2, F64)]), (3,)),
    "stack": (lambda x: ac.stack([x, x[::-1]], axis=1), (3,)),
    "roll": (lambda x: ac.roll(x, 1) - x, (4,)),
    "gather": (lambda x: x[INDEX] * 3.0, (3, 2)),
    "gather two": (lambda x: x[:, [0, 1], [1, 0]], (3, 2, 2)),
    "negative": (lambda x: x[np.array([-1, 0])], (3,)),
    "take": (lambda x: ac.take(x, [1, 1], axis=1), (2, 3)),
    "take_along_axis": (lambda x: ac.take_along_axis(x, INDEX % 2, axis=1), (2, 3)),
    "gather_vjp": (ac.grad(lambda x: ac.sum(ac.sin(x[INDEX]) * x[INDEX[::-1]])), (3, 2)),
    "scatter_add": (lambda x: ac.zeros(4, F64).at[[0, 0, 3]].add(x), (3,)),
    "scatter_set": (lambda x: ac.concat([x, x]).at[[1, 4]].set(x[:2] * 2.0), (3,)),
    "slice_set": (lambda x: x.at[1:3].set(x[0]), (4,)),
    "segment_sum": (lambda x: ac.segment_sum(x, np.array([0, 2, 2, 0]), 3), (4,)),
    "sums": (lambda x: ac.sum(x, axis=1, keepdims=True) + ac.mean(x, axis=0)[:2], (2, 3)),
    "norms": (lambda x: ac.norm(x, axis=0), (2, 3)),
    "softmax": (lambda x: ac.softmax(x, axis=0), (2, 3)),
    "logsumexp": (ac.grad(lambda x: ac.sum(ac.logsumexp(x, axis=1))), (2, 3)),
    "cumsum": (lambda x: ac.cumsum(x, axis=1), (2, 3)),
    "cumprod": (ac.cumprod, (4,)),
    "from the end": (ac.grad(lambda x: ac.sum(ac.cumsum(x * x, axis=0) * ac.tensor([1.0, 2.0, 3.0], dtype=F64))), (3,)),
    "matmul": (lambda x: ac.tensor(MATRIX) @ x, (3, 2)),
    "vector": (lambda x: x @ MATRIX, (2, 4)),
    "both": (lambda x: x @ x.T, (2, 3)),
    "batches": (lambda x: x @ ac.swapaxes(x, 1, 2), (2, 2, 2)),
    "einsum": (lambda x: ac.einsum("bi,bj->bij", x, x), (2, 2)),
    "inverses": (lambda x: ac.linalg.inv(x + 3.0 * ac.eye(2, dtype=F64)), (3, 2, 2)),
    "solve": (lambda x: ac.linalg.solve(x + 3.0 * ac.eye(2, dtype=F64), ac.ones((3, 2, 1), F64)), (3, 2, 2)),
    "stops": (lambda x: x * ac.stop_gradient(x[0]) + ac.floor(x[1]), (3,)),
    "no numbers": (lambda x: x * ac.astype(ac.astype(x[0], ac.int64), F64), (3,)),
    "scalar": (lambda x: x * x, ()),
    "constant": (lambda x: ac.ones(3, F64) + 0.0 * ac.stop_gradient(ac.sum(x)), (2,)),
    "stencil": (lambda x: ac.conv1d(x[None], np.array([[[1.0, -2.0, 1.0]]]), padding=1)[0], (6,)),
    "groups": (lambda x: ac.conv2d(x, np.ones((4, 1, 2, 2)), stride=2, padding=1, groups=2), (1, 2, 3, 4)),
    "kernels": (lambda w: ac.conv2d(np.ones((1, 2, 3, 3)), w), (3, 2, 2, 2)),
    "dilated": (ac.grad(lambda x: ac.sum(ac.conv1d(x, np.ones((2, 2, 2)), dilation=2) ** 2)), (1, 2, 6)),
    "transposed": (lambda x: ac.conv_transpose1d(x, np.ones((2, 2, 3)), stride=2, groups=2), (1, 2, 3)),
    "pools": (lambda x: ac.avg_pool1d(x, 2, stride=1, padding=1), (2, 4)),
    "pooled back": (ac.grad(lambda x: ac.sum(ac.avg_pool2d(x, 2) ** 2)), (4, 4)),
    "unfold": (lambda x: ac.unfold(x, (2, 2), stride=1, padding=1), (2, 2, 3)),
    "fold": (ac.grad(lambda x: ac.sum(ac.unfold(x, (2,), dilation=2) ** 2)), (2, 5)),
    "map": (lambda x: ac.map(lambda r: ac.cumsum(r) * r[0], x), (3, 2)),
    "scan": (lambda x: ac.scan(lambda c, a: (c * a, c + a), x[0], x[1:])[1], (4,)),
    "backwards": (lambda x: ac.scan(lambda c, a: (c * a, c + a), x[0], x[1:], reverse=True)[1], (4,)),
    "shift": (lambda x: ac.scan(lambda c, a: ((c[1], a), c[0] * a), (x[0], x[1]), x[2:])[1], (6,)),
    "no step": (lambda x: ac.scan(lambda c, a: (c * a, c + a), x[0], x[1:1])[0], (3,)),
    "no step of several": (lambda x: ac.fori_loop(0, 0, lambda i, c: c * x[0], x), (3,)),
    "parameter": (lambda x: ac.scan(lambda c, _: (c * x[0], c + x[1]), x[2], length=4)[1], (3,)),
    "indices inside": (lambda x: ac.map(lambda a: a * x[INDEX[0]], x[:2]), (3,)),
    "gradient of scan": (ac.grad(lambda x: ac.scan(lambda c, a: (c * a, None), 1.0, x)[0]), (4,)),
    "gradient of map": (ac.grad(lambda x: ac.sum(ac.map(lambda r: r[0] * r[1] * r[1], x))), (3, 2)),
    "fori": (lambda x: ac.fori_loop(0, 3, lambda i, c: c * x[0], x), (3,)),
    "while": (lambda x: ac.while_loop(lambda c: c[0] < 9, lambda c: c * ac.stack([x[0], x[1]]), x[1:], max_steps=60),
              (3,)),
    "cond": (lambda x: ac.vmap(lambda a: ac.cond(a > 1.0, lambda a: a * x[0], lambda a: a * x[0], a))(x), (3,)),
    "compiled": (lambda x: ac.compile(lambda y: y[1:] * y[:-1])(x), (4,)),
    "vmap": (lambda x: ac.vmap(lambda r: r[1:] * r[:-1])(x), (2, 3)),
    "inner derivative": (lambda x: ac.vmap(ac.grad(ac.sin))(x) * x[0], (3,)),
    "empty": (lambda x: x[:0], (3,)),
    "of nothing": (lambda x: ac.concat([x, ac.ones(2, F64)]), (0,)),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_the_pattern_is_exact(name: str) -> None:
    f, shape = EXACT[name]
    check(f, points(shape), exact=True)


def test_where_no_one_reverses_a_loop_forward_mode_finds_the_values() -> None:
    """Without max_steps a while_loop has no reverse mode."""

    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.vmap(lambda a: ac.while_loop(lambda c: c < 9, lambda c: c * 2.0 + a, a))(x)

    x = points((3,))
    found = ac.jacfwd(f, sparse=True)(x)
    assert found.todense().tolist() == ac.jacfwd(f)(x).tolist()
    assert set(zip(found.rows.tolist(), found.cols.tolist(), strict=True)) >= {(i, i) for i in range(3)}


def test_the_largest_of_a_window_may_be_any() -> None:
    x = points((1, 6))
    assert ac.jacfwd(lambda x: ac.max_pool1d(x, 2), sparse=True)(x).directions == 2
    found = check(lambda x: ac.max_pool1d(x, 3, stride=1), x)
    assert found.nnz == 12


def test_numbers_do_not_matter() -> None:
    """A product with 0, a chosen branch and a closed mask may be others next time."""
    x = points((3,))
    assert ac.sparsity(lambda x: ac.tensor(np.eye(3)) @ x, x).nnz == 9
    assert ac.sparsity(lambda x: ac.where(ac.tensor([True, False, True]), x, x[0]), x).nnz == 5
    assert ac.sparsity(lambda x: 0.0 * x, x).nnz == 3
    long = ac.sparsity(lambda x: ac.scan(lambda c, a: (c * a, c), 1.0, x)[1], ac.abstract((1500,)))
    assert long.nnz == 1500 * 1500  # a loop of many steps counts each as any


def test_what_is_full_is_refused_before_memory_ends() -> None:
    """Many items that depend on everything cost nothing on the way, but are no sparse matrix."""
    full = lambda x: ac.sin(x - ac.mean(x))  # noqa: E731
    assert ac.sparsity(lambda x: ac.sum(full(x)), ac.abstract((200_000,))).nnz == 200_000
    for transform in (lambda f: lambda x: ac.sparsity(f, x), lambda f: ac.jacfwd(f, sparse=True)):
        with pytest.raises(
            ac.GradientError, match=r"a pattern must be sparse; expected at most 33554432 entries .* got"
        ):
            transform(full)(ac.zeros(200_000))
    with pytest.raises(ac.GradientError, match="leave out sparse=True"):
        ac.sparsity(ac.cumsum, ac.abstract((10_000,)))


# -- random programs ---------------------------------------------------------------------------------------------------


#: Of two vectors of one length n, a list of places and a square matrix.
PIECES: list[Callable[[ac.Tensor, ac.Tensor, list[int], ac.Tensor], Any]] = [
    lambda a, b, index, w: a * b,
    lambda a, b, index, w: ac.sin(a) + b,
    lambda a, b, index, w: a[np.array(index)],
    lambda a, b, index, w: ac.zeros_like(a).at[np.array(index)].add(b),
    lambda a, b, index, w: a.at[np.array(index)].set(b),
    lambda a, b, index, w: ac.roll(a, 1) * b,
    lambda a, b, index, w: ac.concat([a[1:], b[:1]]),
    lambda a, b, index, w: ac.cumsum(a),
    lambda a, b, index, w: w @ a,
    lambda a, b, index, w: ac.sum(a) * b,
    lambda a, b, index, w: ac.where(a > b, a, ac.flip(b)),
    lambda a, b, index, w: ac.maximum(a, b),
    lambda a, b, index, w: ac.sort(a),
    lambda a, b, index, w: (a[:, None] * b).T.ravel()[: a.size],
    lambda a, b, index, w: ac.scan(lambda c, z: (0.5 * c + z[0], c * z[1]), a[0], ac.stack([a, b], axis=1))[1],
    lambda a, b, index, w: ac.scan(lambda c, z: (ac.roll(c, 1) * 0.5, c[0] * z), a, b, reverse=True)[1],
    lambda a, b, index, w: ac.fori_loop(0, index[0], lambda i, c: ac.roll(c, 1) * a, b),
    lambda a, b, index, w: ac.fori_loop(0, 3, lambda i, c: c.at[i].set(c[i] * a[i + 1]), b),
    lambda a, b, index, w: ac.while_loop(
        lambda c: c[1] < index[0], lambda c: (ac.roll(c[0], 1) * b, c[1] + 1), (a, 0), max_steps=a.size
    )[0],
    lambda a, b, index, w: ac.cond(a[0] > b[1], lambda u, v: u * v[0], lambda u, v: ac.flip(v), a, b),
    lambda a, b, index, w: ac.map(lambda z: z[0] * ac.exp(-z[1] * z[1]), ac.stack([a, b], axis=1)),
    lambda a, b, index, w: ac.vmap(ac.grad(lambda u, v: ac.sin(u * v)))(a, b),
]


def program(rng: random.Random, n: int) -> Callable[[ac.Tensor], ac.Tensor]:
    """A random function of a vector: pieces of length n, each made of those before."""
    plan = [
        (rng.choice(PIECES), rng.random(), rng.random(), [rng.randrange(n) for _ in range(n)])
        for _ in range(rng.randrange(2, 9))
    ]
    weights = ac.tensor(np.random.default_rng(rng.randrange(99)).uniform(-1, 1, (n, n)))

    def f(x: ac.Tensor) -> ac.Tensor:
        values = [x]
        for piece, p, q, index in plan:
            a, b = values[int(p * len(values))], values[int(q * len(values))]
            values.append(ac.tanh(piece(a, b, index, weights)))
        return values[-1]

    return f


@pytest.mark.parametrize("seed", range(120))
def test_random_programs(seed: int) -> None:
    rng = random.Random(seed)
    n = rng.randrange(4, 8)
    f, x = program(rng, n), points((n,), seed)
    check(f, x)
    g = ac.compile(ac.jacfwd(f, sparse=True))(x)
    assert g.todense().tolist() == ac.jacfwd(f)(x).tolist()
    if seed % 2:
        loss = lambda x: ac.sum(f(x) * x)  # noqa: E731
        found, want = ac.hessian(loss, sparse=True)(x), ac.hessian(loss)(x)
        np.testing.assert_allclose(found.todense(), want, rtol=1e-9, atol=1e-11 * (1 + np.abs(want).max()))


# -- what people have --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("dtype", [ac.float32, F64])
def test_a_band_takes_as_many_directions_as_it_is_wide(width: int, dtype: Any) -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.prod(ac.stack([x[i : x.size - width + 1 + i] for i in range(width)]), axis=0)

    x = ac.astype(points((40,)), dtype)
    found = check(f, x, exact=True)
    assert found.directions == width
    assert ac.jacrev(f, sparse=True)(x).directions == width


def test_residuals_of_an_ode() -> None:
    """Implicit midpoint steps of a pendulum, all states unknown: two blocks of 2 x 2 in each row of blocks."""

    def residual(flat: ac.Tensor) -> ac.Tensor:
        z = ac.reshape(flat, (-1, 2))
        middle = 0.5 * (z[1:] + z[:-1])
        slope = ac.stack([middle[:, 1] + 0.1 * ac.sin(middle[:, 0]), ac.cos(middle[:, 0]) * middle[:, 1]], axis=1)
        return (z[1:] - z[:-1] - 0.1 * slope).ravel()

    found = check(residual, points((60,)), exact=True)
    assert found.directions == 4
    want = np.kron(np.eye(30)[:-1] + np.eye(30, k=1)[:-1], np.ones((2, 2))) > 0
    assert np.array_equal(found.pattern.todense(), want)


def test_bundle_adjustment() -> None:
    """Each observation depends on its camera and its point, but one coordinate not on a shift along the other."""
    rng = np.random.default_rng(0)
    cameras, marks = 4, 10
    of_camera, of_point = (a.ravel() for a in np.meshgrid(np.arange(cameras), np.arange(marks), indexing="ij"))
    seen = ac.tensor(rng.normal(size=(cameras * marks, 2)))

    def residual(flat: ac.Tensor) -> ac.Tensor:
        poses, places = ac.reshape(flat[: 6 * cameras], (-1, 6)), ac.reshape(flat[6 * cameras :], (-1, 3))
        c, p = poses[of_camera], places[of_point]
        turned = p + ac.linalg.cross(c[:, :3], p) + c[:, 3:]
        return (turned[:, :2] / (3.0 + turned[:, 2:]) - seen).ravel()

    x = points((6 * cameras + 3 * marks,))
    found = check(residual, x, exact=True)
    want = np.zeros((2 * cameras * marks, x.size), bool)
    for k, (i, j) in enumerate(zip(of_camera, of_point, strict=True)):
        want[2 * k : 2 * k + 2, 6 * i : 6 * i + 6] = True
        want[2 * k, 6 * i + 4] = want[2 * k + 1, 6 * i + 3] = False
        want[2 * k : 2 * k + 2, 6 * cameras + 3 * j : 6 * cameras + 3 * j + 3] = True
    assert np.array_equal(found.pattern.todense(), want)
    assert found.directions == 8
    assert ac.jacobian(residual, sparse=True)(x).directions == 8  # by rows there were more


def test_dynamics_of_a_controlled_chain() -> None:
    """Multiple shooting: x[t + 1] - step(x[t], u[t]) by all states and controls, steps side by side or mapped."""
    steps, n = 12, 3

    def step(z: ac.Tensor) -> ac.Tensor:
        return ac.tanh(ac.sum(z[:n]) * z[:n] + z[n])

    def defects(flat: ac.Tensor, run: Callable[..., Any]) -> ac.Tensor:
        z = ac.reshape(flat, (steps, n + 1))
        return (z[1:, :n] - run(z[:-1])).ravel()

    x = points((steps * (n + 1),))
    for run in (ac.vmap(step), lambda z: ac.map(step, z), lambda z: ac.scan(lambda c, z: (c, step(z)), 0.0, z)[1]):
        found = check(lambda flat, run=run: defects(flat, run), x)
        block = np.concatenate([np.ones((n, n + 1)), np.eye(n, n + 1)], axis=1) > 0
        want = np.zeros(found.shape, bool)
        for t in range(steps - 1):
            want[n * t : n * t + n, (n + 1) * t : (n + 1) * (t + 2)] = block
        assert np.array_equal(found.pattern.todense(), want)
        assert found.directions == 2 * n + 1  # a state shares rows with all before it, and with its neighbours


# -- Hessians ----------------------------------------------------------------------------------------------------------

HESSIANS: dict[str, tuple[Callable[[ac.Tensor], ac.Tensor], int]] = {  # and how many directions they take
    "chain": (lambda x: ac.sum(100.0 * ac.square(x[1:] - x[:-1] ** 2) + ac.square(1.0 - x[:-1])), 3),
    "arrow": (lambda x: ac.sum(ac.sin(x[0] * x[1:])), 2),
    "two hubs": (lambda x: ac.sum(ac.sin(x[0] * x[2:]) + ac.cos(x[1] * x[2:])), 3),
    "diagonal": (lambda x: ac.sum(x**4), 1),
    "ring": (lambda x: ac.sum(ac.exp(x * ac.roll(x, 1))), 3),
    "blocks": (lambda x: ac.sum(x[::3] * x[1::3] * x[2::3]), 3),
    "linear": (lambda x: ac.sum(2.0 * x), 0),
    "dense": (lambda x: ac.square(ac.sum(x * x)), 12),
}


@pytest.mark.parametrize("name", HESSIANS)
def test_hessians(name: str) -> None:
    f, directions = HESSIANS[name]
    x = points((12,))
    found, want = ac.hessian(f, sparse=True)(x), np.asarray(ac.hessian(f)(x))
    np.testing.assert_allclose(found.todense(), want, rtol=1e-12, atol=1e-12)
    assert np.array_equal(found.pattern.todense(), want != 0)
    assert found.directions <= directions
    assert np.array_equal(ac.compile(ac.hessian(f, sparse=True))(x).values, found.values)
    assert np.array_equal(ac.hessian(f, sparse=True, chunk=2)(x).values, found.values)


@pytest.mark.parametrize("seed", range(40))
def test_colours_of_random_symmetric_matrices(seed: int) -> None:
    """f = Σ of products over random pairs: any graph. Directions are at most those of columns alone."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 30))
    a, b = rng.integers(0, n, (2, int(rng.integers(1, 3 * n))))
    f = lambda x: ac.sum(ac.sin(x[a] * x[b]))  # noqa: E731
    x = points((n,), seed)
    found, want = ac.hessian(f, sparse=True)(x), ac.hessian(f)(x)
    np.testing.assert_allclose(found.todense(), want, rtol=1e-11, atol=1e-11)
    assert found.directions <= ac.jacfwd(ac.grad(f), sparse=True)(x).directions


def test_rules_of_ones_own_may_break_the_symmetry() -> None:
    """A rule that gives no gradient of anything: its matrix is found column by column, as without sparse."""

    @ac.custom_vjp
    def odd(x: ac.Tensor) -> ac.Tensor:
        return ac.sum(x)

    odd.defvjp(lambda x: (ac.sum(x), x), lambda x, g: (g * ac.roll(x, 1) * ac.tensor([1.0, 0.0, 1.0], dtype=F64),))
    x = points((3,))
    for f in (odd, lambda x: ac.scan(lambda c, z: (c + odd(z * x), None), 0.0, ac.ones((2, 3), F64))[0]):
        assert ac.hessian(f, sparse=True)(x).todense().tolist() == ac.hessian(f)(x).tolist()


def test_a_function_of_ones_own_may_have_the_name_of_an_op() -> None:
    """What it is called says nothing about it: everything may depend on everything."""
    for name in ("reshape", "scan", "sin", "matmul", "flip"):

        def mixed(x: ac.Tensor) -> ac.Tensor:
            return x * ac.sum(x)

        mixed.__name__ = mixed.__qualname__ = name
        custom = ac.custom_vjp(mixed)
        custom.defvjp(lambda x: (x * ac.sum(x), x), lambda x, g: (g * ac.sum(x) + ac.sum(g * x),))
        check(lambda x, custom=custom: custom(x), points((3,)), exact=True)


# -- together with everything else -------------------------------------------------------------------------------------


def chain(x: ac.Tensor) -> ac.Tensor:
    return x[1:] * ac.sin(x[:-1])


def test_values_can_be_differentiated_batched_and_compiled() -> None:
    x, many = points((5,)), points((3, 5))
    for transform in (ac.jacfwd, ac.jacrev, ac.jacobian):
        sparse, full = transform(chain, sparse=True), transform(chain)
        of_sparse, of_full = (ac.grad(lambda x, j=j: ac.sum(ac.exp(dense_of(j(x))))) for j in (sparse, full))
        np.testing.assert_allclose(of_sparse(x), of_full(x), rtol=1e-12)
        batch = ac.vmap(sparse)(many)
        assert batch.values.shape == (3, 8)
        assert np.array_equal(batch.todense(), ac.vmap(full)(many))
        assert np.array_equal(ac.compile(ac.vmap(sparse))(many).todense(), ac.vmap(full)(many))
        assert np.array_equal(ac.compile(sparse)(x).todense(), full(x))
        assert ac.jvp(lambda x, j=sparse: j(x).values, [x], [x])[1].shape == (8,)


def dense_of(j: Any) -> ac.Tensor:
    return j.todense() if isinstance(j, ac.SparseMatrix) else j


def test_shapes_arguments_and_what_is_beside() -> None:
    x, w = points((2, 3)), points((3,))

    def f(w: ac.Tensor, x: ac.Tensor, *, power: float) -> tuple[ac.Tensor, dict[str, ac.Tensor]]:
        return (x[:, 1:] ** power * w[0]).T, {"sum": ac.sum(x)}

    found, aux = ac.jacfwd(f, argnums=-1, has_aux=True, sparse=True)(w, x, power=2.0)
    want, _ = ac.jacfwd(f, argnums=1, has_aux=True)(w, x, power=2.0)
    assert found.todense().shape == (2, 2, 2, 3)
    assert np.array_equal(found.todense(), want)
    assert aux["sum"].item() == ac.sum(x).item()
    assert (found.pattern.of, found.pattern.by, found.shape) == ((2, 2), (2, 3), (4, 6))
    assert ac.jacrev(ac.square, sparse=True)(3.0).todense().item() == 6.0
    assert ac.sparsity(f_without(f), w, x, argnums=1).nnz == 4


def f_without(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda w, x: f(w, x, power=2.0)[0]


def test_chunks_have_the_same_bits() -> None:
    x = points((9,))
    want = ac.jacfwd(ac.cumprod, sparse=True)(x)
    for chunk in (1, 2, 9, 50):
        assert ac.jacfwd(ac.cumprod, sparse=True, chunk=chunk)(x).values.tolist() == want.values.tolist()


def test_indices_that_change_are_not_remembered() -> None:
    """Neither those of an array that is written to, nor of a Tensor that a compiled function reads."""
    x = points((4,))
    index = np.array([0, 1, 2])
    f = lambda x: x[index] * x[3]  # noqa: E731
    for _ in range(2):
        assert np.array_equal(ac.jacfwd(f, sparse=True)(x).todense(), ac.jacfwd(f)(x))
        index[:] = [2, 2, 1]
    held = ac.tensor([0, 1, 2])
    g = ac.compile(ac.jacfwd(lambda x: ac.take(x, held, axis=0) * x[3], sparse=True))
    for numbers in ([0, 1, 2], [2, 2, 1]):
        held.assign_(ac.tensor(numbers))
        want = ac.jacfwd(lambda x: ac.take(x, held, axis=0) * x[3])(x)
        assert np.array_equal(g(x).todense(), want)


def test_equal_functions_share_their_pattern() -> None:
    """So what is compiled for one matrix serves the next one."""
    one, other = (ac.jacfwd(lambda x: x[1:] * x[:-1], sparse=True)(points((5,), seed)) for seed in (0, 1))
    assert one.pattern is other.pattern
    assert tree.structure(one) == tree.structure(other)
    scaled = ac.compile(lambda j: tree.map(lambda v: 2.0 * v, j))
    assert np.array_equal(scaled(one).todense(), 2.0 * np.asarray(one.todense()))


def test_random_numbers_and_updates_inside() -> None:
    seen = ac.tensor(0.0, dtype=F64)
    x = points((3,))

    def f(x: ac.Tensor) -> ac.Tensor:
        seen.assign_(seen + 1.0)
        return x * x

    assert ac.jacfwd(f, sparse=True)(x).values.tolist() == (2.0 * x).tolist()
    assert seen.item() == 1.0


def test_what_is_not_followed_counts_nothing() -> None:
    x = points((3,))

    def f(x: ac.Tensor) -> ac.Tensor:
        with ac.no_grad():
            y = ac.sum(x)
        return x * y

    check(f, x, exact=True)


def test_scipy() -> None:
    scipy_sparse = pytest.importorskip("scipy.sparse")
    found = ac.jacfwd(chain, sparse=True)(points((5,))).toscipy()
    assert isinstance(found, scipy_sparse.csr_array)
    assert found.has_sorted_indices
    assert np.array_equal(found.toarray(), ac.jacfwd(chain)(points((5,))))
    scipy_sparse.linalg = pytest.importorskip("scipy.sparse.linalg")
    hessian = ac.hessian(HESSIANS["chain"][0], sparse=True)(points((12,))).toscipy()
    step = scipy_sparse.linalg.spsolve(hessian.tocsc(), np.ones(12))
    np.testing.assert_allclose(hessian @ step, np.ones(12))


# -- pictures ----------------------------------------------------------------------------------------------------------


def test_pictures() -> None:
    small = ac.sparsity(lambda x: x[1:] + x[:-1], ac.abstract((3,)))
    assert str(small).splitlines() == ["Sparsity of 2 by 3, 4 entries", "x x .", ". x x"]
    assert repr(small) == "Sparsity of 2 by 3, 4 entries"
    large = str(ac.sparsity(ac.square, ac.abstract((200,)))).splitlines()
    assert large[0] == "Sparsity of 200 by 200, 200 entries; each letter stands for 4 by 4"
    assert large[1:] == [" ".join("x" if i == j else "." for j in range(50)) for i in range(50)]
    assert repr(ac.jacfwd(ac.square, sparse=True)(2.0)) == (
        "SparseMatrix of 1 by 1, 1 entries, float32, from 1 directions"
    )


# -- errors ------------------------------------------------------------------------------------------------------------

ERRORS: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("a tree", lambda: ac.jacfwd(lambda p: p[0], sparse=True)([ac.ones(2), ac.ones(3)]), ac.ShapeError,
     "jacfwd: argument 0 must be one array for a sparse Jacobian; got a tree of 2 leaves; put them into one array"),
    ("several results", lambda: ac.jacrev(lambda x: (x, x), sparse=True)(ac.ones(2)), ac.ShapeError,
     "jacrev: the function must return one array for a sparse Jacobian; got a tree of 2 leaves; put its parts into"),
    ("a number", lambda: ac.jacrev(lambda x: 1.0, sparse=True)(ac.ones(2)), ac.ShapeError, "got float"),
    ("several arguments", lambda: ac.jacfwd(lambda x, y: x, (0, 1), sparse=True)(ac.ones(2), ac.ones(2)),
     ac.DTypeError, "jacfwd: argnums must be one int for a sparse Jacobian; got (0, 1); take one argument after"),
    ("of a Hessian", lambda: ac.hessian(lambda x, y: ac.sum(x), (0, 1), sparse=True)(ac.ones(2), ac.ones(2)),
     ac.DTypeError, "hessian: argnums must be one int"),
    ("integers", lambda: ac.jacfwd(ac.square, sparse=True)(ac.tensor([1, 2])), ac.DTypeError,
     "jacfwd: argument 0 must be floating-point to be differentiated; got int64"),
    ("integer results", lambda: ac.jacfwd(ac.argmax, sparse=True)(ac.ones(3)), ac.DTypeError,
     "jacfwd: the function must return floating values; got int64"),
    ("no scalar", lambda: ac.hessian(ac.square, sparse=True)(ac.ones(3)), ac.ShapeError, "grad: "),
    ("a value", lambda: ac.sparsity(lambda x: x if x[0] > 0 else -x, ac.ones(3)), ac.TraceError, "use ac.where"),
    ("no flag", lambda: ac.jacfwd(ac.square, sparse=2), ac.DTypeError, "jacfwd: sparse must be True or False; got 2"),
    ("no function", lambda: ac.sparsity(ac.ones(3), ac.ones(3)), ac.DTypeError, "sparsity: expected a function"),
    ("chunk", lambda: ac.jacfwd(ac.square, sparse=True, chunk=0), ValueError, "jacfwd: chunk must be at least 1"),
    ("no pair", lambda: ac.jacfwd(ac.square, has_aux=True, sparse=True)(ac.ones(2)), ac.GradientError,
     "jacfwd: with has_aux=True the function must return a pair (value, aux)"),
    ("a batch", lambda: ac.vmap(ac.jacfwd(ac.square, sparse=True))(ac.ones((2, 3))).toscipy(), ac.ShapeError,
     "SparseMatrix.toscipy: expected the values of one matrix; got a batch, shape (2, 3); convert one"),
]  # fmt: skip


@pytest.mark.parametrize("case", ERRORS, ids=lambda case: case[0])
def test_errors(case: Any) -> None:
    _, call, kind, words = case
    with pytest.raises(kind) as error:
        call()
    assert words in str(error.value)
