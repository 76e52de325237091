"""x[key] against NumPy: values, gradients, errors, for keys of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import alice_core as ac

Array = npt.NDArray[Any]

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """A key that may fit the shape: entries of all kinds in any order, and wrong indices now and then."""
    broadcast = draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=3))
    entries: list[Any] = []
    axis, ellipsis = 0, False
    for kind in draw(st.lists(st.sampled_from("iisssNEamMbB"), max_size=5)):
        n = shape[axis] if axis < len(shape) else 1
        if kind == "N":
            entries.append(None)
        elif kind == "E" and not ellipsis:
            entries.append(Ellipsis)
            ellipsis = True
            axis += draw(st.integers(0, 2))
        elif kind == "b":
            entries.append(draw(st.booleans()))
        elif kind == "i":
            entries.append(draw(st.integers(-n - (n == 0), max(n - 1, 0))))
            axis += 1
        elif kind == "s":
            entries.append(draw(st.slices(n) | st.builds(slice, *[st.none() | st.integers(-5, 5).filter(bool)] * 3)))
            axis += 1
        elif kind == "a":
            part = broadcast[draw(st.integers(0, len(broadcast))) :]
            dtype = draw(st.sampled_from([np.int64, np.int32, np.int8]))
            entries.append(draw(hnp.arrays(dtype, part, elements=st.integers(-n, max(n - 1, 0)))))
            axis += 1
        elif kind == "m":
            entries.append(draw(hnp.arrays(np.bool_, (n,))))
            axis += 1
        elif kind == "M":
            entries.append(draw(hnp.arrays(np.bool_, shape[axis : axis + 2])))
            axis += 2
        elif kind == "B":
            entries.append(np.array(draw(st.booleans())))
    return tuple(entries) if len(entries) != 1 or draw(st.booleans()) else entries[0]


@st.composite
def arrays_and_keys(draw: st.DrawFn) -> tuple[Array, Any]:
    shape = draw(shapes)
    return np.arange(1.0, 1.0 + np.prod(shape, dtype=int)).reshape(shape), draw(keys(shape))


def as_tensors(key: Any) -> Any:
    """The same key with Tensors for NumPy arrays."""

    def one(entry: Any) -> Any:
        if isinstance(entry, np.ndarray) and entry.dtype in (np.int64, np.int32, np.bool_):
            return ac.tensor(entry)
        return entry

    return tuple(map(one, key)) if isinstance(key, tuple) else one(key)


def empty_masks(key: Any) -> bool:
    entries = key if isinstance(key, tuple) else (key,)
    return any(isinstance(e, np.ndarray) and e.dtype == np.bool_ and e.size == 0 for e in entries)


@given(arrays_and_keys())
def test_values_and_gradients_are_numpys(case: tuple[Array, Any]) -> None:
    a, key = case
    x = ac.tensor(a)
    try:
        want = np.asarray(a[key])
    except IndexError:
        with pytest.raises((IndexError, ac.ShapeError)):
            x[key]
        return
    if want.size == 0 and empty_masks(key):
        return  # NumPy lets empty masks stand for axes of any length; here they must fit
    for k in (key, as_tensors(key)):
        got = x[k]
        assert got.shape == want.shape
        np.testing.assert_array_equal(got.numpy(), want)

    weights = np.cos(np.arange(want.size)).reshape(want.shape)
    _, pullback = ac.vjp(lambda x: x[key], x)
    expected = np.zeros_like(a)
    np.add.at(expected, key, weights)
    np.testing.assert_array_equal(pullback(weights)[0].numpy(), expected)

    # The adjoint is linear too; its own adjoint reads at the same places.
    _, second = ac.vjp(lambda w: pullback(w)[0], ac.tensor(weights))
    np.testing.assert_array_equal(second(x)[0].numpy(), want)


def test_repeated_indices_add_their_gradients() -> None:
    g = ac.grad(lambda x: ac.sum(x[[0, 0, 2]]))(ac.tensor([1.0, 2.0, 3.0]))
    assert g.tolist() == [2.0, 0.0, 1.0]


def test_basic_keys_are_views() -> None:
    x = ac.tensor(np.arange(24.0).reshape(2, 3, 4))
    for key in (1, slice(None, None, -2), (..., 0), (None, 1, slice(0)), (slice(None), [0, 1])):
        views = not (isinstance(key, tuple) and isinstance(key[-1], list))
        assert x[key]._shares_memory(x) == views


def test_zero_d_tensor_as_index() -> None:
    x = ac.tensor(np.arange(6.0).reshape(2, 3))
    i = ac.tensor(1)
    assert x[i].tolist() == [3.0, 4.0, 5.0]
    assert x[:, i].tolist() == [1.0, 4.0]
    assert x[i, i].item() == 4.0
    assert x[i:, : i + 1].tolist() == [[3.0, 4.0]]


def test_lists_and_numpy_scalars_as_indices() -> None:
    x = ac.tensor(np.arange(6.0).reshape(2, 3))
    assert x[[]].shape == (0, 3)
    assert x[np.int64(1), np.uint8(2)].item() == 5.0
    assert x[[True, False]].tolist() == [[0.0, 1.0, 2.0]]
    assert x[[[0, 1], [1, 0]], 0].tolist() == [[0.0, 3.0], [3.0, 0.0]]


def test_abstract_run() -> None:
    x = ac.abstract((4, 5), ac.float32)
    assert x[1:, None, 0].shape == (3, 1)
    assert x[[0, 1, 1], 1:3].shape == (3, 2)
    assert x[ac.abstract((2, 3), ac.int64)].shape == (2, 3, 5)
    with pytest.raises(ac.TraceError, match=r"x\[mask\] depends on the values of the mask"):
        x[ac.abstract((4,), ac.bool)]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (3, "index 3 is out of range for axis 0 with size 3"),
        ((0, -5), "index -5 is out of range for axis 1 with size 4"),
        ((0, 0, 0), r"at most 2 indices fit shape \(3, 4\); got 3"),
        ((slice(None), 0, slice(None)), "at most 2 indices"),
        (([0], [0], [0]), "at most 2 indices"),
        ((..., 0, ...), "only one ellipsis"),
        ((..., [0], ...), "only one ellipsis"),
        ([0, 3], "index 3 is out of range for axis 0 with size 3"),
        ((slice(1), [4]), "index 4 is out of range for axis 1 with size 4"),
        (1.0, "an index must be an int, a slice"),
        ("name", "an index must be an int, a slice"),
        (np.array([0.5]), "an array of float64"),
        (np.zeros(4, bool), r"got mask \(4,\) for axes of shape \(3,\)"),
        (np.zeros((3, 4, 1), bool), "at most 2 indices"),
    ],
)
def test_errors(key: Any, message: str) -> None:
    with pytest.raises(IndexError, match=message):
        ac.zeros((3, 4))[key]


def test_shapes_that_do_not_broadcast() -> None:
    with pytest.raises(ac.ShapeError, match=r"must broadcast together; got shapes \(2,\) and \(3,\)"):
        ac.zeros((3, 4))[[0, 1], [0, 1, 2]]


def test_slice_step_zero() -> None:
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        ac.zeros(3)[::0]


def test_absurd_numbers_raise() -> None:
    x = ac.zeros((3, 4))
    with pytest.raises(IndexError):
        x[2**62]
    with pytest.raises((IndexError, OverflowError)):
        x[2**80]
    with pytest.raises(IndexError):
        x[[2**62]]
    assert x[:: 2**62].shape == (1, 4)
    assert x[: -(2**70) : -(2**70)].shape == (1, 4)


def test_assignment_is_refused() -> None:
    with pytest.raises(TypeError, match="do not support item assignment"):
        ac.zeros(3)[0] = 1.0


def test_scatter_is_deterministic_and_exact_over_threads() -> None:
    rng = np.random.default_rng(0)
    table, rows = rng.standard_normal((50, 300)), rng.integers(0, 50, 4000)
    weights = rng.standard_normal((4000, 300))
    want = np.zeros_like(table)
    np.add.at(want, rows, weights)
    before = ac.get_num_threads()
    try:
        for n in (1, 2, 4):
            ac.set_num_threads(n)
            _, pullback = ac.vjp(lambda x: x[rows], ac.tensor(table))
            np.testing.assert_array_equal(pullback(weights)[0].numpy(), want)
    finally:
        ac.set_num_threads(before)


def test_empty_masks_must_fit() -> None:
    assert ac.zeros((0, 2))[np.zeros(0, bool)].shape == (0, 2)
    with pytest.raises(IndexError, match=r"got mask \(0,\) for axes of shape \(2,\)"):
        ac.zeros((2, 2))[np.zeros(0, bool)]
