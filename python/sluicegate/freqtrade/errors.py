"""Converts errors of ccxt to Freqtrade's, and finds out which of them may pass by themselves."""

from __future__ import annotations

import copy

import ccxt
from freqtrade.exceptions import (
    DDosProtection,
    ExchangeError,
    FreqtradeException,
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
    return found


def not_traded(pair: str) -> Exception:
    """What Freqtrade raises for a pair that the exchange does not have, or no longer trades."""
    found: Exception = ExchangeError(f"Pair {pair} not available")
    return found


def is_passing(error: Exception) -> bool:
    """Whether the exchange did not answer, rather than refuse."""
    return isinstance(error.__cause__, ccxt.OperationFailed)


def bare(error: Exception) -> Exception:
    """An exception that can be kept: without the frames in which it and its cause were raised."""
    if error.__cause__ is not None:
        error.__cause__ = error.__cause__.with_traceback(None)
    return error.with_traceback(None)


def again(error: Exception) -> Exception:
    """A kept exception, to be raised: each caller gets a copy of its own."""
    if not isinstance(error, FreqtradeException):
        return error
    found: Exception = copy.copy(error)
    found.__cause__ = error.__cause__
    return found
