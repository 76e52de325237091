"""Derivatives of bodies: what the steps of a loop keep for reverse mode, and the bodies of the loops that go back.

A body and its pull-back are traced together. Each of their calls depends on constants of the loop alone, which is done
once, before it; or on what a step reads, which is done on the way there; or on cotangents, which is done on the way
back. What the way back reads of the way there is kept, step by step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from ... import _core
from ...ops import creation
from ...primitive import Primitive, primitives
from ...tensors import Tensor
from ..forward import jvp
from ..reverse import vjp
from .bodies import Body, Call, Ref, closed, derived, floating, part, run, run_moved

__all__ = [
    "Moved",
    "Pair",
    "differentiated",
    "in_one_loop",
    "moves_by",
    "moving_inputs",
    "moving_outputs",
    "moving_results",
    "moving_values",
    "pushed",
    "with_tangents",
]

#: What gives another view of memory, or spreads it, takes no time, and would only be kept twice.
_VIEWS = frozenset({"reshape", "permute_dims", "expand_dims", "squeeze", "broadcast_to", "identity", "stop_gradient"})


class Pair(NamedTuple):
    """How a body runs when reverse mode may follow, and how cotangents get back through one of its steps.

    ``there`` takes (constants, what ``hoisted`` makes of them, carry, items) and gives the results of the body, then
    what is kept. ``back`` takes (constants and hoisted; cotangents of the carry and sums over the steps; cotangents of
    the stacked results, what was kept, items) and gives the new carry, then cotangents of the items.
    """

    hoisted: Body
    there: Body
    back: Body
    constants: list[int]  # of (constants, hoisted), those that `back` reads
    items: list[int]  # of the items, those that it reads
    summed: list[int]  # of the constants, those whose cotangents are summed
    carried: list[int]  # of the carry, those with cotangents
    moved: list[int]  # of the items, those with cotangents
    kept: int  # how many values are kept


def differentiated(body: Body, n_consts: int, n_carry: int, wanted: Sequence[bool], repeats: bool = True) -> Pair:
    """``wanted``: for which inputs a cotangent is asked; those that are no floats have none, and carried ones have one
    where some step makes them depend on what is asked. ``repeats``: whether it pays to do once, before all steps, what
    does not depend on them."""
    return derived(
        body,
        "pair",
        (n_consts, n_carry, tuple(wanted), repeats),
        lambda: _Partition(body, n_consts, n_carry, wanted).pair(repeats),
        lambda pair: [pair.hoisted, pair.there, pair.back],
    )


#: Of a primitive that runs bodies: from its attributes and which operands move to which results do.
_rules: dict[str, Callable[[Sequence[Any], list[bool]], list[bool]]] = {}


def moves_by(primitive: Primitive, rule: Callable[[Sequence[Any], list[bool]], list[bool]]) -> None:
    _rules[primitive.name] = rule


def moving_values(body: Body, moving: Sequence[bool]) -> set[int]:
    """Which values have a derivative by the inputs that are marked; the others are constants."""
    moved = {i for i, moves in enumerate(moving) if moves}
    for call in body.calls:
        marks = [isinstance(x, int) and x in moved for x in call.operands]
        if call.muted or not call.primitive.differentiable or not any(marks):
            continue
        rule = _rules.get(call.primitive.name)
        results = rule(call.attributes, marks) if rule is not None else [True] * len(call.results)
        moved.update(r for r, moves in zip(call.results, results, strict=True) if moves)
    return moved


def moving_results(body: Body, moving: Sequence[bool]) -> list[bool]:
    """Which of the results have one."""

    def follow() -> list[bool]:
        moved = moving_values(body, moving)
        return [y in moved and f for y, f in zip(body.outputs, floating(body.output_types), strict=True)]

    return derived(body, "moving", tuple(moving), follow, lambda _: [])


def moving_inputs(body: Body, n_consts: int, n_carry: int, moving: Sequence[bool]) -> list[bool]:
    """Of the inputs of a loop those that move in some step, where the marked ones do at first."""
    marks = [f and moves for f, moves in zip(floating(body.types), moving, strict=True)]
    while True:
        results = moving_results(body, marks)
        grown = list(marks)
        for k in range(n_carry):
            grown[n_consts + k] |= results[k]
        if grown == marks:
            return marks
        marks = grown


def moving_outputs(body: Body, n_consts: int, n_carry: int, moving: Sequence[bool]) -> list[bool]:
    """Of the results of a loop, the carry and what is stacked."""
    marks = moving_inputs(body, n_consts, n_carry, moving)
    return [*marks[n_consts : n_consts + n_carry], *moving_results(body, marks)[n_carry:]]


def pushed(body: Body, moving: Sequence[bool]) -> Body:
    """The body that takes tangents of the marked inputs behind its inputs, and gives those of its floating results
    behind its results."""

    def make() -> Body:
        n, types = len(body.types), list(body.types)
        places = [i for i, moves in enumerate(moving) if moves]

        def both(inputs: list[Tensor]) -> Iterable[Tensor]:
            if not places:
                values = run(body, inputs[:n])
                return [*values, *(creation.zeros_like(y) for y in values if y.dtype.kind == "f")]
            values, tangents = jvp(
                lambda xs: run_moved(body, inputs[:n], places, xs), ([inputs[i] for i in places],), (inputs[n:],)
            )
            return [*values, *(t for t, y in zip(tangents, values, strict=True) if y.dtype.kind == "f")]

        return closed("loop", both, types + [types[i] for i in places])

    return derived(body, "pushed", tuple(moving), make, lambda made: [made])


class Moved(NamedTuple):
    """A loop that carries tangents along, behind what they belong to."""

    body: Body
    inputs: list[Tensor]
    n_consts: int
    carried: list[int]  # of the carry, those with tangents
    stacked: list[int]  # of all results, those that are stacked and have tangents
    items: int  # how many of its results are stacked values

    def placed(self, tangents: Sequence[Tensor], n: int) -> list[Tensor | None]:
        """For each of n results its tangent, or None."""
        found: list[Tensor | None] = [None] * n
        for k, t in zip([*self.carried, *self.stacked], tangents, strict=True):
            found[k] = t
        return found


def with_tangents(
    body: Body,
    n_consts: int,
    n_carry: int,
    inputs: Sequence[Tensor],
    tangents: Sequence[Tensor | None],
    values: bool = False,
) -> Moved:
    """The loop of ``pushed``: gives the carry, its tangents, where ``values`` are wanted what is stacked, and tangents
    of what is stacked. What no step moves has none."""
    n, n_out, first_item = len(inputs), len(body.outputs), n_consts + n_carry
    moving = moving_inputs(body, n_consts, n_carry, [t is not None for t in tangents])
    moved = moving_results(body, moving)
    places = [i for i, moves in enumerate(moving) if moves]
    given = [creation.zeros_like(inputs[i]) if (t := tangents[i]) is None else t for i in places]
    # The tangents stand behind all inputs: the three kinds have to be brought together.
    kinds = range(n_consts), range(n_consts, first_item), range(first_item, n)
    order = [k for kind in kinds for k in (*kind, *(n + j for j, i in enumerate(places) if i in kind))]
    results = [k for k, f in enumerate(floating(body.output_types)) if f]
    tangent_of = {k: n_out + j for j, k in enumerate(results)}
    carried = [k for k in range(n_carry) if moving[n_consts + k]]
    stacked = [k for k in range(n_carry, n_out) if moved[k]]
    items = range(n_carry, n_out) if values else range(0)
    outputs = [*range(n_carry), *(tangent_of[k] for k in carried), *items, *(tangent_of[k] for k in stacked)]
    everything = [*inputs, *given]
    return Moved(
        pushed(body, moving).arranged(order, outputs),
        [everything[k] for k in order],
        n_consts + sum(moving[:n_consts]),
        carried,
        stacked,
        len(items),
    )


def in_one_loop(
    body: Body, n_consts: int, n_carry: int, inputs: Sequence[Tensor], again: Callable[[Moved], list[Tensor]]
) -> list[Tensor] | None:
    """The results of a loop whose inputs carry tangents, with theirs, by one loop instead of one for the values and
    one for the tangents beside them. None where forward mode does not follow, or where reverse mode does too: what it
    walks back along are values that carry their tangents. ``again`` runs a loop with another body."""
    context = None if any(x.is_tracked for x in inputs) else _core.followed_forward(inputs)
    if context is None:
        return None
    plain = [_core.without_tangent(x, context) for x in inputs]
    tangents = [_core.tangent(x, context) for x in inputs]
    moved = with_tangents(body, n_consts, n_carry, plain, tangents, True)
    found = again(moved)
    behind = n_carry + len(moved.carried) + moved.items
    results = [*found[:n_carry], *found[behind - moved.items : behind]]
    pushed_on = [*found[n_carry : n_carry + len(moved.carried)], *found[behind : behind + len(moved.stacked)]]
    for k, t in zip([*moved.carried, *moved.stacked], pushed_on, strict=True):
        results[k] = _core.with_tangent(results[k], context, t)
    return results


# -- the way there and the way back ------------------------------------------------------------------------------------

_ONCE, _THERE, _BACK = range(3)


class _Partition:
    def __init__(self, body: Body, n_consts: int, n_carry: int, wanted: Sequence[bool]) -> None:
        self.body, self.n_consts, self.n_carry = body, n_consts, n_carry
        self.n_in, self.n_out = len(body.types), len(body.outputs)
        first_item = n_consts + n_carry
        asked = moving_inputs(body, n_consts, n_carry, wanted)
        self.summed = [i for i in range(n_consts) if asked[i]]
        self.carried = [i - n_consts for i in range(n_consts, first_item) if asked[i]]
        self.moved = [i - first_item for i in range(first_item, self.n_in) if asked[i]]
        self.given = [k for k, f in enumerate(floating(body.output_types)) if f]  # results with cotangents
        self.joint = self._joint([i for i, a in enumerate(asked) if a])
        self.types = self.joint.value_types()

    def _joint(self, asked: list[int]) -> Body:
        """(inputs, cotangents of the floating results) to (results, cotangents of the inputs asked for)."""
        body, n = self.body, self.n_in

        def both(inputs: list[Tensor]) -> Iterable[Tensor]:
            values: list[Tensor] = []

            def of_asked(xs: list[Tensor]) -> list[Tensor]:
                values[:] = run_moved(body, inputs[:n], asked, xs)
                return [values[k] for k in self.given]

            if not asked or not self.given:
                return [*run(body, inputs[:n]), *(creation.zeros_like(inputs[i]) for i in asked)]
            results, pullback = vjp(of_asked, [inputs[i] for i in asked])
            for k, y in zip(self.given, results, strict=True):
                values[k] = y
            (found,) = pullback(list(inputs[n:]))
            return [*values, *found]

        return closed("loop", both, [*body.types, *(body.output_types[k] for k in self.given)])

    def pair(self, repeats: bool) -> Pair:
        when = self._when()
        calls: list[list[Call]] = [[], [], []]
        for c in self.joint.calls:
            calls[max((when[r] for r in c.results), default=_ONCE)].append(c)
        if not repeats:
            calls = [[], calls[_ONCE] + calls[_THERE], calls[_ONCE] + calls[_BACK]]
        outputs, cotangents = self.joint.outputs[: self.n_out], self.joint.outputs[self.n_out :]

        read_back = _read(calls[_BACK], cotangents)
        for c in reversed(calls[_THERE]):  # views of what was kept are taken on the way back, too
            if not read_back.isdisjoint(c.results) and self._is_view(c, read_back):
                calls[_BACK].insert(0, c)
                read_back = (read_back - set(c.results)) | _read([c], ())

        first_item, first_made = self.n_consts + self.n_carry, self.n_in + len(self.given)
        read = read_back | _read(calls[_THERE], outputs)
        hoisted = sorted(r for r in read if when[r] == _ONCE and r >= first_made) if repeats else []
        kept = sorted(r for r in read_back if when[r] == _THERE and not first_item <= r < self.n_in)
        consts, all_consts = list(range(self.n_consts)), [*range(self.n_consts), *hoisted]

        # Sums over the steps are carried: values of their own, and a call of add for each.
        n_summed, n_carried = len(self.summed), len(self.carried)
        free = first_made + sum(len(c.results) for c in self.joint.calls)
        sums, totals = range(free, free + n_summed), range(free + n_summed, free + 2 * n_summed)
        adds = [
            Call(primitives()["add"], (), (place, share), (total,), (self.body.types[i],), False)
            for i, place, share, total in zip(self.summed, sums, cotangents[:n_summed], totals, strict=True)
        ]
        number_of = {k: self.n_in + i for i, k in enumerate(self.given)}  # of the cotangent of a result
        constants = [i for i, r in enumerate(all_consts) if r in read_back]
        items = [i for i in range(self.n_in - first_item) if first_item + i in read_back]
        back = part(
            self.joint,
            [*calls[_BACK], *adds],
            [
                *(all_consts[i] for i in constants),
                *(number_of[k] for k in self.carried),
                *sums,
                *(number_of[k] for k in self.given if k >= self.n_carry),
                *kept,
                *(first_item + i for i in items),
            ],
            [*cotangents[n_summed : n_summed + n_carried], *totals, *cotangents[n_summed + n_carried :]],
            dict(zip(sums, (self.body.types[i] for i in self.summed), strict=True)),
        )
        there = part(self.joint, calls[_THERE], [*all_consts, *range(self.n_consts, self.n_in)], [*outputs, *kept])
        there.pair = Pair(
            part(self.joint, calls[_ONCE], consts, hoisted),
            there,
            back,
            constants,
            items,
            self.summed,
            self.carried,
            self.moved,
            len(kept),
        )
        return there.pair

    def _is_view(self, call: Call, read_back: set[int]) -> bool:
        """A slice is one of what is kept anyway, or not much more than it: it would be a copy."""
        if call.primitive.name != "slice":
            return call.primitive.name in _VIEWS
        (source,) = call.operands
        ((shape, _),) = call.types
        return isinstance(source, int) and (
            source in read_back or 2 * math.prod(shape) >= math.prod(self.types[source][0])
        )

    def _when(self) -> list[int]:
        """When each value can be computed at the earliest."""
        when = [_ONCE] * self.n_consts + [_THERE] * (self.n_in - self.n_consts) + [_BACK] * len(self.given)
        for call in self.joint.calls:
            time = max((when[x] for x in call.operands if isinstance(x, int)), default=_ONCE)
            when += [time] * len(call.results)
        return when


def _read(calls: Sequence[Call], outputs: Sequence[Ref]) -> set[int]:
    """What calls read that none of them makes, and outputs."""
    made = {r for c in calls for r in c.results}
    read = {x for c in calls for x in c.operands if isinstance(x, int)}
    return (read | {x for x in outputs if isinstance(x, int)}) - made
