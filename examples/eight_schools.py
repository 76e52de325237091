"""Hamiltonian Monte Carlo
=======================

Hamiltonian Monte Carlo for the eight schools, chains side by side: python examples/eight_schools.py

Rubin, "Estimation in parallel randomized experiments", 1981: how much coaching helped in eight schools. The posterior
is sampled in the non-centred form; a chain is one ac.scan, and all chains are one ac.vmap of it.
"""

from __future__ import annotations

import matplotlib.pyplot as plt

import alice_core as ac

EFFECTS = ac.tensor([28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0], dtype=ac.float64)
ERRORS = ac.tensor([15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0], dtype=ac.float64)


def log_posterior(q: ac.Tensor) -> ac.Tensor:
    """Of (mean, logarithm of the spread, eight standardised effects); spread half-Cauchy(5), mean normal(0, 5)."""
    mean, log_spread, z = q[0], q[1], q[2:]
    spread = ac.exp(log_spread)
    fit = (EFFECTS - (mean + spread * z)) / ERRORS
    prior = -0.5 * ac.square(mean / 5.0) - ac.log1p(ac.square(spread / 5.0)) + log_spread
    return prior - 0.5 * ac.sum(z * z) - 0.5 * ac.sum(fit * fit)


def leapfrog(q: ac.Tensor, p: ac.Tensor, step: float, n: int) -> tuple[ac.Tensor, ac.Tensor]:
    slope = ac.grad(log_posterior)

    def move(_: ac.Tensor, state: tuple[ac.Tensor, ac.Tensor]) -> tuple[ac.Tensor, ac.Tensor]:
        q, p = state
        p = p + 0.5 * step * slope(q)
        q = q + step * p
        return q, p + 0.5 * step * slope(q)

    moved: tuple[ac.Tensor, ac.Tensor] = ac.fori_loop(0, n, move, (q, p))
    return moved


def chain(start: ac.Tensor, kicks: ac.Tensor, luck: ac.Tensor) -> tuple[ac.Tensor, ac.Tensor]:
    """Positions, shape (n, 10), and whether each proposal was taken. ``kicks``, ``luck``: the random numbers."""

    def sample(q: ac.Tensor, drawn: tuple[ac.Tensor, ac.Tensor]) -> tuple[ac.Tensor, tuple[ac.Tensor, ac.Tensor]]:
        p, u = drawn
        new_q, new_p = leapfrog(q, p, 0.25, 12)
        gain = log_posterior(new_q) - log_posterior(q) - 0.5 * (ac.sum(new_p * new_p) - ac.sum(p * p))
        taken = ac.log(u) < gain
        q = ac.where(taken, new_q, q)
        return q, (q, taken)

    samples: tuple[ac.Tensor, ac.Tensor] = ac.scan(sample, start, (kicks, luck))[1]
    return samples


def main(chains: int = 4, n: int = 2000) -> None:
    ac.random.seed(1)
    start = ac.random.normal((chains, 10), dtype=ac.float64)
    kicks = ac.random.normal((chains, n, 10), dtype=ac.float64)
    luck = ac.random.uniform((chains, n), dtype=ac.float64)
    positions, taken = ac.compile(ac.vmap(chain))(start, kicks, luck)
    kept = positions[:, n // 4 :]
    mean, spread = kept[..., 0], ac.exp(kept[..., 1])
    between, within = ac.var(ac.mean(mean, axis=1)), ac.mean(ac.var(mean, axis=1))
    print(f"accepted {ac.mean(taken.astype(ac.float64)).item():.2f}")
    print(f"mean effect {ac.mean(mean).item():.2f}, spread {ac.mean(spread).item():.2f}")
    print(f"R-hat of the mean {ac.sqrt(1.0 + between / within).item():.3f}")
    schools = ac.mean(mean[..., None] + spread[..., None] * kept[..., 2:], axis=(0, 1))
    print("effects of the schools", " ".join(f"{x:.1f}" for x in schools.tolist()))

    plt.scatter(mean.numpy().ravel()[::5], spread.numpy().ravel()[::5], s=2)
    plt.gca().set(xlabel="mean effect", ylabel="spread between schools", yscale="log")
    plt.show()


if __name__ == "__main__":
    main()
