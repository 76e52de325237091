"""Arrays that ranks tell each other: primitives, which nest in every transform and are instructions of programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from .. import tree as _tree
from ..checks import checked_choice, checked_int
from ..errors import DTypeError
from ..ops import creation, joining, selection, views
from ..ops._elementwise import elementwise
from ..ops.comparison import equal
from ..primitive import Primitive
from ..tensors import Tensor, asarray, bfloat16, float16, float32
from .agreeing import agree, extreme
from .world import world

__all__ = ["allreduce", "broadcast", "buckets", "narrow", "summed_in_buckets", "wide"]

T = TypeVar("T")

#: Small arrays travel together, in messages of this size: a message costs microseconds, however short it is.
BUCKET = 4 << 20

_sum = Primitive("allreduce", saves=())
_broadcast = Primitive("broadcast", saves=())
_start = Primitive("allreduce_start", saves=(), differentiable=False)
_wait = Primitive("allreduce_wait", saves=(), differentiable=False)

# The function is one of all ranks' inputs: what one rank's input does to the results of all, the others tell it.
_sum.defvjp(lambda g, ans, x, channel: _sum(g, channel))
elementwise(_sum, _start, _wait)


def _at_extreme(values: Tensor, ans: Tensor, x: Tensor, channel: int) -> Tensor:
    """Where this rank has the extreme, its share in that; ties share equally."""
    here = equal(x, ans)
    ranks = _sum(here.astype(x.dtype), channel)
    return selection.where(here, values / ranks, 0)


extreme.defvjp(lambda g, ans, x, channel, largest: _at_extreme(_sum(g, channel), ans, x, channel))
extreme.defjvp(lambda t, ans, x, channel, largest: _sum(_at_extreme(t, ans, x, channel), channel))
extreme.defbatch(lambda batched, inputs, *attributes: extreme(*inputs, *attributes))


def _to_root(g: Tensor, ans: Tensor, x: Tensor, channel: int, root: int) -> Tensor:
    total: Tensor = narrow(_sum(wide(g), channel), g)
    return total if world().rank == root else creation.zeros_like(total)


_broadcast.defvjp(_to_root)
_broadcast.defjvp(lambda t, ans, x, channel, root: _broadcast(t, channel, root))
_broadcast.defbatch(lambda batched, inputs, *attributes: _broadcast(*inputs, *attributes))


def allreduce(tree: T, op: str = "mean") -> T:
    """Combine each Tensor of a tree with those of all other ranks; all get the result.

    Every rank must call it, with Tensors of the same shapes and dtypes, in the same order among its exchanges. In a
    compiled function it is an instruction. MPI works on the memory of the Tensors, and other Python threads run
    meanwhile. A process alone gets what it gave.

    Parameters
    ----------
    tree : Tensor, or a tree of them
        Numbers and arrays become Tensors. Dtypes that MPI does not add, float16 and bfloat16, travel as float32.
    op : "mean", "sum", "max" or "min"
        Means are of floating numbers: each rank divides by the number of ranks, then they are added.

    Returns
    -------
    tree of Tensor

    Gradient
    --------
    That of the sum over all ranks of what they differentiate: each rank gets what its input does to all of them, so all
    ranks must differentiate. Ties of max and min share equally. Likewise in forward mode.

    Accuracy
    --------
    In which order MPI adds depends on the number of ranks, but not on anything else; all ranks get the same bits. The
    extreme of numbers among which there is a NaN is NaN; 0 is more than -0.

    Raises
    ------
    ShapeError
        If the ranks give different trees, on all of them; it names the rank and the Tensor. Of programs, which agree
        upon names when they are traced, each rank says what it has.
    DTypeError
        If a mean is of integers, or a Tensor of bools.
    ValueError
        If there is no such op.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.distributed.allreduce({"loss": ac.tensor(0.5)})  # of one rank
    {'loss': Tensor(0.5, dtype=float32)}
    """
    name = checked_choice("allreduce", "op", op, ("mean", "sum", "max", "min"))
    leaves, form = _tree.flatten(tree)
    given = [asarray(x) for x in leaves]
    for x in given:
        if name == "mean" and x.dtype.kind != "f":
            raise DTypeError(
                f"allreduce: a mean must be of floating numbers; got {x.dtype.name}; convert first: "
                f"x.astype(ac.float32), or take the sum"
            )
    here = world()
    agree(f"allreduce of op {name!r}", [(f"Tensor {i}", x) for i, x in enumerate(given)], form)
    if name in ("max", "min"):
        found = [narrow(extreme(wide(x), here.channel, name == "max"), x) for x in given]
    else:
        scaled = [wide(x) / here.size if name == "mean" and here.size > 1 else wide(x) for x in given]
        found = [narrow(y, x) for y, x in zip(_summed(scaled), given, strict=True)]
    result: T = form.unflatten(found)
    return result


def broadcast(tree: T, root: int = 0) -> T:
    """Give every rank the Tensors of one of them.

    Every rank must call it, with Tensors of the same shapes and dtypes: those of other ranks say what is to come.

    Parameters
    ----------
    tree : Tensor, or a tree of them
    root : int
        Whose elements all get.

    Returns
    -------
    tree of Tensor

    Gradient
    --------
    To the root the sum over all ranks, to the others zero; all must differentiate.

    Raises
    ------
    ShapeError
        If the ranks give different trees, on all of them; it names the rank and the Tensor.
    ValueError
        If there is no such rank.

    Examples
    --------
    >>> import alice_core as ac
    >>> ac.distributed.broadcast([ac.tensor([1.0, 2.0])])  # of one rank
    [Tensor([1., 2.], dtype=float32)]
    """
    here, source = world(), checked_int("broadcast", "root", root)
    if not 0 <= source < here.size:
        raise ValueError(f"broadcast: root must be a rank, from 0 to {here.size - 1}; got {source}")
    leaves, form = _tree.flatten(tree)
    given = [asarray(x) for x in leaves]
    agree(f"broadcast from rank {source}", [(f"Tensor {i}", x) for i, x in enumerate(given)], form)
    result: T = form.unflatten([_broadcast(x, here.channel, source) for x in given])
    return result


def wide(x: Tensor) -> Tensor:
    """In a dtype that MPI adds."""
    return x.astype(float32) if x.dtype in (float16, bfloat16) else x


def narrow(y: Tensor, like: Tensor) -> Tensor:
    """Back in the dtype of another Tensor."""
    return y.astype(like.dtype) if y.dtype != like.dtype else y


def buckets(tensors: Sequence[Tensor]) -> list[list[int]]:
    """Numbers of the Tensors that travel together, in their order: of one dtype, and no more than a bucket holds."""
    made: list[list[int]] = []
    filled = 0
    for i, x in enumerate(tensors):
        filled += x.nbytes
        if made and x.dtype == tensors[made[-1][0]].dtype and filled <= BUCKET:
            made[-1].append(i)
        else:
            made.append([i])
            filled = x.nbytes
    return made


def _packed(tensors: Sequence[Tensor]) -> Tensor:
    """One array; a Tensor alone stays where it is."""
    if len(tensors) == 1:
        return tensors[0]
    return joining.concat([views.reshape(x, (-1,)) for x in tensors])


def _unpacked(packed: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Views of the parts."""
    if len(like) == 1:
        return [packed]
    parts, at = [], 0
    for x in like:
        parts.append(views.reshape(packed[at : at + x.size], x.shape))
        at += x.size
    return parts


def _summed(tensors: Sequence[Tensor]) -> list[Tensor]:
    channel = world().channel
    if channel == 0:
        return [_sum(x, 0) for x in tensors]
    found: dict[int, Tensor] = {}
    for numbers in buckets(tensors):
        together = [tensors[i] for i in numbers]
        found.update(zip(numbers, _unpacked(_sum(_packed(together), channel), together), strict=True))
    return [found[i] for i in range(len(tensors))]


def summed_in_buckets(tensors: Sequence[Tensor], channels: Sequence[int], overlap: bool) -> list[Tensor]:
    """The sums over all ranks, by way of one channel after another.

    With ``overlap`` all that may travel at a time does: programs send each bucket as soon as it is there, and wait for
    them at the end. The Tensors must not be needed any more.
    """
    groups = buckets(tensors)
    moving = [_packed([tensors[i] for i in numbers]) for numbers in groups]
    for channel in channels:
        if overlap:
            moving = [_start(x, channel) for x in moving]
            moving = [_wait(x, channel) for x in moving]
        else:
            moving = [_sum(x, channel) for x in moving]
    found: dict[int, Tensor] = {}
    for numbers, packed in zip(groups, moving, strict=True):
        found.update(zip(numbers, _unpacked(packed, [tensors[i] for i in numbers]), strict=True))
    return [found[i] for i in range(len(tensors))]
