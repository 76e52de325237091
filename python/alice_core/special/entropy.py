"""What entropies and divergences are sums of, with 0 log 0 = 0."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..ops import arithmetic as _ar
from ..ops import comparison as _comparison
from ..ops import selection as _selection
from ..ops._elementwise import elementwise
from ..ops.broadcasting import sum_to
from ..ops.exponential import log, log1p
from ..primitive import Primitive

if TYPE_CHECKING:
    from ..tensors import Tensor, TensorLike

__all__ = ["entr", "rel_entr", "xlog1py"]

#: Exponents by the bytes of an item.
_LEAST_NORMAL = {2: -14, 4: -126, 8: -1022}


def _log_ratio(x: Tensor, y: Tensor) -> Tensor:
    """log(x/y), where x/y is too large or too small for a normal number, too."""
    ratio = _ar.divide(x, y)
    least = 2.0 ** _LEAST_NORMAL[ratio.dtype.itemsize]
    normal = _comparison.logical_and(_comparison.greater_equal(ratio, least), _comparison.less(ratio, math.inf))
    return _selection.where(normal, log(ratio), _ar.subtract(log(x), log(y)))


_rel_entr = Primitive("rel_entr", saves=(0, 1))
_rel_entr.defvjp(
    lambda g, ans, x, y: sum_to(_ar.strong_mul(g, _ar.add(_log_ratio(x, y), 1.0)), x.shape),
    lambda g, ans, x, y: sum_to(_ar.negative(_ar.strong_div(_ar.strong_mul(g, x), y)), y.shape),
)

_xlog1py = Primitive("xlog1py", saves=(0, 1))
_xlog1py.defvjp(
    lambda g, ans, x, y: sum_to(_ar.strong_mul(g, log1p(y)), x.shape),
    lambda g, ans, x, y: sum_to(_ar.strong_div(_ar.strong_mul(g, x), _ar.add(y, 1.0)), y.shape),
)

elementwise(_rel_entr, _xlog1py)


def entr(x: TensorLike, /) -> Tensor:
    """A part of an entropy: ``y = -x log x``; 0 at 0, -∞ for negative x.

    Parameters
    ----------
    x : Tensor
        Any shape, floating; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the shape and dtype of x, in nats if x are probabilities.

    Gradient
        ``-log x - 1``: ∞ at 0, NaN for negative x.

    Accuracy
        Within 2 ULP, the slope within 2 of the larger of 1 and ``|log x|``.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.entr(ac.tensor([0.0, 0.5, 1.0]))
    Tensor([ 0.       ,  0.3465736, -0.       ], dtype=float32)
    """
    return _ar.negative(_rel_entr(x, 1.0))  # xlogy(x, x) has a second derivative of ∞ - ∞ next to 0


def rel_entr(x: TensorLike, y: TensorLike, /) -> Tensor:
    """A part of a Kullback-Leibler divergence: ``x log(x/y)``; 0 at x = 0, ∞ where that is not defined.

    Parameters
    ----------
    x, y : Tensor
        Floating, of shapes that broadcast; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype, in nats if x and y are probabilities.

    Gradient
        ``log(x/y) + 1`` by x, however far x and y are apart; ``-x/y`` by y.

    Accuracy
        Within 3 ULP, where x and y are nearly equal too.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.rel_entr(ac.tensor([0.0, 0.5, 0.5]), ac.tensor([0.2, 0.5, 0.25]))
    Tensor([0.       , 0.       , 0.3465736], dtype=float32)
    """
    return _rel_entr(x, y)


def xlog1py(x: TensorLike, y: TensorLike, /) -> Tensor:
    """``x log(1 + y)``, and 0 at x = 0 unless y is NaN.

    Parameters
    ----------
    x, y : Tensor
        Floating, of shapes that broadcast; integers become the default dtype.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Gradient
        ``log(1 + y)`` by x, ``x/(1 + y)`` by y.

    Accuracy
        Within 2 ULP.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.special.xlog1py(ac.tensor([0.0, 2.0]), ac.tensor([-1.0, 1e-3]))
    Tensor([0.        , 0.00199900], dtype=float32)
    """
    return _xlog1py(x, y)
