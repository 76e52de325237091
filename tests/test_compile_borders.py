"""Where a compiled function ends: static arguments, and gradients that would have to go on into it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alice_core as ac

X = ac.tensor([[1.0, -2.0], [3.0, 0.5]])


class Mode(enum.Enum):
    PLUS = 1
    MINUS = 2


@dataclass(frozen=True)
class Options:
    power: int
    mode: Mode = Mode.PLUS


def f(x: ac.Tensor, n: Any = 2, *, axis: Any = None, options: Any = None, names: Any = ()) -> ac.Tensor:
    for _ in range(n) if isinstance(n, int) else n:
        x = ac.sin(x) + 1.0
    if options is not None:
        x = x**options.power if options.mode is Mode.PLUS else -x
    if "sum" in names:
        x = ac.sum(x, axis=axis)
    return x


STATIC = ("n", "axis", "options", "names")
KEYWORDS = st.fixed_dictionaries(
    {},
    optional={
        "n": st.one_of(st.integers(0, 3), st.integers(0, 3).map(range), st.just((1, 2)), st.booleans()),
        "axis": st.sampled_from([None, 0, 1, (0, 1), (0,)]),
        "options": st.builds(Options, st.integers(1, 3), st.sampled_from(Mode)),
        "names": st.sampled_from([(), ("sum",), "sum", frozenset({"sum"}), frozenset({"mean"})]),
    },
)


@given(st.lists(st.tuples(KEYWORDS, st.booleans()), min_size=1, max_size=6))
def test_static_arguments_are_seen(calls: list[tuple[dict[str, Any], bool]]) -> None:
    g = ac.compile(f, static_argnames=STATIC)
    for keywords, positional in calls:
        keywords = dict(keywords)
        args = (X, keywords.pop("n")) if positional and "n" in keywords else (X,)
        for _ in range(2):
            np.testing.assert_array_equal(g(*args, **keywords).numpy(), f(*args, **keywords).numpy())
    assert g.cache_info().hits >= len(calls)


def test_equal_values_share_a_program() -> None:
    g = ac.compile(f, static_argnums=1, static_argnames=["options", "names"])
    for _ in range(5):
        g(X, range(2), options=Options(2, Mode.MINUS), names=("sum",))
        g(X, n=range(2), options=Options(2), names=frozenset({"sum"}))
    assert g.cache_info().misses == 2
    h = ac.compile(lambda x, k: x * (3.0 if k is True else 1.0 if isinstance(k, int) else 2.0), static_argnums=1)
    assert [h(X, k)[0, 0].item() for k in (1, True, 1.0, 1, True, 1.0)] == [1.0, 3.0, 2.0] * 2
    t = ac.compile(lambda x, k: x if isinstance(k[0], int) else -x, static_argnums=1)
    assert [t(1.0, k) for k in ((1,), (1.0,), (1,), (1.0,))] == [1.0, -1.0] * 2


@pytest.mark.parametrize("how", [{"static_argnums": 1}, {"static_argnums": (-1,)}, {"static_argnames": "n"}])
def test_either_names_the_argument_however_it_is_passed(how: dict[str, Any]) -> None:
    g = ac.compile(lambda x, n: x * n if n > 1 else x, **how)
    assert g(2.0, 3) == g(2.0, n=3) == 6.0
    assert g(2.0, 1) == g(x=2.0, n=1) == 2.0


def test_methods_with_static_arguments() -> None:
    class Layer:
        @ac.compile(static_argnames="train")
        def __call__(self, x: ac.Tensor, train: bool = False) -> ac.Tensor:
            return x * 2.0 if train else x

    layer = Layer()
    assert layer(3.0, train=True) == layer(3.0, True) == 6.0
    assert layer(3.0) == 3.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"static_argnums": 2}, r"there is no argument 2; the function has \(x, n\)"),
        ({"static_argnums": -3}, r"there is no argument -3"),
        ({"static_argnames": "m"}, r"there is no argument 'm'; the function has \(x, n\)"),
        ({"static_argnums": "n"}, r"static_argnums must be ints; got 'n'"),
        ({"static_argnames": [1]}, r"static_argnames must be names; got 1"),
        ({"static_argnums": 1.5}, r"static_argnums must be an int"),
        ({"cache_size": "3"}, r"cache_size must be an int"),
    ],
)
def test_mistakes(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"compile: .*{message}"):
        ac.compile(lambda x, n: x, **options)


@pytest.mark.parametrize("value", [[1], {"a": 1}, X, np.ones(2), {1}])
def test_what_cannot_be_static(value: Any) -> None:
    g = ac.compile(lambda x, n: x, static_argnums=1)
    with pytest.raises(ac.DTypeError, match=r"compile: argument n .* named as static, so it must be"):
        g(X, value)


def test_a_deciding_number_is_told_how_to_be_static() -> None:
    g = ac.compile(lambda x, level, n=1: x if level else -x)
    with pytest.raises(ac.TraceError, match=r'static_argnames=\["level", "n"\]'):
        g(X, 1, n=3)


def test_bools_are_flags() -> None:
    g = ac.compile(lambda x, flags: x * 2.0 if flags["on"] and flags["more"][0] else x * flags["on"])
    for on in (True, False):
        for more in (True, False):
            got = g(X, {"on": on, "more": [more]})
            np.testing.assert_array_equal(got.numpy(), X.numpy() * (2.0 if on and more else float(on)))
    assert g.cache_info().misses == 4


# -- gradients that would go on --------------------------------------------------------------------------------------


def after(y: Any) -> list[Any]:
    return ac.tree.leaves(y)


@pytest.mark.parametrize(
    "body",
    [
        lambda m, x: m(x),
        lambda m, x: {"a": x * 2.0, "b": [m(x), m(x) * x]},
        lambda m, x: ac.stop_gradient(m(x)) * x + ac.sum(m.layers[0].weight),
    ],
)
@pytest.mark.parametrize("use", [lambda y: y, lambda y: ac.exp(y) * 2.0, lambda y: ac.concat([y, X])])
def test_gradients_end_in_an_error(body: Callable[..., Any], use: Callable[..., Any]) -> None:
    """Where the function writes gradients, which its derivative would not; parameters are never left out."""
    model = ac.nn.MLP([2, 3, 2], seed=0)
    head = ac.nn.Linear(2, 1, seed=1)
    other = ac.ones((1,)).requires_grad_()

    @ac.compile
    def g(x: ac.Tensor) -> Any:
        other.grad = ac.ones((1,))
        return body(model, x)

    for _ in range(2):
        for y, eager in zip(after(g(X)), after(body(model, X)), strict=True):
            assert y.is_tracked == eager.is_tracked
            np.testing.assert_array_equal(ac.stop_gradient(y).numpy(), ac.stop_gradient(eager).numpy())
            loss = ac.sum(head(use(y)))
            if not eager.is_tracked:
                loss.backward()
                continue
            with pytest.raises(ac.GradientError, match=r"the compiled .* begins; got to its result"):
                loss.backward()
            ac.sum(head(use(ac.stop_gradient(y)))).backward()
    assert all(p.grad is None for p in model.parameters())


def test_whole_steps_and_constants_are_not_marked() -> None:
    model = ac.nn.MLP([2, 3, 2], seed=0)
    opt = ac.optim.SGD(model.parameters(), lr=0.1)

    @ac.compile
    def step(x: ac.Tensor) -> tuple[ac.Tensor, ac.Tensor]:
        y = model(x)
        loss = ac.mean(ac.square(y))
        opt.zero_grad()
        loss.backward()
        opt.step()
        return loss, ac.stop_gradient(y)

    loss, y = step(X)
    assert not loss.is_tracked or loss.item() > 0.0
    assert not y.is_tracked
    with ac.no_grad():
        assert not ac.compile(model)(X).is_tracked
    assert not ac.compile(lambda x: x * 2.0)(X).is_tracked
    np.testing.assert_allclose(
        ac.grad(lambda x: ac.sum(ac.compile(model)(x)))(X).numpy(), ac.grad(lambda x: ac.sum(model(x)))(X).numpy()
    )


@pytest.mark.parametrize("which", [0, 1])
def test_any_result_of_an_op_may_be_differentiated_by(which: int) -> None:
    """Also where it comes from outside of the differentiated function, in a program."""

    def f(x: ac.Tensor) -> ac.Tensor:
        part = ac.linalg.slogdet(x)[which]
        slope = ac.grad(lambda y: y * y * 0.5)(part)
        tangent = ac.jvp(lambda y: y * y * 0.5, (part,), (ac.ones_like(part),))[1]
        return slope + tangent - 2.0 * part

    x = ac.tensor([[3.0, 1.0], [0.5, 2.0]])
    assert f(x).item() == ac.compile(f)(x).item() == 0.0
