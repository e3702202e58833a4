"""ccxt on one exact budget: every exchange object of a program, with no change to its code.

`install()` replaces the pacing of ccxt's exchange classes, synchronous and asynchronous. From then
on all objects that talk to one exchange share its limits: objects, threads, tasks and event loops,
and with ``share`` also processes. The guide is `docs/ccxt.md`.

>>> import ccxt
>>> from sluicegate.ccxt import install, uninstall
>>> install()
>>> exchange = ccxt.binance()  # paced by sluicegate, and so is every other object
>>> uninstall()
"""

from sluicegate.ccxt.asked import throttler, usage
from sluicegate.ccxt.installing import install, uninstall, version

__all__ = ["install", "throttler", "uninstall", "usage", "version"]
