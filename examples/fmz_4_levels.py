"""Scenario 4: rules on several levels. A call must fit all that cover it; what matters waits."""

from fmz import Log, Sleep, exchanges


def main() -> None:
    """Reads the market as often as it may, and never misses an order."""
    with exchanges() as [exchange]:
        exchange.IO("rate", "GetTicker,GetDepth", 20, "1s")
        exchange.IO("rate", "CreateOrder,CancelOrder", 5, "1s", "delay")
        exchange.IO("rate", "GetAccount,GetPositions", 30, "1m")
        exchange.IO("quota", "*", 10_000, "@0000")
        Log("Multi-level rate limiting configured")

        market = orders = 0
        for round_number in range(20):
            ticker = exchange.GetTicker("BTC_USDT")
            depth = exchange.GetDepth("BTC_USDT")
            market += (ticker is not None) + (depth is not None)
            if round_number == 0:
                Log("Account:", exchange.GetAccount())
            if round_number % 2 == 0 and exchange.Buy(50_000, 0.001):
                orders += 1
            Sleep(10)
        Log(f"{market} looks at the market, {orders} orders")
        assert orders == 10, orders
        assert market >= 20, market


main()
