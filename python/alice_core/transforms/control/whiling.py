"""while_loop as a primitive: a body that is run as long as a condition holds.

Forward mode carries tangents along. Reverse mode needs to know at most how many steps there are, since it keeps what
every step read; the way back is a scan of as many steps as there were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import GradientError
from ...ops import broadcasting, creation, extremes, selection
from ...primitive import Primitive
from ...tensors import Tensor, int64
from ..rerunning import calls_by
from .bodies import Body, closed, floating, run
from .derivatives import differentiated, is_zero, pushed
from .scanning import back, chosen, grown, in_batches, once_more, spread, without_hoisted

__all__ = ["looped"]

_while = Primitive("while_loop")


def looped(
    condition: Body, body: Body, inputs: Sequence[Tensor], n_asked: int, n_consts: int, max_steps: int | None
) -> list[Tensor]:
    """The last carry, what the steps stack, and the number of steps. ``inputs``: constants of the condition, of the
    body, the first carry."""
    given = inputs[n_asked:]
    if max_steps is None or not any(x.is_tracked for x in given):
        return _bind(condition, body, inputs, n_asked, n_consts, max_steps)
    pair = differentiated(body, n_consts, len(given) - n_consts, [x.is_tracked for x in given])
    pair.there.pair = pair
    full = [*inputs[:n_asked], *once_more(pair, given, n_consts)]
    found = _bind(condition, pair.there, full, n_asked, n_consts + len(full) - len(inputs), max_steps)
    return [*found[: len(body.outputs)], found[-1]]


def _bind(
    condition: Body, body: Body, inputs: Sequence[Tensor], n_asked: int, n_consts: int, max_steps: int | None
) -> list[Tensor]:
    return list(_while(*inputs, (condition.native(), body.native()), (n_asked, n_consts), max_steps))


class _Call:
    """A call of the primitive, taken apart."""

    reverse = False

    def __init__(self, inputs: Sequence[Any], bodies: Any, counts: Any, max_steps: int | None):
        self.condition, self.body = (native.meaning for native in bodies)
        self.n_asked, self.n_consts = counts
        self.asked, self.inputs = list(inputs[: self.n_asked]), list(inputs[self.n_asked :])
        self.first_item = len(self.inputs)
        self.n_carry = self.first_item - self.n_consts
        self.max_steps = max_steps
        self.skipped: list[Tensor | None] = [None] * self.n_asked  # derivatives by what the condition reads


def _rerun(operands: Sequence[Tensor], attributes: Sequence[Any]) -> Any:
    call = _Call(operands, *attributes)
    return tuple(looped(call.condition, call.body, operands, call.n_asked, call.n_consts, call.max_steps))


calls_by(_while, _rerun)


def _pull(g: Any, ans: Any, inputs: Sequence[Tensor], *attributes: Any) -> list[Tensor | None]:
    call = _Call(inputs, *attributes)
    if call.max_steps is None:
        raise GradientError(
            "while_loop: expected max_steps for reverse mode, which keeps what every step read; got none; say "
            "while_loop(…, max_steps=n), or use forward mode (ac.jvp, ac.jacfwd)"
        )
    *cotangents, _ = g
    *results, steps = ans
    pair = call.body.pair
    if pair is not None:  # its results are those of a body, then what was kept
        n_out = len(call.body.outputs) - pair.kept
        if all(map(is_zero, cotangents[n_out:])):
            rest = call.max_steps, False, steps
            own = back(pair, call.inputs, call.n_consts, call.n_carry, cotangents[:n_out], results[n_out:], *rest)
            return call.skipped + own
    # Somebody differentiates what was kept, or nobody knew that reverse mode would follow: it is done once more.
    pair = differentiated(call.body, call.n_consts, call.n_carry, [True] * len(call.inputs))
    pair.there.pair = pair
    given = once_more(pair, call.inputs, call.n_consts)
    n_consts = call.n_consts + len(pair.hoisted.outputs)
    *there, steps = _bind(call.condition, pair.there, [*call.asked, *given], call.n_asked, n_consts, call.max_steps)
    kept = there[len(call.body.outputs) :]
    found = back(pair, given, n_consts, call.n_carry, cotangents, kept, call.max_steps, False, steps)
    return call.skipped + without_hoisted(found, pair, call.n_consts)


_while.defvjp_all(_pull)


def _push(tangents: Sequence[Tensor | None], ans: Any, inputs: Sequence[Tensor], *attributes: Any) -> Any:
    call = _Call(inputs, *attributes)
    body, n_consts, n = call.body, call.n_consts, len(call.inputs)
    given = list(tangents[call.n_asked :])
    moving = [
        f and (t is not None or i >= n_consts) for i, (f, t) in enumerate(zip(floating(body.types), given, strict=True))
    ]
    both = pushed(body, moving)
    places = [i for i, moves in enumerate(moving) if moves]
    everything = [
        *call.inputs,
        *(creation.zeros_like(call.inputs[i]) if (t := given[i]) is None else t for i in places),
    ]
    order = [
        *range(n_consts),
        *(n + j for j, i in enumerate(places) if i < n_consts),
        *range(n_consts, n),
        *(n + j for j, i in enumerate(places) if i >= n_consts),
    ]
    n_out, results = len(body.outputs), [k for k, f in enumerate(floating(body.output_types)) if f]
    carried = [k for k in range(call.n_carry) if k in results]
    stacked = [k for k in range(call.n_carry, n_out) if k in results]
    tangent_of = {k: n_out + j for j, k in enumerate(results)}
    outputs = [*range(call.n_carry), *(tangent_of[k] for k in carried), *(tangent_of[k] for k in stacked)]
    n_new = n_consts + sum(1 for i in places if i < n_consts)
    # The condition reads the values alone.
    condition = call.condition.beside([body.types[n_consts + k] for k in carried])
    found = looped(
        condition,
        both.arranged(order, outputs),
        [*call.asked, *(everything[k] for k in order)],
        call.n_asked,
        n_new,
        call.max_steps,
    )
    moved: list[Tensor | None] = [None] * (n_out + 1)
    for k, t in zip([*carried, *stacked], found[call.n_carry : -1], strict=True):
        moved[k] = t
    return tuple(moved)


_while.defjvp_all(_push)


def _batched(batched: Sequence[bool], inputs: Sequence[Tensor], *attributes: Any) -> Any:
    """Where the condition differs between the examples, all go on until the last one is done, which leaves those alone
    that are."""
    call = _Call(inputs, *attributes)
    size = next(x.shape[0] for x, marked in zip(inputs, batched, strict=True) if marked)
    n_asked, n_consts, n_carry = call.n_asked, call.n_consts, call.n_carry
    asked = list(batched[:n_asked])
    body, marks = grown(call.body, list(batched[n_asked:]), n_consts, n_carry, size)
    condition, (differs,) = in_batches(call.condition, [*asked, *marks[n_consts:]], size)
    if differs:
        body, marks = grown(call.body, marks, n_consts, n_carry, size, True)
        condition, _ = in_batches(call.condition, [*asked, *marks[n_consts:]], size)
    full = [
        broadcasting.broadcast_to(x, (size, *x.shape)) if has and not had else x
        for x, had, has in zip(inputs, batched, [*asked, *marks], strict=True)
    ]
    if differs:
        first = n_asked + n_consts
        full = [*full[:n_asked], *full[:first], creation.zeros((size,), int64), *full[first:]]
        body = _masked(condition, body, n_asked, n_consts, n_carry, size)
        condition = _of_any(condition, n_asked, size)
        steps, *results, _ = looped(condition, body, full, n_asked, n_asked + n_consts, call.max_steps)
    else:
        *results, steps = looped(condition, body, full, n_asked, n_consts, call.max_steps)
        steps = broadcasting.broadcast_to(steps, (size,))
    return (*spread(results, marks[n_consts:], size), steps)


def _of_any(each: Body, n_asked: int, size: int) -> Body:
    """Whether the condition holds for any example; the carry begins with their numbers of steps."""

    def anybody(inputs: list[Tensor]) -> list[Tensor]:
        return [extremes.any(run(each, [*inputs[:n_asked], *inputs[n_asked + 1 :]])[0])]

    return closed("vmap", anybody, [*each.types[:n_asked], ((size,), int64), *each.types[n_asked:]])


def _masked(each: Body, body: Body, n_asked: int, n_consts: int, n_carry: int, size: int) -> Body:
    """A step of those examples for which the condition holds, which are counted; it reads what the condition reads."""
    first = n_asked + n_consts

    def step(inputs: list[Tensor]) -> list[Tensor]:
        own, read, (count, *carry) = inputs[:n_asked], inputs[n_asked:first], inputs[first:]
        (on,) = run(each, [*own, *carry])
        made = run(body, [*read, *carry])
        return [
            count + selection.astype(on, int64),
            *(chosen(on, y, carry[k]) if k < n_carry else y for k, y in enumerate(made)),
        ]

    return closed(
        "vmap", step, [*each.types[:n_asked], *body.types[:n_consts], ((size,), int64), *body.types[n_consts:]]
    )


_while.defbatch(_batched)
