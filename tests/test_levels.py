"""The tests of what once went wrong at the borders of the native core, on every instruction set, on one thread and two.

Which code runs depends on both: how far a loop reads and writes at once, and who works on it.
"""

from __future__ import annotations

import pytest

import alice_core as ac
from levels import run_on_level

FAULTS = (
    "test_compile_overlap.py",  # operands that share memory
    "test_compile_state.py",  # gradients and parameters, before and after
    "test_compile_threads.py",  # arguments that others change meanwhile
    "test_contract.py",  # what a program was made for, and what it meets
    "test_locks.py",  # readers and writers of one memory
    "test_native_edges.py",  # what CPython calls, and what is no array at all
)
#: Of the compiler alone, which is the same on every level, and long.
ELSEWHERE = "test_a_chain_of_100_000_ops_on_a_small_stack"


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("level", ["baseline", "avx2", "avx512"])
def test_no_fault_returns(level: str, threads: int) -> None:
    """A level that this processor has not falls back to the best that it has."""
    if (level, threads) == (ac.build_config()["isa"], ac.get_num_threads()):
        pytest.skip("it is what the tests themselves run on here")
    run_on_level(level, *FAULTS, chosen=f"not {ELSEWHERE}", threads=threads)
