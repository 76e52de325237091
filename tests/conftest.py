"""What all tests share: none of them may fail because the machine is busy, or leave anything behind."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import settings

# What we are compared with computes on one thread, also in the processes that tests start: threads of OpenBLAS and
# OpenMP spin while they wait, and take the cores from the tests that run beside. Ours are those of ac.set_num_threads.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # read when NumPy is imported
    os.environ.setdefault(_name, "1")

from leaks import State  # noqa: E402

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="module", autouse=True)
def _earlier_modules_are_not_looked_through() -> None:
    """What thousands of tests, and what they import, keep to the end would cost every collection of garbage anew."""
    gc.collect()
    gc.freeze()


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """As pytest's own, but of what succeeds the call alone is reported: what says nothing costs as much to send."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in runtestprotocol(item, log=False, nextitem=nextitem):
        if report.when == "call" or not report.passed:
            item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.fixture(autouse=True)
def _leaves_nothing_behind() -> Iterator[None]:
    before = State.now()
    yield
    found = before.left_behind()
    if found:
        pytest.fail(f"the test leaves behind: {'; '.join(found)}", pytrace=False)
