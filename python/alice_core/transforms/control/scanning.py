"""scan as a primitive: a body that is run once for every item, the carry going from step to step.

Source of the interface: Bradbury et al., JAX, 2018 (lax.scan).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ops import broadcasting, creation, extremes, selection, views
from ...primitive import Primitive
from ...tensors import Tensor, int64
from ..batching import alike, batched_call
from ..rerunning import calls_by
from .bodies import Body, Type, closed, run
from .derivatives import (
    Moved,
    Pair,
    differentiated,
    in_one_loop,
    moves_by,
    moving_inputs,
    moving_outputs,
    moving_results,
    with_tangents,
)

__all__ = ["batch_first", "bound", "chosen", "grown", "in_batches", "once_more", "pulled", "scanned"]

_scan = Primitive("scan")


def scanned(
    body: Body,
    inputs: Sequence[Tensor],
    n_consts: int,
    n_carry: int,
    length: int,
    reverse: bool = False,
    steps: Tensor | None = None,
) -> list[Tensor]:
    """The last carry and the stacked results. ``inputs``: constants, the first carry, items along axis 0. ``steps``:
    how many of the ``length`` steps are taken, an int64 Tensor."""
    rest = n_carry, length, reverse, steps

    def again(moved: Moved) -> list[Tensor]:
        n_moved = n_carry + len(moved.carried)
        return scanned(moved.body, moved.inputs, moved.n_consts, n_moved, length, reverse, steps)

    if (found := in_one_loop(body, n_consts, n_carry, inputs, again)) is not None:
        return found
    if not any(x.is_tracked for x in inputs):
        return bound(body, inputs, n_consts, *rest)
    pair = differentiated(body, n_consts, n_carry, [x.is_tracked for x in inputs])
    given = once_more(pair, inputs, n_consts)
    return bound(pair.there, given, n_consts + len(given) - len(inputs), *rest)[: len(body.outputs)]


def bound(
    body: Body,
    inputs: Sequence[Tensor],
    n_consts: int,
    n_carry: int,
    length: int,
    reverse: bool,
    steps: Tensor | None,
) -> list[Tensor]:
    counter = [] if steps is None else [steps]
    given = _scan(*counter, *inputs, body.natives, (n_consts, n_carry), length, reverse, steps is not None)
    return list(given) if isinstance(given, tuple) else [given]


class _Call:
    """A call of the primitive, taken apart."""

    def __init__(self, inputs: Sequence[Any], bodies: Any, counts: Any, length: int, reverse: bool, counted: bool):
        self.body: Body = bodies[0].meaning
        self.steps: Tensor | None = inputs[0] if counted else None
        self.inputs: Sequence[Any] = inputs[1:] if counted else inputs
        self.n_consts, self.n_carry = counts
        self.first_item = self.n_consts + self.n_carry
        self.length, self.reverse = length, reverse
        self.skipped: list[Tensor | None] = [None] * counted  # derivatives by the number of steps

    def with_body(self, body: Body, inputs: Sequence[Tensor], n_consts: int, n_carry: int) -> list[Tensor]:
        return scanned(body, inputs, n_consts, n_carry, self.length, self.reverse, self.steps)


def _rerun(operands: Sequence[Tensor], attributes: Sequence[Any]) -> Any:
    call = _Call(operands, *attributes)
    given = call.with_body(call.body, call.inputs, call.n_consts, call.n_carry)
    return tuple(given) if len(given) != 1 else given[0]


calls_by(_scan, _rerun)


def _moves(attributes: Sequence[Any], marks: list[bool]) -> list[bool]:
    call = _Call(marks, *attributes)
    own = call.body, call.n_consts, call.n_carry, call.inputs
    is_run = call.length > 0 and not call.skipped  # then the carry is that of a step
    return moving_results(call.body, moving_inputs(*own)) if is_run else moving_outputs(*own)


moves_by(_scan, _moves)


def _pull(g: Any, ans: Any, inputs: Sequence[Tensor], *attributes: Any) -> list[Tensor | None]:
    call = _Call(inputs, *attributes)
    cotangents = list(g) if isinstance(g, tuple) else [g]
    results = list(ans) if isinstance(ans, tuple) else [ans]

    def there(body: Body, given: Sequence[Tensor], n_consts: int) -> tuple[list[Tensor], Tensor | None]:
        return bound(body, given, n_consts, call.n_carry, call.length, call.reverse, call.steps), call.steps

    rest = call.length, call.reverse, call.steps
    found = pulled(call.body, call.inputs, call.n_consts, call.n_carry, cotangents, results, there, *rest)
    return call.skipped + found


def pulled(
    body: Body,
    inputs: Sequence[Tensor],
    n_consts: int,
    n_carry: int,
    cotangents: Sequence[Tensor],
    results: Sequence[Tensor],
    there: Callable[[Body, Sequence[Tensor], int], tuple[list[Tensor], Tensor | None]],
    length: int,
    reverse: bool,
    steps: Tensor | None,
) -> list[Tensor | None]:
    """The cotangents of a loop's inputs. ``there`` runs the loop with another body, and says how many steps it took."""
    pair, n_out = body.pair, len(body.outputs)
    if pair is not None:  # its results are those of a body, then what was kept
        n_own = n_out - pair.kept
        if all(map(creation.is_zero, cotangents[n_own:])):
            kept = results[n_own:]
            return _back(pair, inputs, n_consts, n_carry, cotangents[:n_own], kept, length, reverse, steps)
    # Somebody differentiates what was kept, or nobody knew that reverse mode would follow: it is done once more.
    pair = differentiated(body, n_consts, n_carry, [True] * len(inputs))
    given, n_all = once_more(pair, inputs, n_consts), n_consts + len(pair.hoisted.outputs)
    made, steps = there(pair.there, given, n_all)
    found = _back(pair, given, n_all, n_carry, cotangents, made[n_out:], length, reverse, steps)
    return [*found[:n_consts], *found[n_all:]]


def _back(
    pair: Pair,
    inputs: Sequence[Tensor],
    n_consts: int,
    n_carry: int,
    cotangents: Sequence[Tensor],
    kept: Sequence[Tensor],
    length: int,
    reverse: bool,
    steps: Tensor | None,
) -> list[Tensor | None]:
    """The cotangents of the inputs; what the pair has hoisted is among the constants."""
    consts, items = inputs[:n_consts], inputs[n_consts + n_carry :]
    given = [
        *(consts[i] for i in pair.constants),
        *(cotangents[k] for k in pair.carried),
        *(creation.zeros_like(consts[i]) for i in pair.summed),
        *(y for k, y in enumerate(cotangents) if k >= n_carry and y.dtype.kind == "f"),
        *kept,
        *(items[i] for i in pair.items),
    ]
    found = scanned(
        pair.back, given, len(pair.constants), len(pair.carried) + len(pair.summed), length, not reverse, steps
    )
    places = [*(n_consts + k for k in pair.carried), *pair.summed, *(n_consts + n_carry + i for i in pair.moved)]
    gradients: list[Tensor | None] = [None] * len(inputs)
    for place, x in zip(places, found, strict=True):
        gradients[place] = x
    return gradients


def once_more(pair: Pair, inputs: Sequence[Tensor], n_consts: int) -> list[Tensor]:
    """The inputs, with what the pair hoists behind the constants."""
    if not pair.hoisted.outputs:
        return list(inputs)
    return [*inputs[:n_consts], *run(pair.hoisted, inputs[:n_consts]), *inputs[n_consts:]]


_scan.defvjp_all(_pull)


def _push(tangents: Sequence[Tensor | None], ans: Any, inputs: Sequence[Tensor], *attributes: Any) -> Any:
    call = _Call(inputs, *attributes)
    moved = with_tangents(call.body, call.n_consts, call.n_carry, call.inputs, tangents[len(call.skipped) :])
    given = call.with_body(moved.body, moved.inputs, moved.n_consts, call.n_carry + len(moved.carried))
    found = moved.placed(given[call.n_carry :], len(call.body.outputs))
    return tuple(found) if len(found) != 1 else found[0]


_scan.defjvp_all(_push)


def _batched(batched: Sequence[bool], inputs: Sequence[Tensor], *attributes: Any) -> Any:
    call = _Call(inputs, *attributes)
    marks = list(batched[len(call.skipped) :])
    size = next(x.shape[0] for x, marked in zip(inputs, batched, strict=True) if marked)
    body, n_consts, n_carry, given = call.body, call.n_consts, call.n_carry, list(call.inputs)
    body, marks = grown(body, marks, n_consts, n_carry, size, bool(call.skipped) and batched[0])
    for i, had in enumerate(batched[len(call.skipped) :]):
        if marks[i]:
            x = given[i] if had else broadcasting.broadcast_to(given[i], (size, *given[i].shape))
            given[i] = views.moveaxis(x, 0, 1) if i >= call.first_item else x
    steps = call.steps
    if call.skipped and batched[0]:  # examples take their own numbers of steps: those that are not taken change nothing
        assert steps is not None
        body = _masked(body, n_consts, n_carry, size)
        given = [steps, *given, creation.arange(call.length, dtype=int64)]
        n_consts, steps = n_consts + 1, extremes.max(steps)
    found = scanned(body, given, n_consts, n_carry, call.length, call.reverse, steps)
    found = batch_first(found, marks[call.n_consts : call.first_item])
    return tuple(found) if len(found) != 1 else found[0]


_scan.defbatch(_batched)


def batch_first(results: Sequence[Tensor], marks: Sequence[bool]) -> list[Any]:
    """Results of a loop with the batch as axis 0 of those that have it; ``marks``: which of the carry do."""
    return [
        views.moveaxis(y, 1, 0) if k >= len(marks) else y if marks[k] else alike(y)  # a generator's state stays one
        for k, y in enumerate(results)
    ]


def in_batches(body: Body, marks: Sequence[bool], size: int, also: Sequence[int] = ()) -> tuple[Body, list[bool]]:
    """The body for a batch along axis 0 of the marked inputs, and which of its results are batches: those that depend
    on one, and those that ``also`` lists."""
    types: list[Type] = [
        ((size, *shape), dtype) if marked else (shape, dtype)
        for (shape, dtype), marked in zip(body.types, marks, strict=True)
    ]
    depends: list[bool] = []

    def together(inputs: list[Tensor]) -> list[Tensor]:
        if any(marks):
            made = batched_call(lambda xs: run(body, xs), inputs, marks)
        else:
            made = [(y, False) for y in run(body, inputs)]
        depends[:] = [has or k in also for k, (_, has) in enumerate(made)]
        return [
            broadcasting.broadcast_to(y, (size, *y.shape)) if depends[k] and not has else y
            for k, (y, has) in enumerate(made)
        ]

    return closed("vmap", together, types), depends


def grown(
    body: Body, marks: list[bool], n_consts: int, n_carry: int, size: int, everything: bool = False
) -> tuple[Body, list[bool]]:
    """The body in batches, all its stacked results included, and which inputs it wants so: what a step makes of the
    carry may depend on the example where the first carry does not. ``everything``: the whole carry shall."""
    marks = list(marks)
    if everything:
        marks[n_consts : n_consts + n_carry] = [True] * n_carry
    while True:
        also = [k for k in range(len(body.outputs)) if k >= n_carry or marks[n_consts + k]]
        made, depends = in_batches(body, marks, size, also)
        if depends[:n_carry] == marks[n_consts : n_consts + n_carry]:
            return made, marks
        marks[n_consts : n_consts + n_carry] = depends[:n_carry]


def chosen(on: Tensor, new: Tensor, old: Tensor | float) -> Tensor:
    """For each example of a batch one of the two."""
    return selection.where(views.reshape(on, (on.shape[0], *(1,) * (new.ndim - 1))), new, old)


def _masked(body: Body, n_consts: int, n_carry: int, size: int) -> Body:
    """Takes the numbers of steps in front, and the number of the row behind."""

    def step(inputs: list[Tensor]) -> list[Tensor]:
        steps, *own, row = inputs
        on = row < steps
        made = run(body, own)
        carry = own[n_consts : n_consts + n_carry]
        return [chosen(on, y, carry[k] if k < n_carry else creation.zeros_like(y)) for k, y in enumerate(made)]

    return closed("vmap", step, [((size,), int64), *body.types, ((), int64)])
