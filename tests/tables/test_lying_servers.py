"""A server that says anything, and a real throttler that listens: never over, and never stuck."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate import RateLimitTimeout, Throttler
from sluicegate.tables import Endpoint, Header, Limit, Refusal, ServerClock, Table, Wait
from sluicegate.tables.listening import LONGEST_WAIT
from sluicegate.testing import ManualClock
from sluicegate.testing.ledger import Ledger

SECOND = 1_000_000_000
KINDS = ("rolling", "fixed", "first", "bucket", "concurrent")
TOLD = tuple(
    Header(f"X-{tells}", tells, "seconds" if tells == "reset" else "")
    for tells in ("used", "remaining", "limit", "reset")
)


def table(kind: str) -> Table:
    """A limit of a kind, and a pool; endpoints take from both, from one, and from an own one."""
    return Table(
        (
            Limit("OWN KIND", 7, 0 if kind == "concurrent" else 4.0, kind=kind, headers=TOLD),
            Limit("POOL", 12, 6.0, scope="address", headers=TOLD),
        ),
        (
            Endpoint("GET", "/both", {"OWN KIND": 1, "POOL": 2}),
            Endpoint("GET", "/pool", {"POOL": 1}),
            Endpoint("POST", "/own", {"POOL": 1}, limit=3, interval=2.0, key=("symbol",)),
            Endpoint("POST", "/each", each={"": {"POOL": 1, "own": 1}}, limit=4, interval=2.0),
        ),
        name="liar",
        headers=TOLD,
        clock=(ServerClock("Date"), ServerClock("X-Now", format="epoch-ms")),
        refusals=(
            Refusal("overloaded", (503,)),
            Refusal(
                "banned",
                (418,),
                wait=(Wait("Retry-After"), Wait(text=r"until (\d+)", format="epoch-ms")),
            ),
            Refusal(
                "over", (429,), code=("-1015",), limits=("OWN KIND",), wait=(Wait("Retry-After"),)
            ),
            Refusal("over", (429,), wait=(Wait("Retry-After"), Wait("X-ms", format="ms"))),
            Refusal("over", code=("10006",), limits=("own",)),
            Refusal("banned", (403,), pauses="account", wait=(Wait(seconds=9.0),)),
        ),
    )


WHOLE = ["0", "1", "2", "5", "7", "12", "40", "-1", "-0", "+3", "999999999999999", "9" * 40]
ODD = ["", " ", "1.5", "0.5", "1e3", "nan", "inf", "0x10", "1_000", "7,000", "soon", "٣", "\x00"]
NUMBERS = st.sampled_from(
    [*WHOLE, *ODD, *(str(number) for number in (2**63 - 1, 2**63, 2**64, -(2**63) - 1))]
)
WAITS = NUMBERS | st.sampled_from(
    [
        "Thu, 01 Jan 1970 00:01:00 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Thursday, 01-Jan-70 00:01:00 GMT",
        "86400",
        "1209600",
        "3.25",
    ]
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        **{header.name: NUMBERS for header in TOLD},
        "Retry-After": WAITS,
        "X-ms": NUMBERS,
        "Date": WAITS,
        "X-Now": NUMBERS,
    },
)
BODIES: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        "",
        b"\xff",
        '{"code":-1015}',
        '{"code":"10006"}',
        "banned until 60000",
        "until 9" + "9" * 30,
        "[" * 5_000,
        '{"code":',
        "[10006]",
        {"code": "10006"},
        [{"code": 10006}],
    ]
)
REQUESTS = st.sampled_from(
    [
        ("GET", "/both", None),
        ("GET", "/pool", None),
        ("GET", "/unknown", None),
        ("POST", "/own", {"symbol": "BTC"}),
        ("POST", "/own", {"symbol": "ETH"}),
        ("POST", "/each", []),
        ("POST", "/each", [1, 2]),
    ]
)


@dataclass(frozen=True)
class Step:
    """After a time, somebody asks; some time later it arrives, and then is answered."""

    wait: float
    request: tuple[str, str, Any]
    arrives: float
    answered: float
    status: int
    headers: dict[str, str]
    body: Any
    elapsed: float | None
    table: int


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from([0.0, 0.01, 0.4, 1.9, 7.0]),
        REQUESTS,
        st.sampled_from([0.0, 0.03, 0.9]),
        st.sampled_from([0.0, 0.05, 2.5]),
        st.sampled_from([200, 200, 200, 429, 418, 403, 503, 500]),
        HEADERS,
        BODIES,
        st.sampled_from([None, 0.0, 0.1, 5.0, -3.0, 1e300, float("nan")]),
        st.integers(0, 9),
    ),
    max_size=40,
)


class World:
    """Requests under way, a server that counts by the table, and what it says about it."""

    def __init__(self, kind: str, hold: str, truthful_clock: bool) -> None:
        self.clock = ManualClock()
        self.table = table(kind)
        self.is_true = truthful_clock
        rows = self.table.rate_limits()
        self.throttler = Throttler(rows, clock=self.clock, hold=hold)  # type: ignore[arg-type]
        self.throttler.set_server_time(self.clock.wall, 0.001)
        self.ledger = Ledger(self.table, charge_rejected=False)
        self.under_way: list[tuple[float, int, Any]] = []
        self.number = 0
        self.served = 0
        self.hold = hold

    def go(self, until: float) -> None:
        """Lets requests arrive and be answered until an instant."""
        while self.under_way and self.under_way[0][0] <= until:
            at, _, happens = heapq.heappop(self.under_way)
            self.clock.advance(max(0.0, at - self.clock.now))
            happens()
        self.clock.advance(max(0.0, until - self.clock.now))

    def later(self, seconds: float, happens: Any) -> None:
        self.number += 1
        heapq.heappush(self.under_way, (self.clock.now + seconds, self.number, happens))

    def ask(self, step: Step) -> bool:
        """Asks for one request, if it may leave at once."""
        method, path, query = step.request
        limit_id = self.table.prepare(self.throttler, method, path, query)
        task = self.throttler.execute_task(limit_id, timeout=0)
        try:
            task.__enter__()
        except RateLimitTimeout:
            return False
        takes = self.table.route(method, path, query).takes
        charges: list[Any] = []

        def arrive() -> None:
            now = round(self.clock.now * SECOND)
            charges[:] = [self.ledger.decide(now, self.ledger.charges(now, takes))]
            assert charges[0].status == 200, f"{path} is over at {self.clock.now}"
            self.served += 1

        def answer() -> None:
            self.ledger.leave(round(self.clock.now * SECOND), charges[0])
            headers = step.headers
            if self.is_true:
                headers = {name: x for name, x in headers.items() if name not in ("Date", "X-Now")}
            self.table.listen(
                self.throttler, method, path, step.status, headers, step.body,
                query=query, elapsed=step.elapsed,
            )  # fmt: skip
            task.__exit__(None, None, None)

        # With "start" it is the instants of entering that keep the limit.
        self.later(step.arrives if self.hold == "response" else 0.0, arrive)
        self.later(step.arrives + step.answered, answer)
        return True


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(steps=STEPS, hold=st.sampled_from(["response", "start"]))
def test_whatever_a_server_says_own_requests_keep_within_its_limits(
    kind: str, hold: str, steps: list[Step]
) -> None:
    world = World(kind, hold, truthful_clock=True)
    for step in steps:
        world.go(world.clock.now + step.wait)
        world.ask(step)
        if step.table == 0:
            # A new table amid all of it, from which a limit was gone for a moment.
            rows = world.throttler.rate_limits
            world.throttler.set_rate_limits(rows[1:2])
            world.throttler.set_rate_limits(rows)
    world.go(world.clock.now + 10)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60)
@given(steps=STEPS, hold=st.sampled_from(["response", "start"]))
def test_once_a_server_says_no_more_everything_passes_again(
    kind: str, hold: str, steps: list[Step]
) -> None:
    world = World(kind, hold, truthful_clock=False)
    # Limits that are too small stay as they were told, of which nobody knows that they are wrong.
    for step in steps:
        world.go(world.clock.now + step.wait)
        world.ask(replace(step, headers={k: x for k, x in step.headers.items() if k != "X-limit"}))
    world.go(world.clock.now + 10)
    paused = [usage.paused for usage in world.throttler.usage().values()]
    assert max(paused, default=0.0) <= LONGEST_WAIT
    world.go(world.clock.now + max(paused, default=0.0) + 3 * 6.0)
    for request in (("GET", "/both", None), ("POST", "/own", {"symbol": "BTC"})):
        still = Step(0, request, 0, 0, 200, {}, None, None, 1)
        assert world.ask(still), world.throttler.usage()
        world.go(world.clock.now)
