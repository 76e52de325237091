"""float16 and bfloat16: dtypes in which numbers are stored. Everything is computed in float32 and rounded once."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core import _core
from op_cases import OpCase, all_cases

HALVES = (ac.float16, ac.bfloat16)
by_dtype = pytest.mark.parametrize("dtype", HALVES, ids=str)
by_run = pytest.mark.parametrize("run", [lambda f: f, ac.compile], ids=["eager", "compiled"])
ALL_BITS = np.arange(1 << 16, dtype=np.uint16)


# ---- what the 65536 values are, in NumPy's bits ---------------------------------------------------------------------


def values(dtype: Any) -> np.ndarray[Any, Any]:
    """Every value of the dtype, as float32."""
    if dtype == ac.float16:
        return ALL_BITS.view(np.float16).astype(np.float32)
    return (ALL_BITS.astype(np.uint32) << 16).view(np.float32)


def rounded(x: Any, dtype: Any) -> np.ndarray[Any, Any]:
    """Float64 numbers rounded to the dtype, to nearest, ties to even; as float32."""
    with np.errstate(all="ignore"):
        x = np.asarray(x, np.float64)
        if dtype == ac.float16:
            return x.astype(np.float16).astype(np.float32)
        # Every bfloat16 number, the one above the largest too, is exact in float64: look for the two neighbours.
        grid = (np.arange(0x7F81, dtype=np.uint32) << 16).view(np.float32).astype(np.float64)
        grid[-1] = 2.0**128
        size = np.abs(x)
        above = np.searchsorted(grid, size).clip(0, len(grid) - 1)
        below = np.maximum(above - 1, 0)
        up, down = grid[above] - size, size - grid[below]
        take = np.where((up < down) | ((up == down) & (above % 2 == 0)) | (grid[above] == size), above, below)
        take = np.where(size >= 2.0**128, len(grid) - 1, take)
        bits = take.astype(np.uint32) << 16
        result = np.where(np.isnan(x), np.float32(np.nan), bits.view(np.float32))
        return np.copysign(result, x.astype(np.float32))


def stored(x: Any, dtype: Any) -> ac.Tensor:
    return ac.astype(ac.tensor(np.asarray(x)), dtype)


def read(t: ac.Tensor) -> np.ndarray[Any, Any]:
    return _core.cast(t, ac.float32).numpy()


def same(got: Any, want: Any) -> None:
    """Bit for bit, any NaN being as good as another."""
    got, want = np.asarray(got), np.asarray(want)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    if want.dtype.kind == "f":
        number = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got)[number], np.signbit(want)[number])


@by_dtype
def test_every_value_survives(dtype: Any) -> None:
    want = values(dtype)
    x = stored(want, dtype)
    assert x.dtype == dtype
    same(read(x), want)
    same(read(ac.astype(ac.astype(x, ac.float64), dtype)), want)


@by_dtype
def test_rounding_to_nearest_even(dtype: Any) -> None:
    """At every value, at every midpoint, and just beside both."""
    v = values(dtype)
    v = np.unique(v[np.isfinite(v)].astype(np.float64))
    middle = (v[1:] + v[:-1]) / 2
    for points in (v, middle):
        for x in (points, np.nextafter(points, np.inf), np.nextafter(points, -np.inf)):
            same(read(stored(x, dtype)), rounded(x, dtype))  # from float64: never twice
            with np.errstate(over="ignore", under="ignore"):
                x32 = x.astype(np.float32)
            same(read(stored(x32, dtype)), rounded(x32, dtype))
    special = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 65519.99, 65520.0, 3.39e38, 3.4e38, 1e300, 1e-300, -1e-300])
    same(read(stored(special, dtype)), rounded(special, dtype))


@by_dtype
def test_random_bits_are_rounded_alike(dtype: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 1 << 32, 1 << 18, dtype=np.uint32).view(np.float32)
    same(read(stored(x, dtype)), rounded(x, dtype))
    x64 = np.ldexp(rng.normal(size=1 << 16), rng.integers(-150, 130, 1 << 16))
    same(read(stored(x64, dtype)), rounded(x64, dtype))


@by_dtype
def test_integers_are_rounded_once(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    for name, bits in (("uint8", 8), ("int32", 31), ("int64", 63)):
        x = rng.integers(0, 1 << bits, 1000, dtype=np.uint64) >> rng.integers(0, bits, 1000, dtype=np.uint64)
        x = x.astype(name) * rng.choice([1] if name == "uint8" else [-1, 1], 1000).astype(name)
        want = np.array([exact(int(v), dtype) for v in x], np.float32)
        same(read(ac.astype(ac.tensor(x.astype(name)), dtype)), want)
    ties = np.array([2**62 + 2**54, 2**62 + 2**54 + 1, -(2**62) - 2**54 - 1, 2**40 + 2**32 + 1, 2**63 - 1, -(2**63)])
    same(read(ac.astype(ac.tensor(ties), dtype)), np.array([exact(int(v), dtype) for v in ties], np.float32))


def exact(n: int, dtype: Any) -> float:
    """An integer rounded to the precision of the dtype, in integers."""
    precision = 11 if dtype == ac.float16 else 8
    shift = max(abs(n).bit_length() - precision, 0)
    q, rest = divmod(abs(n), 1 << shift)
    half = (1 << shift) >> 1
    q += rest > half or (rest == half and shift > 0 and q % 2 == 1)
    size = float(q << shift)
    return float(np.copysign(np.inf if dtype == ac.float16 and size > 65504 else size, n if n else 1))


@by_dtype
@pytest.mark.parametrize("target", ["bool", "uint8", "int32", "int64", "float64", "float16", "bfloat16"])
def test_casts_to_other_dtypes(dtype: Any, target: str) -> None:
    x = stored(values(dtype), dtype)
    want = ac.astype(ac.tensor(values(dtype)), target)
    got = ac.astype(x, target)
    assert got.dtype == want.dtype
    same(_core.cast(got, ac.float64).numpy(), _core.cast(want, ac.float64).numpy())


# ---- promotion and dtypes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        ("float16", "bfloat16", "float32"),
        ("float16", "float32", "float32"),
        ("bfloat16", "float32", "float32"),
        ("bfloat16", "float64", "float64"),
        ("bfloat16", "bfloat16", "bfloat16"),
        *((i, h, h) for i in ("bool", "uint8", "int32", "int64") for h in ("float16", "bfloat16")),
    ],
)
def test_promotion(a: str, b: str, want: str) -> None:
    x, y = ac.ones((2,), a), ac.ones((2,), b)
    assert ac.add(x, y).dtype.name == ac.add(y, x).dtype.name == want


@by_dtype
def test_python_numbers_take_the_dtype_beside_them(dtype: Any) -> None:
    x = ac.ones((3,), dtype)
    for y in (x + 1, 2.5 * x, x / 3, x**2, x + np.float64(1.0), ac.where(x > 0, x, 0.0)):
        assert y.dtype == dtype
    assert (x > 0.5).dtype == ac.bool
    same(read(x / 3), rounded(np.full(3, np.float32(1) / np.float32(3)), dtype))


def test_bfloat16_is_a_dtype() -> None:
    d = ac.bfloat16
    assert (repr(d), str(d), d.name, d.itemsize, d.kind) == ("bfloat16", "bfloat16", "bfloat16", 2, "f")
    assert d == d
    assert d == "bfloat16"
    assert d != ac.float16
    assert d != "float16"
    assert {d: 1}[ac.bfloat16] == 1
    assert pickle.loads(pickle.dumps(d)) is d
    assert copy.deepcopy(d) is d
    assert ac.zeros((2,), "bfloat16").dtype is d
    assert ac.abstract((2,), d).dtype is d
    assert ac.float16 == np.float16


def test_numpy_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    x = ac.tensor([1.0, 2.5], ac.bfloat16)
    monkeypatch.setitem(__import__("sys").modules, "ml_dtypes", None)
    with pytest.raises(ac.DTypeError, match=r"convert with x.astype\(ac.float32\), or install the package ml_dtypes"):
        x.numpy()
    assert x.tolist() == [1.0, 2.5]
    assert x[1].item() == 2.5
    assert repr(x) == "Tensor([1. , 2.5], dtype=bfloat16)"
    np.testing.assert_array_equal(np.asarray(x, np.float64), [1.0, 2.5])


@by_dtype
def test_pickles_and_copies(dtype: Any) -> None:
    x = ac.tensor([1.0, -0.0, 3.140625, np.inf], dtype).requires_grad_()
    for y in (pickle.loads(pickle.dumps(x)), copy.deepcopy(x)):
        assert y.dtype == dtype
        assert y.requires_grad
        same(read(ac.stop_gradient(y)), read(ac.stop_gradient(x)))


def test_float16_crosses_the_border() -> None:
    a = np.array([[1.0, 2.0], [3.0, 65504.0]], np.float16)
    x = ac.asarray(a)
    assert x.dtype == np.float16
    assert x.nbytes == 8
    np.testing.assert_array_equal(x.numpy(), a)
    np.testing.assert_array_equal(ac.from_dlpack(a).numpy(), a)
    np.testing.assert_array_equal(np.from_dlpack(x), a)
    np.testing.assert_array_equal(ac.asarray(a[:, ::-1].T).numpy(), a[:, ::-1].T)


@by_dtype
def test_creation(dtype: Any) -> None:
    for t in (ac.zeros((2, 3), dtype), ac.ones((2, 3), dtype), ac.full((2, 3), 0.1, dtype), ac.eye(3, dtype=dtype)):
        assert t.dtype == dtype
    same(read(ac.full((2,), 0.1, dtype)), rounded([0.1, 0.1], dtype))
    same(read(ac.linspace(0.0, 1.0, 7, dtype)), rounded(np.linspace(0.0, 1.0, 7), dtype))
    same(read(ac.one_hot(ac.tensor([1, 0]), 3, dtype)), np.eye(3, dtype=np.float32)[[1, 0]])


# ---- every op -------------------------------------------------------------------------------------------------------

ROUNDOFF = {"float16": 2.0**-11, "bfloat16": 2.0**-8}
CASES = [c for c in all_cases() if "float32" in c.dtypes and c.grad]


def narrowed(args: Any, dtype: Any) -> tuple[Any, Any]:
    """Float arrays as Tensors of the dtype, and as float32 Tensors of the same values."""

    def one(a: Any) -> tuple[Any, Any]:
        if isinstance(a, (list, tuple)) and any(isinstance(x, np.ndarray) for x in a):
            pairs = [one(x) for x in a]
            return [p[0] for p in pairs], [p[1] for p in pairs]
        if isinstance(a, (np.ndarray, np.generic)) and a.dtype == np.float64:
            t = ac.tensor(np.asarray(a), dtype)
            return t, _core.cast(t, ac.float32)
        return (ac.tensor(a), ac.tensor(a)) if isinstance(a, np.ndarray) else (a, a)

    pairs = [one(a) for a in args]
    return tuple(p[0] for p in pairs), tuple(p[1] for p in pairs)


def op(case: OpCase) -> Callable[..., Any]:
    return reduce(getattr, case.name.split("."), ac)


def flat(result: Any) -> list[Any]:
    return list(result) if isinstance(result, (tuple, list)) else [result]


def calls(case: OpCase) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    for kwargs in case.kwargs:
        for args in case.inputs:
            yield args, dict(kwargs)


def close(got: ac.Tensor, want: ac.Tensor, dtype: Any, rounds: float, what: str) -> None:
    """Within so many roundings of the largest number: ops made of several others round in between."""
    assert got.shape == want.shape, what
    if want.dtype.kind != "f":
        return
    assert got.dtype == dtype, what
    g, w = read(got).astype(np.float64), want.numpy().astype(np.float64)
    limit = 65504.0 if dtype == ac.float16 else 3.3e38
    held = np.isfinite(w) & (np.abs(w) < limit / 2) & np.isfinite(g)
    scale = max(1.0, float(np.max(np.abs(w[held]), initial=0.0)))
    assert np.all(np.abs(g - w)[held] <= rounds * ROUNDOFF[dtype.name] * scale), what


@by_dtype
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_ops_are_those_of_float32_rounded(case: OpCase, dtype: Any) -> None:
    for args, kwargs in calls(case):
        half, single = narrowed(args, dtype)
        got, want = flat(op(case)(*half, **kwargs)), flat(op(case)(*single, **kwargs))
        for g, w in zip(got, want, strict=True):
            close(g, w, dtype, 8, f"{case.name} {args} {kwargs}")


@by_dtype
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_compiled_ops_give_the_bits_of_eager_ones(case: OpCase, dtype: Any) -> None:
    for args, kwargs in list(calls(case))[:3]:
        half, _ = narrowed(args, dtype)
        chosen = [i for i, a in enumerate(half) if isinstance(a, ac.Tensor) and a.dtype == dtype]
        # Integers are constants: some say how large the result is.
        half = [a.numpy() if isinstance(a, ac.Tensor) and a.dtype.kind in "iu" else a for a in half]

        def f(*xs: Any, half: Any = half, kwargs: Any = kwargs, chosen: Any = chosen) -> Any:
            full = list(half)
            for i, x in zip(chosen, xs, strict=True):
                full[i] = x
            return op(case)(*full, **kwargs)

        xs = [half[i] for i in chosen]
        for g, w in zip(flat(ac.compile(f)(*xs)), flat(f(*xs)), strict=True):
            assert g.dtype == w.dtype
            same(read(g), read(w))


@by_dtype
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_gradients_are_those_of_float32_rounded(case: OpCase, dtype: Any) -> None:
    for args, kwargs in list(calls(case))[:4]:
        chosen = [
            i for i in case.grad if i < len(args) and isinstance(args[i], np.ndarray) and args[i].dtype.kind == "f"
        ]
        if not chosen:
            continue
        gradients = []
        for given in narrowed(args, dtype):

            def f(*xs: Any, given: Any = given, kwargs: Any = kwargs, chosen: Any = chosen) -> Any:
                full = list(given)
                for i, x in zip(chosen, xs, strict=True):
                    full[i] = x
                return tuple(y for y in flat(op(case)(*full, **kwargs)) if y.dtype.kind == "f")

            ys, pullback = ac.vjp(f, *(given[i] for i in chosen))
            gradients.append(pullback(tuple(ac.ones_like(y) for y in ys)))
        for g, w in zip(*gradients, strict=True):
            close(g, w, dtype, 16, f"{case.name} {args} {kwargs}")


ELEMENTWISE = ("add", "multiply", "divide", "exp", "tanh", "sqrt", "gelu", "maximum", "log1p", "where", "pow", "square")


@by_dtype
@by_run
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_ops_round_once(name: str, run: Any, dtype: Any) -> None:
    rng = np.random.default_rng(2)
    n = _core.kernel_signature(name)["n_in"]
    xs = [ac.tensor(np.abs(rng.normal(size=(3, 700))) + 0.1, dtype) for _ in range(n)]
    if name == "where":
        xs[0] = ac.tensor(rng.random((3, 700)) < 0.5)
    wide = [x if x.dtype == ac.bool else _core.cast(x, ac.float32) for x in xs]
    f = ac.primitives()[name]
    got = run(lambda *xs: f(*xs))(*xs)
    assert got.dtype == dtype
    same(read(got), rounded(f(*wide).numpy(), dtype))
    strided = run(lambda *xs: f(*[x[::-1, ::3] for x in xs]))(*xs)
    same(read(strided), read(got)[::-1, ::3])


@by_dtype
@by_run
def test_products_and_sums_round_once(run: Any, dtype: Any) -> None:
    rng = np.random.default_rng(3)
    a, b = ac.tensor(rng.normal(size=(33, 300)), dtype), ac.tensor(rng.normal(size=(300, 17)), dtype)
    wide = [_core.cast(x, ac.float32) for x in (a, b)]
    for f in (
        lambda a, b: a @ b,
        lambda a, b: a[0] @ b,
        lambda a, b: ac.sum(a, axis=0) + 0.0 * b[0, 0],
        lambda a, b: ac.sum(a.T, axis=1) + 0.0 * b[0, 0],
    ):
        got, want = run(f)(a, b), f(*wide)
        assert got.dtype == dtype
        np.testing.assert_array_equal(read(got), rounded(want.numpy(), dtype))


@by_dtype
@by_run
def test_sums_do_not_stop_growing(run: Any, dtype: Any) -> None:
    """Adding ones in the dtype itself would end at 2048 or 256."""
    assert run(ac.sum)(ac.ones((5000,), dtype)).item() == rounded(5000.0, dtype)


@by_dtype
def test_moving_keeps_the_bits(dtype: Any) -> None:
    x = stored(values(dtype).reshape(256, 256), dtype)
    v = values(dtype).reshape(256, 256)
    at = np.array([3, 0, 255, 3])
    for got, want in (
        (x.T, v.T),
        (ac.reshape(x.T, (64, 1024)), v.T.reshape(64, 1024)),
        (x[5:50:3, ::-1], v[5:50:3, ::-1]),
        (x[at], v[at]),
        (x[at, at], v[at, at]),
        (ac.take(x, ac.asarray(at), axis=1), v[:, at]),
        (ac.concat([x, x.T], axis=1), np.concatenate([v, v.T], axis=1)),
        (ac.pad(x, 1, 2.0), np.pad(v, 1, constant_values=2.0)),
        (ac.tril(x, 3), np.tril(v, 3)),
        (ac.take_along_axis(x, ac.asarray(np.argsort(v, axis=1)), axis=1), np.sort(v, axis=1)),
    ):
        assert got.dtype == dtype
        got = read(got)
        np.testing.assert_array_equal(got, want)


# ---- gradients, programs, updates -----------------------------------------------------------------------------------


@by_dtype
@by_run
def test_gradients(run: Any, dtype: Any) -> None:
    x = ac.tensor([1.0, -2.0, 0.5], dtype)
    g = run(ac.grad(lambda x: ac.sum(x * x)))(x)
    assert g.dtype == dtype
    assert g.tolist() == [2.0, -4.0, 1.0]
    h = run(ac.grad(lambda x: ac.sum(ac.grad(lambda x: ac.sum(x**3))(x))))(x)
    assert h.dtype == dtype
    assert h.tolist() == [6.0, -12.0, 3.0]
    y, t = ac.jvp(lambda x: ac.exp(x), (x,), (ac.ones((3,), dtype),))
    assert t.dtype == dtype
    same(read(t), read(y))
    index = ac.asarray(np.array([0, 0, 2]))
    assert run(ac.grad(lambda x: ac.sum(x[index])))(x).tolist() == [2.0, 0.0, 1.0]


@by_dtype
def test_chains_round_at_every_op(dtype: Any) -> None:
    """A compiled chain keeps its values in registers and buffers, and must round them as if it did not."""
    rng = np.random.default_rng(4)
    for shape in ((7,), (1000,), (300, 211), (64, 1)):
        x, y = ac.tensor(rng.normal(size=shape), dtype), ac.tensor(rng.normal(size=shape[-1:]), dtype)

        def f(x: Any, y: Any) -> Any:
            a = (x + y) * x - y
            b = ac.tanh(a / 3.0) * ac.exp(-ac.abs(x)) + (a > 0.25)
            return b, ac.sum(b * a), ac.where(a > b, a, b).astype(ac.float32) + x, (-a + b).astype(dtype) @ y

        if shape == (64, 1):
            continue
        for g, w in zip(ac.compile(f)(x, y), f(x, y), strict=True):
            assert g.dtype == w.dtype
            same(read(g), read(w))


@by_dtype
def test_training(dtype: Any) -> None:
    """A network learns in the dtype as it does in float32, compiled and eager with the same bits."""
    rng = np.random.default_rng(5)
    inputs, labels = rng.normal(size=(64, 8)), rng.integers(0, 3, 64)
    losses = []
    for run, d in ((lambda f: f, dtype), (ac.compile, dtype), (ac.compile, ac.float32)):
        model = ac.nn.MLP([8, 16, 3], activation="tanh", dtype=d, seed=0)
        opt = ac.optim.SGD(model.parameters(), lr=0.5, momentum=0.5)

        def step(x: Any, y: Any, model: Any = model, opt: Any = opt) -> Any:
            loss = ac.losses.cross_entropy(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        step = run(step)
        x, y = ac.tensor(inputs, d), ac.tensor(labels)
        losses.append([step(x, y).item() for _ in range(30)])
        assert all(p.dtype == d for p in model.parameters())
    assert losses[0] == losses[1]
    np.testing.assert_allclose(losses[0], losses[2], rtol=8 * ROUNDOFF[dtype.name])
    assert losses[0][-1] < 0.8 * losses[0][0]


@by_dtype
def test_parameters_of_several_dtypes_are_updated_together(dtype: Any) -> None:
    a, b = ac.ones((3,), dtype).requires_grad_(), ac.ones((3,)).requires_grad_()
    opt = ac.optim.SGD([a, b], lr=0.25, momentum=0.5)
    for _ in range(2):
        opt.zero_grad()
        (ac.sum(a * a) + ac.sum(b * b)).backward()
        opt.step()
    assert a.dtype == dtype
    assert b.dtype == ac.float32
    assert a.tolist() == b.tolist()
