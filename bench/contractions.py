"""einsum beside that of the peers: attention, bilinear forms, tensor networks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
from peers import jax, jnp, torch
from rows import EAGER, Row, Target

PATTERNS: dict[str, tuple[str, tuple[tuple[int, ...], ...]]] = {
    "attention scores": ("bhsd,bhtd->bhst", ((4, 4, 64, 16), (4, 4, 64, 16))),
    "attention values": ("bhst,bhtd->bhsd", ((4, 4, 64, 64), (4, 4, 64, 16))),
    "scores, heads inside": ("bshd,bthd->bhst", ((4, 64, 4, 16), (4, 64, 4, 16))),
    "projection": ("bsd,dhk->bshk", ((4, 64, 64), (64, 4, 16))),
    "bilinear form": ("i,ij,j->", ((64,), (64, 64), (64,))),
    "batch of bilinear forms": ("bn,anm,bm->ba", ((32, 32), (16, 32, 32), (32, 32))),
    "row products": ("ij,ij->i", ((256, 128), (256, 128))),
    "trace of a product": ("ij,ji->", ((128, 128), (128, 128))),
    "matrix product states": ("aib,bjc,ckd->aijkd", ((8, 4, 8), (8, 4, 8), (8, 4, 8))),
    "ring of tensors": ("abc,cde,efa->bdf", ((12, 12, 12), (12, 12, 12), (12, 12, 12))),
}


def pattern(subscripts: str, shapes: tuple[tuple[int, ...], ...], dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    arrays = [(rng.standard_normal(shape) / 4).astype(dtype) for shape in shapes]
    xs = [ac.tensor(a) for a in arrays]
    contenders: dict[str, Any] = {
        EAGER: lambda: ac.einsum(subscripts, *xs),
        "NumPy": lambda: np.einsum(subscripts, *arrays, optimize=True),
    }
    if torch is not None:
        tx = [torch.tensor(a) for a in arrays]
        contenders["torch"] = lambda: torch.einsum(subscripts, *tx)
    if jax is not None:
        jx = [jnp.asarray(a) for a in arrays]
        call = jax.jit(partial(jnp.einsum, subscripts))
        contenders["jax.jit"] = lambda: call(*jx).block_until_ready()
    return contenders


def rows(quick: bool) -> Iterator[Row]:
    for name, (subscripts, shapes) in PATTERNS.items():
        for dtype in ("float32",) if quick else ("float32", "float64"):
            yield Row(
                f"einsum {subscripts} ({name}), {dtype}",
                partial(pattern, subscripts, shapes, dtype),
                (Target(1.0, "torch", of=EAGER),),
            )
