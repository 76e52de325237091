"""Single ops: matrix products, elementwise passes, cross-entropy with its gradient, and what recording an op costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
import floor
from peers import HAS_COMPILE, HAS_FLOOR, THREADS, jax, jnp, mx, torch
from rows import EAGER, FLOOR, OURS, Row, Target

Shape = tuple[int, ...]


def _limit(flops: float, moved: int, dtype: str = "float32") -> Callable[[], float] | None:
    """Seconds for that many operations and bytes, whichever takes longer."""
    if not HAS_FLOOR:
        return None
    return lambda: max(flops / floor.peak(dtype), moved / floor.bandwidth(moved))


# --- products ---------------------------------------------------------------------------------------------------------


def product(shape_a: Shape, shape_b: Shape, dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s).astype(dtype) for s in (shape_a, shape_b))
    x, y = ac.tensor(a), ac.tensor(b)
    contenders: dict[str, Any] = {EAGER: lambda: ac.matmul(x, y)}
    if HAS_FLOOR:
        contenders[FLOOR] = floor.product(a, b)
    contenders["NumPy"] = lambda: np.matmul(a, b)
    if torch is not None:
        tx, ty = torch.tensor(a), torch.tensor(b)
        contenders["torch"] = lambda: torch.matmul(tx, ty)
    if jax is not None:
        jx, jy = jnp.asarray(a), jnp.asarray(b)
        call = jax.jit(jnp.matmul)
        contenders["jax.jit"] = lambda: call(jx, jy).block_until_ready()
    if mx is not None and a.size * b.shape[-1] <= 2**24:  # beyond, it takes tens of times as long as the others
        mx_x, mx_y = (mx.array(v, getattr(mx, dtype)) for v in (a, b))
        contenders["mlx"] = lambda: mx.eval(mx_x @ mx_y)
    return contenders


def product_row(name: str, shape_a: Shape, shape_b: Shape, dtype: str, at_most: float | None) -> Row:
    flops = 2 * np.prod(shape_a, dtype=float) * shape_b[-1]
    moved = np.dtype(dtype).itemsize * int(np.prod(shape_a) + np.prod(shape_b) + np.prod(shape_a[:-1]) * shape_b[-1])
    return Row(
        f"matmul {name}, {dtype}",
        partial(product, shape_a, shape_b, dtype),
        (Target(at_most, "NumPy", of=EAGER),) if at_most and THREADS == 1 else (),
        _limit(flops, moved, dtype),
        rounds=21 if flops > 1e9 else 15,
        seconds=0.1 if flops > 1e9 else 0.02,
    )


TALL = ((10**6, 32, 1), (1, 10**6, 32))  # a matrix of samples and features, times weights, and residuals times it
SKINNY = ((1, 1024, 1024), (1024, 1024, 1), (32, 128, 10), (128, 784, 256), (4096, 16, 16), (16, 4096, 16))


def matmul(quick: bool) -> Iterator[Row]:
    if THREADS > 1:
        for n in (256, 512, 1024, 2048):
            yield product_row(str(n), (n, n), (n, n), "float32", None)
        return
    for dtype in ("float32", "float64"):
        for n in (8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048):
            if not quick or (n in (16, 64, 256) and dtype == "float32"):
                yield product_row(str(n), (n, n), (n, n), dtype, 1.05 if n >= 64 else None)
        if quick:
            return
    for m, k, n in TALL:
        yield product_row(f"{m}x{k} by {k}x{n}", (m, k), (k, n), "float32", 1.0)
    for m, k, n in SKINNY:
        yield product_row(f"{m}x{k} by {k}x{n}", (m, k), (k, n), "float32", None)
    for count, n, at_most in ((1024, 16, 1 / 1.5), (256, 16, None), (64, 64, 0.9), (8, 256, None)):
        yield product_row(f"{count} of {n}x{n}", (count, n, n), (count, n, n), "float32", at_most)


# --- elementwise ------------------------------------------------------------------------------------------------------

SIZES = {1_000: "1,000", 100_000: "100,000", 16_000_000: "16 million"}
#: Floating-point operations per element, for the limit: a polynomial of the usual degree for float32, counted roughly.
FLOPS = {"copy": 0, "add": 1, "exp": 16, "tanh": 24, "sigmoid": 20, "gelu": 36, "chain": 46}


def _gelu_numpy() -> Any:
    from scipy.special import erf

    return lambda a: 0.5 * a * (1 + erf(a * np.float32(0.5**0.5)))


def chain_of(exp: Any, tanh: Any) -> Callable[[Any, Any], Any]:
    """The elementwise chain, in the package that these two functions come from."""
    return lambda x, y: tanh(x * y + 1) * exp(-x * x) + y


def elementwise(name: str, n: int, compilers: bool) -> dict[str, Any]:
    """``compilers``: with torch.compile too, which takes seconds for each."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(n).astype(np.float32) for _ in range(2))
    two = name in ("add", "chain")
    x = (ac.tensor(a), ac.tensor(b))[: 1 + two]
    contenders: dict[str, Any] = {}

    def add(label: str, f: Any, args: Any, finish: Any = None) -> None:
        contenders[label] = (lambda: f(*args)) if finish is None else (lambda: finish(f(*args)))

    ours = {"chain": chain_of(ac.exp, ac.tanh)}.get(name) or getattr(ac, name)
    if HAS_COMPILE:
        add(OURS, ac.compile(ours), x)
    add(EAGER, ours, x)
    if HAS_FLOOR and name in ("copy", "add", "chain"):
        contenders[FLOOR] = floor.copy(a) if name == "copy" else getattr(floor, name)(a, b)
    in_numpy: dict[str, Any] = {
        "chain": chain_of(np.exp, np.tanh),
        "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    }
    f = _gelu_numpy() if name == "gelu" else in_numpy.get(name) or getattr(np, name)
    add("NumPy", f, (a, b)[: 1 + two])
    if torch is not None:
        in_torch: dict[str, Any] = {
            "chain": chain_of(torch.exp, torch.tanh),
            "copy": torch.clone,
            "gelu": torch.nn.functional.gelu,
        }
        f = in_torch.get(name) or getattr(torch, name)
        args = (torch.tensor(a), torch.tensor(b))[: 1 + two]
        add("torch", f, args)
        if compilers:
            torch._dynamo.reset()
            add("torch.compile", torch.compile(f, dynamic=False), args)
    if jax is not None:
        in_jax: dict[str, Any] = {
            "chain": chain_of(jnp.exp, jnp.tanh),
            "gelu": lambda x: jax.nn.gelu(x, approximate=False),
            "sigmoid": jax.nn.sigmoid,
        }
        f = jax.jit(in_jax.get(name) or getattr(jnp, name))
        add("jax.jit", f, (jnp.asarray(a), jnp.asarray(b))[: 1 + two], lambda r: r.block_until_ready())
    if mx is not None and name != "copy":
        in_mlx: dict[str, Any] = {
            "chain": chain_of(mx.exp, mx.tanh),
            "gelu": lambda x: x * 0.5 * (1 + mx.erf(x * 0.5**0.5)),
        }
        f = mx.compile(in_mlx.get(name) or getattr(mx, name))
        add("mlx.compile", f, (mx.array(a), mx.array(b))[: 1 + two], mx.eval)
    return contenders


def elementwise_rows(quick: bool) -> Iterator[Row]:
    for name in ("copy", "add", "exp", "tanh", "sigmoid", "gelu", "chain"):
        for n, label in SIZES.items():
            if (quick or THREADS > 1) and (name != "chain" or n == 1_000):
                continue
            if name == "sigmoid" and n != 16_000_000:
                continue
            large = n == 16_000_000
            targets: tuple[Target, ...] = ()
            if name == "chain" and n >= 100_000:
                targets = (Target(0.6 if large else 0.8, "jax.jit"),)
            elif name in ("exp", "tanh", "sigmoid") and large:
                targets = (Target(1.0, "best peer", of=EAGER),)
            operands = 3 if name in ("add", "chain") else 2
            yield Row(
                f"{name}, {label}",
                partial(elementwise, name, n, compilers=name == "chain" and not quick),
                targets if THREADS == 1 else (),
                _limit(FLOPS[name] * n, 4 * operands * n),
                rounds=9 if large else 15,
                seconds=0.1 if large else 0.02,
            )


# --- cross-entropy ----------------------------------------------------------------------------------------------------


def cross_entropy(rows: int, classes: int) -> dict[str, Any]:
    """Value and gradient with respect to the logits."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((rows, classes)).astype(np.float32)
    labels = rng.integers(0, classes, rows)
    x, y = ac.tensor(logits), ac.tensor(labels)
    ours = ac.value_and_grad(ac.losses.cross_entropy)
    contenders: dict[str, Any] = {}
    if HAS_COMPILE:
        compiled = ac.compile(ours)
        contenders[OURS] = lambda: compiled(x, y)
    contenders[EAGER] = lambda: ours(x, y)
    if HAS_FLOOR:
        contenders[FLOOR] = floor.cross_entropy(logits, labels)
    every = np.arange(rows)

    def in_numpy() -> object:
        z = logits - logits.max(axis=1, keepdims=True)
        picked = z[every, labels]
        p = np.exp(z, out=z)
        sums = p.sum(axis=1, keepdims=True)
        loss = (np.log(sums[:, 0]) - picked).mean()
        p /= sums * np.float32(rows)
        p[every, labels] -= np.float32(1 / rows)
        return loss, p

    contenders["NumPy"] = in_numpy
    if torch is not None:
        tx, ty = torch.tensor(logits, requires_grad=True), torch.tensor(labels)

        def in_torch() -> object:
            return torch.autograd.grad(torch.nn.functional.cross_entropy(tx, ty), tx)

        contenders["torch"] = in_torch
    if jax is not None:

        def loss_of(z: Any, y: Any) -> Any:
            return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], axis=1).mean()

        jx, jy = jnp.asarray(logits), jnp.asarray(labels, jnp.int32)
        call = jax.jit(jax.value_and_grad(loss_of))
        contenders["jax.jit"] = lambda: jax.block_until_ready(call(jx, jy))
    if mx is not None:

        def mlx_loss(z: Any, y: Any) -> Any:
            return (mx.logsumexp(z, axis=1) - mx.take_along_axis(z, y[:, None], axis=1)[:, 0]).mean()

        mx_x, mx_y = mx.array(logits), mx.array(labels.astype(np.int32))
        mlx_call = mx.compile(mx.value_and_grad(mlx_loss))
        contenders["mlx.compile"] = lambda: mx.eval(mlx_call(mx_x, mx_y))
    return contenders


def cross_entropy_rows(quick: bool) -> Iterator[Row]:
    for rows, classes in ((32, 10), (2048, 8192), (64, 50000)):
        if THREADS > 1 and rows != 2048:
            continue
        large = rows == 2048
        targets = (Target(0.5, "jax.jit"), Target(0.35, "torch", of=EAGER)) if large and THREADS == 1 else ()
        n = rows * classes
        yield Row(
            f"cross-entropy and gradient, {rows} x {classes}",
            partial(cross_entropy, rows, classes),
            targets,
            _limit((FLOPS["exp"] + 5) * n, 8 * n),
            rounds=9 if large else 15,
            seconds=0.2 if large else 0.02,
        )


# --- recording --------------------------------------------------------------------------------------------------------


def recorded(name: str) -> dict[str, Any]:
    a, b = (np.linspace(0.1, 1.0, 16, dtype=np.float32) for _ in range(2))
    x, y = ac.tensor(a).requires_grad_(), ac.tensor(b)
    op = getattr(ac, name)
    args = (x, y) if name == "multiply" else (x,)
    contenders: dict[str, Any] = {EAGER: lambda: op(*args)}
    if torch is not None:
        tx, ty = torch.tensor(a, requires_grad=True), torch.tensor(b)
        top = getattr(torch, name)
        targs = (tx, ty) if name == "multiply" else (tx,)
        contenders["torch"] = lambda: top(*targs)
    return contenders


def recorded_rows(quick: bool) -> Iterator[Row]:
    for name in ("multiply", "tanh"):
        yield Row(f"recorded {name}, 16 numbers", partial(recorded, name), (Target(0.5, "torch", of=EAGER),))
