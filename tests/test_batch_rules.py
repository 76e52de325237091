"""The batch rules, primitive by primitive, against a loop over the examples: bit for bit."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import alice_core as ac
from alice_core import tree
from alice_core.tracing import recording
from op_calls import calls, cast, op, tensors
from op_cases import OpCase
from rule_checks import (
    ATTRIBUTES,
    CASES,
    DOMAINS,
    DRAWS,
    ELEMENTWISE,
    assert_same_bits,
    check_batch,
    differentiable_calls,
    flat,
    masks,
    numbers,
    pulled,
    variants,
)


def equations(case: OpCase, dtype: str) -> list[Any]:
    """What the calls of a row and their pull-backs of two orders consist of."""
    with recording() as found:
        for args, kwargs in calls(case):
            op(case)(*tensors(cast(args, dtype)), **kwargs)
        for f, xs in differentiable_calls(case):
            xs = [x.astype(dtype) for x in xs]
            y, pullback = ac.vjp(f, *xs)
            ws = [ac.ones_like(v) for v in flat(y)]
            if any(w.dtype.kind != "f" for w in ws):
                continue
            ac.vjp(pulled(f, len(xs)), *xs, *ws)[1](list(pullback(tree.structure(y).unflatten(ws))))
    return found


def concrete(x: ac.Tensor, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """The data of an input; where no derivative rule reads it, it was not saved, and any will do."""
    if not x.is_abstract:
        return x.numpy()
    numbers = rng.standard_normal(x.shape) if x.dtype.kind == "f" else rng.integers(0, 2, x.shape)
    return np.asarray(numbers).astype(x.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", [c for c in CASES if not DRAWS & set(c.primitives)], ids=lambda c: c.name)
def test_batch_is_a_loop(case: OpCase, dtype: str) -> None:
    if dtype not in case.dtypes:
        pytest.skip(f"{case.name} is not defined for {dtype}")
    rng, seen = np.random.default_rng(2), set()
    for eq in equations(case, dtype):
        p, attributes = eq.primitive, eq.attributes
        if p.vjp_joint is not None:  # a rule of one's own runs again: test_custom.py
            continue
        key = (p.name, tuple((x.shape, x.dtype) for x in eq.inputs), attributes)
        if key in seen:
            continue
        seen.add(key)
        inputs = [concrete(x, rng) for x in eq.inputs]
        domain = DOMAINS.get(p.name, lambda x: x)
        varied = {n: [variants(x, n) for x in inputs] for n in (0, 1, 3)}
        for batched, n in product(masks(len(inputs)), varied):
            first, *others = (many if b else x for b, x, many in zip(batched, inputs, varied[n], strict=True))
            check_batch(p, batched, [domain(first), *others], attributes)
    assert seen, f"{case.name} has no equations"


# -- elementwise primitives of any shapes -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ELEMENTWISE))
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_elementwise_batches_of_any_shape(name: str, data: st.DataObject) -> None:
    p = ELEMENTWISE[name]
    n = p.n_inputs
    shapes = data.draw(hnp.mutually_broadcastable_shapes(num_shapes=n, min_side=0, max_dims=4, max_side=7)).input_shapes
    batched = data.draw(st.sampled_from(masks(n)))
    size = data.draw(st.sampled_from([0, 1, 2, 17]))
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    inputs = []
    for i, (b, shape) in enumerate(zip(batched, shapes, strict=True)):
        x = numbers(name, rng, (size, *shape) if b else shape, i)
        inputs.append(x.astype(dtype) if x.dtype.kind == "f" else x)
    check_batch(p, batched, inputs, ATTRIBUTES.get(name, ()))


# -- reductions and what works along an axis: the order of summation is that of one example ---------------------------

LENGTHS = [0, 1, 2, 7, 16, 17, 64, 100, 1000]
OVER_AXES: dict[str, tuple[Any, ...]] = {  # attributes after the axes
    "sum": (False,), "mean": (True,), "var": (False, 1.0), "std": (True, 0.0), "norm": (False,), "prod": (True,),
    "max": (False,), "min": (True,), "argmax": (False,), "argmin": (True,), "any": (False,), "all": (True,),
    "logsumexp": (False,),
}  # fmt: skip
ALONG_AXIS: dict[str, tuple[Any, ...]] = {
    "cumsum": (True,), "cumprod": (), "cummax": (), "cummin": (), "logcumsumexp": (),
    "affine_scan": (True,), "sort": (False,), "argsort": (True, None),
    "softmax": (), "log_softmax": (), "softmax_vjp": (), "log_softmax_vjp": (),
}  # fmt: skip
ALONG_LAST = ["prod_vjp", "logsumexp_vjp"]


def transposed(x: np.ndarray[Any, Any]) -> Any:
    """The same values, in memory with the axes in the opposite order."""
    return ac.asarray(np.array(x.T, order="C").T)


def values(name: str, rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    if name in ("any", "all"):
        return rng.random(shape) < 0.5
    x = rng.standard_normal(shape).astype(dtype)
    return np.asarray(np.exp(x / 8) if name.startswith("prod") else x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("name", sorted(OVER_AXES))
def test_batched_reduction_has_the_bits_of_a_loop(name: str, n: int, dtype: str) -> None:
    if n == 0 and name in ("max", "min", "argmax", "argmin"):
        pytest.skip("needs at least one item")
    rng, p = np.random.default_rng(n), ac.primitives()[name]
    forms: list[tuple[tuple[int, ...], Any]] = [
        ((n,), None), ((3, n), -1), ((n, 3), 0), ((n, 20), 0), ((n, 70), 0), ((4, n, 5), (0, 2)), ((2, n, 3), (1,)),
        ((n, 1), 0), ((n, 1), 1), ((2, 3), ()), ((n,), -1),
    ]  # fmt: skip
    for (shape, axis), size, layout in product(forms, (1, 2, 5), (ac.asarray, transposed)):
        x = values(name, rng, (size, *shape), dtype)
        if name in ("max", "min", "argmax", "argmin", "any", "all") or x.dtype.kind == "f":
            check_batch(p, (True,), [x], (axis, *OVER_AXES[name]), layout)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("name", [*sorted(ALONG_AXIS), *ALONG_LAST])
def test_batched_rows_have_the_bits_of_a_loop(name: str, n: int, dtype: str) -> None:
    rng, p = np.random.default_rng(n), ac.primitives()[name]
    for shape, size, layout in product([(n,), (3, n), (40, n), (n, 3)], (1, 2, 5), (ac.asarray, transposed)):
        axis = () if name in ALONG_LAST else (shape.index(n) - len(shape),)
        for batched in masks(p.n_inputs):
            shapes = [shape] * p.n_inputs
            if name in ALONG_LAST:
                shapes[0] = shape[:-1]
            inputs = [values(name, rng, (size, *s) if b else s, dtype) for b, s in zip(batched, shapes, strict=True)]
            check_batch(p, batched, inputs, (*axis, *ALONG_AXIS.get(name, ())), layout)


@settings(deadline=None)
@given(data=st.data())
def test_reductions_of_any_shape(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*sorted(OVER_AXES), "sum_to", "cumsum", "softmax"]))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9))
    size = data.draw(st.sampled_from([0, 1, 2, 6]))
    dtype = data.draw(st.sampled_from(["float32", "float64", "int32", "uint8"]))
    if name in ("cumsum", "softmax"):
        assume(shape)
        attributes: tuple[Any, ...] = (data.draw(st.integers(-len(shape), len(shape) - 1)), *ALONG_AXIS[name])
    elif name == "sum_to":
        kept = shape[data.draw(st.integers(0, len(shape))) :]
        attributes = (tuple(data.draw(st.sampled_from([1, n])) for n in kept),)
    else:
        axes = tuple(i for i in range(len(shape)) if data.draw(st.booleans()))
        assume(name not in ("max", "min", "argmax", "argmin") or all(shape[i] for i in axes))
        attributes = (data.draw(st.sampled_from([axes, None])) if len(axes) == len(shape) else axes, *OVER_AXES[name])
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = values(name, rng, (size, *shape), "float64")
    if x.dtype.kind == "f":
        x = (x * 9 if dtype[0] != "f" else x).astype(dtype)
    order = data.draw(st.permutations(range(x.ndim)))
    inverse = [order.index(i) for i in range(x.ndim)]
    check_batch(
        ac.primitives()[name],
        (True,),
        [x],
        attributes,
        lambda x: ac.asarray(np.array(x.transpose(order), order="C").transpose(inverse)),
    )


@pytest.mark.parametrize("name", ["sum", "prod", "norm", "var", "logsumexp"])
def test_reductions_of_so_many_items_that_they_are_divided(name: str) -> None:
    """Into as many parts for an example in a batch as for one by itself, however few or many there are."""
    rng, p = np.random.default_rng(0), ac.primitives()[name]
    for shape, sizes in (
        ((300_000,), (2, 5, 20)),
        ((70_000, 3), (3, 17)),
        ((9000, 40), (3, 17)),
        ((200, 1100), (2, 9)),
    ):
        for size, dtype in product(sizes, ("float32", "float64")):
            x = (1 + (rng.random((size, *shape), dtype) - 0.5) / 90).astype(dtype)  # products stay in range
            check_batch(p, (True,), [x], (0, *OVER_AXES[name]))
        fed = ac.compile(lambda x: p(ac.exp(x), 1, *OVER_AXES[name]))  # items that are computed on the way
        small = ac.asarray((x - 1) / 2)
        assert_same_bits(fed(small), p(ac.exp(small), 1, *OVER_AXES[name]).numpy(), name)


@pytest.mark.parametrize(("name", "smallest"), [("mean", 5e-324), ("var", 1e-160)])
def test_an_example_that_would_overflow_changes_no_other(name: str, smallest: float) -> None:
    """It is computed anew from scaled items; scaled, those of the others would vanish."""
    x = np.stack([smallest * np.arange(1.0, 7.0), np.array([1.7e308, -1.7e308] * 3), np.full(6, 1.7e308)])
    check_batch(ac.primitives()[name], (True,), [x], (0, *OVER_AXES[name]))


# -- cross-entropy ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("rows", "classes"),
    [*product([(), (0,), (1,), (33,), (64,), (65,), (2, 3)], [1, 3, 70, 1000]), *product([(700,)], [1, 3, 70])],
)
def test_batched_cross_entropy_has_the_bits_of_a_loop(rows: tuple[int, ...], classes: int, dtype: str) -> None:
    rng = np.random.default_rng(3)
    primitives = ac.primitives()
    for size, smoothing, reduction in product((0, 1, 2, 37), (0.0, 0.1), (0, 1, 2)):
        if math.prod(rows) * classes * size > 100_000:
            continue
        x = (3 * rng.standard_normal((size, *rows, classes))).astype(dtype)
        labels = rng.integers(0, classes, (size, *rows))
        shares = rng.random(x.shape).astype(dtype)
        for q, ignored in ((labels, None), ((labels % 200).astype(np.uint8), 0), (shares, None)):
            options = (reduction, ignored, smoothing, 0)
            for batched in masks(2):
                if not size and not all(batched):
                    continue
                inputs = [a if b else a[0] for a, b in zip((x, q), batched, strict=True)]
                check_batch(primitives["cross_entropy"], batched, inputs, options)
            stats = primitives["cross_entropy"](ac.asarray(x), ac.asarray(q), *options[:3], 1)[1].numpy()
            g = rng.standard_normal((size, *rows) if reduction == 0 else (size,)).astype(dtype)
            g[:1] = 0.0  # nothing flows into the first example
            for batched in [(True,) * 4, (False, True, True, True)] if size else [(True,) * 4]:
                inputs = [a if b else a[0] for a, b in zip((g, x, q, stats), batched, strict=True)]
                check_batch(primitives["cross_entropy_vjp"], batched, inputs, options)


@pytest.mark.parametrize("rows", [(), (4,), (100,)])
@pytest.mark.parametrize("reduction", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_gradients_of_a_batch_are_one_pass(dtype: str, reduction: int, rows: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    forward, backward = ac.primitives()["cross_entropy"], ac.primitives()["cross_entropy_vjp"]
    x = ac.tensor(rng.standard_normal((30, *rows, 7)).astype(dtype))
    y = ac.tensor(rng.integers(0, 7, (30, *rows)))
    g = ac.tensor(rng.standard_normal((30, *rows) if reduction == 0 else (30,)).astype(dtype))
    options = (reduction, 2, 0.1, 1)

    def f(x: ac.Tensor, y: ac.Tensor, g: ac.Tensor) -> Any:
        loss, stats = forward(x, y, *options)
        return loss, backward(g, x, y, stats, *options)

    compiled = ac.compile(f)
    for got, want in zip(compiled(x, y, g), f(x, y, g), strict=True):
        assert_same_bits(got, want.numpy(), (reduction, rows))
    assert sum("cross_entropy" in str(i) for i in compiled.program(x, y, g).instructions) == 1


def test_cross_entropy_checks_its_batch_axes() -> None:
    p, x, y = ac.primitives()["cross_entropy"], ac.zeros((2, 3)), ac.tensor([0, 1])
    for batch_axes in (-1, 2):
        with pytest.raises(ValueError, match=f"cross_entropy: batch_axes must be from 0 to 1; got {batch_axes}"):
            p(x, y, 1, None, 0.0, batch_axes)


# -- random numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "attributes"),
    [("random_bits", ((3,), 0)), ("random_uniform", ((3,), ac.float32)), ("random_advance", (1,))],
)
def test_a_batch_of_random_states_is_refused(name: str, attributes: tuple[Any, ...]) -> None:
    states = ac.tensor(np.zeros((4, 2), np.int64))
    with pytest.raises(ac.ShapeError, match=f"{name}: expected one state .*; got a batch of 4 states; draw .* outside"):
        ac.primitives()[name].batch_rule((True,), (states,), *attributes)
