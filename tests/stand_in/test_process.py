"""`python -m sluicegate.testing`: when it starts, when it ends, and what it says."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.helpers.platforms import needs_unix

COMMAND = [sys.executable, "-m", "sluicegate.testing"]


def answers(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/api/v3/ping") as response:
        return response.status == 200


def test_process_of_its_own_serves_until_its_input_is_closed() -> None:
    command = [sys.executable, "-m", "sluicegate.testing", "--minute", "6"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/api/v3/ping") as response:
            assert response.headers["X-MBX-USED-WEIGHT-1M"] == "1"
        _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")


def test_process_has_others_a_clock_of_its_own_and_windows_that_roll() -> None:
    options = ["--others", "REQUEST_WEIGHT", "0.5", "--skew", "-3600", "--rolling"]
    with subprocess.Popen(
        [*COMMAND, "--minute", "0.5", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        while True:
            with urllib.request.urlopen(f"{url}/api/v3/time") as response:
                behind = time.time() - json.load(response)["serverTime"] / 1_000
                used = int(response.headers["X-MBX-USED-WEIGHT-1M"])
            assert behind == pytest.approx(3_600, abs=60)
            if used > 1_000:
                break
        with urllib.request.urlopen(f"{url}/stand-in/stats") as response:
            limits = json.load(response)["limits"]
        assert {limit["kind"] for limit in limits} == {"rolling"}
        process.communicate()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--table", "nonsense"], "no table and no file 'nonsense'"),
        (["--latency", "2", "1"], "whose first is the longer one"),
        (["--port", "80800"], "port must be from 0 to 65535 (0 takes a free one), got 80800"),
        (["--port", "-1"], "port must be from 0 to 65535 (0 takes a free one), got -1"),
        (["--seed", "x"], "invalid int value: 'x'"),
        (["--others", "REQUEST_WEIGHT", "x"], "the share of others must be a number such as 0.35"),
        (["--others", "WEIGHT", "0.5"], "no limit 'WEIGHT': the table has 'REQUEST_WEIGHT'"),
        (["--skew", "1e12"], "skew must be a number of seconds from minus to plus ten years"),
        (["--minute", "0"], "minute must be seconds above 0"),
    ],
)
def test_process_with_bad_options_says_what_would_be_right(
    options: list[str], message: str
) -> None:
    command = [sys.executable, "-m", "sluicegate.testing", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr


def test_process_without_input_says_why_it_ends() -> None:
    done = subprocess.run(
        COMMAND, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard input is closed, so the exchange would end at once: add --stay" in done.stderr


@needs_unix
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_process_that_is_to_stay_runs_without_input_until_a_signal(ending: signal.Signals) -> None:
    with subprocess.Popen(
        [*COMMAND, "--stay"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert answers(process.stdout.readline().strip())
            process.send_signal(ending)
            _, errors = process.communicate(timeout=20)
        finally:
            process.kill()
    assert errors == ""


@needs_unix
def test_process_ends_on_ctrl_c_while_its_input_is_open() -> None:
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert answers(process.stdout.readline().strip())
        process.stdin.write("anything\n")
        process.stdin.flush()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0
        process.stdin.close()


def test_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "--stay", "--port", port], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr.startswith("python -m sluicegate.testing: error: it cannot listen")
    assert done.stderr.count("\n") == 1


def test_missing_aiohttp_is_one_line_of_the_process_too() -> None:
    code = (
        "import sys, runpy; sys.modules['aiohttp'] = None; sys.argv = ['x', '--stay']; "
        "runpy.run_module('sluicegate.testing', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "python -m sluicegate.testing needs aiohttp. Install what is missing: pip install aiohttp\n"
    )


def test_missing_aiohttp_is_one_line_that_says_what_to_install() -> None:
    lines = [
        "import sys",
        "sys.modules['aiohttp'] = None",
        "from sluicegate.testing import ManualClock, binance_spot",
        "from sluicegate.testing import StandInExchange",
    ]
    code = "; ".join(lines)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.strip().splitlines()[-1]
    what = "sluicegate.testing.StandInExchange needs aiohttp. Install what is missing:"
    assert last == f"ImportError: {what} pip install aiohttp"
