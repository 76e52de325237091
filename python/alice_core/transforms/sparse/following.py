"""What the results of a body depend on, call by call; loops and choices included."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ... import _core
from ...checks import known_values
from ...tensors import Tensor
from ..control.bodies import Body, Call
from .rules import Items, dependence, moved
from .sets import Sets, composed, stacked, united

__all__ = ["follow", "has_rules_of_its_own", "known_integers"]

#: So many steps of a loop are followed one by one; of more, all are taken to be like any.
_EXACT_STEPS = 1000


def known_integers(x: Tensor) -> npt.NDArray[Any] | None:
    """What indices are made of, where it may be looked at."""
    return known_values(x) if x.dtype.kind in "iu" else None


def follow(body: Body, inputs: Sequence[Items]) -> list[Items]:
    """The results of the body, of what is known of its inputs."""
    values = dict(enumerate(inputs))

    def of(ref: int | Tensor) -> Items:
        return values[ref] if isinstance(ref, int) else Items(Sets.none(ref.shape), known_integers(ref))

    for call in body.calls:
        operands = [of(x) for x in call.operands]
        values.update(zip(call.results, _results(call, operands), strict=True))
    return [of(x) for x in body.outputs]


def _results(call: Call, operands: list[Items]) -> list[Items]:
    shapes = [shape for shape, _ in call.types]
    if call.muted or not call.primitive.differentiable or all(x.sets.is_empty for x in operands):
        known = operands[0].known if len(operands) == 1 else None
        if known is not None and len(shapes) == 1 and call.types[0][1].kind in "iu":
            known = moved(call.primitive.name, known, shapes[0], call.attributes)
            return [Items(Sets.none(shapes[0]), known)]
        return [Items(Sets.none(shape), None) for shape in shapes]
    control = _CONTROL.get(call.primitive.name) if call.primitive.rerun_rule is None else None
    if control is not None:
        found = control(operands, *call.attributes)
    else:
        operands = [
            x if moves else Items(Sets.none(x.sets.shape), x.known)
            for x, moves in zip(operands, _moving(call), strict=True)
        ]
        found = [dependence(call.primitive, operands, shape, call.attributes) for shape in shapes]
    floats = [dtype.kind == "f" for _, dtype in call.types]
    return [Items(x if f else Sets.none(x.shape), None) for x, f in zip(found, floats, strict=True)]


def _moving(call: Call) -> list[bool]:
    """By which operands the primitive has a derivative that is not zero everywhere."""
    p, n = call.primitive, len(call.operands)
    by_vjp, by_jvp = ([True] * n if r is None else [x is not None for x in r] for r in (p.vjp_rules, p.jvp_rules))
    return [a or b for a, b in zip(by_vjp, by_jvp, strict=True)]


def has_rules_of_its_own(body: Body) -> bool:
    """Whether some derivative in it is a rule that a user gave."""
    return any(
        call.primitive.rerun_rule is not None or any(has_rules_of_its_own(inner) for inner in _inner(call))
        for call in body.calls
    )


def _inner(call: Call) -> Iterator[Body]:
    for a in call.attributes:
        if isinstance(a, tuple):
            yield from (native.meaning for native in a if isinstance(native, _core.Body))


# -- loops and choices -------------------------------------------------------------------------------------------------


def _row(x: Sets) -> Sets:
    return x.at(x.which.reshape(1, -1))


class _Step:
    """A loop's body as what each of its results depends on: numbers of the items of its inputs, one after the other."""

    def __init__(self, body: Body, inputs: Sequence[Items], n_consts: int, n_carry: int) -> None:
        self.n_carry = n_carry
        given, first = [], 0
        for i, (x, (shape, _)) in enumerate(zip(inputs, body.types, strict=True)):
            carried = n_consts <= i < n_consts + n_carry
            depends = (carried and body.types[i][1].kind == "f") or not x.sets.is_empty
            sets = Sets.singles(shape, first) if depends else Sets.none(shape)
            given.append(Items(sets, x.known if i < n_consts else None))
            first += math.prod(shape)
        results = [x.sets for x in follow(body, given)]
        self.shapes = [x.shape for x in results[:n_carry]]
        self.carried = stacked([_row(x) for x in results[:n_carry]], 1) if n_carry else None
        self.results = results[n_carry:]

    def carry(self, consts: list[Sets], carry: Sets, items: list[Sets]) -> Sets:
        """The next carry, one row of all its items."""
        assert self.carried is not None
        made = composed(self.carried, stacked([*consts, carry, *items], 1))
        return made.at(made.which[0])

    def parted(self, carry: Sets) -> list[Sets]:
        found, at = [], 0
        for shape in self.shapes:
            found.append(carry.at(carry.which[0, at : at + math.prod(shape)].reshape(shape)))
            at += math.prod(shape)
        return found


def _same(a: Sets, b: Sets) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a.listed(), b.listed(), strict=True))


def _loop(
    step: _Step, consts: list[Sets], carry: list[Sets], items: list[Sets], length: int, order: Sequence[int] | None
) -> list[Sets]:
    """The last carry and the stacked results of a loop over so many rows. ``order``: of the steps, if it is known which
    are taken, one after the other; else any may be the first, the last, or left out."""
    fixed = [_row(x) for x in consts]
    rows = [x.at(x.which.reshape(length, math.prod(x.shape[1:]))) for x in items]
    now = stacked([_row(x) for x in carry], 1) if carry else Sets.none((1, 0))
    if order is None or (length > _EXACT_STEPS and any(not x.is_empty for x in items)):
        any_row = [x.over((0,)) for x in rows]
        while carry:
            after = united(now, step.carry(fixed, now, any_row))
            if _same(now, after):
                break
            now = after
        before = now.at(np.broadcast_to(now.which, (length, now.shape[1])))
    else:
        history: list[Sets] = []
        still = all(x.is_empty for x in items)
        for t in order if carry else ():
            history.append(now)
            now = step.carry(fixed, now, [x.at(x.which[t : t + 1]) for x in rows])
            if still and _same(now, history[-1]):
                break
        history += [now] * (length - len(history) if carry else 0)
        before = stacked([history[k] for k in np.argsort(order)], 0) if history else Sets.none((length, now.shape[1]))
    spread = [x.at(np.broadcast_to(x.which, (length, x.shape[1]))) for x in fixed]
    whole = stacked([*spread, before, *rows], 1)
    return [*step.parted(now), *(composed(y, whole) for y in step.results)]


def _scan(operands: list[Items], bodies: Any, counts: Any, length: int, reverse: bool, counted: bool) -> list[Sets]:
    (n_consts, n_carry), inputs = counts, operands[counted:]
    step = _Step(bodies[0].meaning, inputs, n_consts, n_carry)
    sets = [x.sets for x in inputs]
    first_item = n_consts + n_carry
    order = None if counted else range(length)[:: -1 if reverse else 1]
    return _loop(step, sets[:n_consts], sets[n_consts:first_item], sets[first_item:], length, order)


def _while(operands: list[Items], bodies: Any, counts: Any, max_steps: int | None) -> list[Sets]:
    (n_asked, n_consts), body = counts, bodies[1].meaning
    inputs = operands[n_asked:]
    n_carry = len(inputs) - n_consts
    step = _Step(body, inputs, n_consts, n_carry)
    sets = [x.sets for x in inputs]
    found = _loop(step, sets[:n_consts], sets[n_consts:], [], max_steps or 0, None)
    return [*found, Sets.none(())]


def _switch(operands: list[Items], natives: Any) -> list[Sets]:
    branches = [follow(native.meaning, operands[1:]) for native in natives]
    return [united(*(x.sets for x in results)) for results in zip(*branches, strict=True)]


def _call(operands: list[Items], natives: Any) -> list[Sets]:
    return [x.sets for x in follow(natives[0].meaning, operands)]


_CONTROL: dict[str, Callable[..., list[Sets]]] = {"scan": _scan, "while_loop": _while, "switch": _switch, "call": _call}
