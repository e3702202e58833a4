"""Scenario 1: keep below an exchange's limits.

The exchange allows 20 tickers and 5 orders a second; the strategy allows itself a little less.
"""

from fmz import Log, Sleep, exchanges


def main() -> None:
    """Looks for a good price for three seconds, ten times a second."""
    with exchanges() as [exchange]:
        exchange.IO("rate", "GetTicker", 8, "1s")
        exchange.IO("rate", "CreateOrder", 2, "1s")

        tickers = orders = 0
        for _ in range(30):
            ticker = exchange.GetTicker("BTC_USDT")
            if ticker:
                tickers += 1
                if exchange.CreateOrder("BTC_USDT", "buy", ticker["Last"], 0.001):
                    orders += 1
            Sleep(100)
        Log(f"{tickers} tickers and {orders} orders; the last refusal: {exchange.last_error}")
        assert tickers <= 4 * 8
        assert 2 <= orders <= 4 * 2


main()
