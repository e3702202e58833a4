"""Scenario 3: so many calls a day, anew each morning at eight."""

from fmz import Log, Sleep, exchanges


def main() -> None:
    """Uses up the day's calls, and does without until tomorrow."""
    with exchanges() as [exchange]:
        # 1000 in the document. An example shall end before tomorrow.
        exchange.IO("quota", "*", 10, "@0800")

        count = 0
        for _ in range(15):
            ticker = exchange.GetTicker("BTC_USDT")
            if ticker:
                count += 1
                Log("Call count:", count, "Price:", ticker["Last"])
            else:
                Log("Daily quota exceeded, waiting for tomorrow 08:00")
            Sleep(10)
        # 20 if it is eight o'clock while this runs.
        assert count in (10, 15), count


main()
