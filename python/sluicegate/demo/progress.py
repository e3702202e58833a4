"""The demo's progress bars, and its lines where the output is no terminal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from sluicegate.demo.bots import Tally

REFRESH = 0.2
"""Seconds between two updates of the figures in a terminal: seldom enough to cost little."""

LINE = 4.0
"""Seconds between two lines where the output is no terminal."""


@asynccontextmanager
async def follow(
    console: Console, name: str, seconds: float, tally: Tally, limit: int
) -> AsyncIterator[None]:
    """Show the figures of a run while the block runs: a live bar, or a line now and then.

    Args:
        console: Where to show them.
        name: What the run is called.
        seconds: How long it takes.
        tally: The figures.
        limit: Units that the watched window may hold.
    """
    watch = _bar if console.is_terminal else _lines
    task = asyncio.create_task(watch(console, name, seconds, tally, limit))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _bar(console: Console, name: str, seconds: float, tally: Tally, limit: int) -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    progress = Progress(
        TextColumn("[bold]{task.description:<18}"),
        BarColumn(bar_width=8),
        TextColumn("{task.fields[clock]:4.1f} s"),
        TextColumn("{task.fields[figures]}"),
        console=console,
        auto_refresh=False,
    )
    with progress:
        bar = progress.add_task(name, total=seconds, clock=0.0, figures="")
        try:
            while True:
                _show(progress, bar, loop.time() - begin, seconds, tally, limit)
                await asyncio.sleep(REFRESH)
        finally:
            # Whole, and with the last figures, as it stays on the screen.
            _show(progress, bar, seconds, seconds, tally, limit)


def _show(
    progress: Progress, bar: int, passed: float, seconds: float, tally: Tally, limit: int
) -> None:
    passed = min(passed, seconds)
    progress.update(
        bar,  # type: ignore[arg-type]
        completed=passed,
        clock=passed,
        figures=_figures(tally, limit),
        refresh=True,
    )


async def _lines(console: Console, name: str, seconds: float, tally: Tally, limit: int) -> None:
    begin = asyncio.get_running_loop().time()
    console.print(f"{name}: {seconds:g} s", soft_wrap=True)
    try:
        while True:
            await asyncio.sleep(min(LINE, seconds / 2))
            passed = asyncio.get_running_loop().time() - begin
            if passed < seconds:
                console.print(f"  {passed:5.1f} s  {_figures(tally, limit)}", soft_wrap=True)
    finally:
        console.print(f"  {seconds:5.1f} s  {_figures(tally, limit)}", soft_wrap=True)


def _figures(tally: Tally, limit: int) -> str:
    """The counts so far, as in `1,204 ok  429: 12  418: 0  5,998/6,000`."""
    rejected, banned = tally.statuses[429], tally.statuses[418]
    parts = [
        f"[green]{tally.answered - rejected - banned:,} ok[/]",
        f"[{'yellow' if rejected else 'dim'}]429: {rejected:,}[/]",
        f"[{'red' if banned else 'dim'}]418: {banned:,}[/]",
    ]
    if tally.failures:
        parts.append(f"[red]{tally.failures:,} failed[/]")
    if tally.used is not None:
        parts.append(f"{tally.used:,}/{limit:,}")
    return "  ".join(parts)
