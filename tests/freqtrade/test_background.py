"""An event loop beside the bot's: it runs what it is given, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any
from unittest.mock import patch

import pytest

from sluicegate.freqtrade.background import Background, ClosedError
from tests.helpers.threads import PATIENCE, Thread, until

NAME = "background-under-test"


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


@pytest.fixture
def background() -> Iterator[Background]:
    background = Background(NAME)
    yield background
    background.close()
    assert threads() == []


class Work:
    """Work that goes on until it is let go, and tells how it ended."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.ended: str | None = None

    async def __call__(self) -> None:
        self.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # What is cancelled may still clean up.
            await asyncio.sleep(0)
            self.ended = "cancelled"
            raise


async def answer(value: Any = "answer") -> Any:
    await asyncio.sleep(0)
    return value


async def fail() -> None:
    raise OSError("no")


async def thread() -> threading.Thread:
    return threading.current_thread()


# -- running --------------------------------------------------------------------------------------


def test_nothing_runs_before_it_is_used(background: Background) -> None:
    assert threads() == []
    assert not background.is_closed


def test_it_runs_everything_on_one_thread_that_keeps_no_program_alive(
    background: Background,
) -> None:
    assert background.run(answer()) == "answer"
    used = {background.run(thread()), background.start(thread()).result(PATIENCE)}
    assert list(used) == threads()
    assert threads()[0].daemon


def test_what_it_raises_is_raised(background: Background) -> None:
    with pytest.raises(OSError, match="no"):
        background.run(fail())
    with pytest.raises(OSError, match="no"):
        background.start(fail()).result(PATIENCE)
    assert background.run(answer()) == "answer"


def test_starting_does_not_wait(background: Background) -> None:
    work = Work()
    future = background.start(work())
    assert work.entered.wait(PATIENCE)
    assert background.run(answer()) == "answer"
    assert not future.done()


def test_many_threads_share_it(background: Background) -> None:
    asked = [Thread(background.run, answer(number)) for number in range(20)]
    assert [one.outcome() for one in asked] == list(range(20))
    assert len(threads()) == 1


def test_who_is_interrupted_gives_up_what_he_waits_for(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, own_start = Work(), background.start

    def interrupt() -> None:
        assert work.entered.wait(PATIENCE)
        raise KeyboardInterrupt

    def start(coroutine: Any) -> Any:
        future = own_start(coroutine)
        monkeypatch.setattr(future, "result", interrupt)
        return future

    monkeypatch.setattr(background, "start", start)
    with pytest.raises(KeyboardInterrupt):
        background.run(work())
    until(lambda: work.ended == "cancelled")


def test_a_thread_that_cannot_be_had_now_may_be_had_later(background: Background) -> None:
    with (
        patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread")),
        pytest.raises(RuntimeError, match="can't start new thread"),
    ):
        background.start(answer())
    asked = Thread(background.run, answer())
    assert asked.outcome() == "answer"


# -- closing --------------------------------------------------------------------------------------


def test_what_was_never_used_is_closed_too(background: Background) -> None:
    background.close()
    assert background.is_closed
    assert threads() == []


@pytest.mark.parametrize("used", [False, True])
def test_it_takes_no_work_once_it_is_closed(background: Background, used: bool) -> None:
    if used:
        background.run(answer())
    background.close()
    for take in (background.start, background.run):
        with pytest.raises(ClosedError, match=f"{NAME} is closed"):
            take(answer())
    assert threads() == []


def test_closing_cancels_what_runs_and_waits_for_its_end(background: Background) -> None:
    works = [Work() for _ in range(3)]
    futures = [background.start(work()) for work in works]
    waiting = Thread(background.run, Work()())
    until(lambda: all(work.entered.is_set() for work in works))
    background.close()
    assert threads() == []
    assert [work.ended for work in works] == ["cancelled"] * 3
    assert all(future.cancelled() for future in futures)
    with pytest.raises(ClosedError, match=f"{NAME} (is|was) closed"):
        waiting.outcome()


def test_who_waits_is_told_that_it_was_closed(background: Background) -> None:
    work = Work()
    waiting = Thread(background.run, work())
    assert work.entered.wait(PATIENCE)
    background.close()
    with pytest.raises(ClosedError, match=f"{NAME} was closed"):
        waiting.outcome()


def test_what_had_not_begun_is_cancelled(background: Background) -> None:
    holds, go_on = threading.Event(), threading.Event()

    async def hold() -> None:
        holds.set()
        assert go_on.wait(PATIENCE)

    background.start(hold())
    assert holds.wait(PATIENCE)
    futures = [background.start(Work()()) for _ in range(3)]
    closing = Thread(background.close)
    until(lambda: background.is_closed)
    go_on.set()
    closing.outcome()
    assert all(future.cancelled() for future in futures)


def test_async_generators_are_closed(background: Background) -> None:
    closed: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    generator = numbers()

    async def first() -> int:
        return await anext(generator)

    assert background.run(first()) == 1
    background.close()
    assert closed == ["closed"]


def test_it_may_be_closed_from_its_own_thread(background: Background) -> None:
    async def close() -> str:
        background.close()
        return "still here"

    assert background.run(close()) == "still here"
    until(lambda: threads() == [])
    with pytest.raises(ClosedError):
        background.run(answer())


def test_closing_again_does_nothing(background: Background) -> None:
    background.run(answer())
    background.close()
    background.close()


def test_closing_again_while_it_ends_waits_for_the_end(background: Background) -> None:
    background.run(answer())
    loop = background._loop
    assert loop is not None
    own_close, closed, go_on = loop.close, threading.Event(), threading.Event()

    def close() -> None:
        own_close()
        closed.set()
        assert go_on.wait(PATIENCE)

    loop.close = close  # type: ignore[method-assign]
    first = Thread(background.close)
    assert closed.wait(PATIENCE)
    second = Thread(background.close)
    until(lambda: not second.is_alive() or second.ident is not None)
    go_on.set()
    first.outcome()
    second.outcome()
    assert threads() == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_loop_that_ends_by_itself_takes_no_more_work(background: Background) -> None:
    async def leave() -> None:
        raise SystemExit

    work = Work()
    background.start(work())
    with pytest.raises(SystemExit):
        background.run(leave())
    until(lambda: threads() == [])
    assert work.ended == "cancelled"
    with pytest.raises(ClosedError):
        background.run(answer())


@pytest.mark.parametrize("closers", [1, 4])
def test_starting_and_closing_from_many_threads_leaves_nothing_behind(closers: int) -> None:
    for _ in range(50):
        background = Background(NAME)
        meet = threading.Barrier(8 + closers)

        def ask(background: Background = background, meet: threading.Barrier = meet) -> str:
            meet.wait(PATIENCE)
            try:
                return str(background.run(answer()))
            except ClosedError:
                return "closed"

        def close(background: Background = background, meet: threading.Barrier = meet) -> None:
            meet.wait(PATIENCE)
            background.close()

        asking = [Thread(ask) for _ in range(8)]
        closing = [Thread(close) for _ in range(closers)]
        assert {one.outcome() for one in asking} <= {"answer", "closed"}
        for one in closing:
            one.outcome()
        assert threads() == []
