"""What only POSIX has is not needed to import sluicegate, nor to ask its command for help."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

# Runs first in a fresh interpreter: it takes away what Windows does not have.
HIDE = """
import os, signal, socket, sys

# What Python's own modules import at their start has no place in this test.
import asyncio, concurrent.futures, http.client, logging.handlers, multiprocessing, selectors
import shutil, ssl, subprocess, tempfile
{first}

for name in ("fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios",
             "tty"):
    sys.modules[name] = None
# os.register_at_fork stays: the compiled module asks for it where it is built for Unix only.
for name in ("fork", "geteuid", "getuid", "getgid", "getpgid", "killpg", "mkfifo",
             "O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "sched_getaffinity", "WNOHANG"):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGKILL", "SIGPIPE",
             "SIGALRM", "setitimer", "pthread_sigmask", "sigwait"):
    if hasattr(signal, name):
        delattr(signal, name)
for name in ("AF_UNIX", "SO_PEERCRED"):
    if hasattr(socket, name):
        delattr(socket, name)
"""

EVERY_MODULE = """
import importlib, pkgutil
import sluicegate

for module in pkgutil.walk_packages(sluicegate.__path__, "sluicegate."):
    # Ends the program, or needs the program that it is for.
    if module.name.rsplit(".", 1)[-1] == "__main__":
        continue
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        # Parts of drop-ins that need their program. What is hidden above is an error.
        if str(error.name).partition(".")[0] not in {"freqtrade", "hummingbot", "sqlalchemy"}:
            raise
"""

#: Packages of others: what they import themselves has no place in this test either.
OTHERS = ("aiohttp", "ccxt", "ccxt.async_support", "httpx", "prometheus_client", "requests", "rich")


def run(first: str, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HIDE.format(first=first) + code], capture_output=True, text=True
    )


def test_the_package_imports_without_what_only_posix_has() -> None:
    done = run("", "import sluicegate, sluicegate.testing")
    assert done.returncode == 0, done.stderr


def test_no_module_needs_at_import_what_only_posix_has() -> None:
    first = "\n".join(f"import {name}" for name in OTHERS if find_spec(name.partition(".")[0]))
    done = run(first, EVERY_MODULE)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_the_command_answers_without_what_only_posix_has(word: str) -> None:
    code = f"""
import runpy
sys.argv = ["sluicegate", {word!r}]
runpy.run_module("sluicegate", run_name="__main__")
"""
    done = run("", code)
    assert done.returncode == 0, done.stderr
    assert "sluicegate" in done.stdout
