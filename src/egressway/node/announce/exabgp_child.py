"""One run of ExaBGP: a child process and the socket that its relay connects to (beside CONFIG 4).

    node --commands--> socket --> relay --> ExaBGP ==BGP==> routers
    node <---events--- socket <-- relay <-- ExaBGP

Files (configuration with passwords, socket, log) lie in a directory that only we may enter.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from egressway.identity.private_file import write_private
from egressway.node.announce import relay, steady_clock
from egressway.node.announce.desired import BgpSettings
from egressway.node.announce.exabgp_text import configuration, environment

__all__ = ["Child"]

_CHUNK: Final = 65_536
_LAST_WORDS: Final = 400
_LOG_BYTES: Final = 1024 * 1024


class Child:
    """Started by being made; for one thread."""

    def __init__(self, settings: BgpSettings, parent: Path | None) -> None:
        # Of this run alone: when the node is gone, the relay takes it away.
        self._directory = directory = Path(tempfile.mkdtemp(prefix="egressway-bgp-", dir=parent))
        self._log = directory / "exabgp.log"
        self._unread = b""
        self._unsent = b""
        path = directory / "relay.sock"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._listener.setblocking(False)
        self._relay: socket.socket | None = None
        config = directory / "exabgp.conf"
        command = f"{sys.executable} -I {Path(relay.__file__).resolve()} {path}"
        write_private(config, configuration(settings, command))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                # `-P`: a file of ours is called like the package.
                [sys.executable, "-P", steady_clock.__file__, "server", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**_plain_environment(), **environment()},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of ExaBGP itself."""
        return self._process.pid

    @property
    def is_connected(self) -> bool:
        """Commands reach it."""
        return self._relay is not None

    def descriptors(self) -> tuple[list[int], list[int]]:
        """What to wait for: to read from, to write to."""
        if self._relay is None:
            return [self._listener.fileno()], []
        relay = self._relay.fileno()
        return [relay], [relay] if self._unsent else []

    def send(self, command: str) -> None:
        """Queue a command."""
        self._unsent += command.encode("ascii") + b"\n"

    def pump(self) -> list[str]:
        """Move what can be moved; complete lines that have come. Raises EOFError at its end."""
        if self._relay is None:
            self._accept()
        if self._process.poll() is not None:
            raise EOFError(f"ExaBGP ended with {self._process.returncode}: {self.last_words()}")
        if self._relay is None:
            return []
        try:
            self._write(self._relay)
            return self._read(self._relay)
        except (ConnectionError, BrokenPipeError) as broken:
            raise EOFError(f"ExaBGP's relay has gone: {self.last_words()}") from broken

    def pump_out(self) -> None:
        """Do not let commands wait for the next turn."""
        if self._relay is not None:
            with suppress(ConnectionError, BrokenPipeError):
                self._write(self._relay)

    def end(self, within: float) -> None:
        """Ask it to close its sessions, wait, then `kill -9`; its sockets close either way."""
        if within > 0 and self._process.poll() is None:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(within)
        self._signal(signal.SIGKILL)
        self._process.wait()
        for each in (self._relay, self._listener):
            if each is not None:
                each.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def keep_log_short(self) -> None:
        """It may run for months in front of a router that comes and goes."""
        if self._log.stat().st_size > _LOG_BYTES:
            os.truncate(self._log, 0)

    def last_words(self) -> str:
        """The end of its log, on one line."""
        with suppress(OSError):
            said = self._log.read_text("utf-8", "replace").split()
            return " ".join(said)[-_LAST_WORDS:] or "it said nothing"
        return "it said nothing"

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            self._relay, _ = self._listener.accept()
            self._relay.setblocking(False)

    def _write(self, relay: socket.socket) -> None:
        with suppress(BlockingIOError):
            while self._unsent:
                self._unsent = self._unsent[relay.send(self._unsent) :]

    def _read(self, relay: socket.socket) -> list[str]:
        try:
            while True:
                if not (data := relay.recv(_CHUNK)):
                    raise ConnectionResetError
                self._unread += data
        except BlockingIOError:
            *lines, self._unread = self._unread.split(b"\n")
        return [line.decode("utf-8", "replace").strip() for line in lines]

    def _signal(self, number: int) -> None:
        # Its own group: the relay is in another one, and ends by itself.
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)


def _plain_environment() -> dict[str, str]:
    """Without settings of an ExaBGP that this host may have for itself."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().startswith(("exabgp", "egressway"))
    }
