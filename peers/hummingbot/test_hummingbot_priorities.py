"""What the ids of all connectors are for, as their words say."""

from __future__ import annotations

from peers.hummingbot.tables import tables
from sluicegate._priorities import group_of_name
from sluicegate.hummingbot.priorities import priorities_of

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
        found = priorities_of(ids, True)
        if any("order" in group_of_name(limit_id) for limit_id in ids):
            assert max(found.values()) == 3, name
