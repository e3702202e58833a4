"""The demo's plot: the units in the exchange's window against its limit, for both runs."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sluicegate.demo.outcome import Outcome, tightest

LINE = "#1f5f99"
LIMIT = "#b3261e"
QUIET = "#5f6368"


def save_plot(path: Path, exchange: str, without: Outcome, through: Outcome) -> None:
    """Write a PNG with a panel for each run, which share their axes.

    Args:
        path: Where it goes; what was there is overwritten.
        exchange: Name of the table.
        without: The run without a limiter, in the upper panel.
        through: The run through sluicegate, in the lower one.

    Raises:
        OSError: It cannot be written.
    """
    limit = tightest(through)
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        # A Figure of its own, not pyplot: no display is needed, and no backend is changed.
        figure = Figure(figsize=(9, 6), dpi=150, layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, sharey=True)
        end = max(without.seconds, through.seconds)
        _panel(upper, without, limit.name, end)
        _panel(lower, through, limit.name, end)
        top = max(outcome.exchange.limit(limit.name).limit for outcome in (without, through))
        peaks = [used for run in (without, through) for _, used in _points(run, limit.name)]
        lower.set_ylim(0, 1.22 * max(top, *peaks))
        lower.set_xlim(0, end)
        lower.set_xlabel("seconds since the first request")
        figure.supylabel(f"{limit.name} in the last {limit.interval:g} s (units)", fontsize=10)
        figure.suptitle(
            f"The window of a stand-in of {exchange}: at most {limit.limit:,} {limit.name} in any "
            f"{limit.interval:g} s",
            fontsize=11.5,
        )
        figure.savefig(path, format="png")


def _panel(axes: Axes, run: Outcome, name: str, end: float) -> None:
    limit = run.exchange.limit(name)
    times, used = zip(*_points(run, name), strict=True)
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
    points = [point for point in run.exchange.limit(name).timeline if point[0] <= run.seconds]
    points = points or [(0.0, 0)]
    return [*points, (run.seconds, points[-1][1])]
