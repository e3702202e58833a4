"""`sluicegate tables [NAME]`: what exchanges publish, in a terminal."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sluicegate.tables import load, names, table_from_file, table_to_json
from sluicegate.tables.show import listed, shown
from sluicegate.tables.table import Table


def tables(words: Sequence[str]) -> None:
    """Run `sluicegate tables` with the words that follow it."""
    parser = _parser()
    options = parser.parse_args(words)
    if options.tier is not None and options.name is None:
        parser.error(f"--tier {options.tier} is one of an exchange: name it, such as kraken")
    try:
        if options.name is None:
            found = [load(name) for name in names()]
            text = json.dumps([table_to_json(x) for x in found]) if options.json else listed(found)
        else:
            table = _table(options.name)
            table = table if options.tier is None else table.at(options.tier)
            text = json.dumps(table_to_json(table)) if options.json else shown(table, options.tier)
    except (OSError, ValueError) as error:
        sys.exit(f"sluicegate tables: {error}")
    try:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain once more at its end.
        sys.stderr.close()
        sys.exit(0)


def _table(name: str) -> Table:
    """A table by its name, or from a file."""
    if Path(name).suffix in (".toml", ".json"):
        return table_from_file(name)
    return load(name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sluicegate tables",
        description="Shows what exchanges publish about their limits, and where it is written.",
    )
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="an exchange, such as kraken, or a file of your own that ends with .toml or .json. "
        "Without it, the exchanges that there are",
    )
    parser.add_argument("--tier", help="the tier of your account, such as pro")
    parser.add_argument("--json", action="store_true", help="write all of it as JSON, in one line")
    return parser
