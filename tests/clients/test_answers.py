"""What the program gets is what it would get without sluicegate."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sluicegate import tables
from sluicegate.tables import Endpoint, Limit, Refusal, Returned, Table
from sluicegate.tables.listening import Listener
from sluicegate.testing import ManualClock
from tests.clients.kinds import Answer, own, until
from tests.clients.server import BIG, SMALL, Server

#: A table that must see each body.
TABLE = Table(
    (Limit("WEIGHT", 1_000, 60.0),),
    (Endpoint("GET", "/big", {"WEIGHT": 2}),),
    {"WEIGHT": 1},
    refusals=(Refusal("over", code=("-1003",)),),
)
PATHS = [
    *("/plain", "/big", "/chunked", "/big_chunked", "/gzip", "/big_gzip", "/broken_gzip"),
    *("/empty", "/without", "/error", "/big_error", "/short", "/short_chunked", "/bytes"),
]


async def outcome(ask: Any, path: str, how: str) -> Any:
    try:
        answer: Answer = await ask("GET", path, how)
    except Exception as error:
        return type(error)
    ignored = ("date",)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return answer.status, {x: y for x, y in headers.items() if x not in ignored}, answer.body


@pytest.mark.parametrize("how", ["whole", "stream", "raw"])
async def test_an_answer_is_the_one_without_sluicegate(kind: Any, server: Server, how: str) -> None:
    async with kind(server.url, None) as bare, kind(server.url, TABLE) as paced:
        for path in PATHS:
            expected = await outcome(bare, path, how)
            assert await outcome(paced, path, how) == expected, path
    assert len(server.arrivals) == 2 * len(PATHS)


async def test_a_connection_is_used_again_after_each_answer(kind: Any, server: Server) -> None:
    async with kind(server.url, TABLE) as ask:
        for path in ("/plain", "/big", "/chunked", "/big_chunked", "/gzip", "/error"):
            for how in ("whole", "stream"):
                await ask("GET", path, how)
    assert len({client for *_, client in server.arrivals}) == 1


async def test_a_stream_of_events_is_not_waited_for(kind: Any, server: Server) -> None:
    throttler = TABLE.throttler()
    async with kind(server.url, TABLE, throttler=throttler) as ask:
        asked = asyncio.create_task(ask("GET", "/events", "stream"))
        # The headers are there: the units are in the window. The stream goes on.
        await until(lambda: throttler.usage("WEIGHT").used)
        await until(lambda: not throttler.usage("WEIGHT").in_flight)
        assert not asked.done()
        server.over.set()
        assert (await asked).body == b"data: 1\n\n"


async def test_a_refusal_within_a_body_is_heard(kind: Any, server: Server) -> None:
    server.refusals, server.status, server.headers = 1, 200, {"Transfer_Encoding": "chunked"}
    throttler = TABLE.throttler()
    async with kind(server.url, TABLE, throttler=throttler) as ask:
        answer = await ask("GET", "/refused", "stream")
    assert json.loads(answer.body)["code"] == -1003
    assert throttler.usage("WEIGHT").remaining == 0


async def test_a_cost_that_the_answer_tells_is_corrected(kind: Any, server: Server) -> None:
    table = Table(
        (Limit("WEIGHT", 1_000, 60.0),),
        (
            Endpoint(
                "GET",
                "/big_gzip",
                {"WEIGHT": 1},
                returned={"WEIGHT": Returned(per=20, most=10_000)},
            ),
        ),
    )
    throttler = table.throttler()
    async with kind(server.url, table, throttler=throttler) as ask:
        assert (await ask("GET", "/big_gzip", "stream")).body == BIG
    assert own(throttler, "WEIGHT") == 1 + len(json.loads(BIG)) // 20


async def test_an_answer_that_nobody_understands_is_a_plain_one(
    kind: Any, server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def listen(*_: Any, **__: Any) -> None:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(Listener, "listen", listen)
    async with kind(server.url, TABLE) as ask:
        assert (await ask("GET", "/plain?apiKey=secret")).body == SMALL
    assert "the answer of GET /plain was not understood" in caplog.text
    assert "secret" not in caplog.text


async def test_redirects_are_requests_of_their_own(kind: Any, server: Server) -> None:
    table = tables.generic()
    limits = Table((Limit("WEIGHT", 100, 60.0),), (), {"WEIGHT": 1}, refusals=table.refusals)
    throttler = limits.throttler(clock=ManualClock())
    async with kind(server.url, limits, throttler=throttler) as ask:
        assert (await ask("GET", "/moved")).body == SMALL
    assert server.paths == ["/moved", "/there"]
    assert own(throttler, "WEIGHT") == 2


async def test_the_body_counts_after_a_redirect_too(kind: Any, server: Server) -> None:
    table = Table(
        (), (Endpoint("POST", "/order", limit=5, interval=1.0, key=("instId",), kind="rolling"),)
    )
    throttler = table.throttler(clock=ManualClock())
    async with kind(server.url, table, throttler=throttler) as ask:
        await ask("POST", "/moved_post", json={"instId": "BTC-USDT"})
    assert server.paths == ["/moved_post", "/order"]
    assert throttler.usage("POST /order [BTC-USDT]").used == 1


def test_cookies_survive_that_the_body_was_read(server: Server) -> None:
    import requests

    from sluicegate.clients.requests import Adapter

    with requests.Session() as session:
        session.mount("http://", Adapter(TABLE))
        for stream in (False, True):
            session.cookies.clear()
            with session.get(server.url + "/cookie", stream=stream):
                assert session.cookies.get_dict() == {"a": "b"}
