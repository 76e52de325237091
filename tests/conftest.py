"""What all tests share: none of them may fail because the machine is busy.

Tests that measure time have the machine to themselves, also when pytest-xdist runs others beside them.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

try:
    import fcntl
except ImportError:  # Windows: there they run as they come
    fcntl = None  # type: ignore[assignment]

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Workers of one run share a lock; a test marked ``alone`` takes it for itself."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is None or fcntl is None:
        return (yield)
    with (Path(tempfile.gettempdir()) / f"alice-tests-{run}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH)
        return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    if run is not None:
        (Path(tempfile.gettempdir()) / f"alice-tests-{run}.lock").unlink(missing_ok=True)
