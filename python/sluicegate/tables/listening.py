"""`listen`: an answer's headers, status and body, told to a throttler."""

import logging
import math
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sluicegate.tables.answer import Body, HeaderGetter, check_status, header_getter
from sluicegate.tables.endpoint import OWN
from sluicegate.tables.header import Header
from sluicegate.tables.heard import Heard
from sluicegate.tables.limit import Limit
from sluicegate.tables.refusal import RETRY_AFTER, STANDARD_REFUSALS, Refusal, Wait
from sluicegate.tables.route import MOST_MADE, Route
from sluicegate.tables.server_clock import RESOLUTION, ServerClock
from sluicegate.tables.server_time import ServerTime
from sluicegate.tables.telling import (
    give_back,
    has,
    observe,
    pause,
    pause_scope,
    tell_time,
)
from sluicegate.tables.told_time import WRITTEN, told_instant, told_length, told_number
from sluicegate.tables.values import shown

if TYPE_CHECKING:
    from sluicegate import Throttler
    from sluicegate.tables.table import Table

LOG = logging.getLogger("sluicegate.tables")

MARGIN = 1.0
"""Seconds that are waited beyond what an answer says: servers round down, by up to a second."""

LONGEST_WAIT = 7 * 86_400.0
"""No wait is longer. The longest ban that is documented is of three days, or a week for repeats."""

UNTOLD_BAN = 120.0
"""Seconds of a ban that does not say how long it is: the shortest that is documented."""

LONGEST_FILLED = 3_600.0
"""Seconds: longer windows do not count as full if a shorter one does."""

_NUMBERS = frozenset({"used", "remaining", "limit"})

LARGEST = 2**53
"""Larger numbers of units are not believed."""


_Names = tuple[tuple[str, Header], ...]
"""Headers by their names in lower case."""


class _Heeded:
    """What of the answers to the requests of one route is looked at.

    Args:
        route: The route.
        headers: The headers that tell of its limits, by the ids of the limits.
        clock: The clock in the body; None if it has none.
        returned: Whether the body decides what the request cost.
    """

    __slots__ = ("clock", "headers", "returned", "route")

    def __init__(
        self,
        route: Route,
        headers: tuple[tuple[str, _Names], ...],
        clock: ServerClock | None,
        returned: bool,
    ) -> None:
        self.route, self.headers = route, headers
        self.clock, self.returned = clock, returned


class Listener:
    """Tells throttlers what the answers of one exchange say.

    Args:
        table: What they mean.
    """

    def __init__(self, table: "Table") -> None:
        """Sorts what must be looked for in which answers."""
        self._table = table
        self._own = table.headers
        self._told_by = {limit.name: limit.told_by for limit in table.limits}
        self._clock_paths = {x.path: x for x in table.clock if x.path}
        self._clock_headers = [x for x in table.clock if x.header]
        kinds = [limit.kind for limit in table.limits] + [x.kind for x in table.endpoints]
        self._has_fixed = "fixed" in kinds
        self._has_returned = any(x.returned for x in table.endpoints)
        self._warned: set[str] = set()
        self._heeded: dict[str, _Heeded] = {}
        self._by_status: dict[int, tuple[Refusal, ...]] = {}
        self._needs_body: dict[int, bool] = {}
        self._signs_by_status: dict[int, re.Pattern[str] | None] = {}

    def refusals(self, status: int) -> tuple[Refusal, ...]:
        """Those that an answer with this status may be."""
        found = self._by_status.get(status)
        if found is None:
            found = tuple(
                refusal
                for refusal in (*self._table.refusals, *STANDARD_REFUSALS)
                if (status in refusal.status if refusal.status else True)
            )
            if len(self._by_status) < 1_000:
                self._by_status[status] = found
        return found

    def _signs(self, status: int) -> "re.Pattern[str] | None":
        """What a body must have somewhere to be a refusal; None if some need no body."""
        if status not in self._signs_by_status:
            found = self.refusals(status)
            texts = [code for refusal in found if not refusal.text for code in refusal.code]
            texts = [re.escape(code) for code in texts] + [x.text for x in found if x.text]
            known = all(refusal.needs_body for refusal in found)
            try:
                signs = re.compile("|".join(f"(?:{x})" for x in texts) or r"(?!)", re.IGNORECASE)
            except re.error:
                known = False  # Each by itself can be read, but not together.
            if len(self._signs_by_status) >= 1_000:
                self._signs_by_status.clear()
            self._signs_by_status[status] = signs if known else None
        return self._signs_by_status[status]

    def needs_body(self, status: int) -> bool:
        """Whether the body decides what an answer with this status means."""
        needs = self._needs_body.get(status)
        if needs is None:
            check_status(status)
            needs = (self._has_returned and 200 <= status < 300) or any(
                refusal.needs_body or _wait_needs_body(refusal) for refusal in self.refusals(status)
            )
            if len(self._needs_body) < 1_000:
                self._needs_body[status] = needs
        return needs

    def listen(
        self,
        throttler: "Throttler",
        route: Route,
        status: int,
        headers: object,
        body: object,
        limit_id: str | None,
        elapsed: float | None,
    ) -> Heard:
        """Tells a throttler what an answer says (see `Table.listen`)."""
        heeded = self._heeded.get(route.id)
        if heeded is None or heeded.route is not route:
            heeded = self._heed(route)
        get = header_getter(headers)
        content = Body(body, status)
        now = ServerTime(heeded.clock, self._clock_headers, get, content, self._unknown)
        if elapsed is not None and not 0 <= elapsed <= LONGEST_WAIT:
            elapsed = None
        if elapsed is not None and self._has_fixed and now.told is not None:
            instant, clock = now.told
            tell_time(throttler, instant, RESOLUTION[clock.format], elapsed)
        is_served = 200 <= status < 300
        for observed, told_by in heeded.headers:
            told = self._told(told_by, get, now, route.takes[observed][1] if is_served else 1)
            if told:
                observe(throttler, observed, age=elapsed, **told)
        refusal = self._refusal(status, get, content) if self.refusals(status) else None
        asked = limit_id or route.id
        if refusal is None:
            if heeded.returned and 200 <= status < 300:
                give_back(throttler, route, content.items)
            return _ok(asked)
        reason = self._reason(refusal, status, content)
        # What RFC 9110 says of Retry-After holds also where the exchange does not document it.
        places = (*refusal.wait, RETRY_AFTER) if status >= 400 else refusal.wait
        wait = self._wait(places, get, content, now)
        if refusal.pauses == "nothing" or (refusal.means == "overloaded" and wait is None):
            return Heard(refusal.means, wait, (), asked, reason)
        if wait is None and refusal.means == "banned":
            wait = UNTOLD_BAN + MARGIN
        if refusal.pauses == "all":
            ids: list[str] | None = None
        elif refusal.pauses == "limits":
            ids = self._concerned(throttler, refusal, route, limit_id)
        else:
            ids = self._of_scope(throttler, refusal.pauses)
        if wait is not None:
            why = f"{self._table.name}: {reason}"
            if ids is not None and refusal.pauses in ("account", "address"):
                pause_scope(throttler, refusal.pauses, ids, wait, why)
            else:
                ids = pause(throttler, ids, wait, why)
        elif ids is None:
            # Nothing says for how long, and there is no window that could count as full.
            ids = pause(throttler, None, MARGIN, f"{self._table.name}: {reason}")
        else:
            ids = self._fill(throttler, ids, reason)
        return Heard(refusal.means, wait, tuple(ids), asked, reason)

    # ---- What is used

    def _heed(self, route: Route) -> _Heeded:
        """What is looked at in the answers of a route, kept for the next one."""
        endpoint = route.endpoint
        headers: list[tuple[str, _Names]] = []
        if endpoint is None or not endpoint.ignore_headers:
            for limit_id, (limit, _) in route.takes.items():
                is_own = route.own == limit_id
                told_by = self._own if is_own else self._told_by.get(limit.name, ())
                if told_by:
                    headers.append((limit_id, tuple((x.name.lower(), x) for x in told_by)))
        clock = None if endpoint is None else self._clock_paths.get(endpoint.path)
        returned = endpoint is not None and bool(endpoint.returned)
        heeded = _Heeded(route, tuple(headers), clock, returned)
        if len(self._heeded) >= MOST_MADE:
            self._heeded.clear()
        self._heeded[route.id] = heeded
        return heeded

    def _told(
        self, headers: _Names, get: HeaderGetter, now: ServerTime, units: int
    ) -> dict[str, Any]:
        """What headers tell of one limit, as the arguments of `Throttler.observe`.

        A limit is not believed that is less than the units that the request took, which was served:
        nobody would send such a request again, and hear that it was wrong.
        """
        told: dict[str, Any] = {}
        for name, header in headers:
            text = get(name)
            if text is None or header.tells in told:
                continue
            if text.isdecimal() and text.isascii() and len(text) < 16 and header.tells == "used":
                told["used"] = int(text)
                continue
            if header.tells == "reset":
                left = self._reset(header, text, now)
                if left is not None and 0 < left <= LONGEST_WAIT:
                    told["reset"] = left
                continue
            number = told_number(text)
            if number is None or number > LARGEST or (header.tells == "limit" and number < units):
                self._unknown(header.name, text, "a number of units")
                continue
            # Fractions to the safe side; below 0 nothing is used, or nothing is left.
            number = max(number, 0.0)
            up = header.tells == "used"
            told[header.tells] = math.ceil(number) if up else math.floor(number)
        return told if "used" in told or told.keys() & _NUMBERS else {}

    def _reset(self, header: Header, text: str, now: ServerTime) -> float | None:
        """Seconds until a window ends."""
        length = told_length(text, header.format)
        if length is not None:
            return length
        instant = told_instant(text, header.format)
        if instant is None:
            self._unknown(header.name, text, WRITTEN[header.format])
            return None
        return now.until(instant)

    # ---- What a refusal means

    def _refusal(self, status: int, get: HeaderGetter, body: Body) -> Refusal | None:
        # To look for a few texts is much less than to read JSON, and most answers are no refusals.
        signs = self._signs(status)
        if signs is not None and not body.is_parsed and not signs.search(body.text):
            return None
        for refusal in self.refusals(status):
            if refusal.lacks and any(get(name.lower()) is not None for name in refusal.lacks):
                continue
            if refusal.code and not self._has_code(refusal, body):
                continue
            if refusal.text and not re.search(refusal.text, body.text, re.IGNORECASE):
                continue
            return refusal
        return None

    def _has_code(self, refusal: Refusal, body: Body) -> bool:
        if not body.is_parsed and not any(code in body.text for code in refusal.code):
            return False
        return any(code in refusal.code for code in self._codes(refusal, body))

    def _codes(self, refusal: Refusal, body: Body) -> list[str]:
        fields = (refusal.field,) if refusal.field else self._table.code_field
        return [code for field in fields for code in body.values(field)]

    def _wait(
        self, places: tuple[Wait, ...], get: HeaderGetter, body: Body, now: ServerTime
    ) -> float | None:
        """Seconds to wait, with the margin; None if the answer does not say."""
        for place in places:
            seconds = self._told_wait(place, get, body, now)
            if seconds is None:
                continue
            seconds = max(seconds, 0.0) + MARGIN
            if seconds > LONGEST_WAIT:
                LOG.error(
                    "%s says to wait %.0f s, which is longer than any ban that is documented. "
                    "Requests are held for %.0f days. If the exchange is wrong, restart the "
                    "program.",
                    self._table.name,
                    seconds,
                    LONGEST_WAIT / 86_400,
                )
                return LONGEST_WAIT
            return seconds
        return None

    def _told_wait(
        self, place: Wait, get: HeaderGetter, body: Body, now: ServerTime
    ) -> float | None:
        if place.seconds:
            return place.seconds
        if place.header:
            text = get(place.header.lower())
        elif place.field:
            text = next(iter(body.values(place.field)), None)
        else:
            found = re.search(place.text, body.text, re.IGNORECASE)
            text = found[1] if found else None
        if text is None:
            return None
        length = told_length(text, place.format)
        if length is not None:
            return length
        instant = told_instant(text, place.format)
        if instant is None:
            self._unknown(place.header or place.field or "the body", text, WRITTEN[place.format])
            return None
        return now.until(instant)

    def _concerned(
        self, throttler: "Throttler", refusal: Refusal, route: Route, limit_id: str | None
    ) -> list[str] | None:
        """The ids of the limits that are exceeded; None if nobody knows which."""
        if not refusal.limits:
            ids = list(route.takes)
        else:
            ids = []
            for name in refusal.limits:
                if name == OWN:
                    ids += [route.own] if route.own else []
                    continue
                taken = [key for key, (limit, _) in route.takes.items() if limit.name == name]
                ids += taken or [name]
        known = [name for name in ids if has(throttler, name)]
        if limit_id is None or (known and len(known) == len(ids)):
            return known or None
        # A program with ids of its own: the limit of its request, and those linked to it.
        for row in throttler.rate_limits:
            if row.limit_id == limit_id:
                linked = (pair.limit_id for pair in row.linked_limits or ())
                return list(dict.fromkeys([*known, limit_id, *linked]))
        return known or None

    def _of_scope(self, throttler: "Throttler", scope: str) -> list[str] | None:
        """The ids of all limits of a scope that a throttler has."""
        wanted = {"address"} if scope == "address" else {"account", "key"}
        names: dict[str, Limit] = {limit.name: limit for limit in self._table.limits}
        names |= {x.id: own for x in self._table.endpoints if (own := x.own) is not None}
        ids = []
        for row in throttler.rate_limits:
            name = row.limit_id
            limit = names.get(name) or names.get(name.partition(" [")[0])
            if limit is not None and limit.scope in wanted:
                ids.append(name)
        return ids or None

    def _fill(self, throttler: "Throttler", ids: list[str], reason: str) -> list[str]:
        """Has the windows of limits count as full.

        Nobody says which limit it was. So a window of a day does not count as full beside one of a
        minute: a bot would not trade for a day, because of a second.
        """
        if len(ids) > 1:
            lengths = self._lengths(throttler, ids)
            longest = max(LONGEST_FILLED, min(lengths.values()))
            ids = [limit_id for limit_id in ids if lengths[limit_id] <= longest]
        for limit_id in ids:
            limit = self._limit(limit_id)
            if limit is not None and limit.kind == "concurrent":
                pause(throttler, [limit_id], MARGIN, f"{self._table.name}: {reason}")
            else:
                observe(throttler, limit_id, remaining=0)
        return ids

    def _lengths(self, throttler: "Throttler", ids: list[str]) -> dict[str, float]:
        """The lengths of windows in seconds; 0 of those that nobody knows."""
        lengths = {x: limit.interval for x in ids if (limit := self._limit(x)) is not None}
        if len(lengths) < len(ids):
            for row in throttler.rate_limits:
                if row.limit_id in ids and isinstance(row.time_interval, (int, float)):
                    lengths.setdefault(row.limit_id, row.time_interval)
        return {x: lengths.get(x, 0.0) for x in ids}

    def _limit(self, limit_id: str) -> Limit | None:
        name = limit_id.partition(" [")[0]
        return next((x for x in self._table.limits if x.name in (limit_id, name)), None)

    def _reason(self, refusal: Refusal, status: int, body: Body) -> str:
        """What an answer says, in short: the status, and the code or text that was looked for."""
        told = next((code for code in self._codes(refusal, body) if code in refusal.code), "")
        if not told and refusal.text:
            found = re.search(refusal.text, body.text, re.IGNORECASE)
            told = " ".join(found[0].split()) if found else ""
        return f"HTTP {status}{told and ' '}{told[:100]}, {refusal.means}"

    def _unknown(self, where: str, text: str, wanted: str) -> None:
        """Says once that something cannot be read."""
        if where in self._warned:
            return
        self._warned.add(where)
        LOG.warning(
            "%s: %s says %s, and must be %s; it is ignored. This is said once.",
            self._table.name,
            where,
            shown(text),
            wanted,
        )


@lru_cache(maxsize=1_000)
def _ok(limit_id: str) -> Heard:
    """Most answers say nothing else."""
    return Heard("ok", limit_id=limit_id)


def _wait_needs_body(refusal: Refusal) -> bool:
    return any(place.text or place.field for place in refusal.wait)
