"""`Pacing`: what all clients do with a request before it leaves, and with its answer."""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from typing import Any

from sluicegate import Task, Throttler, tables
from sluicegate._priorities import Priorities, chosen, priority_of_route
from sluicegate.clients.first_answer import PATIENCE, first_answer
from sluicegate.clients.priorities import check_words
from sluicegate.tables import Route, Table
from sluicegate.tables.answer import LONGEST_BODY, LONGEST_SUCCESS
from sluicegate.tables.request import plain_path, split_url
from sluicegate.tables.values import is_number, shown

log = logging.getLogger("sluicegate.clients")

_WITHOUT_BODY = frozenset({101, 204, 304})

EVERYTHING = 1 << 62
"""So many bytes of a body are read that it is all of it."""


class Request:
    """One request, from before it waits until the program has its answer.

    Attributes:
        method: `GET`, `POST`, …
        url: Where it goes.
        route: What it takes from which limits.
        again: How often it may still be sent again.
        sent: When it was let through, by `time.monotonic`.
    """

    __slots__ = ("again", "method", "route", "sent", "url")

    def __init__(self, method: str, url: str, route: Route, again: int) -> None:
        """It takes nothing yet."""
        self.method = method
        self.url = url
        self.route = route
        self.again = again
        self.sent = 0.0


class Pacing:
    """What requests to one exchange take, and what its answers say.

    Args:
        table: The exchange's limits: a table, or the name of one that comes with sluicegate.
        throttler: Counts the requests. It is one that the table made, or has its limits; to one
            without any limit they are added. Clients with the same throttler share it. By default a
            new one.
        retries: How often a request that was refused is sent again.
        wait_timeout: The most seconds that a request waits; None for no such limit.
        priorities: Which requests go first, if several wait.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: There is no table of this name, the throttler has limits of another table, or a
            number is negative; or a priority is out of range, or names nothing of the table.
    """

    def __init__(
        self,
        table: Table | str,
        throttler: Throttler | None,
        retries: int,
        wait_timeout: float | None,
        priorities: Priorities = True,
    ) -> None:
        """Checks all of it."""
        if isinstance(table, str):
            table = tables.load(table)
        elif not isinstance(table, Table):
            raise TypeError(f"table must be a Table or the name of one, got {shown(table)}")
        if isinstance(retries, bool) or not isinstance(retries, int):
            raise TypeError(f"retries must be a whole number, 0 or more, got {shown(retries)}")
        if retries < 0:
            raise ValueError(f"retries must be 0 or more, got {retries}")
        if wait_timeout is not None and not (is_number(wait_timeout) and wait_timeout >= 0):
            raise ValueError(
                f"wait_timeout must be seconds, 0 or more, or None, got {shown(wait_timeout)}"
            )
        if throttler is None:
            throttler = table.throttler()
        elif not isinstance(throttler, Throttler):
            raise TypeError(f"throttler must be a sluicegate.Throttler, got {shown(throttler)}")
        else:
            _give_limits(throttler, table)
        self._priorities = chosen(priorities)
        if not isinstance(self._priorities, bool):
            check_words(self._priorities, table)
        self.table = table
        self.throttler = throttler
        self.retries = retries
        self.wait_timeout = wait_timeout
        self.patience = PATIENCE if wait_timeout is None else min(PATIENCE, wait_timeout)
        """Seconds for which a request waits for the first answer."""
        self.first = first_answer(throttler)
        """What lets the first request go alone; None once there was an answer."""
        self._reads_all = any(endpoint.returned for endpoint in table.endpoints)

    def task(self, request: Request) -> Task:
        """The block that a request must be sent within."""
        route, throttler = request.route, self.throttler
        limit_id = self.table.prepare_route(throttler, route) if route.made else route.id
        method, path = request.method, request.url
        if route.endpoint is None:
            # Only of what the table does not know, the words decide.
            method, path = method.upper(), plain_path(split_url(path)[1])
        priority = priority_of_route(self._priorities, route, method, path)
        return throttler.execute_task(limit_id, None, self.wait_timeout, priority)

    def bytes_to_read(self, request: Request, status: int, headers: Any) -> int:
        """How much of an answer's body decides what it says; 0 for nothing of it.

        One byte more than what may matter: so it is known whether there is more.

        Args:
            request: What was asked.
            status: The HTTP status.
            headers: What finds a header by its name in lower case.
        """
        if request.method == "HEAD" or status in _WITHOUT_BODY:
            return 0
        # The connection of an answer that is read to its end can be used again.
        is_sent_again = request.again > 0 and status >= 400
        if not is_sent_again and not self.table.needs_body(status):
            return 0
        kind = headers.get("content-type")
        if kind and not _may_tell(kind):
            return 0
        if self._reads_all and 200 <= status < 300:
            endpoint = request.route.endpoint
            if endpoint is not None and endpoint.returned:
                return EVERYTHING
        most = LONGEST_BODY if status >= 400 else LONGEST_SUCCESS
        length = headers.get("content-length") or ""
        is_known = length.isdecimal() and len(length) < 20
        return 0 if is_known and not 0 < int(length) <= most else most + 1

    def is_refused(self, request: Request, status: int, headers: Any, body: bytes | None) -> bool:
        """Listens to an answer. Returns whether it was refused, and is to be sent again."""
        elapsed = time.monotonic() - request.sent
        try:
            # What `Table.listen` checks of its arguments is known of these.
            heard = self.table._listener.listen(
                self.throttler, request.route, status, headers, body, None, elapsed
            )
        except Exception:
            log.exception(
                "the answer of %s %s was not understood; it counts as a plain one",
                request.method,
                split_url(request.url)[1],
            )
            return False
        finally:
            first = self.first
            if first is not None:
                # What it said is known by now: nobody goes before that.
                first.answered()
                self.first = None
        if request.again <= 0 or heard.means not in ("over", "banned"):
            return False
        request.again -= 1
        return True

    def request(
        self, method: str, url: str, body: bytes | str | None, is_whole: bool = True
    ) -> Request:
        """A request of a program.

        Args:
            method: `GET`, `POST`, …
            url: Where it goes.
            body: What it sends; None if that is nothing, or not known before it is sent.
            is_whole: Whether all that it sends is known, so that it can be sent again.
        """
        again = self.retries
        if again and not is_whole:
            again = 0
            log.info(
                "%s %s has a body that can be read once only, so it is not sent again if it is "
                "refused. Give the body as bytes or text.",
                method,
                split_url(url)[1],
            )
        return Request(method, url, self.table.route(method, url, body or None), again)


@lru_cache(maxsize=100)
def _may_tell(content_type: str) -> bool:
    """Whether a body of this type may say why a request was refused, and ends by itself."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("text/"):
        return kind in ("text/plain", "text/html", "text/json", "text/xml")
    return kind.endswith(("/json", "+json"))


def _give_limits(throttler: Throttler, table: Table) -> None:
    """Adds a table's limits to a throttler that has none.

    Raises:
        ValueError: It has those of another table.
    """
    rows = table.rate_limits()
    known = {row.limit_id for row in throttler.rate_limits}
    missing = [row.limit_id for row in rows if row.limit_id not in known]
    if not missing:
        return
    if known:
        raise ValueError(
            f"the throttler has limits, but not those of the table {table.name!r}: it lacks "
            f"{shown(missing[0])}. Make it with the table's throttler(), one for each exchange"
        )
    throttler.add_rate_limits(rows)
