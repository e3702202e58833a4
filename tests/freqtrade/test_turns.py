"""`Turns`: one report at a time."""

from __future__ import annotations

import threading

import pytest

from sluicegate.freqtrade import turns
from sluicegate.freqtrade.turns import Turns


def in_thread(work: object) -> threading.Thread:
    thread = threading.Thread(target=work)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_one_at_a_time() -> None:
    taking, inside, most = Turns(), [], []

    def report() -> None:
        for _ in range(50):
            with taking.turn():
                inside.append(None)
                most.append(len(inside))
                inside.pop()

    for thread in [in_thread(report) for _ in range(4)]:
        thread.join()
    assert set(most) == {1}


def test_a_turn_within_a_turn_waits_for_nobody() -> None:
    taking = Turns()
    with taking.turn(), taking.turn():
        pass
    with taking.turn():  # It was given back.
        assert taking._lock.locked()
    assert not taking._lock.locked()


def test_who_is_away_lets_others_have_their_turn() -> None:
    taking = Turns()
    with taking.turn():
        with taking.away():
            assert not taking._lock.locked()
        assert taking._lock.locked()
    with taking.away():  # Nothing to leave.
        assert not taking._lock.locked()


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_LONGEST", 0.0)
    taking = Turns()
    went_on = threading.Event()

    def report() -> None:
        with taking.turn():
            with taking.away():
                pass
            went_on.set()

    with taking.turn():
        in_thread(report).join()
        assert went_on.is_set()
        # He who had no turn did not end the other's.
        assert taking._lock.locked()
    assert not taking._lock.locked()


def test_an_error_ends_the_turn() -> None:
    taking = Turns()
    with pytest.raises(KeyError), taking.turn(), taking.away():
        raise KeyError
    assert not taking._lock.locked()
