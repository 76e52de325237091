"""lstm: the gradient of a recurrent network's loss by its weights and biases. All weight matrices are diagonal.

A layer with the state (hidden h, cell c) and the input x has the gates

    forget = sigmoid(w_0 x + b_0), in = sigmoid(w_1 h + b_1), out = sigmoid(w_2 x + b_2), change = tanh(w_3 h + b_3)

and becomes c' = c forget + in change, h' = out tanh(c'), which is the next layer's input. The first one's is the
sequence's row times a weight, and the prediction y is the last one's times a weight, plus a bias. The loss is the mean
of -g (y - log(2 + sum exp y)) over all items of the rows g that follow.

Source: GradBench, evals/lstm, after ADBench; 14 wide, 2 and 4 layers, sequences of 1,024 and 4,096 rows.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from gradbench.libraries import Library

SIZES = {"2 layers, 1,024 rows": (2, 1024, 14), "4 layers, 4,096 rows": (4, 4096, 14)}
TINY = ((1, 2, 3), (2, 9, 4), (3, 5, 1))
PEERS = ("jax.jit", "PyTorch")  # autograd takes minutes


def inputs(layers: int, rows: int, width: int) -> tuple[Any, ...]:
    """Weights and biases (2 layers, 4 width), in turn; of input and output (3, width); states; the sequence."""
    rng = np.random.default_rng(0)
    shapes = (2 * layers, 4 * width), (3, width), (2 * layers, width), (rows, width)
    return tuple(rng.uniform(-1.0, 1.0, shape) for shape in shapes)


def derivative(lib: Library, layers: int, rows: int, width: int) -> Any:
    xp = lib.xp

    def loss(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
        rows_of = [[m[k * width : (k + 1) * width] for k in range(4)] for m in (main[i] for i in range(2 * layers))]

        def step(carry: Any, x: Any) -> Any:
            kept = []
            for (hidden, cell), w, b in zip(carry, rows_of[0::2], rows_of[1::2], strict=True):
                forget, out = lib.sigmoid(x * w[0] + b[0]), lib.sigmoid(x * w[2] + b[2])
                enter, change = lib.sigmoid(hidden * w[1] + b[1]), xp.tanh(hidden * w[3] + b[3])
                cell = cell * forget + enter * change
                x = out * xp.tanh(cell)
                kept.append((x, cell))
            return kept, x

        start = [(state[2 * i], state[2 * i + 1]) for i in range(layers)]
        outputs = lib.scan(step, start, sequence[:-1] * extra[0])[1]
        predicted = outputs * extra[1] + extra[2]
        logs = xp.log(2.0 + xp.sum(xp.exp(predicted), axis=1))[:, None]
        return -xp.sum(sequence[1:] * (predicted - logs)) / ((rows - 1) * width)

    return lib.grad(loss, argnums=(0, 1))


def reference(layers: int, rows: int, width: int) -> Any:
    """By the complex step, item by item."""
    *parameters, state, sequence = inputs(layers, rows, width)

    def loss(main: Any, extra: Any) -> Any:
        hidden, cell = state[0::2].astype(complex), state[1::2].astype(complex)
        total = 0.0
        for x, following in pairwise(sequence):
            y = x * extra[0]
            for i in range(layers):
                weight, bias = np.split(main[2 * i], 4), np.split(main[2 * i + 1], 4)
                z = [w * v + b for w, b, v in zip(weight, bias, (y, hidden[i], y, hidden[i]), strict=True)]
                forget, enter, out = (1 / (1 + np.exp(-v)) for v in z[:3])
                cell[i] = cell[i] * forget + enter * np.tanh(z[3])
                y = hidden[i] = out * np.tanh(cell[i])
            y = y * extra[1] + extra[2]
            total += (following * (y - np.log(2.0 + np.exp(y).sum()))).sum()
        return -total / ((rows - 1) * width)

    found = []
    for which, p in enumerate(parameters):
        gradient = np.zeros(p.shape)
        for place in np.ndindex(p.shape):
            moved = [a.astype(complex) for a in parameters]
            moved[which][place] += 1e-30j
            gradient[place] = loss(*moved).imag / 1e-30
        found.append(gradient)
    return tuple(found)
