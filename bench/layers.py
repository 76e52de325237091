"""Training steps of a transformer block, as a user of each package writes them.

``x + attention(norm(x))``, then ``x + mlp(norm(x))`` with GELU, mean squared error, SGD with momentum. Every contender
starts from the same parameters, and all must have the same loss after some steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import alice_core as ac
from peers import HAS_COMPILE, THREADS, jax, jnp, torch
from rows import EAGER, OURS, Row, Target, peer_over_ours

LR, MOMENTUM = 0.01, 0.9
WIDTH, HEADS, LENGTH, BATCH = 64, 4, 64, 16


def problem() -> tuple[dict[str, Any], Any, Any]:
    """Parameters by name, matrices as (inputs, outputs); input and target."""
    rng = np.random.default_rng(0)

    def uniform(rows: int, *cols: int) -> Any:
        return rng.uniform(-(rows**-0.5), rows**-0.5, (rows, *cols)).astype(np.float32)

    d = WIDTH
    parameters = {
        "norm1_w": np.ones(d, np.float32),
        "norm1_b": np.zeros(d, np.float32),
        "qkv_w": uniform(d, 3 * d),
        "qkv_b": np.zeros(3 * d, np.float32),
        "out_w": uniform(d, d),
        "out_b": np.zeros(d, np.float32),
        "norm2_w": np.ones(d, np.float32),
        "norm2_b": np.zeros(d, np.float32),
        "up_w": uniform(d, 4 * d),
        "up_b": np.zeros(4 * d, np.float32),
        "down_w": uniform(4 * d, d),
        "down_b": np.zeros(d, np.float32),
    }
    x, y = rng.standard_normal((2, BATCH, LENGTH, d)).astype(np.float32)
    return parameters, x, y


class Block(ac.nn.Module):
    def __init__(self) -> None:
        d = WIDTH
        self.norm1, self.norm2 = ac.nn.LayerNorm(d), ac.nn.LayerNorm(d)
        self.attention = ac.nn.MultiheadAttention(d, HEADS, batch_first=True)
        self.up, self.down = ac.nn.Linear(d, 4 * d), ac.nn.Linear(4 * d, d)

    def forward(self, x: ac.Tensor) -> ac.Tensor:
        h = self.norm1(x)
        x = x + self.attention(h, h, h, need_weights=False, is_causal=True)[0]
        return x + self.down(ac.gelu(self.up(self.norm2(x))))  # type: ignore[no-any-return]


def as_torch(parameters: dict[str, Any]) -> dict[str, Any]:
    """The state of a PyTorch module of the block's structure."""
    p = {name: value.T.copy() if value.ndim == 2 else value for name, value in parameters.items()}
    state = {
        "attention.in_proj_weight": p["qkv_w"],
        "attention.in_proj_bias": p["qkv_b"],
        "attention.out_proj.weight": p["out_w"],
        "attention.out_proj.bias": p["out_b"],
    }
    for theirs, name in (("norm1", "norm1"), ("norm2", "norm2"), ("up", "up"), ("down", "down")):
        state |= {f"{theirs}.weight": p[f"{name}_w"], f"{theirs}.bias": p[f"{name}_b"]}
    return state


def ours(parameters: dict[str, Any], x: Any, y: Any, compiled: bool) -> Any:
    model = Block()
    model.load_state_dict(as_torch(parameters), layout="torch")
    opt = ac.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    ax, ay = ac.tensor(x), ac.tensor(y)

    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.mse_loss(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    call = ac.compile(step) if compiled else step
    return lambda: call(ax, ay)


def torch_step(parameters: dict[str, Any], x: Any, y: Any, compiled: bool) -> Any:
    functional = torch.nn.functional

    class TorchBlock(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            d = WIDTH
            self.norm1, self.norm2 = torch.nn.LayerNorm(d), torch.nn.LayerNorm(d)
            self.attention = torch.nn.MultiheadAttention(d, HEADS, batch_first=True)
            self.up, self.down = torch.nn.Linear(d, 4 * d), torch.nn.Linear(4 * d, d)

        def forward(self, x: Any) -> Any:
            # What MultiheadAttention computes, without its checks and masks: they cost it time.
            a, h = self.attention, self.norm1(x)
            qkv = functional.linear(h, a.in_proj_weight, a.in_proj_bias)
            q, k, v = (t.unflatten(-1, (HEADS, -1)).transpose(1, 2) for t in qkv.chunk(3, -1))
            h = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + a.out_proj(h.transpose(1, 2).flatten(2))
            return x + self.down(functional.gelu(self.up(self.norm2(x))))

    model = TorchBlock()
    model.load_state_dict({name: torch.tensor(value) for name, value in as_torch(parameters).items()})
    opt = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM)
    tx, ty = torch.tensor(x), torch.tensor(y)
    forward = model
    if compiled:
        torch._dynamo.reset()
        forward = torch.compile(model, dynamic=False)

    def step() -> object:
        loss = functional.mse_loss(forward(tx), ty)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss.detach()

    return step


def jax_step(parameters: dict[str, Any], x: Any, y: Any) -> Any:
    def norm(x: Any, w: Any, b: Any) -> Any:
        c = x - x.mean(-1, keepdims=True)
        return c * jax.lax.rsqrt((c * c).mean(-1, keepdims=True) + 1e-5) * w + b

    def loss_of(p: Any, x: Any, y: Any) -> Any:
        h = norm(x, p["norm1_w"], p["norm1_b"]) @ p["qkv_w"] + p["qkv_b"]
        q, k, v = (t.reshape(BATCH, LENGTH, HEADS, -1) for t in jnp.split(h, 3, axis=-1))
        scores = jnp.einsum("blhe,bshe->bhls", q, k) * (1.0 / math.sqrt(WIDTH // HEADS))
        scores = jnp.where(jnp.tri(LENGTH, dtype=bool), scores, -jnp.inf)
        h = jnp.einsum("bhls,bshe->blhe", jax.nn.softmax(scores), v).reshape(x.shape)
        x = x + h @ p["out_w"] + p["out_b"]
        h = jax.nn.gelu(norm(x, p["norm2_w"], p["norm2_b"]) @ p["up_w"] + p["up_b"], approximate=False)
        return ((x + h @ p["down_w"] + p["down_b"] - y) ** 2).mean()

    def step(p: Any, velocities: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(p, x, y)
        velocities = {n: MOMENTUM * v + gradients[n] for n, v in velocities.items()}
        return {n: p[n] - LR * v for n, v in velocities.items()}, velocities, loss

    call = jax.jit(step, donate_argnums=(0, 1))
    state = [{n: jnp.array(p) for n, p in parameters.items()}, {n: jnp.zeros_like(p) for n, p in parameters.items()}]
    jx, jy = jnp.array(x), jnp.array(y)

    def run() -> object:
        *state[:], loss = call(*state, jx, jy)
        return loss.block_until_ready()

    return run


def block_step(quick: bool = False) -> dict[str, Any]:
    parameters, x, y = problem()
    steps: dict[str, Any] = {}
    if HAS_COMPILE:
        steps[OURS] = ours(parameters, x, y, compiled=True)
    steps[EAGER] = ours(parameters, x, y, compiled=False)
    if torch is not None:
        steps["torch"] = torch_step(parameters, x, y, compiled=False)
        if not quick:
            steps["torch.compile"] = torch_step(parameters, x, y, compiled=True)
    if jax is not None:
        steps["jax.jit"] = jax_step(parameters, x, y)
    losses = {name: [float(run()) for _ in range(5)][-1] for name, run in steps.items()}
    if max(losses.values()) - min(losses.values()) > 1e-4:
        raise RuntimeError(f"after 5 steps all must have one loss; got {losses}")
    return steps


def rows(quick: bool) -> Iterator[Row]:
    targets: tuple[Target, ...] = (peer_over_ours(1 / 0.6),) if THREADS == 1 else ()
    yield Row(
        f"transformer block {WIDTH}, {HEADS} heads, length {LENGTH}, batch {BATCH}",
        partial(block_step, quick),
        targets,
        seconds=0.05,
    )
