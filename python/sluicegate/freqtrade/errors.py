"""What Freqtrade raises for an error of ccxt, and what the error is about."""

from __future__ import annotations

import ccxt
from freqtrade.exceptions import (
    DDosProtection,
    ExchangeError,
    OperationalException,
    TemporaryError,
)


def as_freqtrades(error: Exception, asked_for: str) -> Exception:
    """The exception that Freqtrade's own methods raise for this one.

    Args:
        error: What ccxt raised. Anything else is no failure of the exchange, and stays as it is.
        asked_for: What was asked for, such as "the ticker of BTC/USDT".
    """
    if not isinstance(error, ccxt.BaseError):
        return error
    found: Exception
    if isinstance(error, ccxt.DDoSProtection):
        found = DDosProtection(error)
    elif isinstance(error, ccxt.OperationFailed | ccxt.ExchangeError):
        kind = type(error).__name__
        found = TemporaryError(f"Could not load {asked_for} due to {kind}. Message: {error}")
    else:
        found = OperationalException(error)
    found.__cause__ = error
    return found


def not_traded(pair: str) -> Exception:
    """What Freqtrade raises for a pair that the exchange does not have, or no longer trades."""
    found: Exception = ExchangeError(f"Pair {pair} not available")
    return found


def is_about_the_pair(error: Exception) -> bool:
    """Whether an exception tells of the pair, rather than of an exchange that does not answer."""
    return not isinstance(error.__cause__, ccxt.OperationFailed)
