"""Vectorisation: every op, axes, errors; always against a loop over the examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac
from alice_core import tree
from alice_core.tracing import recording
from batches import F64, loop, normal
from op_calls import calls, is_float, op, tensors
from op_cases import OpCase, all_cases
from random_programs import compare

# -- every op ---------------------------------------------------------------------------------------------------------

#: Their shapes or their Python code depend on values, or they take no Tensor.
VALUE_DEPENDENT = {
    *("argwhere", "nonzero", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"),
}
ROWS = [c for c in all_cases() if not c.name.startswith("random.") and c.name not in VALUE_DEPENDENT]


def flat_args(args: tuple[Any, ...]) -> tuple[list[Any], list[int]]:
    """The leaves of the arguments, and which of them are floating arrays."""
    leaves = list(tree.leaves(args))
    return leaves, [i for i, x in enumerate(leaves) if is_float(x)]


@pytest.mark.parametrize("case", ROWS, ids=lambda c: c.name)
def test_every_op_gives_the_bits_of_a_loop(case: OpCase) -> None:
    """With every floating argument batched, and with one of them only."""
    for args, kwargs in calls(case):
        leaves, floating = flat_args(args)
        if max((x.ndim for x in leaves if isinstance(x, np.ndarray)), default=0) == 12:
            continue  # no room for a batch
        for chosen in {tuple(floating), *((i,) for i in floating)} - {()}:
            batches = [
                np.stack([np.roll(leaves[i].ravel(), n).reshape(leaves[i].shape) for n in range(3)]) for i in chosen
            ]

            def f(
                *xs: ac.Tensor, leaves: Any = leaves, chosen: Any = chosen, args: Any = args, kw: Any = kwargs
            ) -> Any:
                full = list(tensors(tuple(leaves)))
                for i, x in zip(chosen, xs, strict=True):
                    full[i] = x
                result = op(case)(*tree.structure(args).unflatten(full), **kw)
                return tuple(result) if isinstance(result, list) else result

            xs = [ac.tensor(x) for x in batches]
            try:
                one_by_one = loop(f, *xs)
            except ac.LinAlgError:  # items that are moved around are no longer symmetric, for instance
                with pytest.raises(ac.LinAlgError):
                    ac.vmap(f)(*xs)
                continue
            compare(one_by_one, ac.vmap(f)(*xs), f"{case.name} {kwargs} {chosen}")


# -- axes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", range(-3, 3))
@pytest.mark.parametrize("out", range(-2, 2))
def test_in_axes_and_out_axes(axis: int, out: int) -> None:
    x, w = normal(2, 3, 4), normal(4, 3, 2, seed=1)

    def f(a: ac.Tensor) -> ac.Tensor:
        return ac.sum(ac.exp(a), axis=0)

    examples = [f(a) for a in ac.unstack(x, axis=axis)]
    compare(ac.stack(examples, axis=out), ac.vmap(f, in_axes=axis, out_axes=out)(x))
    compare(ac.stack(examples, axis=out), ac.vmap(f, (axis,), out)(x))
    pairs = [ac.sum(a * b.T) for a, b in zip(ac.unstack(x, axis=axis), ac.unstack(w, axis=-1 - axis), strict=True)]
    compare(ac.stack(pairs), ac.vmap(lambda a, b: ac.sum(a * b.T), in_axes=(axis, -1 - axis))(x, w))


def test_arguments_that_all_examples_share() -> None:
    x, w = normal(5, 3), normal(3, seed=1)
    want = ac.stack([ac.sum(a * w) for a in x])
    compare(want, ac.vmap(lambda a, b: ac.sum(a * b), in_axes=(0, None))(x, w))
    compare(want, ac.vmap(lambda a, b: ac.sum(a * b), in_axes=[None, 0])(w, x))
    # Not only Tensors: what is not batched reaches the function as it is.
    y = ac.vmap(lambda a, axis, scale: ac.flip(a, axis=axis) * scale, in_axes=(0, None, None))(x, -1, 2.0)
    compare(ac.flip(x, axis=1) * 2.0, y)


def test_structures_of_axes() -> None:
    params = {"W": normal(3, 2, 4), "b": (normal(3), normal(2, 4, seed=1))}
    x = normal(2, 4, 3, seed=2)

    def f(p: Any, x: ac.Tensor) -> ac.Tensor:
        return p["W"] * x.T + p["b"][0].reshape(3, 1) + p["b"][1] @ ac.ones(4, dtype=F64) @ ac.ones(2, dtype=F64)

    got = ac.vmap(f, in_axes=({"W": 1, "b": (None, None)}, 0))(params, x)
    want = ac.stack([f({"W": params["W"][:, i], "b": params["b"]}, x[i]) for i in range(2)])
    compare(want, got)
    # One axis for a whole structure, also inside of another one.
    p = {"W": normal(4, 3, 2), "b": (normal(4, 3), normal(4, 3, seed=1))}
    g = lambda p, c: (p["W"] + p["b"][0].reshape(3, 1)) * p["b"][1].reshape(3, 1) * c  # noqa: E731
    want = ac.stack([g(tree.map(lambda t, i=i: t[i], p), 3.0) for i in range(4)])
    compare(want, ac.vmap(g, in_axes=(0, None))(p, 3.0))
    compare(want, ac.vmap(g, in_axes=({"W": 0, "b": 0}, None))(p, 3.0))


def test_structures_of_results() -> None:
    x = normal(5, 3)

    def f(a: ac.Tensor) -> dict[str, Any]:
        return {"sum": ac.sum(a), "parts": [a * 2.0, (ac.exp(a),)]}

    got = ac.vmap(f)(x)
    compare({"sum": ac.sum(x, axis=1), "parts": [x * 2.0, (ac.exp(x),)]}, got)
    got = ac.vmap(f, out_axes={"sum": 0, "parts": [1, (-1,)]})(x)
    compare({"sum": ac.sum(x, axis=1), "parts": [(x * 2.0).T, (ac.exp(x).T,)]}, got)
    compare([(x * 2.0).T, (ac.exp(x).T,)], ac.vmap(f, out_axes={"sum": -1, "parts": 1})(x)["parts"])


def test_keyword_arguments_have_the_batch_first() -> None:
    x, w = normal(5, 3), normal(5, 3, seed=1)
    compare(x * w, ac.vmap(lambda a, *, b: a * b["w"], in_axes=0)(x, b={"w": w}))
    compare(ac.sum(x * w, axis=1), ac.vmap(lambda a, *, b: ac.sum(a * b), in_axes=1)(x.T, b=w))
    compare(x, ac.vmap(lambda **k: k["a"])(a=x))


def test_results_that_do_not_depend_on_the_batch() -> None:
    x, c = normal(5, 3), normal(2, seed=1)
    y, constant, number, same = ac.vmap(lambda a, w: (a, c * 2.0, 7.0, w), in_axes=(0, None))(x, c)
    compare(x, y)
    compare(ac.broadcast_to(c * 2.0, (5, 2)), constant)
    assert number.tolist() == [7.0] * 5
    compare(ac.broadcast_to(c, (5, 2)), same)
    compare(ac.broadcast_to(c.reshape(2, 1), (2, 5)), ac.vmap(lambda a: c, out_axes=1)(x))
    # out_axes=None: once for all examples.
    y, once = ac.vmap(lambda a: (a, c * 2.0), out_axes=(0, None))(x)
    compare(x, y)
    compare(c * 2.0, once)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_small_batches(size: int) -> None:
    x = normal(size, 3, 2)
    y = ac.vmap(lambda a: (ac.reshape(a, (-1,)), ac.softmax(a, axis=0), ac.sum(a), ac.argmax(a, axis=1)))(x)
    compare((ac.reshape(x, (size, 6)), ac.softmax(x, axis=1), ac.sum(x, axis=(1, 2)), ac.argmax(x, axis=2)), y)


def test_dtypes() -> None:
    i, b = ac.tensor(np.arange(6).reshape(3, 2)), ac.tensor([True, False, True])
    compare(ac.where(b.reshape(3, 1), i, -i), ac.vmap(lambda i, b: ac.where(b, i, -i))(i, b))
    x = normal(3, 2, dtype=ac.float32)
    compare(x * 0.1, ac.vmap(lambda x: x * 0.1)(x))  # a Python number takes the dtype of the Tensor
    compare((x > 0, x.astype(F64)), ac.vmap(lambda x: (x > 0, x.astype(F64)))(x))


@given(st.data())
def test_any_axes(data: st.DataObject) -> None:
    """The batch may be any axis of any argument; the function sees the others in order."""
    size = data.draw(st.integers(0, 3))
    shape = tuple(data.draw(st.lists(st.integers(0, 3), max_size=3)))
    at = [data.draw(st.integers(0, len(shape))) for _ in range(2)]
    shapes = [(*shape[:a], size, *shape[a:]) for a in at]
    x, y = (normal(*s, seed=i) for i, s in enumerate(shapes))
    batched = data.draw(st.sampled_from([(True, True), (True, False), (False, True)]))
    args = [a if b else normal(*shape, seed=5) for a, b in zip((x, y), batched, strict=True)]
    axes = [
        a - data.draw(st.sampled_from([0, len(shape) + 1])) if b else None for a, b in zip(at, batched, strict=True)
    ]
    out = data.draw(st.integers(-len(shape) - 1, len(shape)))

    def f(a: ac.Tensor, b: ac.Tensor) -> ac.Tensor:
        assert a.shape == b.shape == shape
        return ac.flip(a) * ac.exp(b)

    parts = [
        ac.moveaxis(a, k, 0) if k is not None else ac.broadcast_to(a, (size, *shape))
        for a, k in zip(args, axes, strict=True)
    ]
    flipped = ac.flip(parts[0], axis=tuple(range(1, len(shape) + 1)))
    compare(ac.moveaxis(flipped * ac.exp(parts[1]), 0, out), ac.vmap(f, in_axes=axes, out_axes=out)(*args))


def test_the_function_runs_once_and_so_do_its_primitives() -> None:
    calls, counts = 0, []

    def f(x: ac.Tensor) -> ac.Tensor:
        nonlocal calls
        calls += 1
        return ac.logsumexp(ac.tanh(x) * x)

    for size in (2, 50):
        with recording() as equations:
            ac.vmap(f)(normal(size, 3))
        counts.append(len(equations))
    assert calls == 2
    assert counts[0] == counts[1]


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ((ac.ones((2, 3)), ac.ones((3, 3))), {}, r"batch axes must be equally long; got lengths \[2, 3\]"),
        ((ac.ones((2, 3)), ac.ones((2, 3))), {"in_axes": (0, 1)}, "equally long"),
        ((ac.ones((2, 3)), ac.ones((2, 3))), {"in_axes": None}, "nothing is batched"),
        ((ac.ones((2, 3)), ac.ones((2, 3))), {"in_axes": (None, None)}, "nothing is batched"),
        ((), {}, "nothing is batched"),
        ((ac.ones((2, 3)), ac.ones((2, 3))), {"in_axes": (0,)}, "in_axes must have one entry per argument"),
        ((ac.ones((2, 3)), ac.ones((2, 3))), {"in_axes": (0, 2)}, "there is no axis 2"),
        ((ac.ones((2, 3)), ac.ones((2, 3))), {"in_axes": (-3, 0)}, "there is no axis -3"),
        ((1.0, 2.0), {}, "there is no axis 0"),
        (([ac.ones(2), ac.ones(2)], ac.ones(2)), {"in_axes": ((0, 0, 0), 0)}, "in_axes must have the structure"),
        (({"a": ac.ones(2)}, ac.ones(2)), {"in_axes": ({"b": 0}, 0)}, "in_axes must have the structure"),
        ((ac.ones((2, 3)), ac.ones((2, 3))), {"out_axes": 2}, "there is no axis 2"),
        ((ac.ones((2, 3)), ac.ones((2, 3))), {"out_axes": None}, "out_axes is None for a result that depends"),
        ((ac.ones((2, 3)), ac.ones((2, 3))), {"out_axes": (0, 0)}, "out_axes must have the structure"),
    ],
)
def test_axes_that_do_not_fit(args: Any, options: Any, message: str) -> None:
    with pytest.raises(ac.ShapeError, match=rf"^vmap: .*{message}"):
        ac.vmap(lambda *xs: xs[-1] * 2.0 if xs else ac.ones(2), **options)(*args)


@pytest.mark.parametrize(
    "read",
    [
        lambda x: 1 if x > 0 else 2,
        bool,
        float,
        lambda x: x.item(),
        lambda x: x.numpy(),
        lambda x: ac.nonzero(x.reshape(1)),
        lambda x: list(range(x.astype(ac.int64))),
        lambda x: x.reshape(1)[x.reshape(1) > 0],
    ],
)
def test_values_cannot_be_read(read: Callable[[ac.Tensor], Any]) -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        read(x)
        return x

    with pytest.raises(ac.TraceError, match=r"ac\.where|abstract"):
        ac.vmap(f)(ac.tensor([1.0, -1.0]))
    with pytest.raises(ac.TraceError, match=r"ac\.where|abstract"):
        ac.vmap(ac.grad(f))(ac.tensor([1.0, -1.0]))
    assert ac.vmap(lambda x: x + 1.0)(ac.tensor([1.0])).tolist() == [2.0]


def test_an_example_that_does_not_fit_is_refused_as_it_is_alone() -> None:
    x = ac.ones((2, 3))
    for f in (
        lambda a: ac.tril(a),
        lambda a: ac.sum(a, axis=1),
        lambda a: a @ ac.ones((2, 2)),
        lambda a: a.reshape(2, 2),
    ):
        with pytest.raises(ac.ShapeError) as alone:
            f(x[0])
        with pytest.raises(ac.ShapeError) as batched:
            ac.vmap(f)(x)
        assert str(batched.value) == str(alone.value)
    with pytest.raises(IndexError, match="out of range"):
        ac.vmap(lambda a, i: a[i])(x, ac.tensor([0, 3]))


def test_results_must_be_tensors() -> None:
    with pytest.raises(ac.GradientError, match=r"^vmap: the function must return Tensors; got str"):
        ac.vmap(lambda x: "x")(ac.ones(2))


def test_nothing_is_changed_in_place_by_one_example() -> None:
    p = ac.tensor([1.0, 1.0]).requires_grad_()
    with pytest.raises(ac.TraceError, match="in place"):
        ac.vmap(lambda x: (p.assign_(x), x)[1])(ac.ones((3, 2)) * 2.0)
    assert p.tolist() == [1.0, 1.0]
    with pytest.raises(ac.AliceError, match=r"^(vmap|backward): "):
        ac.vmap(lambda x: (ac.sum(p * x).backward(), x)[1])(ac.ones((3, 2)))
    assert p.grad is None


def test_an_exception_inside_leaves_everything_usable() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        raise KeyError("mine")

    x = ac.ones(3)
    for outer in (ac.vmap(f), ac.grad(lambda x: ac.sum(ac.vmap(f)(x))), lambda x: ac.jvp(ac.vmap(f), [x], [x])):
        with pytest.raises(KeyError, match="mine"):
            outer(x)
        assert (x + 1.0).tolist() == [2.0] * 3
        assert ac.grad(lambda x: ac.sum(x * x))(x).tolist() == [2.0] * 3
