"""The demo's plot: the units that the exchange counts against its limit, for each run."""

from collections.abc import Iterable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sluicegate.demo.outcome import Outcome, tightest, window

LINE = "#1f5f99"
LIMIT = "#b3261e"
OTHERS = "#d98c1f"
QUIET = "#5f6368"


def save_plot(
    path: Path, exchange: str, without: Outcome, through: Outcome, *beside: Outcome
) -> None:
    """Write a PNG with a panel for each run, which share their axes.

    Args:
        path: Where it goes; what was there is overwritten.
        exchange: Name of the table.
        without: The run without a limiter, in the upper panel.
        through: The run through sluicegate, in the next one.
        beside: Runs beside others, whose share has a colour of its own.

    Raises:
        OSError: It cannot be written.
    """
    limit = tightest(through)
    runs = (without, through, *beside)
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        # A Figure of its own, not pyplot: no display is needed, and no backend is changed.
        figure = Figure(figsize=(9, 3 * len(runs)), dpi=150, layout="constrained")
        panels = figure.subplots(len(runs), 1, sharex=True, sharey=True)
        end = max(run.seconds for run in runs)
        for axes, run in zip(panels, runs, strict=True):
            _panel(axes, run, limit.name, end)
        top = max(run.exchange.limit(limit.name).limit for run in runs)
        peaks = [used for run in runs for _, used in _points(run, limit.name)]
        panels[-1].set_ylim(0, 1.22 * max(top, *peaks))
        panels[-1].set_xlim(0, end)
        panels[-1].set_xlabel("seconds since the first request")
        figure.supylabel(f"{limit.name} that counts (units)", fontsize=10)
        figure.suptitle(
            f"A stand-in of {exchange}: at most {limit.limit:,} {limit.name} {window(limit)}",
            fontsize=11.5,
        )
        figure.savefig(path, format="png")


def _panel(axes: Axes, run: Outcome, name: str, end: float) -> None:
    limit = run.exchange.limit(name)
    times, used = zip(*_points(run, name), strict=True)
    if limit.others_timeline:
        axes.fill_between(times, used, step="post", color=LINE, alpha=0.18, linewidth=0)
        begin, foreign = zip(*_levels(limit.others_timeline, run.seconds), strict=True)
        axes.fill_between(
            *(begin, foreign), step="post", color=OTHERS, alpha=0.55, linewidth=0, label="others"
        )
        axes.step(times, used, where="post", color=LINE, linewidth=1.4, label="all together")
        axes.legend(loc="upper right", bbox_to_anchor=(1, 1.2), ncols=2, frameon=False, fontsize=9)
    else:
        axes.fill_between(times, used, step="post", color=LINE, alpha=0.18, linewidth=0)
        axes.step(times, used, where="post", color=LINE, linewidth=1.4)
    axes.axhline(limit.limit, color=LIMIT, linewidth=1.2, linestyle="--")
    axes.annotate(
        f"limit {limit.limit:,}",
        (end, limit.limit),
        xytext=(-2, 4),
        textcoords="offset points",
        ha="right",
        color=LIMIT,
    )
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="y", color="#e4e6e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(_headline(run), loc="left", fontsize=10.5)
    if run.exchange.first_ban is not None:
        _mark_ban(axes, run, run.exchange.first_ban)
    if run.seconds < end:
        axes.axvline(run.seconds, color=QUIET, linewidth=0.8, linestyle=":")
        axes.annotate(
            "end of this run",
            (run.seconds, 0),
            xytext=(5, 6),
            textcoords="offset points",
            color=QUIET,
        )


def _mark_ban(axes: Axes, run: Outcome, banned: float) -> None:
    axes.axvspan(banned, run.seconds, color=LIMIT, alpha=0.08, linewidth=0)
    axes.axvline(banned, color=LIMIT, linewidth=1.2)
    axes.annotate(
        f"banned after {banned:.1f} s:\nfrom here on every\nanswer is 418",
        (banned, 0),
        xytext=(6, 8),
        textcoords="offset points",
        va="bottom",
        color=LIMIT,
    )


def _headline(run: Outcome) -> str:
    seen = run.exchange
    refused = f"{seen.rejected:,} answered 429, {seen.banned:,} answered 418"
    return f"{run.name}: {seen.accepted:,} requests accepted, {refused}"


def _points(run: Outcome, name: str) -> list[tuple[float, int]]:
    """The level at each change of it within the run, from its beginning to its end."""
    return _levels(run.exchange.limit(name).timeline, run.seconds)


def _levels(timeline: Iterable[tuple[float, int]], seconds: float) -> list[tuple[float, int]]:
    points = [point for point in timeline if point[0] <= seconds] or [(0.0, 0)]
    return [*points, (seconds, points[-1][1])]
