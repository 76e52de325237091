"""The dtype of what has none of its own: Python's floats, new Tensors, layers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alice_core as ac

INTS = ac.tensor([1, 2])

#: What has no dtype of its own.
MADE: dict[str, Callable[[], ac.Tensor]] = {
    "tensor": lambda: ac.tensor(0.1),
    "tensor of a list": lambda: ac.tensor([[0.1, 1], [2, 3.0]]),
    "asarray": lambda: ac.asarray([0.1]),
    "zeros": lambda: ac.zeros(2),
    "zeros None": lambda: ac.zeros(2, None),
    "ones": lambda: ac.ones(2, dtype=None),
    "empty": lambda: ac.empty(2),
    "full": lambda: ac.full(2, 0.1),
    "eye": lambda: ac.eye(2),
    "linspace": lambda: ac.linspace(0, 1, 3),
    "arange": lambda: ac.arange(0, 1, 0.1),
    "one_hot": lambda: ac.one_hot(INTS, 3),
    "abstract": lambda: ac.abstract((2,)),
    "uniform": lambda: ac.random.uniform(2),
    "normal": lambda: ac.random.Generator(0).normal(2),
    "unit": lambda: ac.random.unit(ac.tensor([0, 0]), 2),
    "Linear": lambda: ac.nn.Linear(2, 2).weight,
    "Linear with a NumPy generator": lambda: ac.nn.Linear(2, 2, seed=0).weight,
    "MLP": lambda: ac.nn.MLP([2, 2, 2], activation="prelu").parameters()[2],
    "Parameter": lambda: ac.nn.Parameter([0.1]),
    "op of a number": lambda: ac.sin(0.1),
    "op of integers": lambda: ac.exp(INTS),
    "division of integers": lambda: INTS / INTS,
    "integers and a float": lambda: INTS * 0.5,
    "mean of integers": lambda: ac.mean(INTS),
    "two numbers": lambda: ac.add(0.5, 0.25),
    "loss of integers": lambda: ac.losses.mse_loss(INTS, INTS),
    "gradient": lambda: ac.grad(ac.sin)(0.1),
    "compiled": lambda: ac.compile(ac.sin)(0.1),
    "compiled, number alone": lambda: ac.compile(lambda x: ac.asarray(x))(0.1),
    "closure": lambda: ac.compile(lambda x: x * ac.tensor(0.1))(INTS),
    "vmap": lambda: ac.vmap(lambda x: x * 0.5)(INTS),
}

#: What has one.
KEPT: dict[str, Callable[[], ac.Tensor]] = {
    "float of a Tensor": lambda: ac.tensor([1.0], ac.float32) * 0.1,
    "array": lambda: ac.tensor(np.float32([1.0])),
    "astype": lambda: INTS.astype(ac.float32),
    "like": lambda: ac.ones_like(ac.tensor([1.0], ac.float32)),
    "stated": lambda: ac.zeros(2, ac.float32),
}


@pytest.mark.parametrize("name", MADE)
def test_what_has_no_dtype_gets_the_default(name: str) -> None:
    assert MADE[name]().dtype == ac.float32
    with ac.set_default_dtype(ac.float64):
        assert MADE[name]().dtype == ac.float64
    assert MADE[name]().dtype == ac.float32


@pytest.mark.parametrize("name", KEPT)
def test_what_has_a_dtype_keeps_it(name: str) -> None:
    with ac.set_default_dtype(ac.float64):
        assert KEPT[name]().dtype == ac.float32


@pytest.mark.parametrize(
    "make", [lambda: ac.tensor([1, 2]), lambda: ac.arange(3), lambda: ac.full(2, 7), lambda: INTS * 2]
)
def test_integers_stay_integers(make: Callable[[], ac.Tensor]) -> None:
    with ac.set_default_dtype(ac.float64):
        assert make().dtype == ac.int64


def test_numbers_are_not_rounded_on_the_way() -> None:
    with ac.set_default_dtype(ac.float64):
        assert ac.tensor(0.1).item() == 0.1
        assert ac.tensor([0.1]).tolist() == [0.1]
        assert (INTS * 0.1).tolist() == [0.1, 0.2]
        assert ac.compile(lambda x: ac.asarray(x))(0.1).item() == 0.1
        assert ac.linspace(0, 1, 11)[1].item() == 0.1


def test_set_and_put_back() -> None:
    outer = ac.set_default_dtype("float64")
    assert ac.get_default_dtype() == ac.float64
    with ac.set_default_dtype(ac.float32):
        assert ac.get_default_dtype() == ac.float32
        with outer:
            assert ac.get_default_dtype() == ac.float64
        assert ac.get_default_dtype() == ac.float32
        ac.set_default_dtype(ac.float64)
    assert ac.get_default_dtype() == ac.float64
    ac.set_default_dtype(ac.float32)
    with pytest.raises(KeyError), ac.set_default_dtype(ac.float64):
        raise KeyError
    assert ac.get_default_dtype() == ac.float32


@pytest.mark.parametrize("dtype", [ac.int64, ac.float16, ac.bfloat16, None, "flaot32", 3])
def test_other_dtypes_are_refused(dtype: Any) -> None:
    with pytest.raises(ac.DTypeError, match=r"^set_default_dtype: .*; got"):
        ac.set_default_dtype(dtype)
    assert ac.get_default_dtype() == ac.float32


def test_no_dtype_is_none_to_convert_to() -> None:
    with pytest.raises(ac.DTypeError, match=r"^astype: dtype must be one of .*; got None"):
        INTS.astype(None)


# -- contexts --------------------------------------------------------------------------------------------------------


def test_threads_have_their_own() -> None:
    seen = []

    def run() -> None:
        seen.append(ac.tensor(0.1).dtype)
        with ac.set_default_dtype(ac.float64):
            started.set()
            ended.wait(60)
            seen.append(ac.tensor(0.1).dtype)

    started, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=run)
    thread.start()
    started.wait(60)
    seen.append(ac.tensor(0.1).dtype)
    ended.set()
    thread.join()
    assert seen == [ac.float32, ac.float32, ac.float64]


def test_tasks_have_their_own() -> None:
    step = ac.compile(lambda x: x * 0.5)

    async def task(dtype: Any, turns: int) -> list[Any]:
        seen = []
        with ac.set_default_dtype(dtype):
            for _ in range(turns):
                await asyncio.sleep(0)
                seen.append((ac.tensor(0.1).dtype, step(INTS).dtype, ac.zeros(1).dtype))
        return seen

    async def main() -> Any:
        return await asyncio.gather(task(ac.float64, 5), task(ac.float32, 7), task(ac.float64, 3))

    for dtype, seen in zip([ac.float64, ac.float32, ac.float64], asyncio.run(main()), strict=True):
        assert set(seen) == {(dtype, dtype, dtype)}
    assert ac.get_default_dtype() == ac.float32


# -- transforms ------------------------------------------------------------------------------------------------------


def test_programs_belong_to_a_default() -> None:
    @ac.compile
    def f(x: ac.Tensor) -> ac.Tensor:
        return ac.sin(x) + ac.tensor(0.1)

    narrow = f(INTS)
    with ac.set_default_dtype(ac.float64):
        wide = f(INTS)
        assert wide.dtype == ac.float64
        np.testing.assert_array_equal(wide.numpy(), np.sin([1.0, 2.0]) + 0.1)
        assert f(INTS).dtype == ac.float64
    assert f(INTS).dtype == narrow.dtype == ac.float32
    assert f.cache_info().misses == 2
    assert f.cache_info().hits == 2


@pytest.mark.parametrize("first", [ac.float32, ac.float64])
def test_what_is_computed_again_has_the_default_of_the_first_time(first: Any) -> None:
    @ac.checkpoint
    def block(x: ac.Tensor) -> ac.Tensor:
        return ac.sum(ac.sin(INTS) * x * ac.tensor(0.1))

    p = ac.nn.Parameter(2.0, ac.float64)
    with ac.set_default_dtype(first):
        y = block(p)
        expected = ac.grad(lambda x: ac.sum(ac.sin(INTS) * x * ac.tensor(0.1)))(p)
    with ac.set_default_dtype(ac.float64 if first == ac.float32 else ac.float32) as _:
        before = ac.get_default_dtype()
        y.backward()
        assert ac.get_default_dtype() == before
    assert p.grad is not None
    assert p.grad.item() == expected.item()


# -- layers ----------------------------------------------------------------------------------------------------------

DATA = np.ones((4, 2))


@pytest.mark.parametrize("layer", [ac.nn.Linear(2, 3), ac.nn.PReLU()], ids=["Linear", "PReLU"])
@pytest.mark.parametrize("run", [lambda f: f, ac.compile, ac.vmap], ids=["eager", "compiled", "vmap"])
def test_a_layer_does_not_run_in_another_dtype_by_accident(layer: Any, run: Any) -> None:
    name = type(layer).__name__
    message = (
        rf"^{name}: expected inputs of dtype float32, that of its parameters.*; got float64, .*"
        r"x\.astype\(ac\.float32\), or make the layer with dtype=ac\.float64"
    )
    for data in (DATA, ac.tensor(DATA)):
        with pytest.raises(ac.DTypeError, match=message):
            run(lambda x: layer(x))(data)
    for fits in (DATA.astype(np.float32), ac.tensor(DATA, ac.float16), ac.ones((4, 2), ac.int64)):
        assert run(lambda x: layer(x))(fits).dtype == ac.float32


def test_a_model_of_the_default_takes_what_numpy_makes() -> None:
    with ac.set_default_dtype(ac.float64):
        model = ac.nn.MLP([2, 3, 2], activation="prelu")
        assert model(DATA).dtype == ac.float64
        assert {p.dtype for p in model.parameters()} == {ac.float64}
    assert model(DATA).dtype == ac.float64


def test_a_seed_means_the_same_numbers() -> None:
    narrow = ac.nn.Linear(2, 3, seed=0).weight
    with ac.set_default_dtype(ac.float64):
        wide = ac.nn.Linear(2, 3, seed=0).weight
    assert wide.dtype == ac.float64
    assert wide.astype(ac.float32).tolist() == narrow.tolist()
