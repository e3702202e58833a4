"""What Hummingbot's throttler shares with other processes: whose budget, and how much of it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any

from sluicegate._share.environment import asked
from sluicegate.hummingbot.connector import connector_of
from sluicegate.hummingbot.data_types import RateLimit
from sluicegate.share import Share

_WHOLE = "_sluicegate_whole"
"""The attribute of a throttler's own limits with the whole limit, and with this bot's share."""


@dataclass(frozen=True)
class Sharing:
    """Where a throttler shares its limits.

    Attributes:
        share: The store, and the names of the account and the address.
    """

    share: str | Share

    @classmethod
    def asked(
        cls, share: str | Share | None, clock: object | None, maker: FrameType
    ) -> Sharing | None:
        """What the caller asks for, or else the environment; ``None`` if nobody does.

        Args:
            share: What the caller asks for.
            clock: A test's clock, with which nothing can be shared.
            maker: Where the throttler is made.

        Raises:
            ValueError: The environment has a wrong value.
        """
        if share is not None:
            return cls(share)
        found = None if clock is not None else asked()
        if found is None:
            return None
        connector = connector_of(maker)
        return cls(
            replace(
                found,
                account=f"{found.account}/{connector}",
                address=f"{found.address}/{connector}",
                # Some connectors learn their limits when they are connected, one after another.
                conflict="smallest",
            )
        )


def whole_of(limit: Any) -> Any:
    """The limit of which a throttler's own limit is a share. Any other limit is its own whole.

    Some connectors copy the table of their throttler, change it, and hand it back.
    """
    whole, share = getattr(limit, _WHOLE, (None, None))
    return limit.limit if whole is None or limit.limit != share else whole


def remember_whole(own: Any, whole: Any) -> None:
    """Notes in a throttler's own limit of what it is a share."""
    setattr(own, _WHOLE, (whole, own.limit))


def with_whole(own: RateLimit) -> RateLimit:
    """A limit that is as large as the whole of a throttler's own one."""
    limit = copy.copy(own)
    limit.limit = whole_of(own)
    return limit
