"""Forward and reverse mode, step by step
======================================

The tables of the notes' chapter 6, what both modes cost, checkpoints, and depth: ``python examples/autodiff.py [folder
for the pictures]``. Needs ``pip install "alice_core[demo]"``.
"""

# %%
from __future__ import annotations

import sys
from pathlib import Path

import alice_core as ac
from alice_core import teaching

out = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/autodiff")
out.mkdir(parents=True, exist_ok=True)

# %%
# The program: a layer from 3 to 4 numbers, one from 4 to 2, and the sum of those. Its evaluation trace:
layers = teaching.fully_connected_layers([3, 4, 2], activation=ac.tanh)
x = ac.tensor([0.5, -1.0, 2.0], dtype=ac.float64)
print(ac.trace(lambda x: teaching.evaluate(layers, x))(x))

# %%
# Forward mode carries the derivatives by all weights along, as matrices.
forward = teaching.forward_mode(layers, x)
print(forward)

# %%
# Reverse mode sends one row back through the program, and finds the same gradients with fewer multiplications.
reverse = teaching.reverse_mode(layers, x)
print(reverse)
pairs = [(f[k], r[k]) for f, r in zip(forward.gradients, reverse.gradients, strict=True) for k in f]
print(f"\nBoth modes agree to 1e-12: {all(ac.max(ac.abs(f - r)).item() < 1e-12 for f, r in pairs)}")

# %%
# What the modes cost in networks of other sizes, in multiplications for all weight gradients.
for widths, batch in (([3, 4, 2], 1), ([3, 4, 2], 2), ([6, 8, 4], 1), ([64, 128, 10], 1), ([64, 128, 10], 32)):
    cost = [teaching.count_multiplications(widths, mode, batch) for mode in ("forward", "reverse")]
    name = "-".join(map(str, widths))
    print(f"{name:>10}, batch {batch:2}: forward {cost[0]:15,}, reverse {cost[1]:13,}, {cost[0] / cost[1]:6.1f} times")

# %%
# The Jacobian of a chain with 32 inputs, by its number of outputs: the cheaper side changes where both are equal.
counts, modes = [2**k for k in range(11)], ("forward", "reverse")
teaching.draw_curves(
    out / "crossover.png",
    counts,
    {f"{mode} mode": [teaching.count_chain([32, 64, 64, 64, m], mode) for m in counts] for mode in modes},
    title="Jacobian of a chain 32-64-64-64-m",
    xlabel="outputs m",
    ylabel="multiplications",
    log="xy",
)

# %%
# Checkpoints: the fewer there are, the more layers run again.
deep, h = teaching.fully_connected_layers([8] * 65, activation=ac.tanh), ac.ones((8,), dtype=ac.float64)
for every in (1, 2, 4, 8, 16, 32):
    run = teaching.backpropagate(deep, h, stored=range(every, 65, every))
    print(f"every {every:2}: {run.evaluations:3} runs, {run.most_kept:2} kept")

# %%
# Depth: how the gradient fares on its way through 50 layers.
functions = (("ReLU", ac.relu, 2**0.5), ("tanh", ac.tanh, 1.0), ("sigmoid", ac.sigmoid, 1.0))
teaching.draw_curves(
    out / "depth.png",
    list(range(51)),
    {name: teaching.gradient_norms(activation, gain=gain) for name, activation, gain in functions},
    title="Gradients on their way back through 50 layers",
    xlabel="layer",
    ylabel="norm of the adjoint, last = 1",
    log="y",
)
