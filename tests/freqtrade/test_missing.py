"""`install` where Freqtrade is missing, or is another version than the drop-in knows."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from sluicegate.freqtrade import installing

WITHOUT = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name in ("freqtrade", "ccxt"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
import sluicegate.freqtrade.age
import sluicegate.freqtrade.background
import sluicegate.freqtrade.fiat
import sluicegate.freqtrade.report
import sluicegate.freqtrade.settings
from sluicegate.freqtrade import install, uninstall, version
uninstall()
try:
    install()
except ImportError as error:
    print(error)
"""


@pytest.fixture(autouse=True)
def nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "_installation", None)


def put(monkeypatch: pytest.MonkeyPatch, name: str, **contents: object) -> None:
    """A module in place of one of Freqtrade's."""
    module = ModuleType(name)
    module.__path__ = []
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)


def test_without_freqtrade_installing_says_so_and_the_rest_can_be_imported() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.stdout, run.stderr) == ("Freqtrade is not installed for this Python\n", "")


def test_a_freqtrade_without_a_module_class_or_method_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installing, "version", lambda: "1999.1")
    exchange = "freqtrade.exchange.exchange"

    put(monkeypatch, "freqtrade")
    with pytest.raises(ImportError, match=f"^Freqtrade 1999.1 has no {exchange}$"):
        installing.install()

    put(monkeypatch, "freqtrade.exchange")
    put(monkeypatch, exchange)
    with pytest.raises(ImportError, match=f"^Freqtrade 1999.1 has no {exchange}.Exchange$"):
        installing.install()

    class Exchange:
        def close(self) -> None: ...

    put(monkeypatch, exchange, Exchange=Exchange)
    lacks = "_init_ccxt, get_rate"
    with pytest.raises(
        ImportError, match=f"{exchange}.Exchange of Freqtrade 1999.1 has no {lacks}$"
    ):
        installing.install()
    assert installing._installation is None


def test_what_freqtrade_itself_lacks_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, "freqtrade")
    put(monkeypatch, "freqtrade.exchange")
    real = installing.importlib.import_module

    def import_module(name: str) -> ModuleType:
        return real("a_dependency_of_freqtrade" if name.startswith("freqtrade.") else name)

    monkeypatch.setattr(installing.importlib, "import_module", import_module)
    with pytest.raises(ModuleNotFoundError, match="a_dependency_of_freqtrade"):
        installing.install()
