"""How the elements of a Tensor leave it: as numbers, text and bytes, and as the arrays of others."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _core
from ._dtypes import bfloat16, float32
from .checks import check_device
from .errors import DTypeError, GradientError, ShapeError, TraceError
from .methods import ArrayMethods

if TYPE_CHECKING:
    from .tensors import Tensor

__all__ = ["ReadingMethods", "followed"]


class ReadingMethods(ArrayMethods):
    """What :class:`alice_core.Tensor` inherits, as readers and type checkers see it; there are no instances."""

    __slots__ = ()

    # -- numbers, bytes and text --------------------------------------------------------------------------------------

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

    def __complex__(self) -> complex:
        return complex(float(self))

    # Numbers of a compiled call go on as such; others leave.

    def __floor__(self) -> Any:
        return self._floor() if self._weak else math.floor(self._scalar("floor"))

    def __ceil__(self) -> Any:
        return self._ceil() if self._weak else math.ceil(self._scalar("ceil"))

    def __trunc__(self) -> Any:
        return self._trunc() if self._weak else math.trunc(self._scalar("trunc"))

    def __round__(self, ndigits: int | None = None) -> Any:
        if not self._weak:
            return round(self._scalar("round"), ndigits)
        if ndigits is None or (ndigits >= 0 and self.dtype.kind != "f"):
            return self._round()
        raise DTypeError(
            f"round: expected no ndigits for a number of a compiled call; got {ndigits}, and decimal digits are no "
            f"matter of a program; round it before the call, or use ac.round(x, {ndigits})"
        )

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

    # -- the Array API standard ---------------------------------------------------------------------------------------

    def __array_namespace__(self, /, *, api_version: str | None = None) -> Any:
        """The module whose functions are those of the Array API standard: ``alice_core``."""
        if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
            raise ValueError(f"__array_namespace__: api_version must be 2021.12 to 2024.12; got {api_version!r}")
        return sys.modules[__name__.partition(".")[0]]

    def to_device(self: Any, device: str, /, *, stream: None = None) -> Tensor:
        """The Tensor itself, where it is: on ``"cpu"``."""
        check_device("to_device", device)
        if stream is not None:
            raise ValueError(f"to_device: stream must be None; got {stream!r}; the CPU has no streams")
        itself: Tensor = self
        return itself

    # -- NumPy and DLPack ---------------------------------------------------------------------------------------------

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


def followed(tensors: Sequence[_core.TensorBase]) -> bool:
    """Whether numbers taken out of these Tensors would lack a derivative: of reverse mode, of forward mode, or of a
    context outside of ``vmap``, which follows them only when the batch runs."""
    floating = [x for x in tensors if x.dtype.kind == "f"]
    return bool(floating) and _core.is_followed(floating)


def unseen(tensors: Sequence[_core.TensorBase]) -> bool:
    """Whether nobody follows, traces or looks at what is computed from these Tensors, so that what a function makes on
    its way may change in place (``ac.update``)."""
    return _core.is_unseen(tensors)


def longest_chain(tensor: _core.TensorBase) -> int:
    """How many terms of a product of matrices of this Tensor's dtype are one sum; longer ones are sums of such sums."""
    return _core.longest_chain(tensor)
