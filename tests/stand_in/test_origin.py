"""A web page in a browser on the same machine cannot steer the stand-in exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from sluicegate.testing import StandInExchange
from sluicegate.testing.origin import foreign
from tests.stand_in.client import ask


@pytest.fixture
async def exchange() -> AsyncIterator[StandInExchange]:
    async with StandInExchange() as running:
        yield running


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost", "[::1]:80", "exchange:9000", "10.0.0.7"]
)
def test_addresses_and_names_without_a_dot_may_steer_it(host: str) -> None:
    assert foreign({"Host": host}) is None
    assert foreign({"Host": host, "Origin": f"http://{host}"}) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "evil.example."],
)
def test_name_that_was_made_to_point_here_may_not(host: str) -> None:
    refusal = foreign({"Host": host, "Origin": f"http://{host}"})
    assert refusal is not None
    assert f"the Host header names {host!r}" in refusal
    assert "such as 127.0.0.1" in refusal


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://127.0.0.1:3000", "https://127.0.0.1:8080"],
)
def test_page_of_another_origin_may_not(origin: str) -> None:
    refusal = foreign({"Host": "127.0.0.1:8080", "Origin": origin})
    assert refusal is not None
    assert f"the Origin header is {origin!r}" in refusal


@pytest.mark.parametrize("header", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "fail"), ("POST", "reset"), ("GET", "calls"), ("GET", "stats")]
)
async def test_such_a_request_is_403_and_changes_nothing(
    exchange: StandInExchange, method: str, path: str, header: dict[str, str]
) -> None:
    async with aiohttp.ClientSession(exchange.url) as client:
        await ask(client, "ping")
        async with client.request(method, f"/stand-in/{path}", headers=header) as response:
            assert response.status == 403
            assert "header" in (await response.json())["error"]
        assert (await ask(client, "ping"))[0] == 200
    assert exchange.statistics().requests == 2


async def test_paths_of_the_exchange_are_open_to_pages_under_test(
    exchange: StandInExchange,
) -> None:
    async with (
        aiohttp.ClientSession(exchange.url) as client,
        client.get("/api/v3/ping", headers={"Origin": "http://localhost:3000"}) as response,
    ):
        assert response.status == 200
