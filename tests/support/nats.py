"""Real NATS servers, started by the tests on ports that are free."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Self

from tests.support.waiting import eventually

BINARY = shutil.which("nats-server") or "/usr/sbin/nats-server"
_READY = "Server is ready"


def free_port() -> int:
    """A port that nobody listened on a moment ago, and that no outgoing connection is given.

    Among those that the kernel gives out, a server that is away for a moment would lose its port to
    some connection; even to one of a client that looks for the server, and has then reached itself.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class NatsServer:
    """One nats-server process with its files in `directory`; stop and start it as often as you like."""

    def __init__(self, directory: Path, **settings: Any) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._file = directory / "nats.conf"
        self._log = directory / "nats.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self._settings = {"host": "127.0.0.1", "log_file": str(self._log), **settings}
        self._write()

    @classmethod
    def with_jetstream(cls, directory: Path, **settings: Any) -> Self:
        """Keeps streams in `directory`; `domain` names its JetStream."""
        jetstream: dict[str, Any] = {"store_dir": str(directory / "streams")}
        if domain := settings.pop("domain", None):
            jetstream["domain"] = domain
        return cls(directory, jetstream=jetstream, **settings)

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def take_the_place_of(self, other: NatsServer) -> None:
        """Listen where another one did, with files of its own."""
        self.port = other.port
        self._write()

    def start(self) -> Self:
        self._starts = self.log().count(_READY)
        self._process = subprocess.Popen(
            [BINARY, "-c", str(self._file), "-l", str(self._log)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._is_listening, why=f"nats-server, see {self._log}")
        return self

    def stop(self, *, kill: bool = False) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self._process.wait(timeout=30)
            self._process = None

    def pause(self) -> None:
        """Its network is as good as cut: connections stay, nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        eventually(lambda: self._state() == "T", why="nats-server to be stopped")

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _state(self) -> str:
        """As the kernel has it: `T` is stopped."""
        assert self._process is not None
        stat = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8")
        return stat.rpartition(")")[2].split()[0]

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8") if self._log.exists() else ""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop(kill=True)

    def _write(self) -> None:
        self._file.write_text(json.dumps({**self._settings, "port": self.port}), encoding="utf-8")

    def _is_listening(self) -> bool:
        """It says so itself: somebody else might have the port."""
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        return self.log().count(_READY) > self._starts
