"""Through an equation solver
==========================

Fit the four rates of the Lotka-Volterra equations to noisy counts of prey and predators.

The equations are solved by Runge-Kutta's method inside of ac.scan, and reverse mode goes through the solver: python
examples/lotka_volterra.py
"""

from __future__ import annotations

import matplotlib.pyplot as plt

import alice_core as ac

TRUE = ac.tensor([1.0, 0.4, 0.1, 0.4], dtype=ac.float64)  # births, hunted; growth by hunting, deaths
START = ac.tensor([10.0, 5.0], dtype=ac.float64)
STEP, POINTS, BETWEEN = 0.02, 50, 10


def field(state: ac.Tensor, rates: ac.Tensor) -> ac.Tensor:
    prey, hunters = state[0], state[1]
    births, hunted, growth, deaths = rates
    return ac.stack([prey * (births - hunted * hunters), hunters * (growth * prey - deaths)])


def runge_kutta(state: ac.Tensor, rates: ac.Tensor) -> ac.Tensor:
    a = field(state, rates)
    b = field(state + 0.5 * STEP * a, rates)
    c = field(state + 0.5 * STEP * b, rates)
    d = field(state + STEP * c, rates)
    return state + STEP / 6.0 * (a + 2.0 * b + 2.0 * c + d)


def solve(rates: ac.Tensor) -> ac.Tensor:
    """The state at POINTS times, shape (POINTS, 2)."""

    def observe(state: ac.Tensor, _: None) -> tuple[ac.Tensor, ac.Tensor]:
        state = ac.fori_loop(0, BETWEEN, lambda _, s: runge_kutta(s, rates), state)
        return state, state

    states: ac.Tensor = ac.scan(observe, START, length=POINTS)[1]
    return states


def fit(counts: ac.Tensor, start: ac.Tensor) -> ac.Tensor:
    """The rates that explain the counts, by the logarithms of both: they are positive."""

    def misfit(logs: ac.Tensor) -> ac.Tensor:
        return ac.mean(ac.square(ac.log(solve(ac.exp(logs))) - ac.log(counts)))

    return ac.exp(ac.optim.minimize(misfit, ac.log(start)).x)


def main() -> None:
    ac.random.seed(0)
    noise = ac.exp(0.02 * ac.random.normal((POINTS, 2), dtype=ac.float64))
    counts = solve(TRUE) * noise
    found = fit(counts, ac.tensor([0.8, 0.5, 0.15, 0.5], dtype=ac.float64))
    print("rates", " ".join(f"{x:.3f}" for x in found.tolist()), "instead of", *TRUE.tolist())

    # The adjoint, checked: how the last state depends on the rates, against forward mode.
    last = lambda rates: ac.sum(solve(rates)[-1])  # noqa: E731
    adjoint, tangent = ac.grad(last)(TRUE), ac.jvp(last, [TRUE], [ac.ones_like(TRUE)])[1]
    print(f"sum of the gradient {ac.sum(adjoint).item():.9f}, directional derivative {tangent.item():.9f}")

    for name, seen, fitted in zip(("prey", "predators"), counts.numpy().T, solve(found).numpy().T, strict=True):
        (dots,) = plt.plot(seen, ".")
        plt.plot(fitted, color=dots.get_color(), label=name)
    plt.legend()
    plt.show()


if __name__ == "__main__":
    main()
