"""Gradients that are clipped, and averages of parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac


def with_grads(*grads: Any, dtype: str = "float64") -> list[ac.Tensor]:
    params = []
    for g in grads:
        array = np.asarray(g, dtype)
        p = ac.nn.Parameter(np.zeros_like(array))
        p.grad = ac.tensor(array)
        params.append(p)
    return params


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", [1.0, 1.5, 2.0, 3.0, math.inf])
def test_clip_grad_norm(order: float, dtype: str, compiled: bool) -> None:
    rng = np.random.default_rng(0)
    arrays = [np.asarray(rng.standard_normal(s)) for s in ((), (3, 4), (0, 2), (70_001,))]
    norm = np.linalg.norm(np.concatenate([a.ravel() for a in arrays]).astype(dtype).astype(float), order)
    for limit in (norm / 3, norm * 3, math.inf):
        params = [ac.nn.Parameter([1.0]), *with_grads(*arrays, dtype=dtype)]  # the first one has no gradient

        def clip(params: Any = params, limit: float = limit) -> ac.Tensor:
            return ac.optim.clip_grad_norm(params, limit, order)

        got = (ac.compile(clip) if compiled else clip)()
        assert got.dtype == dtype
        np.testing.assert_allclose(got.item(), norm, rtol=1e-6 if dtype == "float32" else 1e-13)
        assert params[0].grad is None
        for p, a in zip(params[1:], arrays, strict=True):
            want = a.astype(dtype)
            if limit < norm:
                np.testing.assert_allclose(p.grad.numpy(), a * limit / norm, rtol=2e-6 if dtype == "float32" else 1e-13)
            else:
                np.testing.assert_array_equal(p.grad.numpy(), want)


@given(st.lists(st.floats(-1e300, 1e300, allow_subnormal=False), min_size=1, max_size=5), st.sampled_from([1.0, 2.0]))
def test_norms_do_not_overflow(grads: list[float], order: float) -> None:
    (p,) = with_grads(grads)
    largest = max(abs(g) for g in grads) or 1.0
    want = largest * np.linalg.norm(np.array(grads) / largest, order)
    np.testing.assert_allclose(ac.optim.clip_grad_norm([p], 1.0, order).item(), want, rtol=1e-12)
    assert p.grad is not None
    assert np.linalg.norm(p.grad.numpy(), order) <= 1 + 1e-12


def test_gradients_that_are_not_finite_stay_so() -> None:
    for bad in (math.nan, math.inf):
        a, b = with_grads([1.0, bad], [2.0])
        assert not math.isfinite(ac.optim.clip_grad_norm([a, b], 1.0).item())
        assert not np.isfinite(a.grad.numpy()).any()
        assert not np.isfinite(b.grad.numpy()).any()


def test_what_layers_share_counts_once() -> None:
    (p,) = with_grads([3.0, 4.0])
    assert ac.optim.clip_grad_norm([p, {"again": p}], 1.0).item() == 5.0
    np.testing.assert_allclose(p.grad.numpy(), [0.6, 0.8])


@pytest.mark.parametrize("dtype", [ac.float16, ac.bfloat16], ids=str)
def test_short_gradients_are_scaled_by_all_digits(dtype: Any) -> None:
    """The factor of a large norm is a subnormal number in float16: it was off by up to a half."""
    p = ac.nn.Parameter(ac.zeros(10_000, dtype))
    p.grad = ac.full(10_000, 60_000.0, dtype)
    norm = ac.optim.clip_grad_norm([p], 1.0)
    np.testing.assert_allclose(norm.item(), 6e6, rtol=5e-3)
    np.testing.assert_allclose(p.grad.astype(ac.float32).numpy(), 0.01, rtol=5e-3)


def test_dtypes_and_structures() -> None:
    model = ac.nn.MLP([2, 3, 1], seed=0)
    ac.sum(model(ac.ones((4, 2)))).backward()
    assert ac.optim.clip_grad_norm(model, 0.5).dtype == ac.float32
    total = sum(np.sum(p.grad.numpy() ** 2) for p in model.parameters())
    assert total == pytest.approx(0.25, rel=1e-5)
    half = ac.nn.Parameter([1.0], ac.float16)
    half.grad = ac.tensor([3.0], ac.float16)
    assert ac.optim.clip_grad_norm({"a": half, "b": None}, 1.0).item() == 3.0
    assert half.grad.tolist() == [1.0]
    assert half.grad.dtype == ac.float16
    assert ac.optim.clip_grad_norm([ac.nn.Parameter([1.0])], 1.0).item() == 0.0


@pytest.mark.parametrize("compiled", [False, True])
def test_clip_grad_value(compiled: bool) -> None:
    params = [ac.nn.Parameter(1.0), *with_grads([-3.0, 0.5, math.nan, math.inf], 2.0)]

    def clip() -> None:
        ac.optim.clip_grad_value(params, 1.5)

    (ac.compile(clip) if compiled else clip)()
    np.testing.assert_array_equal(params[1].grad.numpy(), [-1.5, 0.5, math.nan, 1.5])
    assert params[2].grad.item() == 1.5
    assert params[0].grad is None


@pytest.mark.parametrize(
    ("call", "exception", "message"),
    [
        (lambda p: ac.optim.clip_grad_norm([p], 0.0), ValueError, "clip_grad_norm: max_norm must be a positive number"),
        (lambda p: ac.optim.clip_grad_norm([p], 1, 0.5), ValueError, "norm_type must be at least 1; got 0.5"),
        (lambda p: ac.optim.clip_grad_norm([p], "1"), ac.DTypeError, "max_norm must be a positive number; got '1'"),
        (lambda p: ac.optim.clip_grad_norm([p, 3], 1), ac.DTypeError, "params must be Tensors; got 3 as parameter 1"),
        (
            lambda p: ac.optim.clip_grad_value([p], math.nan),
            ValueError,
            "clip_value must be a positive.*got nan",
        ),
        (lambda p: ac.optim.EMA([]), ValueError, "EMA: params is empty; pass the Tensors to average"),
        (lambda p: ac.optim.EMA([ac.tensor([1])]), ac.DTypeError, "EMA: params must be floating Tensors"),
        (lambda p: ac.optim.EMA([p], 1.0), ValueError, "EMA: decay must be a number from 0 to below 1; got 1.0"),
        (lambda p: setattr(ac.optim.EMA([p]), "decay", -1), ValueError, "EMA: decay must be a number from 0"),
        (lambda p: ac.optim.EMA([p]).load_state_dict({"hyper": [0.5]}), ValueError, "EMA misses average.0"),
    ],
)
def test_errors(call: Any, exception: type[Exception], message: str) -> None:
    with pytest.raises(exception, match=message):
        call(ac.nn.Parameter([1.0]))


# ---- averages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_averages(compiled: bool) -> None:
    rng = np.random.default_rng(0)
    params = [ac.nn.Parameter(rng.standard_normal(s)) for s in ((), (3, 2), (0,))]
    params.append(ac.nn.Parameter([1.0, 2.0], ac.bfloat16))
    ema = ac.optim.EMA(params, decay=0.75)
    wanted = [np.array(p.detach().astype(ac.float64).numpy()) for p in params]
    move = ac.compile(lambda: ema.update()) if compiled else ema.update
    for k in range(5):
        ema.decay = decay = 0.75 / (k + 1)
        for i, p in enumerate(params):
            p.assign_(p.detach() * 0.5 + 1.0)
            wanted[i] = decay * wanted[i] + (1 - decay) * p.detach().astype(ac.float64).numpy()
        move()
    assert [a.dtype for a in ema.averages] == [ac.float64] * 3 + [ac.float32]
    for average, want in zip(ema.averages, wanted, strict=True):
        np.testing.assert_allclose(average.numpy(), want, rtol=1e-14 if average.dtype == ac.float64 else 1e-6)
    assert ema.decay == 0.15


def test_averages_for_a_while() -> None:
    model = ac.nn.Linear(2, 1, seed=0)
    ema = ac.optim.EMA(model, 0.5)
    first = [p.tolist() for p in model.parameters()]
    for p in model.parameters():
        p.assign_(p.detach() + 1.0)
    moved = [p.tolist() for p in model.parameters()]
    inside = []

    def fail() -> None:
        with ema.applied():
            inside.extend(p.tolist() for p in model.parameters())
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert inside == first
    assert [p.tolist() for p in model.parameters()] == moved
    state = ema.state_dict()
    ema.update()
    ema.decay = 0.25
    with pytest.raises(ValueError, match="EMA: decay must be a number from 0 to below 1; got 2"):
        ema.load_state_dict({**state, "hyper": [2.0]})
    assert ema.decay == 0.25
    ema.load_state_dict(state)
    assert ema.decay == 0.5
    assert [a.tolist() for a in ema.averages] == first
    with pytest.raises(ac.TraceError, match="EMA: expected decay to be read or set outside of traced functions"):
        ac.compile(lambda: setattr(ema, "decay", 0.1))()
