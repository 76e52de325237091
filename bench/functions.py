"""Elementwise functions beside the best of the peers: powers by a number, activations, remainders, and columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
from ops import SIZES
from peers import jax, jnp, torch
from rows import EAGER, ROW, Row, Target

POWERS = (2, 3, -1, 0.5, 2.5, 1.7)
BINARY = ("remainder", "atan2")
#: name → ours, NumPy's, torch's, jax's; None where a package has none.
Quad = tuple[Callable[..., Any], Any, Any, Any]


def _power(y: float) -> Quad:
    def power(x: Any) -> Any:
        return x**y

    return power, power, power, power


def _functions() -> dict[str, Quad]:
    try:
        from scipy.special import erf
    except ImportError:
        erf = None
    f = None if torch is None else torch.nn.functional
    nn = None if jax is None else jax.nn
    quads: dict[str, Quad] = {f"x ** {y}": _power(y) for y in POWERS}
    quads["remainder"] = (
        ac.remainder,
        np.remainder,
        torch and torch.remainder,
        jnp and jnp.remainder,
    )
    quads["atan2"] = ac.atan2, np.arctan2, torch and torch.atan2, jnp and jnp.arctan2
    quads["exp2"] = ac.exp2, np.exp2, torch and torch.exp2, jnp and jnp.exp2
    quads["erf"] = ac.erf, erf, torch and torch.erf, jax and jax.scipy.special.erf
    quads["softplus"] = ac.softplus, lambda x: np.logaddexp(x, x.dtype.type(0)), f and f.softplus, nn and nn.softplus
    quads["elu"] = ac.elu, None, f and f.elu, nn and nn.elu
    quads["selu"] = ac.selu, None, f and f.selu, nn and nn.selu
    quads["silu"] = ac.silu, None, f and f.silu, nn and nn.silu
    quads["gelu"] = ac.gelu, None, f and f.gelu, nn and partial(nn.gelu, approximate=False)
    quads["gelu, tanh"] = (
        partial(ac.gelu, approximate="tanh"),
        None,
        f and partial(f.gelu, approximate="tanh"),
        nn and partial(nn.gelu, approximate=True),
    )
    return quads


def function(name: str, n: int, dtype: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(n).astype(dtype) for _ in range(2))
    if name.startswith("x"):
        a = np.abs(a) + a.dtype.type(0.1)
    arrays = (a, b) if name in BINARY else (a,)
    ours, in_numpy, in_torch, in_jax = _functions()[name]
    x = [ac.tensor(v) for v in arrays]
    contenders: dict[str, Any] = {EAGER: lambda: ours(*x)}
    if in_numpy is not None:
        contenders["NumPy"] = lambda: in_numpy(*arrays)
    if torch is not None:
        tx = [torch.tensor(v) for v in arrays]
        contenders["torch"] = lambda: in_torch(*tx)
    if jax is not None:
        jx = [jnp.asarray(v) for v in arrays]
        call = jax.jit(in_jax)
        contenders["jax.jit"] = lambda: call(*jx).block_until_ready()
    return contenders


def column(n: int) -> dict[str, Any]:
    """A column that broadcasts along the rows; the measure is a row that broadcasts down the columns."""
    rng = np.random.default_rng(0)
    k, c = rng.standard_normal((n, n)).astype(np.float32), rng.standard_normal(n).astype(np.float32)
    x, y = ac.tensor(k), ac.tensor(c)
    across, down = y[:, None], y[None, :]
    contenders: dict[str, Any] = {
        EAGER: lambda: x - across,
        ROW: lambda: x - down,
        "NumPy": lambda: k - c[:, None],
    }
    if torch is not None:
        tx, ty = torch.tensor(k), torch.tensor(c)[:, None]
        contenders["torch"] = lambda: tx - ty
    return contenders


def rows(quick: bool) -> Iterator[Row]:
    for name in _functions():
        for dtype in ("float32", "float64"):
            for n, label in SIZES.items():
                if quick and n != 100_000:
                    continue
                large = n == 16_000_000
                yield Row(
                    f"{name}, {label}, {dtype}",
                    partial(function, name, n, dtype),
                    (Target(1.0, "best peer", of=EAGER),),
                    rounds=5 if large else 15,
                    seconds=0.05 if large else 0.02,
                )
    for n in (30, 300, 3000):
        yield Row(f"{n} x {n} less a column", partial(column, n), (Target(1.0, ROW, of=EAGER),))
