"""Tensor: an n-dimensional array of one element type that remembers how it was made.

Source: notes, section 2.1.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, final

import numpy as np
import numpy.typing as npt

from . import _core
from ._dtypes import DTYPES as DTYPES
from ._dtypes import DTypeLike as DTypeLike
from ._dtypes import as_dtype, cast_exactly, checked_dtype, checked_or_default, get_default_dtype
from ._dtypes import bfloat16 as bfloat16
from ._dtypes import bool_ as bool_
from ._dtypes import float16 as float16
from ._dtypes import float32 as float32
from ._dtypes import float64 as float64
from ._dtypes import int32 as int32
from ._dtypes import int64 as int64
from ._dtypes import uint8 as uint8
from ._elsewhere import Elsewhere
from .checks import check_device
from .errors import DTypeError, GradientError, ShapeError, TraceError
from .methods import ArrayMethods, with_array_methods

if TYPE_CHECKING:
    from . import ops  # at run time ops/__init__.py puts itself here: the ops are written in Tensors

    _Base = ArrayMethods
else:
    _Base = _core.TensorBase

TensorLike: TypeAlias = "_core.TensorBase | npt.NDArray[Any] | np.generic | bool | int | float"
Axis: TypeAlias = "int | tuple[int, ...] | None"

__all__ = ["Tensor", "abstract", "asarray", "from_dlpack", "tensor"]


@final
@with_array_methods
class Tensor(_Base):
    """An n-dimensional array of numbers of one dtype. Made by :func:`tensor`, :func:`asarray` and every op.

    Tensors are values: ops return new ones. Only parameters change in place, through :meth:`assign_` and optimisers.
    Operators, indexing and broadcasting are NumPy's. NumPy arrays and Python numbers may stand on either side of an
    operator; Python and NumPy scalars take the dtype of the Tensor beside them.

    Examples
    --------
    >>> import alice_core as ac
    >>> x = ac.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x.shape, x.dtype.name
    ((2, 2), 'float32')
    >>> x @ x.T
    Tensor([[ 5., 11.],
            [11., 25.]], dtype=float32)
    """

    __slots__ = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> Tensor:
        raise DTypeError("Tensor: expected a call of ac.tensor; got one of the class; write ac.tensor([1.0, 2.0])")

    # -- shape and dtype ------------------------------------------------------------------------------------------

    def _assign_requires_grad(self, on: bool) -> NoReturn:
        raise AttributeError(
            f"requires_grad: expected a call; got an assignment of {on!r}; write x.requires_grad_({on!r}), or make a "
            f"parameter with ac.nn.Parameter(x)"
        )

    if not TYPE_CHECKING:  # where it is the read-only property of TensorBase
        requires_grad = property(
            _core.TensorBase.requires_grad.__get__, _assign_requires_grad, doc=_core.TensorBase.requires_grad.__doc__
        )

    @property
    def is_leaf(self) -> bool:
        """Whether this is a parameter or a constant: not the result of a recorded op."""
        return self._producer is None

    @property
    def is_weak(self) -> bool:
        """Whether this is a number of a call that is being compiled: it takes the dtype of the Tensors beside it."""
        return self._weak

    @property
    def nbytes(self) -> int:
        """Size of the elements in bytes."""
        return int(self.size * self.dtype.itemsize)

    @property
    def itemsize(self) -> int:
        """Size of one element in bytes."""
        return int(self.dtype.itemsize)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len: expected a Tensor with at least one axis; got a 0-d Tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Tensor:
        return ops.keys.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError(
            "Tensors are values and do not support item assignment; write y = x.at[key].set(value) (or .add, "
            ".multiply, .min, .max) for one that differs there, or change a whole parameter with p.assign_(value)"
        )

    def conj(self) -> Tensor:
        """The Tensor itself: all numbers are real."""
        return self

    @property
    def at(self) -> ops.updates.At:
        """Places to change in a copy: ``x.at[key].set(v)``, add, multiply, min, max; see :class:`ops.updates.At`."""
        return ops.updates.At(self)

    # -- values ---------------------------------------------------------------------------------------------------

    def numpy(self, *, writable: bool = False) -> npt.NDArray[Any]:
        """The elements as a NumPy array on the same memory, read-only unless ``writable=True``.

        Writing through a writable view is not seen by the trace: never do it between an op and its gradient. If another
        thread may change this Tensor, take the view of a copy, ``ac.tensor(x).numpy()``: a view shows half a change.

        Raises
        ------
        ValueError
            If bools are to be writable: a byte other than 0 and 1 must not come into a Tensor.
        """
        if writable and self.dtype == np.bool_:
            raise ValueError(
                "numpy: bools are read-only, since bytes other than 0 and 1 could be written through the view; "
                "make a new Tensor from a changed copy"
            )
        array: npt.NDArray[Any] = self._numpy(writable)
        return array

    def tolist(self) -> Any:
        """The elements as nested Python lists."""
        return self._exact().tolist()

    def tobytes(self) -> bytes:
        """The elements in C order as bytes, those of bfloat16 as float32."""
        return self._exact().tobytes()

    def _exact(self) -> npt.NDArray[Any]:
        """The elements in a dtype that NumPy has."""
        stored: Any = self.dtype
        array: npt.NDArray[Any] = _core.cast(self, float32).numpy() if stored is bfloat16 else self.numpy()
        return array

    def __bool__(self) -> bool:
        return bool(self._constant()._scalar("bool"))  # what a branch looks at has no derivative

    def __float__(self) -> float:
        return float(self._scalar("float"))

    def __int__(self) -> int:
        return int(self._scalar("int"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu" or self.ndim != 0:
            raise DTypeError(
                f"index: expected an int or a 0-d integer Tensor; got a Tensor of shape {self.shape}, dtype "
                f"{self.dtype}; take a number out with int(x[i]), or make a list a Tensor: ac.tensor([1, 2]) * x"
            )
        return int(self._scalar("index"))

    def _scalar(self, asked: str) -> bool | int | float:
        if self.is_abstract:
            raise TraceError(
                f"{asked}: this Tensor is abstract, its value is not known while tracing; choose by value with "
                f"ac.where, or keep the decision outside of the traced function"
            )
        if self.size != 1:
            remedy = (
                "reduce it first, for instance with ac.any or ac.all; Python's max and min of two are ac.maximum(x, y) "
                "and ac.minimum(x, y)"
                if asked == "bool"
                else "take one out, x[i], or reduce it first, for instance with ac.sum or ac.mean"
            )
            raise ShapeError(f"{asked}: expected a Tensor with one element; got shape {self.shape}; {remedy}")
        return self.item()

    def __repr__(self) -> str:
        if self.is_abstract:
            return f"Tensor(abstract, shape={self.shape}, dtype={self.dtype.name})"
        try:
            body = np.array2string(self._constant()._exact(), separator=", ", prefix="Tensor(")
        except TraceError:  # while a function is being compiled
            return f"Tensor(from outside, shape={self.shape}, dtype={self.dtype.name})"
        except ValueError:
            return f"Tensor(view of what has changed, shape={self.shape}, dtype={self.dtype.name})"
        grad = ", requires_grad=True" if self.requires_grad else ""
        if self.size == 0 and self.ndim > 1:
            body += f", shape={self.shape}"
        return f"Tensor({body}, dtype={self.dtype.name}{grad})"

    def __format__(self, spec: str) -> str:
        if not spec:
            return repr(self)
        if self.size != 1:
            raise ShapeError(
                f"format: expected a Tensor with one element for the format {spec!r}; got shape {self.shape}; format "
                f'one element, f"{{x[0]:{spec}}}", or all of them with np.printoptions'
            )
        return format(self._constant().item(), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (np.array(self._exact()), self.requires_grad, self.dtype)

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return _unpickle(self._exact(), self.requires_grad, self.dtype)

    # -- the Array API standard -----------------------------------------------------------------------------------

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        """The module whose functions are those of the Array API standard: ``alice_core``."""
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise ValueError(f"__array_namespace__: api_version must be 2021.12 to 2024.12; got {api_version!r}")
        return sys.modules[__name__.partition(".")[0]]

    def to_device(self, device: str, /, *, stream: None = None) -> Tensor:
        """The Tensor itself, where it is: on ``"cpu"``."""
        check_device("to_device", device)
        if stream is not None:
            raise ValueError(f"to_device: stream must be None; got {stream!r}; the CPU has no streams")
        return self

    def __complex__(self) -> complex:
        return complex(float(self))

    # -- NumPy and DLPack -----------------------------------------------------------------------------------------

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if followed([self]):
            raise GradientError(
                "__array__: converting a Tensor that is being differentiated to NumPy would cut the trace; call "
                "ac.stop_gradient(x).numpy() if that is meant, or use the function of alice_core"
            )
        array = self.numpy() if dtype is None else self._exact()
        if (dtype is not None and array.dtype != dtype) or copy:
            if copy is False:
                raise ValueError(f"__array__: {array.dtype} cannot become {dtype} without a copy")
            return array.astype(dtype or array.dtype)
        return array

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from . import numpy_dispatch  # most programs never need it: a shorter start-up

        return numpy_dispatch.ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        from . import numpy_dispatch  # most programs never need it: a shorter start-up

        return numpy_dispatch.function(func, args, kwargs)

    def __dlpack__(self, **kwargs: Any) -> Any:
        version = kwargs.get("max_version")
        # No way to say "read-only" before DLPack 1.0, and not everybody listens: bools of others stay out of ours.
        if version is None or version < (1, 0) or self.dtype == np.bool_:
            return np.array(self.numpy()).__dlpack__(**kwargs)
        return self.numpy().__dlpack__(**kwargs)

    def __dlpack_device__(self) -> tuple[Any, int]:
        return self.numpy().__dlpack_device__()

    # -- differentiation ------------------------------------------------------------------------------------------

    def requires_grad_(self, on: bool = True) -> Tensor:
        """Mark this leaf so that :meth:`backward` fills its ``.grad``; returns it.

        A view of another Tensor gets memory of its own, so that it can be changed in place.

        Raises
        ------
        DTypeError
            If the dtype is not floating.
        GradientError
            If the Tensor is the result of a recorded op.
        """
        if self.dtype.kind != "f":
            raise DTypeError(
                f"requires_grad_: expected a floating dtype; got {self.dtype.name}; convert with x.astype(ac.float32)"
            )
        if self._producer is not None:
            raise GradientError(
                "requires_grad_: expected a leaf; this Tensor is the result of a recorded op; "
                "take ac.stop_gradient(x) first"
            )
        self._set_requires_grad(on)
        return self

    def backward(self, gradient: TensorLike | None = None, *, retain_graph: bool = False) -> None:
        """Reverse mode from here: add d(self)/d(leaf) to ``.grad`` of every leaf that requires a gradient.

        Parameters
        ----------
        gradient : Tensor of the same shape, optional
            The cotangent to start from; 1 for a 0-d Tensor.
        retain_graph : bool
            Keep the saved values, so that ``backward`` can be called again.
        """
        if not self.is_tracked:
            raise GradientError(
                "backward: the result depends on no Tensor that requires a gradient; call p.requires_grad_() before "
                "the computation, and keep it outside of ac.no_grad()"
            )
        if gradient is None:
            if self.ndim != 0:
                raise ShapeError(
                    f"backward: expected a 0-d result; got shape {self.shape}; reduce it (ac.sum, ac.mean), or pass "
                    f"the cotangent: y.backward(gradient); whole Jacobians come from ac.vjp"
                )
            seed = ops.creation.ones_like(self)
        else:
            seed = asarray(gradient, dtype=self.dtype)
            check_cotangent("backward", self, seed)
        # The dual program itself belongs to the enclosing contexts only, never to backward's own.
        before = _core.get_active()
        _core.set_active(before & ~1)
        try:
            for leaf, g in _core.reverse([self], [seed], None, not retain_graph):
                if g is not None:  # None: every path has a derivative of zero
                    leaf.grad = g._constant() if leaf.grad is None else leaf.grad + g
        finally:
            _core.set_active(before)

    def detach(self) -> Tensor:
        """The same values as a constant, see :func:`alice_core.stop_gradient`."""
        return ops.identity.constant(self)

    def assign_(self, value: TensorLike) -> Tensor:
        """Overwrite the elements in place with ``value``, broadcast and cast to this shape and dtype.

        Tensors are values, so no other one changes with this one. Gradients of ops that saved the old elements raise
        from then on instead of being silently wrong, and so do views of this Tensor (``x.T``, ``x.reshape(...)``,
        ``x[1:]``, ``x.detach()``) when they are used. Other threads' ops and compiled functions see all of the change
        or nothing of it. ``value`` may lie in the same memory.

        Raises
        ------
        GradientError
            If this Tensor is the result of a recorded op.
        ShapeError
            If ``value`` does not broadcast to this shape.
        ValueError
            If it is a view of another Tensor, or not contiguous, or in read-only memory.

        Examples
        --------
        >>> import alice_core as ac
        >>> p = ac.zeros((2, 2))
        >>> p.assign_([1.0, 2.0])
        Tensor([[1., 2.],
                [1., 2.]], dtype=float32)
        >>> p.reshape(4).assign_(0.0)
        Traceback (most recent call last):
        ...
        ValueError: copy: the Tensor, shape (4,), is a view of another one, which would change as well; make the \
parameter with ac.tensor(x)
        """
        if self._producer is not None:
            raise GradientError(
                "assign_: expected a leaf (a parameter); this Tensor is the result of a recorded op; "
                "use the new value instead of changing the old one"
            )
        new = asarray(value if isinstance(value, Tensor) else _to_numpy(value, None, "assign_")).astype(self.dtype)
        if new.shape != self.shape:
            try:
                new = ops.broadcasting.broadcast_to(new, self.shape)
            except ShapeError:
                raise ShapeError(
                    f"assign_: expected a value that broadcasts to {self.shape}; got shape {new.shape}; reshape it, or "
                    f"make a new parameter of that shape"
                ) from None
        _core.update("copy", [new], (), [self])
        return self

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not isinstance(type(self).__dict__.get(name), Elsewhere)]

    def __init_subclass__(cls, **kwargs: Any) -> NoReturn:
        raise TypeError("Tensor cannot be subclassed; keep Tensors as attributes of your class")


def _unpickle(array: npt.NDArray[Any], requires_grad: bool, dtype: DTypeLike | None = None) -> Tensor:
    x = tensor(array, dtype)
    return x.requires_grad_() if requires_grad else x


def _to_numpy(obj: Any, dtype: DTypeLike | None, name: str) -> npt.NDArray[Any]:
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
    if array.dtype.kind not in "biuf" and array.dtype != bfloat16:
        raise DTypeError(f"{name}: expected numbers; got {type(obj).__name__} that NumPy reads as dtype {array.dtype}")
    if dtype is None and array.dtype == np.float64 and not double:
        dtype = get_default_dtype()
    if dtype is not None and (wanted := checked_dtype(name, dtype)) is not bfloat16:
        array = cast_exactly(name, array, wanted)
    return array


_NUMBERS = frozenset((bool, int, float))


def _made(array: npt.NDArray[Any], dtype: DTypeLike | None, copy: bool) -> Tensor:
    """A Tensor of the numbers; of bfloat16, which NumPy does not have, if that is wanted."""
    result: Tensor = _core.tensor(array, copy)
    return _core.cast(result, bfloat16) if dtype is not None and as_dtype(dtype) is bfloat16 else result


def _plain(obj: Any) -> tuple[Any, bool]:
    """Nested lists as NumPy understands them, and whether anything in them is of dtype float64."""
    if isinstance(obj, Tensor):
        if obj.is_tracked:
            raise GradientError("tensor: a list of Tensors that are being differentiated; join them with ac.stack")
        return obj._exact() if obj.ndim else obj.item(), obj.dtype == float64
    if not isinstance(obj, (list, tuple)):
        return obj, getattr(obj, "dtype", float32) == float64
    if _NUMBERS.issuperset(map(type, obj)):
        return obj, False
    items = [_plain(x) for x in obj]
    return [item for item, _ in items], any(double for _, double in items)


def followed(tensors: Sequence[Tensor]) -> bool:
    """Whether numbers taken out of these Tensors would lack a derivative: of reverse mode, of forward mode, or of a
    context outside of ``vmap``, which follows them only when the batch runs."""
    floating = [x for x in tensors if x.dtype.kind == "f"]
    return bool(floating) and _core.is_followed(floating)


def check_cotangent(name: str, y: Tensor, ct: Tensor) -> None:
    """Refuse a cotangent that has not the shape of its result."""
    if ct.shape != y.shape:
        raise ShapeError(f"{name}: the cotangent must have the shape of the result; expected {y.shape}, got {ct.shape}")


#: Keywords of PyTorch, and what to write here.
_KEYWORDS = {
    "requires_grad": "write ac.tensor(x).requires_grad_(), or make a parameter: ac.nn.Parameter(x)",
}


def _refuse(name: str, keywords: dict[str, Any]) -> NoReturn:
    keyword = next(iter(keywords))
    remedy = _KEYWORDS.get(keyword, "leave it out")
    raise DTypeError(f"{name}: expected no keyword {keyword}; got {keyword}={keywords[keyword]!r}; {remedy}")


def tensor(obj: Any, dtype: DTypeLike | None = None, *, device: str | None = None, **elsewhere: NoReturn) -> Tensor:
    """Copy ``obj`` into a new Tensor.

    Parameters
    ----------
    obj : nested lists of numbers, NumPy array, Tensor, or number
        Python floats get the default dtype (float32, see :func:`set_default_dtype`), Python ints int64; the dtype of
        arrays is kept, and of lists that hold something of dtype float64.
    dtype : dtype, optional
        One of bool, uint8, int32, int64, float16, bfloat16, float32, float64.
    device : "cpu", optional
        Where all Tensors are.

    Returns
    -------
    Tensor
        Contiguous, a constant for differentiation.

    Raises
    ------
    ShapeError
        For ragged lists.
    DTypeError
        For anything but numbers of these dtypes, and for numbers that an integer dtype does not hold.

    Source
    ------
    Notes, section 2.1.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.tensor([[1, 2], [3, 4]], dtype=ac.float64)
    Tensor([[1., 2.],
            [3., 4.]], dtype=float64)
    """
    if elsewhere:
        _refuse("tensor", elsewhere)
    check_device("tensor", device)
    if isinstance(obj, Tensor):
        if dtype is None:
            dtype = get_default_dtype() if obj._weak and obj.dtype == float64 else obj.dtype
        source = obj._strong() if obj._weak else obj
        return ops.identity.constant_copy(ops.selection.astype(source, dtype))
    return _made(_to_numpy(obj, dtype, "tensor"), dtype, True)


def asarray(obj: Any, dtype: DTypeLike | None = None, *, copy: bool | None = None, device: str | None = None) -> Tensor:
    """``obj`` as a Tensor, on the same memory where that is safe.

    Parameters
    ----------
    obj : Tensor, NumPy array, number, or nested lists of numbers
        A Tensor is returned as it is.
    dtype : dtype, optional
        Convert to this dtype.
    copy : bool, optional
        None shares the memory of read-only NumPy arrays and copies others, since a later write through NumPy could
        not be noticed. False always shares: the caller promises not to write. True always copies. Bools are never
        shared, but copied as 0 and 1: foreign memory may hold other bytes, now or later.
    device : "cpu", optional
        Where all Tensors are.

    Raises
    ------
    ValueError
        If ``copy=False`` cannot be kept: for lists and numbers, another dtype, and bools.

    Examples
    --------
    >>> import alice_core as ac, numpy as np
    >>> ac.asarray(np.arange(3.0))
    Tensor([0., 1., 2.], dtype=float64)
    """
    if device is not None:
        check_device("asarray", device)
    if isinstance(obj, Tensor):
        if obj._weak:  # a number of a traced call: as a Tensor of its own it is no number any more
            return tensor(obj, dtype)
        converted = obj if dtype is None or obj.dtype == as_dtype(dtype) else obj.astype(dtype)
        if copy is False and converted is not obj:
            raise ValueError(f"asarray: copy=False, but {obj.dtype.name} cannot become {dtype} without a copy")
        return tensor(converted) if copy else converted
    array = _to_numpy(obj, dtype, "asarray")
    shared = array is obj
    if copy is False and not shared:
        raise ValueError(f"asarray: copy=False, but {type(obj).__name__} cannot become a Tensor without a copy")
    if copy is False and array.dtype == np.bool_:
        raise ValueError(
            "asarray: copy=False, but bools are always copied, since the memory of others may hold bytes other than 0 "
            "and 1; share it as x.view(np.uint8), and compare with 0"
        )
    return _made(array, dtype, copy is True or (copy is None and (not shared or array.flags.writeable)))


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


def abstract(shape: Sequence[int], dtype: DTypeLike | None = None) -> Tensor:
    """A Tensor with a shape and a dtype but no data: functions run on it to learn what they would return.

    Parameters
    ----------
    shape : tuple of int
    dtype : dtype

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.abstract((3, 4)) @ ac.abstract((4, 5))
    Tensor(abstract, shape=(3, 5), dtype=float32)
    """
    result: Tensor = _core.abstract(list(shape), checked_or_default("abstract", dtype))
    return result
