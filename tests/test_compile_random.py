"""Compiled programs have the bits of eager ones: random programs over the whole op set.

``ALICE_PROGRAMS=100000`` asks for more of them than the 2,000 of every run. A failure prints the smallest program that
still shows it, as a script to run in ``tests``.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import alice_core as ac
from alice_core.tracing import recording
from op_cases import linalg_functions
from program_maker import random_program
from program_ops import EXCLUDED, TEMPLATES
from random_programs import Difference, check, explain


# A program comes from one number. Numbers do not shrink to anything useful, but programs do, in their own way.
@settings(
    max_examples=int(os.environ.get("ALICE_PROGRAMS", "2000")),
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(0, 1 << 48))
def test_compiled_is_eager(seed: int) -> None:
    program = random_program(random.Random(seed).randrange)
    threads = (1, 2, 3) if program.is_large() else (1 + seed % 3,)
    try:
        check(*program.functions(), threads=threads)
    except Difference as error:
        raise AssertionError(explain(program, error, threads=threads)) from None


# -- the generator itself ----------------------------------------------------------------------------------------------


def test_every_public_op_has_a_template() -> None:
    from alice_core import ops

    public = {name for module in ops.__all__ for name in getattr(ops, module).__all__}
    public |= {f"{part}.{name}" for part in ("losses", "special") for name in getattr(ac, part).__all__}
    public |= {f"linalg.{name}" for name in linalg_functions()}
    known = set(TEMPLATES) | set(EXCLUDED)
    assert public <= known, f"random programs lack {sorted(public - known)}"


def test_every_primitive_is_reached() -> None:
    """The derivative kernels too."""
    # From a state, and what a draw depends on: tests/test_random.py, tests/test_distributions.py.
    drawing = {name for name in ac.primitives() if name.startswith("random_")} | {"gamma_slope"}
    # Left by transforms: tests/test_engine.py, test_checkpoint.py, test_vecmat.py.
    # Of second order, which few programs are: tests/cases/pooling.py, tests/cases/special.py.
    transforms = {"identity", "remat", "vecmat", "nonnegative", "fitting", "checked_arithmetic", "max_pool_jvp"}
    transforms |= {"log_ndtr_excess", "block_eigh"}
    # tests/test_distributed.py
    transforms |= {"allreduce", "allreduce_extreme", "allreduce_start", "allreduce_wait", "broadcast"}
    control = {"scan", "while_loop", "switch", "call"}  # tests/test_loops.py, test_compile_calls.py
    missing = set(ac.primitives()) - drawing - transforms - control
    for seed in (2766, 2912, *range(4000)):  # these two reach the rarest
        with recording() as equations:
            random_program(random.Random(seed).randrange)
        missing -= {equation.primitive.name for equation in equations}
        if not missing:
            return
    pytest.fail(f"random programs do not reach {sorted(missing)}")


def wrong_tanh(f: Callable[..., Any]) -> Callable[..., Any]:
    """In place of ``ac.compile``: a tanh that is off by one part in 10^6."""

    def compiled(*args: Any, **kwargs: Any) -> Any:
        right = ac.tanh
        ac.tanh = lambda x: ac.multiply(right(x), 1.000001)  # type: ignore[assignment]
        try:
            return f(*args, **kwargs)
        finally:
            ac.tanh = right  # type: ignore[assignment]

    return compiled


def test_a_difference_is_found_and_made_small() -> None:
    found = 0
    for seed in range(200):
        program = random_program(random.Random(seed).randrange)
        if "ac.tanh(" not in program.source():
            continue
        try:
            check(*program.functions(), jit=wrong_tanh)
        except Difference as error:
            found += 1
            script = explain(program, error, jit=wrong_tanh)
            body = script.split("def f(")[1].split("return")[0].splitlines()[1:-1]
            assert "ac.tanh" in script
            assert len(body) <= 4, script
            if found == 3:
                return
    pytest.fail("no program used tanh")
