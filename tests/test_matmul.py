"""Matrix products beyond the rows of ``cases/linalg.py``: every layout, threads, accuracy, memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac

Array = npt.NDArray[Any]

#: Around the heights and widths of the register tiles of every level, and past one block of the sum.
SIZES = st.sampled_from([0, 1, 2, 3, 5, 7, 8, 10, 13, 14, 15, 16, 17, 29, 31, 32, 33, 47, 64, 65, 100, 193, 400])


def contiguous(a: Array) -> ac.Tensor:
    return ac.tensor(a)


def transposed(a: Array) -> ac.Tensor:
    t = ac.tensor(np.swapaxes(a, -1, -2) if a.ndim > 1 else a)
    return t.mT if a.ndim > 1 else t


def gapped(a: Array) -> ac.Tensor:
    wide = np.full(tuple(2 * n for n in a.shape), np.nan if a.dtype.kind == "f" else -1).astype(a.dtype)
    key = (slice(None, None, 2),) * a.ndim
    wide[key] = a
    return ac.asarray(wide)[key]


def backwards(a: Array) -> ac.Tensor:
    key = (slice(None, None, -1),) * a.ndim
    return ac.asarray(a[key].copy())[key]


LAYOUTS: list[Callable[[Array], ac.Tensor]] = [contiguous, transposed, gapped, backwards]
layouts = st.sampled_from(LAYOUTS)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = ac.get_num_threads()
    yield
    ac.set_num_threads(before)


def numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    if dtype in ("float32", "float64"):
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 1 << 31, shape).astype(dtype)


def check(got: ac.Tensor, a: Array, b: Array) -> None:
    """Exact for integers; for floats within the bound that the docstring of matmul states."""
    out = got.numpy()
    if a.dtype.kind != "f":
        np.testing.assert_array_equal(out, a @ b)
        return
    wider = np.longdouble if a.dtype == np.float64 else np.float64
    exact = np.matmul(a.astype(wider), b.astype(wider))
    magnitude = np.matmul(np.abs(a).astype(np.float64), np.abs(b).astype(np.float64))  # that of a bound may be rounded
    bound = min(a.shape[-1], 16) * np.finfo(a.dtype).eps / 2 * magnitude
    assert out.shape == exact.shape
    assert out.dtype == a.dtype
    assert np.all(np.abs(out - exact) <= bound)


@st.composite
def shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    m, n, k = draw(SIZES), draw(SIZES), draw(SIZES)
    a: tuple[int, ...] = (m, k)
    b: tuple[int, ...] = (k, n)
    kind = draw(st.sampled_from(["matrices", "row", "column", "vectors", "shared", "batched", "broadcast"]))
    if kind == "matrices":
        return a, b
    if kind == "row":
        return a[1:], draw(st.sampled_from([b, (2, *b)]))
    if kind == "column":
        return draw(st.sampled_from([a, (2, *a)])), b[:1]
    if kind == "vectors":
        return a[1:], b[:1]
    if kind == "shared":
        return (2, 3, *a), b
    return ((3, *a), (3, *b)) if kind == "batched" else ((2, 1, *a), (3, *b))


@settings(deadline=None)
@given(
    shapes(), layouts, layouts, st.sampled_from(["float32", "float64", "int32", "int64", "uint8"]), st.integers(0, 9)
)
def test_any_shape_and_layout(
    shape: tuple[tuple[int, ...], tuple[int, ...]],
    a_layout: Callable[[Array], ac.Tensor],
    b_layout: Callable[[Array], ac.Tensor],
    dtype: str,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    a, b = numbers(rng, shape[0], dtype), numbers(rng, shape[1], dtype)
    got = ac.matmul(a_layout(a), b_layout(b))
    check(got, a, b)
    if ac.build_config()["isa"] != "baseline":
        assert got.numpy().tobytes() == ac.matmul(ac.tensor(a), ac.tensor(b)).numpy().tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("a_shape", "b_shape"),
    [
        ((300, 500), (500, 700)),
        ((5, 2000), (2000, 3000)),
        ((3000, 70), (70, 5)),
        ((400, 16, 16), (400, 16, 16)),
        ((3, 200, 100), (3, 100, 200)),
        ((40, 1, 300), (300, 300)),
        ((100_000,), (100_000,)),
        ((900, 900), (900,)),
        ((9000,), (9000, 30)),
        ((2060, 500), (500, 530)),
        ((130, 3), (3, 3000)),
    ],
)
def test_threads_change_no_bit(a_shape: tuple[int, ...], b_shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(3)
    a, b = numbers(rng, a_shape, dtype), numbers(rng, b_shape, dtype)
    results = []
    for threads in (1, 2, 4):
        ac.set_num_threads(threads)
        results += [layout(a) @ layout(b) for layout in (contiguous, transposed)]
    check(results[0], a, b)
    step = 1 if ac.build_config()["isa"] != "baseline" else 2
    for other in results[::step]:
        assert other.numpy().tobytes() == results[0].numpy().tobytes()


@pytest.mark.parametrize(("m", "k", "n"), [(16, 32, 2), (128, 32, 10), (33, 20, 1), (70, 900, 31), (2000, 40, 3)])
def test_narrow_results_keep_their_bits(m: int, k: int, n: int) -> None:
    """The gradient of a narrow layer's weights is computed transposed where that is faster."""
    rng = np.random.default_rng(9)
    for dtype in ("float32", "float64"):
        a, b = numbers(rng, (m, k), dtype), numbers(rng, (k, n), dtype)
        got = transposed(a) @ contiguous(b)
        check(got, a, b)
        if ac.build_config()["isa"] != "baseline":
            assert got.numpy().tobytes() == (contiguous(a) @ contiguous(b)).numpy().tobytes()


def test_an_item_depends_on_its_row_and_column_alone() -> None:
    rng = np.random.default_rng(4)
    a, b = numbers(rng, (150, 300), "float32"), numbers(rng, (300, 70), "float32")
    if ac.build_config()["isa"] == "baseline":
        pytest.skip("the baseline hands large products to BLAS")
    whole = (ac.tensor(a) @ ac.tensor(b)).numpy()
    part = (ac.tensor(a[7:40]) @ ac.tensor(b[:, 3:36])).numpy()
    np.testing.assert_array_equal(part, whole[7:40, 3:36])
    stacked = (ac.tensor(a.reshape(3, 50, 300)) @ ac.tensor(b)).numpy()
    np.testing.assert_array_equal(stacked.reshape(150, 70), whole)


def test_operands_are_not_copied() -> None:
    """One block, the result, is allocated whatever the layout of the operands."""
    rng = np.random.default_rng(5)
    a, b = numbers(rng, (200, 300), "float32"), numbers(rng, (300, 250), "float32")
    for a_layout in LAYOUTS:
        for b_layout in LAYOUTS:
            x, y = a_layout(a), b_layout(b)
            before = ac.memory_stats()["allocations"]
            ac.matmul(x, y)
            assert ac.memory_stats()["allocations"] - before == 1
    ones = ac.broadcast_to(ac.tensor([[2.0]]), (200, 300))
    np.testing.assert_allclose((ones @ ac.tensor(b)).numpy(), np.full((200, 300), 2.0, "f4") @ b, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("m", "n"), [(3, 4), (1, 5), (5, 1), (1, 1)])
def test_a_sum_of_nothing_is_zero(m: int, n: int) -> None:
    for dtype in ("float32", "float64", "int32"):
        got = ac.tensor(np.ones((m, 0), dtype)) @ ac.tensor(np.ones((0, n), dtype))
        np.testing.assert_array_equal(got.numpy(), np.zeros((m, n), dtype))


def test_masked_lanes_stay_out() -> None:
    """NaN beside the operands in memory never reaches a result."""
    wide = np.full((40, 40), np.nan, np.float32)
    wide[3:20, 5:15] = 1.0
    inner = ac.asarray(wide)[3:20, 5:15]
    np.testing.assert_array_equal((inner @ inner.T).numpy(), np.full((17, 17), 10.0))
    np.testing.assert_array_equal((inner.T @ inner).numpy(), np.full((10, 10), 17.0))
    np.testing.assert_array_equal((inner @ inner[0]).numpy(), np.full(17, 10.0))
    np.testing.assert_array_equal((inner[:, 0] @ inner).numpy(), np.full(10, 17.0))


def test_dtypes_meet() -> None:
    x = ac.tensor([[1, 2], [3, 4]])
    assert (x @ ac.tensor([0.5, 2.0])).dtype == ac.float32
    assert (ac.tensor([[True, False]]) @ ac.tensor([[True], [True]])).dtype == ac.int32
    assert (ac.tensor(np.array([[200]], np.uint8)) @ ac.tensor(np.array([[2]], np.uint8))).item() == 144
    assert (np.eye(2, dtype=np.float32) @ x).dtype == ac.float32


@pytest.mark.parametrize(
    ("a_shape", "b_shape"), [((2, 3, 4), (4, 2)), ((2, 1, 3, 2), (3, 2, 2)), ((3,), (2, 3, 2)), ((2, 2, 3), (3,))]
)
def test_gradients_of_broadcast_batches(a_shape: tuple[int, ...], b_shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(6)
    xs = [ac.tensor(rng.standard_normal(s)) for s in (a_shape, b_shape)]
    ac.testing.check_grads(lambda a, b: ac.matmul(a, b), xs, order=2, modes=("rev",))


def test_numpys_blas_beside_ours() -> None:
    """Both libraries work in one process, and NumPy keeps its threads when ours is set to one."""
    rng = np.random.default_rng(8)
    a = numbers(rng, (600, 600), "float64")
    want = a @ a
    got = (ac.tensor(a) @ ac.tensor(a)).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(a @ a, want)


@pytest.mark.parametrize("turn", [lambda x: x[::-1], lambda x: x.swapaxes(0, 1), lambda x: x[:, ::-1]])
def test_a_batch_of_rows_that_do_not_follow_each_other(turn: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 1, 4)), rng.standard_normal((4, 5))
    x = ac.asarray(turn(a), copy=False)
    np.testing.assert_array_equal((x @ ac.tensor(b)).numpy(), (ac.tensor(np.array(turn(a))) @ ac.tensor(b)).numpy())
    np.testing.assert_allclose((x @ ac.tensor(b)).numpy(), turn(a) @ b, rtol=1e-13)
