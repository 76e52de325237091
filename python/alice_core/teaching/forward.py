"""Forward mode, layer by layer: derivatives travel along with the values."""

from __future__ import annotations

from collections.abc import Sequence

import alice_core as ac

from .jacobians import jvp_from_vjps
from .layers import Layer
from .run import Run, column

__all__ = ["forward_mode", "gradients_from_jvps", "jvp_pass"]


def forward_mode(layers: Sequence[Layer], x: ac.Tensor) -> Run:
    """Gradients of ``y = 1^T h_l`` by forward mode, with all tangent matrices.

    The tangent matrix ``W^_j`` is the derivative of the output reached so far by the weights of layer j. Layer i ::

        W^_j <- [dh_i/dh_(i-1)] W^_j    for all j < i
        W^_i  = dh_i/dW_i

    and at the end ``grad W_j = 1^T W^_j``. Every step multiplies matrices with as many columns as there are weights.

    Parameters
    ----------
    layers : sequence of Layer
    x : Tensor, floating
        Input of the first layer, one example or a batch.

    Returns
    -------
    Run
        Every step's matrices by symbol: ``h_i``, ``W_i``, ``dh_i/dh_(i-1)``, ``W^_i`` (``b^_i``, ...), ``1^T`` and
        ``grad W_i``. While layer i is at work a tangent has as many rows as h_i, at the end as many as h_l.

    Source
    ------
    Notes, section 6.2 and table 1, with errata E-39 (layer i starts W^_i, and the gradients are read out by the row of
    ones) and E-40 (all tangents together take far more memory than the program; see :func:`jvp_pass`).

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> layers = teaching.fully_connected_layers([3, 4, 2])
    >>> print(teaching.forward_mode(layers, ac.ones((3,), dtype=ac.float64)))
    forward mode: y = -1.0526, 180 multiplications, 64 kept
    layer  quantity             symbol     shape   multiplications
    -----  -------------------  ---------  ------  ---------------
    0      input                h_0        3 x 1
    1      weights              W_1        4 x 3
    1      weights              b_1        4 x 1
    1      output               h_1        4 x 1
    1      tangent              W^_1       4 x 12
    1      tangent              b^_1       4 x 4
    2      weights              W_2        2 x 4
    2      weights              b_2        2 x 1
    2      output               h_2        2 x 1
    2      input Jacobian       dh_2/dh_1  2 x 4
    2      tangent, carried on  W^_1       2 x 12  96
    2      tangent, carried on  b^_1       2 x 4   32
    2      tangent              W^_2       2 x 8
    2      tangent              b^_2       2 x 2
    2      row of ones          1^T        1 x 2
    2      gradient             grad W_1   1 x 12  24
    2      gradient             grad b_1   1 x 4   8
    2      gradient             grad W_2   1 x 8   16
    2      gradient             grad b_2   1 x 2   4
    """
    run = Run("forward mode", x, [{} for _ in layers])
    run.write(0, "input", "h_0", column(x))
    h, tangents = x, dict[tuple[int, str], ac.Tensor]()
    for i, layer in enumerate(layers, 1):
        write_weights(run, i, layer)
        before, h = h, layer(h)
        run.write(i, "output", f"h_{i}", column(h))
        if tangents:
            jacobian = run.write(i, "input Jacobian", f"dh_{i}/dh_{i - 1}", layer.input_jacobian(before))
            for (j, name), tangent in tangents.items():
                tangents[j, name] = run.multiply(i, "tangent, carried on", f"{name}^_{j}", jacobian, tangent)
        for name in layer.weights:
            jacobian = layer.weight_jacobian(before, name)
            tangents[i, name] = run.write(i, "tangent", f"{name}^_{i}", jacobian)
        run.kept = max(run.kept, sum(tangent.size for tangent in tangents.values()))

    ones = run.write(len(layers), "row of ones", "1^T", ac.ones((1, h.size), dtype=h.dtype))
    for (j, name), tangent in tangents.items():
        row = run.multiply(len(layers), "gradient", f"grad {name}_{j}", ones, tangent)
        run.gradients[j - 1][name] = row.reshape(layers[j - 1].weights[name].shape)
    run.y = ac.sum(h)
    return run


def write_weights(run: Run, i: int, layer: Layer) -> None:
    """Note the weights of layer i, vectors as columns."""
    for name, w in layer.weights.items():
        run.write(i, "weights", f"{name}_{i}", w if w.ndim == 2 else column(w))


def jvp_pass(
    layers: Sequence[Layer], x: ac.Tensor, directions: Sequence[dict[str, ac.Tensor]]
) -> tuple[ac.Tensor, ac.Tensor]:
    """One pass of forward mode: the derivative of ``y = 1^T h_l`` in one direction of all weights.

    One tangent, of the shape of h_i, stands beside h_i: the memory is that of the program, twice.

    Parameters
    ----------
    layers : sequence of Layer
    x : Tensor, floating
    directions : sequence of dict of str to Tensor
        For every layer the direction of every weight.

    Returns
    -------
    (Tensor, Tensor), both 0-d
        y and its directional derivative.

    Source
    ------
    Notes, section 6.2, with erratum E-40.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> scale = teaching.Layer(lambda h, w: w["a"] * h, {"a": ac.tensor(2.0)})
    >>> y, dy = teaching.jvp_pass([scale, scale], ac.tensor([1.0, 3.0]), [{"a": ac.tensor(1.0)}, {"a": ac.tensor(0.0)}])
    >>> y.item(), dy.item()
    (16.0, 8.0)
    """
    h, tangent = x, ac.zeros_like(x)
    for layer, direction in zip(layers, directions, strict=True):
        h, tangent = jvp_from_vjps(layer.f, (h, layer.weights), (tangent, direction))
    return ac.sum(h), ac.sum(tangent)


def gradients_from_jvps(layers: Sequence[Layer], x: ac.Tensor) -> tuple[list[dict[str, ac.Tensor]], int]:
    """All gradients of ``y = 1^T h_l`` by forward mode in little memory: one pass for every single weight.

    Parameters
    ----------
    layers : sequence of Layer
    x : Tensor, floating

    Returns
    -------
    gradients : list of dict of str to Tensor
        As ``gradients`` of a :class:`Run`.
    passes : int
        How often the whole program ran, one for each of the p weights; reverse mode runs it once.

    Source
    ------
    Notes, sections 6.2 and 6.3.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core import teaching
    >>> layers = teaching.fully_connected_layers([3, 4, 2])
    >>> gradients, passes = teaching.gradients_from_jvps(layers, ac.ones((3,), dtype=ac.float64))
    >>> passes  # 3 * 4 + 4 + 4 * 2 + 2
    26
    """
    still = [{name: ac.zeros_like(w) for name, w in layer.weights.items()} for layer in layers]
    gradients: list[dict[str, ac.Tensor]] = [{} for _ in layers]
    passes = 0
    for i, layer in enumerate(layers):
        for name, w in layer.weights.items():
            slopes = []
            for e in ac.eye(w.size, dtype=w.dtype):
                directions = [*still[:i], {**still[i], name: e.reshape(w.shape)}, *still[i + 1 :]]
                slopes.append(jvp_pass(layers, x, directions)[1])
                passes += 1
            gradients[i][name] = ac.stack(slopes).reshape(w.shape)
    return gradients, passes
