"""`sluicegate demo`: its options, its figures, and short runs against a real exchange process."""

import asyncio
import dataclasses
import io
import json
from collections import Counter
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.image import imread
from rich.console import Console

import sluicegate
from sluicegate.demo.bots import Crowd, Tally, Wait, gate_of
from sluicegate.demo.command import demo
from sluicegate.demo.mix import Call, limits_of, mix_of
from sluicegate.demo.outcome import Outcome, percentile, tightest, window
from sluicegate.demo.plot import save_plot
from sluicegate.demo.processes import Processes, ProcessFailedError
from sluicegate.demo.summary import (
    explanation,
    explanation_of_others,
    summary,
    summary_beside_others,
)
from sluicegate.testing import (
    BanRule,
    Endpoint,
    Ledger,
    Limit,
    ManualClock,
    Others,
    StandInExchange,
    Table,
    binance_spot,
    table_to_json,
)

SECOND = 1_000_000_000

SMALL = Table(
    limits=(Limit("WEIGHT", 20, 0.4),),
    endpoints=(
        Endpoint("GET", "/light", {"WEIGHT": 1}),
        Endpoint("POST", "/heavy", {"WEIGHT": 3}),
    ),
    ban=BanRule(tolerated=3, within=1.0, first=5.0),
    name="small",
)


def outcome(requests: int, *, limit: int = 10, name: str = "a run") -> Outcome:
    """What came of so many requests in the first of four seconds, of one unit each."""
    table = Table((Limit("OTHER", 1_000, 1.0), Limit("A", limit, 1.0)), (), ban=BanRule(3))
    books = Ledger(table)
    for i in range(requests):
        books.arrive(i * SECOND // requests, {"A": 1})
    tally = Tally(Counter({200: requests}), answers=[0.25])
    tally.waits = [Wait("cancel", 1.0, 0.0), Wait("market", 2.0, 0.5)]
    return Outcome(name, 4.0, books.statistics(4 * SECOND), tally)


def shown(without: Outcome, through: Outcome) -> str:
    text = io.StringIO()
    console = Console(file=text, width=120)
    console.print(summary(without, through))
    console.print(explanation(without, through), soft_wrap=True)
    return text.getvalue()


def test_mix_for_binance_has_market_data_and_orders() -> None:
    mix = mix_of(binance_spot(6))
    assert {call.method for call in mix} == {"GET", "POST", "DELETE"}
    assert "/api/v3/depth?limit=500" in [call.path for call in mix]
    assert sum(call.share for call in mix) == 100


@pytest.mark.parametrize("table", [binance_spot(), SMALL])
def test_every_call_of_a_mix_is_charged_as_the_id_it_is_asked_for(table: Table) -> None:
    for call in mix_of(table):
        path, _, query = call.path.partition("?")
        parameters = dict(part.split("=") for part in query.split("&") if part)
        assert table.find(call.method, path, parameters) == call.id


def test_table_that_bots_can_ask_nothing_of_is_refused() -> None:
    with pytest.raises(ValueError, match="no endpoint for bots"):
        mix_of(Table((Limit("A", 1, 1.0),), ()))


def test_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [percentile(values, percent) for percent in (0, 50, 99, 100)] == [1, 50, 99, 100]
    assert percentile([], 99) == 0.0


def test_tightest_limit_is_the_one_whose_share_is_largest() -> None:
    assert tightest(outcome(10)).name == "A"


def test_reachable_share_is_what_holding_until_the_answer_leaves() -> None:
    assert outcome(10).reachable("A") == 1 / 1.25


def test_summary_tells_the_ban_and_the_share() -> None:
    text = shown(outcome(20), outcome(10))
    assert "banned 0.7 s after the first request" in text
    # 20 were sent: 10 accepted, 3 rejected, and the others found it banned.
    assert "worst window of A" in text
    assert "20 of 10" in text
    assert "10 of 10" in text
    assert "80.0%" in text
    assert "99 % of requests at most" in text


def test_summary_tells_how_long_each_kind_of_request_waited() -> None:
    text = shown(outcome(20), outcome(10))
    rows = [" ".join(line.split()) for line in text.splitlines() if "waited: mean" in line]
    assert [row.partition("│ - │")[0].strip("│ ") for row in rows] == [
        "cancels waited: mean, 99 %",
        "market data waited: mean, 99 %",
    ]
    assert "│ - │ 0.500 s, 0.500 s" in rows[1]


async def test_a_part_of_the_first_limit_is_kept_for_orders_and_cancels() -> None:
    rows = {row.limit_id: row for row in limits_of(binance_spot())}
    assert rows["REQUEST_WEIGHT"].reserve == {2: 120}
    assert all(row.reserve is None for name, row in rows.items() if name != "REQUEST_WEIGHT")
    assert all(row.reserve is None for row in limits_of(SMALL))


async def test_cancels_of_the_demo_go_before_orders_and_these_before_market_data() -> None:
    clock = ManualClock()
    throttler = sluicegate.Throttler(binance_spot().rate_limits(), clock=clock)
    gate, left = gate_of(throttler), []
    mix = {call.group: call for call in mix_of(binance_spot())}
    assert throttler.charge("*", units=6000)

    async def ask(call: Call) -> None:
        async with gate(call):
            left.append(call.group)

    tasks = [asyncio.create_task(ask(mix[group])) for group in ("market", "order", "cancel")]
    await asyncio.sleep(0)
    clock.advance(60)
    await asyncio.gather(*tasks)
    assert left == ["cancel", "order", "market"]


def test_summary_of_bots_that_sent_too_little_says_so() -> None:
    assert "kept within the limits" in shown(outcome(5), outcome(5))


def test_plot_is_a_png(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    save_plot(path, "small", outcome(20), outcome(10))
    assert path.read_bytes().startswith(b"\x89PNG\r\n")


def test_plot_is_read_on_a_white_and_on_a_dark_page(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    save_plot(path, "small", outcome(20), outcome(10))
    pixels = imread(path)
    red, green, blue, alpha = (pixels[:, :, part] for part in range(4))
    assert np.mean(alpha == 0) > 0.5
    # No opaque pixel is nearly white or nearly black: on one of the pages nobody would see it.
    light = (0.2126 * red + 0.7152 * green + 0.0722 * blue)[alpha > 0.9]
    assert light.min() > 0.2
    assert light.max() < 0.75


def beside_others(requests: int) -> Outcome:
    """What came of so many requests in four seconds, while others use a third of the limit."""
    table = Table((Limit("A", 30, 1.0),), (), ban=BanRule(3))
    books = Ledger(table)
    books.set_others("A", Others(1 / 3), 0)
    refused = None
    for i in range(requests):
        now = i * 4 * SECOND // requests
        charges = books.charges(now, {"A": (table.limits[0], 1)})
        books.send(now, charges)
        verdict = books.decide(now, charges)
        if verdict.status != 200 and refused is None:
            refused = verdict
            books.tell(now, verdict, now + SECOND)
    return Outcome("a run", 4.0, books.statistics(4 * SECOND), Tally())


def test_summary_beside_others_tells_what_they_left_and_what_was_made_of_it() -> None:
    deaf, listening = beside_others(200), beside_others(72)
    text = io.StringIO()
    console = Console(file=text, width=120)
    console.print(summary_beside_others(deaf, listening))
    console.print(explanation_of_others(deaf, listening), soft_wrap=True)
    told = " ".join(text.getvalue().split())
    assert deaf.exchange.too_early > 10
    assert f"told to wait │ {deaf.exchange.too_early} │ 0" in told
    assert "others used │ 33.3% │ 33.3%" in told
    # 18 of the 20 that are left, each second.
    assert "of what they left │ - │ 90.0%" in told
    assert f"had {deaf.exchange.rejected} requests rejected" in told


def orange_share(path: Path) -> float:
    """The share of a picture that is neither grey, blue nor a dark red."""
    pixels = imread(path)
    orange = (pixels[:, :, 0] - pixels[:, :, 2] > 0.25) & (pixels[:, :, 1] > 0.5)
    return float(np.mean(orange))


def test_plot_has_the_others_share_in_a_colour_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "plot.png"
    run = beside_others(72)
    save_plot(path, "small", run, run, run)
    assert orange_share(path) > 0.03
    save_plot(path, "small", outcome(20), outcome(10))
    assert orange_share(path) < 0.005


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (Limit("A", 5, 6.0), "in any 6 s"),
        (Limit("A", 5, 6.0, kind="fixed"), "in 6 s of its clock"),
        (Limit("A", 5, 6.0, kind="first"), "in 6 s from the first request"),
        (Limit("A", 5, 6.0, kind="bucket"), "at once, and as many more each 6 s"),
        (Limit("A", 5, 0, kind="concurrent"), "at once"),
    ],
)
def test_window_is_told_by_its_kind(limit: Limit, words: str) -> None:
    assert window(limit) == words


def test_plot_of_a_run_without_a_request_is_drawn(tmp_path: Path) -> None:
    books = Ledger(SMALL)
    nothing = Outcome("nothing", 1.0, books.statistics(0), Tally())
    save_plot(tmp_path / "plot.png", "small", nothing, nothing)
    assert (tmp_path / "plot.png").exists()


class Turnstile:
    """Lets so many requests through, and keeps all later ones waiting for good."""

    def __init__(self, passes: int) -> None:
        self.left = passes
        self.inside = 0

    def __call__(self, _: Call) -> AbstractAsyncContextManager[object]:
        return self  # type: ignore[return-value]

    async def __aenter__(self) -> None:
        if self.left == 0:
            await asyncio.Event().wait()
        self.left -= 1
        self.inside += 1

    async def __aexit__(self, *_: object) -> None:
        self.inside -= 1


async def test_bots_that_wait_at_the_end_are_counted_and_send_nothing() -> None:
    gate, tally = Turnstile(7), Tally()
    async with StandInExchange(SMALL) as exchange, aiohttp.ClientSession(exchange.url) as session:
        await Crowd(session, gate, mix_of(SMALL), tally, None, seed=1).run(5, 0.3)
        assert exchange.statistics().requests == 7
    assert (tally.answered, tally.unsent, len(tally.waits)) == (7, 5, 12)
    assert gate.inside == 0


async def test_bots_under_way_at_the_end_get_their_answers() -> None:
    tally = Tally()
    async with (
        StandInExchange(SMALL, latency=(0.3, 0.3)) as exchange,
        aiohttp.ClientSession(exchange.url) as session,
    ):
        crowd = Crowd(session, lambda _: nullcontext(), mix_of(SMALL), tally, None, seed=1)
        await crowd.run(3, 0.1)
        assert exchange.statistics().requests == tally.answered == 3
    assert tally.failures == 0


async def test_bots_without_a_limiter_are_banned_and_go_on() -> None:
    tally = Tally()
    async with StandInExchange(SMALL) as exchange, aiohttp.ClientSession(exchange.url) as session:
        crowd = Crowd(session, lambda _: nullcontext(), mix_of(SMALL), tally, None, seed=1)
        await crowd.run(5, 0.3)
        seen = exchange.statistics()
    assert tally.statuses == Counter({200: seen.accepted, 429: 3, 418: seen.banned})
    assert seen.banned > 1


async def test_error_at_the_gate_ends_the_run() -> None:
    def gate(_: Call) -> AbstractAsyncContextManager[object]:
        raise LookupError("no such limit")

    async with aiohttp.ClientSession("http://127.0.0.1:9") as session:
        with pytest.raises(LookupError):
            await Crowd(session, gate, mix_of(SMALL), Tally(), None, seed=1).run(3, 60)


@pytest.fixture
def small_demo(tmp_path: Path) -> list[str]:
    table = tmp_path / "small.json"
    table.write_text(json.dumps(table_to_json(SMALL)))
    return [
        *("--table", str(table), "--output", str(tmp_path / "plot.png")),
        *("--seconds", "1.5", "--bots", "5", "--latency", "1", "20"),
    ]


def test_demo_through_sluicegate_is_never_rejected(small_demo: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(demo, small_demo, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "Without a limiter the bots were banned" in done.output
    assert "refused" not in done.output
    assert "Beside others, who use a share of WEIGHT" in done.output
    assert (tmp_path / "plot.png").exists()


def test_demo_of_a_limiter_that_cheats_fails_and_says_so(
    small_demo: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sluicegate.Throttler

    class Lenient:
        """Passes twice as much as each limit allows."""

        def __init__(self, limits: list[sluicegate.RateLimit]) -> None:
            more = [
                # An id may have no limit of its own.
                dataclasses.replace(limit, limit=limit.limit and 2 * limit.limit)
                for limit in limits
            ]
            self.execute_task = real(more).execute_task

    monkeypatch.setattr(sluicegate, "Throttler", Lenient)
    done = CliRunner().invoke(demo, small_demo, catch_exceptions=False)
    assert done.exit_code == 1, done.output
    assert "requests of the run through sluicegate" in done.output
    assert "Beside others" not in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seconds", "nan"], "nan is not a length of time"),
        (["--seconds", "inf"], "inf is not a length of time"),
        (["--seconds", "0.5"], "0.5 is not in the range x>=1"),
        (["--bots", "0"], "0 is not in the range 1<=x<=1000"),
        (["--bots", "2", "--processes", "3"], "3 processes are more than the 2 bots"),
        (["--latency", "250", "20"], "250 20 is no range of latencies"),
        (["--latency", "-1", "20"], "-1 20 is no range of latencies"),
        (["--table", "nowhere"], "no table and no file 'nowhere'"),
        (["--output", "/no/such/place/demo.png"], "is in a directory that does not exist"),
    ],
)
def test_bad_option_is_named_with_what_would_be_right(options: list[str], message: str) -> None:
    done = CliRunner().invoke(demo, [*options])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_table_file_that_holds_no_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_text('{"limits": []}')
    done = CliRunner().invoke(demo, ["--table", str(path)])
    assert done.exit_code == 2
    assert "needs 'endpoints'" in done.output


def test_demo_in_several_processes_on_one_file_is_never_rejected(small_demo: list[str]) -> None:
    options = [*small_demo, "--processes", "3", "--bots", "7"]
    done = CliRunner().invoke(demo, options, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "7 bots in 3 processes on one file" in done.output
    assert "refused" not in done.output


def test_what_processes_take_from_their_tallies_adds_up_to_them() -> None:
    one, whole = Tally(), Tally()
    for _ in range(3):
        one.statuses[200] += 2
        one.waits += [Wait("order", 0.5, 0.1), Wait("", 1.0, 0.2)]
        one.answers.append(0.3)
        one.unsent += 1
        one.failures += 1
        one.used = 7
        whole.add(json.loads(json.dumps(one.take())))
    assert (whole.statuses, whole.waits, whole.answers) == (one.statuses, one.waits, one.answers)
    assert (whole.unsent, whole.failures, whole.used) == (3, 3, 7)


async def test_a_process_of_bots_that_fails_is_told_with_what_it_said() -> None:
    bots = Processes(2, 4, "no address", SMALL, 1.0, 1, Tally())
    with pytest.raises(ProcessFailedError, match=r"(?s)a process of bots failed: .*ValueError"):
        async with bots as ready:
            await ready.run()
