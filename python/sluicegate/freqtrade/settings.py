"""The `sluicegate` section of Freqtrade's config file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from sluicegate._core import check_share, check_timezone, hide_password
from sluicegate._priorities import Priorities, chosen
from sluicegate._share.environment import (
    ACCOUNT,
    ADDRESS,
    STORE,
    absolute,
    asked,
    default_file,
    default_url,
    make_private,
)
from sluicegate.exchange.names import closest
from sluicegate.share import Share

SECTION = "sluicegate"


@dataclass(frozen=True)
class Settings:
    """What a user may set, with the defaults.

    Attributes:
        ttl: Seconds for which a rate is good; none is returned that is older.
        size: How many rates each of the two caches has room for. They grow by themselves, so that
            all open trades and the whole whitelist always fit.
        keep_warm: Whether the rates of open trades are renewed in the background before they
            expire.
        batch: How many pairs one exchange call may name. When more are missing, it names none, and
            the exchange answers for all that it trades. 1 asks for each pair by itself.
        error_ttl: Seconds for which a pair that could not be priced is answered at once with the
            same exception.
        log_interval: Seconds between two lines in the log; 0 for the one at exit only.
        limits: Rules for the bot's ccxt objects, as `exchange.IO` takes them.
        hold: From when a call counts against them: "start", when it is sent, as `exchange.IO` has
            it; "response", until one period after its answer, so that the exchange never sees more.
        timezone: The IANA name of the time zone of quotas; None for the machine's.
        priorities: Which of several calls goes first that wait for these rules: True for cancels,
            then orders, then account questions, then market data; False for all in the order in
            which they came; or numbers by function, higher first.
        share: Where the limits are shared with other bots: the address of a store; True for a file
            in the user's state folder; False for nowhere; None for what the environment says.
        account: The name of the account at the exchange, for `share`.
        address: The name of the IP address, for `share`.
    """

    ttl: float = 300
    size: int = 1_000
    keep_warm: bool = True
    batch: int = 200
    error_ttl: float = 60
    log_interval: float = 3_600
    limits: Sequence[Sequence[Any]] = ()
    hold: Literal["start", "response"] = "start"
    timezone: str | None = None
    priorities: Priorities = True
    share: str | bool | None = None
    account: str | None = None
    address: str | None = None

    def __str__(self) -> str:
        """The settings in a line."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        if isinstance(self.share, str):
            values["share"] = hide_password(self.share)
        # What nobody has set is not worth its place in the line.
        for name in ("share", "account", "address"):
            if values[name] is None:
                del values[name]
        if self.priorities is True:
            del values["priorities"]
        return ", ".join(f"{name} {value}" for name, value in values.items())

    def sharing(self, exchange: str) -> Share | None:
        """Where the limits for an exchange are shared; ``None`` if they are not.

        Args:
            exchange: The id of the exchange: each has budgets of its own.

        Raises:
            ValueError: The environment has a wrong value.
        """
        environ = dict(os.environ)
        if self.share is not None:
            own = default_url(environ) if self.share is True else self.share or ""
            environ[STORE] = absolute(own) if own else ""
        if environ.get(STORE) == default_url(environ):
            make_private(default_file(environ).parent)
        for name, value in ((ACCOUNT, self.account), (ADDRESS, self.address)):
            if value is not None:
                environ[name] = value
        found = asked(environ)
        if found is None:
            return None
        return replace(
            found,
            account=f"{found.account}/{exchange}",
            address=f"{found.address}/{exchange}",
            # Bots with different rules go on, by the stricter one.
            conflict="smallest",
        )


def read(config: Mapping[str, Any]) -> Settings:
    """The settings in a config of Freqtrade.

    Raises:
        ValueError: Some of them cannot be; the message shows all of those.
    """
    section = config.get(SECTION, {})
    if not isinstance(section, Mapping):
        raise ValueError(f'"{SECTION}" must be a section such as {{"ttl": 300}}, not {section!r}')
    known = [field.name for field in fields(Settings)]
    problems = [_unknown(name, known) for name in section if name not in known]
    for name, check in _CHECKS.items():
        if name in section and (must := check(section[name])):
            problems.append(f"{name} must be {must}, not {_shown(name, section[name])}")
    if problems:
        raise ValueError(f'"{SECTION}": {"; ".join(problems)}')
    return Settings(**section)


def _unknown(name: object, known: Sequence[str]) -> str:
    close = closest(str(name), known)
    hint = f"did you mean {close!r}?" if close else f"there are {', '.join(known)}"
    return f"there is no setting {name!r}; {hint}"


def _shown(name: str, value: object) -> str:
    # It may hold a password.
    return repr(hide_password(value) if name == "share" and isinstance(value, str) else value)


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    # A whole number may be more than any clock can tell; math.isfinite would raise for it.
    return abs(value) <= sys.float_info.max


def _is_count(value: object) -> bool:
    return isinstance(value, int) and _is_number(value) and value >= 1


def _ttl(value: Any) -> str:
    return "" if _is_number(value) and value >= 1 else "seconds, at least 1"


def _count(value: Any) -> str:
    return "" if _is_count(value) else "a whole number of at least 1"


def _flag(value: Any) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _log_interval(value: Any) -> str:
    fits = _is_number(value) and (value == 0 or value >= 1)
    return "" if fits else "seconds, at least 1, or 0 for a line at exit only"


def _limits(value: Any) -> str:
    fits = isinstance(value, list | tuple) and all(isinstance(rule, list | tuple) for rule in value)
    return "" if fits else 'a list of rules such as [["rate", "GetTicker", 10, "1s", "delay"]]'


def _hold(value: Any) -> str:
    return "" if value in ("start", "response") else '"start" or "response"'


def _timezone(value: Any) -> str:
    if value is None:
        return ""
    try:
        check_timezone(value)
    except (TypeError, ValueError):
        return 'the name of a time zone such as "Europe/Berlin"'
    return ""


def _priorities(value: Any) -> str:
    try:
        chosen(value)
    except (TypeError, ValueError):
        return (
            'true, false, or whole numbers from -1000 to 1000 by function, such as {"GetTicker": 3}'
        )
    return ""


def _share(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    try:
        check_share(Share(value))
    except (TypeError, ValueError):
        return (
            'the address of a store such as "sqlite:////var/lib/bots/budget.db" or '
            '"redis://host:6379/0", or true for a file in your state folder'
        )
    return ""


def _name(value: Any) -> str:
    fits = value is None or (
        isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable()
    )
    return "" if fits else "a name of 1 to 100 characters"


_CHECKS = {
    "ttl": _ttl,
    "size": _count,
    "keep_warm": _flag,
    "batch": _count,
    "error_ttl": _ttl,
    "log_interval": _log_interval,
    "limits": _limits,
    "hold": _hold,
    "timezone": _timezone,
    "priorities": _priorities,
    "share": _share,
    "account": _name,
    "address": _name,
}
