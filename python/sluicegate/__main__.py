"""The `sluicegate` command, also as `python -m sluicegate`."""

import sys

try:
    import click
except ImportError:
    sys.exit('sluicegate: the command needs click: pip install "sluicegate[cli]"')

from sluicegate import __version__
from sluicegate.demo.command import demo


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluicegate")
def main() -> None:
    """An exact rate limiter and rate cache for trading bots."""


main.add_command(demo)

if __name__ == "__main__":
    main(prog_name="sluicegate")
