"""Updates at places: what NumPy's assignment and ``ufunc.at`` make of a copy, for keys of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alice_core as ac
from rule_checks import check_batch, masks

SHAPE = (3, 4, 2)
UFUNCS = {"add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum}


def updated(x: np.ndarray[Any, Any], key: Any, v: Any, mode: str) -> np.ndarray[Any, Any]:
    out = x.copy()
    if mode == "set":
        out[key] = v
    else:
        UFUNCS[mode].at(out, key, v)
    return out


@st.composite
def keys(draw: st.DrawFn) -> Any:
    """Ints, slices, None, an ellipsis, integer arrays that broadcast, and masks, in any order."""
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    entries: list[Any] = []
    axis, dots = 0, False
    length = draw(st.sampled_from([(), (1,), (3,), (2, 3)]))
    while axis < len(SHAPE):
        n = SHAPE[axis]
        kind = draw(st.sampled_from(["int", "slice", "array", "none", "dots", "mask", "end", "list"]))
        if kind == "end":
            break
        if kind == "dots":
            if dots:
                continue
            dots = True
            entries.append(...)
            axis += draw(st.integers(0, len(SHAPE) - axis))
            continue
        if kind == "none":
            if len(entries) < 5:
                entries.append(None)
            continue
        if kind == "int":
            entries.append(int(rng.integers(-n, n)))
        elif kind == "slice":
            entries.append(draw(st.sampled_from([slice(None), slice(1, None), slice(None, None, -2), slice(2, 1)])))
        elif kind == "mask":
            entries.append(rng.random(n) < 0.5)
        elif kind == "list":
            entries.append(rng.integers(-n, n, length[-1:] or (1,)).tolist())
        else:
            entries.append(rng.integers(-n, n, length))
        axis += 1
    return tuple(entries)


@settings(deadline=None, max_examples=400)
@given(key=keys(), mode=st.sampled_from(["set", *UFUNCS]), scalar=st.booleans(), seed=st.integers(0, 9))
def test_any_key(key: Any, mode: str, scalar: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-4, 5, SHAPE).astype(np.float64)
    try:
        shape = x[key].shape
    except IndexError:
        with pytest.raises((IndexError, ac.ShapeError)):
            getattr(ac.tensor(x).at[key], mode)(1.0)
        return
    v = np.float64(2.0) if scalar else rng.integers(-4, 5, shape).astype(np.float64)
    want = updated(x, key, v, mode)
    got = getattr(ac.tensor(x).at[key], mode)(ac.tensor(v))
    np.testing.assert_array_equal(got.numpy(), want)
    compiled = ac.compile(lambda x, v: getattr(x.at[key], mode)(v))(ac.tensor(x), ac.tensor(v))
    assert compiled.numpy().tobytes() == got.numpy().tobytes()


@pytest.mark.parametrize("mode", ["set", *UFUNCS])
@pytest.mark.parametrize(
    "key",
    [
        (1,),
        (slice(None), slice(None, None, -2)),
        ([0, 2, 0, 0],),
        ([0, 2, 2], slice(1, 3), [1, 1, 1]),
        (slice(1, None), [[0, 0], [3, 0]]),
        (..., [1, 1]),
        (None, [2, 2], 1),
        (np.arange(24).reshape(SHAPE) % 3 == 0,),
    ],
    ids=str,
)
def test_derivatives(key: Any, mode: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.permutation(24).reshape(SHAPE) / 8.0 + 0.3
    v = rng.permutation(x[key].size).reshape(x[key].shape) / 4.0 + 0.5
    ac.testing.check_grads(lambda x, v: getattr(x.at[key], mode)(v), [x, v], order=2, modes=("rev", "fwd"))


def test_factors_of_zero_and_ties() -> None:
    x, v = ac.tensor([2.0, 3.0]), ac.tensor([0.0, 5.0, 7.0])
    gx, gv = ac.grad(lambda x, v: x.at[[0, 0, 0]].multiply(v).sum(), argnums=(0, 1))(x, v)
    assert gx.tolist() == [0.0, 1.0]
    assert gv.tolist() == [70.0, 0.0, 0.0]
    gx, gv = ac.grad(lambda x, v: x.at[[0, 0]].max(v).sum(), argnums=(0, 1))(
        ac.tensor([2.0, 3.0]), ac.tensor([2.0, 1.0])
    )
    assert gx.tolist() == [0.5, 1.0]
    assert gv.tolist() == [0.5, 0.0]
    gx, gv = ac.grad(lambda x, v: x.at[[0, 0]].set(v).sum(), argnums=(0, 1))(x, ac.tensor([4.0, 5.0]))
    assert gx.tolist() == [0.0, 1.0]
    assert gv.tolist() == [0.0, 1.0]  # the last one stays


@pytest.mark.parametrize("mode", ["set", *UFUNCS])
def test_batches_are_loops(mode: str) -> None:
    rng = np.random.default_rng(1)
    p = ac.primitives()[f"scatter_{mode}"]
    shapes = [
        ((5,), (4,), [(4,)], (0,), 0),
        ((3, 4, 2), (3, 2, 3, 2), [(2, 3)], (1,), 1),
        ((3, 4, 2), (3, 2), [(3,), (1,)], (0, 1), 0),
    ]
    for x_shape, v_shape, index_shapes, axes, out_axis in shapes:
        for batched in masks(2 + len(index_shapes)):
            lead = [(2,) if b else () for b in batched]
            inputs = [rng.standard_normal((*lead[0], *x_shape)), rng.standard_normal((*lead[1], *v_shape))]
            inputs += [rng.integers(-2, 2, (*b, *s)) for b, s in zip(lead[2:], index_shapes, strict=True)]
            check_batch(p, batched, inputs, (axes, out_axis))


def test_batches_of_slices_are_loops() -> None:
    rng = np.random.default_rng(2)
    p = ac.primitives()["slice_set"]
    for batched in masks(2):
        inputs = [rng.standard_normal((*((2,) if b else ()), *s)) for b, s in zip(batched, ((3, 4), (2,)), strict=True)]
        check_batch(p, batched, inputs, ((1, 3), (1, 2), (1, -2)))


def test_a_mask_need_not_be_known_if_every_place_gets_the_same() -> None:
    x = ac.tensor([[1.0, -2.0], [-3.0, 4.0]])
    relu = ac.compile(lambda x: x.at[x < 0].set(0.0))
    assert relu(x).tolist() == [[1.0, 0.0], [0.0, 4.0]]
    assert ac.vmap(lambda x: x.at[x < 0].multiply(-1.0))(x).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    rows = ac.compile(lambda x, v: x.at[x[:, 0] > 0].add(v))(x, ac.tensor([10.0, 20.0]))
    assert rows.tolist() == [[11.0, 18.0], [-3.0, 4.0]]
    assert ac.compile(lambda x, on: x.at[on].set(0.0))(x, ac.tensor(False)).tolist() == x.tolist()
    with pytest.raises(ac.TraceError, match="depends on the values of the mask"):
        ac.compile(lambda x: x.at[x < 0, 0].set(0.0))(ac.ones((2, 2, 2)))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float16", "float32"])
def test_dtypes(dtype: str) -> None:
    x = ac.ones(3, dtype)
    for mode in ("set", "add", "multiply", "min", "max"):
        y = getattr(x.at[[0, 0, 1]], mode)(x)
        assert y.dtype == x.dtype
        z = getattr(x.at[1:], mode)(True)
        assert z.dtype == x.dtype


def test_errors() -> None:
    x = ac.zeros((2, 3))
    with pytest.raises(TypeError, match=r"do not support item assignment; write y = x\.at\[key\]\.set\(value\)"):
        x[0] = 1.0
    with pytest.raises(
        ac.ShapeError, match=r"at\.set: the value must broadcast to the shape \(3,\) of x\[key\]; got \(2,\)"
    ):
        x.at[0].set(ac.zeros(2))
    with pytest.raises(ac.ShapeError, match=r"at\.add: the value must broadcast to the shape \(2, 3\)"):
        x.at[[0, 1]].add(ac.zeros((2, 2)))
    with pytest.raises(IndexError, match="index 2 is out of range for axis 0 with size 2"):
        x.at[2].set(0.0)
    with pytest.raises(IndexError, match="scatter_max: index 5 is out of range for axis 0"):
        x.at[[5]].max(0.0)
    with pytest.raises(IndexError, match=r"at\.set: a boolean mask must have the shape"):
        x.at[ac.tensor([True])].set(0.0)
    with pytest.raises(
        ac.DTypeError, match=r"at\.set: a value of dtype float32 does not fit into a Tensor of dtype int64"
    ):
        ac.arange(3).at[0].set(0.5)
    with pytest.raises(ac.DTypeError, match=r"at\.set: expected numbers that uint8 holds"):
        ac.zeros(3, ac.uint8).at[0].set(300)


WRONG_KEYS: list[Any] = [
    5, (0, -4), np.int64(5), ([0], 3), (0, 0, 0), (0, [0], 0), (slice(None),) * 3, (..., ...), (..., [0], ...),
    0.5, "a", [0.5], np.array([0.5]), ([0, 1], [0, 1, 2]), np.ones(3, bool), (slice(None), np.ones(2, bool)),
]  # fmt: skip


@pytest.mark.parametrize("key", WRONG_KEYS, ids=str)
def test_errors_of_keys_name_who_was_asked(key: Any) -> None:
    x = ac.zeros((2, 3))
    for mode in ("set", *UFUNCS):
        with pytest.raises((IndexError, ac.ShapeError), match=rf"^at\.{mode}: "):
            getattr(x.at[key], mode)(0.0)
    with pytest.raises((IndexError, ac.ShapeError), match=r"^(getitem|gather): "):
        x[key]


def test_segments_have_the_bits_of_a_loop_for_any_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    data, ids = rng.standard_normal((20_000, 8)).astype(np.float32), rng.integers(0, 50, 20_000)
    want = np.zeros((50, 8), np.float32)
    np.add.at(want, ids, data)
    before = ac.get_num_threads()
    try:
        for n in (1, 3):
            ac.set_num_threads(n)
            assert ac.segment_sum(data, ids).numpy().tobytes() == want.tobytes()
    finally:
        ac.set_num_threads(before)


def test_the_number_of_segments_is_given_where_ids_are_not_known() -> None:
    data, ids = ac.tensor([1.0, 2.0, 4.0]), ac.tensor([1, 0, 1])
    f = ac.compile(lambda d, i: ac.segment_max(d, i, 3))
    assert f(data, ids).tolist() == [2.0, 4.0, -np.inf]
    with pytest.raises(ac.TraceError, match="give num_segments="):
        ac.compile(lambda d, i: ac.segment_sum(d, i))(data, ids)


# -- in compiled programs ---------------------------------------------------------------------------------------------


def both(f: Any, *xs: Any) -> int:
    """The bytes of the arena of the compiled function, which gives the bits of the eager one."""
    compiled = ac.compile(f)
    for got, want in zip(compiled(*xs), f(*xs), strict=True):
        assert got.numpy().tobytes() == want.numpy().tobytes()
    return int(compiled.program(*xs).arena_bytes)


def test_updates_happen_in_place_where_nobody_needs_the_old_value() -> None:
    x, at = ac.tensor(np.arange(1024.0)), ac.tensor([3, 3, 700])

    def chain(x: ac.Tensor, at: ac.Tensor) -> Any:
        y = ac.sort(x)  # in memory
        for i in range(8):
            y = y.at[i : 900 + i].set(float(i)).at[at].add(1.0).at[at].max(2.0)
        return (ac.sort(y),)

    assert both(chain, x, at) < 2 * x.nbytes


def test_what_is_read_later_is_not_overwritten() -> None:
    x, at = ac.tensor(np.arange(1024.0)), ac.tensor([3, 3, 700])

    def later(x: ac.Tensor, at: ac.Tensor) -> Any:
        y = ac.sort(x)
        return y.at[at].add(1.0), ac.sort(y.at[1:3].set(7.0)), ac.sort(y)

    def of_itself(x: ac.Tensor, at: ac.Tensor) -> Any:
        y = ac.sort(x)
        z = y.at[1:].set(y[:-1])
        return ac.sort(z.at[at].multiply(z[5:8])), z.at[::-1].set(z)

    def of_views(x: ac.Tensor, at: ac.Tensor) -> Any:
        y = ac.sort(x).reshape(32, 32).T
        return (ac.sort(y.at[2].set(y[:, 3]).at[at[0]].min(0.5)),)

    def of_inputs(x: ac.Tensor, at: ac.Tensor) -> Any:
        return x.at[at].set(5.0), x.at[0].set(1.0), x * 1.0

    for f in (later, of_itself, of_views, of_inputs):
        before = x.numpy().copy()
        both(f, x, at)
        assert np.array_equal(x.numpy(), before)


def test_parameters_are_updated_in_place() -> None:
    p, at = ac.nn.Parameter([1.0, 2.0, 3.0]), ac.tensor([0, 0, 2])
    ac.update("scatter_add", [p, ac.ones(3), at], [(0,), 0], [p])
    assert p.tolist() == [3.0, 2.0, 4.0]
    ac.update("scatter_set", [p, p, at], [(0,), 0], [p])  # what it reads, it reads before
    assert p.tolist() == [2.0, 2.0, 4.0]
