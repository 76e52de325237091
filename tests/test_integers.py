"""Integers of every width, with a sign and without, against Python's own, which have no end: wrapped around."""

from __future__ import annotations

import itertools
import math
import operator
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac
from integers import COMPARISONS, INTEGERS, SIGNED, STORED, bits, ends, same, values, wrap

FLOATING = (ac.float16, ac.bfloat16, ac.float32, ac.float64)
by_dtype = pytest.mark.parametrize("dtype", INTEGERS, ids=str)
by_stored = pytest.mark.parametrize("dtype", STORED, ids=str)
by_run = pytest.mark.parametrize("run", [lambda f: f, ac.compile], ids=["eager", "compiled"])


def common(a: Any, b: Any) -> Any:
    """As the standard's table says; None where it is silent."""
    if a.kind == b.kind:
        return max(a, b, key=bits)
    i, u = (a, b) if a.kind == "i" else (b, a)
    need = max(bits(i), 2 * bits(u))
    return None if need > 64 else np.dtype(f"int{need}")


PAIRS = [(a, b) for a, b in itertools.product(INTEGERS, INTEGERS) if common(a, b) is not None]


def divided(x: int, y: int) -> int:
    return x // y if y else 0


def rest(x: int, y: int) -> int:
    return x % y if y else 0


ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "floor_divide": divided,
    "remainder": rest,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "maximum": max,
    "minimum": min,
}


@pytest.mark.parametrize(("a", "b"), PAIRS, ids=str)
def test_pairs_of_dtypes(a: Any, b: Any) -> None:
    """Every op of every value with every other: eager, and fused in one program."""
    xs, ys, dtype = values(a), values(b), common(a, b)
    x, y = ac.tensor(xs, a)[:, None], ac.tensor(ys, b)
    names = [*ARITHMETIC, *COMPARISONS]
    compiled = ac.compile(lambda x, y: [getattr(ac, name)(x, y) for name in names])(x, y)
    for name, fused in zip(names, compiled, strict=True):
        if name in ARITHMETIC:
            want: Any = [[wrap(ARITHMETIC[name](m, n), dtype) for n in ys] for m in xs]
        else:
            want = [[COMPARISONS[name](m, n) for n in ys] for m in xs]
        for got in (getattr(ac, name)(x, y), fused):
            same(got, want, dtype if name in ARITHMETIC else ac.bool)
    assert ac.result_type(a, b) == dtype
    assert ac.concat([ac.tensor(xs, a), ac.tensor(ys, b)]).tolist() == xs + ys
    same(ac.where(ac.tensor([True, False]), ac.tensor(xs[:1], a), ac.tensor(ys[:1], b)), [xs[0], ys[0]], dtype)


@pytest.mark.parametrize("a", SIGNED, ids=str)
def test_no_dtype_holds_uint64_and_negative_numbers(a: Any) -> None:
    x, y = ac.tensor([1], a), ac.tensor([1], ac.uint64)
    for f in (ac.add, ac.less, ac.equal, lambda x, y: ac.concat([x, y]), lambda x, y: ac.where(True, x, y)):
        for args in ((x, y), (y, x)):
            with pytest.raises(ac.DTypeError, match=f"got uint64 and {a.name}, and no integer dtype holds .* x.astype"):
                f(*args)
            with pytest.raises(ac.DTypeError, match="no integer dtype"):
                ac.compile(f)(*args)
    with pytest.raises(ac.DTypeError, match=f"result_type: .* got uint64 and {a.name}, and no integer dtype"):
        ac.result_type(a, ac.uint64)
    assert ac.result_type(a, ac.uint64, ac.float32) == ac.float32
    assert not ac.can_cast(a, ac.uint64)
    assert not ac.can_cast(ac.uint64, a)


UNARY: dict[str, Callable[[int], int]] = {
    "negative": operator.neg,
    "abs": abs,
    "sign": lambda n: (n > 0) - (n < 0),
    "square": lambda n: n * n,
    "bitwise_invert": operator.invert,
    **dict.fromkeys(("floor", "ceil", "trunc", "round", "positive", "real"), lambda n: n),
}
TRUTHS: dict[str, Callable[[int], bool]] = {
    "logical_not": lambda n: n == 0,
    "isnan": lambda _: False,
    "isfinite": lambda _: True,
    "signbit": lambda n: n < 0,
}


@by_dtype
@by_run
def test_functions_of_one_number(run: Any, dtype: Any) -> None:
    xs = values(dtype)
    x = ac.tensor(xs, dtype)
    for name, f in UNARY.items():
        same(run(getattr(ac, name))(x), [wrap(f(n), dtype) for n in xs], dtype)
    for name, truth in TRUTHS.items():
        same(run(getattr(ac, name))(x), [truth(n) for n in xs], ac.bool)


@by_dtype
@by_run
def test_shifts_and_powers(run: Any, dtype: Any) -> None:
    xs, counts = values(dtype), [0, 1, 2, 5, bits(dtype) - 1, bits(dtype), 100]
    x, by = ac.tensor(xs, dtype)[:, None], ac.tensor(counts, dtype)
    same(run(ac.bitwise_left_shift)(x, by), [[wrap(n << k, dtype) for k in counts] for n in xs], dtype)
    same(run(ac.bitwise_right_shift)(x, by), [[n >> k for k in counts] for n in xs], dtype)
    powers = [k for k in values(dtype) if k >= 0]
    want = [[wrap(pow(n, k, 2 ** bits(dtype)), dtype) for k in powers] for n in xs]
    same(run(ac.pow)(x, ac.tensor(powers, dtype)), want, dtype)
    same(run(lambda x: x**2)(x[:, 0]), [wrap(n * n, dtype) for n in xs], dtype)
    if dtype.kind == "i":
        with pytest.raises(ValueError, match="pow: expected exponents of at least 0 for integers; got -1"):
            run(operator.pow)(x, ac.tensor([-1], dtype))


@by_dtype
@by_run
def test_bounds(run: Any, dtype: Any) -> None:
    xs, (low, high) = values(dtype), ends(dtype)
    x = ac.tensor(xs, dtype)
    for least, most in ((3, high // 2 + 1), (low, high - 1), (high // 2 + 1, high)):
        same(run(lambda x, a=least, b=most: ac.clip(x, a, b))(x), [min(max(n, least), most) for n in xs], dtype)
        same(run(lambda x, a=least: ac.clip(x, a))(x), [max(n, least) for n in xs], dtype)
        same(run(lambda x, b=most: ac.clip(x, None, b))(x), [min(n, most) for n in xs], dtype)


def test_bounds_of_another_dtype_count() -> None:
    x = ac.tensor([-100, 100], ac.int8)
    assert ac.clip(x, ac.tensor(2000)).tolist() == [2000, 2000]
    assert ac.clip(x, None, ac.tensor(-2000)).tolist() == [-2000, -2000]
    assert ac.clip(x, 300.5).tolist() == [300.5, 300.5]
    assert ac.clip(x, np.int64(3)).tolist() == [3, 100]
    assert ac.clip(ac.tensor([1], ac.int32), ac.tensor(2**40)).tolist() == [2**40]


# ---- casts ----------------------------------------------------------------------------------------------------------


@by_dtype
@by_run
def test_casts_between_integers_wrap(run: Any, dtype: Any) -> None:
    xs = values(dtype)
    for to in INTEGERS:
        same(run(lambda x, to=to: x.astype(to))(ac.tensor(xs, dtype)), [wrap(n, to) for n in xs], to)
    same(run(lambda x: x.astype(ac.bool))(ac.tensor(xs, dtype)), [n != 0 for n in xs], ac.bool)
    same(ac.tensor([False, True]).astype(dtype), [0, 1], dtype)


def rounded(n: int, precision: int) -> int:
    """To so many bits, ties to even."""
    size = abs(n)
    drop = max(size.bit_length() - precision, 0)
    whole, part = divmod(size, 1 << drop)
    whole += 2 * part > 1 << drop or (2 * part == 1 << drop and drop > 0 and whole % 2 == 1)
    return (whole << drop) * (-1 if n < 0 else 1)


@pytest.mark.parametrize("to", FLOATING, ids=str)
def test_casts_to_real_numbers_round_once(to: Any) -> None:
    """At powers of two, halfway between neighbours there, and next to both."""
    precision = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[to.name]
    points = {2**k + m * 2 ** max(k - precision, 0) + d for k in range(64) for m in (0, 1, 3) for d in (-1, 0, 1)}
    for dtype in INTEGERS:
        low, high = ends(dtype)
        xs = sorted({n for p in points for n in (p, -p) if low <= n <= high} | {*values(dtype)})
        got = ac.tensor(xs, dtype).astype(to).astype(ac.float64).tolist()
        want = [float(rounded(n, precision)) for n in xs]
        if to == ac.float16:
            want = [w if abs(w) <= 65504 else np.copysign(np.inf, w) for w in want]
        assert got == want


@by_dtype
def test_casts_of_real_numbers_take_the_nearest_end(dtype: Any) -> None:
    low, high = ends(dtype)
    for source in FLOATING:
        reals = [-1e30, -70000.0, -129.0, -128.5, -1.0, -0.5, 0.0, 0.5, 1.99, 127.5, 255.0, 256.0, 1e30, np.nan]
        reals += [-np.inf, np.inf, 2.0**31, 2.0**32, 2.0**63, 2.0**64]
        x = ac.tensor(reals, ac.float64).astype(source)

        def nearest(r: float) -> int:
            return 0 if math.isnan(r) else low if r <= low else high if r >= high else int(r)

        want = [nearest(r) for r in x.astype(ac.float64).tolist()]
        same(x.astype(dtype), want, dtype)
        same(ac.compile(lambda x: x.astype(dtype))(x), want, dtype)


# Ways by which integers come into a Tensor of another dtype, without astype.
WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "item": lambda x, v: x.at[0].set(v)[0],
    "indices": lambda x, v: x.at[ac.tensor([1])].set(v)[1],
    "mask": lambda x, v: x.at[x == 0].set(v)[1],
    "sum": lambda x, v: x.at[:1].add(v)[0],
    "scatter": lambda x, v: ac.scatter(x, ac.tensor([1]), v[None])[1],
    "assign_": lambda x, v: x.assign_(v)[1],
    "tensor": lambda x, v: ac.tensor(v, x.dtype),
    "asarray": lambda x, v: ac.asarray(v, x.dtype),
    "full": lambda x, v: ac.full(2, v, x.dtype)[0],
    "full_like": lambda x, v: ac.full_like(x, v)[1],
}
COMPILED_WAYS = {name: ac.compile(f) for name, f in WAYS.items()}
COMPILED_WAYS["assign_"] = lambda x, v: ac.compile(lambda v: x.assign_(v)[1])(v)  # of its closure


@pytest.mark.parametrize("way", WAYS)
@given(st.sampled_from(INTEGERS), st.sampled_from(INTEGERS), st.data())
def test_integers_that_go_into_another_dtype_fit_or_are_refused(way: str, to: Any, source: Any, data: Any) -> None:
    low, high = ends(to)
    n = data.draw(st.sampled_from(values(source)) | st.sampled_from([v for v in values(source) if low <= v <= high]))
    for f in (WAYS[way], COMPILED_WAYS[way]):
        x, v = ac.zeros(2, dtype=to), ac.tensor(n, source)
        if low <= n <= high:
            same(f(x, v), n, to)
        else:
            with pytest.raises(ac.DTypeError, match=f"{to.name}"):
                f(x, v)


def test_what_is_refused_is_said() -> None:
    x = ac.zeros(2, dtype=ac.int8)
    for value, message in (
        (ac.tensor(300), "expected numbers that int8 holds, -128 to 127; got 300; "),
        (ac.tensor(2**64 - 1, ac.uint64), f"expected numbers that int8 holds, -128 to 127; got {2**64 - 1}; "),
        (ac.tensor(1.5), "a value of dtype float32 does not fit into a Tensor of dtype int8; convert one of them"),
    ):
        for f, name in ((lambda x, v: x.at[0].set(v), r"at\.set"), (lambda x, v: ac.tensor(x).assign_(v), "assign_")):
            with pytest.raises(ac.DTypeError, match=f"{name}: {message}"):
                f(x, value)
    for n, source, shown in ((300, ac.int64, "300"), (2**64 - 1, ac.uint64, r"2\^63 or more")):
        with pytest.raises(
            ac.DTypeError, match=rf"fitting: the number {shown} does not fit int8; cast it with x.astype"
        ):
            ac.compile(lambda x, v: x.at[0].set(v))(x, ac.tensor(n, source))
    assert x.at[0].set(ac.tensor(300).astype(ac.int8)).tolist() == [44, 0]


# ---- sums, order ----------------------------------------------------------------------------------------------------


def table(dtype: Any) -> np.ndarray[Any, Any]:
    low, high = ends(dtype)
    rng = np.random.default_rng(3)
    a = rng.integers(low, high, (7, 11), dtype, endpoint=True)
    a[2, :3], a[3, 4] = (low, high, low), high
    return a


@by_dtype
@by_run
def test_reductions_and_scans(run: Any, dtype: Any) -> None:
    a, wide = table(dtype), ac.uint64 if dtype.kind == "u" else ac.int64
    x = ac.tensor(a)
    for axis in (None, 0, 1):
        for name in ("sum", "prod"):
            want = getattr(np, name)(a, axis=axis, dtype=wide)
            got = run(lambda x, name=name, axis=axis: getattr(ac, name)(x, axis))(x)
            same(got, want.tolist(), wide)
            got = run(lambda x, name=name, axis=axis: getattr(ac, name)(x, axis, dtype=dtype))(x)
            same(got, want.astype(dtype).tolist(), dtype)
        for name in ("max", "min", "argmax", "argmin"):
            got = run(lambda x, name=name, axis=axis: getattr(ac, name)(x, axis))(x)
            same(got, getattr(np, name)(a, axis).tolist(), dtype if len(name) == 3 else ac.int64)
        assert run(lambda x, axis=axis: ac.any(x, axis))(x).tolist() == np.any(a, axis).tolist()
        mean = run(lambda x, axis=axis: ac.mean(x.astype(ac.float64), axis))(x)
        np.testing.assert_allclose(mean.numpy(), a.astype(np.float64).mean(axis), rtol=1e-14, atol=1e-14)
    for axis in (0, 1):
        for ours, theirs in ((ac.cumulative_sum, np.cumsum), (ac.cumulative_prod, np.cumprod)):
            same(run(lambda x, f=ours, axis=axis: f(x, axis=axis))(x), theirs(a, axis, dtype=wide).tolist(), wide)
        for extreme, accumulated in ((ac.cummax, np.maximum), (ac.cummin, np.minimum)):
            same(run(lambda x, f=extreme, axis=axis: f(x, axis))(x), accumulated.accumulate(a, axis).tolist(), dtype)


@by_dtype
@by_run
def test_order(run: Any, dtype: Any) -> None:
    a = table(dtype)
    x = ac.tensor(a)
    for axis in (0, 1):
        same(run(lambda x, axis=axis: ac.sort(x, axis=axis))(x), np.sort(a, axis).tolist(), dtype)
        same(run(lambda x, axis=axis: ac.argsort(x, axis=axis))(x), np.argsort(a, axis, stable=True).tolist(), ac.int64)
        falling = run(lambda x, axis=axis: ac.sort(x, axis=axis, descending=True))(x)
        same(falling, np.flip(np.sort(a, axis), axis).tolist(), dtype)
    row = np.sort(a.ravel())
    got = run(ac.searchsorted)(ac.tensor(row), x)
    same(got, np.searchsorted(row, a).tolist(), ac.int64)
    top = ac.topk(x, 3)
    same(top.values, np.flip(np.sort(a, 1), 1)[:, :3].tolist(), dtype)
    same(ac.unique_values(x), np.unique(a).tolist(), dtype)
    same(ac.isin(x, ac.tensor(a[0])), np.isin(a, a[0]).tolist(), ac.bool)


# ---- moving ---------------------------------------------------------------------------------------------------------


@by_dtype
@by_run
def test_moving_keeps_every_number(run: Any, dtype: Any) -> None:
    a, at = table(dtype), np.array([3, 0, -1, 3])
    x, (_, high) = ac.tensor(a), ends(dtype)
    for f, want in (
        (lambda x: ac.reshape(x.T, (7, 11)), a.T.reshape(7, 11)),
        (lambda x: x[1:6:2, ::-1], a[1:6:2, ::-1]),
        (lambda x: x[at], a[at]),
        (lambda x: x[at, at], a[at, at]),
        (lambda x: ac.take(x, ac.tensor(at), axis=1), a[:, at]),
        (lambda x: ac.stack([x, x]), np.stack([a, a])),
        (lambda x: ac.roll(x, 2, 1), np.roll(a, 2, 1)),
        (lambda x: ac.pad(x, 1, high), np.pad(a, 1, constant_values=high)),
        (lambda x: ac.tril(x, 1), np.tril(a, 1)),
        (lambda x: ac.take_along_axis(x, ac.argsort(x, axis=1), axis=1), np.sort(a, 1)),
        (lambda x: ac.where(x > 3, x, 7), np.where(a > 3, a, dtype.type(7))),
        (lambda x: ac.broadcast_to(x[0], (2, 11)), np.broadcast_to(a[0], (2, 11))),
        (lambda x: x @ x.T, a @ a.T),
        (lambda x: x.at[at].set(high), _updated(a, at, lambda old: high)),
        (lambda x: x.at[at].add(x[:4]), _added(a, at)),
        (lambda x: x.at[1].multiply(3), _updated(a, [1], lambda old: wrap(old * 3, dtype))),
        (lambda x: x.at[1:3].min(high // 2), _updated(a, [1, 2], lambda old: min(old, high // 2))),
        (lambda x: x.at[at].max(high // 2), _updated(a, at, lambda old: max(old, high // 2))),
    ):
        same(run(f)(x), want.tolist(), dtype)


def _updated(a: np.ndarray[Any, Any], rows: Any, f: Callable[[int], int]) -> np.ndarray[Any, Any]:
    out = a.copy()
    for row in {r % len(a) for r in rows}:
        out[row] = [f(n) for n in a[row].tolist()]
    return out


def _added(a: np.ndarray[Any, Any], at: Any) -> np.ndarray[Any, Any]:
    out = a.copy()
    np.add.at(out, at, a[: len(at)])
    return out


@by_dtype
@by_run
def test_indices_of_every_dtype(run: Any, dtype: Any) -> None:
    x, at = ac.tensor([10, 20, 30]), [2, 0, 1] if dtype.kind == "u" else [2, -3, -2]
    index, (_, high) = ac.tensor(at, dtype), ends(dtype)
    for f in (
        lambda x, i: x[i],
        lambda x, i: ac.take(x, i),
        lambda x, i: ac.take_along_axis(x, i, axis=0),
        lambda x, i: ac.zeros(3, ac.int64).at[ac.tensor([0, 1, 2])].set(x[i]),
    ):
        assert run(f)(x, index).tolist() == [30, 10, 20]
    assert x[index.numpy()].tolist() == x[index.numpy().astype(index.numpy().dtype.newbyteorder())].tolist()
    assert run(lambda x, i: x.at[i].set(ac.tensor([1, 2, 3])))(x, index).tolist() == [2, 3, 1]
    labels = ac.tensor([2, 0, 1], dtype)
    assert ac.repeat(x, labels).tolist() == ac.repeat(x, labels.numpy()).tolist() == [10, 10, 30]
    assert run(lambda i: ac.one_hot(i, 3, dtype))(labels).tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert run(lambda x, i: ac.segment_sum(x, i, 3))(x, labels).tolist() == [20, 30, 10]
    logits = ac.tensor(np.arange(9.0).reshape(3, 3))
    want = ac.losses.cross_entropy(logits, labels.astype(ac.int64))
    assert run(ac.losses.cross_entropy)(logits, labels).item() == want.item()
    far = ac.tensor([high], dtype)
    for g in (
        lambda i: x[i],
        lambda i: ac.ones(3).at[i].set(1.0),
        lambda i: ac.one_hot(i, 3),
        lambda i: ac.segment_sum(x[:1], i, 3),
        lambda i: ac.losses.cross_entropy(logits[:1], i, ignore_index=-1),
    ):
        with pytest.raises((IndexError, ValueError), match=r"out of range|must be from 0 to 2"):
            run(g)(far)
    gradient = run(ac.grad(lambda w, i: ac.sum(w[i] * w[i])))(ac.tensor([1.0, 2.0, 3.0]), index)
    assert gradient.tolist() == [2.0, 4.0, 6.0]


# ---- whole programs -------------------------------------------------------------------------------------------------


@by_stored
@by_run
def test_large_arrays_of_any_layout(run: Any, dtype: Any) -> None:
    low, high = ends(dtype)
    rng = np.random.default_rng(5)
    a, b = (rng.integers(low, high, (300, 411), dtype, endpoint=True) for _ in range(2))
    x, y = ac.tensor(a), ac.tensor(b)

    def ours(x: Any, y: Any) -> Any:
        return (x * 3 + y) ^ (x // (y | 1)), ac.maximum(x, y) - ac.minimum(x, y), x < y, ac.sum(x % (y | 1), axis=0)

    def theirs(a: Any, b: Any) -> Any:
        odd = b | dtype.type(1)
        return (a * dtype.type(3) + b) ^ (a // odd), np.maximum(a, b) - np.minimum(a, b), a < b, np.sum(a % odd, axis=0)

    with np.errstate(over="ignore"):
        for cut in (np.s_[:, :], np.s_[::2, ::-3], np.s_[1:2, :], np.s_[:, :1]):
            got = run(ours)(x[cut], y[cut])
            for g, w in zip(got, theirs(a[cut], b[cut]), strict=True):
                assert g.dtype == w.dtype
                np.testing.assert_array_equal(g.numpy(), w)
        got = run(lambda x, y: x.T + y[:, 0])(x, y)
        np.testing.assert_array_equal(got.numpy(), a.T + b[:, 0])


@by_stored
def test_transforms(dtype: Any) -> None:
    xs = [1, 2, 3]
    x = ac.tensor(xs, dtype)
    same(ac.vmap(lambda n: n * n + 1)(x), [2, 5, 10], dtype)
    same(ac.vmap(lambda n: ac.max(x) - n)(x), [2, 1, 0], dtype)
    trace = ac.trace(lambda x: x * 3 // 2)(x)
    assert dtype.name in str(trace)
    constant = ac.compile(lambda w: w * x)(ac.tensor([0.5, 1.0, 1.5]))
    assert constant.tolist() == [0.5, 2.0, 4.5]
    g = ac.grad(lambda w: ac.sum(w * x + x.astype(ac.float32) ** 2))(ac.tensor([0.5, 1.0, 1.5]))
    assert g.tolist() == [1.0, 2.0, 3.0]
    carry, ys = ac.scan(lambda c, v: (c + v, c * v), ac.tensor(250 if dtype == ac.uint16 else 100, dtype), x)
    assert carry.dtype == ys.dtype == dtype
    assert ac.fori_loop(0, 3, lambda i, c: c + 50, ac.tensor(0, dtype)).item() == wrap(150, dtype)
    with pytest.raises(ac.DTypeError):
        ac.grad(lambda x: ac.sum(x))(x)


@by_dtype
def test_derivatives_end_at_integers(dtype: Any) -> None:
    w = ac.tensor([1.5, 2.5])
    assert ac.grad(lambda w: ac.sum(w.astype(dtype).astype(ac.float32) + w))(w).tolist() == [1.0, 1.0]
    assert ac.jvp(lambda w: w.astype(dtype).astype(ac.float32), (w,), (w,))[1].tolist() == [0.0, 0.0]


@by_stored
def test_ways_in_and_out(dtype: Any, tmp_path: Path) -> None:
    xs = values(dtype)
    a = np.array(xs, dtype)
    x = ac.tensor(a)
    for made in (
        ac.tensor(xs, dtype), ac.asarray(a), ac.asarray(xs, dtype), ac.from_dlpack(a), ac.tensor(x), x.astype(dtype),
        ac.tensor(a.astype(a.dtype.newbyteorder()).astype(a.dtype)), pickle.loads(pickle.dumps(x)),
    ):  # fmt: skip
        same(made, xs, dtype)
    assert np.from_dlpack(x).dtype == np.asarray(x).dtype == x.numpy().dtype == dtype
    assert [int(n) for n in x] == [n.item() for n in x] == np.from_dlpack(x).tolist() == xs
    assert repr(x[:2]) == f"Tensor({np.array2string(a[:2], separator=', ')}, dtype={dtype.name})"
    for like in (ac.zeros, ac.ones, ac.empty):
        assert like(2, dtype).dtype == dtype
    same(ac.arange(1, 7, 2, dtype=dtype), [1, 3, 5], dtype)
    same(ac.eye(2, dtype=dtype), [[1, 0], [0, 1]], dtype)
    module = ac.nn.Module()
    module.x = x
    module.save(tmp_path / "x.npz")
    module.x = ac.zeros_like(x)
    module.load(tmp_path / "x.npz")
    same(module.x, xs, dtype)
    if dtype.kind == "u":
        assert range(5)[ac.tensor(3, dtype)] == 3


def test_frames_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    for dtype in STORED:
        same(ac.tensor(pandas.Series(values(dtype), dtype=dtype.name)), values(dtype), dtype)


# -- what goes by way of other numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "uint64", "int8", "int64"])
def test_means_of_integers_that_count(dtype: str) -> None:
    x, where = np.array([[1, 0, 3], [7, 2, 5]], dtype), np.array([[True, False, True], [False, True, True]])
    weights = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
    t = ac.tensor(x)
    for ours, numpys in ((ac.mean, np.mean), (ac.var, np.var), (ac.std, np.std)):
        np.testing.assert_allclose(ours(t, axis=1, where=where).numpy(), numpys(x, axis=1, where=where), rtol=1e-6)
    np.testing.assert_allclose(ac.average(t, weights=weights).numpy(), np.average(x, weights=weights), rtol=1e-6)


@given(st.integers(-(2**63), 2**64 - 1), st.integers(0, 9), st.integers(-(2**63), 2**64).filter(bool))
def test_integers_are_counted_exactly(start: int, n: int, step: int) -> None:
    wanted = [start + i * step for i in range(n)]
    signed = all(-(2**63) <= x < 2**63 for x in wanted)
    if not signed and not all(0 <= x < 2**64 for x in wanted):
        with pytest.raises(ValueError, match="no integer dtype holds"):
            ac.arange(start, start + n * step, step)
        return
    found = ac.arange(start, start + n * step, step)
    assert found.tolist() == wanted
    assert found.dtype == (ac.int64 if signed else ac.uint64)


def test_signed_and_unsigned_of_64_bits_meet_nowhere() -> None:
    u, i = ac.tensor([1, 2], dtype="uint64"), ac.tensor([-1, 1])
    with pytest.raises(ac.DTypeError, match=r"einsum: .* got uint64 and int64, and no integer dtype"):
        ac.einsum("i,i->", u, i)
    functions: list[Any] = [
        np.add, np.subtract, np.multiply, np.divide, np.maximum, np.hypot, np.fmod, np.equal, np.less, np.dot, np.outer,
        np.inner, np.matmul, np.kron, np.convolve, np.union1d, np.append, np.polyval, np.cov, np.divmod,
        np.add.outer, lambda a, b: np.concatenate([a, b]), lambda a, b: np.where([True], a, b),
        lambda a, b: np.clip(a, b, None), lambda a, b: np.average(a, weights=b), lambda a, b: np.einsum("i,i", a, b),
        lambda a, b: np.interp(a, b, b),
    ]  # fmt: skip
    for f in functions:
        for a, b in ((u, i), (i, u), (u, i.numpy()), (u.numpy(), i)):
            with pytest.raises(ac.DTypeError, match="no integer dtype holds the numbers of both"):
                f(a, b)
    assert np.take(u, i).tolist() == [2, 2]  # indices are no operands
    assert np.lexsort((u, i)).tolist() == [0, 1]
    assert np.add(u, ac.tensor([0.5])).tolist() == [1.5, 2.5]
    with pytest.raises(ac.DTypeError, match="tensor: expected integers that an integer dtype holds"):
        ac.tensor([2**63, -1])
    assert ac.tensor([2**63, -1], dtype=ac.float64).tolist() == [2.0**63, -1.0]
