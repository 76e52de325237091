"""Memory stays flat over many steps without the garbage collector, and the collector finds cycles through the core.

``ALICE_EXHAUSTIVE=1`` takes the full counts: a million compiled steps, 100,000 eager ones, 10,000 traces.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import alice_core as ac

FULL = bool(os.environ.get("ALICE_EXHAUSTIVE"))
MEGABYTE = 1 << 20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc/self/statm")
@pytest.mark.parametrize(
    ("use", "steps", "full"),
    [
        ("compiled", 50_000, 1_000_000),
        ("eager", 3_000, 100_000),
        ("retraced", 1_000, 10_000),
        ("recompiled", 1_000, 10_000),
        ("transforms", 1_000, 10_000),
        ("errors", 3_000, 100_000),
    ],
)
def test_memory_is_flat(use: str, steps: int, full: int) -> None:
    script = Path(__file__).with_name("memory_growth.py")
    command = [sys.executable, str(script), use, str(full if FULL else steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) <= MEGABYTE, f"{use}: {int(done.stdout) / MEGABYTE:.1f} MB more"


class Holder:
    """Something that Python can watch going."""


def own_gradient() -> Any:
    p = ac.ones((1000,)).requires_grad_()
    p.grad = p + 0.0
    for _ in range(3):
        p.grad = p.grad + 0.1 * p
    return p


def itself_as_gradient() -> Any:
    p = ac.ones((1000,)).requires_grad_()
    p.grad = p
    return p


def checkpoint_on_itself() -> Any:
    class Layer:
        def __init__(self) -> None:
            self.w = ac.ones((1000,)).requires_grad_()
            self.last: Any = None

        def __call__(self, x: ac.Tensor) -> ac.Tensor:
            return x * self.w

        def run(self) -> None:
            self.last = ac.checkpoint(self)(ac.ones((1000,)))

    layer = Layer()
    layer.run()
    return layer


def rule_on_itself() -> Any:
    class Layer:
        def __init__(self) -> None:
            self.w = ac.ones((1000,)).requires_grad_()
            f = ac.custom_vjp(lambda x: x * 2)
            f.defvjp(lambda x: (x * 2, self), lambda r, g: (g,))
            self.last = f(self.w)

    return Layer()


def compiled_method() -> Any:
    class Layer:
        def __init__(self) -> None:
            self.w = ac.ones((1000,)).requires_grad_()

        @ac.compile
        def run(self, x: ac.Tensor) -> ac.Tensor:
            return x * self.w

    layer = Layer()
    layer.run(ac.ones((1000,)))
    return layer


def compiled_closure() -> Any:
    holder = Holder()
    holder.w = ac.ones((1000,))
    holder.f = ac.compile(lambda x: x * holder.w)
    holder.f(ac.ones((1000,)))
    return holder


def primitive_rule() -> Any:
    from alice_core import _core

    p = _core.PrimitiveBase("exp")
    holder = Holder()
    p.vjp_rules = (lambda g, ans, x: holder,)
    holder.y = p(ac.ones((1000,)).requires_grad_())
    return holder


def attribute_of_a_function() -> Any:
    holder = Holder()
    f = ac.compile(lambda x: x)
    f.owner = holder
    holder.f = f
    return holder


@pytest.mark.parametrize(
    "make",
    [
        own_gradient,
        itself_as_gradient,
        checkpoint_on_itself,
        rule_on_itself,
        compiled_method,
        compiled_closure,
        primitive_rule,
        attribute_of_a_function,
    ],
    ids=lambda f: f.__name__,
)
def test_cycles_are_collected(make: Callable[[], Any]) -> None:
    make()
    gc.collect()
    before = ac.memory_stats()["live_bytes"]
    gone = weakref.ref(make())
    gc.collect()
    assert gone() is None
    assert ac.memory_stats()["live_bytes"] <= before


def test_a_compiled_method_keeps_no_instance_alive() -> None:
    """Each of them is a signature of its own, and the cache has room for 32."""

    class Layer:
        def __init__(self) -> None:
            self.w = ac.ones((1000,))

        @ac.compile
        def run(self, x: ac.Tensor) -> ac.Tensor:
            return x * self.w

    def use() -> weakref.ref[Layer]:
        layer = Layer()
        layer.run(ac.ones((1000,)))
        return weakref.ref(layer)

    gone = [use() for _ in range(40)]
    gc.collect()
    assert [r() for r in gone] == [None] * 40
