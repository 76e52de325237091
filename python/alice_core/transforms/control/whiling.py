"""while_loop as a primitive: a body that is run as long as a condition holds.

Forward mode carries tangents along. Reverse mode needs to know at most how many steps there are, since it keeps what
every step read; the way back is a scan of as many steps as there were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import _core
from ...errors import GradientError
from ...ops import broadcasting, creation, extremes, selection
from ...primitive import Primitive
from ...tensors import Tensor, int64
from ..rerunning import calls_by
from .bodies import Body, closed, run
from .derivatives import Moved, differentiated, in_one_loop, moves_by, moving_outputs, with_tangents
from .scanning import batch_first, chosen, grown, in_batches, once_more, pulled

__all__ = ["looped"]

_while = Primitive("while_loop")


def looped(
    condition: Body, body: Body, inputs: Sequence[Tensor], n_asked: int, n_consts: int, max_steps: int | None
) -> list[Tensor]:
    """The last carry, what the steps stack, and the number of steps. ``inputs``: constants of the condition, of the
    body, the first carry."""
    asked, given = list(inputs[:n_asked]), inputs[n_asked:]
    steps: list[Tensor] = []

    def again(moved: Moved) -> list[Tensor]:
        beside = _unmoved(condition, body, n_consts, moved)
        while (context := _core.followed_forward(asked)) is not None:  # the condition has no say in a derivative
            asked[:] = [_core.without_tangent(x, context) for x in asked]
        *found, taken = looped(beside, moved.body, [*asked, *moved.inputs], n_asked, moved.n_consts, max_steps)
        steps.append(taken)
        return found

    if (found := in_one_loop(body, n_consts, len(given) - n_consts, given, again)) is not None:
        return [*found, *steps]
    if max_steps is None or not any(x.is_tracked for x in given):
        return _bind(condition, body, inputs, n_asked, n_consts, max_steps)
    pair = differentiated(body, n_consts, len(given) - n_consts, [x.is_tracked for x in given])
    full = [*inputs[:n_asked], *once_more(pair, given, n_consts)]
    found = _bind(condition, pair.there, full, n_asked, n_consts + len(full) - len(inputs), max_steps)
    return [*found[: len(body.outputs)], found[-1]]


def _bind(
    condition: Body, body: Body, inputs: Sequence[Tensor], n_asked: int, n_consts: int, max_steps: int | None
) -> list[Tensor]:
    return list(_while(*inputs, (condition.native(), body.native()), (n_asked, n_consts), max_steps))


def _unmoved(condition: Body, body: Body, n_consts: int, moved: Moved) -> Body:
    """The condition reads the values alone, of a carry with tangents behind."""
    return condition.beside([body.types[n_consts + k] for k in moved.carried])


class _Call:
    """A call of the primitive, taken apart."""

    def __init__(self, inputs: Sequence[Any], bodies: Any, counts: Any, max_steps: int | None):
        self.condition, self.body = (native.meaning for native in bodies)
        self.n_asked, self.n_consts = counts
        self.asked, self.inputs = list(inputs[: self.n_asked]), list(inputs[self.n_asked :])
        self.n_carry = len(self.inputs) - self.n_consts
        self.max_steps = max_steps
        self.skipped: list[Tensor | None] = [None] * self.n_asked  # derivatives by what the condition reads


def _rerun(operands: Sequence[Tensor], attributes: Sequence[Any]) -> Any:
    call = _Call(operands, *attributes)
    return tuple(looped(call.condition, call.body, operands, call.n_asked, call.n_consts, call.max_steps))


calls_by(_while, _rerun)


def _moves(attributes: Sequence[Any], marks: list[bool]) -> list[bool]:
    call = _Call(marks, *attributes)
    return [*moving_outputs(call.body, call.n_consts, call.n_carry, call.inputs), False]


moves_by(_while, _moves)


def _pull(g: Any, ans: Any, inputs: Sequence[Tensor], *attributes: Any) -> list[Tensor | None]:
    call = _Call(inputs, *attributes)
    if call.max_steps is None:
        raise GradientError(
            "while_loop: expected max_steps for reverse mode, which keeps what every step read; got none; say "
            "while_loop(…, max_steps=n), or use forward mode (ac.jvp, ac.jacfwd)"
        )
    *cotangents, _ = g
    *results, steps = ans

    def there(body: Body, given: Sequence[Tensor], n_consts: int) -> tuple[list[Tensor], Tensor | None]:
        *made, taken = _bind(call.condition, body, [*call.asked, *given], call.n_asked, n_consts, call.max_steps)
        return made, taken

    rest = call.max_steps, False, steps
    found = pulled(call.body, call.inputs, call.n_consts, call.n_carry, cotangents, results, there, *rest)
    return call.skipped + found


_while.defvjp_all(_pull)


def _push(tangents: Sequence[Tensor | None], ans: Any, inputs: Sequence[Tensor], *attributes: Any) -> Any:
    call = _Call(inputs, *attributes)
    moved = with_tangents(call.body, call.n_consts, call.n_carry, call.inputs, tangents[call.n_asked :])
    condition = _unmoved(call.condition, call.body, call.n_consts, moved)
    operands = [*call.asked, *moved.inputs]
    found = looped(condition, moved.body, operands, call.n_asked, moved.n_consts, call.max_steps)
    return (*moved.placed(found[call.n_carry : -1], len(call.body.outputs)), None)


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
    return (*batch_first(results, marks[n_consts:]), steps)


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
