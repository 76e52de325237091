"""What all tests share: none of them may fail because the machine is busy, or leave anything behind."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

from leaks import State

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_collection_finish() -> None:
    """Thousands of tests and what they import live to the end: no collection of garbage has to look through them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    before = State.now()
    yield
    found = before.left_behind()
    if found:
        pytest.fail(f"the test leaves behind: {'; '.join(found)}", pytrace=False)
