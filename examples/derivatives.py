"""Three ways to a derivative
==========================

Differences, formulas and automatic differentiation side by side: ``python examples/derivatives.py [folder for the
pictures]``. Needs ``pip install "alice_core[demo,teaching]"``.
"""

# %%
from __future__ import annotations

import sys
from pathlib import Path

import alice_core as ac
from alice_core import teaching

out = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/derivatives")
out.mkdir(parents=True, exist_ok=True)

# %%
# A Jacobian row by row, column by column, and by differences.
layers = teaching.fully_connected_layers([3, 4, 2], activation=ac.tanh)
x = ac.tensor([0.5, -1.0, 2.0], dtype=ac.float64)


def f(x):
    return teaching.evaluate(layers[:1], x) * ac.tanh(x)


rows, columns = teaching.jacobian_from_vjps(f, x), teaching.jacobian_from_jvps(f, x)
differences = teaching.jacobian_from_differences(f, x)
print(rows.numpy())
for name, other in (("JVPs", columns), ("differences", differences)):
    print(f"from {name}: {ac.max(ac.abs(other - rows)).item():.1e}")

# %%
# Numerical differentiation: the error against the step.
errors = teaching.difference_errors(ac.sin, 1.0)
print(teaching.difference_errors(ac.sin, 1.0, [10.0**-k for k in range(1, 16)]))
print(f"among {len(errors.steps)} steps: forward {errors.best_forward:.1e}, central {errors.best_central:.1e}")
picture = errors.draw(out / "differences.png")

# %%
# Symbolic differentiation: the notes' example.
example = teaching.symbolic(lambda x, a, b: a * ac.sin(x) + b * x * ac.sin(x), 0.7, 2.0, 3.0)
print(f"f  = {example.formula}\nf' = {example.derivative}\n{example}")

# %%
# A formula that swells, and a program that does not.


def logistic(n):
    """The logistic map, n times."""

    def f(x):
        for _ in range(n):
            x = 4.0 * x * (1.0 - x)
        return x

    return f


numbers = list(range(1, 8))
operations = [teaching.symbolic(logistic(n), 0.3).operations for n in numbers]
print(f"4 x (1 - x), {numbers[-1]} times: {operations[-1]}")
picture = teaching.draw_curves(
    out / "swell.png",
    numbers,
    {f"{what}": [o[what] for o in operations] for what in ("derivative", "program and gradient")},
    title="x -> 4 x (1 - x), n times: a formula swells, a program does not",
    xlabel="n",
    ylabel="operations",
    log="y",
)
