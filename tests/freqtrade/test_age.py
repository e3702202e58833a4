"""The clock by which rates grow old, on fakes of the machine's two clocks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.freqtrade.age import AgeClock


class Machine:
    """The machine's two clocks, which tests move."""

    def __init__(self) -> None:
        self.monotonic = 1_000.0
        self.wall = 1_780_315_200.0

    def passes(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds

    @contextmanager
    def in_place(self) -> Iterator[None]:
        clocks = SimpleNamespace(monotonic=lambda: self.monotonic, time=lambda: self.wall)
        with patch("sluicegate.freqtrade.age.time", clocks):
            yield


@pytest.fixture
def machine() -> Iterator[Machine]:
    machine = Machine()
    with machine.in_place():
        yield machine


def test_seconds_pass_as_on_any_clock(machine: Machine) -> None:
    clock = AgeClock()
    began = clock()
    for _ in range(1_000):
        machine.passes(0.25)
        clock()
    assert clock() == began + 250


def test_it_goes_on_while_the_machine_sleeps(machine: Machine) -> None:
    clock = AgeClock()
    began = clock()
    machine.wall += 3_600
    assert clock() == began + 3_600


def test_it_goes_on_when_the_wall_clock_is_set_back(machine: Machine) -> None:
    clock = AgeClock()
    began = clock()
    machine.passes(10)
    machine.wall -= 3_600
    assert clock() == began + 10
    machine.passes(10)
    assert clock() == began + 20


def test_it_goes_on_while_a_machine_sleeps_whose_clock_was_set_back(machine: Machine) -> None:
    clock = AgeClock()
    machine.wall -= 3_600
    began = clock()
    machine.wall += 1_800
    assert clock() == began + 1_800


def test_what_lies_between_two_readings_does_not_add_up(machine: Machine) -> None:
    clock = AgeClock()
    began = clock()
    for _ in range(1_000):
        machine.wall += 0.0625
        clock()
        machine.wall -= 0.0625
        clock()
    assert clock() == began + 0.0625


# Eighths of a second are told exactly, and are more than what may lie between two readings.
moves = st.lists(
    st.tuples(st.integers(0, 80), st.integers(-80_000, 80_000)).map(
        lambda move: (move[0] / 8, move[1] / 8)
    ),
    max_size=20,
)


@given(moves)
def test_it_never_steps_back_and_is_never_slower_than_either_clock(
    moves: list[tuple[float, float]],
) -> None:
    machine = Machine()
    with machine.in_place():
        clock = AgeClock()
        seen = [(clock(), machine.monotonic, machine.wall)]
        for monotonic, wall in moves:
            machine.monotonic += monotonic
            machine.wall += wall
            seen.append((clock(), machine.monotonic, machine.wall))
    for number, (shown, monotonic, wall) in enumerate(seen):
        for earlier_shown, earlier_monotonic, earlier_wall in seen[:number]:
            passed = shown - earlier_shown
            assert passed >= 0
            assert passed >= monotonic - earlier_monotonic
            assert passed >= wall - earlier_wall


@given(moves)
def test_it_is_no_faster_than_both_clocks_together(moves: list[tuple[float, float]]) -> None:
    machine = Machine()
    with machine.in_place():
        clock = AgeClock()
        began = clock()
        for monotonic, wall in moves:
            machine.monotonic += monotonic
            machine.wall += wall
            clock()
        assert clock() - began == sum(max(move) for move in moves)


def test_threads_that_notice_a_step_together_count_it_once(machine: Machine) -> None:
    clock = AgeClock()
    began = clock()
    meet = threading.Barrier(8)
    shown: list[float] = []

    def look() -> None:
        for _ in range(50):
            if meet.wait() == 0:
                machine.wall += 8
            meet.wait()
            shown.append(clock())

    threads = [threading.Thread(target=look, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert clock() == max(shown) == began + 400
