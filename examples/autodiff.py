"""Automatic differentiation, step by step
=======================================

Automatic differentiation step by step: the tables and the pictures of the notes' chapter 6.

    python examples/autodiff.py [folder for the pictures]

Needs ``pip install "alice_core[demo,teaching]"``. The parts marked ``# %%`` are cells to editors that know such marks.
"""

# %%
from __future__ import annotations

import sys
from pathlib import Path

import alice_core as ac
from alice_core import teaching

out = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/autodiff")
out.mkdir(parents=True, exist_ok=True)
pictures = []

# %% The program: a layer from 3 to 4 numbers, one from 4 to 2, and the sum of those. Its evaluation trace:
layers = teaching.fully_connected_layers([3, 4, 2], activation=ac.tanh)
x = ac.tensor([0.5, -1.0, 2.0], dtype=ac.float64)
print("# The evaluation trace\n")
print(ac.trace(lambda x: teaching.evaluate(layers, x))(x))

# %% Forward mode carries the derivatives by all weights along, as matrices.
forward = teaching.forward_mode(layers, x)
print("\n# Forward mode\n")
print(forward)

# %% Reverse mode sends one row back through the program, and finds the same gradients with fewer multiplications.
reverse = teaching.reverse_mode(layers, x)
print("\n# Reverse mode\n")
print(reverse)
same = all(
    ac.max(ac.abs(f[name] - r[name])).item() < 1e-12
    for f, r in zip(forward.gradients, reverse.gradients, strict=True)
    for name in f
)
print(f"\nBoth modes agree to 1e-12: {same}")

# %% What the modes cost in networks of other sizes, in multiplications.
print("\n# Multiplications for all weight gradients\n")
for widths, batch in (([3, 4, 2], 1), ([3, 4, 2], 2), ([6, 8, 4], 1), ([64, 128, 10], 1), ([64, 128, 10], 32)):
    cost = [teaching.count_multiplications(widths, mode, batch) for mode in ("forward", "reverse")]
    name = "-".join(map(str, widths))
    print(f"{name:>10}, batch {batch:2}: forward {cost[0]:15,}, reverse {cost[1]:13,}, {cost[0] / cost[1]:6.1f} times")

# %% The Jacobian of a chain with 32 inputs, by its number of outputs: the cheaper side changes where both are equal.
n_inputs, counts = 32, [2**k for k in range(11)]
chain = {
    mode: [teaching.count_chain([n_inputs, 64, 64, 64, m], mode) for m in counts] for mode in ("forward", "reverse")
}
pictures.append(
    teaching.draw_curves(
        out / "crossover.png",
        counts,
        {f"{mode} mode": values for mode, values in chain.items()},
        title=f"Jacobian of a chain {n_inputs}-64-64-64-m",
        xlabel="outputs m",
        ylabel="multiplications",
        log="xy",
    )
)


# %% A Jacobian row by row, column by column, and by differences.
def f(x):
    return teaching.evaluate(layers[:1], x) * ac.tanh(x)


rows, columns = teaching.jacobian_from_vjps(f, x), teaching.jacobian_from_jvps(f, x)
differences = teaching.jacobian_from_differences(f, x)
print("\n# A Jacobian from VJPs, and how far the others are from it\n")
print(rows.numpy())
for name, other in (("JVPs", columns), ("differences", differences)):
    print(f"from {name}: {ac.max(ac.abs(other - rows)).item():.1e}")

# %% Numerical differentiation: the error against the step.
errors = teaching.difference_errors(ac.sin, 1.0)
print("\n# Differences of sin at 1: absolute error against the step\n")
print(teaching.difference_errors(ac.sin, 1.0, [10.0**-k for k in range(1, 16)]))
print(f"among {len(errors.steps)} steps: forward {errors.best_forward:.1e}, central {errors.best_central:.1e}")
pictures.append(errors.draw(out / "differences.png"))

# %% Symbolic differentiation: the notes' example, and a formula that swells.
print("\n# Symbolic differentiation\n")
example = teaching.symbolic(lambda x, a, b: a * ac.sin(x) + b * x * ac.sin(x), 0.7, 2.0, 3.0)
print(f"f  = {example.formula}\nf' = {example.derivative}\n{example}")


def logistic(n):
    """The logistic map, n times."""

    def f(x):
        for _ in range(n):
            x = 4.0 * x * (1.0 - x)
        return x

    return f


numbers = list(range(1, 8))
operations = [teaching.symbolic(logistic(n), 0.3).operations for n in numbers]
pictures.append(
    teaching.draw_curves(
        out / "swell.png",
        numbers,
        {
            "symbolic derivative": [o["derivative"] for o in operations],
            "program and gradient": [o["program and gradient"] for o in operations],
        },
        title="x -> 4 x (1 - x), n times: a formula swells, a program does not",
        xlabel="n",
        ylabel="operations",
        log="y",
    )
)
print(f"4 x (1 - x), {numbers[-1]} times: {operations[-1]}")

# %% Checkpoints: the figure of the notes, then fewer and fewer of them.
print("\n# Gradient checkpointing: forward runs of 64 layers, layers kept at once\n")
deep = teaching.fully_connected_layers([8] * 65, activation=ac.tanh)
h = ac.ones((8,), dtype=ac.float64)
for every in (1, 2, 4, 8, 16, 32):
    run = teaching.backpropagate(deep, h, stored=range(every, 65, every))
    print(f"every {every:2}: {run.evaluations:3} runs, {run.most_kept:2} kept")

# %% Depth: how the gradient fares on its way through 50 layers.
norms = {
    name: teaching.gradient_norms(activation, gain=gain)
    for name, activation, gain in (("ReLU", ac.relu, 2**0.5), ("tanh", ac.tanh, 1.0), ("sigmoid", ac.sigmoid, 1.0))
}
pictures.append(
    teaching.draw_curves(
        out / "depth.png",
        list(range(51)),
        norms,
        title="Gradients on their way back through 50 layers",
        xlabel="layer",
        ylabel="norm of the adjoint, last = 1",
        log="y",
    )
)
print("\npictures " + ", ".join(map(str, pictures)))
