"""The stand-in server: it counts the requests that arrive, in a process of its own.

    python -m benches.share.server SOCKET

A bot sends a request when it leaves, with the time that it is to be on its way. From then on it is
the server's: a bot that is killed cannot call it back. The server notes the instant at which the
request arrives, and answers after that.
"""

import contextlib
import heapq
import json
import selectors
import socket
import struct
import sys
import time

HELLO = struct.Struct("<I")
REQUEST = struct.Struct("<II")
ANSWER = struct.Struct("<I")


class Line:
    """The connection of one bot."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.number: int | None = None
        self.bytes = b""

    def read(self) -> list[tuple[int, int]] | None:
        """The requests that came: their numbers, and microseconds on their way. None at the end."""
        try:
            part = self.stream.recv(65536)
        except ConnectionError:
            return None
        if not part:
            return None
        self.bytes += part
        if self.number is None and len(self.bytes) >= HELLO.size:
            (self.number,) = HELLO.unpack_from(self.bytes)
            self.bytes = self.bytes[HELLO.size :]
        whole = len(self.bytes) // REQUEST.size * REQUEST.size
        found = list(REQUEST.iter_unpack(self.bytes[:whole])) if self.number is not None else []
        self.bytes = self.bytes[whole:] if found else self.bytes
        return found

    def answer(self, request: int) -> None:
        """Answers; whoever has gone needs no answer."""
        with contextlib.suppress(OSError):
            self.stream.send(ANSWER.pack(request))


def serve(address: str) -> list[tuple[int, int]]:
    """Counts until stdin ends: the instant of each arrival, and the bot's number."""
    arrivals: list[tuple[int, int]] = []
    on_their_way: list[tuple[int, int, int, Line]] = []
    order = 0
    selector = selectors.DefaultSelector()
    door = socket.socket(socket.AF_UNIX)
    door.bind(address)
    door.listen(256)
    selector.register(door, selectors.EVENT_READ, None)
    selector.register(sys.stdin, selectors.EVENT_READ, "end")
    print("ready", flush=True)
    while True:
        due = (on_their_way[0][0] - time.monotonic_ns()) / 1e9 if on_their_way else None
        for key, _ in selector.select(None if due is None else max(due, 0)):
            if key.data == "end":
                return arrivals
            if key.data is None:
                stream, _ = door.accept()
                selector.register(stream, selectors.EVENT_READ, Line(stream))
                continue
            line: Line = key.data
            requests = line.read()
            if requests is None:
                selector.unregister(line.stream)
                continue
            now = time.monotonic_ns()
            for request, delay in requests:
                order += 1
                heapq.heappush(on_their_way, (now + delay * 1000, order, request, line))
        while on_their_way and on_their_way[0][0] <= time.monotonic_ns():
            _, _, request, line = heapq.heappop(on_their_way)
            arrivals.append((time.monotonic_ns(), line.number or 0))
            line.answer(request)


if __name__ == "__main__":
    json.dump(serve(sys.argv[1]), sys.stdout)
