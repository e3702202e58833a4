"""Says which public names the built API reference lacks, for `make docs`.

usage: check_reference.py FOLDER_OF_THE_SITE
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import griffe

#: What lays out the pages. Its name is that of a module of Python's own.
LAYOUT = runpy.run_path(str(Path(__file__).with_name("site.py")))


def main(site: Path) -> None:
    """Look for the heading of each name, and of each method and attribute of a class."""
    package = griffe.load(
        "sluicegate", search_paths=[LAYOUT["ROOT"] / "python"], resolve_aliases=True
    )
    lacking = []
    for page in LAYOUT["reference_pages"]():
        text = (site / "docs" / "reference" / page["name"] / "index.html").read_text("utf-8")
        for name in page.get("names") or LAYOUT["public_names"](page["module"]):
            full = f"{page['module']}.{name}"
            found = package[full.removeprefix("sluicegate.")]
            names = [full, *(f"{full}.{member}" for member in members(found))]
            lacking += [one for one in names if f'id="{one}"' not in text]
    if lacking:
        sys.exit(f"the reference lacks {', '.join(lacking)}")


def members(found: griffe.Object | griffe.Alias) -> Iterator[str]:
    """The public methods and properties of a class, its own ones; those of a stub, too."""
    if found.is_class:
        target = found.final_target if isinstance(found, griffe.Alias) else found
        for name in sorted({*target.members, *target.overloads}):
            one = target.members.get(name)
            if not name.startswith("_") and (one is None or one.is_function):
                yield name


if __name__ == "__main__":
    main(Path(sys.argv[1]))
