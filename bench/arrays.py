"""Sorting, searching, and reading and writing at indices, beside the best of the peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
from peers import jax, jnp, torch
from rows import EAGER, Row, Target

Shape = tuple[int, ...]
LINES: tuple[Shape, ...] = ((100_000, 10), (1000, 100), (100, 1000), (100_000,), (1_000_000,))
#: The shape of an array, and of the updates at random places along its first axis.
PLACES: tuple[tuple[Shape, Shape], ...] = (
    ((1000,), (1000,)),
    ((100_000,), (1000,)),
    ((100_000,), (100_000,)),
    ((10_000, 64), (1000, 64)),
)


def _beside(arrays: Any, ours: Any, in_numpy: Any = None, in_torch: Any = None, in_jax: Any = None) -> dict[str, Any]:
    x = [ac.tensor(a) for a in arrays]
    contenders: dict[str, Any] = {EAGER: lambda: ours(*x)}
    if in_numpy is not None:
        contenders["NumPy"] = lambda: in_numpy(*arrays)
    if torch is not None and in_torch is not None:
        tx = [torch.tensor(a) for a in arrays]
        contenders["torch"] = lambda: in_torch(*tx)
    if jax is not None and in_jax is not None:
        jx = [jnp.asarray(a) for a in arrays]
        call = jax.jit(in_jax)
        contenders["jax.jit"] = lambda: jax.block_until_ready(call(*jx))
    return contenders


def _items(shape: Shape, dtype: str) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def ordered(name: str, shape: Shape, dtype: str) -> dict[str, Any]:
    x = (_items(shape, dtype),)
    if name == "sort":
        return _beside(x, ac.sort, np.sort, lambda t: torch.sort(t).values, lambda x: jnp.sort(x, axis=-1))
    return _beside(
        x,
        ac.argsort,
        lambda a: np.argsort(a, kind="stable"),
        lambda t: torch.argsort(t, stable=True),
        lambda x: jnp.argsort(x, axis=-1),
    )


def top(shape: Shape, k: int, dtype: str) -> dict[str, Any]:
    return _beside(
        (_items(shape, dtype),),
        lambda x: ac.topk(x, k),
        None,
        lambda t: torch.topk(t, k),
        lambda x: jax.lax.top_k(x, k),
    )


def searched(n: int, m: int, dtype: str) -> dict[str, Any]:
    a, v = np.sort(_items((n,), dtype)), np.random.default_rng(1).standard_normal(m).astype(dtype)
    return _beside((a, v), ac.searchsorted, np.searchsorted, torch and torch.searchsorted, jnp and jnp.searchsorted)


def written(how: str, shape: Shape, updates: Shape, dtype: str) -> dict[str, Any]:
    places = np.random.default_rng(1).integers(0, shape[0], updates[0])

    def in_numpy(x: Any, i: Any, v: Any) -> Any:
        y = x.copy()
        if how == "add":
            np.add.at(y, i, v)
        else:
            y[i] = v
        return y

    def in_torch(x: Any, i: Any, v: Any) -> Any:
        return x.index_add(0, i, v) if how == "add" else x.index_copy(0, i, v)

    def at(x: Any, i: Any, v: Any) -> Any:
        return getattr(x.at[i], how)(v)

    return _beside((_items(shape, dtype), places, _items(updates, dtype)), at, in_numpy, in_torch, at)


def rows(quick: bool) -> Iterator[Row]:
    def row(name: str, contenders: Callable[[], dict[str, Any]]) -> Row:
        return Row(name, contenders, (Target(1.0, "best peer", of=EAGER),), rounds=9)

    for dtype in ("float32", "float64"):
        if quick and dtype == "float64":
            continue
        for name in ("sort", "argsort"):
            for shape in LINES:
                yield row(f"{name} {shape}, {dtype}", partial(ordered, name, shape, dtype))
        for shape, k in (((1000,), 10), ((100_000,), 10), ((100_000,), 1000), ((1_000_000,), 100), ((64, 50_000), 5)):
            yield row(f"topk {shape}, {k}, {dtype}", partial(top, shape, k, dtype))
        for n, m in ((1000, 1000), (1000, 100_000), (1_000_000, 100_000)):
            yield row(f"searchsorted {n}, {m} values, {dtype}", partial(searched, n, m, dtype))
        for how in ("add", "set"):
            for shape, updates in PLACES:
                yield row(
                    f"{shape} at {updates[0]} places: {how}, {dtype}", partial(written, how, shape, updates, dtype)
                )
