"""A Kalman filter
===============

The likelihood of a Kalman filter, and the noise that makes it largest: python examples/kalman.py"""

from __future__ import annotations

import math

import matplotlib.pyplot as plt

import alice_core as ac

F64 = ac.float64
MOVES = ac.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=F64)  # position and speed, from one second to the next
SEES = ac.tensor([[1.0, 0.0]], dtype=F64)  # the position


def log_likelihood(logs: ac.Tensor, seen: ac.Tensor) -> ac.Tensor:
    """Of what was seen, shape (n, 1). ``logs``: logarithms of the variances of accelerations and of what is seen."""
    push = ac.tensor([[0.25, 0.5], [0.5, 1.0]], dtype=F64) * ac.exp(logs[0])
    blur = ac.exp(logs[1])

    def step(carry: tuple[ac.Tensor, ac.Tensor], y: ac.Tensor) -> tuple[tuple[ac.Tensor, ac.Tensor], ac.Tensor]:
        mean, cov = carry
        mean, cov = MOVES @ mean, MOVES @ cov @ MOVES.T + push
        surprise, spread = y - SEES @ mean, SEES @ cov @ SEES.T + blur
        gain = (cov @ SEES.T) / spread
        score = -0.5 * (ac.log(2.0 * math.pi * spread) + surprise * surprise / spread)
        return (mean + gain @ surprise, cov - gain @ SEES @ cov), ac.sum(score)

    start = ac.zeros((2,), F64), 10.0 * ac.eye(2, dtype=F64)
    return ac.sum(ac.scan(step, start, seen)[1])


def simulate(n: int, push: float, blur: float) -> ac.Tensor:
    """A walk that is pushed, and seen through noise."""

    def step(state: ac.Tensor, _: None) -> tuple[ac.Tensor, ac.Tensor]:
        kick = push * ac.random.normal((), dtype=F64) * ac.tensor([0.5, 1.0], dtype=F64)
        state = MOVES @ state + kick
        return state, SEES @ state + blur * ac.random.normal((1,), dtype=F64)

    seen: ac.Tensor = ac.scan(step, ac.zeros((2,), F64), length=n)[1]
    return seen


def main() -> None:
    ac.random.seed(0)
    seen = simulate(300, push=0.1, blur=1.0)
    best = ac.optim.minimize(lambda logs: -log_likelihood(logs, seen), ac.zeros((2,), F64))
    push, blur = ac.exp(0.5 * best.x).tolist()
    print(f"standard deviations: push {push:.3f} (0.1), blur {blur:.3f} (1.0); log-likelihood {-best.fun:.2f}")
    curvature = ac.hessian(lambda logs: -log_likelihood(logs, seen))(best.x)
    errors = ac.sqrt(ac.linalg.inv(curvature).diagonal()).tolist()
    print("standard errors of the logarithms:", " ".join(f"{0.5 * e:.3f}" for e in errors))

    grid = ac.linspace(-3.0, -1.0, 41, dtype=F64)  # of the logarithm of the push
    heights = ac.vmap(lambda push: log_likelihood(ac.stack([2.0 * push, best.x[1]]), seen))(grid)
    plt.plot(ac.exp(grid).numpy(), heights.numpy())
    plt.plot(push, -best.fun, "o", label="found")
    plt.axvline(0.1, color="gray", linestyle="--", label="true")
    plt.gca().set(xlabel="push", ylabel="log-likelihood")
    plt.legend()
    plt.show()


if __name__ == "__main__":
    main()
