"""Random numbers in batches: what ``ac.vmap`` makes of draws, by its ``randomness``."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import alice_core as ac
from test_distributions import CONTINUOUS, DISCRETE, named

DRAWS: dict[str, Any] = {
    "uniform": lambda g, x: g.uniform((2, 3), 0.0, 1.0 + x),
    "normal": lambda g, x: g.normal(mean=x, dtype=x.dtype),
    "bernoulli": lambda g, x: g.bernoulli(40, 0.5),
    "exponential": lambda g, x: g.exponential(4, scale=1.0 + x),
    "gumbel": lambda g, x: g.gumbel(4) + x,
    "gamma": lambda g, x: g.gamma((2, 2), alpha=1.0 + x, dtype=x.dtype),
    "gamma of all": lambda g, x: g.gamma(3, alpha=2.0) * x,
    "beta": lambda g, x: g.beta(3, 1.0 + x, 2.0),
    "poisson": lambda g, x: g.poisson(9, 20.0 + x),
    "integers": lambda g, x: g.integers((3, 2), -1000, 1000),
    "permutation": lambda g, x: g.permutation(12) + x,
    "categorical": lambda g, x: g.categorical(ac.zeros((9, 10)) + x),
    "choice": lambda g, x: g.choice(50, 6, replace=False) + x,
    "multivariate_normal": lambda g, x: g.multivariate_normal(ac.stack([x, x]), np.eye(2)),
    "truncated_normal": lambda g, x: g.truncated_normal(3, x, 5.0),
}


@pytest.mark.parametrize("name", DRAWS)
def test_examples_draw_what_they_are_to(name: str) -> None:
    """Noise was the same for all examples of a batch, without a word."""
    draw, x, g = DRAWS[name], ac.tensor(np.full(5, 0.5)), ac.random.Generator(3)

    def batch(randomness: str) -> ac.Tensor:
        result: ac.Tensor = ac.vmap(lambda x: draw(g, x), randomness=randomness)(x)  # type: ignore[arg-type]
        return result

    with pytest.raises(ac.TraceError, match="vmap: the function draws random numbers; say randomness='different'"):
        ac.vmap(lambda x: draw(g, x))(x)
    assert g.state == (3, 0)
    one = draw(ac.random.Generator(3), x[0])
    same = batch("same")
    assert same.shape == (5, *one.shape)
    assert same.dtype == one.dtype
    np.testing.assert_array_equal(same.numpy(), np.broadcast_to(one.numpy(), same.shape))
    used = g.state
    g.state = (3, 0)
    different = batch("different")
    assert g.state == used  # as many draws as one example takes
    assert different.shape == same.shape
    assert different.dtype == same.dtype
    assert len({row.numpy().tobytes() for row in different}) == 5
    g.state = (3, 0)
    compiled = ac.compile(lambda: batch("different"))
    assert compiled().tolist() == different.tolist()
    assert compiled().tolist() != different.tolist()


@pytest.mark.parametrize("outer", ["same", "different"])
@pytest.mark.parametrize("inner", ["same", "different"])
@pytest.mark.parametrize("name", DRAWS)
def test_batches_of_batches_draw_what_they_are_to(name: str, inner: Any, outer: Any) -> None:
    g, x = ac.random.Generator(3), ac.tensor(np.full((3, 4), 0.5))
    found = ac.vmap(ac.vmap(lambda x: DRAWS[name](g, x), randomness=inner), randomness=outer)(x).numpy()
    rows = [[found[i, j].tobytes() for j in range(4)] for i in range(3)]
    assert len(set(rows[0])) == (4 if inner == "different" else 1)
    assert len({row[0] for row in rows}) == (3 if outer == "different" else 1)
    assert len({x for row in rows for x in row}) == len(set(rows[0])) * len({row[0] for row in rows})


@pytest.mark.parametrize(("name", "parameters", "law"), CONTINUOUS + DISCRETE, ids=named)
def test_numbers_of_each_example_follow_the_distribution(name: str, parameters: Any, law: Any) -> None:
    g = ac.random.Generator(1)
    rows = ac.vmap(lambda x: getattr(g, name)((8,), **parameters), randomness="different")(ac.zeros(2048))
    x = rows.numpy().astype(float)
    correlation = np.corrcoef(x[:-1, 0], x[1:, 0])[0, 1] if x.std() else 0.0
    assert abs(correlation) < 0.1
    np.testing.assert_allclose(x.mean(), law.mean(), atol=5 * law.std() / math.sqrt(x.size) + 1e-6 * abs(law.mean()))


def test_gradients_of_examples_with_numbers_of_their_own() -> None:
    """Inside and outside of vmap the same; and dropout leaves out other units for each example."""
    alpha = ac.tensor(np.array([0.5, 2.0, 7.0]))

    def draw(a: ac.Tensor) -> ac.Tensor:
        return ac.square(g.gamma(alpha=a, dtype=ac.float64))

    g = ac.random.Generator(4)
    inside = ac.vmap(ac.grad(draw), randomness="different")(alpha)
    g = ac.random.Generator(4)
    outside = ac.grad(lambda a: ac.sum(ac.vmap(draw, randomness="different")(a)))(alpha)
    np.testing.assert_allclose(inside.numpy(), outside.numpy(), rtol=1e-14)
    g = ac.random.Generator(4)
    pushed = ac.jvp(lambda a: ac.vmap(draw, randomness="different")(a), (alpha,), (ac.ones_like(alpha),))[1]
    np.testing.assert_allclose(pushed.numpy(), outside.numpy(), rtol=1e-14)

    drop = ac.nn.Dropout(0.5, ac.random.Generator(0))
    w = ac.ones(64)
    slopes = ac.vmap(ac.grad(lambda w, x: ac.sum(drop(w * x))), (None, 0), randomness="different")(w, ac.ones((3, 64)))
    assert len({row.numpy().tobytes() for row in slopes}) == 3
    assert set(slopes.numpy().ravel()) == {0.0, 2.0}


def noisy(g: ac.random.Generator, c: ac.Tensor) -> ac.Tensor:
    result: ac.Tensor = ac.sin(c) * g.normal(dtype=ac.float64) + g.uniform(dtype=ac.float64)
    return result


def scanned(g: ac.random.Generator, x: ac.Tensor) -> Any:
    return ac.scan(lambda c, _: (noisy(g, c), g.uniform(2)), x, length=3)


def stepped(g: ac.random.Generator, x: ac.Tensor) -> Any:
    return ac.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, noisy(g, c[1])), (ac.tensor(0), x), max_steps=5)


REPEATED: dict[str, Any] = {
    "scan": scanned,
    "scan of what all share": lambda g, x: (
        x,
        ac.scan(lambda c, _: (noisy(g, c), c), ac.ones((), "float64"), length=3),
    ),
    "fori_loop": lambda g, x: ac.fori_loop(0, 3, lambda i, c: noisy(g, c), x),
    "while_loop": stepped,
    "map": lambda g, x: ac.map(lambda c: noisy(g, c), ac.stack([x, x])),
    "cond": lambda g, x: ac.cond(True, lambda c: noisy(g, c), ac.sin, x),
    "switch": lambda g, x: ac.switch(1, [ac.sin, lambda c: noisy(g, c)], x),
    "checkpoint": lambda g, x: ac.checkpoint(lambda c: noisy(g, c))(x),
    "a loop in a loop": lambda g, x: ac.fori_loop(0, 2, lambda i, c: noisy(g, ac.sum(scanned(g, c)[0])), x),
    "a gradient": lambda g, x: ac.grad(lambda c: scanned(g, c)[0])(x),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", REPEATED)
def test_what_draws_again_and_again_draws_the_same_for_all_examples(name: str, compiled: bool) -> None:
    """The state that a loop's body moves on was taken for one of every example, which cannot be written back."""
    g, x = ac.random.Generator(0), ac.tensor(np.linspace(0.1, 0.9, 6).reshape(2, 3))

    def alone(x: ac.Tensor) -> Any:
        g.state = (5, 0)
        return ac.tree.flatten(REPEATED[name](g, x))[0]

    rows = [[alone(e) for e in row] for row in x]
    used, g.state = g.state, (5, 0)
    f: Any = ac.vmap(ac.vmap(lambda e: REPEATED[name](g, e), randomness="same"), randomness="same")
    found = ac.tree.flatten((ac.compile(f) if compiled else f)(x))[0]
    assert g.state == used
    for k, y in enumerate(found):
        wanted = np.array([[leaves[k].numpy() for leaves in row] for row in rows])
        np.testing.assert_allclose(y.numpy(), wanted, rtol=1e-14, strict=True)


def test_what_draws_in_a_loop_is_refused_where_numbers_are_to_be_different() -> None:
    g, x = ac.random.Generator(0), ac.zeros(3)

    def loop(x: ac.Tensor) -> ac.Tensor:
        result: ac.Tensor = ac.fori_loop(0, 3, lambda i, c: c + g.normal(), x)
        return result

    with pytest.raises(
        ac.TraceError, match="vmap: with randomness='different', numbers cannot be drawn inside of loop"
    ):
        ac.vmap(loop, randomness="different")(x)
    with pytest.raises(ac.TraceError, match="vmap: the function draws random numbers"):
        ac.vmap(loop)(x)
    with pytest.raises(ValueError, match='vmap: randomness must be "error", "different" or "same"; got \'each\''):
        ac.vmap(loop, randomness="each")  # type: ignore[arg-type]


@pytest.mark.parametrize("randomness", ["same", "different"])
def test_a_second_run_of_an_example_draws_its_numbers_again(randomness: Any) -> None:
    """A checkpointed function that draws, differentiated for each example, ended in an AttributeError of ours."""

    def history(wrap: Any) -> tuple[Any, Any]:
        g = ac.random.Generator(0)
        block = wrap(
            lambda x: ac.sin(x) * g.normal(dtype=ac.float64) + ac.sum(ac.exp(x * g.uniform(3, dtype="float64")))
        )
        x = ac.tensor(np.array([0.1, 0.2, 0.3]))
        y, slope = ac.vmap(ac.value_and_grad(lambda x: block(block(x) * 0.1)), randomness=randomness)(x)
        return (y.tolist(), slope.tolist()), g.state

    assert history(ac.checkpoint) == history(lambda f: f)
