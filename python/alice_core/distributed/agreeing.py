"""Ranks agree on what they exchange before they do."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from ..checks import is_known
from ..errors import ShapeError
from ..primitive import Primitive
from ..tensors import tensor
from .watching import waiting
from .world import world

if TYPE_CHECKING:
    from ..tensors import Tensor

__all__ = ["agree", "extreme"]

#: Here, as ranks agree by it: each tells the others a number that stands for what it is about to do.
extreme = Primitive("allreduce_extreme", saves=(0, "ans"))

_traced: set[tuple[str, ...]] = set()


def agree(what: str, named: Sequence[tuple[str, Tensor]], form: object = None) -> None:
    """Raise on every rank unless all have the same here: Tensors of the same names, shapes and dtypes, in one form.

    That costs a message of 16 bytes. Of functions that are traced all ranks agree once, when they trace.

    Raises
    ------
    ShapeError
        Naming the first rank that differs from rank 0, and the first Tensor.

    Examples
    --------
    >>> import alice_core as ac
    >>> from alice_core.distributed.agreeing import agree
    >>> agree("example", [("w", ac.ones(2))])
    """
    here = world()
    if here.size == 1:
        return
    own = (
        what,
        *([] if form is None else [f"a tree {form}"]),
        *(f"{name} of shape {x.shape}, {x.dtype.name}" for name, x in named),
    )
    if all(is_known(x) for _, x in named):
        digest = int.from_bytes(blake2b("\n".join(own).encode(), digest_size=8).digest(), "little", signed=True)
        if extreme(tensor([digest, ~digest]), here.channel, True).tolist() == [digest, ~digest]:
            return
    elif own in _traced:
        return
    with waiting(f"{what}: do all ranks mean the same?"):
        all_own = here.comm.allgather(own)
    for rank, other in enumerate(all_own):
        if other == all_own[0]:
            continue
        pairs = [(a, b) for a, b in zip(other, all_own[0], strict=False) if a != b]
        got, expected = pairs[0] if pairs else (f"{len(other) - 1} Tensors", f"{len(all_own[0]) - 1} Tensors")
        raise ShapeError(
            f"{what}: all ranks must give the same Tensors in the same order; rank {rank} has {got}; rank 0 has "
            f"{expected}; make them alike"
        )
    _traced.add(own)
