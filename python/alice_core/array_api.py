"""What the Array API standard (2024.12) asks of a namespace beside functions of arrays: dtypes, and what there is.

Source: https://data-apis.org/array-api/2024.12
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import _core
from ._dtypes import DTYPES, as_dtype, bfloat16, checked_dtype, get_default_dtype
from .checks import check_device, shown
from .errors import DTypeError, ShapeError
from .ops import selection as _selection
from .ops.creation import zeros_like
from .tensors import Tensor, abstract, asarray

if TYPE_CHECKING:
    from ._dtypes import DTypeLike
    from .tensors import TensorLike

__all__ = [
    "broadcast_shapes",
    "can_cast",
    "conj",
    "finfo",
    "from_dlpack",
    "iinfo",
    "imag",
    "isdtype",
    "positive",
    "real",
    "result_type",
]


# -- arrays of others --------------------------------------------------------------------------------------------------


def from_dlpack(obj: Any, *, copy: bool | None = None, device: str | None = None) -> Tensor:
    """A Tensor from any object that speaks DLPack (PyTorch, JAX, CuPy on the CPU, …).

    Parameters
    ----------
    obj : object with ``__dlpack__`` and ``__dlpack_device__``
        On the CPU.
    copy : bool, optional
        As in :func:`asarray`: bools are always copied, as 0 and 1.
    device : "cpu", optional
        Where all Tensors are.

    Raises
    ------
    ValueError
        If ``copy=False`` is asked for bools.

    Examples
    --------
    >>> import alice_core as ac, numpy as np
    >>> ac.from_dlpack(np.ones(2))
    Tensor([1., 1.], dtype=float64)
    """
    check_device("from_dlpack", device)
    return asarray(np.from_dlpack(obj), copy=copy)


# -- dtypes ------------------------------------------------------------------------------------------------------------


class FInfo(NamedTuple):
    """Limits of a floating dtype, as Python numbers."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: Any


class IInfo(NamedTuple):
    """Limits of an integer dtype, as Python numbers."""

    bits: int
    max: int
    min: int
    dtype: Any


def _dtype_of(op: str, given: Any) -> Any:
    """That of an array, or the dtype itself."""
    if isinstance(given, (Tensor, np.ndarray, np.generic)):
        given = given.dtype
    return checked_dtype(op, given)


def finfo(dtype: DTypeLike | Tensor, /) -> FInfo:
    """Limits of a floating dtype: bits, eps, max, min, smallest_normal, dtype.

    Parameters
    ----------
    dtype : floating dtype, or Tensor of one

    Raises
    ------
    DTypeError
        For other dtypes.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.finfo(ac.float32).eps, ac.finfo(ac.bfloat16).bits
    (1.1920928955078125e-07, 16)
    """
    wanted = _dtype_of("finfo", dtype)
    if wanted.kind != "f":
        raise DTypeError(f"finfo: expected a floating dtype; got {wanted.name}; of integers ask ac.iinfo")
    if wanted is bfloat16:
        largest = 255.0 * 2.0**120
        return FInfo(16, 2.0**-7, largest, -largest, 2.0**-126, wanted)
    found: Any = np.finfo(wanted)
    return FInfo(found.bits, float(found.eps), float(found.max), float(found.min), float(found.smallest_normal), wanted)


def iinfo(dtype: DTypeLike | Tensor, /) -> IInfo:
    """Limits of an integer dtype: bits, max, min, dtype.

    Parameters
    ----------
    dtype : integer dtype, or Tensor of one

    Raises
    ------
    DTypeError
        For other dtypes.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.iinfo(ac.uint8).max
    255
    """
    wanted = _dtype_of("iinfo", dtype)
    if wanted.kind not in "iu":
        raise DTypeError(f"iinfo: expected an integer dtype; got {wanted.name}; of floating dtypes ask ac.finfo")
    found = np.iinfo(wanted)
    return IInfo(int(found.bits), int(found.max), int(found.min), wanted)


#: Kinds of dtypes by the standard's names: the letters of NumPy's kinds.
_KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


def isdtype(dtype: DTypeLike, kind: Any) -> bool:
    """Whether a dtype is of a kind, or is another dtype, or any of several.

    Parameters
    ----------
    dtype : dtype
    kind : dtype, str, or tuple of these
        "bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating" or "numeric".

    Raises
    ------
    ValueError
        For other kinds.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.isdtype(ac.float32, "real floating"), ac.isdtype(ac.int64, (ac.bool, "unsigned integer"))
    (True, False)
    """
    wanted = checked_dtype("isdtype", dtype)
    if isinstance(kind, tuple):
        return any(isdtype(wanted, k) for k in kind)
    if isinstance(kind, str):
        if kind not in _KINDS:
            raise ValueError(f"isdtype: kind must be a dtype, one of {', '.join(_KINDS)}, or a tuple; got {kind!r}")
        return wanted.kind in _KINDS[kind]
    same: bool = wanted == as_dtype(kind)
    return same


def result_type(*arrays_and_dtypes: Any) -> Any:
    """The dtype that an op of all these gives.

    Parameters
    ----------
    *arrays_and_dtypes : Tensor, dtype or number
        At least one that is no Python number. Of numbers the kind counts alone, beside what has a dtype.

    Returns
    -------
    dtype

    Raises
    ------
    DTypeError
        If there is nothing but numbers, and for uint64 beside signed integers: no integer dtype holds both.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.result_type(ac.uint8, ac.int32), ac.result_type(ac.ones(2), ac.int64, 1.0)
    (dtype('int32'), dtype('float32'))
    """
    numbers = [x for x in arrays_and_dtypes if isinstance(x, (bool, int, float)) and not isinstance(x, np.generic)]
    typed = [x for x in arrays_and_dtypes if not any(x is n for n in numbers)]
    if not typed:
        raise DTypeError("result_type: expected an array or a dtype; got nothing but numbers; make one ac.asarray(x)")
    dtypes = [_dtype_of("result_type", x) for x in typed]
    _core.check_signs("result_type", dtypes)
    found = reduce(_promoted, [abstract((), d) for d in sorted(dtypes, key=lambda d: d.kind != "f")])
    return reduce(_promoted, [type(n)(0) for n in numbers], found).dtype


def _promoted(x: Tensor, y: Any) -> Tensor:
    return _selection.where(True, x, y)


def can_cast(from_: DTypeLike | Tensor, to: DTypeLike, /) -> bool:
    """Whether promotion takes one dtype to the other: to a dtype of its kind that holds all of its numbers.

    Parameters
    ----------
    from_ : dtype or Tensor
    to : dtype

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.can_cast(ac.int32, ac.int64), ac.can_cast(ac.float64, ac.float32), ac.can_cast(ac.int32, ac.float64)
    (True, False, False)
    """
    source, target = _dtype_of("can_cast", from_), checked_dtype("can_cast", to)
    if source == target:
        return True
    if source.kind in "iu" and target.kind in "iu":
        return iinfo(target).min <= iinfo(source).min and iinfo(source).max <= iinfo(target).max
    return bool(source.kind == target.kind and result_type(source, target) == target)


# -- shapes and numbers ------------------------------------------------------------------------------------------------


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which arrays of all these are broadcast.

    Raises
    ------
    ShapeError
        If there is none.
    DTypeError
        If one is no shape: of arrays it is ``x.shape``.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.broadcast_shapes((3, 1), (4,))
    (3, 4)
    """
    for shape in shapes:
        if isinstance(shape, Tensor):  # whose rows would be asked one by one
            raise DTypeError(f"broadcast_shapes: shapes must be tuples of ints; got {shown(shape)}; write x.shape")
    try:
        return tuple(int(n) for n in np.broadcast_shapes(*shapes))
    except ValueError:
        given = ", ".join(map(str, shapes))
        raise ShapeError(f"broadcast_shapes: dimensions must be equal or 1; got shapes {given}") from None


def positive(x: TensorLike, /) -> Tensor:
    """x itself: ``+x``.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.positive(ac.tensor([-1.0]))
    Tensor([-1.], dtype=float32)
    """
    return asarray(x)


def conj(x: TensorLike, /) -> Tensor:
    """x itself: all numbers are real.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.conj(ac.tensor([2.0]))
    Tensor([2.], dtype=float32)
    """
    return asarray(x)


def real(x: TensorLike, /) -> Tensor:
    """x itself: all numbers are real.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.real(ac.tensor([2.0]))
    Tensor([2.], dtype=float32)
    """
    return asarray(x)


def imag(x: TensorLike, /) -> Tensor:
    """Zeros: all numbers are real.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.imag(ac.tensor([2.0]))
    Tensor([0.], dtype=float32)
    """
    return zeros_like(x)


# -- what there is -----------------------------------------------------------------------------------------------------

#: The kinds by which ``dtypes()`` is asked, which has no bool among numbers.
_STANDARD = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


class ArrayNamespaceInfo:
    """What ``ac.__array_namespace_info__()`` returns: devices, dtypes and capabilities, as the standard asks for them.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.__array_namespace_info__().devices()
    ['cpu']
    """

    def capabilities(self) -> dict[str, Any]:
        """Boolean indexing, shapes that depend on values, and the most axes that an array may have."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 12}

    def default_device(self) -> str:
        """``"cpu"``."""
        return "cpu"

    def devices(self) -> list[str]:
        """The only device."""
        return ["cpu"]

    def default_dtypes(self, *, device: str | None = None) -> dict[str, Any]:
        """The dtypes of Python's numbers, and of indices. There are no complex numbers."""
        check_device("default_dtypes", device)
        default, index = get_default_dtype(), np.dtype(np.int64)
        return {"real floating": default, "integral": index, "indexing": index}

    def dtypes(self, *, device: str | None = None, kind: Any = None) -> dict[str, Any]:
        """The standard's dtypes that there are, by name; ``kind`` is one of :func:`isdtype`, or a tuple of them."""
        check_device("dtypes", device)
        found = {d.name: d for d in DTYPES if d.name in _STANDARD}
        if kind is not None and not isinstance(kind, (str, tuple)):
            raise ValueError(f"dtypes: kind must be a str or a tuple of them; got {shown(kind)}")
        return found if kind is None else {n: d for n, d in found.items() if isdtype(d, kind)}


def __array_namespace_info__() -> ArrayNamespaceInfo:
    return ArrayNamespaceInfo()
