"""The Tensor as a Python object: copies, pickles, conversions, arguments of operators."""

from __future__ import annotations

import copy
import pickle
import weakref

import numpy as np
import pytest

import alice_core as ac


def test_copy_and_pickle() -> None:
    w = ac.tensor([1.0, 2.0]).requires_grad_()
    for made in (copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        assert made.tolist() == [1.0, 2.0]
        assert made.requires_grad
        assert not made._shares_memory(w)


def test_identity_hash_and_weak_references() -> None:
    x = ac.ones((2,))
    assert {x: 1}[x] == 1
    ref = weakref.ref(x)
    del x
    assert ref() is None


def test_tensor_cannot_be_made_or_subclassed_by_hand() -> None:
    with pytest.raises(TypeError):
        ac.Tensor()
    with pytest.raises(TypeError, match="cannot be subclassed"):

        class Mine(ac.Tensor):
            pass


def test_conversions_to_python() -> None:
    assert float(ac.tensor(1.5)) == 1.5
    assert int(ac.tensor(3)) == 3
    assert [10, 20][ac.tensor(1)] == 20
    assert bool(ac.tensor([True]))
    assert f"{ac.tensor(1.25):.1f}" == "1.2"
    with pytest.raises(ac.ShapeError, match="one element; got shape"):
        bool(ac.ones((2,)) > 0)
    with pytest.raises(ac.ShapeError, match="item: expected a Tensor with one element"):
        ac.ones((2,)).item()


def test_iteration_and_length() -> None:
    rows = list(ac.tensor([[1.0, 2.0], [3.0, 4.0]]))
    assert [r.tolist() for r in rows] == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(TypeError, match="0-d"):
        len(ac.tensor(1.0))


def test_primitive_argument_errors() -> None:
    with pytest.raises(
        ac.DTypeError, match=r"multiply: argument 1 must be a Tensor, a NumPy array or a number; got list"
    ):
        ac.multiply(ac.ones((2,)), [1.0, 2.0])
    with pytest.raises(TypeError):
        ac.ones((2,)) + "text"
    with pytest.raises(ac.DTypeError, match="does not fit uint8"):
        ac.tensor([1], dtype=ac.uint8) + 300


def test_promotion() -> None:
    f32, f64, i32 = ac.ones((2,)), ac.ones((2,), dtype=ac.float64), ac.tensor([1, 2], dtype=ac.int32)
    assert (f32 * f64).dtype == ac.float64
    assert (f32 * i32).dtype == ac.float32
    assert (f32 * 2).dtype == (2.0 * f32).dtype == (np.float64(2.0) * f32).dtype == ac.float32
    assert (i32 * 2).dtype == ac.int32
    assert (i32 * 0.5).dtype == ac.float32
    assert (i32 / i32).dtype == ac.float32
    assert ac.exp(i32).dtype == ac.float32
    g = ac.grad(lambda x: ac.sum(x * f64))(f32)
    assert g.dtype == ac.float32


def test_bit_operators_are_for_bools_or_integers() -> None:
    yes, no = ac.tensor([True, True]), ac.tensor([True, False])
    assert (yes & no).tolist() == [True, False]
    assert (yes ^ np.array([True, False])).tolist() == [False, True]
    assert (~no | False).tolist() == [False, True]
    for attempt in (
        lambda: ac.tensor([3.0]) & ac.tensor([1.0]),
        lambda: yes & 1,
        lambda: np.array([1, 0]) | yes,
        lambda: ~ac.tensor([1.0]),
        lambda: np.bitwise_and(ac.tensor([3.5]), 1),
    ):
        with pytest.raises(ac.DTypeError, match=r"the operators &, \|, \^ and ~ expect bool"):
            attempt()


@pytest.mark.parametrize("rank", [0, 5, 6, 7, 8, 12])
def test_any_rank_up_to_twelve(rank: int) -> None:
    """Shapes beyond six dimensions are kept elsewhere."""
    shape = (2, 1, 3, 1, 1, 2, 1, 2, 1, 1, 1, 2)[:rank]
    x = np.arange(np.prod(shape, dtype=int), dtype="float32").reshape(shape)
    t = ac.tensor(x)
    np.testing.assert_array_equal((t.T * 3.0).numpy(), x.T * 3)
    gradient = ac.grad(lambda t: ac.sum(ac.sum(t * t, axis=-1) if rank else t * t))(t)
    np.testing.assert_array_equal(gradient.numpy(), 2 * x)
    for fewer in range(rank, 0, -1):  # across the border, down and up again
        t = ac.reshape(t, (*t.shape[: fewer - 2], -1)) if fewer > 1 else t
    np.testing.assert_array_equal(ac.reshape(t, shape).numpy(), x)
