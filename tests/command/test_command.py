"""The `sluicegate` command: what it says about itself, and what it needs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from sluicegate import __version__
from sluicegate.demo import NEEDS
from tests.helpers.repository import ROOT


def without(modules: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command on a machine that lacks some packages."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({modules!r})); "
        f"sys.argv[1:] = {list(arguments)!r}; "
        "import runpy; runpy.run_module('sluicegate', run_name='__main__')"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_and_version_need_nothing() -> None:
    done = without(list(NEEDS), "--version")
    assert (done.returncode, done.stdout) == (0, f"sluicegate, version {__version__}\n")
    for word in ("-h", "--help"):
        done = without(list(NEEDS), word)
        assert done.returncode == 0
        assert done.stdout.startswith("Usage: sluicegate COMMAND")
    done = without(list(NEEDS), "run", "--help")
    assert done.returncode == 0
    assert "sluicegate run bin/hummingbot.py" in done.stdout


def test_no_command_shows_the_help_and_fails() -> None:
    done = without([])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: sluicegate COMMAND")


def test_unknown_command_names_the_closest() -> None:
    done = without([], "rum")
    assert done.returncode == 2
    assert "there is no command 'rum'; did you mean 'run'?" in done.stderr


@pytest.mark.parametrize("missing", [["click"], ["aiohttp", "rich"], list(NEEDS)])
def test_demo_names_all_that_is_missing_in_one_line(missing: list[str]) -> None:
    done = without(missing, "demo")
    assert done.returncode == 1
    assert done.stderr == (
        f"sluicegate demo needs {', '.join(missing)}. "
        f"Install what is missing: pip install {' '.join(missing)}\n"
    )


def test_help_of_the_demo_needs_click_alone() -> None:
    done = without(["aiohttp", "matplotlib", "rich"], "demo", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: sluicegate demo")


def test_what_the_demo_names_is_its_extra() -> None:
    extra = re.search(r"^demo = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert extra is not None
    assert tuple(re.findall(r'"([a-z]+)>=', extra.group(1))) == NEEDS
