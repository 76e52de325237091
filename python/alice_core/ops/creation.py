"""Creation: tensors of given values. None of these is differentiated; all results own their memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._dtypes import bfloat16, cast_exactly, checked_dtype, checked_or_default, get_default_dtype, to_numpy
from ..checks import check_device, checked_flag, checked_int, checked_number, shown
from ..errors import ShapeError
from ..tensors import Tensor, asarray
from . import arithmetic as _arithmetic
from . import broadcasting as _broadcasting
from . import joining as _joining
from . import selection as _selection
from . import views as _views
from ._arguments import _ints

if TYPE_CHECKING:
    import numpy.typing as npt

    from ..tensors import DTypeLike, TensorLike

__all__ = [
    "arange",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "meshgrid",
    "ones",
    "ones_like",
    "zeros",
    "zeros_like",
]


def _shape(op: str, shape: int | Sequence[int]) -> tuple[int, ...]:
    extents = _ints(op, "shape", shape)
    items = 1
    for n in extents:
        items *= max(n, 1)
    if items >= 1 << 59 or (extents and min(extents) < 0):
        raise ShapeError(f"{op}: dimensions must not be negative, nor too many to address; got {extents}")
    return extents


def _own(op: str, array: npt.NDArray[Any], dtype: DTypeLike | None) -> Tensor:
    """The numbers, which NumPy computed in whatever dtype, rounded once."""
    wanted = checked_or_default(op, dtype)
    result: Tensor
    if wanted is bfloat16:
        result = _core.cast(_core.tensor(array, True), wanted)
    else:
        result = _core.tensor(cast_exactly(op, array, wanted), True)
    return result


def _filled(
    op: str,
    make: Callable[..., npt.NDArray[Any]],
    shape: int | Sequence[int],
    dtype: DTypeLike | None,
    device: str | None = None,
) -> Tensor:
    check_device(op, device)
    wanted = checked_or_default(op, dtype)
    if wanted is bfloat16:
        return _own(op, make(_shape(op, shape), np.uint8), wanted)
    result: Tensor = _core.tensor(make(_shape(op, shape), wanted), True)
    return result


def zeros(shape: int | Sequence[int], dtype: DTypeLike | None = None, *, device: str | None = None) -> Tensor:
    """Zeros.

    Parameters
    ----------
    shape : int or tuple of int
    dtype : dtype, optional
        None: the default, float32 unless :func:`alice_core.set_default_dtype` says something else.
    device : "cpu", optional
        Where all Tensors are.

    Returns
    -------
    Tensor, shape ``shape``

    Raises
    ------
    ShapeError
        If a dimension is negative.
    DeviceError
        For other devices.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.zeros((2, 2))
    Tensor([[0., 0.],
            [0., 0.]], dtype=float32)
    """
    return _filled("zeros", np.zeros, shape, dtype, device)


def ones(shape: int | Sequence[int], dtype: DTypeLike | None = None, *, device: str | None = None) -> Tensor:
    """Ones; parameters and errors as for :func:`zeros`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.ones(3)
    Tensor([1., 1., 1.], dtype=float32)
    """
    return _filled("ones", np.ones, shape, dtype, device)


def empty(shape: int | Sequence[int], dtype: DTypeLike | None = None, *, device: str | None = None) -> Tensor:
    """Elements of no particular value; parameters and errors as for :func:`zeros`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.empty((2, 3)).shape
    (2, 3)
    """
    return _filled("empty", np.zeros, shape, dtype, device)


def full(
    shape: int | Sequence[int],
    fill_value: TensorLike,
    dtype: DTypeLike | None = None,
    *,
    device: str | None = None,
) -> Tensor:
    """One value everywhere.

    Parameters
    ----------
    shape : int or tuple of int
    fill_value : number, or 0-d Tensor
        Differentiable, if it is a Tensor.
    dtype : dtype, optional
        None: the default for floats, int64 for ints, bool for bools; that of a Tensor.

    Returns
    -------
    Tensor, shape ``shape``

    Raises
    ------
    ShapeError
        If a dimension is negative.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.full(2, 0.5), ac.full(2, 7)
    (Tensor([0.5, 0.5], dtype=float32), Tensor([7, 7], dtype=int64))
    """
    return _full("full", shape, fill_value, dtype, device)


def _full(
    op: str, shape: int | Sequence[int], fill_value: TensorLike, dtype: DTypeLike | None, device: str | None
) -> Tensor:
    check_device(op, device)
    extents = _shape(op, shape)
    wanted = None if dtype is None else checked_dtype(op, dtype)
    value = asarray(fill_value, wanted) if isinstance(fill_value, Tensor) else to_numpy(fill_value, wanted, op)
    try:
        if isinstance(value, Tensor):
            return _joining.copy(_broadcasting.broadcast_to(value, extents))
        return _own(op, np.broadcast_to(value, extents), value.dtype if wanted is None else wanted)
    except ValueError:
        raise ShapeError(f"{op}: fill_value must broadcast to shape {extents}; got shape {value.shape}") from None


def zeros_like(x: TensorLike, /, dtype: DTypeLike | None = None, *, device: str | None = None) -> Tensor:
    """Zeros of the shape and, unless told otherwise, the dtype of ``x``, which may be abstract.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.zeros_like(ac.tensor([1.0, 2.0]))
    Tensor([0., 0.], dtype=float32)
    """
    x = asarray(x)
    return _filled("zeros_like", np.zeros, x.shape, x.dtype if dtype is None else dtype, device)


def is_zero(x: Tensor) -> bool:
    """Whether it is the zero that reverse mode writes for what did not arrive."""
    return not x.is_tracked and x._one_zero


def ones_like(x: TensorLike, /, dtype: DTypeLike | None = None, *, device: str | None = None) -> Tensor:
    """Ones of the shape and, unless told otherwise, the dtype of ``x``, which may be abstract.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.ones_like(ac.tensor([1.0, 2.0]))
    Tensor([1., 1.], dtype=float32)
    """
    x = asarray(x)
    return _filled("ones_like", np.ones, x.shape, x.dtype if dtype is None else dtype, device)


def empty_like(x: TensorLike, /, dtype: DTypeLike | None = None, *, device: str | None = None) -> Tensor:
    """Elements of no particular value, in the shape and, unless told otherwise, the dtype of ``x``.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.empty_like(ac.tensor([1.0, 2.0])).shape
    (2,)
    """
    x = asarray(x)
    return _filled("empty_like", np.zeros, x.shape, x.dtype if dtype is None else dtype, device)


def full_like(
    x: TensorLike, /, fill_value: TensorLike, dtype: DTypeLike | None = None, *, device: str | None = None
) -> Tensor:
    """One value, in the shape and, unless told otherwise, the dtype of ``x``, which may be abstract.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.full_like(ac.tensor([1.0, 2.0]), 3)
    Tensor([3., 3.], dtype=float32)
    """
    x = asarray(x)
    return _full("full_like", x.shape, fill_value, x.dtype if dtype is None else dtype, device)


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    dtype: DTypeLike | None = None,
    *,
    device: str | None = None,
) -> Tensor:
    """Numbers from ``start`` up to, but without, ``stop``, ``step`` apart; ``arange(n)`` counts from 0.

    Parameters
    ----------
    start, stop, step : int or float
    dtype : dtype, optional
        None: int64 if all are ints, uint64 where that does not hold them; else the default.

    Returns
    -------
    Tensor, shape (ceil((stop - start) / step),)

    Raises
    ------
    ValueError
        If the step is zero, or no integer dtype holds the ints.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.arange(3), ac.arange(1, 2, 0.5)
    (Tensor([0, 1, 2], dtype=int64), Tensor([1. , 1.5], dtype=float32))
    """
    check_device("arange", device)
    start, step = _number("arange", "start", start), _number("arange", "step", step)
    if step == 0:
        raise ValueError("arange: step must not be zero")
    start, stop = (0, start) if stop is None else (start, _number("arange", "stop", stop))
    try:
        if type(start) is type(stop) is type(step) is int:
            values = _counted(start, stop, step)
        else:
            values = np.arange(start, stop, step)  # in float64, then rounded once
    except ValueError as error:
        why = str(error).removeprefix("arange: ")
        raise ValueError(
            f"arange: {why}; got start {shown(start)}, stop {shown(stop)}, step {shown(step)}; count less far"
        ) from None
    if dtype is None:
        dtype = get_default_dtype() if values.dtype.kind == "f" else values.dtype
    return _own("arange", values, dtype)


def _counted(start: int, stop: int, step: int) -> npt.NDArray[Any]:
    """Integers exactly, of int64 or else uint64: NumPy goes by way of float64 from 2^63 on."""
    n = max(0, -((start - stop) // step))
    if n >= 1 << 59:
        raise ValueError("these are too many numbers to address")
    low, high = sorted((start, start + (n - 1) * step)) if n else (0, 0)
    if low < -(2**63) or high >= (2**63 if low < 0 else 2**64):
        raise ValueError(f"the numbers go from {low} to {high}, which no integer dtype holds; use floats")
    bits = np.arange(n, dtype=np.uint64) * np.array(step % 2**64, np.uint64) + np.array(start % 2**64, np.uint64)
    return bits if high >= 2**63 else bits.view(np.int64)


def linspace(
    start: TensorLike,
    /,
    stop: TensorLike,
    num: int,
    dtype: DTypeLike | None = None,
    endpoint: bool = True,
    *,
    device: str | None = None,
) -> Tensor:
    """``num`` numbers at equal distances from ``start`` to ``stop``.

    Parameters
    ----------
    start, stop : float or 0-d Tensor
        Differentiable, if they are Tensors.
    num : int
    dtype : dtype, optional
    endpoint : bool
        Whether ``stop`` is the last number, or would be the next.

    Returns
    -------
    Tensor, shape (num,)

    Accuracy
    --------
    Computed in float64 and rounded once.

    Raises
    ------
    ShapeError
        If ``num`` is negative.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.linspace(0, 1, 5)
    Tensor([0.  , 0.25, 0.5 , 0.75, 1.  ], dtype=float32)
    """
    check_device("linspace", device)
    (count,) = _shape("linspace", checked_int("linspace", "num", num))
    endpoint = checked_flag("linspace", "endpoint", endpoint)
    if isinstance(start, Tensor) or isinstance(stop, Tensor):
        return _between(start, stop, count, dtype, endpoint)
    first, last = checked_number("linspace", "start", start), checked_number("linspace", "stop", stop)
    part = 0.25 if np.isinf(last - first) else 1.0  # a distance that is no number between numbers that are
    return _own("linspace", np.linspace(part * first, part * last, count, endpoint=endpoint) / part, dtype)


def _between(start: TensorLike, stop: TensorLike, count: int, dtype: DTypeLike | None, endpoint: bool) -> Tensor:
    """As NumPy does it, in differentiable ops."""
    wanted, double = checked_or_default("linspace", dtype), np.dtype(np.float64)
    first, last = asarray(start, double), asarray(stop, double)
    if first.ndim or last.ndim:
        raise ShapeError(f"linspace: start and stop must be numbers; got shapes {first.shape} and {last.shape}")
    steps = max(count - endpoint, 1)
    places = np.arange(count, dtype=np.float64)
    numbers = _arithmetic.add(_arithmetic.multiply(places, _arithmetic.divide(last - first, steps)), first)
    if endpoint and count > 1:
        numbers = _selection.where(places == steps, last, numbers)
    return _selection.astype(numbers, wanted)


def _number(op: str, name: str, value: float) -> float:
    """An int as it is, for the dtype follows from it."""
    return checked_int(op, name, value) if _is_integer(value) else checked_number(op, name, value)


def _is_integer(value: Any) -> bool:
    return getattr(getattr(value, "dtype", None), "kind", "") in ("i", "u") or type(value) is int


def eye(
    N: int,
    /,
    M: int | None = None,
    k: int = 0,
    dtype: DTypeLike | None = None,
    *,
    device: str | None = None,
) -> Tensor:
    """Ones on the k-th diagonal, zeros elsewhere: the identity matrix for ``eye(n)``.

    Parameters
    ----------
    N, M : int
        Numbers of rows and columns; a square matrix if ``M`` is left out.
    k : int
        0 is the main diagonal, positive numbers lie above it.
    dtype : dtype, optional

    Returns
    -------
    Tensor, shape (N, M)

    Raises
    ------
    ShapeError
        If a dimension is negative.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.eye(2)
    Tensor([[1., 0.],
            [0., 1.]], dtype=float32)
    """
    check_device("eye", device)
    rows, cols = _shape("eye", (N, N if M is None else M))
    k = min(max(checked_int("eye", "k", k), -rows), cols)
    return _own("eye", np.eye(rows, cols, k, dtype=np.uint8), dtype)


def meshgrid(*arrays: TensorLike, indexing: str = "xy") -> list[Tensor]:
    """The coordinates of a grid from those of its axes, views.

    Parameters
    ----------
    *arrays : Tensor, shape (N,)
        Coordinates along each axis.
    indexing : "xy" or "ij"
        Whether the first array runs along the columns, as x does in a picture, or along the rows.

    Returns
    -------
    list of Tensor, each of shape (N1, N2, N3, ...) for "ij", (N2, N1, N3, ...) for "xy"

    Gradient
    --------
    The sum over the other axes.

    Raises
    ------
    ShapeError
        If an array is not 1-d.
    ValueError
        If ``indexing`` is neither of the two.

    Examples
    --------
    >>> import alice_core as ac
    >>> x, y = ac.meshgrid(ac.tensor([1, 2, 3]), ac.tensor([10, 20]))
    >>> y
    Tensor([[10, 10, 10],
            [20, 20, 20]], dtype=int64)
    """
    if not isinstance(indexing, str) or indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij'; got {indexing!r}")
    tensors = [asarray(x) for x in arrays]
    axes = list(range(len(tensors)))
    if indexing == "xy" and len(axes) > 1:
        axes[:2] = [1, 0]
    shape = [0] * len(tensors)
    for x, axis in zip(tensors, axes, strict=True):
        if x.ndim != 1:
            raise ShapeError(f"meshgrid: arrays must be 1-d; got shape {x.shape}")
        shape[axis] = x.shape[0]
    grids = []
    for x, axis in zip(tensors, axes, strict=True):
        along = _views.reshape(x, (1,) * axis + x.shape + (1,) * (len(tensors) - axis - 1))
        grids.append(_broadcasting.broadcast_to(along, tuple(shape)))
    return grids
