"""`Source`: which method of ccxt gives the quotes for exit rates, and how its answer is read."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

#: What Freqtrade's `get_rate` takes to price a pair: `{"ticker": …}` or `{"order_book": …}`.
Quote = dict[str, Any]


class Source:
    """Where quotes come from, by Freqtrade's settings for exits.

    Attributes:
        many: ccxt's method for many pairs in one call; None if this exchange has none.
        by_book: Whether pairs are priced by their order book, rather than by their ticker.
        limit: How many levels of the book to ask for.
    """

    def __init__(self, exchange: Any) -> None:
        """The source for an exchange of Freqtrade's, as it is set up now."""
        pricing = exchange._config.get("exit_pricing", {})
        has = exchange._ft_has
        top = pricing.get("order_book_top", 1)
        self.by_book: bool = pricing.get("use_order_book", False)
        self.limit = exchange.get_next_limit_in_list(
            top, has["l2_limit_range"], has["l2_limit_range_required"], has["l2_limit_upper"]
        )
        self.many: str | None = None
        if self.by_book and top > 1:
            return
        if self.by_book and _can(exchange, "fetchBidsAsks"):
            self.many = "fetch_bids_asks"
        elif _can(exchange, "fetchTickers") and has["tickers_have_bid_ask"]:
            self.many = "fetch_tickers"

    def ask(self, api: Any, pair: str) -> Awaitable[Any]:
        """Asks for one pair, as Freqtrade itself does."""
        question: Awaitable[Any] = (
            api.fetch_l2_order_book(pair, self.limit) if self.by_book else api.fetch_ticker(pair)
        )
        return question

    def quote(self, answer: Any) -> Quote:
        """The answer to `ask`, as a quote."""
        return {"order_book": answer} if self.by_book else {"ticker": answer}

    def quote_of_many(self, answer: Any) -> Quote | None:
        """One pair of the answer to `many`, as a quote; None if values are missing."""
        if not answer or not answer.get("bid") or not answer.get("ask"):
            return None
        if not self.by_book:
            return {"ticker": answer}
        bids, asks = ([[answer[side], answer.get(f"{side}Volume")]] for side in ("bid", "ask"))
        return {"order_book": {"bids": bids, "asks": asks}}

    def __str__(self) -> str:
        """What one pair is asked for."""
        return "order book" if self.by_book else "ticker"


def _can(exchange: Any, what: str) -> bool:
    # ccxt emulates some calls for many by one call for each.
    return bool(exchange.exchange_has(what)) and exchange._api.has.get(what) != "emulated"
