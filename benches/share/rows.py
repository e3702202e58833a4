"""The rows and columns of the table, and how a figure gets into it."""

from collections.abc import Callable

from benches.measure import Findings
from benches.report import Row
from benches.share.cluster import FILE, REDIS
from benches.share.limiters import OTHERS, Sluicegate

STORES = (FILE, REDIS)


def column(library: str, where: str) -> str:
    """What the table calls a library and where its limit is."""
    return f"{library}, {where}"


COLUMNS = [
    *(column(Sluicegate.name, where) for where in STORES),
    *(column(library, where) for library, where in OTHERS),
]


def promise(findings: Findings, row: Row, where: str, text: str, kept: bool) -> None:
    """A figure of sluicegate's that has to be so: the run fails if it is not."""
    findings.add(row, column(Sluicegate.name, where), text, kept, wrong=not kept)


def target(findings: Findings, row: Row, where: str, text: str, met: bool) -> None:
    """A figure of sluicegate's that depends on the machine."""
    findings.add(row, column(Sluicegate.name, where), text, met)


Step = Callable[[], None]
