"""`Limits`: the rules of the config's `limits`, on every ccxt object of one bot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ccxt

from sluicegate._core import Throttler
from sluicegate.errors import StoreError
from sluicegate.exchange import limit_all
from sluicegate.exchange.book import Book
from sluicegate.exchange.waits import Waits
from sluicegate.freqtrade.settings import SECTION, Settings


class Limits:
    """The rules, and the one budget that all ccxt objects of a bot share for each.

    Attributes:
        waits: What the rules have delayed, and what they have kept from being sent.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is limited yet."""
        self._settings = settings
        self._rules: Sequence[Sequence[Any]] = settings.limits
        self._throttler: Throttler | None = None
        # A throttler's book lives as long as one of its users.
        self._book: Book | None = None
        self.waits = Waits()

    def _begin(self, exchange: str) -> Throttler:
        """The throttler of all objects, which are of one exchange."""
        share = self._settings.sharing(exchange)
        throttler = Throttler([], hold=self._settings.hold, share=share)
        # Nobody says whom a rule is for: the account, or the address.
        self._book = Book.of(throttler, both=share is not None)
        self._book.waits = self.waits
        return throttler

    def apply(self, api: Any) -> Any:
        """A ccxt object under the rules; the object itself if there are none.

        A call that is over a limit without "delay" raises ccxt's `DDoSProtection`: Freqtrade then
        waits and tries again, as when the exchange itself refuses. `None`, as elsewhere, would stop
        the bot.

        Raises:
            ValueError: A rule that cannot be, or a store that cannot be used; the message shows it.
        """
        if not self._rules:
            return api
        try:
            if self._throttler is None:
                self._throttler = self._begin(str(api.id))
            [limited] = limit_all(
                [api],
                self._rules,
                throttler=self._throttler,
                timezone=self._settings.timezone,
                refusal=ccxt.DDoSProtection,
                priorities=self._settings.priorities,
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f'"{SECTION}": limits: {error}') from error
        except StoreError as error:
            raise ValueError(f'"{SECTION}": share: {error}') from error
        return limited
