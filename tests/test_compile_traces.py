"""Compiled functions: what happens inside of a trace, exceptions, nesting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from random_programs import compare, data

X = ac.tensor(data(1, (3, 4)))
X64 = ac.tensor(data(2, (3, 4), "float64"))


def same(f: Callable[..., Any], *calls: tuple[Any, ...]) -> None:
    """The compiled f returns what f returns, twice for every tuple of arguments."""
    g = ac.compile(f)
    for args in (*calls, *calls):
        compare(f(*args), g(*args))


# -- values inside of a trace ------------------------------------------------------------------------------------------

P = ac.tensor(1.0).requires_grad_()


@pytest.mark.parametrize(
    "read",
    [
        lambda t: 1 if t > 0 else 2,
        lambda t: bool(t),
        lambda t: float(t),
        lambda t: int(t),
        lambda t: t.item(),
        lambda t: t.numpy(),
        lambda t: t.tolist(),
        lambda t: np.asarray(ac.stop_gradient(t)),
        lambda t: np.array(ac.stop_gradient(t)),
        lambda t: list(range(t.astype(ac.int64))),
        lambda t: [0, 1, 2][t.astype(ac.int32)],
        lambda t: f"{t:.2f}",
        lambda t: t in (1.0, 2.0),
        lambda t: max(t, t + 1.0),
        lambda t: ac.nonzero(t.reshape(1)),
        lambda t: X[t.reshape(1) > 0],
        lambda t: ac.repeat(X, t.astype(ac.int64)),
    ],
)
@pytest.mark.parametrize("source", ["argument", "result", "parameter", "view of a parameter"])
def test_reading_a_value_names_the_line_and_the_remedy(read: Callable[[ac.Tensor], Any], source: str) -> None:
    """Hard case 66."""

    def f(x: ac.Tensor) -> ac.Tensor:
        read({"argument": x, "result": x * 2.0, "parameter": P, "view of a parameter": P.T}[source])
        return x

    line = read.__code__.co_firstlineno
    g = ac.compile(f)
    for _ in range(2):
        with pytest.raises(ac.TraceError, match=rf"test_compile_traces\.py\D+{line}\b") as caught:
            g(ac.tensor(1.0))
        assert "ac.where" in str(caught.value)
    assert float(P) == 1.0


def test_reading_the_value_of_a_number() -> None:
    for read in (lambda k: 1 if k > 0 else 2, float, int, lambda k: list(range(k)), lambda k: ac.ones(k)):
        with pytest.raises(ac.TraceError, match=r"test_compile_traces\.py"):
            ac.compile(lambda x, k, read=read: (read(k), x)[1])(X, 2)


def test_what_needs_no_value_works_in_a_trace() -> None:
    def f(x: ac.Tensor) -> Any:
        rows = [row * float(i) for i, row in enumerate(x)]
        text = repr(x)
        assert text
        assert len(x) == 3
        assert x.ndim == 2
        assert x.dtype == ac.float32
        return np.exp(x) + ac.stack(rows), np.sum(x, axis=0), x is x

    compare(f(X), ac.compile(f)(X))


# -- exceptions --------------------------------------------------------------------------------------------------------


def test_an_exception_while_tracing_leaves_everything_usable() -> None:
    """Hard case 73."""
    p = ac.tensor([1.0, 2.0]).requires_grad_()
    ac.sum(p).backward()
    fail = True

    @ac.compile
    def f(x: ac.Tensor) -> ac.Tensor:
        loss = ac.sum(ac.grad(lambda x: ac.sum(x * p))(x) * p)
        p.grad = None
        loss.backward()
        p.assign_(p * 3.0)
        if fail:
            raise KeyError("mine")
        return loss

    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            f(ac.ones(2))
        assert p.tolist() == [1.0, 2.0]
        assert p.grad.tolist() == [1.0, 1.0]
        assert ac.grad_enabled()
        assert ac.grad(lambda x: x * x)(3.0).item() == 6.0
        assert (p + 1.0).tolist() == [2.0, 3.0]
    fail = False
    assert f(ac.ones(2)).item() == 5.0
    assert p.tolist() == [3.0, 6.0]
    assert p.grad.tolist() == [2.0, 4.0]


def test_a_value_that_left_its_trace_says_so() -> None:
    leaked: list[ac.Tensor] = []
    f = ac.compile(lambda x: (leaked.append(x * 2.0), x)[1])
    f(X)
    with pytest.raises(ac.TraceError):
        leaked[0].numpy()
    with pytest.raises(ac.TraceError):
        (leaked[0] + 1.0).item()


def test_a_label_out_of_range() -> None:
    w = ac.tensor(data(8, (4, 3))).requires_grad_()
    opt = ac.optim.SGD([w], 0.1, momentum=0.9)

    @ac.compile
    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.cross_entropy(x @ w, y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    good, bad = ac.tensor([0, 1, 2]), ac.tensor([0, 1, 3])
    with pytest.raises(IndexError, match="cross_entropy: targets must be from 0 to 2"):
        step(X, bad)
    step(X, good)
    before, grad, state = w.tolist(), w.grad.tolist(), opt.state_dict()["velocity.0"].tolist()
    with pytest.raises(IndexError, match="cross_entropy: targets must be from 0 to 2"):
        step(X, bad)
    assert w.tolist() == before
    assert w.grad.tolist() == grad
    assert opt.state_dict()["velocity.0"].tolist() == state
    assert np.isfinite(step(X, good).item())


def test_shape_errors_come_from_the_function() -> None:
    f = ac.compile(lambda x, y: x @ y)
    with pytest.raises(ac.ShapeError, match="matmul"):
        f(X, X)
    compare(X @ X.T, f(X, X.T))


# -- inside of other things --------------------------------------------------------------------------------------------


def test_nested_and_recursive() -> None:
    inner = ac.compile(lambda x: ac.tanh(x) * 2.0)
    same(lambda x: inner(x) + inner(x * 2.0), (X,))

    @ac.compile
    def total(x: ac.Tensor) -> ac.Tensor:
        return x[0] if x.shape[0] == 1 else x[0] + total(x[1:])

    compare((X[0] + (X[1] + X[2])), total(X))


def test_gradients_of_compiled_functions() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.sum(ac.tanh(x) ** 3)

    g = ac.compile(f)
    compare(ac.grad(f)(X), ac.grad(g)(X))
    compare(ac.value_and_grad(f)(X), ac.value_and_grad(g)(X))
    compare(ac.grad(lambda x: ac.sum(ac.grad(f)(x) ** 2))(X), ac.grad(lambda x: ac.sum(ac.grad(g)(x) ** 2))(X))
    w = ac.tensor(2.0).requires_grad_()
    ac.compile(lambda x: x * x)(w).backward()
    assert w.grad.item() == 4.0
    t = ac.trace(g)(X)
    assert [eq.primitive.name for eq in t.equations] == ["tanh", "pow", "sum"]
    assert g(ac.abstract((5,))).is_abstract


def test_gradients_inside() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.sum(ac.tanh(x) * ac.exp(x))

    for h in (ac.grad(f), ac.value_and_grad(f), ac.grad(lambda x: ac.sum(ac.grad(f)(x) ** 2))):
        same(h, (X,), (X64,), (X[:0],))

    def by_vjp(x: ac.Tensor) -> Any:
        y, pullback = ac.vjp(lambda x: ac.softmax(x @ x.T), x)
        return y, pullback(y)[0], pullback(ac.ones_like(y))[0]

    same(by_vjp, (X,))


def test_under_no_grad() -> None:
    w = ac.tensor([2.0]).requires_grad_()
    f = ac.compile(lambda x: x * w)
    with ac.no_grad():
        assert f(ac.ones(1)).item() == 2.0
    assert f(ac.ones(1)).item() == 2.0

    def learn(x: ac.Tensor) -> None:
        ac.sum(x * w).backward()

    g = ac.compile(learn)
    g(ac.ones(1))
    assert w.grad.item() == 1.0
    with ac.no_grad(), pytest.raises(ac.GradientError):
        g(ac.ones(1))
    assert w.grad.item() == 1.0

    def partly(x: ac.Tensor) -> ac.Tensor:
        with ac.no_grad():
            scale = ac.sum(w * 3.0)
        return ac.grad(lambda x: ac.sum(x * w) * scale)(x)

    same(partly, (X[0, :1],))
