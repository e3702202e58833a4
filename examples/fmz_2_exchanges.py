"""Scenario 2: several exchanges, each with rules of its own, asked at the same time."""

from fmz import Log, Sleep, exchanges


def main() -> None:
    """Asks three exchanges for their prices, ten times in a second."""
    with exchanges(3) as all_exchanges:
        for exchange in all_exchanges:
            exchange.IO("rate", "GetTicker", 5, "1m")
            exchange.IO("rate", "CreateOrder", 2, "1s")

        prices = 0
        for _ in range(10):
            tasks = [exchange.Go("GetTicker", "BTC_USDT") for exchange in all_exchanges]
            for exchange, task in zip(all_exchanges, tasks, strict=True):
                ticker = task.wait()
                if ticker:
                    prices += 1
                    Log(exchange.GetName(), "Price:", ticker["Last"])
            Sleep(100)
        assert prices == 3 * 5, prices


main()
