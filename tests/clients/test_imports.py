"""Each module imports its own client, and no other."""

from __future__ import annotations

import subprocess
import sys

import pytest

CLIENTS = ("httpx", "aiohttp", "requests")


def imported(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return {name for name in CLIENTS if name in run.stdout.split()}


def test_the_package_imports_no_client() -> None:
    assert imported("import sluicegate.clients, sluicegate.clients.pacing") == set()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_module_imports_its_own_client(client: str) -> None:
    assert imported(f"import sluicegate.clients.{client}") == {client}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_that_is_not_there_is_named(client: str) -> None:
    code = f"import sys\nsys.modules[{client!r}] = None\nimport sluicegate.clients.{client}"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert "ModuleNotFoundError" in run.stderr or "ImportError" in run.stderr
    assert client in run.stderr.splitlines()[-1]
