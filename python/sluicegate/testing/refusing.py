"""What an exchange answers a request that it refuses, as its table says it."""

import re
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from sluicegate.tables import load
from sluicegate.tables.endpoint import OWN
from sluicegate.tables.refusal import USUAL_REFUSALS, Refusal
from sluicegate.tables.table import Table
from sluicegate.testing.error_answers import OVERLOADED, binance_error
from sluicegate.testing.habits import Habits
from sluicegate.testing.ledger import Verdict
from sluicegate.testing.server_clock import ServerClock
from sluicegate.testing.told import Told, told

STATUS = {"over": 429, "banned": 418, "overloaded": 503}
"""The statuses of a table that knows no refusal of a meaning."""

WORDS = {
    "over": "Too many requests",
    "banned": "Too many requests: access is denied for a time",
    "overloaded": "The server is overloaded",
}


def rejection(
    table: Table, habits: Habits, verdict: Verdict, now: int, clock: ServerClock
) -> tuple[web.Response, Told]:
    """What a request over a limit, or during a ban, is answered, and how long that says to wait.

    Args:
        table: Its refusals say what the answer looks like, if `habits` do not name another table.
        habits: How the answers of this exchange differ from what its table says.
        verdict: What was decided.
        now: The instant of the verdict.
        clock: The exchange's own time.
    """
    means = "banned" if verdict.status == 418 else "over"
    over = {limit.name for limit in verdict.over}
    if not over <= {limit.name for limit in table.limits}:
        over.add(OWN)
    spoken = load(habits.style) if habits.style else table
    refusal = _pick(spoken, means, over)
    headers: dict[str, str] = {}
    fields: dict[str, str] = {}
    words = _literal(refusal.text, "") or WORDS[means]
    said = Told()
    for wait in refusal.wait:
        of_header = wait.header.lower() == "retry-after"
        form = habits.retry_after if of_header and habits.retry_after is not None else wait.format
        one = Told() if wait.seconds else told(form, verdict.wait, now, clock)
        if one.text is None:
            continue
        said = one if said == Told() else said
        if wait.header:
            headers[wait.header] = one.text
        elif wait.field:
            fields[wait.field] = one.text
        else:
            words = _literal(wait.text, one.text)
    body = (
        binance_error(verdict, clock.wall(now))
        if _is_binance(spoken)
        else _error(spoken, refusal, words)
    )
    status = _status(spoken, refusal) if habits.status is None else habits.status
    for field, text in fields.items():
        _put(body, field, text)
    return web.json_response(body, status=status, headers=headers), said


def overload(table: Table, habits: Habits) -> web.Response:
    """What an exchange answers that has too much to do, no matter who asks."""
    spoken = load(habits.style) if habits.style else table
    refusal = _pick(spoken, "overloaded", ())
    words = _literal(refusal.text, "") or WORDS["overloaded"]
    body = OVERLOADED if _is_binance(spoken) else _error(spoken, refusal, words)
    return web.json_response(body, status=_status(spoken, refusal))


def _pick(table: Table, means: str, over: Iterable[str]) -> Refusal:
    """The refusal that names one of these limits; else one for any limit; else what is usual."""
    found = [refusal for refusal in table.refusals if refusal.means == means]
    for refusal in found:
        if set(refusal.limits) & set(over):
            return refusal
    for refusal in found:
        if not refusal.limits:
            return refusal
    if found:
        return found[0]
    if means == "banned" and table.refusals:
        # An exchange that bans nobody, as far as is known, goes on saying that it is too much.
        return _pick(table, "over", over)
    return Refusal(means, (STATUS[means],))


def _status(table: Table, refusal: Refusal) -> int:
    """Its status; without one, the code is what tells, as most have it with HTTP 200."""
    if refusal.status:
        return refusal.status[0]
    return STATUS[refusal.means] if _is_binance(table) else 200


def _is_binance(table: Table) -> bool:
    """Whether errors are told in Binance's words, as those of a table that says nothing are."""
    return table.refusals == USUAL_REFUSALS or table.name.startswith("binance")


def _error(table: Table, refusal: Refusal, words: str) -> dict[str, Any]:
    field = refusal.field or table.code_field[0]
    body: dict[str, Any] = {}
    if field == "error":
        # Kraken has a list of texts.
        return {"error": [refusal.code[0] if refusal.code else words]}
    if refusal.code:
        code = refusal.code[0]
        # Bybit has a number beside `retMsg`; most have a text beside `msg`.
        _put(body, field, int(code) if field == "retCode" and _is_number(code) else code)
    body["retMsg" if field == "retCode" else "msg"] = words
    return body


def _is_number(code: str) -> bool:
    return re.fullmatch("-?[0-9]{1,18}", code) is not None


def _put(body: dict[str, Any], field: str, value: Any) -> None:
    """Write a value to where a field's dots lead."""
    *above, last = field.split(".")
    for name in above:
        body = body.setdefault(name, {})
    body[last] = value


def _literal(pattern: str, number: str) -> str:
    """A text that a simple regular expression finds, with a number where its group is."""
    text = re.sub(r"\((?:\?:)?([^()|\\]*)\|[^()]*\)", r"\1", pattern)
    text = re.sub(r"\(\\d\+\)|\\d\+", number or "1", text.split("|")[0])
    text = re.sub(r"\\?.\?", "", text)
    return re.sub(r"[\\^$]", "", re.sub(r"\\s[+*]?|\.[*+]", " ", text))
