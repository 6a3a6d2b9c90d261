"""Keeps the users of a NATS server on this machine current: a revoked server is off the bus at once, and
one that has left a region hears nothing of it any more.

NATS ends the connections of users that are gone when it reads its configuration again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Final

from egressway.identity.private_file import write_private
from egressway.model.errors import StoreError
from egressway.services.bus_files import PID_FILE, USERS_FILE, bus_topology, users_text
from egressway.store import Store
from egressway.wire.region_class import classes

__all__ = ["BusUsers"]

LOOK_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class BusUsers:
    """A thread between `start` and `stop`; `look` is what it repeats."""

    def __init__(self, store: Store, directory: Path) -> None:
        self._store = store
        self._directory = directory
        self._revision: int | None = None
        self._classes: set[str] = set()
        """Every one that there has been since this process began."""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bus-users", daemon=True)

    def start(self) -> None:
        """Look every second from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self) -> bool:
        """Whether the users have changed, and NATS was told."""
        with self._store.read() as read:
            revision = read.revision()
        if revision == self._revision:
            return False
        topology = bus_topology(self._store)
        text = users_text(topology, self._classes)
        self._classes.update(classes(topology))
        path = self._directory / USERS_FILE
        is_changed = not path.exists() or path.read_text(encoding="utf-8") != text + "\n"
        if is_changed:
            write_private(path, text)
            self._tell()
        self._revision = revision
        return is_changed

    def _tell(self) -> None:
        try:
            pid = int((self._directory / PID_FILE).read_text(encoding="ascii"))
            os.kill(pid, signal.SIGHUP)
        except FileNotFoundError:
            return  # it is not running, and will read them when it starts
        _log.info("the bus was told who its users are")

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except (OSError, ValueError, StoreError) as failure:
                _log.error(
                    "the users of the bus in `%s` are not current: %s", self._directory, failure
                )
