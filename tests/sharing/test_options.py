"""What a user chooses and sees: `Share`, scopes, `Usage.shared`, and requests that do not wait."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sluicegate import RateLimit, Share, StoreError, Throttler
from sluicegate._core import share_overview
from sluicegate.testing import ManualClock
from tests.helpers.threads import until
from tests.sharing.bots import run_python

FILE = "sqlite:////var/lib/bots/budget.db"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"url": 5}, TypeError, r"url of a share must be a str, not 5 \(int\)"),
        ({"url": "budget.db"}, ValueError, '"budget.db" cannot be: it must be one of "sqlite:'),
        ({"url": "mysql://h/db"}, ValueError, '"mysql" is no kind of store'),
        ({"url": "sqlite:////tmp/"}, ValueError, "the name of the file is missing"),
        ({"account": ""}, ValueError, 'account of a share must be .* 1 to 200 .*, not ""'),
        ({"address": "a\nb"}, ValueError, r'none of them a control character, .*not "a\\nb"'),
        ({"account": "main "}, ValueError, 'no white space at its ends, not "main "'),
        ({"account": "ä" * 201}, ValueError, 'a name of 1 to 200 characters, .*not "ä'),
        ({"account": "\ud800"}, ValueError, "without halves of surrogate pairs, not '.ud800'"),
        ({"url": f"{FILE}\n"}, ValueError, "or white space at an end: leave that out"),
        ({"account": None}, TypeError, r"account of a share must be a str, not None"),
        ({"lease": 0.5}, ValueError, "lease of a share must be 1 s to 3600 s, not 0.5 s"),
        ({"lease": math.nan}, ValueError, "lease of a share must be .*, not nan"),
        ({"arrival": -1}, ValueError, "arrival of a share must be .* 0 or more, not -1"),
        ({"arrival": 4000}, ValueError, "must be 0 s to 3600 s, not 4000 s"),
        ({"arrival": "5"}, TypeError, r"not '5' \(str\)"),
        ({"on_loss": "floor"}, ValueError, "on_loss of a share must be 'wait', not 'floor'"),
        ({"conflict": "largest"}, ValueError, "must be 'refuse' or 'smallest', not 'largest'"),
    ],
)
def test_a_share_that_cannot_be_is_refused_with_its_value(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Share(**{"url": FILE, **changes})


def test_a_throttler_says_what_it_shares_with() -> None:
    with pytest.raises(TypeError, match='not 7: write share="sqlite:'):
        Throttler([], share=7)  # type: ignore[arg-type] # on purpose
    with pytest.raises(ValueError, match="it must be one of"):
        Throttler([], share="budget.db")
    with pytest.raises(ValueError, match="cannot have a ManualClock"):
        Throttler([], clock=ManualClock(), share=FILE)


def test_a_share_shows_no_password() -> None:
    share = Share("redis://bot:s3cret@host:6379/0", account="main")
    assert "s3cret" not in repr(share)
    assert repr(share).startswith("Share(url='redis://bot:***@host:6379/0', address='default', ")
    assert repr(Share(FILE)) == (
        f"Share(url='{FILE}', address='default', account='default', lease=10.0, arrival=5.0, "
        "on_loss='wait', conflict='refuse')"
    )
    assert pickle.loads(pickle.dumps(share)) == copy.copy(share) == share


def test_a_store_that_cannot_be_opened_says_why_and_what_helps() -> None:
    with pytest.raises(StoreError, match="/no/such/folder"):
        Throttler([], share="sqlite:////no/such/folder/budget.db")
    with pytest.raises(StoreError, match="/proc"):
        Throttler([], share="sqlite:////proc/budget.db")


def test_a_pipe_or_a_device_is_no_store(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(StoreError, match="is a device, a pipe or a socket; name a file"):
        Throttler([], share=f"sqlite:///{pipe}")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_names_of_200_characters_of_any_script_are_names(store: str) -> None:
    for name in ("ä" * 200, "../../etc", "a b", "{tag}*%s'"):
        Throttler([RateLimit("x", 1, 1)], share=Share(store, account=name)).close()
        scopes = [scope["scope"] for scope in share_overview(store)]
        assert f"account:{name}" in scopes


def test_a_limit_says_whose_requests_are_counted(store: str) -> None:
    assert RateLimit("x", 1, 1).scope == "account"
    by_address = RateLimit("x", 1, 1, scope="address")
    assert "scope='address'" in repr(by_address)
    assert by_address != RateLimit("x", 1, 1)
    for wrong in ("ip", None, 3):
        with pytest.raises(ValueError, match=r'scope of "x" must be .account. or .address., not'):
            RateLimit("x", 1, 1, scope=wrong)  # type: ignore[arg-type] # on purpose
    foreign = SimpleNamespace(limit_id="y", limit=1, time_interval=1)
    throttler = Throttler([by_address, foreign], share=store)
    assert [limit.scope for limit in throttler.rate_limits] == ["address", "account"]
    scopes = [overview["scope"] for overview in share_overview(store)]
    assert scopes == ["account:default", "address:default"]
    throttler.close()


def test_usage_tells_this_process_part_and_shared_the_whole(store: str) -> None:
    throttler = Throttler([RateLimit("x", 10, 3600)], share=Share(store))
    assert throttler.usage("x").limit == 0
    for _ in range(3):
        with throttler.execute_task("x"):
            pass
    usage = throttler.usage("x")
    shared = usage.shared
    assert shared is not None
    assert (shared.limit_id, shared.scope) == ("x", "account:default")
    assert (shared.limit, shared.used, shared.time_interval) == (10, 3, 3600)
    (member,) = shared.members
    assert member.called_for is None
    assert member.held >= usage.used
    assert json.loads(json.dumps(shared.as_dict()))["members"][0]["pid"] == member.pid
    own = Path("/proc/self/cmdline").read_text(encoding="utf-8").rstrip("\0")
    assert member.command == own.replace("\0", " ")
    assert "shared" not in usage.as_dict()
    twin = pickle.loads(pickle.dumps(usage))
    assert twin == usage
    assert twin.shared is None
    assert throttler.usage()["x"].shared is not None
    throttler.close()
    with pytest.raises(StoreError):
        _ = usage.shared
    assert Throttler([RateLimit("x", 1, 1)]).usage("x").shared is None


def test_what_this_process_holds_ready_is_not_told_as_used(store: str) -> None:
    """A process takes a few units more than it needs at once: one order is told as one."""
    table = [RateLimit("orders", 100, 10)]
    throttler, other = (Throttler(table, share=Share(store)) for _ in range(2))
    with throttler.execute_task("orders"):
        pass
    shared = throttler.usage("orders").shared
    assert shared is not None
    assert sum(member.held for member in shared.members) > 1
    assert shared.used == 1
    seen = other.usage("orders").shared
    assert seen is not None
    assert seen.used >= 1
    throttler.close()
    other.close()


def test_requests_that_do_not_wait_see_what_is_in_hand_and_ask_for_more(store: str) -> None:
    table = [RateLimit("x", 2, 3600)]
    poller, other = Throttler(table, share=store), Throttler(table, share=store)
    assert poller.wait_time("x") == math.inf
    assert not poller.charge("x")
    until(lambda: poller.charge("x"))
    third = Throttler([RateLimit("y", 1, 3600)], share=store)
    until(lambda: third.wait_time("y") == 0)
    assert third.charge("y")
    assert third.close()
    with pytest.raises(TimeoutError), other.execute_task("x", timeout=0):
        pass
    until(lambda: other.charge("x"))
    for throttler in (poller, other):
        assert not throttler.charge("x")
        throttler.close()


def test_the_log_tells_of_a_store_that_is_lost_and_found_again(tmp_path: Any) -> None:
    done = run_python(
        """
import logging, os, shutil, sys, time
from sluicegate import RateLimit, Throttler
said = []
class Keep(logging.Handler):
    def emit(self, record): said.append((record.levelname, record.getMessage()))
logging.getLogger("sluicegate").addHandler(Keep())
logging.getLogger("sluicegate").setLevel("INFO")
folder = sys.argv[1] + "/store 100%s"
os.mkdir(folder)
throttler = Throttler([RateLimit("x", 10, 0.01)], share=f"sqlite:///{folder}/budget.db")
def use(): throttler.charge("x"); time.sleep(0.005)
os.rename(folder, folder + ".away")
while not said: use()
os.rename(folder + ".away", folder)
while len(said) < 2: use()
print(said)
""",
        str(tmp_path),
    )
    assert (done.returncode, done.stderr) == (0, "")
    (lost, found) = eval(done.stdout)
    assert lost[0] == "WARNING"
    assert "store 100%s" in lost[1]
    assert found == ("INFO", "the shared budget is reached again")
