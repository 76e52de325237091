"""Optimisers against their formulas."""

from __future__ import annotations

import gc
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import alice_core as ac
from alice_core import _core, tree

Array = npt.NDArray[Any]


def reference(
    p: Array, g: Array, v: Array, lr: float, momentum: float, nesterov: bool, decay: float
) -> tuple[Array, Array]:
    """One step as written in the docstring, every operation rounded in the dtype of p."""
    dtype = p.dtype.type
    d = g + dtype(decay) * p if decay else g
    if momentum == 0:
        return p - dtype(lr) * d, v
    v = dtype(momentum) * v + d
    return p - dtype(lr) * (d + dtype(momentum) * v if nesterov else v), v


SETTINGS = [
    (momentum, nesterov, decay)
    for momentum, nesterov, decay in itertools.product((0.0, 0.9), (False, True), (0.0, 0.01))
    if momentum or not nesterov
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("momentum", "nesterov", "decay"), SETTINGS)
def test_sgd_has_the_bits_of_its_formula(dtype: str, momentum: float, nesterov: bool, decay: float) -> None:
    rng = np.random.default_rng(0)
    shapes = [(), (1,), (0, 3), (7, 9), (3, 1, 5), (70_001,)]
    arrays = [np.asarray(rng.standard_normal(s)).astype(dtype) for s in shapes]
    velocities = [np.zeros_like(a) for a in arrays]
    params = [ac.nn.Parameter(a) for a in arrays]
    opt = ac.optim.SGD(params, 0.05, momentum, nesterov, decay)
    for _ in range(4):
        for i, p in enumerate(params):
            g = np.asarray(rng.standard_normal(p.shape)).astype(dtype)
            # Gradients come in all layouts: broadcast, column-major, reversed.
            p.grad = ac.permute_dims(ac.tensor(g.T), tuple(range(g.ndim))[::-1])
            arrays[i], velocities[i] = reference(arrays[i], g, velocities[i], 0.05, momentum, nesterov, decay)
        opt.step()
        for p, a in zip(params, arrays, strict=True):
            np.testing.assert_array_equal(p.numpy(), a)


def test_threads_change_no_bit() -> None:
    results = []
    before = ac.get_num_threads()
    try:
        for n in (1, 2, 4):
            ac.set_num_threads(n)
            p = ac.nn.Parameter(np.linspace(-1, 1, 200_003, dtype=np.float32))
            p.grad = ac.tensor(np.linspace(1, 3, 200_003, dtype=np.float32))
            ac.optim.SGD([p], 0.1, 0.9, True, 0.01).step()
            results.append(p.numpy().tobytes())
    finally:
        ac.set_num_threads(before)
    assert results[0] == results[1] == results[2]


def descend(opt_kwargs: dict[str, float], steps: int) -> list[float]:
    x = ac.nn.Parameter(1.0, ac.float64)
    opt = ac.optim.SGD([x], **opt_kwargs)  # type: ignore[arg-type]
    path = []
    for _ in range(steps):
        opt.zero_grad()
        (x * x / 2).backward()
        opt.step()
        path.append(x.item())
    return path  # type: ignore[return-value]


def test_momentum_by_hand() -> None:
    """Notes, section 2.3: f = x^2 / 2 from 1, eta 0.1, lambda 0.9."""
    np.testing.assert_allclose(descend({"lr": 0.1, "momentum": 0.9}, 3), [0.9, 0.72, 0.486], rtol=1e-15)


def test_no_momentum_is_gradient_descent_bitwise() -> None:
    x = ac.tensor(1.0, ac.float64)
    path = []
    for _ in range(20):
        x = x - 0.1 * ac.grad(lambda x: x * x / 2)(x)
        path.append(x.item())
    assert descend({"lr": 0.1}, 20) == path


def steps_to_converge(**kwargs: float) -> int:
    """Steps until |(x, y)| <= 1e-6 for f = (x^2 + 100 y^2) / 2 from (1, 1)."""
    x = ac.nn.Parameter([1.0, 1.0], ac.float64)
    opt = ac.optim.SGD([x], **kwargs)  # type: ignore[arg-type]
    scale = ac.tensor([1.0, 100.0], ac.float64)
    for step in range(1, 2000):
        x.grad = (scale * x).detach()
        opt.step()
        if np.linalg.norm(x.numpy()) <= 1e-6:
            return step
    return 2000


def test_momentum_accelerates() -> None:
    assert 704 <= steps_to_converge(lr=2 / 101) <= 714
    assert 92 <= steps_to_converge(lr=4 / 121, momentum=(9 / 11) ** 2) <= 98


def test_infinite_parameters_without_decay() -> None:
    p = ac.nn.Parameter([np.inf, 1.0])
    p.grad = ac.ones(2)
    ac.optim.SGD([p], 0.5).step()
    assert p.tolist() == [np.inf, 0.5]


def test_parameters_without_gradient_are_left_alone() -> None:
    a, b = ac.nn.Parameter([1.0]), ac.nn.Parameter([2.0])
    opt = ac.optim.SGD([a, b], 0.1, momentum=0.9)
    opt.step()
    assert (a.item(), b.item()) == (1.0, 2.0)
    b.grad = ac.ones(1)
    opt.step()
    assert a.item() == 1.0
    assert b.item() == pytest.approx(1.9)
    assert opt.state_dict()["velocity.0"].item() == 0.0
    opt.zero_grad()
    assert a.grad is None
    assert b.grad is None


def test_learning_rate_can_be_set() -> None:
    p = ac.nn.Parameter([1.0])
    opt = ac.optim.SGD([p], lr=0.5)
    opt.lr = 0.25
    assert opt.lr == 0.25
    p.grad = ac.ones(1)
    opt.step()
    assert p.item() == 0.75
    with pytest.raises(ValueError, match="SGD: lr must be a number ≥ 0; got -1"):
        opt.lr = -1
    assert opt.lr == 0.25


def test_step_changes_parameters_in_place_and_is_noticed() -> None:
    p = ac.nn.Parameter([1.0, 2.0])
    y = ac.sum(p * p)
    p.grad = ac.ones(2)
    ac.optim.SGD([p], 0.1).step()
    with pytest.raises(ac.GradientError, match="was changed in place"):
        y.backward()


def test_state_round_trip() -> None:
    def fresh() -> tuple[ac.Tensor, ac.optim.SGD]:
        p = ac.nn.Parameter([1.0, -2.0])
        return p, ac.optim.SGD([p], 0.1, 0.9, nesterov=True, weight_decay=0.01)

    def run(p: ac.Tensor, opt: ac.optim.SGD, n: int) -> None:
        for _ in range(n):
            p.grad = (p * p).detach()
            opt.step()

    p, opt = fresh()
    run(p, opt, 3)
    q, other = fresh()
    q.assign_(p)
    snapshot = opt.state_dict()
    run(p, opt, 3)
    other.lr = 5.0
    other.load_state_dict(snapshot)
    assert (other.lr, other.momentum, other.nesterov, other.weight_decay) == (0.1, 0.9, True, 0.01)
    run(q, other, 3)
    assert p.tolist() == q.tolist()

    with pytest.raises(ValueError, match=r"load_state_dict: SGD misses velocity\.0;"):
        opt.load_state_dict({"hyper": snapshot["hyper"]})
    with pytest.raises(ac.ShapeError, match=r"velocity\.0 must have shape \(2,\), got \(3,\)"):
        opt.load_state_dict({**snapshot, "velocity.0": np.zeros(3)})


def numbers_of(opt: ac.optim.Optimizer) -> dict[str, Any]:
    return {name: x.tolist() for name, x in opt.state_dict().items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hyper": [np.nan, 0.9, 1, 0]}, "SGD: lr must be a number ≥ 0; got nan"),
        ({"hyper": [0.1, -0.9, 1, 0]}, "SGD: momentum must be a number ≥ 0; got -0.9"),
        ({"hyper": [0.1, 0.9, 0.5, 0]}, "SGD: nesterov must be True or False; got 0.5"),
        ({"hyper": [0.1, 0.9, 1, np.inf]}, "SGD: weight_decay must be a number ≥ 0; got inf"),
        ({"hyper": [0.1, 0, 0, 0]}, "SGD: momentum cannot be switched on or off later; got 0.0 instead of 0.9"),
        ({"hyper": ["a", "b", "c", "d"]}, "hyper must be float64 numbers, got dtype <U1"),
        ({"velocity.1": np.array("x")}, "velocity.1 must be float32 numbers, got dtype <U1"),
        ({"velocity.1": [1.0]}, r"velocity.1 must have shape \(\), got \(1,\)"),
        ({"velocity.2": 1.0}, "SGD does not know velocity.2"),
    ],
)
def test_a_failing_load_changes_nothing(change: dict[str, Any], message: str) -> None:
    opt = ac.optim.SGD([ac.nn.Parameter([1.0]), ac.nn.Parameter(2.0)], 0.1, 0.9, True)
    before = numbers_of(opt)
    good = {"hyper": [0.2, 0.8, 0, 0.1], "velocity.0": [5.0], "velocity.1": 6.0}
    with pytest.raises((ValueError, TypeError), match=message):
        opt.load_state_dict({**good, **change})
    assert numbers_of(opt) == before
    opt.load_state_dict(good)
    assert numbers_of(opt) == {"hyper": [0.2, 0.8, 0, 0.1], "velocity.0": [5.0], "velocity.1": 6.0}


BAD = [np.nan, np.inf, -np.inf, -0.1, "0.1", b"1", None, [0.1], 1j, 10**400, True]


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
def test_what_is_no_number_is_refused_everywhere(name: str, value: Any) -> None:
    numbers = {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}
    p, q = ac.nn.Parameter([1.0]), ac.nn.Parameter([1.0])
    opt = ac.optim.SGD([{"params": p}, {"params": q, "lr": 0.2}], **numbers)  # type: ignore[arg-type]
    before = numbers_of(opt)
    for attempt in (
        lambda: ac.optim.SGD([p], **{**numbers, name: value}),
        lambda: ac.optim.SGD([{"params": [p], name: value}], **numbers),  # type: ignore[arg-type]
        lambda: setattr(opt, name, value),
        lambda: opt.param_groups[1].__setitem__(name, value),
    ):
        kind = ValueError if type(value) in (int, float) else ac.DTypeError
        with pytest.raises(kind, match=f"SGD: {name} must be a number ≥ 0; got "):
            attempt()
    assert numbers_of(opt) == before


@pytest.mark.parametrize("value", [0.9, 2, np.nan, "True", None])
def test_nesterov_is_a_flag(value: Any) -> None:
    p = ac.nn.Parameter([1.0])
    opt = ac.optim.SGD([p], 0.1, 0.9)
    for attempt in (lambda: ac.optim.SGD([p], 0.1, 0.9, value), lambda: setattr(opt, "nesterov", value)):
        with pytest.raises(ac.DTypeError, match="SGD: nesterov must be True or False; got"):
            attempt()
    opt.nesterov = True
    assert opt.nesterov is True


@pytest.mark.parametrize("value", BAD)
def test_a_probability_is_a_number(value: Any) -> None:
    drop = ac.nn.Dropout(0.25)
    kind = ValueError if type(value) in (int, float) else ac.DTypeError
    for attempt in (lambda: ac.nn.Dropout(value), lambda: setattr(drop, "p", value)):
        with pytest.raises(kind, match="Dropout: p must be a "):
            attempt()
    assert drop.p == 0.25


@pytest.mark.parametrize("name", ["lr", "momentum", "nesterov", "weight_decay"])
def test_numbers_are_read_and_set_outside_of_traces(name: str) -> None:
    opt = ac.optim.SGD([ac.nn.Parameter([1.0])], 0.5, 0.5, True, 0.5)
    group = opt.param_groups[0]
    before = numbers_of(opt)
    for attempt in (
        lambda: getattr(opt, name),
        lambda: setattr(opt, name, 1),
        lambda: group[name],
        lambda: group.__setitem__(name, 1),
    ):
        with pytest.raises(ac.TraceError, match=f"SGD: expected .*{name}.* outside of traced functions; got it inside"):
            ac.compile(lambda x, attempt=attempt: (attempt(), x)[1])(ac.ones(1))
    assert numbers_of(opt) == before


@pytest.mark.parametrize("value", [0.25, np.float32(0.25), np.array(0.25), ac.tensor(0.25)])
def test_what_is_a_number_is_taken(value: Any) -> None:
    opt = ac.optim.SGD([ac.nn.Parameter([1.0])], value, momentum=value, weight_decay=value)
    opt.lr = opt.momentum = opt.weight_decay = value
    assert numbers_of(opt)["hyper"] == [0.25, 0.25, 0.0, 0.25]


# ---- groups ---------------------------------------------------------------------------------------------------------


def grouped(**numbers: Any) -> tuple[list[ac.Tensor], ac.optim.SGD]:
    params = [ac.nn.Parameter([float(i), 1.0]) for i in range(4)]
    groups = [
        {"params": params[:2], "lr": 0.5},
        {"params": params[2], "momentum": 0.0, "nesterov": False},
        {"params": {"w": params[3], "b": None}, "weight_decay": 0.25},
    ]
    return params, ac.optim.SGD(groups, **{"lr": 0.1, "momentum": 0.9, "nesterov": True, **numbers})


def walk(params: list[ac.Tensor], opts: list[ac.optim.SGD], steps: int) -> list[Any]:
    for _ in range(steps):
        for opt in opts:
            opt.zero_grad()
        sum(ac.sum((p - 3.0) ** 2) for p in params).backward()  # type: ignore[union-attr]
        for opt in opts:
            opt.step()
    return [p.tolist() for p in params]


def test_groups_step_as_optimisers_of_their_own() -> None:
    params, opt = grouped()
    others, _ = grouped()
    own = [
        ac.optim.SGD(others[:2], 0.5, 0.9, True),
        ac.optim.SGD(others[2:3], 0.1),
        ac.optim.SGD(others[3:], 0.1, 0.9, True, 0.25),
    ]
    assert walk(params, [opt], 4) == walk(others, own, 4)
    assert [id(p) for p in opt.params] == [id(p) for p in params]
    assert [len(group.params) for group in opt.param_groups] == [2, 1, 1]


def test_the_state_of_groups_goes_round() -> None:
    params, opt = grouped()
    walk(params, [opt], 3)
    snapshot = opt.state_dict()
    assert list(snapshot) == ["hyper.0", "hyper.1", "hyper.2", "velocity.0", "velocity.1", "velocity.3"]
    others, other = grouped(lr=7.0, weight_decay=1.0)
    for p, q in zip(others, params, strict=True):
        p.assign_(q)
    other.load_state_dict(snapshot)
    assert walk(others, [other], 3) == walk(params, [opt], 3)
    with pytest.raises(
        ValueError, match=r"SGD misses hyper, velocity\.2 and does not know hyper\.0, hyper\.1, hyper\.2"
    ):
        ac.optim.SGD(params, 0.1, 0.9).load_state_dict(snapshot)


def test_numbers_of_groups() -> None:
    _, opt = grouped()
    with pytest.raises(ValueError, match=r"SGD: lr differs between the groups, \[0.5, 0.1, 0.1\]; read param_groups"):
        _ = opt.lr
    for group in opt.param_groups:
        group["lr"] *= 0.5
    assert [group["lr"] for group in opt.param_groups] == [0.25, 0.05, 0.05]
    opt.lr = 0.125
    assert opt.lr == 0.125
    assert dict(opt.param_groups[0]) == {"lr": 0.125, "momentum": 0.9, "nesterov": True, "weight_decay": 0.0}
    assert repr(opt.param_groups[1]).startswith("ParamGroup(1 parameters, lr=0.125, momentum=0.0, nesterov=False")
    before = numbers_of(opt)
    with pytest.raises(ValueError, match="nesterov needs momentum > 0"):
        opt.nesterov = True  # the second group has none
    with pytest.raises(ValueError, match="momentum cannot be switched on or off later"):
        opt.momentum = 0.5
    with pytest.raises(KeyError, match="SGD: expected one of lr, momentum, nesterov, weight_decay; got 'params'"):
        opt.param_groups[0]["params"] = []
    assert numbers_of(opt) == before


def test_a_compiled_step_of_groups_has_the_bits_of_the_eager_one() -> None:
    def make() -> tuple[Any, list[ac.Tensor], ac.optim.SGD]:
        params, opt = grouped()

        def step(x: ac.Tensor) -> ac.Tensor:
            loss = ac.sum(ac.stack([ac.sum((p - x) ** 2) for p in params]))
            opt.zero_grad()
            loss.backward()
            opt.step()
            return loss

        return step, params, opt

    (eager, params, opt), (plain, others, other) = make(), make()
    compiled = ac.compile(plain)
    for k in range(4):
        opt.param_groups[0]["lr"] = other.param_groups[0]["lr"] = 0.1 / (k + 1)
        assert eager(ac.tensor(1.5)).item() == compiled(ac.tensor(1.5)).item()
        assert [p.tolist() for p in params] == [p.tolist() for p in others]
    assert compiled.cache_info().misses == 1


@pytest.mark.parametrize(
    "left_out", [lambda w, v: [w, None, v], lambda w, v: {"w": w, "b": None, "deep": [v, (None,)]}]
)
def test_parameters_may_be_left_out(left_out: Any) -> None:
    w, v = ac.nn.Parameter([1.0]), ac.nn.Parameter([2.0])
    parts = left_out(w, v)
    for params in (parts, [{"params": parts}], iter([w, None, v])):
        first, second = ac.optim.SGD(params, 0.1).params
        assert first is w
        assert second is v
    g = ac.grad(lambda t: sum(ac.sum(p * p) for p in tree.leaves(t)))(parts)
    assert [x.tolist() for x in tree.leaves(g)] == [[2.0], [4.0]]


@pytest.mark.parametrize(
    ("params", "exception", "message"),
    [
        ([{"params": []}], ValueError, "SGD: params is empty"),
        ([None, {"b": None}], ValueError, "SGD: params is empty"),
        (
            [{"params": [ac.nn.Parameter(1.0)], "rate": 1.0, "x": 1}],
            ValueError,
            "a group may have params, lr, .*; got rate, x",
        ),
        ([{"param": [ac.nn.Parameter(1.0)], "lr": 1.0}], TypeError, "params must be Tensors; got float as parameter 1"),
        (["weight"], TypeError, "params must be Tensors; got str as parameter 0"),
    ],
)
def test_errors_of_groups(params: Any, exception: type[Exception], message: str) -> None:
    with pytest.raises(exception, match=message):
        ac.optim.SGD(params, 0.1)


def test_a_parameter_of_two_groups() -> None:
    p, q = ac.nn.Parameter([1.0]), ac.nn.Parameter([1.0])
    with pytest.raises(ValueError, match=r"parameter 2, shape \(1,\), is listed twice"):
        ac.optim.SGD([{"params": [p, q]}, {"params": [p]}], 0.1)


P = ac.nn.Parameter([1.0, 2.0])


@pytest.mark.parametrize(
    ("args", "exception", "message"),
    [
        (([], 0.1), ValueError, "SGD: params is empty"),
        ((P, 0.1), TypeError, r"params must be a list of Tensors; got Tensor of shape \(2,\); write \[p\]"),
        (([1.0], 0.1), TypeError, "params must be Tensors; got float as parameter 0"),
        (([ac.zeros(2)], 0.1), ac.GradientError, r"parameter 0, shape \(2,\), does not require a gradient"),
        (([P, P], 0.1), ValueError, "parameter 1, .* is listed twice"),
        (([P], -0.1), ValueError, "lr must be a number ≥ 0; got -0.1"),
        (([P], float("nan")), ValueError, "lr must be a number ≥ 0; got nan"),
        (([P], 0.1, -0.9), ValueError, "momentum must be a number ≥ 0; got -0.9"),
        (([P], 0.1, 0.0, True), ValueError, "nesterov needs momentum > 0"),
        (([P], 0.1, 0.0, False, -1.0), ValueError, "weight_decay must be a number ≥ 0; got -1.0"),
    ],
)
def test_errors(args: Any, exception: type[Exception], message: str) -> None:
    with pytest.raises(exception, match=message):
        ac.optim.SGD(*args)


def test_gradient_of_another_dtype_is_refused() -> None:
    p = ac.nn.Parameter([1.0, 2.0])
    p.grad = ac.zeros(2, ac.float64)
    with pytest.raises(
        ac.DTypeError, match=r"sgd: the gradient of parameter 0 must have its shape and dtype, \(2,\) float32"
    ):
        ac.optim.SGD([p], 0.1).step()


def test_native_update_refuses_what_does_not_fit() -> None:
    p, hyper = ac.ones(2), ac.zeros(4, ac.float64)
    for inputs, attributes, outputs in [
        ([hyper, p], (1, False), [p]),
        ([hyper, p, p], (2, False), [p]),
        ([hyper, p, p], (1, True), [p]),
        ([hyper, p, p], (0, False), []),
        ([hyper, p, p], (1, False), [p, p]),
        ([ac.zeros(3, ac.float64), p, p], (1, False), [p]),
        ([hyper, p, ac.ones(3)], (1, False), [p]),
        ([hyper, p, p], (1, False), [ac.ones(3)]),
        ([hyper, p, p], (1 << 62, False), [p]),
        ([hyper, p, p], (-1, False), [p]),
    ]:
        with pytest.raises(ValueError):  # noqa: PT011 - of several kinds, all say "sgd: …"
            _core.update("sgd", inputs, attributes, outputs)


def test_training_holds_no_cycles() -> None:
    model = ac.nn.MLP([4, 8, 2], seed=0)
    opt = ac.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    x = ac.ones((3, 4))

    def train(steps: int) -> int:
        for _ in range(steps):
            opt.zero_grad()
            ac.sum(model(x) ** 2).backward()
            opt.step()
        return ac.memory_stats()["live_bytes"]

    gc.disable()
    try:
        settled = train(20)
        assert train(200) == settled
    finally:
        gc.enable()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fading_velocities_end_at_zero(dtype: str) -> None:
    smallest = np.finfo(dtype).tiny
    p = ac.tensor(np.zeros(40, dtype)).requires_grad_()
    opt = ac.optim.SGD([p], lr=0.1, momentum=0.5)
    for gradient in (4 * smallest, -4 * smallest):
        p.grad = ac.full((40,), gradient, dtype)
        opt.step()
        for _ in range(5):
            p.grad = ac.zeros((40,), dtype)
            opt.step()
            v = opt._memory["velocity"][0].numpy()
            assert np.all((v == 0) | (np.abs(v) >= smallest))
        assert not v.any()


def test_no_parameter_is_added_where_nobody_would_see_it() -> None:
    opt = ac.optim.SGD([p := ac.nn.Parameter([1.0])], 0.1)
    for held in (opt.params, opt.param_groups, opt.param_groups[0].params):
        assert isinstance(held, tuple)
    with pytest.raises(AttributeError, match="expected lr, momentum"):
        opt.params = (p, p)
