"""Where access log lines go (MEASUREMENT 1): a file that rotates by size, a stream, or nowhere.

Lines arrive complete and in order, from one thread; only that thread writes.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO, Protocol

__all__ = ["AccessLogWriter", "NoAccessLog", "RotatingFile", "StreamAccessLog"]


class AccessLogWriter(Protocol):
    """Takes complete lines."""

    def write(self, lines: bytes) -> None:
        """Append; raises OSError when they cannot be kept."""
        ...

    def close(self) -> None:
        """No more lines come."""
        ...


class NoAccessLog:
    """The log is off."""

    def write(self, lines: bytes) -> None:
        """Forget them."""

    def close(self) -> None:
        """Nothing is open."""


class StreamAccessLog:
    """For standard output, which somebody else collects."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, lines: bytes) -> None:
        """Append and flush."""
        if lines:
            self._stream.write(lines)
            self._stream.flush()

    def close(self) -> None:
        """The stream belongs to its owner."""


class RotatingFile:
    """`access.log`, and when it is full `access.log.1` (the newest) to `access.log.<keep>`.

    Readable by its owner alone: lines hold client addresses and paths.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._file = self._open()

    def write(self, lines: bytes) -> None:
        """Append; a batch stays in one file."""
        if not lines:
            return
        if self._file.tell() and self._file.tell() + len(lines) > self._max_bytes:
            self._rotate()
        written = self._file.write(lines)
        if written < len(lines):
            self._take_back(written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _take_back(self, written: int) -> None:
        """Half a line would spoil the next one too. What somebody else has appended since stays."""
        end = self._file.tell()
        if os.fstat(self._file.fileno()).st_size == end:
            self._file.truncate(end - written)
            self._file.seek(0, os.SEEK_END)

    def _open(self) -> BinaryIO:
        self._path.touch(mode=0o600, exist_ok=True)
        return self._path.open("ab", buffering=0)

    def _rotate(self) -> None:
        self._file.close()
        if self._keep == 0:
            self._path.unlink()
        else:
            for number in range(self._keep - 1, 0, -1):
                if (older := self._numbered(number)).exists():
                    older.replace(self._numbered(number + 1))
            self._path.replace(self._numbered(1))
        self._file = self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
