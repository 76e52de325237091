"""Reverse mode, layer by layer: first the whole program, then one row vector from its end to its start."""

from __future__ import annotations

from collections.abc import Sequence

import alice_core as ac

from .forward import write_weights
from .layers import Layer
from .run import Run, column

__all__ = ["reverse_mode"]


def reverse_mode(layers: Sequence[Layer], x: ac.Tensor, seed: ac.Tensor | None = None) -> Run:
    """Gradients of ``y = v^T h_l`` by reverse mode, with all local Jacobians.

    The adjoint ``h~_i`` is the derivative of y by the output of layer i. It starts as ``h~_l = v^T``; then, for i from
    l down to 1 ::

        grad W_i = h~_i [dh_i/dW_i]
        h~_(i-1) = h~_i [dh_i/dh_(i-1)]

    Every step multiplies one row with a matrix, so no product is larger than a local Jacobian; that row needs the
    outputs of all layers, which is what reverse mode must keep.

    Parameters
    ----------
    layers : sequence of Layer
    x : Tensor, floating
        Input of the first layer, one example or a batch.
    seed : Tensor of the shape of h_l, optional
        v; ones for the sum of the last outputs.

    Returns
    -------
    Run
        Every step's matrices by symbol: ``h_i``, ``W_i``, ``h~_i``, ``dh_i/dW_i``, ``grad W_i``, ``dh_i/dh_(i-1)``;
        ``h~_0`` is the derivative by the input x.

    Raises
    ------
    ShapeError
        If the seed has another shape than the last output.

    Source
    ------
    Notes, section 6.3 and table 2, with errata E-41 and E-42 (the factors stand from the last layer to the first), E-43
    (i runs from l to 1, from h~_l = 1^T) and E-44 (a step gives h~_(i-1)).

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> layers = teaching.fully_connected_layers([3, 4, 2])
    >>> print(teaching.reverse_mode(layers, ac.ones((3,), dtype=ac.float64)))
    reverse mode: y = -1.0526, 104 multiplications, 6 kept
    layer  quantity               symbol     shape   multiplications
    -----  ---------------------  ---------  ------  ---------------
    0      input                  h_0        3 x 1
    1      weights                W_1        4 x 3
    1      weights                b_1        4 x 1
    1      output                 h_1        4 x 1
    2      weights                W_2        2 x 4
    2      weights                b_2        2 x 1
    2      output                 h_2        2 x 1
    2      upstream gradient      h~_2       1 x 2
    2      weight Jacobian        dh_2/dW_2  2 x 8
    2      gradient               grad W_2   1 x 8   16
    2      weight Jacobian        dh_2/db_2  2 x 2
    2      gradient               grad b_2   1 x 2   4
    2      input Jacobian         dh_2/dh_1  2 x 4
    2      back-propagated value  h~_1       1 x 4   8
    1      weight Jacobian        dh_1/dW_1  4 x 12
    1      gradient               grad W_1   1 x 12  48
    1      weight Jacobian        dh_1/db_1  4 x 4
    1      gradient               grad b_1   1 x 4   16
    1      input Jacobian         dh_1/dh_0  4 x 3
    1      back-propagated value  h~_0       1 x 3   12
    """
    run = Run("reverse mode", x, [{} for _ in layers])
    run.write(0, "input", "h_0", column(x))
    outputs = [x]
    for i, layer in enumerate(layers, 1):
        write_weights(run, i, layer)
        outputs.append(layer(outputs[-1]))
        run.write(i, "output", f"h_{i}", column(outputs[-1]))
    run.kept = sum(h.size for h in outputs[1:])

    last = outputs[-1]
    v = ac.ones_like(last) if seed is None else ac.asarray(seed, dtype=last.dtype)
    if v.shape != last.shape:
        raise ac.ShapeError(
            f"reverse_mode: the seed must have the shape of the last output; expected {last.shape}, got {v.shape}"
        )
    run.y = ac.sum(v * last)
    adjoint = run.write(len(layers), "upstream gradient", f"h~_{len(layers)}", v.reshape(1, -1))
    for i in range(len(layers), 0, -1):
        layer, before = layers[i - 1], outputs[i - 1]
        for name, w in layer.weights.items():
            local = run.write(i, "weight Jacobian", f"dh_{i}/d{name}_{i}", layer.weight_jacobian(before, name))
            row = run.multiply(i, "gradient", f"grad {name}_{i}", adjoint, local)
            run.gradients[i - 1][name] = row.reshape(w.shape)
        local = run.write(i, "input Jacobian", f"dh_{i}/dh_{i - 1}", layer.input_jacobian(before))
        adjoint = run.multiply(i, "back-propagated value", f"h~_{i - 1}", adjoint, local)
    return run
