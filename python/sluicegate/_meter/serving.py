"""``SLUICEGATE_METRICS``: serves metrics from the first throttler of a process on."""

from __future__ import annotations

import sys

VARIABLE = "SLUICEGATE_METRICS"


def read(text: str) -> tuple[str, int]:
    """The address and the port of ``PORT`` or ``ADDRESS:PORT``.

    Raises:
        ValueError: It is neither.
    """
    address, _, port = text.strip().rpartition(":")
    address = address.strip("[]") or "127.0.0.1"
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65_535):
        raise ValueError(
            f"{text!r} is no place to serve metrics at: write a port, such as 9464, or an address "
            "and a port, such as 0.0.0.0:9464"
        )
    return address, int(port)


def begin(text: str) -> None:
    """Serves at the place that the variable names; if that fails, one line says so.

    Args:
        text: The value of the variable.
    """
    try:
        address, port = read(text)
        from sluicegate.metrics import serve

        serve(port, address)
    except (ImportError, OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else str(error)
        line = f"sluicegate: no metrics at {text}: {problem}"
        print(line, file=sys.stderr, flush=True)  # noqa: T201
