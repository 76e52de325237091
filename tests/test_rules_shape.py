"""JVP and batch rules of the primitives that move elements: views, joining, indexing, diagonals.

The rules themselves, before any transform uses them: JVP rules against VJP rules by dot products, batch rules
against a loop over the examples, bit for bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac
from alice_core import tree
from alice_core.tracing import recording
from op_calls import differentiable_calls
from op_cases import OpCase
from shape_uses import BUILDERS, PRIMITIVES, ROWS, Data, Index, Use, uses_in_rows

Array = npt.NDArray[Any]


def test_every_primitive_has_its_rules() -> None:
    assert len(PRIMITIVES) >= 20
    for name, p in PRIMITIVES.items():
        assert p.batch_rule is not None, name
        assert (p.jvp_rules is not None or p.jvp_joint is not None) == p.differentiable, name
        assert uses_in_rows()[name], f"no row calls {name}"


# -- JVP rules -------------------------------------------------------------------------------------------------------


def apply_jvp(
    p: ac.Primitive, tangents: Sequence[ac.Tensor | None], ans: ac.Tensor, inputs: Sequence[Any], attributes: Any
) -> ac.Tensor:
    if p.jvp_joint is not None:
        tangent = p.jvp_joint(tangents, ans, inputs, *attributes)
    else:
        rules = [(rule, t) for rule, t in zip(p.jvp_rules, tangents, strict=True) if rule and t is not None]
        tangent = functools.reduce(ac.add, [rule(t, ans, *inputs, *attributes) for rule, t in rules])
    assert (tangent.shape, tangent.dtype) == (ans.shape, ans.dtype), p.name
    return tangent


def forward(f: Callable[..., Any], xs: Sequence[ac.Tensor], vs: Sequence[ac.Tensor]) -> tuple[Any, list[ac.Tensor]]:
    """Value and tangents of f, the JVP rules applied to its equations one by one."""
    leaves = [x._leaf(None) for x in xs]
    with recording() as equations:
        y = f(*leaves)
    tangents: dict[Any, ac.Tensor] = {x._key: v for x, v in zip(leaves, vs, strict=True)}
    for eq in equations:
        given = [tangents.get(key) for key in eq.variables]
        if any(t is not None for t in given):
            (ans,) = eq.outputs
            tangents[ans._key] = apply_jvp(eq.primitive, given, ans, eq.inputs, eq.attributes)
    return y, [tangents.get(o._key, ac.zeros_like(o)) for o in tree.leaves(y)]


def dot(a: Sequence[ac.Tensor], b: Sequence[ac.Tensor]) -> float:
    return float(sum(np.vdot(x.numpy(), y.numpy()) for x, y in zip(a, b, strict=True)))


def normal_like(rng: np.random.Generator, x: ac.Tensor) -> ac.Tensor:
    return ac.tensor(np.asarray(rng.standard_normal(x.shape)))


@pytest.mark.parametrize("case", [c for c in ROWS if c.grad], ids=lambda c: c.name)
def test_tangents_of_ops_are_adjoint_to_cotangents(case: OpCase) -> None:
    """w · jvp(v) = v · vjp(w)."""
    rng = np.random.default_rng(0)
    for f, xs in differentiable_calls(case):
        points = [ac.tensor(x) for x in tree.leaves(xs)]
        vs = [normal_like(rng, x) for x in points]

        def g(*ys: ac.Tensor, f: Callable[..., Any] = f, xs: Any = xs) -> Any:
            return f(*tree.structure(xs).unflatten(ys))

        y, tangents = forward(g, points, vs)
        ws = [normal_like(rng, o) for o in tree.leaves(y)]
        _, pullback = ac.vjp(g, *points)
        left, right = dot(ws, tangents), dot(vs, pullback(tree.structure(y).unflatten(ws)))
        assert abs(left - right) <= 1e-12 * (1.0 + abs(left)), (case.name, left, right)


def check_jvp(use: Use, rng: np.random.Generator) -> None:
    p = use.primitive
    values = [ac.tensor(x.make(rng, (), "float64")) for x in use.inputs]
    data = [i for i, x in enumerate(use.inputs) if isinstance(x, Data)]
    # The rules may read indices, nothing else.
    seen = [
        x if isinstance(s, Index) else ac.abstract(x.shape, x.dtype) for s, x in zip(use.inputs, values, strict=True)
    ]
    ans = p(*values, *use.attributes)
    w = normal_like(rng, ans)

    def f(*xs: ac.Tensor) -> ac.Tensor:
        full = list(values)
        for i, x in zip(data, xs, strict=True):
            full[i] = x
        return p(*full, *use.attributes)

    _, pullback = ac.vjp(f, *(values[i] for i in data))
    cotangents = dict(zip(data, pullback(w), strict=True))
    for chosen in use.subsets(data):
        vs = [normal_like(rng, x) if c else None for c, x in zip(chosen, values, strict=True)]
        tangent = apply_jvp(p, vs, ac.abstract(ans.shape, ans.dtype), seen, use.attributes)
        left = dot([w], [tangent])
        right = sum(dot([v], [cotangents[i]]) for i, v in enumerate(vs) if v is not None)
        assert abs(left - right) <= 1e-12 * (1.0 + abs(left)), (use, chosen, left, right)


@pytest.mark.parametrize("name", sorted(n for n, p in PRIMITIVES.items() if p.differentiable))
def test_jvp_rule_is_adjoint_to_the_vjp_rule(name: str) -> None:
    for use in uses_in_rows()[name]:
        check_jvp(use, np.random.default_rng(1))


# -- batch rules -----------------------------------------------------------------------------------------------------


def loop(p: ac.Primitive, batched: Sequence[bool], inputs: Sequence[Array], attributes: Any, size: int) -> list[Array]:
    return [
        p(*(ac.tensor(x[i]) if b else ac.tensor(x) for b, x in zip(batched, inputs, strict=True)), *attributes).numpy()
        for i in range(size)
    ]


def check_batch(use: Use, batched: Sequence[bool], size: int, dtype: str, rng: np.random.Generator) -> None:
    p = use.primitive
    inputs = [x.make(rng, (size,) if b else (), dtype) for b, x in zip(batched, use.inputs, strict=True)]
    example = p(*(ac.tensor(x.make(rng, (), dtype)) for x in use.inputs), *use.attributes)
    want = np.empty((size, *example.shape), example.dtype)
    for i, result in enumerate(loop(p, batched, inputs, use.attributes, size)):
        want[i] = result
    got = p.batch_rule(tuple(batched), tuple(ac.tensor(x) for x in inputs), *use.attributes)
    assert (got.shape, got.dtype) == (want.shape, want.dtype), (use, batched, size)
    assert got.numpy().tobytes() == want.tobytes(), (use, batched, size, got, want)


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_batch_rule_gives_the_bits_of_a_loop(name: str) -> None:
    rng = np.random.default_rng(2)
    for use in uses_in_rows()[name]:
        if max(len(x.shape) for x in use.inputs) == 12:
            continue  # no room for a batch
        for batched in use.subsets(range(len(use.inputs))):
            for size in (0, 1, 2, 5):
                for dtype in use.dtypes:
                    check_batch(use, batched, size, dtype, rng)


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_batch_rule_runs_as_many_primitives_for_any_batch(name: str) -> None:
    rng = np.random.default_rng(3)
    for use in uses_in_rows()[name]:
        for batched in use.subsets(range(len(use.inputs))):
            counts = []
            for size in (2, 5):
                values = [
                    x.make(rng, (size,) if b else (), "float64") for b, x in zip(batched, use.inputs, strict=True)
                ]
                with recording() as equations:
                    use.primitive.batch_rule(batched, tuple(map(ac.tensor, values)), *use.attributes)
                counts.append(len(equations))
            assert counts[0] == counts[1] <= 5, (use, batched)


def test_concat_of_several_dtypes() -> None:
    """The batch rule promotes as the loop does."""
    rng = np.random.default_rng(4)
    inputs = [rng.integers(0, 9, (2, 3)).astype(np.int32), rng.standard_normal((4, 2, 3)).astype(np.float32)]
    p, batched = PRIMITIVES["concat"], (False, True)
    got = p.batch_rule(batched, tuple(map(ac.tensor, inputs)), -1)
    assert got.dtype == ac.float32
    np.testing.assert_array_equal(got.numpy(), np.stack(loop(p, batched, inputs, (-1,), 4)))


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
@given(data=st.data())
def test_rules_for_any_shapes_and_axes(name: str, data: st.DataObject) -> None:
    use = Use(name, *BUILDERS[name](data.draw))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    batched = data.draw(st.sampled_from(list(use.subsets(range(len(use.inputs))))))
    check_batch(use, batched, data.draw(st.integers(0, 3)), data.draw(st.sampled_from(use.dtypes)), rng)
    if use.primitive.differentiable:
        check_jvp(use, rng)


# -- errors ----------------------------------------------------------------------------------------------------------

X, AT, ALSO = np.zeros((3, 4)), np.array([[1, 2], [0, 4]]), np.array([[0, 1], [1, -5]])

#: name, inputs of two examples or of one, which are batched, attributes, exception
BAD_CALLS: list[tuple[str, tuple[Array, ...], tuple[bool, ...], tuple[Any, ...], type[Exception]]] = [
    ("take", (np.zeros((2, 3, 4)), AT[1]), (True, False), (-1,), IndexError),
    ("take", (X, AT), (False, True), (1,), IndexError),
    ("take", (np.zeros((2, 3, 4)), ALSO), (True, True), (1,), IndexError),
    ("take", (np.zeros((2, 3)), np.zeros((2, 1), int)), (True, True), (1,), ac.ShapeError),
    ("take", (X, np.zeros((2, 1), bool)), (False, True), (1,), ac.DTypeError),
    ("gather", (X, np.array([0, 3]), np.array([0, 1])), (False, True, True), ((0, 1), 0), IndexError),
    ("gather", (np.zeros((2, 3, 4)), ALSO, np.array(0)), (True, True, False), ((1, 0), 0), IndexError),
    ("gather", (np.zeros((2, 3, 4)), ALSO), (True, True), ((2,), 0), ac.ShapeError),
    ("gather_vjp", (np.zeros((2, 2)), AT), (True, True), ((4,), (0,), 0), IndexError),
    ("gather_vjp", (np.zeros((2, 2)), AT[1]), (True, False), ((4,), (0,), 0), IndexError),
    ("gather_vjp", (np.zeros(2), ALSO), (False, True), ((4,), (0,), 0), IndexError),
    ("take_along_axis", (np.zeros((2, 3, 4)), np.full((2, 3, 1), 4)), (True, True), (1,), IndexError),
    ("take_along_axis", (X, np.full((2, 3, 1), -5)), (False, True), (-1,), IndexError),
    ("take_along_axis", (np.zeros((2, 3, 4)), np.zeros((1, 4), int)), (True, False), (-3,), ac.ShapeError),
    ("take_along_axis_vjp", (np.zeros((2, 2)), AT), (True, True), ((4,), 0), IndexError),
    ("take_along_axis_vjp", (np.zeros((2, 2)), AT), (True, True), ((4,), 1), ac.ShapeError),
    ("one_hot", (np.array([1, 3]),), (True,), (3, np.dtype(np.float32)), IndexError),
    ("reshape", (X,), (True,), ((5,),), ac.ShapeError),
    ("reshape", (X,), (True,), ((3, -1),), ac.ShapeError),
    ("permute_dims", (X,), (True,), ((0, 1),), ac.ShapeError),
    ("permute_dims", (np.zeros((2, 3, 4)),), (True,), ((0, -3),), ac.ShapeError),
    ("broadcast_to", (X,), (True,), ((3,),), ac.ShapeError),
    ("broadcast_to", (X,), (True,), ((),), ac.ShapeError),
    ("expand_dims", (X,), (True,), ((-3,),), ac.ShapeError),
    ("squeeze", (np.zeros((1, 4)),), (True,), ((-2,),), ac.ShapeError),
    ("flip", (X,), (True,), ((-2,),), ac.ShapeError),
    ("flip", (X,), (True,), ((1,),), ac.ShapeError),
    ("concat", (X, X), (True, True), (-2,), ac.ShapeError),
    ("pad", (X,), (True,), ((1, 1), (0, 0), 0.0), ac.ShapeError),
    ("diagonal", (X,), (True,), (0, -2, -1), ac.ShapeError),
    ("diagonal_vjp", (X,), (True,), ((4, 4), 0, -3, 1), ac.ShapeError),
    ("tril", (X,), (True,), (0,), ac.ShapeError),
    ("triu", (X,), (True,), (0,), ac.ShapeError),
]


@pytest.mark.parametrize(("name", "inputs", "batched", "attributes", "exception"), BAD_CALLS)
def test_what_one_example_refuses_the_batch_refuses(
    name: str, inputs: tuple[Array, ...], batched: tuple[bool, ...], attributes: Any, exception: type[Exception]
) -> None:
    size = next(len(x) for b, x in zip(batched, inputs, strict=True) if b)
    with pytest.raises(exception):
        loop(PRIMITIVES[name], batched, inputs, attributes, size)
    with pytest.raises(exception):
        PRIMITIVES[name].batch_rule(batched, tuple(map(ac.tensor, inputs)), *attributes)


@pytest.mark.parametrize("shape", [(1,), (1, 1), (1, 3), (1, 1, 3), (2, 1)])
def test_sums_of_single_items_keep_the_sign_of_zero(shape: tuple[int, ...]) -> None:
    """In a batch as alone: where nothing is added, 0.0 is not added either."""
    x = ac.tensor(np.full(shape, -0.0, np.float32))
    for lead in range(len(shape) + 1):
        if any(n != 1 for n in shape[:lead]):
            continue
        alone = ac.sum_to(x, shape[lead:])
        batch = ac.vmap(lambda x, lead=lead: ac.sum_to(x, shape[lead:]))(ac.stack([x, x]))
        assert np.signbit(alone.numpy()).all()
        assert np.signbit(batch.numpy()).all()
        assert (alone.shape, batch.shape) == (shape[lead:], (2, *shape[lead:]))
        compiled = ac.compile(lambda x, lead=lead: ac.sum_to(x * 1.0, shape[lead:]) * 1.0)
        assert np.signbit(compiled(x).numpy()).all()
