"""NumPy beside Tensors: conversions, mixed operators, NumPy's own functions."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import numpy_dispatch


def test_tensor_copies_and_keeps_dtypes() -> None:
    a = np.arange(3.0)
    x = ac.tensor(a)
    a[0] = 9.0
    assert x.tolist() == [0.0, 1.0, 2.0]
    assert x.dtype == np.float64
    assert ac.tensor([1.0]).dtype == ac.float32
    assert ac.tensor([1]).dtype == ac.int64
    assert ac.tensor([True]).dtype == ac.bool
    assert ac.tensor([[1, 2.5]]).dtype == ac.float32


def test_asarray_shares_read_only_memory_only() -> None:
    a = np.arange(3.0)
    assert not np.shares_memory(ac.asarray(a).numpy(), a)
    assert np.shares_memory(ac.asarray(a, copy=False).numpy(), a)
    a.flags.writeable = False
    assert np.shares_memory(ac.asarray(a).numpy(), a)
    assert not np.shares_memory(ac.asarray(a, copy=True).numpy(), a)
    with pytest.raises(ValueError, match="copy=False"):
        ac.asarray([1.0], copy=False)


def test_shared_memory_outlives_its_owner() -> None:
    a = np.arange(1000.0)
    x = ac.asarray(a, copy=False)
    del a
    np.testing.assert_array_equal(x.numpy(), np.arange(1000.0))
    view = x.numpy()
    del x
    np.testing.assert_array_equal(view, np.arange(1000.0))


def test_exports_are_read_only_unless_asked() -> None:
    x = ac.ones((2,))
    with pytest.raises(ValueError, match="read-only"):
        x.numpy()[0] = 5.0
    x.numpy(writable=True)[0] = 5.0
    assert x.tolist() == [5.0, 1.0]
    view = memoryview(x)
    assert view.readonly
    assert (view.shape, view.format) == ((2,), "f")


def test_strided_views_round_trip() -> None:
    a = np.arange(24.0).reshape(2, 3, 4)
    for key in [(slice(None, None, -1),), (Ellipsis, slice(None, None, 2)), (0,), (slice(None), 1)]:
        np.testing.assert_array_equal(ac.tensor(a[key]).numpy(), a[key])
        np.testing.assert_array_equal(ac.asarray(a[key], copy=False).numpy(), a[key])
        np.testing.assert_array_equal(ac.tensor(a)[key].numpy(), a[key])
    unaligned = np.frombuffer(bytes(17), dtype=np.uint8)[1:].view(np.float64)
    assert ac.asarray(unaligned, copy=False).tolist() == [0.0, 0.0]


def test_dlpack_both_ways() -> None:
    x = ac.tensor([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(np.from_dlpack(x), x.numpy())
    assert ac.from_dlpack(np.arange(3)).tolist() == [0, 1, 2]
    assert ac.from_dlpack(x).tolist() == x.tolist()
    exported = np.from_dlpack(x)
    if np.shares_memory(exported, x.numpy()):
        assert not exported.flags.writeable


def test_arrays_and_scalars_on_either_side() -> None:
    x, a = ac.tensor([1.0, 2.0]), np.array([3.0, 4.0], dtype=np.float32)
    for mixed, plain in [
        (a * x, [3.0, 8.0]),
        (x * a, [3.0, 8.0]),
        (a - x, [2.0, 2.0]),
        (np.float32(2.0) / x, [2.0, 1.0]),
        (2.0**x, [2.0, 4.0]),
        (np.ones((2, 2), dtype=np.float32) @ x, [3.0, 3.0]),
    ]:
        assert isinstance(mixed, ac.Tensor)
        assert mixed.dtype == ac.float32
        assert mixed.tolist() == plain
    assert (a == x).tolist() == [False, False]


def test_numpy_code_differentiates_unchanged() -> None:
    def logistic(w: object, x: object, y: object) -> object:
        z = np.dot(x, w)
        return np.mean(np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0.0) - y * z)

    rng = np.random.default_rng(0)
    x, y, w = rng.standard_normal((5, 3)), np.array([0.0, 1, 1, 0, 1]), rng.standard_normal(3)
    g = ac.grad(logistic)(ac.tensor(w), x, y)
    p = 1.0 / (1.0 + np.exp(-x @ w))
    np.testing.assert_allclose(g.numpy(), x.T @ (p - y) / 5, rtol=1e-12)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.sum(np.transpose(x) * 2.0),
        lambda x: np.add.reduce(x, axis=0)[0],
        lambda x: np.add.reduce(x, axis=None),
        lambda x: np.sum(np.add.accumulate(x, axis=1) ** 2),
        lambda x: np.sum(np.subtract.outer(x, x[0]) ** 2),
        lambda x: np.linalg.norm(x),
        lambda x: np.sum(np.concatenate([x, x], axis=1) ** 2),
        lambda x: np.sum(np.stack([x, x])[1]),
        lambda x: np.var(x, ddof=1),
        lambda x: np.std(x),
        lambda x: np.sum(np.where(x > 0, x, -x)),
        lambda x: np.sum(np.clip(x, -0.5, 0.5)),
        lambda x: np.sum(np.vstack([x, x])),
        lambda x: np.max(x) - np.min(x),
        lambda x: np.sum(np.arctan2(x, 2.0) + np.power(np.abs(x), 1.5)),
        lambda x: np.sum(np.pad(x, 1) ** 2),
        lambda x: np.sum(np.pad(x, ((0, 1), (2, 1)), constant_values=((3, 2), (5, 7))) ** 2),
        lambda x: np.sum(np.squeeze(np.expand_dims(x, 0), 0)),
        lambda x: np.prod(np.reshape(x, (-1,))),
    ],
)
def test_numpy_functions_agree_with_numpy(f: object) -> None:
    a = np.random.default_rng(1).standard_normal((2, 3))
    np.testing.assert_allclose(f(ac.tensor(a)).item(), f(a), rtol=1e-12)
    ac.testing.check_grads(f, [a])


FOLLOWED = {
    "grad": ac.grad,
    "jvp": lambda f: lambda x: ac.jvp(f, [x], [x]),
    "vmap": lambda f: lambda x: ac.vmap(f)(ac.stack([x, x])),
    "compile": ac.compile,
    "gradient of a batch": lambda f: ac.grad(lambda x: ac.sum(ac.vmap(lambda y: f(x) * y)(x))),
    "derivative of a batch": lambda f: lambda x: ac.jvp(lambda x: ac.vmap(lambda y: f(x) * y)(x), [x], [x]),
}


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (np.spacing, r"np\.spacing: alice_core has no such function"),
        (np.fft.fft, r"np\.fft\..*fft: alice_core has no such function"),
        (np.unwrap, r"np\.unwrap: alice_core has no such function"),
        (np.ptp, r"np\.ptp: alice_core has no such function"),
        (np.subtract.accumulate, r"np\.subtract\.accumulate: alice_core has no such function"),
        (lambda x: np.add(x, 1.0, out=np.zeros(2)), "np.add: Tensors are values, out= cannot write into one"),
        (lambda x: np.mean(x, dtype=np.float32), "these arguments are not supported on Tensors"),
        (lambda x: np.pad(x, 1, mode="edge"), "np.pad: expected mode='constant'"),
        (lambda x: np.linalg.svd(np.diag(x), hermitian=True)[1], "np.linalg.svd: expected hermitian=False; got True"),
        (np.frompyfunc(lambda x: x, 1, 1), "alice_core has no such function"),
    ],
)
def test_what_we_lack_is_numpys_of_constants_and_an_error_of_what_is_followed(
    f: Callable[[object], object], message: str
) -> None:
    a = np.array([3.0, -1.0])
    found, want = f(ac.tensor(a)), f(a)
    assert type(found) is type(want)
    np.testing.assert_array_equal(found, want)
    for follow in FOLLOWED.values():
        with pytest.raises(TypeError, match=message):
            follow(lambda x: ac.sum(ac.asarray(f(x))))(ac.tensor(a))


def test_no_number_leaves_the_trace() -> None:
    with pytest.raises(ac.GradientError, match="would cut the trace"):
        ac.grad(lambda x: ac.tensor(np.asarray(x)[0]))(ac.ones((2,)))


def test_positions_of_what_is_not_zero() -> None:
    x = ac.tensor([[0.0, 3.0], [4.0, 0.0]])
    for found in (np.where(x > 1), np.nonzero(x > 1), np.nonzero(x)):
        np.testing.assert_array_equal(found, [[0, 1], [1, 0]])
    assert np.count_nonzero(x) == 2
    assert np.argwhere(x).tolist() == [[0, 1], [1, 0]]
    np.testing.assert_array_equal(ac.grad(lambda x: ac.sum(x[np.where(x > 1)] ** 2))(x), [[0, 6], [8, 0]])


@pytest.mark.parametrize("f", [np.sum, np.mean, np.prod])
@pytest.mark.parametrize("axis", [None, 0, (0, 1)])
def test_reductions_of_chosen_items(f: Callable[..., object], axis: object) -> None:
    a, keep = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]]), np.array([True, False, True])
    for mask in (keep, ac.tensor(keep), keep & (a > 0) | (a == -1.0)):
        got = f(ac.tensor(a), axis=axis, keepdims=True, where=mask)
        with np.errstate(invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            want = f(a, axis=axis, keepdims=True, where=np.asarray(mask))
        np.testing.assert_allclose(got.numpy(), want)
    ac.testing.check_grads(lambda x: ac.sum(f(x, axis=1, where=keep)), [a])
    with pytest.raises(ac.ShapeError, match="where must broadcast to the shape of x"):
        ac.grad(lambda x: f(x, where=np.ones((2, 2, 3), bool)))(ac.tensor(a))
    assert not np.all(ac.tensor(a) > 0, where=keep)
    assert np.any(ac.tensor(a) > 3, where=~keep)


def test_arguments_come_in_numpys_order() -> None:
    x = ac.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert np.mean(x, 0, None, None, True).shape == (1, 2)  # ours has keepdims as its third
    assert np.add.reduce(x, axis=None).item() == 10.0
    assert np.tensordot(x, x, 2).item() == 30.0
    np.testing.assert_array_equal(ac.grad(lambda x: np.tensordot(x, x, 2))(x), 2 * x.numpy())
    assert np.mean(x, 0, np.float64).dtype == np.float64


def test_ufuncs_are_known_by_what_they_are() -> None:
    """Not by their names, which others may have given to something else."""

    def exp(x: float) -> float:
        return x + 1.0

    theirs = np.frompyfunc(exp, 1, 1)
    assert theirs(ac.tensor([1.0, 2.0])).tolist() == [2.0, 3.0]
    with pytest.raises(TypeError, match=r"exp.*alice_core has no such function"):
        ac.grad(lambda x: ac.sum(theirs(x)))(ac.tensor([1.0]))
    assert np.float_power(ac.tensor([2, 10]), -1).tolist() == [0.5, 0.1]


def test_arrays_change_in_place_and_tensors_do_not() -> None:
    a, x = np.ones(2), ac.tensor([1.0, 2.0])
    a += x
    a[1:] *= x[1:]
    np.multiply(a, x, out=a)
    np.testing.assert_array_equal(a, [2.0, 12.0])
    np.add.at(a, [0, 0], x)
    np.testing.assert_array_equal(a, [5.0, 12.0])
    for write in (
        lambda: np.add(x, x, out=x),
        lambda: np.exp(1.0, out=x[0]),
        lambda: np.add.at(x, [0], 1.0),
        lambda: np.copyto(x, 1.0),
        lambda: np.put(x, 0, 1.0),
        lambda: np.cumsum(a, out=x),
        lambda: np.nan_to_num(x, copy=False),
    ):
        with pytest.raises(TypeError, match="Tensors are values"):
            write()
    assert x.tolist() == [1.0, 2.0]
    with pytest.raises(TypeError, match="Tensors are values"):
        ac.grad(lambda x: np.add(a, x, out=a).sum())(x)


def test_numbers_that_numpy_counts_otherwise() -> None:
    x = ac.tensor([True, True])
    for f in (np.add, np.dot, np.matmul, lambda x, y: np.tensordot(x, y, 1)):
        with pytest.raises(TypeError, match="of bool, NumPy's results are truth values"):
            f(x, np.array([True, False]))
    with pytest.raises(TypeError, match=r"np\.reciprocal: of int64, NumPy's results are integers"):
        np.reciprocal(ac.tensor([2]))


def test_shapes_and_dtypes_are_known_while_tracing() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        assert (np.shape(x), np.ndim(x), np.size(x), np.size(x, 0)) == ((2, 3), 2, 6, 2)
        assert np.result_type(x, np.float16) == np.float32
        assert np.isrealobj(x)
        return x

    ac.compile(f)(ac.ones((2, 3)))
    ac.vmap(f)(ac.ones((4, 2, 3)))


def test_bfloat16_is_read_as_float32() -> None:
    x = ac.tensor([1.0, 3.0], ac.bfloat16)
    assert np.allclose(x, [1.0, 3.0])
    np.testing.assert_array_equal(np.unwrap(x), [1.0, 3.0])


def test_matplotlib_draws_tensors() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    figure, axes = plt.subplots()
    x, y = ac.tensor([1.0, 2.0, 3.0]), ac.tensor([2.0, 5.0, 3.0])
    try:
        bars = axes.bar(x, y, yerr=y / 10)
        assert [b.get_height() for b in bars] == [2.0, 5.0, 3.0]
        (line,) = axes.plot(x, y, "o-")
        np.testing.assert_array_equal(line.get_xydata(), [[1, 2], [2, 5], [3, 3]])
        np.testing.assert_array_equal(axes.plot(y)[0].get_ydata(), [2, 5, 3])
        axes.scatter(x, y, c=y, s=y)
        axes.fill_between(x, y, y + 1)
        axes.axhline(y[0])
        axes.set_xlim(x[0], x[-1])
        assert axes.hist(y, bins=3)[0].sum() == 3
        axes.imshow(ac.ones((2, 2)))
        with pytest.raises((TypeError, ac.GradientError), match="stop_gradient"):
            axes.plot(ac.nn.Parameter([1.0, 2.0]))
        figure.canvas.draw()
    finally:
        plt.close(figure)


@pytest.mark.parametrize(
    "f", [operator.add, operator.sub, operator.mul, operator.truediv, operator.lt, np.add, np.maximum, np.arctan2]
)
def test_pandas_series_on_either_side(f: Callable[..., object]) -> None:
    pandas = pytest.importorskip("pandas")
    a, b = np.array([1.0, 2.0, 3.0]), np.array([3.0, 1.0, 0.5])
    series, x = pandas.Series(a), ac.tensor(b)
    for found, want in ((f(series, x), f(a, b)), (f(x, series), f(b, a)), (f(series, x[0]), f(a, b[0]))):
        np.testing.assert_array_equal(np.asarray(found), want)
    if f is not operator.lt:
        with pytest.raises((TypeError, ac.GradientError)):
            ac.grad(lambda x: ac.sum(ac.asarray(f(series, x))))(x)


def test_observers_get_numbers() -> None:
    x = ac.ones((2,))
    assert np.allclose(x, [1.0, 1.0])
    assert np.array_equal(x, np.ones(2))
    assert np.shape(x) == (2,)
    assert "sum" in numpy_dispatch.supported()


def test_bad_input() -> None:
    with pytest.raises(ac.ShapeError, match="ragged"):
        ac.tensor([[1.0], [2.0, 3.0]])
    with pytest.raises(ac.DTypeError, match="expected numbers; got str"):
        ac.tensor("text")
    with pytest.raises(ac.DTypeError, match="dtype must be one of"):
        ac.asarray(np.ones(2, dtype=np.longdouble))
    with pytest.raises(ac.DTypeError, match="expected numbers"):
        ac.tensor([1j])
    with pytest.raises(ac.DTypeError, match="dtype must be one of"):
        ac.tensor([1.0], dtype="complex64")
    with pytest.raises(ac.ShapeError, match="at most 12 dimensions"):
        ac.tensor(np.ones((1,) * 13))
    with pytest.raises(ac.ShapeError, match="too many elements"):
        ac.abstract((1 << 62, 1 << 62))


def foreign_bools() -> np.ndarray:
    return np.array([[0, 1, 2, 255], [128, 0, 1, 7]], dtype=np.uint8).view(np.bool_)


def frozen(a: np.ndarray) -> np.ndarray:
    a.flags.writeable = False
    return a


def from_numpy_dlpack(a: np.ndarray) -> ac.Tensor:
    class Foreign:
        def __dlpack__(self, **kwargs: object) -> object:
            return a.__dlpack__()

        def __dlpack_device__(self) -> tuple[int, int]:
            return a.__dlpack_device__()

    return ac.from_dlpack(Foreign())


@pytest.mark.parametrize(
    "enter",
    [
        ac.tensor,
        ac.asarray,
        lambda a: ac.asarray(frozen(a)),
        lambda a: ac.asarray(frozen(a)[::-1])[::-1],
        lambda a: ac.asarray(memoryview(a)),
        from_numpy_dlpack,
        lambda a: ac.logical_or(a, False),
        lambda a: ac.compile(lambda x: ac.logical_or(x, x))(a),
    ],
)
def test_any_byte_but_0_is_true(enter: Callable[[np.ndarray], ac.Tensor]) -> None:
    """A sum over bools that came as bytes 2 and 255 was 258."""
    a = foreign_bools()
    x, want = enter(a), np.array([[0, 1, 1, 1], [1, 0, 1, 1]])
    assert x.dtype == ac.bool
    assert set(x.numpy().view(np.uint8).ravel().tolist()) <= {0, 1}
    assert ac.sum(x).item() == 6
    for f in (ac.sum, ac.mean, ac.max, ac.cumsum, ac.argmax):
        np.testing.assert_array_equal(f(x, axis=1).numpy(), f(ac.tensor(want), axis=1).numpy())
    for f in (ac.add, ac.multiply, ac.equal, ac.less, ac.logical_xor, ac.where):
        args = (x,) * (2 + (f is ac.where))
        np.testing.assert_array_equal(f(*args).numpy(), f(*[ac.tensor(want != 0)] * len(args)).numpy())
    np.testing.assert_array_equal((~x).numpy(), want == 0)
    if not a.flags.writeable:
        return
    a.view(np.uint8)[:] = 3  # the owner of the memory writes later
    np.testing.assert_array_equal(x.numpy(), want != 0)


def test_bools_share_no_memory_that_others_can_write() -> None:
    with pytest.raises(ValueError, match="asarray: copy=False, but bools are always copied"):
        ac.asarray(foreign_bools(), copy=False)
    with pytest.raises(ValueError, match="copy=False, but bools"):
        ac.from_dlpack(foreign_bools(), copy=False)
    x = ac.tensor([True, False])
    with pytest.raises(ValueError, match="numpy: bools are read-only, since bytes other than 0 and 1"):
        x.numpy(writable=True)
    assert not np.shares_memory(np.from_dlpack(x), x.numpy())


def stack_of(rows: object) -> list[object]:
    return [rows, rows]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.rot90(x, 3),
        lambda x: np.average(x, axis=1, weights=np.array([1.0, 2.0, 4.0])),
        lambda x: np.hstack(stack_of(x)),
        lambda x: np.vstack(stack_of(x[0])),
        lambda x: np.column_stack(stack_of(x[1])),
        lambda x: np.max(x, axis=0, initial=1.25, where=np.array([True, False, True])),
        lambda x: np.min(x, initial=-0.75),
        lambda x: np.prod(x, axis=1, initial=3.0),
        lambda x: np.sum(x, axis=0, initial=-1.0),
        lambda x: np.std(x, axis=1, ddof=1),
        lambda x: np.var(x, axis=1, ddof=1, where=np.array([True, False, True])),
        lambda x: np.round(x, 1),
    ],
)
def test_functions_of_numpys_with_their_options(f: Callable[[object], object]) -> None:
    a = np.array([[1.5, -2.0, 3.0], [0.5, 4.0, -1.0]])
    got = f(ac.tensor(a))
    assert isinstance(got, ac.Tensor)
    np.testing.assert_allclose(got.numpy(), f(a), rtol=1e-15)
    ac.testing.check_grads(lambda x: ac.sum(f(x) * f(x)), [a + 0.01], order=2, modes=("rev", "fwd"))


@pytest.mark.parametrize("f", [np.atleast_1d, np.atleast_2d, np.atleast_3d])
def test_what_makes_arrays_of_anything_makes_arrays_of_constants(f: Callable[..., Any]) -> None:
    """SciPy writes into them."""
    a = np.array([1.0, 2.0])
    made = f(ac.tensor(a))
    assert isinstance(made, np.ndarray)
    made[...] = 0
    assert ac.grad(lambda x: ac.sum(f(x) * f(x)))(ac.tensor(a)).tolist() == [2.0, 4.0]
    assert ac.compile(lambda x: f(x) * 2)(ac.tensor(a)).shape == made.shape
