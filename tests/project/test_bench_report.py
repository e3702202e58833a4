"""`make bench` and its like each replace their own part of RESULTS.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from benches import readme, report


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "RESULTS.md"
    monkeypatch.setattr(report, "RESULTS", path)
    return path


def test_a_part_is_replaced_and_the_others_stay(results: Path) -> None:
    report.write_part("make bench-freqtrade", ["# Freqtrade", "", "old"])
    report.write_part("make bench", ["# Limiters", "", "| a | b |"])
    report.write_part("make bench-freqtrade", ["# Freqtrade", "", "new"])
    assert results.read_text() == (
        "<!-- make bench -->\n# Limiters\n\n| a | b |\n"
        "\n"
        "<!-- make bench-freqtrade -->\n# Freqtrade\n\nnew\n"
    )


def test_writing_the_same_again_changes_nothing(results: Path) -> None:
    for command in ("make bench", "make bench-freqtrade"):
        report.write_part(command, [command, "", "a table"])
    before = results.read_text()
    report.write_part("make bench", ["make bench", "", "a table"])
    assert results.read_text() == before


def test_some_rows_of_a_part_are_replaced_and_new_ones_stand_in_their_place(results: Path) -> None:
    rows = [report.Row(name, f"the {name}", "≤ 1") for name in ("first", "second", "third")]
    old = [report.Figure(name, "ours", "old", True, False) for name in ("first", "third")]
    notes = ["- First: old", "- Third: old"]
    table = report.markdown(rows, old, ["ours", "theirs"])
    report.write_part("make bench", ["# Limiters", "", *table, "", *notes])
    new = [report.Figure(name, "ours", "new", False, False) for name in ("second", "third")]
    report.update_part("make bench", rows, new, ["Third: new", "Second: new"])
    lines, nothing = results.read_text().splitlines(), "\N{EN DASH}"
    assert [line for line in lines if line.startswith("| the")] == [
        f"| the first | ≤ 1 | old ✓ | {nothing} |",
        f"| the second | ≤ 1 | new ✗ | {nothing} |",
        f"| the third | ≤ 1 | new ✗ | {nothing} |",
    ]
    told = [line.partition(", on ")[0] for line in lines if line.startswith("- ")]
    assert told == [
        *("- First: old", "- Third: new", "- Second: new"),
        *("- The second: measured apart", "- The third: measured apart"),
    ]
    report.update_part("make bench", rows, new, ["Third: new", "Second: new"])
    assert results.read_text().splitlines() == lines


def test_what_is_true_no_longer_goes_when_rows_are_replaced(results: Path) -> None:
    row = report.Row("first", "the first", "≤ 1")
    failed = [report.Figure("first", "ours", "failed", False, True)]
    table = report.markdown([row], failed, ["ours"])
    notes = ["- fleet failed: ValueError", "- fleet failed twice: no", "- Other: old"]
    report.write_part("make bench", ["# Limiters", "", *table, "", *notes])
    measured = [report.Figure("first", "ours", "1", True, False)]
    report.update_part("make bench", [row], measured, ["Fleet: new"], ["fleet failed"])
    lines = results.read_text().splitlines()
    assert "| the first | ≤ 1 | 1 ✓ |" in lines
    told = [line for line in lines if line.startswith("- ")]
    assert told[:3] == ["- fleet failed twice: no", "- Other: old", "- Fleet: new"]


def test_rows_of_a_part_that_is_not_there_are_refused(results: Path) -> None:
    with pytest.raises(ValueError, match=r"no part of 'make bench': measure all of it first"):
        report.update_part("make bench", [], [], [])
    assert not results.exists()


def test_the_projects_own_results_have_the_parts_that_are_known() -> None:
    text = report.RESULTS.read_text()
    assert text.startswith("<!-- make bench -->\n# Side by side, measured\n")
    assert text.count("<!-- make ") == text.count("Written by `make ")


def test_figures_of_the_readme_that_are_not_the_measured_ones_are_told() -> None:
    measured = "|  | must | sluicegate |\n| - | - | - |\n| CPU per grant of it | ≤ 15 | {} µs ✓ |\n"
    page = (
        "## Measured\n|  | sluicegate |\n|--|--|\n| {}, at the limit | **4.9 µs** |\n## Read on\n"
    )
    same = page.format("CPU time of one request")
    assert list(readme.differences(same, measured.format("4.94"))) == []
    [line] = readme.differences(same, measured.format("5.21"))
    assert "4.9 in the README; '5.21 µs ✓' measured" in line
    [line] = readme.differences(page.format("Luck"), measured)
    assert "no row of RESULTS.md is known for 'Luck, at the limit'" in line
