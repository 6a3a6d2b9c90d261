"""The fleet's state on disk, to start from when nothing else can be reached (beside CONFIG 4).

A whole and the changes since, each with its checksum: a change costs what it is long, however many
zones there are. Writing happens on a thread of its own, so neither a slow disk nor a full one delays
what is served; what could not be written is written again as a whole as soon as there is room.
"""

from __future__ import annotations

import logging
import os
import queue
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from egressway.wire.fleet import FleetMessageError, FleetSnapshot, decode, encode
from egressway.wire.fleet_state import BaseMismatch, FleetState

__all__ = ["LastGood", "Restored"]

SYNC_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 5.0
SMALLEST_COMPACTION_BYTES: Final = 4 * 1024 * 1024
_FRAME: Final = struct.Struct(">QQ")
"""Sequence on the bus, and length of the message that follows."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """What was found on disk."""

    state: FleetState
    sequence: int


@dataclass(frozen=True, slots=True)
class _Whole:
    snapshot: FleetSnapshot
    sequence: int


@dataclass(frozen=True, slots=True)
class _Change:
    message: bytes
    sequence: int


class LastGood:
    """Two files in a directory; a thread between construction and `close`."""

    def __init__(self, directory: Path) -> None:
        self._whole_path = directory / "fleet.whole"
        self._changes_path = directory / "fleet.changes"
        self._orders: queue.SimpleQueue[_Whole | _Change | None] = queue.SimpleQueue()
        self._failure: str | None = None
        self._defect: str | None = None
        self._failed_at = 0.0
        self._whole_bytes = 0
        self._changes_bytes = 0
        self._is_synced = True
        self._thread = threading.Thread(target=self._run, name="last-good", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """Why what runs is not on disk; None when it is, or will be within a second."""
        return self._failure

    @property
    def defect(self) -> str | None:
        """What was wrong with the files at the start."""
        return self._defect

    @property
    def wants_whole(self) -> bool:
        """Changes alone no longer do: much has gathered, or something could not be written."""
        if self._failure is not None:
            return time.monotonic() - self._failed_at > AGAIN_SECONDS
        return self._changes_bytes > max(SMALLEST_COMPACTION_BYTES, self._whole_bytes)

    def keep_whole(self, snapshot: FleetSnapshot, sequence: int) -> None:
        """Returns at once. The snapshot must not change, and being frozen it does not."""
        self._changes_bytes = 0
        self._failed_at = time.monotonic()
        self._orders.put(_Whole(snapshot, sequence))

    def keep_change(self, message: bytes, sequence: int) -> None:
        """Returns at once. `message` leads on from what was kept last."""
        self._changes_bytes += _FRAME.size + len(message)
        self._orders.put(_Change(message, sequence))

    def load(self, up_to: int | None = None) -> Restored | None:
        """The newest state that can be read, or the newest up to a revision."""
        messages = self._read(self._whole_path)
        try:
            sequence, whole = next(messages)
            state = FleetState(whole)
        except StopIteration:
            return None
        except (OSError, ValueError) as defect:
            self._found(self._whole_path, defect)
            return None
        if up_to is not None and state.revision > up_to:
            return None
        try:
            for newer, change in self._read(self._changes_path):
                if up_to is not None and change.revision > up_to:
                    break
                if change.revision >= state.revision:
                    state.apply(change)
                    sequence = newer
        except (OSError, FleetMessageError, BaseMismatch) as defect:
            self._found(self._changes_path, defect)
        return Restored(state, sequence)

    def close(self) -> None:
        """Write what is to be written, and end."""
        self._orders.put(None)
        self._thread.join()

    # Reading.

    def _found(self, path: Path, defect: Exception) -> None:
        self._defect = f"`{path}` cannot be used: {defect}"
        _log.error("%s; what is readable is used, and the rest fetched", self._defect)

    @staticmethod
    def _read(path: Path) -> Iterator[tuple[int, FleetSnapshot]]:
        """Message after message; one that was being written at the end of a process is none."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return
        at = 0
        while at + _FRAME.size <= len(content):
            sequence, length = _FRAME.unpack_from(content, at)
            begin = at + _FRAME.size
            if begin + length > len(content):
                return
            yield sequence, decode(content[begin : begin + length])
            at = begin + length

    # Writing, on the thread.

    def _run(self) -> None:
        while True:
            try:
                order = self._orders.get(timeout=None if self._is_synced else SYNC_SECONDS)
            except queue.Empty:
                self._sync()
                continue
            if order is None:
                self._sync()
                return
            self._write(order)

    def _write(self, order: _Whole | _Change) -> None:
        try:
            if isinstance(order, _Whole):
                self._write_whole(order)
                self._failure = None
            elif self._failure is None:
                with self._changes_path.open("ab") as file:
                    file.write(_FRAME.pack(order.sequence, len(order.message)) + order.message)
                self._is_synced = False
        except OSError as failure:
            self._failed(failure)

    def _write_whole(self, order: _Whole) -> None:
        content = encode(order.snapshot)
        fresh = self._whole_path.with_suffix(".new")
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_FRAME.pack(order.sequence, len(content)))
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                fresh.unlink()  # half of it would only take the room that is missing
            raise
        # Changes of before do no harm beside the new whole: those older than it are passed over.
        fresh.replace(self._whole_path)
        descriptor = os.open(self._changes_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fsync(descriptor)
        os.close(descriptor)
        self._whole_bytes = len(content)
        self._is_synced = True

    def _sync(self) -> None:
        try:
            if not self._is_synced:
                with self._changes_path.open("ab") as file:
                    os.fsync(file.fileno())
        except OSError as failure:
            self._failed(failure)
        self._is_synced = True

    def _failed(self, failure: OSError) -> None:
        if self._failure is None:
            _log.error("what this server runs cannot be kept on disk: %s", failure)
        self._failure = str(failure)
        self._failed_at = time.monotonic()
