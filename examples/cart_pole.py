"""Model-predictive control
========================

A cart swings its pole up and keeps it there: python examples/cart_pole.py

Every 25 ms the next 1.5 seconds are planned anew by iLQR (Li and Todorov, 2004): a loop along the plan, Jacobians of
its steps, and a loop back that finds the best change. The plan believes in a pole that is lighter than the true one.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from tqdm import tqdm

import alice_core as ac

STEP, HORIZON, GRAVITY, CART, POLE, TRUE_POLE, LENGTH, END = 0.025, 60, 9.81, 1.0, 0.2, 0.22, 0.5, 20.0


def model(both: ac.Tensor, pole: float = POLE) -> ac.Tensor:
    """Of place, angle (upright is 0), speed, spin and force: the next state, and what shall be small."""
    place, angle, speed, spin, force = (both[i] for i in range(5))
    push = (force + pole * LENGTH * spin * spin * (s := ac.sin(angle))) / (CART + pole)
    bend = (GRAVITY * s - (c := ac.cos(angle)) * push) / (LENGTH * (4.0 / 3.0 - pole * c * c / (CART + pole)))
    small = [place, 4.0 * ac.sin(0.5 * angle), 0.1 * speed, 0.1 * spin, 0.2 * force]
    speed, spin = speed + STEP * (push - pole * LENGTH * bend * c / (CART + pole)), spin + STEP * bend
    return ac.stack([place + STEP * speed, angle + STEP * spin, speed, spin, *small])


def follow(path: ac.Tensor, changes: ac.Tensor, gains: ac.Tensor, start: ac.Tensor) -> tuple[ac.Tensor, ac.Tensor]:
    """What a changed plan costs, and its states with the forces behind them."""

    def step(state: ac.Tensor, now: Any) -> Any:
        old, change, gain = now
        made = model(both := ac.concat([state, (old[4] + change + gain @ (state - old[:4]))[None]]))
        return made[:4], (both, 0.5 * ac.sum(ac.square(made[4:])))

    new, costs = ac.scan(step, start, (path, changes, gains))[1]
    return ac.sum(costs) + END * costs[-1], new


def improve(_: ac.Tensor, path: ac.Tensor) -> ac.Tensor:
    """One iteration: steps become linear, costs quadratic, and the best answer is found from the end, of four sizes."""
    slopes, small = ac.vmap(ac.jacfwd(model))(path), ac.vmap(model)(path)[:, 4:]

    def back(carry: Any, item: Any) -> Any:
        (v2, v1), (j, r) = carry, item
        q2, q1 = j[4:].T @ j[4:] + j[:4].T @ v2 @ j[:4], j[4:].T @ r + j[:4].T @ v1
        change, gain = -q1[4] / q2[4, 4], -q2[4, :4] / q2[4, 4]
        return (q2[:4, :4] + ac.outer(q2[:4, 4], gain), q1[:4] + q2[:4, 4] * change), (change, gain)

    end = slopes[-1, 4:, :4].T * END
    changes, gains = ac.scan(back, (end @ end.T / END, end @ small[-1]), (slopes, small), reverse=True)[1]
    costs, paths = ac.vmap(lambda k: follow(path, k * changes, gains, path[0, :4]))(ac.tensor([1.0, 0.5, 0.2, 0.0]))
    return paths[ac.argmin(costs)]


@ac.compile
def control(path: ac.Tensor) -> tuple[ac.Tensor, ac.Tensor]:
    """The state with the best force, and the next plan, which begins with what really became of them."""
    path = ac.fori_loop(0, 3, improve, path)
    return path[0], ac.concat([path[1:], path[-1:]]).at[0, :4].set(model(path[0], TRUE_POLE)[:4])


if __name__ == "__main__":
    path, steps = ac.tile(ac.tensor([0.0, 3.1, 0.0, 0.0, 0.0]), (HORIZON, 1)), []
    for _ in tqdm(range(200), disable=None):
        first, path = control(path)
        steps.append(first.numpy())
    off = abs(np.sin(0.5 * (x := np.array(steps))[:, 1]))  # 0 of an upright pole
    print(f"upright after {STEP * np.argmax(off < 0.05):.2f} s, forces up to {abs(x[:, 4]).max():.1f} N")
    print(f"in the last second within {off[-40:].max():.4f}, the cart within {abs(x[:, 0]).max():.2f} m")
    for now, shade in zip(x[:100:2], plt.get_cmap("viridis")(np.linspace(0.0, 1.0, 50)), strict=True):
        plt.plot(now[0] + np.sin(now[1]) * np.arange(2), np.cos(now[1]) * np.arange(2), color=shade)
    plt.gca().set(xlabel="metres, for 2.5 seconds: from dark to light", aspect="equal")
    plt.show()
