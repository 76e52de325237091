"""Activation functions. Stable everywhere: their tails keep relative accuracy, and infinities give limits, not NaN.

At a kink the gradient is the subgradient of least norm.
"""

from __future__ import annotations

import math

from ..checks import checked_choice
from ..primitive import Primitive
from ..tensors import Tensor, TensorLike
from . import arithmetic as _ar
from . import comparison as _comparison
from . import exponential as _exponential
from . import powers as _powers
from . import selection as _selection
from ._elementwise import elementwise, zero_preserving
from ._slopes import slope_kernel
from .broadcasting import sum_to
from .logistic import sigmoid_vjp, tanh_half

__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "prelu",
    "relu",
    "relu6",
    "selu",
]

# -- piecewise linear ----------------------------------------------------------------------------------------------


def _switch(name: str) -> Primitive:
    """A piecewise linear function of x, whose gradient kernel ``(g, x)`` is linear in g and constant in x.

    It has the same piece, and so the same slope, at its own result: x need not be kept, which the next layer does not
    read either.
    """
    forward, backward = Primitive(name, saves=("ans",)), Primitive(name + "_vjp", saves=(1,))
    forward.defvjp(lambda g, ans, x: backward(g, ans))
    backward.defvjp(lambda c, ans, g, x: sum_to(backward(c, x), g.shape), None)
    elementwise(forward)
    zero_preserving(backward)
    return forward


_relu = _switch("relu")
_relu6 = _switch("relu6")

_leaky_relu = Primitive("leaky_relu", saves=(0,))
_leaky_relu.defvjp(lambda g, ans, x, slope: _leaky_relu_vjp(g, x, slope))
_leaky_relu_vjp: Primitive = Primitive("leaky_relu_vjp", saves=(1,))
_leaky_relu_vjp.defvjp(lambda c, ans, g, x, slope: sum_to(_leaky_relu_vjp(c, x, slope), g.shape), None)

_prelu = Primitive("prelu", saves=(0, 1))
_prelu.defvjp(
    lambda g, ans, x, slope: sum_to(_prelu_vjp(g, x, slope), x.shape),
    lambda g, ans, x, slope: sum_to(_prelu_slope_vjp(g, x), slope.shape),
)
_prelu_vjp: Primitive = Primitive("prelu_vjp", saves=(0, 1, 2))
_prelu_vjp.defvjp(
    lambda c, ans, g, x, slope: sum_to(_prelu_vjp(c, x, slope), g.shape),
    None,
    lambda c, ans, g, x, slope: sum_to(_where_negative(x, _ar.multiply(c, g)), slope.shape),
)
_prelu_slope_vjp: Primitive = Primitive("prelu_slope_vjp", saves=(0, 1))
_prelu_slope_vjp.defvjp(
    lambda c, ans, g, x: sum_to(_prelu_slope_vjp(c, x), g.shape),
    lambda c, ans, g, x: sum_to(_where_negative(x, _ar.multiply(c, g)), x.shape),
)


def _where_negative(x: Tensor, g: Tensor) -> Tensor:
    return _selection.where(_comparison.less(x, 0.0), g, 0.0)


def relu(x: TensorLike, /) -> Tensor:
    """Rectified linear unit: max(x, 0).

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        1 for positive x, 0 for negative x, 0 at the kink.

    Accuracy
        Exact.

    Source: notes, section 5.4, with erratum E-34: units die of the slope 0 below 0, not of the one kink.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.relu(ac.tensor([-1.0, 2.0]))
    Tensor([0., 2.], dtype=float32)
    """
    return _relu(x)


def relu6(x: TensorLike, /) -> Tensor:
    """Rectified linear unit bounded by 6: min(max(x, 0), 6).

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        1 between 0 and 6, else 0, at both kinks too.

    Accuracy
        Exact.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.relu6(ac.tensor([-1.0, 2.0, 7.0]))
    Tensor([0., 2., 6.], dtype=float32)
    """
    return _relu6(x)


def leaky_relu(x: TensorLike, /, negative_slope: float | Tensor = 0.01) -> Tensor:
    """Leaky rectified linear unit: x for positive x, else negative_slope times x.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.
    negative_slope : float or Tensor
        Slope left of 0; a Tensor is that of :func:`prelu`.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        1 right and negative_slope left of 0; at 0 the one of least norm between them, so 0.01 by default.

    Accuracy
        Correctly rounded.

    Source: notes, section 5.4.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.leaky_relu(ac.tensor([-1.0, 2.0]))
    Tensor([-0.01,  2.  ], dtype=float32)
    """
    return _prelu(x, negative_slope) if type(negative_slope) is Tensor else _leaky_relu(x, negative_slope)


def prelu(x: TensorLike, slope: TensorLike, /) -> Tensor:
    """Parametric rectified linear unit: x for positive x, else slope times x, with a slope to be learnt.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.
    slope : Tensor
        Of a shape that broadcasts with x.

    Returns
    -------
    Tensor
        Floating, of the broadcast shape.

    Gradient
        By x as leaky_relu; by the slope x for negative x, else 0, summed over the broadcast axes.

    Accuracy
        Correctly rounded.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Source: notes, section 5.4; He et al. 2015.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.prelu(ac.tensor([-1.0, 2.0]), ac.tensor(0.25))
    Tensor([-0.25,  2.  ], dtype=float32)
    """
    return _prelu(x, slope)


# -- exponential units ---------------------------------------------------------------------------------------------

_elu = Primitive("elu", saves=(0,))
_elu.defvjp(lambda g, ans, x, alpha: _elu_vjp(g, x, alpha))
_elu_vjp: Primitive = Primitive("elu_vjp", saves=(0, 1))
_elu_vjp.defvjp(
    lambda c, ans, g, x, a: sum_to(_elu_vjp(c, x, a), g.shape),
    lambda c, ans, g, x, a: sum_to(_where_negative(x, _elu_vjp(_ar.strong_mul(c, g), x, a)), x.shape),
)

_selu = Primitive("selu", saves=(0,))
_selu.defvjp(lambda g, ans, x: selu_vjp(g, x))
selu_vjp: Primitive = slope_kernel("selu_vjp", lambda h, x: _where_negative(x, selu_vjp(h, x)), rounded=True)


def elu(x: TensorLike, /, alpha: float | Tensor = 1.0) -> Tensor:
    """Exponential linear unit: x for positive x, else alpha (exp(x) - 1).

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.
    alpha : float or Tensor
        Minus the limit far left; differentiable, if it is a Tensor, which broadcasts with x.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        1 right and alpha exp(x) left of 0; at 0 the one of least norm between alpha and 1.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Source: notes, section 5.4; Clevert et al. 2015.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.elu(ac.tensor([-1.0, 2.0]))
    Tensor([-0.63212055,  2.        ], dtype=float32)
    """
    return _prelu(_elu(x, 1.0), alpha) if type(alpha) is Tensor else _elu(x, alpha)


def selu(x: TensorLike, /) -> Tensor:
    """Scaled exponential linear unit: 1.0507 times elu with alpha 1.6733, which keeps mean 0 and variance 1.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.

    Returns
    -------
    Tensor
        Floating, of the same shape.

    Gradient
        1.0507 right and 1.7581 exp(x) left of 0; at 0 the smaller, 1.0507.

    Accuracy
        Within 2 ULP over the whole range, the gradient too.

    Source: Klambauer et al. 2017.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.selu(ac.tensor([-1.0, 2.0]))
    Tensor([-1.1113307,  2.101402 ], dtype=float32)
    """
    return _selu(x)


# -- Gaussian units ------------------------------------------------------------------------------------------------

_GATE = 2.0 * math.sqrt(2.0 / math.pi)
_CUBIC = 0.044715

_gelu = Primitive("gelu", saves=(0,))
_gelu.defvjp(lambda g, ans, x: gelu_vjp(g, x))
gelu_vjp: Primitive = slope_kernel("gelu_vjp", lambda h, x: _gelu_second(h, x), rounded=True)

_gelu_tanh = Primitive("gelu_tanh", saves=(0,))
_gelu_tanh.defvjp(lambda g, ans, x: gelu_tanh_vjp(g, x))
gelu_tanh_vjp: Primitive = slope_kernel("gelu_tanh_vjp", lambda h, x: _gelu_tanh_second(h, x), rounded=True)

zero_preserving(_leaky_relu_vjp, _prelu_vjp, _prelu_slope_vjp, _elu_vjp)
elementwise(_leaky_relu, _prelu, _elu, _selu, _gelu, _gelu_tanh)


def _gelu_second(h: Tensor, x: Tensor) -> Tensor:
    """h times the normal density times 2 - x²."""
    density = _ar.multiply(_exponential.exp(_ar.multiply(_powers.square(x), -0.5)), 1.0 / math.sqrt(2.0 * math.pi))
    return _ar.strong_mul(_ar.strong_mul(h, density), _ar.subtract(2.0, _powers.square(x)))


def _gelu_tanh_second(h: Tensor, x: Tensor) -> Tensor:
    """For x sigmoid(v): sigmoid'(v) (2 v' + x (v'' - v'² tanh(v/2)))."""
    xx = _powers.square(x)
    v = _ar.multiply(_ar.multiply(x, _GATE), _ar.add(_ar.multiply(xx, _CUBIC), 1.0))
    v1 = _ar.multiply(_ar.add(_ar.multiply(xx, 3.0 * _CUBIC), 1.0), _GATE)
    v2 = _ar.multiply(x, 6.0 * _CUBIC * _GATE)
    inner = _ar.multiply(x, _ar.subtract(v2, _ar.multiply(_powers.square(v1), tanh_half(v))))
    return _ar.strong_mul(sigmoid_vjp(h, v), _ar.add(_ar.multiply(v1, 2.0), inner))


def gelu(x: TensorLike, /, approximate: str = "none") -> Tensor:
    """Gaussian error linear unit: x Φ(x), with Φ the distribution function of the standard normal.

    Parameters
    ----------
    x : Tensor
        Any dtype; integers and bools become the default dtype.
    approximate : {"none", "tanh"}
        "tanh" replaces Φ(x) by (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))/2.

    Returns
    -------
    Tensor
        Floating, of the same shape; 0 at -∞.

    Gradient
        Φ(x) + x φ(x), φ the density; 0 at -∞; a cotangent of 0 stays 0.

    Accuracy
        Within 2 ULP; the gradient within 2 ULP or, where it crosses 0 near x = -0.752, 2^-53 absolute in float64.

    Raises
    ------
    ValueError
        If ``approximate`` is neither of the two.

    Source: Hendrycks and Gimpel 2016.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.gelu(ac.tensor([0.0, 1.0]))
    Tensor([0.       , 0.8413448], dtype=float32)
    """
    checked_choice("gelu", "approximate", approximate, ("none", "tanh"))
    return _gelu_tanh(x) if approximate == "tanh" else _gelu(x)
