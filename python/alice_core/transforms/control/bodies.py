"""Bodies: what a loop repeats, as a list of calls of primitives over numbered values.

A user's function is traced once, on abstract Tensors of the shapes of one step. What it reads from outside becomes an
input, whatever follows it; what it changes in place (the state of a random generator) becomes a value that the body
takes and gives. So a body is a function of its inputs alone: it can be run again under any transform, which is how
derivatives and batches of it are made, and be lowered to a program, which is how it runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ... import _core
from ...errors import TraceError, locate
from ...primitive import Primitive, primitives
from ...tensors import Tensor, asarray
from ..rerunning import rerun
from ..reverse import no_grad

if TYPE_CHECKING:
    from .derivatives import Pair

__all__ = [
    "Body",
    "Call",
    "Ref",
    "Traced",
    "Type",
    "closed",
    "derived",
    "floating",
    "part",
    "run",
    "run_moved",
    "trace",
    "type_of",
    "written_down",
]

Type = tuple[tuple[int, ...], Any]  # shape and dtype

T = TypeVar("T")

#: A value of the body by its number, or a number that the function wrote down.
Ref = int | Tensor


_UNREAD = 1 << 40  # numbers of inputs that a body takes and does not read


class Call(NamedTuple):
    """One call of a primitive."""

    primitive: Primitive
    attributes: tuple[Any, ...]
    operands: tuple[Ref, ...]
    results: tuple[int, ...]
    types: tuple[Type, ...]  # of the results
    muted: bool  # under no_grad


class _Key:
    """Of bodies that do the same. Its hash, of all that a body is made of, is taken once."""

    __slots__ = ("_hash", "_parts")

    def __init__(self, parts: Hashable) -> None:
        self._parts, self._hash = parts, hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, _Key) and self._hash == other._hash and self._parts == other._parts)


class Body:
    """Calls in their order. Values are numbered: the inputs first, then the results of the calls."""

    def __init__(
        self, types: Sequence[Type], calls: Sequence[Call], outputs: Sequence[Ref], output_types: Sequence[Type]
    ) -> None:
        self.types, self.calls = tuple(types), tuple(calls)
        self.outputs, self.output_types = tuple(outputs), tuple(output_types)
        self.key = self._key()
        self.token: Hashable = object()  # stands for it in the keys of others, if it has none
        self.is_own = False
        self.pair: Pair | None = None  # of a body that keeps what reverse mode needs
        self.derivatives: dict[Hashable, Any] = {}  # of this one, by what is asked of them
        self._natives: tuple[_core.Body] | None = None

    def own(self) -> None:
        """Nobody shall remember it, its program and its derivatives beyond its own life."""
        self.key, self.is_own = None, True

    def arranged(self, inputs: Sequence[int], outputs: Sequence[int]) -> Body:
        """The same with inputs and outputs in another order, or fewer outputs."""
        return part(self, self.calls, inputs, [self.outputs[k] for k in outputs])

    def _key(self) -> Hashable:
        """Bodies of one key do the same; None of one whose calls have rules of their own."""
        if any(call.primitive.rerun_rule is not None for call in self.calls):
            return None
        return self._described(lambda body: body.key or body.token)

    def alike(self, other: Body) -> bool:
        """Do the same calls stand in both? Rules of one's own are another object whenever a function is traced."""

        def described(body: Body) -> Hashable:
            return body._described(described)

        return described(self) == described(other)

    def _described(self, inner: Callable[[Body], Hashable]) -> Hashable:
        calls = tuple(
            (
                c.primitive.name,
                tuple(_attribute_key(a, inner) for a in c.attributes),
                tuple(map(_ref_key, c.operands)),
                c.results,
                c.muted,
            )
            for c in self.calls
        )
        return _Key((self.types, calls, tuple(map(_ref_key, self.outputs))))

    def value_types(self) -> dict[int, Type]:
        """Of every value, by its number."""
        types = dict(enumerate(self.types))
        for call in self.calls:
            types.update(zip(call.results, call.types, strict=True))
        return types

    def giving(self, inputs: Sequence[int]) -> Body:
        """The same with some of its inputs behind its results."""
        return part(self, self.calls, range(len(self.types)), [*self.outputs, *inputs])

    def among(self, types: Sequence[Type], places: Sequence[int]) -> Body:
        """The same with inputs of these types, of which its own ones stand at the places."""
        further = {_UNREAD + i: t for i, t in enumerate(types)}
        own = {place: i for i, place in enumerate(places)}
        return part(self, self.calls, [own.get(i, _UNREAD + i) for i in range(len(types))], self.outputs, further)

    def beside(self, types: Sequence[Type]) -> Body:
        """The same with inputs behind its own that it does not read."""
        return self.among([*self.types, *types], range(len(self.types)))

    @property
    def natives(self) -> tuple[_core.Body]:
        """As an attribute of a primitive: a tuple of bodies, of which this is the only one."""
        if self._natives is None:
            inputs, outputs = ([_abstract(t) for t in types] for types in (self.types, self.output_types))
            self._natives = (_core.Body(self, inputs, outputs),)
        return self._natives

    def native(self) -> _core.Body:
        return self.natives[0]

    def lower(self) -> _core.Program:
        """The program. Called by the native part, before it runs the body for the first time."""
        return remembered(_programs, self.key, self._lower)

    def _lower(self) -> _core.Program:
        session = _core.Session(isolated=True)
        with session, no_grad():
            inputs = [_abstract(t) for t in self.types]
            return _core.lower(session, inputs, run(self, inputs))

    def __str__(self) -> str:
        """As traces are printed: inputs, a line for each call, results."""
        from ...tracing.listing import attribute, bodies_of, letters  # start-up

        def named(number: int, kind: Type) -> str:
            return f"{letters(number)}: {kind[1].name}[{','.join(map(str, kind[0]))}]"

        def shown(ref: Ref) -> str:
            return letters(ref) if isinstance(ref, int) else str(ref._exact()) if ref.ndim == 0 else repr(ref)

        lines = [f"body({', '.join(named(i, t) for i, t in enumerate(self.types))}) {{"]
        for call in self.calls:
            left = ", ".join(named(r, t) for r, t in zip(call.results, call.types, strict=True))
            right = ", ".join([*map(shown, call.operands), *map(attribute, call.attributes)])
            lines.append(f"  {left} = {call.primitive.name}({right})")
            bodies = [native for a in call.attributes for native in bodies_of(a)]
            lines += [f"    {x}" for native in bodies for x in str(native.meaning).splitlines()]
        return "\n".join([*lines, f"  return {', '.join(map(shown, self.outputs))}", "}"])

    def __repr__(self) -> str:
        return f"<body: {len(self.types)} inputs, {len(self.calls)} calls, {len(self.outputs)} results>"


_programs: dict[Hashable, _core.Program] = {}
_derived: defaultdict[str, dict[Hashable, Any]] = defaultdict(dict)
_MOST_REMEMBERED = 256


def derived(body: Body, what: str, asked: Hashable, make: Callable[[], T], bodies: Callable[[T], list[Body]]) -> T:
    """What ``make`` makes of a body, for what is asked: the body knows it, and of equal bodies only one needs to.
    ``bodies``: those that it consists of."""
    place = what, asked
    found: T | None = body.derivatives.get(place)
    if found is None:
        if body.is_own:
            found = make()
            for of_mine in bodies(found):
                of_mine.own()
        else:
            found = remembered(_derived[what], None if body.key is None else (body.key, asked), make)
        body.derivatives[place] = found
    return found


def remembered(store: dict[Hashable, T], key: Hashable, make: Callable[[], T]) -> T:
    """What ``make`` gave for the key; the least recently used go. Threads share a store: a plain dict, since an
    OrderedDict breaks where another one gets its turn while keys are compared."""
    if key is None:
        return make()
    found = store.pop(key, None)
    if found is None:
        found = make()
    store[key] = found  # behind all others
    if len(store) > _MOST_REMEMBERED:
        for old in list(store)[:-_MOST_REMEMBERED]:
            store.pop(old, None)
    return found


def _attribute_key(value: Any, inner: Callable[[Body], Hashable]) -> Hashable:
    if isinstance(value, tuple) and value and isinstance(value[0], _core.Body):
        return tuple(inner(body.meaning) for body in value)
    return type(value), value


def _ref_key(ref: Ref) -> Hashable:
    if isinstance(ref, int):
        return ref
    return ref.dtype.name, ref._weak, ref._bytes


def type_of(x: Tensor) -> Type:
    return x.shape, x.dtype


def _abstract(kind: Type) -> Tensor:
    return _core.abstract(list(kind[0]), kind[1])


# -- running it again --------------------------------------------------------------------------------------------------


def run(body: Body, inputs: Sequence[Tensor]) -> list[Tensor]:
    """The body as the calls that it is made of, for whatever follows the inputs."""
    values: dict[int, Tensor] = dict(enumerate(inputs))
    for call in body.calls:
        operands = [values[x] if isinstance(x, int) else x for x in call.operands]
        with no_grad() if call.muted else nullcontext():
            given = rerun(call.primitive, operands, call.attributes)
        values.update(zip(call.results, given if isinstance(given, tuple) else (given,), strict=True))
    return [values[x] if isinstance(x, int) else x for x in body.outputs]


def run_moved(body: Body, inputs: Sequence[Tensor], places: Sequence[int], moved: Sequence[Tensor]) -> list[Tensor]:
    """The body with other Tensors at some places of its inputs: those that derivatives are taken by."""
    mixed = list(inputs)
    for i, x in zip(places, moved, strict=True):
        mixed[i] = x
    return run(body, mixed)


# -- tracing -----------------------------------------------------------------------------------------------------------


class Traced(NamedTuple):
    """A body, and what it reads and changes from outside: inputs behind those of the function, in this order."""

    body: Body
    read: list[Tensor]
    changed: list[Tensor]  # inputs last of all; their new values are the last outputs
    assigned: frozenset[int]  # all values that changes in place give, by their numbers


def closed(name: str, f: Callable[[list[Tensor]], Iterable[Any]], types: Sequence[Type]) -> Body:
    """The body of a function that reads nothing from outside but constants."""
    traced = _traced(name, f, types, True)
    if traced.read:
        raise TraceError(
            f"{name}: expected rules that read their arguments and residuals alone; got one that captures a Tensor of "
            f"shape {traced.read[0].shape}; return it from the forward rule, with the residuals, or make it an argument"
        )
    return traced.body


def trace(name: str, f: Callable[[list[Tensor]], Iterable[Any]], types: Sequence[Type]) -> Traced:
    """The body of ``f``, which takes and returns a list of Tensors."""
    return _traced(name, f, types, False)


def written_down(
    name: str, session: _core.Session, inputs: Sequence[Tensor], roots: list[tuple[Hashable, Tensor]]
) -> Traced:
    """The body of a session that is over, which belongs to the caller. ``roots``: of its results, each as its key and
    its handle."""
    traced = _Numbering(name, inputs, False, None).traced(session.equations, roots, [type_of(y) for _, y in roots])
    traced.body.own()
    return traced


def _traced(name: str, f: Callable[[list[Tensor]], Iterable[Any]], types: Sequence[Type], is_closed: bool) -> Traced:
    session = _core.Session(isolated=True)
    with session:
        inputs = [_abstract(t) for t in types]
        try:
            results = [asarray(y) for y in f(inputs)]
        except TraceError as error:
            locate(error)
            raise
        outputs = [(y._key, y._root) for y in results]
        output_types = [type_of(y) for y in results]
    if session.wrote_gradients:
        raise TraceError(f"{name}: the function changes .grad; use ac.grad inside, which returns gradients")
    return _Numbering(name, inputs, is_closed, session).traced(session.equations, outputs, output_types)


class _Numbering:
    def __init__(self, name: str, inputs: Sequence[Tensor], is_closed: bool, session: _core.Session | None) -> None:
        self._name, self._closed, self._session = name, is_closed, session
        self._types = [type_of(x) for x in inputs]
        # Values from outside are numbered when they are met: below zero until it is known how many there are.
        self._numbers: dict[Hashable, int] = {x._key: i for i, x in enumerate(inputs)}
        self._n = len(inputs)
        self._outside: list[Tensor] = []
        self._targets: dict[Hashable, tuple[int, Tensor]] = {}  # by key: number outside
        self._assigned: list[int] = []

    def traced(
        self, equations: Sequence[_core.Equation], outputs: list[tuple[Hashable, Tensor]], output_types: list[Type]
    ) -> Traced:
        calls = [self._call(eq) for eq in _needed(equations, {key for key, _ in outputs})]
        results = [self._ref(key, y) for key, y in outputs]
        return self._arranged(calls, results, output_types)

    def _call(self, eq: _core.Equation) -> Call:
        operands = tuple(self._ref(key, x) for key, x in zip(eq.variables, eq.operands, strict=True))
        if eq.changed:
            return self._update(eq, operands)
        if not isinstance(eq.primitive, Primitive):
            raise TraceError(
                f"{self._name}: the function holds a checkpointed call, which goes back in a way of its own"
            )
        numbers = tuple(range(self._n, self._n + len(eq.results)))
        self._n += len(numbers)
        self._numbers.update(zip(eq.results, numbers, strict=True))
        return Call(eq.primitive, eq.attributes, operands, numbers, eq.types, eq.is_muted)

    def _update(self, eq: _core.Equation, operands: tuple[Ref, ...]) -> Call:
        """A change in place gives a new value, which is what is read from now on."""
        primitive = primitives().get("constant_copy" if eq.primitive.name == "copy" else eq.primitive.name)
        if primitive is None or len(eq.changed) != 1:
            raise TraceError(
                f"{self._name}: the function takes a step of an optimiser ({eq.primitive.name}); a loop's body may "
                f"change no Tensors but by assign_; return the new values as part of the carry"
            )
        (target,) = eq.changed
        if target._key not in self._targets:
            place = self._ref(target._key, target)
            assert isinstance(place, int)
            self._targets[target._key] = (place, target)
        self._numbers[target._key] = self._n
        self._assigned.append(self._n)
        self._n += 1
        return Call(primitive, eq.attributes, operands, (self._n - 1,), (type_of(target),), eq.is_muted)

    def _ref(self, key: Hashable, x: Tensor) -> Ref:
        number = None if key is None else self._numbers.get(key)
        if number is None:
            # A number in the function's text, or a constant that a rule makes.
            if not x.is_abstract and (self._closed or (x.ndim == 0 and (key is None or x._weak))):
                return x
            if self._session is not None and (constant := self._session.constant(x)) is not None:
                return constant
            self._outside.append(x)
            number = -len(self._outside)
            if key is not None:
                self._numbers[key] = number
        return number

    def _arranged(self, calls: list[Call], results: list[Ref], output_types: list[Type]) -> Traced:
        """Inputs of the function, then what it reads, then what it changes; then the results of the calls."""
        changed = [place for place, _ in self._targets.values()]
        order = [-1 - i for i in range(len(self._outside)) if -1 - i not in changed] + changed
        n, shift = len(self._types), len(order)
        place_of = {number: n + i for i, number in enumerate(order)}

        def moved(ref: Ref) -> Ref:
            if not isinstance(ref, int) or 0 <= ref < n:
                return ref
            return place_of[ref] if ref < 0 else ref + shift

        def of(number: int) -> Tensor:
            return self._outside[-1 - number]

        arranged = [
            call._replace(operands=tuple(map(moved, call.operands)), results=tuple(r + shift for r in call.results))
            for call in calls
        ]
        left = [self._numbers[key] for key in self._targets]
        outputs = [moved(ref) for ref in [*results, *left]]
        types = [*self._types, *(type_of(of(number)) for number in order)]
        body = Body(types, arranged, outputs, [*output_types, *(type_of(of(number)) for number in changed)])
        read = [of(number) for number in order[: len(order) - len(changed)]]
        read = [x._tensor_of_number() if x._weak else x for x in read]  # handed in with the dtype that the body knows
        targets = [target for _, target in self._targets.values()]
        return Traced(body, read, targets, frozenset(number + shift for number in self._assigned))


def _needed(equations: Sequence[_core.Equation], keys: set[Hashable]) -> list[_core.Equation]:
    """Those that the results depend on, and those that change something."""
    kept = []
    for eq in reversed(equations):
        if eq.changed or any(key in keys for key in eq.results):
            kept.append(eq)
            keys.update(eq.variables)
    return kept[::-1]


def part(
    body: Body,
    calls: Sequence[Call],
    inputs: Sequence[int],
    outputs: Sequence[Ref],
    further: Mapping[int, Type] | None = None,
) -> Body:
    """Of some calls the body that takes these of their values and gives those. ``further``: types of inputs that the
    body has no number for."""
    types = body.value_types() | dict(further or {})
    for call in calls:
        types.update(zip(call.results, call.types, strict=True))
    needed = {x for x in outputs if isinstance(x, int)}
    kept = []
    for call in reversed(calls):
        if any(r in needed for r in call.results):
            kept.append(call)
            needed.update(x for x in call.operands if isinstance(x, int))
    numbers = {x: i for i, x in enumerate(inputs)}
    for call in reversed(kept):
        for r in call.results:
            numbers[r] = len(numbers)

    def moved(ref: Ref) -> Ref:
        return numbers[ref] if isinstance(ref, int) else ref

    arranged = [
        call._replace(operands=tuple(map(moved, call.operands)), results=tuple(numbers[r] for r in call.results))
        for call in reversed(kept)
    ]
    output_types = [types[x] if isinstance(x, int) else type_of(x) for x in outputs]
    return Body([types[x] for x in inputs], arranged, list(map(moved, outputs)), output_types)


def floating(types: Sequence[Type]) -> list[bool]:
    return [dtype.kind == "f" for _, dtype in types]
