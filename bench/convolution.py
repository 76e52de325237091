"""Convolutions, forward with both gradients: the layers of LeNet and the blocks of a ResNet."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
from peers import HAS_COMPILE, THREADS, jax, jnp, torch
from rows import EAGER, OURS, Row, Target

#: Channels and extent of the images, channels of the result, extent of the window, padding, stride.
LAYERS = {
    "LeNet 1": (1, 28, 6, 5, 2, 1),
    "LeNet 2": (6, 14, 16, 5, 0, 1),
    "ResNet 64": (64, 56, 64, 3, 1, 1),
    "ResNet 64-128": (64, 56, 128, 3, 1, 2),
    "ResNet 128": (128, 28, 128, 3, 1, 1),
    "ResNet 256": (256, 14, 256, 3, 1, 1),
    "ResNet 512": (512, 7, 512, 3, 1, 1),
}


def contenders(layer: str, batch: int, dtype: str) -> dict[str, Any]:
    channels, extent, rows, window, padding, stride = LAYERS[layer]
    rng = np.random.default_rng(0)
    out = (extent + 2 * padding - window) // stride + 1
    x = rng.standard_normal((batch, channels, extent, extent)).astype(dtype)
    w = (rng.standard_normal((rows, channels, window, window)) / window).astype(dtype)
    g = rng.standard_normal((batch, rows, out, out)).astype(dtype)

    def ours(x: ac.Tensor, w: ac.Tensor, g: ac.Tensor) -> Any:
        y, pullback = ac.vjp(lambda x, w: ac.conv2d(x, w, stride=stride, padding=padding), x, w)
        return (y, *pullback(g))

    arrays = [ac.tensor(a) for a in (x, w, g)]
    made: dict[str, Any] = {EAGER: lambda: ours(*arrays)}
    if HAS_COMPILE:
        compiled = ac.compile(ours)
        made[OURS] = lambda: compiled(*arrays)
    if torch is not None:
        tx, tw, tg = (torch.tensor(a) for a in (x, w, g))
        tx.requires_grad_()
        tw.requires_grad_()

        def by_torch() -> Any:
            y = torch.nn.functional.conv2d(tx, tw, stride=stride, padding=padding)
            return (y.detach(), *torch.autograd.grad(y, (tx, tw), tg))

        made["torch"] = by_torch
    if jax is not None:

        def by_jax(x: Any, w: Any, g: Any) -> Any:
            y, pullback = jax.vjp(
                lambda x, w: jax.lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2), x, w
            )
            return (y, *pullback(g))

        call, values = jax.jit(by_jax), [jnp.asarray(a) for a in (x, w, g)]
        made["jax.jit"] = lambda: jax.block_until_ready(call(*values))
    return made


def rows(quick: bool) -> Iterator[Row]:
    for layer in LAYERS:
        for batch in (1, 32) if quick else (1, 32, 128):
            if quick and batch > 1 and layer != "LeNet 1":
                continue
            yield Row(
                f"conv {layer}, batch {batch}",
                partial(contenders, layer, batch, "float32"),
                (Target(1.2, "torch"),) if THREADS == 1 and torch is not None else (),
            )
