"""The methods by which a Tensor is an array like NumPy's: each is an op that is a function, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import numpy as np

from . import _core
from ._dtypes import DTypeLike

if TYPE_CHECKING:
    from . import ops  # at run time ops/__init__.py puts itself here: the ops are written in Tensors
    from .tensors import Axis, Tensor, TensorLike

__all__ = ["ArrayMethods", "with_methods_of"]

T = TypeVar("T")


class ArrayMethods(_core.TensorBase):
    """What :class:`alice_core.Tensor` inherits, as readers and type checkers see it; there are no instances."""

    __slots__ = ()

    # -- shape and dtype ------------------------------------------------------------------------------------------

    @property
    def nbytes(self) -> int:
        """Size of the elements in bytes."""
        return int(self.size * self.dtype.itemsize)

    @property
    def itemsize(self) -> int:
        """Size of one element in bytes."""
        return int(self.dtype.itemsize)

    @property
    def T(self) -> Tensor:
        """All axes in reverse order, a view."""
        return ops.views.permute_dims(self, tuple(range(self.ndim))[::-1])

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged, a view."""
        return ops.views.matrix_transpose(self)

    def astype(self, dtype: DTypeLike) -> Tensor:
        """The same values in another dtype; differentiable between floating dtypes."""
        return ops.selection.astype(self, dtype)

    def reshape(self, *shape: Any, order: str = "C") -> Tensor:
        """The elements in another shape, a tuple or ints, one of which may be -1; see :func:`alice_core.reshape`."""
        return ops.views.reshape(self, shape[0] if len(shape) == 1 else shape, order)

    def flatten(self, order: str = "C") -> Tensor:
        """The elements along one axis; see :func:`alice_core.ravel`."""
        return ops.views.ravel(self, order)

    def squeeze(self, axis: Axis = None) -> Tensor:
        """Without the given axes, which must have extent 1 (None: without all such axes)."""
        if axis is None:
            axis = tuple(i for i, n in enumerate(self.shape) if n == 1)
        return ops.views.squeeze(self, axis)

    def transpose(self, *axes: Any) -> Tensor:
        """The axes in another order, given as a tuple or as ints, a view; without any all of them in reverse."""
        order = axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))) else axes
        return self.T if not order and self.ndim else ops.views.permute_dims(self, order or ())

    def ravel(self, order: str = "C") -> Tensor:
        """The elements along one axis; see :func:`alice_core.ravel`."""
        return ops.views.ravel(self, order)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        """See :func:`alice_core.swapaxes`."""
        return ops.views.swapaxes(self, axis1, axis2)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        """See :func:`alice_core.diagonal`; as in NumPy of the first two axes, where the function takes the last."""
        return ops.diagonals.diagonal(self, offset, axis1, axis2)

    def copy(self) -> Tensor:
        """See :func:`alice_core.copy`."""
        return ops.joining.copy(self)

    def clip(self, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor:
        """See :func:`alice_core.clip`."""
        return ops.selection.clip(self, min, max)

    def round(self, decimals: int = 0) -> Tensor:
        """See :func:`alice_core.round`."""
        return ops.selection.round(self, decimals)

    def take(self, indices: TensorLike | Sequence[int], axis: int | None = None) -> Tensor:
        """See :func:`alice_core.take`."""
        return ops.indexing.take(self, indices, axis)

    def repeat(self, repeats: int | Sequence[int] | TensorLike, axis: int | None = None) -> Tensor:
        """See :func:`alice_core.repeat`."""
        return ops.joining.repeat(self, repeats, axis)

    def nonzero(self) -> tuple[Tensor, ...]:
        """See :func:`alice_core.nonzero`."""
        return ops.indexing.nonzero(self)

    def dot(self, other: TensorLike) -> Tensor:
        """See :func:`alice_core.dot`."""
        return ops.linalg.dot(self, other)

    # -- items ----------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len: expected a Tensor with at least one axis; got a 0-d Tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __contains__(self: Any, value: Any) -> bool:
        """Whether any element is equal to ``value``, or to the one at its place in an array that broadcasts."""
        found = self == (np.asarray(value) if isinstance(value, (list, tuple)) else value)
        return bool(found if isinstance(found, bool) else ops.extremes.any(found))

    def __getitem__(self: Any, key: Any) -> Tensor:
        return ops.keys.getitem(self, key)

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError(
            "Tensors are values and do not support item assignment; write y = x.at[key].set(value) (or .add, "
            ".multiply, .min, .max) for one that differs there, or change a whole parameter with p.assign_(value)"
        )

    def conj(self: Any) -> Tensor:
        """The Tensor itself: all numbers are real."""
        itself: Tensor = self
        return itself

    @property
    def at(self: Any) -> ops.updates.At:
        """Places to change in a copy: ``x.at[key].set(v)``, add, multiply, min, max; see :class:`ops.updates.At`."""
        return ops.updates.At(self)

    # -- reductions -----------------------------------------------------------------------------------------------

    def sum(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """See :func:`alice_core.sum`."""
        return ops.reduction.sum(self, axis=axis, keepdims=keepdims, **options)

    def mean(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """See :func:`alice_core.mean`."""
        return ops.reduction.mean(self, axis=axis, keepdims=keepdims, **options)

    def prod(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """See :func:`alice_core.prod`."""
        return ops.reduction.prod(self, axis=axis, keepdims=keepdims, **options)

    def max(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """See :func:`alice_core.max`."""
        return ops.extremes.max(self, axis=axis, keepdims=keepdims, **options)

    def min(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """See :func:`alice_core.min`."""
        return ops.extremes.min(self, axis=axis, keepdims=keepdims, **options)

    def var(self, axis: Axis = None, correction: float = 0.0, keepdims: bool = False, **options: Any) -> Tensor:
        """See :func:`alice_core.var`."""
        return ops.reduction.var(self, axis=axis, correction=correction, keepdims=keepdims, **options)

    def std(self, axis: Axis = None, correction: float = 0.0, keepdims: bool = False, **options: Any) -> Tensor:
        """See :func:`alice_core.std`."""
        return ops.reduction.std(self, axis=axis, correction=correction, keepdims=keepdims, **options)

    def cumsum(self, axis: int | None = None) -> Tensor:
        """See :func:`alice_core.cumsum`."""
        return ops.reduction.cumsum(self, axis)

    def argmax(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`alice_core.argmax`."""
        return ops.extremes.argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """See :func:`alice_core.argmin`."""
        return ops.extremes.argmin(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """See :func:`alice_core.any`."""
        return ops.extremes.any(self, axis=axis, keepdims=keepdims, **options)

    def all(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        """See :func:`alice_core.all`."""
        return ops.extremes.all(self, axis=axis, keepdims=keepdims, **options)


def with_methods_of(base: type) -> Callable[[type[T]], type[T]]:
    """Copy them all: CPython walks through all bases of an object that dies, and Tensors die by the million."""

    def decorate(cls: type[T]) -> type[T]:
        for kind in base.__mro__[: base.__mro__.index(_core.TensorBase)]:
            for name, method in vars(kind).items():
                if isinstance(method, (FunctionType, property)):
                    setattr(cls, name, method)
        return cls

    return decorate
