"""`Thread`, which keeps its outcome; `until` and `auntil`, which wait for others; `error_of`."""

import asyncio
import threading

import pytest

PATIENCE = 30  # seconds until a test that hangs fails; never waited for otherwise


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
