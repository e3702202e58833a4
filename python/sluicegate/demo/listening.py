"""What the demo's bots tell a throttler of their answers."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sluicegate.demo.bots import Listen
from sluicegate.demo.mix import Call
from sluicegate.tables import Table

if TYPE_CHECKING:
    from sluicegate import Throttler


def listener(table: Table, throttler: "Throttler") -> Listen:
    """Tells the throttler all that the table reads from an answer."""

    def listen(
        call: Call, status: int, headers: Mapping[str, str], body: bytes, elapsed: float
    ) -> None:
        table.listen(throttler, call.method, call.path, status, headers, body, elapsed=elapsed)

    return listen
