"""Schedules of the learning rate, alone and in optimisers."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from alice_core.optim import schedules

#: A schedule, and the formula of its rate after t steps.
SCHEDULES: list[tuple[Any, Any]] = [
    (schedules.constant(0.3), lambda t: 0.3),
    (schedules.step(0.5, every=3, factor=0.25), lambda t: 0.5 * 0.25 ** (t // 3)),
    (schedules.exponential(0.5, 0.9), lambda t: 0.5 * 0.9**t),
    (schedules.cosine(0.5, 8, end=0.1), lambda t: 0.1 + 0.4 * (1 + math.cos(math.pi * min(t, 8) / 8)) / 2),
    (
        schedules.one_cycle(0.5, 20, rising=0.4),
        # From 0.02 at 0 to 0.5 at 7, and to 2e-6 at 19.
        lambda t: (
            0.5 - 0.48 * (1 + math.cos(math.pi * t / 7)) / 2
            if t <= 7
            else 2e-6 + (0.5 - 2e-6) * (1 + math.cos(math.pi * min(t - 7, 12) / 12)) / 2
        ),
    ),
    (
        schedules.warm_up(schedules.exponential(0.5, 0.9), 4, start=0.1),
        lambda t: 0.1 + 0.4 * t / 4 if t < 4 else 0.5 * 0.9 ** (t - 4),
    ),
    (schedules.warm_up(0.25, 2), lambda t: min(t / 2, 1) * 0.25),
    (schedules.one_cycle(0.5, 1, rising=0.0), lambda t: 0.5 if t == 0 else 2e-6),
]


@pytest.mark.parametrize(("rate", "formula"), SCHEDULES)
def test_rates(rate: Any, formula: Any) -> None:
    wanted = [formula(t) for t in range(25)]
    got = [rate(t) for t in range(25)]
    assert all(type(x) is float for x in got)
    np.testing.assert_allclose(got, wanted, rtol=1e-13)
    np.testing.assert_allclose(rate(np.arange(25)), wanted, rtol=1e-13)
    for t in (ac.tensor(np.arange(25)), ac.arange(25.0), ac.arange(25.0, dtype=ac.float64)):
        rates = rate(t)
        assert rates.dtype == ac.float64
        np.testing.assert_allclose(rates.numpy(), wanted, rtol=1e-13)


def training(lr: Any, compiled: bool, **numbers: Any) -> tuple[Any, list[ac.Tensor], Any]:
    p = ac.nn.Parameter([1.0, -2.0], ac.float64)
    opt = ac.optim.SGD([p], lr, **numbers)

    def step() -> ac.Tensor:
        loss = ac.sum(p * p)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return (ac.compile(step) if compiled else step), [p], opt


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("rate", "formula"), SCHEDULES)
def test_steps_follow_them(rate: Any, formula: Any, compiled: bool) -> None:
    step, (p,), opt = training(rate, compiled, momentum=0.5)
    other, (q,), by_hand = training(0.0, False, momentum=0.5)
    for t in range(25):
        step()
        by_hand.lr = formula(t)
        other()
        np.testing.assert_allclose(opt.lr, formula(t), rtol=1e-13)
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-12)
    if compiled:
        assert step.cache_info().misses <= 2


@pytest.mark.parametrize("compiled", [False, True])
def test_other_schedules_act_at_once(compiled: bool) -> None:
    step, _, opt = training(lambda t: 0.5 / (1 + t), compiled)
    seen = []
    for lr in (None, None, 0.25, None, schedules.step(0.5, 5), None, None, lambda t: 0.125 + 0 * t):
        if lr is not None:
            opt.lr = lr
        step()
        seen.append(opt.lr)
    # The steps are counted on while no schedule asks for them.
    assert seen == [0.5, 0.25, 0.25, 0.25, 0.5, 0.05, 0.05, 0.125]


def test_the_count_is_part_of_the_state() -> None:
    step, (p,), opt = training(schedules.exponential(0.5, 0.5), True)
    for _ in range(3):
        step()
    assert list(opt.state_dict()) == ["hyper", "clock"]
    again, (q,), other = training(schedules.exponential(0.5, 0.5), True)
    other.load_state_dict(opt.state_dict())
    q.assign_(p)
    step()
    again()
    assert opt.lr == other.lr == 0.0625
    assert p.tolist() == q.tolist()
    with pytest.raises(ValueError, match="load_state_dict: SGD does not know clock"):
        ac.optim.SGD([p], 0.1).load_state_dict(opt.state_dict())


def test_groups_have_schedules_of_their_own() -> None:
    p, q, r = (ac.nn.Parameter([1.0]) for _ in range(3))
    groups: list[Any] = [{"params": p, "lr": schedules.exponential(1.0, 0.5)}, {"params": q}, {"params": r, "lr": 3.0}]
    opt = ac.optim.Adam(groups, lr=schedules.step(2.0, 2))

    @ac.compile
    def step() -> None:
        for x in (p, q, r):
            x.grad = ac.ones(1)
        opt.step()

    seen = []
    for _ in range(3):
        step()
        seen.append([group["lr"] for group in opt.param_groups])
    assert seen == [[1.0, 2.0, 3.0], [0.5, 2.0, 3.0], [0.25, 0.2, 3.0]]
    assert [key for key in opt.state_dict() if "clock" in key] == ["clock.0", "clock.1"]


def test_errors() -> None:
    p = ac.nn.Parameter([1.0])
    with pytest.raises(ValueError, match="SGD: lr must be a number ≥ 0; got -1"):
        ac.optim.SGD([p], lambda t: -1.0)
    opt = ac.optim.SGD([p], lambda t: 1.0 - t)
    p.grad = ac.ones(1)
    opt.step()
    opt.step()
    before = p.tolist()
    with pytest.raises(ValueError, match=r"SGD: lr must be a number ≥ 0; got -1\.0"):
        opt.step()
    assert p.tolist() == before
    opt.lr = lambda t: ac.ones(2) if isinstance(t, ac.Tensor) else 1.0
    with pytest.raises(ac.ShapeError, match=r"SGD: a schedule must return one number; got shape \(2,\)"):
        opt.step()
    with pytest.raises(ac.DTypeError, match="SGD: momentum must be a number ≥ 0; got "):
        ac.optim.SGD([p], 0.1, momentum=schedules.constant(0.1))  # type: ignore[arg-type]
    opt = ac.optim.SGD([p], lambda t: 0.1 if t < 2 else 0.01)
    opt.step()  # eager, it may ask

    def step() -> None:
        p.grad = ac.ones(1)
        opt.step()

    with pytest.raises(ac.TraceError):
        ac.compile(step)()


@pytest.mark.parametrize(
    ("make", "exception", "message"),
    [
        (lambda: schedules.constant(-1), ValueError, "constant: lr must be a number ≥ 0; got -1"),
        (lambda: schedules.step("1", 2), ac.DTypeError, "step: lr must be a number ≥ 0; got '1'"),
        (lambda: schedules.step(1, 0), ValueError, "step: every must be at least 1; got 0"),
        (lambda: schedules.step(1, 1.5), ac.DTypeError, "step: every must be an int; got 1.5"),
        (lambda: schedules.exponential(1, math.nan), ValueError, "exponential: factor must be a number ≥ 0; got nan"),
        (lambda: schedules.cosine(1, 10, -1), ValueError, "cosine: end must be a number ≥ 0; got -1"),
        (lambda: schedules.one_cycle(1, 10, 2), ValueError, "one_cycle: rising must be a number from 0 to 1; got 2"),
        (lambda: schedules.warm_up(-1, 10), ValueError, "constant: lr must be a number ≥ 0; got -1"),
        (
            lambda: schedules.warm_up("x", 10),
            ac.DTypeError,
            "warm_up: schedule must be a schedule or a num.*; got 'x'",
        ),
    ],
)
def test_errors_of_schedules(make: Any, exception: type[Exception], message: str) -> None:
    with pytest.raises(exception, match=message):
        make()


@pytest.mark.parametrize(("rate", "formula"), SCHEDULES)
def test_schedules_can_be_pickled(rate: Any, formula: Any) -> None:
    steps = np.arange(25.0)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(rate))(steps), rate(steps))
    p, opt = pickle.loads(pickle.dumps((q := ac.nn.Parameter([1.0]), ac.optim.SGD([q], lr=rate))))
    p.grad = ac.tensor([1.0])
    opt.step()
    assert p.item() == np.float32(1) - np.float32(formula(0))


def test_a_compiled_step_shows_a_rate_that_is_none() -> None:
    """Where an eager step refuses a negative rate, a compiled one climbed."""
    step, (p,), _ = training(lambda t: 1.0 - t, True)
    step(), step()
    assert np.isfinite(p.numpy()).all()
    step()
    assert np.isnan(p.numpy()).all()
