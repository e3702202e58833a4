"""What the stand-in answers where it refuses, of each ready-made table, and its habits."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from sluicegate import tables
from sluicegate.tables import Endpoint, Header, Limit, Refusal, Table, Wait
from sluicegate.tables.reading import plain
from sluicegate.testing import BanRule, Habits, StandInExchange, load_table

SECOND = 1_000_000_000


class Clock:
    """Nanoseconds that pass only when a test lets them."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


Answer = tuple[int, Mapping[str, str], Any]


async def ask(exchange: StandInExchange, endpoint: Endpoint) -> Answer:
    """Status, headers and body of a request."""
    query = dict.fromkeys(endpoint.has, "x") | {
        name: wanted if isinstance(wanted, str) else wanted[0]
        for name, wanted in endpoint.equals.items()
    }
    path = re.sub(r"\{\w+\}", "x", endpoint.path)
    async with (
        aiohttp.ClientSession(exchange.url) as client,
        client.request(endpoint.method, path, params=query) as response,
    ):
        return response.status, response.headers.copy(), json.loads(await response.text())


async def until_refused(exchange: StandInExchange, endpoint: Endpoint) -> Answer:
    """The first answer that is none to a request within the limits."""
    for _ in range(100):
        answer = await ask(exchange, endpoint)
        if exchange.statistics().rejected or exchange.statistics().banned:
            return answer
    raise AssertionError(f"a hundred requests to {endpoint.path} were within the limits")


class Throttler:
    """One that is told, and notes what."""

    def __init__(self, table: Table) -> None:
        self.rate_limits = table.rate_limits()
        self.told: list[tuple[str | None, Any]] = []

    def usage(self, limit_id: str) -> None:
        if limit_id not in [row.limit_id for row in self.rate_limits]:
            raise KeyError(limit_id)

    def observe(self, limit_id: str, **told: Any) -> None:
        self.told.append((limit_id, told))

    def pause(self, limit_id: str | None, *, seconds: float, reason: str) -> None:
        self.told.append((limit_id, seconds))


def meaning(table: Table, endpoint: Endpoint, answer: Answer) -> str:
    """What the table itself takes an answer for, of which it tells a throttler."""
    status, headers, body = answer
    throttler: Any = Throttler(table)
    heard = table.listen(throttler, endpoint.method, endpoint.path, status, headers, body)
    assert heard.means in ("ok", "overloaded") or throttler.told
    return heard.means


def smallest(name: str) -> tuple[Table, Endpoint]:
    """A table with limits of at most three units, and an endpoint that is not free."""
    table = load_table(name)
    simple = (x for x in table.endpoints if x.method != "WS" and not x.each)
    endpoint = next(x for x in simple if x.weights or x.limit)
    data = tables.table_to_json(table)
    for limit in data["limits"]:
        limit["limit"] = 3
        limit["tiers"] = {}
    small = {**plain(endpoint), "limit": 3 if endpoint.limit else 0}
    small |= {"weights": dict.fromkeys(endpoint.weights, 1), "tiers": {}}
    data |= {"endpoints": [small], "default_weights": {}, "differences": []}
    return tables.table_from_json(data), endpoint


@pytest.mark.parametrize("name", tables.names())
async def test_every_table_reads_its_own_refusals_from_what_the_stand_in_answers(name: str) -> None:
    table, endpoint = smallest(name)
    async with StandInExchange(table, clock=Clock()) as exchange:
        answer = await until_refused(exchange, endpoint)
        assert meaning(table, endpoint, answer) == "over", answer
        exchange.set_ban(BanRule(tolerated=0))
        banned = await ask(exchange, endpoint)
        means = {refusal.means for refusal in table.refusals}
        wanted = "banned" if "banned" in means else "over"
        assert meaning(table, endpoint, banned) == wanted, banned
    async with StandInExchange(table, clock=Clock()) as exchange:
        exchange.fail(overload=True)
        answer = await ask(exchange, endpoint)
        assert meaning(table, endpoint, answer) == "overloaded", answer


@pytest.mark.parametrize("name", tables.names())
async def test_every_table_is_served(name: str) -> None:
    async with StandInExchange(load_table(name, minute=6)) as exchange:
        endpoint = next(x for x in exchange.table.endpoints if x.method != "WS")
        assert (await ask(exchange, endpoint))[0] in (200, 400)
        assert exchange.statistics().accepted == 1


def table_of(*limits: Limit, **options: Any) -> Table:
    return Table(
        limits,
        (Endpoint("GET", "/a", {limit.name: 1 for limit in limits}),),
        ban=BanRule(tolerated=1_000),
        **options,
    )


A = Endpoint("GET", "/a", {})


async def refused(habits: Habits, *, skew: float = 0.0) -> Answer:
    """The answer to the second request of one in ten seconds, 2.5 s after the first."""
    clock = Clock()
    async with StandInExchange(
        table_of(Limit("A", 1, 10.0)),
        clock=clock,
        habits=habits,
        skew=skew,
        charge_rejected=False,
    ) as exchange:
        await ask(exchange, A)
        clock.now = 5 * SECOND // 2
        return await ask(exchange, A)


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [
        (None, "8"),
        ("seconds", "8"),
        ("ms", "7500"),
        ("none", None),
        (0, "0"),
        (-5, "-5"),
        (1e12, "1000000000000"),
        (7.5, "7.5"),
    ],
)
async def test_retry_after_is_written_as_told(
    retry_after: str | float | None, header: str | None
) -> None:
    status, headers, _ = await refused(Habits(retry_after=retry_after))
    assert (status, headers.get("Retry-After")) == (429, header)


async def test_retry_after_as_a_date_is_by_the_exchanges_own_clock() -> None:
    _, right, _ = await refused(Habits(retry_after="http-date"))
    _, ahead, _ = await refused(Habits(retry_after="http-date"), skew=3_600)
    one, other = (parsedate_to_datetime(x["Retry-After"]) for x in (right, ahead))
    assert 3_599 <= (other - one).total_seconds() <= 3_605
    told = one - parsedate_to_datetime(right["Date"])
    assert 7 <= told.total_seconds() <= 9


async def test_headers_are_missing_or_misnamed() -> None:
    limits = (Limit("A", 9, 10.0, "X-A"), Limit("B", 9, 10.0, "X-B"))
    async with StandInExchange(table_of(*limits)) as exchange:
        exchange.habits = Habits(headers={"X-A": "", "X-B": "X-Used"})
        _, headers, _ = await ask(exchange, A)
        assert ("X-A" in headers, "X-B" in headers, headers["X-Used"]) == (False, False, "1")
        exchange.habits = Habits(headers={"*": ""})
        _, headers, _ = await ask(exchange, A)
        assert not [name for name in headers if name.startswith("X-")]
        exchange.habits = Habits()
        _, headers, _ = await ask(exchange, A)
        assert (headers["X-A"], headers["X-B"]) == ("3", "3")
        with pytest.raises(ValueError, match="no header 'X-C': the table has 'X-A', 'X-B'"):
            exchange.habits = Habits(headers={"X-C": ""})


async def test_headers_tell_what_is_left_the_limit_and_the_reset_in_the_tables_formats() -> None:
    headers = tuple(
        Header(f"X-{tells}-{form}", tells, form)
        for tells, form in [
            ("remaining", ""),
            ("limit", ""),
            ("reset", "seconds"),
            ("reset", "ms"),
            ("reset", "epoch-seconds"),
            ("reset", "epoch-ms"),
        ]
    )
    clock = Clock()
    table = table_of(Limit("A", 5, 10.0, kind="first", headers=headers))
    async with StandInExchange(table, clock=clock) as exchange:
        await ask(exchange, A)
        clock.now = 5 * SECOND // 2
        _, told, _ = await ask(exchange, A)
        wall = exchange.time_ms()
    assert (told["X-remaining-"], told["X-limit-"]) == ("3", "5")
    assert (told["X-reset-seconds"], told["X-reset-ms"]) == ("8", "7500")
    assert abs(int(told["X-reset-epoch-ms"]) - wall - 7_500) <= 1
    assert 0 <= int(told["X-reset-epoch-seconds"]) * 1_000 - wall - 7_500 < 1_000


@pytest.mark.parametrize(
    ("style", "status", "body"),
    [
        ("kraken", 200, {"error": ["EService:Throttled:"]}),
        ("bybit", 200, {"retCode": 10006}),
        ("okx", 200, {"code": "50011"}),
    ],
)
async def test_another_exchanges_errors_can_be_spoken(
    style: str, status: int, body: dict[str, Any]
) -> None:
    for given, expected in ((None, status), (200, 200)):
        answered, _, said = await refused(Habits(style=style, status=given))
        assert answered == expected
        for name, value in body.items():
            if isinstance(value, list):
                assert said[name][0].startswith(value[0])
            else:
                assert said[name] == value


async def test_refusal_that_names_the_limit_stands_before_one_for_all() -> None:
    refusals = (Refusal("over", code=("1",)), Refusal("over", code=("2",), limits=("B",)))
    for limits, code in (((9, 1), "2"), ((1, 9), "1")):
        table = table_of(*(Limit(x, n, 10.0) for x, n in zip("AB", limits, strict=True)))
        async with StandInExchange(replace(table, refusals=refusals), clock=Clock()) as exchange:
            await ask(exchange, A)
            status, _, body = await ask(exchange, A)
            assert (status, body["code"]) == (200, code)


async def test_others_go_on_after_a_reset() -> None:
    clock = Clock()
    async with StandInExchange(table_of(Limit("A", 100, 10.0, "X-A")), clock=clock) as exchange:
        exchange.set_others({"A": 0.5})
        exchange.reset()
        clock.now = 20 * SECOND
        assert 48 <= int((await ask(exchange, A))[1]["X-A"]) <= 51


async def test_wait_is_told_where_the_table_says() -> None:
    waits = (Wait(field="error.data.retryAfter", format="epoch-ms"), Wait(header="X-Wait"))
    table = table_of(
        Limit("A", 1, 10.0),
        code_field=("error.code",),
        refusals=(Refusal("over", (429,), code=("77",), wait=waits),),
    )
    clock = Clock()
    async with StandInExchange(table, clock=clock) as exchange:
        await ask(exchange, A)
        status, headers, body = await ask(exchange, A)
        assert (status, headers["X-Wait"], body["error"]["code"]) == (429, "10", "77")
        assert abs(int(body["error"]["data"]["retryAfter"]) - exchange.time_ms() - 10_000) <= 1
        # It was told until then.
        clock.now = 10 * SECOND - 1
        await ask(exchange, A)
        assert exchange.statistics().too_early == 1
        clock.now = 60 * SECOND
        await ask(exchange, A)
        assert exchange.statistics().too_early == 1


async def test_ban_tells_its_end_by_the_exchanges_clock_whatever_the_machines() -> None:
    table = table_of(Limit("A", 1, 10.0))
    async with StandInExchange(table, clock=Clock(), skew=-100) as exchange:
        exchange.set_ban(BanRule(tolerated=0, first=60.0))
        await ask(exchange, A)
        _, headers, body = await ask(exchange, A)
        (until,) = re.findall(r"banned until (\d+)", body["msg"])
        assert abs(int(until) - exchange.time_ms() - 60_000) <= 1
        date = parsedate_to_datetime(headers["Date"]).timestamp()
        assert 0 <= exchange.time_ms() - date * 1_000 < 1_000


async def test_overloaded_exchange_says_so_and_tells_no_usage() -> None:
    async with StandInExchange() as exchange:
        exchange.fail(overload=True)
        endpoint = exchange.table.endpoint("GET", "/api/v3/ping")
        status, headers, body = await ask(exchange, endpoint)
        assert (status, body["code"]) == (503, -1008)
        assert "X-MBX-USED-WEIGHT-1M" not in headers
        assert exchange.statistics().failed == 1
    with pytest.raises(ValueError, match="give overload alone"):
        exchange.fail(overload=True, status=500)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"retry_after": "minutes"},
            "one of seconds, http-date, ms, none, or .*'minutes'",
        ),
        ({"retry_after": float("nan")}, "or a number to send as it is, got nan"),
        ({"headers": ["X-A"]}, "headers must be names by name"),
        ({"headers": {"X-A": "X B"}}, "must be that of an HTTP header such as .* got 'X B'"),
        ({"headers": {"*": "X-A"}}, r"'\*' stands for all headers, and can only be ''"),
        ({"style": "karken"}, "style must be the name of a ready-made table, one of .*'karken'"),
        ({"status": 99}, "status must be an HTTP status from 200 to 599, got 99"),
    ],
)
def test_habits_that_cannot_be_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Habits(**arguments)
