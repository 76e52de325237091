"""A number that leaves a function which is being differentiated would lose its derivative: it must not leave."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac

F64 = ac.float64


def store(x: ac.Tensor) -> None:
    np.zeros(3)[1] = x


def fill(x: ac.Tensor) -> None:
    np.zeros(3).fill(x)


LEAVING: dict[str, Callable[[ac.Tensor], Any]] = {
    "float": float,
    "int": int,
    "math": math.sin,
    "item": lambda x: x.item(),
    "tolist": lambda x: x.tolist(),
    "numpy": lambda x: x.numpy(),
    "asarray": np.asarray,
    "array of a list": lambda x: np.array([x]),
    "store": store,
    "fill": fill,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
    "memoryview": memoryview,
    "dlpack": np.from_dlpack,
}
STAYING: dict[str, Callable[[ac.Tensor], Any]] = {
    "bool": bool,
    "compare": lambda x: bool(x > 0),
    "repr": repr,
    "str": str,
    "format": lambda x: f"{x:.3f}",
    "detach": lambda x: float(x.detach()),
    "stop_gradient": lambda x: np.asarray(ac.stop_gradient(x)),
}
TRANSFORMS: dict[str, Callable[[Any], Any]] = {
    "grad": lambda f: ac.grad(f)(2.0),
    "value_and_grad": lambda f: ac.value_and_grad(f)(2.0),
    "vjp": lambda f: ac.vjp(f, 2.0),
    "jvp": lambda f: ac.jvp(f, [2.0], [1.0]),
    "hessian": lambda f: ac.hessian(f)(ac.tensor(2.0)),
    "jacfwd": lambda f: ac.jacfwd(f)(ac.tensor(2.0)),
    "outer": lambda f: ac.grad(lambda x: ac.grad(lambda y: f(x) * y)(1.0))(2.0),
}


def through(read: Callable[[ac.Tensor], Any]) -> Callable[[ac.Tensor], ac.Tensor]:
    def f(x: ac.Tensor) -> ac.Tensor:
        y = ac.sum(x * x)
        read(y)
        return y * x

    return f


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("read", LEAVING)
def test_no_number_leaves(read: str, transform: str) -> None:
    with pytest.raises((ac.AliceError, BufferError, ValueError)) as refused:
        TRANSFORMS[transform](through(LEAVING[read]))
    error: BaseException | None = refused.value
    while isinstance(error, ValueError) and not isinstance(error, ac.AliceError):  # NumPy's, because of ours
        error = error.__cause__ or error.__context__
    # Some transforms trace for a batch: there are no numbers at all.
    assert isinstance(error, (ac.GradientError, ac.TraceError, BufferError))
    assert "stop_gradient" in str(error) or "abstract" in str(error)


@pytest.mark.parametrize("read", STAYING)
def test_looking_is_free(read: str) -> None:
    assert ac.grad(through(STAYING[read]))(2.0).item() == 12.0
    assert ac.jvp(through(STAYING[read]), [2.0], [1.0])[1].item() == 12.0


@pytest.mark.parametrize("read", ["float", "int", "item", "tolist", "numpy", "math", "store", "fill", "deepcopy"])
def test_a_loop_around_backward_reads_its_losses(read: str) -> None:
    w = ac.tensor(2.0).requires_grad_()
    loss = w * w
    if read not in ("store", "fill"):  # NumPy asks for an array, and that would be tracked
        LEAVING[read](loss)
    loss.backward()
    assert w.grad is not None
    assert w.grad.item() == 4.0


@pytest.mark.parametrize("read", LEAVING)
def test_constants_leave_from_anywhere(read: str) -> None:
    c = ac.tensor(3.0)

    def f(x: ac.Tensor) -> ac.Tensor:
        LEAVING[read](c)
        return x * c

    assert ac.grad(f)(2.0).item() == 3.0
    assert ac.jvp(f, [2.0], [1.0])[1].item() == 3.0
