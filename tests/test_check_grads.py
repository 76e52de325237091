"""check_grads accepts right derivatives in either mode, and names the mode and the order of a wrong one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alice_core as ac

POINT = [np.array([[0.3, -0.8], [1.1, 0.4]]), np.array([0.7, -0.2])]


def two_results(x: ac.Tensor, y: ac.Tensor) -> Any:
    return {"sum": ac.sum(ac.sin(x) * y, axis=1), "rest": (ac.logsumexp(x * y), ac.tanh(y))}


def test_right_derivatives_pass_in_either_mode() -> None:
    ac.testing.check_grads(two_results, POINT, order=2, modes=("fwd",), atol=1e-5, rtol=1e-5)
    ac.testing.check_grads(two_results, POINT, order=2, modes=("rev", "fwd"), atol=1e-5, rtol=1e-5)


def wrong(t: ac.Tensor, ans: ac.Tensor, x: ac.Tensor) -> ac.Tensor:
    return t * 1.001


def test_a_wrong_jvp_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ac.primitives()["sin"], "jvp_rules", (wrong,))
    ac.testing.check_grads(ac.sin, [[0.3, 0.5]])
    with pytest.raises(AssertionError, match=r"check_grads: forward mode, order 1: the JVP gives \S+, central diff"):
        ac.testing.check_grads(ac.sin, [[0.3, 0.5]], modes=("fwd",))


def test_a_wrong_vjp_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ac.primitives()["sin"], "vjp_rules", (wrong,))
    ac.testing.check_grads(ac.sin, [[0.3, 0.5]], modes=("fwd",))
    with pytest.raises(AssertionError, match=r"check_grads: reverse mode, order 1: the VJP gives \S+, central diff"):
        ac.testing.check_grads(ac.sin, [[0.3, 0.5]])


def test_modes_are_nested_in_every_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The derivative of sin is cos in either mode; a wrong JVP of cos shows at the second order alone."""
    monkeypatch.setattr(ac.primitives()["cos"], "jvp_rules", (wrong,))
    ac.testing.check_grads(ac.sin, [[0.3, 0.5]], order=1, modes=("rev", "fwd"))
    ac.testing.check_grads(ac.sin, [[0.3, 0.5]], order=2, modes=("rev",), atol=1e-5, rtol=1e-5)
    with pytest.raises(AssertionError, match="forward of reverse mode, order 2: the JVP"):
        ac.testing.check_grads(ac.sin, [[0.3, 0.5]], order=2, modes=("rev", "fwd"), atol=1e-5, rtol=1e-5)
    with pytest.raises(AssertionError, match="forward of forward mode, order 2: the JVP"):
        ac.testing.check_grads(ac.sin, [[0.3, 0.5]], order=2, modes=("fwd",), atol=1e-5, rtol=1e-5)


def test_nan_never_passes() -> None:
    for mode in ("rev", "fwd"):
        with pytest.raises(AssertionError, match="nan"):
            ac.testing.check_grads(ac.log, [[-1.0]], modes=(mode,))


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match=r"check_grads: modes must be among \('rev', 'fwd'\); got \['forward'\]"):
        ac.testing.check_grads(ac.sin, [0.3], modes=("forward",))
