"""The adaptive optimisers against the formulas of their papers; what all optimisers share is in ``test_optim.py``."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from optimiser_formulas import walk

KINDS = ["Adagrad", "Adam", "AdamW", "Lion", "NAdam", "RMSProp"]
MOMENTS = {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3}
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("Adam", MOMENTS),
    ("Adam", {**MOMENTS, "weight_decay": 0.25}),
    ("Adam", {**MOMENTS, "amsgrad": True}),
    ("Adam", {**MOMENTS, "amsgrad": True, "weight_decay": 0.25}),
    ("AdamW", {**MOMENTS, "weight_decay": 0.25}),
    ("AdamW", {**MOMENTS, "weight_decay": 0.25, "amsgrad": True}),
    ("NAdam", {**MOMENTS, "momentum_decay": 0.1}),
    ("NAdam", {**MOMENTS, "momentum_decay": 0.1, "weight_decay": 0.25}),
    ("Adagrad", {"lr": 0.1, "eps": 1e-3, "lr_decay": 0.1, "weight_decay": 0.25}),
    ("Adagrad", {"lr": 0.1, "eps": 1e-3, "initial": 0.5}),
    *(
        ("RMSProp", {"lr": 0.1, "alpha": 0.9, "eps": 1e-2, "momentum": m, "centered": c, "weight_decay": d})
        for m, c, d in itertools.product((0.0, 0.9), (False, True), (0.0, 0.25))
    ),
    ("Lion", {"lr": 0.1, "betas": (0.75, 0.9)}),
    ("Lion", {"lr": 0.1, "betas": (0.75, 0.9), "weight_decay": 0.25}),
]
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}


def make(name: str, params: Any, **numbers: Any) -> Any:
    if "initial" in numbers:
        numbers["initial_accumulator_value"] = numbers.pop("initial")
    return getattr(ac.optim, name)(params, **numbers)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "numbers"), SETTINGS, ids=str)
def test_steps_are_those_of_the_paper(name: str, numbers: dict[str, Any], dtype: str) -> None:
    rng = np.random.default_rng(0)
    shapes = [(), (1,), (0, 3), (7, 9), (3, 1, 5), (40_001,)]
    arrays = [np.asarray(rng.standard_normal(s)).astype(dtype) for s in shapes]
    grads = [[np.asarray(rng.standard_normal(s)).astype(dtype) for _ in range(6)] for s in shapes]
    params = [ac.nn.Parameter(a) for a in arrays]
    opt = make(name, params, **numbers)
    wanted = [walk(name, a, g, **numbers) for a, g in zip(arrays, grads, strict=True)]
    for k in range(6):
        for p, g in zip(params, grads, strict=True):
            # Gradients come in all layouts: broadcast, column-major, reversed.
            p.grad = ac.permute_dims(ac.tensor(g[k].T), tuple(range(p.ndim))[::-1])
        opt.step()
        for p, want in zip(params, wanted, strict=True):
            np.testing.assert_allclose(p.numpy(), want[k], rtol=TOLERANCE[dtype] * 5, atol=TOLERANCE[dtype] * 5)


def problem(name: str, compiled: bool, **numbers: Any) -> tuple[Any, Any, Any]:
    """A step that trains a network, its parameters and its optimiser."""
    model = ac.nn.MLP([4, 7, 3], activation="tanh", seed=0)
    opt = make(name, model.parameters(), **numbers)

    def step(x: ac.Tensor, y: ac.Tensor) -> ac.Tensor:
        loss = ac.losses.cross_entropy(model(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss

    return (ac.compile(step) if compiled else step), list(model.parameters()), opt


def values(params: Any, opt: Any) -> list[bytes]:
    return [x.detach().numpy().tobytes() for x in (*params, *opt.state_dict().values())]


X = ac.tensor(np.random.default_rng(1).standard_normal((5, 4)).astype(np.float32))
Y = ac.tensor([0, 2, 1, 1, 0])


@pytest.mark.parametrize(("name", "numbers"), SETTINGS, ids=str)
def test_compiled_steps_have_the_bits_of_eager_ones(name: str, numbers: dict[str, Any]) -> None:
    (eager, params, opt), (compiled, others, other) = (problem(name, c, **numbers) for c in (False, True))
    for k in range(6):
        opt.lr = other.lr = 0.1 / (k + 1)  # found anew by every step
        assert eager(X, Y).item() == compiled(X, Y).item()
        assert values(params, opt) == values(others, other)
    assert compiled.cache_info().misses <= 2  # gradients are None at the first call


@pytest.mark.parametrize("name", KINDS)
def test_threads_change_no_bit(name: str) -> None:
    results = []
    before = ac.get_num_threads()
    try:
        for n in (1, 2, 4):
            ac.set_num_threads(n)
            p = ac.nn.Parameter(np.linspace(-1, 1, 100_003, dtype=np.float32))
            opt = make(name, [p], lr=0.1, weight_decay=0.1)
            for _ in range(2):
                p.grad = ac.tensor(np.linspace(1, 3, 100_003, dtype=np.float32))
                opt.step()
            results.append(values([p], opt))
    finally:
        ac.set_num_threads(before)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(("name", "numbers"), SETTINGS, ids=str)
def test_the_state_goes_round(name: str, numbers: dict[str, Any]) -> None:
    step, params, opt = problem(name, False, **numbers)
    for _ in range(3):
        step(X, Y)
    again, others, other = problem(name, False, **{**numbers, "lr": 7.0})
    other.load_state_dict(opt.state_dict())
    for p, q in zip(others, params, strict=True):
        p.assign_(q)
    for _ in range(3):
        assert step(X, Y).item() == again(X, Y).item()
    assert values(params, opt) == values(others, other)


@pytest.mark.parametrize("name", KINDS)
def test_a_failing_load_changes_nothing(name: str) -> None:
    step, params, opt = problem(name, False, lr=0.1)
    step(X, Y)
    before, state = values(params, opt), opt.state_dict()
    last = [*state][-1]
    for change in ({"hyper": -state["hyper"].numpy() - 1}, {last: np.zeros((9, 9))}, {last: "x"}, {"more": 1.0}):
        with pytest.raises((ValueError, TypeError)):
            opt.load_state_dict({**state, **change})
        assert values(params, opt) == before
    with pytest.raises(ValueError, match=f"load_state_dict: {name} misses {last}"):
        opt.load_state_dict({key: x for key, x in state.items() if key != last})


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, -1.0])
@pytest.mark.parametrize(("name", "numbers"), SETTINGS, ids=str)
def test_a_state_that_no_run_can_have_left_is_refused(name: str, numbers: dict[str, Any], wrong: float) -> None:
    """It was taken over, and the next step made NaN of the parameters."""
    step, params, opt = problem(name, False, **{**numbers, "lr": ac.optim.schedules.exponential(0.1, 0.9)})
    step(X, Y)
    before, state = values(params, opt), opt.state_dict()
    for entry, value in state.items():
        if entry == "hyper" or (wrong == -1 and entry.split(".")[0] in ("first_moment", "velocity")):
            continue
        changed = value.numpy().copy()
        changed[(0,) * changed.ndim] = wrong
        with pytest.raises(ValueError, match=f"load_state_dict: {name}: {entry} must be finite numbers.*; got {wrong}"):
            opt.load_state_dict({**state, entry: changed})
        assert values(params, opt) == before
    opt.load_state_dict(state)


@pytest.mark.parametrize("name", KINDS)
def test_each_parameter_counts_its_own_steps(name: str) -> None:
    """One that has had no gradient yet begins as if it were alone."""
    a, b, c = (ac.nn.Parameter([1.0, -2.0]) for _ in range(3))
    together, alone = make(name, [a, b], lr=0.1), make(name, [c], lr=0.1)
    for k in range(5):
        a.grad = ac.tensor([1.0, 2.0])
        if k >= 2:
            b.grad = c.grad = ac.tensor([0.5 * k, -1.0])
            alone.step()
        together.step()
    assert b.tolist() == c.tolist() != [1.0, -2.0]


def test_groups_step_as_optimisers_of_their_own() -> None:
    params = [ac.nn.Parameter([float(i), 1.0]) for i in range(6)]
    groups = [
        {"params": params[0], "betas": (0.5, 0.75)},
        {"params": params[1], "amsgrad": True, "beta1": 0.25},
        {"params": params[2], "lr": 0.5, "weight_decay": 0.5, "decoupled_weight_decay": True},
    ]
    opts = [
        [ac.optim.Adam(groups, lr=0.1)],
        [
            ac.optim.Adam(params[3:4], 0.1, (0.5, 0.75)),
            ac.optim.Adam(params[4:5], 0.1, (0.25, 0.999), amsgrad=True),
            ac.optim.AdamW(params[5:], 0.5, weight_decay=0.5),
        ],
    ]
    for k, half in enumerate((params[:3], params[3:])):
        for i, p in enumerate(half):
            p.assign_([float(i), 1.0])
        for step in range(4):
            for p in half:
                p.grad = ac.tensor([1.0 + step, -0.5]) * p.detach()
            for opt in opts[k]:
                opt.step()
    assert [p.tolist() for p in params[:3]] == [p.tolist() for p in params[3:]]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", KINDS)
def test_narrow_parameters_are_remembered_in_float32(name: str, dtype: str) -> None:
    """The memory is that of a float32 parameter with the same gradients, and the parameter is rounded once per step."""
    wide, narrow = ac.nn.Parameter([1.0, -2.0]), ac.nn.Parameter([1.0, -2.0], getattr(ac, dtype))
    opts = [make(name, [p], lr=0.125) for p in (wide, narrow)]
    for step in range(4):
        for p, opt in zip((wide, narrow), opts, strict=True):
            p.grad = ac.tensor([0.5, 0.25 + step], p.dtype)
            opt.step()
        assert narrow.dtype == getattr(ac, dtype)
        assert narrow.tolist() == wide.astype(narrow.dtype).tolist()
        wide.assign_(narrow.astype(ac.float32))
    assert values([], opts[0]) == values([], opts[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", KINDS)
def test_fading_memories_end_at_zero(name: str, dtype: str) -> None:
    smallest = np.finfo(dtype).tiny
    p = ac.tensor(np.ones(40, dtype)).requires_grad_()
    opt = make(name, [p], lr=0.1)
    for gradient in (4 * smallest, -4 * smallest, smallest**0.5, 0.0):
        p.grad = ac.full((40,), gradient, dtype)
        for _ in range(3):
            opt.step()
            for key, x in opt.state_dict().items():
                if key.partition(".")[0] not in ("hyper", "progress"):
                    assert np.all((x.numpy() == 0) | (np.abs(x.numpy()) >= smallest))


@pytest.mark.parametrize("name", KINDS)
def test_infinite_parameters_without_decay_are_no_nan(name: str) -> None:
    p = ac.nn.Parameter([np.inf, 1.0])
    p.grad = ac.ones(2)
    opt = make(name, [p], lr=0.5, weight_decay=0.0)
    opt.step()
    assert p[0].item() == np.inf
    p.grad = ac.tensor([1.0, np.nan])  # seen, and not forgotten
    opt.step()
    p.grad = ac.ones(2)
    opt.step()
    assert np.isnan(p[1].item())


def test_equal_gradients_have_no_negative_variance() -> None:
    p = ac.nn.Parameter(np.ones(100, np.float32))
    opt = ac.optim.RMSProp([p], lr=1e-6, alpha=0.9, eps=1.0, centered=True)
    for _ in range(200):
        p.grad = ac.tensor(np.linspace(0.1, 3, 100, dtype=np.float32))
        opt.step()
    assert np.isfinite(p.numpy()).all()


def test_numbers() -> None:
    p = ac.nn.Parameter([1.0])
    opt = ac.optim.Adam([p], 0.5)
    assert dict(opt.param_groups[0]) == {
        "lr": 0.5,
        "beta1": 0.9,
        "beta2": 0.999,
        "eps": 1e-8,
        "weight_decay": 0.0,
        "decoupled_weight_decay": False,
        "amsgrad": False,
    }
    opt.beta1, opt.decoupled_weight_decay = 0.5, True
    assert (opt.beta1, opt.decoupled_weight_decay, opt.amsgrad) == (0.5, True, False)
    assert list(opt.state_dict()) == ["hyper", "progress.0", "first_moment.0", "second_moment.0"]
    assert type(ac.optim.AdamW([p])).__name__ == "AdamW"
    assert ac.optim.AdamW([p]).weight_decay == 0.01


@pytest.mark.parametrize(
    ("make", "exception", "message"),
    [
        (lambda p: ac.optim.Adam([p], betas=(0.9, 1.0)), ValueError, "Adam: beta2 must be below 1; got 1.0"),
        (lambda p: ac.optim.AdamW([p], betas=(-0.1, 0.9)), ValueError, "AdamW: beta1 must be a number ≥ 0; got -0.1"),
        (
            lambda p: ac.optim.Lion([p], betas=0.9),
            ac.DTypeError,
            "Lion: betas must be two numbers; got 0.9",
        ),
        (lambda p: ac.optim.NAdam([p], eps=np.nan), ValueError, "NAdam: eps must be a number ≥ 0; got nan"),
        (lambda p: ac.optim.RMSProp([p], alpha=1), ValueError, "RMSProp: alpha must be below 1; got 1"),
        (lambda p: ac.optim.RMSProp([p], centered=2), ac.DTypeError, "RMSProp: centered must be True or False; got 2"),
        (
            lambda p: ac.optim.Adagrad([p], initial_accumulator_value=-1),
            ValueError,
            "Adagrad: initial_accumulator_value must be a number ≥ 0; got -1",
        ),
        (
            lambda p: ac.optim.Adam([{"params": p, "betas": (1, 2, 3)}]),
            ac.DTypeError,
            "betas must be two numbers",
        ),
        (
            lambda p: ac.optim.SGD([{"params": p, "betas": (0, 0)}], 1),
            ValueError,
            "a group may have params.*betas",
        ),
        (
            lambda p: setattr(ac.optim.Adam([p]), "amsgrad", True),
            ValueError,
            "Adam: amsgrad cannot be switched on or off later; got True instead of False; make a new optimiser",
        ),
        (
            lambda p: setattr(ac.optim.RMSProp([p], momentum=0.5), "momentum", 0),
            ValueError,
            "RMSProp: momentum cannot be switched on or off later; got 0.0 instead of 0.5",
        ),
    ],
)
def test_errors(make: Any, exception: type[Exception], message: str) -> None:
    with pytest.raises(exception, match=message):
        make(ac.nn.Parameter([1.0]))


@pytest.mark.parametrize(
    ("kernel", "numbers", "progress", "memories", "flags"),
    [
        ("adam", 7, 1, 2, (False,)),
        ("adam", 7, 1, 3, (True,)),
        ("nadam", 7, 2, 2, ()),
        ("adagrad", 4, 1, 1, ()),
        ("rmsprop", 6, 0, 1, (False, False)),
        ("rmsprop", 6, 0, 3, (True, True)),
        ("lion", 4, 0, 1, ()),
        ("moving_average", 1, 0, 0, ()),
    ],
)
def test_native_updates_refuse_what_does_not_fit(
    kernel: str, numbers: int, progress: int, memories: int, flags: Any
) -> None:
    def call(n: int = 1, hyper: int = numbers, count: int = progress, drop: int = 0, shape: int = 2) -> None:
        p, g = ac.ones(2), ac.ones(2)
        kept = [ac.zeros(count, ac.float64)] * bool(progress) + [ac.zeros(shape) for _ in range(memories)]
        inputs = [ac.full(hyper, 0.5, ac.float64), p, g, *kept]
        ac.update(kernel, inputs[: len(inputs) - drop], (n, *flags), [p, *kept][: 1 + len(kept) - drop])

    call()
    with pytest.raises(ac.ShapeError, match=f"{kernel}: hyper must be {numbers} float64 numbers; got shape"):
        call(hyper=numbers + 1)
    with pytest.raises(ValueError, match=f"{kernel}: 2 parameters need as many gradients"):
        call(n=2)
    with pytest.raises(ValueError, match=f"{kernel}: 1 parameters need as many gradients"):
        call(drop=1)
    for n in (0, -1, 1 << 62):
        with pytest.raises(ValueError, match=f"{kernel}: {n} parameters need"):
            call(n=n)
    if progress:
        with pytest.raises(ac.ShapeError, match=f"{kernel}: the progress of a parameter must be {progress} float64"):
            call(count=progress + 1)
    if memories:
        with pytest.raises(ac.ShapeError, match=f"{kernel}: the memory of parameter 0 must have its shape"):
            call(shape=3)
