"""Tensor: an n-dimensional array of one element type that remembers how it was made.

Source: notes, section 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, final

import numpy as np
import numpy.typing as npt

from . import _core
from ._dtypes import DTYPES as DTYPES
from ._dtypes import DTypeLike as DTypeLike
from ._dtypes import as_dtype, checked_or_default, get_default_dtype, to_numpy
from ._dtypes import bfloat16 as bfloat16
from ._dtypes import bool_ as bool_
from ._dtypes import float16 as float16
from ._dtypes import float32 as float32
from ._dtypes import float64 as float64
from ._dtypes import int32 as int32
from ._dtypes import int64 as int64
from ._dtypes import uint8 as uint8
from ._elsewhere import Elsewhere, refuse_keywords
from .checks import check_device
from .errors import DTypeError, GradientError, ShapeError
from .methods import with_methods_of
from .reading import ReadingMethods

if TYPE_CHECKING:
    from . import ops  # at run time ops/__init__.py puts itself here: the ops are written in Tensors

    _Base = ReadingMethods
else:
    _Base = _core.TensorBase

TensorLike: TypeAlias = "_core.TensorBase | npt.NDArray[Any] | np.generic | bool | int | float"
Axis: TypeAlias = "int | tuple[int, ...] | None"

__all__ = ["Tensor", "abstract", "asarray", "tensor"]


@final
@with_methods_of(ReadingMethods)
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

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (np.array(self._exact()), self.requires_grad, self.dtype)

    def __copy__(self) -> Tensor:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return _unpickle(self._exact(), self.requires_grad, self.dtype)

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
        followed = _core.follow_backward(False)
        try:
            for leaf, g in _core.reverse([self], [seed], None, not retain_graph):
                if g is not None:  # None: every path has a derivative of zero
                    leaf.grad = g._constant() if leaf.grad is None else leaf.grad + g
        finally:
            _core.follow_backward(followed)

    def detach(self) -> Tensor:
        """The same values as a constant, see :func:`alice_core.stop_gradient`."""
        return ops.identity.constant(self)

    def assign_(self, value: TensorLike) -> Tensor:
        """Overwrite the elements in place with ``value``, broadcast to this shape, and in this dtype.

        Tensors are values, so no other one changes with this one. Gradients of ops that saved the old elements raise
        from then on instead of being silently wrong, and so do views of this Tensor (``x.T``, ``x[1:]``) when they are
        used. Other threads' ops and compiled functions see all of the change or nothing. ``value`` may be such a view.

        Raises
        ------
        GradientError
            If this Tensor is the result of a recorded op, or a transform is differentiating ``value``.
        ShapeError, DTypeError
            If ``value`` does not broadcast to this shape, or the dtype does not hold its numbers.
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
        new = ops.scatter.fitting("assign_", self, value)
        new._check_constant("assign_")
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


def _made(array: npt.NDArray[Any], dtype: DTypeLike | None, copy: bool) -> Tensor:
    """A Tensor of the numbers; of bfloat16, which NumPy does not have, if that is wanted."""
    result: Tensor = _core.tensor(array, copy)
    return _core.cast(result, bfloat16) if dtype is not None and as_dtype(dtype) is bfloat16 else result


def check_cotangent(name: str, y: Tensor, ct: Tensor) -> None:
    """Refuse a cotangent that has not the shape of its result."""
    if ct.shape != y.shape:
        raise ShapeError(f"{name}: the cotangent must have the shape of the result; expected {y.shape}, got {ct.shape}")


def tensor(obj: Any, dtype: DTypeLike | None = None, *, device: str | None = None, **elsewhere: NoReturn) -> Tensor:
    """Copy ``obj`` into a new Tensor.

    Parameters
    ----------
    obj : nested lists of numbers, NumPy array, Tensor, or number
        Python floats get the default dtype (float32, see :func:`set_default_dtype`), Python ints int64; the dtype of
        arrays is kept, and of lists that hold something of dtype float64.
    dtype : dtype, optional
        One of bool, int8 to int64, uint8 to uint64, float16, bfloat16, float32, float64.
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
        refuse_keywords("tensor", elsewhere)
    check_device("tensor", device)
    if isinstance(obj, Tensor):
        if dtype is None:
            dtype = get_default_dtype() if obj._weak and obj.dtype == float64 else obj.dtype
        source = ops.identity.fitting("tensor", obj._tensor_of_number() if obj._weak else obj, as_dtype(dtype))
        return ops.identity.constant_copy(ops.selection.astype(source, dtype))
    return _made(to_numpy(obj, dtype, "tensor"), dtype, True)


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
        converted = obj
        if dtype is not None and obj.dtype != as_dtype(dtype):
            converted = ops.identity.fitting("asarray", obj, as_dtype(dtype)).astype(dtype)
        if copy is False and converted is not obj:
            raise ValueError(f"asarray: copy=False, but {obj.dtype.name} cannot become {dtype} without a copy")
        return tensor(converted) if copy else converted
    array = to_numpy(obj, dtype, "asarray")
    shared = array is obj
    if copy is False and not shared:
        raise ValueError(f"asarray: copy=False, but {type(obj).__name__} cannot become a Tensor without a copy")
    if copy is False and array.dtype == np.bool_:
        raise ValueError(
            "asarray: copy=False, but bools are always copied, since the memory of others may hold bytes other than 0 "
            "and 1; share it as x.view(np.uint8), and compare with 0"
        )
    return _made(array, dtype, copy is True or (copy is None and (not shared or array.flags.writeable)))


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
