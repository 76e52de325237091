"""What the text of a call may use: arrays of every layout, primitives, and the ways to run a function."""

# ruff: noqa: F401

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import pickle
import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import alice_core as ac
from alice_core import _core as core
from alice_core import tree
from fuzzing.hostile import Boom, Capsule, boom, hostile, then


def X(shape: Sequence[int], dtype: str = "float32", fill: str = "few", layout: str = "C") -> np.ndarray[Any, Any]:
    """A NumPy array; the values depend on the arguments alone."""
    n = int(np.prod(np.array(shape, dtype=object))) if len(shape) else 1
    base = np.arange(max(n, 1)) if n < 1 << 20 else np.zeros(0)
    with np.errstate(all="ignore"):
        if fill == "few":
            values = (base * 7 % 5 - (1 if dtype[0] == "f" else 0)) / (2 if dtype[0] == "f" else 1)
        elif fill == "wild":
            wild = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-320, 1e300, -1e38, 3.5]
            whole = [2**63 - 1, -(2**63), 2**31, -1, 0, 1, 255, 256]
            values = np.array(wild if dtype[0] == "f" else whole)[base % 8]
        else:
            values = np.full(max(n, 1), float(fill))
        if n == 0:
            return np.zeros(tuple(shape), dtype)
        a = values[:n].astype(dtype).reshape(tuple(shape))
    if layout == "F":
        return np.asfortranarray(a)
    if layout == "reversed":
        return a[(slice(None, None, -1),) * a.ndim]
    if layout == "gapped":
        return np.repeat(a, 2, axis=-1)[..., ::2] if a.ndim else a
    if layout == "broadcast":
        return np.broadcast_to(a[:1] if a.ndim else a, a.shape)
    if layout == "offset":
        return np.concatenate([a.ravel(), a.ravel()])[1 : n + 1].reshape(a.shape)
    if layout == "misaligned":
        memory = np.zeros(a.nbytes + 1, np.uint8)
        memory[1:] = np.frombuffer(a.tobytes(), np.uint8)
        return memory[1:].view(a.dtype).reshape(a.shape)
    if layout == "big-endian":
        return a.astype(a.dtype.newbyteorder(">"))
    if layout == "readonly":
        a.flags.writeable = False
    return a


def T(
    shape: Sequence[int], dtype: str = "float32", fill: str = "few", layout: str = "C", *, leaf: bool = False
) -> ac.Tensor:
    """A Tensor; of foreign memory wherever the layout says so."""
    if layout == "abstract":
        return ac.abstract(shape, dtype)
    a = X(shape, dtype, fill, layout)
    shared = layout in ("F", "reversed", "gapped", "broadcast", "offset", "readonly")
    x = ac.asarray(a, copy=False) if shared and isinstance(a, np.ndarray) else ac.tensor(a)
    return x.requires_grad_() if leaf and x.dtype.kind == "f" else x


@functools.cache
def P(name: str) -> Any:
    """The primitive of a kernel; without rules, if the library has none of that name."""
    return ac.primitives().get(name) or core.PrimitiveBase(name)


# -- ways to run a function of arrays ----------------------------------------------------------------------------------


def _floats(xs: Sequence[Any]) -> list[int]:
    return [i for i, x in enumerate(xs) if isinstance(x, ac.Tensor) and x.dtype.kind == "f"]


def _total(y: Any) -> Any:
    parts = [ac.sum(x) for x in tree.leaves(y) if isinstance(x, ac.Tensor) and x.dtype.kind == "f"]
    return functools.reduce(ac.add, parts, ac.tensor(0.0))


def eager(f: Callable[..., Any], *xs: Any) -> Any:
    return f(*xs)


def compiled(f: Callable[..., Any], *xs: Any) -> Any:
    g = ac.compile(f)
    return g(*xs), g(*xs)


def planned(f: Callable[..., Any], *xs: Any) -> Any:
    return str(ac.compile(f).program(*xs))


def traced(f: Callable[..., Any], *xs: Any) -> Any:
    t = ac.trace(f)(*xs)
    return str(t), t.cost()


def abstractly(f: Callable[..., Any], *xs: Any) -> Any:
    return f(*(ac.abstract(x.shape, x.dtype) if isinstance(x, (ac.Tensor, np.ndarray)) else x for x in xs))


def differentiated(f: Callable[..., Any], *xs: Any) -> Any:
    which = tuple(_floats(xs))
    return ac.grad(lambda *ys: _total(f(*ys)), argnums=which)(*xs)


def twice(f: Callable[..., Any], *xs: Any) -> Any:
    return differentiated(lambda *ys: _total(differentiated(f, *ys)), *xs)


def backward(f: Callable[..., Any], *xs: Any) -> Any:
    leaves = [x._leaf(None).requires_grad_() if i in _floats(xs) else x for i, x in enumerate(xs)]
    _total(f(*leaves)).backward()
    return [x.grad for x in leaves if isinstance(x, ac.Tensor)]


def compiled_backward(f: Callable[..., Any], *xs: Any) -> Any:
    return compiled(lambda *ys: _total(f(*ys)).backward(), *xs)


def pushed(f: Callable[..., Any], *xs: Any) -> Any:
    which = _floats(xs)

    def of_floats(*ys: Any) -> Any:
        given = dict(zip(which, ys, strict=True))
        return f(*(given.get(i, x) for i, x in enumerate(xs)))

    points = [xs[i] for i in which]
    return ac.jvp(of_floats, points, [ac.ones_like(x) for x in points])


def batched(f: Callable[..., Any], *xs: Any) -> Any:
    return ac.vmap(f)(*xs)


def checkpointed(f: Callable[..., Any], *xs: Any) -> Any:
    return differentiated(ac.checkpoint(f), *xs)


MODES = {
    m.__name__: m
    for m in (
        eager,
        compiled,
        planned,
        traced,
        abstractly,
        differentiated,
        twice,
        backward,
        compiled_backward,
        pushed,
        batched,
        checkpointed,
    )
}


# -- what changes the state of a thread, or needs several --------------------------------------------------------------


def together(*functions: Callable[[], Any]) -> list[Any]:
    """Each in a thread of its own: whatever they leave behind there goes with the thread."""
    if threading.active_count() > 12:  # a function that starts threads that call it
        return []
    results: list[Any] = []

    def one(f: Callable[[], Any]) -> None:
        try:
            results.append(f())
        except Exception as error:
            results.append(error)

    threads = [threading.Thread(target=one, args=(f,), daemon=True) for f in functions]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for r in results:
        if isinstance(r, SystemError):
            raise r
    return results


def alone(f: Callable[[], Any]) -> Any:
    return together(f)


def quietly(f: Callable[[], Any]) -> Any:
    """The result, or None after an exception: for what comes before the call that matters."""
    try:
        return f()
    except SystemError:  # an answer that C must not give
        raise
    except Exception:
        return None


# -- is everything as it was? ------------------------------------------------------------------------------------------

_W = np.linspace(-1, 1, 12).reshape(4, 3)
_V = np.linspace(-2, 1, 20).reshape(5, 4)
_model = ac.tensor(_W).requires_grad_()


@ac.compile
def _step(x: ac.Tensor) -> ac.Tensor:
    loss = ac.sum(ac.tanh(x @ _model) ** 2)
    _model.grad = None
    loss.backward()
    return loss


def known_numbers() -> str | None:
    """What is wrong with a computation whose numbers are known, or None."""
    y = np.tanh(_V @ _W)
    loss, gradient = (y**2).sum(), _V.T @ (2 * y * (1 - y**2))
    got = _step(ac.tensor(_V))
    if not abs(got.item() - loss) < 1e-12 or not np.allclose(_model.grad.numpy(), gradient, rtol=1e-12, atol=1e-12):
        return f"compiled: {got.item()} for {loss}, {_model.grad.tolist()} for {gradient.tolist()}"
    eager = ac.grad(lambda w: ac.sum(ac.tanh(ac.tensor(_V) @ w) ** 2))(ac.tensor(_W))
    if not np.array_equal(eager.numpy(), _model.grad.numpy()):
        return f"eager: {eager.tolist()} for {gradient.tolist()}"
    x = np.arange(100_000, dtype=np.float64)
    if ac.sum(ac.tensor(x)).item() != x.sum() or ac.tensor(x).numpy()[99_999] != 99_999:
        return "sum: the sum of 100000 integers is wrong"
    return None


def tree_first(x: Any) -> Any:
    """The first Tensor among the arguments."""
    return next((y for y in tree.leaves(x) if isinstance(y, ac.Tensor)), None)
