"""`sluicegate run --share`: what the program is told, and what is said before it starts."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sluicegate._run.sharing import OptionError, read
from tests.command.test_run import NOT_SHARED, folder, run
from tests.helpers.platforms import needs_budget_in_a_file

pytestmark = needs_budget_in_a_file

__all__ = ["folder"]

#: Says what a program is to share.
TELL = (
    "import json, os; "
    "names = ('SHARE', 'ACCOUNT', 'ADDRESS'); "
    "print(json.dumps([os.environ.get('SLUICEGATE_' + name) for name in names]))"
)


def told(folder: Path, *options: str, **env: str) -> tuple[list[str | None], str]:
    """The address of the store, the account and the address; and what was said."""
    done = run(folder, *options, "-c", TELL, **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_without_share_a_line_says_what_is_lost_and_how_to_change_it(folder: Path) -> None:
    assert told(folder)[0] == [None, None, None]
    assert told(folder)[1].endswith(NOT_SHARED)


def test_share_alone_is_a_file_in_the_users_state_folder_which_is_theirs_alone(
    folder: Path,
) -> None:
    state = folder / "state"
    (url, *_), said = told(folder, "--share", XDG_STATE_HOME=str(state))
    file = state / "sluicegate" / "budget.db"
    assert url == f"sqlite:///{file}"
    assert f"shared and kept in {url} (account default, address default)" in said
    assert NOT_SHARED not in said
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_without_a_state_folder_it_is_in_the_home_folder(folder: Path) -> None:
    for relative in ("", "not/absolute"):
        (url, *_), _ = told(folder, "--share", XDG_STATE_HOME=relative, HOME=str(folder))
        assert url == f"sqlite:///{folder}/.local/state/sluicegate/budget.db"


def test_the_word_after_share_is_its_address_only_if_it_looks_like_one(folder: Path) -> None:
    url = f"sqlite:///{folder}/own.db"
    assert told(folder, "--share", url)[0][0] == url
    assert told(folder, f"--share={url}")[0][0] == url
    # The command is not swallowed.
    done = run(folder, "--share", "bot.py", "sqlite:///x", XDG_STATE_HOME=str(folder))
    assert done.stdout.endswith("['sqlite:///x']\n")
    assert not Path("x").exists()


def test_names_of_the_account_and_the_address(folder: Path) -> None:
    names = ("--account", "main", "--address=home")
    (_, *seen), said = told(folder, *names, "--share", f"sqlite:///{folder}/own.db")
    assert seen == ["main", "home"]
    assert "(account main, address home)" in said


def test_the_environment_says_the_same_and_an_option_comes_first(folder: Path) -> None:
    env = {"SLUICEGATE_SHARE": f"sqlite:///{folder}/own.db", "SLUICEGATE_ACCOUNT": "main"}
    seen, said = told(folder, **env)
    assert seen == [env["SLUICEGATE_SHARE"], "main", None]
    assert "(account main, address default)" in said
    seen, _ = told(folder, "--account", "other", "--share", f"sqlite:///{folder}/b.db", **env)
    assert seen == [f"sqlite:///{folder}/b.db", "other", None]


def test_a_relative_file_means_the_same_after_the_program_changed_its_folder(
    folder: Path,
) -> None:
    assert told(folder, "--share", "sqlite:///own.db")[0][0] == f"sqlite:///{folder}/own.db"


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--share=x"], 2, "--share=x names no store: write --share=sqlite:////var/lib"),
        (["--account"], 2, "--account needs a name: --account main"),
        (["--account", "--share"], 2, "--account needs a name"),
        (["--adress", "x"], 2, "there is no option --adress; did you mean --address?"),
        (["--account", "x"], 1, "SLUICEGATE_ACCOUNT without a store has no meaning: add --share"),
        (["--share", "mysql://x/y"], 1, "is no kind of store"),
        (["--share", "sqlite:////no/such/folder/b.db"], 1, "Create the folder first"),
        (["--share", "redis://me:secret@127.0.0.1:1/0"], 1, "redis://me:***@127.0.0.1:1/0"),
        (["--share", "sqlite:///b.db", "--account", "x" * 201], 1, "1 to 200 characters"),
    ],
)
def test_what_cannot_be_is_one_line_and_the_program_does_not_start(
    folder: Path, options: list[str], status: int, message: str
) -> None:
    done = run(folder, *options, "-c", "print('started')")
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert "secret" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_options_of_the_command_are_left_alone() -> None:
    command = ["bot.py", "--share", "--account", "x"]
    assert read(command, {}) == (command, {})
    assert read(["--", *command], {}) == (command, {})
    assert read(["--version"], {}) == (["--version"], {})
    assert read(["-m", "x", "--share"], {}) == (["-m", "x", "--share"], {})


def test_a_name_must_follow_even_at_the_end() -> None:
    with pytest.raises(OptionError, match="--address needs a name"):
        read(["--share", "--address"], dict(os.environ))
