"""Hummingbot's throttler, running on sluicegate's gate.

A connector that imports these instead of Hummingbot's own needs no other change::

    from sluicegate.hummingbot import AsyncThrottler, LinkedLimitWeightPair, RateLimit

`install` puts them in place inside an installed Hummingbot, for connectors that import Hummingbot's
own; ``sluicegate run`` does so for a whole program, without a change to its code.
"""

from sluicegate.hummingbot.context import AsyncRequestContext, AsyncRequestContextBase
from sluicegate.hummingbot.data_types import LinkedLimitWeightPair, RateLimit, TaskLog
from sluicegate.hummingbot.installing import install, uninstall
from sluicegate.hummingbot.throttler import AsyncThrottler, AsyncThrottlerBase

__all__ = [
    "AsyncRequestContext",
    "AsyncRequestContextBase",
    "AsyncThrottler",
    "AsyncThrottlerBase",
    "LinkedLimitWeightPair",
    "RateLimit",
    "TaskLog",
    "install",
    "uninstall",
]
