"""A store that is deleted, full or read-only: never over, and it goes on by itself."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path

from tests.sharing.bots import Bot, Server, run_python

TABLE = [{"limit_id": "x", "limit": 20, "time_interval": 0.5}]


def test_a_file_that_is_deleted_is_made_anew_and_nobody_goes_over(
    store: str, server: Server
) -> None:
    folder = Path(store.removeprefix("sqlite:///")).parent
    with ExitStack() as stack:
        bots = [stack.enter_context(Bot(store, server, TABLE, arrival=0.1)) for _ in range(2)]
        for bot in bots:
            bot.send(60)
        for name in ("budget.db", "budget.db-wal", "budget.db-shm"):
            (folder / name).unlink(missing_ok=True)
        late = stack.enter_context(Bot(store, server, TABLE, arrival=0.1))
        late.send(30)
        for bot in [*bots, late]:
            bot.sent()
            bot.end()
    assert len(server.arrivals()) == 150
    assert server.most_within(0.5) <= 20


def test_a_folder_that_is_deleted_with_all_in_it_comes_back_or_is_waited_for(
    store: str, server: Server
) -> None:
    folder = Path(store.removeprefix("sqlite:///")).parent
    with Bot(store, server, TABLE, arrival=0.1) as bot:
        bot.send(20)
        bot.sent()
        shutil.rmtree(folder)
        folder.mkdir()
        bot.send(60)
        bot.sent()
        bot.kill()
    assert len(server.arrivals()) == 80
    assert server.most_within(0.5) <= 20


START = """
import logging, os, resource, shutil, sys, tempfile, time
from sluicegate import RateLimit, Share, StoreError, Throttler
said = []
class Keep(logging.Handler):
    def emit(self, record): said.append(record.getMessage())
logging.getLogger("sluicegate").addHandler(Keep())
logging.getLogger("sluicegate").setLevel("INFO")
table = [RateLimit("x", 5, 0.1)]
def use(throttler):
    throttler.charge("x")
    time.sleep(0.005)
"""

# A folder of a user who may not do all: root may write everywhere.
OWN_FOLDER = """
folder = tempfile.mkdtemp(prefix="sluicegate-")
if os.getuid() == 0:
    os.chown(folder, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
url = f"sqlite:///{folder}/budget.db"
"""


def test_a_full_disk_is_said_once_and_it_goes_on_when_there_is_room(store: str) -> None:
    done = run_python(
        START
        + """
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
url = sys.argv[1]
first, second = (Throttler(table, share=Share(url, arrival=0)) for _ in range(2))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
while not said: use(first); use(second)
try:
    Throttler(table, share=url)
    raise SystemExit("it joined")
except StoreError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
while not any("again" in text for text in said): use(first); use(second)
with first.execute_task("x", timeout=30), second.execute_task("x", timeout=30): pass
assert first.close() and second.close()
assert len(said) <= 4, said
""",
        store,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "budget.db" in done.stdout


def test_a_folder_that_cannot_be_written_is_named_with_who_cannot() -> None:
    done = run_python(
        START
        + OWN_FOLDER
        + """
os.chmod(folder, 0o555)
try:
    Throttler(table, share=url)
    raise SystemExit("it joined")
except StoreError as error:
    assert folder in str(error) and str(os.getuid()) in str(error), error
finally:
    os.chmod(folder, 0o755)
    os.rmdir(folder)
"""
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_a_folder_that_is_made_read_only_stops_nobody_for_good() -> None:
    done = run_python(
        START
        + OWN_FOLDER
        + """
first, second = (Throttler(table, share=Share(url, arrival=0)) for _ in range(2))
def let(mode, folder_mode):
    os.chmod(folder, 0o755)
    for name in os.listdir(folder):
        if not name.endswith("members"): os.chmod(os.path.join(folder, name), mode)
    os.chmod(folder, folder_mode)
let(0o444, 0o555)
for _ in range(50): use(first); use(second)
let(0o644, 0o755)
with first.execute_task("x", timeout=30), second.execute_task("x", timeout=30): pass
assert first.close() and second.close()
shutil.rmtree(folder)
"""
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
