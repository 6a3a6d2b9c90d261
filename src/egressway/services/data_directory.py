"""The data directory: made for its owner alone, used by one process at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO, Final

from egressway.services.start_error import StartError

__all__ = ["DataDirectory"]

LOCK_FILE: Final = "lock"


class DataDirectory:
    """Locked from construction to `close`; the lock ends with the process, however it ends.

    With `may_wait` the lock may be another process's for now: `is_locked` tells, `wait` waits for it.
    """

    def __init__(self, path: Path, *, may_wait: bool = False) -> None:
        self.path = path
        self.is_locked = False
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = (path / LOCK_FILE).open("a+", encoding="ascii")
        except OSError as failure:
            raise StartError(
                f"the data directory `{path}` cannot be used: {failure.strerror}. Make it writable "
                "for this user, or give another with `--data`."
            ) from failure
        try:
            self._take(self._lock)
        except StartError:
            if not may_wait:
                self._lock.close()
                raise

    @property
    def operator_token(self) -> Path:
        """Where the operator's token is written at the first start."""
        return self.path / "admin-token"

    @property
    def access_log(self) -> Path:
        """The file of the access log."""
        return self.path / "access.log"

    @property
    def in_use(self) -> StartError:
        """Whose it is."""
        self._lock.seek(0)
        holder = self._lock.read(20).strip() or "unknown"
        return StartError(
            f"the data directory `{self.path}` is in use by process {holder}. Stop that process, or "
            "give another directory with `--data`."
        )

    def wait(self) -> None:
        """Until it is ours alone."""
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._sign(self._lock)

    def close(self) -> None:
        """Another process may have it now."""
        self._lock.close()

    def _take(self, lock: IO[str]) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as failure:
            raise self.in_use from failure
        self._sign(lock)

    def _sign(self, lock: IO[str]) -> None:
        self.is_locked = True
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
