"""No source file is long without a reason: a line "Long because …" among its first lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.repository import ROOT

FOLDERS = ("src", "python", "tests", "benches", "peers")
SUFFIXES = (".rs", ".py", ".pyi", ".sh")
MOST = 450
FIRST = 20
REASON = "Long because "


def problem(path: Path) -> str | None:
    lines = path.read_text().splitlines()
    if len(lines) <= MOST or any(REASON in line for line in lines[:FIRST]):
        return None
    return (
        f"{path.name} has {len(lines)} lines, over {MOST}: split it by what its parts are for, or "
        f'write "{REASON}…" with the reason into its first {FIRST} lines'
    )


def test_no_source_file_is_long_without_a_reason() -> None:
    files = [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in SUFFIXES
    ]
    assert len(files) > 200
    problems = {str(path.relative_to(ROOT)): problem(path) for path in files}
    found = [f"{path}: {text}" for path, text in problems.items() if text]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("length", "head", "accepted"),
    [
        (MOST, "", True),
        (MOST + 1, "", False),
        (MOST + 1, "# Long because it is one list.\n", True),
        (MOST + 1, "\n" * FIRST + "# Long because it is one list.\n", False),
    ],
)
def test_a_reason_counts_if_it_is_among_the_first_lines(
    tmp_path: Path, length: int, head: str, accepted: bool
) -> None:
    path = tmp_path / "some.py"
    path.write_text(head + "pass\n" * (length - head.count("\n")))
    assert (problem(path) is None) is accepted
