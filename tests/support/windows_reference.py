"""Convolutions, tap by tap in NumPy: what the ops are held against."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

CHANNELS_LAST = {"NWC", "NHWC", "NDHWC"}


def per_axis(value: Any, rank: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank


def pairs(padding: Any, window: tuple[int, ...], dilation: tuple[int, ...]) -> list[tuple[int, int]]:
    if padding == "valid":
        padding = 0
    if padding == "same":
        spans = [d * (n - 1) for n, d in zip(window, dilation, strict=True)]
        return [(span // 2, span - span // 2) for span in spans]
    return [tuple(p) if isinstance(p, (tuple, list)) else (p, p) for p in per_axis(padding, len(window))]


def taps(
    window: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...], count: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Each place in a window, and which items of the padded axes the windows have there."""
    for tap in itertools.product(*map(range, window)):
        yield (
            tap,
            tuple(
                slice(t * d, t * d + s * (n - 1) + 1, s)
                for t, d, s, n in zip(tap, dilation, stride, count, strict=True)
            ),
        )


def _front(x: Array, rank: int, layout: str | None) -> tuple[Array, tuple[int, ...]]:
    if layout in CHANNELS_LAST:
        x = np.moveaxis(x, -1, -1 - rank)
    front = x.shape[: x.ndim - rank - 1]
    return x.reshape((-1 if x.size else int(np.prod(front)), *x.shape[len(front) :])), front


def _back(y: Array, front: tuple[int, ...], rank: int, layout: str | None) -> Array:
    y = y.reshape((*front, *y.shape[1:]))
    return np.moveaxis(y, -1 - rank, -1) if layout in CHANNELS_LAST else y


def conv(
    x: Array, w: Array, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1, layout: str | None = None
) -> Array:
    rank = w.ndim - 2
    x, front = _front(x, rank, layout)
    stride, dilation = per_axis(stride, rank), per_axis(dilation, rank)
    x = np.pad(x, [(0, 0), (0, 0), *pairs(padding, w.shape[2:], dilation)])
    count = tuple(
        (n - d * (k - 1) - 1) // s + 1 for n, d, k, s in zip(x.shape[2:], dilation, w.shape[2:], stride, strict=True)
    )
    x = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    w = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    y = np.zeros((x.shape[0], groups, w.shape[1], *count), np.result_type(x, w))
    for tap, at in taps(w.shape[3:], stride, dilation, count):
        y += np.einsum("ngc...,goc->ngo...", x[(..., *at)], w[(..., *tap)])
    return _back(y.reshape(y.shape[0], -1 if y.size else groups * w.shape[1], *count), front, rank, layout)


def conv_transpose(
    x: Array,
    w: Array,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
    layout: str | None = None,
) -> Array:
    rank = w.ndim - 2
    x, front = _front(x, rank, layout)
    stride, dilation, more = per_axis(stride, rank), per_axis(dilation, rank), per_axis(output_padding, rank)
    pads = pairs(padding, w.shape[2:], dilation)
    count = x.shape[2:]
    size = [
        (n - 1) * s + d * (k - 1) + m + 1
        for n, s, d, k, m in zip(count, stride, dilation, w.shape[2:], more, strict=True)
    ]
    x = x.reshape(x.shape[0], groups, x.shape[1] // groups, *count)
    w = w.reshape(groups, w.shape[0] // groups, *w.shape[1:])
    room = [max(n, before + behind) for n, (before, behind) in zip(size, pads, strict=True)]
    y = np.zeros((x.shape[0], groups, w.shape[2], *room), np.result_type(x, w))
    for tap, at in taps(w.shape[3:], stride, dilation, count):
        y[(..., *at)] += np.einsum("ngc...,gco->ngo...", x, w[(..., *tap)])
    y = y[(..., *(slice(before, n - behind) for n, (before, behind) in zip(size, pads, strict=True)))]
    return _back(y.reshape(y.shape[0], groups * w.shape[2], *y.shape[3:]), front, rank, layout)


def weight_gradient(x: Array, g: Array, window: tuple[int, ...], options: dict[str, Any]) -> Array:
    """Of ``sum(g conv(x, w))`` by w, tap by tap."""
    rank, groups = len(window), options.get("groups", 1)
    stride, dilation = per_axis(options.get("stride", 1), rank), per_axis(options.get("dilation", 1), rank)
    x = np.pad(x, [(0, 0), (0, 0), *pairs(options.get("padding", 0), window, dilation)])
    x = x.reshape(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    g = g.reshape(g.shape[0], groups, g.shape[1] // groups, *g.shape[2:])
    dw = np.zeros((groups, g.shape[2], x.shape[2], *window))
    for tap, at in taps(window, stride, dilation, g.shape[3:]):
        seen = x[(..., *at)]
        dw[(..., *tap)] = np.einsum("ngcp,ngop->goc", seen.reshape(*seen.shape[:3], -1), g.reshape(*g.shape[:3], -1))
    return dw.reshape(-1, x.shape[2], *window)


def windows_of(
    x: Array, window: Any, rank: int, stride: Any, padding: Any, dilation: Any, value: float, layout: str | None
) -> Array:
    """The items of each window along a last axis, with the channels first."""
    if layout in CHANNELS_LAST:
        x = np.moveaxis(x, -1, -1 - rank)
    window, dilation = per_axis(window, rank), per_axis(dilation, rank)
    stride = window if stride is None else per_axis(stride, rank)
    x = np.pad(x, [(0, 0)] * (x.ndim - rank) + pairs(padding, window, dilation), constant_values=value)
    extents = x.shape[x.ndim - rank :]
    count = tuple((n - d * (k - 1) - 1) // s + 1 for n, d, k, s in zip(extents, dilation, window, stride, strict=True))
    return np.stack([x[(..., *at)] for _, at in taps(window, stride, dilation, count)], -1)


def max_pool(
    rank: int, x: Array, window: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, layout: str | None = None
) -> Array:
    y = windows_of(x, window, rank, stride, padding, dilation, -np.inf, layout).max(-1)
    return np.moveaxis(y, -1 - rank, -1) if layout in CHANNELS_LAST else y


def avg_pool(
    rank: int,
    x: Array,
    window: Any,
    stride: Any = None,
    padding: Any = 0,
    count_include_pad: bool = True,
    layout: str | None = None,
) -> Array:
    items = windows_of(x, window, rank, stride, padding, 1, 0.0, layout)
    counts = windows_of(np.ones_like(x), window, rank, stride, padding, 1, 1.0 if count_include_pad else 0.0, layout)
    y = items.sum(-1) / np.maximum(counts.sum(-1), 1)
    return np.moveaxis(y, -1 - rank, -1) if layout in CHANNELS_LAST else y


def adaptive_pool(rank: int, f: Any, x: Array, output_size: Any, layout: str | None = None) -> Array:
    if layout in CHANNELS_LAST:
        x = np.moveaxis(x, -1, -1 - rank)
    counts = per_axis(output_size, rank)
    extents = x.shape[x.ndim - rank :]
    y = np.empty((*x.shape[: x.ndim - rank], *counts))
    for at in np.ndindex(*counts):
        part = tuple(slice(i * n // m, -(-(i + 1) * n // m)) for i, n, m in zip(at, extents, counts, strict=True))
        y[(..., *at)] = f(x[(..., *part)], axis=tuple(range(-rank, 0)))
    return np.moveaxis(y, -1 - rank, -1) if layout in CHANNELS_LAST else y


def unfold(x: Array, window: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Array:
    rank = len(window) if isinstance(window, tuple) else 2
    items = np.moveaxis(windows_of(x, window, rank, stride, padding, dilation, 0.0, None), -1, -1 - rank)
    front = x.shape[: x.ndim - rank - 1]
    windows = int(np.prod(items.shape[items.ndim - rank :]))
    return items.reshape(*front, x.shape[x.ndim - rank - 1] * items.shape[-1 - rank], windows)


def fold(y: Array, output_size: Any, window: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1) -> Array:
    """The transpose of unfold, item by item."""
    rank = len(window) if isinstance(window, tuple) else 2
    size = per_axis(output_size, rank)
    channels = y.shape[-2] // int(np.prod(per_axis(window, rank)))
    shape = (channels, *size)
    x = np.zeros((*y.shape[:-2], *shape))
    for at in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[at] = 1.0
        x[(..., *at)] = np.sum(unfold(unit, window, stride, padding, dilation) * y, (-2, -1))
    return x
