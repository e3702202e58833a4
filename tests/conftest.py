"""Fixtures of all tests: event loops of each kind, a manual clock, and a throttler on it."""

from __future__ import annotations

import signal

import hypothesis
import pytest

from sluicegate import RateLimit, Throttler
from sluicegate.testing import ManualClock
from tests.helpers.loops import RUNNERS, Runner
from tests.helpers.servers import MISSING, server_programs, version_of

# Whatever runs the tests in the background may have Ctrl-C ignored, by all that they start, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


# No test asserts a time: other tests run beside it.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_report_header() -> str:
    """Which servers the tests of sharing have."""
    found = ", ".join(f"{version_of(program)} ({program})" for program in server_programs())
    return f"servers: {found or f'none: {MISSING}'}"


@pytest.fixture(params=RUNNERS.values(), ids=RUNNERS)
def run(request: pytest.FixtureRequest) -> Runner:
    """Runs a coroutine in a new event loop, of each kind."""
    runner: Runner = request.param
    return runner


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def throttler(clock: ManualClock) -> Throttler:
    """Two requests for "/x" in 10 s, on the manual clock."""
    return Throttler([RateLimit("/x", limit=2, time_interval=10)], clock=clock)
