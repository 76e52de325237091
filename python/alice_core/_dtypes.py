"""The dtypes of this package, NumPy's and bfloat16, which NumPy does not have; and the numbers of others in them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from . import _core
from .errors import DTypeError, GradientError, ShapeError

__all__ = [
    "DTYPES",
    "BFloat16",
    "DTypeLike",
    "DefaultDtype",
    "as_dtype",
    "as_indices",
    "bfloat16",
    "cast_exactly",
    "checked_dtype",
    "checked_or_default",
    "get_default_dtype",
    "numpy_bfloat16",
    "set_default_dtype",
    "to_numpy",
    "widest",
]


class BFloat16:
    """The dtype ``ac.bfloat16``: float32 without the lower half of its significand, 8 bits precise, as wide in range.

    Has the name, kind and size that NumPy dtypes have. Equal to the dtype of the package ``ml_dtypes``.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.bfloat16, ac.bfloat16.itemsize, ac.bfloat16.kind
    (bfloat16, 2, 'f')
    """

    name = "bfloat16"
    kind = "f"
    itemsize = 2

    def __repr__(self) -> str:
        return "bfloat16"

    def __eq__(self, other: object) -> bool:
        return self is other or _is_bfloat16(other)

    def __hash__(self) -> int:
        return hash("bfloat16")

    def __reduce__(self) -> str:
        return "bfloat16"  # there is one


def _is_bfloat16(dtype: object) -> bool:
    return getattr(dtype, "name", getattr(dtype, "__name__", dtype)) == "bfloat16"


bfloat16 = BFloat16()
float16 = np.dtype(np.float16)
float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int8 = np.dtype(np.int8)
int16 = np.dtype(np.int16)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
uint8 = np.dtype(np.uint8)
uint16 = np.dtype(np.uint16)
uint32 = np.dtype(np.uint32)
uint64 = np.dtype(np.uint64)
bool_ = np.dtype(np.bool_)
_INTEGERS = (uint8, uint16, uint32, uint64, int8, int16, int32, int64)
DTYPES: tuple[Any, ...] = (bool_, *_INTEGERS, float16, bfloat16, float32, float64)
_KNOWN = frozenset(DTYPES)
DTypeLike: TypeAlias = "npt.DTypeLike | BFloat16"


def as_dtype(dtype: DTypeLike) -> Any:
    """The dtype that is meant: NumPy's, or ``bfloat16``."""
    if isinstance(dtype, np.dtype) and dtype.kind != "V":  # to ask NumPy for names takes long
        return dtype
    # NumPy would take that of an array, or make one of several.
    if isinstance(dtype, (tuple, list)) or (hasattr(dtype, "shape") and not isinstance(dtype, (type, np.dtype))):
        raise TypeError(f"expected a dtype; got {type(dtype).__name__}")
    return bfloat16 if _is_bfloat16(dtype) else np.dtype(dtype)  # type: ignore[arg-type]


def checked_dtype(op: str, dtype: DTypeLike) -> Any:
    """The same, if it is one of ours."""
    try:
        wanted = None if dtype is None else as_dtype(dtype)
        if wanted in _KNOWN:
            return wanted
    except (TypeError, ValueError, SyntaxError):  # NumPy makes nothing of it
        wanted = dtype
    several = f"; several numbers are one argument, a tuple: {op}((…, {dtype}))" if isinstance(dtype, int) else ""
    raise DTypeError(f"{op}: dtype must be one of {', '.join(d.name for d in DTYPES)}; got {wanted}{several}")


def checked_or_default(op: str, dtype: DTypeLike | None) -> Any:
    """The same; for None the default."""
    return _core.default_dtype() if dtype is None else checked_dtype(op, dtype)


def widest(dtype: Any) -> Any:
    """The dtype of sums of bools and integers."""
    return uint64 if dtype.kind == "u" else int64


def as_indices(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Integers or bools of NumPy's in a dtype of ours: in the byte order of the machine."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def cast_exactly(op: str, array: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    """The numbers in another dtype of NumPy's; those that an integer dtype does not hold are refused."""
    if dtype.kind not in "iu" or not array.size or np.can_cast(array.dtype, dtype, "safe"):
        return array.astype(dtype, copy=False)
    with np.errstate(invalid="ignore"):  # it is looked for below
        cast = array.astype(dtype)
    limits = np.iinfo(dtype)
    for x in (array.min().item(), array.max().item()):
        if not limits.min - 1 < x < limits.max + 1:  # fractions are cut off; NaN is in no interval
            raise DTypeError(
                f"{op}: expected numbers that {dtype.name} holds, {limits.min} to {limits.max}; got {x}; "
                "choose a wider dtype"
            )
    return cast


def numpy_bfloat16() -> Any:
    """What the package ``ml_dtypes`` gives NumPy for bfloat16; None without it."""
    try:
        return np.dtype(import_module("ml_dtypes").bfloat16)
    except ImportError:
        return None


# -- what others give us -----------------------------------------------------------------------------------------------


def to_numpy(obj: Any, dtype: DTypeLike | None, name: str) -> npt.NDArray[Any]:
    """A NumPy array of one of our dtypes: Python floats get the default, Python ints int64."""
    double = False
    if isinstance(obj, (list, tuple)):
        obj, double = _plain(obj)
    elif type(obj) not in _NUMBERS:
        double = True
    try:
        array = np.asarray(obj)
    except ValueError as error:
        raise ShapeError(
            f"{name}: expected nested lists of equal lengths; got a ragged list ({error}); pad it first"
        ) from None
    if array.dtype.kind == "f" and array is not obj and type(obj) is not float:
        array = _large_integers(name, obj, array, dtype)
    if array.dtype == object and array.size and all(isinstance(x, _REAL) for x in array.flat):  # integers from 2^64 on
        array = _as_floating(name, array, dtype)
    if array.dtype.kind not in "biuf" and array.dtype != bfloat16:
        raise DTypeError(f"{name}: expected numbers; got {type(obj).__name__} that NumPy reads as dtype {array.dtype}")
    if dtype is None and array.dtype == np.float64 and not double:
        dtype = get_default_dtype()
    if dtype is not None and (wanted := checked_dtype(name, dtype)) is not bfloat16:
        array = cast_exactly(name, array, wanted)
    return array


_NUMBERS = frozenset((bool, int, float))
_REAL = (int, float, np.integer, np.floating)


def _as_floating(name: str, exact: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    """Python's numbers in the floating dtype that was asked for, else :class:`DTypeError`."""
    if dtype is None or checked_dtype(name, dtype).kind != "f":
        raise DTypeError(
            f"{name}: expected integers that an integer dtype holds; got some from {_short(exact.min())} to "
            f"{_short(exact.max())}; say which floating one shall, with dtype=ac.float64"
        )
    try:
        return exact.astype(np.float64)
    except OverflowError:
        raise DTypeError(
            f"{name}: expected numbers that a floating dtype holds, at most 1.8e308; got {_short(exact.max())}; "
            f"scale them first, as Python's integers"
        ) from None


def _short(x: Any) -> str:
    return f"an integer of {x.bit_length()} bits" if isinstance(x, int) and x.bit_length() > 200 else str(x)


def _large_integers(name: str, obj: Any, array: npt.NDArray[Any], dtype: Any) -> npt.NDArray[Any]:
    """The array; uint64 where integers from 2^63 on stand beside smaller ones, of which NumPy makes float64."""
    if not array.size or float(array.max()) < 2.0**63:
        return array
    exact = np.asarray(obj, object)
    if not all(isinstance(x, (int, np.integer)) for x in exact.flat):
        return array
    if exact.min() >= 0 and exact.max() < 2**64:
        return exact.astype(np.uint64)
    return _as_floating(name, exact, dtype) if dtype is None else array


def _plain(obj: Any) -> tuple[Any, bool]:
    """Nested lists as NumPy understands them, and whether anything in them is of dtype float64."""
    if isinstance(obj, _core.TensorBase):
        if obj.is_tracked:
            raise GradientError("tensor: a list of Tensors that are being differentiated; join them with ac.stack")
        values: Any = obj
        return values._exact() if obj.ndim else obj.item(), obj.dtype == float64
    if not isinstance(obj, (list, tuple)):
        return obj, getattr(obj, "dtype", float32) == float64
    if _NUMBERS.issuperset(map(type, obj)):
        return obj, False
    items = [_plain(x) for x in obj]
    return [item for item, _ in items], any(double for _, double in items)


# -- the default -------------------------------------------------------------------------------------------------------


class DefaultDtype:
    """What :func:`set_default_dtype` returns: at the end of its ``with`` block the default is what it was before."""

    def __init__(self, dtype: DTypeLike) -> None:
        self._dtype = checked_dtype("set_default_dtype", dtype)
        self._before = _core.exchange_default_dtype(self._dtype)

    def __enter__(self) -> None:
        _core.exchange_default_dtype(self._dtype)

    def __exit__(self, *error: object) -> None:
        _core.exchange_default_dtype(self._before)

    def __repr__(self) -> str:
        return f"<default dtype {self._dtype}, before {self._before}>"


def set_default_dtype(dtype: DTypeLike) -> DefaultDtype:
    """Set the dtype of what has none of its own: from now on, or for a block.

    That are Python's floats, alone and in lists; what is made without a ``dtype`` (``ac.zeros``, ``ac.random.normal``,
    the parameters of layers); and results of floating ops of integers. NumPy arrays and Tensors keep their dtypes, and
    a float beside a floating Tensor takes that of the Tensor.

    Parameters
    ----------
    dtype : float32 or float64
        float32 is what a program starts with.

    Returns
    -------
    DefaultDtype
        For ``with ac.set_default_dtype(ac.float64):``, at whose end the default is what it was before the call.

    Raises
    ------
    DTypeError
        For other dtypes.

    Notes
    -----
    The default belongs to the context (Python's ``contextvars``): other threads and asyncio tasks have their own. A new
    thread begins with float32, a new task with what the code that made it had. Compiled functions have a program for
    each default.

    Examples
    --------
    >>> import alice_core as ac
    >>> with ac.set_default_dtype(ac.float64):
    ...     ac.tensor([0.1]), ac.zeros(1)
    (Tensor([0.1], dtype=float64), Tensor([0.], dtype=float64))
    >>> ac.tensor([0.1])
    Tensor([0.1], dtype=float32)
    """
    return DefaultDtype(dtype)


def get_default_dtype() -> Any:
    """The dtype of what has none of its own; see :func:`set_default_dtype`.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.get_default_dtype()
    dtype('float32')
    """
    return _core.default_dtype()
