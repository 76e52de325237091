"""Differentiation contexts: any number of them, one in the other, and values that outlive theirs."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

import alice_core as ac

# -- polynomials, whose derivatives are known --------------------------------------------------------------------------


class Poly:
    """Of variables, which are numbers; a negative one has the value of its opposite, and is a constant to everybody."""

    def __init__(self, terms: dict[tuple[int, ...], int]) -> None:
        self.terms = {variables: factor for variables, factor in terms.items() if factor}

    def __add__(self, other: Poly) -> Poly:
        terms = dict(self.terms)
        for variables, factor in other.terms.items():
            terms[variables] = terms.get(variables, 0) + factor
        return Poly(terms)

    def __mul__(self, other: Poly) -> Poly:
        terms: dict[tuple[int, ...], int] = {}
        for v, a in self.terms.items():
            for w, b in other.terms.items():
                both = tuple(sorted(v + w))
                terms[both] = terms.get(both, 0) + a * b
        return Poly(terms)

    @property
    def degree(self) -> int:
        return max(map(len, self.terms), default=0)

    def derivative(self, variable: int) -> Poly:
        result = Poly({})
        for variables, factor in self.terms.items():
            if count := variables.count(variable):
                at = variables.index(variable)
                result += Poly({variables[:at] + variables[at + 1 :]: factor * count})
        return result

    def put(self, variable: int, value: Poly) -> Poly:
        """The value in place of the variable, which is over."""
        result = Poly({})
        for variables, factor in self.terms.items():
            term = Poly({tuple(v for v in variables if abs(v) != variable): factor})
            for v in variables:
                if abs(v) == variable:
                    term *= value if v > 0 else value.stopped(lambda _: True)
            result += term
        return result

    def stopped(self, which: Callable[[int], bool]) -> Poly:
        result = Poly({})
        for variables, factor in self.terms.items():
            result += Poly({tuple(sorted(-v if v > 0 and which(v) else v for v in variables)): factor})
        return result


def test_the_reference_differentiates() -> None:
    x, y = Poly({(1,): 1}), Poly({(2,): 1})
    assert (x * x * y + y).derivative(1).terms == {(1, 2): 2}
    assert (x * y).stopped(lambda v: v == 1).derivative(1).terms == {}
    assert (x * x).derivative(1).put(1, y * y).terms == {(2, 2): 2}


# -- random programs ---------------------------------------------------------------------------------------------------


class Value(NamedTuple):
    tensor: ac.Tensor
    poly: Poly


class Program:
    """Runs a function of one number inside of `depth` contexts, each in the other, beside its reference."""

    def __init__(self, seed: int, depth: int) -> None:
        self.draw = random.Random(seed)
        self.depth = depth
        self.parameter = ac.tensor(float(self.draw.choice((-2, -1, 1, 2))), dtype=ac.float64).requires_grad_()
        self.seen = [Value(self.parameter, Poly({(1,): 1}))]  # by what runs now
        self.stored: list[Value] = []  # by whom it may concern
        self.variables = 1
        self.muted: frozenset[int] = frozenset()  # variables up to which the ops are not recorded
        self.open = [1]  # of reverse mode
        self.in_jvp = self.in_vmap = 0
        self.kinds: list[str] = []

    def op(self, x: Value, y: Value) -> Value:
        multiplies = self.draw.random() < 0.5 and x.poly.degree + y.poly.degree <= 3
        tensor = x.tensor * y.tensor if multiplies else x.tensor + y.tensor
        return Value(tensor, self.heard(x.poly * y.poly if multiplies else x.poly + y.poly))

    def heard(self, poly: Poly) -> Poly:
        """As those contexts see it that follow what runs now."""
        return poly.stopped(lambda v: v in self.muted)

    def operand(self) -> Value:
        if self.stored and self.draw.random() < 0.3:
            return self.draw.choice(self.stored)
        return self.draw.choice(self.seen[-4:])

    def body(self) -> Value:
        y = self.op(self.operand(), self.operand())
        for _ in range(self.draw.randrange(2)):
            y = self.op(y, self.operand())
        if not self.in_vmap and self.draw.random() < 0.3:
            self.stored.append(y)
        if len(self.kinds) < self.depth:
            inner = self.nested()
            y = Value(y.tensor + inner.tensor, self.heard(y.poly + inner.poly))
        return y

    def nested(self) -> Value:
        kinds = ["grad", "grad", "jvp"]
        if self.in_vmap < 2 and self.draw.random() < 0.1:
            kinds.append("vmap")
        if not self.in_jvp:
            kinds.append("no_grad")
        kind = self.draw.choice(kinds)
        self.kinds.append(kind)
        return getattr(self, kind)()  # type: ignore[no-any-return]

    def no_grad(self) -> Value:
        before = self.muted
        with ac.no_grad():
            self.muted = before | set(self.open)
            y = self.body()
        self.muted = before
        return y

    def within(self, x: Any, number: int, bodies: list[Poly]) -> ac.Tensor:
        """The body of a transform, with another variable."""
        self.seen.append(Value(x, Poly({(number,): 1})))
        y = self.body()
        self.seen.pop()
        bodies.append(y.poly)
        return y.tensor

    def over(self, number: int, point: Poly) -> None:
        """The context of the variable has ended: what is left of it has the value of the point."""
        self.stored = [Value(v.tensor, v.poly.put(number, point)) for v in self.stored]

    def next_variable(self) -> int:
        self.variables += 1
        return self.variables

    def grad(self) -> Value:
        number, bodies = self.next_variable(), list[Poly]()
        point = self.operand()
        at = self.heard(point.poly)
        self.open.append(number)
        g = ac.grad(lambda x: self.within(x, number, bodies))(point.tensor)
        self.open.pop()
        self.over(number, at)
        return Value(g, bodies[0].derivative(number).put(number, at))

    def jvp(self) -> Value:
        number, bodies = self.next_variable(), list[Poly]()
        point, way = self.operand(), self.operand()
        at, along = self.heard(point.poly), self.heard(way.poly)
        self.in_jvp += 1
        y, dy = ac.jvp(lambda x: self.within(x, number, bodies), [point.tensor], [way.tensor])
        self.in_jvp -= 1
        self.over(number, at)
        moved = self.heard(bodies[0].derivative(number).put(number, at) * along)
        value = bodies[0].put(number, at)
        return Value(y + dy, self.heard(value + moved))

    def vmap(self) -> Value:
        number, bodies = self.next_variable(), list[Poly]()
        points = [float(self.draw.choice((-1, 1, 2))) for _ in range(2)]
        self.in_vmap += 1
        stored, self.stored = self.stored, list(self.stored)
        ys = ac.vmap(lambda x: self.within(x, number, bodies))(ac.tensor(points, dtype=ac.float64))
        self.stored = stored
        self.in_vmap -= 1
        total = Poly({})
        for point in points:
            total += bodies[0].put(number, Poly({(): int(point)}))
        return Value(ac.sum(ys), self.heard(total))


@pytest.fixture
def deep() -> Iterator[None]:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.parametrize("seed", range(40))
def test_random_programs_of_any_depth(seed: int, deep: None) -> None:
    program = Program(seed, depth=(3, 10, 40, 100)[seed % 4])
    y = program.body()
    assert len(program.kinds) == program.depth
    value = int(program.parameter.item())
    wanted = y.poly.put(1, Poly({(): value}))
    assert wanted.degree == 0
    assert y.tensor.item() == wanted.terms.get((), 0)
    slope = y.poly.derivative(1).put(1, Poly({(): value})).terms.get((), 0)
    if y.tensor.is_tracked:
        y.tensor.backward()
        slope_found = program.parameter.grad
        assert (0.0 if slope_found is None else slope_found.item()) == slope
    else:
        assert slope == 0
    one = ac.tensor(1.0, dtype=ac.float64)
    # Nothing is left of the contexts: the stored values are constants, but for backward().
    for v in program.stored:
        assert ac.grad(lambda x, v=v: x * v.tensor)(one).item() == v.poly.put(1, Poly({(): value})).terms.get((), 0)


# -- how many, and how long --------------------------------------------------------------------------------------------


def test_a_thousand_contexts(deep: None) -> None:
    def nested(n: int, x: Any) -> ac.Tensor:
        return ac.grad(lambda y: nested(n - 1, x) * y)(1.0) if n else x * x

    x = ac.tensor(3.0).requires_grad_()
    nested(1000, x).backward()
    assert x.grad is not None
    assert x.grad.item() == 6.0


def test_a_value_may_matter_to_a_hundred_contexts(deep: None) -> None:
    def cubic(*values: Any) -> Any:
        if len(values) < 100:
            return ac.grad(lambda a: cubic(*values, a) * (1.0 if len(values) >= 97 else a))(2.0)
        found = sum(values)
        assert len(found._contexts) == 100
        return values[97] * values[98] * values[99] + found

    assert cubic().item() == 1.0


def test_a_value_that_outlives_its_context_is_a_constant() -> None:
    kept: list[ac.Tensor] = []

    def keeps(x: ac.Tensor) -> ac.Tensor:
        kept.append(x * x)
        return kept[-1]

    ac.grad(keeps)(3.0)
    ac.jvp(keeps, [3.0], [1.0])
    for y in kept:
        assert not y.is_tracked
        assert float(y) == 9.0
        assert ac.grad(lambda x, y=y: x * y)(2.0).item() == 9.0
        assert ac.jvp(lambda x, y=y: x * y, [2.0], [1.0])[1].item() == 9.0
        # In another context that began before the value was made, and as deep as its own was.
        later: list[ac.Tensor] = []
        assert (
            ac.grad(lambda x, later=later: (ac.grad(lambda z: later.append(z * x) or z)(1.0), x)[1])(2.0).item() == 1.0
        )
        assert ac.grad(lambda x, later=later: x * later[0])(5.0).item() == 2.0


def test_a_value_that_outlives_its_context_on_another_thread_is_a_constant_here() -> None:
    """Their contexts have numbers of their own, though both are the first of their thread."""
    kept: list[ac.Tensor] = []

    def keeps(x: ac.Tensor) -> ac.Tensor:
        kept.append(x * x)
        return kept[-1]

    def f(x: ac.Tensor) -> ac.Tensor:
        other = threading.Thread(target=lambda: ac.grad(keeps)(3.0))
        other.start()
        other.join()
        assert not kept[0].is_tracked
        return x * float(kept[0])

    assert ac.grad(f)(2.0).item() == 9.0


def test_more_threads_than_numbers_of_a_byte_keep_their_values_apart() -> None:
    """A value that a thread differentiates is refused in all others, however many there are."""
    started, done = threading.Barrier(301), threading.Event()
    values: list[ac.Tensor] = []

    def f(x: ac.Tensor) -> ac.Tensor:
        values.append(x * 2.0)
        started.wait()
        done.wait()
        return x

    threads = [threading.Thread(target=lambda: ac.grad(f)(1.0)) for _ in range(300)]
    for thread in threads:
        thread.start()
    started.wait()
    try:
        for y in values:
            with pytest.raises(ac.GradientError, match="on another thread"):
                y + 1.0
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert all((y + 1.0).item() == 3.0 for y in values)
