"""Tensors are values: an in-place change of one changes no other, and a view of what changed refuses to be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core.tracing import recording
from op_calls import calls, op, tensors
from op_cases import all_cases
from rule_checks import flat

STALE = "a view, shape .* of a Tensor that was changed in place since has lost its value"


def changeable(x: Any) -> bool:
    return isinstance(x, ac.Tensor) and x.size > 0 and x.is_contiguous


def other_value(x: ac.Tensor) -> ac.Tensor:
    return ac.logical_not(x) if x.dtype == ac.bool else x + 1


def value(x: ac.Tensor) -> np.ndarray[Any, Any]:
    return np.array(x.numpy())


def shared(inputs: list[Any], results: list[ac.Tensor]) -> Iterator[tuple[ac.Tensor, ac.Tensor]]:
    return ((x, y) for x in inputs if changeable(x) for y in results if y is not x and x._shares_memory(y))


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_no_op_lets_a_change_through(case: Any) -> None:
    """Of every op: a result keeps its value or says that it lost it; and it cannot be changed where it is a view."""
    for args, kwargs in calls(case):
        inputs = [ac.tensor(x) if isinstance(x, ac.Tensor) else x for x in tensors(args)]
        results = [y for y in flat(op(case)(*inputs, **kwargs)) if isinstance(y, ac.Tensor)]
        if any(y is x for x in inputs for y in results):
            continue
        before, views = [value(y) for y in results], {id(y) for _, y in shared(inputs, results)}
        for x, y in shared(inputs, results):
            if changeable(y):
                kept = value(x)
                with pytest.raises(ValueError, match=r"is a view of another one|shares read-only memory"):
                    y.assign_(other_value(y))
                np.testing.assert_array_equal(value(x), kept)
        for x in inputs:
            if changeable(x):
                x.assign_(other_value(x))
        for y, kept in zip(results, before, strict=True):
            if id(y) not in views:
                np.testing.assert_array_equal(value(y), kept)
                continue
            for read in READERS.values():
                with pytest.raises(ValueError, match=STALE):
                    read(y)


READERS: dict[str, Callable[[ac.Tensor], Any]] = {
    "numpy": lambda y: y.numpy(),
    "NumPy": lambda y: np.asarray(y),
    "op": lambda y: ac.equal(y, y),
    "view": lambda y: y.reshape(-1),
    "detach": lambda y: y.detach().numpy(),
    "argument": ac.compile(lambda y: ac.equal(y, y)),
    "captured": lambda y: ac.compile(lambda: ac.equal(y, y))(),
    "returned": lambda y: ac.compile(lambda: y)(),
    "copy": lambda y: ac.tensor(y),
    "memory": lambda y: bytes(y),
}

VIEWS: dict[str, Callable[[ac.Tensor], ac.Tensor]] = {
    "reshape": lambda x: x.reshape(4),
    "T": lambda x: x.T,
    "slice": lambda x: x[1:],
    "item": lambda x: x[0, 1],
    "detach": lambda x: x.detach(),
    "broadcast": lambda x: ac.broadcast_to(x, (3, 2, 2)),
    "squeeze": lambda x: x[None].squeeze(0),
    "diagonal": lambda x: ac.diagonal(x),
    "flip": lambda x: ac.flip(x),
    "of a view": lambda x: x.T.reshape(2, 2).detach(),
}


@pytest.mark.parametrize("view", VIEWS)
def test_every_way_to_change_a_tensor_ends_its_views(view: str) -> None:
    p = ac.ones((2, 2)).requires_grad_()

    def descend() -> None:
        p.grad = ac.ones((2, 2))
        ac.optim.SGD([p], lr=0.5).step()

    @ac.compile
    def step() -> None:
        p.assign_(p.detach() * 3.0)

    step()
    for change in (lambda: p.assign_(7.0), descend, step):
        y = VIEWS[view](p.detach())
        kept = value(y)
        assert np.array_equal(kept, value(y))
        change()
        with pytest.raises(ValueError, match=STALE):
            y.numpy()
        assert repr(y).startswith("Tensor(view of what has changed")
        VIEWS[view](p.detach()).numpy()


@pytest.mark.parametrize("view", [v for v in VIEWS if v not in ("item",)])
def test_programs_do_not_read_views_of_what_changed(view: str) -> None:
    p = ac.tensor([[1.0, 2.0], [3.0, 4.0]])
    labels = ac.tensor([[1, 0], [0, 1]])
    y, z = VIEWS[view](p), VIEWS[view](labels)
    f = ac.compile(lambda: (y * 2.0, z + 1))
    for _ in range(2):
        np.testing.assert_array_equal(f()[0].numpy(), 2.0 * value(y))
    labels.assign_(0)
    with pytest.raises(ValueError, match=STALE):
        f()
    with pytest.raises(ValueError, match=STALE):
        ac.compile(lambda: z + 1)()


def test_a_view_whose_base_is_gone_can_be_changed() -> None:
    p = ac.arange(6.0).reshape(2, 3)
    p.assign_(1.0)
    assert p.tolist() == [[1.0] * 3] * 2
    y = p.T
    p.assign_(2.0)
    with pytest.raises(ValueError, match=STALE):
        y.numpy()


def test_the_example() -> None:
    x = ac.arange(4.0)
    with pytest.raises(ValueError, match=r"copy: the Tensor, shape \(2, 2\), is a view of another one"):
        x.reshape(2, 2).assign_(0)
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_a_function_cannot_change_its_argument() -> None:
    x = ac.ones((2,))

    def f(w: ac.Tensor) -> ac.Tensor:
        w.assign_(5.0)
        return ac.sum(w * w)

    for transform in (ac.grad(f), lambda x: ac.jvp(f, (x,), (x,))):
        with pytest.raises((ValueError, ac.GradientError), match=r"view of another one|leaf"):
            transform(x)
    assert x.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_parameter_has_memory_of_its_own(compiled: bool) -> None:
    flat_values = ac.arange(6.0)
    p = flat_values.reshape(2, 3).requires_grad_()
    assert not p._shares_memory(flat_values)
    alone = ac.arange(6.0).reshape(2, 3)
    address = alone.numpy().ctypes.data
    assert alone.requires_grad_().numpy().ctypes.data == address
    opt = ac.optim.SGD([p], lr=1.0)

    def step() -> ac.Tensor:
        opt.zero_grad()
        loss = ac.sum(p)
        loss.backward()
        opt.step()
        return loss

    run = ac.compile(step) if compiled else step
    for _ in range(3):
        run()
    np.testing.assert_array_equal(p.numpy(), np.arange(6.0).reshape(2, 3) - 3.0)
    assert flat_values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_program_may_read_a_view_before_it_ends() -> None:
    p = ac.tensor([1.0, 2.0, 3.0])
    turned = p[::-1]
    f = ac.compile(lambda: p.assign_(turned * 2.0))
    f()
    assert p.tolist() == [6.0, 4.0, 2.0]
    with pytest.raises(ValueError, match=STALE):
        f()


def test_a_gradient_that_is_a_view_is_not_overwritten() -> None:
    p = ac.ones((2, 2)).requires_grad_()
    step = ac.compile(lambda: ac.sum(p * p).backward())
    p.grad = ac.zeros((4,)).reshape(2, 2)
    for _ in range(3):
        step()
    assert p.grad.tolist() == [[6.0, 6.0], [6.0, 6.0]]


def test_a_copy_is_taken_in_one_step() -> None:
    """Another thread may change a parameter between two ops; what copies it must be one."""
    x = ac.ones((3,)).requires_grad_()
    for copy in (lambda x, y: ac.tensor(x), lambda x, y: y.assign_(x)):
        y = ac.zeros((3,))
        with recording() as equations:
            copy(x, y)
        assert len(equations) == 1


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
def test_concatenation_of_many_narrow_parts(axis: int, dtype: Any) -> None:
    """A result of many cache lines is written a block of rows after the other; no row is left out or written twice."""
    rng = np.random.default_rng(0)
    widths = (1, 0, 3, 1, 2)
    for rows in (1, 2, 700, 5001):
        shapes = [tuple(n if a == axis else size for a, size in enumerate((rows, 3, 2))) for n in widths]
        parts = [rng.integers(0, 100, shape).astype(dtype) for shape in shapes]
        tensors = [ac.tensor(p) for p in parts]
        np.testing.assert_array_equal(ac.concat(tensors, axis=axis), np.concatenate(parts, axis=axis))
        turned = [ac.tensor(p.T.copy()).T for p in parts]
        np.testing.assert_array_equal(ac.concat(turned, axis=axis), np.concatenate(parts, axis=axis))
