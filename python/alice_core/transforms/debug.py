"""Which op made the first NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from ..errors import NonFiniteError
from ..tensors import Tensor
from ._modes import Mode

__all__ = ["debug_nans"]

Test = Callable[[Any], npt.NDArray[np.bool_]]


def debug_nans(inf: bool = False) -> Mode:
    """Raise at the first op that makes a NaN out of inputs without any, in the function or in its gradient.

    The error names the op, the line of your code, and for an op of the dual program the op whose gradient rule it
    belongs to. Parameters are checked when an optimiser changes them. NaNs that come from outside, in data or
    constants, are nobody's fault and pass. Every op of this thread, or asyncio task, is checked on its own, which is
    slow; compiled functions run as they are meanwhile.

    Parameters
    ----------
    inf : bool
        Raise also at the first op that makes an infinity out of inputs that are finite.

    Raises
    ------
    NonFiniteError
        When an op did it; a ``FloatingPointError`` too.

    Source
    ------
    Notes, section 6.4.4 (where derivatives exist).

    Examples
    --------
    >>> import alice_core as ac
    >>> with ac.debug_nans():
    ...     ac.log(ac.tensor([1.0, -1.0])) * 0.0
    Traceback (most recent call last):
        ...
    alice_core.errors.NonFiniteError: log: made NaN out of inputs without any: 1 of 2 elements, the first at (1,), ...
    """
    tests: list[tuple[str, Test]] = [("NaN", np.isnan)]
    if inf:
        tests.append(("infinity", np.isinf))
    return Mode("debug_nans", False, partial(_check, tests))


def _check(
    tests: Sequence[tuple[str, Test]],
    primitive: Any,
    operands: tuple[Tensor, ...],
    results: tuple[Tensor, ...],
    attributes: tuple[Any, ...],
    rule_of: _core.Equation | None,
    where: tuple[str, int] | None,
) -> None:
    """Called by the native part after every op, see ``csrc/bindings/record.h``."""
    for what, test in tests:
        for y in results:
            bad = _found(test, y)
            if bad is None or any(_found(test, x) is not None for x in operands) or _given(attributes):
                continue
            op = primitive.name
            if rule_of is not None:
                op += f" in the gradient of {rule_of.primitive.name}"
            first = tuple(int(i) for i in np.argwhere(bad)[0])
            place = "" if where is None else f", at {where[0]}:{where[1]}"
            raise NonFiniteError(
                f"{op}: made {what} out of inputs without any: {np.count_nonzero(bad)} of {y.size} elements, the first "
                f"at {first}{place}; inputs: {', '.join(map(_range, operands)) or 'none'}; keep them where the op and "
                f"its derivative are finite, for instance with ac.clip or ac.where"
            )


def _found(test: Test, x: Tensor) -> npt.NDArray[np.bool_] | None:
    """Where the elements of x fail; None if they do not, or are not there."""
    if x.dtype.kind != "f" or x.is_abstract:
        return None
    bad = test(x._exact())
    return bad if bad.any() else None


def _given(attributes: Sequence[Any]) -> bool:
    """Whether the caller asked for it, as ``full`` with NaN does."""
    return any(isinstance(a, float) and not math.isfinite(a) for a in attributes)


def _range(x: Tensor) -> str:
    text = f"{x.dtype.name}[{','.join(map(str, x.shape))}]"
    if x.is_abstract or x.size == 0:
        return text
    a = x._exact()
    return f"{text} from {a.min():.6g} to {a.max():.6g}"
