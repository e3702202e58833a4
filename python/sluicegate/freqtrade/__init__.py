"""Freqtrade's rates from sluicegate's cache: a `/profit` that answers at once.

`install` puts it in place inside an installed Freqtrade, before a bot is made; ``sluicegate run
freqtrade trade …`` does so without a change to anything. The settings are a section `sluicegate` of
Freqtrade's own config file; see `sluicegate.freqtrade.settings.Settings`.
"""

from sluicegate.freqtrade.installing import install, uninstall, version

__all__ = ["install", "uninstall", "version"]
