"""Each test begins without the drop-in, and ends without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

pytest.importorskip("ccxt")

from sluicegate.ccxt import uninstall


@pytest.fixture(autouse=True)
def _uninstalled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("SLUICEGATE_SHARE", "SLUICEGATE_ACCOUNT", "SLUICEGATE_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    yield
    uninstall()
