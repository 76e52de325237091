"""``ac.debug_nans``: who made the first NaN."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import alice_core as ac


def here(text: str) -> str:
    """Regular expression of this file and the line that ends with the comment."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    (number,) = [i for i, line in enumerate(lines, 1) if line.endswith("# " + text)]
    return f"at {re.escape(__file__)}:{number};"


def test_the_op_that_made_it_not_the_one_that_met_it() -> None:
    def f(x: ac.Tensor) -> ac.Tensor:
        y = ac.log(x)  # log here
        return y * 0.0

    message = rf"^log: made NaN out of inputs without any: 1 of 2 elements, the first at \(1,\), {here('log here')}"
    with ac.debug_nans(), pytest.raises(ac.NonFiniteError, match=message) as caught:
        f(ac.tensor([1.0, -1.0]))
    assert isinstance(caught.value, FloatingPointError)
    assert isinstance(caught.value, ac.AliceError)
    assert "inputs: float32[2] from -1 to 1;" in str(caught.value)


def test_a_gradient_is_blamed_on_the_line_that_it_differentiates() -> None:
    """With a rule that divides 0 by 0 at the origin, as ours for the root does not."""

    def f(x: ac.Tensor) -> ac.Tensor:
        norm = ac.sqrt(ac.sum(x * x))  # root here
        return ac.sum(x) * norm

    def careless(g: ac.Tensor, ans: ac.Tensor, x: ac.Tensor) -> ac.Tensor:
        return ac.divide(g, x)

    sqrt = ac.primitives()["sqrt"]
    rules = sqrt.vjp_rules
    sqrt.defvjp(careless)
    try:
        message = rf"^divide in the gradient of sqrt: made NaN .* the first at \(\), {here('root here')}"
        with ac.debug_nans(), pytest.raises(ac.NonFiniteError, match=message):
            ac.grad(f)(ac.zeros(3))
    finally:
        sqrt.vjp_rules = rules


def test_backward_of_parameters() -> None:
    w = ac.tensor([0.0, 4.0]).requires_grad_()
    with ac.debug_nans(inf=True):
        loss = ac.sum(ac.sqrt(w))  # sqrt here
        message = rf"^sqrt_vjp in the gradient of sqrt: made infinity .*{here('sqrt here')}"
        with pytest.raises(ac.NonFiniteError, match=message):
            loss.backward()


def test_a_forward_pass_from_before_has_the_line_of_the_backward_pass() -> None:
    loss = ac.sum(ac.sqrt(ac.tensor([0.0]).requires_grad_()))
    with ac.debug_nans(inf=True):
        message = rf"^sqrt_vjp in the gradient of sqrt: .*{here('backward here')}"
        with pytest.raises(ac.NonFiniteError, match=message):
            loss.backward()  # backward here


@pytest.mark.parametrize("f", [
    lambda: ac.tensor([np.nan]) * 2.0,
    lambda: ac.full((2,), np.nan) + 1.0,
    lambda: ac.where(ac.tensor([True]), np.nan, 1.0),
    lambda: ac.exp(ac.abstract((3,))),
    lambda: ac.tensor([1, 2]) // ac.tensor([2, 1]),
    lambda: ac.log(ac.zeros((0,))),
    lambda: ac.log(ac.tensor(0.0)),  # infinity was not asked for
    lambda: ac.grad(lambda x: ac.sum(ac.where(x > 0.0, ac.log(x), 0.0)))(ac.tensor([0.0, 1.0])),
])  # fmt: skip
def test_nobodys_fault(f: Callable[[], object]) -> None:
    with ac.debug_nans():
        f()


def test_infinity_on_request() -> None:
    with ac.debug_nans(inf=True):
        ac.exp(ac.tensor([np.inf]))
        with pytest.raises(ac.NonFiniteError, match=r"^log: made infinity"):
            ac.log(ac.tensor(0.0))
        with pytest.raises(ac.NonFiniteError, match=r"^subtract: made NaN"):
            ac.tensor([np.inf]) - ac.tensor([np.inf])


def test_compiled_functions_too() -> None:
    @ac.compile
    def step(x: ac.Tensor) -> ac.Tensor:
        y = ac.log(x)  # compiled log here
        return ac.sum(y * 0.0)

    assert np.isnan(step(ac.tensor([-1.0])).item())
    with ac.debug_nans(), pytest.raises(ac.NonFiniteError, match=rf"^log: .*{here('compiled log here')}"):
        step(ac.tensor([-1.0]))
    assert np.isnan(step(ac.tensor([-1.0])).item())
    assert step.cache_info().misses == 1


def test_optimiser_steps_too() -> None:
    p = ac.tensor([1.0, 2.0]).requires_grad_()
    opt = ac.optim.SGD([p], lr=3e38)
    p.grad = ac.tensor([3e38, 0.0])
    with ac.debug_nans(inf=True), pytest.raises(ac.NonFiniteError, match=rf"^sgd: made infinity .*{here('step here')}"):
        opt.step()  # step here


def test_nested_and_over_afterwards() -> None:
    with ac.debug_nans(inf=True):
        with ac.debug_nans():
            ac.log(ac.tensor(0.0))
        with pytest.raises(ac.NonFiniteError):
            ac.log(ac.tensor(0.0))
    ac.log(ac.tensor([0.0, -1.0]))


def test_other_threads_are_left_alone() -> None:
    found = []
    with ac.debug_nans():
        thread = threading.Thread(target=lambda: found.append(ac.log(ac.tensor(-1.0)).item()))
        thread.start()
        thread.join()
    assert np.isnan(found).all()


def test_gradients_stay_what_they_are() -> None:
    model = ac.nn.MLP([5, 4, 3])
    x, y = ac.ones((2, 5)), ac.tensor([0, 2])
    loss = lambda x: ac.losses.cross_entropy(model(x), y)  # noqa: E731
    want = ac.grad(loss)(x)
    with ac.debug_nans(inf=True):
        got = ac.grad(loss)(x)
    np.testing.assert_array_equal(got.numpy(), want.numpy())
