"""`sluicegate run`: programs with the drop-ins in place."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from sluicegate._run.command import SITE, environment
from tests.helpers.platforms import needs_unix
from tests.hummingbot import fake_hummingbot

#: Says which throttler a program finds.
PROBE = "import hummingbot.early as e; print(e.AsyncThrottler.__module__)"
OURS = "sluicegate.hummingbot.throttler\n"
NOT_SHARED = (
    "sluicegate run: a restart begins with empty windows, and other bots are not seen; "
    "`sluicegate run --share COMMAND` changes both\n"
)
IN_PLACE = (
    "sluicegate run: sluicegate is in place for Hummingbot 20260922 (AsyncThrottler), "
    f"ccxt {version('ccxt')} (all exchange objects)\n" + NOT_SHARED
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a program runs that has a Hummingbot beside it."""
    fake_hummingbot.write(tmp_path)
    (tmp_path / "bot.py").write_text(f"{PROBE}\nimport sys\nprint(sys.argv[1:])\n")
    return tmp_path


def run(
    folder: Path, *command: str, python: tuple[str, ...] = (), **env: str
) -> subprocess.CompletedProcess[str]:
    sluicegate = [sys.executable, *python, "-m", "sluicegate", "run"]
    ours = {name: value for name, value in os.environ.items() if not name.startswith("SLUICEGATE_")}
    return subprocess.run(
        [*sluicegate, *command],
        cwd=folder,
        env={**ours, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_script_finds_the_drop_in_and_its_own_arguments(folder: Path) -> None:
    done = run(folder, "bot.py", "--help", "-m", "x")
    assert done.stdout == OURS + "['--help', '-m', 'x']\n"
    assert done.stderr == IN_PLACE


def test_a_module_finds_the_drop_in(folder: Path) -> None:
    assert run(folder, "-m", "bot", "1").stdout == OURS + "['1']\n"


def test_hummingbot_by_its_name_is_told_how_it_is_started(folder: Path) -> None:
    done = run(folder, "hummingbot")
    assert done.returncode == 127
    assert "write sluicegate run bin/hummingbot.py" in done.stderr


@needs_unix
def test_any_command_finds_the_drop_in_and_so_do_its_children(folder: Path) -> None:
    script = folder / "start"
    script.write_text(f"#!/bin/sh\n'{sys.executable}' -c \"{PROBE}\"\necho shell\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    done = run(folder, "./start")
    assert (done.stdout, done.stderr) == (OURS + "shell\n", IN_PLACE)


def test_names_imported_before_the_throttler_are_ours_too(folder: Path) -> None:
    code = (
        "from hummingbot.core.api_throttler.data_types import RateLimit as first\n"
        "import hummingbot.early as early\n"
        "print(early.RateLimit.__module__, first is early.RateLimit)"
    )
    done = run(folder, "-c", code)
    # The name at the program's top level is replaced like any other.
    assert done.stdout == "sluicegate.hummingbot.data_types True\n"


def test_the_exit_status_is_the_programs(folder: Path) -> None:
    assert run(folder, "-c", "raise SystemExit(7)").returncode == 7


def test_a_program_without_anything_to_put_in_place_is_told_and_runs(tmp_path: Path) -> None:
    without_ccxt = (
        "import sys; sys.modules['ccxt'] = None; from sluicegate.__main__ import main; "
        "main(['run', '-c', 'import sys; print(\"hummingbot\" in sys.modules)'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", without_ccxt],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout == "False\n"
    assert "no program that sluicegate knows was found (Hummingbot, Freqtrade, ccxt)" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_version_is_warned_of_and_runs(folder: Path) -> None:
    (folder / "hummingbot" / "VERSION").write_text("20991231\n")
    done = run(folder, "bot.py")
    assert done.stdout.startswith(OURS)
    assert "was not tested with Hummingbot 20991231" in done.stderr


def test_a_hummingbot_that_does_not_fit_is_told_and_runs_as_it_is(folder: Path) -> None:
    (folder / "hummingbot" / "core" / "api_throttler" / "data_types.py").write_text(
        fake_hummingbot.DATA_TYPES.replace("class TaskLog", "class Entry")
    )
    done = run(folder, "bot.py")
    assert done.stdout.startswith("hummingbot.core.api_throttler.async_throttler\n")
    assert "Hummingbot runs without it: this Hummingbot has no TaskLog" in done.stderr


def test_the_programs_own_sitecustomize_runs(folder: Path) -> None:
    own = folder / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("print('own')\n")
    done = run(folder, "bot.py", PYTHONPATH=str(own))
    # Once in sluicegate itself, and once in the program.
    assert done.stdout == "own\n" * 2 + OURS + "[]\n"


def test_it_needs_no_extra(folder: Path) -> None:
    """As where only `pip install sluicegate` was done."""
    hide = folder / "hide"
    hide.mkdir()
    (hide / "click.py").write_text("raise ImportError('hidden')\n")
    done = run(folder, "bot.py", PYTHONPATH=str(hide))
    assert done.stdout.startswith(OURS)


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        ("nothing-of-that-name", 127, "command not found: nothing-of-that-name"),
        ("nothing.py", 127, "no such script: nothing.py"),
        ("./plain", 127, "command not found: ./plain"),
        ("./broken", 126, "broken cannot be run: "),
    ],
)
def test_what_cannot_be_started_is_named(
    tmp_path: Path, command: str, status: int, message: str
) -> None:
    (tmp_path / "plain").write_text("no program")
    (tmp_path / "broken").write_text("#!/nowhere\n")
    (tmp_path / "broken").chmod(0o755)
    done = run(tmp_path, command)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--help",)])
def test_usage_is_shown(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, *arguments)
    assert (done.stdout + done.stderr).startswith("Usage: sluicegate run [--share [URL]]")
    assert done.returncode == (0 if arguments else 2)


def test_only_the_path_is_changed_and_only_once() -> None:
    old = {"PYTHONPATH": os.pathsep.join(["x", "y"]), "HOME": "h"}
    new = environment(old)
    assert new == {"PYTHONPATH": os.pathsep.join([str(SITE), "x", "y"]), "HOME": "h"}
    assert environment(new) == new
    assert environment({}) == {"PYTHONPATH": str(SITE)}


def test_ccxt_is_paced_as_soon_as_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(
        "import sys\n"
        "assert 'ccxt' not in sys.modules\n"
        "import ccxt\n"
        "print(ccxt.Exchange.fetch2.__code__.co_filename.endswith('hooks.py'))\n"
        "import ccxt.async_support as a\n"
        "print(a.Exchange.fetch2.__code__.co_filename.endswith('hooks.py'))\n"
        "from sluicegate.ccxt import usage\n"
        "print(usage(ccxt.kraken()))\n"
    )
    done = run(tmp_path, "bot.py")
    assert done.stdout == "True\nTrue\n{}\n", done.stderr
