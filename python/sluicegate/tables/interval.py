"""How Binance writes the length of a window: 60 s is "MINUTE", 1."""

UNITS = (("DAY", 86_400), ("HOUR", 3_600), ("MINUTE", 60), ("SECOND", 1))


def interval_parts(seconds: float) -> tuple[str, int | float]:
    """Unit and number as `exchangeInfo` writes them: 60 → ("MINUTE", 1), 10 → ("SECOND", 10).

    The largest unit that divides the length stands. A length that is no whole number of seconds is
    a fraction of seconds, which Binance itself never has.
    """
    for unit, length in UNITS:
        if seconds >= length and seconds % length == 0:
            return unit, int(seconds // length)
    return "SECOND", seconds


def interval_label(seconds: float) -> str | None:
    """Number and letter as the headers write them: 60 → "1M"; None if no whole seconds."""
    unit, number = interval_parts(seconds)
    return f"{number}{unit[0]}" if isinstance(number, int) else None
