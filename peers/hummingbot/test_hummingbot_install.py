"""Putting the drop-in inside the real Hummingbot."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import hummingbot.connector.exchange.binance.binance_web_utils as binance
import hummingbot.connector.exchange_py_base as exchange_base
import hummingbot.core.web_assistant.rest_assistant as rest_assistant
import pytest
from hummingbot.core.api_throttler import async_throttler, async_throttler_base, data_types

import sluicegate.hummingbot as drop_in


def names() -> dict[str, dict[str, object]]:
    modules = {name: module for name, module in sys.modules.items() if "hummingbot" in name}
    return {name: dict(vars(module)) for name, module in modules.items()}


@pytest.mark.usefixtures("installed")
def test_connectors_that_were_imported_before_use_it() -> None:
    assert binance.AsyncThrottler is drop_in.AsyncThrottler
    assert exchange_base.AsyncThrottler is drop_in.AsyncThrottler
    assert rest_assistant.AsyncThrottlerBase is drop_in.AsyncThrottlerBase
    assert data_types.RateLimit is drop_in.RateLimit
    throttler = binance.create_throttler()
    assert isinstance(throttler, async_throttler_base.AsyncThrottlerBase)
    assert throttler.usage("REQUEST_WEIGHT").limit == 6000


@pytest.mark.usefixtures("installed")
def test_a_real_connector_runs_on_it() -> None:
    from hummingbot.connector.exchange.binance.binance_exchange import BinanceExchange

    exchange = BinanceExchange(
        "",
        "",
        trading_pairs=["BTC-USDT"],
        trading_required=False,
        rate_limits_share_pct=Decimal("50"),
    )
    assert type(exchange.throttler) is drop_in.AsyncThrottler
    assert exchange.throttler.usage("REQUEST_WEIGHT").limit == 3000


def test_uninstalling_leaves_no_trace() -> None:
    before, base = names(), async_throttler_base.AsyncThrottlerBase
    drop_in.install()
    drop_in.install()
    drop_in.uninstall()
    assert names() == before
    assert not issubclass(drop_in.AsyncThrottler, base)
    assert type(binance.create_throttler()) is async_throttler.AsyncThrottler


def test_this_version_is_one_that_is_known(recwarn: pytest.WarningsRecorder) -> None:
    drop_in.install()
    drop_in.uninstall()
    assert [str(warning.message) for warning in recwarn if warning.category is RuntimeWarning] == []


def test_a_program_under_sluicegate_run_uses_it(tmp_path: Path) -> None:
    bot = tmp_path / "bot.py"
    bot.write_text(
        "from hummingbot.connector.exchange.kucoin.kucoin_web_utils import create_throttler\n"
        "print(type(create_throttler()).__module__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "sluicegate", "run", str(bot)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "sluicegate.hummingbot.throttler\n"
    assert done.stderr.startswith("sluicegate run: sluicegate is in place for Hummingbot 2")
    assert "sluicegate run --share COMMAND" in done.stderr.splitlines()[1]
