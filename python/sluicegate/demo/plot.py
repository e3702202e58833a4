"""The demo's plot: the units that the exchange counts against its limit, for each run."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sluicegate.demo.outcome import WAITING, Outcome, percentile, tightest, window

# The background is transparent, and each colour is told from white as well as from a dark page.
LINE = "#3d86c6"
LIMIT = "#dd4b39"
OTHERS = "#d98c1f"
QUIET = "#7f868d"
WAITS = {"market": LINE, "": QUIET, "account": "#9a6fc0", "order": OTHERS, "cancel": "#2f9e6e"}
"""Colours of waits, those in front last."""

_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), QUIET
    ),
}


def save_plot(
    path: Path, exchange: str, without: Outcome, through: Outcome, *beside: Outcome
) -> None:
    """Write a PNG with a panel for each run, and one for how long requests waited.

    Args:
        path: Where it goes; what was there is overwritten.
        exchange: Name of the table.
        without: The run without a limiter, in the upper panel.
        through: The run through sluicegate, in the next one, and its waits below.
        beside: Runs beside others, whose share has a colour of its own.

    Raises:
        OSError: It cannot be written.
    """
    limit = tightest(through)
    runs = (without, through, *beside)
    with mpl.rc_context(_STYLE):
        # A Figure of its own, not pyplot: no display is needed, and no backend is changed.
        count = len(runs) + 1
        figure = Figure(figsize=(9, 2.8 * count), dpi=150, layout="constrained")
        panels = figure.subplots(count, 1, sharex=True)
        end = max(run.seconds for run in runs)
        top = max(run.exchange.limit(limit.name).limit for run in runs)
        peaks = [used for run in runs for _, used in _points(run, limit.name)]
        for axes, run in zip([*panels[:2], *panels[3:]], runs, strict=True):
            _panel(axes, run, limit.name, end)
            axes.set_ylim(0, 1.22 * max(top, *peaks))
            axes.set_ylabel(f"{limit.name} that counts")
        _waits(panels[2], through)
        panels[-1].set_xlim(0, end)
        panels[-1].set_xlabel("seconds since the first request")
        figure.suptitle(
            f"A stand-in of {exchange}: at most {limit.limit:,} {limit.name} {window(limit)}",
            fontsize=11.5,
        )
        figure.savefig(path, format="png", transparent=True)


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
    axes.grid(axis="y", color=QUIET, alpha=0.3, linewidth=0.8)
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


def _waits(axes: Axes, run: Outcome) -> None:
    """How long each request of a run waited, when it left."""
    for group, colour in WAITS.items():
        waits = [wait for wait in run.bots.waits if wait.group == group]
        if waits:
            last = percentile([wait.seconds for wait in waits], 99)
            axes.scatter(
                [wait.end for wait in waits],
                [wait.seconds for wait in waits],
                s=14,
                color=colour,
                alpha=0.8,
                linewidth=0,
                label=f"{WAITING[group]} (99 %: {last:.2f} s)",
            )
    if run.bots.waits:
        # Those that go first stand first.
        axes.legend(
            *(list(reversed(those)) for those in axes.get_legend_handles_labels()),
            loc="upper right",
            bbox_to_anchor=(1, 1.2),
            ncols=len(WAITS),
            frameon=False,
            fontsize=9,
            handletextpad=0.1,
            columnspacing=1.2,
        )
    axes.grid(axis="y", color=QUIET, alpha=0.3, linewidth=0.8)
    axes.set_axisbelow(True)
    longest = max((wait.seconds for wait in run.bots.waits), default=0.0) or 1.0
    # Nearly all of those that go first are at 0, which the axis would cover.
    axes.set_ylim(-0.06 * longest, 1.1 * longest)
    axes.set_ylabel("seconds waited")
    axes.set_title(f"{run.name}: waits", loc="left", fontsize=10.5)


def _mark_ban(axes: Axes, run: Outcome, banned: float) -> None:
    axes.axvspan(banned, run.seconds, color=LIMIT, alpha=0.08, linewidth=0)
    axes.axvline(banned, color=LIMIT, linewidth=1.2)
    # Beside the line where there is room.
    is_late = banned > run.seconds / 2
    axes.annotate(
        f"banned after {banned:.1f} s:\nfrom here on every\nanswer is 418",
        (banned, 0),
        xytext=(-6 if is_late else 6, 8),
        textcoords="offset points",
        ha="right" if is_late else "left",
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
