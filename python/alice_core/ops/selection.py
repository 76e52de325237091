"""Sign, rounding, extremes, selection and casts, element by element."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

import numpy as np

from .._dtypes import checked_dtype
from ..checks import check_device, checked_flag, checked_int, shown
from ..primitive import Primitive
from ..tensors import abstract, asarray
from . import arithmetic as _arithmetic
from . import comparison as _comparison
from . import identity as _identity
from ._arguments import _is_array
from ._elementwise import elementwise
from .broadcasting import sum_to

if TYPE_CHECKING:
    from ..tensors import DTypeLike, Tensor, TensorLike

__all__ = [
    "abs",
    "astype",
    "ceil",
    "clip",
    "floor",
    "maximum",
    "minimum",
    "round",
    "sign",
    "trunc",
    "where",
]

# -- sign and rounding ------------------------------------------------------------------------------------------------

_abs = Primitive("abs", saves=(0,))
_abs.defvjp(lambda g, ans, x: _abs_vjp(g, x))
_abs_vjp: Primitive = Primitive("abs_vjp", saves=(1,))
_abs_vjp.defvjp(lambda c, ans, g, x: sum_to(_abs_vjp(c, x), g.shape), None)


def _step(name: str) -> Primitive:
    """A primitive that is constant between its jumps."""
    primitive = Primitive(name, saves=())
    primitive.defvjp(None)
    return primitive


_sign = _step("sign")
_floor = _step("floor")
_ceil = _step("ceil")
_round = _step("round")
_trunc = _step("trunc")

elementwise(_abs, _abs_vjp, _sign, _floor, _ceil, _round, _trunc)


def abs(x: TensorLike, /) -> Tensor:
    """Absolute value.

    Parameters
    ----------
    x : Tensor
        Any numeric dtype.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Gradient
        The sign of x; at the kink 0 it is 0, the subgradient of least norm.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.abs(ac.tensor([-2.0, 3.0]))
    Tensor([2., 3.], dtype=float32)
    """
    return _abs(x)


def sign(x: TensorLike, /) -> Tensor:
    """Sign: -1, 0 or 1, and NaN at NaN.

    Parameters
    ----------
    x : Tensor
        Any numeric dtype.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Gradient
        0.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.sign(ac.tensor([-2.0, 0.0, 3.0]))
    Tensor([-1.,  0.,  1.], dtype=float32)
    """
    return _sign(x)


def floor(x: TensorLike, /) -> Tensor:
    """The largest integer not above x, in the dtype of x.

    Parameters
    ----------
    x : Tensor
        Any numeric dtype; integers are returned as they are.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Gradient
        0.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.floor(ac.tensor([-1.5, 1.5]))
    Tensor([-2.,  1.], dtype=float32)
    """
    return _floor(x)


def ceil(x: TensorLike, /) -> Tensor:
    """The smallest integer not below x, in the dtype of x.

    Parameters
    ----------
    x : Tensor
        Any numeric dtype; integers are returned as they are.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Gradient
        0.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.ceil(ac.tensor([-1.5, 1.5]))
    Tensor([-1.,  2.], dtype=float32)
    """
    return _ceil(x)


def round(x: TensorLike, /, decimals: int = 0) -> Tensor:
    """The nearest integer, or the nearest number of so many decimal places; ties to even, in the dtype of x.

    Parameters
    ----------
    x : Tensor
        Any numeric dtype.
    decimals : int
        Digits that stay behind the point; negative ones round to tens, hundreds, and so on.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Gradient
        0.

    Accuracy
        Decimal places are rounded in float64, x times the power of ten, so that a half is what is a half there.

    Raises
    ------
    ValueError
        If there are more than 300 decimals.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.round(ac.tensor([0.5, 1.5, 2.4]))
    Tensor([0., 2., 2.], dtype=float32)
    >>> ac.round(ac.tensor([1.26, 150.0]), 1), ac.round(ac.tensor([25, 150]), -2)
    (Tensor([  1.3, 150. ], dtype=float32), Tensor([  0, 200], dtype=int64))
    """
    places = checked_int("round", "decimals", decimals)
    if places == 0:
        return _round(x)
    if builtins.abs(places) > 300:
        raise ValueError(f"round: decimals must be from -300 to 300; got {shown(places)}")
    x = asarray(x)
    if x.dtype.kind != "f":
        return x if places > 0 else _round_integers(x, -places)
    power = 10.0 ** builtins.abs(places)
    wide = x.astype(np.float64)
    scaled = _arithmetic.multiply(wide, power) if places > 0 else _arithmetic.divide(wide, power)
    near = _round(scaled)
    result = _arithmetic.divide(near, power) if places > 0 else _arithmetic.multiply(near, power)
    # Where the digits lie beyond those of the dtype, x is round as it is.
    result = where(_comparison.less(_abs(scaled), 2.0**53), result, _identity.constant(wide))
    return result.astype(x.dtype)


def _round_integers(x: Tensor, places: int) -> Tensor:
    """To multiples of a power of ten, in integers, which are exact."""
    if places > 18:
        return _arithmetic.multiply(x, 0)
    power = 10**places
    if power > limits(x.dtype)[1]:
        return _round_integers(x.astype(np.int64), places).astype(x.dtype)
    below = _arithmetic.floor_divide(x, power)
    rest = _arithmetic.subtract(x, _arithmetic.multiply(below, power))
    odd = _comparison.not_equal(_arithmetic.remainder(below, 2), 0)
    up = where(odd, _comparison.greater_equal(rest, power // 2), _comparison.greater(rest, power // 2))
    return _arithmetic.multiply(_arithmetic.add(below, up.astype(x.dtype)), power)


def trunc(x: TensorLike, /) -> Tensor:
    """The integral part of x, toward zero, in the dtype of x.

    Parameters
    ----------
    x : Tensor
        Any numeric dtype; integers are returned as they are.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Gradient
        0.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.trunc(ac.tensor([-1.5, 1.5]))
    Tensor([-1.,  1.], dtype=float32)
    """
    return _trunc(x)


# -- extremes and selection -------------------------------------------------------------------------------------------


def _extreme(name: str) -> Primitive:
    """maximum or minimum, whose gradient kernel ``(g, x, y)`` gives the part of x, ties shared."""
    forward, backward = Primitive(name, saves=(0, 1)), Primitive(name + "_vjp", saves=(1, 2))
    forward.defvjp(
        lambda g, ans, x, y: sum_to(backward(g, x, y), x.shape),
        lambda g, ans, x, y: sum_to(backward(g, y, x), y.shape),
    )
    backward.defvjp(lambda c, ans, g, x, y: sum_to(backward(c, x, y), g.shape), None, None)
    elementwise(forward, backward)
    return forward


_maximum = _extreme("maximum")
_minimum = _extreme("minimum")

_clip = Primitive("clip", saves=(0, 1, 2))
_clip.defvjp(
    lambda g, ans, x, low, high: sum_to(_clip_vjp(g, x, low, high), x.shape),
    lambda g, ans, x, low, high: sum_to(
        where(_comparison.logical_and(_comparison.less(x, low), _comparison.less(low, high)), g, 0.0), low.shape
    ),
    lambda g, ans, x, low, high: sum_to(where(_comparison.greater(maximum(x, low), high), g, 0.0), high.shape),
)
_clip_vjp: Primitive = Primitive("clip_vjp", saves=(1, 2, 3))
_clip_vjp.defvjp(lambda c, ans, g, x, low, high: sum_to(_clip_vjp(c, x, low, high), g.shape), None, None, None)

_where = Primitive("where", saves=(0,))
_where.defvjp(
    None,
    lambda g, ans, condition, x, y: sum_to(where(condition, g, 0.0), x.shape),
    lambda g, ans, condition, x, y: sum_to(where(condition, 0.0, g), y.shape),
)

elementwise(_clip, _clip_vjp, _where)


def maximum(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The larger of two, element by element; NaN if either is NaN.

    Parameters
    ----------
    x, y : Tensor
        Any numeric dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Gradient
        1 by the larger, 0 by the other; a tie is shared, ½ each. A NaN takes the gradient of its element.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.maximum(ac.tensor([1.0, 2.0]), 1.5)
    Tensor([1.5, 2. ], dtype=float32)
    """
    return _maximum(x, y)


def minimum(x: TensorLike, y: TensorLike, /) -> Tensor:
    """The smaller of two, element by element; NaN if either is NaN.

    Parameters
    ----------
    x, y : Tensor
        Any numeric dtype, of shapes that broadcast.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Gradient
        1 by the smaller, 0 by the other; a tie is shared, ½ each. A NaN takes the gradient of its element.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.minimum(ac.tensor([1.0, 2.0]), 1.5)
    Tensor([1. , 1.5], dtype=float32)
    """
    return _minimum(x, y)


def limits(dtype: Any) -> tuple[float, float]:
    """The smallest and the largest of the numbers of a dtype, infinities included."""
    if dtype.kind == "f":
        return -np.inf, np.inf
    if dtype.kind == "b":
        return False, True
    found = np.iinfo(dtype)
    return int(found.min), int(found.max)


def _beside_bound(x: Tensor, bound: Any) -> Any:
    """The dtype in which x is bounded."""
    wide = np.dtype(np.int32) if x.dtype.kind == "b" else x.dtype
    if not _is_array(bound):
        return np.dtype(np.float64) if isinstance(bound, float) or _is_real(bound) else wide
    return wide if bound.dtype == wide else where(True, abstract((), wide), abstract((), bound.dtype)).dtype


def _is_real(number: Any) -> bool:
    return getattr(getattr(number, "dtype", None), "kind", "") == "f"


def clip(x: TensorLike, /, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor:
    """Bounded value: ``minimum(maximum(x, min), max)``; NaN stays NaN.

    Parameters
    ----------
    x : Tensor
        Any numeric dtype.
    min, max : Tensor, optional
        Bounds, of shapes that broadcast with x; None is no bound. Where min exceeds max the result is max.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype.

    Gradient
        By x 1 strictly between the bounds, else 0 (at both bounds 0, the subgradient of least norm); by a bound 1
        where it is strictly in force.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.clip(ac.tensor([-2.0, 0.5, 3.0]), 0.0, 1.0)
    Tensor([0. , 0.5, 1. ], dtype=float32)
    """
    x = asarray(x)
    if min is None or max is None:
        lowest, highest = limits(_beside_bound(x, max if min is None else min))
        min, max = lowest if min is None else min, highest if max is None else max
    return _clip(x, min, max)


def where(condition: TensorLike, x: TensorLike, y: TensorLike, /) -> Tensor:
    """x where the condition holds, else y.

    Parameters
    ----------
    condition : Tensor
        bool; other dtypes hold where they are not zero.
    x, y : Tensor
        Any dtype, of shapes that broadcast with the condition.

    Returns
    -------
    Tensor
        Of the broadcast shape and the promoted dtype of x and y.

    Gradient
        1 by the chosen operand, exactly 0 by the other, whose own infinities and NaNs therefore stay out.

    Raises
    ------
    ShapeError
        If the shapes do not broadcast.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([4.0, -1.0])
    >>> ac.where(x > 0, ac.sqrt(x), 0.0)
    Tensor([2., 0.], dtype=float32)
    """
    return _where(condition, x, y)


# -- casts ------------------------------------------------------------------------------------------------------------

_astype = Primitive("astype", saves=())
_astype.defvjp(lambda g, ans, x, dtype: astype(g, x.dtype) if g.dtype.kind == "f" and x.dtype.kind == "f" else None)
elementwise(_astype)
# Not its own adjoint: a tangent goes the other way.
_astype.defjvp(lambda t, ans, x, dtype: astype(t, ans.dtype) if ans.dtype.kind == "f" else None)


def astype(x: TensorLike, dtype: DTypeLike, /, *, copy: bool = True, device: str | None = None) -> Tensor:
    """The same values in another dtype.

    Parameters
    ----------
    x : Tensor
        Any dtype.
    dtype : dtype
        One of bool, int8 to int64, uint8 to uint64, float16, bfloat16, float32, float64.
    copy : bool
        Tensors are values: x itself is as good as a copy, and is returned where it has the dtype, whatever this says.
    device : "cpu", optional
        Where all Tensors are.

    Returns
    -------
    Tensor
        Of the same shape; x itself if it has that dtype. Floating to integer truncates toward zero, saturates at
        the range of the integer and takes NaN to 0; integers wrap around; to bool is "not zero".

    Gradient
        1 between floating dtypes; none through integers.

    Raises
    ------
    DTypeError
        If the dtype is none of the above.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.astype(ac.tensor([-1.5, 2.5]), ac.int32)
    Tensor([-1,  2], dtype=int32)
    """
    wanted = checked_dtype("astype", dtype)
    checked_flag("astype", "copy", copy)
    check_device("astype", device)
    x = asarray(x)
    return x if x.dtype == wanted else _astype(x, wanted)
