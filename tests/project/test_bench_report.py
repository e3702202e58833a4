"""`make bench` and its like each replace their own part of RESULTS.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from benches import report


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


def test_the_projects_own_results_have_the_parts_that_are_known() -> None:
    text = report.RESULTS.read_text()
    assert text.startswith("<!-- make bench -->\n# Side by side, measured\n")
    assert text.count("<!-- make ") == text.count("Written by `make ")
