"""What requests alone does."""

from __future__ import annotations

import copy
import pickle
import shutil
from io import BytesIO
from typing import Any

import pytest
import requests
import urllib3

from sluicegate.clients.requests import Adapter
from sluicegate.tables import Limit, Refusal, Table
from tests.clients.server import BIG, Server

TABLE = Table((Limit("A", 100, 60.0),), (), {"A": 1}, refusals=(Refusal("over", code=("-1003",)),))


@pytest.mark.parametrize(
    "max_retries",
    [
        0,
        3,
        urllib3.Retry(0, read=False),
        urllib3.Retry(3, read=False, status=0, other=0),
        urllib3.Retry(connect=3, read=0, status=False, other=False),
        urllib3.Retry(0),
    ],
)
def test_connections_may_be_tried_again(max_retries: Any, server: Server) -> None:
    adapter = Adapter(TABLE, max_retries=max_retries)
    with requests.Session() as session:
        session.mount("http://", adapter)
        with pytest.raises(requests.ConnectionError):
            session.get(server.url + "/dropped")
    # It arrived once, and is charged once.
    assert len(server.arrivals) == 1
    assert adapter.throttler.usage("A").used == 1


@pytest.mark.parametrize(
    "max_retries",
    [urllib3.Retry(3), urllib3.Retry(3, read=False, status_forcelist=[429]), urllib3.Retry(read=1)],
)
def test_what_would_be_sent_again_unseen_is_refused(max_retries: Any) -> None:
    with pytest.raises(ValueError, match=r"requests again that nobody counts \(.*retries=… to the"):
        Adapter(TABLE, max_retries=max_retries)


def test_max_retries_of_another_kind_is_refused() -> None:
    with pytest.raises(
        TypeError, match=r"max_retries must be a number or a urllib3\.Retry, got 'x'"
    ):
        Adapter(TABLE, max_retries="x")


def test_the_raw_stream_can_be_copied(server: Server) -> None:
    with requests.Session() as session:
        session.mount("http://", Adapter(TABLE))
        for path in ("/big", "/big_chunked"):
            with session.get(server.url + path, stream=True) as answer:
                copied = BytesIO()
                shutil.copyfileobj(answer.raw, copied)
                assert copied.getvalue() == BIG


def test_a_stream_that_is_left_early_is_closed(server: Server) -> None:
    with requests.Session() as session:
        session.mount("http://", Adapter(TABLE))
        with session.get(server.url + "/big_chunked", stream=True) as answer:
            assert len(next(answer.iter_content(100))) == 100
        assert session.get(server.url + "/plain").status_code == 200


def test_it_cannot_be_copied_and_says_so() -> None:
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled or copied"):
            copied(Adapter(TABLE))


def test_a_session_sends_only_what_is_mounted_through_it(server: Server) -> None:
    adapter = Adapter(TABLE)
    with requests.Session() as session:
        session.mount("http://elsewhere", adapter)
        session.get(server.url + "/plain")
    assert adapter.throttler.usage("A").used == 0
