"""Loops that keep little for reverse mode: every so many steps the carry, from which the steps between are run again.

Such a loop is one of parts, whose body is a loop of a few steps. The way back through a part runs it once more, and
keeps what the plain loop keeps, but for the steps of one part. Sums over steps go on from part to part, so gradients
have the bits of the plain loop.

Source: Griewank and Walther, Evaluating Derivatives, 2008, section 12.2 (checkpoints at equal distances).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...ops import broadcasting, joining, views
from ...tensors import Tensor, asarray, int64
from .bodies import Body, Type, closed, derived
from .derivatives import Pair, differentiated
from .scanning import bound, once_more, scanned

__all__ = ["scanned_in_parts"]


def scanned_in_parts(
    body: Body, inputs: Sequence[Tensor], n_consts: int, n_carry: int, length: int, reverse: bool, every: int
) -> list[Tensor]:
    """As ``scanned``; reverse mode keeps the carry before each part of so many steps."""
    if every >= length:
        return scanned(body, inputs, n_consts, n_carry, length, reverse)
    n, first_item = -(-length // every), n_consts + n_carry
    # The last part has what is left; what fills it up is never read. Parts of one length do not ask for it.
    counts, equal = asarray(np.minimum(every, length - every * np.arange(n)), dtype=int64), length == n * every
    items = [_parted(x, n, every) for x in inputs[first_item:]]
    given = [*inputs[:first_item], counts, *items]
    part = _part(body, n_consts, n_carry, every, reverse, equal)
    if any(x.is_tracked for x in inputs):
        pair = _pair(body, part, n_consts, n_carry, every, reverse, equal, [x.is_tracked for x in inputs])
        part = pair.there
    found = bound(part, given, n_consts, n_carry, n, reverse, None)[: len(body.outputs)]
    rows = (views.reshape(y, (n * every, *y.shape[2:]))[:length] for y in found[n_carry:])
    return [*found[:n_carry], *rows]


def _parted(x: Tensor, n: int, every: int) -> Tensor:
    missing = n * every - x.shape[0]
    if missing:
        x = joining.concat([x, broadcasting.broadcast_to(x[-1:], (missing, *x.shape[1:]))])
    return views.reshape(x, (n, every, *x.shape[1:]))


def _types(body: Body, first_item: int, every: int) -> list[Type]:
    """Of the inputs of a part: how many steps it has stands before the items."""
    items: list[Type] = [((every, *shape), dtype) for shape, dtype in body.types[first_item:]]
    return [*body.types[:first_item], ((), int64), *items]


def _part(body: Body, n_consts: int, n_carry: int, every: int, reverse: bool, equal: bool) -> Body:
    first_item = n_consts + n_carry

    def run(xs: list[Tensor]) -> list[Tensor]:
        own = [*xs[:first_item], *xs[first_item + 1 :]]
        return scanned(body, own, n_consts, n_carry, every, reverse, None if equal and own else xs[first_item])

    def make() -> Body:
        return closed("scan", run, _types(body, first_item, every))

    return derived(body, "part", (n_consts, n_carry, every, reverse, equal), make, lambda made: [made])


def _pair(
    body: Body,
    part: Body,
    n_consts: int,
    n_carry: int,
    every: int,
    reverse: bool,
    equal: bool,
    wanted: Sequence[bool],
) -> Pair:
    """How a part runs when reverse mode may follow: it keeps the carry that it began with."""
    first_item, n_out = n_consts + n_carry, len(body.outputs)
    inner = differentiated(body, n_consts, n_carry, wanted)
    n_in, n_moving = len(part.types), len(inner.carried) + len(inner.summed)
    stacked = [((every, *shape), dtype) for shape, dtype in body.output_types[n_carry:] if dtype.kind == "f"]

    def back(xs: list[Tensor]) -> list[Tensor]:
        given = iter(xs)
        consts, moving, cotangents, carry, (count,), items = (
            [next(given) for _ in range(n)]
            for n in (n_consts, n_moving, len(stacked), n_carry, 1, n_in - first_item - 1)
        )
        again = once_more(inner, [*consts, *carry, *items], n_consts)
        steps = None if equal else count
        n_all = n_consts + len(inner.hoisted.outputs)
        kept = bound(inner.there, again, n_all, n_carry, every, reverse, steps)[n_out:]
        read = [*(again[i] for i in inner.constants), *moving, *cotangents, *kept, *(items[i] for i in inner.items)]
        return scanned(inner.back, read, len(inner.constants), n_moving, every, not reverse, steps)

    def make() -> Pair:
        types = part.types
        carried = [types[n_consts + k] for k in inner.carried]
        summed = [types[i] for i in inner.summed]
        kept = types[n_consts:first_item]
        there = part.arranged(range(n_in), range(n_out)).giving(range(n_consts, first_item))
        there.pair = Pair(
            closed("scan", lambda xs: [], types[:n_consts]),
            there,
            closed("scan", back, [*types[:n_consts], *carried, *summed, *stacked, *kept, *types[first_item:]]),
            list(range(n_consts)),
            list(range(n_in - first_item)),
            inner.summed,
            inner.carried,
            [1 + i for i in inner.moved],
            n_carry,
        )
        return there.pair

    return derived(part, "parts", tuple(wanted), make, lambda pair: [pair.there, pair.back, pair.hoisted])
