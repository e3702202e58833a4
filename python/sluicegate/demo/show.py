"""The demo from beginning to end: two runs alone, two beside others, a summary and a plot."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.markup import escape

from sluicegate.demo.bots import Crowd, Gate, Tally, gate_of
from sluicegate.demo.listening import listener
from sluicegate.demo.mix import limits_of, mix_of
from sluicegate.demo.outcome import Outcome, window
from sluicegate.demo.plot import save_plot
from sluicegate.demo.processes import Processes, ProcessFailedError
from sluicegate.demo.progress import follow
from sluicegate.demo.server import ExchangeFailedError, exchange_process, statistics_of
from sluicegate.demo.summary import (
    explanation,
    explanation_of_others,
    summary,
    summary_beside_others,
)
from sluicegate.testing import Table, rolling

OTHERS = 0.35
"""The share of the first limit that other programs use, in the runs beside them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the command.

    Attributes:
        seconds: Length of each run through sluicegate that keeps within the limits.
        bots: Bots at work at the same time.
        latency: (shortest, longest) seconds from a request to its answer.
        table: The exchange's limits.
        output: Where the plot goes.
        seed: Of the bots' choices and the latencies.
        processes: In how many processes the bots of the runs through sluicegate are.
    """

    seconds: float
    bots: int
    latency: tuple[float, float]
    table: Table
    output: Path
    seed: int
    processes: int = 1


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the bots.

    Attributes:
        name: What holds the bots back.
        seconds: How long they work.
        table: The limits of the exchange, and of the throttler.
        limited: Whether there is a throttler.
        listen: Whether it is told what answers say.
        others: Shares of limits that other programs use, by name of limit.
    """

    name: str
    seconds: float
    table: Table
    limited: bool = True
    listen: bool = False
    others: Mapping[str, float] = field(default_factory=dict)


def run_demo(settings: Settings, console: Console | None = None) -> int:
    """Run the demo and show what it comes to.

    Returns:
        The exit status: 1 if the exchange refused a request of the run through sluicegate or
        accepted none, if it did not start, or if the plot could not be written; 0 otherwise. What
        others do cannot be foreseen: the runs beside them do not count.
    """
    console = console or Console(highlight=False)
    shortest, longest = settings.latency
    shared = "" if settings.processes == 1 else f" in {settings.processes} processes on one file"
    console.print(
        f"[bold]sluicegate demo[/]: {settings.bots} bots{shared} against a stand-in of "
        f"{settings.table.name}, {shortest * 1e3:g} to {longest * 1e3:g} ms of latency",
        soft_wrap=True,
    )
    for limit in settings.table.limits:
        console.print(f"  {limit.name}: {limit.limit:,} {window(limit)}", style="dim")
    try:
        without, through, *others = asyncio.run(_all_runs(settings, console))
    except (ExchangeFailedError, ProcessFailedError) as error:
        console.print(f"[bold red]{escape(str(error))}[/]", soft_wrap=True)
        return 1
    console.print()
    console.print(summary(without, through))
    console.print(explanation(without, through), soft_wrap=True)
    if others:
        console.print()
        console.print(summary_beside_others(*others))
        console.print(explanation_of_others(*others), soft_wrap=True)
    try:
        save_plot(settings.output, settings.table.name, without, through, *others)
    except OSError as error:
        console.print(f"[bold red]The plot could not be written: {escape(str(error))}[/]")
        return 1
    console.print(f"Plot: {escape(str(settings.output))}", soft_wrap=True)
    if through.refused:
        console.print(
            f"[bold red]The exchange refused {through.refused} requests of the run through "
            "sluicegate.[/]"
        )
    return 1 if through.refused or not through.exchange.accepted else 0


async def _all_runs(settings: Settings, console: Console) -> list[Outcome]:
    """Both runs alone and, if sluicegate kept within the limits, both beside others.

    Alone, all windows roll: what keeps to those would keep to any others, too. Beside others they
    are those of the exchange, and so the headers tell what they tell there.
    """
    strict, seconds = rolling(settings.table), settings.seconds
    runs = [
        Run("without a limiter", seconds / 3, strict, limited=False),
        Run("through sluicegate", seconds, strict),
    ]
    outcomes = [await _run(settings, console, run) for run in runs]
    watched = settings.table.limits[0]
    if outcomes[1].refused or watched.kind == "concurrent":
        return outcomes
    others = {watched.name: OTHERS}
    for run in (
        Run("not listening", seconds / 3, settings.table, others=others),
        Run("listening", seconds, settings.table, listen=True, others=others),
    ):
        outcomes.append(await _run(settings, console, run))
    return outcomes


async def _run(settings: Settings, console: Console, run: Run) -> Outcome:
    """One run, against an exchange that has seen nothing yet."""
    tally = Tally()
    watched = run.table.limits[0]
    exchange = exchange_process(run.table, settings.latency, settings.seed, run.others)
    async with (
        exchange as url,
        aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session,
        AsyncExitStack() as stack,
    ):
        if run.limited and settings.processes > 1:
            bots = Processes(
                *(settings.processes, settings.bots, url, run.table, run.seconds, settings.seed),
                tally,
                listen=run.listen,
            )
            work: Callable[[], Awaitable[None]] = (await stack.enter_async_context(bots)).run
        else:
            work = _crowd(settings, run, session, tally)
        async with follow(console, run.name, run.seconds, tally, watched.limit):
            await work()
        return Outcome(run.name, run.seconds, await statistics_of(session), tally)


def _crowd(
    settings: Settings, run: Run, session: aiohttp.ClientSession, tally: Tally
) -> Callable[[], Awaitable[None]]:
    """The work of bots that are all in this process."""
    from sluicegate import Throttler

    gate: Gate = lambda _: nullcontext()  # noqa: E731
    listen = None
    if run.limited:
        throttler = Throttler(limits_of(run.table))
        gate = gate_of(throttler)
        if run.listen:
            listen = listener(run.table, throttler)
    header = run.table.limits[0].header_name
    crowd = Crowd(session, gate, mix_of(run.table), tally, header, settings.seed, listen)
    return lambda: crowd.run(settings.bots, run.seconds)
