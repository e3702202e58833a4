"""What the ids of all connectors are for, as their words say."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

from peers.hummingbot.tables import pretend_unneeded, tables
from sluicegate._priorities import group_of_name
from sluicegate.hummingbot.priorities import cancels_wait, priorities_of

TABLES = {
    name: [str(row.limit_id) for row in rows if str(row.limit_id) not in linked]
    for name, rows in tables().items()
    if (linked := {pair.limit_id for row in rows for pair in row.linked_limits or []}) is not None
}


def test_nearly_all_ids_are_recognised() -> None:
    ids = {limit_id for of in TABLES.values() for limit_id in of}
    unknown = sorted(limit_id for limit_id in ids if not group_of_name(limit_id))
    print(f"{len(unknown)} of {len(ids)} ids are not recognised: {', '.join(unknown)}")
    assert len(unknown) <= 10


def test_orders_and_cancels_go_first_in_every_connector() -> None:
    for name, ids in TABLES.items():
        for wait in (False, True):
            found = priorities_of(ids, True, cancels_wait=wait)
            if any("order" in group_of_name(limit_id) for limit_id in ids):
                assert max(found.values()) == 3, name


def connectors() -> dict[str, Any]:
    """All classes of connectors by their modules' names."""
    pretend_unneeded()
    import hummingbot.connector
    from hummingbot.connector.exchange_py_base import ExchangePyBase

    found = {}
    path, prefix = hummingbot.connector.__path__, "hummingbot.connector."
    for package in pkgutil.walk_packages(path, prefix):
        if not package.name.endswith(("_exchange", "_derivative")):
            continue
        try:
            module = importlib.import_module(package.name)
        except Exception as error:
            # The libraries of single exchanges are not all here.
            print(f"left out: {package.name}: {error!r}")
            continue
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, ExchangePyBase):
                found[kind.__module__.rpartition(".")[2]] = kind
    return found


def test_which_connectors_cancel_by_the_id_of_the_bot() -> None:
    found = connectors()
    waiting = {name for name, kind in found.items() if cancels_wait(kind)}
    print(
        f"{len(waiting)} of {len(found)} wait for the exchange's id: {', '.join(sorted(waiting))}"
    )
    assert len(found) > 30
    by_own = {"binance_exchange", "binance_perpetual_derivative", "okx_exchange", "bybit_exchange"}
    by_exchange = {"kucoin_exchange", "kraken_exchange", "evedex_perpetual_derivative"}
    assert by_own <= found.keys() - waiting
    assert by_exchange <= waiting
    for name, kind in found.items():
        # The words of their source, read in another way.
        source = inspect.getsource(kind._place_cancel)
        assert (name in waiting) == (".get_exchange_order_id()" in source), name
