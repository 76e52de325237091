"""State that is taken over as a whole or not at all: for ``load_state_dict`` of modules, optimisers and the like."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from ._dtypes import cast_exactly
from .errors import DTypeError, ShapeError
from .tensors import Tensor, tensor

__all__ = ["checked", "overwrite"]


def checked(who: str, own: Mapping[str, Tensor], given: Mapping[str, Any]) -> dict[str, Tensor]:
    """What the Tensors ``own`` are to become: copies of the values of the same names, in their shapes and dtypes.

    Rounding to a narrower floating dtype is fine; fractions, and numbers out of range, do not become integers.

    Parameters
    ----------
    who : str
        What the errors begin with.
    own, given : mapping of str to Tensor (``given``: or array)

    Raises
    ------
    ValueError
        If names are missing or unexpected, or a Tensor that has two names would get two values.
    ShapeError
        If shapes differ.
    DTypeError
        If a value is no number of its dtype.

    Examples
    --------
    >>> import alice_core as ac
    >>> own = {"mean": ac.zeros(2), "steps": ac.tensor(0)}
    >>> ac.state.overwrite(own, ac.state.checked("load", own, {"mean": [1.5, 2.0], "steps": 3}))
    >>> own
    {'mean': Tensor([1.5, 2. ], dtype=float32), 'steps': Tensor(3, dtype=int64)}
    """
    if not isinstance(given, Mapping):
        raise DTypeError(f"{who} expected a mapping of names to Tensors or arrays; got {type(given).__name__}")
    missing, unexpected = [n for n in own if n not in given], [str(n) for n in given if n not in own]
    if missing or unexpected:
        kinds = (("misses", missing), ("does not know", unexpected))
        parts = " and ".join(f"{what} {', '.join(names)}" for what, names in kinds if names)
        raise ValueError(f"{who} {parts}; the state must come from one of the same structure")
    arrays = {name: _array(given[name]) for name in own}
    shapes = [
        f"{name} must have shape {x.shape}, got {arrays[name].shape}"
        for name, x in own.items()
        if arrays[name].shape != x.shape
    ]
    if shapes:
        raise ShapeError(f"{who}: {'; '.join(shapes)}")
    new = {name: _fitting(f"{who}: {name}", x, arrays[name]) for name, x in own.items()}
    first: dict[int, str] = {}  # a Tensor that has several names can have one value only
    for name, x in own.items():
        other = first.setdefault(id(x), name)
        if other != name and not np.array_equal(new[name]._exact(), new[other]._exact(), equal_nan=x.dtype.kind == "f"):
            raise ValueError(f"{who}: {other} and {name} are the same Tensor here, but differ in what was given")
    return new


def overwrite(own: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> None:
    """Assign the new values in place; if that fails anywhere, all are what they were. See :func:`checked`."""
    before: list[tuple[Tensor, Tensor]] = []
    try:
        for name, x in own.items():
            before.append((x, tensor(x)))
            x.assign_(new[name])
    except BaseException:
        for x, old in before:
            with suppress(Exception):  # the one that cannot be assigned to has not changed
                x.assign_(old)
        raise


def _array(value: Any) -> npt.NDArray[Any]:
    return np.asarray(value.detach()._exact() if isinstance(value, Tensor) else value)


def _fitting(what: str, x: Tensor, array: npt.NDArray[Any]) -> Tensor:
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"{what} must be {x.dtype.name} numbers, got dtype {array.dtype}")
    with np.errstate(all="ignore"):
        new = tensor(array if x.dtype.kind == "f" else cast_exactly(what, array, x.dtype), x.dtype)
        now = new._exact()
        fits = np.isfinite(now) | ~np.isfinite(array) if x.dtype.kind == "f" else now == array
    if not fits.all():
        raise DTypeError(f"{what} must be {x.dtype.name} numbers, got {array[~fits][0]}, which is none")
    return new
