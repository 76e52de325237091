"""Where random numbers come from: a state that is a Tensor, and what it gives.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox4x32-10).
"""

from __future__ import annotations

import math
import os
from _thread import RLock  # threading takes long to import
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _core
from .._dtypes import checked_or_default, to_numpy
from ..checks import checked_int, checked_number, known_values, shown
from ..errors import DTypeError, ShapeError
from ..ops.creation import _shape
from ..ops.selection import where
from ..primitive import Primitive
from ..tensors import Tensor, asarray, float32, float64, tensor

if TYPE_CHECKING:
    from ..tensors import DTypeLike, TensorLike

__all__ = ["Source", "advance", "bits", "drawn", "for_each", "unit", "watcher"]

_bits = Primitive("random_bits", saves=(), differentiable=False)
_uniform = Primitive("random_uniform", saves=(), differentiable=False)
_advance = Primitive("random_advance", saves=(), differentiable=False)

#: Who is told of the draws of generators: the ``ac.vmap`` that traces a function.
watcher: ContextVar[Callable[[Primitive, Tensor], None] | None] = ContextVar("alice_core.draws", default=None)

#: What makes a draw of numbers for each of ``size`` examples: ``rule(size, batched, inputs, *attributes)``, the
#: arguments those of the draw for one of them; the batch is axis 0, and ``batched`` as for a batch rule.
for_each: dict[Primitive, Callable[..., Tensor]] = {}


def drawn(draw: Primitive, *arguments: Any) -> Tensor:
    """What a primitive makes of a state; whoever watches is told."""
    numbers: Tensor = draw(*arguments)
    tell = watcher.get()
    if tell is not None:
        tell(draw, numbers)
    return numbers


def _of_shape(draw: Primitive) -> Callable[..., Tensor]:
    """The rule of a draw of a shape, its first attribute: one draw that is so many times as large."""
    return lambda size, batched, inputs, shape, *rest: drawn(draw, *inputs, (size, *shape), *rest)


for_each[_bits], for_each[_uniform] = _of_shape(_bits), _of_shape(_uniform)

# A draw reads a state and moves it on: no other thread may draw in between, and a fork waits until both are done.
_one_draw = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_one_draw.acquire, after_in_parent=_one_draw.release, after_in_child=_one_draw.release)


def _refuse_batch(name: str, batched: Sequence[bool], inputs: Sequence[Tensor], *attributes: Any) -> Any:
    raise ShapeError(
        f"{name}: expected one state for all examples; got a batch of {inputs[0].shape[0]} states; draw the numbers "
        f"outside of vmap, for all examples at once, and pass them in as an argument that is mapped over"
    )


for _primitive in (_bits, _uniform, _advance):
    _primitive.defbatch(partial(_refuse_batch, _primitive.name))


def _signed(number: int) -> int:
    """The int64 with the low 64 bits of a number."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number


def _floating(op: str, dtype: DTypeLike | None) -> np.dtype[Any]:
    wanted: np.dtype[Any] = checked_or_default(op, dtype)
    if wanted not in (float32, float64):
        raise DTypeError(f"{op}: dtype must be float32 or float64; got {wanted}")
    return wanted


def _of_each(op: str, shape: int | Sequence[int] | None, **given: TensorLike) -> tuple[tuple[int, ...], list[Any]]:
    """The shape to draw, and the parameters of the distribution, numbers or Tensors that broadcast to it.

    Without a shape it is theirs, so that every element of a parameter gets a number of its own.
    """
    parameters = [_parameter(op, name, x) for name, x in given.items()]
    shapes = {name: x.shape for name, x in zip(given, parameters, strict=True) if isinstance(x, Tensor)}
    wanted = None if shape is None else _shape(op, shape)
    return _joined(op, wanted, shapes), parameters


def _joined(op: str, wanted: tuple[int, ...] | None, shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The shape to draw: what is wanted if the shapes of the parameters broadcast to it, else theirs together."""
    if not shapes:
        return wanted or ()
    try:
        together = np.broadcast_shapes(*shapes.values())
        fits = wanted is None or np.broadcast_shapes(together, wanted) == wanted
    except ValueError:
        fits = False
    if not fits:
        got = ", ".join(f"{name} {extents}" for name, extents in shapes.items())
        target = "each other's shapes" if wanted is None else f"shape {wanted}"
        raise ShapeError(
            f"{op}: {' and '.join(shapes)} must broadcast to {target}; got {got}; "
            f"leave the shape out to draw one number for every element"
        )
    return together if wanted is None else wanted


def _parameter(op: str, name: str, value: Any) -> Any:
    """A number, or a Tensor of numbers."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (np.ndarray, tuple, list)):
        return asarray(to_numpy(value, None, op))
    return checked_number(op, name, value, "a number or a Tensor")


def _known(value: Any) -> Any:
    """A number, or the values of a Tensor where they are known, else None."""
    return known_values(value) if isinstance(value, Tensor) else value


def _not_negative(op: str, name: str, value: Any) -> Any:
    """True, else ValueError; where the values are not known, what will say it of each."""
    known = _known(value)
    if known is None:
        return value >= 0
    if not np.all(known >= 0):
        raise ValueError(f"{op}: {name} must not be negative; got {shown(value)}")
    return True


def _or_nan(good: Any, numbers: Tensor) -> Tensor:
    """The numbers where the parameters are good: see the class Generator."""
    result: Tensor = numbers if good is True else where(good, numbers, math.nan)
    return result


def bits(state: Tensor, /, shape: int | Sequence[int], first: int = 0) -> Tensor:
    """The bits themselves: int64 numbers that take every value equally often.

    Blocks of 128 bits, from block ``first`` on, are those of Philox4x32-10 with the counter words ``(low, high)`` of
    the block's number and ``(low, high)`` of the draw's, and the key words ``(low, high)`` of the key. Sixteen blocks
    stand side by side: element ``32 g + l`` for l < 16 is the first half of block ``16 g + l``, element
    ``32 g + 16 + l`` the second half.

    Parameters
    ----------
    state : Tensor, shape (2,), int64
        Key and draw.
    shape : int or tuple of int
    first : int
        The first block.

    Returns
    -------
    Tensor, shape ``shape``, int64

    Raises
    ------
    ShapeError, DTypeError
        If the state or the shape is none.

    Examples
    --------
    >>> import alice_core as ac
    >>> hex(ac.random.bits(ac.tensor([0, 0]), ()).item())
    '-0x1e963a7299d8172b'
    """
    result: Tensor = _bits(asarray(state), _shape("bits", shape), _signed(checked_int("bits", "first", first)))
    return result


def unit(state: Tensor, /, shape: int | Sequence[int], dtype: DTypeLike | None = None) -> Tensor:
    """Numbers that are uniform in [0, 1): multiples of 2^-24 (float32) or 2^-53 (float64), all equally likely.

    A float32 number is the upper 24 bits of a word, with four words of sixteen blocks side by side as in :func:`bits`;
    a float64 number is made of the upper 27 and 26 bits of the two words of such a pair, second word first.

    Parameters
    ----------
    state : Tensor, shape (2,), int64
        Key and draw.
    shape : int or tuple of int
    dtype : floating dtype, optional

    Returns
    -------
    Tensor, shape ``shape``

    Raises
    ------
    ShapeError, DTypeError
        If the state or the shape is none, or the dtype is not floating.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.random.unit(ac.tensor([0, 0]), 3)
    Tensor([0.39904642, 0.97224116, 0.01944941], dtype=float32)
    """
    result: Tensor = _uniform(asarray(state), _shape("unit", shape), _floating("unit", dtype))
    return result


def advance(state: Tensor, /, draws: int = 1) -> Tensor:
    """The state of a later draw of the same key.

    Parameters
    ----------
    state : Tensor, shape (2,), int64
        Key and draw.
    draws : int

    Returns
    -------
    Tensor, shape (2,), int64

    Raises
    ------
    ShapeError, DTypeError
        If the state is none.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.random.advance(ac.tensor([7, 1])).tolist()
    [7, 2]
    """
    result: Tensor = _advance(asarray(state), _signed(checked_int("advance", "draws", draws)))
    return result


def _are(first: float, second: float, *parameters: Any) -> bool:
    """Whether the parameters are these numbers, which need no arithmetic."""
    return not any(isinstance(x, Tensor) for x in parameters) and parameters == (first, second)


class Source:
    """A state, and the draws that it gives one after another."""

    def __init__(self, seed: int | None = None) -> None:
        self._state = tensor(np.zeros(2, np.int64))
        self.seed(seed)

    def seed(self, seed: int | None = None) -> None:
        """Start anew: the first draw of another key, or of one from the operating system for None."""
        key = int.from_bytes(os.urandom(8), "little") if seed is None else checked_int("seed", "seed", seed)
        self.state = (key, 0)

    @property
    def state(self) -> tuple[int, int]:
        """Key and number of the next draw; may be set to what it was earlier."""
        with _one_draw:
            key, draw = self._state.tolist()
        return key, draw

    @state.setter
    def state(self, state: tuple[int, int]) -> None:
        if not isinstance(state, (tuple, list)) or len(state) != 2:
            raise DTypeError(f"state: expected a pair of ints, key and draw; got {shown(state)}")
        key, draw = state
        new = np.array(
            [_signed(checked_int("state", "key", key)), _signed(checked_int("state", "draw", draw))], dtype=np.int64
        )
        with _one_draw:
            self._state.assign_(new)

    def _take(self, draw: Primitive, *rest: Any) -> Tensor:
        """What a primitive makes of the next draw."""
        with _one_draw:
            numbers = drawn(draw, self._state, *rest)
            _core.update("random_advance", [self._state], (1,), [self._state])
        return numbers

    def _draw(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
        return self._take(_uniform, shape, dtype)

    def __repr__(self) -> str:
        return "Generator(key={}, draw={})".format(*self.state)
