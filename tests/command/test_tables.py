"""`sluicegate tables`: what exchanges publish, in a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sluicegate import tables


def command(*words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "sluicegate", "tables", *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_without_a_name_all_are_listed() -> None:
    done = command()
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == list(tables.names())


@pytest.mark.parametrize("name", tables.names())
def test_a_table_is_shown_whole(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from sluicegate.tables.command import tables as run

    run([name])
    text = capsys.readouterr().out
    table = tables.load(name)
    ids = [limit.name for limit in table.limits] + [endpoint.id for endpoint in table.endpoints]
    whole = [*ids, *table.not_documented, *(source.url for source in table.sources.values())]
    assert not [part for part in whole if part not in text]


def test_the_tier_of_an_account_is_shown() -> None:
    assert "Shown is the lowest." in command("kraken").stdout
    text = command("kraken", "--tier", "pro").stdout
    assert "20 in 20 s" in text
    assert "Shown is pro." in text
    assert "20 in 40 s" not in text  # That is another tier's.
    done = command("kraken", "--tier", "vip")
    assert done.returncode == 1
    assert "kraken has no tier 'vip': it has 'intermediate', 'pro'" in done.stderr


def test_a_tier_without_an_exchange_is_refused() -> None:
    done = command("--tier", "pro")
    assert done.returncode == 2
    assert "--tier pro is one of an exchange: name it, such as kraken" in done.stderr


def test_json_is_a_table() -> None:
    done = command("kraken", "--json")
    assert tables.table_from_json(json.loads(done.stdout)) == tables.load("kraken")
    assert len(json.loads(command("--json").stdout)) == len(tables.names())


def test_unknown_name_is_one_line_with_the_closest() -> None:
    done = command("krakem")
    assert done.returncode == 1
    assert "no table 'krakem'" in done.stderr
    assert "did you mean 'kraken'?" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_file_of_ones_own_is_shown_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'name = "mine"\n[sources.page]\nurl = "https://x.com"\nread = 2026-11-29\n'
        '[[limits]]\nname = "ALL"\nlimit = 5\ninterval = 1\nsource = "page"\n'
    )
    assert "ALL  5 in 1 s" in command(str(path)).stdout
    path.write_text("name = ")
    done = command(str(path))
    assert done.returncode == 1
    assert f"{path}: " in done.stderr
    assert done.stderr.count("\n") == 1
    assert "No such file" in command(str(tmp_path / "none.toml")).stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    line = f"{sys.executable} -m sluicegate tables okx | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "OKX V5\n"
    assert not done.stderr
