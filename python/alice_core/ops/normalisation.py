"""Normalisation: layer_norm and rms_norm of rows, one kernel each way, and batch_norm of channels, a composite.

What normalises a row, ``x̂ = (x - mean x) r`` with ``r = 1 / sqrt(var x + eps)``, is the gradient of
``n sqrt(var x + eps)``: its Jacobian P is symmetric, and so are all higher derivatives. That is why the kernel of the
gradient is that of forward mode too, and why both second derivatives are made of one trilinear form. rms_norm is the
same without the mean.

The kernels return, per row, what their adjoint wants to know of it: a saved value through which no cotangent flows.
Their attributes are eps, and how many leading axes are a batch of examples with weights of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import checked_number
from ..errors import ShapeError
from ..primitive import Primitive
from ..tensors import asarray
from . import arithmetic as _arithmetic
from . import creation as _creation
from . import powers as _powers
from . import reduction as _reduction
from . import selection as _selection
from . import views as _views
from ._arguments import _axes, _axis
from ._reducing import broadcast_batch

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["batch_norm", "layer_norm", "rms_norm"]

_layer_norm = Primitive("layer_norm", saves=(0, 1, "ans"))
_layer_norm_vjp: Primitive = Primitive("layer_norm_vjp", saves=(0, 1, 2, 3))
_rms_norm = Primitive("rms_norm", saves=(0, 1, "ans"))
_rms_norm_vjp: Primitive = Primitive("rms_norm_vjp", saves=(0, 1, 2, 3))

# -- rules of both ---------------------------------------------------------------------------------------------------


def _mean(x: Tensor) -> Tensor:
    return _reduction.mean(x, axis=-1, keepdims=True)


def _beside(w: Tensor, x: Tensor, batch_axes: int) -> Tensor:
    """Weights, so that they broadcast against x."""
    if batch_axes == 0:
        return w
    return _views.reshape(w, (*w.shape[:-1], *(1,) * (x.ndim - w.ndim), w.shape[-1]))


def _over_rows(x: Tensor, batch_axes: int) -> Tensor:
    """The sum over the rows of each example."""
    return _reduction.sum(x, axis=tuple(range(batch_axes, x.ndim - 1)))


def _plus(*terms: Tensor | None) -> Tensor | None:
    total: Tensor | None = None
    for term in terms:
        if term is not None:
            total = term if total is None else _arithmetic.add(total, term)
    return total


class _Rows:
    """What rules say about the rows of x: x̂, r, P u, and the third derivative."""

    def __init__(self, p: Primitive, vjp: Primitive, x: Tensor, w: Tensor, stats: Tensor, options: Any) -> None:
        self.vjp, self.x, self.stats, self.options = vjp, x, stats, options
        self.centred = p is _layer_norm
        self.ones = _creation.ones_like(w)
        given = (x, self.ones, _creation.zeros_like(w)) if self.centred else (x, self.ones)
        self.normal: Tensor = p(*given, *options)[0]

    def along(self, u: Tensor) -> Tensor:
        """P u = r (u - mean u - x̂ mean(u x̂))."""
        result: Tensor = self.vjp(u, self.x, self.ones, self.stats, *self.options)[0]
        return result

    def third(self, a: Tensor, b: Tensor) -> Tensor:
        """The derivative of a · P b by x."""
        c = _arithmetic.subtract(self.x, _mean(self.x)) if self.centred else self.x
        r = _powers.rsqrt(_arithmetic.add(_mean(_arithmetic.multiply(c, c)), self.options[0]))
        on_a, on_b = _mean(_arithmetic.multiply(a, self.normal)), _mean(_arithmetic.multiply(b, self.normal))
        form = _arithmetic.subtract(_mean(_arithmetic.multiply(a, b)), _arithmetic.multiply(on_a, on_b))
        if self.centred:
            form = _arithmetic.subtract(form, _arithmetic.multiply(_mean(a), _mean(b)))
        bent = _arithmetic.strong_mul(_arithmetic.multiply(form, _arithmetic.multiply(r, r)), self.normal)
        turned = _arithmetic.add(_arithmetic.multiply(on_b, self.along(a)), _arithmetic.multiply(on_a, self.along(b)))
        return _arithmetic.negative(_arithmetic.add(bent, _arithmetic.multiply(r, turned)))


def _pull(p: Primitive, vjp: Primitive, g: Any, ans: Any, inputs: Sequence[Tensor], *options: Any) -> Any:
    return vjp(g[0], inputs[0], inputs[1], ans[1], *options)


def _push(p: Primitive, vjp: Primitive, tangents: Sequence[Any], ans: Any, inputs: Sequence[Tensor], *o: Any) -> Any:
    x, w = inputs[:2]
    t, of_w = tangents[:2]
    rows = _Rows(p, vjp, x, w, ans[1], o)
    total = _plus(
        None if t is None else _arithmetic.multiply(_beside(w, x, o[1]), rows.along(t)),
        None if of_w is None else _arithmetic.strong_mul(_beside(of_w, x, o[1]), rows.normal),
    )
    if len(tangents) > 2 and tangents[2] is not None:
        shift = _beside(tangents[2], x, o[1])
        total = _arithmetic.add(_creation.zeros_like(x) if total is None else total, shift)
    return total, None


def _pull_vjp(p: Primitive, vjp: Primitive, h: Any, ans: Any, inputs: Sequence[Tensor], *o: Any) -> Any:
    g, x, w, stats = inputs
    rows = _Rows(p, vjp, x, w, stats, o)
    weight, along = _beside(w, x, o[1]), rows.along(h[0])
    of_w = _beside(h[1], x, o[1])
    by_g = _arithmetic.add(_arithmetic.multiply(weight, along), _arithmetic.strong_mul(of_w, rows.normal))
    if len(h) > 2:
        by_g = _arithmetic.add(by_g, _beside(h[2], x, o[1]))
    by_x = _arithmetic.add(rows.along(_arithmetic.multiply(g, of_w)), rows.third(h[0], _arithmetic.multiply(g, weight)))
    return by_g, by_x, _over_rows(_arithmetic.multiply(g, along), o[1]), None


def _push_vjp(
    p: Primitive, vjp: Primitive, tangents: Sequence[Any], ans: Any, inputs: Sequence[Tensor], *o: Any
) -> Any:
    g, x, w, stats = inputs
    of_g, of_x, of_w, _ = tangents
    rows = _Rows(p, vjp, x, w, stats, o)
    weight = _beside(w, x, o[1])
    flow = _plus(
        None if of_g is None else _arithmetic.multiply(of_g, weight),
        None if of_w is None else _arithmetic.multiply(g, _beside(of_w, x, o[1])),
    )
    by_x = _plus(
        None if flow is None else rows.along(flow),
        None if of_x is None else rows.third(of_x, _arithmetic.multiply(g, weight)),
    )
    by_w = _plus(
        None if of_g is None else _arithmetic.strong_mul(of_g, rows.normal),
        None if of_x is None else _arithmetic.multiply(g, rows.along(of_x)),
    )
    by_w = None if by_w is None else _over_rows(by_w, o[1])
    if not rows.centred:
        return by_x, by_w
    return by_x, by_w, None if of_g is None else _over_rows(of_g, o[1])


def _batched(p: Primitive, batched: Sequence[bool], inputs: Sequence[Tensor], eps: float, batch_axes: int) -> Any:
    return p(*broadcast_batch(batched, inputs), eps, batch_axes + 1)


_layer_norm.defvjp_all(partial(_pull, _layer_norm, _layer_norm_vjp))
_layer_norm.defjvp_all(partial(_push, _layer_norm, _layer_norm_vjp))
_layer_norm.defbatch(partial(_batched, _layer_norm))
_layer_norm_vjp.defvjp_all(partial(_pull_vjp, _layer_norm, _layer_norm_vjp))
_layer_norm_vjp.defjvp_all(partial(_push_vjp, _layer_norm, _layer_norm_vjp))
_layer_norm_vjp.defbatch(partial(_batched, _layer_norm_vjp))
_rms_norm.defvjp_all(partial(_pull, _rms_norm, _rms_norm_vjp))
_rms_norm.defjvp_all(partial(_push, _rms_norm, _rms_norm_vjp))
_rms_norm.defbatch(partial(_batched, _rms_norm))
_rms_norm_vjp.defvjp_all(partial(_pull_vjp, _rms_norm, _rms_norm_vjp))
_rms_norm_vjp.defjvp_all(partial(_push_vjp, _rms_norm, _rms_norm_vjp))
_rms_norm_vjp.defbatch(partial(_batched, _rms_norm_vjp))

# -- functions -------------------------------------------------------------------------------------------------------


def _in_rows(
    op: str, p: Primitive, x: Tensor, axis: int | Sequence[int], parameters: Sequence[Any], eps: float
) -> Tensor:
    """``p`` with the axes as one, the last. Parameters have the shape of these axes, or are numbers of that shape."""
    axes = _axes(op, axis, x.ndim)
    if not axes or len(set(axes)) != len(axes):
        raise ShapeError(f"{op}: axis must name at least one axis, and each once; got {axis}")
    shape = tuple(x.shape[a] for a in axes)
    given = []
    for name, value in zip(("weight", "bias"), parameters, strict=False):
        if isinstance(value, float):
            given.append(_creation.full(shape if len(axes) == 1 else (int(np.prod(shape)),), value, x.dtype))
            continue
        if value.shape != shape:
            raise ShapeError(
                f"{op}: {name} must have shape {shape}, that of the axes of x {x.shape} along which it is normalised; "
                f"got {value.shape}"
            )
        given.append(value if len(axes) == 1 else _views.reshape(value, (-1,)))
    if axes == (x.ndim - 1,):
        result: Tensor = p(x, *given, eps, 0)[0]
        return result
    kept = tuple(a for a in range(x.ndim) if a not in axes)
    order = kept + axes
    rows = _views.reshape(_views.permute_dims(x, order), (*(x.shape[a] for a in kept), int(np.prod(shape))))
    y = _views.reshape(p(rows, *given, eps, 0)[0], tuple(x.shape[a] for a in order))
    return _views.permute_dims(y, tuple(order.index(a) for a in range(x.ndim)))


def _parameter(value: TensorLike | None, default: float) -> Any:
    return default if value is None else asarray(value)


def _floating(op: str, x: TensorLike) -> Tensor:
    y = asarray(x)
    if y.ndim == 0:
        raise ShapeError(f"{op}: x must have at least one axis; got a 0-d tensor")
    return y if y.dtype.kind == "f" else _selection.astype(y, _creation.ones(()).dtype)


def layer_norm(
    x: TensorLike,
    /,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    *,
    axis: int | Sequence[int] = -1,
    eps: float = 1e-5,
) -> Tensor:
    """Layer normalisation: ``y = (x - mean) / sqrt(var + eps) * weight + bias``, mean and variance over some axes.

    Parameters
    ----------
    x : Tensor
        At least 1-d, floating; integers become the default dtype.
    weight, bias : Tensor, optional
        Of the shape of these axes. None: 1 and 0.
    axis : int or sequence of int
        The axes that are normalised together; those of ``normalized_shape`` elsewhere.
    eps : float
        Is added to the variance, which is that of the whole (divided by n); not negative.

    Returns
    -------
    Tensor
        Of the shape of x and the common dtype.

    Gradient
        With ``u = g weight`` and ``x̂`` the normalised x: ``(u - mean u - x̂ mean(u x̂)) / sqrt(var + eps)``, one kernel
        for x, weight and bias.

    Accuracy
        4 ULP of the largest item of a row: sums are carried in float64, and subtracting the mean loses nothing.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice, or weight or bias have another shape.
    ValueError
        If eps is negative.

    Source: Ba, Kiros, Hinton, "Layer normalization", 2016.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.layer_norm(ac.tensor([[1.0, 2.0, 3.0, 6.0]]), eps=0.5)
    Tensor([[-1., -0.5, 0., 1.5]], dtype=float32)
    """
    y = _floating("layer_norm", x)
    parameters = _parameter(weight, 1.0), _parameter(bias, 0.0)
    return _in_rows("layer_norm", _layer_norm, y, axis, parameters, checked_number("layer_norm", "eps", eps))


def rms_norm(
    x: TensorLike, /, weight: TensorLike | None = None, *, axis: int | Sequence[int] = -1, eps: float | None = None
) -> Tensor:
    """Normalisation by the root of the mean square: ``y = x / sqrt(mean(x²) + eps) * weight``.

    Parameters
    ----------
    x : Tensor
        At least 1-d, floating; integers become the default dtype.
    weight : Tensor, optional
        Of the shape of the axes. None: 1.
    axis : int or sequence of int
        The axes that are normalised together.
    eps : float, optional
        Is added to the mean square; not negative. None: the distance from 1 to the next number of x's dtype.

    Returns
    -------
    Tensor
        Of the shape of x and the common dtype.

    Gradient
        With ``u = g weight`` and ``x̂`` the normalised x: ``(u - x̂ mean(u x̂)) / sqrt(mean(x²) + eps)``.

    Accuracy
        3 ULP; sums are carried in float64.

    Raises
    ------
    ShapeError
        If an axis is out of range or named twice, or weight has another shape.
    ValueError
        If eps is negative.

    Source: Zhang, Sennrich, "Root mean square layer normalization", 2019.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.rms_norm(ac.tensor([1.0, -1.0, 7.0, 7.0]), eps=0.0)
    Tensor([ 0.2, -0.2,  1.4,  1.4], dtype=float32)
    """
    y = _floating("rms_norm", x)
    number = float(np.finfo(_numpy_dtype(y)).eps) if eps is None else checked_number("rms_norm", "eps", eps)
    return _in_rows("rms_norm", _rms_norm, y, axis, (_parameter(weight, 1.0),), number)


def _numpy_dtype(x: Tensor) -> str:
    """That in which x is computed."""
    return "float64" if x.dtype.name == "float64" else "float32"


def batch_norm(
    x: TensorLike,
    /,
    mean: TensorLike | None = None,
    var: TensorLike | None = None,
    weight: TensorLike | None = None,
    bias: TensorLike | None = None,
    *,
    axis: int = 1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch normalisation: ``y = (x - mean) / sqrt(var + eps) * weight + bias``, numbers for each channel.

    Parameters
    ----------
    x : Tensor
        Floating; integers become the default dtype.
    mean, var : Tensor of shape (C,), optional
        Mean and variance of each channel. None: those of x over all axes but the channels (divided by n), by which x
        is differentiated too.
    weight, bias : Tensor of shape (C,), optional
        None: 1 and 0.
    axis : int
        Where the channels are.
    eps : float
        Is added to the variance; not negative.

    Returns
    -------
    Tensor
        Of the shape of x and the common dtype.

    Gradient
        By all five arrays.

    Accuracy
        As subtraction, multiplication and :func:`var` have it: 8 ULP of the largest item of a channel.

    Raises
    ------
    ShapeError
        If the axis is out of range, or a parameter has not the shape (C,).
    ValueError
        If eps is negative.

    Source: Ioffe, Szegedy, "Batch normalization", 2015.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.batch_norm(ac.tensor([[1.0, 10.0], [3.0, 30.0]]), eps=0.0)
    Tensor([[-1., -1.],
            [ 1.,  1.]], dtype=float32)
    """
    y = _floating("batch_norm", x)
    place, number = _axis("batch_norm", axis, y.ndim), checked_number("batch_norm", "eps", eps)
    if not number >= 0:
        raise ValueError(f"batch_norm: eps must not be negative; got {eps}")
    channels = (y.shape[place],)
    column = channels + (1,) * (y.ndim - 1 - place)
    others = tuple(a for a in range(y.ndim) if a != place)

    def numbers(name: str, value: TensorLike) -> Tensor:
        given = asarray(value)
        if given.shape != channels:
            raise ShapeError(
                f"batch_norm: {name} must have shape {channels}, one number for each channel along axis {axis} of x "
                f"{y.shape}; got {given.shape}"
            )
        return _views.reshape(given, column)

    centre = _reduction.mean(y, others, keepdims=True) if mean is None else numbers("mean", mean)
    centred = _arithmetic.subtract(y, centre)
    width = _reduction.var(y, others, keepdims=True) if var is None else numbers("var", var)
    factor = _powers.rsqrt(_arithmetic.add(width, number))
    if weight is not None:
        factor = _arithmetic.multiply(factor, numbers("weight", weight))
    y = _arithmetic.multiply(centred, factor)
    return y if bias is None else _arithmetic.add(y, numbers("bias", bias))
