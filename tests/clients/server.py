"""`Server`: a server whose answers are as odd as a test wants them."""

from __future__ import annotations

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BIG = json.dumps([{"price": str(n), "qty": "1"} for n in range(5_000)]).encode()
SMALL = b'{"price": "1"}'
REFUSED = b'{"code": -1003, "msg": "Too much request weight used"}'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        length = self.headers.get("content-length")
        body = self.rfile.read(int(length)) if length else b""
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        path = self.path.partition("?")[0]
        self.server.owner.arrived(self.command, self.path, body, self.client_address)
        getattr(self, "answer_" + path.strip("/").replace("/", "_").replace("-", "_"), self.plain)()

    do_POST = do_DELETE = do_GET  # noqa: N815

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        if "Transfer_Encoding" not in headers and "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if "Transfer_Encoding" not in headers:
            self.wfile.write(body)
            return
        for start in range(0, len(body), 1_000):
            part = body[start : start + 1_000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def plain(self) -> None:
        self.send(SMALL)

    def answer_big(self) -> None:
        self.send(BIG)

    def answer_chunked(self) -> None:
        self.send(SMALL, Transfer_Encoding="chunked")

    def answer_big_chunked(self) -> None:
        self.send(BIG, Transfer_Encoding="chunked")

    def answer_gzip(self) -> None:
        self.send(gzip.compress(SMALL, mtime=0), Content_Encoding="gzip")

    def answer_big_gzip(self) -> None:
        self.send(gzip.compress(BIG, mtime=0), Content_Encoding="gzip", Transfer_Encoding="chunked")

    def answer_broken_gzip(self) -> None:
        self.send(b"no gzip at all", Content_Encoding="gzip")

    def answer_empty(self) -> None:
        self.send(b"")

    def answer_without(self) -> None:
        self.send_response(204)
        self.end_headers()

    def answer_error(self) -> None:
        self.send(b'{"code": -1121, "msg": "Invalid symbol."}', 400)

    def answer_big_error(self) -> None:
        self.send(b"<html>" + b"x" * 100_000, 500, Content_Type="text/html")

    def answer_short(self) -> None:
        """Ends before it has all that it says."""
        self.send(SMALL, Content_Length="100")
        self.close_connection = True

    def answer_short_chunked(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b'5\r\n{"a":\r\n')
        self.close_connection = True

    def answer_dropped(self) -> None:
        """Closes the connection without an answer."""
        self.close_connection = True

    def answer_bytes(self) -> None:
        self.send(bytes(range(256)) * 10, Content_Type="application/octet-stream")

    def answer_cookie(self) -> None:
        self.send(SMALL, Set_Cookie="a=b")

    def answer_moved(self) -> None:
        self.send(b"{}", 302, Location="/there")

    def answer_moved_post(self) -> None:
        self.send(b"{}", 307, Location="/order")

    def answer_refused(self) -> None:
        """The first as often as the test says; then it is answered."""
        owner = self.server.owner
        if owner.refusals > 0:
            owner.refusals -= 1
            self.send(REFUSED, owner.status, **owner.headers)
        else:
            self.send(SMALL)

    def answer_events(self) -> None:
        """A stream without an end: a first event, and then nothing until the test is over."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"data: 1\n\n")
        self.wfile.flush()
        self.server.owner.over.wait(30)
        self.close_connection = True

    def answer_held(self) -> None:
        """Answered when the test says so."""
        self.server.owner.go_on.wait(30)
        self.send(SMALL)


class Server:
    """A server on a free port of this machine, in threads of its own.

    Attributes:
        arrivals: Method, path with query, body and the client's address of all requests.
        refusals: How many requests to `/refused` are still refused, …
        status: … with which status
        headers: … and headers.
    """

    def __init__(self) -> None:
        self.arrivals: list[tuple[str, str, bytes, Any]] = []
        self.refusals = 0
        self.status = 429
        self.headers: dict[str, str] = {"Retry_After": "5"}
        self.over = threading.Event()
        self.go_on = threading.Event()
        self._server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _, _ in self.arrivals]

    def arrived(self, method: str, path: str, body: bytes, client: Any) -> None:
        self.arrivals.append((method, path, body, client))

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
