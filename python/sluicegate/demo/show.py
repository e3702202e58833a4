"""The demo from beginning to end: two runs, a summary and a plot."""

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.markup import escape

from sluicegate.demo.bots import Crowd, Gate, Tally
from sluicegate.demo.mix import mix_of
from sluicegate.demo.outcome import Outcome
from sluicegate.demo.plot import save_plot
from sluicegate.demo.processes import Processes, ProcessFailedError
from sluicegate.demo.progress import follow
from sluicegate.demo.server import ExchangeFailedError, exchange_process, statistics_of
from sluicegate.demo.summary import explanation, summary
from sluicegate.testing import Table


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the command.

    Attributes:
        seconds: Length of the run through sluicegate.
        bots: Bots at work at the same time.
        latency: (shortest, longest) seconds from a request to its answer.
        table: The exchange's limits.
        output: Where the plot goes.
        seed: Of the bots' choices and the latencies.
        processes: In how many processes the bots of the run through sluicegate are.
    """

    seconds: float
    bots: int
    latency: tuple[float, float]
    table: Table
    output: Path
    seed: int
    processes: int = 1


def run_demo(settings: Settings, console: Console | None = None) -> int:
    """Run the demo and show what it comes to.

    Returns:
        The exit status: 1 if the exchange refused a request of the run through sluicegate or
        accepted none, if it did not start, or if the plot could not be written; 0 otherwise.
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
        console.print(f"  {limit.name}: {limit.limit:,} in any {limit.interval:g} s", style="dim")
    try:
        without, through = asyncio.run(_both_runs(settings, console))
    except (ExchangeFailedError, ProcessFailedError) as error:
        console.print(f"[bold red]{escape(str(error))}[/]", soft_wrap=True)
        return 1
    console.print()
    console.print(summary(without, through))
    console.print(explanation(without, through), soft_wrap=True)
    try:
        save_plot(settings.output, settings.table.name, without, through)
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


async def _both_runs(settings: Settings, console: Console) -> tuple[Outcome, Outcome]:
    from sluicegate import Throttler

    without = await _run(
        settings, console, "without a limiter", settings.seconds / 3, lambda _: nullcontext()
    )
    name = "through sluicegate"
    if settings.processes > 1:
        return without, await _run_processes(settings, console, name)
    throttler = Throttler(settings.table.rate_limits())
    through = await _run(settings, console, name, settings.seconds, throttler.execute_task)
    return without, through


async def _run_processes(settings: Settings, console: Console, name: str) -> Outcome:
    """The run through sluicegate, with the bots in several processes."""
    tally, seconds = Tally(), settings.seconds
    watched = settings.table.limits[0]
    async with (
        exchange_process(settings.table, settings.latency, settings.seed) as url,
        aiohttp.ClientSession(url) as session,
        Processes(
            *(settings.processes, settings.bots, url, settings.table, seconds, settings.seed),
            tally,
        ) as processes,
    ):
        async with follow(console, name, seconds, tally, watched.limit):
            await processes.run()
        return Outcome(name, seconds, await statistics_of(session), tally)


async def _run(
    settings: Settings, console: Console, name: str, seconds: float, gate: Gate
) -> Outcome:
    """One run, against an exchange that has seen nothing yet."""
    tally = Tally()
    watched = settings.table.limits[0]
    async with (
        exchange_process(settings.table, settings.latency, settings.seed) as url,
        aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        mix = mix_of(settings.table)
        crowd = Crowd(session, gate, mix, tally, watched.header_name, settings.seed)
        async with follow(console, name, seconds, tally, watched.limit):
            await crowd.run(settings.bots, seconds)
        return Outcome(name, seconds, await statistics_of(session), tally)
