"""The child of a fork asks on, whatever other threads were doing at the fork."""

from __future__ import annotations

import os
import threading
import time

import ccxt
import pytest

from sluicegate.ccxt import install, installing
from tests.ccxt.strict import Server, ask, synchronous

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def test_a_child_asks_although_another_thread_was_adding_a_limit() -> None:
    install()
    exchange = synchronous(Server())
    ask(exchange)
    budgets = installing.charges().budgets
    held, done = threading.Event(), threading.Event()

    def adding() -> None:
        with budgets._lock, installing.charges().budget_of(exchange)._lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=adding)
    thread.start()
    held.wait()
    child = os.fork()
    if not child:
        status = 1
        try:
            exchange.httpsProxy = "http://proxy:1"
            ask(exchange)
            exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], "https://other.example.com")
            ask(exchange)
            status = 0
        finally:
            os._exit(status)
    late = time.monotonic() + 30
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended and time.monotonic() < late:
        time.sleep(0.01)
        ended, status = os.waitpid(child, os.WNOHANG)
    if not ended:
        os.kill(child, 9)
        os.waitpid(child, 0)
    done.set()
    thread.join()
    assert (bool(ended), status) == (True, 0)


def test_a_child_has_objects_that_its_parent_made() -> None:
    install()
    exchange = ccxt.bitstamp()
    exchange.fetch = lambda *_, **__: {}
    child = os.fork()
    if not child:
        os._exit(0 if ask(exchange) == {} else 1)
    assert os.waitpid(child, 0)[1] == 0
