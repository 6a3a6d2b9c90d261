"""A newer process of a node takes over from an older one on the same host (beside CONFIG 4).

Both listen on the same ports for a while, so no client finds nobody there. They speak over a socket
in the data directory, which only its owner can enter:

    newer                           older
    make room!       ->             serves on with a small part of its ports
                     <-  held       what it holds beyond that, towards which origin
    ... excludes that, takes the rest of the ports, listens too ...
    leave!           ->             listens no more, lets what is open end
                     <-  held       four times a second: fewer and fewer
                     <-  gone       ... until nothing is open any more, or the deadline
    ... takes all ports ...

After a newer process that fails before `leave!` the older one has all its ports again. An older one
that ends without `gone` is gone all the same: its ports have ended with it.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from egressway.data_plane.handle import Held

__all__ = ["EVERY_SECONDS", "Predecessor", "SuccessorListener"]

EVERY_SECONDS: Final = 0.25
ANSWER_SECONDS: Final = 10.0
LONGEST_PREPARATION_SECONDS: Final = 300.0
"""For the newer process to read the largest state on a slow machine."""
_SOCKET: Final = "node.sock"
_LENGTH: Final = struct.Struct(">I")
_LONGEST: Final = 256 * 1024 * 1024
_log = logging.getLogger(__name__)
T = TypeVar("T")


class _Ask(msgspec.Struct, frozen=True):
    """The newer one's words."""

    ask: Literal["make_room", "leave"]


class _Tell(msgspec.Struct, frozen=True):
    """The older one's."""

    held: tuple[Held, ...] = ()
    instance: str = ""
    """Of the node, told together with the room that is made."""
    is_gone: bool = False


class Predecessor:
    """The older process, as the newer one knows it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.instance = ""
        """Whose work is taken over; known once room is made, if the older process tells."""

    @classmethod
    def find(cls, data: Path) -> Predecessor | None:
        """Whoever serves from this data directory; None when nobody listens there."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(ANSWER_SECONDS)
        try:
            with _short_path(data) as path:
                connection.connect(path)
        except OSError:
            connection.close()
            return None
        return cls(connection)

    def make_room(self) -> tuple[Held, ...]:
        """Have it keep a small part of its ports; what it still holds of the others.

        Raises OSError when it is gone, or does not answer.
        """
        _send(self._connection, _Ask("make_room"))
        told = _receive(self._connection, _Tell)
        self.instance = told.instance
        return told.held

    def leave(self) -> None:
        """Tell it to go. There is no way back."""
        _send(self._connection, _Ask("leave"))

    def follow(self, exclude: Callable[[tuple[Held, ...]], None]) -> None:
        """Hand on what it still holds until it is gone; then nothing is excluded any more."""
        try:
            while not (told := _receive(self._connection, _Tell)).is_gone:
                exclude(told.held)
        except (OSError, msgspec.MsgspecError) as end:
            _log.warning("the older process ended without a word: %s", end)
        finally:
            self._connection.close()
        exclude(())

    def close(self) -> None:
        """Let it serve on, if it has not been told to leave; `follow` ends."""
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class SuccessorListener:
    """Waits for a newer process, on a thread of its own between `start` and `stop`."""

    def __init__(
        self,
        data: Path,
        *,
        make_room: Callable[[bool], None],
        held: Callable[[], tuple[Held, ...]],
        leave: Callable[[], None],
        instance: str = "",
    ) -> None:
        """`make_room` is told whether to keep a small part of the ports, or to take all again."""
        self._make_room = make_room
        self._held = held
        self._leave = leave
        self._instance = instance
        self._gone = threading.Event()
        self._listening = _listen(data)
        self._thread = threading.Thread(target=self._run, name="takeover", daemon=True)

    def start(self) -> None:
        """A newer process may come from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Nothing is held any more; whoever waits for that hears it."""
        self._gone.set()
        # Wakes the thread out of `accept`, which closing alone would not.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join()
        self._listening.close()

    def _run(self) -> None:
        while not self._gone.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                try:
                    self._serve(connection)
                except (OSError, msgspec.MsgspecError) as end:
                    _log.warning("a newer process went away again: %s", end)
                except Exception:
                    _log.exception("a newer process could not be made room for")

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(LONGEST_PREPARATION_SECONDS)
        try:
            while _receive(connection, _Ask).ask == "make_room":
                self._make_room(True)
                _send(connection, _Tell(self._held(), self._instance))
        except (OSError, msgspec.MsgspecError):
            self._make_room(False)
            raise
        connection.settimeout(ANSWER_SECONDS)
        # The name is the newer one's now: a third process is to find that one.
        self._leave()
        while not self._gone.wait(EVERY_SECONDS):
            _send(connection, _Tell(self._held()))
        _send(connection, _Tell(is_gone=True))


def _listen(data: Path) -> socket.socket:
    """Under the name in the data directory; whoever had it before is found no more."""
    listening = socket.socket(socket.AF_UNIX)
    fresh = f"{_SOCKET}.{os.getpid()}"
    (data / fresh).unlink(missing_ok=True)
    with _short_path(data, fresh) as path:
        listening.bind(path)
    listening.listen(1)
    (data / fresh).replace(data / _SOCKET)
    return listening


@contextmanager
def _short_path(data: Path, name: str = _SOCKET) -> Iterator[str]:
    """A name of the socket that is short enough for the kernel, however deep the directory is."""
    descriptor = os.open(data, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def _send(connection: socket.socket, message: msgspec.Struct) -> None:
    content = msgspec.msgpack.encode(message)
    connection.sendall(_LENGTH.pack(len(content)) + content)


def _receive(connection: socket.socket, kind: type[T]) -> T:
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > _LONGEST:
        raise OSError(f"a message of {length} bytes")
    return msgspec.msgpack.decode(_exactly(connection, length), type=kind)


def _exactly(connection: socket.socket, length: int) -> bytes:
    content = bytearray()
    while len(content) < length:
        part = connection.recv(min(65_536, length - len(content)))
        if not part:
            raise ConnectionResetError("the other process is gone")
        content += part
    return bytes(content)
