"""What the tests of the JVP and batch rules share: forward mode on a trace, and the two comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

import alice_core as ac
from alice_core import tree
from alice_core.ops import _elementwise, _slopes
from op_calls import calls, is_float, op, tensors
from op_cases import OpCase, all_cases

#: What a batch of states would mean is not settled: they refuse it.
DRAWS = {"random_bits", "random_uniform", "random_advance"}

CASES = [case for case in all_cases() if case.primitives]

Point = list[ac.Tensor]


def flat(result: Any) -> list[ac.Tensor]:
    return list(tree.leaves(result))


# -- forward mode, equation by equation -------------------------------------------------------------------------------


def tangent_of(eq: Any, tangents: Sequence[Any]) -> tuple[Any, ...]:
    """The tangents of an equation's results, None for zero."""
    p = eq.primitive
    ans = eq.outputs[0] if len(eq.outputs) == 1 else tuple(eq.outputs)
    if p.jvp_joint is not None:
        result = p.jvp_joint(tangents, ans, tuple(eq.inputs), *eq.attributes)
        return result if isinstance(result, tuple) else (result,)
    total: list[Any] = [None] * len(eq.outputs)
    for rule, t in zip(p.jvp_rules, tangents, strict=True):
        if t is None or rule is None:
            continue
        result = rule(t, ans, *eq.inputs, *eq.attributes)
        for i, part in enumerate(result if isinstance(result, tuple) else (result,)):
            if part is not None:
                total[i] = part if total[i] is None else total[i] + part
    return tuple(total)


def pushforward(f: Callable[..., Any], xs: Point, vs: Point) -> Point:
    """The tangents of ``flat(f(*xs))``, from what the equations of a trace have saved and the JVP rules."""
    trace = ac.trace(lambda *points: flat(f(*points)))(*xs)
    known = {x._key: v for x, v in zip(trace.inputs, vs, strict=True)}
    for eq in trace.equations:
        tangents = [known.get(key) for key in eq.variables]
        if not eq.primitive.differentiable or all(t is None for t in tangents):
            continue
        for y, t in zip(eq.outputs, tangent_of(eq, tangents), strict=True):
            if t is not None:
                assert (t.shape, t.dtype) == (y.shape, y.dtype), eq.primitive
                known[y._key] = t
    return [known.get(y._key, ac.zeros(y.shape, y.dtype)) for y in trace.outputs]


def has_jvp(p: ac.Primitive) -> bool:
    return p.jvp_rules is not None or p.jvp_joint is not None


def terms(a: Point, b: Point) -> list[float]:
    return [p for x, y in zip(a, b, strict=True) for p in (x.numpy() * y.numpy()).ravel().tolist()]


def like(xs: Point, rng: np.random.Generator) -> Point:
    return [ac.tensor(rng.standard_normal(x.shape)) for x in xs]


def check_transposed(f: Callable[..., Any], xs: Point, seed: int = 0) -> None:
    """``w · (J v) = (w J) · v`` in float64."""
    rng = np.random.default_rng(seed)
    y, pullback = ac.vjp(f, *xs)
    vs, ws = like(xs, rng), like(flat(y), rng)
    forward = terms(ws, pushforward(f, xs, vs))
    reverse = terms(flat(pullback(tree.structure(y).unflatten(ws))), vs)
    scale = math.fsum(map(abs, forward)) + math.fsum(map(abs, reverse))
    assert abs(math.fsum(forward) - math.fsum(reverse)) <= 1e-12 * scale, (forward, reverse)


def differentiable_calls(case: OpCase) -> Iterator[tuple[Callable[..., Any], Point]]:
    """The calls of a row as functions of their differentiable arrays, those within lists too."""
    for args, kwargs in calls(case):
        arrays = [args[i] for i in case.grad if i < len(args) and (is_float(args[i]) or isinstance(args[i], list))]
        if not arrays:
            continue

        def f(*xs: ac.Tensor, args: Any = args, kwargs: Any = kwargs) -> Any:
            given, full = iter(xs), list(tensors(args))
            for i in case.grad:
                if i < len(args) and is_float(args[i]):
                    full[i] = next(given)
                elif i < len(args) and isinstance(args[i], list):
                    full[i] = [next(given) for _ in args[i]]
            return op(case)(*full, **kwargs)

        yield f, [ac.tensor(a) for x in arrays for a in (x if isinstance(x, list) else [x])]


def pulled(f: Callable[..., Any], n: int) -> Callable[..., Any]:
    """The pull-back of f as a function of the n numbers of its point and the cotangents."""

    def back(*args: ac.Tensor) -> Any:
        y, pullback = ac.vjp(f, *args[:n])
        return list(pullback(tree.structure(y).unflatten(args[n:])))

    return back


# -- batches ----------------------------------------------------------------------------------------------------------


def assert_same_bits(got: ac.Tensor, want: np.ndarray[Any, Any], what: Any) -> None:
    a = got.numpy()
    assert (a.shape, a.dtype) == (want.shape, want.dtype), what
    if a.tobytes() == want.tobytes():
        return
    if a.dtype.kind == "f":
        bits = np.dtype(f"i{a.dtype.itemsize}")
        same = (np.ascontiguousarray(a).view(bits) == np.ascontiguousarray(want).view(bits)) | (
            np.isnan(a) & np.isnan(want)
        )
    else:
        same = a == want
    assert np.all(same), (what, a, want)


def check_batch(
    p: ac.Primitive,
    batched: Sequence[bool],
    inputs: Sequence[Any],
    attributes: Sequence[Any],
    layout: Callable[[np.ndarray[Any, Any]], Any] = ac.asarray,
) -> None:
    """The batch rule against a loop. ``inputs`` are arrays, with axis 0 as the batch where ``batched`` says so."""
    what = (p.name, batched, [x.shape for x in inputs], [x.dtype for x in inputs], tuple(attributes))
    got = flat(p.batch_rule(tuple(batched), tuple(layout(x) for x in inputs), *attributes))
    n = next(x.shape[0] for b, x in zip(batched, inputs, strict=True) if b)

    given = [x if b else ac.asarray(x) for b, x in zip(batched, inputs, strict=True)]

    def example(e: int) -> Any:
        return p(*(ac.asarray(x[e]) if b else x for b, x in zip(batched, given, strict=True)), *attributes)

    if n == 0:  # what any example has
        one = [ac.abstract(x.shape[1:] if b else x.shape, x.dtype) for b, x in zip(batched, inputs, strict=True)]
        for y, like_it in zip(got, flat(p(*one, *attributes)), strict=True):
            assert (y.shape, y.dtype) == ((0, *like_it.shape), like_it.dtype), what
        return
    examples = [flat(example(e)) for e in range(n)]
    for i, y in enumerate(got):
        assert_same_bits(y, np.stack([results[i].numpy() for results in examples]), what)


#: What the first input of a primitive must be like, made of any numbers.
DOMAINS: dict[str, Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = {
    "cholesky": lambda x: x @ np.swapaxes(x, -1, -2) + np.eye(x.shape[-1], dtype=x.dtype),
    **dict.fromkeys(("eig", "eigvals"), lambda x: x + np.swapaxes(x, -1, -2)),  # real eigenvalues
}


def masks(n: int) -> list[tuple[bool, ...]]:
    return [m for m in product([False, True], repeat=n) if any(m)]


def variants(x: np.ndarray[Any, Any], n: int) -> np.ndarray[Any, Any]:
    """n examples like x, labels in their range."""
    rolled = [np.roll(x.ravel(), e).reshape(x.shape) for e in range(n)]
    if x.dtype.kind == "f":
        rolled = [(r * (1 - e / 16)).astype(x.dtype) for e, r in enumerate(rolled)]
    return np.stack(rolled) if n else np.empty((0, *x.shape), x.dtype)


# -- elementwise primitives of any shapes -----------------------------------------------------------------------------

ATTRIBUTES = {
    "leaky_relu": (0.1,), "leaky_relu_vjp": (0.1,), "elu": (1.5,), "elu_vjp": (1.5,), "pow_log": (2,),
    "astype": (ac.float64,), "polygamma": (1,), "sinc": (0,),
    "fitting": (ac.int64,), "allreduce": (0,), "allreduce_start": (0,), "allreduce_wait": (0,),
}  # fmt: skip
ELEMENTWISE = {
    n: p
    for n, p in ac.primitives().items()
    if getattr(p.batch_rule, "func", None) in (_elementwise._batched, _slopes._batched)
}


def numbers(name: str, rng: np.random.Generator, shape: tuple[int, ...], i: int) -> np.ndarray[Any, Any]:
    """Operand i of a primitive: within its domain, away from kinks."""
    if name == "where" and i == 0:
        return np.asarray(rng.random(shape) < 0.5)
    if name.startswith("bitwise_") or name == "fitting":
        return np.asarray(rng.integers(0, 9, shape))
    above = 1.0 if name.startswith("acosh") else 0.0
    return np.asarray(rng.uniform(0.2, 0.9, shape) + above)
