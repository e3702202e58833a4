"""Loaders, clocks and threads that tests of the loading cache lead step by step."""

import asyncio
import threading
from concurrent.futures import Executor, Future

import pytest

PATIENCE = 30  # seconds until a test that hangs fails; never waited for otherwise


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Loader:
    """Counts its calls; holds each of them until it is let go."""

    def __init__(self, value="loaded", held=False):
        self.value = value
        self.calls = []
        self.entered = threading.Event()
        self.go_on = threading.Event()
        if not held:
            self.go_on.set()

    def __call__(self, key):
        self.calls.append(key)
        self.entered.set()
        assert self.go_on.wait(PATIENCE)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value

    def batch(self, keys):
        self(list(keys))
        return dict.fromkeys(keys, self.value)


class Later(Executor):
    """An executor that runs what it was given when it is told to."""

    def __init__(self):
        self.jobs = []

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        self.jobs.append((future, fn, args, kwargs))
        return future

    def run(self):
        jobs, self.jobs = self.jobs, []
        for future, fn, args, kwargs in jobs:
            if future.set_running_or_notify_cancel():
                future.set_result(fn(*args, **kwargs))


class Thread(threading.Thread):
    """A thread that keeps what its function returned or raised."""

    def __init__(self, target, *args):
        super().__init__(daemon=True)
        self.function, self.arguments = target, args
        self.result = self.error = None
        self.start()

    def run(self):
        try:
            self.result = self.function(*self.arguments)
        except BaseException as error:
            self.error = error

    def outcome(self):
        self.join(PATIENCE)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.result


def until(condition):
    """Wait until other threads have come as far as that."""
    for _ in range(PATIENCE * 1000):
        if condition():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it never happened")


async def auntil(condition):
    """Wait until other tasks have come as far as that."""
    for _ in range(PATIENCE * 1000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never happened")


def error_of(call, *args, **kwargs):
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call(*args, **kwargs)
    return caught.value


class AsyncLoader:
    def __init__(self, value="loaded", held=False):
        self.value = value
        self.calls = []
        self.entered = asyncio.Event()
        self.go_on = asyncio.Event()
        if not held:
            self.go_on.set()

    async def __call__(self, key):
        self.calls.append(key)
        self.entered.set()
        await asyncio.wait_for(self.go_on.wait(), PATIENCE)
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value

    async def batch(self, keys):
        await self(list(keys))
        return dict.fromkeys(keys, self.value)
