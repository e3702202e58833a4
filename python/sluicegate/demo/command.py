"""The options of `sluicegate demo`, and their checks. What it does is in the modules beside it."""

import math
import sys
from pathlib import Path

import click

MINUTE = 6.0
"""Seconds that the exchange's minute takes, so that several windows pass in less than a minute.

Not shorter: a request holds its units until it is answered, too, and the shorter the window is
against the latency, the smaller is the share of the limit that any bot can use within the limit.
"""


def _finite(_: click.Context, parameter: click.Parameter, value: float) -> float:
    if not math.isfinite(value):
        raise click.BadParameter(
            f"{value!r} is not a length of time: write a number of seconds, such as 24."
        )
    return value


def _range(
    _: click.Context, parameter: click.Parameter, value: tuple[float, float]
) -> tuple[float, float]:
    shortest, longest = value
    if not 0 <= shortest <= longest < math.inf:
        raise click.BadParameter(
            f"{shortest:g} {longest:g} is no range of latencies: write two numbers of "
            "milliseconds, the smaller one first, such as 20 250."
        )
    return value


def _place(_: click.Context, parameter: click.Parameter, value: Path) -> Path:
    if not value.absolute().parent.is_dir():
        raise click.BadParameter(
            f"{str(value)!r} is in a directory that does not exist: write a path such as demo.png, "
            "or make the directory first."
        )
    return value


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=24.0,
    show_default=True,
    callback=_finite,
    help="Seconds of each of the two runs that keep within the limits. The two others take a third "
    "of it.",
)
@click.option(
    "--bots",
    type=click.IntRange(1, 1_000),
    default=50,
    show_default=True,
    help="How many bots work at the same time. Each of them sends one request at a time.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="In how many processes the bots run. From 2 on they share the limits in a file.",
)
@click.option(
    "--latency",
    type=float,
    nargs=2,
    default=(20.0, 250.0),
    show_default=True,
    metavar="MIN MAX",
    callback=_range,
    help="Shortest and longest time from a request to its answer, in milliseconds.",
)
@click.option(
    "--table",
    default="binance-spot",
    show_default=True,
    metavar="NAME|FILE",
    help=f"The exchange's limits: a ready-made table such as binance-spot (a minute takes "
    f"{MINUTE:g} s), or a JSON or TOML file of limits and endpoints.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default="sluicegate-demo.png",
    show_default=True,
    metavar="PNG",
    callback=_place,
    help="The file to which the plot is written.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Seed of the random choices of the bots and of the latencies.",
)
def demo(
    seconds: float,
    bots: int,
    processes: int,
    latency: tuple[float, float],
    table: str,
    output: Path,
    seed: int,
) -> None:
    """Let bots hammer a stand-in exchange: without a limiter, then through sluicegate.

    Then beside other programs, which use 35 % of the first limit: once without listening to what
    the answers say, and once listening.

    The exchange is a process on this machine that enforces its limits for real, over HTTP. The exit
    status is 1 if it rejected a request of the run through sluicegate alone.
    """
    from sluicegate.demo.mix import mix_of
    from sluicegate.demo.show import Settings, run_demo
    from sluicegate.testing import load_table

    if processes > bots:
        raise click.BadParameter(
            f"{processes} processes are more than the {bots} bots: each process needs a bot.",
            param_hint="'--processes'",
        )
    try:
        limits = load_table(table, minute=MINUTE)
        mix_of(limits)
    except (OSError, ValueError) as error:
        raise click.BadParameter(str(error), param_hint="'--table'") from error
    shortest, longest = latency
    in_seconds = (shortest / 1e3, longest / 1e3)
    sys.exit(run_demo(Settings(seconds, bots, in_seconds, limits, output, seed, processes)))
