"""The lines of a whole budget: each limit for all processes together, and who has what of it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

from sluicegate._meter.drawing import (
    ENDLESS,
    Line,
    Part,
    Shape,
    clean,
    heading,
    is_alike,
    of_limit,
)
from sluicegate._share.both_scopes import twin
from sluicegate._share.members import every
from sluicegate._spans import span


def of_scope(
    scope: dict[str, Any],
    budgets: Sequence[dict[str, Any]],
    everything: bool,
    signs: str,
    shape: Shape,
) -> Iterable[Line]:
    """All lines of an account or an address.

    Args:
        scope: What the store says, completed.
        budgets: All scopes of the store. Where nobody knows which of the two an exchange counts,
            each limit is there for the account and for the address: what both say is shown once.
        everything: Also limits of which nothing is used, and what was shown.
        signs: What bars are made of.
        shape: What a line has room for.
    """
    names = _names(scope["members"])
    learning = "  the store has lost something: nobody gets more for a while"
    yield [
        Part(f"the whole budget of {clean(scope['scope'])}", "bold"),
        Part(learning if scope["learning"] else "", "red"),
    ]
    yield [Part(f"  {_known(scope['members'], names)}", "dim")]
    shown = [limit for limit in scope["limits"] if _is_shown(limit, everything)]
    account = None if everything else _account_of(scope, budgets)
    twins = {twin(one["limit_id"]): one for one in account["limits"]} if account else {}
    limits = [one for one in shown if not is_alike(one, twins.get(one["limit_id"], {}))]
    if limits:
        yield heading(shape)
    for limit in limits:
        yield from of_limit(limit, "", signs, shape)
        text = _who_has_what(limit, scope["members"], names, everything)
        for line in textwrap.wrap(text, shape.width - 4, break_long_words=False):
            yield [Part(f"    {line}", "dim")]
    if account and len(limits) < len(shown):
        rest = "all else is" if limits else "all is"
        yield [Part(f"  {rest} as in the whole budget of {clean(account['scope'])}")]
    else:
        yield from _processes(scope["members"], names)
    yield []


def _account_of(scope: dict[str, Any], budgets: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    kind, _, name = scope["scope"].partition(":")
    accounts = (one for one in budgets if one["scope"] == f"account:{name}")
    return next(accounts, None) if kind == "address" else None


def _processes(members: Sequence[dict[str, Any]], names: Sequence[str]) -> Iterable[Line]:
    by_name: dict[str, dict[str, Any]] = {}
    for member, name in zip(members, names, strict=True):
        # One that is stopped says so by any of its throttlers.
        if name not in by_name or member["state"]:
            by_name[name] = member
    for name, member in sorted(by_name.items()):
        yield [
            Part(f"  {name}"),
            Part(f" {member['state']}" if member["state"] else "", "red"),
            Part(f"  {clean(member['command'])[:90]}", "dim"),
        ]


def _names(members: list[dict[str, Any]]) -> list[str]:
    """What the process of each member is called: by its host, too, where there are several."""
    several = len({member["host"] for member in members}) > 1
    return [
        f"{member['pid']} on {clean(member['host'])}" if several else str(member["pid"])
        for member in members
    ]


def _known(members: list[dict[str, Any]], names: list[str]) -> str:
    """Of how many processes it is known what is in flight."""
    count = len(set(names))
    silent = {name for member, name in zip(members, names, strict=True) if not member["answers"]}
    processes = "1 process" if count == 1 else f"{count} processes"
    if not silent:
        return f"{processes}. In flight, wait and passed/s are those of all of them"
    if len(silent) == count:
        return f"{processes}. None can be asked from here: what is in flight is not known"
    return (
        f"{processes}. In flight, wait and passed/s are those of {count - len(silent)} of them: "
        "the others cannot be asked from here"
    )


def _is_shown(limit: dict[str, Any], everything: bool) -> bool:
    # What lower priorities may use of another limit is shown there, as reserved.
    if limit["reserved"] is None or (limit["limit"] >= ENDLESS and not limit["paused"]):
        return False
    return everything or bool(limit["used"] or limit["waiting"] or limit["paused"])


def _who_has_what(
    limit: dict[str, Any], members: list[dict[str, Any]], names: list[str], everything: bool
) -> str:
    # A process may take part several times: each of its throttlers does.
    held = dict.fromkeys(names, 0)
    waiting: dict[str, tuple[int, float]] = {}
    for member, name, part in zip(members, names, limit["members"], strict=True):
        if part is None:
            continue
        held[name] += part["held"]
        requests, oldest = waiting.get(name, (0, 0.0))
        if part["now"] is not None:
            requests += part["now"]["waiting"]
            oldest = max(oldest, part["now"]["oldest_wait"])
        elif member["ticket"] and limit["limit_id"] in member["ticket"]["needs"]:
            requests, oldest = requests + 1, max(oldest, member["ticket"]["waited"])
        waiting[name] = (requests, oldest)
    parts = []
    for name, units in held.items():
        requests, oldest = waiting.get(name, (0, 0.0))
        if units or requests or everything:
            waits = f" ({requests:,} wait, {span(oldest) or '0.0 s'})" if requests else ""
            parts.append(f"{name} has {units:,}{waits}")
    if limit["free"] > 0:
        parts.append(f"nobody has {limit['free']:,}")
    if limit["free"] < 0:
        parts.append(f"{-limit['free']:,} more are used or held than there are")
    if limit["locked_up"]:
        parts.append(f"{limit['locked_up']:,} of ended processes come free later")
    window = every(limit) if limit["kind"] == "quota" else f"every {every(limit)}"
    return f"{window}: {', '.join(parts)}" if parts else window
