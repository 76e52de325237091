"""Random programs of tiny values: what a tape of scalars and one of lanes are tried on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import alice_core as ac

SPECIAL = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 0.3, -2.5, 1e-300, 3e38, 1e-40, 7.0]

BINARY: list[Callable[..., Any]] = [ac.add, ac.subtract, ac.multiply, ac.divide, ac.maximum, ac.atan2, ac.less]
UNARY: list[Callable[..., Any]] = [
    ac.negative, ac.square, ac.sqrt, ac.sin, ac.cos, ac.exp, ac.log, ac.tanh, ac.sigmoid, ac.relu, ac.abs,
]  # fmt: skip

TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, -0.0], [0.5, 2.0, 1.0]])


def square(x: ac.Tensor) -> ac.Tensor:
    """A matrix of three numbers."""
    return ac.stack([x, ac.roll(x, 1), 0.5 * x])


#: Products of three numbers with themselves, whose sums are of every kind, short and longer than a vector.
PRODUCTS: list[Callable[..., Any]] = [
    lambda x: square(x) @ x,
    lambda x: x @ square(x),
    lambda x: (square(x) @ square(x).T)[0],
    lambda x: ac.tensor(TURN, dtype=x.dtype) @ x,
    lambda x: (ac.tensor(TURN, dtype=x.dtype).T @ square(x) @ ac.tensor(TURN, dtype=x.dtype))[2],
    lambda x: ac.broadcast_to(x @ x, x.shape),
    lambda x: (x[:, None] @ x[None, :])[1],
    lambda x: (ac.stack([square(x), square(x * 2.0)]) @ square(x))[1, :, 2],
    lambda x: (square(x) @ ac.stack([square(x), square(x - 1.0)])[:, None])[1, 0, 1],
    lambda x: (ac.stack([square(x), square(x + 1.0)]) @ x)[0],
    lambda x: (x @ ac.stack([square(x), square(x + 1.0)]))[1],
    lambda x: (ac.flip(square(x), axis=0) @ ac.broadcast_to(x[1], x.shape)[:, None])[:, 0],
    lambda x: (ac.concat([square(x)] * 6, axis=1)[:2] @ ac.concat([x] * 6))[0] * x,
    lambda x: ac.concat([x] * 6) @ ac.concat([square(x)] * 6),
    lambda x: (ac.concat([x] * 14)[:40] @ ac.concat([ac.flip(x)] * 14)[:40]) * x,
    lambda x: ac.concat([x] * 3)[:8] @ ac.concat([square(x)] * 3)[:8] - ac.concat([x] * 3)[:8] @ ac.concat([x] * 3)[:8],
]

#: Reductions of three numbers and of a few more, along one axis and several, of every kind.
REDUCTIONS: list[Callable[..., Any]] = [
    lambda x: ac.sum(x) * x,
    lambda x: ac.sum(square(x), axis=0),
    lambda x: ac.sum(square(x), axis=1),
    lambda x: (square(x) - ac.mean(square(x), axis=1, keepdims=True))[1],
    lambda x: ac.mean(x * 1e308) - x,
    lambda x: ac.max(square(x), axis=1) - ac.min(square(x), axis=0),
    lambda x: x * ac.prod(x),
    lambda x: ac.var(square(x), axis=0) + ac.std(x, correction=1),
    lambda x: ac.logsumexp(square(x), axis=1) * ac.linalg.vector_norm(x),
    lambda x: ac.sum(ac.concat([square(x)] * 5, axis=1), axis=1),
    lambda x: ac.sum(ac.stack([square(x), square(x + 1.0)]), axis=(0, 2)),
    lambda x: ac.sum(ac.stack([square(x), square(x + 1.0)]), axis=(1, 2))[0] * x,
    lambda x: ac.mean(ac.concat([square(x)] * 2), axis=0),
    lambda x: ac.argmax(square(x), axis=1).astype(x.dtype) * x,
    lambda x: ac.where(ac.any(x > 0.0), x, 2.0) + ac.sum(x > 0.0).astype(x.dtype),
]

#: What takes in no element at all, or too many to be expanded.
OTHERS: list[Callable[..., Any]] = [
    lambda x: (x[:0] @ square(x)[:0]) + square(x)[:, :0] @ x[:0] + x * (x[:0] @ x[:0]),
    lambda x: ac.sum(x[:0]) + ac.sum(square(x)[:0], axis=0) * x,
    lambda x: ac.sum(ac.concat([x] * 6)) * x + ac.sum(ac.concat([square(x)] * 3), axis=0),
]


def same(a: Any, b: Any) -> None:
    x, y = np.asarray(a), np.asarray(b)
    assert x.dtype == y.dtype
    np.testing.assert_array_equal(x, y)
    if x.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(x) & ~np.isnan(x), np.signbit(y) & ~np.isnan(y))


def operations(n_shaped: int) -> st.SearchStrategy[list[tuple[str, int, int, int]]]:
    """Kinds of ops, which one of its kind, and operands by how long ago they were made."""
    back = st.integers(1, 4)
    sizes = {"binary": len(BINARY), "unary": len(UNARY), "shaped": n_shaped, "number": len(SPECIAL)}
    op = st.one_of(*(st.tuples(st.just(kind), st.integers(0, n - 1), back, back) for kind, n in sizes.items()))
    return st.lists(op, min_size=3, max_size=14)


def function_of(ops: Any, shaped: Sequence[Callable[..., Any]], dtype: Any) -> Callable[..., Any]:
    """The function of x and y that the ops make; ``shaped``: what moves elements."""

    def f(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        values = [x, y, x * y, x + 0.0]
        for kind, number, i, j in ops:
            p, q = values[-i], values[-j]
            if kind == "binary":
                made = BINARY[number](p, q)
            elif kind == "unary":
                made = UNARY[number](p)
            elif kind == "shaped":
                made = shaped[number](p)
            else:
                made = p * SPECIAL[number] + q
            values.append(made.astype(dtype) if made.dtype != dtype else made)
        return values[-1] + values[-2] * x

    return f
