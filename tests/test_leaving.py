"""A number that leaves a function which is being differentiated would lose its derivative: it must not leave."""

from __future__ import annotations

import copy
import math
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import alice_core as ac

F64 = ac.float64
KEPT = ac.zeros(())


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
    "assign_": lambda x: KEPT.assign_(x),
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


@pytest.mark.parametrize("transform", ["grad", "value_and_grad", "vjp", "jvp", "outer"])
@pytest.mark.parametrize("read", LEAVING)
def test_no_number_leaves_into_a_batch(read: str, transform: str) -> None:
    """What vmap traces is followed from outside only when it runs."""

    def f(x: ac.Tensor) -> ac.Tensor:
        def one(y: ac.Tensor) -> ac.Tensor:
            LEAVING[read](x)
            return y * x

        return ac.sum(ac.vmap(one)(ac.ones(3)))

    with pytest.raises((ac.AliceError, BufferError, ValueError)):
        TRANSFORMS[transform](f)
    c = ac.tensor(3.0)
    assert ac.grad(lambda x: ac.sum(ac.vmap(lambda y: (LEAVING[read](c), y * x)[1])(ac.ones(3))))(2.0).item() == 3.0


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


@pytest.mark.parametrize("wrap", [lambda f: f, ac.compile, ac.checkpoint])
def test_a_state_keeps_constants(wrap: Any) -> None:
    """Read again after it, the parameter would count as a constant: x**2 * x would have the slope of a * x."""
    p = ac.zeros((), dtype=F64)

    def kept(keep: Callable[[ac.Tensor], ac.Tensor]) -> Callable[[ac.Tensor], ac.Tensor]:
        return lambda x: p.assign_(keep(x * x)) * x

    x = ac.tensor(3.0, dtype=F64)
    assert ac.grad(wrap(kept(ac.stop_gradient)))(x).item() == 9.0
    for transform in (ac.grad, ac.jacfwd, ac.hessian, lambda f: ac.compile(ac.grad(f))):
        with pytest.raises(ac.GradientError, match=r"assign_: expected a constant.*ac\.stop_gradient"):
            transform(wrap(kept(lambda y: y)))(x)


# ---- threads --------------------------------------------------------------------------------------------------------


def on_another_thread(f: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(f).result()


WORK: dict[str, Callable[[ac.Tensor], Any]] = {
    "an op": lambda x: x * 2.0,
    "a view": lambda x: x.reshape(1),
    "a compiled function": ac.compile(lambda x: x * 2.0),
    "a gradient": lambda x: ac.grad(lambda y: y * x)(3.0),
    "of it": ac.grad(lambda x: x * x),
    "along it": lambda x: ac.jvp(lambda y: y * y, [x], [x])[1],
    "a number": float,
    "an update": lambda x: ac.zeros(()).assign_(x),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("work", WORK)
def test_other_threads_do_not_compute_with_what_is_differentiated_here(work: str, transform: str) -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.sum(on_another_thread(lambda: WORK[work](x))) * x

    with pytest.raises((ac.GradientError, ac.TraceError), match=r"on another thread|abstract"):
        TRANSFORMS[transform](f)


@pytest.mark.parametrize("transform", [ac.vmap, ac.compile])
def test_other_threads_get_no_abstract_values(transform: Any) -> None:
    with pytest.raises(ac.TraceError, match=r"traces on another thread|abstract Tensor from outside"):
        transform(lambda x: on_another_thread(lambda: x * 2.0))(ac.ones(2))


def test_a_leaked_abstract_value_says_so() -> None:
    leaked: list[ac.Tensor] = []
    ac.vmap(lambda x: (leaked.append(x), x)[1])(ac.ones(2))
    with pytest.raises(ac.TraceError, match="or has traced"):
        leaked[0] * 2.0


def test_threads_differentiate_side_by_side() -> None:
    """Each its own values, what outlived its context, and leaves that all share."""
    w = ac.tensor(2.0).requires_grad_()

    def work(k: int) -> float:
        kept: list[ac.Tensor] = []
        for _ in range(30):
            ac.grad(lambda x: (kept.append(x * x), x * x * float(k))[1])(3.0)
            ac.jvp(lambda x: x * kept[-1], [1.0], [1.0])
        (w * float(k)).backward()
        return ac.grad(lambda x: x * x * float(k))(3.0).item()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(40))) == [6.0 * k for k in range(40)]
    assert w.grad is not None
    assert w.grad.item() == sum(range(40))


def test_more_threads_than_numbers() -> None:
    with ThreadPoolExecutor(300) as pool:
        barrier = threading.Barrier(300)

        def work(k: int) -> float:
            barrier.wait()
            return ac.grad(lambda x: x * x * float(k))(3.0).item()

        assert list(pool.map(work, range(300))) == [6.0 * k for k in range(300)]


def nested(depth: int, f: Callable[[ac.Tensor], ac.Tensor]) -> Callable[[ac.Tensor], ac.Tensor]:
    for _ in range(depth):
        f = ac.grad(f)
    return f


@pytest.mark.parametrize("inside", range(1, 4))
@pytest.mark.parametrize("name", LEAVING)
def test_what_outlived_its_context_is_a_constant(name: str, inside: int) -> None:
    """Also where as many contexts are open as there were then, or more."""
    leaked: list[ac.Tensor] = []
    nested(inside, lambda x: (leaked.append(x * x), x**5)[1])(ac.tensor(3.0, dtype=F64))

    def f(x: ac.Tensor) -> ac.Tensor:
        assert not leaked[0].is_tracked
        LEAVING[name](leaked[0])
        y = x * leaked[0]
        with pytest.raises(ac.GradientError):
            float(y)
        return y * x

    for depth, value in ((1, 18.0), (2, 18.0), (3, 0.0), (4, 0.0)):
        assert nested(depth, f)(ac.tensor(1.0, dtype=F64)).item() == value


@pytest.mark.parametrize("inside", range(1, 4))
@pytest.mark.parametrize("outside", range(1, 4))
def test_the_contexts_that_go_on_follow_what_outlived_an_inner_one(outside: int, inside: int) -> None:
    """d/dx of x² · x and so on, where x² comes out of contexts that have ended, and new ones have begun."""

    def f(x: ac.Tensor) -> ac.Tensor:
        leaked: list[ac.Tensor] = []

        def g(y: ac.Tensor) -> ac.Tensor:
            leaked.append(x * x + 0 * y)
            return y**5

        nested(inside, g)(x)
        later = ac.grad(lambda z: z * leaked[0])(x)  # x²
        with pytest.raises(ac.GradientError):
            ac.grad(lambda z: z * float(leaked[0]))(x)
        return later * x

    x = ac.tensor(2.0, dtype=F64)
    assert nested(outside, f)(x).item() == [12.0, 12.0, 6.0][outside - 1]


def keeping(value: Any) -> Any:
    """A loop that keeps a value of its carry in a Tensor outside; ``value`` makes it."""
    p = ac.zeros((), dtype=ac.float64)

    def step(c: Any, _: Any) -> tuple[Any, None]:
        return c * c + p.assign_(value(c, p)), None

    return lambda x: ac.scan(step, x, None, length=2)[0]


CONSTANTS = [
    lambda c, p: ac.stop_gradient(c * c),
    lambda c, p: p + 1.0,
    lambda c, p: ac.tensor(c) * 2.0,
    lambda c, p: ac.scan(lambda d, _: (ac.stop_gradient(d) * 2.0, d), c, None, length=2)[0],
    lambda c, p: ac.scan(lambda d, _: ((d[0] + 1.0, d[1] * c), None), (p, c), None, length=2)[0][0],
    lambda c, p: ac.cond(c > 0.0, lambda c, p: p + 2.0, lambda c, p: p + ac.stop_gradient(c), c, p),
]


@pytest.mark.parametrize("transform", [ac.grad, ac.jacfwd, ac.jacrev, ac.hessian, lambda f: ac.compile(ac.grad(f))])
def test_loops_keep_constants_alone(transform: Any) -> None:
    x = ac.tensor(0.7, dtype=ac.float64)
    for value in CONSTANTS:
        transform(keeping(value))(x)
    for value in (
        lambda c, p: c * c,
        lambda c, p: p + c,
        lambda c, p: ac.scan(lambda d, _: (d * 2.0, d), c, None, length=2)[0],
    ):
        with pytest.raises(ac.GradientError, match=r"scan: expected a constant in assign_; .*ac\.stop_gradient"):
            transform(keeping(value))(x)
        keeping(value)(x)  # as it is
