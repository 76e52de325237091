"""Functions with rules of their own that change what they are given: the argument changes, though they run on other
handles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alice_core as ac


def _counted(x: Any, b: Any) -> Any:
    """b counts its calls."""
    b.assign_(b + 1.0)
    return x * b


def _vjp(f: Any) -> Any:
    made = ac.custom_vjp(f)
    made.defvjp(lambda x, b: (f(x, b), b * 1.0), lambda kept, g: (g * kept, None))
    return made


def _jvp(f: Any) -> Any:
    made = ac.custom_jvp(f)
    made.defjvp(lambda primals, tangents: (primals[0] * primals[1], tangents[0] * primals[1]))
    return made


def _primitive(f: Any) -> Any:
    return ac.custom_primitive(f, vjp=lambda g, y, x, b: (g * b, None))


MAKERS = [_vjp, _jvp, _primitive, lambda f: _vjp(_vjp(f)), lambda f: _vjp(lambda x, b: f(x, b) + 0.0 * b)]


def _trained(f: Any, b: Any, compiled: bool) -> list[Any]:
    p = ac.nn.Parameter([3.0])

    def step() -> Any:
        p.grad = None
        y = ac.sum(f(p * 1.0, b))
        y.backward()
        return y, p.grad

    run: Any = ac.compile(step) if compiled else step
    return [x.tolist() for _ in range(3) for x in run()]


MODES: dict[str, Any] = {
    "backward": lambda f, b: _trained(f, b, False),
    "compiled": lambda f, b: _trained(f, b, True),
    "of a leaf": lambda f, b: f(ac.nn.Parameter([3.0]), b).tolist(),
    "grad": lambda f, b: ac.grad(lambda x: ac.sum(f(x, b)))(ac.ones(1)).tolist(),
    "jvp": lambda f, b: [y.tolist() for y in ac.jvp(lambda x: f(x, b), [ac.ones(1)], [ac.ones(1)])],
    "vmap": lambda f, b: ac.vmap(lambda x: f(x, b))(ac.ones((3, 1))).tolist(),
    "loop": lambda f, b: ac.fori_loop(0, 3, lambda i, x: f(x, b), ac.nn.Parameter([3.0])).tolist(),
    "checked": lambda f, b: _checked(f, b),
}


def _checked(f: Any, b: Any) -> Any:
    with ac.debug_nans():
        return f(ac.nn.Parameter([3.0]), b).tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("maker", range(len(MAKERS)))
def test_arguments_change_as_those_of_the_function_do(maker: int, mode: str) -> None:
    ours, theirs = ac.tensor([1.0]), ac.tensor([1.0])
    assert MODES[mode](MAKERS[maker](_counted), ours) == MODES[mode](_counted, theirs)
    assert ours.tolist() == theirs.tolist() != [1.0]


@pytest.mark.parametrize("compiled", [False, True])
def test_running_statistics_of_a_module_that_is_an_argument(compiled: bool) -> None:
    X = ac.tensor(np.random.default_rng(0).standard_normal((8, 2)).astype(np.float32))

    def states(call: Any) -> list[Any]:
        layer, p = ac.nn.BatchNorm1d(2), ac.nn.Parameter(X)

        def step() -> Any:
            return ac.sum(call(layer, p * 1.0)).detach()

        run: Any = ac.compile(step) if compiled else step
        for _ in range(3):
            run()
        return [x.tolist() for x in layer.state_dict().values()]

    layer = ac.custom_vjp(lambda m, x: m(x))
    layer.defvjp(lambda m, x: (m(x), None), lambda _, g: (None, g))
    assert states(layer) == states(lambda m, x: m(x)) != states(lambda m, x: x)


def test_what_was_a_view_before_the_change_is_refused_after_it() -> None:
    def f(x: Any, b: Any) -> Any:
        part = b[:1]
        b.assign_(b * 2.0)
        return x * part

    with pytest.raises(ValueError, match=r"a view, .* of a Tensor that was changed in place since"):
        _vjp(f)(ac.nn.Parameter([3.0]), ac.tensor([1.0]))


def test_what_is_captured_and_an_argument_changes_once() -> None:
    b = ac.tensor([1.0])

    def f(x: Any, given: Any) -> Any:
        b.assign_(b + 1.0)
        given.assign_(given * 10.0)
        return x * b + given

    assert _vjp(f)(ac.nn.Parameter([3.0]), b).tolist() == [80.0]
    assert b.tolist() == [20.0]


def test_arguments_without_tensors_are_themselves() -> None:
    seen: list[int] = []
    noted = _vjp(lambda x, log: (log.append(1), x * 1.0)[1])
    noted.defvjp(lambda x, log: (log.append(2), (x * 1.0, None))[1], lambda _, g: (g, None))
    noted(ac.nn.Parameter([1.0]), seen)
    assert seen == [2]
