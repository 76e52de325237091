"""Batches of matrix products: the rules of ``matmul`` that run them at once, and the kernel that sums rows of vectors.

Each example of a batch has, bit for bit, the result that it has alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac

Array = npt.NDArray[Any]
Shape = tuple[int, ...]

matmul, vecmat = ac.primitives()["matmul"], ac.primitives()["vecmat"]

#: None and one, around the register tiles and the vectors of every level, and past a block of a matrix product.
SIZES = st.sampled_from([0, 1, 2, 3, 4, 5, 7, 8, 13, 16, 17, 33, 64, 100, 600])
BATCHES = st.sampled_from([0, 1, 2, 5, 33])


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = ac.get_num_threads()
    yield
    ac.set_num_threads(before)


def contiguous(a: Array) -> ac.Tensor:
    return ac.tensor(a)


def transposed(a: Array) -> ac.Tensor:
    return ac.tensor(np.swapaxes(a, -1, -2)).mT if a.ndim > 1 else ac.tensor(a)


def gapped(a: Array) -> ac.Tensor:
    """NaN lies between the numbers in memory."""
    wide = np.full(tuple(2 * n for n in a.shape), np.nan if a.dtype.kind == "f" else -1).astype(a.dtype)
    key = (slice(None, None, 2),) * a.ndim
    wide[key] = a
    return ac.asarray(wide)[key]


def backwards(a: Array) -> ac.Tensor:
    key = (slice(None, None, -1),) * a.ndim
    return ac.asarray(a[key].copy())[key]


LAYOUTS: list[Callable[[Array], ac.Tensor]] = [contiguous, transposed, gapped, backwards]
layouts = st.sampled_from(LAYOUTS)


def numbers(rng: np.random.Generator, shape: Shape, dtype: str) -> Array:
    if dtype.startswith("float"):
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 1 << 31, shape).astype(dtype)


def same_bits(got: ac.Tensor, want: Array, what: Any = "") -> None:
    assert got.shape == want.shape, what
    assert got.dtype == want.dtype, what
    assert got.numpy().tobytes() == want.tobytes(), what


def check_vecmat(x: ac.Tensor, w: ac.Tensor) -> None:
    got, m = vecmat(x, w), x.shape[0]
    for i in {*range(min(m, 9)), *range(max(m - 9, 0), m)}:
        same_bits(got[i], matmul(x[i], w).numpy(), (i, x.shape, w.shape))
        same_bits(got[i], matmul(w.mT, x[i]).numpy(), (i, x.shape, w.shape))


def check_batch(batched: tuple[bool, bool], a: ac.Tensor, b: ac.Tensor) -> None:
    """The batch rule against a loop over the examples."""
    got = matmul.batch_rule(batched, (a, b))
    size = (a if batched[0] else b).shape[0]
    alone = [matmul(a[i] if batched[0] else a, b[i] if batched[1] else b).numpy() for i in range(size)]
    if not alone:
        example = [np.zeros(x.shape[1:] if y else x.shape, x.dtype) for x, y in zip((a, b), batched, strict=True)]
        assert got.shape == (0, *np.matmul(*example).shape)
        return
    same_bits(got, np.stack(alone), (batched, a.shape, b.shape))


# -- vecmat ------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.tuples(SIZES, st.one_of(SIZES, SIZES, st.just(4100)), SIZES.filter(lambda n: n <= 100)),
    layouts,
    layouts,
    st.sampled_from(["float32", "float64", "int32", "uint8"]),
    st.integers(0, 9),
)
def test_each_row_has_the_bits_of_a_vector(
    sizes: tuple[int, int, int],
    x_layout: Callable[[Array], ac.Tensor],
    w_layout: Callable[[Array], ac.Tensor],
    dtype: str,
    seed: int,
) -> None:
    (m, k, n), rng = sizes, np.random.default_rng(seed)
    check_vecmat(x_layout(numbers(rng, (m, k), dtype)), w_layout(numbers(rng, (k, n), dtype)))


@pytest.mark.parametrize(("dtype", "tiny"), [("float32", 1e-30), ("float64", 1e-200)])
def test_products_that_vanish_below_zero_have_one_sign(dtype: str, tiny: float) -> None:
    for k in range(1, 40):
        check_vecmat(ac.tensor(np.full((6, k), -tiny, dtype)), ac.tensor(np.full((k, 5), tiny, dtype)))


@pytest.mark.parametrize("n", [1, 6])
def test_batches_broadcast(n: int) -> None:
    rng = np.random.default_rng(1)
    for a_shape, b_shape in [((3, 5, 8), (8, n)), ((2, 1, 5, 8), (3, 8, n)), ((5, 8), (2, 3, 8, n))]:
        for layout in LAYOUTS:
            x, w = layout(numbers(rng, a_shape, "float32")), layout(numbers(rng, b_shape, "float32"))
            got = vecmat(x, w)
            x, w = (ac.broadcast_to(t, (*got.shape[:-2], *t.shape[-2:])) for t in (x, w))
            for i in np.ndindex(got.shape[:-2]):
                for r in range(5):
                    same_bits(got[(*i, r)], matmul(x[(*i, r)], w[i]).numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("m", "k", "n"), [(300, 700, 500), (70, 9000, 90), (5000, 40, 30), (5, 3000, 900), (900, 500, 1)]
)
def test_threads_change_no_bit(m: int, k: int, n: int, dtype: str) -> None:
    rng = np.random.default_rng(2)
    x, w = numbers(rng, (m, k), dtype), numbers(rng, (k, n), dtype)
    for x_layout in LAYOUTS:
        for w_layout in LAYOUTS:
            results = []
            for threads in (1, 2, 4):
                ac.set_num_threads(threads)
                results.append(vecmat(x_layout(x), w_layout(w)).numpy())
            assert {r.tobytes() for r in results} == {results[0].tobytes()}
    same_bits(vecmat(ac.tensor(x), ac.tensor(w))[-1], matmul(ac.tensor(x[-1]), ac.tensor(w)).numpy())


def test_compiled_rows_feed_what_follows() -> None:
    """A program works on parts of the result as they are finished."""
    rng = np.random.default_rng(3)

    def f(x: ac.Tensor, w: ac.Tensor, b: ac.Tensor) -> ac.Tensor:
        return ac.tanh(vecmat(x, w) + b) * 2.0

    for m, k, n in [(2, 30, 7), (33, 30, 7), (300, 64, 1), (300, 5000, 100), (700, 200, 300)]:
        x, w, b = (ac.tensor(numbers(rng, s, "float32")) for s in ((m, k), (k, n), (n,)))
        for v in (w, transposed(w.numpy())):
            same_bits(ac.compile(f)(x, v, b), f(x, v, b).numpy())


def test_the_bound_of_matmul_holds() -> None:
    rng = np.random.default_rng(4)
    x, w = numbers(rng, (40, 5000), "float32"), numbers(rng, (5000, 30), "float32")
    exact = x.astype(np.float64) @ w.astype(np.float64)
    bound = 16 * np.finfo(np.float32).eps / 2 * (np.abs(x).astype(np.float64) @ np.abs(w).astype(np.float64))
    assert np.all(np.abs(vecmat(x, w).numpy() - exact) <= bound)


@pytest.mark.parametrize(
    ("a_shape", "b_shape"),
    [
        ((3, 4), (4, 2)),
        ((5, 1), (1, 3)),
        ((3, 4), (4, 1)),
        ((2, 3, 4), (4, 2)),
        ((2, 1, 3, 2), (3, 2, 2)),
        ((2, 3), (4, 3, 2)),
    ],
)
def test_gradients(a_shape: Shape, b_shape: Shape) -> None:
    rng = np.random.default_rng(5)
    xs = [ac.tensor(rng.standard_normal(s)) for s in (a_shape, b_shape)]
    ac.testing.check_grads(lambda a, b: vecmat(a, b), xs, order=2, modes=("rev",))


@pytest.mark.parametrize(
    ("a_shape", "b_shape", "message"),
    [
        ((3,), (3, 2), r"vecmat: a and b must have at least two dimensions; got a \(3,\), b \(3, 2\); use matmul"),
        ((2, 3), (3,), r"vecmat: a and b must have at least two dimensions; got a \(2, 3\), b \(3,\); use matmul"),
        ((2, 3), (4, 2), r"vecmat: a\.shape\[-1\] must equal b\.shape\[-2\]; got a \(2, 3\), b \(4, 2\)"),
        ((2, 2, 3), (3, 3, 2), r"vecmat: batch dimensions must be equal or 1; got a \(2, 2, 3\), b \(3, 3, 2\)"),
    ],
)
def test_errors(a_shape: Shape, b_shape: Shape, message: str) -> None:
    with pytest.raises(ac.ShapeError, match=message):
        vecmat(np.ones(a_shape), np.ones(b_shape))


# -- the rules ---------------------------------------------------------------------------------------------------------


def examples(m: int, k: int, n: int) -> list[tuple[Shape, Shape]]:
    """Shapes of one example: all ranks, and batches of its own that one operand or both have."""
    a: list[Shape] = [(k,), (m, k), (1, k), (2, m, k), (2, 1, k), (1, m, k), (1, 1, k)]
    b: list[Shape] = [(k,), (k, n), (k, 1), (2, k, n), (2, k, 1), (1, k, n), (1, k, 1)]
    more: list[tuple[Shape, Shape]] = [
        ((3, 1, m, k), (2, k, n)),
        ((3, 2, 1, k), (k, n)),
        ((3, 2, 1, k), (1, 1, 1, k, n)),
    ]
    return [(x, y) for x in a for y in b] + more


BATCHED = [(True, False), (False, True), (True, True)]


def check_example(
    shapes: tuple[Shape, Shape], batched: tuple[bool, bool], size: int, dtype: str, layout: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    a, b = (
        each(numbers(rng, (size, *s) if has else s, dtype))
        for s, has, each in zip(shapes, batched, layout, strict=True)
    )
    check_batch(batched, a, b)


@settings(deadline=None, max_examples=300)
@given(st.data(), SIZES, SIZES, SIZES, BATCHES)
def test_a_batch_has_the_bits_of_a_loop(data: st.DataObject, m: int, k: int, n: int, size: int) -> None:
    shapes = data.draw(st.sampled_from(examples(m, k, n)))
    batched = data.draw(st.sampled_from(BATCHED))
    dtype = data.draw(st.sampled_from(["float32", "float64", "int32"]))
    layout = data.draw(st.tuples(st.sampled_from(LAYOUTS[:2]), st.sampled_from(LAYOUTS[:2])))
    ac.set_num_threads(data.draw(st.sampled_from([1, 2])))
    check_example(shapes, batched, size, dtype, layout, data.draw(st.integers(0, 9)))


def check_many(seed: int) -> None:
    """Every case of the rule once, at sizes drawn by chance."""
    rng = np.random.default_rng(seed)
    for case in range(len(examples(2, 2, 2))):
        for batched in BATCHED:
            m, k, n = (int(rng.choice([2, 3, 7, 16, 17, 40, 64])) for _ in range(3))
            layout = [LAYOUTS[i] for i in rng.integers(0, 2, 2)]
            dtype = "float32" if rng.integers(2) else "float64"
            check_example(examples(m, k, n)[case], batched, int(rng.integers(1, 6)), dtype, layout, seed)
            check_vecmat(layout[0](numbers(rng, (m, k), dtype)), layout[1](numbers(rng, (k, n), dtype)))
    # Small products that are a large one together: the baseline sums the two in ways of their own.
    check_example(((3, 64), (64, 64)), (True, False), 5, "float32", LAYOUTS[:2], seed)


@pytest.mark.parametrize("level", ["baseline", "avx2", "avx512"])
def test_every_level_keeps_the_bits_of_a_loop(level: str) -> None:
    for threads in ("1", "2"):
        variables = {**os.environ, "ALICE_ISA": level, "ALICE_NUM_THREADS": threads}
        code = (
            f"import sys; sys.path.insert(0, {os.path.dirname(__file__)!r}); import test_vecmat as t; t.check_many(6)"
        )
        done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("batched", BATCHED)
def test_rows_of_rows(batched: tuple[bool, bool]) -> None:
    """The batch rule of vecmat: what a batch of batches of vectors becomes."""
    rng = np.random.default_rng(7)
    for a_shape, b_shape in [((6, 9), (9, 4)), ((6, 9), (9, 1)), ((2, 6, 9), (9, 4)), ((6, 9), (3, 9, 4))]:
        a, b = (
            ac.tensor(numbers(rng, (5, *s) if has else s, "float32"))
            for s, has in zip((a_shape, b_shape), batched, strict=True)
        )
        got = vecmat.batch_rule(batched, (a, b))
        for i in range(5):
            same_bits(got[i], vecmat(a[i] if batched[0] else a, b[i] if batched[1] else b).numpy())


@pytest.mark.parametrize("primitive", [matmul, vecmat], ids=["matmul", "vecmat"])
@pytest.mark.parametrize("wrt", [0, 1])
def test_tangents_and_cotangents_agree(primitive: Any, wrt: int) -> None:
    """<g, J t> = <Jᵀ g, t>, with the rules of the primitive itself."""
    rng = np.random.default_rng(8)
    shapes = [((3, 4), (4, 2)), ((2, 3, 4), (4, 2)), ((2, 1, 3, 4), (5, 4, 2))]
    if primitive is matmul:
        shapes += [((4,), (4,)), ((4,), (4, 2)), ((3, 4), (4,)), ((4,), (2, 4, 3)), ((2, 3, 4), (4,))]
    for s in shapes:
        xs = [ac.tensor(rng.standard_normal(shape)) for shape in s]
        t = ac.tensor(rng.standard_normal(s[wrt]))
        ans, pullback = ac.vjp(lambda a, b: primitive(a, b), *xs)
        g = ac.tensor(rng.standard_normal(ans.shape))
        tangent = primitive.jvp_rules[wrt](t, ans, *xs)
        assert tangent.shape == ans.shape
        want = ac.sum(pullback(g)[wrt] * t).item()
        assert abs(ac.sum(g * tangent).item() - want) <= 1e-12 * (1 + abs(want))
