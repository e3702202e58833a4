"""Writes THIRD-PARTY-LICENSES.txt: the licences of all that a wheel links, on every platform.

What is linked is what Cargo.lock and Cargo.toml say; the texts are those that each crate brings.

usage: licences.py
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "THIRD-PARTY-LICENSES.txt"
FEATURES = "python,sqlite,redis"
#: Those of the wheels.
TARGETS = (
    "x86_64-unknown-linux-gnu",
    "aarch64-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-musl",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
    "x86_64-pc-windows-msvc",
)
HEAD = """\
What sluicegate's wheels link, and its licences. `make licences` writes this file.

SQLite, on Linux: in the public domain (https://www.sqlite.org/copyright.html).
Rust's standard library: copyright The Rust Project Developers, MIT or Apache-2.0, with the texts of
sluicegate's own licences beside this file.

And these crates:
"""
LICENCE = re.compile(r"(licen[cs]e|unlicense|copying|copyright|notice)", re.IGNORECASE)

Package = dict[str, Any]


def main() -> None:
    """Write the file."""
    FILE.write_text(text(), encoding="utf-8", newline="\n")


def text() -> str:
    """What the file must say."""
    crates: dict[str, list[str]] = {}
    for package in linked():
        name = f"{package['name']} {package['version']} ({package['license']})"
        texts = list(licences(package))
        if not texts:
            sys.exit(f"{name} brings no text of its licence: add it to make/licences.py")
        for one in texts:
            crates.setdefault(one, []).append(name)
    parts = [HEAD]
    for one, names in sorted(crates.items(), key=lambda item: item[1]):
        parts.append("-" * 80 + "\n" + "\n".join(names) + "\n\n" + one)
    return "\n".join(parts)


def linked() -> list[Package]:
    """The crates that are linked on any platform, by name and version."""
    found = {package["id"]: package for target in TARGETS for package in linked_on(target)}
    return sorted(found.values(), key=lambda package: (package["name"], package["version"]))


def linked_on(target: str) -> Iterator[Package]:
    """The crates that are linked for a target: neither those that only build, nor macros."""
    options = ("--locked", "--features", FEATURES)
    tree = ("tree", "--target", target, "--edges", "normal,no-proc-macro", "--prefix", "none")
    lines = cargo(*tree, *options, "--format", "{p}").splitlines()
    names = {tuple(line.split()[:2]) for line in lines}
    metadata = cargo("metadata", "--format-version", "1", "--filter-platform", target, *options)
    for package in json.loads(metadata)["packages"]:
        is_own = package["source"] is None
        if (package["name"], f"v{package['version']}") in names and not is_own:
            yield package


def cargo(*words: str) -> str:
    """What cargo prints."""
    words = ("cargo", *words)
    said = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, check=True, encoding="utf-8")
    return said.stdout


def licences(package: Package) -> Iterator[str]:
    """The texts that a crate brings: MIT's alone where it may be chosen and is its own file."""
    files = sorted(Path(package["manifest_path"]).parent.iterdir())
    files = [path for path in files if path.is_file() and LICENCE.match(path.name)]
    chosen = [path for path in files if path.stem.lower().endswith("mit")]
    may_choose = " AND " not in package["license"] and re.search(r"\bMIT\b", package["license"])
    for path in chosen if may_choose and chosen else files:
        lines = path.read_text(encoding="utf-8").strip().splitlines()
        yield "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    main()
