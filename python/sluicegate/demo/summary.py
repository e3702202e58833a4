"""The demo's summary: the figures of both runs side by side, and sentences that explain them."""

from rich.table import Table

from sluicegate.demo.mix import RESERVE
from sluicegate.demo.outcome import WAITING, Outcome, mean, percentile, tightest


def summary(without: Outcome, through: Outcome) -> Table:
    """A table with a column for each run. Every figure is measured, none is planned."""
    table = Table(title="As the exchange counted", title_justify="left")
    table.add_column("")
    for outcome in (without, through):
        table.add_column(outcome.name, justify="right")
    limit = tightest(through).name
    for label, left, right in zip(
        _labels(limit), _figures(without, limit), _figures(through, limit), strict=True
    ):
        table.add_row(label, left, right)
    table.add_section()
    for label, figure in _waiting(through):
        table.add_row(label, "-", figure)
    return table


def summary_beside_others(deaf: Outcome, listening: Outcome) -> Table:
    """The same for the runs beside other programs, which use a share of a limit."""
    name = _shared(listening)
    table = Table(title=f"Beside others, who use a share of {name}", title_justify="left")
    table.add_column("")
    rows = []
    for outcome in (deaf, listening):
        table.add_column(outcome.name, justify="right")
        seen, limit = outcome.exchange, outcome.exchange.limit(name)
        rest = limit.share_of_rest
        rows.append(
            [
                f"{outcome.seconds:g}",
                f"{seen.accepted:,}",
                _refused(seen.rejected),
                _refused(seen.banned),
                _instant(seen.first_ban),
                _refused(seen.too_early),
                "-" if limit.others_mean is None else f"{limit.others_mean / limit.limit:.1%}",
                "-" if rest is None or seen.banned else f"{rest:.1%}",
            ]
        )
    labels = [
        "seconds",
        "accepted",
        "rejected (429)",
        "banned (418)",
        "banned after",
        "sent while told to wait",
        "share that others used",
        "used of what they left",
    ]
    for label, left, right in zip(labels, *rows, strict=True):
        table.add_row(label, left, right)
    return table


def explanation_of_others(deaf: Outcome, listening: Outcome) -> str:
    """What these figures mean, in a few sentences."""
    name = _shared(listening)
    seen = listening.exchange
    lines = [
        "The exchange counts all programs at an address or account together, and the throttler "
        f"knows of its own requests only. Not listening, the bots had {deaf.exchange.rejected:,} "
        f"requests rejected and {deaf.exchange.banned:,} banned.",
        f"Listening, the throttler reads from each answer how much of {name} is used by all: "
        f"{seen.rejected:,} rejected, {seen.banned:,} banned.",
    ]
    return "\n".join(lines)


def _shared(outcome: Outcome) -> str:
    """The limit that others use, too: the first one."""
    return outcome.exchange.limits[0].name


def explanation(without: Outcome, through: Outcome) -> str:
    """What the figures mean, in a few sentences."""
    lines = []
    if without.exchange.first_ban is not None:
        lines.append(
            f"Without a limiter the bots were banned {without.exchange.first_ban:.1f} s after the "
            f"first request; {_share(without.exchange.banned, without.exchange.requests)} of what "
            "they sent was answered 418."
        )
    elif without.refused:
        lines.append(
            f"Without a limiter the bots had {without.exchange.rejected:,} requests rejected, and "
            "were not banned: they sent too little."
        )
    else:
        lines.append("Without a limiter the bots kept within the limits: they sent too little.")
    limit = tightest(through)
    if limit.share is None:
        lines.append(
            f"The run through sluicegate was shorter than two windows of {limit.interval:g} s: too "
            "short to tell the share of the limit that it used."
        )
    else:
        lines.append(
            f"The share of {limit.name} that was used is the mean level of the window over the "
            "run, from the end of the first window (until then it fills up)."
        )
    lines.append(
        f"At most {through.reachable(limit.name):.1%} of {limit.name} can be used without ever "
        "being over it: a request may count at any instant until it is answered, so its units are "
        f"held for {mean(through.bots.answers):.3f} s (the mean until its answer) and then one "
        f"window of {limit.interval:g} s."
    )
    if any(through.waits(group) for group in ("cancel", "order")):
        lines.append(
            "Of the requests that wait, cancels go first, and then orders. "
            f"{RESERVE:.0%} of {through.exchange.limits[0].name} are kept for them, so that they "
            "need not wait for a window that market data has filled."
        )
    if through.bots.unsent:
        lines.append(
            f"{through.bots.unsent} requests were still waiting when the run ended; they count "
            "with the time they had waited."
        )
    return "\n".join(lines)


def _labels(limit: str) -> list[str]:
    return [
        "seconds",
        "requests that arrived",
        "accepted",
        "rejected (429)",
        "banned (418)",
        "first one over a limit",
        "banned after",
        f"worst window of {limit}",
        "share of the limit used",
        "share that was reachable",
        "failed without an answer",
    ]


def _figures(outcome: Outcome, name: str) -> list[str]:
    seen = outcome.exchange
    limit = seen.limit(name)
    over = limit.worst_window > limit.limit
    return [
        f"{outcome.seconds:g}",
        f"{seen.requests:,}",
        f"{seen.accepted:,}",
        _refused(seen.rejected),
        _refused(seen.banned),
        _instant(seen.first_rejection),
        _instant(seen.first_ban),
        f"[{'red' if over else 'green'}]{limit.worst_window:,}[/] of {limit.limit:,}",
        "-" if limit.share is None or outcome.refused else f"{limit.share:.1%}",
        "-" if outcome.refused else f"{outcome.reachable(name):.1%}",
        f"{outcome.bots.failures:,}",
    ]


def _waiting(outcome: Outcome) -> list[tuple[str, str]]:
    waits = outcome.waits()
    by_group = [(name, outcome.waits(group)) for group, name in WAITING.items()]
    return [
        ("waited at the gate: mean", f"{mean(waits):.3f} s"),
        ("50 % of requests at most", f"{percentile(waits, 50):.3f} s"),
        ("99 % of requests at most", f"{percentile(waits, 99):.3f} s"),
        ("longest", f"{max(waits, default=0.0):.3f} s"),
        *(
            (f"{name} waited: mean, 99 %", f"{mean(those):.3f} s, {percentile(those, 99):.3f} s")
            for name, those in by_group
            if those
        ),
    ]


def _refused(count: int) -> str:
    return f"[{'red' if count else 'green'}]{count:,}[/]"


def _instant(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.2f} s"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "0%"
