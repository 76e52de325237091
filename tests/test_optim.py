"""Optimisers against their formulas."""

from __future__ import annotations

import gc
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import alice_core as ac
from alice_core import _core

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

    with pytest.raises(ValueError, match=r"load_state_dict: SGD misses \['velocity.0'\]"):
        opt.load_state_dict({"hyper": snapshot["hyper"]})
    with pytest.raises(ac.ShapeError, match=r"velocity.0 must have shape \(2,\); got \(3,\)"):
        opt.load_state_dict({**snapshot, "velocity.0": np.zeros(3)})


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
