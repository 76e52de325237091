"""Indices and labels in memory that another thread writes to while an op reads them: a right value or an error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pytest

import alice_core as ac

Array = npt.NDArray[np.integer]
N, CLASSES = 3000, 5
LOGITS = ac.tensor(np.linspace(-1.0, 1.0, N * CLASSES, dtype=np.float32).reshape(N, CLASSES))
SIDE = ac.zeros((N,), dtype=ac.int32)
TABLE = ac.tensor(np.arange(CLASSES * 2.0).reshape(CLASSES, 2))


@contextmanager
def changing(indices: Array, far: int) -> Iterator[None]:
    """Every index jumps between one that is there and one that is far away; NumPy writes without the GIL."""
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            indices[...] = far
            indices[...] = 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def loss(index: ac.Tensor) -> ac.Tensor:
    return ac.losses.cross_entropy(LOGITS, index)


def loss_of_kept(index: ac.Tensor) -> ac.Tensor:
    """Ignored rows or kept ones: of each snapshot the mean is right."""
    return ac.losses.cross_entropy(ac.zeros((N, CLASSES)), index, ignore_index=-7)


CALLS = {
    "loss": loss,
    "loss and gradient": lambda index: ac.grad(lambda x: ac.losses.cross_entropy(x, index))(LOGITS),
    "take": lambda index: ac.take(TABLE, index, axis=0),
    "take_along_axis": lambda index: ac.take_along_axis(LOGITS, index[:, None], axis=1),
    "gather": lambda index: TABLE[index, SIDE],
    "take's gradient": lambda index: ac.grad(lambda x: ac.sum(ac.take(x, index, axis=0)))(TABLE),
    "take_along_axis's gradient": lambda index: ac.grad(
        lambda x: ac.sum(ac.take_along_axis(x, index[:, None], axis=1))
    )(LOGITS),
    "one_hot": lambda index: ac.data.one_hot(index, CLASSES),
}


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_what_is_used_is_what_was_checked(name: str, compiled: bool, dtype: type[np.integer]) -> None:
    call: Callable[[ac.Tensor], ac.Tensor] = ac.compile(CALLS[name]) if compiled else CALLS[name]
    indices = np.ones(N, dtype=dtype)
    shared = ac.asarray(indices, copy=False)
    want = call(shared).numpy().copy()
    far = {np.uint8: 200, np.int32: 2**30, np.int64: 2**40}[dtype]
    names_what_it_read = set()
    with changing(indices, far):
        for _ in range(200):
            try:
                np.testing.assert_array_equal(call(shared).numpy(), want)
            except IndexError as error:
                names_what_it_read.add(str(far) in str(error))
    assert all(names_what_it_read)


@pytest.mark.parametrize("compiled", [False, True])
def test_rows_are_counted_as_they_are_used(compiled: bool) -> None:
    call = ac.compile(loss_of_kept) if compiled else loss_of_kept
    indices = np.ones(N, dtype=np.int32)
    shared = ac.asarray(indices, copy=False)
    call(shared)
    with changing(indices, -7):
        for _ in range(300):
            value = call(shared).item()
            assert value == 0.0 or abs(value - np.log(CLASSES)) <= 1e-6
