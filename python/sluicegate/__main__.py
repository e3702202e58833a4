"""The `sluicegate` command, also as `python -m sluicegate`."""

import sys

from sluicegate._run.command import run

try:
    import click
except ImportError:
    if sys.argv[1:2] == ["run"]:
        run(sys.argv[2:])
    sys.exit('sluicegate: all commands but run need click: pip install "sluicegate[cli]"')

from sluicegate import __version__
from sluicegate.demo.command import demo


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluicegate")
def main() -> None:
    """An exact rate limiter and rate cache for trading bots."""


# Whatever follows `run` is the program's: the first word ends our options.
@main.command(
    "run",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def run_command(command: tuple[str, ...]) -> None:
    """Start a Python program with the drop-ins in place."""
    run(command)


main.add_command(demo)

if __name__ == "__main__":
    main(prog_name="sluicegate")
