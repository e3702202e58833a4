"""Loaders, an executor and a clock that tests of the loading cache move step by step."""

import asyncio
import threading
from concurrent.futures import Executor, Future

from tests.helpers.threads import PATIENCE


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
    """An executor that runs what it was given when `run` is called."""

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
